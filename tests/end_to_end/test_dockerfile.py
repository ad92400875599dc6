"""`zlock dockerfile` and `zlock plan` as commands, and their install steps run by the real pip and uv."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import uv

from support.engines import small_disk
from support.environment import clean_environment
from support.folders import add_tiny_flit, make_extension, make_folder
from support.git import GitRepository
from support.images import runs
from support.index import TinyIndex
from support.project import Project, Result
from support.stored_images import Image, TinyRegistry
from support.venv import installed
from support.wheelhouse import ROOT, make_wheelhouse
from support.wheels import Sdist

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
DEBIAN = Path("/usr/bin/python3")


def configure(project: Project, index: TinyIndex, **more: Any) -> None:
    """Configure steps `train` and `score`, which are alike, and `report`."""
    alpha = {"docker": {"requirements": ["alpha"]}}
    steps = {"train": alpha, "score": alpha, "report": {"docker": {"requirements": ["beta"]}}}
    url = index.url_with_credentials if index.auth else index.url
    project.configure({"python": PYTHON, "index": [{"url": url, "default": True}], "steps": steps, **more})


def fill(index: TinyIndex) -> None:
    """Add packages and a uv whose program is the real one."""
    index.wheel("alpha", "1.0", requires=["beta"], entry_points={"console_scripts": {"alpha": "alpha:main"}})
    index.wheel("beta", "2.0")
    program = f'#!/bin/sh\nexec "{uv.find_uv_bin()}" "$@"\n'.encode()
    index.wheel("uv", "0.13.9", files={"uv-0.13.9.data/scripts/uv": program})


def succeed(result: Result) -> Result:
    assert result.code == 0, result.stderr
    return result


def contexts(project: Project, *options: str) -> dict[str, Path]:
    """Lock, write the contexts, and return the folder of each step."""
    succeed(project.run("resolve", *options))
    rows = json.loads(succeed(project.run("dockerfile", "--json", *options)).stdout)["contexts"]
    return {step: Path(row["folder"]) for row in rows for step in row["steps"]}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def build(context: Path, root: Path, python: Path, index: TinyIndex, secret_text: bytes | None = None) -> Path:
    """Run what a build would run, under a folder instead of `/`, and return the interpreter of the environment."""
    programs = root / "programs"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to(python)
    shutil.copytree(context, root / "opt" / "zlock")
    for path in (root / "opt" / "zlock").rglob("*.txt"):
        path.write_text(path.read_text(encoding="utf-8").replace("file:///opt/", f"file://{root}/opt/"), "utf-8")
    secret = root / "run" / "secrets" / "zlock-index"
    for folder in (secret.parent, root / "tmp"):
        folder.mkdir(parents=True)
    secret.write_bytes(secret_text or f"PIP_INDEX_URL={index.url}\nUV_DEFAULT_INDEX={index.url}\n".encode())
    install = next(one for one in runs((context / "Dockerfile").read_text()) if "-m venv" in one[-1])
    install = [re.sub(r"(?<![\w/])/(opt|run|tmp)/", rf"{root}/\1/", word) for word in install]
    environment = clean_environment(root, {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"})
    done = subprocess.run(install, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert list((root / "tmp").iterdir()) == []
    assert list(root.rglob(".lock")) == []
    return root / "opt" / "venv" / "bin" / "python"


def has_pip(python: Path) -> bool:
    command = [str(python), "-c", "import pip"]
    return python.is_file() and subprocess.run(command, capture_output=True, check=False).returncode == 0


PARENTS = [
    pytest.param(Path(sys.executable), id="running"),
    # Its environment is externally managed, and it has no `ensurepip`.
    pytest.param(
        DEBIAN, id="debian", marks=pytest.mark.skipif(not has_pip(DEBIAN), reason="needs a python3-pip of Debian")
    ),
]


def version_of(python: Path) -> str:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("python", PARENTS)
@pytest.mark.parametrize(
    "docker",
    [
        {},
        {"python-package-installer-args": {"timeout": 1000, "retries": 2, "no-color": True}},
        {"python-package-installer": "uv"},
        {"python-package-installer": "uv", "python-package-installer-args": {"timeout": 1000, "retries": 2}},
    ],
    ids=["pip", "pip-arguments", "uv", "uv-arguments"],
)
def test_a_build_installs_the_lock_and_nothing_else(
    project: Project, index: TinyIndex, tmp_path: Path, python: Path, docker: Mapping[str, Any]
) -> None:
    fill(index)
    configure(project, index, python=version_of(python), docker=docker)
    folder = contexts(project)["train"]

    made = build(folder, tmp_path / "root", python, index)

    assert installed(made) == project.locked("train") == {"alpha": "1.0", "beta": "2.0"}
    assert (made.parent / "alpha").is_file()
    compiled = [path.read_bytes() for path in made.parents[1].rglob("alpha/__pycache__/*.pyc")]
    assert [data[4:8] for data in compiled] == [b"\x01\0\0\0"]  # PEP 552: by hash, and not checked


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_folders_of_the_project_are_installed_too(
    project: Project, index: TinyIndex, tmp_path: Path, installer: str
) -> None:
    fill(index)
    add_tiny_flit(index)
    for path in make_wheelhouse(tmp_path / "wheels", ["setuptools"]).iterdir():
        index.add(path)
    make_folder(project.folder / "libs" / "pure")
    make_extension(project.folder / "libs" / "native")
    docker = {"requirements": ["alpha", "./libs/pure", "./libs/native"], "python-package-installer": installer}
    configure(project, index, steps={"train": {"docker": docker}})

    made = build(contexts(project)["train"], tmp_path / "root", Path(sys.executable), index)

    assert installed(made) == {"alpha": "1.0", "beta": "2.0", "pure": "1.0", "native": "1.0"}
    subprocess.run([made, "-c", "import native, pure"], check=True)
    succeed(project.run("verify", f"env:{made}"))
    (module,) = made.parents[1].rglob("pure/__init__.py")
    module.write_text("VALUE = 2\n", encoding="utf-8")
    altered = project.run("verify", f"env:{made}")
    assert altered.code == 1
    assert "pure/__init__.py" in altered.stdout + altered.stderr


def test_a_file_that_is_no_python_is_left_as_it_is_and_the_others_are_compiled(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    index.wheel("alpha", "1.0", files={"alpha/__init__.py": b"", "alpha/template.py": b"{{ name }} ="})
    configure(project, index, steps={"train": {"docker": {"requirements": ["alpha"]}}})

    made = build(contexts(project)["train"], tmp_path / "root", Path(sys.executable), index)

    compiled = [path.name.partition(".")[0] for path in made.parents[1].rglob("alpha/__pycache__/*.pyc")]
    assert compiled == ["__init__"]


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_build_of_an_sdist_uses_what_was_locked_for_it(
    project: Project, index: TinyIndex, tmp_path: Path, installer: str
) -> None:
    fill(index)
    index.wheel("helper", "1.0")
    index.sdist("gamma", "3.0", build_requires=["helper"], requires=["beta"])
    configure(
        project,
        index,
        **{"build-sdists": ["gamma"]},
        docker={"python-package-installer": installer},
        steps={"train": {"docker": {"requirements": ["gamma"]}}},
    )
    folder = contexts(project)["train"]
    index.wheel("helper", "2.0")

    made = build(folder, tmp_path / "root", Path(sys.executable), index)

    assert installed(made) == {"beta": "2.0", "gamma": "3.0"}
    assert "helper==1.0" in (folder / "sdists" / "gamma.build.txt").read_text()


def test_a_build_refuses_a_file_that_is_not_the_locked_one(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    fill(index)
    configure(project, index)
    folder = contexts(project)["train"]
    with TinyIndex() as other:
        other.wheel("alpha", "1.0", files={"alpha/__init__.py": b"harm = True\n"})
        other.wheel("beta", "2.0")

        with pytest.raises(AssertionError, match=r"(?i)hash"):
            build(folder, tmp_path / "root", Path(sys.executable), other)


def test_a_wheel_by_url_is_installed_with_its_hash(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    fill(index)
    file = index.wheel("direct", "1.0")
    url = f"{index.root}/{file.location}"
    configure(project, index, steps={"train": {"docker": {"requirements": [f"direct @ {url}"]}}})
    folder = contexts(project)["train"]

    made = build(folder, tmp_path / "root", Path(sys.executable), index)

    assert installed(made) == {"direct": "1.0"}
    assert "#sha256=" in (folder / "direct.txt").read_text()


@pytest.mark.parametrize("python", PARENTS)
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_build_takes_repositories_at_their_commit_and_archives_with_their_hash(
    project: Project, index: TinyIndex, tmp_path: Path, python: Path, installer: str
) -> None:
    fill(index)
    index.wheel("helper", "1.0")
    repository = GitRepository(tmp_path / "repository")
    commit = repository.commit_tree(
        "cloned", "1.0.dev3+local", at="inside", build_requires=["helper"], requires=["beta"]
    )
    sdist = index.sdist("packed", "2.0", build_requires=["helper"])
    with repository.served() as url:
        asked = [f"cloned @ {url}#subdirectory=inside", f"packed @ {index.root}/{sdist.location}"]
        docker = {"requirements": asked, "apt-packages": ["git"], "python-package-installer": installer}
        configure(project, index, python=version_of(python), steps={"train": {"docker": docker}})
        folder = contexts(project)["train"]
        repository.commit_tree("cloned", "9.0", at="inside")
        index.wheel("helper", "2.0")

        made = build(folder, tmp_path / "root", python, index)

    assert installed(made) == {"beta": "2.0", "cloned": "1.0.dev3+local", "packed": "2.0"}
    for name in ("cloned", "packed"):
        assert (folder / "sdists" / f"{name}.build.txt").read_text().startswith("helper==1.0 --hash=sha256:")
    assert (folder / "sdists" / "cloned.txt").read_text() == f"cloned @ {url}@{commit}#subdirectory=inside\n"
    assert (folder / "sdists" / "packed.txt").read_text().endswith(f"#sha256={sdist.sha256}\n")
    (record,) = made.parents[1].rglob("direct_url.json")
    assert json.loads(record.read_text())["vcs_info"]["commit_id"] == commit
    succeed(project.run("verify", f"env:{made}", "--step", "train"))


def test_a_login_in_the_url_of_a_repository_is_in_no_lock_and_no_context(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    fill(index)
    repository = GitRepository(tmp_path / "repository")
    repository.commit_tree("cloned", "1.0")
    with repository.served() as url:
        asked = [f"cloned @ {url.replace('://', '://me:hush@')}"]
        configure(project, index, steps={"train": {"docker": {"requirements": asked, "apt-packages": ["git"]}}})
        folder = contexts(project)["train"]

    assert b"hush" not in project.lock_path("train").read_bytes()
    assert [name for name, data in files_of(folder).items() if b"hush" in data] == []
    assert url.encode() in files_of(folder)["sdists/cloned.txt"]


def test_a_build_refuses_an_archive_that_is_not_the_locked_one(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    fill(index)
    sdist = index.sdist("packed", "2.0")
    steps = {"train": {"docker": {"requirements": [f"packed @ {index.root}/{sdist.location}"]}}}
    configure(project, index, steps=steps)
    folder = contexts(project)["train"]
    sdist.content = Sdist(name="packed", version="2.0", files={"packed/harm.py": b""}).content()

    with pytest.raises(AssertionError, match=r"(?i)do not match the hashes"):
        build(folder, tmp_path / "root", Path(sys.executable), index)


def test_steps_that_resolve_alike_share_a_context(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    folders = contexts(project)

    assert folders["train"] == folders["score"] != folders["report"]
    assert folders["train"].parent == project.folder / "build" / "zlock"
    identity = project.lock("train")["tool"]["zlock"]["identity"]
    (key,) = {row["key"] for row in json.loads(project.run("plan", "--offline", "--json").stdout)["images"][:1]}
    assert folders["train"].name == f"{key.removeprefix('sha256:')[:16]}-floating"
    assert f"# Made by zlock from the lock {identity}" in (folders["train"] / "Dockerfile").read_text()


def test_a_parent_with_a_digest_gives_a_folder_named_after_the_key(project: Project, index: TinyIndex) -> None:
    fill(index)
    parent = f"registry.example/base:1@sha256:{'ab' * 32}"
    configure(project, index, docker={"parent-image": parent})
    folder = contexts(project)["train"]

    (row,) = [
        one
        for one in json.loads(project.run("plan", "--offline", "--json").stdout)["images"]
        if "train" in one["steps"]
    ]
    assert folder.name == row["key"][:16]
    assert f"FROM {parent}\n" in (folder / "Dockerfile").read_text()
    assert "not pinned to a digest" not in project.run("plan", "--offline").stderr


def test_contexts_are_the_same_bytes_and_times_each_time(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    folder = contexts(project)["train"]
    before, mode = files_of(folder), (folder / "Dockerfile").stat()
    (folder / "left-over").write_text("from before")

    contexts(project)

    assert files_of(folder) == before
    assert (mode.st_mtime, mode.st_mode & 0o777) == (315532800, 0o644)
    assert (folder / "Dockerfile").stat().st_mtime == mode.st_mtime


def test_a_credential_is_in_no_file_of_a_context_and_in_no_message(project: Project, index: TinyIndex) -> None:
    fill(index)
    index.auth = ("someone", "hunter2")
    configure(project, index)
    folder = contexts(project)["train"]

    said = project.run("dockerfile", "-v")
    everything = b"\n".join(files_of(folder).values()) + f"{said.stdout}{said.stderr}".encode()
    assert b"hunter2" not in everything
    assert b"127.0.0.1" not in everything
    assert b"--mount=type=secret,id=zlock-index,required=true" in everything


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_private_index_reaches_a_build_as_its_secret(
    project: Project, index: TinyIndex, tmp_path: Path, installer: str
) -> None:
    fill(index)
    index.auth = ("some one", "hunter2/@$'")
    login = {"UV_INDEX_PRIVATE_USERNAME": "some one", "UV_INDEX_PRIVATE_PASSWORD": "hunter2/@$'"}
    indexes = [{"name": "private", "url": index.url, "default": True}]
    docker = {"requirements": ["alpha"], "python-package-installer": installer}
    project.configure({"python": PYTHON, "index": indexes, "docker": docker})
    succeed(project.run("resolve", env=login))
    (row,) = json.loads(succeed(project.run("dockerfile", "--json")).stdout)["contexts"]
    program = """if True:
        import sys
        from zlock.workflow.images.plan import plan
        from zlock.workflow.images.build_image import index_secret
        from zlock.workflow.project.workspace import Options, Workspace
        images, _, _ = plan(Options(offline=True))
        workspace = Workspace(Options())
        said = []
        workspace.note = said.append
        sys.stdout.buffer.write(index_secret(workspace, images[0].plan, ""))
        assert "on this machine" in said.pop()
        index_secret(workspace, images[0].plan, "host")
        assert not said
    """

    made = build(Path(row["folder"]), tmp_path / "root", Path(sys.executable), index, ask(project, program, login))

    assert row["secret"] is True
    assert installed(made) == {"alpha": "1.0", "beta": "2.0"}


def test_the_index_of_the_command_line_takes_the_place_of_the_configured_default_in_builds_too(
    project: Project, index: TinyIndex
) -> None:
    fill(index)
    with TinyIndex() as house, TinyIndex() as configured:
        tables = [{"name": "house", "url": house.url}, {"url": configured.url, "default": True}]
        project.configure({"python": PYTHON, "index": tables, "docker": {"requirements": ["alpha"]}})
        succeed(project.run("resolve", "--index-url", index.url))
        program = f"""if True:
            from zlock.workflow.project.serving import serving_with_logins
            from zlock.workflow.project.workspace import Options, Workspace
            workspace = Workspace(Options(index_url="{index.url}"))
            for one in serving_with_logins(workspace, workspace.steps[0].routing):
                print(one.url)
        """

        asked = ask(project, program, {"UV_DEFAULT_INDEX": configured.url}).decode().split()

    assert asked == [house.url, index.url]
    assert not configured.requests


def with_a_second_index(project: Project, index: TinyIndex, second: TinyIndex, **more: Any) -> dict[str, Any]:
    """Configure a package of an index that contexts may name, beside others; what it requires is on both indexes."""
    fill(index)
    index.wheel("torch", "9.0")
    index.wheel("beta", "1.0")
    second.wheel("torch", "2.0+cpu", requires=["alpha"])
    second.wheel("beta", "1.0")  # older than what is locked
    cpu = {"name": "cpu", "url": second.url, "explicit": True, "index-in-context": True, **more}
    settings = {
        "python": PYTHON,
        "index": [{"url": index.url, "default": True, "index-in-context": True}, cpu],
        "index-sources": {"torch": "cpu"},
        "docker": {"requirements": ["torch"]},
    }
    project.configure(settings)
    return settings


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_indexes_that_anybody_may_ask_are_in_the_context_and_need_no_secret(
    project: Project, index: TinyIndex, tmp_path: Path, installer: str
) -> None:
    with TinyIndex() as second:
        settings = with_a_second_index(project, index, second)
        project.configure({**settings, "docker": {"requirements": ["torch"], "python-package-installer": installer}})
        folder = contexts(project)["pipeline"]

        made = build(folder, tmp_path / "root", Path(sys.executable), index, b"exit 1\n")

    assert installed(made) == {"torch": "2.0+cpu", "alpha": "1.0", "beta": "2.0"}
    assert "secret" not in (folder / "Dockerfile").read_text()
    assert second.url in (folder / "indexes.sh").read_text()


def test_an_index_that_not_everybody_may_ask_is_still_a_secret(project: Project, index: TinyIndex) -> None:
    with TinyIndex() as second:
        settings = with_a_second_index(project, index, second)
        settings["index"][0].pop("index-in-context")
        project.configure({**settings, "steps": {"both": {}, "one": {"docker": {"requirements": ["beta"]}}}})
        folders = contexts(project)
        project.configure({**settings, "index-sources": {"torch": "cpu", "alpha": "cpu", "beta": "cpu"}})
        second.wheel("alpha", "0.5")
        alone = contexts(project)["pipeline"]

    for folder in folders.values():
        assert "--mount=type=secret" in (folder / "Dockerfile").read_text()
        assert not (folder / "indexes.sh").exists()
    assert "secret" not in (alone / "Dockerfile").read_text()
    assert index.url not in (alone / "indexes.sh").read_text()


def test_whether_an_index_may_be_in_contexts_moves_no_lock_and_is_explained(project: Project, index: TinyIndex) -> None:
    with TinyIndex() as second:
        settings = with_a_second_index(project, index, second, **{"index-in-context": False})
        contexts(project)
        before = project.lock_path("pipeline").read_bytes()
        record = project.folder / "build" / "zlock" / "images.json"
        record.write_text(recorded(project))
        settings["index"][1]["index-in-context"] = True
        project.configure(settings)

        assert project.run("resolve", "--check").code == 0
        assert project.lock_path("pipeline").read_bytes() == before
        explained = succeed(project.run("plan", "--offline", "--explain", "pipeline")).stdout

    lines = [line.strip() for line in explained.splitlines()[2:]]
    assert lines == sorted(f"index {one.url}: added" for one in (index, second))


def test_a_portable_lock_makes_the_same_image(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    before = files_of(contexts(project)["train"])
    configure(project, index, urls="portable")

    assert files_of(contexts(project)["train"]) == before


def test_an_index_of_the_machine_is_no_part_of_a_context(project: Project, index: TinyIndex) -> None:
    """Who plans an image must not change it."""
    fill(index)
    project.configure({"python": PYTHON, "docker": {"requirements": ["alpha"]}})
    folder = contexts(project, "--index-url", index.url)["pipeline"]

    text = b"\n".join(files_of(folder).values())
    assert b"secret" not in text
    assert index.root.encode() not in text


def test_the_projects_files_are_copied_where_it_is_installed(project: Project, index: TinyIndex) -> None:
    fill(index)
    project.write("src/code.py", "x = 1\n")
    project.write(".env", "SECRET=1\n")
    project.write("src/__pycache__/code.pyc", b"")
    configure(project, index, docker={"local-project-install-command": "pip install --no-deps ."})
    folder = contexts(project)["train"]
    contexts(project)  # what was written is no part of what is written next

    copied = {path for path in files_of(folder) if path.startswith("project/")}
    assert copied == {"project/src/code.py"}


def test_files_that_are_called_like_secrets_are_noted_once_until_a_dockerignore_speaks_of_them(
    project: Project, index: TinyIndex
) -> None:
    fill(index)
    for number in range(6):
        project.write(f"certificates/{number}.pem", "")
    project.write("secrets.env", "SECRET=1\n")
    configure(project, index, docker={"local-project-install-command": "pip install --no-deps ."})
    contexts(project)

    said = succeed(project.run("dockerfile")).stderr
    project.write(".dockerignore", "secrets.env\n")
    less = succeed(project.run("dockerfile")).stderr
    project.write(".dockerignore", "secrets.env\n" + "".join(f"!certificates/{number}.pem\n" for number in range(6)))
    after = succeed(project.run("dockerfile")).stderr

    named = ", ".join(["`secrets.env`", *(f"`certificates/{number}.pem`" for number in range(4))])
    assert said.count(f"note: {named} and 2 more will be in images, as files of the project, and by their names ") == 1
    assert "note: `certificates/0.pem`" in less
    assert "hold secrets" not in after


def test_contexts_inside_the_project_move_no_key(project: Project, index: TinyIndex) -> None:
    fill(index)
    docker = {"local-project-install-command": "true", "parent-image": f"base:1@sha256:{'1' * 64}"}
    configure(project, index, docker=docker)
    (project.folder / "module.py").write_text("")
    succeed(project.run("resolve"))

    def written() -> list[str]:
        succeed(project.run("dockerfile", "--output", "contexts"))
        succeed(project.run("export", "bake", "--output", "docker-bake.json"))
        return sorted(place.name for place in (project.folder / "contexts").iterdir())

    first = written()
    assert written() == first
    assert written() == first


def test_a_step_called_as_the_group_of_all_images_has_its_target_named(project: Project, index: TinyIndex) -> None:
    fill(index)
    steps = {name: {"docker": {"requirements": [package]}} for name, package in (("default", "alpha"), ("b", "beta"))}
    configure(project, index, steps=steps, docker={"parent-image": f"base:1@sha256:{'1' * 64}"})
    succeed(project.run("resolve"))

    done = succeed(project.run("export", "bake"))

    groups = json.loads(done.stdout)["group"]
    (other,) = groups["b"]["targets"]
    (own,) = set(groups["default"]["targets"]) - {other}
    assert "note: the step `default` has no group, " in done.stderr
    assert f"name its target, `{own}`" in done.stderr


def test_dockerignore_says_which_files_are_copied(project: Project, index: TinyIndex) -> None:
    fill(index)
    project.write("data/large.bin", b"x")
    project.write("data/small.csv", b"y")
    project.write(".hidden", "z\n")
    project.write(".dockerignore", "# data\ndata/*\n!data/*.csv\n")
    configure(project, index, docker={"local-project-install-command": "pip install --no-deps ."})
    folder = contexts(project)["train"]

    copied = {path for path in files_of(folder) if path.startswith("project/")}
    assert copied == {"project/data/small.csv", "project/.hidden", "project/.dockerignore"}


def test_a_lock_that_is_missing_outdated_or_edited_stops_every_command(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    missing = project.run("dockerfile")
    succeed(project.run("resolve"))
    configure(project, index, constraints=["beta<3"])
    outdated = project.run("plan", "--offline")
    path = project.lock_path("train")
    path.write_text(path.read_text().replace('sha256 = "', 'sha256 = "00'))
    edited = [project.run(*command) for command in (("plan", "--offline"), ("dockerfile",), ("build",))]

    assert (missing.code, outdated.code) == (1, 1)
    assert "has no lock" in missing.stderr
    assert "is outdated" in outdated.stderr
    for result in edited:
        assert result.code == 2
        assert "the lock `pylock.train.toml` was cut short or edited" in result.stderr
    assert all("hint: " in result.stderr for result in (missing, outdated, *edited))
    assert not (project.folder / "build").exists()


def test_a_lock_made_for_pip_is_outdated_for_uv_until_it_is_resolved(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    succeed(project.run("resolve"))
    before = project.lock("train")
    configure(project, index, docker={"python-package-installer": "uv"})

    outdated = project.run("plan", "--offline")
    succeed(project.run("resolve"))

    assert outdated.code == 1
    assert "`python-package-installer` is `uv`" in outdated.stderr
    own = project.lock("train")["tool"]["zlock"]
    assert own["uv"]["version"] == "0.13.9"
    assert [own[key] for key in ("identity", "inputs")] == [before["tool"]["zlock"][k] for k in ("identity", "inputs")]
    succeed(project.run("plan", "--offline"))


def test_a_bake_file_elsewhere_is_noted_to_count_from_there(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index, docker={"parent-image": f"base:1@sha256:{'1' * 64}"})
    succeed(project.run("resolve"))
    (project.folder / "bake").mkdir()

    here = succeed(project.run("export", "bake", "--output", "docker-bake.json")).stderr
    there = succeed(project.run("export", "bake", "--output", "bake/docker-bake.json")).stderr

    assert "run bake in" not in here
    assert f"note: run bake in `{project.folder / 'bake'}`, from which the file's paths count" in there
    targets = json.loads((project.folder / "bake" / "docker-bake.json").read_text())["target"].values()
    assert all((project.folder / "bake" / target["context"] / "Dockerfile").is_file() for target in targets)


def test_a_plan_counts_what_uv_itself_comes_to(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    succeed(project.run("resolve"))

    def download() -> int:
        rows = json.loads(succeed(project.run("plan", "--offline", "--json")).stdout)["images"]
        return next(int(row["download"]) for row in rows if "train" in row["steps"])

    before = download()
    configure(project, index, docker={"python-package-installer": "uv"})
    succeed(project.run("resolve"))

    (wheel,) = project.lock("train")["tool"]["zlock"]["uv"]["wheels"]
    assert wheel["size"] > 0
    assert download() == before + wheel["size"]


def test_the_locked_uv_is_kept_until_an_upgrade(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index, docker={"python-package-installer": "uv"})
    succeed(project.run("resolve"))
    index.wheel("uv", "0.14.0")

    configure(project, index, docker={"python-package-installer": "uv"}, constraints=["beta<3"])
    succeed(project.run("resolve"))
    kept = project.lock("train")["tool"]["zlock"]["uv"]["version"]
    succeed(project.run("resolve", "--upgrade"))

    assert kept == "0.13.9"
    assert project.lock("train")["tool"]["zlock"]["uv"]["version"] == "0.14.0"


def test_what_an_image_can_not_install_is_refused_by_name(project: Project, index: TinyIndex) -> None:
    fill(index)
    project.write("local/pyproject.toml", '[project]\nname = "nearby"\nversion = "1.0"\n')
    configure(project, index, steps={"train": {"docker": {"requirements": ["nearby @ file:local"]}}})
    succeed(project.run("resolve"))

    done = project.run("dockerfile")

    assert done.code == 1
    assert "step `train`: `nearby` is built with `setuptools>=40.8.0`, of which no index has wheels" in done.stderr
    assert "hint: " in done.stderr


def refused(project: Project, index: TinyIndex, *images: str, **settings: Any) -> str:
    """Return the errors about settings, which are the same where a lock is there and where not, and for all commands.

    Those about images are only reached where the settings leave the lock current.
    """
    configure(project, index, **settings)
    first = project.run("resolve")
    assert not project.lock_path("train").exists()
    configure(project, index)
    succeed(project.run("resolve"))
    locks = files_of(project.folder / "lockfiles")
    configure(project, index, **settings)
    for arguments in (["resolve"], ["resolve", "--check"], *([one] for one in images)):
        done = project.run(*arguments)
        said = done.stderr[done.stderr.index("error: ") :]  # commands about images first say what there is none of
        mistakes = [text for text in said.split("\n\n") if "is outdated" not in text]
        assert (done.code, "\n\n".join(mistakes), done.stdout) == (2, first.stderr, "")
    assert files_of(project.folder / "lockfiles") == locks
    assert not (project.folder / "build").exists()
    assert first.stderr.count("hint: ") == first.stderr.count("error: ") > 0
    return first.stderr


def test_a_setting_that_can_not_be_carried_is_named_with_its_place(project: Project, index: TinyIndex) -> None:
    fill(index)
    docker = {"python-package-installer-args": {"upgrade": True, "timeuot": 5}}

    said = refused(project, index, "dockerfile", "plan", "build", docker=docker)

    assert said.count("stated in zlock.toml:") == 2
    assert said.count("likewise for `score`, `report`") == 2
    assert "step `train`, `python-package-installer-args`: `timeuot` is not an option of `pip install`" in said
    assert "did you mean `timeout`?" in said
    only = project.run("dockerfile", "--step", "report").stderr
    assert "step `report`, " in only
    assert "likewise" not in only


@pytest.mark.parametrize(
    "docker",
    [
        {"python-package-installer-args": {"proxy": "user:hush@host.example:80"}},
        {"python-package-installer-args": {"trusted-host": ["u:hush@h"]}},
        {"environment": {"HTTP_PROXY": "user:hush@h:80"}},
        {"runtime-environment": {"DSN": "postgres://me:hush@db/x"}},
        {"local-project-install-command": "pip install --index-url https://me:hush@index.example/simple/ ."},
        {"local-project-install-command": ["pip", "install", "--proxy=me:hush@h:80", "."]},
        {"environment": {"DSN": "https://h.example/?x=1&access_token=hush"}},
        {"local-project-install-command": "curl -O 'https://h.example/a?sig=hush'"},
    ],
)
def test_credentials_in_whatever_enters_an_image_are_refused(
    project: Project, index: TinyIndex, docker: dict[str, Any]
) -> None:
    fill(index)
    said = refused(project, index, "dockerfile", docker=docker)
    assert "holds credentials, which would stay in the image" in said
    assert "hush" not in said


def test_output_is_where_it_is_said(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    fill(index)
    configure(project, index)
    folder = contexts(project)["train"]
    succeed(project.run("dockerfile", "--output", str(tmp_path / "there"), "--step", "train"))

    assert [path.name for path in (tmp_path / "there").iterdir()] == [folder.name]
    refused = project.run("dockerfile", "--output", "zlock.toml")
    assert (refused.code, "`zlock.toml` is a file\nhint: name a folder" in refused.stderr) == (2, True)


def test_a_pipeline_that_runs_locally_has_no_images(project: Project, index: TinyIndex) -> None:
    configure(project, index, stack={"remote": False})
    done = succeed(project.run("plan", "--offline", "--json"))

    assert json.loads(done.stdout) == {"disregarded": True, "images": [], "indexes": [], "failed": []}
    assert "docker settings are disregarded" in succeed(project.run("dockerfile")).stderr


def test_variables_that_would_change_what_a_build_installs_are_refused_all_at_once(
    project: Project, index: TinyIndex
) -> None:
    fill(index)
    variables = {"PIP_TARGET": "/elsewhere", "PYTHONHOME": "/usr", "HTTP_PROXY": "http://me:secret@proxy.example"}

    said = refused(project, index, "dockerfile", "plan", docker={"environment": variables})

    for name in variables:
        assert f"step `train`, `environment`: `{name}` " in said
    assert "hint: where packages go is set by `system` in the docker settings" in said
    assert "secret" not in said


def test_what_two_levels_state_is_refused_with_the_place_of_each(project: Project, index: TinyIndex) -> None:
    fill(index)
    own = {"requirements": ["alpha"], "environment": {"PIP_EXTRA_INDEX_URL": "https://index.example/"}}
    other = {"requirements": ["alpha"], "python-package-installer": "uv"}
    steps = {"train": {"docker": own}, "score": {"docker": other}, "report": {}}

    said = refused(project, index, docker={"environment": {"PIP_TARGET": "/a", "UV_TARGET": "/b"}}, steps=steps)

    lines = (project.folder / "zlock.toml").read_text().splitlines()
    named = {
        name: lines.index(next(line for line in lines if line.startswith(f"{name} = "))) + 1
        for name in ("PIP_TARGET", "PIP_EXTRA_INDEX_URL")
    }
    assert said.count("error: ") == 3
    for name, line in named.items():
        (error,) = (text for text in said.split("\n\n") if f"`{name}`" in text)
        assert f"stated in zlock.toml:{line}\n" in error
    assert "step `train`, `environment`: `PIP_TARGET` is refused" in said
    assert said.count("likewise for `score`, `report`") == 1
    assert "step `score`, `environment`: `UV_TARGET` is refused" in said


def test_a_step_without_an_image_is_not_held_to_what_images_carry(project: Project, index: TinyIndex) -> None:
    fill(index)
    docker = {"requirements": ["alpha"], "environment": {"PIP_TARGET": "/a"}}
    configure(project, index, steps={"train": {"docker": docker, "platforms": ["darwin/arm64"]}})

    succeed(project.run("resolve"))
    succeed(project.run("resolve", "--check"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"docker": {"local-project-install-command": "pip install .\0"}}, "`local-project-install-command`: `pip"),
        (
            {"docker": {"runtime-environment": {"A": "\u2028"}}},
            "`docker.runtime-environment.A`: a line break or another control character can't be part of",
        ),
        (
            {"docker": {"parent-image": "[::1]:5000/base:1"}},
            "`parent-image`: `[::1]:5000/base:1` is not a valid image reference",
        ),
        ({"registry": "registry.example"}, "`registry` names no repository"),
        ({"registry": "registry.example"}, "`registry` is stated in zlock.toml:"),
        ({"docker": {"dockerfile": "Dockerfile", "parent-image": "a"}}, "both a `dockerfile` and a `parent-image`"),
        ({"docker": {"dockerfile": "Dockerfile", "parent-image": "a"}}, "`parent-image` is stated in zlock.toml:"),
        ({"musllinux": "1_2"}, "locked for musl, and the default base image has glibc"),
        ({"musllinux": "1_2"}, f"python:{PYTHON}-alpine"),
    ],
)
def test_a_setting_that_no_image_can_have_is_refused_by_all_commands(
    project: Project, index: TinyIndex, settings: Mapping[str, Any], said: str
) -> None:
    fill(index)

    assert said in refused(project, index, **settings)


def test_a_parent_of_ones_own_is_said_to_be_built_first(project: Project, index: TinyIndex) -> None:
    fill(index)
    project.write("Dockerfile.base", f"FROM base@sha256:{'ab' * 32}\n")
    configure(project, index, docker={"dockerfile": "Dockerfile.base"})
    contexts(project)

    said = succeed(project.run("dockerfile")).stderr
    assert "build its base image first" in said
    assert "zlock-parent:" in said
    shown = succeed(project.run("plan", "--offline")).stdout
    assert ", which `Dockerfile.base` makes\n" in shown
    assert "@sha256" not in shown


def test_a_parent_of_ones_own_that_floats_is_said_to_need_digests(project: Project, index: TinyIndex) -> None:
    fill(index)
    project.write("Dockerfile.base", "FROM base:1\n")
    configure(project, index, docker={"dockerfile": "Dockerfile.base"})
    succeed(project.run("resolve"))

    said = succeed(project.run("plan", "--offline")).stderr

    assert "`Dockerfile.base` makes is not pinned to a digest: `base:1` may stand for another image" in said
    assert "--pin-images" not in said


def test_a_parent_that_no_registry_has_is_not_said_to_be_pinned_there(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index, docker={"parent-image": "localhost/base:1"})
    contexts(project)

    for said in (succeed(project.run("plan")).stderr, succeed(project.run("dockerfile")).stderr):
        assert "no registry has it: push it to one, and name it as it is there" in said
        assert "--pin-images" not in said


def test_a_folder_for_a_dockerfile_that_there_is_not_is_noted(project: Project, index: TinyIndex) -> None:
    fill(index)
    project.write("Dockerfile.base", f"FROM base@sha256:{'ab' * 32}\n")
    (project.folder / "here").mkdir()
    docker = {"requirements": ["alpha"], "dockerfile": "Dockerfile.base", "build-context-root": "here"}
    steps = {"train": {}, "report": {"docker": {"parent-image": "other:1"}}}
    configure(project, index, docker=docker, steps=steps)
    succeed(project.run("resolve"))
    assert "is not used" not in succeed(project.run("dockerfile")).stderr

    configure(project, index, docker={"requirements": ["alpha"], "build-context-root": "nowhere"}, steps={"train": {}})
    succeed(project.run("resolve"))
    said = succeed(project.run("dockerfile")).stderr

    assert said.count("so it is not used") == 1
    assert "step `train` has a `build-context-root`, which is what a `dockerfile` sees, and no `dockerfile`" in said


def test_a_folder_for_an_environment_that_there_is_not_is_noted(project: Project, index: TinyIndex) -> None:
    fill(index)
    docker = {"requirements": ["alpha"], "venv": "/srv/venv"}
    configure(project, index, docker=docker, steps={"train": {"docker": {"system": True}}, "report": {}})
    folders = contexts(project)

    said = succeed(project.run("dockerfile")).stderr

    why = "which is where the environment goes, and `system`, with which there is none, so it is not used"
    assert said.count("so it is not used") == 1
    assert f"note: step `train` has a `venv`, {why}; it is stated in zlock.toml" in said
    assert "/srv/venv" not in (folders["train"] / "Dockerfile").read_text()
    assert "-m venv --without-pip /srv/venv" in (folders["report"] / "Dockerfile").read_text()


def test_a_step_has_a_parent_of_its_own_where_the_project_names_one(project: Project, index: TinyIndex) -> None:
    fill(index)
    project.write("Dockerfile.base", f"FROM base@sha256:{'ab' * 32}\n")
    docker = {"requirements": ["alpha"], "dockerfile": "Dockerfile.base"}
    configure(project, index, docker={"parent-image": "other:1"}, steps={"train": {"docker": docker}, "report": {}})
    folders = contexts(project)

    parents = {step: folder.joinpath("Dockerfile").read_text() for step, folder in folders.items()}
    assert "FROM zlock-parent:" in parents["train"]
    assert "FROM other:1\n" in parents["report"]


def test_a_dockerfile_that_is_not_there_is_refused(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index, docker={"dockerfile": "not-there"})
    succeed(project.run("resolve"))

    done = project.run("dockerfile")

    assert done.code == 2
    assert "the `dockerfile` can't be read" in done.stderr
    assert "hint: " in done.stderr


# `zlock plan`


def test_a_plan_shows_images_steps_and_sizes(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    succeed(project.run("resolve"))

    done = succeed(project.run("plan", "--offline"))

    assert "linux/amd64: train, score (to build, " in done.stdout
    assert f"on python:{PYTHON}-slim" in done.stdout
    assert "2 images for 3 steps" in done.stderr
    assert "not pinned to a digest" in done.stderr


def test_the_example_of_four_steps_is_three_images(project: Project, index: TinyIndex) -> None:
    for name, version in (("pandas", "2.2"), ("scikit-learn", "1.5"), ("matplotlib", "3.9")):
        index.wheel(name, version)
    for file in (ROOT / "examples" / "images").glob("*.*"):
        project.write(file.name, file.read_bytes())
    succeed(project.run("resolve", "--index-url", index.url))

    done = succeed(project.run("plan", "--offline"))

    steps = re.findall(r"linux/amd64: (.+) \(", done.stdout)
    assert steps == ["load", "train, evaluate", "report"]
    assert "3 images for 4 steps" in done.stderr


def test_a_plan_without_an_engine_says_so_and_what_registries_know(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    fill(index)
    nothing = {"PATH": str(tmp_path / "nothing")}
    parent = {"parent-image": f"base:1@sha256:{'ab' * 32}"}
    configure(project, index, docker=parent)
    succeed(project.run("resolve"))

    alone = succeed(project.run("plan", "--step", "train", env=nothing))
    with TinyRegistry() as tiny:
        configure(project, index, docker=parent, registry=f"{tiny.host}/team/images")
        missing = succeed(project.run("plan", "--step", "train", "--json", env=nothing))
        (row,) = json.loads(missing.stdout)["images"]
        tiny.push("team/images", row["key"][:16], Image(labels={"zlock.key": row["key"]}))
        there = succeed(project.run("plan", "--step", "train", env=nothing))

    assert "train (not known to exist, " in alone.stdout
    for said in (alone.stderr, missing.stderr):
        assert said.count("note: no engine of this machine was asked what is there, as none answers: docker: ") == 1
    assert (row["exists"], row["place"]) == (False, None)
    assert "train (exists in the registry)" in there.stdout
    assert "no engine" not in there.stderr


def test_what_is_built_whatever_there_is_is_to_be_built(project: Project, index: TinyIndex) -> None:
    fill(index)
    docker = {"parent-image": f"base:1@sha256:{'ab' * 32}", "prevent-build-reuse": True}
    configure(project, index, docker=docker)
    succeed(project.run("resolve"))

    done = succeed(project.run("plan", "--offline"))

    assert "train, score (to build, " in done.stdout
    assert "no engine" not in done.stderr


def test_a_plan_for_several_platforms_has_an_image_for_each_linux(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index, platforms=["linux/amd64", "linux/arm64", "darwin/arm64"])
    succeed(project.run("resolve"))

    images = json.loads(succeed(project.run("plan", "--offline", "--json", "--step", "train")).stdout)["images"]

    assert [image["platform"] for image in images] == ["linux/amd64", "linux/arm64"]
    assert len({image["key"] for image in images}) == 2


def test_a_plan_explains_what_moved_since_the_last_build(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    succeed(project.run("resolve"))
    unbuilt = succeed(project.run("plan", "--offline", "--explain", "train")).stdout
    record = project.folder / "build" / "zlock" / "images.json"
    record.parent.mkdir(parents=True)
    record.write_text(recorded(project))
    same = succeed(project.run("plan", "--offline", "--explain", "train")).stdout
    index.wheel("alpha", "1.1")
    docker = {"apt-packages": ["git"], "python-package-installer-args": {"timeout": 5}, "environment": {"A": "secret"}}
    configure(project, index, docker=docker)
    succeed(project.run("resolve", "--upgrade"))

    moved = succeed(project.run("plan", "--offline", "--explain", "train")).stdout

    assert "no build of it is on record in `build/zlock/images.json`" in unbuilt
    assert "nothing moved since the last build" in same
    assert [line.strip() for line in moved.splitlines()[2:]] == [
        "apt package git: added",
        "package alpha: 1.0 -> 1.1",
        "package beta: gone (2.0)",
        "installer argument timeout: added (5)",
        "variable A: added",
    ]


def recorded(project: Project) -> str:
    """Return the record that a build of everything would leave."""
    program = """if True:
        import json
        from zlock.image.record import Built, record_of
        from zlock.workflow.images.plan import plan
        from zlock.workflow.project.workspace import Options
        images, _, _ = plan(Options(offline=True))
        from zlock.model.form import plain
        digest = "sha256:" + "0d" * 32
        print(json.dumps(plain(record_of([Built(plan=one.plan, reference="r", digest=digest) for one in images]))))
    """
    return ask(project, program, {}).decode()


def ask(project: Project, program: str, environ: Mapping[str, str]) -> bytes:
    """Run a program in the project's folder and return what it prints."""
    command = [sys.executable, "-P", "-c", program]
    environment = clean_environment(project.home, environ)
    return subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, check=True).stdout


def test_explaining_a_step_that_is_not_there_is_an_error(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    succeed(project.run("resolve"))

    done = project.run("plan", "--offline", "--explain", "trian")

    assert done.code == 2
    assert "trian" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a folder that refuses")
def test_a_disk_that_refuses_leaves_a_context_as_it_was(project: Project, index: TinyIndex) -> None:
    fill(index)
    configure(project, index)
    folder = contexts(project)["train"]
    before = files_of(folder)
    shutil.rmtree(folder.parent)
    folder.parent.write_text("a file where the folder should be")

    done = project.run("dockerfile")

    assert done.code == 3
    assert before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a file system that is small")
def test_a_disk_that_is_full_is_said_and_no_context_is_half_there(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    fill(index)
    project.write("data.bin", b"x" * 100_000)
    configure(project, index, docker={"local-project-install-command": "true"})
    succeed(project.run("resolve"))

    with small_disk(tmp_path / "disk", "16k") as disk:
        done = project.run("dockerfile", "--output", str(disk / "out"))
        written = list((disk / "out").iterdir())

    assert done.code == 3
    assert f"error: the system refused: `{tmp_path / 'disk' / 'out'}`: No space left on device" in done.stderr
    assert "hint: check its place, its rights and the space that is left" in done.stderr
    assert written == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a file system that is small")
def test_a_disk_that_is_too_small_for_a_wheelhouse_is_named(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("large", "1.0", files={"large.bin": os.urandom(1 << 20)})
    docker = {"requirements": ["large"], "parent-image": "localhost/base:3.11"}
    project.configure({"python": "3.11", "index": [{"url": index.url, "default": True}], "docker": docker})
    succeed(project.run("resolve"))
    succeed(project.run("fetch"))

    with small_disk(tmp_path / "disk", "512k") as disk:
        fetched = project.run("fetch", "--wheelhouse", str(disk / "house"))
        linked = project.run("dockerfile", "--wheelhouse", "wheelhouse", "--output", str(disk / "out"))

    assert (fetched.code, linked.code) == (3, 3)
    assert f"a download can't be written to `{disk / 'house'}`: No space left on device" in fetched.stderr
    assert f"error: the system refused: `{disk / 'out'}`: No space left on device" in linked.stderr

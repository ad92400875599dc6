"""`zlock verify` on what real installers made: folders, environments, layouts and registries."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import platform
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project, Result
from support.stored_images import (
    OCI_LAYER,
    OCI_ZSTD_LAYER,
    Image,
    TinyRegistry,
    add_layer,
    digest_of,
    in_members,
    layer_of,
    make_layer,
    saved_files,
    write_archive,
    write_layout,
)
from support.venv import install_with_pip, install_with_uv, make_plain_venv, make_venv, run_pip
from support.wheels import make_wheel

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
PYTHON = f"3.{sys.version_info.minor}"
SITE = f"lib/python{PYTHON}/site-packages"
Install = Callable[[Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class World:
    """A project with a lock and an environment made from it.

    Attributes:
        project: With the steps `train` and `report`, which ask for different things.
        venv: The environment of `train`, to be copied before it is changed.
    """

    project: Project
    venv: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with TinyIndex() as index:
        index.wheel("model", "2.0", requires=["speed"], entry_points={"console_scripts": {"model": "model:main"}})
        index.wheel("speed", "1.5")
        index.wheel("other", "1.0")
        project = Project(tmp_path_factory.mktemp("verify") / "project")
        project.configure(
            {
                "python": PYTHON,
                "index": [{"url": index.url, "default": True}],
                "steps": {
                    "train": {"docker": {"requirements": ["model"]}},
                    "report": {"docker": {"requirements": ["other"]}},
                },
            }
        )
        assert project.run("resolve").code == 0
        venv = project.folder.parent / "venv"
        install_with_pip(make_plain_venv(venv), project.lock_path("train"))
        yield World(project=project, venv=venv)


@pytest.fixture
def venv(world: World, tmp_path: Path) -> Path:
    """A copy of the environment, to be changed."""
    return Path(shutil.copytree(world.venv, tmp_path / "venv", symlinks=True))


def verified(world: World, image: str, *options: str, step: str = "train") -> dict[str, Any]:
    """Verify, and return what the command says, with its code."""
    result = world.project.run("verify", image, "--step", step, "--json", *options, env={"UV_HTTP_RETRIES": "0"})
    assert result.code in (0, 1), result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["equal"] == (result.code == 0)
    return {**found, **found["platforms"]["linux/amd64"]}


def failed(world: World, image: str, *options: str, step: str = "train") -> Result:
    result = world.project.run("verify", image, "--step", step, *options, env={"UV_HTTP_RETRIES": "0"})
    assert result.code > 0
    assert "Traceback" not in result.stderr
    return result


def image_of(venv: Path, **fields: Any) -> Image:
    """Return an image with an environment where zlock has it, and a parent's layer below."""
    return Image(layers=(make_layer({"etc/debian_version": b"12"}), layer_of(venv, "/opt/venv")), **fields)


# Environments and folders


@pytest.mark.parametrize("install", [install_with_pip, install_with_uv])
def test_an_environment_that_pip_or_uv_made_from_the_lock_is_as_locked(
    install: Install, world: World, tmp_path: Path
) -> None:
    python = make_venv(tmp_path / "made")
    install(python, world.project.lock_path("train"))

    found = verified(world, f"env:{python}")

    assert (found["equal"], found["packages"]) == (True, 2)
    assert found["files"] > 4


def test_the_pip_of_an_environment_is_listed_and_counts_where_it_is_altered(world: World, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "made")], check=True, timeout=120)
    python = tmp_path / "made" / "bin" / "python"
    install_with_pip(python, world.project.lock_path("train"))

    whole = verified(world, f"env:{python}")
    with (tmp_path / "made" / SITE / "pip" / "__main__.py").open("a") as stream:
        stream.write("evil = 1\n")
    altered = verified(world, f"env:{python}")

    assert (whole["equal"], whole["extra"]) == (True, {})
    assert "pip" in whole["installers"]
    assert set(altered["extra"]) == set(altered["altered"]) == {"pip"}
    assert altered["altered"]["pip"] == {f"/{SITE}/pip/__main__.py": "changed"}


def test_an_interpreter_without_an_environment_is_asked_where_its_packages_are(world: World) -> None:
    base = Path(sys.base_prefix) / "bin" / f"python{PYTHON}"

    assert verified(world, f"env:{base}")["missing"] == {"model": "2.0", "speed": "1.5"}


def test_what_is_missing_not_locked_and_of_another_version_is_told_apart(
    world: World, venv: Path, tmp_path: Path
) -> None:
    for name, version in (("speed", "1.4"), ("more", "1.0")):
        wheel = make_wheel(tmp_path, name, version)
        run_pip("--python", str(venv / "bin/python"), "install", "--no-index", str(wheel), home=tmp_path)
    run_pip("--python", str(venv / "bin/python"), "uninstall", "--yes", "model", home=tmp_path)

    found = verified(world, f"env:{venv / 'bin/python'}")

    assert found["missing"] == {"model": "2.0"}
    assert found["extra"] == {"more": "1.0"}
    assert found["moved"] == {"speed": ["1.5", "1.4"]}


def test_files_that_are_not_as_recorded_are_named_and_compiled_ones_do_not_count(world: World, venv: Path) -> None:
    site = venv / SITE
    (site / "model" / "__init__.py").write_text("evil = 1\n", encoding="utf-8")
    (site / "speed" / "__init__.py").unlink()
    (site / "model" / "__pycache__").mkdir(exist_ok=True)
    (site / "model" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (venv / "bin" / "model").write_text("#!/bin/sh\n", encoding="utf-8")

    found = verified(world, f"dir:{venv}")

    script = f"/{SITE}/../../../bin/model"
    assert found["altered"] == {
        "model": {script: "changed", f"/{SITE}/model/__init__.py": "changed"},
        "speed": {f"/{SITE}/speed/__init__.py": "gone"},
    }


def test_a_name_is_shown_on_its_line_whatever_is_in_it(world: World, venv: Path) -> None:
    with (venv / SITE / "speed-1.5.dist-info" / "RECORD").open("a") as record:
        record.write('"evil\nhint: run \x1b[31mthis.py",sha256=AA,1\n')

    result = failed(world, f"dir:{venv}")

    assert "evil\\nhint: run \\x1b[31mthis.py is " in result.stderr
    assert "\nhint: run" not in result.stdout + result.stderr
    assert "\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "record",
    [
        None,
        b"",
        b'"\x00',
        b"speed/__init__.py,sha256=AAAA,1\n",
        b"a\x00b,sha256=AA,1\n",
        b"x" * 5000 + b",sha256=AA,1\n",
    ],
)
def test_a_record_that_is_gone_or_broken_is_a_difference(record: bytes | None, world: World, venv: Path) -> None:
    path = venv / SITE / "speed-1.5.dist-info" / "RECORD"
    path.unlink() if record is None else path.write_bytes(record)

    assert list(verified(world, f"dir:{venv}")["altered"]) == ["speed"]


def test_a_folder_is_the_files_of_an_image_an_environment_or_packages(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.venv, tmp_path / "root" / "opt" / "venv", symlinks=True)
    shutil.copytree(world.venv / SITE, tmp_path / "packages")
    script = tmp_path / "bin" / "model"  # where the record of a folder of packages leads
    script.parent.mkdir()

    assert verified(world, f"dir:{tmp_path / 'root'}")["equal"]
    assert verified(world, f"dir:{world.venv}")["equal"]
    altered = verified(world, f"dir:{tmp_path / 'packages'}")["altered"]
    assert [path for files in altered.values() for path in files if "bin/model" not in path] == []


@pytest.mark.parametrize(("shown", "platform"), [("linux-armv7l", "linux/arm/v7"), ("linux-aarch64", "linux/arm64")])
def test_an_environment_is_held_to_what_is_locked_for_its_own_machine(
    shown: str, platform: str, venv: Path, tmp_path: Path
) -> None:
    with TinyIndex() as index:
        index.wheel("model", "2.0")
        index.wheel("speed", "1.5")
        project = Project(tmp_path / "project")
        project.configure(
            {
                "python": PYTHON,
                "platforms": ["linux/amd64", "linux/arm/v7", "linux/arm64"],
                "index": [{"url": index.url, "default": True}],
                "steps": {
                    "train": {"docker": {"requirements": ["model", "speed; platform_machine == 'x86_64'"]}},
                },
            }
        )
        assert project.run("resolve").code == 0

    # How a Python that was built for another machine is told so; what it runs on does not count then.
    result = project.run("verify", f"env:{venv / 'bin/python'}", "--json", env={"_PYTHON_HOST_PLATFORM": shown})

    found = json.loads(result.stdout)["platforms"]
    assert {name: one["extra"] for name, one in found.items()} == {platform: {"speed": "1.5"}}


def test_an_environment_of_another_python_is_no_answer(world: World, venv: Path) -> None:
    (venv / "lib" / f"python{PYTHON}").rename(venv / "lib" / "python3.99")

    result = failed(world, f"dir:{venv}")

    assert result.code == 1
    assert f"no environment of Python {PYTHON} at `{venv}`" in result.stderr
    assert "one of Python 3.99" in result.stderr


def test_an_interpreter_without_packages_is_not_said_to_be_another_one(world: World, tmp_path: Path) -> None:
    (tmp_path / "lib" / f"python{PYTHON}").mkdir(parents=True)

    result = failed(world, f"dir:{tmp_path}")

    assert (
        f"error: there is no environment of Python {PYTHON} at `{tmp_path}`\nhint: nothing is installed"
        in result.stderr
    )


def test_a_folder_without_packages_is_no_answer_that_says_where_it_looked(world: World, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no package")

    result = failed(world, f"dir:{tmp_path}")

    assert result.code == 1
    assert f"error: there is no environment and no package in `{tmp_path}`\n" in result.stderr
    assert f"  {tmp_path}/opt/venv/lib/python3.*" in result.stderr
    assert "hint: name the files of an image" in result.stderr


@pytest.mark.parametrize(
    ("installed", "value"),
    [
        (
            {"url": "https://files.example/x.whl", "archive_info": {"hashes": {"sha256": "0" * 64}}},
            "files.example",
        ),
        (
            {"url": "https://user:secret@git.example/x", "vcs_info": {"vcs": "git", "commit_id": "0a"}},
            "git.example",
        ),
        ({"url": "file:///srv/x", "dir_info": {"editable": True}}, "/srv/x"),
    ],
)
def test_a_package_that_came_from_elsewhere_is_a_difference(
    installed: dict[str, Any], value: str, world: World, venv: Path
) -> None:
    path = venv / SITE / "speed-1.5.dist-info" / "direct_url.json"
    path.write_text(json.dumps(installed), encoding="utf-8")

    found = verified(world, f"dir:{venv}")

    assert value in found["elsewhere"]["speed"]
    assert "secret" not in found["elsewhere"]["speed"]


def test_the_project_itself_is_listed_and_does_not_count(world: World, venv: Path) -> None:
    info = venv / SITE / "my_project-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: My.Project\nVersion: 0.1\n", encoding="utf-8")
    (info / "RECORD").write_text("my_project-0.1.dist-info/RECORD,,\n", encoding="utf-8")
    (info / "direct_url.json").write_text('{"url": "file:///app", "dir_info": {}}', encoding="utf-8")
    assert verified(world, f"dir:{venv}")["extra"] == {"my-project": "0.1"}

    world.project.write("pyproject.toml", '[project]\nname = "my_project"\nversion = "0.1"\n')
    found = verified(world, f"dir:{venv}")
    (world.project.folder / "pyproject.toml").unlink()

    assert found["equal"]
    assert found["local"] == {"my-project": "0.1"}


# Compiled modules


def swap(venv: Path, package: str = "model", *, mode: py_compile.PycInvalidationMode = UNCHECKED) -> Path:
    """Put what another source compiles to in place of a package's compiled file, and return that."""
    evil = venv / "evil.py"
    evil.write_text("evil = 1\n", encoding="utf-8")
    cached = importlib.util.cache_from_source(str(venv / SITE / package / "__init__.py"))
    py_compile.compile(str(evil), cfile=cached, invalidation_mode=mode, doraise=True)
    evil.unlink()
    return Path(cached)


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_a_compiled_file_that_its_source_does_not_compile_to_is_seen(
    mode: py_compile.PycInvalidationMode, world: World, venv: Path, tmp_path: Path
) -> None:
    path = swap(venv, mode=mode).relative_to(venv)
    write_layout(tmp_path / "layout", {"1": image_of(venv)})

    for image, prefix in ((f"oci:{tmp_path / 'layout'}", "/opt/venv"), (f"env:{venv / 'bin/python'}", "")):
        found = verified(world, image)

        assert found["altered"] == {"model": {f"{prefix}/{path}": "changed"}}
        assert (found["compiled"], found["unchecked"], found["stray"]) == (2, 0, [])


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        (f"3.{sys.version_info.minor}.99", sys.implementation.cache_tag),
        (platform.python_version(), "cpython-399"),
        ("", sys.implementation.cache_tag),
    ],
)
def test_a_compiled_file_that_nobody_here_can_judge_is_counted(
    version: str, tag: str, world: World, venv: Path, tmp_path: Path
) -> None:
    path = swap(venv)
    path.rename(path.with_name(path.name.replace(str(sys.implementation.cache_tag), tag)))
    settings = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    kept = [line for line in settings if not line.startswith("version")]
    (venv / "pyvenv.cfg").write_text("\n".join([*kept, f"version = {version}"]), encoding="utf-8")
    write_layout(tmp_path / "layout", {"1": image_of(venv)})

    found = verified(world, f"oci:{tmp_path / 'layout'}")
    said = world.project.run("verify", f"oci:{tmp_path / 'layout'}", "--step", "train").stderr

    assert (found["equal"], found["compiled"], found["unchecked"]) == (True, 1, 1)
    assert found["notes"][-1].startswith("1 .pyc file not checked: ")
    assert "note: 1 .pyc file not checked: " in said


def test_a_compiled_file_without_a_source_is_drift_unless_a_record_has_its_hash(
    world: World, venv: Path, tmp_path: Path
) -> None:
    site = venv / SITE
    cache = site / "model" / "__pycache__"
    cache.mkdir(exist_ok=True)
    orphans = [cache / "gone.cpython-311.pyc", site / "model" / "legacy.pyc"]
    for path in orphans:
        path.write_bytes(b"x")
    record = site / "model-2.0.dist-info" / "RECORD"
    before = record.read_text(encoding="utf-8")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"x").digest()).decode().rstrip("=")
    names = [str(path.relative_to(site)) for path in orphans]
    found = []
    for hashed in (None, "", f"sha256={digest}", "sha256=AAAA"):
        rows = "".join(f"{name},{hashed},\n" for name in names if hashed is not None)
        record.write_text(before + rows, encoding="utf-8")
        write_layout(tmp_path / "layout", {"1": image_of(venv)})
        found.append(verified(world, f"oci:{tmp_path / 'layout'}"))

    paths = [f"/opt/venv/{path.relative_to(venv)}" for path in orphans]
    assert [one["stray"] for one in found] == [paths, paths, [], []]
    assert [one["altered"] for one in found] == [{}, {}, {}, {"model": dict.fromkeys(paths, "changed")}]


def test_a_compiled_file_that_can_not_be_read_is_not_judged(world: World, venv: Path) -> None:
    cache = venv / SITE / "model" / "__pycache__"
    (cache / "__init__.cpython-398.pyc").symlink_to("nowhere")
    (cache / "__init__.cpython-399.pyc").mkdir()
    record = venv / SITE / "model-2.0.dist-info" / "RECORD"
    with record.open("a") as stream:
        stream.write("model/__pycache__/__init__.cpython-398.pyc,sha256=AAAA,\n")

    found = verified(world, f"dir:{venv}")

    assert (found["equal"], found["unchecked"]) == (True, 2)


# Images


def test_an_image_in_a_layout_is_as_locked(world: World, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", {"1": image_of(world.venv)})

    assert verified(world, f"oci:{tmp_path / 'layout'}")["equal"]
    assert verified(world, f"oci:{tmp_path / 'layout'}:1")["equal"]


def test_a_layer_that_changes_a_package_is_seen(world: World, tmp_path: Path) -> None:
    above = make_layer(
        {
            f"opt/venv/{SITE}/model/__init__.py": b"evil = 1\n",
            f"opt/venv/{SITE}/.wh.speed-1.5.dist-info": b"",
            f"opt/venv/{SITE}/late-1.0.dist-info/METADATA": b"Name: Late\nVersion: 1.0\n",
        }
    )
    image = image_of(world.venv)
    write_layout(tmp_path / "layout", {"1": Image(layers=(*image.layers, above))})

    found = verified(world, f"oci:{tmp_path / 'layout'}")

    assert (found["missing"], found["extra"]) == ({"speed": "1.5"}, {"late": "1.0"})
    assert found["altered"] == {"model": {f"/opt/venv/{SITE}/model/__init__.py": "changed"}}


LINK = "model/__pycache__/__init__.cpython-399.pyc"


def test_a_file_of_an_image_that_belongs_to_no_package_is_seen(world: World, tmp_path: Path) -> None:
    names = (
        "__pycache__/gone.cpython-311.pyc",
        "compiled.pyc",
        "evil.pth",
        "folder",
        "model/__init__.abi3.so",
        "model/__pycache__/data.txt",
        "model/deep/er/inside.py",
        "module.py",
        "speed-1.5.dist-info/entry_points.txt",
    )
    members: dict[str, bytes | str | None] = {f"opt/venv/{SITE}/{name}": b"" for name in names if name != "folder"}
    members |= {
        f"opt/venv/{SITE}/folder/inside/deep.py": b"",
        f"opt/venv/{SITE}/empty/folder": None,
        f"opt/venv/{SITE}/link": "/etc",
        f"opt/venv/{SITE}/{LINK}": "/etc/evil.pyc",
        "opt/venv/bin/ls": b"",
        "opt/venv/bin/pyvenv.cfg": b"include-system-site-packages = true\n",
    }
    above = make_layer(members)
    write_layout(tmp_path / "layout", {"1": Image(layers=(*image_of(world.venv).layers, above))})

    found = verified(world, f"oci:{tmp_path / 'layout'}")

    expected = [name.replace("deep/er/inside.py", "deep") for name in (*names, "link", LINK)]
    programs = ["/opt/venv/bin/ls", "/opt/venv/bin/pyvenv.cfg"]
    assert found["stray"] == sorted([f"/opt/venv/{SITE}/{name}" for name in expected]) + programs
    assert not found["equal"]
    said = failed(world, f"oci:{tmp_path / 'layout'}").stderr
    assert f"of no package: /opt/venv/{SITE}/evil.pth" in said


@pytest.mark.parametrize(
    ("settings", "odd"),
    [
        ("home = {home}\ninclude-system-site-packages = true\n", "include-system-site-packages"),
        ("home = {home}\n Include-System-Site-Packages=TRUE\r\n", "include-system-site-packages"),
        ("home = {home}\rinclude-system-site-packages = true\rinclude-system-site-packages = false\r", "include-sys"),
        ("home = {home}\n", "include-system-site-packages"),
        ("", "pyvenv.cfg"),
        ("home = /srv/evil\ninclude-system-site-packages = false\nhome = {home}\n", "bin/python"),
    ],
)
def test_settings_of_the_environment_that_let_in_more_are_seen(
    settings: str, odd: str, world: World, tmp_path: Path
) -> None:
    home = str(Path(sys.base_prefix) / "bin")
    above = make_layer({"opt/venv/pyvenv.cfg": settings.format(home=home).encode()})
    write_layout(tmp_path / "layout", {"1": Image(layers=(*image_of(world.venv).layers, above))})

    found = verified(world, f"oci:{tmp_path / 'layout'}")

    assert not found["equal"]
    assert next(iter(found["environment"])).startswith(odd)
    assert (found["stray"], found["altered"]) == ([], {})


@pytest.mark.parametrize("program", [b"#!/bin/sh\n", "/srv/evil/python3"])
def test_another_interpreter_in_the_environment_is_seen(program: bytes | str, world: World, tmp_path: Path) -> None:
    above = make_layer({"opt/venv/bin/python": program})
    write_layout(tmp_path / "layout", {"1": Image(layers=(*image_of(world.venv).layers, above))})

    found = verified(world, f"oci:{tmp_path / 'layout'}")

    assert "bin/python" in found["environment"]
    assert "the environment: bin/python is " in failed(world, f"oci:{tmp_path / 'layout'}").stderr


def test_packages_that_share_a_folder_own_it_together(tmp_path: Path) -> None:
    with TinyIndex() as index:
        index.wheel("one", "1.0", files={"shared/one.py": b"", "shared/sub/one.py": b""})
        index.wheel("two", "1.0", files={"shared/two.py": b"", "two-1.0.data/data/share/two.txt": b""})
        project = Project(tmp_path / "project")
        project.configure(
            {
                "python": PYTHON,
                "index": [{"url": index.url, "default": True}],
                "docker": {"requirements": ["one", "two"]},
            }
        )
        assert project.run("resolve").code == 0
        install_with_pip(make_plain_venv(tmp_path / "venv"), project.lock_path("pipeline"))
    world = World(project=project, venv=tmp_path / "venv")
    above = make_layer({f"opt/venv/{SITE}/shared/three.py": b""})
    write_layout(tmp_path / "plain", {"1": image_of(world.venv)})
    write_layout(tmp_path / "more", {"1": Image(layers=(*image_of(world.venv).layers, above))})

    assert verified(world, f"oci:{tmp_path / 'plain'}", step="pipeline")["equal"]
    stray = verified(world, f"oci:{tmp_path / 'more'}", step="pipeline")["stray"]
    assert stray == [f"/opt/venv/{SITE}/shared/three.py"]


@pytest.mark.parametrize(
    ("compress", "kind"), [(gzip.compress, OCI_LAYER), (zstd.compress, OCI_ZSTD_LAYER)], ids=["gzip", "zstd"]
)
def test_a_layer_is_read_to_its_end_however_it_is_compressed(
    compress: Callable[[bytes], bytes], kind: str, world: World, tmp_path: Path
) -> None:
    added: dict[str, bytes | None] = {
        "opt/": None,
        f"opt/venv/{SITE}/evil.pth": b"import evil",
        f"opt/venv/{SITE}/model/__init__.py": b"evil = 1\n",
        f"opt/venv/{SITE}/late-1.0.dist-info/METADATA": b"Name: Late\nVersion: 1.0\n",
    }
    layout = write_layout(tmp_path / "layout", {"1": image_of(world.venv)})
    add_layer(layout, in_members(make_layer(added, plain=True), 512, compress=compress), kind)

    found = verified(world, f"oci:{layout}")

    assert f"/opt/venv/{SITE}/evil.pth" in found["stray"]
    assert found["extra"] == {"late": "1.0"}
    assert found["altered"] == {"model": {f"/opt/venv/{SITE}/model/__init__.py": "changed"}}


@pytest.mark.parametrize("kind", [OCI_LAYER, OCI_ZSTD_LAYER])
def test_a_layer_that_unpacks_to_something_else_than_its_configuration_says_is_refused(
    kind: str, world: World, tmp_path: Path
) -> None:
    layout = write_layout(tmp_path / "layout", {"1": image_of(world.venv)})
    plain = make_layer({"opt/": None, f"opt/venv/{SITE}/evil.pth": b"import evil"}, plain=True)
    compress = gzip.compress if kind == OCI_LAYER else zstd.compress
    add_layer(layout, in_members(plain, 512, compress=compress), kind, diff_id=digest_of(plain[:512]))

    result = failed(world, f"oci:{layout}")

    assert result.code == 3
    assert f"its layer 3 unpacks to {digest_of(plain)}, and not to {digest_of(plain[:512])}" in result.stderr


def test_an_environment_behind_links_of_the_image_is_found(world: World, tmp_path: Path) -> None:
    image = Image(layers=(layer_of(world.venv, "/data/venv"), make_layer({"opt/venv": "../data/venv"})))
    write_layout(tmp_path / "layout", {"1": image})

    assert verified(world, f"oci:{tmp_path / 'layout'}")["equal"]


def test_a_layout_with_several_images_wants_a_tag(world: World, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", {"1": image_of(world.venv), "2": Image()})

    result = failed(world, f"oci:{tmp_path / 'layout'}")

    assert result.code == 2
    assert f"hint: name one: `oci:{tmp_path}/layout:1` or `oci:{tmp_path}/layout:2`" in result.stderr
    assert failed(world, f"oci:{tmp_path / 'layout'}:3").code == 2
    assert failed(world, f"oci:{tmp_path / 'layout'}:2").code == 1


def test_a_blob_of_a_layout_with_other_bytes_is_refused(world: World, tmp_path: Path) -> None:
    image = image_of(world.venv)
    write_layout(tmp_path / "layout", {"1": image})
    for digest in image.blobs():
        path = tmp_path / "layout" / "blobs" / "sha256" / digest.partition(":")[2]
        kept = path.read_bytes()
        path.write_bytes(kept + b" ")

        result = failed(world, f"oci:{tmp_path / 'layout'}")

        path.write_bytes(kept)
        assert result.code == 3, result.stderr
        assert digest in result.stderr


@pytest.mark.parametrize("as_layout", [False, True])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress])
def test_an_archive_that_docker_saved_is_read(
    as_layout: bool, compress: Callable[[bytes], bytes], world: World, tmp_path: Path
) -> None:
    image = image_of(world.venv)
    image = Image(layers=(*image.layers, image.layers[0]))
    archive = write_archive(tmp_path / "image.tar", saved_files({"team/x:1": image}, as_layout=as_layout))
    archive.write_bytes(compress(archive.read_bytes()))

    for name in ("", ":team/x:1", ":docker.io/team/x:1"):
        assert verified(world, f"docker-archive:{archive}{name}")["equal"]
    assert failed(world, f"docker-archive:{archive}:team/y:1").code == 2
    if as_layout:
        assert verified(world, f"oci-archive:{archive}")["equal"]


def test_an_archive_of_several_images_wants_a_name(world: World, tmp_path: Path) -> None:
    images = {"x:1": image_of(world.venv), "y:1": Image(layers=(make_layer({"a": b""}),))}
    archive = write_archive(tmp_path / "a:b.tar", saved_files(images))

    result = failed(world, f"docker-archive:{archive}")

    assert result.code == 2
    assert f"hint: name one: `docker-archive:{archive}:x:1` or `docker-archive:{archive}:y:1`" in result.stderr
    assert verified(world, f"docker-archive:{archive}:x:1")["equal"]
    assert "no environment of Python" in failed(world, f"docker-archive:{archive}:y:1").stderr


def test_an_archive_that_engines_would_read_in_several_ways_is_refused(world: World, tmp_path: Path) -> None:
    image = image_of(world.venv)
    files = saved_files({"x:1": image}, as_layout=True)
    other = Image(layers=(*image.layers, make_layer({"evil.pth": b""})))
    evil = saved_files({"x:1": other}, as_layout=True)
    stripped = {path: data for path, data in files.items() if not path.startswith("blobs")}
    config = digest_of(image.config)
    shapeless, empty = (
        {path: text if config.partition(":")[2] in path else data for path, data in files.items()}
        for text in (b"{}", b'{"rootfs": {"diff_ids": []}}')
    )
    cases: dict[str, dict[str, bytes | str]] = {
        "as a layout it has another image": {**evil, **files, "index.json": evil["index.json"]},
        "it has `manifest.json` twice": {"./manifest.json": evil["manifest.json"], **evil, **files},
        "it has no `blobs/sha256/": stripped,
        "it has no sha256 digests of what its layers unpack to": shapeless,
        "its layers are not those of its configuration": empty,
        "the archive does not tell of images": {**files, "manifest.json": b"{}x"},
        "it has no `manifest.json`": {"index.json": b""},
    }
    for why, members in cases.items():
        result = failed(world, f"docker-archive:{write_archive(tmp_path / 'image.tar', members)}")

        assert (result.code, why in result.stderr) == (3, True), result.stderr


def test_an_image_in_a_registry_is_as_locked(world: World) -> None:
    with TinyRegistry() as registry:
        registry.push("team/train", "1", image_of(world.venv), Image(platform="linux/s390x"))

        found = verified(world, f"{registry.host}/team/train:1")

        assert found["equal"]
        assert found["image"].endswith("in its registry")
        assert verified(world, f"docker://{registry.host}/team/train:1")["image"] == found["image"]


def test_of_an_index_the_images_of_all_platforms_are_compared(world: World) -> None:
    configuration = world.project.folder / "zlock.toml"
    before = configuration.read_text(encoding="utf-8")
    configuration.write_text(f'platforms = ["linux/amd64", "linux/arm64"]\n{before}', encoding="utf-8")
    assert world.project.run("resolve").code == 0
    with TinyRegistry() as registry:
        registry.push("train", "both", image_of(world.venv), image_of(world.venv, platform="linux/arm64"))
        registry.push("train", "bare", image_of(world.venv), Image(platform="linux/arm64"))
        registry.push("train", "other", image_of(world.venv), Image(platform="linux/s390x"))
        registry.push("train", "arm", image_of(world.venv, platform="linux/arm64"))

        assert set(verified(world, f"{registry.host}/train:both")["platforms"]) == {"linux/amd64", "linux/arm64"}
        assert "no environment of Python" in failed(world, f"{registry.host}/train:bare").stderr
        assert "for linux/arm64" in failed(world, f"{registry.host}/train:other").stderr
        alone = world.project.run("verify", f"{registry.host}/train:arm", "--step", "train")

    configuration.write_text(before, encoding="utf-8")
    assert world.project.run("resolve").code == 0
    assert (alone.code, "on linux/arm64" in alone.stderr) == (0, True)


def test_an_image_that_is_not_there_is_no_answer_and_a_registry_that_fails_is_an_error(world: World) -> None:
    with TinyRegistry() as registry:
        assert failed(world, f"{registry.host}/team/train:1").code == 1
        assert failed(world, f"{registry.host}/team/train:1", "--offline").code == 1
        registry.login = "reader:secret"
        assert failed(world, f"{registry.host}/team/train:1").code == 3


def test_with_system_what_the_parent_brought_does_not_count(world: World, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    (bare / SITE).mkdir(parents=True)
    parent_layer = make_layer(
        {
            "usr/local/bin/python3": b"#!",
            f"usr/local/{SITE}/pip-26.1.dist-info/METADATA": b"Name: pip\nVersion: 26.1\n",
        }
    )
    above = make_layer({f"usr/local/{SITE}/late-1.0.dist-info/METADATA": b"Name: late\nVersion: 1.0\n"})
    packages = layer_of(world.venv / SITE, f"/usr/local/{SITE}")
    scripts = layer_of(world.venv / "bin" / "model", "/usr/local/bin/model")
    with TinyRegistry() as registry:
        registry.push("parent", "1", Image(layers=(parent_layer,)))
        registry.push("train", "1", Image(layers=(parent_layer, packages, scripts)))
        registry.push("train", "2", Image(layers=(parent_layer, packages, scripts, above)))
        configuration = world.project.folder / "zlock.toml"
        before = configuration.read_text(encoding="utf-8")
        more = f'\n[docker]\nsystem = true\nparent-image = "{registry.host}/parent:1"\n'
        configuration.write_text(before + more, encoding="utf-8")
        assert world.project.run("resolve").code == 0

        found = verified(world, f"{registry.host}/train:1")
        other = verified(world, f"{registry.host}/train:2")
        registry.push("parent", "1", Image(layers=(above,)))
        moved = verified(world, f"{registry.host}/train:2")

        configuration.write_text(before, encoding="utf-8")
        assert world.project.run("resolve").code == 0
    assert (found["equal"], found["inherited"]) == (True, {"pip": "26.1"})
    assert other["extra"] == {"late": "1.0"}
    assert moved["equal"]
    assert "not counted" in moved["notes"][-1]


# Which step


def test_the_step_may_be_left_out_where_the_images_key_is_on_record(world: World, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", {"1": image_of(world.venv, labels={"zlock.key": "0a" * 32})})
    command = ("verify", f"oci:{tmp_path / 'layout'}", "--json")
    assert world.project.run(*command).code == 2

    record = {"report": {"key": "ff" * 32, "platforms": {}}, "train": {"key": "0a" * 32, "platforms": {}}}
    world.project.write("build/zlock/images.json", json.dumps(record))
    result = world.project.run(*command)
    (world.project.folder / "build" / "zlock" / "images.json").unlink()

    assert result.code == 0, result.stderr
    assert json.loads(result.stdout)["step"] == "train"


def test_another_steps_lock_is_not_what_is_there(world: World) -> None:
    found = verified(world, f"dir:{world.venv}", step="report")

    assert (found["missing"], set(found["extra"])) == ({"other": "1.0"}, {"model", "speed"})


@pytest.mark.parametrize(
    ("image", "code", "why"),
    [
        ("dir:nowhere", 2, "`nowhere` is not a folder"),
        ("env:nowhere/python", 2, "is not an interpreter"),
        ("env:/bin/echo", 2, "is not an interpreter"),
        ("oci:nowhere", 2, "is not an OCI layout"),
        ("oci-archive:nowhere", 2, "`nowhere` is not a file"),
        ("docker-archive:nowhere:x:1", 2, "`nowhere:x:1` is not a file"),
        ("docker-daemon:Not/A Reference", 2, "is not an image reference"),
        ("sif:./image.sif", 2, "what can be verified: a reference, `oci:DIR`, `oci-archive:FILE`, `docker-archive:"),
        ("Not/A Reference", 2, "is not an image reference"),
        ("--help-me", 2, "error"),
        ("127.0.0.1:1/team/image:1", 3, "could not fetch"),
        ("localhost/zlock:none", 1, "hint: build it, or check its name"),  # no registry has such a name
    ],
)
def test_what_can_not_be_verified_is_said(image: str, code: int, why: str, world: World) -> None:
    result = failed(world, image)

    assert result.code == code
    assert why in result.stderr


def test_differences_are_shown_a_line_each(world: World, venv: Path) -> None:
    (venv / SITE / "model" / "__init__.py").write_text("evil = 1\n", encoding="utf-8")
    result = world.project.run("verify", f"dir:{venv}", "--step", "train")

    assert result.code == 1
    assert "not as locked for `train` on linux/amd64 (2 packages" in result.stderr
    assert f"  model: /{SITE}/model/__init__.py is changed" in result.stderr


def test_an_outdated_lock_is_said_before_anything_is_compared(world: World) -> None:
    configuration = world.project.folder / "zlock.toml"
    before = configuration.read_text(encoding="utf-8")
    configuration.write_text(before.replace('"model"', '"model>=1"'), encoding="utf-8")

    result = failed(world, f"dir:{world.venv}")

    configuration.write_text(before, encoding="utf-8")
    assert result.code == 1
    assert "is outdated" in result.stderr

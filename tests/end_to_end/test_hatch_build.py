"""The build hook and the backend, in real builds with the network cut: what is attached, and what stops a build."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uv

from support.environment import clean_environment
from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project, Result
from support.venv import make_venv, run_uv
from support.wheelhouse import ROOT, make_wheelhouse
from zlock.lock.identity import resign

PYPROJECT = """
    [build-system]
    requires = ["hatchling", "zlock[hatch]"]
    build-backend = "hatchling.build"

    [project]
    name = "acme-model"
    version = "1.0"

    [tool.hatch.build.targets.wheel]
    packages = ["src/acme_model"]

    [tool.hatch.build.hooks.zlock]

    [tool.zlock]
    python = "3.12"
    pipeline = "pipelines/training.py"
    index = [{ url = "URL", default = true }]
"""
PIPELINE = """
    from zlock import DockerSettings, step
    from common import NOTHING

    open("ran", "a").close()

    @step(settings={"docker": DockerSettings(requirements="../requirements/train.txt")})
    def train(): ...

    @step(settings={"docker": DockerSettings(requirements=["beta"])})
    def report(): ...
"""
LOCKS = ["pylock.report.toml", "pylock.train.toml"]
ASKING = ["pipelines/common.py", "pipelines/training.py", "pyproject.toml", "requirements/train.txt"]
METADATA = "acme_model-1.0.dist-info/extra_metadata"
HOOK = "[tool.hatch.build.hooks.zlock]"
CUT = {
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "UV_OFFLINE": "1",
    "UV_NO_INDEX": "1",
    "UV_NO_CONFIG": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "TERM": "dumb",
}
"""No index, and no way out for what would ask one nonetheless."""
Build = Callable[..., Result]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with locks whose index is gone; what would run its pipeline leaves a trace."""
    with TinyIndex() as index:
        index.wheel("alpha", "1.0")
        index.wheel("beta", "1.0")
        project = Project(tmp_path_factory.mktemp("built") / "project")
        project.write("pyproject.toml", PYPROJECT.replace("URL", index.url))
        project.write("pipelines/training.py", PIPELINE)
        project.write("pipelines/common.py", "NOTHING = None\n")
        project.write("requirements/train.txt", "alpha\n")
        project.write("src/acme_model/__init__.py", "")
        project.write(".gitignore", "requirements/\nran\ndist/\n")
        result = project.run("resolve")
        assert result.code == 0, result.stderr
        (project.folder / "ran").unlink()
    shutil.rmtree(project.folder / "pipelines" / "__pycache__", ignore_errors=True)
    yield project
    assert not (project.folder / "ran").exists(), "a build ran the pipeline"


@pytest.fixture
def project(locked: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy to be changed."""
    shutil.copytree(locked.folder, tmp_path / "project")
    copy = Project(tmp_path / "project")
    yield copy
    assert not (copy.folder / "ran").exists(), "a build ran the pipeline"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What isolated builds install."""
    return make_wheelhouse(tmp_path_factory.mktemp("wheels") / "all", ["zlock[hatch]", "editables"])


def run(project: Project, *command: str, **environment: str) -> Result:
    """Run a command in the project with the network cut."""
    return project.call(*command, env={**CUT, **environment})


def build(project: Project, *options: str, out: str = "dist") -> Result:
    """Build with `python -m build` in the environment of the tests; both, from the sdist to the wheel, unless said."""
    return run(project, sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", out, *options, ".")


def with_build(project: Project, wheels: Path) -> Result:
    return run(project, sys.executable, "-P", "-m", "build", ".", PIP_FIND_LINKS=str(wheels))


def with_uv(project: Project, wheels: Path) -> Result:
    return run(project, uv.find_uv_bin(), "build", "--no-cache", "--python", sys.executable, UV_FIND_LINKS=str(wheels))


def with_hatch(project: Project, wheels: Path) -> Result:
    return run(
        project, sys.executable, "-P", "-m", "hatch", "build", PIP_FIND_LINKS=str(wheels), UV_FIND_LINKS=str(wheels)
    )


def with_pip(project: Project, wheels: Path) -> Result:
    options = ("--no-deps", "--wheel-dir", "dist")
    return run(project, sys.executable, "-P", "-m", "pip", "wheel", *options, ".", PIP_FIND_LINKS=str(wheels))


def wheel_of(project: Project, out: str = "dist") -> dict[str, bytes]:
    """Return what is in the wheel that was built."""
    (path,) = (project.folder / out).glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_of(project: Project, out: str = "dist") -> dict[str, bytes]:
    """Return what is in the sdist that was built, without its root folder."""
    (path,) = (project.folder / out).glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = [(member.name.partition("/")[2], archive.extractfile(member)) for member in archive]
        return {name: stream.read() for name, stream in files if stream is not None}


def locks_in(wheel: dict[str, bytes]) -> list[str]:
    return sorted(name for name in wheel if "pylock." in name)


def edit(project: Project, file: str, before: str, after: str) -> None:
    path = project.folder / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def configure_hook(project: Project, options: str) -> None:
    edit(project, "pyproject.toml", HOOK, f"{HOOK}\n{options}")


# What is built


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A git repository with zlock, as a requirement has it."""
    repository = GitRepository(tmp_path_factory.mktemp("git") / "zlock")
    for name in ("resolver", "pyproject.toml", "README.md", "LICENSE"):
        source, place = ROOT / name, repository.folder / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, place, ignore=ignored) if source.is_dir() else shutil.copy(source, place)
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "all")
    return f"git+{repository.folder.as_uri()}@{repository.git('rev-parse', 'HEAD').strip()}"


@pytest.mark.parametrize("front_end", [with_build, with_uv, with_pip])
def test_isolated_builds_take_zlock_from_a_git_repository(
    project: Project, wheels: Path, repository: str, tmp_path: Path, front_end: Callable[[Project, Path], Result]
) -> None:
    """The wheelhouse has what zlock requires, and no zlock."""
    edit(project, "pyproject.toml", '"zlock[hatch]"', f'"zlock[hatch] @ {repository}"')
    others = tmp_path / "others"
    others.mkdir()
    for wheel in wheels.iterdir():
        if not wheel.name.startswith("zlock-"):
            shutil.copy(wheel, others)
    result = front_end(project, others)

    assert result.code == 0, result.stdout + result.stderr
    assert locks_in(wheel_of(project)) == [f"{METADATA}/{name}" for name in LOCKS]


@pytest.mark.parametrize("front_end", [with_build, with_uv, with_hatch])
def test_isolated_builds_attach_the_locks_without_network(
    project: Project, wheels: Path, front_end: Callable[[Project, Path], Result]
) -> None:
    """The environment of the build has nothing but what `requires` names: the real wheel of zlock is found there."""
    result = front_end(project, wheels)
    assert result.code == 0, result.stdout + result.stderr

    wheel, sdist = wheel_of(project), sdist_of(project)
    assert locks_in(wheel) == [f"{METADATA}/{name}" for name in LOCKS]
    for name in LOCKS:
        text = (project.folder / "lockfiles" / name).read_bytes()
        assert wheel[f"{METADATA}/{name}"] == sdist[f"lockfiles/{name}"] == text
    for name in ASKING:
        assert sdist[name] == (project.folder / name).read_bytes()


def test_the_backend_needs_no_configuration(project: Project, wheels: Path) -> None:
    edit(project, "pyproject.toml", HOOK, "")
    edit(project, "pyproject.toml", "hatchling.build", "zlock.hatch.backend")
    edit(project, "pyproject.toml", '"hatchling", ', "")
    result = with_build(project, wheels)

    assert result.code == 0, result.stdout + result.stderr
    assert locks_in(wheel_of(project)) == [f"{METADATA}/{name}" for name in LOCKS]


def test_the_backend_heeds_the_configuration_that_is_there(project: Project) -> None:
    configure_hook(project, 'steps = ["train"]')
    edit(project, "pyproject.toml", "hatchling.build", "zlock.hatch.backend")
    assert build(project).code == 0

    assert locks_in(wheel_of(project)) == [f"{METADATA}/pylock.train.toml"]


def test_pip_builds_with_the_backend(project: Project) -> None:
    """To pip, hatchling has no metadata without a build, and so the backend must have none either."""
    edit(project, "pyproject.toml", "hatchling.build", "zlock.hatch.backend")
    pip = [sys.executable, "-P", "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", "dist", "."]
    result = run(project, *pip)

    assert result.code == 0, result.stderr
    assert locks_in(wheel_of(project)) == [f"{METADATA}/{name}" for name in LOCKS]


def test_a_wheel_holds_bills_of_materials_of_its_locks(project: Project) -> None:
    configure_hook(project, 'sboms = ["cyclonedx", "spdx"]')
    for out in ("dist", "again"):
        result = build(project, "--wheel", out=out)
        assert result.code == 0, result.stdout + result.stderr

    wheel = wheel_of(project)
    folder = "acme_model-1.0.dist-info/sboms"
    bills = {name: text for name, text in wheel.items() if name.startswith(folder)}
    assert sorted(bills) == [
        f"{folder}/zlock.{step}.{ending}" for step in ("report", "train") for ending in ("cdx.json", "spdx.json")
    ]
    components = json.loads(bills[f"{folder}/zlock.train.cdx.json"])["components"]
    assert [(one["name"], one["version"]) for one in components] == [("alpha", "1.0")]
    assert wheel == wheel_of(project, "again")


def test_a_bill_in_no_format_is_refused(project: Project) -> None:
    configure_hook(project, 'sboms = ["cyclondx"]')
    result = build(project, "--wheel")

    assert result.code == 1
    assert "did you mean `cyclonedx`?" in result.stdout + result.stderr


def test_a_bug_is_one_line_of_the_backend_with_the_place_of_its_trace(project: Project) -> None:
    configure_hook(project, 'sboms = ["cyclonedx"]')
    project.write("../broken/cyclonedx/__init__.py", "raise KeyError('https://me:hunter2@host')\n")
    path = os.pathsep.join(filter(None, [str(project.folder.parent / "broken"), os.environ.get("PYTHONPATH")]))
    result = run(project, sys.executable, "-P", "-m", "build", "--no-isolation", "--wheel", ".", PYTHONPATH=path)

    assert result.code == 1
    (line,) = [line for line in (result.stdout + result.stderr).splitlines() if "a bug in zlock" in line]
    assert "`zlock build hook` met `KeyError: 'https://host'`" in line
    trace = Path(line.partition("its trace is in `")[2].partition("`")[0]).read_text(encoding="utf-8")
    assert "Traceback" in trace
    assert "hunter2" not in trace + result.stdout + result.stderr


def test_two_builds_at_once_give_the_same_bytes(project: Project) -> None:
    command = [sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir"]
    running = [
        subprocess.Popen(
            [*command, out, "."],
            cwd=project.folder,
            env=clean_environment(project.home, CUT),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for out in ("dist/first", "dist/second", "dist/first")
    ]
    for process in running:
        _, stderr = process.communicate(timeout=180)
        assert process.returncode == 0, stderr.decode()

    for pattern in ("*.whl", "*.tar.gz"):
        (first,), (second,) = ((project.folder / out).glob(pattern) for out in ("dist/first", "dist/second"))
        assert first.read_bytes() == second.read_bytes()


def test_locks_can_be_inside_the_package(project: Project) -> None:
    configure_hook(project, 'include = "package"')
    assert build(project).code == 0

    wheel = wheel_of(project)
    assert locks_in(wheel) == [f"acme_model/lockfiles/{name}" for name in LOCKS]
    assert wheel["acme_model/lockfiles/pylock.train.toml"] == project.lock_path("train").read_bytes()


def test_steps_limit_what_is_attached(project: Project) -> None:
    configure_hook(project, 'steps = ["report"]')
    edit(project, "requirements/train.txt", "alpha", "alpha>=1")  # of no interest to the step
    assert build(project).code == 0

    assert locks_in(wheel_of(project)) == [f"{METADATA}/pylock.report.toml"]
    assert "lockfiles/pylock.report.toml" in sdist_of(project)


def test_a_project_without_zlock_builds_as_if_nothing_were_there(project: Project) -> None:
    text = (project.folder / "pyproject.toml").read_text(encoding="utf-8")
    project.write("pyproject.toml", text.partition("[tool.zlock]")[0])
    result = build(project)

    assert result.code == 0, result.stderr
    assert locks_in(wheel_of(project)) == []
    assert "zlock" not in result.stderr


def test_a_pipeline_that_runs_locally_ships_no_locks(project: Project) -> None:
    edit(project, "pyproject.toml", "[tool.zlock]", "[tool.zlock.stack]\nremote = false\n[tool.zlock]")
    result = build(project)

    assert result.code == 0, result.stderr
    assert locks_in(wheel_of(project)) == []
    assert "the pipeline runs locally" in result.stdout + result.stderr


def test_a_new_version_number_and_a_linters_settings_outdate_nothing(project: Project) -> None:
    edit(project, "pyproject.toml", 'version = "1.0"', 'version = "1.1"\n[tool.ruff]\nline-length = 80')

    assert build(project, "--wheel").code == 0


@pytest.mark.parametrize("backend", ["hatchling.build", "zlock.hatch.backend"])
def test_an_editable_install_works_whatever_the_locks_say(
    project: Project, wheels: Path, tmp_path: Path, backend: str
) -> None:
    """Who has yet to lock must be able to install the project first; nothing is shipped."""
    edit(project, "pyproject.toml", "hatchling.build", backend)
    configure_hook(project, 'include = "package"')  # of no use here: the package stays where it is
    edit(project, "requirements/train.txt", "alpha", "alpha>=1")
    python = make_venv(tmp_path / "venv")
    install = ("pip", "install", "--no-cache", "--no-index", "--find-links", str(wheels), "--python", str(python))
    result = run_uv(*install, "zlock", "--editable", str(project.folder), home=project.home)
    assert result.code == 0, result.stderr

    done = run(project, str(python), "-P", "-c", "import acme_model, zlock; print(*zlock.locks_of('Acme.Model'))")
    assert done.stdout.split() == ["report", "train"], done.stderr
    assert not (next((tmp_path / "venv").rglob("site-packages")) / "acme_model").exists()


# What stops a build


def refused(project: Project, *options: str) -> str:
    """Return what a build says that does not come about."""
    result = build(project, *options)
    said = result.stdout + result.stderr
    assert result.code != 0, said
    # The traceback of the front end is about its child having ended; ours would show a file of zlock.
    assert "zlock/hatch" not in said
    assert not list((project.folder / "dist").glob("*"))
    return said


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-P", "-m", "build", "--no-isolation"],
        [sys.executable, "-P", "-m", "build", "--no-isolation", "--wheel"],
        [uv.find_uv_bin(), "build", "--no-build-isolation", "--python", sys.executable],
        [sys.executable, "-P", "-m", "hatchling", "build"],  # which `hatch build` runs in its environment
    ],
)
def test_outdated_locks_stop_every_build_with_what_changed_and_the_way_out(
    project: Project, command: list[str]
) -> None:
    edit(project, "requirements/train.txt", "alpha", "alpha>=1")
    result = run(project, *command)
    said = "\n".join(line.strip() for line in (result.stdout + result.stderr).splitlines())

    assert result.code != 0
    assert "error: the lock of step `train` does not match the project\n`requirements/train.txt` changed\n" in said
    assert "hint: run `zlock resolve`" in said
    assert "step `report`" not in said
    assert "zlock/hatch" not in said  # as a traceback would have it
    assert not list((project.folder / "dist").glob("acme*"))


CORE = """
    [project]
    name = "core"
    version = "1.0"
    dependencies = [NEEDS]
"""


def require_core(project: Project, index: TinyIndex) -> None:
    """Have a step require a folder of the project, and lock it."""
    for name in ("alpha", "beta"):
        index.wheel(name, "1.0")
    project.write("libs/core/pyproject.toml", CORE.replace("NEEDS", '"beta"'))
    project.write("requirements/train.txt", "./libs/core\n")
    old = next(line for line in (project.folder / "pyproject.toml").read_text().splitlines() if "index =" in line)
    edit(project, "pyproject.toml", old, f'index = [{{ url = "{index.url}", default = true }}]')
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    (project.folder / "ran").unlink()


def test_a_folder_that_requires_something_else_now_stops_a_build(project: Project, index: TinyIndex) -> None:
    require_core(project, index)
    project.write("libs/core/core.py", "# nothing that asks")
    assert build(project, "--wheel", out="before").code == 0
    project.write("libs/core/pyproject.toml", CORE.replace("NEEDS", '"beta", "alpha"'))

    said = refused(project, "--wheel")

    changed = "local: `file:libs/core` has changed since it was locked"
    assert f"the lock of step `train` does not match the project\n  {changed}\nhint: run `zlock resolve`" in said
    assert "step `report`" not in said


def test_an_sdist_without_a_required_folder_builds_a_wheel(project: Project, index: TinyIndex) -> None:
    require_core(project, index)
    edit(project, "pyproject.toml", HOOK, f'[tool.hatch.build.targets.sdist]\nexclude = ["libs"]\n{HOOK}')
    resolved = project.run("resolve")
    assert resolved.code == 0, resolved.stderr
    (project.folder / "ran").unlink(missing_ok=True)

    result = build(project)

    assert result.code == 0, result.stdout + result.stderr
    assert not any(name.startswith("libs/") for name in sdist_of(project))
    assert locks_in(wheel_of(project)) == [f"{METADATA}/{name}" for name in LOCKS]


def test_everything_that_is_outdated_is_named(project: Project) -> None:
    (project.folder / "pipelines" / "common.py").unlink()
    edit(project, "pyproject.toml", '"3.12"', '"3.13"')
    said = refused(project, "--wheel")

    for step in ("report", "train"):
        assert f"step `{step}` does not match the project\n  `pipelines/common.py` is gone\n  `pyproject" in said


def test_outdated_locks_are_attached_with_a_warning_where_that_is_asked_for(project: Project) -> None:
    configure_hook(project, 'on-outdated = "warn"')
    edit(project, "requirements/train.txt", "alpha", "alpha>=1")
    result = build(project)

    assert result.code == 0, result.stderr
    assert "warning: the lock of step `train` does not match the project" in result.stdout + result.stderr
    assert locks_in(wheel_of(project)) == [f"{METADATA}/{name}" for name in LOCKS]


def test_a_project_that_was_never_locked_is_not_built(project: Project) -> None:
    shutil.rmtree(project.folder / "lockfiles")

    assert "error: the project has no locks\n  expected `pylock.*.toml` in `lockfiles`\n" in refused(project)


def test_a_step_that_the_configuration_states_is_missed(project: Project) -> None:
    edit(project, "pyproject.toml", "[tool.zlock]", "[tool.zlock.steps.serve]\n[tool.zlock.steps.train]\n[tool.zlock]")
    edit(project, "pyproject.toml", 'pipeline = "pipelines/training.py"', "")

    assert "error: step `serve` has no lock\n  expected `lockfiles/pylock.serve.toml`\n" in refused(project)


def test_a_project_with_its_own_configuration_file_is_checked_by_it(project: Project) -> None:
    text = (project.folder / "pyproject.toml").read_text(encoding="utf-8")
    head, _, table = text.partition("[tool.zlock]\n")
    project.write("pyproject.toml", head)
    project.write("zlock.toml", table)
    said = refused(project, "--wheel")

    assert "`pyproject.toml` changed\n  `zlock.toml` was not there\n" in said


def test_a_step_that_is_not_there_is_one_error(project: Project) -> None:
    configure_hook(project, 'steps = ["trian"]')
    said = refused(project, "--wheel")

    assert "no lock is of a step `trian`" in said
    assert said.count("error: ") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
def test_a_lock_that_is_a_link_out_of_the_project_is_not_shipped(project: Project, tmp_path: Path) -> None:
    lock = project.lock_path("train")
    lock.rename(tmp_path / "elsewhere")
    lock.symlink_to(tmp_path / "elsewhere")

    assert "`pylock.train.toml` is reached through a link out of the project" in refused(project, "--wheel")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
@pytest.mark.parametrize("file", ["requirements/train.txt", "lockfiles/pylock.train.toml"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(project: Project, file: str) -> None:
    (project.folder / file).unlink()
    os.mkfifo(project.folder / file)
    configure_hook(project, 'steps = ["train"]')

    assert "train" in refused(project, "--wheel")


def test_an_sdist_without_the_locks_is_not_built(project: Project) -> None:
    """As one is that was made by another tool, or with the hook off."""
    result = run(
        project, sys.executable, "-P", "-m", "build", "--no-isolation", "--sdist", ".", HATCH_BUILD_NO_HOOKS="true"
    )
    assert result.code == 0, result.stderr
    with tarfile.open(next((project.folder / "dist").iterdir())) as archive:
        archive.extractall(project.folder.parent, filter="data")
    unpacked = Project(project.folder.parent / "acme_model-1.0")
    shutil.rmtree(unpacked.folder / "lockfiles")

    said = refused(unpacked, "--wheel")
    assert "this is an unpacked sdist" in said
    assert "hint: an sdist holds the locks where the hook of zlock was on when it was made" in said


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('version = "1.0"\n', 'version = "1.1"\n', "was cut short or edited"),
        ("format = 2", "format = 99", "is of a newer format than this zlock knows"),
        ('step = "train"', 'step = "report"', "is that of step `report`"),
        ('lock-version = "1.0"', "<<<<<<< ours", "has a merge conflict at line 1"),
    ],
)
def test_a_lock_that_is_not_as_it_was_written_stops_every_build(
    project: Project, before: str, after: str, message: str
) -> None:
    """Where only outdated locks are let through too."""
    configure_hook(project, 'on-outdated = "warn"')
    edit(project, "lockfiles/pylock.train.toml", before, after)
    if "format" in before or "step" in before:
        path = project.lock_path("train")
        path.write_text(resign(path.read_text(encoding="utf-8")), encoding="utf-8")

    assert f"`pylock.train.toml` {message}" in refused(project)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("stepz = []", ["unknown key `build.hooks.zlock.stepz`", "did you mean `steps`?"]),
        ("on_outdated = 'warn'", ["unknown key `build.hooks.zlock.on_outdated`", "write `on-outdated`"]),
        ("include = 'pakage'", ["`build.hooks.zlock.include`: expected `metadata` or `package`", "did you mean `pack"]),
        ("steps = 'train'", ["`build.hooks.zlock.steps`: expected a list of strings, got a string"]),
        ("steps = []", ["the list names no step", "leave the key out for all steps"]),
        ("steps = ['trian']", ["no lock is of a step `trian`", "did you mean `train`?"]),
        ("steps = ['x']\non-outdated = 'warn'", ["no lock is of a step `x`", "steps with a lock: `report`, `train`"]),
    ],
)
def test_mistakes_in_the_hooks_table_are_named(project: Project, options: str, said: list[str]) -> None:
    configure_hook(project, options)
    shown = refused(project)

    for one in said:
        assert one in shown


def test_options_that_hatchling_reads_are_no_mistakes(project: Project) -> None:
    configure_hook(project, "enable-by-default = true\nrequire-runtime-dependencies = false")

    assert build(project, "--wheel").code == 0


def test_a_wheel_without_one_package_can_hold_no_locks_inside(project: Project) -> None:
    configure_hook(project, 'include = "package"')
    edit(project, "pyproject.toml", 'packages = ["src/acme_model"]', 'only-include = ["pipelines"]')

    assert "needs a wheel with one package, and this one has 0" in refused(project, "--wheel")


def test_a_package_that_has_files_at_the_locks_places_is_not_built(project: Project) -> None:
    configure_hook(project, 'include = "package"')
    project.write("src/acme_model/lockfiles/pylock.train.toml", "")

    said = refused(project, "--wheel")
    assert "the package already has a file `lockfiles/pylock.train.toml`" in said


def test_locks_that_are_in_the_package_already_stay_there(project: Project) -> None:
    configure_hook(project, 'include = "package"')
    edit(project, "pyproject.toml", "[tool.zlock]", '[tool.zlock]\nlock-dir = "src/acme_model/lockfiles"')
    project.lock_path("train").parent.rename(project.folder / "src" / "acme_model" / "lockfiles")
    assert project.run("resolve").code == 0
    (project.folder / "ran").unlink()

    assert build(project, "--wheel").code == 0
    assert locks_in(wheel_of(project)) == [f"acme_model/lockfiles/{name}" for name in LOCKS]


def test_an_sdist_never_publishes_credentials_that_version_control_ignores(project: Project) -> None:
    """The file is taken into the sdist because the check needs it, so a secret in it would leave the house."""
    edit(project, "requirements/train.txt", "alpha", "# https://user:t0ken@index.example/simple/\nalpha")
    configure_hook(project, 'on-outdated = "warn"')
    said = refused(project, "--sdist")

    assert "`requirements/train.txt` holds credentials, which an sdist would publish\n  line " in said
    assert "t0ken" not in said
    assert build(project, "--wheel").code == 0


def test_an_sdist_never_publishes_the_credentials_of_a_requirement_in_code(project: Project) -> None:
    at = "index.example/alpha-1.0-py3-none-any.whl"
    edit(project, "pipelines/common.py", "NOTHING", f"OTHER = ['alpha @ https://joe:t0ken@{at}']\nNOTHING")
    configure_hook(project, 'on-outdated = "warn"')
    said = refused(project, "--sdist")

    assert "`pipelines/common.py` holds credentials, which an sdist would publish" in said
    assert "t0ken" not in said


def test_a_password_that_is_put_in_later_is_no_secret(project: Project) -> None:
    at = "index.example/alpha-1.0-py3-none-any.whl"
    edit(project, "requirements/train.txt", "alpha", f"# joe @ https://${{USER}}:${{PASSWORD}}@{at}\nalpha")
    edit(
        project,
        "pipelines/common.py",
        "NOTHING",
        f"""OTHER = f"alpha @ https://joe:{{__name__}}@{at}"\nWHERE = "postgres://me:me@localhost"\nNOTHING""",
    )
    configure_hook(project, 'on-outdated = "warn"')
    result = build(project, "--sdist")

    assert result.code == 0, result.stderr


def test_locks_outside_the_project_are_in_the_wheel_but_can_not_be_in_an_sdist(project: Project) -> None:
    (project.folder / "lockfiles").rename(project.folder.parent / "elsewhere")
    edit(project, "pyproject.toml", "[tool.zlock]", '[tool.zlock]\nlock-dir = "../elsewhere"')
    configure_hook(project, 'on-outdated = "warn"')

    assert "is outside the project, where an sdist can't hold it" in refused(project, "--sdist")
    assert build(project, "--wheel").code == 0
    assert locks_in(wheel_of(project)) == [f"{METADATA}/{name}" for name in LOCKS]


def test_the_hook_imports_nothing_that_asks_indexes_solves_or_loads_pipelines(project: Project) -> None:
    program = (
        "import sys; from zlock.hatch import backend; backend.build_wheel('dist');"
        "print(*sys.modules.keys() & {'urllib3', 'resolvelib', 'ssl', 'uv', 'http.client', 'asyncio',"
        " 'zlock.workflow.solving.solve', 'zlock.settings.child'})"
    )
    result = run(project, sys.executable, "-P", "-c", program)

    assert result.code == 0, result.stderr
    assert result.stdout.strip() == ""
    assert locks_in(wheel_of(project)) != []

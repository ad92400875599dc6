"""The framework's page on pip and apt dependencies: each block and each bullet, through the real command.

The blocks stand in `tests/mission`; `docs/framework-page.md` says which test runs which part of the page.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from ensurepip import __file__ as ensurepip
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uv
from packaging.requirements import Requirement

import zlock
from support.index import TinyIndex
from support.project import Project, Result
from support.venv import install_with_pip, install_with_uv, installed, make_venv, run_uv
from support.wheels import make_wheel

BLOCKS = Path(__file__).parent.parent / "mission"
CATALOGUE = json.loads((Path(zlock.__file__).parent / "sources" / "catalogue.json").read_text())
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LOCAL, STACK, INTEGRATIONS, PYPROJECT, EXPLICIT = (
    "local environment",
    "stack",
    "integrations",
    "pyproject",
    "explicit",
)

needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="`poetry` is a script of a POSIX shell here")


# The world that the page talks of, made tiny


def version_within(requirement: Requirement) -> str:
    """Return a version that a requirement admits, made of the versions that it names itself."""
    named = [one.version.removesuffix(".*") for one in requirement.specifier]
    candidates = ["1.0", *named, *(f"{version}.1" for version in named)]
    return next(version for version in candidates if requirement.specifier.contains(version))


def add_integrations(index: TinyIndex, *names: str) -> dict[str, str]:
    """List one wheel for each requirement that the catalogue states; return the versions by name."""
    texts = [text for name in names for text in CATALOGUE["integrations"][name]["requirements"]]
    versions = {one.name: version_within(one) for one in map(Requirement, texts)}
    for name, version in versions.items():
        index.wheel(name, version)
    return versions


def add_torch(index: TinyIndex) -> None:
    """List torch 1.12.0 for Python 3.10 alone, with a torchvision that fits it and a newer one that does not."""
    old, new = "cp310-cp310-manylinux1_x86_64", "cp310-cp310-manylinux_2_28_x86_64"
    index.wheel("torch", "1.12.0", tag=old, requires=["typing-extensions"])
    index.wheel("torch", "2.4.0", tag=new, requires=["typing-extensions"])
    index.wheel("torchvision", "0.13.0", tag=old, requires=["torch==1.12.0", "numpy"])
    index.wheel("torchvision", "0.19.0", tag=new, requires=["torch==2.4.0", "numpy"])
    index.wheel("typing-extensions", "4.12.0")
    index.wheel("numpy", "1.26.4")


def use_block(project: Project, block: str) -> None:
    """Make a block of the page the project's pipeline file, byte by byte."""
    project.pipeline((BLOCKS / f"{block}.py").read_text())


def resolve(project: Project, index: TinyIndex, *options: str, **settings: Any) -> Result:
    """Configure the project and lock its pipeline."""
    project.configure({"pipeline": "pipeline.py", "python": PYTHON, **settings})
    return project.run("resolve", "--index-url", index.url, *options)


def facts(project: Project, step: str = "my_pipeline") -> dict[str, Any]:
    """Return what zlock knows beyond PEP 751."""
    found: dict[str, Any] = project.lock(step)["tool"]["zlock"]
    return found


def asked(project: Project, step: str = "my_pipeline") -> dict[str, list[str]]:
    """Return what each source asked for, in the order in which the lock has them."""
    return {source["source"]: source["requirements"] for source in facts(project, step)["sources"]}


def make_environment(project: Project, wheelhouse: Path, *requirements: str, pip: bool = False) -> Path:
    """Make the project's environment and install tiny wheels into it."""
    python = make_venv(project.folder / ".venv")
    links = ["--find-links", str(wheelhouse), "--find-links", str(Path(ensurepip).parent / "_bundled")]
    wanted = [*requirements, *(["pip"] if pip else [])]
    options = ["--offline", "--no-cache", "--no-index", "--python", str(python), *links]
    done = run_uv("pip", "install", *options, *wanted, home=project.home)
    assert done.code == 0, done.stderr
    return python


def make_poetry(folder: Path, printed: str) -> dict[str, str]:
    """Write a program `poetry` that prints a text and keeps its arguments; return the variables that find it."""
    folder.mkdir(exist_ok=True)
    (folder / "printed.txt").write_text(printed)
    script = folder / "poetry"
    script.write_text(f'#!/bin/sh\necho "$@" > "{folder}/arguments.txt"\ncat "{folder}/printed.txt"\n')
    script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


# Local pipelines and the stack


def test_a_local_pipeline_disregards_docker_settings_and_says_so(project: Project, index: TinyIndex) -> None:
    index.wheel("tensorflow", "2.16.1")
    use_block(project, "step_settings")
    assert resolve(project, index).code == 0
    before = project.lock_path("my_training_step").read_bytes()
    index.remove("tensorflow")
    index.requests.clear()

    done = resolve(project, index, "--upgrade", stack={"remote": False})

    assert done.code == 0
    assert "docker settings are disregarded" in done.stderr
    assert project.lock_path("my_training_step").read_bytes() == before
    assert index.requests == []


def test_a_local_pipeline_without_locks_gets_none(project: Project, index: TinyIndex) -> None:
    use_block(project, "step_settings")

    done = resolve(project, index, stack={"remote": False})

    assert done.code == 0
    assert not (project.folder / "lockfiles").exists()


def test_what_the_stack_requires_is_locked_without_being_asked_for(project: Project, index: TinyIndex) -> None:
    versions = add_integrations(index, "s3")
    use_block(project, "apt_packages")

    done = resolve(project, index, stack={"components": {"artifact_store": "s3", "orchestrator": "local"}})

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == versions
    assert list(asked(project)) == [STACK]


def test_no_stack_requirements_block_locks_nothing_of_the_stack(project: Project, index: TinyIndex) -> None:
    index.wheel("own", "1.0")
    use_block(project, "no_stack_requirements")
    stack = {"components": {"artifact_store": "s3"}, "requirements": ["boto3"], "apt-packages": ["awscli"]}

    done = resolve(project, index, stack=stack, docker={"requirements": ["own"]})

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == {"own": "1.0"}
    assert list(asked(project)) == [EXPLICIT]
    assert "apt-packages" not in facts(project)


# The local environment


def test_pip_freeze_block_locks_what_the_environment_holds(
    project: Project, index: TinyIndex, wheelhouse: Path
) -> None:
    make_wheel(wheelhouse, "alpha", "1.1", requires=["beta"])
    make_wheel(wheelhouse, "beta", "2.0")
    make_environment(project, wheelhouse, "alpha", pip=True)
    index.wheel("alpha", "1.1", requires=["beta"])
    index.wheel("alpha", "1.2", requires=["beta"])
    index.wheel("beta", "2.0")
    use_block(project, "replicate_pip_freeze")

    done = resolve(project, index)

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == {"alpha": "1.1", "beta": "2.0"}
    (source,) = facts(project)["sources"]
    assert source == {
        "source": LOCAL,
        "from": "pip freeze",
        "requirements": ["alpha==1.1", "beta==2.0"],
        "recorded": True,
    }


@pytest.mark.parametrize("how", ["uv_freeze", True])
def test_an_environment_without_pip_is_listed_by_uv(
    project: Project, index: TinyIndex, wheelhouse: Path, *, how: str | bool
) -> None:
    """True takes pip where there is one, and uv otherwise."""
    make_wheel(wheelhouse, "alpha", "1.1")
    make_environment(project, wheelhouse, "alpha")
    index.wheel("alpha", "1.1")
    project.pipeline("from zlock import pipeline\n\n@pipeline\ndef my_pipeline():\n    ...\n")

    done = resolve(project, index, docker={"replicate-local-python-environment": how})

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == {"alpha": "1.1"}
    assert facts(project)["sources"][0]["from"] == "uv pip freeze"


@needs_scripts
def test_poetry_export_is_asked_without_hashes_and_locked_with_them(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    """The hashes in the lock are the index's, whoever named the version."""
    listed = index.wheel("alpha", "1.0")
    project.write("pyproject.toml", '[tool.poetry]\nname = "mine"\n')
    project.write("poetry.lock", "")
    project.pipeline("from zlock import pipeline\n\n@pipeline\ndef my_pipeline():\n    ...\n")
    project.configure(
        {
            "pipeline": "pipeline.py",
            "python": PYTHON,
            "docker": {"replicate-local-python-environment": "poetry_export"},
        }
    )
    environment = make_poetry(tmp_path / "bin", 'alpha==1.0 ; python_version >= "3.10"\n')

    done = project.run("resolve", "--index-url", index.url, env=environment)

    assert done.code == 0, done.stderr
    assert (tmp_path / "bin" / "arguments.txt").read_text().split()[0] == "export"
    (package,) = project.lock("my_pipeline")["packages"]
    assert package["wheels"][0]["hashes"] == listed.hashes


@needs_scripts
def test_command_block_runs_the_command_and_heeds_its_markers_and_hashes(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    listed = index.wheel("alpha", "1.0")
    index.wheel("alpha", "1.1")
    use_block(project, "replicate_command")
    project.configure({"pipeline": "pipeline.py", "python": PYTHON})
    printed = (
        f'alpha==1.0 ; python_version >= "3.9" \\\n    --hash=sha256:{listed.hashes["sha256"]}\n'
        'only-windows==1.0 ; sys_platform == "win32"\n'
    )
    environment = make_poetry(tmp_path / "bin", printed)

    done = project.run("resolve", "--index-url", index.url, env=environment)

    assert done.code == 0, done.stderr
    assert (tmp_path / "bin" / "arguments.txt").read_text() == "export --extras=train --format=requirements.txt\n"
    assert project.locked("my_pipeline") == {"alpha": "1.0"}
    assert facts(project)["sources"][0]["from"] == "poetry export --extras=train --format=requirements.txt"


@needs_scripts
def test_a_package_of_the_developers_platform_is_named_with_its_line_and_can_be_left_out(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("pywin32", "306", tag="cp312-cp312-win_amd64")
    use_block(project, "replicate_command")
    project.configure({"pipeline": "pipeline.py", "python": PYTHON})
    environment = make_poetry(tmp_path / "bin", "alpha==1.0\n# of this machine\npywin32==306\n")

    done = project.run("resolve", "--index-url", index.url, env=environment)

    assert done.code == 1, done.stderr
    assert "no usable release matches `pywin32==306`" in done.stderr
    assert "wheels only for cp312-cp312-win_amd64" in done.stderr
    assert "(`poetry export --extras=train --format=requirements.txt`, line 3)" in done.stderr
    assert 'leave it out of the images with `exclude = ["pywin32"]`' in done.stderr
    project.configure({"pipeline": "pipeline.py", "python": PYTHON, "exclude": ["pywin32"]})
    assert project.run("resolve", "--index-url", index.url, env=environment).code == 0
    assert project.locked("my_pipeline") == {"alpha": "1.0"}


@needs_scripts
def test_check_runs_no_command_again(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    """What the command printed is in the lock, so a machine without poetry can check it."""
    index.wheel("alpha", "1.0")
    use_block(project, "replicate_command")
    project.configure({"pipeline": "pipeline.py", "python": PYTHON})
    environment = make_poetry(tmp_path / "bin", "alpha==1.0\n")
    assert project.run("resolve", "--index-url", index.url, env=environment).code == 0

    done = project.run("resolve", "--check")

    assert done.code == 0, done.stderr


# Explicit requirements


def test_requirements_list_block_is_solved_together(project: Project, index: TinyIndex) -> None:
    """The newest torchvision needs another torch: the older one is taken, and nothing is replaced on the way."""
    add_torch(index)
    use_block(project, "requirements_list")

    done = resolve(project, index, python="3.10")

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == {
        "numpy": "1.26.4",
        "torch": "1.12.0",
        "torchvision": "0.13.0",
        "typing-extensions": "4.12.0",
    }
    assert asked(project) == {EXPLICIT: ["torch==1.12.0", "torchvision"]}
    assert project.lock("my_pipeline")["requires-python"] == "==3.10.*"


def test_requirements_list_block_names_the_pythons_there_are_wheels_for(project: Project, index: TinyIndex) -> None:
    add_torch(index)
    use_block(project, "requirements_list")

    done = resolve(project, index, python="3.12")

    assert done.code == 1
    assert "`torch==1.12.0`" in done.stderr
    assert "has wheels only for Python 3.10, and the target is CPython 3.12" in done.stderr
    assert 'hint: set `python = "3.10"` for this step' in done.stderr
    assert "CPython 3.12 on linux/amd64" in done.stderr
    assert "pipeline.py:3" in done.stderr
    assert not project.lock_path("my_pipeline").exists()


def test_requirements_file_block_names_file_and_line(project: Project, index: TinyIndex) -> None:
    add_torch(index)
    use_block(project, "requirements_file")
    project.write("requirements.txt", (BLOCKS / "requirements.txt").read_bytes())

    done = resolve(project, index, python="3.10")

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == {"torch": "2.4.0", "typing-extensions": "4.12.0"}
    (source,) = facts(project)["sources"]
    assert source == {"source": EXPLICIT, "from": "requirements.txt", "requirements": ["torch"]}

    project.write("requirements.txt", "torch\n\nmisspelt-name\n")
    wrong = resolve(project, index, python="3.10")
    assert wrong.code == 1
    assert "requirements.txt:3" in wrong.stderr


def test_requirements_file_that_is_missing_is_named_with_the_place_that_asks(
    project: Project, index: TinyIndex
) -> None:
    use_block(project, "requirements_file")

    done = resolve(project, index)

    assert done.code == 2
    assert "`requirements.txt` is missing" in done.stderr


# Integrations


@pytest.mark.parametrize(
    ("stated", "listed"),
    [
        ("six", '["six"]'),
        ("six==1.16", '["six==1.16"]'),
        ("pandas<2", '["pandas<2"]'),
        ("six, requests>=2,<3", '["six", "requests>=2,<3"]'),
        ("six requests", '["six", "requests"]'),
        ("six\nrequests", '["six", "requests"]'),
        ("libs/near[gpu]", '["libs/near[gpu]"]'),
        ("near-1.0-py3-none-any.whl", '["near-1.0-py3-none-any.whl"]'),
    ],
)
@pytest.mark.parametrize("in_python", [True, False])
def test_a_requirement_in_place_of_a_file_is_told_to_be_a_list(
    project: Project, index: TinyIndex, stated: str, listed: str, in_python: bool
) -> None:
    project.write("libs/near/pyproject.toml", '[project]\nname = "near"\nversion = "1.0"\n')
    project.write("near-1.0-py3-none-any.whl", b"PK")
    settings = repr(stated)
    project.pipeline(
        f"""
        from zlock import DockerSettings, pipeline

        @pipeline(settings={{"docker": DockerSettings(requirements={settings})}})
        def my_pipeline(): ...
        """
    )

    if in_python:
        done = resolve(project, index)
    else:
        project.configure({"python": PYTHON, "docker": {"requirements": stated}})
        done = project.run("resolve", "--index-url", index.url)

    assert done.code == 2
    assert (
        "requirements`: expected a list of strings or the path of a requirements file, got a requirement" in done.stderr
    )
    assert f"hint: write a list: `{listed}`" in done.stderr
    assert ("pipeline.py:3" if in_python else "zlock.toml:") in done.stderr
    assert not (project.folder / "lockfiles").exists()
    project.configure({"python": PYTHON, "docker": {"requirements": json.loads(listed)}})
    assert "expected a list" not in project.run("resolve", "--index-url", index.url).stderr


@pytest.mark.parametrize("stated", ["requirements.txt", "needs.in", "./six", "needs/six", "what is this?", "-"])
def test_a_path_that_leads_nowhere_is_a_missing_file(project: Project, index: TinyIndex, stated: str) -> None:
    project.configure({"python": PYTHON, "docker": {"requirements": stated}})

    done = project.run("resolve", "--index-url", index.url)

    assert done.code == 2
    assert "is missing" in done.stderr
    assert f"hint: zlock looked for `{project.folder / stated}`" in done.stderr


def test_a_file_may_be_called_like_a_package(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    project.write("six", "alpha\n")
    project.configure({"python": PYTHON, "docker": {"requirements": "six"}})

    assert project.run("resolve", "--index-url", index.url).code == 0
    assert project.locked("pipeline") == {"alpha": "1.0"}


def test_integrations_block_locks_what_the_catalogue_says(project: Project, index: TinyIndex) -> None:
    versions = add_integrations(index, "pytorch", "evidently")
    use_block(project, "required_integrations")

    done = resolve(project, index)

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == versions
    (source,) = facts(project)["sources"]
    stated = [
        str(Requirement(text))
        for name in ("pytorch", "evidently")
        for text in CATALOGUE["integrations"][name]["requirements"]
    ]
    assert source == {"source": INTEGRATIONS, "from": "pytorch, evidently", "requirements": sorted(stated)}


# apt packages and installers


def test_apt_packages_block_is_recorded_beside_the_stacks(project: Project, index: TinyIndex) -> None:
    use_block(project, "apt_packages")

    done = resolve(project, index, stack={"apt-packages": ["libgomp1", "git"]})

    assert done.code == 0, done.stderr
    assert facts(project)["apt-packages"] == ["git", "libgomp1"]
    assert project.locked("my_pipeline") == {}


@pytest.mark.parametrize("block", ["installer_uv", "installer_args"])
def test_the_installer_changes_nothing_about_what_is_locked(project: Project, index: TinyIndex, block: str) -> None:
    index.wheel("alpha", "1.0", requires=["beta"])
    index.wheel("beta", "1.0")
    index.wheel("uv", "0.13.9")
    project.pipeline("from zlock import pipeline\n\n@pipeline\ndef my_pipeline():\n    ...\n")
    assert resolve(project, index, docker={"requirements": ["alpha"]}).code == 0
    plain = facts(project)
    use_block(project, block)

    done = resolve(project, index, "--upgrade", docker={"requirements": ["alpha"]})

    assert done.code == 0, done.stderr
    assert {key: facts(project)[key] for key in ("identity", "inputs")} == {
        key: plain[key] for key in ("identity", "inputs")
    }


@pytest.mark.parametrize(
    ("block", "install"),
    [("installer_uv", install_with_uv), ("installer_args", partial(install_with_pip, options=["--timeout=1000"]))],
)
def test_the_lock_installs_with_the_installer_of_the_block(
    project: Project, index: TinyIndex, venv: Path, block: str, install: Callable[[Path, Path], None]
) -> None:
    """Without zlock around: the files of PEP 751 are the installers' own."""
    index.wheel("alpha", "1.0", requires=["beta<2"])
    index.wheel("beta", "1.0")
    index.wheel("beta", "2.0")
    index.wheel("uv", "0.13.9")
    use_block(project, block)
    assert resolve(project, index, docker={"requirements": ["alpha"]}).code == 0

    install(venv, project.lock_path("my_pipeline"))

    assert installed(venv) == project.locked("my_pipeline") == {"alpha": "1.0", "beta": "1.0"}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("apt_packages", "apt-get install --yes --no-install-recommends -- git"),
        ("installer_args", "--timeout=1000"),
        ("installer_uv", "/tmp/zlock-uv/bin/uv pip install"),
    ],
)
def test_blocks_about_images_are_in_the_dockerfile(project: Project, index: TinyIndex, block: str, said: str) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("uv", "0.13.9")
    use_block(project, block)
    assert resolve(project, index, docker={"requirements": ["alpha"]}).code == 0

    done = project.run("dockerfile")

    assert done.code == 0, done.stderr
    (dockerfile,) = (project.folder / "build" / "zlock").glob("*/Dockerfile")
    assert said in dockerfile.read_text(encoding="utf-8").replace("\\\n        ", "")


def test_an_installer_that_is_none_is_an_error_with_its_place(project: Project, index: TinyIndex) -> None:
    use_block(project, "installer_uv")
    project.pipeline((project.folder / "pipeline.py").read_text().replace('"uv"', '"conda"'))

    done = resolve(project, index)

    assert done.code == 2
    assert "conda" in done.stderr
    assert "pipeline.py:3" in done.stderr


# Settings of steps


def test_step_settings_block_gives_the_step_a_lock_of_its_own(project: Project, index: TinyIndex) -> None:
    index.wheel("tensorflow", "2.16.1", requires=["numpy<2"])
    index.wheel("numpy", "1.26.4")
    index.wheel("numpy", "2.1.0")
    use_block(project, "step_settings")

    done = resolve(project, index)

    assert done.code == 0, done.stderr
    assert project.locked("my_training_step") == {"numpy": "1.26.4", "tensorflow": "2.16.1"}


def test_settings_of_a_step_go_over_the_pipelines_field_by_field(project: Project, index: TinyIndex) -> None:
    """Steps that contradict each other are locked apart; what a step does not set is the pipeline's."""
    for version in ("1.5.3", "2.2.0"):
        index.wheel("pandas", version)
    index.wheel("httpx", "0.27.0")
    project.pipeline(
        """
        from zlock import DockerSettings, pipeline, step

        @step(settings={"docker": DockerSettings(requirements=["pandas<2"])})
        def train(): ...

        @step(settings={"docker": DockerSettings(requirements=["pandas>=2"], apt_packages=["curl"])})
        def report(model): ...

        @step
        def notify(page): ...

        @pipeline(settings={"docker": DockerSettings(requirements=["httpx"], apt_packages=["git"])})
        def my_pipeline():
            notify(report(train()))
        """
    )

    done = resolve(project, index)

    assert done.code == 0, done.stderr
    assert project.locked("train") == {"pandas": "1.5.3"}
    assert project.locked("report") == {"pandas": "2.2.0"}
    assert project.locked("notify") == {"httpx": "0.27.0"}
    assert [facts(project, step)["apt-packages"] for step in ("train", "report", "notify")] == [
        ["git"],
        ["curl"],
        ["git"],
    ]


# Sources combined


FIVE_SOURCES = """
    from zlock import DockerSettings, pipeline

    docker_settings = DockerSettings(
        replicate_local_python_environment="uv_freeze",
        required_integrations=["mine"],
        pyproject_path="pyproject.toml",
        requirements=["shared!=1.3", "explicit-own"],
    )

    @pipeline(settings={"docker": docker_settings})
    def my_pipeline():
        ...
    """


def test_sources_come_in_the_documented_order_and_where_they_overlap_they_are_joined(
    project: Project, index: TinyIndex, wheelhouse: Path
) -> None:
    """All five name `shared`; the version that suits them all is taken, and each is on record with what it said."""
    make_wheel(wheelhouse, "local-own", "1.0")
    make_wheel(wheelhouse, "shared", "1.2")
    make_environment(project, wheelhouse, "local-own", "shared")
    for name in ("local-own", "stack-own", "integration-own", "pyproject-own", "explicit-own"):
        index.wheel(name, "1.0")
    for version in ("1.0", "1.1", "1.2", "1.3", "2.0"):
        index.wheel("shared", version)
    project.write(
        "pyproject.toml",
        '[project]\nname = "mine"\nversion = "1"\ndependencies = ["pyproject-own", "shared<2"]\n',
    )
    project.pipeline(FIVE_SOURCES)

    done = resolve(
        project,
        index,
        stack={"requirements": ["stack-own", "shared>=1.1"]},
        integrations={"mine": {"requirements": ["integration-own", "shared<1.9"]}},
    )

    assert done.code == 0, done.stderr
    assert asked(project) == {
        LOCAL: ["local-own==1.0", "shared==1.2"],
        STACK: ["shared>=1.1", "stack-own"],
        INTEGRATIONS: ["integration-own", "shared<1.9"],
        PYPROJECT: ["pyproject-own", "shared<2"],
        EXPLICIT: ["explicit-own", "shared!=1.3"],
    }
    assert list(asked(project)) == [LOCAL, STACK, INTEGRATIONS, PYPROJECT, EXPLICIT]
    assert project.locked("my_pipeline")["shared"] == "1.2"


def use_contradiction(project: Project, index: TinyIndex) -> None:
    """Let the stack and the explicit requirements ask for two versions of one package."""
    index.wheel("shared", "1.0")
    index.wheel("shared", "2.0")
    project.pipeline(
        """
        from zlock import DockerSettings, pipeline

        docker_settings = DockerSettings(requirements=["shared>=2"])

        @pipeline(settings={"docker": docker_settings})
        def my_pipeline():
            ...
        """
    )


def test_sources_that_contradict_each_other_are_all_named(project: Project, index: TinyIndex) -> None:
    use_contradiction(project, index)

    done = resolve(project, index, stack={"requirements": ["shared<2"]})

    assert done.code == 1
    assert "`shared<2` by stack (requirements, zlock.toml:6)" in done.stderr
    assert "`shared>=2` by pipeline.py:3" in done.stderr
    assert "hint:" in done.stderr
    assert not project.lock_path("my_pipeline").exists()


def test_the_later_source_wins_where_that_is_configured_and_the_lock_says_so(
    project: Project, index: TinyIndex
) -> None:
    use_contradiction(project, index)

    done = resolve(project, index, stack={"requirements": ["shared<2"]}, conflicts="later")

    assert done.code == 0, done.stderr
    assert project.locked("my_pipeline") == {"shared": "2.0"}
    (row,) = facts(project)["gave-way"]
    assert row == {
        "loser": {"requirement": "shared<2", "sources": ["stack"]},
        "winner": {"requirement": "shared>=2", "sources": ["explicit"]},
    }


# The real index


REAL_PYTHON = {"requirements_list": "3.10"}  # torch 1.12 has no wheels for later ones


@pytest.mark.network
@pytest.mark.skipif(os.environ.get("ZLOCK_TEST_NETWORK") != "1", reason="set ZLOCK_TEST_NETWORK=1 to run it")
@pytest.mark.parametrize("block", sorted(path.stem for path in BLOCKS.glob("*.py")))
def test_block_locks_on_the_real_index(project: Project, tmp_path: Path, block: str) -> None:
    """With what the machine is configured for: its index, proxies and certificates."""
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "HOME"}}
    use_block(project, block)
    project.write("requirements.txt", (BLOCKS / "requirements.txt").read_bytes())
    project.configure({"pipeline": "pipeline.py", "python": REAL_PYTHON.get(block, "3.12")})
    if block == "replicate_pip_freeze":
        python = make_venv(project.folder / ".venv")
        install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", str(python), "pip", "six"]
        subprocess.run(install, check=True, env={**environment, "HOME": str(project.home)})
    if block == "replicate_command":
        environment |= make_poetry(tmp_path / "bin", "six==1.17.0\n")

    done = project.run("resolve", env=environment, timeout=300)

    print(done.stderr)
    assert done.code == 0, done.stderr
    (lock,) = (project.folder / "lockfiles").iterdir()
    step = lock.name.removeprefix("pylock.").removesuffix(".toml")
    direct = {Requirement(text).name for texts in asked(project, step).values() for text in texts}
    assert direct <= set(project.locked(step))
    assert project.run("resolve", "--check", env=environment).code == 0

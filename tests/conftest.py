"""The fixtures that all tests share."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.building import Engine, running_engine
from support.debian import Key
from support.index import TinyIndex
from support.project import Project
from support.stored_images import TinyRegistry
from support.venv import make_venv
from support.zenml import zenml_python

_DEAR = {"venv", "with_pip", "changed", "zenml", "oldest_zenml"}
_SLOW = re.compile(
    r"/end_to_end/|/test_(choice|hostile_\w+|soundness|zenml)\.py|::test_(an_answer_stays_right|constraints_are_named"
    r"|a_wheel_that_unpacks_without_end|each_change_that_is_offered|every_marker_says|every_step_has_an_answer"
    r"|no_modules_import_each_other|pip_(installs|refuses)|what_a_conflict_names)_"
)
_ENGINE = re.compile(r"[\[-](buildah|docker|podman)[]-]")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have each process of `-n` take tests together that share what is dear to make: of a file, and of an engine."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            engine = _ENGINE.search(test)
            return f"{file} {engine[1]}" if engine else file

    config.option.loadscopereorder = False  # by the number of tests, which says little of how long they take
    return Scheduling(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no file all of whose tests are slow where the quick ones are meant."""
    return True if config.option.markexpr == "not slow" and _SLOW.search(collection_path.as_posix()) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow; processes of `-n` begin with it, so that what is left at the end is short."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("engines") or fixtures & _DEAR or _SLOW.search(f"/{item.nodeid}"):
            item.add_marker("slow")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in ("engines", "slow")])


def pytest_configure() -> None:
    """Heed interrupts where a shell has started the tests in its background: commands inherit what is ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Have `-n auto` start one process more than there are processors: tests wait for engines and servers as well."""
    if config.option.numprocesses != "auto":
        return None
    return (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1) + 1


@pytest.fixture
def index() -> Iterator[TinyIndex]:
    """An index that knows nothing yet."""
    with TinyIndex() as tiny:
        yield tiny


@pytest.fixture
def tiny() -> Iterator[TinyRegistry]:
    """A registry that has nothing yet."""
    with TinyRegistry() as tiny:
        yield tiny


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    """What signs Debian archives."""
    made = Key()
    yield made
    made.close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project."""
    return Project(tmp_path / "project")


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """An empty folder for wheels and sdists."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    return folder


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """The interpreter of an empty environment."""
    return make_venv(tmp_path / "venv")


@pytest.fixture(scope="session")
def zenml() -> Path:
    """The interpreter of an environment with the newest ZenML."""
    return zenml_python("zenml")


@pytest.fixture(scope="session")
def oldest_zenml() -> Path:
    """The interpreter of an environment with the oldest ZenML that is supported."""
    return zenml_python("zenml-oldest")


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """Docker's daemon, for all tests."""
    with running_engine("docker") as engine:
        yield engine


@pytest.fixture(scope="session")
def buildah() -> Iterator[Engine]:
    """Buildah, for all tests."""
    with running_engine("buildah") as engine:
        yield engine


@pytest.fixture(scope="session")
def podman() -> Iterator[Engine]:
    """Podman, for all tests."""
    with running_engine("podman") as engine:
        yield engine


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engine that a test is parametrized with (`indirect=True`)."""
    found: Engine = request.getfixturevalue(request.param)
    return found

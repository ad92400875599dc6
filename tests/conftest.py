"""The fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.index import TinyIndex
from support.project import Project
from support.venv import make_venv


@pytest.fixture
def index() -> Iterator[TinyIndex]:
    """An index that knows nothing yet."""
    with TinyIndex() as tiny:
        yield tiny


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

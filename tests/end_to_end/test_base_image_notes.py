"""What a lock's base image contradicts by its name is said by `resolve`, not by the build."""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project
from zlock.workflow.project.pythons import newest_python


def notes(project: Project, index: TinyIndex, parent: str, *requirements: str, **settings: Any) -> list[str]:
    docker = {"requirements": list(requirements), **({"parent-image": parent} if parent else {})}
    common = {"python": "3.12", "index": [{"url": index.url, "default": True}], "docker": docker}
    project.configure({**common, **settings})
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("note: ")]


@pytest.mark.parametrize(
    ("parent", "settings", "said"),
    [
        ("python:3.12-alpine", {}, 'has musl, and its lock is for glibc: set `musllinux = "1_2"`'),
        (
            "python:3.12-bookworm",
            {"musllinux": "1_2"},
            "has glibc 2.36, and its lock is for musl: leave",
        ),
        ("python:2.7", {}, "has Python 2.7, and its lock is for Python 3.12: set `python`"),
        ("python:3.12.4-slim", {"python": "3.12.5"}, "has Python 3.12.4, and its lock is for Python 3.12.5"),
        ("python:3.12-buster", {"manylinux": "2_31"}, "has glibc 2.28, and its lock is for glibc 2.31 or later"),
    ],
)
def test_a_base_image_that_its_name_says_can_not_have_the_lock(
    project: Project, index: TinyIndex, parent: str, settings: dict[str, str], said: str
) -> None:
    (note,) = notes(project, index, parent, **settings)
    assert note.startswith(f"note: step `pipeline` is built on `{parent}`, which by its name {said}")


@pytest.mark.parametrize(
    ("parent", "settings"),
    [
        ("", {}),
        ("python:3.12", {}),
        ("python:3.12.4-slim-bookworm", {}),
        ("python:3.12-alpine", {"musllinux": "1_2"}),
        ("python:2.7", {"platforms": ["darwin/arm64"]}),
        ("team/own:1", {}),
    ],
)
def test_what_its_name_does_not_contradict_is_not_noted(
    project: Project, index: TinyIndex, parent: str, settings: dict[str, Any]
) -> None:
    assert notes(project, index, parent, **settings) == []


@pytest.mark.parametrize(
    ("package", "version"),
    [("nvidia-cublas-cu13", "1.0"), ("torch", "2.9.0+cu130"), ("nvidia-cuda-runtime", "13.0.48")],
)
def test_packages_for_a_newer_cuda_than_the_base_image_has_are_named(
    project: Project, index: TinyIndex, package: str, version: str
) -> None:
    index.wheel(package, version)
    (note,) = notes(project, index, "nvidia/cuda:12.4.1-runtime-ubuntu22.04", package)

    assert f"which by its name has CUDA 12, and its lock is for CUDA 13 (`{package} {version}`)" in note
    assert notes(project, index, "nvidia/cuda:13.0.0-runtime-ubuntu22.04", package) == []


@pytest.mark.parametrize(
    ("year", "newest"), [(2025, 15), (2030, 20), (1970, sys.version_info.minor)]
)  # a clock may be wrong
def test_the_newest_python_is_told_by_the_year(year: int, newest: int) -> None:
    assert newest_python(date(year, 1, 1)) == newest


def test_a_python_that_can_not_be_released_yet_is_noted(project: Project, index: TinyIndex) -> None:
    project.configure({"python": "3.99", "index": [{"url": index.url, "default": True}]})
    result = project.run("resolve")

    assert result.code == 0
    assert """is for Python 3.99 (`python = "3.99"` in zlock.toml:1), which can't be released yet""" in result.stderr


def test_the_python_that_the_project_is_not_for_is_noted(project: Project, index: TinyIndex) -> None:
    """Also where no step takes its requirements from there."""
    project.write("pyproject.toml", '[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.13"\n')
    (note,) = notes(project, index, "")

    assert note.startswith('note: step `pipeline` is for Python 3.12 (`python = "3.12"` in zlock.toml:')
    assert 'and the project for `requires-python = ">=3.13"` (' in note
    assert "pyproject.toml:4" in note

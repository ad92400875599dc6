"""What builds are made with while locks are made is not newer than the cut-off either."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project

PYTHON = f"3.{sys.version_info.minor}"


@pytest.fixture
def dated(index: TinyIndex) -> TinyIndex:
    """An index with two releases of a build tool; what a package requires is what the tool says."""
    for name, version, when in [
        ("tool", "1.0", "2024-01-01"), ("tool", "2.0", "2026-01-01"), ("old", "1.0", "2024-01-01"),
        ("new", "1.0", "2024-01-01"),
    ]:  # fmt: skip
        says = {"tool/says.py": b"NAMES = ['old']" if version == "1.0" else b"NAMES = ['new']"}
        index.wheel(name, version, files=says if name == "tool" else None).upload_time = f"{when}T00:00:00Z"
    made = index.sdist(
        "a", "1.0", static=False, build_requires=["tool"],
        requires_code="__import__('tool.says', fromlist=['NAMES']).NAMES",
    )  # fmt: skip
    made.upload_time = "2024-01-01T00:00:00Z"
    return index


@pytest.mark.parametrize(
    ("settings", "arguments", "needs"),
    [
        ({}, (), "new"),
        ({"exclude-newer": "2025-01-01"}, (), "old"),
        ({}, ("--exclude-newer", "2025-01-01"), "old"),
        ({"exclude-newer-package": {"tool": "2025-01-01T00:00:00Z"}}, (), "old"),
        ({"exclude-newer": "2025-01-01", "exclude-newer-package": {"tool": False}}, (), "new"),
    ],
    ids=["none", "configured", "command-line", "package", "lifted"],
)
def test_the_cutoff_counts_for_what_builds_are_made_with(
    project: Project, dated: TinyIndex, settings: dict[str, Any], arguments: tuple[str, ...], needs: str
) -> None:
    ask(project, dated, settings)
    result = project.run("resolve", *arguments)

    assert result.code == 0, result.stderr
    assert set(project.locked("pipeline")) == {"a", needs}


def test_what_a_build_said_under_another_cutoff_is_not_taken_from_the_cache(project: Project, dated: TinyIndex) -> None:
    ask(project, dated, {})
    assert project.run("resolve").code == 0
    ask(project, dated, {"exclude-newer": "2025-01-01"})
    assert project.run("resolve").code == 0

    assert set(project.locked("pipeline")) == {"a", "old"}


def ask(project: Project, index: TinyIndex, settings: dict[str, Any]) -> None:
    """Configure a step whose only package has to be built."""
    common = {"python": PYTHON, "build-sdists": ["a"], "index": [{"url": index.url, "default": True}]}
    project.configure({**common, **settings, "docker": {"requirements": ["a"]}})

"""Two sides of a conflict: taken apart from the markers, and put together as pins."""

from __future__ import annotations

import pytest

from support.images import locked, repository, wheel
from zlock.lock.lock import Lock
from zlock.lock.merging import merged, pins_in, sides_of

CONFLICT = """\
before
<<<<<<< HEAD
ours
||||||| 1234567
base
=======
theirs
>>>>>>> branch
after
"""
LOCK = locked(wheel("alpha", "1.0")).render()


def lock(python: str = "3.12", **versions: str) -> Lock:
    return locked(*(wheel(name, version) for name, version in versions.items()), python=python)


def pins(found: Lock | None) -> dict[str, str]:
    assert found is not None
    return found.pins


def test_markers_are_taken_apart() -> None:
    assert sides_of(CONFLICT) == ("before\nbase\nafter\n", "before\nours\nafter\n", "before\ntheirs\nafter\n")


def test_without_a_base_in_the_markers_there_is_none() -> None:
    text = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> branch\n"

    assert sides_of(text) == ("", "ours\n", "theirs\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no TOML",
        LOCK.replace('version = "1.0"\nwheels', "version = 1\nwheels"),
        LOCK.replace("python = ", "other = "),
        LOCK.replace("wheels = ", 'marker = "nonsense"\nwheels = '),
        "packages = 5\n\n[tool.zlock]\npython = '3.12'\n",
        "packages = [5]\n\n[tool.zlock]\npython = '3.12'\n",
    ],
)
def test_a_side_that_is_no_lock_counts_as_none(text: str) -> None:
    assert pins_in(LOCK) is not None
    assert pins_in(text) is None


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [
        ("1.0", "1.0", "1.1", "1.1"),  # theirs moved it
        ("1.0", "1.1", "1.0", "1.1"),  # ours did
        ("1.2", "1.1", "1.2", "1.1"),  # ours moved it back
        ("1.0", "1.9", "1.10", "1.10"),  # both did
        ("1.0", "1.10", "1.9", "1.10"),
        (None, "1.10", "1.9", "1.10"),  # both brought it
        ("1.0", None, "1.1", "1.1"),  # ours let go of it, theirs moved it: preferred if it is needed at all
    ],
)
def test_a_pin_is_that_of_the_side_that_moved_it_and_the_newer_of_two(
    base: str | None, ours: str | None, theirs: str | None, expected: str
) -> None:
    trees = [lock(**({"alpha": version} if version else {})) for version in (base, ours, theirs)]

    found = merged(*trees)

    assert pins(found) == {"alpha": expected}


def test_what_comes_out_answers_nothing_and_has_the_python_of_the_side_that_moved_it() -> None:
    found = merged(lock("3.11"), lock("3.11", alpha="1.0"), lock("3.12", beta="1.0"))

    assert found is not None
    assert (found.facts.python, found.facts.inputs) == ("3.12", "")
    assert pins(found) == {"alpha": "1.0", "beta": "1.0"}


def test_one_side_alone_is_preferred_where_the_other_is_none() -> None:
    found = merged(None, None, lock(alpha="1.0"))

    assert found is not None
    assert pins(found) == {"alpha": "1.0"}
    assert merged(None, None, None) is None


def test_a_repository_that_both_sides_moved_stays_ours() -> None:
    base, ours, theirs = (locked(repository("alpha", commit=commit)) for commit in ("0a", "0b", "0c"))

    assert pins(merged(base, ours, theirs)) == {"alpha": ("0b" * 20)[:12]}

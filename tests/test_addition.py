"""Requirements that are added to what is stated of their name."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from zlock.model.addition import ambiguous, joined
from zlock.sources.requirements_edit import with_requirement

LINUX, WINDOWS = 'sys_platform == "linux"', 'sys_platform == "win32"'


@pytest.mark.parametrize(
    ("stated", "asked", "result"),
    [
        ([], "a>=1", "a>=1"),
        (["a>=1"], "a", ""),
        (["A[x] == 1.0"], "a[x]==1", ""),
        (["A >=1, <3"], "a[x]", "A[x] >=1, <3"),
        (["a[y]>=1"], "a[x]", "a[x,y]>=1"),
        (["a[x]>=1"], "a>=2", "a[x]>=2"),
        ([f"a[x]>=1 ; {LINUX}"], "a[y]>=2", f"a[x,y]>=2; {LINUX}"),
        ([f"a @ https://h.example/a.whl ; {LINUX}"], "a[x]", f"a[x] @ https://h.example/a.whl ; {LINUX}"),
        (["a @ https://h.example/a.whl"], "a>=1", "a>=1"),
        (["a[x]>=1"], "a @ https://h.example/a.whl", "a[x] @ https://h.example/a.whl"),
        (["a>=1", "a[x]<3"], "a[y]", "a[x,y]<3,>=1"),
        (["a>=1", "a<3"], "a>=2", "a>=2"),
        (["a>=1"], f"a<3; {LINUX}", f"a<3; {LINUX}"),
        ([f"a>=1; {LINUX}", f"a[x]>=2; {WINDOWS}"], f"a>=3; {WINDOWS}", f"a[x]>=3; {WINDOWS}"),
    ],
)
def test_nothing_that_is_not_spoken_of_is_lost(stated: list[str], asked: str, result: str) -> None:
    assert joined(stated, Requirement(asked)) == result


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("a", False), ("a[x]", True), ("a>=3", True), (f"a>=3; {LINUX}", False), ('a>=3; os_name == "nt"', False)],
)
def test_a_requirement_without_a_marker_is_ambiguous_where_several_have_one(asked: str, expected: bool) -> None:
    assert ambiguous([f"a>=1; {LINUX}", "a>=2"], Requirement(asked)) is expected


@pytest.mark.parametrize(
    ("requirement", "result"),
    [
        ("a[x]==1", "a[x]==1 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1  # ours\nb\n"),
        ("a==2", "a==2  # ours\nb\n"),
    ],
)
def test_hashes_stay_as_long_as_the_version_does(requirement: str, result: str) -> None:
    text = "a==1 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1  # ours\nb\n"
    assert with_requirement(text, requirement) == result

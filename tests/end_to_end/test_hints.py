"""What is said where there is no answer is true, and leads to no package of somebody else."""

from __future__ import annotations

import pytest

from support.index import TinyIndex
from support.project import Project
from support.wheels import make_tree, make_wheel


def ask(project: Project, *indexes: TinyIndex, **settings: object) -> str:
    """Resolve what has no answer, and return what is said."""
    rows = [{"url": one.url, "name": name} for one, name in zip(indexes, "ab", strict=False)]
    project.configure({"python": "3.12", "index": [*rows[:-1], {**rows[-1], "default": True}], **settings})
    result = project.run("resolve")
    assert result.code == 1, result.stderr
    return result.stderr


def needs(*requirements: str) -> dict[str, list[str]]:
    return {"requirements": list(requirements)}


@pytest.mark.parametrize("others", [[], ["user"]], ids=["alone", "required-by-another"])
def test_no_hint_leads_to_a_package_of_the_name_on_an_index(
    project: Project, index: TinyIndex, others: list[str]
) -> None:
    """Whoever has the name of a folder on an index is a stranger."""
    index.wheel("lib", "4.0")
    index.wheel("user", "1", requires=["lib"])
    index.wheel("sci", "1.14", tag="cp310-cp310-manylinux_2_17_x86_64")
    index.wheel("sci", "1.13")
    make_tree(project.folder / "lib", "lib", "1", requires=["sci>=1.14"])
    said = ask(project, index, python="3.9", docker=needs("lib @ file:lib", *others))

    assert "`lib @ file:lib` by zlock.toml:" in said
    assert 'hint: set `python = "3.10"` for this step' in said
    assert "from an index" not in said
    assert "leave out `lib" not in said
    assert not [one for one in index.requests if one.path.startswith("/simple/lib/")]


def test_a_folder_that_conflicts_may_be_left_out_where_nothing_else_requires_it(
    project: Project, index: TinyIndex
) -> None:
    index.wheel("sci", "1.13")
    index.wheel("user", "1")
    make_tree(project.folder / "lib", "lib", "1", requires=["sci>=1.14"])
    said = ask(project, index, docker=needs("lib @ file:lib", "user"))

    assert "hint: leave out `lib @ file:lib` (zlock.toml:" in said


def test_hashes_of_a_constraint_that_no_file_has_are_named(project: Project, index: TinyIndex) -> None:
    index.wheel("loc", "1.0")
    index.wheel("loc", "2.0")
    digest = "0" * 64
    project.write("limits.txt", f"loc==1.0 --hash=sha256:{digest}\n")
    project.write("requirements.txt", "-c limits.txt\nloc\n")
    said = ask(project, index, docker={"requirements": "requirements.txt"})

    assert f"no file of `loc` has a hash that `loc==1.0` (limits.txt:1) asks for: sha256:{digest}" in said
    assert "hint: correct the hashes" in said
    assert "to allow" not in said


def test_hashes_of_a_constraint_are_named_in_a_conflict_too(project: Project, index: TinyIndex) -> None:
    index.wheel("app", "1", requires=["loc"])
    index.wheel("loc", "1.0")
    digest = "0" * 64
    project.write("limits.txt", f"loc==1.0 --hash=sha256:{digest}\n")
    project.write("requirements.txt", "-c limits.txt\napp\n")
    said = ask(project, index, docker={"requirements": "requirements.txt"})

    assert f"asks for: sha256:{digest}" in said
    assert "hint: correct the hashes of `loc==1.0`" in said
    assert "relax the constraint" not in said


def test_an_index_that_has_what_is_asked_for_is_named_with_the_setting(project: Project, index: TinyIndex) -> None:
    index.wheel("rt", "9.8")
    with TinyIndex() as other:
        other.wheel("rt", "9.1")
        other.wheel("t", "1", requires=["rt==9.1"])
        said = ask(project, index, other, docker=needs("t"))
        direct = ask(project, index, other, docker=needs("rt==9.1"))
        project.configure(
            {
                "python": "3.12",
                "index": [{"url": index.url, "name": "a"}, {"url": other.url, "name": "b", "default": True}],
                "index-sources": {"rt": "b"},
                "docker": needs("t"),
            }
        )
        solved = project.run("resolve")

    for each in (said, direct):
        assert "it is taken from the index `a`, the first that has it, and the index `b` has 9.1" in each
        assert 'to take it from there: `index-sources = { rt = "b" }`' in each
    assert solved.code == 0, solved.stderr
    assert project.locked("pipeline") == {"rt": "9.1", "t": "1"}


def test_no_other_index_hears_of_a_package_that_one_alone_is_to_serve(project: Project, index: TinyIndex) -> None:
    index.wheel("secret", "1")
    with TinyIndex() as other:
        other.wheel("secret", "2")
        ask(project, index, other, docker=needs("secret==2"), **{"index-sources": {"secret": "a"}})

        assert not [one for one in other.requests if "secret" in one.path]


def test_a_wheel_of_a_newer_libc_says_the_floor_that_would_do(project: Project, index: TinyIndex) -> None:
    make_wheel(project.folder, "loc", "1", tag="cp312-cp312-manylinux_2_39_x86_64")
    said = ask(project, index, docker=needs("loc @ file:loc-1-cp312-cp312-manylinux_2_39_x86_64.whl"))

    assert 'hint: set `manylinux = "2_39"` if the images have that libc' in said

"""URLs of requirements: one table says what each is read as, or why it is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from zlock.model.link import Link, LinkError, is_link, is_repository, is_wheel, shown

CASES = tomllib.loads(Path(__file__).with_name("link_cases.toml").read_text(encoding="utf-8"))
REFUSED = [(url, case["why"]) for case in CASES["refused"] for url in case["urls"]]


@pytest.mark.parametrize("case", CASES["read"], ids=lambda case: case["url"])
def test_a_url_is_taken_apart(case: dict[str, Any]) -> None:
    link = Link.parse(case["url"])
    expected = {key: value for key, value in case.items() if key not in ("url", "hashes")}
    assert {key: getattr(link, key) for key in expected} == expected
    assert link.hashes == tuple(map(tuple, case.get("hashes", ())))


@pytest.mark.parametrize(("url", "why"), REFUSED, ids=ascii)
def test_a_url_that_could_pass_for_another_is_refused(url: str, why: str) -> None:
    with pytest.raises(LinkError, match=why):
        Link.parse(url)


@pytest.mark.parametrize("url", [case["url"] for case in CASES["read"] if "hush@" in case["url"]])
def test_credentials_are_in_nothing_that_is_shown_or_stored(url: str) -> None:
    link = Link.parse(url)
    assert "hush" not in f"{link!r} {link.public} {link.shown} {link.stored} {shown(url)}"


@pytest.mark.parametrize("url", [case["url"] for case in CASES["read"]])
def test_what_is_stored_is_read_as_the_same(url: str) -> None:
    link = Link.parse(url)
    again = Link.parse(link.stored)
    assert (again.stored, again.public, again.revision, again.path) == (
        link.stored,
        link.public,
        link.revision,
        link.path,
    )


def test_what_pip_takes_for_a_url_is_told_by_its_scheme() -> None:
    assert is_link("FTP://host.example/a")
    assert is_link("git+ssh:")
    assert not any(map(is_link, ["a", "", "c:/a", "git://host.example/a", "a @ https://host.example/a"]))
    assert is_repository("svn+ssh://host.example/a")
    assert not is_repository("https://host.example/a.git")


def test_a_wheel_is_told_by_its_path() -> None:
    assert is_wheel("https://host.example/a-1-py3-none-any.WHL?x=1#y")
    assert is_wheel("../a-1-py3-none-any.whl")
    assert not is_wheel("https://host.example/a-1.zip?x=.whl")


def test_a_name_that_no_disk_takes_is_refused_before_its_tags_are_read() -> None:
    tags = "-".join(".".join(f"{kind}{number}" for number in range(2000)) for kind in ("cp", "abi", "any"))
    with pytest.raises(LinkError, match="no usable file name"):
        Link.parse(f"https://host.example/a-1-{tags}.whl")

"""`zlock audit`: known vulnerabilities of what is locked, by records of OSV in files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.index import TinyIndex
from support.project import Project, Result
from zlock.errors import InvalidInput
from zlock.index.osv import read_records
from zlock.regular import LIMIT


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two steps with locks; the index is not needed any more."""
    with TinyIndex() as index:
        for name, version in (("alpha", "1.5"), ("beta", "2.0"), ("gamma", "1.0rc1")):
            index.wheel(name, version)
        project = Project(tmp_path_factory.mktemp("audit") / "project")
        steps = {"train": ["alpha", "gamma==1.0rc1"], "report": ["alpha", "beta"]}
        rows = {name: {"docker": {"requirements": wanted}} for name, wanted in steps.items()}
        project.configure({"python": "3.12", "index": [{"url": index.url, "default": True}], "steps": rows})
        assert project.run("resolve").code == 0
    return project


def record(number: str, package: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    affected = {"package": {"ecosystem": "PyPI", "name": package}, "ranges": ranges, **more.pop("affected", {})}
    return {"id": number, "modified": "2026-01-01T00:00:00Z", "affected": [affected], **more}


def write(tmp_path: Path, *records: dict[str, Any]) -> str:
    for one in records:
        (tmp_path / f"{one['id']}.json").write_text(json.dumps(one), encoding="utf-8")
    return str(tmp_path)


def found(result: Result) -> list[tuple[str, str]]:
    return [(row["package"], row["id"]) for row in json.loads(result.stdout)["vulnerabilities"]]


@pytest.mark.parametrize(
    ("events", "affected", "is_found"),
    [
        ([{"introduced": "0"}, {"fixed": "1.6"}], {}, True),
        ([{"introduced": "0"}, {"fixed": "1.5"}], {}, False),
        ([{"introduced": "1.5.0"}], {}, True),
        ([{"introduced": "1.5.post1"}], {}, False),
        ([{"introduced": "0"}, {"last_affected": "1.5"}], {}, True),
        ([{"introduced": "0"}, {"last_affected": "1.4"}], {}, False),
        ([{"fixed": "1.2"}, {"introduced": "0"}, {"introduced": "1.10"}, {"fixed": "1.11"}], {}, False),
        ([{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "1.4"}, {"fixed": "1.10"}], {}, True),
        ([], {"versions": ["1.4", "1.5.0"]}, True),
        ([], {"versions": ["1.4", "not-a-version"]}, False),
        ([{"introduced": "0"}], {"package": {"ecosystem": "npm", "name": "alpha"}}, False),
    ],
)
def test_a_release_is_held_against_versions_and_ranges(
    locked: Project, tmp_path: Path, events: list[dict[str, str]], affected: dict[str, Any], *, is_found: bool
) -> None:
    place = write(tmp_path, record("OSV-1", "Alpha", *events, affected=affected))
    result = locked.run("audit", "--osv", place, "--json")

    assert found(result) == ([("alpha", "OSV-1")] if is_found else [])
    assert result.code == int(is_found)


def test_what_is_found_is_told_with_its_steps_and_the_fix(locked: Project, tmp_path: Path) -> None:
    first = record("OSV-1", "alpha", {"introduced": "0"}, {"fixed": "1.6"}, aliases=["CVE-1"], summary="It leaks.")
    place = write(tmp_path, first, record("OSV-2", "beta", {"introduced": "0"}), record("OSV-3", "other"))
    result = locked.run("audit", "--osv", place)
    one = locked.run("audit", "--osv", place, "--step", "train", "--offline")

    assert result.code == 1
    assert result.stdout == (
        "alpha 1.5: OSV-1 (CVE-1): It leaks.\n  in report, train; fixed in 1.6\n"
        "beta 2.0: OSV-2\n  in report; no fix is known\n"
    )
    assert "2 known vulnerabilities in 3 releases, by 3 records" in result.stderr
    assert "1 known vulnerability in 2 releases, by 3 records" in one.stderr


def test_archives_lists_and_several_places_are_read(locked: Project, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("OSV-1.json", json.dumps(record("OSV-1", "alpha", {"introduced": "0"})))
    rows = [
        record("OSV-2", "beta", {"introduced": "0"}),
        record("OSV-3", "gamma", {"introduced": "0"}, withdrawn="2026-01-02T00:00:00Z"),
    ]
    (tmp_path / "list.json").write_text(json.dumps(rows), encoding="utf-8")
    places = [str(tmp_path / name) for name in ("all.zip", "list.json")]

    assert found(locked.run("audit", "--json", "--osv", places[0], "--osv", places[1])) == [
        ("alpha", "OSV-1"),
        ("beta", "OSV-2"),
    ]
    assert len(found(locked.run("audit", "--json", "--osv", str(tmp_path)))) == 2


@pytest.mark.parametrize(
    ("until", "name", "code", "said"),
    [
        ("2999-01-01", "CVE-1", 0, "no known vulnerability, 1 ignored"),
        ("2999-01-01", "OSV-1", 0, "ignored until 2999-01-01: never called"),
        ("2020-01-01", "OSV-1", 1, "`OSV-1` counts again since 2020-01-01 (never called)"),
        ("2999-01-01", "OSV-9", 1, "nothing that is locked has `OSV-9`"),
    ],
)
def test_what_is_ignored_has_a_reason_and_a_date(
    locked: Project, tmp_path: Path, until: str, name: str, *, code: int, said: str
) -> None:
    place = write(tmp_path, record("OSV-1", "alpha", {"introduced": "0"}, aliases=["CVE-1"]))
    file = locked.folder / "zlock.toml"
    before = file.read_text(encoding="utf-8")
    entry = f'audit-ignore = [{{id = "{name}", reason = "never called", until = {until}}}]\n'
    file.write_text(entry + before, encoding="utf-8")
    try:
        result = locked.run("audit", "--osv", place)
        current = locked.run("resolve", "--check", "--offline")
    finally:
        file.write_text(before, encoding="utf-8")

    assert result.code == code
    assert said in result.stdout + result.stderr
    assert current.code == 0, current.stderr


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('{id = "OSV-1", until = 2999-01-01}', "`audit-ignore[0].reason`: is missing"),
        ('{id = "OSV-1", reason = "x"}', "`audit-ignore[0].until`: is missing"),
        ('{id = "OSV-1", reason = "x", until = "soon"}', "is not an RFC 3339 time"),
        ('{id = "OSV-1", reason = "x", til = 2999-01-01}', "til"),
    ],
)
def test_mistakes_in_the_list_are_errors(project: Project, entry: str, said: str) -> None:
    project.write("zlock.toml", f"audit-ignore = [{entry}]\n")
    result = project.run("resolve", "--check")

    assert result.code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no OSV record was found in"),
        ("{}", "is not an OSV record: `id`: it is not there"),
        ("{", "is not JSON"),
        (None, "can't be read"),
    ],
)
def test_what_is_no_record_is_an_error(locked: Project, tmp_path: Path, text: str | None, said: str) -> None:
    place = tmp_path / "one.json"
    if text is not None:
        place.write_text(text, encoding="utf-8")
    result = locked.run("audit", "--osv", str(place))

    assert result.code == 2
    assert said in result.stderr


def _row(**stated: object) -> dict[str, object]:
    return {"affected": [{"package": {"ecosystem": "PyPI", "name": "alpha"}, **stated}]}


def _ranges(*events: object, kind: str = "ECOSYSTEM") -> dict[str, object]:
    return _row(ranges=[{"type": kind, "events": list(events)}])


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"id": 1}, "id"),
        ({"withdrawn": True}, "withdrawn"),
        ({"withdrawn": "once"}, "withdrawn"),
        ({"aliases": "CVE-1"}, "aliases"),
        ({"aliases": [1]}, "aliases[0]"),
        ({"summary": []}, "summary"),
        ({"affected": {"a": 1}}, "affected"),
        ({"affected": ["alpha"]}, "affected[0]"),
        ({"affected": [{"package": "alpha"}]}, "affected[0].package"),
        ({"affected": [{"package": {"name": "alpha"}}]}, "affected[0].package.ecosystem"),
        ({"affected": [{"package": {"ecosystem": "PyPI", "name": ["alpha"]}}]}, "affected[0].package.name"),
        (_row(versions="1.5"), "affected[0].versions"),
        (_row(versions=[1.5]), "affected[0].versions[0]"),
        (_row(ranges={"type": "ECOSYSTEM"}), "affected[0].ranges"),
        (_row(ranges=["1.5"]), "affected[0].ranges[0]"),
        (_row(ranges=[{"events": [{"introduced": "0"}]}]), "affected[0].ranges[0].type"),
        (_row(ranges=[{"type": "ECOSYSTEM"}]), "affected[0].ranges[0].events"),
        (_ranges({"introduced": "0"}, kind="git"), "affected[0].ranges[0].type"),
        (_ranges(), "affected[0].ranges[0].events"),
        (_ranges({"fixed": "1.6"}), "affected[0].ranges[0].events"),
        (_ranges("introduced"), "affected[0].ranges[0].events[0]"),
        (_ranges({"introduced": "0"}, {"fixd": "1.6"}), "affected[0].ranges[0].events[1]"),
        (_ranges({"introduced": "0", "fixed": "1.6"}), "affected[0].ranges[0].events[0]"),
        (_ranges({"introduced": 0}), "affected[0].ranges[0].events[0].introduced"),
        (_ranges({"introduced": "0"}, {"fixed": "soon"}), "affected[0].ranges[0].events[1].fixed"),
        (_ranges({"introduced": "0"}, {"fixed": "1" * 5000}), "affected[0].ranges[0].events[1].fixed"),
    ],
)
def test_a_record_of_another_form_is_an_error(tmp_path: Path, stated: dict[str, object], field: str) -> None:
    place = tmp_path / "list.json"
    place.write_text(json.dumps([record("OSV-1", "beta"), {"id": "OSV-2", **stated}]), encoding="utf-8")

    with pytest.raises(InvalidInput) as caught:
        read_records([place], {canonicalize_name("alpha")})
    assert f"`{place}` is not an OSV record: `[1].{field}`: " in caught.value.message


def test_what_the_form_leaves_open_is_no_mistake(tmp_path: Path) -> None:
    rows = [
        {"id": "OSV-1", "affected": None, "aliases": None},
        {"id": "OSV-2", "affected": [{"ranges": [{"type": "GIT", "repo": "x", "events": [{"introduced": "0"}]}]}]},
        {"id": "OSV-3", **_ranges({"introduced": "0"}, {"limit": "*"}), "later": 1},
        {"id": "OSV-4", **_ranges({"introduced": "0"}, {"fixed": "6f"}, kind="GIT")},
    ]
    (tmp_path / "list.json").write_text(json.dumps(rows), encoding="utf-8")
    found, count = read_records([tmp_path], {canonicalize_name("alpha")})

    assert count == len(rows)
    assert [one.id for one in found if any(each.holds(Version("1")) for each in one.affected)] == ["OSV-3"]


def test_an_archive_that_can_not_be_unpacked_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "all.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("OSV-1.json", json.dumps(record("OSV-1", "alpha", {"introduced": "0"})))
    data = bytearray(place.read_bytes())
    data[40:60] = bytes(20)
    place.write_bytes(data)
    with pytest.raises(InvalidInput, match="can't be read"):
        read_records([place], set())

    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("OSV-1.json", " " * (LIMIT + 1))
    with pytest.raises(InvalidInput, match="has more than 64 MiB"):
        read_records([place], set())


def test_without_a_lock_there_is_nothing_to_look_at(project: Project, tmp_path: Path) -> None:
    project.configure({"python": "3.12"})
    result = project.run("audit", "--osv", write(tmp_path, record("OSV-1", "alpha")))

    assert result.code == 1
    assert "there is no lock" in result.stderr

"""The lock as a document: what each kind of package becomes, and what its digests cover."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version

from zlock.lock.document import build
from zlock.lock.facts import Facts
from zlock.lock.question import Question, changes
from zlock.lock.store import parse_lock
from zlock.model.distribution import File, Metadata, Reference
from zlock.model.explanations import GaveWay, Stated
from zlock.model.form import Misstated, plain, read
from zlock.model.installer import PIP, UV
from zlock.model.requirement import Asked
from zlock.model.target import Target
from zlock.resolution.package import Candidate
from zlock.resolution.solve import Resolved

PROJECT = Path("/srv/project")
ALPHA = canonicalize_name("alpha")


def file(filename: str, *, url: str = "", sha256: str = "aa", time: str = "") -> File:
    return File(
        filename=filename,
        url=url or f"https://index.example/files/{filename}",
        hashes=(("sha256", sha256 * 32),),
        requires_python=">=3.9",
        yanked=None,
        upload_time=time,
        size=5,
        metadata=None,
    )


def pinned(*files: File, hashes: tuple[str, ...] = (), index: str = "https://index.example/simple/") -> Resolved:
    candidate = Candidate(version=Version("1.0"), files=files, yanked=None)
    return Resolved(name=ALPHA, candidate=candidate, requires=(), index=index, hashes=hashes)


def referenced(kind: str, **stated: Any) -> Resolved:
    nothing = {"url": "", "path": "", "subdirectory": "", "hashes": (), "size": -1, "filename": ""}
    reference = Reference(
        **{"requested": "x", "kind": kind, "requested_revision": "", "commit": "", **nothing, **stated},
        metadata=Metadata(ALPHA, "1.0", ">=3.8", (), ()),
    )
    candidate = Candidate(version=Version("1.0"), files=(), yanked=None, reference=reference)
    return Resolved(name=ALPHA, candidate=candidate, requires=(), index="", hashes=())


def question(**more: Any) -> Question:
    asked = (Asked(source="explicit", described="", requirements=("alpha",)),)
    return Question(**{"step": "train", "targets": (Target.parse("3.12"),), "asked": asked, **more})


def document(*resolved: Resolved, recorded: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a lock as it is read back, after `packaging.pylock` has found it valid."""
    lock = build(
        question(**more),
        [(Target.parse("3.12"), resolved)],
        declared=(),
        pipeline="",
        project=PROJECT,
        lock_folder=PROJECT / "lockfiles",
    )
    table = tomllib.loads(replace(lock, facts=replace(lock.facts, **recorded or {})).render())
    Pylock.from_dict(table).validate()
    return table


def package(*resolved: Resolved) -> dict[str, Any]:
    (only,) = document(*resolved)["packages"]
    assert isinstance(only, dict)
    return only


def test_wheels_are_sorted_and_have_size_time_and_hash() -> None:
    wheels = package(
        pinned(file("alpha-1.0-py3-none-any.whl", time="2024-01-02T03:04:05Z"), file("alpha-1.0-cp312-none-any.whl"))
    )["wheels"]

    assert [wheel["url"].rpartition("/")[2] for wheel in wheels] == [
        "alpha-1.0-cp312-none-any.whl",
        "alpha-1.0-py3-none-any.whl",
    ]
    assert wheels[1]["upload-time"].isoformat() == "2024-01-02T03:04:05+00:00"
    assert wheels[0] == {
        "url": "https://index.example/files/alpha-1.0-cp312-none-any.whl",
        "size": 5,
        "hashes": {"sha256": "aa" * 32},
    }


def test_an_sdist_is_locked_only_where_it_is_what_will_be_installed() -> None:
    both = package(pinned(file("alpha-1.0-py3-none-any.whl"), file("alpha-1.0.tar.gz")))
    alone = package(pinned(file("alpha-1.0.tar.gz")))

    assert "sdist" not in both
    assert alone["sdist"]["url"].endswith("alpha-1.0.tar.gz")
    assert "wheels" not in alone


def test_hashes_of_a_requirement_limit_the_files() -> None:
    wheels = (file("alpha-1.0-cp312-none-any.whl", sha256="aa"), file("alpha-1.0-py3-none-any.whl", sha256="bb"))
    locked = package(pinned(*wheels, hashes=(f"sha256:{'bb' * 32}",)))

    assert [wheel["hashes"]["sha256"] for wheel in locked["wheels"]] == ["bb" * 32]


def test_a_file_whose_url_does_not_end_in_its_name_is_named() -> None:
    wheel = package(pinned(file("alpha-1.0-py3-none-any.whl", url="https://index.example/get?id=1")))["wheels"][0]

    assert wheel["name"] == "alpha-1.0-py3-none-any.whl"


def test_local_files_and_folders_are_relative_to_the_lock() -> None:
    url = (PROJECT / "vendor" / "alpha-1.0-py3-none-any.whl").as_uri()
    wheel = package(pinned(file("alpha-1.0-py3-none-any.whl", url=url), index=str(PROJECT / "vendor")))
    folder = package(referenced("directory", path="libs/alpha", subdirectory="core"))

    assert wheel["wheels"][0]["path"] == "../vendor/alpha-1.0-py3-none-any.whl"
    assert "index" not in wheel
    assert folder["directory"] == {"path": "../libs/alpha", "subdirectory": "core"}
    assert "version" not in folder


def test_repositories_have_their_commit_and_archives_their_hash() -> None:
    commit = "0123456789" * 4
    repository = package(referenced("vcs", url="https://git.example/a", requested_revision="main", commit=commit))
    archive = package(
        referenced("archive", url="https://index.example/alpha-1.0.zip", hashes=(("sha256", "aa" * 32),), size=7)
    )

    assert repository["vcs"] == {
        "type": "git",
        "url": "https://git.example/a",
        "requested-revision": "main",
        "commit-id": commit,
    }
    assert archive["archive"] == {
        "url": "https://index.example/alpha-1.0.zip",
        "size": 7,
        "hashes": {"sha256": "aa" * 32},
    }
    assert archive["version"] == "1.0"


def identity(*resolved: Resolved, **more: Any) -> str:
    return str(document(*resolved, **more)["tool"]["zlock"]["identity"])


def test_identity_covers_what_is_installed_and_nothing_else() -> None:
    wheel = file("alpha-1.0-py3-none-any.whl")
    plain = identity(pinned(wheel))

    assert identity(pinned(wheel, index="https://other.example/"), step="other") == plain
    assert identity(pinned(wheel._replace(url="https://mirror.example/alpha-1.0-py3-none-any.whl", size=-1))) == plain
    assert identity(pinned(wheel._replace(hashes=(("sha256", "bb" * 32),)))) != plain
    assert identity(referenced("directory", path="alpha")) != plain
    assert identity() != plain


def digest(**more: Any) -> str:
    return question(**more).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"targets": (Target.parse("3.11"),)},
        {"targets": (Target.parse("3.12", "linux/arm64"),)},
        {"targets": (Target.parse("3.12", manylinux="2_17"),)},
        {"apt_packages": ("git",)},
        {"parent_image": "a"},
        {"policy": {"resolution": "lowest"}},
        {"asked": (Asked(source="explicit", described="", requirements=("beta",)),)},
        {"asked": (Asked(source="stack", described="", requirements=("alpha",)),)},
        {"asked": (Asked(source="explicit", described="", requirements=("alpha",), constraints=("b<1",)),)},
        {"asked": ()},
    ],
)
def test_inputs_cover_everything_that_is_asked(change: dict[str, Any]) -> None:
    assert digest(**change) != digest()


def test_inputs_do_not_cover_the_name_of_the_step() -> None:
    assert digest(step="other") == digest()


def test_facts_are_recorded() -> None:
    gave_way = GaveWay(
        loser=Stated(requirement="a<2", sources=("stack",)), winner=Stated(requirement="a>=2", sources=("explicit",))
    )
    recorded = {"gave_way": (gave_way,), "exclude_newer": "2026-01-01T00:00:00+00:00"}
    own = document(recorded=recorded, parent_image="base", apt_packages=("git",), policy={"resolution": "lowest"})[
        "tool"
    ]["zlock"]

    assert own["gave-way"] == [
        {
            "loser": {"requirement": "a<2", "sources": ["stack"]},
            "winner": {"requirement": "a>=2", "sources": ["explicit"]},
        }
    ]
    assert own["exclude-newer"] == "2026-01-01T00:00:00+00:00"
    assert (own["parent-image"], own["apt-packages"], own["policy"]) == ("base", ["git"], {"resolution": "lowest"})
    assert own["packages"] == 0


def test_a_lock_is_the_same_made_and_read() -> None:
    asked = question(apt_packages=("git",), policy={"indexes": [{"url": "https://index.example/simple/"}]})
    wheel = pinned(file("alpha-1.0-py3-none-any.whl"))

    made = build(
        asked,
        [(asked.targets[0], [wheel])],
        declared=(),
        pipeline="",
        project=PROJECT,
        lock_folder=PROJECT / "lockfiles",
    )
    again = parse_lock(PROJECT / "lockfiles" / "pylock.train.toml", made.render())

    assert replace(again.facts, integrity="") == made.facts
    assert again.packages == made.packages


def test_changes_name_the_source_and_what_came_and_went() -> None:
    before = [
        Asked(source="stack", described="x", requirements=("a",), apt_packages=("git",)),
        Asked(source="explicit", described="r.txt", requirements=("b",), constraints=("c<1",)),
    ]
    after = [
        Asked(source="local environment", described="pip freeze", requirements=("d",)),
        Asked(source="explicit", described="s.txt", requirements=("b>1",)),
    ]

    assert changes(before, after) == [
        ("stack: gone", ""),
        ("stack: - `a`", ""),
        ("stack: - apt package `git`", ""),
        ("explicit: was `r.txt`, is `s.txt`", ""),
        ("explicit: - `b`", ""),
        ("explicit: - constraint `c<1`", ""),
        ("explicit: + `b>1`", "b>1"),
        ("local environment: added", ""),
        ("local environment: + `d`", "d"),
    ]
    assert changes(before, before) == []


def test_the_installer_that_images_fetch_is_known_by_its_name() -> None:
    wheels = [{"name": "uv-1.0-py3-none-any.whl", "hashes": {"sha256": "03" * 32}}]
    own = document()["tool"]["zlock"] | {"uv": {"version": "1.0", "wheels": wheels}}
    facts = read(Facts, own)

    assert facts.installer == facts.fetched(UV)
    assert facts.fetched(PIP) is None
    assert plain(facts)["uv"] == own["uv"]
    assert read(Facts, {**own, "uv": {**own["uv"], "name": "uv"}}) == facts
    with pytest.raises(Misstated, match=r"uv\.name"):
        read(Facts, {**own, "uv": {**own["uv"], "name": "other"}})

"""The lock as a document: PEP 751 with zlock's own facts under `[tool.zlock]`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from zlock.lock.builds import Build
from zlock.lock.declared import DeclaredFile, declared_table
from zlock.lock.environments import Answer, join_answers
from zlock.lock.identity import FORMAT, identity_of, resign
from zlock.lock.question import Question, target_table
from zlock.lock.toml import Inline, Row, dumps
from zlock.lock.wheelhouse import archive_name
from zlock.model.distribution import File, Reference
from zlock.model.paths import path_in, portable
from zlock.model.versions import valid_specifier
from zlock.resolution.solve import Resolved


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is recorded beside the question and the packages.

    Attributes:
        declared: The files that ask.
        owner: The pipeline it belongs to, `file.py:name`; empty for the configuration's own steps.
        gave_way: Requirements that gave way to later sources, a line each.
        builds: What the sdists among the packages are built with.
        uv: The uv that installs them, see `uv_table`; None where pip does.
        differs: Packages that have another version in another step, a line each with the reason.
        exclude_newer: The cut-off that the command line set for this run, RFC 3339, or empty.
    """

    declared: tuple[DeclaredFile, ...] = ()
    owner: str = ""
    gave_way: tuple[str, ...] = ()
    builds: tuple[Build, ...] = ()
    uv: Inline | None = None
    differs: tuple[str, ...] = ()
    exclude_newer: str = ""


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class _Places:
    """Where things are, see `build`; paths count from the lock's folder.

    Attributes:
        fixed: The URLs of index folders that are named by an absolute path: their files are named so too.
    """

    project: Path
    lock_folder: Path
    wheelhouse: Path | None
    fixed: frozenset[str]

    def of_file(self, url: str, index: str) -> str:
        """Return the path of a file that an index folder lists."""
        return portable(Path(path_in(url)), self.lock_folder, fixed=index in self.fixed)

    def of_reference(self, path: str) -> str:
        """Return the path of a direct reference, see `Reference`."""
        return portable(self.project / path, self.lock_folder, fixed=Path(path).is_absolute())

    def in_wheelhouse(self, name: str) -> str:
        """Return the path of a file in the wheelhouse as a lock has it."""
        return Path(os.path.relpath(self.wheelhouse or "", self.lock_folder), name).as_posix()


def build(
    question: Question,
    answers: Sequence[Answer],
    facts: Facts,
    *,
    project: Path,
    lock_folder: Path,
    wheelhouse: Path | None = None,
) -> dict[str, Any]:
    """Return the lock as a tree of plain values, the integrity still empty (PEP 751).

    Args:
        question: What the step asks.
        answers: For each target of the question what was chosen.
        facts: What is recorded beside them.
        project: The project folder.
        lock_folder: Where the lock will be; its paths count from there.
        wheelhouse: Where the files will be, for a portable lock: it has their paths in place of indexes and URLs.
    """
    fixed = _fixed_indexes(question) if wheelhouse is None else frozenset()  # a portable lock names no index
    places = _places(project, lock_folder, wheelhouse, fixed)
    packages = [_package(one, marker, places) for one, marker in join_answers(answers)]
    builds = [build.to_table() for build in facts.builds]
    own: dict[str, Any] = {
        "format": FORMAT,
        "step": question.step,
        **({"pipeline": facts.owner} if facts.owner else {}),
        "identity": identity_of(packages, builds),
        "inputs": question.digest(),
        **declared_table(facts.declared),
        "packages": len(packages),
        **target_table(question.targets),
    }
    if question.parent_image:
        own["parent-image"] = question.parent_image
    if question.apt_packages:
        own["apt-packages"] = list(question.apt_packages)
    if facts.uv:
        own["uv"] = facts.uv
    if question.policy:
        own["policy"] = Inline(question.policy)
    if question.local:
        own["local"] = Inline(question.local)
    if facts.exclude_newer:
        own["exclude-newer"] = facts.exclude_newer
    if facts.gave_way:
        own["gave-way"] = list(facts.gave_way)
    if facts.differs:
        own["differs"] = list(facts.differs)
    # After everything that a cut could take away but what follows as tables.
    own["integrity"] = ""
    if builds:
        own["builds"] = builds
    own["sources"] = [asked.to_table() for asked in question.asked]
    return {
        "lock-version": "1.0",
        "environments": [str(target.marker) for target in question.targets],
        "requires-python": str(question.targets[0].requires_python),
        "created-by": "zlock",
        "packages": packages,
        "tool": {"zlock": own},
    }


def render(tree: Mapping[str, Any]) -> str:
    """Return the lock's text with its integrity filled in."""
    return resign(dumps(tree))


def _fixed_indexes(question: Question) -> frozenset[str]:
    stated = [Path(row["url"]) for row in question.policy.get("indexes", ())]
    return frozenset(path.as_uri() for path in stated if path.is_absolute())


@lru_cache(maxsize=64)
def _places(project: Path, lock_folder: Path, wheelhouse: Path | None, fixed: frozenset[str]) -> _Places:
    return _Places(project=project, lock_folder=lock_folder, wheelhouse=wheelhouse, fixed=fixed)


@lru_cache(maxsize=4096)
def _package(one: Resolved, marker: str, places: _Places) -> Row:
    """Return a package as locks hold it; the steps of a pipeline share most of theirs."""
    reference = one.candidate.reference
    table = Row(name=one.name)
    if reference is None or reference.kind == "archive":
        table["version"] = str(one.candidate.version)
    if marker:
        table["marker"] = marker
    requires_python = reference.metadata.requires_python if reference else one.candidate.files[0].requires_python
    if valid_specifier(requires_python):  # installers refuse a whole lock for an invalid one
        table["requires-python"] = requires_python
    if one.requires:
        table["dependencies"] = [Inline({"name": name}) for name in one.requires]
    if any(one.needs.keys() - {""}) or any("[" in need for needs in one.needs.values() for need in needs):
        # Names alone would not tell which of the edges are there because of an extra.
        table["tool"] = Inline({"zlock": Inline({"needs": Inline(one.needs)})})
    if reference is not None:
        table.update(_reference(reference, places))
        return table
    if one.index.startswith("http") and places.wheelhouse is None:
        table["index"] = one.index
    admitted = [file for file in one.candidate.files if _is_admitted(file, one.hashes)]
    files = sorted(admitted, key=lambda file: (file.filename, file.url))
    wheels = [_file(file, one.index, places) for file in files if file.is_wheel]
    if wheels:
        table["wheels"] = wheels
    else:
        table["sdist"] = _file(files[0], one.index, places)
    return table


def _is_admitted(file: File, hashes: Sequence[str]) -> bool:
    return not hashes or any(f"{algorithm}:{digest}" in hashes for algorithm, digest in file.hashes)


@lru_cache(maxsize=65536)
def _file(file: File, index: str, places: _Places) -> Inline:
    """Return a file as locks hold it."""
    row: dict[str, Any] = {}
    if PurePosixPath(file.url).name != file.filename and places.wheelhouse is None:
        row["name"] = file.filename
    if file.upload_time:
        row["upload-time"] = datetime.fromisoformat(file.upload_time)
    if places.wheelhouse is not None:
        row["path"] = places.in_wheelhouse(file.filename)
    elif file.url.startswith("file:"):
        row["path"] = places.of_file(file.url, index)
    else:
        row["url"] = file.url
    if file.size >= 0:
        row["size"] = file.size
    row["hashes"] = Inline({"sha256": file.sha256})
    return Inline(row)


def _reference(reference: Reference, places: _Places) -> dict[str, Any]:
    place: dict[str, Any] = {}
    if reference.path:
        place["path"] = places.of_reference(reference.path)
    elif reference.kind == "archive" and places.wheelhouse is not None:
        name = archive_name(reference.filename, dict(reference.hashes)["sha256"])
        place["path"] = places.in_wheelhouse(name)
    else:
        place["url"] = reference.url
    if reference.kind == "vcs":
        place = {"type": reference.vcs, **place}
        if reference.requested_revision:
            place["requested-revision"] = reference.requested_revision
        place["commit-id"] = reference.commit
    if reference.kind == "archive":
        if reference.size >= 0:
            place["size"] = reference.size
        place["hashes"] = Inline(dict(reference.hashes))
    if reference.subdirectory:
        place["subdirectory"] = reference.subdirectory
    return {reference.kind: Inline(place)}

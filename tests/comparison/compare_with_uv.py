"""Lock sets of popular packages with zlock and with uv on one index, and explain every difference.

    python tests/comparison/compare_with_uv.py [--only NAME] [--index-url URL] [--json] [--output FILE]

For each set of `sets.toml` a project for zlock and an input for `uv pip compile` are made, both with the same
target and the same cut-off. Both results are then judged here by a walk over the metadata that shares no code
with zlock: wheels that fit the target, every requirement met, nothing that nobody asked for. Judging reads the
pages (JSON: only that form has upload times) and METADATA (PEP 658, else a range of the wheel, else all of it)
by plain HTTP and keeps them on disk.

An index is asked about every package of every set, so which one is never guessed: `--index-url`, else
UV_DEFAULT_INDEX, UV_INDEX_URL or PIP_INDEX_URL. The pages of one run are those of the first one that cached
them: `--refresh` reads them again. Needs zlock importable, `packaging`, and uv beside the interpreter or on PATH.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

_SETS = Path(__file__).with_name("sets.toml")
_JSON_PAGE = "application/vnd.pypi.simple.v1+json"
_TIMEOUT = 600  # seconds for one lock
_PAGE_LASTS = 24 * 3600.0
_SHOWN = 4
_YEAR = 365.25
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

Pins = Mapping[str, Version]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One set of requirements, and the Python that is to run it."""

    name: str
    topic: str
    python: str
    requirements: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a tool made of a set.

    Attributes:
        state: "solved", "refused" (it says that there is no answer) or "failed" (anything else).
        pins: Name to version; empty unless solved.
        hashes: Name to the sha256 digests of its files.
        said: Why there is no lock.
        seconds: How long it took.
    """

    state: str
    pins: Mapping[str, Version] = field(default_factory=dict)
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    said: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A wheel as a page lists it.

    Attributes:
        requires_python: Empty where what the page says is not a specifier, as pip reads it.
        invalid: What the page says there, if it is not a specifier.
        sidecar: The sha256 of the metadata file beside it, or "" where that is not said; None: there is no such file.
    """

    name: str
    version: Version
    tags: frozenset[Tag]
    url: str
    sha256: str
    uploaded: datetime
    requires_python: SpecifierSet
    invalid: str
    yanked: bool
    sidecar: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What the walk found out about a lock.

    Attributes:
        problems: What is wrong with it; empty for a valid lock.
        prereleases: The pins that are pre-releases.
        libyears: The sum of the years between each pin and the newest final release that fits the target.
    """

    problems: tuple[str, ...] = ()
    prereleases: tuple[str, ...] = ()
    libyears: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A set, what both tools made of it, and what follows."""

    case: Case
    zlock: Outcome
    uv: Outcome
    zlock_judged: Judgement
    uv_judged: Judgement
    verdict: str
    reasons: tuple[str, ...]
    hashes: str


# --- the index ---------------------------------------------------------------------------------------------------


class Index:
    """A package index, read a file at a time."""

    def __init__(self, url: str, cache: Path, cut_off: datetime, *, refresh: bool = False) -> None:
        self.url = url.rstrip("/") + "/"
        self._cache = cache
        self._cut_off = cut_off
        self._oldest = time.time() if refresh else time.time() - _PAGE_LASTS
        self._pages: dict[str, list[Wheel]] = {}
        self._required: dict[str, tuple[Requirement, ...]] = {}
        cache.mkdir(parents=True, exist_ok=True)

    def wheels(self, name: str) -> list[Wheel]:
        """Return the wheels of a project that were there at the cut-off; none for a name that is not known."""
        if name not in self._pages:
            url = urljoin(self.url, f"{name}/")
            body = self._kept(url, lambda: self._fetch_page(url), lasts=False)
            rows = json.loads(body)["files"] if body else []
            found = [_wheel_of(row, url) for row in rows]
            self._pages[name] = [
                wheel for wheel in found if wheel and wheel.name == name and wheel.uploaded <= self._cut_off
            ]
        return self._pages[name]

    def requirements(self, wheel: Wheel) -> tuple[Requirement, ...]:
        """Return what a wheel's METADATA requires."""
        if wheel.url not in self._required:
            texts = self._metadata(wheel).get("requires_dist", [])
            self._required[wheel.url] = tuple(_requirement(text) for text in texts)
        return self._required[wheel.url]

    def names_an_extra_twice(self, wheel: Wheel) -> bool:
        """Return whether two extras of a wheel are one when normalized."""
        extras = [canonicalize_name(extra) for extra in self._metadata(wheel).get("provides_extra", [])]
        return len(extras) > len(set(extras))

    def _metadata(self, wheel: Wheel) -> RawMetadata:
        raw, _ = parse_email(self._kept(f"{wheel.url}#METADATA", lambda: self._fetch_metadata(wheel), lasts=True))
        name, version = canonicalize_name(raw.get("name", "")), raw.get("version", "0")
        if name != wheel.name or Version(version) != wheel.version:
            raise ValueError(f"{wheel.name} {wheel.version}: its METADATA is of {name} {version}")
        return raw

    def _kept(self, key: str, fetch: Callable[[], bytes], *, lasts: bool) -> bytes:
        path = self._cache / hashlib.sha256(key.encode()).hexdigest()
        if path.is_file() and (lasts or path.stat().st_mtime > self._oldest):
            return path.read_bytes()
        body = fetch()
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(body)
        temporary.replace(path)
        return body

    def _fetch_page(self, url: str) -> bytes:
        try:
            body, headers = _get(url, Accept=_JSON_PAGE)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return b""
            raise
        if "json" not in headers.get("content-type", ""):
            raise ValueError("the index has no JSON pages, and without upload times there is no cut-off")
        return body

    def _fetch_metadata(self, wheel: Wheel) -> bytes:
        if wheel.sidecar is not None:
            body, _ = _get(f"{wheel.url}.metadata")
            if wheel.sidecar and hashlib.sha256(body).hexdigest() != wheel.sidecar:
                raise ValueError(f"{wheel.name} {wheel.version}: its metadata has another hash than the page says")
            return body
        with RemoteFile(wheel.url) as file, zipfile.ZipFile(file) as archive:
            inside = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            return archive.read(inside[0])


class RemoteFile(io.RawIOBase):
    """A file on a server that can seek: ranges where the server has them, else all of it at the first read."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._position = 0
        first, headers = _get(url, Range="bytes=0-0")
        total = re.search(r"/(\d+)$", headers.get("content-range", ""))
        self._whole = None if total else first
        self._size = int(total[1]) if total else len(first)

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move, as files do."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        start = self._position
        stop = self._size if size is None or size < 0 else min(start + size, self._size)
        if start >= stop:
            return b""
        if self._whole is not None:
            data = self._whole[start:stop]
        else:
            data, _ = _get(self._url, Range=f"bytes={start}-{stop - 1}")
        self._position = start + len(data)
        return data


def _get(url: str, **headers: str) -> tuple[bytes, Mapping[str, str]]:
    request = urllib.request.Request(url, headers={"User-Agent": "zlock-comparison", **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def _wheel_of(row: Mapping[str, Any], page: str) -> Wheel | None:
    try:
        name, version, _, tags = parse_wheel_filename(row["filename"])
    except (InvalidWheelFilename, ValueError):
        return None
    if "upload-time" not in row:
        return None
    requires_python, invalid = _specifier(row.get("requires-python") or "")
    sidecar = row.get("core-metadata", row.get("dist-info-metadata", False))
    return Wheel(
        name=name,
        version=version,
        tags=tags,
        url=urljoin(page, row["url"]),
        sha256=row["hashes"].get("sha256", ""),
        uploaded=datetime.fromisoformat(row["upload-time"]),
        requires_python=requires_python,
        invalid=invalid,
        yanked=bool(row.get("yanked")),
        sidecar=sidecar.get("sha256", "") if isinstance(sidecar, dict) else "" if sidecar else None,
    )


def _specifier(text: str) -> tuple[SpecifierSet, str]:
    try:
        return SpecifierSet(text), ""
    except InvalidSpecifier:
        return SpecifierSet(), text


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"a pinned release has an invalid requirement: {text}") from error


# --- the judge ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """CPython of a minor version on linux, x86_64, glibc 2.28."""

    python: str

    @cached_property
    def _minor(self) -> tuple[int, int]:
        major, minor = self.python.split(".")[:2]
        return int(major), int(minor)

    @cached_property
    def ranks(self) -> dict[Tag, int]:
        """Each tag that can be installed, the best one first."""
        platforms = []
        for glibc in range(28, 4, -1):
            platforms.append(f"manylinux_2_{glibc}_x86_64")
            if glibc in _OLD_NAMES:
                platforms.append(f"{_OLD_NAMES[glibc]}_x86_64")
        platforms.append("linux_x86_64")
        abi = f"cp{self._minor[0]}{self._minor[1]}"
        tags = [*cpython_tags(self._minor, [abi], platforms), *compatible_tags(self._minor, abi, platforms)]
        return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}

    @cached_property
    def markers(self) -> dict[str, str]:
        """The variables of markers."""
        full = f"{self._minor[0]}.{self._minor[1]}.0"
        return {
            "python_version": f"{self._minor[0]}.{self._minor[1]}",
            "python_full_version": full,
            "implementation_version": full,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
            "platform_release": "",
            "platform_version": "",
        }

    def fits(self, wheel: Wheel) -> bool:
        """Return whether a wheel can be installed."""
        return bool(wheel.tags & self.ranks.keys()) and wheel.requires_python.contains(
            self.markers["python_full_version"]
        )

    def asks(self, requirement: Requirement, extra: str = "") -> bool:
        """Return whether a requirement counts here."""
        return requirement.marker is None or requirement.marker.evaluate({**self.markers, "extra": extra})


@dataclass(frozen=True)
class Edge:
    """A requirement that counts, and who has it: a pinned name, or "" for the set itself."""

    parent: str
    requirement: Requirement

    @cached_property
    def name(self) -> str:
        """The normalized name that is asked for."""
        return canonicalize_name(self.requirement.name)

    def allows(self, version: Version) -> bool:
        """Return whether a version will do; the rule for pre-releases is another matter."""
        return self.requirement.specifier.contains(version, prereleases=True)


class Judge:
    """Walks over the metadata of a lock, for one set."""

    def __init__(self, case: Case, index: Index) -> None:
        self.case = case
        self.index = index
        self.target = Target(case.python)
        self._roots = tuple(Edge("", Requirement(text)) for text in case.requirements)

    def judge(self, outcome: Outcome) -> Judgement:
        """Return what is to be said of a lock."""
        pins = outcome.pins
        problems = [problem for name in pins for problem in self._file_problems(name, pins[name])]
        edges = self.edges(pins)
        for edge in edges:
            if edge.name not in pins:
                problems.append(f"{self._who(edge, pins)} requires {edge.requirement}, which is not in the lock")
            elif not edge.allows(pins[edge.name]):
                problems.append(f"{self._who(edge, pins)} requires {edge.requirement}, the lock has {pins[edge.name]}")
        asked = {edge.name for edge in edges}
        problems += [f"nothing asks for {name}" for name in pins if name not in asked]
        problems += [f"{name}: a file without sha256" for name in pins if not outcome.hashes.get(name)]
        return Judgement(
            problems=tuple(problems),
            prereleases=tuple(f"{name} {version}" for name, version in pins.items() if version.is_prerelease),
            libyears=round(sum(self.behind(name, version) for name, version in pins.items()), 1),
        )

    def edges(self, pins: Pins) -> list[Edge]:
        """Return every requirement that counts, reached from the set; pins that nothing reaches add none."""
        seen: set[tuple[str, str]] = set()
        edges: list[Edge] = []
        todo = [edge for edge in self._roots if self.target.asks(edge.requirement)]
        while todo:
            edge = todo.pop()
            edges.append(edge)
            if edge.name not in pins:
                continue
            for extra in ("", *(canonicalize_name(extra) for extra in edge.requirement.extras)):
                if (edge.name, extra) not in seen:
                    seen.add((edge.name, extra))
                    todo += self._required(edge.name, pins[edge.name], extra)
        return edges

    def _required(self, name: str, version: Version, extra: str) -> list[Edge]:
        wheel = self.best(name, version)
        required = self.index.requirements(wheel) if wheel else ()
        return [Edge(name, each) for each in required if self.target.asks(each, extra)]

    def best(self, name: str, version: Version) -> Wheel | None:
        """Return the wheel that the target would install, or None where none fits."""
        ranks = self.target.ranks
        fitting = [wheel for wheel in self.index.wheels(name) if wheel.version == version and self.target.fits(wheel)]
        return min(fitting, key=lambda wheel: min(ranks[tag] for tag in wheel.tags if tag in ranks), default=None)

    def _file_problems(self, name: str, version: Version) -> Iterable[str]:
        wheel = self.best(name, version)
        if wheel is None:
            yield f"{name} {version} has no wheel for the target at the cut-off"
        elif wheel.yanked and not any(
            edge.name == name and any(each.operator in {"==", "==="} for each in edge.requirement.specifier)
            for edge in self._roots
        ):
            yield f"{name} {version} was yanked"

    @staticmethod
    def _who(edge: Edge, pins: Pins) -> str:
        return f"{edge.parent} {pins[edge.parent]}" if edge.parent else "the set"

    def date(self, name: str, version: Version) -> datetime | None:
        """Return the first upload of a release."""
        return min((wheel.uploaded for wheel in self.index.wheels(name) if wheel.version == version), default=None)

    def behind(self, name: str, version: Version) -> float:
        """Return the years from a release to the newest final one that fits the target by itself."""
        mine = self.date(name, version)
        others = [
            date
            for wheel in self.index.wheels(name)
            if self.target.fits(wheel) and not wheel.yanked and not wheel.version.is_prerelease
            if (date := self.date(name, wheel.version))
        ]
        if mine is None or not others:
            return 0.0
        return max(0.0, (max(others) - mine).days / _YEAR)

    def files(self, name: str, version: Version) -> frozenset[str]:
        """Return the digests of the wheels of a release that fit the target."""
        return frozenset(
            wheel.sha256 for wheel in self.index.wheels(name) if wheel.version == version and self.target.fits(wheel)
        )

    def holds_back(self, pins: Pins, name: str, wanted: Version) -> list[str]:
        """Return what in a lock keeps one pin from moving to another version while all else stays."""
        reasons = [
            f"{self._who(edge, pins)} requires {edge.requirement}"
            for edge in self.edges(pins)
            if edge.name == name and not edge.allows(wanted)
        ]
        wheel = self.best(name, wanted)
        if wheel is None:
            return [*reasons, f"{name} {wanted} has no wheel for the target"]
        if wheel.invalid:
            reasons.append(f"{name} {wanted} says `Requires-Python: {wheel.invalid}`")
        if self.index.names_an_extra_twice(wheel):
            reasons.append(f"{name} {wanted} names an extra twice")
        extras = {"", *(extra for edge in self.edges(pins) if edge.name == name for extra in edge.requirement.extras)}
        reasons += [
            f"{name} {wanted} requires {edge.requirement}, not {pins.get(edge.name, 'in the lock')}"
            for extra in sorted(extras)
            for edge in self._required(name, wanted, extra)
            if edge.name not in pins or not edge.allows(pins[edge.name])
        ]
        return list(dict.fromkeys(reasons))


# --- the tools ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """How both tools are run.

    Attributes:
        uv: The path of uv.
        index_url: Their index.
        cut_off: As both take it.
        work: A folder for projects and caches of their own.
    """

    uv: str
    index_url: str
    cut_off: str
    work: Path

    def lock_with_zlock(self, case: Case) -> Outcome:
        """Lock a set as a project of one step."""
        project = self.work / case.name
        project.mkdir(exist_ok=True)
        lines = [f'python = "{case.python}"', f"exclude-newer = {self.cut_off}", "[steps.x.docker]"]
        lines.append(f"requirements = {json.dumps(case.requirements)}")
        (project / "zlock.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        argv = [sys.executable, "-P", "-m", "zlock", "resolve", "--project", str(project), "--index-url"]
        done, seconds = self._run([*argv, self.index_url, "--cache-dir", str(self.work / "zlock-cache")])
        if done.returncode:
            return Outcome(state="refused" if done.returncode == 1 else "failed", said=done.stderr, seconds=seconds)
        lock = tomllib.loads((project / "lockfiles" / "pylock.x.toml").read_text(encoding="utf-8"))
        return Outcome(
            state="solved",
            pins={package["name"]: Version(package["version"]) for package in lock["packages"]},
            hashes={
                package["name"]: frozenset(wheel["hashes"]["sha256"] for wheel in package["wheels"])
                for package in lock["packages"]
            },
            seconds=seconds,
        )

    def lock_with_uv(self, case: Case) -> Outcome:
        """Compile a set."""
        asked = self.work / f"{case.name}.in"
        asked.write_text("\n".join(case.requirements) + "\n", encoding="utf-8")
        argv = [self.uv, "pip", "compile", "--no-config", "--quiet", "--generate-hashes", "--only-binary", ":all:"]
        argv += ["--python", sys.executable, "--python-version", case.python, "--no-header", "--no-annotate"]
        argv += ["--python-platform", "x86_64-manylinux_2_28", "--exclude-newer", self.cut_off]
        argv += ["--default-index", self.index_url, "--cache-dir", str(self.work / "uv-cache"), str(asked)]
        done, seconds = self._run(argv)
        if done.returncode:
            refused = "No solution found" in done.stderr
            return Outcome(state="refused" if refused else "failed", said=done.stderr, seconds=seconds)
        pins, hashes = _parse_compiled(done.stdout)
        return Outcome(state="solved", pins=pins, hashes=hashes, seconds=seconds)

    @staticmethod
    def _run(argv: Sequence[str]) -> tuple[subprocess.CompletedProcess[str], float]:
        ours = ("UV_", "PIP_INDEX", "PIP_EXTRA", "PIP_FIND", "VIRTUAL_ENV")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environ |= {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
        start = time.perf_counter()
        try:
            done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess(argv, 99, "", f"no end after {_TIMEOUT} s")
        return done, round(time.perf_counter() - start, 2)


def _parse_compiled(text: str) -> tuple[dict[str, Version], dict[str, frozenset[str]]]:
    pins: dict[str, Version] = {}
    hashes: dict[str, frozenset[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line)
        if match:
            name = canonicalize_name(match[1])
            pins[name] = Version(match[2])
            hashes[name] = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return pins, hashes


# --- comparing ---------------------------------------------------------------------------------------------------


def compare(case: Case, index: Index, tools: Tools) -> Comparison:
    """Lock a set with both tools, judge both, and explain the difference."""
    zlock, uv = tools.lock_with_zlock(case), tools.lock_with_uv(case)
    judge = Judge(case, index)
    zlock_judged, uv_judged = (
        judge.judge(outcome) if outcome.state == "solved" else Judgement() for outcome in (zlock, uv)
    )
    verdict = _verdict(zlock, uv, zlock_judged, uv_judged)
    return Comparison(
        case=case,
        zlock=zlock,
        uv=uv,
        zlock_judged=zlock_judged,
        uv_judged=uv_judged,
        verdict=verdict,
        reasons=tuple(_reasons(judge, zlock, uv, zlock_judged, uv_judged)),
        hashes=_compare_hashes(judge, zlock, uv),
    )


def _verdict(zlock: Outcome, uv: Outcome, zlock_judged: Judgement, uv_judged: Judgement) -> str:
    if zlock.state == "failed" or zlock_judged.problems:
        return "zlock broken"
    if uv.state == "failed" or uv_judged.problems:
        return "uv broken"
    if zlock.state != uv.state:
        prereleases = zlock_judged.prereleases or uv_judged.prereleases
        return "pre-release rule" if prereleases else f"{'zlock' if zlock.state == 'refused' else 'uv'} refuses"
    if zlock.state == "refused":
        return "no solution, say both"
    if zlock.pins == uv.pins:
        return "same"
    same_rule = zlock_judged.prereleases == uv_judged.prereleases
    return "both valid, different choice" if same_rule else "pre-release rule"


def _reasons(judge: Judge, zlock: Outcome, uv: Outcome, zlock_judged: Judgement, uv_judged: Judgement) -> Iterable[str]:
    for tool, outcome, judged in (("zlock", zlock, zlock_judged), ("uv", uv, uv_judged)):
        if outcome.state != "solved":
            yield f"{tool}: {_first_words(outcome.said)}"
        yield from (f"{tool}: {problem}" for problem in judged.problems)
        yield from (f"{tool}: pre-release {each}" for each in judged.prereleases)
    if zlock.state == uv.state == "solved":
        for name in sorted(zlock.pins.keys() | uv.pins.keys()):
            mine, theirs = zlock.pins.get(name), uv.pins.get(name)
            if mine is None or theirs is None:
                yield _only(judge, name, "uv" if mine is None else "zlock", (uv if mine is None else zlock).pins)
            elif mine != theirs:
                yield _moved(judge, name, zlock.pins, uv.pins)


def _only(judge: Judge, name: str, tool: str, pins: Pins) -> str:
    parents = sorted({edge.parent or "the set" for edge in judge.edges(pins) if edge.name == name})
    return f"{name} {pins[name]} only with {tool}, for {', '.join(parents) or 'nothing that counts here'}"


def _moved(judge: Judge, name: str, zlock: Pins, uv: Pins) -> str:
    mine, theirs = zlock[name], uv[name]
    older_tool, older_pins, newer = ("zlock", zlock, theirs) if mine < theirs else ("uv", uv, mine)
    dates = judge.date(name, mine), judge.date(name, theirs)
    years = abs((dates[0] - dates[1]).days) / _YEAR if dates[0] and dates[1] else 0.0
    because = judge.holds_back(older_pins, name, newer)
    if newer.is_prerelease and not because:
        because = [f"{newer} is a pre-release"]
    return f"{name} zlock {mine}, uv {theirs} ({years:.1f} years); {older_tool} can't take the newer one alone: " + (
        "; ".join(because[:2]) if because else "nothing found that holds it back"
    )


def _compare_hashes(judge: Judge, zlock: Outcome, uv: Outcome) -> str:
    """Say whether zlock lists just the wheels that fit, and whether uv lists those too."""
    wrong = [name for name, found in zlock.hashes.items() if found != judge.files(name, zlock.pins[name])]
    missing = [
        name
        for name, found in zlock.hashes.items()
        if name in uv.pins and uv.pins[name] == zlock.pins[name] and not found <= uv.hashes[name]
    ]
    if zlock.state != "solved":
        return "-"
    if wrong or missing:
        return f"zlock's are not those that fit: {_some(wrong)}; not with uv: {_some(missing)}"
    if uv.state != "solved":
        return "all that fit"
    counts = [sum(map(len, hashes.values())) for hashes in (zlock.hashes, uv.hashes)]
    return f"all that fit ({counts[0]} of uv's {counts[1]})"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "") or "none"


def _first_words(text: str) -> str:
    """Return what a tool said in one line that names no host and no folder."""
    bare = re.sub(r"\w+://[^\s`)]+", "(URL)", text.replace(tempfile.gettempdir(), "(folder)"))
    bare = re.sub(r"\x1b\[[0-9;]*m", "", bare)
    line = " ".join(bare.split())
    return line if len(line) <= 400 else f"{line[:400]} ..."


# --- the report --------------------------------------------------------------------------------------------------


def as_markdown(rows: Sequence[Comparison]) -> str:
    """Return the table, then each set whose locks differ with the reasons."""
    lines = [
        "| set | Python | packages | result | hashes | libyears zlock / uv |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        solved = [outcome for outcome in (row.zlock, row.uv) if outcome.state == "solved"]
        sizes = " / ".join(str(len(o.pins)) if o.state == "solved" else "-" for o in (row.zlock, row.uv))
        years = f"{row.zlock_judged.libyears} / {row.uv_judged.libyears}" if len(solved) == 2 else "-"
        lines.append(f"| {row.case.name} | {row.case.python} | {sizes} | {row.verdict} | {row.hashes} | {years} |")
    lines.append("")
    for row in rows:
        if row.verdict == "same":
            continue
        lines += [
            f"**{row.case.name}** ({row.verdict}): {', '.join(f'`{each}`' for each in row.case.requirements)}",
            "",
        ]
        lines += [f"- {reason}" for reason in row.reasons] + [""]
    return "\n".join(lines)


def as_plain(rows: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return what JSON can hold; digests are left out."""
    plain = []
    for row in rows:
        value = asdict(row)
        for tool in ("zlock", "uv"):
            del value[tool]["hashes"]
            value[tool]["pins"] = {name: str(version) for name, version in sorted(getattr(row, tool).pins.items())}
            value[tool]["said"] = _first_words(value[tool]["said"])
        plain.append(value)
    return plain


def load(path: Path, only: Sequence[str]) -> tuple[str, list[Case]]:
    """Return the cut-off and the sets."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    cases = [
        Case(name=name, topic=row["topic"], python=row["python"], requirements=tuple(row["requirements"]))
        for name, row in data["sets"].items()
        if not only or name in only
    ]
    return data["exclude-newer"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), cases


def main() -> int:
    """Compare, print, and return 1 if any lock is broken or a tool refuses what the other one solved validly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this set; more than once")
    parser.add_argument("--index-url", metavar="URL", help="the index that both tools and the judge ask")
    parser.add_argument("--sets", type=Path, default=_SETS, metavar="FILE")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where the judge keeps what it read")
    parser.add_argument("--refresh", action="store_true", help="read the pages of the index again")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
    url = options.index_url or next((os.environ[name] for name in names if os.environ.get(name)), None)
    if url is None:
        parser.error(f"no index: give --index-url, or set one of {', '.join(names)}")
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        parser.error("uv is not installed")
    cut_off, cases = load(options.sets, options.only)
    cache = options.cache or Path(tempfile.gettempdir()) / "zlock-comparison"
    index = Index(url, cache, datetime.fromisoformat(cut_off), refresh=options.refresh)
    rows = []
    with tempfile.TemporaryDirectory(prefix="zlock-comparison-") as work:
        tools = Tools(uv=uv, index_url=url, cut_off=cut_off, work=Path(work))
        for case in cases:
            rows.append(compare(case, index, tools))
            times = f"zlock {rows[-1].zlock.seconds:.1f} s, uv {rows[-1].uv.seconds:.1f} s"
            print(f"{case.name}: {rows[-1].verdict} ({times})", file=sys.stderr, flush=True)
    version = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    facts = {"date": datetime.now(UTC).date().isoformat(), "uv": version, "exclude-newer": cut_off}
    text = json.dumps({**facts, "sets": as_plain(rows)}, indent=2, default=str) if options.json else as_markdown(rows)
    if options.output:
        options.output.write_text(f"{text}\n", encoding="utf-8")
    else:
        print(text)
    return int(any(row.verdict in {"zlock broken", "uv broken", "zlock refuses", "uv refuses"} for row in rows))


if __name__ == "__main__":
    sys.exit(main())

"""What a command may do, whatever it reads: end as documented, write where it may, make lines that say one thing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import ParsedLine, RequirementsFileParser, get_line_parser

from support.observed import Commands, Observed
from support.project import Project

PROGRAMS = {"git", "python", "uv"}
OWN = ("build", "wheelhouse", "lockfiles", "exported.toml")
"""What commands write in a project."""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What moves the cursor of a terminal, colours it, or turns the direction of writing."""
Packages = Sequence[Mapping[str, Any]]


def hold_command(found: Observed, project: Project, commands: Commands) -> None:
    """Hold what a command did and said to what it may."""
    assert found.code in (0, 1, 2, 3), found.stderr[-2000:]
    assert "Traceback" not in found.stderr, found.stderr[-4000:]
    assert found.code == 0 or "error: " in found.stderr
    assert CONTROL.findall(found.stdout + found.stderr) == []
    own = [*(project.folder / name for name in OWN), project.cache, project.home, commands.temporary, Path("/dev/null")]
    for one in found.seen:
        assert not any("passwd" in place for place in one.places), one
        if one.what == "start":
            assert set(one.places) <= PROGRAMS, one
        if one.what == "change":
            places = [Path(place) for place in one.places if "/.zlock-staged-" not in place]
            assert all(any(place.is_relative_to(each) for each in own) for place in places), one


def hold_contexts(folder: Path, packages: Packages) -> None:
    """Hold all contexts of builds in a folder to what locks install."""
    for file in folder.rglob("*.txt"):
        hold_requirements(file, packages)
    for file in folder.rglob("Dockerfile"):
        hold_dockerfile(file.read_text(encoding="utf-8"))


def hold_requirements(file: Path, packages: Packages, *, index: str = "") -> None:
    """Hold a requirements file, read by pip's own reader, to packages and their hashes.

    Args:
        file: The file.
        packages: As locks have them.
        index: What the only option of the file may be, if any: the URL of the default index.
    """
    digests: dict[tuple[str, str], set[str]] = {}
    for one in packages:
        pin = canonicalize_name(str(one["name"])), str(one.get("version", ""))
        with contextlib.suppress(KeyError, TypeError):  # what has no digest of its files has no line
            files = [*one.get("wheels", ()), *([one["sdist"]] if "sdist" in one else [])]
            digests.setdefault(pin, set()).update(str(each["hashes"]["sha256"]) for each in files)
    for line in lines_of(file):
        assert line.filename == str(file)
        if line.requirement is None:
            assert index
            assert {key: value for key, value in vars(line.opts).items() if value} == {"index_url": index}
            continue
        assert not line.is_editable
        requirement = Requirement(line.requirement)
        name = canonicalize_name(requirement.name)
        if requirement.url is None:
            (pinned,) = requirement.specifier
            assert pinned.operator == "=="
            assert line.opts.hashes.keys() == {"sha256"}
            assert digests[name, pinned.version] >= set(line.opts.hashes["sha256"])
        else:
            hashed = "".join(f"#sha256={one}" for one in (line.opts.hashes or {}).get("sha256", ()))
            assert any(re.fullmatch(url, requirement.url + hashed) for url in urls_of(packages, name)), requirement.url


def lines_of(file: Path) -> Iterator[ParsedLine]:
    """Yield the lines of a requirements file as pip reads them, options and those of included files too."""
    parser = RequirementsFileParser(PipSession(), get_line_parser(None))
    yield from parser.parse(str(file), constraint=False)


def urls_of(packages: Packages, name: str) -> Iterator[str]:
    """Yield patterns of the URLs with which a package may be required: an archive with its digest, a folder's wheel."""
    for one in packages:
        if canonicalize_name(str(one["name"])) == name and "archive" in one:
            with contextlib.suppress(KeyError, TypeError):
                yield re.escape(f"{one['archive']['url']}#sha256={one['archive']['hashes']['sha256']}")
        elif canonicalize_name(str(one["name"])) == name and "directory" in one:
            yield r"file:///opt/zlock/folders/[\w.-]+\.whl#sha256=[0-9a-f]{64}"


def hold_dockerfile(text: str) -> None:
    """Hold a Dockerfile to instructions of zlock's, none of them from outside."""
    assert not [line for line in text.splitlines() if line.strip().startswith(("RUN evil", "evil"))]
    joined = re.sub(r"\\\n", "", text)
    said = {line.split()[0] for line in joined.split("\n") if line and not line.startswith(("#", " "))}
    assert said <= {"FROM", "USER", "ENV", "RUN", "ARG", "COPY", "WORKDIR"}, said


def installed_by(trees: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return all packages that locks name, those that sdists are built with and uv included."""
    found: list[Mapping[str, Any]] = []
    for tree in trees:
        own = tree["tool"]["zlock"]
        rows = tree.get("packages")
        found += [row for row in rows if isinstance(row, dict) and "name" in row] if isinstance(rows, list) else []
        found += [{"name": "uv", **own["uv"]}] if isinstance(own.get("uv"), dict) else []
        builds = own.get("builds")
        found += [one for build in builds for one in _needed(build)] if isinstance(builds, list) else []
    return found


def _needed(build: object) -> Iterator[Mapping[str, Any]]:
    lines = build.get("requirements") if isinstance(build, dict) else None
    for line in lines if isinstance(lines, list) else ():
        name, equals, rest = str(line).partition("==")
        version, *hashes = rest.split(" --hash=sha256:")
        if equals:
            yield {"name": name, "version": version, "wheels": [{"hashes": {"sha256": one}} for one in hashes]}

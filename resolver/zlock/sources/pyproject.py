"""The requirements of a project's `pyproject.toml`: dependencies, extras and dependency groups."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.dependency_groups import DependencyGroupInclude, DependencyGroupResolver
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, InvalidRequirements
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, Gathered
from zlock.sources import links, statement
from zlock.sources.statement import Place

_STATE_THEM: Final = "state them in `[project]`, or export them to a requirements file and give that as `requirements`"
_POETRY: Final = 'set `replicate-local-python-environment = "poetry_export"` in place of `pyproject-path`'
_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+\s*(#.*)?")
_WORD: Final = r"(?:[\w-]+|\"[^\"]*\"|'[^']*')"
_KEY = re.compile(rf"\s*({_WORD}(?:\s*\.\s*{_WORD})*)\s*=")


def gather_pyproject(path: Path, *, root: Path, extras: Sequence[str], groups: Sequence[str]) -> Gathered:
    """Gather the dependencies of a project (PEP 621), of the chosen extras, and of the chosen groups (PEP 735).

    Extras that name the project itself (`pkg[a,b]`) are replaced by what they stand for.

    Args:
        path: The file.
        root: The project's folder, which file names in messages and stored paths count from.
        extras: Names of extras, in any spelling.
        groups: Names of groups, in any spelling.

    Raises:
        InvalidRequirements: One mistake.
        Problems: Several.
    """
    root = links.absolute(root)
    path = links.absolute(root / path)
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    text = _read(path, name)
    reading = _Reading(_parse(text, name), text, name=name, base=links.Base(folder=path.parent, project=root))
    reading.read(extras, groups)
    return Gathered(
        source=Source.PYPROJECT,
        described=name,
        requirements=tuple(reading.requirements),
        notes=tuple(dict.fromkeys(reading.notes)),
        files=(str(path),),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _List:
    """A list of requirements in the file.

    Attributes:
        detail: What the origin calls it.
        table: The table it stands in.
        key: Its key there, as written.
    """

    detail: str
    table: str
    key: str


class _Reading:
    """What is gathered while one file is read."""

    def __init__(self, data: Mapping[str, Any], text: str, *, name: str, base: links.Base) -> None:
        self.requirements: list[DirectRequirement] = []
        self.notes: list[str] = []
        self._problems = Collector()
        self._data = data
        self._lines = text.splitlines()
        self._origin = Origin(source=Source.PYPROJECT, file=name)
        self._base = base
        self._seen: set[tuple[str, str]] = set()

    def read(self, extras: Sequence[str], groups: Sequence[str]) -> None:
        """Read everything that is asked for, or raise all that is wrong."""
        with self._problems:
            self._project(extras, required=not groups)
        if groups:
            with self._problems:
                self._groups(groups)
        self._problems.raise_if_any()

    def _error(self, message: str, *, hint: str) -> InvalidRequirements:
        return InvalidRequirements(message, context=(str(self._origin),), hint=hint)

    def _project(self, extras: Sequence[str], *, required: bool) -> None:
        """Read `[project]`; a file with groups alone needs none (PEP 735)."""
        if "project" not in self._data:
            self._check_missing_project(required=required or bool(extras))
            return
        project = self._table(self._data, "project", at="project")
        self._check_dynamic(project, extras)
        raw_name = project.get("name")
        own = canonicalize_name(raw_name) if isinstance(raw_name, str) else None
        optional = self._extras(project)
        with self._problems:
            where = _List(detail="`dependencies`", table="project", key="dependencies")
            self._dependencies(project.get("dependencies", []), where, own=own, optional=optional)
        for extra in dict.fromkeys(canonicalize_name(extra) for extra in extras):
            with self._problems:
                self._extra(extra, own=own, optional=optional, outer=None, above=())

    def _check_missing_project(self, *, required: bool) -> None:
        if "dependencies" in _descend(self._data, "tool", "poetry"):
            raise self._error("the dependencies are Poetry's own, there is no `[project]` table", hint=_POETRY)
        if required:
            hint = "state the dependencies in `[project]`, or choose dependency groups"
            raise self._error("there is no `[project]` table", hint=hint)

    def _check_dynamic(self, project: Mapping[str, Any], extras: Sequence[str]) -> None:
        """Refuse fields that only a build can tell (PEP 621, `dynamic`)."""
        dynamic = project.get("dynamic", [])
        asked = ["dependencies", *(["optional-dependencies"] if extras else [])]
        for field in asked:
            if isinstance(dynamic, list) and field in dynamic:
                poetry = "dependencies" in _descend(self._data, "tool", "poetry")
                hint = _POETRY if poetry else _STATE_THEM
                self._problems.add(self._error(f"`{field}` is dynamic, so only a build could tell it", hint=hint))

    def _extras(self, project: Mapping[str, Any]) -> dict[NormalizedName, tuple[str, Any]]:
        """Index the extras by normalized name (PEP 685), each with its spelling."""
        found: dict[NormalizedName, tuple[str, Any]] = {}
        for spelled, items in self._table(project, "optional-dependencies", at="project.optional-dependencies").items():
            other = found.setdefault(canonicalize_name(spelled), (spelled, items))[0]
            if other != spelled:
                self._problems.add(
                    self._error(
                        f"the extras `{other}` and `{spelled}` have one normalized name",
                        hint="make them one extra: installers can't tell them apart",
                    )
                )
        return found

    def _extra(
        self,
        extra: NormalizedName,
        *,
        own: NormalizedName | None,
        optional: Mapping[NormalizedName, tuple[str, Any]],
        outer: Marker | None,
        above: tuple[NormalizedName, ...],
    ) -> None:
        """Read an extra once for each marker it is asked for under; `above` ends cycles."""
        if extra in above or (extra, str(outer)) in self._seen:
            return
        self._seen.add((extra, str(outer)))
        if extra not in optional:
            raise self._unknown("extra", extra, [spelled for spelled, _ in optional.values()])
        spelled, items = optional[extra]
        where = _List(detail=f"extra `{spelled}`", table="project.optional-dependencies", key=spelled)
        self._dependencies(items, where, own=own, optional=optional, outer=outer, above=(*above, extra))

    def _dependencies(
        self,
        items: object,
        where: _List,
        *,
        own: NormalizedName | None,
        optional: Mapping[NormalizedName, tuple[str, Any]],
        outer: Marker | None = None,
        above: tuple[NormalizedName, ...] = (),
    ) -> None:
        """Keep the requirements of a list; for one that names the project itself, those of its extras."""
        for text, place in self._strings(items, where):
            with self._problems:
                stated = statement.read_named(text, place=place, base=self._base)
                requirement = stated.requirement
                requirement.marker = _both(outer, requirement.marker)
                if own is None or canonicalize_name(requirement.name) != own:
                    self._keep(requirement, place, stated.hashes, stated.notes)
                    continue
                self._note_self(requirement, place)
                for extra in sorted(map(canonicalize_name, requirement.extras)):
                    with self._problems:
                        self._extra(extra, own=own, optional=optional, outer=requirement.marker, above=above)

    def _note_self(self, requirement: Requirement, place: Place) -> None:
        if requirement.specifier or requirement.url or not requirement.extras:
            self.notes.append(place.note("the project itself is required; only its extras are followed"))

    def _groups(self, groups: Sequence[str]) -> None:
        table = self._table(self._data, "dependency-groups", at="dependency-groups")
        try:
            resolver = DependencyGroupResolver(table)
        except ExceptionGroup as error:
            self._add_group_errors(error)
            return
        for group in dict.fromkeys(canonicalize_name(group) for group in groups):
            with self._problems:
                self._group(group, resolver)

    def _group(self, group: NormalizedName, resolver: DependencyGroupResolver) -> None:
        """Keep the requirements of a group, those of the groups it includes at the place of the include (PEP 735)."""
        table = self._data.get("dependency-groups", {})
        if group not in resolver.dependency_groups:
            raise self._unknown("group", group, list(table))
        if not self._check_groups(group, resolver, set()):
            return
        try:
            resolver.resolve(group)
        except ExceptionGroup as error:
            self._add_group_errors(error)
            return
        for key, text in _iter_group(group, resolver):
            spelled = next(name for name in table if canonicalize_name(name) == key)
            where = _List(detail=f"group `{group}`", table="dependency-groups", key=spelled)
            place = self._place(text, where)
            with self._problems:
                stated = statement.read_named(text, place=place, base=self._base)
                self._keep(stated.requirement, place, stated.hashes, stated.notes)

    def _check_groups(self, group: NormalizedName, resolver: DependencyGroupResolver, seen: set[str]) -> bool:
        """Report each mistake in a group and those it includes once; say whether there was none."""
        if group in seen:
            return True
        seen.add(group)
        if group not in resolver.dependency_groups:
            known = list(self._data.get("dependency-groups", {}))
            self._problems.add(self._unknown("group", group, known))
            return False
        try:
            items = resolver.lookup(group)
        except ExceptionGroup as error:
            self._add_group_errors(error)
            return False
        included = [canonicalize_name(i.include_group) for i in items if isinstance(i, DependencyGroupInclude)]
        sound = True
        for name in included:
            sound = self._check_groups(name, resolver, seen) and sound
        return sound

    def _add_group_errors(self, group: ExceptionGroup[Exception]) -> None:
        for error in group.exceptions:
            if isinstance(error, ExceptionGroup):
                self._add_group_errors(error)
                continue
            said = [line.strip() for line in str(error).splitlines()[:2]]
            message = "`[dependency-groups]` is invalid"
            self._problems.add(
                InvalidRequirements(
                    message,
                    context=(str(self._origin), *map(links.redacted, said)),
                    hint="correct the group; it is a list of requirements and of `{include-group = ...}`",
                )
            )

    def _strings(self, items: object, where: _List) -> Iterator[tuple[str, Place]]:
        """Yield the strings of a list, each with its place; what is no string is an error."""
        path = f"{where.table}.{where.key}"
        if not isinstance(items, list):
            raise self._error(f"`{path}` must be a list", hint="write one requirement in each item")
        for at, item in enumerate(items):
            if isinstance(item, str):
                yield item, self._place(item, where)
            else:
                self._problems.add(
                    self._error(
                        f"`{path}[{at}]` must be a string", hint="write one requirement in each item, in quotes"
                    )
                )

    def _place(self, text: str, where: _List) -> Place:
        line = _find_line(self._lines, text, where)
        origin = Origin(source=Source.PYPROJECT, detail=where.detail, file=self._origin.file, line=line)
        return Place(origin=origin, written=text)

    def _keep(self, requirement: Requirement, place: Place, hashes: tuple[str, ...], notes: tuple[str, ...]) -> None:
        self.notes.extend(notes)
        self.requirements.append(DirectRequirement(requirement=requirement, origins=(place.origin,), hashes=hashes))

    def _unknown(self, what: str, name: str, known: Sequence[str]) -> InvalidRequirements:
        spellings: dict[str, str] = {canonicalize_name(each): each for each in known}
        close = [spellings[each] for each in difflib.get_close_matches(canonicalize_name(name), spellings)]
        there = f"there are: {', '.join(f'`{each}`' for each in known)}" if known else f"there is no {what} at all"
        hint = f"did you mean {' or '.join(f'`{each}`' for each in close)}? {there}" if close else there
        return self._error(f"the {what} `{name}` is unknown", hint=hint)

    def _table(self, data: Mapping[str, Any], key: str, *, at: str) -> Mapping[str, Any]:
        value = data.get(key, {})
        if not isinstance(value, dict):
            raise self._error(f"`{at}` must be a table", hint="write it as a table: names with values")
        return value


def _read(path: Path, name: str) -> str:
    """Read the file's text.

    Raises:
        InvalidRequirements: It is missing, a folder, a pipe, or not UTF-8.
    """
    if path.is_fifo():
        raise _wrong_file(f"`{name}` is a pipe", name, hint="name a file")
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise _wrong_file(f"`{name}` is missing", name, hint=f"zlock looked for `{path}`") from error
    except IsADirectoryError as error:
        raise _wrong_file(f"`{name}` is a folder", name, hint="name the `pyproject.toml` in it") from error
    except OSError as error:
        raise _wrong_file(f"`{name}` can't be read: {error.strerror}", name, hint="let your user read it") from error
    except ValueError as error:
        raise _wrong_file(f"`{name}` is not UTF-8", name, hint="TOML is always UTF-8: save it so") from error


def _parse(text: str, name: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        InvalidRequirements: It is none; the origin has the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found.group(1)) if found else len(text.splitlines())
        raise _wrong_file(
            f"`{name}` is not valid TOML", name, str(error), line=line, hint="correct that line"
        ) from error
    except RecursionError as error:
        raise _wrong_file(f"`{name}` is nested too deeply", name, hint="correct that file") from error


def _wrong_file(message: str, name: str, *details: str, line: int | None = None, hint: str) -> InvalidRequirements:
    origin = Origin(source=Source.PYPROJECT, file=name, line=line)
    return InvalidRequirements(message, context=(str(origin), *details), hint=hint)


def _descend(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Follow keys through tables; empty where one is missing or no table."""
    for key in keys:
        value = data.get(key)
        data = value if isinstance(value, dict) else {}
    return data


def _both(outer: Marker | None, inner: Marker | None) -> Marker | None:
    """Give the marker under which both hold."""
    if outer is None or inner is None:
        return outer or inner
    return Marker(f"({outer}) and ({inner})")


def _iter_group(group: NormalizedName, resolver: DependencyGroupResolver) -> Iterator[tuple[NormalizedName, str]]:
    """Yield the requirements of a group without cycles as written, each with the group that states it."""
    for raw, item in zip(resolver.dependency_groups[group], resolver.lookup(group), strict=True):
        if isinstance(item, DependencyGroupInclude):
            yield from _iter_group(canonicalize_name(item.include_group), resolver)
        else:
            yield group, str(raw)


def _find_line(lines: Sequence[str], text: str, where: _List) -> int | None:
    """Find the line of a string in a list; None where the file spells it in a way that is not looked for."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    literals = (f'"{escaped}"', f"'{text}'")
    table = ""
    inside = False
    for number, line in enumerate(lines, start=1):
        if header := _HEADER.fullmatch(line):
            table, inside = header.group(1), False
        elif key := _KEY.match(line):
            inside = _plain(f"{table}.{key.group(1)}").strip(".") == _plain(f"{where.table}.{where.key}")
        if line.lstrip().startswith("#") or not (inside or _holds(line, where)):
            continue
        if any(literal in line for literal in literals):
            return number
    return None


def _plain(key: str) -> str:
    return re.sub(r"[\s\"']", "", key)


def _holds(line: str, where: _List) -> bool:
    """Say whether a line states the list in an inline table."""
    return re.search(rf"[{{,]\s*[\"']?{re.escape(where.key)}[\"']?\s*=", line) is not None

"""The requirements of a project's `pyproject.toml`: dependencies, extras and dependency groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from packaging.dependency_groups import CyclicDependencyGroup, DependencyGroupInclude, DependencyGroupResolver
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, InvalidRequirements, Located
from zlock.model.indexes import Route
from zlock.model.origin import Origin
from zlock.model.paths import absolute
from zlock.model.requirement import DirectRequirement, Gathered
from zlock.pyproject.document import Document
from zlock.pyproject.poetry import poetrys_own
from zlock.pyproject.script import read_script
from zlock.pyproject.sources import DependencySources
from zlock.pyproject.table import StatedSource
from zlock.sources import links, statement
from zlock.sources.statement import Place
from zlock.wording import did_you_mean

_STATE_THEM: Final = "state them in `[project]`, or export them to a requirements file and give that as `requirements`"
_POETRY: Final = 'set `replicate-local-python-environment = "poetry_export"` in place of `pyproject-path`'
# What decides about versions too, and what does so for zlock.
_ELSEWHERE: Final = {
    ("tool", "uv", "constraint-dependencies"): "`constraints` in the configuration is",
    ("tool", "uv", "override-dependencies"): "`overrides` in the configuration is",
    ("tool", "uv", "exclude-dependencies"): "`exclude` in the configuration is",
    ("tool", "uv", "exclude-newer"): "`exclude-newer` in the configuration is",
    ("tool", "uv", "exclude-newer-package"): "`exclude-newer-package` in the configuration is",
    ("tool", "uv", "prerelease"): "`prerelease` in the configuration is",
    ("tool", "uv", "resolution"): "`resolution` in the configuration is",
    ("tool", "uv", "no-sources"): "its tables of sources are",
    ("tool", "uv", "no-index"): "`[[index]]` in the configuration is",
    ("tool", "uv", "index-strategy"): "the first index that knows a name serves it",
    ("tool", "uv", "dependency-metadata"): "`overrides` and `exclude` in the configuration are",
    ("tool", "pdm", "resolution", "overrides"): "`overrides` in the configuration is",
    ("tool", "pdm", "resolution", "excludes"): "`exclude` in the configuration is",
}
_MOST_NESTED: Final = 100  # groups that include one another
_OTHER_GROUPS: Final = (("tool", "poetry", "group"), ("tool", "pdm", "dev-dependencies"))
# What hatchling and PDM put in place of a folder, and how that is said in a requirement.
_TEMPLATE = re.compile(r"\{root((?::parent)*):uri\}|file:///\$\{PROJECT_ROOT\}")


def gather_pyproject(
    path: Path,
    *,
    root: Path,
    extras: Sequence[str],
    groups: Sequence[str],
    required: Sequence[DirectRequirement] = (),
) -> Gathered:
    """Gather the dependencies of a project (PEP 621), of the chosen extras, and of the chosen groups (PEP 735).

    Extras that name the project itself (`pkg[a,b]`) are replaced by what they stand for, and dependencies come from
    where the tables of uv, hatch, Poetry and PDM say.

    Args:
        path: The file.
        root: The project's folder, which file names in messages and stored paths count from.
        extras: Names of extras, in any spelling.
        groups: Names of groups, in any spelling.
        required: What other sources state of the project itself.

    Raises:
        InvalidRequirements: One mistake.
        Problems: Several.
    """
    root = absolute(root)
    return _gathered(Document.read(absolute(root / path), root=root), root, extras, groups, required)


def gather_script(path: Path, *, root: Path) -> Gathered:
    """Gather the dependencies that a Python file states in its inline metadata (PEP 723).

    `[tool.uv]` in it says where they come from, as in a `pyproject.toml`. Arguments and errors are those of
    `gather_pyproject`.
    """
    root = absolute(root)
    return _gathered(read_script(absolute(root / path), root=root), root)


def _gathered(
    document: Document,
    root: Path,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    required: Sequence[DirectRequirement] = (),
) -> Gathered:
    reading = _Reading(document, links.Base(folder=document.folder, project=root))
    reading.read(extras, groups, required)
    return reading.gathered()


class _List(Struct, frozen=True, kw_only=True):
    """A list of requirements in the file.

    Attributes:
        detail: What the origin calls it.
        table: The table it stands in.
        key: Its key there, as written.
        extra: The extra that it is, or empty.
        groups: The dependency groups that it is read for: the one that was chosen, and the one that it is.
    """

    detail: str
    table: str
    key: str
    extra: str = ""
    groups: tuple[str, ...] = ()


class _Reading:
    """What is gathered while one file is read."""

    def __init__(self, document: Document, base: links.Base) -> None:
        self._requirements: list[DirectRequirement] = []
        self._notes = list(document.notes)
        self._routes: list[Route] = []
        self._problems = Collector()
        self._document = document
        self._data = document.data
        self._sources = DependencySources(document, root=base.project)
        self._origin = Origin(source=document.source, file=document.name)
        self._base = base
        self._seen: set[tuple[str, str]] = set()
        name = document.table("project").get("name")
        self._own = canonicalize_name(name) if isinstance(name, str) else None
        self._optional: dict[NormalizedName, tuple[str, object]] = {}
        self._requires_python: tuple[SpecifierSet, Origin] | None = None

    def read(self, extras: Sequence[str], groups: Sequence[str], required: Sequence[DirectRequirement]) -> None:
        """Read everything that is asked for, or raise all that is wrong."""
        with self._problems:
            self._project(extras, required=not groups)
        if groups:
            with self._problems:
                self._groups(groups)
        self._note_unread()
        for direct in required:
            with self._problems:
                origin = direct.origins[0]
                self._follow(direct.requirement, Place(origin=origin, written=str(direct)), above=())
        with self._problems:
            self._routes += self._sources.routes()
        with self._problems:
            self._requires_python = self._document.pythons
        self._problems.raise_if_any()

    def gathered(self) -> Gathered:
        """Give everything that was read."""
        return Gathered(
            source=self._document.source,
            described=self._document.name,
            requirements=tuple(self._requirements),
            index_options=self._sources.indexes(),
            notes=tuple(dict.fromkeys(self._notes)),
            files=tuple(map(str, (self._document.path, *self._sources.files))),
            routes=tuple(dict.fromkeys(self._routes)),
            project=self._own or "",
            requires_python=self._requires_python,
        )

    def _error(self, message: str, *, hint: str) -> InvalidRequirements:
        return InvalidRequirements(message, context=(str(self._origin),), hint=hint)

    def _project(self, extras: Sequence[str], *, required: bool) -> None:
        """Read `[project]`; a file with groups alone needs none (PEP 735)."""
        if "project" not in self._data:
            self._check_missing_project(required=required or bool(extras))
            return
        project = self._table(self._data, "project", at="project")
        self._check_dynamic(project, extras)
        self._optional = self._extras(project)
        is_stated = _is_dynamic(project, "dependencies") or project.get("dependencies")
        if not is_stated and poetrys_own(self._document):
            origin = self._document.origin("tool", "poetry", "dependencies", detail="`tool.poetry.dependencies`")
            raise InvalidRequirements(
                "the dependencies are Poetry's own, and `[project]` states none",
                context=(origin.located,),
                hint=_POETRY,
            )
        with self._problems:
            where = _List(detail="`dependencies`", table="project", key="dependencies")
            self._dependencies(project.get("dependencies", []), where)
        for extra in dict.fromkeys(canonicalize_name(extra) for extra in extras):
            with self._problems:
                self._extra(extra, outer=None, above=())

    def _note_unread(self) -> None:
        """Say what would decide about versions if its tool locked them; zlock has a configuration of its own."""
        for document in self._sources.documents:
            for (*tables, key), instead in _ELSEWHERE.items():
                if key in document.table(*tables):
                    origin = Origin(source=document.source, file=document.name, line=document.line_of(*tables, key))
                    name = ".".join((*tables, key))
                    self._notes.append(f"{origin}: `{name}` is not read; {instead}")

    def _check_missing_project(self, *, required: bool) -> None:
        if "dependencies" in self._document.table("tool", "poetry"):
            raise self._error("the dependencies are Poetry's own, there is no `[project]` table", hint=_POETRY)
        if required:
            hint = "state the dependencies in `[project]`, or choose dependency groups"
            raise self._error("there is no `[project]` table", hint=hint)

    def _check_dynamic(self, project: Mapping[str, object], extras: Sequence[str]) -> None:
        """Refuse fields that only a build can tell (PEP 621, `dynamic`), but not the pins of our own hook."""
        is_pinned = "zlock" in self._document.table("tool", "hatch", "metadata", "hooks")
        asked = [*([] if is_pinned else ["dependencies"]), *(["optional-dependencies"] if extras else [])]
        for field in asked:
            if _is_dynamic(project, field):
                poetry = "dependencies" in self._document.table("tool", "poetry")
                hint = _POETRY if poetry else _STATE_THEM
                self._problems.add(self._error(f"`{field}` is dynamic, so only a build could tell it", hint=hint))

    def _extras(self, project: Mapping[str, object]) -> dict[NormalizedName, tuple[str, object]]:
        """Index the extras by normalized name (PEP 685), each with its spelling."""
        found: dict[NormalizedName, tuple[str, object]] = {}
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

    def _extra(self, extra: NormalizedName, *, outer: Marker | None, above: tuple[NormalizedName, ...]) -> None:
        """Read an extra once for each marker it is asked for under; `above` ends cycles."""
        if extra in above or (extra, str(outer)) in self._seen:
            return
        self._seen.add((extra, str(outer)))
        if extra not in self._optional:
            raise self._unknown("extra", extra, [spelled for spelled, _ in self._optional.values()])
        spelled, items = self._optional[extra]
        where = _List(detail=f"extra `{spelled}`", table="project.optional-dependencies", key=spelled, extra=extra)
        self._dependencies(items, where, outer=outer, above=(*above, extra))

    def _dependencies(
        self,
        items: object,
        where: _List,
        *,
        outer: Marker | None = None,
        above: tuple[NormalizedName, ...] = (),
    ) -> None:
        """Keep the requirements of a list; for one that names the project itself, those of its extras."""
        for text, place in self._strings(items, where):
            with self._problems:
                self._dependency(text, place, where, outer=outer, above=above)

    def _dependency(
        self, text: str, place: Place, where: _List, *, outer: Marker | None, above: tuple[NormalizedName, ...]
    ) -> None:
        stated = statement.read_named(_filled_in(text, place), place=place, base=self._base)
        requirement = stated.requirement
        requirement.marker = _both(outer, requirement.marker)
        if canonicalize_name(requirement.name) == self._own:
            self._follow(requirement, place, above=above)
        else:
            self._keep_sourced(stated, place, where)

    def _follow(self, requirement: Requirement, place: Place, *, above: tuple[NormalizedName, ...]) -> None:
        """Keep what the extras of the project itself stand for, where it is required."""
        if requirement.specifier or requirement.url or not requirement.extras:
            self._notes.append(place.note("the project itself is required; only its extras are followed"))
        for extra in sorted(map(canonicalize_name, requirement.extras)):
            with self._problems:
                try:
                    self._extra(extra, outer=requirement.marker, above=above)
                except InvalidRequirements as error:
                    error.context = (*error.context, Located(f"required by {place.origin}", place.origin))
                    raise

    def _groups(self, groups: Sequence[str]) -> None:
        table = self._table(self._data, "dependency-groups", at="dependency-groups")
        try:
            resolver = DependencyGroupResolver(table)  # type: ignore[arg-type]  # it reports what is none
        except ExceptionGroup as error:
            self._add_group_errors(error.exceptions)
            return
        for group in dict.fromkeys(canonicalize_name(group) for group in groups):
            with self._problems:
                self._group(group, resolver)

    def _group(self, group: NormalizedName, resolver: DependencyGroupResolver) -> None:
        """Keep the requirements of a group, those of the groups it includes at the place of the include (PEP 735)."""
        table = self._document.table("dependency-groups")
        if group not in resolver.dependency_groups:
            raise self._unknown("group", group, list(table))
        if not self._check_groups(group, resolver, set()):
            return
        for key, text in _iter_group(group, resolver, set()):
            spelled = next(name for name in table if canonicalize_name(name) == key)
            groups = (group, key)
            where = _List(detail=f"group `{group}`", table="dependency-groups", key=spelled, groups=groups)
            with self._problems:
                self._dependency(text, self._place(text, where), where, outer=None, above=())

    def _check_groups(
        self, group: NormalizedName, resolver: DependencyGroupResolver, seen: set[str], above: tuple[str, ...] = ()
    ) -> bool:
        """Report each mistake in a group and those it includes once; say whether there was none."""
        if group in above or len(above) == _MOST_NESTED:
            endless = ValueError(f"More than {_MOST_NESTED} groups include one another")
            self._add_group_errors([CyclicDependencyGroup(above[0], above[-1], group) if group in above else endless])
            return False
        if group in seen:
            return True
        seen.add(group)
        if group not in resolver.dependency_groups:
            known = list(self._document.table("dependency-groups"))
            self._problems.add(self._unknown("group", group, known))
            return False
        try:
            items = resolver.lookup(group)
        except ExceptionGroup as error:
            self._add_group_errors(error.exceptions)
            return False
        included = [canonicalize_name(i.include_group) for i in items if isinstance(i, DependencyGroupInclude)]
        sound = True
        for name in included:
            sound = self._check_groups(name, resolver, seen, (*above, group)) and sound
        return sound

    def _add_group_errors(self, errors: Iterable[Exception]) -> None:
        for error in errors:
            if isinstance(error, ExceptionGroup):
                self._add_group_errors(error.exceptions)
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
        """Yield the strings of a list, each with its place; what is not a string is an error."""
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
        line = self._document.line_of_item(where.table, where.key, text)
        origin = Origin(source=self._document.source, detail=where.detail, file=self._origin.file, line=line)
        return Place(origin=origin, written=text)

    def _keep_sourced(self, stated: DirectRequirement, place: Place, where: _List) -> None:
        """Keep a requirement, with what tables say of where it comes from.

        Where one names a place and the requirement has bounds, both are kept: what is there is held to them. So are
        both where the table's marker may leave the requirement to the indexes.
        """
        requirement = stated.requirement
        name = canonicalize_name(requirement.name)
        sources = self._sources.of(name, extra=where.extra, groups=where.groups)
        if requirement.url and sources:
            self._notes.append(place.note(f"the URL counts, and not what {sources[0].origin.detail} says"))
            sources = ()
        for one in sources:
            self._keep_source(requirement, one, place)
        for marker in StatedSource.left(sources, bounded=bool(requirement.specifier)):
            left = copy(requirement)
            left.marker = _both(requirement.marker, marker)
            self._keep(replace(stated, requirement=left), place.origin)

    def _keep_source(self, requirement: Requirement, source: StatedSource, place: Place) -> None:
        placed = copy(requirement)
        placed.marker = _both(requirement.marker, source.marker)
        placed.specifier = SpecifierSet(source.specifier)
        if source.index:
            self._routes.append(source.route(canonicalize_name(requirement.name)))
        if source.specifier:
            self._requirements.append(DirectRequirement(requirement=placed, origins=(source.origin,)))
        if source.url:
            located = copy(placed)
            located.specifier, located.url = SpecifierSet(), source.url
            at = Place(origin=source.origin, written=source.url)
            self._keep(statement.settle(located, place=at, base=self._base), place.origin, source.origin)

    def _keep(self, stated: DirectRequirement, *origins: Origin) -> None:
        self._notes.extend(stated.notes)
        self._requirements.append(replace(stated, origins=origins))

    def _unknown(self, what: str, name: str, known: Sequence[str]) -> InvalidRequirements:
        there = f"there are: {', '.join(f'`{each}`' for each in known)}" if known else f"there is no {what} at all"
        for table in _OTHER_GROUPS if what == "group" else ():
            if any(canonicalize_name(each) == name for each in self._document.table(*table)):
                there = f"`{'.'.join(table)}` is not read: state it in `[dependency-groups]` (PEP 735)"
        return self._error(f"the {what} `{name}` is unknown", hint=f"{did_you_mean(name, known)} {there}".strip())

    def _table(self, data: Mapping[str, object], key: str, *, at: str) -> Mapping[str, object]:
        value = data.get(key, {})
        if not isinstance(value, dict):
            raise self._error(f"`{at}` must be a table", hint="write it as a table: names with values")
        return value


def _is_dynamic(project: Mapping[str, object], field: str) -> bool:
    dynamic = project.get("dynamic")
    return isinstance(dynamic, list) and field in dynamic


def _filled_in(text: str, place: Place) -> str:
    """Replace what hatchling and PDM replace by the project's folder; a relative URL counts from there.

    Raises:
        InvalidRequirements: Something else is to be filled in, which only they know.
    """
    filled = _TEMPLATE.sub(lambda found: f"file:.{'/..' * (found[1] or '').count(':parent')}", text)
    if re.search(r"@.*[{]", filled):
        hint = "write the place itself: `name @ file:path`, from the folder of this file"
        raise place.error("only a build fills in what stands in braces", hint=hint)
    return filled


def _both(outer: Marker | None, inner: Marker | None) -> Marker | None:
    """Give the marker under which both hold."""
    if outer is None or inner is None:
        return outer or inner
    return Marker(f"({outer}) and ({inner})")


def _iter_group(
    group: NormalizedName, resolver: DependencyGroupResolver, seen: set[str]
) -> Iterator[tuple[NormalizedName, str]]:
    """Yield the requirements of a group without cycles as written, each once, with the group that states it."""
    if group in seen:
        return  # which saves exponential work where groups that include the same one are included by one
    seen.add(group)
    for raw, item in zip(resolver.dependency_groups[group], resolver.lookup(group), strict=True):
        if isinstance(item, DependencyGroupInclude):
            yield from _iter_group(canonicalize_name(item.include_group), resolver, seen)
        else:
            yield group, str(raw)

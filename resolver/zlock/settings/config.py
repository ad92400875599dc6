"""The configuration: `zlock.toml`, or `[tool.zlock]` in `pyproject.toml`, read into values."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, InvalidConfiguration
from zlock.model.conflict import conflicted_line
from zlock.model.indexes import Cutoff, Index, Routing
from zlock.model.origin import Origin, Source
from zlock.model.paths import path_in, portable
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.redact import redact, secret_parameter
from zlock.regular import read_regular
from zlock.settings import checks
from zlock.settings.docker import DockerSettings
from zlock.settings.names import wrong_names
from zlock.settings.place import display
from zlock.settings.table import Table
from zlock.settings.toml_lines import TomlLines
from zlock.wording import did_you_mean, kind

_KEYS = [
    "python",
    "platforms",
    "manylinux",
    "musllinux",
    "lock-dir",
    "pipeline",
    "index",
    "index-sources",
    "exclude-newer",
    "exclude-newer-package",
    "conflicts",
    "build-sdists",
    "prerelease",
    "resolution",
    "align",
    "constraints",
    "overrides",
    "exclude",
    "urls",
    "wheelhouse",
    "registry",
    "stack",
    "integrations",
    "docker",
    "steps",
]
_STEP_KEYS = ["docker", "python", "platforms", "index", "index-sources", "align"]
_INDEX_KEYS = ["name", "url", "default", "explicit", "index-in-context"]
_SCHEMES = ("http://", "https://", "file://")
_TIME = 'write `"2026-11-01T00:00:00Z"`'


@dataclass(frozen=True, kw_only=True)
class StepConfiguration:
    """What the configuration says of one step; None and empty where it says nothing."""

    docker: DockerSettings
    python: str | None = None
    platforms: tuple[str, ...] = ()
    routing: Routing | None = None
    align: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's configuration; the attributes are the keys of the documentation.

    Attributes:
        folder: The project folder: of the configuration, or the working folder where there is none.
        file: The configuration file, or None.
        stack: The `stack` table as it stands.
        integrations: The `integrations` table as it stands.
        lines: Tells the lines of what the file states.
    """

    folder: Path
    file: Path | None
    python: str | None = None
    platforms: tuple[str, ...] = ("linux/amd64",)
    manylinux: str | None = None
    musllinux: str | None = None
    lock_dir: str = "lockfiles"
    urls: str = "index"
    wheelhouse: str = "wheelhouse"
    pipeline: str | None = None
    routing: Routing = field(default_factory=lambda: Routing(indexes=()))
    cutoff: Cutoff = field(default_factory=Cutoff)
    conflicts: str = "error"
    build_sdists: frozenset[NormalizedName] | None = frozenset()
    prerelease: str = "if-necessary-or-explicit"
    resolution: str = "highest"
    align: bool = True
    constraints: tuple[DirectRequirement, ...] = ()
    overrides: tuple[DirectRequirement, ...] = ()
    exclude: frozenset[tuple[NormalizedName, NormalizedName | None]] = frozenset()
    stack: Mapping[str, Any] = field(default_factory=dict)
    integrations: Mapping[str, Any] = field(default_factory=dict)
    registry: str | None = None
    docker: DockerSettings = field(default_factory=DockerSettings)
    steps: Mapping[str, StepConfiguration] = field(default_factory=dict)
    lines: TomlLines = field(default_factory=lambda: TomlLines(""), compare=False, repr=False)

    @property
    def shown_file(self) -> str:
        """The configuration file's name for messages."""
        return self.file.name if self.file else "no configuration"


def find_project(start: Path) -> Project:
    """Return the nearest project from a folder upwards, or one of defaults where there is none.

    Raises:
        InvalidConfiguration: What was found is wrong; several mistakes come as `Problems`.
    """
    for folder in (start, *start.parents):
        project = read_project(folder)
        if project is not None:
            return project
    return Project(folder=start, file=None)


def read_project(folder: Path) -> Project | None:
    """Return the project whose configuration is in a folder, or None where the folder has none.

    Raises:
        InvalidConfiguration: The configuration is wrong, or there are two.
    """
    own, shared = folder / "zlock.toml", folder / "pyproject.toml"
    document, lines = _read_toml(shared) if shared.is_file() else ({}, "")
    table = _tool_table(document)
    if not os.path.lexists(own):
        return parse_project(table, folder, shared, TomlLines(lines, ("tool", "zlock"))) if table is not None else None
    if table is not None:
        raise InvalidConfiguration(
            f"both `zlock.toml` and `[tool.zlock]` in `pyproject.toml` configure `{folder}`",
            hint="keep one of the two",
        )
    document, text = _read_toml(own)
    return parse_project(document, folder, own, TomlLines(text))


def _tool_table(document: Mapping[str, Any]) -> Any:
    tool = document.get("tool")
    return tool.get("zlock") if isinstance(tool, Mapping) else None


def _read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Return a file as plain values, and its text."""
    shown = display(str(path))
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        raise InvalidConfiguration(f"`{shown}` is {what}", hint="remove it, or put a file in its place")
    try:
        text = read_regular(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InvalidConfiguration(f"`{shown}` is no text in UTF-8", hint="save it as UTF-8") from error
    except OSError as error:
        raise InvalidConfiguration(
            f"`{shown}` can't be read: {error.strerror}", hint="let your user read it"
        ) from error
    try:
        return tomllib.loads(text), text
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        is_conflict = conflicted_line(text) is not None
        hint = "resolve the merge conflict in it first" if is_conflict else "correct that line"
        raise InvalidConfiguration(f"`{shown}` is no TOML: {error}", hint=hint) from error


def parse_project(values: object, folder: Path, file: Path, lines: TomlLines | None = None) -> Project:
    """Read a configuration table.

    Args:
        values: The table.
        folder: The project folder.
        file: The file that it stands in.
        lines: Tells the lines of what that file states, where messages are to name them.

    Raises:
        InvalidConfiguration: A key is unknown or a value wrong; several mistakes come as `Problems`.
    """
    problems = Collector()
    lines = lines or TomlLines("")
    table = Table(values, at="", file=file, problems=problems)
    table.check_keys(_KEYS)
    indexes = _indexes(table, folder)
    routing = Routing(indexes=indexes, sources=_index_sources(table, indexes))
    project = Project(
        folder=folder,
        file=file,
        python=_python(table),
        platforms=_platforms(table) or ("linux/amd64",),
        manylinux=_libc(table, "manylinux"),
        musllinux=_libc(table, "musllinux"),
        lock_dir=table.text("lock-dir") or "lockfiles",
        urls=table.choice("urls", ("index", "portable")),
        wheelhouse=table.text("wheelhouse") or "wheelhouse",
        pipeline=table.text("pipeline"),
        routing=routing,
        cutoff=_cutoff(table),
        conflicts=table.choice("conflicts", ("error", "later")),
        build_sdists=_build_sdists(table),
        prerelease=table.choice("prerelease", ("if-necessary-or-explicit", "allow", "disallow")),
        resolution=table.choice("resolution", ("highest", "lowest", "lowest-direct")),
        align=table.get("align", checks.boolean, default=True),
        constraints=_constraints(table, lines),
        overrides=_overrides(table, lines),
        exclude=_exclude(table),
        stack=table.values("stack"),
        integrations=table.values("integrations"),
        registry=table.get("registry", checks.word, None),
        docker=_docker(table, lines),
        steps={name: _step(table, name, folder, routing, lines) for name in table.values("steps")},
        lines=lines,
    )
    for error in wrong_names(project.steps):
        with table:
            raise error
    problems.raise_if_any()
    return project


def _docker(table: Table, lines: TomlLines) -> DockerSettings:
    with table.problems:
        stated = {} if table.raw("docker") is None else table.raw("docker")
        return DockerSettings.from_table(stated, at=table.path("docker"), file=str(table.file), lines=lines)
    return DockerSettings()


def _step(table: Table, name: str, folder: Path, routing: Routing, lines: TomlLines) -> StepConfiguration:
    inner = Table(table.values("steps")[name], at=f"steps.{name}", file=table.file, problems=table.problems)
    inner.check_keys(_STEP_KEYS)
    return StepConfiguration(
        docker=_docker(inner, lines),
        python=_python(inner),
        platforms=_platforms(inner),
        align=inner.get("align", checks.boolean, default=None),
        routing=_routing(inner, folder, routing),
    )


def _routing(inner: Table, folder: Path, routing: Routing) -> Routing | None:
    """Return who serves what to a step, None where it is as for every step.

    Its indexes replace the others as a whole, its routes are laid over the others. A route to an index that is no
    longer there is an error: the package would come from wherever else it is found.
    """
    if "index" not in inner and "index-sources" not in inner:
        return None
    indexes = _indexes(inner, folder) if "index" in inner else routing.indexes
    sources = {**routing.sources, **_index_sources(inner, indexes)}
    for package in sorted(sources.keys() - {canonicalize_name(name) for name in inner.values("index-sources")}):
        if sources[package] not in {index.name for index in indexes}:
            problem = f"`index-sources` sends `{package}` to `{sources[package]}`, which is not among them"
            inner.wrong("index", problem, hint=f"add that table here too, or route `{package}` for this step")
    return Routing(indexes=indexes, sources=sources)


def _python(table: Table) -> str | None:
    python = table.text("python")
    _check_target(table, "python", lambda: Target.parse(python or "3.12"))
    return python


def _platforms(table: Table) -> tuple[str, ...]:
    platforms = table.texts("platforms")
    for platform in platforms:
        _check_target(table, "platforms", lambda one=platform: Target.parse("3.12", one))  # type: ignore[misc]  # the default binds it
    if table.raw("platforms") == []:
        table.wrong("platforms", "is empty", hint='write `platforms = ["linux/amd64"]`')
    for platform in dict.fromkeys(one for one in platforms if platforms.count(one) > 1):
        table.wrong("platforms", f"`{platform}` stands there twice", hint="leave one of them out")
    return platforms


def _libc(table: Table, key: str) -> str | None:
    floor = table.text(key)
    manylinux, musllinux = (floor, None) if key == "manylinux" else (None, floor)
    _check_target(table, key, lambda: Target.parse("3.12", manylinux=manylinux, musllinux=musllinux))
    return floor


def _check_target(table: Table, key: str, parse: Callable[[], Target]) -> None:
    try:
        parse()
    except InvalidConfiguration as error:
        table.wrong(key, error.message.partition("` ")[2], hint=error.hint)


def _indexes(table: Table, folder: Path) -> tuple[Index, ...]:
    found = tuple(_index(row, folder) for row in _index_tables(table))
    names = [index.name for index in found if index.name]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        table.wrong("index", f"two tables have the name `{name}`", hint="give one of them another name")
    if sum(index.default for index in found) > 1:
        table.wrong("index", "two tables have `default = true`", hint="only one index is asked last")
    return found


def _index_tables(table: Table) -> list[Table]:
    stated = table.raw("index")
    if stated is None or isinstance(stated, list):
        return list(table.tables("index"))
    table.wrong("index", f"expected a list of tables, got {kind(stated)}", hint="write `[[index]]`")
    return []


def _index(row: Table, folder: Path) -> Index:
    row.check_keys(_INDEX_KEYS)
    url: str = row.get("url", _url_or_path, "")
    if "url" not in row:
        row.wrong("url", "is missing", hint='write `url = "https://index.example/simple/"`')
    elif "://" in url and not url.lower().startswith(_SCHEMES):
        row.wrong(
            "url",
            f"expected a URL of http, https or file, got `{redact(url)}`",
            hint="write `https://...`, or the path of a folder",
        )
    elif "://" in url and re.search("[?#]", url):
        row.wrong(
            "url", "has a query or a fragment", hint="end it with the path; see `docs/indexes.md` for credentials"
        )
    stated = _folder_of(url)
    # Not resolved: a link inside the project is the same place in every copy.
    place = Path(os.path.abspath(folder / stated)) if stated else None  # noqa: PTH100
    found = Index(
        url=str(place) if place and "://" not in url else url,
        name=row.text("name"),
        default=row.flag("default"),
        explicit=row.flag("explicit"),
        in_context=row.flag("index-in-context"),
        folder=portable(place, folder, fixed=stated.is_absolute()) if place and stated else "",
    )
    if found.explicit and not found.name:
        row.wrong("explicit", "an explicit index has a name", hint="add a `name` to route packages to it")
    if found.in_context and stated:
        hint = "leave this out; images get what is in folders by `zlock dockerfile --wheelhouse`"
        row.wrong("index-in-context", "a folder of this machine is in no build of an image", hint=hint)
    elif found.in_context and redact(url) != url:
        hint = "leave this out, so that the index reaches builds as a secret; or take the credentials out of the URL"
        row.wrong("index-in-context", "`url` holds credentials, which would be in every build context", hint=hint)
    return found


def _url_or_path(value: object, at: str) -> str:
    """Accept a URL, or the path of a folder, which may have spaces in it."""
    found = checks.text(value, at)
    return checks.word(found, at) if "://" in found else found


def _folder_of(url: str) -> Path | None:
    """Return the folder that an index is, None for one on the network."""
    if url.lower().startswith("file://"):
        return Path(path_in(url))
    return Path(url) if url and "://" not in url else None


def _index_sources(table: Table, indexes: tuple[Index, ...]) -> dict[NormalizedName, str]:
    names = [index.name for index in indexes if index.name]
    routes: dict[NormalizedName, str] = {}
    inner = table.table("index-sources")
    for package in table.values("index-sources"):
        route = inner.text(package)
        if route is not None and route not in names:
            hint = did_you_mean(route, names) or "name one of the tables under `index`"
            inner.wrong(package, f"there is no index `{route}`", hint=hint)
        routes[canonicalize_name(package)] = route or ""
    return routes


def _cutoff(table: Table) -> Cutoff:
    inner = table.table("exclude-newer-package")
    packages = {
        canonicalize_name(name): None if value is False else inner.get(name, _time, None)
        for name, value in table.values("exclude-newer-package").items()
    }
    return Cutoff(default=table.get("exclude-newer", _time, None), packages=packages)


def _time(value: object, at: str) -> datetime | None:
    """Accept an RFC 3339 time, or a date, which means its first moment in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise checks.mistake(at, f"`{value}` is no RFC 3339 time", hint=_TIME) from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise checks.mistake(at, f"expected an RFC 3339 time, got {kind(value)}", hint=_TIME)
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _build_sdists(table: Table) -> frozenset[NormalizedName] | None:
    if table.raw("build-sdists") == "all":
        return None
    none: tuple[str, ...] = ()
    names = table.get("build-sdists", lambda value, at: checks.sequence(value, at, checks.project_name), none)
    return frozenset(map(canonicalize_name, names))


def _requirements(table: Table, key: str, lines: TomlLines) -> tuple[DirectRequirement, ...]:
    from packaging.requirements import Requirement

    none: tuple[str, ...] = ()
    stated = table.get(key, lambda value, at: checks.sequence(value, at, checks.requirement), none)
    origin = Origin(source=Source.CONFIGURATION, detail=f"`{key}`", file=table.file.name)
    return tuple(
        DirectRequirement(requirement=Requirement(text), origins=(replace(origin, line=lines.line_of(text, (key,))),))
        for text in stated
    )


def _constraints(table: Table, lines: TomlLines) -> tuple[DirectRequirement, ...]:
    stated = _requirements(table, "constraints", lines)
    for one in stated:
        if one.requirement.extras:
            table.wrong("constraints", f"`{one}` has extras", hint="state the extras where the package is required")
        secret = secret_parameter(one.requirement.url or "")
        if secret is not None:
            hint = "put credentials into netrc or the keyring"
            table.wrong("constraints", f"the value of `{secret}` in a URL would be written into locks", hint=hint)
    return stated


def _overrides(table: Table, lines: TomlLines) -> tuple[DirectRequirement, ...]:
    """Read overrides: a specifier each, which replaces all others, so it holds on every target and stands alone."""
    stated = _requirements(table, "overrides", lines)
    for one in stated:
        parts = {"extras": one.requirement.extras, "a marker": one.requirement.marker, "a URL": one.requirement.url}
        for part in (name for name, value in parts.items() if value):
            hint = f"an override is a name with versions: write `{one.name}{one.requirement.specifier}`"
            table.wrong("overrides", f"`{one}` has {part}", hint=hint)
    names = [one.name for one in stated]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        table.wrong("overrides", f"`{name}` is overridden twice", hint="join the two: `name>=1,<2`")
    return stated


def _exclude(table: Table) -> frozenset[tuple[NormalizedName, NormalizedName | None]]:
    stated = table.raw("exclude")
    if not isinstance(stated, list):
        table.texts("exclude")
        return frozenset()
    found: set[tuple[NormalizedName, NormalizedName | None]] = set()
    for position, value in enumerate(stated):
        if isinstance(value, str):
            with table:
                found.add((canonicalize_name(checks.project_name(value, f"exclude[{position}]")), None))
            continue
        inner = Table(value, at=f"exclude[{position}]", file=table.file, problems=table.problems)
        inner.check_keys(["package", "from"])
        package, parent = (inner.get(key, checks.project_name, "") for key in ("package", "from"))
        if isinstance(value, Mapping) and "package" not in inner:
            inner.wrong("package", "is missing", hint='write `{package = "a", from = "b"}`')
        if package:
            found.add((canonicalize_name(package), canonicalize_name(parent) if parent else None))
    return frozenset(found)

"""The configuration: `zlock.toml`, or `[tool.zlock]` in `pyproject.toml`, read into values."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, InvalidConfiguration
from zlock.model.indexes import Cutoff, Index
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement
from zlock.settings.docker import DockerSettings

T = TypeVar("T")

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
_INDEX_KEYS = ["name", "url", "default", "explicit"]


@dataclass(frozen=True, kw_only=True)
class StepConfiguration:
    """What the configuration says of one step; None and empty where it says nothing."""

    docker: DockerSettings
    python: str | None = None
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's configuration; the attributes are the keys of the documentation.

    Attributes:
        folder: The project folder: of the configuration, or the working folder where there is none.
        file: The configuration file, or None.
        stack: The `stack` table as it stands.
        integrations: The `integrations` table as it stands.
    """

    folder: Path
    file: Path | None
    python: str | None = None
    platforms: tuple[str, ...] = ("linux/amd64",)
    manylinux: str | None = None
    musllinux: str | None = None
    lock_dir: str = "lockfiles"
    pipeline: str | None = None
    indexes: tuple[Index, ...] = ()
    index_sources: Mapping[NormalizedName, str] = field(default_factory=dict)
    cutoff: Cutoff = field(default_factory=Cutoff)
    conflicts: str = "error"
    build_sdists: frozenset[NormalizedName] | None = frozenset()
    prerelease: str = "if-necessary-or-explicit"
    resolution: str = "highest"
    constraints: tuple[DirectRequirement, ...] = ()
    overrides: tuple[DirectRequirement, ...] = ()
    exclude: frozenset[tuple[NormalizedName, NormalizedName | None]] = frozenset()
    stack: Mapping[str, Any] = field(default_factory=dict)
    integrations: Mapping[str, Any] = field(default_factory=dict)
    docker: DockerSettings = field(default_factory=DockerSettings)
    steps: Mapping[str, StepConfiguration] = field(default_factory=dict)

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
    table = None
    if shared.is_file():
        table = _read_toml(shared).get("tool", {}).get("zlock")
    if own.is_file():
        if table is not None:
            raise InvalidConfiguration(
                f"both `zlock.toml` and `[tool.zlock]` in `pyproject.toml` configure `{folder}`",
                hint="keep one of the two",
            )
        return parse_project(_read_toml(own), folder, own)
    return parse_project(table, folder, shared) if table is not None else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfiguration(f"`{path}` is no TOML: {error}", hint="correct that line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"`{path}` can't be read: {error}") from error


def parse_project(table: Any, folder: Path, file: Path) -> Project:
    """Read a configuration table.

    Raises:
        InvalidConfiguration: A key is unknown or a value wrong; several mistakes come as `Problems`.
    """
    reader = _Reader(table, file.name, "")
    reader.check_keys(_KEYS)
    values: dict[str, Any] = {
        "python": reader.text("python"),
        "platforms": tuple(reader.texts("platforms")) or ("linux/amd64",),
        "manylinux": reader.text("manylinux"),
        "musllinux": reader.text("musllinux"),
        "lock_dir": reader.text("lock-dir") or "lockfiles",
        "pipeline": reader.text("pipeline"),
        "indexes": reader.each("index", lambda row: _index(row, folder)),
        "index_sources": {canonicalize_name(k): v for k, v in reader.texts_by_name("index-sources").items()},
        "cutoff": _cutoff(reader),
        "conflicts": reader.choice("conflicts", ("error", "later")),
        "build_sdists": _build_sdists(reader),
        "prerelease": reader.choice("prerelease", ("if-necessary-or-explicit", "allow", "disallow")),
        "resolution": reader.choice("resolution", ("highest", "lowest", "lowest-direct")),
        "constraints": reader.requirements("constraints"),
        "overrides": reader.requirements("overrides"),
        "exclude": _exclude(reader),
        "stack": reader.table("stack"),
        "integrations": reader.table("integrations"),
    }
    reader.not_yet("align", True)
    reader.not_yet("urls", "index")
    reader.text("wheelhouse"), reader.text("registry")
    with reader.problems:
        values["docker"] = DockerSettings.from_table(reader.table("docker"), at="docker", file=str(file))
    values["steps"] = _steps(reader, file)
    _check_index_names(reader, values)
    reader.problems.raise_if_any()
    defaults = {key: value for key, value in values.items() if value is not None or key in ("build_sdists",)}
    return Project(folder=folder, file=file, **defaults)


def _steps(reader: _Reader, file: Path) -> dict[str, StepConfiguration]:
    steps = {}
    for name, table in reader.table("steps").items():
        inner = _Reader(table, reader.file, f"steps.{name}", reader.problems)
        inner.check_keys(_STEP_KEYS)
        for key in ("index", "index-sources", "align"):
            inner.not_yet(key, None)
        with reader.problems:
            steps[name] = StepConfiguration(
                docker=DockerSettings.from_table(inner.table("docker"), at=f"steps.{name}.docker", file=str(file)),
                python=inner.text("python"),
                platforms=tuple(inner.texts("platforms")),
            )
    return steps


def _index(reader: _Reader, folder: Path) -> Index:
    reader.check_keys(_INDEX_KEYS)
    url = reader.text("url") or ""
    if not url:
        reader.wrong("url", "is missing", hint='write `url = "https://index.example/simple/"`')
    if url and "://" not in url:
        url = str((folder / url).resolve())
    return Index(
        url=url,
        name=reader.text("name"),
        default=reader.flag("default", False),
        explicit=reader.flag("explicit", False),
    )


def _check_index_names(reader: _Reader, values: dict[str, Any]) -> None:
    names = [index.name for index in values["indexes"] if index.name]
    for name in {name for name in names if names.count(name) > 1}:
        reader.wrong("index", f"has two tables of the name `{name}`")
    if sum(index.default for index in values["indexes"]) > 1:
        reader.wrong("index", "has two tables with `default = true`", hint="only one index is asked last")
    for package, name in values["index_sources"].items():
        if name not in names:
            reader.wrong(
                f"index-sources.{package}", f"names an index that is not there: `{name}`", hint=close_names(name, names)
            )
    for index in values["indexes"]:
        if index.explicit and not index.name:
            reader.wrong(
                "index", "has an explicit table without a name", hint="give it a `name` to route packages to it"
            )


def _cutoff(reader: _Reader) -> Cutoff:
    packages = {}
    for name, value in reader.table("exclude-newer-package").items():
        packages[canonicalize_name(name)] = (
            None if value is False else parse_time(reader, f"exclude-newer-package.{name}", value)
        )
    value = reader.raw("exclude-newer")
    return Cutoff(default=None if value is None else parse_time(reader, "exclude-newer", value), packages=packages)


def parse_time(reader: _Reader, key: str, value: Any) -> datetime | None:
    """Read an RFC 3339 time or a date, which means its first moment in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            reader.wrong(key, f"is no RFC 3339 time: `{value}`", hint='write `"2026-11-01T00:00:00Z"`')
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    reader.wrong(key, f"is no RFC 3339 time: {_kind(value)}", hint='write `"2026-11-01T00:00:00Z"`')
    return None


def _build_sdists(reader: _Reader) -> frozenset[NormalizedName] | None:
    if reader.raw("build-sdists") == "all":
        return None
    return frozenset(canonicalize_name(name) for name in reader.texts("build-sdists"))


def _exclude(reader: _Reader) -> frozenset[tuple[NormalizedName, NormalizedName | None]]:
    found = set()
    for position, value in enumerate(reader.items("exclude")):
        if isinstance(value, str):
            found.add((canonicalize_name(value), None))
            continue
        inner = _Reader(value, reader.file, f"exclude[{position}]", reader.problems)
        inner.check_keys(["package", "from"])
        package, parent = inner.text("package"), inner.text("from")
        if not package:
            inner.wrong("package", "is missing", hint='write `{package = "a", from = "b"}`')
        else:
            found.add((canonicalize_name(package), canonicalize_name(parent) if parent else None))
    return frozenset(found)


class _Reader:
    """Typed access to a table; every mistake is collected with its place."""

    def __init__(self, table: Any, file: str, at: str, problems: Collector | None = None) -> None:
        self.file = file
        self.problems = problems or Collector()
        self._at = at
        self._table: Mapping[str, Any] = {}
        if isinstance(table, Mapping):
            self._table = table
        else:
            self._expected("", "a table", table)

    def _path(self, key: str) -> str:
        return ".".join(part for part in (self._at, key) if part)

    def wrong(self, key: str, what: str, hint: str = "") -> None:
        """Collect a mistake at a key."""
        self.problems.add(InvalidConfiguration(f"`{self._path(key)}` {what}", context=[f"in {self.file}"], hint=hint))

    def _expected(self, key: str, what: str, value: Any) -> None:
        hint = f"write `[{value!r}]`".replace("'", '"') if what.startswith("a list") and isinstance(value, str) else ""
        self.wrong(key, f"expects {what}, got {_kind(value)}", hint)

    def check_keys(self, known: Iterable[str]) -> None:
        """Collect the keys that are not known."""
        known = list(known)
        for key in self._table:
            if key not in known:
                kebab = str(key).replace("_", "-")
                hint = f"keys have dashes: `{kebab}`" if kebab in known else close_names(str(key), known)
                self.wrong(str(key), "is no key that zlock knows", hint)

    def raw(self, key: str) -> Any:
        """Return a value as it stands."""
        return self._table.get(key)

    def not_yet(self, key: str, only: Any) -> None:
        """Refuse a key of the contract whose other values this version can't serve."""
        if key in self._table and self._table[key] != only:
            self.wrong(key, "has a value that this version of zlock can't serve", hint="leave the key out")

    def text(self, key: str) -> str | None:
        """Return a text, None where the key is absent."""
        value = self._table.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        self._expected(key, "a text" if not isinstance(value, str) else "a text that is not empty", value)
        return None

    def flag(self, key: str, default: bool) -> bool:
        """Return a truth value."""
        value = self._table.get(key, default)
        if isinstance(value, bool):
            return value
        self._expected(key, "true or false", value)
        return default

    def choice(self, key: str, options: tuple[str, ...]) -> str:
        """Return one of some texts, the first where the key is absent."""
        value = self.text(key) or options[0]
        if value not in options:
            self.wrong(
                key, f"is one of {', '.join(f'`{o}`' for o in options)}, not `{value}`", close_names(value, options)
            )
            return options[0]
        return value

    def items(self, key: str) -> list[Any]:
        """Return a list, empty where the key is absent."""
        value = self._table.get(key, [])
        if isinstance(value, list):
            return value
        self._expected(key, "a list", value)
        return []

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        found = []
        for position, value in enumerate(self.items(key)):
            if isinstance(value, str) and value:
                found.append(value)
            else:
                self._expected(f"{key}[{position}]", "a text", value)
        return found

    def table(self, key: str) -> dict[str, Any]:
        """Return a table, empty where the key is absent."""
        value = self._table.get(key, {})
        if isinstance(value, dict):
            return value
        self._expected(key, "a table", value)
        return {}

    def texts_by_name(self, key: str) -> dict[str, str]:
        """Return a table of texts."""
        found = {}
        for name, value in self.table(key).items():
            if isinstance(value, str):
                found[name] = value
            else:
                self._expected(f"{key}.{name}", "a text", value)
        return found

    def each(self, key: str, read: Callable[[_Reader], T]) -> tuple[T, ...]:
        """Read each table of a list."""
        return tuple(
            read(_Reader(value, self.file, f"{self._path(key)}[{position}]", self.problems))
            for position, value in enumerate(self.items(key))
        )

    def requirements(self, key: str) -> tuple[DirectRequirement, ...]:
        """Return a list of requirements (PEP 508)."""
        found = []
        for position, text in enumerate(self.texts(key)):
            try:
                requirement = Requirement(text)
            except InvalidRequirement as error:
                self.wrong(f"{key}[{position}]", f"is no requirement: `{text}`", str(error).splitlines()[0])
                continue
            origin = Origin(source=Source.CONFIGURATION, detail=f"`{key}`", file=self.file)
            found.append(DirectRequirement(requirement=requirement, origins=(origin,)))
        return tuple(found)


def close_names(name: str, known: Iterable[str]) -> str:
    """Return a hint with the names that are close to one, or empty."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(f'`{one}`' for one in found)}?" if found else ""


def _kind(value: Any) -> str:
    if isinstance(value, str) and not value:
        return "an empty text"
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)

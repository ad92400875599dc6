"""The rules for the values that only the configuration has: targets, times, and what holds for versions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import NamedTuple

from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from zlock import checks
from zlock.checks import Check, accepts
from zlock.model.machine import PLATFORMS
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, parsed
from zlock.model.target import LIBC, PYTHON, InvalidTarget, Target
from zlock.redact import secret_parameter
from zlock.settings.keys import reads
from zlock.settings.table import Table
from zlock.wording import kind

_TIME = 'write `"2026-11-01T00:00:00Z"`'
_REQUIREMENTS = {"type": "array", "items": checks.requirement.schema}
_NAMES = {"type": "array", "items": checks.project_name.schema}
_EXCLUSION = {
    "type": "object",
    "properties": {"package": checks.project_name.schema, "from": checks.project_name.schema},
    "required": ["package"],
    "additionalProperties": False,
}


def _of_target(part: str, words: str, **schema: object) -> Check[str]:
    """Make the rule for a part of the target, which knows itself what it may be."""

    def of_target(value: object, at: str) -> str:
        found = checks.text(value, at)
        try:
            Target.parse(**{"python": "3.12", part: found})
        except InvalidTarget as error:
            raise checks.mistake(at, error.problem, hint=error.hint) from error
        return found

    return Check(of_target, words, schema)


python = _of_target("python", 'text, "3.12" or "3.12.4"', **checks.of_pattern(PYTHON.pattern))
manylinux = _of_target("manylinux", "text", **checks.of_pattern(LIBC.pattern))
musllinux = _of_target("musllinux", "text", **checks.of_pattern(LIBC.pattern))
_platform = _of_target("platform", "OCI platform name", enum=list(PLATFORMS))


pipeline = Check(checks.text, 'text, "file.py" or "file.py:name"', checks.text.schema)


@accepts("list of OCI platform names", type="array", items=_platform.schema, minItems=1, uniqueItems=True)
def platforms(value: object, at: str) -> tuple[str, ...]:
    """Accept platforms, each once."""
    found = checks.sequence(value, at, _platform)
    if not found:
        raise checks.mistake(at, "is empty", hint='write `platforms = ["linux/amd64"]`')
    for one in found:
        if found.count(one) > 1:
            raise checks.mistake(at, f"`{one}` is listed twice", hint="leave one of them out")
    return found


@accepts("RFC 3339 time, or a date", type="string")
def time(value: object, at: str) -> datetime:
    """Accept an RFC 3339 time, or a date, which means its first moment in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise checks.mistake(at, f"`{value}` is not an RFC 3339 time", hint=_TIME) from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise checks.mistake(at, f"expected an RFC 3339 time, got {kind(value)}", hint=_TIME)
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise checks.mistake(at, f"`{value}` is before the year 1 or after 9999 in UTC", hint=_TIME) from error


@accepts("table, package to time or `false`", **checks.table_of(checks.NAME, anyOf=[{"enum": [False]}, time.schema]))
def times(value: object, at: str) -> dict[NormalizedName, datetime | None]:
    """Accept a time for each package, or `false`, which lifts the one for all."""
    return checks.entries(value, at, lambda one, place: None if one is False else time(one, place), package)


@accepts('list of names, or "all"', anyOf=[{"enum": ["all"]}, _NAMES])
def packages(value: object, at: str) -> frozenset[NormalizedName] | None:
    """Accept names of packages; None for all."""
    return None if value == "all" else frozenset(checks.sequence(value, at, package))


def package(value: object, at: str) -> NormalizedName:
    """Accept the name of a package."""
    return canonicalize_name(checks.project_name(value, at))


@accepts("list of names", **_NAMES)
def names(value: object, at: str) -> frozenset[NormalizedName]:
    """Accept names of packages."""
    return frozenset(checks.sequence(value, at, package))


@accepts('true, false or "always"', enum=[True, False, "always"])
def alignment(value: object, at: str) -> bool | str:
    """Accept how far steps have the same versions."""
    return value if value == "always" and isinstance(value, str) else checks.boolean(value, at)


@accepts("number of days", type="integer", minimum=0)
def days(value: object, at: str) -> int:
    """Accept a span of time."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    got = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else kind(value)
    raise checks.mistake(at, f"expected a whole number of days, 0 or more, got {got}", hint="write one, such as `180`")


@reads("list of requirements", **_REQUIREMENTS)
def constraints(table: Table, key: str) -> tuple[DirectRequirement, ...]:
    """Read limits on versions, which are no requirements themselves and are written into locks."""
    stated = _requirements(table, key)
    for one in stated:
        if one.requirement.extras:
            table.wrong(key, f"`{one}` has extras", hint="state the extras where the package is required")
        secret = secret_parameter(one.requirement.url or "")
        if secret is not None:
            hint = "put credentials into netrc or the keyring"
            table.wrong(key, f"the value of `{secret}` in a URL would be written into locks", hint=hint)
    return stated


@reads("list of requirements", **_REQUIREMENTS)
def overrides(table: Table, key: str) -> tuple[DirectRequirement, ...]:
    """Read overrides: a specifier each, which replaces all others, so it holds on every target and stands alone."""
    stated = _requirements(table, key)
    for one in stated:
        parts = {"extras": one.requirement.extras, "a marker": one.requirement.marker, "a URL": one.requirement.url}
        for part in (name for name, value in parts.items() if value):
            hint = f"an override is a name with versions: write `{one.name}{one.requirement.specifier}`"
            table.wrong(key, f"`{one}` has {part}", hint=hint)
    names = [one.name for one in stated]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        table.wrong(key, f"`{name}` is overridden twice", hint="join the two: `name>=1,<2`")
    return stated


def _requirements(table: Table, key: str) -> tuple[DirectRequirement, ...]:
    stated: tuple[str, ...] = table.get(key, checks.list_of(checks.requirement, ""), ())
    origin = Origin(source=Source.CONFIGURATION, detail=f"`{key}`", file=table.file.name)
    return tuple(
        DirectRequirement(requirement=parsed(text), origins=(replace(origin, line=table.lines.line_of(text, (key,))),))
        for text in stated
    )


class Exclusion(NamedTuple):
    """A requirement that is left out: the package, and who requires it; None for anybody."""

    package: NormalizedName
    parent: NormalizedName | None

    def __str__(self) -> str:
        return f"{self.package} from {self.parent}" if self.parent else self.package


@accepts(
    'list of names, or of `{package = "a", from = "b"}`',
    type="array",
    items={"anyOf": [checks.project_name.schema, _EXCLUSION]},
)
def exclusions(value: object, at: str) -> frozenset[Exclusion]:
    """Accept what is left out."""
    return frozenset(checks.sequence(value, at, _exclusion))


def _exclusion(value: object, at: str) -> Exclusion:
    if isinstance(value, str):
        return Exclusion(package(value, at), None)
    names = checks.entries(value, at, package, _exclusion_key)
    if "package" not in names:
        raise checks.mistake(f"{at}.package", "is missing", hint='write `{package = "a", from = "b"}`')
    return Exclusion(names["package"], names.get("from"))


def _exclusion_key(name: str, at: str) -> str:
    if name not in ("package", "from"):
        raise checks.unknown_key(f"{at}.{name}", name, ("package", "from"))
    return name

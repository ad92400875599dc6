"""The words of messages that every layer needs: what kind a value is, which names are close."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_MONTHS = 60  # days from which on months are counted, and up to two years
_YEAR = 365.25  # days
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    (str, "a string"),
    ((int, float), "a number"),
    ((list, tuple), "a list"),
    (Mapping, "a table"),
    (type(None), "nothing"),
)


def kind(value: object) -> str:
    """Name the type of a value in words that fit Python, TOML and JSON."""
    return next((name for known, name in _KINDS if isinstance(value, known)), f"`{type(value).__name__}`")


def fold(name: str) -> str:
    """Fold a name for comparisons in which case, `-` and `_` make no difference."""
    return name.strip().casefold().replace("-", "_")


def either(names: Iterable[str]) -> str:
    """Write names as alternatives."""
    *most, last = [f"`{name}`" for name in names]
    return f"{', '.join(most)} or {last}" if most else last


def listed(names: Iterable[str]) -> str:
    """Write names one after another."""
    return ", ".join(f"`{name}`" for name in names)


def counted(count: int, what: str) -> str:
    """Write how many there are of something."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def way_of_file(file: str) -> str:
    """Say how the requirements in a file become those of a project, whose commands take names."""
    key = "pyproject-path" if file.endswith(".toml") else "requirements"
    return f'state it in the configuration: `{key} = "{file}"`; `zlock init --from {file}` begins one'


def span(days: int) -> str:
    """Write how long some days are, in the unit that says it best."""
    if days < _MONTHS:
        return counted(days, "day")
    return counted(round(days / 30.44), "month") if days < 2 * _YEAR else counted(round(days / _YEAR), "year")


def close_names(stated: str, known: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    """Find the names that look like the stated one, the closest first."""
    from difflib import get_close_matches  # only bad input needs it

    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(fold(name), name)
    if fold(stated) in folded:
        return [folded[fold(stated)]]
    return [folded[near] for near in get_close_matches(fold(stated), folded, n=3, cutoff=cutoff)]


def did_you_mean(stated: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Word a hint with the close names, or return an empty string."""
    near = close_names(stated, known, cutoff=cutoff)
    return f"did you mean {either(near)}?" if near else ""

"""Why an image is another one than before: the components that came, went or moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zlock.image.context.parts import PROJECT

Components = Mapping[str, Mapping[str, str]]
"""By kind and name what an image consists of, see `ImagePlan.components`."""

_HIDDEN = frozenset({"variable", "file", "parent's file"})
"""Kinds whose values are digests, which tell a person nothing."""
_DIGESTS = frozenset({"parent", "parent's image"})
"""Kinds with digests that registries tell, and that are empty where none was asked or none did."""


def moved(before: Components, now: Components) -> list[str]:
    """Return a line for each component that differs, in the order of the kinds.

    Files of zlock's own making are named only where nothing else differs: they follow from the rest.
    """
    lines = [line for kind in dict.fromkeys([*before, *now]) for line in _moved(kind, before, now, f"{PROJECT}/")]
    return lines or list(_moved("file", before, now, ""))


def _moved(kind: str, before: Components, now: Components, prefix: str) -> Iterator[str]:
    old, new = before.get(kind, {}), now.get(kind, {})
    for name in sorted({*old, *new}):
        if kind == "file" and not name.startswith(prefix):
            continue
        what = f"{kind} {name.removeprefix(prefix) if kind == 'file' else name}"
        if name not in old:
            yield f"{what}: added{_value(kind, new[name])}"
        elif name not in new:
            yield f"{what}: gone{_value(kind, old[name])}"
        elif old[name] != new[name]:
            empty = "unknown" if kind in _DIGESTS else "none"
            yield f"{what}: changed" if kind in _HIDDEN else f"{what}: {old[name] or empty} -> {new[name] or empty}"


def _value(kind: str, value: str) -> str:
    return f" ({value})" if value and kind not in _HIDDEN else ""

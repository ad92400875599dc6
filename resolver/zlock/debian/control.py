"""Paragraphs of fields, in which Debian writes nearly everything (Debian Policy 5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Paragraph = Mapping[str, str]
"""Fields by their names in lower case; lines that follow the first keep their breaks."""


def paragraphs(text: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a text; lines that are comments, or no part of a field, are passed over."""
    found: dict[str, list[str]] = {}
    last = ""
    for line in text.splitlines():
        if not line.strip():
            if found:
                yield _joined(found)
            found, last = {}, ""
        elif line[0] in " \t":
            if last:
                found[last].append(line[1:])
        elif line[0] != "#":
            name, colon, value = line.partition(":")
            last = name.lower() if colon else ""
            if last:
                found[last] = [value.strip()]
    if found:
        yield _joined(found)


def _joined(fields: Mapping[str, list[str]]) -> Paragraph:
    return {name: "\n".join(lines) for name, lines in fields.items()}


def names_of(relation: str) -> Iterator[tuple[str, ...]]:
    """Yield what each part of `Depends` names: several where one of them will do (Debian Policy 7.1)."""
    for part in relation.split(","):
        names = tuple(one.split("(")[0].split("[")[0].strip().partition(":")[0] for one in part.split("|"))
        if any(names):
            yield names

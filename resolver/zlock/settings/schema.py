"""What the keys say to others: the rows of the documentation, and a JSON Schema for editors."""

from __future__ import annotations

import json
import re
from operator import itemgetter
from typing import NamedTuple

from zlock.settings.audit import Ignored
from zlock.settings.config import Project, StepConfiguration
from zlock.settings.docker import DockerSettings, EffectiveSettings
from zlock.settings.indexes import IndexTable
from zlock.settings.keys import kebab, keys_of
from zlock.settings.stack import IntegrationTable, StackTable

TABLES: dict[str, type] = {
    "index": IndexTable,
    "stack": StackTable,
    "integration": IntegrationTable,
    "docker": DockerSettings,
    "step": StepConfiguration,
}
"""The tables inside a configuration, as schemas call them."""

_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", re.MULTILINE)
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")


class Row(NamedTuple):
    """What a person is told of a key, as Markdown."""

    name: str
    values: str
    default: str
    meaning: str


def rows(kind: type) -> list[Row]:
    """Return what is told of the keys of a table, whose docstring says what each means."""
    meanings = {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(kind.__doc__ or "")}
    effective = EffectiveSettings()
    return [
        Row(
            kebab(name),
            one.rule.words,
            one.shown
            or (one.required and "required")
            or _shown(getattr(effective, name) if kind is DockerSettings else one.default),
            meanings.get(name, ""),
        )
        for name, one in keys_of(kind).items()
    ]


def _shown(default: object) -> str:
    if default is None or default == {}:
        return "empty" if default == {} else "none"
    text = json.dumps(default, default=list)
    return f"`{text}`" if text.startswith("[") else text


def schema() -> dict[str, object]:
    """Return the JSON Schema of a `zlock.toml`, of draft 7; what else is wrong, reading it says.

    Editors ask for no newer draft: Taplo promises the keywords of draft 4, and these mean the same in both.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "zlock.toml",
        **_table(Project),
        "definitions": {name: _table(kind) for name, kind in {**TABLES, "ignored": Ignored}.items()},
    }


def _table(kind: type) -> dict[str, object]:
    told = rows(kind)
    keys = keys_of(kind).values()
    required = [row.name for row, one in zip(told, keys, strict=True) if one.required]
    return {
        "type": "object",
        "properties": {
            row.name: {
                "description": f"{_LINK.sub(itemgetter(1), row.meaning)} ({row.values}; default: {row.default})",
                **one.rule.schema,
            }
            for row, one in zip(told, keys, strict=True)
        },
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }

"""Tables of indexes, as uv, Poetry and PDM have them in a `pyproject.toml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from packaging.utils import canonicalize_name

from zlock.model import plain
from zlock.model.indexes import Route
from zlock.model.requirement import IndexOption
from zlock.pyproject.document import Document
from zlock.pyproject.table import Table, address_in

_UV_KEYS: Final = ("index-url", "extra-index-url", "find-links")
_WILDCARD: Final = re.compile(r"[*?\[]")


def indexes_for_all(document: Document, inherited: Iterable[Document]) -> tuple[IndexOption, ...]:
    """Return the indexes that are to serve every package, which the configuration has to account for.

    Args:
        document: The project's file.
        inherited: Others whose indexes of uv's count too.
    """
    uvs = (document, *inherited)
    return (
        *(
            option
            for one in uvs
            for option in _listed(one, ("tool", "uv", "index"), lambda row: row.get("explicit") is not True)
        ),
        *(option for one in uvs for key in _UV_KEYS for option in _stated(one, key)),
        *_listed(document, ("tool", "poetry", "source"), lambda row: row.get("priority") != "explicit"),
        *_listed(document, ("tool", "pdm", "source"), lambda row: not row.get("include_packages")),
    )


def pdm_routes(document: Document) -> tuple[Route, ...]:
    """Return what PDM's `include_packages` says: packages that one source alone serves.

    Raises:
        InvalidRequirements: A table says what a lock can't hold.
    """
    found = []
    for nth, row in enumerate(document.rows("tool", "pdm", "source")):
        table = Table(document, ("tool", "pdm", "source"), document.folder, nth)
        patterns = [one for one in plain.rows(row, "include_packages") if isinstance(one, str)]
        if row.get("exclude_packages") or any(map(_WILDCARD.search, patterns)):
            hint = "name each package, in `include_packages` or in `index-sources` of the configuration"
            raise table.error("leaves packages out, or takes them by a pattern, which a lock can't carry", hint=hint)
        if patterns and not isinstance(row.get("url"), str):
            raise table.error("has no `url`")
        found += [
            Route(
                name=canonicalize_name(one),
                url=address_in(str(row["url"]), document),
                called=str(row.get("name", "")),
                origin=str(table.origin),
            )
            for one in patterns
        ]
    return tuple(found)


def _stated(document: Document, key: str) -> list[IndexOption]:
    value = document.table("tool", "uv").get(key, [])
    urls = value if isinstance(value, list) else [value]
    option, origin = f"tool.uv.{key}", document.origin("tool", "uv", key)
    return [
        IndexOption(option=option, value=address_in(url, document), origin=origin)
        for url in urls
        if isinstance(url, str)
    ]


def _listed(
    document: Document, keys: tuple[str, ...], serves_all: Callable[[Mapping[str, object]], bool]
) -> list[IndexOption]:
    return [
        IndexOption(
            option=f"[[{'.'.join(keys)}]]",
            value=address_in(str(row["url"]), document),
            origin=document.origin(*keys, nth=nth),
        )
        for nth, row in enumerate(document.rows(*keys))
        if isinstance(row.get("url"), str) and serves_all(row)
    ]

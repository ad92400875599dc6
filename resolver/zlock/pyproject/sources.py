"""Where the dependencies of a `pyproject.toml` come from, as the tables of uv, hatch, Poetry and PDM say it.

The requirement `core` alone means a release of an index. A table beside it can make it a folder, a repository, a URL or
one index: `[tool.uv.sources]`, `[tool.hatch.sources]` and `[tool.poetry.dependencies]` do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import InvalidRequirements
from zlock.model.indexes import Route
from zlock.model.requirement import IndexOption
from zlock.pyproject.document import Document
from zlock.pyproject.entries import entries
from zlock.pyproject.index_tables import indexes_for_all, pdm_routes
from zlock.pyproject.poetry import poetry_sources
from zlock.pyproject.table import StatedSource, Table, key_of
from zlock.pyproject.workspace import Workspace, hatch_tables, hatch_workspaces, uv_workspace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class DependencySources:
    """What the tables of one `pyproject.toml`, and of the workspace around it, say of where dependencies come from.

    Args:
        document: The file.
        root: The folder that names of files in messages count from.
        limit: The folder above which no workspace is looked for.
    """

    def __init__(self, document: Document, *, root: Path, limit: Path | None = None) -> None:
        self._document = document
        self._root = root
        self._limit = limit
        self._known: dict[tuple[NormalizedName, str], tuple[StatedSource, ...]] = {}

    @property
    def files(self) -> tuple[Path, ...]:
        """The other files that say something here."""
        said_by = [*self.documents, *(one.root for one in self._hatch)]
        said_by += [document for document, _ in self._hatch_sources]
        return tuple(dict.fromkeys(one.path for one in said_by if one.path != self._document.path))

    @property
    def documents(self) -> list[Document]:
        """The project's own file and that of the root of uv's workspace, which says what the own one leaves out."""
        is_member = self._uv is not None and self._uv.root.path != self._document.path
        return [self._document, *([self._uv.root] if self._uv and is_member else [])]

    def of(self, name: NormalizedName, *, extra: str = "", groups: Sequence[str] = ()) -> tuple[StatedSource, ...]:
        """Return what is said of a dependency that is stated in an extra, in a group, or in neither.

        Args:
            name: The dependency.
            extra: The extra, or empty.
            groups: The group that was chosen, and the one included there that states it.

        Raises:
            InvalidRequirements: A table is wrong, says what a lock can't hold, or two tables contradict each other.
        """
        own = groups[-1] if groups else ""
        if (name, own) not in self._known:
            self._known[name, own] = self._find(name, own)
        found = self._known[name, own]
        return tuple(one for one in found if one.extra in ("", extra) and one.group in ("", *groups))

    def _find(self, name: NormalizedName, group: str) -> tuple[StatedSource, ...]:
        found = [stated for read in (self._of_uv, self._of_hatch) if (stated := read(name))]
        found += [stated] if (stated := poetry_sources(self._document, name, group)) else []
        if not found:
            self._check_member(name)
        for other in found[1:]:
            if {_said(one) for one in other} != {_said(one) for one in found[0]}:
                raise InvalidRequirements(
                    f"two tables say where `{name}` comes from, and not the same",
                    context=(str(found[0][0].origin), str(other[0].origin)),
                    hint="keep one of the two",
                )
        return found[0] if found else ()

    def _check_member(self, name: NormalizedName) -> None:
        """Refuse a member of uv's workspace that no table calls one, as uv does: a stranger's would be installed."""
        if self._uv is None or name not in self._uv.members or self._uv.members[name] == self._document.folder:
            return
        raise InvalidRequirements(
            f"`{name}` is a member of the workspace, and nothing says that it is meant",
            context=(str(self._document.origin("project")), str(self._uv.root.origin(*self._uv.keys))),
            hint=f"write `{name} = {{ workspace = true }}` into `[tool.uv.sources]`",
        )

    def _table(self, document: Document, keys: tuple[str, ...]) -> Table:
        return Table(document, keys, self._document.folder)

    # uv

    @cached_property
    def _uv(self) -> Workspace | None:
        return uv_workspace(self._document, root=self._root, limit=self._limit)

    def _of_uv(self, name: NormalizedName) -> tuple[StatedSource, ...]:
        """Read `[tool.uv.sources]` of the project, else of the root of its workspace."""
        for document in self.documents:
            keys = key_of(document, ("tool", "uv", "sources"), name)
            if keys:
                members = self._uv.members if self._uv else {}
                stated = document.table(*keys[:-1])[keys[-1]]
                found = entries(stated, self._table(document, keys), members, self._uv_index)
                if document is self._document:
                    self._check_limits(found, self._table(document, keys))
                return found
        return ()

    def _check_limits(self, found: tuple[StatedSource, ...], table: Table) -> None:
        """Refuse a source for an extra or a group that does not state the dependency: it would never count."""
        places = ("project", "optional-dependencies"), ("dependency-groups",)
        for one in found:
            for limit, kind, keys in zip((one.extra, one.group), ("extra", "group"), places, strict=True):
                if limit and table.name not in self._reached(self._document.table(*keys), limit, set()):
                    raise table.error(
                        f"is for the {kind} `{limit}`, which does not state it", hint="correct one of them"
                    )

    def _reached(self, lists: Mapping[str, object], wanted: str, seen: set[str]) -> set[str]:
        """Return the names that an extra or a group states, with those of groups that it includes."""
        seen.add(wanted)
        items = next((value for name, value in lists.items() if canonicalize_name(name) == wanted), None)
        found: set[str] = set()
        for item in items if isinstance(items, list) else ():
            if isinstance(item, str) and (name := _NAME.match(item)):
                found.add(canonicalize_name(name[0]))
            elif (
                isinstance(item, dict) and (inner := canonicalize_name(str(item.get("include-group", "")))) not in seen
            ):
                found |= self._reached(lists, inner, seen)
        return found

    def _uv_index(self, name: str, table: Table) -> str:
        rows = [row for one in self.documents for row in one.rows("tool", "uv", "index")]
        return table.index_named(name, rows)

    # hatch

    @cached_property
    def _hatch(self) -> list[Workspace]:
        return hatch_workspaces(self._document, root=self._root, limit=self._limit)

    @cached_property
    def _hatch_sources(self) -> list[tuple[Document, tuple[str, ...]]]:
        """Hatch's tables of sources, the project's before those of environments: each with its file and keys there."""
        inner = hatch_tables(self._document, self._root, "sources")
        return [(self._document, ("tool", "hatch", "sources")), *((document, keys) for document, keys, _ in inner)]

    def _of_hatch(self, name: NormalizedName) -> tuple[StatedSource, ...]:
        """Read hatch's tables of sources, the project's before those of environments, then its workspaces."""
        members = {member: folder for one in reversed(self._hatch) for member, folder in one.members.items()}
        for document, above in self._hatch_sources:
            keys = key_of(document, above, name)
            if keys:
                entry = document.table(*above)[keys[-1]]
                entry = {"path": entry} if isinstance(entry, str) else entry
                return entries(entry, self._table(document, keys), members, lambda url, _: url)
        declaring = next((one for one in self._hatch if name in one.members), None)
        if declaring is None or members[name] == self._document.folder:
            return ()
        return (self._table(declaring.root, declaring.keys).local(members[name], fixed=False),)

    # Indexes

    def indexes(self) -> tuple[IndexOption, ...]:
        """Return the indexes that are to serve every package, which the configuration has to account for."""
        return indexes_for_all(self._document, self.documents[1:])

    def routes(self) -> tuple[Route, ...]:
        """Return the packages that one index alone serves, whoever requires them.

        Raises:
            InvalidRequirements: A table says what a lock can't hold.
        """
        return pdm_routes(self._document)


def _said(stated: StatedSource) -> tuple[object, ...]:
    return stated.url, stated.index, stated.specifier, str(stated.marker)

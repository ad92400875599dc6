"""A `pyproject.toml` as values, and the lines that state them; `tomllib` tells none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path

from msgspec import Struct
from packaging.specifiers import SpecifierSet

from zlock.errors import InvalidRequirements
from zlock.model import plain
from zlock.model.origin import Origin, Source
from zlock.model.toml import parse_toml
from zlock.model.versions import readable
from zlock.pyproject.lines import TomlLines
from zlock.regular import read_named


class Document(Struct, frozen=True, kw_only=True, dict=True):
    """A TOML file of a project.

    Attributes:
        path: The file, absolute.
        name: What messages call it: from the project's folder where it is inside it.
        text: What it holds.
        data: The same as values.
        within: The repository that it is in, or empty where it is on this machine.
        source: The source that it is: a `pyproject.toml`, or the metadata in a script.
        notes: What a person should know of it, one line each.
    """

    path: Path
    name: str
    text: str
    data: Mapping[str, object]
    within: str = ""
    source: Source = Source.PYPROJECT
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, *, root: Path, within: str = "") -> Document:
        """Read a file.

        Args:
            path: The file, absolute.
            root: The folder that its name in messages counts from.
            within: What that folder is, if it is none of the project's: a repository.

        Raises:
            InvalidRequirements: It is missing, a folder, a pipe, not UTF-8, or no TOML.
        """
        name = name_of(path, root)
        name = f"{within}: {name}" if within else name
        wrong = partial(wrong_file, name=name)
        try:
            text = read_named(path, f"`{name}`", wrong).decode().replace("\r\n", "\n")
        except ValueError as error:
            raise wrong(f"`{name}` is not UTF-8", hint="TOML is always UTF-8: save it so") from error
        return cls(path=path, name=name, text=text, data=parse(text, f"`{name}`", wrong), within=within)

    @property
    def folder(self) -> Path:
        """The folder that it is in."""
        return self.path.parent

    def table(self, *keys: str) -> Mapping[str, object]:
        """Follow keys through tables; empty where one is missing or no table."""
        return plain.table(self.data, *keys)

    @property
    def pythons(self) -> tuple[SpecifierSet, Origin] | None:
        """The Pythons that the project is for, with the place that says so; None where it does not say.

        Raises:
            InvalidRequirements: What it says is not a specifier.
        """
        stated = self.table("project").get("requires-python")
        if stated is None:
            return None
        origin = self.origin("project", "requires-python", detail="`requires-python`")
        try:
            return SpecifierSet(readable(stated)), origin  # type: ignore[arg-type]  # what is not a string is a TypeError
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidRequirements(
                f"`requires-python` is not a specifier: `{stated}`",
                context=(origin.located,),
                hint='write bounds, such as `">=3.11"`',
            ) from error

    def rows(self, *keys: str) -> list[Mapping[str, object]]:
        """Follow keys to a list of tables; what is none of these is left out."""
        return plain.tables(self.data, *keys)

    def origin(self, *keys: str, detail: str = "", nth: int = 0) -> Origin:
        """Give the origin of what stands under a key; the `nth` of several tables of one name."""
        detail = detail or f"`{'.'.join(keys)}`"
        return Origin(source=self.source, detail=detail, file=self.name, line=self.line_of(*keys, nth=nth))

    def line_of(self, *keys: str, nth: int = 0) -> int | None:
        """Find the line of a key, or of what it stands in where it has none of its own."""
        return self._lines.line_of_key((*keys, nth))

    def line_of_item(self, table: str, key: str, text: str) -> int | None:
        """Find the line of a string in a list; None where it can't be told."""
        return self._lines.line_of(text, (*table.split("."), key))

    @cached_property
    def _lines(self) -> TomlLines:
        return TomlLines(self.text)


def name_of(path: Path, root: Path) -> str:
    """Return what messages call a file: from a folder where it is inside it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def parse(text: str, described: str, wrong: Callable[..., Exception], *, indent: int = 0) -> dict[str, object]:
    """Return a text as TOML; where it is none, `wrong` makes the error. `indent` is what was cut off of its lines."""
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        at_end = len(text.splitlines()) if "at end" in str(error) else None
        line = int(found[1]) if found else at_end
        detail = re.sub(r"column (\d+)", lambda column: f"column {int(column[1]) + indent}", str(error))
        raise wrong(f"{described} is not valid TOML", detail, line=line, hint="correct that line") from error


def wrong_file(
    message: str,
    *details: str,
    name: str,
    line: int | None = None,
    source: Source = Source.PYPROJECT,
    hint: str,
) -> InvalidRequirements:
    """Make the error for a file that is not what it should be."""
    origin = Origin(source=source, file=name, line=line)
    return InvalidRequirements(message, context=(origin.located, *details), hint=hint)

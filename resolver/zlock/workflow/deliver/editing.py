"""The files that a run edits, which are as they were where the run fails; so are the lines that its error names."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from itertools import takewhile
from pathlib import Path

from msgspec import Struct

from zlock.errors import InvalidInput, Located, ZlockError
from zlock.model.paths import leads_out
from zlock.model.toml import parse_toml
from zlock.regular import read_regular
from zlock.replacing import replace_text
from zlock.reporting import Failing, News, Reporter
from zlock.settings.location import Location, display
from zlock.sources import requirements_edit
from zlock.sources.lines import coding_of
from zlock.workflow.deliver.stated_places import Editable, FilePlace

_ADDED = "the command line"


class _File(Struct):
    """A file with its text as it was and as it is by now, that with newlines as line ends and no byte order mark."""

    coding: str
    before: str
    now: str = ""

    @classmethod
    def read(cls, path: Path) -> _File:
        data = read_regular(path)
        coding = coding_of(data)
        before = data.decode(coding)
        return cls(coding, before, before.removeprefix(_MARK).replace("\r\n", "\n"))

    @property
    def text(self) -> str:
        """What is to be written."""
        mark = _MARK if self.before.startswith(_MARK) else ""
        return mark + (self.now.replace("\n", "\r\n") if "\r\n" in self.before else self.now)

    def lines_before(self) -> list[int | None]:
        """Return for each line the number that it had before; None for one that was added."""
        old, new = self.before.splitlines(), self.text.splitlines()
        begin = _shared(old, new)
        end = _shared(old[begin:][::-1], new[begin:][::-1])
        changed = SequenceMatcher(None, old[begin : len(old) - end], new[begin : len(new) - end], autojunk=False)
        found: list[int | None] = [*range(1, begin + 1)]
        for _, first, last, start, stop in changed.get_opcodes():
            places = range(first, first + stop - start)
            found += [begin + place + 1 if place < last else None for place in places]
        return [*found, *range(len(old) - end + 1, len(old) + 1)]


def _shared(some: Sequence[str], others: Sequence[str]) -> int:
    """Return how many lines two texts begin with together."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(some, others, strict=False)))


_MARK = "\N{BYTE ORDER MARK}"


class Editing:
    """The files that a run edits: each is read once, and put back where the run fails.

    Line ends, encodings and byte order marks stay as they are.

    Args:
        folder: The project's folder, from which errors name files, and out of which no link is followed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, _File] = {}

    def _file(self, place: Editable) -> _File:
        if place.path not in self._files:
            self._files[place.path] = _File.read(place.path)
        return self._files[place.path]

    def stated(self, place: Editable) -> tuple[str, ...]:
        """Return what a place states."""
        return place.stated(self._file(place).now)

    def hashes(self, place: Editable, name: str) -> int:
        """Return how many hashes of files a place states for a normalized name."""
        return requirements_edit.hashes_in(self._file(place).now, name) if isinstance(place, FilePlace) else 0

    def add(self, place: Editable, requirement: str) -> None:
        """Add a requirement, or replace those of its name and marker.

        Raises:
            InvalidInput: A link leads to the place, out of the project.
        """
        file = self._of_project(place)
        file.now = place.added(file.now, requirement)

    def remove(self, place: Editable, name: str) -> None:
        """Remove the requirements of a name; errors are those of `add`."""
        file = self._of_project(place)
        file.now = place.removed(file.now, name)

    def _of_project(self, place: Editable) -> _File:
        if leads_out(place.named, self._folder):
            raise InvalidInput(
                f"`{display(str(place.named))}` is reached through a link out of the project, and is not edited",
                context=[f"it leads to `{place.path}`"],
                hint="edit that file, then run `zlock resolve`",
            )
        return self._file(place)

    @contextmanager
    def kept_if_it_works(self, reporter: Reporter) -> Iterator[Reporter]:
        """Write the files, and put them back where what is done inside fails or is interrupted.

        Args:
            reporter: Hears, by what is yielded, of errors as they are known, with the lines that will be there again.
        """

        def hear(news: News) -> None:
            if isinstance(news, Failing):
                text = news.text
                for told in self._told():
                    text = told.text(text)
                news = Failing(text)
            reporter(news)

        try:
            self.write()
            yield hear
        except BaseException as error:
            if isinstance(error, ZlockError):
                self._tell_as_before(error)
            for path, file in self._edited().items():
                replace_text(path, file.before, file.coding)
            raise

    def write(self) -> None:
        """Write what is edited by now.

        Raises:
            InvalidInput: A list can't be edited so that the file stays valid.
        """
        for path, file in self._edited().items():
            if path.suffix == ".toml":
                try:
                    parse_toml(file.now)
                except tomllib.TOMLDecodeError as error:
                    raise InvalidInput(f"`{path}` can't be edited: {error}", hint="edit it by hand") from error
            replace_text(path, file.text, file.coding)

    @property
    def is_beyond_configuration(self) -> bool:
        """Whether it edits files that a pipeline may read while it is imported: any but zlock's own."""
        return any(path.name != "zlock.toml" for path in self._edited())

    def _edited(self) -> dict[Path, _File]:
        return {path: file for path, file in self._files.items() if file.text != file.before}

    def _tell_as_before(self, error: ZlockError) -> None:
        """Have an error name the lines of the files as they are again."""
        for told in self._told():
            for one in error.each:
                one.message, one.hint = told.text(one.message), told.text(one.hint)
                one.context = tuple(map(told.line, one.context))

    def _told(self) -> Iterator[_Told]:
        """Yield what is said of the lines of each edited file."""
        for path, file in self._edited().items():
            names = {display(str(path)), Path(os.path.relpath(path, self._folder)).as_posix(), str(path)}
            place = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, names))}):(\d+)")
            yield _Told(place, file.lines_before())


class _Told(Struct, frozen=True):
    """What is said of places in one edited file.

    Attributes:
        place: The file and a line of it, as sentences name them.
        before: See `_File.lines_before`.
    """

    place: re.Pattern[str]
    before: list[int | None]

    def text(self, text: str) -> str:
        """Return a sentence with the places that its reader has."""
        return self.place.sub(lambda found: self._place(found[1], int(found[2])), text)

    def line(self, line: str) -> str:
        """Return a line of context likewise."""
        if not isinstance(line, Located):
            return self.text(line)
        file, number = line.file, line.line
        if number is not None and self.place.fullmatch(f"{file}:{number}"):
            number = self._before(number)
            file = file if number else ""
        return Located(self.text(line), Location(file, number))

    def _place(self, name: str, line: int) -> str:
        number = self._before(line)
        return f"{name}:{number}" if number else _ADDED

    def _before(self, line: int) -> int | None:
        return self.before[line - 1] if line <= len(self.before) else line

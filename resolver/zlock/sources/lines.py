"""Requirements files as text: decoding, joining lines, comments and variables, all as pip has them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from zlock.checks import COMMENT

# Longest first: the mark of UTF-16-LE begins the one of UTF-32-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED_CODING = rb"coding[:=]\s*([-\w.]+)"
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


class Line(Struct, frozen=True):
    """One line of a requirements file after joining, with its comment gone.

    Attributes:
        number: The first of the physical lines it was joined from, from 1.
        text: The line as written, variables not expanded.
        swallowed: Numbers of the lines that continued a comment, so that nothing of them is read.
    """

    number: int
    text: str
    swallowed: tuple[int, ...] = ()


class Expanded(Struct, frozen=True):
    """A line with its variables replaced.

    Attributes:
        text: The line; it may hold secrets.
        values: The variables that were replaced, with their values.
        unset: The variables that have no value; they are still in the text.
    """

    text: str
    values: Mapping[str, str]
    unset: tuple[str, ...]


def decode(data: bytes) -> str:
    """Decode a requirements file: byte order mark, else the declared coding (PEP 263), else UTF-8.

    Where pip falls back to the locale this raises: a lock must not depend on the machine.

    Raises:
        UnicodeDecodeError: The bytes are not in that coding.
        LookupError: The declared coding is unknown.
    """
    return data.decode(coding_of(data)).removeprefix("\N{BYTE ORDER MARK}")


def coding_of(data: bytes) -> str:
    """Return what a requirements file is decoded with; a byte order mark stays the first character."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    for line in data.split(b"\n")[:2]:
        if line.startswith(b"#") and (found := re.search(_DECLARED_CODING, line)):
            return found.group(1).decode("ascii")
    return "utf-8"


def iter_lines(text: str) -> Iterator[Line]:
    """Yield the lines that say something, joined at backslashes first and freed of comments then."""
    for parts in joined_lines(text.splitlines()):
        joined = "".join(part for _, part in parts)
        comment = COMMENT.search(joined)
        kept = joined[: comment.start()] if comment else joined
        swallowed = _swallowed(parts, joined.index("#", comment.start())) if comment else ()
        if kept.strip() or swallowed:
            yield Line(number=parts[0][0], text=kept.strip(), swallowed=swallowed)


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    """Replace `${NAME}` (upper case letters, digits, underscores) by its value; an empty value counts as unset."""
    names = dict.fromkeys(_VARIABLE.findall(text))
    values = {name: environ[name] for name in names if environ.get(name)}
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return Expanded(text=text, values=values, unset=tuple(name for name in names if name not in values))


def has_variable(text: str) -> bool:
    """Say whether a text holds something that a requirements file would expand."""
    return _VARIABLE.search(text) is not None


def joined_lines(lines: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    """Group physical lines that end in a backslash with the next; a line that is only a comment ends its group."""
    parts: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            parts.append((number, line.strip("\\")))
            continue
        # The space keeps the comment one when it is glued to what came before.
        yield [*parts, (number, f" {line}" if comment else line)]
        parts = []
    if parts:
        yield parts


def _swallowed(parts: list[tuple[int, str]], hash_at: int) -> tuple[int, ...]:
    """Name the lines that begin behind the comment's `#` and say something themselves."""
    found: list[int] = []
    start = 0
    for number, part in parts:
        if start > hash_at and part.strip() and not part.lstrip().startswith("#"):
            found.append(number)
        start += len(part)
    return tuple(found)

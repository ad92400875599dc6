"""Tar archives, read as the engines read them; what readers read in several ways is refused.

Engines unpack layers with the `archive/tar` of Go. Python's `tarfile` ends where a header is damaged, joins a prefix
to names in formats that have none, and lets a global header rename files: in each case an engine would unpack
another file than the one that was looked at. Formats: POSIX.1-1988 ("ustar"), its extended headers of POSIX.1-2001
("pax"), GNU tar's long names, and what came before them ("v7").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Protocol

Kind = Literal["file", "folder", "link", "hard link", "device"]

_BLOCK = 512
_CHUNK = 1 << 20
_LARGEST_META = 1 << 20  # bytes of an extended header, as Go has it
_MOST_SAID, _OF_A_FILE = 1 << 28, 250  # of all files: characters of what is said of them, and what each counts besides
_USTAR, _GNU = b"ustar\x00", b"ustar  \x00"
_NUMBER = re.compile(rb" *([0-7]*)[ \x00]*")
_DIGITS = re.compile("[0-9]{1,18}", re.ASCII)
_META = frozenset("gxLK")
ATTRIBUTE = "SCHILY.xattr."
"""What the names of extended attributes begin with."""
_KINDS: dict[str, Kind] = {
    "\x00": "file",
    "0": "file",
    "1": "hard link",
    "2": "link",
    "3": "device",
    "4": "device",
    "5": "folder",
    "6": "device",
}
# What says where and how large a file is; of a global header only some readers heed it.
_DECISIVE = frozenset({"path", "linkpath", "size"})
_NUMBERS = frozenset({"size", "uid", "gid"})
# What overlayfs takes for a folder that hides others, or is another one.
_OVERLAY = re.compile(r".*\.xattr\.(trusted|user)\.(fuse)?overlay(fs)?\.(opaque|redirect|metacopy|whiteouts?)")


class DamagedArchive(ValueError):
    """It is not a tar archive, or one that is not read the same way everywhere."""


class Readable(Protocol):
    """A stream; it gives as many bytes as it is asked for, fewer at its end only."""

    def read(self, size: int, /) -> bytes:
        """Return bytes."""


class Entry(NamedTuple):
    """A file of an archive.

    Attributes:
        path: As the archive has it.
        kind: What it is; pipes count as devices.
        target: Where a link leads to.
        size: Bytes of its content.
        mode: Its permissions.
        owner: The numbers of the user and the group whose it is.
        attributes: Its extended attributes, by the names that pax gives them.
    """

    path: str
    kind: Kind
    target: str
    size: int
    mode: int
    owner: tuple[int, int]
    attributes: Mapping[str, str]


class _Header(NamedTuple):
    path: str
    flag: str
    target: str
    size: int
    mode: int
    owner: tuple[int, int]


class Tar:
    """The entries of an archive, one after another; all of the stream has been read at the end.

    Args:
        stream: The archive, not compressed.
        said: How much the archives before it have said, whose entries are kept together with its own.

    Attributes:
        said: How much that is now.
        position: How many bytes have been read: once an entry has come, where its content begins.
    """

    def __init__(self, stream: Readable, said: int = 0) -> None:
        self._stream = stream
        self._left = 0  # bytes of content that nobody has read
        self._padding = 0
        self.said = said
        self.position = 0

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries.

        Raises:
            DamagedArchive: It is none, or there is something in it that readers read in several ways.
        """
        said: dict[str, str] = {}
        flags: set[str] = set()
        while header := self._header():
            if header.flag == "g" and not flags:
                _check(_DECISIVE.isdisjoint(self._records()), "a global header is about single files")
            elif header.flag in _META:
                _check(not flags or {*flags, header.flag} == {"L", "K"}, "a file has several extended headers")
                flags.add(header.flag)
                said |= self._said(header.flag)
            else:
                yield self._entry(header, said)
                said, flags = {}, set()
        _check(not flags, "an extended header has no file")

    def content(self) -> Iterator[bytes]:
        """Yield what is in the file that came last."""
        while self._left:
            chunk = self._exactly(min(self._left, _CHUNK))
            self._left -= len(chunk)
            yield chunk

    def _entry(self, header: _Header, said: dict[str, str]) -> Entry:
        path = said.get("path", header.path)
        kind = _KINDS.get(header.flag)
        if kind is None:
            raise DamagedArchive(f"`{path}` is of a kind that no engine knows")
        if header.flag == "\x00" and path.endswith("/"):
            kind = "folder"  # as before POSIX
        size = int(said["size"]) if "size" in said else header.size
        _check(kind == "file" or size == 0, f"`{path}` is not a file, and has content")
        self._expect(size)
        user, group = header.owner
        owner = int(said.get("uid", user)), int(said.get("gid", group))
        attributes = {key: value for key, value in said.items() if key.startswith(ATTRIBUTE)}
        target = said.get("linkpath", header.target)
        # What is kept of a file is kept in memory, and compressed it is next to nothing.
        self.said += _OF_A_FILE + sum(map(len, (path, target, *attributes, *attributes.values())))
        _check(self.said <= _MOST_SAID, "it has more files, or says more of them, than any")
        return Entry(path, kind, target, size, header.mode, owner, attributes)

    def _expect(self, size: int) -> None:
        self._left, self._padding = size, -size % _BLOCK

    def _header(self) -> _Header | None:
        """Return what the next header says, None at the end, behind which there is nothing."""
        for _ in self.content():
            pass
        self._exactly(self._padding)
        self._padding = 0
        block = self._read(_BLOCK)
        if not block.strip(b"\x00"):
            while rest := self._read(_CHUNK):
                _check(not rest.strip(b"\x00"), "there is something behind its end")
            return None
        _check(len(block) == _BLOCK, "it ends in a header")
        header = _parse(block)
        if header.flag in _META:
            _check(header.size <= _LARGEST_META, "an extended header is larger than any")
            self._expect(header.size)
        return header

    def _said(self, flag: str) -> dict[str, str]:
        """Return what an extended header says of the file that follows."""
        if flag == "x":
            return self._records()
        text = _text(b"".join(self.content()))
        return {"path" if flag == "L" else "linkpath": text}

    def _records(self) -> dict[str, str]:
        """Return the records of an extended header (POSIX.1-2001, "pax Extended Header")."""
        data = b"".join(self.content())
        records = {}
        position = 0
        while position < len(data):
            space = data.find(b" ", position, position + len("1000000") + 1)
            length = data[position : max(space, position)]
            end = position + int(length) if length.isdigit() else 0
            _check(end > position and data[end - 1 : end] == b"\n", "an extended header is damaged")
            name, equals, value = data[space + 1 : end - 1].decode("utf-8", "surrogateescape").partition("=")
            _check(bool(equals and name), "an extended header is damaged")
            _check(name not in _DECISIVE or bool(value and "\x00" not in value), f"an extended header has no {name}")
            _check(name not in _NUMBERS or bool(_DIGITS.fullmatch(value)), f"`{name}` of an entry is not a number")
            _check(not name.startswith("GNU.sparse."), "it has sparse files")
            _check(not _OVERLAY.fullmatch(name), f"an entry has the attribute `{name.partition('.xattr.')[2]}`")
            records[name] = value
            position = end
        return records

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        _check(len(data) == size, "it ends in a file")
        return data

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.position += len(data)
        return data


def _parse(block: bytes) -> _Header:
    checksum = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    _check(_number(block[148:156]) == checksum, "a header is damaged")
    magic = block[257:265]
    prefix = ""
    if magic.startswith(_USTAR):
        _check(not block.endswith(b"tar\x00"), "it is in the format of star")  # whose prefix is shorter
        prefix = _text(block[345:500])
    elif magic == _GNU:
        # Times; where they are none, Go takes them for a prefix, which no other reader does.
        _check(_number(block[345:357]) >= 0 and _number(block[357:369]) >= 0, "a header is damaged")
    else:
        # Only some readers join a prefix to the names of the format before ustar.
        _check(not (magic + block[345:]).strip(b"\x00"), "a header is of no known format")
    name = _text(block[:100])
    return _Header(
        path=f"{prefix}/{name}" if prefix else name,
        flag=chr(block[156]),
        target=_text(block[157:257]),
        size=_number(block[124:136]),
        mode=_number(block[100:108]) & 0o7777,
        owner=(_number(block[108:116]), _number(block[116:124])),
    )


def _number(field: bytes) -> int:
    """Read digits to the base 8, with spaces and zeros around them, or bytes behind one that only has its first bit."""
    if field[0] == 0x80:  # noqa: PLR2004 - GNU's, as above
        return int.from_bytes(field[1:], "big")
    match = _NUMBER.fullmatch(field)
    if match is None:
        raise DamagedArchive("a header has a number that is none")
    return int(match[1] or b"0", 8)


def _text(field: bytes) -> str:
    return field.partition(b"\x00")[0].decode("utf-8", "surrogateescape")


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DamagedArchive(otherwise)

"""What a marshalled code object holds, without making an object of it: the bytes may be anybody's.

The same code is written in several ways: which strings are shared depends on what else the process held, a set has
any order, and the name of the source's file is the path at which it was compiled. A fingerprint is equal where
nothing but that differs. The format is that of CPython's `marshal`, versions 2 to 5, and code as 3.8 and later have it.
"""

from __future__ import annotations

import hashlib

_SHARED = 0x80
_SIZES = {**dict.fromkeys(b"NTF.S0", 0), **dict(zip(b"iIgy", (4, 8, 8, 16), strict=True))}
_TEXTS, _SHORT_TEXTS, _TEXT = b"aAut", b"zZ", ord("a")
_GROUPS, _SMALL_GROUP, _SETS = b"([<>", ord(")"), b"<>"
_MINOR_OF_LAYOUT = 11  # since 3.11 code objects are written in another layout

# How many numbers come first, which of the objects names the file, how many follow, and how many behind the line.
_LAYOUTS = {False: (6, 6, 8, 1), True: (5, 5, 8, 2)}


def fingerprint(data: bytes, minor: int) -> bytes | None:
    """Return what is equal for equal code; None where it is not code of Python 3.`minor`."""
    reader = _Reader(data, new=minor >= _MINOR_OF_LAYOUT)
    try:
        found = reader.read()
    except (ValueError, IndexError, RecursionError):
        return None
    return found if reader.is_at_end else None


class _Reader:
    """Reads objects; each becomes the digest of its kind and of what is in it, so that shared ones cost nothing."""

    def __init__(self, data: bytes, *, new: bool) -> None:
        self._data = data
        self._at = 0
        self._shared: list[bytes | None] = []
        self._layout = _LAYOUTS[new]

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def read(self) -> bytes:
        kind = self._take(1)[0]
        if kind == ord("r"):
            found = self._shared[self._number()]
            if found is None:
                raise ValueError("an object is in itself")
            return found
        place = len(self._shared) if kind & _SHARED else None
        if place is not None:
            self._shared.append(None)
        found = self._read(kind & ~_SHARED)
        if place is not None:
            self._shared[place] = found
        return found

    def _read(self, kind: int) -> bytes:
        if kind == ord("c"):
            return self._code(kind)
        if kind == _SMALL_GROUP:
            return self._group(_GROUPS[0], self._take(1)[0])
        if kind in _GROUPS:
            return self._group(kind, self._number())
        if kind == ord(":"):  # a slice, since 3.14
            return self._group(kind, 3)
        content = self._take(self._size(kind))
        return _digest(_TEXT if kind in _TEXTS + _SHORT_TEXTS else kind, content)

    def _size(self, kind: int) -> int:
        if kind in _SIZES:
            return _SIZES[kind]
        if kind in _SHORT_TEXTS:
            return self._take(1)[0]
        size = self._number()
        if kind == ord("l"):  # digits of 15 bits; how many there are tells the sign too
            self._at -= 4
            return 4 + 2 * abs(size)
        if kind not in _TEXTS + b"s":
            raise ValueError("no kind of object that code holds")
        return size

    def _group(self, kind: int, size: int) -> bytes:
        parts = [self.read() for _ in range(size)]
        return _digest(kind, b"".join(sorted(parts) if kind in _SETS else parts))

    def _code(self, kind: int) -> bytes:
        numbers, file, objects, behind = self._layout
        parts = [self._take(4 * numbers)]
        for position in range(objects):
            found = self.read()
            parts += [] if position == file else [found]
        parts.append(self._take(4))
        parts += [self.read() for _ in range(behind)]
        return _digest(kind, b"".join(parts))

    def _number(self) -> int:
        return int.from_bytes(self._take(4), "little", signed=True)

    def _take(self, size: int) -> bytes:
        if size < 0 or self._at + size > len(self._data):
            raise ValueError("it ends too early")
        self._at += size
        return self._data[self._at - size : self._at]


def _digest(kind: int, content: bytes) -> bytes:
    return hashlib.blake2b(bytes([kind]) + content, digest_size=32).digest()

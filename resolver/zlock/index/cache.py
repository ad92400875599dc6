"""The cache on disk: parsed pages and metadata, in files that are read in milliseconds.

Every file is replaced whole, so runs side by side only ever see complete ones; each carries a digest, so
one that was damaged is as good as absent. `marshal` is the fastest reader there is for plain values; what
it writes may change with Python's version, which is why the folder names it.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Raise it whenever the shape of what is stored changes: older files are then left alone.
_FORMAT = 2
_DIGEST_SIZE = 16


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return where the platform keeps caches: `ZLOCK_CACHE_DIR`, `XDG_CACHE_HOME`, or the system's custom."""
    if environ.get("ZLOCK_CACHE_DIR"):
        return Path(environ["ZLOCK_CACHE_DIR"])
    home = Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "zlock" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "zlock"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "zlock"


class Cache:
    """Plain values by kind, group (an index) and key (a name)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / f"{_FORMAT}-{sys.implementation.cache_tag}"

    def _group(self, kind: str, group: str) -> Path:
        return self._folder / kind / hashlib.blake2b(group.encode(), digest_size=8).hexdigest()

    def read(self, kind: str, group: str, key: str) -> Any:
        """Return what was stored, or None where nothing whole is there."""
        try:
            data = (self._group(kind, group) / key).read_bytes()
        except OSError:
            return None
        body = memoryview(data)[_DIGEST_SIZE:]
        if hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest() != data[:_DIGEST_SIZE]:
            return None
        try:
            return marshal.loads(body)  # noqa: S302 - the digest says that zlock wrote it whole
        except (ValueError, EOFError, TypeError):
            return None

    def write(self, kind: str, group: str, key: str, value: Any) -> None:
        """Store a value; a cache that can't be written is no reason to fail."""
        body = marshal.dumps(value)
        folder = self._group(kind, group)
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest() + body)
                os.replace(temporary, folder / key)  # noqa: PTH105 - the name is text here
            except OSError:
                os.unlink(temporary)  # noqa: PTH108 - as above

    def remove(self, kind: str, group: str, key: str) -> None:
        """Forget a value, if it is there."""
        with contextlib.suppress(OSError):
            (self._group(kind, group) / key).unlink()

    def keys(self, kind: str, group: str) -> set[str]:
        """Return the keys stored under a kind and a group."""
        try:
            return {name for name in os.listdir(self._group(kind, group)) if not name.startswith(".")}  # noqa: PTH208 - names are all it needs
        except OSError:
            return set()

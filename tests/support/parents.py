"""Images to build upon that hold just what is read of a parent: a Python and a libc by their marks, users, folders."""

from __future__ import annotations

import platform
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.stored_images import Image, Members, make_layer, write_layout

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
FULL = platform.python_version()
_LOADERS = {"glibc": "/lib64/ld-linux-x86-64.so.2", "musl": "/lib/ld-musl-x86_64.so.1"}


def python_program(version: str = FULL, machine: int = 62, libc: str = "glibc") -> bytes:
    """Return what looks like an interpreter: the head of an ELF file, what loads it, its version."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine)
    return head + bytes(40) + _LOADERS[libc].encode() + b"\0" + bytes(64) + version.encode() + b"\0"


def parent_files(glibc: str = "2.36", **python: Any) -> dict[str, bytes | str | Any]:
    """Return the files of a parent; `python` is what `python_program` takes."""
    minor = python.get("version", FULL).rpartition(".")[0]
    libc = {"usr/lib/x86_64-linux-gnu/libc.so.6": f"GNU C Library (Debian) stable release version {glibc}.".encode()}
    return {
        "usr/": None,
        "usr/bin/": None,
        f"usr/bin/python{minor}": python_program(**python),
        "usr/bin/python3": f"python{minor}",
        "lib": "usr/lib",
        **(libc if glibc else {}),
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
        "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    }


def make_parent(folder: Path, files: Members | None = None, **config: Any) -> str:
    """Write a parent as a layout, and return what `parent-image` calls it.

    Args:
        folder: The layout.
        files: What is in it; a parent that is right for the Python of the tests if left out.
        config: What else it is, see `Image`.
    """
    found: Mapping[str, Any] = parent_files() if files is None else files
    write_layout(folder, {"base": Image(layers=(make_layer(found),), env=("PATH=/usr/local/bin:/usr/bin",), **config)})
    return f"oci:{folder}:base"

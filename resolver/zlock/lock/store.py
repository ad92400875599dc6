"""Locks on disk: read with every check, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zlock.errors import InvalidLock, OutsideFailed
from zlock.lock.identity import FORMAT, identity_of, integrity_of
from zlock.model.requirement import Asked

_NAME = re.compile(r"pylock\.([^.]+)\.toml")
_INTEGRITY = re.compile(r'^integrity = "(sha256:[0-9a-f]{64})"$', re.MULTILINE)
_MARKERS = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
_RESTORE = "restore it from version control, or delete it and run `zlock resolve`"


def lock_path(folder: Path, step: str) -> Path:
    """Return where a step's lock is (PEP 751, File name)."""
    return folder / f"pylock.{step}.toml"


def read_lock(path: Path) -> dict[str, Any] | None:
    """Return a lock as plain values, None where there is none.

    Raises:
        InvalidLock: It has merge conflicts, was cut short or edited, or a newer zlock wrote it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidLock(f"the lock `{path.name}` can't be read: {error}", hint=_RESTORE) from error
    conflict = _MARKERS.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise ConflictedLock(
            f"the lock `{path.name}` has a merge conflict at line {line}", hint="run `zlock resolve`, which mends it"
        )
    try:
        tree = tomllib.loads(text)
        own = tree["tool"]["zlock"]
        written_format = int(own["format"])
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise InvalidLock(
            f"the lock `{path.name}` was cut short or edited", context=[_reason(error)], hint=_RESTORE
        ) from error
    if written_format > FORMAT or str(tree.get("lock-version", "1.0")).split(".")[0] != "1":
        raise InvalidLock(
            f"the lock `{path.name}` is of a newer format than this zlock knows", hint="upgrade zlock to read it"
        )
    _check_integrity(path, text, tree)
    return tree


class ConflictedLock(InvalidLock):
    """A lock with merge-conflict markers: readers stop, `resolve` mends it."""


def _check_integrity(path: Path, text: str, tree: Mapping[str, Any]) -> None:
    own, packages = tree["tool"]["zlock"], tree.get("packages", [])
    written = _INTEGRITY.search(text)
    bare = _INTEGRITY.sub('integrity = ""', text, count=1)
    if written and own.get("packages") == len(packages) and integrity_of(bare) == written[1]:
        return
    if own.get("packages") != len(packages):
        why = f"it says {own.get('packages')} packages and holds {len(packages)}"
    else:
        try:
            same = identity_of(packages) == own.get("identity")
        except (KeyError, TypeError, AttributeError):
            same = False
        why = "its text differs from what was written" if same else "its packages differ from what was locked"
    raise InvalidLock(f"the lock `{path.name}` was cut short or edited", context=[why], hint=_RESTORE)


def _reason(error: Exception) -> str:
    return f"`[tool.zlock]` has no {error}" if isinstance(error, KeyError) else str(error)


def resign(text: str) -> str:
    """Return a lock's text with the integrity of what it holds now."""
    bare = _INTEGRITY.sub('integrity = ""', text, count=1)
    return bare.replace('integrity = ""', f'integrity = "{integrity_of(bare)}"', 1)


def pins_of(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions a lock pins, by name."""
    return {package["name"]: package["version"] for package in tree.get("packages", ()) if "version" in package}


def asked_of(tree: Mapping[str, Any]) -> tuple[Asked, ...]:
    """Return what the sources had asked for when a lock was written."""
    return tuple(Asked.from_table(table) for table in tree["tool"]["zlock"].get("sources", ()))


def existing_steps(folder: Path) -> dict[str, Path]:
    """Return the steps that have a lock of zlock's in a folder; other tools' locks are left alone."""
    found = {}
    for path in sorted(folder.glob("pylock.*.toml")):
        match = _NAME.fullmatch(path.name)
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if match and "[tool.zlock]" in path.read_text(encoding="utf-8"):
                found[match[1]] = path
    return found


def write_all(texts: Mapping[Path, str], remove: tuple[Path, ...], *, project: Path) -> None:
    """Write locks: all are staged before the first is replaced, and each is replaced whole.

    Raises:
        InvalidLock: A lock's place lies outside the project through a link.
        OutsideFailed: The disk refused; no lock was changed unless it says so.
    """
    for path in texts:
        if path.is_symlink() and not path.resolve().is_relative_to(project.resolve()):
            raise InvalidLock(
                f"the lock `{path.name}` is a link out of the project: `{path.resolve()}`", hint="remove it"
            )
    staged: list[tuple[str, Path]] = []
    try:
        for folder in {path.parent for path in texts}:
            folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            for folder in sorted({path.parent for path in texts}):
                stack.enter_context(_exclusive(folder))
            staged += [(_stage(path, text), path) for path, text in texts.items()]
            while staged:
                temporary, path = staged[0]
                _replace(temporary, path)
                staged.pop(0)
            for path in remove:
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in texts}:
                _sync_folder(folder)
    except OSError as error:
        raise OutsideFailed(
            f"the locks could not be written: {error}", hint="free or unlock the folder, then run again"
        ) from error
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - the name is text


def _stage(path: Path, text: str) -> str:
    """Write a text beside its place and to the disk; return the temporary name."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".zlock-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)  # noqa: PTH101 - the name is text
    except OSError:
        os.unlink(temporary)  # noqa: PTH108 - as above
        raise
    return temporary


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _replace(temporary: str, path: Path) -> None:
    """Replace a file; Windows refuses for a moment while another program reads it."""
    for attempt in range(20):
        try:
            os.replace(temporary, path.resolve() if path.is_symlink() else path)  # noqa: PTH105 - the name is text
        except PermissionError:
            if os.name != "nt" or attempt == 19:  # noqa: PLR2004 - the last attempt
                raise
            time.sleep(0.05)
        else:
            return


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Keep a second run from replacing the same locks half-way between; where the system can't, go on."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

"""Locks on disk: read with every check, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from zlock.errors import InvalidLock, OutsideFailed
from zlock.interrupts import interrupts_postponed
from zlock.lock.exclusive import exclusive
from zlock.lock.identity import FORMAT, identity_of, is_signed, own_begin, owner_in
from zlock.lock.toml import Row, read_table
from zlock.model.conflict import conflicted_line
from zlock.model.distribution import LockedReference
from zlock.model.link import is_wheel
from zlock.model.requirement import Asked
from zlock.regular import read_regular
from zlock.reporting import Reporter

_NAME = re.compile(r"pylock\.([^.]+)\.toml")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_PACKAGE = "\n\n[[packages]]\n"
_SEVERAL = 4  # files; fewer are not worth starting threads for
_SYNCING = 16
_STAGED = ".zlock-staged-"
ENVIRONMENTS = "pyproject.toml:hatch.envs."
"""Before the name of an environment of hatch, where a lock says whose it is."""
_RESTORE = "restore it from version control, or delete it and run `zlock resolve`"


def lock_path(folder: Path, step: str) -> Path:
    """Return where a step's lock is (PEP 751, File name)."""
    return folder / f"pylock.{step}.toml"


def step_of(name: str) -> str | None:
    """Return the step whose lock has a file name, None where it is no lock's."""
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def read_lock(path: Path) -> dict[str, Any] | None:
    """Return a lock as plain values, None where there is none.

    Raises:
        InvalidLock: It has merge conflicts, was cut short or edited, or a newer zlock wrote it.
    """
    text = read_text(path)
    return None if text is None else parse_lock(path, text)


def parse_facts(path: Path, text: str) -> dict[str, Any]:
    """Return a lock's text as plain values without its packages, which are most of it.

    Raises:
        InvalidLock: As `read_lock` has it.
    """
    if not own_begin(text) or not is_signed(text):
        return parse_lock(path, text)
    facts = {"tool": {"zlock": _read_own(text)}}
    _check_format(path, facts["tool"]["zlock"]["format"], None)
    return facts


def read_text(path: Path) -> str | None:
    """Return a lock's text, None where there is none.

    Raises:
        InvalidLock: It can't be read.
    """
    try:
        if not path.is_fifo():
            return read_regular(path).decode().replace("\r\n", "\n")
        why = "it is a pipe"
    except FileNotFoundError:
        if not path.is_symlink():
            return None
        why = "it is a link to nothing"
    except PermissionError as error:
        hint = f"let your user read `{path}`"
        raise InvalidLock(f"the lock `{path.name}` can't be read", context=["permission denied"], hint=hint) from error
    except OSError as error:
        why = str(error.strerror or error).lower()
    except UnicodeDecodeError:
        why = "it is no text in UTF-8"
    raise InvalidLock(f"the lock `{path.name}` can't be read", context=[why], hint=_RESTORE)


def parse_lock(path: Path, text: str) -> dict[str, Any]:
    """Return a lock's text as plain values, with every check of `read_lock`."""
    line = conflicted_line(text)
    if line is not None:
        raise ConflictedLock(
            f"the lock `{path.name}` has a merge conflict at line {line}", hint="run `zlock resolve`, which mends it"
        )
    signed = is_signed(text)
    try:
        tree = _read_signed(text) if signed and own_begin(text) else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    own = tree["tool"].get("zlock") if isinstance(tree.get("tool"), dict) else None
    if not isinstance(own, dict):
        maker = tree.get("created-by", "zlock")
        raise _damaged(path, "it has no `[tool.zlock]`") if maker == "zlock" else _foreign(path, maker)
    _check_format(path, own.get("format"), tree.get("lock-version"))
    why = _what_differs(tree) or ("" if signed else "its text differs from what was written")
    if why:
        raise _damaged(path, why)
    return tree


def _read_signed(text: str) -> dict[str, Any]:
    """Return what a text says that zlock wrote, package by package: those of several steps are read once."""
    head, *rows = text[: own_begin(text)].split(_PACKAGE)
    tree = tomllib.loads(head)
    if rows:
        tree["packages"] = list(map(_read_package, rows))
    return tree | {"tool": {"zlock": _read_own(text)}}


def _read_own(text: str) -> dict[str, Any]:
    """Return the table `[tool.zlock]`, which is the last of a lock."""
    text = text[own_begin(text) :]
    if "\n[tool.zlock." in text:  # a table inside it, which belongs to what stands before it
        own: dict[str, Any] = tomllib.loads(text)["tool"]["zlock"]
        return own
    stated, *rows = text.split("\n\n[[tool.zlock.")
    own = read_table(stated.partition("]\n")[2])
    for row in rows:
        name, _, body = row.partition("]]\n")
        own.setdefault(name, []).append(read_table(body))
    return own


@lru_cache(maxsize=4096)
def _read_package(text: str) -> Row:
    (package,) = tomllib.loads(_PACKAGE + text)["packages"]
    return Row(package)


def _damaged(path: Path, why: str) -> InvalidLock:
    return InvalidLock(f"the lock `{path.name}` was cut short or edited", context=[why], hint=_RESTORE)


def _foreign(path: Path, maker: object) -> InvalidLock:
    return InvalidLock(
        f"`{path.name}` is a lock of another tool: it says that it was created by `{maker}`",
        hint="move it away, or set another `lock-dir`",
    )


def _check_format(path: Path, written: object, version: object) -> None:
    """Hold the format of `[tool.zlock]`, and PEP 751's `lock-version`, against what is known."""
    newer = isinstance(written, int) and written > FORMAT
    if newer or (isinstance(version, str) and _VERSION.fullmatch(version) and not version.startswith("1.")):
        raise InvalidLock(
            f"the lock `{path.name}` is of a newer format than this zlock knows", hint="upgrade zlock to read it"
        )


class ConflictedLock(InvalidLock):
    """A lock with merge-conflict markers: readers stop, `resolve` mends it."""


def _what_differs(tree: Mapping[str, Any]) -> str:
    """Say what of a lock's packages is not as it was locked; empty where they are."""
    own, packages = tree["tool"]["zlock"], tree.get("packages", [])
    try:
        if own.get("packages") != len(packages):
            return f"it says {own.get('packages')} packages and holds {len(packages)}"
        same = identity_of(packages, own.get("builds", ())) == own.get("identity")
    except (KeyError, TypeError, AttributeError, ValueError):
        same = False
    return "" if same else "its packages differ from what was locked"


def pins_of(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return what a lock pins, by name: the version, of a repository the commit, of a folder its path.

    Several versions of one name are for several platforms.
    """
    found: dict[str, list[str]] = {}
    for package in tree.get("packages", ()):
        commit = package.get("vcs", {}).get("commit-id", "")[:12]
        found.setdefault(package["name"], []).append(package.get("version") or commit or package["directory"]["path"])
    return {name: ", ".join(versions) for name, versions in found.items()}


def references_of(tree: Mapping[str, Any]) -> dict[str, LockedReference]:
    """Return the repositories and archives that a lock holds, by name."""
    found = {}
    for package in tree.get("packages", ()):
        place = package.get("vcs") or package.get("archive")
        if place:
            found[package["name"]] = LockedReference(
                url=place.get("url", ""),
                requested_revision=place.get("requested-revision", ""),
                commit=place.get("commit-id", ""),
                sha256=place.get("hashes", {}).get("sha256", ""),
            )
    return found


def unhashed_of(tree: Mapping[str, Any]) -> list[str]:
    """Return the repositories and folders that a lock holds, by name: they have no hash."""
    return [package["name"] for package in tree.get("packages", ()) if "vcs" in package or "directory" in package]


def is_built(package: Mapping[str, Any]) -> bool:
    """Return whether a package is a repository, a folder or an archive that has to be built before it is installed."""
    archive = package.get("archive") or {"path": ".whl"}
    return "vcs" in package or "directory" in package or not is_wheel(archive.get("url") or archive["path"])


def unbuilt_of(tree: Mapping[str, Any]) -> list[str]:
    """Return what is to be built, and the lock does not say with what: earlier versions locked that for no such."""
    known = {build["package"] for build in tree["tool"]["zlock"].get("builds", ())}
    return [one["name"] for one in tree.get("packages", ()) if is_built(one) and one["name"] not in known]


def asked_of(tree: Mapping[str, Any]) -> tuple[Asked, ...]:
    """Return what the sources had asked for when a lock was written."""
    return tuple(Asked.from_table(table) for table in tree["tool"]["zlock"].get("sources", ()))


def uv_of(tree: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a lock says of uv: its `version` and its `wheels`; None where it was locked for pip."""
    found: Mapping[str, Any] | None = tree["tool"]["zlock"].get("uv")
    return found


class ExistingLock(NamedTuple):
    """A lock of zlock's in a folder, whole or not.

    Attributes:
        path: Its place.
        owner: The pipeline it belongs to, see `Facts`; empty for the configuration's own steps.
        text: All of it.
    """

    path: Path
    owner: str
    text: str

    @property
    def is_environment(self) -> bool:
        """Whether it is the lock of an environment of hatch, and of no step."""
        return self.owner.startswith(ENVIRONMENTS)


def existing_steps(folder: Path) -> dict[str, ExistingLock]:
    """Return the steps that have a lock of zlock's in a folder; other tools' locks are left alone."""
    found = {}
    for path in sorted(folder.glob("pylock.*.toml")):
        step = step_of(path.name)
        with contextlib.suppress(InvalidLock):  # who needs it will hear that
            text = (read_text(path) if step else None) or ""
            if step and "[tool.zlock]" in text:
                found[step] = ExistingLock(path, owner_in(text), text)
    return found


def write_all(texts: Mapping[Path, str], remove: tuple[Path, ...], *, project: Path, reporter: Reporter) -> None:
    """Write locks: all are staged before the first is replaced, and each is replaced whole.

    Raises:
        InvalidLock: A lock's place lies outside the project through a link.
        OutsideFailed: The disk refused, or another run keeps the folder; no lock was changed unless it says so.
    """
    for path in texts:
        check_place(path, project)
    done: list[str] = []
    places = {path.resolve(): text for path, text in texts.items()}
    try:
        folders = sorted({path.parent for path in (*places, *remove)})
        with contextlib.ExitStack() as stack:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
                if stack.enter_context(exclusive(folder, reporter)):
                    _clear(folder, _STAGED)
                stack.callback(_clear, folder, _own_prefix())
            staged = [(_stage(place, text), place) for place, text in places.items()]
            _sync([temporary for temporary, _ in staged])
            stack.enter_context(interrupts_postponed())
            for temporary, place in staged:
                _replace(temporary, place)
                done.append(place.name)
            for path in remove:
                path.unlink(missing_ok=True)
                done.append(path.name)
            for folder in folders:
                _sync_folder(folder)
    except OSError as error:
        raise OutsideFailed(
            f"the locks could not be written: {error.strerror or error}",
            context=[f"changed before that: {', '.join(f'`{name}`' for name in done)}"] if done else [],
            hint="free or unlock the folder, then run again",
        ) from error


def replace_text(path: Path, text: str) -> None:
    """Write a file that is no lock: whole or not at all, and behind a link where that leads.

    A pipe or a device is no file that could be replaced: it is written to.

    Raises:
        OutsideFailed: A folder has its name, its own folder is not there, or the disk refused; what was there is as
            it was.
    """
    try:
        if _takes_a_stream(path):
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        place = Path(os.path.realpath(path))
        temporary = _stage(place, text)
        try:
            _sync_file(temporary)
            _replace(temporary, place)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:  # its own message names the staged file
        raise OutsideFailed(
            f"`{path}` can't be written: {(error.strerror or str(error)).lower()}",
            hint="name a file in a folder that is there",
        ) from error


def _takes_a_stream(path: Path) -> bool:
    """Return whether something has a name that is neither a file nor a folder.

    Raises:
        OSError: It is a folder, or a link that leads to itself.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(mode)


def check_place(path: Path, project: Path) -> None:
    """Refuse a link that leads out of the project, or out of a folder that the configuration put elsewhere.

    Raises:
        InvalidLock: The lock's place is behind such a link.
    """
    inside = Path(os.path.normpath(path)).is_relative_to(project)
    root = project if inside else path.parent
    if not path.resolve().is_relative_to(root.resolve()):
        raise InvalidLock(
            f"the lock `{path.name}` is reached through a link out of the project",
            context=[f"it leads to `{path.resolve()}`"],
            hint="remove the link",
        )


def _own_prefix() -> str:
    return f"{_STAGED}{os.getpid()}-"


def _clear(folder: Path, prefix: str) -> None:
    """Remove what was staged and not used: by this run, or by one that was killed."""
    for stale in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            stale.unlink()


def _stage(path: Path, text: str) -> str:
    """Write a text beside its place; return the temporary name."""
    import tempfile

    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_own_prefix())
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        os.chmod(temporary, mode)  # noqa: PTH101 - the name is text
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return temporary


def _sync(files: Sequence[str]) -> None:
    """Bring files to the disk; side by side, as each waits for it, and the disk takes many at once."""
    if len(files) < _SEVERAL:
        for file in files:
            _sync_file(file)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_SYNCING) as pool:
        list(pool.map(_sync_file, files))


def _sync_file(file: str) -> None:
    handle = os.open(file, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _replace(temporary: str, path: Path) -> None:
    """Replace a file; Windows refuses for a moment while another program reads it."""
    for attempt in range(20):
        try:
            os.replace(temporary, path)  # noqa: PTH105 - the name is text
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

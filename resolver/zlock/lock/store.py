"""Locks on disk, read with every check."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from zlock.errors import InvalidLock
from zlock.lock.facts import Facts
from zlock.lock.forms import LockVersion, MarkerText, SpecifierText
from zlock.lock.identity import FORMAT, is_whole, own_begin, owner_in
from zlock.lock.toml import read_table
from zlock.model import plain
from zlock.model.conflict import conflicted_line
from zlock.model.form import Misstated, read
from zlock.model.paths import leads_out, real
from zlock.model.toml import parse_toml
from zlock.regular import read_regular

if TYPE_CHECKING:  # most runs that read locks look at no package
    from zlock.lock.lock import Lock
    from zlock.lock.package import Package

_NAME = r"pylock\.([^.]+)\.toml"
_VERSION = r"[0-9]+(\.[0-9]+)*"
T = TypeVar("T")
_OWN = "tool.zlock"
_HEAD = 'lock-version = "1.0"\n'
_PACKAGE = "\n\n[[packages]]\n"
ENVIRONMENTS = "pyproject.toml:hatch.envs."
"""Before the name of an environment of hatch, where a lock says whose it is."""
_RESTORE = (
    "restore it from version control; or delete it, with the versions and the digest of the base image that it keeps, "
    "and run `zlock resolve`"
)


def lock_path(folder: Path, step: str) -> Path:
    """Return where a step's lock is (PEP 751, File name)."""
    return folder / f"pylock.{step}.toml"


def check_place(path: Path, project: Path) -> None:
    """Refuse a link that leads out of the project, or out of a folder that the configuration put elsewhere.

    Raises:
        InvalidLock: The lock's place is behind such a link.
    """
    if leads_out(path, project):
        raise InvalidLock(
            f"the lock `{path.name}` is reached through a link out of the project",
            context=[f"it leads to `{real(path)}`"],
            hint="remove the link",
        )


def step_of(name: str) -> str | None:
    """Return the step whose lock has a file name, None where it is not a lock's."""
    match = re.fullmatch(_NAME, name)
    return match[1] if match else None


def read_lock(path: Path) -> Lock | None:
    """Return a lock, None where there is none.

    Raises:
        InvalidLock: It has merge conflicts, was cut short or edited, holds what no lock may, or a newer zlock wrote it.
    """
    text = read_text(path)
    return None if text is None else parse_lock(path, text)


def parse_facts(path: Path, text: str) -> Facts:
    """Return what a lock's text says beside its packages, which are most of it and are not looked at.

    Raises:
        InvalidLock: As `read_lock` has it.
    """
    if is_whole(text) and text.startswith(_HEAD):
        with _checked(path):
            facts = _read_facts(path, text)
        if facts.packages == text.count(_PACKAGE, 0, own_begin(text)):
            return facts
    return parse_lock(path, text).facts  # which says what is wrong


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
        why = "it is not valid UTF-8"
    raise InvalidLock(f"the lock `{path.name}` can't be read", context=[why], hint=_RESTORE)


def parse_lock(path: Path, text: str) -> Lock:
    """Return a lock's text as a lock: with every check of `read_lock`, and held to its form in every part."""
    line = conflicted_line(text)
    if line is not None:
        raise ConflictedLock(
            f"the lock `{path.name}` has a merge conflict at line {line}", hint="run `zlock resolve`, which mends it"
        )
    if not is_whole(text):
        raise _not_whole(path, text)
    lock = lock_in(path, text)
    if lock.facts.packages != len(lock.packages):
        raise _damaged(path, f"it says {lock.facts.packages} packages and holds {len(lock.packages)}")
    if lock.facts.identity != lock.identity:
        raise _damaged(path, "its packages differ from what was locked")
    return lock


def lock_in(path: Path, text: str) -> Lock:
    """Return a text as a lock, held to its form in every part; that it was written so is another question.

    Raises:
        InvalidLock: It is none.
    """
    from zlock.lock.lock import Lock
    from zlock.lock.package import Package

    with _checked(path):
        head, *rows = text[: own_begin(text)].split(_PACKAGE)
        document = parse_toml(head)
        if rows and "packages" in document:
            raise Misstated("it is there twice", "packages")
        _check_format(path, None, document.get("lock-version"))
        _read(LockVersion, document, "lock-version")
        lock = Lock(
            environments=_read(tuple[MarkerText, ...], document, "environments"),
            requires_python=_read(SpecifierText, document, "requires-python"),
            packages=tuple(map(_read_package, rows)) or _read(tuple[Package, ...], document, "packages"),
            facts=_read_facts(path, text),
        )
        lock.check()
        return lock


def _not_whole(path: Path, text: str) -> InvalidLock:
    """Return what is wrong with a text that is not as zlock wrote it."""
    try:
        document = parse_toml(text)
    except (ValueError, RecursionError) as error:
        return _damaged(path, str(error))
    tool = document.get("tool")
    own = tool.get("zlock") if isinstance(tool, dict) else None
    if isinstance(own, dict):
        _check_format(path, own.get("format"), document.get("lock-version"))
        return _damaged(path, "its text differs from what was written")
    maker = document.get("created-by", "zlock")
    return _damaged(path, "it has no `[tool.zlock]`") if maker == "zlock" else _foreign(path, maker)


@contextlib.contextmanager
def _checked(path: Path) -> Iterator[None]:
    """Say of which lock something is not of its form: whoever wrote it can make its digests anew, so it may be any."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise InvalidLock(
            f"the lock `{path.name}` holds what no lock may", context=[str(error)], hint=_RESTORE
        ) from error


def _read(kind: type[T], table: Mapping[str, object], key: str) -> T:
    try:
        return read(kind, table.get(key))
    except Misstated as error:
        raise error.within(key) from error


@lru_cache(maxsize=4096)
def _read_package(text: str) -> Package:
    """Return a package from its text; those of several steps are read once."""
    from zlock.lock.package import Package

    (package,) = plain.tables(parse_toml(_PACKAGE + text), "packages")
    try:
        return read(Package, package)
    except Misstated as error:
        raise error.within(f"packages[{package.get('name')!r}]") from error


def _read_facts(path: Path, text: str) -> Facts:
    own = _read_own(text)
    _check_format(path, own.get("format"), None)
    if own.get("format") == 1:
        from zlock.lock.format_one import as_values  # until the lock is written again

        own = as_values(own)
    return _read(Facts, {_OWN: own}, _OWN)


def _read_own(text: str) -> dict[str, object]:
    """Return the table `[tool.zlock]`, which is the last of a lock."""
    text = text[own_begin(text) :]
    if "\n[tool.zlock." in text:  # a table inside it, which belongs to what stands before it
        return dict(plain.table(parse_toml(text), "tool", "zlock"))
    stated, *rows = text.split("\n\n[[tool.zlock.")
    own, tables = read_table(stated.partition("]\n")[2]), dict[str, list[object]]()
    for row in rows:
        name, _, body = row.partition("]]\n")
        tables.setdefault(name, []).append(read_table(body))
    if own.keys() & tables.keys():
        raise ValueError(f"{', '.join(own.keys() & tables.keys())} is there twice")
    return {**own, **tables}


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
    if newer or (isinstance(version, str) and re.fullmatch(_VERSION, version) and not version.startswith("1.")):
        raise InvalidLock(
            f"the lock `{path.name}` is of a newer format than this zlock knows", hint="upgrade zlock to read it"
        )


def other_step(path: Path, facts: Facts) -> InvalidLock:
    """Return the error for a lock that has the name of another step's."""
    hint = "run `zlock resolve`, which writes that of the step itself"
    return InvalidLock(f"the lock `{path.name}` is that of step `{facts.step}`", hint=hint)


class ConflictedLock(InvalidLock):
    """A lock with merge-conflict markers: readers stop, `resolve` mends it."""


class ExistingLock(Struct, frozen=True):
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
    paths = {step: path for path in sorted(folder.glob("pylock.*.toml")) if (step := step_of(path.name))}
    return {step: found for step, path in paths.items() if (found := existing_lock(path))}


def existing_lock(path: Path) -> ExistingLock | None:
    """Return the lock of zlock's that is at a place, None for one of another tool or one that can't be read."""
    with contextlib.suppress(InvalidLock):  # who needs it will hear that
        text = read_text(path) or ""
        return ExistingLock(path, owner_in(text), text) if "[tool.zlock]" in text else None
    return None

"""The project's own files, as far as they belong into an image."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from zlock.errors import Collector, InvalidConfiguration
from zlock.image.bake import is_bake_file
from zlock.image.context.folder import is_context
from zlock.image.context.ignore import read_ignore, walk
from zlock.image.plan import Program
from zlock.model.image import WORKING_FOLDER, whiteout_in
from zlock.model.paths import real
from zlock.regular import NotRegular, read_regular

_NEVER = frozenset({".git", ".hg", ".svn", "__pycache__", "zlock.toml"})
_LARGEST = 1 << 30  # bytes of a file: they are held in memory
_HINT = "leave it out in `.dockerignore`"
# Stores of keys, variables, keys of ssh but for their public halves, and what is called a secret.
_SECRET = re.compile(
    r"""
      .*\.(pem|key|p12|pfx|ppk|jks|keystore|kdbx) | .*\.env(\..*)?
    | id_[^.]* | id_(rsa|dsa|ecdsa|ed25519|xmss).*(?<!\.pub) | .*(secret|credential).*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SECRETS = frozenset({"secret", "secrets", "credential", "credentials"})


def project_files(folder: Path, others: Collection[Path], credentials: Collection[str]) -> dict[str, bytes]:
    """Return the files of a project by their paths with `/`; those that can be run are programs.

    `.dockerignore` says which; where there is none, all but those with a dot in front. Never there are version
    control, virtual environments, compiled modules, `zlock.toml`, the given folders of zlock's own, and what zlock
    writes for builders, wherever it is: were it an input, each run would move the keys that it writes.

    Args:
        folder: The project's folder.
        others: Folders that are left out.
        credentials: Texts that no file may hold.

    Raises:
        InvalidConfiguration: A link leads out of the project or to nothing, something is not a file, a name is not
            valid UTF-8 or takes files away, or a file holds credentials; several come as `Problems`.
        OSError: A file can't be read.
    """
    rule = read_ignore(folder / ".dockerignore") or _hidden
    never = {real(place) for place in others}
    is_foreign = functools.cache(lambda place: place in never or (place / "pyvenv.cfg").is_file() or is_context(place))
    found = {}
    problems = Collector()
    for path, place in walk(folder, lambda path: _is_never(folder, path, is_foreign) or rule(path)):
        with problems:
            data = _read(folder, path, place)
            if is_bake_file(data):
                continue
            found[path] = data
            check_publishable(path, data, credentials, " in `.dockerignore`")
    problems.raise_if_any()
    return found


def likely_secrets(folder: Path, files: Iterable[str]) -> list[str]:
    """Return those of a project's files whose names are like those of keys and passwords.

    What a line of `.dockerignore` names as to be copied (`!certs/public.pem`) is meant to be.
    """
    ignore = folder / ".dockerignore"
    text = read_regular(ignore).decode(errors="replace") if ignore.is_file() else ""
    meant = {line.strip().lstrip("!/") for line in text.splitlines() if line.startswith("!")}
    return [path for path in files if path not in meant and _is_like_a_secret(path)]


def _is_like_a_secret(path: str) -> bool:
    *folders, name = path.split("/")
    return bool(_SECRET.fullmatch(name)) or not _SECRETS.isdisjoint(map(str.lower, folders))


def check_publishable(path: str, data: bytes, credentials: Collection[str], where: str = "") -> None:
    """Hold a file for an image to have no credentials of an index in it.

    Raises:
        InvalidConfiguration: It has.
    """
    if any(text.encode() in data for text in credentials):
        raise InvalidConfiguration(
            f"`{path}` holds the credentials of an index, and would be copied into an image",
            hint=f"give them in the environment, netrc or the keyring; or leave the file out{where}",
        )


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _is_never(folder: Path, path: str, is_foreign: Callable[[Path], bool]) -> bool:
    parts = path.split("/")
    if not _NEVER.isdisjoint(parts) or path.endswith(".pyc"):
        return True
    return any(is_foreign(folder.joinpath(*parts[:end])) for end in range(1, len(parts)))


def _read(folder: Path, path: str, place: Path) -> bytes:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise InvalidConfiguration(f"the file name `{shown}` is not valid UTF-8", hint=_HINT) from error
    if gone := whiteout_in(f"{WORKING_FOLDER}/{path}"):
        raise InvalidConfiguration(f"`{path}` would delete {gone} of the base image", hint=_HINT)
    if place.is_symlink():
        if not real(place).is_relative_to(real(folder)):
            raise InvalidConfiguration(f"the link `{path}` leads out of the project", hint=_HINT)
        if place.is_dir():
            raise InvalidConfiguration(f"the link `{path}` leads to a folder, which can't be copied", hint=_HINT)
        if not place.exists():
            raise InvalidConfiguration(f"the link `{path}` leads to nothing", hint=_HINT)
    if not place.is_file():
        raise InvalidConfiguration(f"`{path}` is not a file but a pipe, a socket or a device", hint=_HINT)
    try:
        data = read_regular(place, _LARGEST)
    except NotRegular as error:
        raise InvalidConfiguration(f"`{path}` can't be copied into an image: {error.strerror}", hint=_HINT) from error
    return Program(data) if place.stat().st_mode & 0o111 else data

"""Logins for registries: from Docker's and the containers tools' files and their credential helpers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from zlock.errors import CommandFailed, InvalidInput
from zlock.model import plain
from zlock.model.paths import home_of
from zlock.model.reference import ImageReference, canonical_host
from zlock.model.unshown import Unshown
from zlock.regular import read_regular

_HELPER = "docker-credential-"


class Login(Unshown, frozen=True, kw_only=True):
    """A login; either a user and a password, or an identity token; and the file that it is from, for messages."""

    user: str = ""
    password: str = ""
    identity_token: str = ""
    file: str = ""


def find_login(reference: ImageReference, environ: Mapping[str, str]) -> Login | None:
    """Return the login for an image's registry, None where nobody is logged in there.

    The files are asked in this order: `REGISTRY_AUTH_FILE`, Docker's `config.json`, and, without the first, the
    `auth.json` of podman, buildah and skopeo. In each, the entry for the longest part of the name counts.

    Raises:
        InvalidInput: A file can't be read.
        CommandFailed: A credential helper is not there, or fails.
    """
    for path in _files(environ):
        found = _from_file(path, reference, environ)
        if found:
            return replace(found, file=str(path))
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    home = home_of(environ)
    named = environ.get("REGISTRY_AUTH_FILE")
    if named:
        yield Path(named)
    yield Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if not named:
        if environ.get("XDG_RUNTIME_DIR"):
            yield Path(environ["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"


def _from_file(path: Path, reference: ImageReference, environ: Mapping[str, str]) -> Login | None:
    table = _read(path)
    auths, helpers = (plain.table(table, key) for key in ("auths", "credHelpers"))
    for key in _keys(reference):
        entries = {name: entry for name, entry in auths.items() if _key_of(name) == key}
        helper = helpers.get(key) or ("" if "/" in key else table.get("credsStore"))
        if entries or helper:
            found = _ask(path, key, entries, str(helper or ""), environ)
            if found:
                return found
    return None


def _keys(reference: ImageReference) -> Iterator[str]:
    """Return what a login may be kept under, the longest first (containers-auth.json(5))."""
    parts = reference.name.split("/")
    for end in range(len(parts), 0, -1):
        yield "/".join(parts[:end])


def _key_of(name: str) -> str:
    """Return what a key of a file means: Docker's older ones are URLs, of which only the host counts."""
    bare = name.removeprefix("https://").removeprefix("http://")
    host, _, path = bare.partition("/")
    return f"{canonical_host(host)}/{path}" if path and bare == name else canonical_host(host)


def _ask(path: Path, key: str, entries: Mapping[str, object], helper: str, environ: Mapping[str, str]) -> Login | None:
    """Have Docker's own library decode an entry, or ask a credential helper."""
    from docker.auth import INDEX_NAME, INDEX_URL, AuthConfig  # type: ignore[import-untyped]
    from docker.errors import DockerException  # type: ignore[import-untyped]

    config: dict[str, object] = {}
    if helper:
        if shutil.which(f"{_HELPER}{helper}", path=environ.get("PATH")) is None:
            raise CommandFailed(
                f"the credential helper `{_HELPER}{helper}` was not found",
                context=[f"`{path}` keeps the login for `{key}` in it"],
                hint="install it, or log in again without it",
            )
        config["credHelpers"] = {INDEX_URL if key == INDEX_NAME else key: helper}
    if entries:
        config["auths"] = {key: next(iter(entries.values()))}
    try:
        found = AuthConfig.load_config(None, config, dict(environ)).resolve_authconfig(key) or {}
    except DockerException as error:
        raise CommandFailed(
            f"could not get the login for `{key}`: {error}", context=[f"kept by `{path}`"], hint="log in again"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"the login for `{key}` in `{path}` can't be read", hint="log in again") from error
    folded = {name.lower(): str(value) for name, value in found.items() if value}
    login = Login(
        user=folded.get("username", ""),
        password=folded.get("password", ""),
        identity_token=folded.get("identitytoken", ""),
    )
    return login if login != Login() else None


def _read(path: Path) -> Mapping[str, object]:
    try:
        return plain.table(json.loads(read_regular(path)))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"`{path}` can't be read, so there may be logins that zlock does not see",
            context=[str(error)],
            hint="correct it, or name another with `DOCKER_CONFIG` or `REGISTRY_AUTH_FILE`",
        ) from error

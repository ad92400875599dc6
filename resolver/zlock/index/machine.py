"""What this machine's pip and uv are configured for: the default index, the network, and what is not read."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct

from zlock.errors import IndexFailed
from zlock.model import plain
from zlock.model.paths import home_of
from zlock.model.toml import parse_toml
from zlock.regular import read_regular

# Settings that would make a lock depend on the machine.
_UNREAD_VARIABLES = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT", "UV_INDEX", "UV_EXTRA_INDEX_URL",
                     "UV_FIND_LINKS", "UV_CONSTRAINT", "UV_OVERRIDE")  # fmt: skip
_HELP_TIMEOUT = 60  # seconds
_UNREAD_KEYS = ("extra-index-url", "find-links", "constraint", "no-index")
_UNREAD_UV_KEYS = ("extra-index-url", "find-links", "no-index", "constraint-dependencies", "override-dependencies")


class Machine(Struct, frozen=True, kw_only=True):
    """The relevant part of a machine's configuration.

    Attributes:
        environ: The environment variables.
        pip: The `[global]` and `[install]` keys of pip's configuration files.
        uv: The keys of uv's configuration file.
    """

    environ: Mapping[str, str]
    pip: Mapping[str, str]
    uv: Mapping[str, object]

    @classmethod
    def read(cls, environ: Mapping[str, str], project: Path) -> Machine:
        """Read it; files that are not there or can't be read count as empty, as for pip and uv."""
        return cls(environ=environ, pip=_read_pip(environ), uv=_read_uv(environ, project))

    def index_url(self) -> str:
        """Return the URL of the default index, "" where nothing names one; uv's configuration counts before pip's."""
        by_uv = [_without_name(self.environ.get(name, "")) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")]
        by_uv += [_uv_default(table) or "" for table in (self.uv, plain.table(self.uv, "pip"))]
        return next(filter(None, (*by_uv, self.environ.get("PIP_INDEX_URL"), self.pip.get("index-url"))), "")

    def unread(self) -> list[str]:
        """Return the settings of this machine that a lock must not depend on, and that are therefore not read."""
        found = [name for name in _UNREAD_VARIABLES if self.environ.get(name)]
        found += [f"`{key}` in pip's configuration" for key in _UNREAD_KEYS if self.pip.get(key)]
        tables = [self.uv, plain.table(self.uv, "pip")]
        keys = [key for key in _UNREAD_UV_KEYS if any(table.get(key) for table in tables)]
        rows = [row for table in tables for row in plain.tables(table, "index")]
        keys += ["index"] if not all(row.get("default") for row in rows) else []
        return found + [f"`{key}` in uv's configuration" for key in keys]


def uv_indexes_of(project: Path) -> str:
    """Return the `pyproject.toml` whose `[tool.uv]` uv would read in a project, where it names an index; else "".

    It is the project's, not the machine's, and zlock has its own configuration for that, which counts in `inputs`.
    """
    for folder in (project, *project.parents):
        table = plain.at(_toml(folder / "pyproject.toml"), "tool", "uv")
        if isinstance(table, dict):
            named = any(one.get("index") or one.get("index-url") for one in (table, plain.table(table, "pip")))
            return Path(os.path.relpath(folder / "pyproject.toml", project)).as_posix() if named else ""
    return ""


def _without_name(value: str) -> str:
    """Return the URL of uv's `name=URL` form."""
    return re.sub(r"^[\w-]+=(?=\w+://)", "", value)


def _uv_default(table: Mapping[str, object]) -> str | None:
    urls = [row.get("url") for row in plain.tables(table, "index") if row.get("default")] + [table.get("index-url")]
    return next((url for url in urls if isinstance(url, str)), None)


def _system_folders(environ: Mapping[str, str]) -> list[Path]:
    return [Path(folder) for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)]


def _read_pip(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what pip's files say: `[install]` before `[global]`, later files before earlier ones."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for place in filter(os.path.exists, _pip_places(environ)):
        import configparser  # most machines have none of the files

        parser = configparser.RawConfigParser()
        try:
            parser.read_string(read_regular(place).decode())
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section, found in sections.items():
            if parser.has_section(section):
                found |= {key.replace("_", "-"): value.strip() for key, value in parser.items(section)}
    return sections["global"] | sections["install"]


def _pip_places(environ: Mapping[str, str]) -> list[Path]:
    """Return where pip looks: system, user, environment, and the file that a variable names."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = home_of(environ)
    name = "pip.ini" if sys.platform == "win32" else "pip.conf"
    if sys.platform == "win32":
        system = [Path(environ.get("ProgramData") or "C:\\ProgramData")]
        user = [home / "pip", Path(environ.get("APPDATA") or home) / "pip"]
    else:
        system = _system_folders(environ)
        user = [home / ".pip", Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"]
        if sys.platform == "darwin":
            user.append(home / "Library" / "Application Support" / "pip")
    places = [folder / "pip" / name for folder in system]
    places += [] if sys.platform == "win32" else [Path("/etc/pip.conf")]
    places += [folder / name for folder in user]
    if environ.get("VIRTUAL_ENV"):
        places.append(Path(environ["VIRTUAL_ENV"]) / name)
    return [*places, Path(named)] if named else places


def _read_uv(environ: Mapping[str, str], project: Path) -> dict[str, object]:
    """Return what uv's files say; the nearest place wins key by key, as in uv."""
    if environ.get("UV_NO_CONFIG"):
        return {}
    if environ.get("UV_CONFIG_FILE"):
        return _toml(Path(environ["UV_CONFIG_FILE"]))
    user = Path(environ.get("XDG_CONFIG_HOME") or home_of(environ) / ".config")
    near = next((folder for folder in (project, *project.parents) if (folder / "uv.toml").is_file()), project)
    merged: dict[str, object] = {}
    for folder in (Path("/etc"), *reversed(_system_folders(environ)), user):
        merged |= _toml(folder / "uv" / "uv.toml")
    merged |= _toml(near / "uv.toml")
    return merged


def _toml(path: Path) -> dict[str, object]:
    try:
        return parse_toml(read_regular(path).decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


@cache
def public_index() -> str:
    """Return the URL of the index that installers ask unless they are told another one, as they state it.

    Raises:
        IndexFailed: Neither installer can be asked.
    """
    if url := _ask_uv() or _ask_pip():
        return url
    raise IndexFailed(
        "no default index: neither uv nor pip can be asked for theirs",
        hint="name one: `[[index]]` with `url` and `default = true`, or `--index-url`",
    )


def _ask_uv() -> str:
    """Return uv's own default, which its help states; empty where there is no uv that says so."""
    import uv

    try:
        help_text = _printed([uv.find_uv_bin(), "pip", "compile", "--help"])
    except FileNotFoundError:
        return ""
    found = re.search(r"--default-index\b.*?\(by\s+default:\s+<?(https?://[^)>\s]+)", help_text, re.DOTALL)
    return found[1] if found else ""


def _ask_pip() -> str:
    """Return pip's own default, which its help states; empty where there is no pip that says so."""
    found = re.search(r"\(default\s+(https?://[^)\s]+)\)", _printed([sys.executable, "-m", "pip", "install", "--help"]))
    return found[1] if found else ""


def _printed(command: list[str]) -> str:
    """Return what an installer prints about itself, its own configuration aside; "" where it can't be run."""
    # What the installer was configured for was looked at before, and help shows it beside the default.
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_"))}
    environ |= {"NO_COLOR": "1", "COLUMNS": "200", "PIP_CONFIG_FILE": os.devnull}
    from zlock.process import printed_by

    return printed_by(command, environ=environ, timeout=_HELP_TIMEOUT)

"""What this machine's pip and uv are configured for: the default index, the network, and what is not read."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zlock.errors import IndexFailed

# Settings that would make a lock depend on the machine.
_UNREAD_VARIABLES = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT", "UV_INDEX", "UV_EXTRA_INDEX_URL",
                     "UV_FIND_LINKS", "UV_CONSTRAINT", "UV_OVERRIDE")  # fmt: skip
_UNREAD_KEYS = ("extra-index-url", "find-links", "constraint", "no-index")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
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

    def index_url(self) -> tuple[str, str]:
        """Return the URL of the default index, and where it is from.

        uv's configuration counts before pip's; without any, the installers are asked for their own default.

        Raises:
            IndexFailed: Neither installer can be asked.
        """
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            if self.environ.get(name):
                return _without_name(self.environ[name]), name
        for table in (self.uv, self.uv.get("pip", {})):
            found = _uv_default(table) if isinstance(table, dict) else None
            if found:
                return found, "uv's configuration"
        if self.environ.get("PIP_INDEX_URL"):
            return self.environ["PIP_INDEX_URL"], "PIP_INDEX_URL"
        if self.pip.get("index-url"):
            return self.pip["index-url"], "pip's configuration"
        return _ask_uv() or _ask_pip(), "the installer's default"

    def unread(self) -> list[str]:
        """Return the settings of this machine that a lock must not depend on, and that are therefore not read."""
        found = [name for name in _UNREAD_VARIABLES if self.environ.get(name)]
        return found + [f"`{key}` in pip's configuration" for key in _UNREAD_KEYS if self.pip.get(key)]


def _without_name(value: str) -> str:
    """Return the URL of uv's `name=URL` form."""
    return re.sub(r"^[\w-]+=(?=\w+://)", "", value)


def _uv_default(table: dict[str, object]) -> str | None:
    rows = table.get("index", [])
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("default") and isinstance(row.get("url"), str):
            return str(row["url"])
    url = table.get("index-url")
    return url if isinstance(url, str) else None


def _read_pip(environ: Mapping[str, str]) -> dict[str, str]:
    home = Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if sys.platform == "win32":
        places = [Path(environ.get("ProgramData", "C:\\ProgramData")) / "pip" / "pip.ini"]
        places += [home / "pip" / "pip.ini", Path(environ.get("APPDATA", home)) / "pip" / "pip.ini"]
    else:
        system = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
        places = [*(Path(folder) / "pip" / "pip.conf" for folder in system), Path("/etc/pip.conf")]
        places += [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
        if sys.platform == "darwin":
            places.append(home / "Library" / "Application Support" / "pip" / "pip.conf")
    if environ.get("VIRTUAL_ENV"):
        places.append(Path(environ["VIRTUAL_ENV"]) / ("pip.ini" if sys.platform == "win32" else "pip.conf"))
    if environ.get("PIP_CONFIG_FILE"):
        named = environ["PIP_CONFIG_FILE"]
        places = [] if named == os.devnull else [*places, Path(named)]
    found: dict[str, str] = {}
    for place in places:
        parser = configparser.RawConfigParser()
        try:
            parser.read(place, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    return found


def _read_uv(environ: Mapping[str, str], project: Path) -> dict[str, object]:
    if environ.get("UV_NO_CONFIG"):
        return {}
    home = Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - as above
    if environ.get("UV_CONFIG_FILE"):
        return _toml(Path(environ["UV_CONFIG_FILE"]))
    # The nearest place wins key by key, as in uv.
    merged: dict[str, object] = {}
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv" / "uv.toml"
    for place in (Path("/etc/uv/uv.toml"), user, project / "uv.toml"):
        merged |= _toml(place)
    return merged


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def _ask_uv() -> str | None:
    """Return uv's own default: what it would write at the head of a compiled requirements file."""
    import uv

    environ = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    try:
        done = subprocess.run(
            [uv.find_uv_bin(), "pip", "compile", "-", "--no-config", "--quiet", "--emit-index-url", "--no-header"],
            input="",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**environ, "UV_PYTHON_DOWNLOADS": "never"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"^--index-url (\S+)", done.stdout, re.MULTILINE)
    return match[1] if match else None


def _ask_pip() -> str:
    """Return pip's own default, which its help states."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    match = re.search(r"\(default\s+(https?://[^)\s]+)\)", done.stdout)
    if not match:
        raise IndexFailed(
            "no default index: neither uv nor pip can be asked for theirs",
            hint="name one: `[[index]]` with `url` and `default = true`, or `--index-url`",
        )
    return match[1]

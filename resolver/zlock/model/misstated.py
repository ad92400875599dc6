"""What is written in place of a requirement, and the form in which that works: paths behind names, tables of tools."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping

from packaging.requirements import InvalidRequirement

from zlock.model import plain
from zlock.model.bounds import specifier
from zlock.model.link import git_url
from zlock.model.paths import file_url
from zlock.model.requirement import parsed
from zlock.model.toml import parse_toml

# A name, its extras, and what stands before the rest; nothing is tried twice, as a line can be long.
_HEAD = r"([A-Za-z0-9][A-Za-z0-9._-]*+)\s*+(?:\[([^\]]*+)\])?+\s*+([=@]*+)\s*+"
# A name with its extras, and versions behind operators, with commas, spaces or semicolons between.
_BOUNDS = (
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[^\]]*\])?)"
    r"((?:[\s,;]*(?:[\^~<>=!]+\s*|(?<=\s))v?\d[\w.*+!-]*)+)\s*"
)
_MOST_BOUNDS = 200  # characters
_OPERATORS = {"=": "==", "=>": ">=", "=<": "<=", "=!": "!=", "=~": "~=", "<>": "!=", "~>": "~="}
_TEXT = r"([\"']).*\1"


def by_path(name: str, extras: Iterable[str], path: str, marker: str = "", *, alone: bool) -> str:
    """Write a requirement for a local path.

    Args:
        name: The project's name.
        extras: Its extras.
        path: The path as a person wrote it.
        marker: The marker, or empty.
        alone: The path stands alone, as requirements files have it; else behind the name as a URL (PEP 508).
    """
    path = os.path.expanduser(path.replace("\\", "/"))  # noqa: PTH111 - the leading `./` has to stay
    path = path if path.startswith(("./", "../", "/")) or path in (".", "..") else f"./{path}"
    chosen = ",".join(sorted(filter(None, map(str.strip, extras))))
    brackets = f"[{chosen}]" if chosen else ""
    stated = f"{path}{brackets}" if alone else f"{name}{brackets} @ {file_url(path)}"
    return f"{stated} ; {marker}" if marker else stated


def meant(text: str, *, alone: bool) -> str:
    """Return what a text that is not a requirement would be as one; empty where it can't be told.

    Known are a path behind a name, the tables that other tools write: `name = {path = "..."}`, and bounds as they are
    written elsewhere: `=>1`, `^1.4`, `~1.4`, `>=1 <2`, a bare version.
    """
    text = text.strip()
    found = re.match(_HEAD, text)
    name, extras, sign = found.groups("") if found else ("name", "", "=")
    rest = text[found.end() :] if found else text
    if sign and (re.fullmatch(r"\{.*\}", rest) or (found and sign == "=" and re.fullmatch(_TEXT, rest))):
        return _of_table(name, rest, alone=alone)
    if found and (form := _with_bounds(text)):
        return form
    path, _, marker = map(str.strip, rest.partition(";"))
    is_path = path.startswith(("./", "../", "/")) or (sign == "@" and re.search(r"[\\/]|^\.", path))
    is_apart = found is not None and (bool(sign) or text[found.end() - 1] == " ")
    if not is_apart or not is_path or ":" in path:
        return ""
    return by_path(name, extras.split(","), path, marker, alone=alone)


def _with_bounds(text: str) -> str:
    """Return a name with bounds whose operators are turned around, other tools' or missing."""
    stated, _, marker = text.partition(" ; ")
    found = re.fullmatch(_BOUNDS, stated) if len(text) < _MOST_BOUNDS else None
    if not found:
        return ""
    bounds_as_meant = re.sub(
        r"[\^~<>=!]+", lambda match: _OPERATORS.get(match[0], match[0]), found[2].replace(";", ",")
    )
    try:
        form = f"{found[1]}{specifier(bounds_as_meant)}{f' ; {marker}' if marker else ''}"
    except ValueError:
        return ""
    return form if _is_requirement(form) else ""


def _of_table(name: str, text: str, *, alone: bool) -> str:
    try:
        stated = parse_toml(f"name = {text}")["name"]
    except tomllib.TOMLDecodeError:
        return ""
    table: Mapping[str, object] = {"version": stated} if isinstance(stated, str) else plain.table(stated)
    texts = {key: value for key, value in table.items() if isinstance(value, str)}
    listed = table.get("extras")
    extras = [extra for extra in listed if isinstance(extra, str)] if isinstance(listed, list) else []
    marker = texts.get("markers", texts.get("marker", ""))
    if "path" in texts:
        return by_path(name, extras, texts["path"], marker, alone=alone)
    brackets = f"[{','.join(extras)}]" if extras else ""
    form = f"{name}{brackets}{_rest(texts)}{f' ; {marker}' if marker else ''}"
    return form if _is_requirement(form) else ""


def _rest(texts: Mapping[str, str]) -> str:
    """Return what stands behind a name and its extras for a table."""
    if "git" in texts:
        revision = texts.get("rev", texts.get("tag", texts.get("branch", "")))
        return f" @ {git_url(texts['git'], revision, texts.get('subdirectory', ''))}"
    if "url" in texts:
        return f" @ {texts['url']}"
    version = texts.get("version", "")
    return "" if version == "*" else f"=={version}" if version[:1].isdigit() else version


def _is_requirement(text: str) -> bool:
    try:
        parsed(text)
    except InvalidRequirement:
        return False
    return True

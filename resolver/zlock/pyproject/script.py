"""Metadata in a Python file (PEP 723): what its block `script` says, as a document like a `pyproject.toml`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from zlock.model import plain
from zlock.model.origin import Source
from zlock.model.toml import parse_toml
from zlock.pyproject.document import Document, name_of, parse, wrong_file
from zlock.pyproject.python_file import has_steps
from zlock.regular import read_named, read_regular
from zlock.wording import did_you_mean, kind

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""A block of metadata, by the expression of PEP 723 (Reference implementation)."""

_BEGIN = re.compile(r"(?m)^# /// script$")
_INSIDE = re.compile(r"#(| .*)")
_KEYS: Final = ("dependencies", "requires-python", "tool")
_wrong = partial(wrong_file, source=Source.SCRIPT)
_EXAMPLE: Final = 'begin it with the lines `# /// script`, `# dependencies = ["..."]` and `# ///`'


def read_script(path: Path, *, root: Path) -> Document:
    """Read the metadata of a Python file; lines are those of the file.

    Its `dependencies` and `requires-python` are found under `project`, where a `pyproject.toml` has them. Of `tool`
    there is what uv reads.

    Args:
        path: The file, absolute.
        root: The folder that its name in messages counts from.

    Raises:
        InvalidRequirements: It can't be read, or has no metadata, or metadata that is malformed.
    """
    name = name_of(path, root)
    wrong = partial(_wrong, name=name)
    try:
        text = importlib.util.decode_source(read_named(path, f"`{name}`", wrong))
    except (SyntaxError, ValueError) as error:
        raise wrong(f"`{name}` is not a Python file: {error}", hint="save it as UTF-8 text") from error
    block = _only_block(text, name)
    before, content = text.count("\n", 0, block.start()), _content(block)
    stated = parse("\n" * (before + 1) + content, f"the metadata of `{name}`", wrong, indent=2)
    document = Document(
        path=path,
        name=name,
        text="\n" * before + f"[project]\n{content}",  # in place of the line that begins the block
        data=_as_project(stated),
        source=Source.SCRIPT,
        notes=tuple(f"`{key}` in the metadata of `{name}` is not read; {why}" for key, why in _unread(stated)),
    )
    _check(stated, document)
    return document


def line_of_script(path: Path) -> int | None:
    """Return the line in which a Python file begins its metadata.

    None where it has none, and where a function in it is decorated as a pipeline or a step: that is a pipeline file.
    """
    text = _readable(path)
    begin = _BEGIN.search(text)
    return text.count("\n", 0, begin.start()) + 1 if begin and not has_steps(text) else None


def asked_in(data: bytes) -> tuple[Mapping[str, object], bool] | None:
    """Return what metadata in a Python file asks for, and whether it is all that the file asks; None without metadata.

    Raises:
        SyntaxError: The file can't be decoded.
        ValueError: Likewise, or the metadata is malformed.
    """
    if b"# /// script" not in data:
        return None
    text = importlib.util.decode_source(data)
    blocks = _blocks(text)
    if len(blocks) > 1:
        raise ValueError
    return (_as_project(parse_toml(_content(blocks[0]))), not has_steps(text)) if blocks else None


def stated_in(text: str) -> str:
    """Return the TOML of the metadata in a Python file that has some."""
    return _content(_blocks(text)[0])


def with_stated(text: str, content: str) -> str:
    """Return a Python file with other TOML as its metadata."""
    block = _blocks(text)[0]
    lines = "".join(f"# {line}" if line.strip() else f"#{line}" for line in content.splitlines(keepends=True))
    return text[: block.start("content")] + lines + text[block.end("content") :]


def _readable(path: Path) -> str:
    """Return the text of a Python file; empty where it can't be read."""
    try:
        return importlib.util.decode_source(read_regular(path))
    except (OSError, SyntaxError, ValueError):
        return ""


def _blocks(text: str) -> list[re.Match[str]]:
    return [one for one in _BLOCK.finditer(text) if one["type"] == "script"]


def _content(found: re.Match[str]) -> str:
    """Return the lines of a block without their marks, as PEP 723 (Reference implementation) takes them."""
    lines = found["content"].splitlines(keepends=True)
    return "".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)


def _only_block(text: str, name: str) -> re.Match[str]:
    found = _blocks(text)
    if len(found) == 1:
        return found[0]
    if found:
        lines = [text.count("\n", 0, one.start()) + 1 for one in found]
        message = f"`{name}` has {len(found)} blocks of metadata `# /// script`, in lines {', '.join(map(str, lines))}"
        raise _wrong(message, name=name, line=lines[1], hint="keep one of them")
    begin = _BEGIN.search(text)
    if begin is None:
        raise _wrong(f"`{name}` has no inline metadata (PEP 723)", name=name, hint=_EXAMPLE)
    first = text.count("\n", 0, begin.start()) + 1
    rest = text.split("\n")[first:]
    end = next((number for number, line in enumerate(rest) if not _INSIDE.fullmatch(line)), len(rest))
    message = f"the metadata of `{name}` that begins in line {first} has no end before line {first + end + 1}"
    hint = "end it with a line `# ///`; every line before that begins with `# `, or is `#` alone"
    raise _wrong(message, name=name, line=first, hint=hint)


def _check(stated: Mapping[str, object], document: Document) -> None:
    name = document.name
    dependencies = stated.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(one, str) for one in dependencies):
        hint = "write one requirement in each item, in quotes"
        message = f"`dependencies` of `{name}` must be a list of strings"
        raise _wrong(message, name=name, line=document.line_of("project", "dependencies"), hint=hint)
    hints = {"requires-python": 'write bounds, such as `">=3.11"`', "tool": "write tables, such as `[tool.uv]`"}
    for (key, hint), expected in zip(hints.items(), (str, dict), strict=True):
        if not isinstance(stated.get(key, expected()), expected):
            message = f"`{key}` of `{name}` must be {kind(expected())}, not {kind(stated[key])}"
            raise _wrong(message, name=name, line=document.line_of("project", key), hint=hint)


def _as_project(stated: Mapping[str, object]) -> dict[str, object]:
    """Return what metadata asks for as a `pyproject.toml` has it."""
    return {
        "project": {key: stated[key] for key in ("dependencies", "requires-python") if key in stated},
        "tool": {"uv": plain.table(stated, "tool", "uv")},
    }


def _unread(stated: Mapping[str, object]) -> list[tuple[str, str]]:
    found = [(key, did_you_mean(key, _KEYS) or "PEP 723 has no such key") for key in stated if key not in _KEYS]
    if "zlock" in plain.table(stated, "tool"):
        found.append(("tool.zlock", "the configuration is in `zlock.toml` or `pyproject.toml`"))
    return found

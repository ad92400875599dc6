"""Folders of a project that steps require, each with a backend that the index has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from support import tiny_flit
from support.index import TinyIndex

HATCHLING = {"requires": ["hatchling"], "build-backend": "hatchling.build"}
SETUPTOOLS = {"requires": ["setuptools>=77"], "build-backend": "setuptools.build_meta"}
TINY_FLIT = {"requires": ["tiny-flit"], "build-backend": "tiny_flit"}

EXTENSION = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", 0, -1, 0};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&module); }
"""


def add_tiny_flit(index: TinyIndex) -> None:
    """Add the backend `tiny_flit` to an index."""
    index.wheel("tiny-flit", "1.0", files={"tiny_flit/__init__.py": Path(tiny_flit.__file__).read_bytes()})


def make_folder(
    folder: Path,
    *,
    system: Mapping[str, Any] = TINY_FLIT,
    tool: Mapping[str, Any] | None = None,
    text: str = "VALUE = 1\n",
    **project: Any,
) -> Path:
    """Write a folder with one module, both named as the folder is, and return it.

    Args:
        folder: Where it is.
        system: Its `build-system`.
        tool: Its `tool`.
        text: What the module says.
        project: More keys of its `project`; `version` is "1.0" unless it is dynamic.
    """
    name = folder.name
    stated = {"name": name, **({} if "dynamic" in project else {"version": "1.0"}), **project}
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").write_text(text, encoding="utf-8")
    table = {"build-system": system, "project": stated, **({"tool": tool} if tool else {})}
    (folder / "pyproject.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    return folder


def make_extension(folder: Path) -> Path:
    """Write a folder with one module in C, both named as the folder is, and return it; setuptools builds it."""
    name = folder.name
    modules = [{"name": name, "sources": [f"{name}.c"]}]
    make_folder(folder, system=SETUPTOOLS, tool={"setuptools": {"ext-modules": modules, "packages": []}})
    (folder / f"{name}.c").write_text(EXTENSION.replace("NAME", name), encoding="utf-8")
    return folder

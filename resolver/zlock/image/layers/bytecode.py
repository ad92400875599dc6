"""Compiled modules for layers: made by an interpreter of the same Python, never checked against their sources again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from zlock.errors import CommandFailed
from zlock.image.layers.entry import Entry
from zlock.image.reading.compilers import Compiler
from zlock.model.paths import LONGEST_NAME
from zlock.process import CommandStopped, Watch, run_command

# What can't be compiled is data in the form of a module, as templates are; an installer passes over it too.
_PROGRAM = """
import os
import py_compile
with open("names", encoding="utf-8") as names:
    modules = names.read().split("\\0")
for number, name in enumerate(modules):
    try:
        py_compile.compile(f"{number}.py", f"{number}.pyc", "/" + name, doraise=True,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, ValueError, RecursionError):
        pass
    except OSError as error:
        raise SystemExit(f"what is compiled can't be written to `{os.getcwd()}`: {error.strerror}")
"""
_SECONDS = 1800.0
_LARGEST = 8 << 20  # bytes of a module: a compiler takes fifty times as much memory
NO_BYTECODE = "set `bytecode = false` in the docker settings, and images hold sources only"
"""The way out where nothing compiles."""


def compile_modules(compiler: Compiler, entries: Iterable[Entry], site: str, folder: Path, watch: Watch) -> list[Entry]:
    """Return the compiled modules of those entries that are modules below a folder (PEP 552, unchecked hashes).

    Args:
        compiler: Compiles; another release of the same Python writes other bytes.
        entries: What a layer holds.
        site: The folder of packages, as entries name it.
        folder: An empty folder, in which modules are while the result is used.
        watch: Ends it.

    Raises:
        CommandFailed: The interpreter failed.
    """
    modules = [one for one in entries if _is_module(one, site)]
    for number, one in enumerate(modules):  # not by their names, which may be longer than this machine's disk takes
        with (folder / f"{number}.py").open("wb") as stream:
            stream.writelines(one.chunks())
    if modules:
        _run(compiler, folder, [one.path for one in modules], watch)
    tag = "cpython-{}{}".format(*compiler.version.split("."))
    return [made for number, one in enumerate(modules) if (made := _made(folder / f"{number}.pyc", one.path, tag))]


def _is_module(entry: Entry, site: str) -> bool:
    return entry.path.startswith(f"{site}/") and entry.path.endswith(".py") and entry.size <= _LARGEST


def _made(path: Path, name: str, tag: str) -> Entry | None:
    """Return a compiled module, None where it could not be compiled or where nothing can have its name."""
    place, _, module = name.rpartition("/")
    compiled = f"{module.removesuffix('.py')}.{tag}.pyc"
    if not path.is_file() or len(compiled.encode()) > LONGEST_NAME:
        return None
    return Entry(f"{place}/__pycache__/{compiled}", "file", path, path.stat().st_size)


def _run(compiler: Compiler, folder: Path, names: Sequence[str], watch: Watch) -> None:
    (folder / "names").write_text("\0".join(names), encoding="utf-8")
    # Not isolated (-I), as then PYTHONHASHSEED would not count, and sets come in another order each time.
    argv = [compiler.python, "-s", "-S", "-W", "ignore", "-c", _PROGRAM]
    environ = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    try:
        run_command(argv, cwd=folder, timeout=_SECONDS, environ=environ, watch=watch)
    except CommandStopped:
        raise
    except CommandFailed as error:
        error.hint = error.hint or NO_BYTECODE
        raise

"""The interpreters of this machine, asked to compile modules that nobody imports or runs."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from zlock.errors import CommandFailed
from zlock.model.paths import home_of
from zlock.process import run_command
from zlock.reporting import Activity, Doing, Reporter, unheard

T = TypeVar("T")

_QUICK, _SLOW = 20.0, 600.0  # seconds: to say a version, to compile a batch
_BATCH = 4 * 1024 * 1024  # bytes of source that one process compiles
_VERSION = re.compile(r"\d+\.\d+\.\d+")

# Which it says only if it is CPython: others have other files.
_SAY_VERSION = "import sys; sys.implementation.name == 'cpython' and print('%d.%d.%d' % sys.version_info[:3])"

# `compile` runs nothing of what it compiles. What has a name is marshalled with another bit than what has none.
# Code whose digest is the expected one is not sent back; for what can't be compiled there is something else.
_COMPILE = """
import base64, hashlib, importlib.util, json, marshal, sys, zlib

def compiled(file, level, source, digest):
    try:
        code = compile(base64.b64decode(source), file, "exec", 0, True, level)
        data = importlib.util.MAGIC_NUMBER + marshal.dumps(code)
    except Exception:
        return "LQ=="
    return "" if hashlib.sha256(data).hexdigest() == digest else base64.b64encode(data).decode()

asked = json.loads(zlib.decompress(base64.b64decode(sys.stdin.read())))
print(json.dumps([compiled(*one) for one in asked]))
"""


class Module(NamedTuple):
    """What is to be compiled.

    Attributes:
        file: The path that the code is to name.
        level: How far it is optimized, as Python's `-O` counts it.
        source: The source.
        digest: The hex sha256 of the magic number and the code that are expected.
    """

    file: str
    level: int
    source: bytes
    digest: str


class Compiler(NamedTuple):
    """An interpreter of this machine, and its full version."""

    python: str
    version: str


class Compilers:
    """Finds interpreters: the running one, those on `PATH`, of pyenv and of uv.

    Args:
        environ: The variables of the run.
        reporter: Hears how many modules have been compiled.
    """

    def __init__(self, environ: Mapping[str, str], reporter: Reporter = unheard) -> None:
        self._reporter = reporter
        # Sets are marshalled in the order of hashes, which images that zlock builds have from this seed too.
        own = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
        self._environ = {**own, "PYTHONHASHSEED": "0"}

    def find(self, minor: int, version: str) -> Compiler | None:
        """Return an interpreter of Python 3.`minor`, if there is one of that full version; None where there is none."""
        first = None
        for one in self._all(minor):
            if one.version == version:
                return one
            first = first or one
        return first

    def compile(self, compiler: Compiler, modules: Sequence[Module]) -> list[bytes | None]:
        """Compile modules, several at a time.

        Returns:
            Of each the magic number and the code; empty where that is what was expected, no code where it can't be
            compiled, and None where that could not be found out.
        """
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            batches = portions(modules, lambda one: len(one.source), _BATCH)
            found: list[bytes | None] = []
            for codes in pool.map(partial(self._compile, compiler), batches):
                found += codes
                self._reporter(Doing(Activity.COMPILING, done=len(found), total=len(modules)))
            return found
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _compile(self, compiler: Compiler, modules: Sequence[Module]) -> list[bytes | None]:
        rows = [(one.file, one.level, base64.b64encode(one.source).decode(), one.digest) for one in modules]
        asked = base64.b64encode(zlib.compress(json.dumps(rows).encode(), 1)).decode()
        try:
            answer: list[str] = json.loads(self._run(compiler.python, _COMPILE, _SLOW, asked))
        except CommandFailed:  # there are sources over which compilers fall
            return [None] * len(modules)
        return [base64.b64decode(code) for code in answer]

    def _all(self, minor: int) -> Iterator[Compiler]:
        for python in dict.fromkeys(_candidates(minor, self._environ)):
            try:
                version = self._run(python, _SAY_VERSION, _QUICK).strip()
            except CommandFailed:  # as the shims of pyenv do
                continue
            if _VERSION.fullmatch(version) and version.startswith(f"3.{minor}."):
                yield Compiler(python, version)

    def _run(self, python: str, program: str, timeout: float, stdin: str = "") -> str:
        # Nothing is imported but the standard library: the folder is empty, and `site` and the user's own stay out.
        command = [python, "-S", "-s", "-B", "-W", "ignore", "-c", program]
        with tempfile.TemporaryDirectory(prefix="zlock-") as folder:
            return run_command(command, cwd=Path(folder), timeout=timeout, environ=self._environ, stdin=stdin).stdout


def _candidates(minor: int, environ: Mapping[str, str]) -> Iterator[str]:
    """Return the paths of what may be interpreters."""
    if sys.version_info[1] == minor:
        yield sys.executable
    home = home_of(environ)
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    kept = {
        Path(environ.get("PYENV_ROOT") or home / ".pyenv", "versions"): f"3.{minor}.*",
        Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"): f"cpython-3.{minor}.*",
    }
    for folder, pattern in kept.items():
        yield from map(str, sorted(folder.glob(f"{pattern}/bin/python3.{minor}")))
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which(f"python3.{minor}", path=entry or os.curdir):
            yield found


def portions(rows: Iterable[T], size_of: Callable[[T], int], limit: int) -> Iterator[list[T]]:
    """Yield rows together until they are so large; at least once, and what comes last however small it is."""
    found: list[T] = []
    size = 0
    for row in rows:
        found.append(row)
        size += size_of(row)
        if size >= limit:
            yield found
            found, size = [], 0
    yield found

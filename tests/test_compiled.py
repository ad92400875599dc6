"""Compiled modules are held against their sources: by code that differs in nothing that matters, and nothing is run."""

from __future__ import annotations

import importlib.util
import marshal
import os
import platform
import py_compile
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.environment import clean_environment
from zlock.image.reading.compiled import judge, read_name
from zlock.image.reading.compilers import Compilers, _candidates
from zlock.image.reading.marshalled import fingerprint
from zlock.image.reading.tree import FolderTree

MINOR = sys.version_info.minor
OWN = platform.python_version()
SOURCE = '''
"""A module."""
import os

NUMBERS = (1, -1, 1 << 100, -(1 << 100), 1.5, 2j, True, None, ..., b"bytes")


def first(a, /, b: int = 1, *, c="ž", **rest):
    names = {"one", "two", "three"}
    return a in {"x", "y", "z", "w"} and (lambda: (a, b, c, names, os.sep))


class Thing:
    async def method(self):
        try:
            return [x async for x in self if x not in frozenset({1, 2})]
        except (ValueError, KeyError):
            pass
'''
EVIL = SOURCE.replace("1.5", "1.6")


def compiled(folder: Path, source: str = SOURCE, *, by: str = "", level: int = 0, name: str = "module") -> Path:
    """Write a module and what another source compiles to, and return the compiled file."""
    (folder / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    other = folder / "other" / f"{name}.py"
    other.parent.mkdir(exist_ok=True)
    other.write_text(by or source, encoding="utf-8")
    cached = importlib.util.cache_from_source(str(folder / f"{name}.py"), optimization=level or "")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(other), cfile=cached, optimize=level, invalidation_mode=mode, doraise=True)
    return Path(cached)


def verdict(folder: Path, path: Path, version: str = OWN, environ: dict[str, str] | None = None) -> bool | None:
    tree = FolderTree(folder)
    file = read_name(tree, f"/{path.relative_to(folder)}")
    assert file is not None
    (found,) = judge(tree, [file], version, Compilers(environ or clean_environment(folder))).values()
    return found


@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_a_source_compiles_to_is_known_wherever_it_was_compiled(level: int, tmp_path: Path) -> None:
    assert verdict(tmp_path, compiled(tmp_path, level=level)) is True
    assert verdict(tmp_path, compiled(tmp_path, level=level), version="") is True
    assert verdict(tmp_path, compiled(tmp_path, by=EVIL, level=level)) is False


def test_that_code_differs_says_nothing_where_another_release_may_have_compiled_it(tmp_path: Path) -> None:
    path = compiled(tmp_path, by=EVIL)

    assert verdict(tmp_path, path, version="") is None
    assert verdict(tmp_path, path, version=f"3.{MINOR}.99") is None


@pytest.mark.parametrize("name", ["module.cpython-399.pyc", "module.pypy39.pyc", "module.cpython-311-pytest-9.pyc"])
def test_what_no_interpreter_of_this_machine_compiles_is_not_judged(name: str, tmp_path: Path) -> None:
    path = compiled(tmp_path)

    assert verdict(tmp_path, path.rename(path.with_name(name))) is None


@pytest.mark.parametrize(
    "changed",
    [
        lambda data: data[:0],
        lambda data: data[:10],
        lambda data: data[:-1],
        lambda data: data + b"N",
        lambda data: b"\0\0\r\n" + data[4:],
        lambda data: data[:16] + b"\xe3" * 100,
        lambda data: data[:16] + b"(" + b"\xff" * 4,
        lambda data: data[:16] + b"\xa8\x01r" + bytes(4),
        lambda data: data[:16] + b")\x01" * 5000 + b"N",
    ],
)
def test_what_is_no_code_is_not_what_a_source_compiles_to(changed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = compiled(tmp_path)
    path.write_bytes(changed(path.read_bytes()))

    assert verdict(tmp_path, path) is False


def test_code_for_a_source_that_does_not_compile_is_not_what_it_compiles_to(tmp_path: Path) -> None:
    path = compiled(tmp_path)
    (tmp_path / "module.py").write_text("{{ template }}", encoding="utf-8")

    assert verdict(tmp_path, path) is False


def test_nothing_is_run(tmp_path: Path) -> None:
    """Neither the source, nor the code, nor modules of their names beside them."""
    source = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    path = compiled(tmp_path, by=source)
    for name in ("json", "base64", "marshal", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    (tmp_path / "module.py").write_text(source, encoding="utf-8")

    assert verdict(tmp_path, path, environ={**os.environ, "PYTHONPATH": str(tmp_path)}) is True
    assert not (tmp_path / "ran").exists()


def test_a_file_without_a_source_is_told_by_its_path(tmp_path: Path) -> None:
    path = compiled(tmp_path)
    (tmp_path / "legacy.pyc").write_bytes(b"")
    (tmp_path / "module.py").unlink()
    tree = FolderTree(tmp_path)

    assert read_name(tree, f"/{path.relative_to(tmp_path)}") is None
    assert read_name(tree, "/legacy.pyc") is None


def test_interpreters_of_pyenv_and_uv_and_on_path_are_asked_who_they_are(tmp_path: Path) -> None:
    places = (".pyenv/versions/3.99.1/bin", ".local/share/uv/python/cpython-3.99.1-linux/bin", "bin")
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "python3.99").symlink_to(sys.executable)
    environ = {"HOME": str(tmp_path), "PATH": f"/nowhere{os.pathsep}{tmp_path / 'bin'}"}

    assert list(_candidates(99, environ)) == [str(tmp_path / place / "python3.99") for place in places]
    assert Compilers(environ).find(99, "") is None
    assert Compilers(environ).find(MINOR, OWN) == (sys.executable, OWN)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_fingerprint_is_that_of_the_code_and_not_of_how_it_was_written(seed: str, tmp_path: Path) -> None:
    program = (
        "import marshal, sys; source = sys.stdin.read(); code = compile(source, '/elsewhere.py', 'exec'); "
        "kept = [one for one in code.co_consts], code.co_names; sys.stdout.buffer.write(marshal.dumps(code))"
    )
    written = subprocess.run(
        [sys.executable, "-c", program],
        input=SOURCE.encode(),
        env={**clean_environment(tmp_path), "PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
    ).stdout
    own = marshal.dumps(compile(SOURCE, "/here.py", "exec", dont_inherit=True))

    assert written != own
    assert fingerprint(written, MINOR) == fingerprint(own, MINOR) is not None
    assert fingerprint(marshal.dumps(compile(EVIL, "/here.py", "exec", dont_inherit=True)), MINOR) != fingerprint(
        own, MINOR
    )


def test_a_fingerprint_of_any_bytes_ends() -> None:
    own = marshal.dumps(compile(SOURCE, "/here.py", "exec", dont_inherit=True))
    chance = random.Random(1)
    for _ in range(2000):
        data = bytearray(own)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        fingerprint(bytes(data), MINOR)

"""What a parent image is, read from its files: what a build would find out by running something in it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from zlock.errors import NoAnswer
from zlock.image.reading.installed import PATH
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.sources import OpenImage, add_layers
from zlock.image.reading.tree import names_in, read_at, resolve, text_at
from zlock.model.machine import MACHINES
from zlock.model.target import Target
from zlock.reporting import Reporter

_LOADER = re.compile(rb"/(?:lib|lib64|libx32)/[A-Za-z0-9_./-]*ld-(linux|musl)[A-Za-z0-9_.-]*\x00")
_HEAD = 64 * 1024  # bytes of a program in which it names what loads it
_LONGEST_NUMBER = 10  # digits, of a user or a group: they have 32 bits
_GLIBC = re.compile(rb"GNU C Library [^\n]*version (\d{1,4})\.(\d{1,4})")
_KEPT = re.compile(r"python3(\.\d+)?|libpython3\.\d+[a-z]?\.so.*|libc\.so\.6|libc-2\.\d+\.so|passwd|group")
_MACHINES = {one.elf: one.markers["linux"] for one in MACHINES}
_BIG = 2  # the order of bytes (`EI_DATA`, gABI)
_HINT = "name another base image, or build with an engine, which can look into it: `--builder docker`"


class NoPython(NoAnswer):
    """There is no Python in a parent."""


class Unfit(Struct, frozen=True, kw_only=True):
    """Why nothing can be put on a parent without an engine, as its files say.

    Attributes:
        message: The message of the error.
        hint: Its way out.
        no_python: Whether that is so as it has no Python.
    """

    message: str
    hint: str
    no_python: bool

    @property
    def error(self) -> NoAnswer:
        """The error."""
        return (NoPython if self.no_python else NoAnswer)(self.message, hint=self.hint)


class ParentFacts(Struct, frozen=True, kw_only=True):
    """What a parent image is.

    Attributes:
        interpreter: Its Python: `/usr/local/bin/python3`, the first on its PATH.
        real: The same with links followed.
        python: That one's version, in full where it could be told: `3.12.4`.
        machine: What it runs on, in the words of `platform.machine()`; empty for what nobody knows.
        libc: "glibc" or "musl".
        glibc: The version of glibc, two numbers; empty where it is musl or can't be told.
        users: The number of each user, by name.
        groups: The number of each group, by name.
        there: Of the folders that were asked for, by path, what is there: "folder", "link", "file" or "device".
    """

    interpreter: str
    real: str
    python: str
    machine: str
    libc: str
    glibc: tuple[int, ...]
    users: Mapping[str, int]
    groups: Mapping[str, int]
    there: Mapping[str, str]

    def owner(self, user: str) -> tuple[int, int]:
        """Return the numbers of a user and group as `chown` takes them, root's where nothing is said.

        Raises:
            NoAnswer: The parent does not know the name.
        """
        name, _, group = user.partition(":")
        return _number(name or "0", self.users, "user"), _number(group or "0", self.groups, "group")


def _number(name: str, known: Mapping[str, int], kind: str) -> int:
    if name in known:
        return known[name]
    if not name.isdecimal() or len(name) > _LONGEST_NUMBER:
        raise NoAnswer(f"the base image has no {kind} `{name}`", hint="name one that it has, or a number (`user`)")
    return int(name)


def read_parent(image: OpenImage, folders: Sequence[str], reporter: Reporter) -> ParentFacts:
    """Read what a parent is.

    Args:
        image: The parent.
        folders: Which of its folders to look for.
        reporter: Hears of each layer.

    Raises:
        NoPython: It has no Python.
        NoAnswer: It has one that can't be told from its files.
        RegistryFailed: A layer can't be had, or is damaged.
    """
    name = image.found.name
    tree = LayerTree(name, lambda file, _: _KEPT.fullmatch(file) is not None)
    add_layers(tree, image, range(len(image.found.layers)), reporter)
    for folder in image.found.config.environ.get("PATH", PATH).split(":"):
        real = resolve(tree, f"{folder}/python3")
        if real is not None:
            break
    else:
        raise NoPython(f"the base image `{name}` has no `python3` on its PATH", hint="name a base image with Python")
    if tree.node(f"{posixpath.dirname(folder)}/pyvenv.cfg"):
        raise NoAnswer(f"the `python3` of the base image `{name}` is that of an environment, `{folder}`", hint=_HINT)
    program = read_at(tree, real)
    loader = _LOADER.search(program[:_HEAD])
    if program[:4] != b"\x7fELF" or loader is None:
        raise NoAnswer(f"what `{folder}/python3` of the base image `{name}` is can't be told from its file", hint=_HINT)
    return ParentFacts(
        interpreter=f"{folder}/python3",
        real=real,
        python=_python(tree, real, program, name),
        machine=_MACHINES.get(int.from_bytes(program[18:20], "big" if program[5] == _BIG else "little"), ""),
        libc="musl" if loader[1] == b"musl" else "glibc",
        glibc=_glibc(tree) if loader[1] != b"musl" else (),
        users={row[0]: int(row[2]) for row in _rows(tree, "/etc/passwd")},
        groups={row[0]: int(row[2]) for row in _rows(tree, "/etc/group")},
        there={one: node.kind for one in folders if (node := tree.node(one))},
    )


def misfit(facts: ParentFacts, target: Target, venv: str) -> tuple[str, str] | None:
    """Say why a parent can't be right for what was locked, and the way out; None where it is.

    It is what the check in a Dockerfile says at build time, see `check_parent`.
    """
    text = "the lock is for {}, the base image has {}"
    hint = "name another base image, or correct `{}`"
    parts = target.python.count(".") + 1
    python = ".".join(facts.python.split(".")[:parts])
    if python != target.python:
        return text.format(f"Python {target.python}", f"Python {facts.python}"), hint.format("python")
    if facts.machine != target.environment["platform_machine"]:
        return text.format(target.platform, facts.machine or "an unknown machine"), hint.format("platforms")
    if target.musllinux:
        return None if facts.libc == "musl" else (text.format("musl", facts.libc), hint.format("musllinux"))
    if target.manylinux and facts.glibc < target.manylinux:
        wanted = f"glibc {target.manylinux[0]}.{target.manylinux[1]} or later"
        has = f"glibc {'.'.join(map(str, facts.glibc))}" if facts.glibc else "no glibc"
        return text.format(wanted, has), hint.format("manylinux")
    if venv in facts.there:
        return f"the base image has {venv} already", "set `venv` to another folder, or `system` to true"
    return None


def _python(tree: LayerTree, real: str, program: bytes, name: str) -> str:
    """Return the version of a Python, which is a text in its program or in its library."""
    minor = re.search(r"python(3\.\d+)$", real)
    if minor is None:
        raise NoAnswer(f"the version of `{real}` of the base image `{name}` can't be told from its name", hint=_HINT)
    wanted = re.compile(rb"\x00(" + re.escape(minor[1]).encode() + rb"\.\d+(?:(?:a|b|rc)\d+)?)\+?\x00")
    folder = posixpath.dirname(posixpath.dirname(real))
    places = (f"{folder}/lib", f"{folder}/lib64")
    libraries = [f"{place}/{one}" for place in places for one in names_in(tree, place) if one.startswith("libpython3")]
    for data in (program, *(read_at(tree, one) for one in libraries)):
        if found := wanted.search(data):
            return found[1].decode()
    return minor[1]


def _glibc(tree: LayerTree) -> tuple[int, ...]:
    for top in ("/lib64", "/lib", "/usr/lib64", "/usr/lib"):
        for inner in ("", *(f"/{name}" for name in names_in(tree, top) if "-linux-" in name)):
            if found := _GLIBC.search(read_at(tree, f"{top}{inner}/libc.so.6")):
                return int(found[1]), int(found[2])
    return ()


def _rows(tree: LayerTree, path: str) -> Iterator[list[str]]:
    """Yield the rows of `/etc/passwd` or its like; what is none is passed over, as the C library does."""
    for line in text_at(tree, path).splitlines():
        row = line.split(":")
        if len(row) > 2 and row[2].isdecimal() and len(row[2]) <= _LONGEST_NUMBER:  # noqa: PLR2004 - name:password:number
            yield row

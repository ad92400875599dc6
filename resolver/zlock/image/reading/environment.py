"""Where packages are in an image, a folder, or an environment of this machine; none of their code is run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidInput, NoAnswer
from zlock.image.reading.installed import (
    Distribution,
    interpreter_folders,
    odd_settings,
    python_version,
    pythons_in,
    read_distributions,
    shared_settings,
    stray_files,
    stray_programs,
    venv_folders,
)
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.sources import OpenImage, add_layers
from zlock.image.reading.tree import FileTree, FolderTree, resolve
from zlock.process import run_command
from zlock.reporting import Reporter

# Without `site` nothing of the environment runs; it says where packages are all the same.
_ASK = """
import json, site, sys, sysconfig
version = "%d.%d.%d" % sys.version_info[:3]
print(json.dumps([version, sys.version_info[1], *site.getsitepackages(), sysconfig.get_path("purelib")]))
"""
_SECONDS = 60.0


class Installed(Struct, frozen=True, kw_only=True):
    """What is installed somewhere.

    Attributes:
        distributions: All of it.
        tree: The files.
        inherited: Name and version of what the parent brought; None where nobody can tell.
        stray: Files and folders that belong to no package; looked for in an environment of zlock's only.
        odd: Settings and links of that environment that are not as they were made, and how they are.
        python: The version of its Python in full; empty where that is not known.
        may_have_installers: Whether whoever made it may have put pip there, setuptools and wheel.
    """

    distributions: Sequence[Distribution]
    tree: FileTree
    inherited: frozenset[tuple[str, str]] | None = frozenset()
    stray: Sequence[str] = ()
    odd: Mapping[str, str] = {}
    python: str = ""
    may_have_installers: bool = False

    def is_inherited(self, one: Distribution) -> bool:
        """Tell whether the parent brought it, or may have."""
        return self.inherited is None or (one.name, one.version) in self.inherited


def read_venv(image: OpenImage, venv: str, minor: int, reporter: Reporter, *, debian: bool = False) -> Installed:
    """Return what is in the environment that zlock makes in an image.

    Args:
        image: The image.
        venv: The folder of the environment.
        minor: Of the Python 3 that it should have.
        reporter: Hears of each layer.
        debian: Whether Debian packages are looked at as well.

    Raises:
        NoAnswer: It has none of Python 3.`minor`.
        RegistryFailed: A layer can't be had, or is damaged.
    """
    tree = LayerTree(image.found.name, debian=debian)
    add_layers(tree, image, range(len(image.found.layers)), reporter)
    return _read_environment(tree, venv, minor, venv)


def read_system(
    image: OpenImage, minor: int, parents: int | None, reporter: Reporter, *, debian: bool = False
) -> Installed:
    """Return what is installed for the interpreter on an image's PATH.

    Args:
        image: The image.
        minor: Of the Python 3 that it should have.
        parents: How many of the layers are the parent's; None where nobody can tell.
        reporter: Hears of each layer.
        debian: Whether Debian packages are looked at as well.

    Raises:
        NoAnswer: It has no Python 3.`minor`.
        RegistryFailed: A layer can't be had, or is damaged.
    """
    environ = image.found.config.environ
    tree = LayerTree(image.found.name, debian=debian)

    def read() -> list[Distribution]:
        return read_distributions(tree, interpreter_folders(tree, environ, minor))

    add_layers(tree, image, range(parents or 0), reporter)
    inherited = None if parents is None else frozenset((one.name, one.version) for one in read())
    add_layers(tree, image, range(parents or 0, len(image.found.layers)), reporter)
    _found(tree, "/usr/local", minor, "/usr/local", interpreter_folders(tree, environ, minor))
    python = environ.get("PYTHON_VERSION", "")  # as Docker's own images of Python say it
    return Installed(distributions=read(), tree=tree, inherited=inherited, python=python)


def read_folder(folder: Path, venv: str, minor: int) -> Installed:
    """Return what is installed in a folder: the files of an image, an environment, or a folder of packages.

    Args:
        folder: The folder.
        venv: Where zlock makes the environment of an image, if those of one can be there; else empty.
        minor: Of the Python 3 that it should have.

    Raises:
        InvalidInput: It is not a folder.
        NoAnswer: It has no package, or an environment of another Python than 3.`minor`.
    """
    if not folder.is_dir():
        raise InvalidInput(f"`{folder}` is not a folder", hint="`dir:DIR` names one")
    tree = FolderTree(folder)
    prefixes = dict.fromkeys((venv, ""))
    for prefix in prefixes:
        if pythons_in(tree, prefix):
            return _read_environment(tree, prefix, minor, str(folder / prefix.strip("/")))
    windows = resolve(tree, "/Lib/site-packages")
    distributions = [_inside(one) for one in read_distributions(tree, [windows or "/"])]
    if not distributions:
        inside = (*(f"{one}/lib/python3.*".strip("/") for one in prefixes), "Lib/site-packages", "*.dist-info")
        raise NoAnswer(
            f"there is no environment and no package in `{folder}`",
            context=["looked for:", *(f"  {folder / one}" for one in inside)],
            hint="name the files of an image, an environment, or the folder in which its packages are",
        )
    return Installed(distributions=distributions, tree=tree, may_have_installers=True)


def _inside(one: Distribution) -> Distribution:
    """Leave out files that are above a folder of packages, such as programs."""
    return replace(one, files=tuple(file for file in one.files if not file.path.startswith("/../")))


def read_interpreter(python: Path, minor: int) -> Installed:
    """Return what is installed for an interpreter of this machine.

    One of an environment is not run: its folder says all. Any other is asked where its packages are.

    Raises:
        InvalidInput: It is not an interpreter.
        NoAnswer: It is of another Python than 3.`minor`.
        CommandFailed: It can't be run.
    """
    if not python.is_file():
        raise _no_interpreter(python)
    # Links are not followed: they lead out of the environment.
    prefix = Path(os.path.abspath(python)).parent.parent  # noqa: PTH100
    if os.path.lexists(prefix / "pyvenv.cfg"):
        return read_folder(prefix, "", minor)
    printed = run_command([str(python), "-I", "-S", "-c", _ASK], cwd=Path.cwd(), timeout=_SECONDS).stdout
    tree = FolderTree(Path("/"))
    try:
        version, own, *named = json.loads(printed)
    except (ValueError, TypeError):
        raise _no_interpreter(python) from None
    if own != minor:
        raise NoAnswer(
            f"`{python}` is Python 3.{own}, and the lock is for 3.{minor}",
            hint="name another interpreter, or lock anew",
        )
    folders = [place for folder in dict.fromkeys(named) if (place := resolve(tree, folder))]
    distributions = read_distributions(tree, folders)
    return Installed(distributions=distributions, tree=tree, python=version, may_have_installers=True)


def _no_interpreter(python: Path) -> InvalidInput:
    return InvalidInput(f"`{python}` is not an interpreter", hint="`env:PYTHON` names one: `env:.venv/bin/python`")


def _read_environment(tree: FileTree, prefix: str, minor: int, shown: str) -> Installed:
    folders = _found(tree, prefix, minor, shown, venv_folders(tree, prefix, minor))
    distributions = read_distributions(tree, folders)
    is_own = bool(prefix)  # whoever made another one may have put files of their own there
    return Installed(
        distributions=distributions,
        tree=tree,
        stray=stray_files(tree, folders, distributions) + stray_programs(tree, prefix, distributions) if is_own else (),
        odd=odd_settings(tree, prefix) if is_own else shared_settings(tree, prefix),
        python=python_version(tree, prefix),
        may_have_installers=not is_own,
    )


def _found(tree: FileTree, prefix: str, minor: int, shown: str, folders: list[str]) -> list[str]:
    """Return folders of packages where there are any, and else say what there is instead."""
    if folders:
        return folders
    others = [python for python in pythons_in(tree, prefix) if python != f"3.{minor}"]
    another = "the lock is for that Python: build the image again, or lock for another (`python`)"
    raise NoAnswer(
        f"there is no environment of Python 3.{minor} at `{shown}`",
        context=[f"there is one of Python {', '.join(others)}"] if others else [],
        hint=another if others else "nothing is installed there: name the folder of the environment or of its packages",
    )

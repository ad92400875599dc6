"""Source trees: unpacked without trust in the archive, and read for the metadata they state without a build."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, BinaryIO, NamedTuple, TypeVar

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from zlock.index.metadata import is_static, parse_dependency, parse_metadata, read_headers
from zlock.index.packed import Zip, open_tar
from zlock.model import plain
from zlock.model.distribution import Dependency, Metadata
from zlock.model.form import Misstated, read
from zlock.model.paths import is_inside
from zlock.model.ports import InvalidMetadata
from zlock.model.requirement import parsed
from zlock.model.toml import parse_toml
from zlock.model.versions import readable
from zlock.regular import read_regular

T = TypeVar("T")

# The fields of `[project]` that resolution reads; a backend decides over those that are dynamic (PEP 621).
_DECISIVE = frozenset({"version", "dependencies", "optional-dependencies", "requires-python"})
# What a tree without `build-system` is built with (PEP 517, "Source trees").
_LEGACY_REQUIRES = ("setuptools>=40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"


def unpack(archive: BinaryIO, filename: str, folder: Path) -> Path:
    """Unpack an sdist into an empty folder and return the tree in it.

    Nothing is written outside the folder, and no link may lead out of it (PEP 706).

    Raises:
        InvalidMetadata: It is not a readable archive, or one that reaches outside.
    """
    try:
        if filename.lower().endswith(".zip"):
            _unpack_zip(archive, folder)
        else:
            _unpack_tar(archive, folder)
    except Exception as error:  # each decompressor has errors of its own
        raise InvalidMetadata(f"`{filename}` is not a readable sdist: {error}") from error
    # An sdist has one folder at its top (PEP 625); an archive of another make may have none.
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _unpack_tar(packed: BinaryIO, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise tarfile.TarError("this Python is too old to unpack it safely, 3.11.4 is needed")
    with open_tar(packed) as archive:
        archive.extractall(folder, filter="data")


def _unpack_zip(packed: BinaryIO, folder: Path) -> None:
    with Zip(packed) as archive:
        for name in archive.namelist():
            if not is_inside(name):
                raise zipfile.BadZipFile(f"`{name}` would be written outside its folder")
        archive.extractall(folder)  # noqa: S202 - every name was looked at


def static_metadata(folder: Path) -> Metadata | None:
    """Return the metadata that a tree states itself, or None where only a build can tell.

    A `[project]` table (PEP 621) counts, else a PKG-INFO (PEP 643), each only without dynamic fields.

    Raises:
        InvalidMetadata: What it states is broken.
    """
    found = _from_project(read_pyproject(folder))
    if found is not None:
        return found
    try:
        text = read_regular(folder / "PKG-INFO").decode("utf-8", "replace")
    except OSError:
        return None
    return parse_metadata(text) if is_static(read_headers(text)) else None


def read_pyproject(folder: Path) -> dict[str, object]:
    """Return the `pyproject.toml` of a tree, empty where there is none.

    Raises:
        InvalidMetadata: It can't be read, or is not valid TOML.
    """
    try:
        return parse_toml(read_regular(folder / "pyproject.toml").decode())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidMetadata(f"its `pyproject.toml` can't be read: {error.strerror}") from error
    except ValueError as error:  # both invalid TOML and invalid UTF-8
        raise InvalidMetadata(f"its `pyproject.toml` is invalid: {error}") from error


class BuildSystem(NamedTuple):
    """The `build-system` of a tree (PEP 517, PEP 518)."""

    requires: tuple[str, ...]
    build_backend: str = _LEGACY_BACKEND
    backend_path: tuple[str, ...] = ()


def read_build_system(folder: Path) -> BuildSystem:
    """Return what a tree states that it is built with and by, else what PEP 517 says for one that states nothing.

    Raises:
        InvalidMetadata: What it states is broken, or it is not a Python project.
    """
    pyproject = read_pyproject(folder)
    if "build-system" not in pyproject:
        if not pyproject and not (folder / "setup.py").is_file():
            raise InvalidMetadata("it holds neither `pyproject.toml` nor `setup.py`, so it is not a Python project")
        return BuildSystem(_LEGACY_REQUIRES)
    system = _table(pyproject, "build-system", BuildSystem)
    if not all(map(is_inside, system.backend_path)):
        raise InvalidMetadata("`build-system.backend-path` in its `pyproject.toml` leads out of the project")
    return system._replace(requires=tuple(checked_requirements(system.requires)))


def _table(pyproject: Mapping[str, object], key: str, kind: type[T]) -> T:
    try:
        return read(kind, pyproject[key])
    except Misstated as error:
        raise InvalidMetadata(f"its `pyproject.toml` is invalid: {error.within(key)}") from error


def _name(text: str) -> str:
    canonicalize_name(text, validate=True)
    return text


def _version(text: str) -> str:
    return str(Version(text))


def _specifier(text: str) -> str:
    SpecifierSet(readable(text))
    return text


class _Project(NamedTuple):
    """What counts of a `[project]` table (PEP 621)."""

    name: Annotated[str, _name]
    version: Annotated[str, _version]
    requires_python: Annotated[str, _specifier] = ""
    dependencies: tuple[str, ...] = ()
    optional_dependencies: Mapping[Annotated[str, _name], tuple[str, ...]] = MappingProxyType({})
    dynamic: tuple[str, ...] = ()


def checked_requirements(requirements: Iterable[object]) -> list[str]:
    """Return build requirements; what is none could pass as a path or an option of the installer."""
    checked = []
    for line in requirements:
        try:
            checked.append(str(parsed(line)))  # type: ignore[arg-type]  # what is not a string is a TypeError
        except (InvalidRequirement, TypeError) as error:
            raise InvalidMetadata(f"its build requires `{line}`, which is not a requirement") from error
    return checked


def _from_project(pyproject: dict[str, object]) -> Metadata | None:
    stated = plain.table(pyproject, "project")
    if not {"name", "version"} <= stated.keys() or _is_poetrys(pyproject):
        return None
    project = _table(pyproject, "project", _Project)
    if _DECISIVE & set(project.dynamic):
        return None
    dependencies = [parse_dependency(line) for line in project.dependencies]
    extras = {extra: canonicalize_name(extra) for extra in project.optional_dependencies}
    for stated_as, lines in project.optional_dependencies.items():  # spellings of one extra are that extra
        dependencies += [_within(parse_dependency(line), extras[stated_as]) for line in lines]
    if any("{" in dependency.url for dependency in dependencies):
        return None  # a template, which its backend fills in: `{root:uri}`
    return Metadata(
        canonicalize_name(project.name),
        project.version,
        project.requires_python,
        tuple(dependencies),
        tuple(dict.fromkeys(extras.values())),
    )


def _is_poetrys(pyproject: dict[str, object]) -> bool:
    """Return whether Poetry's own table may say what `[project]` leaves out, dynamic or not."""
    return "poetry" in plain.table(pyproject, "tool") and "dependencies" not in plain.table(pyproject, "project")


def _within(dependency: Dependency, extra: NormalizedName) -> Dependency:
    condition = f'extra == "{extra}"'
    marker = f"({dependency.marker}) and {condition}" if dependency.marker else condition
    return dependency._replace(marker=str(Marker(marker)))

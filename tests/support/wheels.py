"""Wheels, sdists and source trees, made in a millisecond and the same bytes each time; pip and uv install them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support import tiny_backend
from support.tiny_backend import wheel_bytes, zip_bytes

Backend = Literal["works", "fails", "hangs", "no-prepare"]
SdistForm = Literal["tar.gz", "zip"]


class WheelOptions(TypedDict, total=False):
    """What `make_wheel` takes beside name and version; see `Wheel`."""

    requires: Sequence[str]
    extras: Mapping[str, Sequence[str]]
    requires_python: str | None
    tag: str
    build: str | None
    metadata_version: str
    files: Mapping[str, bytes] | None
    metadata: str | None
    deflate: bool
    entry_points: Mapping[str, Mapping[str, str]] | None


class SdistOptions(TypedDict, total=False):
    """What `make_sdist` and `make_tree` take beside name and version; see `Sdist`."""

    requires: Sequence[str]
    extras: Mapping[str, Sequence[str]]
    requires_python: str | None
    metadata_version: str
    dynamic: Sequence[str]
    static: bool
    build_requires: Sequence[str]
    wheel_requires: Sequence[str]
    requires_code: str
    backend: Backend
    pid_file: Path | None
    files: Mapping[str, bytes] | None
    form: SdistForm


def make_wheel(folder: Path, name: str, version: str, **options: Unpack[WheelOptions]) -> Path:
    """Write a wheel into the folder and return its path; the options are the fields of `Wheel`."""
    return Wheel(name=name, version=version, **options).save(folder)


def make_sdist(folder: Path, name: str, version: str, **options: Unpack[SdistOptions]) -> Path:
    """Write an sdist into the folder and return its path; the options are the fields of `Sdist`."""
    return Sdist(name=name, version=version, **options).save(folder)


def make_tree(folder: Path, name: str, version: str, **options: Unpack[SdistOptions]) -> Path:
    """Write what an sdist would hold straight into the folder, as a project being worked on, and return the folder."""
    for path, content in Sdist(name=name, version=version, **options).contents().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def metadata_text(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str | None = None,
    metadata_version: str = "2.1",
    dynamic: Sequence[str] = (),
) -> str:
    """Return core metadata; nothing in `requires` is checked, so that tests can write what is wrong."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    lines += [f"Dynamic: {field}" for field in dynamic]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, requirements in (extras or {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_within_extra(requirement, extra)}" for requirement in requirements]
    return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A wheel to be.

    Attributes:
        name: The project's name as METADATA spells it; the file name has it normalized.
        version: Used as it is written.
        requires: `Requires-Dist` lines, unchecked.
        extras: For each extra, what it asks for.
        requires_python: `Requires-Python`, unchecked.
        tag: The tags as in a file name, compressed sets allowed: `cp311.cp312-abi3-manylinux_2_17_x86_64`.
        build: The build number: `2`, `1local`.
        metadata_version: `Metadata-Version`.
        files: More files, or others in place of the default `<name>/__init__.py`.
        metadata: The METADATA text whole, instead of one made from the above.
        deflate: Compressed, or stored.
        entry_points: Group -> name -> `module:attribute`.
    """

    name: str
    version: str
    requires: Sequence[str] = ()
    extras: Mapping[str, Sequence[str]] | None = None
    requires_python: str | None = None
    tag: str = "py3-none-any"
    build: str | None = None
    metadata_version: str = "2.1"
    files: Mapping[str, bytes] | None = None
    metadata: str | None = None
    deflate: bool = True
    entry_points: Mapping[str, Mapping[str, str]] | None = None

    @property
    def filename(self) -> str:
        """The file's name (binary distribution format)."""
        build = f"-{self.build}" if self.build else ""
        return f"{_stem(self.name, self.version)}{build}-{self.tag}.whl"

    def save(self, folder: Path) -> Path:
        """Write the wheel and return its path."""
        path = folder / self.filename
        path.write_bytes(self.content())
        return path

    def content(self) -> bytes:
        """Return the bytes of the wheel."""
        dist_info = f"{_stem(self.name, self.version)}.dist-info"
        files = {**_package(self.name, self.version), **(self.files or {})}
        files[f"{dist_info}/METADATA"] = self._metadata().encode()
        files[f"{dist_info}/WHEEL"] = _wheel_text(self.tag, self.build).encode()
        if self.entry_points:
            files[f"{dist_info}/entry_points.txt"] = _entry_points_text(self.entry_points).encode()
        return wheel_bytes(files, dist_info, deflate=self.deflate)

    def _metadata(self) -> str:
        if self.metadata is not None:
            return self.metadata
        return metadata_text(
            self.name,
            self.version,
            requires=self.requires,
            extras=self.extras,
            requires_python=self.requires_python,
            metadata_version=self.metadata_version,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sdist:
    """An sdist to be; it carries its own PEP 517 backend and builds without any network.

    Attributes:
        name: The project's name as the metadata spells it; the file name has it normalized (PEP 625).
        version: Used as it is written.
        requires: What the built wheel requires.
        extras: For each extra, what it asks for.
        requires_python: `Requires-Python`.
        metadata_version: Of PKG-INFO and of the built METADATA; from 2.2 on PKG-INFO counts (PEP 643).
        dynamic: Fields that PKG-INFO calls dynamic.
        static: False: PKG-INFO leaves `Requires-Dist` to the build and, from 2.2 on, says that it is dynamic.
        build_requires: `build-system.requires`.
        wheel_requires: What `get_requires_for_build_wheel` asks for.
        requires_code: A Python expression (with `os` and `sys`) for more requirements, evaluated by the build only.
        backend: `fails` and `hangs` do so in both hooks; `no-prepare` has only `build_wheel`.
        pid_file: Where a started build writes its process id.
        files: More files of the sdist, or others in place of its own.
        form: The archive's format; zip is of the old days.
    """

    name: str
    version: str
    requires: Sequence[str] = ()
    extras: Mapping[str, Sequence[str]] | None = None
    requires_python: str | None = None
    metadata_version: str = "2.2"
    dynamic: Sequence[str] = ()
    static: bool = True
    build_requires: Sequence[str] = ()
    wheel_requires: Sequence[str] = ()
    requires_code: str = "[]"
    backend: Backend = "works"
    pid_file: Path | None = None
    files: Mapping[str, bytes] | None = None
    form: SdistForm = "tar.gz"

    @property
    def filename(self) -> str:
        """The file's name."""
        return f"{_stem(self.name, self.version)}.{self.form}"

    def save(self, folder: Path) -> Path:
        """Write the sdist and return its path."""
        path = folder / self.filename
        path.write_bytes(self.content())
        return path

    def content(self) -> bytes:
        """Return the bytes of the sdist."""
        root = _stem(self.name, self.version)
        files = {f"{root}/{path}": content for path, content in self.contents().items()}
        return zip_bytes(files) if self.form == "zip" else _tar_bytes(files)

    def contents(self) -> dict[str, bytes]:
        """Return the files of the source tree."""
        return {
            "PKG-INFO": self._pkg_info().encode(),
            "pyproject.toml": self._pyproject().encode(),
            "backend/tiny_backend.py": Path(tiny_backend.__file__).read_bytes(),
            "backend/tiny.json": self._settings().encode(),
            **_package(self.name, self.version),
            **(self.files or {}),
        }

    def _pkg_info(self) -> str:
        left_open = not self.static and self.metadata_version not in {"2.0", "2.1"}
        return metadata_text(
            self.name,
            self.version,
            requires=self.requires if self.static else (),
            extras=self.extras if self.static else None,
            requires_python=self.requires_python,
            metadata_version=self.metadata_version,
            dynamic=[*self.dynamic, *(["Requires-Dist", "Provides-Extra"] if left_open else [])],
        )

    def _pyproject(self) -> str:
        requires = json.dumps(list(self.build_requires))  # a JSON list of strings is a TOML one too
        return f'[build-system]\nrequires = {requires}\nbuild-backend = "tiny_backend"\nbackend-path = ["backend"]\n'

    def _settings(self) -> str:
        stem = _stem(self.name, self.version)
        metadata = metadata_text(
            self.name,
            self.version,
            requires=self.requires,
            extras=self.extras,
            requires_python=self.requires_python,
            metadata_version=self.metadata_version,
        )
        settings = {
            "filename": f"{stem}-py3-none-any.whl",
            "dist_info": f"{stem}.dist-info",
            "metadata": metadata,
            "wheel": _wheel_text("py3-none-any", None),
            "files": {path: content.decode() for path, content in _package(self.name, self.version).items()},
            "requires_code": self.requires_code,
            "wheel_requires": list(self.wheel_requires),
            "backend": self.backend,
            "pid_file": str(self.pid_file) if self.pid_file else None,
        }
        return json.dumps(settings, indent=1)


def _stem(name: str, version: str) -> str:
    return f"{_module(name)}-{version.replace('-', '_')}"


def _module(name: str) -> str:
    return canonicalize_name(name).replace("-", "_")


def _package(name: str, version: str) -> dict[str, bytes]:
    return {f"{_module(name)}/__init__.py": f'__version__ = "{version}"\n'.encode()}


def _within_extra(requirement: str, extra: str) -> str:
    parsed = Requirement(requirement)
    marker = f'({parsed.marker}) and extra == "{extra}"' if parsed.marker else f'extra == "{extra}"'
    parsed.marker = None
    return f"{parsed} ; {marker}"  # the space ends a URL


def _wheel_text(tag: str, build: str | None) -> str:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = ["Wheel-Version: 1.0", "Generator: tiny", f"Root-Is-Purelib: {str(tag.endswith('-none-any')).lower()}"]
    lines += [f"Tag: {python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]
    lines += [f"Build: {build}"] if build else []
    return "".join(f"{line}\n" for line in lines)


def _entry_points_text(groups: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    return "".join(f"{line}\n" for line in lines)


def _tar_bytes(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

"""What a wheel becomes in an environment: its files at their places, as an installer would put them there.

The library `installer` knows the format (packaging.python.org, "Binary distribution format"): schemes, scripts, entry
points, RECORD. What it is told to write is kept as a list, so nothing is unpacked before it is needed.
"""

from __future__ import annotations

import configparser
import io
import json
import posixpath
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from installer import install
from installer.destinations import WheelDestination
from installer.records import Hash, InvalidRecordEntry, RecordEntry
from installer.scripts import Script
from installer.sources import WheelContentElement, WheelFile
from installer.utils import (
    Scheme,
    construct_record_file,
    copyfileobj_with_hashing,
    fix_shebang,
    parse_entrypoints,
)
from packaging.utils import canonicalize_name

from zlock.errors import InvalidInput, ZlockError
from zlock.image.layers.entry import Entry, Packed
from zlock.index.packed import Zip, in_parts
from zlock.model.controls import CONTROLS
from zlock.model.paths import LONGEST_NAME

_ENCRYPTED = 0x1
_CONTROL = re.compile(f"[{CONTROLS}]")
_OWN = re.compile(r"pyvenv\.cfg|lib64|bin/python(3(\.\d+)?)?")  # what makes an environment (PEP 405)
_DEEPEST = 200  # folders in folders
_MOST_TEXT = 16 << 20  # bytes of a file that says what a wheel holds, or that is changed on its way
_MOST_SCRIPTS = 10_000  # that entry points make
_LONGEST_PATH = 4095  # bytes, as Linux has it
_TO_CHANGE = b"#!python"


class Environment(NamedTuple):
    """Where packages are in an image.

    Attributes:
        venv: The folder of the environment: `/opt/venv`.
        python: Its Python: `3.12`.
    """

    venv: str
    python: str

    @property
    def site(self) -> str:
        """The folder of its packages, without the slash at its beginning."""
        return f"{self.venv[1:]}/lib/python{self.python}/site-packages"

    def folder(self, scheme: str, distribution: str) -> str:
        """Return the folder of a scheme (sysconfig's `venv` on POSIX), without the slash at its beginning."""
        venv = self.venv[1:]
        return {
            "purelib": self.site,
            "platlib": self.site,
            "scripts": f"{venv}/bin",
            "data": venv,
            "headers": f"{venv}/include/site/python{self.python}/{canonicalize_name(distribution)}",
        }[scheme]


@contextmanager
def open_wheel(path: Path, environment: Environment, origin: Mapping[str, object]) -> Iterator[list[Entry]]:
    """Yield what a wheel becomes; its files can be read until the end.

    Args:
        path: The wheel, by its own name.
        environment: Where it goes.
        origin: Where it came from, if not from an index: the content of `direct_url.json` (PEP 610); else empty.

    Raises:
        InvalidInput: It is not a wheel that can be installed there, or would put files somewhere else.
    """
    try:
        archive = Zip(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:  # a name that is no text among them
        raise _refused(path, error) from error
    try:
        with archive:
            yield _entries(archive, path, environment, origin)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:  # the last for odd compression
        raise _refused(path, error) from error


def _entries(
    archive: zipfile.ZipFile, path: Path, environment: Environment, origin: Mapping[str, object]
) -> list[Entry]:
    _check_archive(archive, path)
    try:
        source = _Source(archive)
        destination = _Destination(environment, source, archive)
        more = {"INSTALLER": b"zlock\n", "REQUESTED": b""}
        if origin:
            more["direct_url.json"] = json.dumps(dict(origin), sort_keys=True).encode()
        install(source, destination, more)
    except ZlockError:
        raise
    except (
        Exception
    ) as error:  # the library tells of what is not a wheel by errors of many kinds, assertions among them
        raise _refused(path, error) from error
    return destination.entries


def _refused(path: Path, error: Exception) -> InvalidInput:
    said = str(error.args[-1] if error.args else error)  # some of the library's own carry the wheel before it
    if isinstance(error, UnicodeDecodeError):
        said = "a name in it is not valid UTF-8"
    why = " ".join(said.split()) or type(error).__name__
    return InvalidInput(f"`{path.name}` is not a wheel that can be installed: {why}", hint=_HINT)


_HINT = "tell its authors; to let pip judge it, build with an engine: `--builder docker`"


class _Source(WheelFile):
    """A wheel as pip reads it, and without compiled modules, which come from its sources."""

    @property
    def data_dir(self) -> str:
        """The folder of what goes to other schemes, however it spells the name of the distribution."""
        tops = {name.partition("/")[0] for name in self._zipfile.namelist()}
        found = sorted(name for name in tops if name.endswith(".data"))
        if len(found) > 1:
            raise ValueError(f"it has {len(found)} folders for other schemes")
        return found[0] if found else super().data_dir

    def read_dist_info(self, filename: str) -> str:
        try:
            if self._zipfile.getinfo(f"{self.dist_info_dir}/{filename}").file_size > _MOST_TEXT:
                raise ValueError(f"its `{filename}` is larger than any")
            text = super().read_dist_info(filename)
        except KeyError as error:
            raise ValueError(f"it has no `{filename}`") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"its `{filename}` is not valid UTF-8") from error
        if filename == "entry_points.txt":
            _check_entry_points(text)
        return text

    def get_contents(self) -> Iterator[WheelContentElement]:
        for record, stream, is_executable in super().get_contents():
            if "__pycache__" not in record[0].split("/"):
                yield record, stream, is_executable


class _Destination(WheelDestination):
    """Keeps a list of what is to be written, in place of writing it."""

    def __init__(self, environment: Environment, source: WheelFile, archive: zipfile.ZipFile) -> None:
        self._environment = environment
        self._distribution = source.distribution
        self._archive = archive
        self._rows = {info.filename: info for info in archive.infolist()}
        self._record = _recorded(source)
        self._scripts: dict[str, RecordEntry] = {}  # of entry points, by name
        self.entries: list[Entry] = []

    def write_script(self, name: str, module: str, attr: str, section: str) -> RecordEntry:
        script = Script(name, module, attr, section)  # type: ignore[arg-type]  # the library says which there are
        path, data = script.generate(f"{self._environment.venv}/bin/python", "posix")
        self._scripts[path] = self._known("scripts", path, data, 0o755)
        return self._scripts[path]

    def _is_to_change(self, name: str) -> bool:
        """Tell whether a script names an interpreter, which will be the environment's."""
        with self._archive.open(name) as stream:
            is_to_change = stream.read(len(_TO_CHANGE)) == _TO_CHANGE
        if is_to_change and self._rows[name].file_size > _MOST_TEXT:
            raise self._refused(f"has a script that is larger than any: `{name}`")
        return is_to_change

    def write_file(self, scheme: Scheme, path: object, stream: BinaryIO, is_executable: bool) -> RecordEntry:
        name, place = getattr(stream, "name", ""), str(path)
        if scheme == "scripts":
            if place in self._scripts:  # as pip has it: what entry points make counts
                return self._scripts[place]
            is_executable = True
            if self._is_to_change(name):
                with fix_shebang(stream, f"{self._environment.venv}/bin/python") as fixed:
                    return self._known(scheme, place, in_parts(fixed), 0o755)
        if name not in self._rows:  # what is written beside the wheel's own files
            return self._known(scheme, place, stream.read(), 0o644)
        info = self._rows[name]
        content = Packed(self._archive, info)
        mode = 0o755 if is_executable else 0o644
        self.entries.append(Entry(self._place(scheme, place), "file", content, info.file_size, mode))
        known = self._record.get(name)
        if known and known.hash_ and known.hash_.name == "sha256":
            return RecordEntry(place, known.hash_, info.file_size)
        digest, size = copyfileobj_with_hashing(stream, _Nowhere(), "sha256")
        return RecordEntry(place, Hash("sha256", digest), size)

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        def prefix(other: str) -> str | None:
            if other in ("purelib", "platlib"):
                return None
            return posixpath.relpath(self._environment.folder(other, self._distribution), self._environment.site) + "/"

        # What is written twice is there once.
        once = {self._place(scheme, record.path): (scheme, record) for scheme, record in records}
        with construct_record_file(once.values(), prefix) as stream:
            self._known(scheme, record_file_path, stream.read(), 0o644)

    def _known(self, scheme: str, path: str, data: bytes, mode: int) -> RecordEntry:
        self.entries.append(Entry.file(self._place(scheme, path), data, mode))
        digest, size = copyfileobj_with_hashing(io.BytesIO(data), _Nowhere(), "sha256")
        return RecordEntry(path, Hash("sha256", digest), size)

    def _place(self, scheme: str, path: str) -> str:
        parts = path.split("/")
        if _leads_astray(path):
            raise self._refused(f"has a file `{path}` outside its place")
        place = f"{self._environment.folder(scheme, self._distribution)}/{path}"
        venv = f"{self._environment.venv[1:]}/"
        if place.startswith(f"{venv}lib64/"):  # a link to `lib`, through which an installer writes
            place = f"{venv}lib/{place.removeprefix(f'{venv}lib64/')}"
        if (
            len(parts) > _DEEPEST
            or len(place.encode()) > _LONGEST_PATH
            or any(len(part.encode()) > LONGEST_NAME for part in parts)
        ):
            raise self._refused(f"has a path that no system takes: `{path[:60]}...`")
        if _OWN.fullmatch(place.removeprefix(venv)):
            raise self._refused(f"replaces the environment's `{path}`")
        return place

    def _refused(self, why: str) -> InvalidInput:
        return InvalidInput(f"the wheel of {self._distribution} {why}", hint=_HINT)


class _Nowhere(io.BytesIO):
    """Takes what is only to be hashed."""

    def write(self, data: object, /) -> int:
        return len(data)  # type: ignore[arg-type]  # bytes


def _recorded(source: WheelFile) -> dict[str, RecordEntry]:
    try:
        return {record[0]: RecordEntry.from_elements(*record) for record, _, _ in source.get_contents()}
    except InvalidRecordEntry as error:
        raise ValueError(f"a row of its `RECORD` can't be read: {'; '.join(error.issues)}") from error


def _check_entry_points(text: str) -> None:
    try:
        count = sum(1 for _ in parse_entrypoints(text))
    except AssertionError as error:
        raise ValueError("its `entry_points.txt` has a script that names no function as `module:function`") from error
    except configparser.Error as error:
        raise ValueError(f"its `entry_points.txt` can't be read: {error}") from error
    if count > _MOST_SCRIPTS:
        raise ValueError(f"its `entry_points.txt` has {count} scripts")


def _leads_astray(path: str) -> bool:
    return not {"", ".", ".."}.isdisjoint(path.split("/")) or "\\" in path or "\0" in path


def _check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse what unzips differently elsewhere."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [info.filename for info in infos]
    odd = next((f"`{info.filename}` {why}" for info in infos if (why := _oddity(info))), "")
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if odd or twice:
        what = f"its file {odd}" if odd else f"it has `{twice}` twice"
        raise InvalidInput(f"`{path.name}` is not a wheel that can be installed: {what}", hint=_HINT)


def _oddity(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if _CONTROL.search(info.filename):  # which readers of RECORD take for the end of a row
        return "has control characters in its name"
    return "is outside its place" if _leads_astray(info.filename) else ""

"""Metadata of sdists and source trees: what they state, else what their build backend says (PEP 517)."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import CommandFailed, NoAnswer, NoEligibleRelease, OutsideFailed
from zlock.index.archives import wheel_metadata
from zlock.index.metadata import parse_metadata
from zlock.index.tree import BuildSystem, checked_requirements, read_build_system, static_metadata, unpack
from zlock.model.distribution import SDIST_ENDINGS, Metadata
from zlock.model.indexes import Cutoff
from zlock.model.paths import as_path, real
from zlock.model.ports import InvalidMetadata
from zlock.model.requirement import parsed
from zlock.model.unshown import Unshown
from zlock.process import CommandExited, find_uv, run_command
from zlock.redact import redact
from zlock.reporting import Activity, Doing, Note, Reporter, unheard
from zlock.wording import listed

if TYPE_CHECKING:
    from pyproject_hooks import BuildBackendHookCaller

T = TypeVar("T")

_RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
_TAIL = 20  # lines of output in an error
_AT_ONCE = 4  # builds; each may start a compiler per processor
# Variables that would lead a child into another environment, interpreter or repository, or start a recursion.
_CONFUSING = ("UV_", "PIP_", "PYTHON", "_PYPROJECT_HOOKS_", "CONDA_", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH",
)  # fmt: skip
# A project folder stays as it is, and what is made of it does not depend on the day.
_FIXED = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "315532800"}
# How uv reaches the network and where it keeps things is the machine's; what it installs from is not.
_KEPT_BY_UV = frozenset({
    "UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_PYTHON_INSTALL_DIR", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES",
    "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_OFFLINE",
})  # fmt: skip


class BuildFailed(OutsideFailed):
    """A project's build backend could not say its metadata.

    Attributes:
        why: What failed.
    """

    def __init__(self, name: str, why: str, *, context: Sequence[str], hint: str) -> None:
        super().__init__(f"`{name}` could not be built: {why}", context=context, hint=hint)
        self.why = why


class Described(NamedTuple):
    """What an sdist or a tree says of itself.

    Attributes:
        metadata: Its core metadata.
        build_requires: What building a wheel of it requires, sorted: what it states, and what its backend adds where
            that may run (PEP 518, PEP 517).
    """

    metadata: Metadata
    build_requires: tuple[str, ...]


class SdistBuilder:
    """Finds the metadata of sdists and trees, running their backend only where that is allowed.

    What is built, and what its build requires, runs as this user: that is why it has to be allowed by name.
    Build requirements are installed from wheels alone, so that nothing else runs and no one sees the credentials
    of the index.

    Args:
        may_build: Whether the backend of a package may run.
        python: The target's version; builds run on that Python where this machine has it.
        default_index: Where build requirements come from: a URL, which may hold credentials, or a folder. None
            leaves it to uv.
        cutoff: What builds are made with is not newer, where that is not locked.
        timeout: Seconds for one build.
        offline: Build requirements come from uv's cache alone.
        reporter: Hears of each build that begins.

    Attributes:
        building: What is being built now.
    """

    def __init__(
        self,
        may_build: Callable[[NormalizedName], bool],
        *,
        python: str,
        default_index: str | None,
        cutoff: Cutoff | None = None,
        timeout: float = 600,
        offline: bool = False,
        reporter: Reporter = unheard,
    ) -> None:
        self.building: dict[str, None] = {}
        self._reporter = reporter
        self._may_build = may_build
        self._python = ".".join(python.split(".")[:2])
        self._timeout = timeout
        folder = as_path(default_index) if default_index else None
        index = None if folder else default_index
        self._uv_environment = uv_environment(os.environ, index, offline=offline) | {"UV_PYTHON_DOWNLOADS": "never"}
        self._index_options = (*(_folder_options(folder) if folder else ()), *_cutoff_options(cutoff or Cutoff()))
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._found: str | None = None
        self._required: dict[bytes, list[str]] = {}
        """What building an archive requires, by its digest: a backend that says its metadata has said that before."""

    def build_archive(self, archive: BinaryIO, filename: str) -> Metadata:
        """See `MetadataBuilder.build_archive`; static metadata is enough here too.

        Raises:
            InvalidMetadata: The archive or what it states is broken.
            BuildFailed: The backend failed.
            NoEligibleRelease: It needs a build and may not have one.
        """
        with temporary_folder() as folder:
            tree = unpack(archive, filename, folder)
            if (found := static_metadata(tree)) is not None:
                return found
            with self._building(tree, sdist_name(filename), filename) as build:
                described = build.describe()
            self._required[_digest(archive)] = list(described.build_requires)
            return described.metadata

    def requirements_of_archive(self, archive: BinaryIO, filename: str) -> list[str]:
        """Return what building a wheel of an sdist requires, see `MetadataBuilder.requirements_of_archive`."""
        if (known := self._required.get(_digest(archive))) is not None:
            return known
        with temporary_folder() as folder:
            tree = unpack(archive, filename, folder)
            with self._building(tree, sdist_name(filename), filename) as build:
                return list(build.requirements())

    def describe_archive(
        self, archive: BinaryIO, filename: str, *, name: NormalizedName, what: str, subdirectory: str = ""
    ) -> Described:
        """Return what an sdist, or a folder in it, says of itself; raises what `build_archive` does."""
        with temporary_folder() as folder:
            tree = unpack(archive, filename, folder)
            return self.describe_tree(folder_in(tree, subdirectory), name=name, what=what)

    def describe_tree(self, folder: Path, *, name: NormalizedName, what: str) -> Described:
        """Return what a source tree says of itself.

        Args:
            folder: The folder that holds `pyproject.toml` or `setup.py`.
            name: The package it is required as: the one that must be allowed to be built.
            what: Where it comes from, for messages; without credentials.

        Raises:
            InvalidMetadata: What the tree states is broken, or it is not a Python project.
            BuildFailed: The backend failed.
            NoEligibleRelease: It needs a build and may not have one.
        """
        found = static_metadata(folder)
        if found is not None and not self._may_build(name):
            return Described(found, tuple(sorted({*read_build_system(folder).requires})))
        with self._building(folder, name, what) as build:
            return build.describe() if found is None else Described(found, build.requirements())

    def metadata_text(self, folder: Path, *, name: NormalizedName, what: str, locked: Sequence[str]) -> str:
        """Return what the backend of a source tree says of it, core metadata as a text, see `build_wheel`."""
        with self._building(folder, name, what, locked) as build:
            return build.metadata_text()

    def build_wheel(self, folder: Path, *, name: NormalizedName, what: str, locked: Sequence[str]) -> tuple[str, bytes]:
        """Build the wheel of a source tree with what was locked for it; return its file name and its bytes.

        Args:
            folder: The tree; builds may write into it.
            name: The package it is required as.
            what: Where it comes from, for messages.
            locked: Lines of a requirements file with hashes: all that its build has.

        Raises:
            InvalidMetadata: What the tree states is broken, or it is not a Python project.
            BuildFailed: The backend failed.
            NoAnswer: Its backend asks for more than was locked.
        """
        with self._building(folder, name, what, locked) as build:
            return build.wheel(locked)

    @contextmanager
    def _building(
        self, folder: Path, name: NormalizedName, what: str, locked: Sequence[str] | None = None
    ) -> Iterator[_Build]:
        """Yield a run of a tree's backend, where that is allowed, in an environment of what it states or was locked."""
        system = read_build_system(folder)
        if not self._may_build(name):
            raise NoEligibleRelease(
                f"`{name}` needs a build, and only packages that `build-sdists` names are built",
                context=[f"from `{what}`"],
                hint=f'`build-sdists = ["{name}"]` allows it: its code then runs when locks are made',
            )
        with self._turns, temporary_folder() as work:
            build = _Build(
                name=name,
                what=what,
                tree=folder,
                work=work,
                system=system,
                timeout=self._timeout,
                deadline=time.monotonic() + self._timeout,
                uv_environment=self._uv_environment,
                index_options=self._index_options,
                reporter=self._reporter,
            )
            self.building[what] = None
            self._reporter(Doing(Activity.BUILDING, what))
            try:
                build.make_environment(self._interpreter_for(name), locked)
                yield build
            finally:
                del self.building[what]

    def runs_on(self) -> str:
        """See `MetadataBuilder.runs_on`: the target's minor version, else the running one."""
        return self._python if self._python == _RUNNING or self._interpreter() else _RUNNING

    def _interpreter_for(self, name: NormalizedName) -> str:
        """Return the interpreter to build on: of the target's minor version, else the running one and a note."""
        if self.runs_on() != self._python:
            where = f"on Python {_RUNNING}, as no Python {self._python} was found here"
            self._reporter(Note(f"`{name}` was built {where}: what it requires only there may be missing"))
        return sys.executable if self.runs_on() == _RUNNING else self._interpreter()

    def _interpreter(self) -> str:
        """Return an interpreter of the target's minor version, empty where this machine has none."""
        with self._lock:
            if self._found is None:
                with temporary_folder() as folder:
                    self._found = _find_python(self._python, folder, self._uv_environment)
            return self._found


class _Build(Unshown, frozen=True, kw_only=True):
    """One run of a backend, in an environment of its own (PEP 517, "Build environment")."""

    name: NormalizedName
    what: str
    tree: Path
    work: Path
    system: BuildSystem
    timeout: float
    deadline: float
    uv_environment: Mapping[str, str]  # it may hold credentials
    index_options: Sequence[str]
    reporter: Reporter

    def make_environment(self, python: str, locked: Sequence[str] | None) -> None:
        """Make the environment: of what was locked, or else of what the tree states."""
        self._uv("venv", "--no-project", "--python", python, str(self._environment), doing="make an environment")
        if locked is None:
            self._install("--", *self.system.requires)
        elif locked:
            lines = self.work / "requirements.txt"
            lines.write_text("".join(f"{line}\n" for line in locked), encoding="utf-8")
            self._install("--no-deps", "--require-hashes", "--requirement", str(lines))

    def describe(self) -> Described:
        """Ask the hooks, and read what they leave."""
        required = self._ask_hooks(_required)
        self._install("--", *required)
        return Described(parse_metadata(self.metadata_text()), self._with_stated(required))

    def requirements(self) -> tuple[str, ...]:
        """Return what the tree states and what its backend adds (PEP 517, get_requires_for_build_wheel).

        A backend that fails may lack a library that this machine has no need of: then what is stated has to do.
        """
        try:
            return self._with_stated(self._ask_hooks(_required))
        except BuildFailed as error:
            if not isinstance(error.__cause__, CommandExited):
                raise
            why = f"{error.why} ({error.context[-1].strip()})"
            what = "what it states is locked for its build, and nothing that its backend may add"
            self.reporter(Note(f"`{self.name}`: {what}, as that could not be asked here: {why}"))
            return self._with_stated(())

    def _with_stated(self, required: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({*self.system.requires, *required}))

    def metadata_text(self) -> str:
        """Return what the backend says of the tree."""
        return self._ask_hooks(self._metadata_text)

    def wheel(self, locked: Sequence[str]) -> tuple[str, bytes]:
        """Return the wheel: its name and its bytes; its backend may ask for no more than was locked."""
        self._check_locked(self._ask_hooks(_required), locked)
        self._out.mkdir()
        place = self._out / Path(self._ask_hooks(lambda caller: caller.build_wheel(str(self._out)))).name
        return place.name, place.read_bytes()

    def _check_locked(self, required: Iterable[str], locked: Sequence[str]) -> None:
        known = {canonicalize_name(line.partition("==")[0]) for line in locked}
        asked = [one for one in map(parsed, required) if one.marker is None or one.marker.evaluate()]
        missing = [str(one) for one in asked if canonicalize_name(one.name) not in known]
        if missing:
            raise NoAnswer(
                f"`{self.name}` could not be built: its backend asks for {listed(missing)}, which was not locked",
                context=[f"from `{self.what}`"],
                hint=f'`build-sdists = ["{self.name}"]` lets it say so when locks are made; then run `zlock resolve`',
            )

    @property
    def _environment(self) -> Path:
        return self.work / "environment"

    @property
    def _out(self) -> Path:
        return self.work / "out"

    @property
    def _scripts(self) -> Path:
        return self._environment / ("Scripts" if os.name == "nt" else "bin")

    @property
    def _interpreter(self) -> str:
        return str(self._scripts / ("python.exe" if os.name == "nt" else "python"))

    def _install(self, *what: str) -> None:
        if what[1:]:
            options = ("--python", self._interpreter, "--only-binary", ":all:", *self.index_options)
            self._uv("pip", "install", *options, *what, doing="install what its build requires")

    def _uv(self, *arguments: str, doing: str) -> None:
        try:
            self._run([find_uv(), *arguments], self.uv_environment)
        except CommandFailed as error:
            raise self._failed(f"uv could not {doing}", error) from error

    def _run(self, command: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None) -> str:
        left = max(0.0, self.deadline - time.monotonic())
        return run_command(command, cwd=cwd or self.work, timeout=left, environ=environ).stdout

    def _ask_hooks(self, ask: Callable[[BuildBackendHookCaller], T]) -> T:
        from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller

        _silence_hooks()
        backend = self.system.build_backend
        caller = BuildBackendHookCaller(
            str(self.tree), backend, list(self.system.backend_path) or None, self._run_hook, self._interpreter
        )
        try:
            return ask(caller)
        except CommandFailed as error:
            raise self._failed(f"its backend `{backend}` failed", error) from error
        except BackendUnavailable as error:
            raise self._failed(f"its backend `{backend}` can't be imported", lines=error.traceback) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            # The backend is foreign code: it may end without an answer, or answer with anything.
            raise self._failed(f"its backend `{backend}` gave no usable answer", lines=str(error)) from error

    def _metadata_text(self, caller: BuildBackendHookCaller) -> str:
        from pyproject_hooks import HookMissing

        self._out.mkdir()
        try:
            name = caller.prepare_metadata_for_build_wheel(str(self._out), _allow_fallback=False)
            return (self._out / Path(name).name / "METADATA").read_text("utf-8", "replace")
        except HookMissing:
            wheel = self._out / Path(caller.build_wheel(str(self._out))).name
            with wheel.open("rb") as stream:
                return wheel_metadata(stream, wheel.name)

    def _run_hook(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        environ = child_environment(os.environ)
        environ["PATH"] = os.pathsep.join([str(self._scripts), environ.get("PATH", os.defpath)])
        environ |= _FIXED
        environ |= extra_environ or {}
        self._run(cmd, environ, Path(cwd or self.tree))

    def _failed(self, why: str, cause: CommandFailed | None = None, *, lines: str = "") -> BuildFailed:
        output = cause.context if cause else [redact(line) for line in lines.splitlines() if line.strip()]
        if cause and not isinstance(cause, CommandExited):
            late = time.monotonic() >= self.deadline
            why = f"it did not end within {self.timeout:g} seconds" if late else f"{why}: {cause.message}"
        return BuildFailed(
            self.name,
            why,
            context=[f"from `{self.what}`", *output[-_TAIL:]],
            hint="require a version that has a wheel, or install what its build needs on this machine",
        )


def _required(caller: BuildBackendHookCaller) -> list[str]:
    return checked_requirements(caller.get_requires_for_build_wheel())


def _digest(archive: BinaryIO) -> bytes:
    archive.seek(0)
    found = hashlib.file_digest(archive, "sha256").digest()  # type: ignore[arg-type]  # any binary file
    archive.seek(0)
    return found


def sdist_name(filename: str) -> NormalizedName:
    """Return the normalized project name that an sdist's file name begins with (PEP 625)."""
    stem = next((filename.removesuffix(ending) for ending in SDIST_ENDINGS if filename.endswith(ending)), filename)
    return canonicalize_name(stem.rpartition("-")[0] or stem)


def folder_in(tree: Path, subdirectory: str) -> Path:
    """Return a folder inside a tree.

    Raises:
        InvalidMetadata: It is not there, or a link leads out of the tree.
    """
    folder = tree / subdirectory
    if not real(folder).is_relative_to(real(tree)) or not folder.is_dir():
        raise InvalidMetadata(f"it has no folder `{subdirectory}`")
    return folder


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that foreign code may inherit: nothing about indexes, environments or repositories."""
    return {
        name: value for name, value in environ.items() if not name.startswith(_CONFUSING) and name not in _REPOSITORY
    }


def uv_environment(environ: Mapping[str, str], default_index: str | None, *, offline: bool) -> dict[str, str]:
    """Return the variables that uv runs with: how it reaches the network is the machine's, what it installs is not.

    Args:
        environ: Those of zlock.
        default_index: The URL of an index, which may hold credentials; None where uv needs to know none.
        offline: Leave the network alone.
    """
    made = child_environment(environ) | {name: value for name, value in environ.items() if name in _KEPT_BY_UV}
    made |= {"UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1"}
    certificate = environ.get("SSL_CERT_FILE") or environ.get("PIP_CERT")
    if certificate:
        made["SSL_CERT_FILE"] = certificate
    if default_index:
        # Arguments can be read by every process of the machine, variables only by this user's.
        made["UV_DEFAULT_INDEX"] = default_index
    if offline:
        made["UV_OFFLINE"] = "1"
    return made


def _folder_options(folder: Path) -> tuple[str, ...]:
    """Return what makes a folder uv's only index: a tree with a page per project, or a flat one."""
    if any(folder.glob("*/index.html")):
        return ("--default-index", folder.as_uri(), "--find-links", str(folder))
    return ("--no-index", "--find-links", str(folder))


def _cutoff_options(cutoff: Cutoff) -> Iterator[str]:
    if cutoff.default:
        yield from ("--exclude-newer", cutoff.default.isoformat())
    for name, limit in cutoff.packages.items():
        yield from ("--exclude-newer-package", f"{name}={limit.isoformat() if limit else 'false'}")


def _find_python(version: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Return an interpreter of this machine, or nothing."""
    try:
        command = [find_uv(), "python", "find", "--no-project", f"cpython@{version}"]
        return run_command(command, cwd=folder, timeout=60, environ=environ).stdout.strip()
    except CommandFailed:
        return ""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is gone afterwards, whatever foreign code left in it."""
    with TemporaryDirectory(prefix="zlock-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def _silence_hooks() -> None:
    """Keep a backend's own warnings, which are for its project's author, off the terminal."""
    import warnings

    from pyproject_hooks import BuildBackendWarning

    warnings.filterwarnings("ignore", category=BuildBackendWarning)

"""Load a pipeline file: ask a child process what the file declares."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Required, TypedDict

from msgspec import Struct, field
from msgspec.structs import replace

from zlock import errors
from zlock.errors import CommandFailed, InvalidPipeline, Located, ZlockError, raise_all
from zlock.process import exit_of, started
from zlock.pyproject.script import is_plain
from zlock.redact import redact
from zlock.settings.docker import DockerSettings, SettingsDocument
from zlock.settings.frameworks import FRAMEWORKS
from zlock.settings.place import Place, display
from zlock.wording import did_you_mean

PROTOCOL = 5
"""The version of the document that is read; a zlock with another one is as good as none."""

_START = """
import importlib.util, sys
*asked, protocol, folder, is_own, packages = sys.argv[1:]
sys.path[:] = [entry for entry in sys.path if entry]
def load():
    spec = importlib.util.spec_from_file_location("zlock", folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules["zlock"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
if is_own:
    load()
try:
    from zlock.settings import child, reader
    known = child.PROTOCOL == int(protocol)
except Exception:
    known = False
if not known and any(map(importlib.util.find_spec, packages.split())):
    for name in [name for name in sys.modules if name.partition(".")[0] == "zlock"]:
        del sys.modules[name]
    load()
    from zlock.settings import child, reader
    known = True
if known:
    child.main(reader.Question(*asked))
else:
    with open(asked[-1], "w") as stream:
        stream.write('{"protocol": 0}')
"""
"""The child's first lines. They say so where zlock can't be imported, and run on any Python 3.
In zlock's own interpreter it is this zlock that is loaded, and so it is where a framework is and no zlock:
by its folder, since what is beside that folder may be for another Python."""

_OF_OTHERS = frozenset({".txt", ".in", ".pip", ".toml", ".lock", ".yaml", ".yml"})
"""Ends of files that hold requirements or configuration, which Python would try to run."""

SCRIPT = "script"
"""The `maker` of what stands for a script with inline metadata."""

_HERE = Path(__file__).parents[1].as_posix()


class DeclaredStep(Struct, frozen=True, kw_only=True):
    """A step that a pipeline file declares.

    Attributes:
        name: Its name, unchecked.
        settings: Its own settings over those of the pipelines that call it.
        file: Where its function is defined, absolute.
        line: The line there, decorators included.
    """

    name: str
    settings: DockerSettings
    file: str
    line: int


class DeclaredPipeline(Struct, frozen=True, kw_only=True):
    """What a pipeline file declares.

    Attributes:
        name: The pipeline's name, unchecked; None where the file holds only steps.
        settings: The pipeline's own settings.
        steps: In the order of their first call.
        file: Where the pipeline is defined, absolute.
        line: The line there, decorators included.
        files: The files of the user's that were imported or configure the run, absolute and sorted.
        reference: The file that was asked for, absolute; the pipeline may come from another one.
        asked: The name in it that was asked for; empty for the only one.
        pipelines: The names of all pipelines in it.
        maker: Whose pipelines they are: `zlock`, or the package of a framework; `SCRIPT` for a script.
        defaults: Settings that lie below all others, for its steps alone.
        requires: What the framework requires to be in every image.
        config: The file that configures the run, absolute; empty for none.
        own_image: The step that is none, but the pipeline itself, which runs in an image too; empty for none.
        notes: What a person who locks it should know.
    """

    name: str | None
    settings: DockerSettings
    steps: tuple[DeclaredStep, ...]
    file: str
    line: int
    files: tuple[str, ...] = ()
    reference: str = ""
    asked: str = ""
    pipelines: tuple[str, ...] = ()
    maker: str = "zlock"
    defaults: DockerSettings = field(default_factory=DockerSettings)
    requires: tuple[str, ...] = ()
    config: str = ""
    own_image: str = ""
    notes: tuple[str, ...] = ()

    def with_own_image(self) -> DeclaredPipeline:
        """Return it with the pipeline itself as one more step; its name tells it from a step of the same name."""
        if self.own_image or self.name is None:
            return self
        name = f"{self.name}-pipeline" if self.name in {step.name for step in self.steps} else self.name
        own = DeclaredStep(name=name, settings=self.settings, file=self.file, line=self.line)
        return replace(self, steps=(*self.steps, own), own_image=name)


class StepDocument(TypedDict):
    """A step, as the child writes it."""

    name: str
    place: tuple[str, int]
    settings: SettingsDocument


class ErrorDocument(TypedDict):
    """An error, as the child writes it."""

    kind: str
    message: str
    context: list[tuple[str, str, int | None]]
    hint: str


class Document(TypedDict, total=False):
    """What the child writes: the protocol, and errors or all the others."""

    protocol: Required[int]
    errors: list[ErrorDocument]
    name: str | None
    place: tuple[str, int]
    settings: SettingsDocument
    steps: list[StepDocument]
    files: list[str]
    pipelines: list[str]
    maker: str
    defaults: SettingsDocument
    requires: list[str]
    config: str
    runs_itself: bool
    notes: list[str]


def load_pipeline(
    reference: str, *, project: Path, interpreter: str, config: Path | None = None, timeout: float = 120
) -> DeclaredPipeline:
    """Import a pipeline file in a child process and collect what it declares.

    Args:
        reference: `file.py` or `file.py:name`, relative to the project folder.
        project: The project folder.
        interpreter: The project's interpreter; where it has neither zlock nor a framework, zlock's own takes its place.
        config: A file that configures the run, for pipelines of a framework.
        timeout: How many seconds the file may take.

    Raises:
        InvalidPipeline: The file is missing, can't be run, or doesn't hold what is asked for.
        InvalidConfiguration: Settings in it are wrong (`Problems` for several mistakes).
        CommandFailed: It takes too long, or the interpreter can't be started.
    """
    folder = Path(os.path.abspath(project))  # noqa: PTH100  # `resolve` would follow links out of the project
    file, name = _parse(reference, folder)
    if config is not None and not config.is_file():
        what = "is a folder" if config.is_dir() else "is not there"
        hint = f"name a file; a relative path counts from the working folder, `{Path.cwd()}`"
        raise InvalidPipeline(f"`{config}` {what}, and is to configure the run", hint=hint)
    asked = [str(file), name, str(folder), str(config.absolute()) if config else "", interpreter]
    document = _ask(interpreter, asked, timeout)
    note = ""
    if document["protocol"] != PROTOCOL and not _is_own(interpreter):
        note = f"run by the interpreter of zlock, `{sys.executable}`: `{interpreter}` has no zlock of this version"
        document = _ask(sys.executable, asked, timeout)
    if document["protocol"] != PROTOCOL:
        raise CommandFailed(f"`{sys.executable}` can't import zlock", hint="install zlock again")
    _raise_errors(document, note, file)
    return _declared(document, file, name)


def _parse(reference: str, folder: Path) -> tuple[Path, str]:
    """Split a reference into the file and the name in it."""
    if "\0" in reference:
        raise InvalidPipeline(
            "the name of a pipeline file can't hold a null character", hint="write `file.py` or `file.py:name`"
        )
    whole = _inside(folder, reference)
    stated, colon, name = reference.rpartition(":")
    if whole.is_file() or not colon:
        stated, name = reference, ""
    elif not name:
        raise InvalidPipeline(
            f"`{reference}` names nothing after the colon", hint=f"write `{stated}` or `{stated}:name`"
        )
    file = _inside(folder, stated)
    if file.suffix in _OF_OTHERS and file.is_file():
        raise InvalidPipeline(
            f"`{stated}` is not a Python file",
            hint=f"begin a configuration that reads it: `zlock init --from {stated}`",
        )
    if not file.is_file():
        problem = "is a folder" if file.is_dir() else "does not exist"
        raise InvalidPipeline(f"pipeline file `{stated}` {problem}", hint=_near_files(stated, folder))
    return file, name


def _inside(folder: Path, stated: str) -> Path:
    return Path(os.path.abspath(folder / stated))  # noqa: PTH100  # as for the project folder


def _near_files(stated: str, folder: Path) -> str:
    dotted = f"{stated.replace('.', '/')}.py"
    if (folder / dotted).is_file():
        return f"name the file, not the module: `{dotted}`"
    known = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("*.py"))]
    if near := did_you_mean(stated, known):
        return near
    if stated.isidentifier() and not (folder / stated).exists():
        return f"a step is chosen with `--step {stated}`, a package is moved with `--upgrade-package {stated}`"
    return f"a relative path counts from the project folder `{folder}`"


def _is_own(interpreter: str) -> bool:
    # links are not followed: an environment's interpreter is a link to the one it was made from
    return os.path.abspath(interpreter) == os.path.abspath(sys.executable)  # noqa: PTH100


def _ask(interpreter: str, asked: Sequence[str], timeout: float) -> Document:
    """Run a child to its end and read its document."""
    file, _, folder = asked[:3]
    own = "own" if _is_own(interpreter) else ""
    packages = " ".join(framework.package for framework in FRAMEWORKS)
    with tempfile.TemporaryDirectory(prefix="zlock-") as scratch:
        result = Path(scratch, "declared.json")
        command = [interpreter, "-c", _START, *asked, str(result), str(PROTOCOL), _HERE, own, packages]
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired), started(lambda: _start(command, folder)) as child:
            code = _wait(child, timeout)
        if result.is_file():
            document: Document = json.loads(result.read_bytes())
            return document
    shown = os.path.relpath(file, folder)
    if code is None:
        hint = 'put what runs the pipeline under `if __name__ == "__main__":`'
        raise CommandFailed(f"`{shown}` did not finish within {timeout:g} seconds", hint=hint)
    raise InvalidPipeline(
        f"`{shown}` ends its process ({exit_of(code)})",
        hint="let it be imported without ending the interpreter",
    )


def _start(command: list[str], folder: str) -> subprocess.Popen[bytes]:
    """Start a child whose output joins standard error; it has no standard input to wait for."""
    output = 2 if _is_open(2) else subprocess.DEVNULL
    try:
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    except OSError as error:
        raise CommandFailed(
            f"`{command[0]}` can't be started: {error.strerror}",
            hint="make the environment again, or set `VIRTUAL_ENV` to another one",
        ) from error


def _wait(child: subprocess.Popen[bytes], timeout: float) -> int:
    """Wait for the end as `Popen.wait` does; Linux can do without its polling, which costs a fast child up to 50 ms."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError), os.fdopen(os.pidfd_open(child.pid), "rb", 0) as end:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            poll.poll(timeout * 1000)
            timeout = 0
    return child.wait(timeout)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _raise_errors(document: Document, note: str, file: Path) -> None:
    raise_all(_error(stated, note, file) for stated in document.get("errors", ()))


def _error(stated: ErrorDocument, note: str, file: Path) -> ZlockError:
    found = getattr(errors, stated["kind"], None)
    kind = found if isinstance(found, type) and issubclass(found, ZlockError) else InvalidPipeline
    lines = [Located(text, Place(file, line)) for text, file, line in stated["context"]]
    hint = stated["hint"]
    if kind is InvalidPipeline and is_plain(file):
        hint = f"{plain(display(str(file)))}; else {hint}".removesuffix("; else ")
    return kind(redact(stated["message"]), context=[*lines, *([note] if note else [])], hint=hint)


def plain(shown: str) -> str:
    """Return what is said of a Python file in which no function is decorated."""
    return (
        f"no function in `{shown}` is decorated as a pipeline or a step: unless it imports one, state each step in the "
        "configuration as `[steps.NAME.docker]`, in place of `pipeline`"
    )


def _declared(document: Document, reference: Path, asked: str) -> DeclaredPipeline:
    file, line = document["place"]
    declared = DeclaredPipeline(
        name=document["name"],
        settings=DockerSettings.from_json(document["settings"]),
        steps=tuple(_step(step) for step in document["steps"]),
        file=file,
        line=line,
        files=tuple(document["files"]),
        reference=str(reference),
        asked=asked,
        pipelines=tuple(document["pipelines"]),
        maker=document["maker"],
        defaults=DockerSettings.from_json(document["defaults"]),
        requires=tuple(document["requires"]),
        config=document["config"],
        notes=tuple(document["notes"]),
    )
    return declared.with_own_image() if document["runs_itself"] else declared


def _step(document: StepDocument) -> DeclaredStep:
    file, line = document["place"]
    settings = DockerSettings.from_json(document["settings"])
    return DeclaredStep(name=document["name"], settings=settings, file=file, line=line)

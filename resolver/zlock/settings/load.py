"""Load a pipeline file: ask a child process what the file declares."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from zlock import errors
from zlock.errors import CommandFailed, InvalidPipeline, Located, ZlockError, raise_all
from zlock.process import exit_of, started
from zlock.redact import redact
from zlock.settings.declared import DeclaredPipeline, DeclaredStep
from zlock.settings.docker import DockerSettings
from zlock.settings.frameworks import FRAMEWORKS
from zlock.settings.location import Location
from zlock.settings.reader import PROTOCOL, Read, Told
from zlock.wording import did_you_mean

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
    known = reader.PROTOCOL == int(protocol)
except Exception:
    known = False
if not known and any(map(importlib.util.find_spec, packages.split())):
    for name in [name for name in sys.modules if name.partition(".")[0] == "zlock"]:
        del sys.modules[name]
    load()
    from zlock.settings import child, reader
    known = True
if known:
    child.main(reader.FileQuestion(*asked))
else:
    with open(asked[-1], "w") as stream:
        stream.write('{"protocol": 0}')
"""
"""The child's first lines. They say so where zlock can't be imported, and run on any Python 3.
In zlock's own interpreter it is this zlock that is loaded, and so it is where a framework is and no zlock:
by its folder, since what is beside that folder may be for another Python."""

_OF_OTHERS = frozenset({".txt", ".in", ".pip", ".toml", ".lock", ".yaml", ".yml"})
"""Ends of files that hold requirements or configuration, which Python would try to run."""

_HERE = Path(__file__).parents[1].as_posix()


class ChildAnswer(Struct, frozen=True, kw_only=True):
    """What the child writes: errors, or what it has read.

    Attributes:
        protocol: The version of this document.
        errors: What is wrong.
        maker: Whose pipelines or steps the file holds, as for all that follows.
        name: The pipeline's name; None for steps alone.
        files: The user's files that were imported or configure the run.
        pipelines: The names of all pipelines in the file.
        read: What the pipeline or the steps declare.
    """

    protocol: int
    errors: tuple[Told, ...] = ()
    maker: str = ""
    name: str | None = None
    files: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    read: Read | None = None


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
    answer = _ask(interpreter, asked, timeout)
    note = ""
    if answer.protocol != PROTOCOL and not _is_own(interpreter):
        note = f"run by the interpreter of zlock, `{sys.executable}`: `{interpreter}` has no zlock of this version"
        answer = _ask(sys.executable, asked, timeout)
    if answer.protocol != PROTOCOL:
        raise CommandFailed(f"`{sys.executable}` can't import zlock", hint="install zlock again")
    raise_all(_error(told, note) for told in answer.errors)
    assert answer.read is not None  # noqa: S101 - there are errors, or what was read
    return _declared(answer, answer.read, file, name)


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
        return f"name the file, not the module: `{dotted}`; a step is chosen with `--step`"
    known = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("*.py"))]
    if near := did_you_mean(stated, known):
        return near
    if stated.isidentifier() and not (folder / stated).exists():
        return f"a step is chosen with `--step {stated}`, a package is moved with `--upgrade-package {stated}`"
    return f"a relative path counts from the project folder `{folder}`"


def _is_own(interpreter: str) -> bool:
    # links are not followed: an environment's interpreter is a link to the one it was made from
    return os.path.abspath(interpreter) == os.path.abspath(sys.executable)  # noqa: PTH100


def _ask(interpreter: str, asked: Sequence[str], timeout: float) -> ChildAnswer:
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
            return msgspec.json.decode(result.read_bytes(), type=ChildAnswer)
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
    output = 2
    try:
        os.fstat(output)
    except OSError:  # it was closed
        output = subprocess.DEVNULL
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


def _error(told: Told, note: str) -> ZlockError:
    found = getattr(errors, told.kind, None)
    kind = found if isinstance(found, type) and issubclass(found, ZlockError) else InvalidPipeline
    lines = [Located(text, Location(file, line)) for text, file, line in told.context]
    return kind(redact(told.message), context=[*lines, *([note] if note else [])], hint=told.hint)


def _declared(answer: ChildAnswer, read: Read, reference: Path, asked: str) -> DeclaredPipeline:
    settings = DockerSettings.from_document
    declared = DeclaredPipeline(
        name=answer.name,
        settings=settings(read.settings),
        steps=tuple(DeclaredStep(name=name, place=at, settings=settings(own)) for name, at, own in read.steps),
        place=read.place,
        files=answer.files,
        reference=str(reference),
        asked=asked,
        pipelines=answer.pipelines,
        maker=answer.maker,
        defaults=settings(read.defaults),
        requires=tuple(read.requires),
        config=read.config,
        notes=tuple(read.notes),
    )
    return declared.with_own_image() if read.runs_itself else declared

"""Other programs are run without a shell, within a time limit and an output limit."""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX, Event, Lock, Thread, current_thread
from typing import IO

from msgspec import Struct, field

from zlock.errors import CommandFailed
from zlock.interrupts import interrupts_postponed
from zlock.redact import redact
from zlock.reporting import Line, Reporter, unheard

OUTPUT_LIMIT = 32 * 1024 * 1024
"""How many bytes a command may print on one stream."""

_TAIL = 20
_CHUNK = 64 * 1024
_POLL = 0.1  # seconds between two looks at whether a command is to stop
_GRACE = 1.0  # seconds for the readers of a killed command: a process that left the group may hold the pipe open

_running: dict[subprocess.Popen[bytes], Thread] = {}
_starting = Lock()
_is_over = False

_OWN_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # elsewhere `start_new_session` makes it

_PLAIN_OUTPUT = {
    "NO_COLOR": "1",
    "PIP_NO_COLOR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PYTHONIOENCODING": "utf-8",
}

_ANSI = re.compile(
    r"""
    \x1b \[ [0-?]* [ -/]* [@-~]             # colours and movements
  | \x1b \] [^\x07\x1b]* (?: \x07 | \x1b\\ )  # titles and hyperlinks
  | \x1b [@-Z\\^_]                          # the rest, two characters each
    """,
    re.VERBOSE,
)


class Completed(Struct, frozen=True, kw_only=True):
    """What a command that ended with 0 printed: decoded, without colours, lines ended by a newline alone."""

    stdout: str
    stderr: str


class Watch(Struct, frozen=True, kw_only=True):
    """How a long command is followed while it runs, and ended from another thread.

    Attributes:
        reporter: Hears each line of either stream, from a thread of that stream.
        stop: Once set, the command is asked to end.
        patience: Seconds that it has for that and for cleaning up, before it is killed.
    """

    reporter: Reporter = unheard
    stop: Event = field(default_factory=Event)
    patience: float = 10.0


class CommandNotFound(CommandFailed):
    """The program does not exist."""


_OF_SHELLS = frozenset({"|", "||", "&&", ";", ">", ">>", "<", "2>&1"})


class CommandStopped(CommandFailed):
    """The command was ended because what it was for has ended."""


class CommandExited(CommandFailed):
    """The command ended with another code than 0.

    Attributes:
        code: The exit code, negative for a signal.
        completed: What it had printed.
    """

    def __init__(self, argv: Sequence[str], code: int, completed: Completed) -> None:
        hint = "run it by hand to see what it lacks"
        if _OF_SHELLS.intersection(argv):
            hint = 'no shell runs it: with `|` and the like, make it the list `["sh", "-c", "..."]`'
        super().__init__(
            f"`{quoted(argv)}` ended with {exit_of(code)}",
            context=_tail(completed.stderr or completed.stdout),
            hint=hint,
        )
        self.code = code
        self.completed = completed


def run_command(
    argv: Sequence[str],
    *,
    cwd: Path,
    timeout: float,
    limit: int = OUTPUT_LIMIT,
    environ: Mapping[str, str] | None = None,
    stdin: str = "",
    watch: Watch | None = None,
) -> Completed:
    """Run a command to its end and return what it printed.

    It gets a process group of its own, without a terminal, so that it can't ask for a password; when
    it prints too much, takes too long, or the run ends before it, the whole group is killed.

    Args:
        argv: The program and its arguments; a program without a folder is looked up on `PATH` of `environ`.
        cwd: The folder it runs in; a program with a relative folder counts from here.
        timeout: Seconds until it is killed; `math.inf` for no limit.
        limit: Bytes that it may print on one stream.
        environ: Its environment; None for that of zlock.
        stdin: What it reads.
        watch: How it is followed and stopped, or None.

    Raises:
        CommandNotFound: There is no such program.
        CommandExited: It ended with another code than 0.
        CommandStopped: The watch stopped it.
        CommandFailed: It could not be started, took too long, or printed too much.
    """
    environ = {**(os.environ if environ is None else environ), **_PLAIN_OUTPUT}
    deadline = time.monotonic() + timeout
    streams: list[_Stream] = []
    reporter = watch.reporter if watch else None
    try:
        with started(lambda: _start(argv, cwd=cwd, environ=environ, stdin=stdin)) as process:
            ended: SimpleQueue[_Stream] = SimpleQueue()
            pipes = (process.stdout, process.stderr)
            streams += [_Stream(pipe, limit, ended, reporter) for pipe in pipes if pipe is not None]
            for stream in streams:
                stream.start()
            if _wait(process, ended, deadline, watch):
                raise CommandFailed(
                    f"`{quoted(argv)}` printed more than {limit} bytes", hint="run it by hand to see what it prints"
                )
    except (subprocess.TimeoutExpired, Empty):
        raise CommandFailed(
            f"`{quoted(argv)}` did not end within {timeout:g} seconds",
            context=_tail(streams[1].text),
            hint="run it by hand to see what it waits for",
        ) from None
    completed = Completed(stdout=streams[0].text, stderr=streams[1].text)
    if process.returncode:
        raise CommandExited(argv, process.returncode, completed)
    return completed


def printed_by(argv: Sequence[str], *, environ: Mapping[str, str], timeout: float) -> str:
    """Return what a command prints when asked for a fact; "" where it knows nothing or can't be run.

    Unlike those of `run_command` it stays in the terminal's session, where a keyring may have to unlock itself.
    """
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def quoted(argv: Sequence[str]) -> str:
    """Write a command on one line as a shell would read it, without credentials."""
    return redact(shlex.join(argv)).replace("\n", "\\n").replace("\r", "\\r")


def find_uv() -> str:
    """Return the uv that zlock came with.

    Raises:
        CommandNotFound: It is not there.
    """
    import uv  # of no use to most runs

    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise CommandNotFound(
            "the program `uv` is not where its package should have it", hint="install zlock again, it brings uv"
        ) from error


def exit_of(code: int) -> str:
    """Say how a program ended, whose return code is negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


class _Stream(Thread):
    """Reads one pipe to its end, or until it is over the limit."""

    def __init__(self, pipe: IO[bytes], limit: int, ended: SimpleQueue[_Stream], reporter: Reporter | None) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._limit = limit
        self._ended = ended
        self._reporter = reporter
        self._told = 0
        self._read = bytearray()

    def run(self) -> None:
        with self._pipe:
            while not self.overflowed and (chunk := self._pipe.read(_CHUNK)):
                self._read += chunk
                self._tell(self._read.rfind(b"\n") + 1)
        self._tell(len(self._read))
        self._ended.put(self)

    def _tell(self, end: int) -> None:
        """Hand on the lines that end before a place and were not handed on yet."""
        if self._reporter is not None and end > self._told:
            for line in _plain(bytes(self._read[self._told : end])).splitlines():
                self._reporter(Line(line))
            self._told = end

    @property
    def overflowed(self) -> bool:
        return len(self._read) > self._limit

    @property
    def text(self) -> str:
        self.join(_GRACE)
        return _plain(bytes(self._read))


def _plain(data: bytes) -> str:
    text = data.decode("utf-8-sig", errors="replace")
    return _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def started(start: Callable[[], subprocess.Popen[bytes]]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that leads a group, and kill all of it where what waits for its end fails."""
    process = None
    try:
        with interrupts_postponed(), _starting:
            process = start()
            _running[process] = current_thread()
        yield process
    except BaseException:
        if process is not None:
            _kill(process)
            process.wait()
        raise
    finally:
        if process is not None:
            del _running[process]


def _start(argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], stdin: str) -> subprocess.Popen[bytes]:
    if _is_over:
        raise CommandFailed(f"`{quoted(argv)}` was not started, as the run is over", hint="run zlock again")
    if not argv:
        raise CommandFailed("the command is empty", hint="write a program and its arguments")
    if not cwd.is_dir():
        raise CommandFailed(
            f"`{quoted(argv)}` can't run in `{cwd}`, which is not a folder",
            hint="make that folder, or correct its path",
        )
    program = _find(argv, cwd=cwd, environ=environ)
    # A file needs no thread that writes: nothing is printed or read out of turn.
    with tempfile.TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        try:
            return subprocess.Popen(
                [program, *argv[1:]],
                cwd=cwd,
                env=environ,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,  # what was printed is seen at once, and closing never waits for a reader
                start_new_session=True,
                creationflags=_OWN_GROUP,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CommandFailed(
                f"`{quoted(argv)}` could not be started: {reason}",
                hint="check that it is a program of this machine and may be run",
            ) from None


def _find(argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> str:
    name = argv[0]
    if Path(name).name != name:
        path = cwd.absolute() / name
        found = str(path) if path.is_file() else None
    else:
        found = shutil.which(name, path=environ.get("PATH", os.defpath))
    if found is None:
        raise CommandNotFound(
            f"the program `{name}` was not found",
            context=(f"needed for: {quoted(argv)}",),
            hint="install it, or correct its name; a name without a folder is looked up on `PATH`",
        )
    return found


def _wait(process: subprocess.Popen[bytes], ended: SimpleQueue[_Stream], deadline: float, watch: Watch | None) -> bool:
    """Wait until both streams and the process have ended; True as soon as a stream is over its limit."""
    for _ in ("stdout", "stderr"):
        if _next_end(process, ended, deadline, watch).overflowed:
            return True
    process.wait(timeout=min(max(0.0, deadline - time.monotonic()), TIMEOUT_MAX))
    return False


def _next_end(
    process: subprocess.Popen[bytes], ended: SimpleQueue[_Stream], deadline: float, watch: Watch | None
) -> _Stream:
    """Wait for the end of a stream; with a watch, look up now and then whether there is still reason to wait."""
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            return ended.get(timeout=min(left, _POLL if watch else TIMEOUT_MAX))
        except Empty:
            if watch and watch.stop.is_set():
                _end(process, watch.patience)
                raise CommandStopped("stopped") from None
            if not watch or left == 0:
                raise


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """Ask a command and what it has started to end, and give it time to."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command with all that it has started."""
    if sys.platform == "win32":
        tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(tree, check=False, capture_output=True)
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


@atexit.register
def _end_all() -> None:
    """Kill what other threads still run when the run ends, for whatever reason, and let them tidy up."""
    global _is_over  # noqa: PLW0603  # it is the whole process that ends
    with _starting:
        _is_over = True
        running = dict(_running)
    for process in running:
        _kill(process)
    for thread in running.values():
        thread.join(_GRACE)


def _tail(text: str) -> tuple[str, ...]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return tuple(redact(line) for line in lines[-_TAIL:])

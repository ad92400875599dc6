"""Commands in forks of one process that has zlock imported, each watched: what it opens, moves, starts and asks.

A command is a process of its own with an end of its own, as users run it, in a tenth of the time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from support.environment import clean_environment
from support.fork_server import import_all
from support.project import Project

SECONDS = 30
MEMORY = 2 << 30
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset(
    {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.utime"}
)
_STARTS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"})


class Seen(NamedTuple):
    """Something that a command did.

    Attributes:
        what: `read`, `change` or `start`.
        places: The absolute paths; of a program its name.
    """

    what: str
    places: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What a command ended with, and what it did until then."""

    code: int
    stdout: str
    stderr: str
    seen: tuple[Seen, ...]

    def changed(self) -> set[str]:
        """Return the paths of what was written, made, moved or removed."""
        return {place for one in self.seen if one.what == "change" for place in one.places}


class Commands:
    """Runs commands until it is closed.

    Attributes:
        temporary: The folder that they have for temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            env={**clean_environment(folder), "PYTHONPATH": str(Path(__file__).parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate("")

    def run(self, project: Project, *arguments: str) -> Observed:
        """Run zlock in a project's folder; code -9 says that it took too long or too much memory."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {
            "arguments": [*arguments, "--cache-dir", str(project.cache)],
            "cwd": str(project.folder),
            "environ": clean_environment(project.home, {"TMPDIR": str(self.temporary)}),
            "folder": str(self._folder),
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        seen = [json.loads(line) for line in (self._folder / "seen").read_text("utf-8").splitlines()]
        return Observed(
            code=code,
            stdout=(self._folder / "stdout").read_bytes().decode("utf-8", "surrogateescape"),
            stderr=(self._folder / "stderr").read_bytes().decode("utf-8", "surrogateescape"),
            seen=tuple(Seen(what, tuple(places)) for what, places in seen),
        )


def _serve() -> None:
    """Be the process that commands are forked from."""
    import_all()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _be_a_command(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be_a_command(asked: Mapping[str, Any]) -> None:
    import resource
    import signal
    import traceback

    from zlock.cli import main

    folder = Path(asked["folder"])
    for stream, name in enumerate(("stdin", "stdout", "stderr")):
        os.dup2(os.open(folder / name if stream else os.devnull, os.O_RDWR | os.O_CREAT | os.O_TRUNC), stream)
    log = os.open(folder / "seen", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.addaudithook(lambda event, arguments: _note(log, event, arguments))
    try:
        main(asked["arguments"])
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
    os._exit(1)


def _note(log: int, event: str, arguments: Sequence[Any]) -> None:
    if event == "open":
        changes = arguments[2] & _WRITING and arguments[2] & os.O_TMPFILE != os.O_TMPFILE  # which has no name
        what, places = "change" if changes else "read", arguments[:1]
    elif event in _CHANGES:
        what, places = "change", [one for one in arguments if isinstance(one, (str, bytes, os.PathLike))]
    elif event in _STARTS:
        what, places = "start", arguments[:1]
    else:
        return
    named = [Path(os.fsdecode(one)) for one in places if not isinstance(one, int)]
    if what == "start":
        shown = [one.name for one in named]
    else:
        # What removes whole trees names files by the open folder that they are in.
        inside = event in {"os.remove", "os.rmdir"} and arguments[-1] >= 0
        folder = Path(f"/proc/self/fd/{arguments[-1]}").readlink() if inside else Path.cwd()
        shown = [os.path.normpath(folder / one) for one in named]
    if shown:
        os.write(log, (json.dumps([what, shown]) + "\n").encode())


if __name__ == "__main__":
    _serve()

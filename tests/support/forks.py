"""Commands of zlock forked from a process that has imported it: imports take most of the time of a short command.

A fork has the arguments, folder, environment and streams that a started process has, a session for itself, and ends
as one does. What Python reads once as it starts, a fork can't be given: see `can_fork`.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from support import fork_server
from support.environment import KEPT
from support.fork_server import NUMBER

_text_file = functools.partial(tempfile.TemporaryFile, "w+", encoding="utf-8")
_AT_START = ("PYTHON", "LANG", "LC_")


def can_fork(env: Mapping[str, str] | None) -> bool:
    """Tell whether a command with these variables can be forked; Windows can't, nor can what changes Python itself."""
    return hasattr(os, "fork") and not any(name.startswith(_AT_START) for name in env or {})


def run_forked(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float) -> tuple[int, str, str]:
    """Run zlock to its end and return its exit code and both its outputs; after the timeout it is killed."""
    request = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
    with _text_file() as asked, _text_file() as out, _text_file() as err:
        asked.write(json.dumps(request))
        asked.seek(0)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                files = [asked.fileno(), out.fileno(), err.fileno(), theirs.fileno()]
                socket.send_fds(_server(), [b"."], files)
            code = _wait(ours, timeout, arguments)
        for file in (out, err):
            file.seek(0)  # the command's descriptor shares its place with this one
        return code, out.read(), err.read()


def _wait(replies: socket.socket, timeout: float, arguments: Sequence[str]) -> int:
    (pid,) = NUMBER.unpack(replies.recv(NUMBER.size))
    replies.settimeout(timeout)
    try:
        (code,) = NUMBER.unpack(replies.recv(NUMBER.size))
    except BaseException as error:
        os.killpg(pid, signal.SIGKILL)
        replies.settimeout(None)
        replies.recv(NUMBER.size)  # it has ended
        if isinstance(error, TimeoutError):
            raise subprocess.TimeoutExpired(list(arguments), timeout) from None
        raise
    return int(code)


@functools.cache
def _server() -> socket.socket:
    """Start the process that forks; it ends as soon as nobody has the other end of its socket."""
    ours, theirs = socket.socketpair()
    environ = {**{name: os.environ[name] for name in KEPT if name in os.environ}, "LANG": "C.UTF-8"}
    command = [sys.executable, "-P", fork_server.__file__, str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # comes first
    return ours

"""A process that has imported zlock and forks itself for each command; `support.forks` starts it and says which."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import sys
import time
from typing import Any

NUMBER = struct.Struct("i")
"""How the process of a command is told, and then its exit code."""

_NOT_IMPORTED = ("zlock.__main__", "zlock.hatch", "zlock.frameworks.zenml")  # what ends here, or needs others' programs


def _serve(control: socket.socket) -> None:
    """Fork for each request until nobody asks any more; returns only in what becomes a command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for commands
    while True:
        said, files, _, _ = socket.recv_fds(control, 1, 4)
        if not said:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            return _fork_command(*files)
        for each in files:
            os.close(each)


def _fork_command(asked: int, out: int, err: int, replies: int) -> None:
    """Fork what becomes the command, and say its number and its end."""
    with open(asked, encoding="utf-8") as file:
        request = json.load(file)
    pid = os.fork()
    if pid == 0:
        os.close(replies)
        return _become(request, out, err)
    os.write(replies, NUMBER.pack(pid))
    _, status = os.waitpid(pid, 0)
    os.write(replies, NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(request: dict[str, Any], out: int, err: int) -> None:
    os.setsid()
    os.chdir(request["cwd"])
    for file, stream in ((out, 1), (err, 2)):
        os.dup2(file, stream)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.argv[1:] = request["arguments"]


def import_all() -> None:
    """Import all of zlock that needs nothing but what it requires."""
    import zlock

    for module in pkgutil.walk_packages(zlock.__path__, "zlock.", onerror=lambda _: None):
        if not module.name.startswith(_NOT_IMPORTED):
            importlib.import_module(module.name)
    gc.freeze()


if __name__ == "__main__":
    import_all()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("zlock", run_name="__main__", alter_sys=True)

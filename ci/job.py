"""One job in CI: runs zlock and leaves a summary where the CI shows it. It needs Python and an installed zlock.

Usage: job.py check|build [ARGUMENTS OF zlock ...]

`check` is `zlock resolve --check`, `build` is `zlock build --push`.
Where GITHUB_STEP_SUMMARY is set, a summary in Markdown is appended to that file; where GITHUB_ACTIONS is "true", errors
are shown as annotations too. The exit code is that of zlock.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_COMMANDS = {"check": ["resolve", "--check"], "build": ["build", "--push"]}


def main(arguments: Sequence[str]) -> int:
    """Run a job; return its exit code."""
    if not arguments or arguments[0] not in _COMMANDS:
        sys.stderr.write("error: the job is none of: check, build\n")
        return 2
    if importlib.util.find_spec("zlock") is None:
        sys.stderr.write(f"error: no zlock is installed for `{sys.executable}`\n")
        return 2
    job, *others = arguments
    code, output, said = _run([sys.executable, "-P", "-m", "zlock", *_COMMANDS[job], "--json", *others])
    if code:
        _annotate(output)
        _summarize(_failed(job, said))
    elif output.startswith(b"{"):
        _summarize(_SUMMARIES[job](json.loads(output)))
    else:  # of an argument that asks for something else, `--help` say
        sys.stdout.write(output.decode())
    return code


def _run(command: Sequence[str]) -> tuple[int, bytes, str]:
    """Run a command whose messages are shown as they come; return its exit code, its output and its messages."""
    said = []
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONUTF8": "1"},  # the summary is the same on every runner
        ) as process,
    ):
        for line in process.stderr or ():
            said.append(line)
            sys.stderr.write(line)
            sys.stderr.flush()
        code = process.wait()
        output.seek(0)
        return code, output.read(), "".join(said)


def _summarize(text: str) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    try:
        if path:
            with Path(path).open("a", encoding="utf-8") as stream:
                stream.write(text)
            return
    except OSError as error:  # what became of the job counts, not what became of its summary
        sys.stderr.write(f"warning: the summary can't be written to `{path}`: {error.strerror}\n")
    sys.stdout.write(text)


def _annotate(output: bytes) -> None:
    """Show each error at the top of the run, and beside the line that it is about (GitHub, workflow commands)."""
    if os.environ.get("GITHUB_ACTIONS") != "true" or not output.startswith(b"{"):
        return
    for error in json.loads(output)["errors"]:
        place = {"file": _in_checkout(error["file"]), "line": error["line"], "title": f"zlock: {error['id']}"}
        stated = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in place.items() if value)
        hint = [f"hint: {error['hint']}"] if error["hint"] else []
        text = "\n".join([error["message"], *error["context"], *hint])
        sys.stdout.write(f"::error {stated}::{_escaped(text)}\n")


def _in_checkout(file: str | None) -> str:
    """Return a file as GitHub names it: from the checkout."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    return Path(os.path.relpath(file, root)).as_posix() if file else ""


def _escaped(text: str, also: str = "") -> str:
    return "".join(f"%{ord(one):02X}" if one in f"%\r\n{also}" else one for one in text)


def _failed(job: str, said: str) -> str:
    return f"### zlock: {job} failed\n\n````text\n{said.strip()}\n````\n"


def _checked(report: dict[str, Any]) -> str:
    if report["disregarded"]:
        return "### zlock: nothing to check\n\n" + _listed(report["notes"])
    rows = [(name, step["packages"], f"`{step['identity'][7:23]}`") for name, step in report["steps"].items()]
    notes = f"\n{_listed(report['notes'])}" if report["notes"] else ""
    return "### zlock: locks are up to date\n\n" + _table(("step", "packages", "identity"), rows) + notes


def _built(report: dict[str, Any]) -> str:
    if report["disregarded"]:
        return "### zlock: nothing to build\n"
    rows = [
        (step, image["platform"], f"`{image['reference']}`", f"`{image['digest']}`")
        for image in report["images"]
        for step in image["steps"]
    ]
    rows += [
        (step, ", ".join(index["platforms"]), f"`{index['reference']}`", f"`{index['digest']}`")
        for index in report["indexes"]
        for step in index["steps"]
    ]
    return "### zlock: images\n\n" + _table(("step", "platform", "image", "digest"), rows)


def _listed(lines: Sequence[str]) -> str:
    return "".join(f"* {line}\n" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


_SUMMARIES: dict[str, Callable[[dict[str, Any]], str]] = {"check": _checked, "build": _built}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

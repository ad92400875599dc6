"""What zlock costs before and beside its work, in multiples of an interpreter that does nothing.

    python tests/benchmarks/startup.py [--runs 15] [--steps 1,8,64] [--imports] [--json]

Measured are `import zlock`, `zlock --help` and `zlock resolve --check` on fresh locks of projects with that many
steps, against `python -c pass` of the same interpreter. The runs of all commands alternate, so that a machine whose
speed drifts slows all alike; each command's multiple is the median over the rounds of its time over that round's
`pass`. The projects and the folder of tiny wheels that serves as their index are made here: no network is used.
With `--imports` the modules that cost most to import are listed for each command.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.environment import clean_environment
from support.wheels import make_wheel

_PACKAGES = 24
_PER_STEP = 6
_TOP = 15
_TRIES = 5  # runs of which each module's least time counts
_BASE = "python -c pass"
_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command line after the interpreter, and the folder it runs in."""

    name: str
    arguments: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """The commands, and what runs them."""

    commands: Sequence[Command]
    environ: Mapping[str, str]

    def measure(self, runs: int) -> dict[str, dict[str, float]]:
        """Return for each command median, least and the quartiles' distance in seconds, and the multiple."""
        for command in self.commands:  # so that byte code and disk are warm
            self._run(command)
        rounds = [{command.name: self._time(command) for command in self.commands} for _ in range(runs)]
        return {command.name: _summary(command.name, rounds) for command in self.commands}

    def _time(self, command: Command) -> float:
        start = time.perf_counter()
        self._run(command)
        return time.perf_counter() - start

    def _run(self, command: Command, *options: str) -> str:
        argv = [sys.executable, *options, *command.arguments]
        done = subprocess.run(
            argv,
            cwd=command.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            sys.exit(f"{command.name} ended with {done.returncode}:\n{done.stderr}")
        return done.stderr

    def imports(self, command: Command) -> list[tuple[str, int, int]]:
        """Return what a command imports beyond the interpreter's own: module, own and whole microseconds."""
        own = self._import_times(self.commands[0])
        rows = [(name, *times) for name, times in self._import_times(command).items() if name not in own]
        return sorted(rows, key=lambda row: -row[1])

    def _import_times(self, command: Command) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for _ in range(_TRIES):
            for name, own, whole in _parse_import_times(self._run(command, "-X", "importtime")):
                known = found.get(name, (own, whole))
                found[name] = (min(own, known[0]), min(whole, known[1]))
        return found


def _parse_import_times(text: str) -> list[tuple[str, int, int]]:
    return [(match[4], int(match[1]), int(match[2])) for match in _IMPORT_TIME.finditer(text)]


def _summary(name: str, rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    times = [each[name] for each in rounds]
    low, _, high = statistics.quantiles(times, n=4) if len(times) > 1 else (times[0],) * 3
    multiple = statistics.median(each[name] / each[_BASE] for each in rounds)
    return {
        "median": statistics.median(times),
        "least": min(times),
        "spread": high - low,
        "multiple": multiple,
    }


def make_project(folder: Path, index: Path, steps: int, environ: Mapping[str, str]) -> Path:
    """Write a project of so many steps and lock it."""
    folder.mkdir()
    lines = ['python = "3.12"', "[[index]]", 'name = "flat"', f"url = {json.dumps(index.as_uri())}", "default = true"]
    for number in range(steps):
        wanted = [f"tiny-{(number + offset) % _PACKAGES}>=1" for offset in range(_PER_STEP)]
        lines += [f"[steps.step-{number:03}.docker]", f"requirements = {json.dumps(wanted)}"]
    (folder / "zlock.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    argv = [sys.executable, "-P", "-m", "zlock", "resolve", "--cache-dir", str(folder.parent / "cache")]
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"no locks to check:\n{done.stderr}")
    return folder


def make_commands(work: Path, steps: Sequence[int], environ: Mapping[str, str]) -> list[Command]:
    """Return what is measured; the first one is what all are compared with."""
    index = work / "index"
    index.mkdir()
    for number in range(_PACKAGES):
        for version in ("1.0", "1.1"):
            make_wheel(index, f"tiny-{number}", version, requires=[f"tiny-{number // 2}"] if number else [])
    zlock = ("-P", "-m", "zlock")
    commands = [
        Command(name=_BASE, arguments=("-c", "pass"), folder=work),
        Command(name="import zlock", arguments=("-c", "import zlock"), folder=work),
        Command(name="zlock --help", arguments=(*zlock, "--help"), folder=work),
    ]
    for count in steps:
        project = make_project(work / f"project-{count}", index, count, environ)
        name = f"zlock resolve --check, {count} step{'s' if count > 1 else ''}"
        commands.append(Command(name=name, arguments=(*zlock, "resolve", "--check", "-q"), folder=project))
    return commands


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="rounds of all commands")
    parser.add_argument("--steps", default="1,8,64", help="sizes of the projects to check")
    parser.add_argument("--imports", action="store_true", help="list what costs most to import")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    steps = [int(count) for count in options.steps.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        environ = clean_environment(work)
        bench = Bench(commands=make_commands(work, steps, environ), environ=environ)
        times = bench.measure(options.runs)
        imports = {command.name: bench.imports(command) for command in bench.commands[1:]} if options.imports else {}
    if options.json:
        print(json.dumps({"python": sys.version.split()[0], "runs": options.runs, "times": times, "imports": imports}))
        return
    print_tables(times, imports)


def print_tables(times: Mapping[str, Mapping[str, float]], imports: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
    """Print what was measured for people."""
    width = max(map(len, times))
    print(f"{'command':{width}}  median ms  least ms  spread ms  times `pass`")
    for name, row in times.items():
        median, least, spread = (row[key] * 1e3 for key in ("median", "least", "spread"))
        print(f"{name:{width}}  {median:9.1f}  {least:8.1f}  {spread:9.1f}  {row['multiple']:12.2f}")
    for name, rows in imports.items():
        print(f"\n{name}: {len(rows)} modules, {sum(row[1] for row in rows) / 1e3:.1f} ms in all; own ms / whole ms")
        for module, own, whole in rows[:_TOP]:
            print(f"  {own / 1e3:7.2f} {whole / 1e3:7.2f}  {module}")


if __name__ == "__main__":
    main()

"""What locking the steps of a pipeline costs, side by side with uv run once per step.

    python tests/benchmarks/solving.py [--steps 8,32,64] [--packages 120] [--versions 12] [--latency-ms 20] [--runs 3]
                                       [--ranges] [--json]

The index is made here and served on the loopback: packages with several releases each, real wheels, requirements with
bounds, and some packages that hold others back. By default it offers metadata beside its wheels, as public indexes
do; with `--ranges` it does not, so that metadata is read out of the wheels by range requests. Each request is answered
after the latency. Runs alternate between the two tools, and each asks for something slightly different, so that an
answer kept from an earlier run is of no use.

Cold is with empty caches, warm with filled ones, offline without the network; a ratio is zlock's time by uv's in the
same round, below 1 where zlock is faster. Printed are medians, with zlock's requests in the last cold run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uv import find_uv_bin

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.environment import clean_environment
from support.index import TinyIndex

_MODES = ("cold", "warm", "offline")
_PER_STEP = 6
_PYTHON = "3.12"


def fill(index: TinyIndex, packages: int, versions: int, *, sidecars: bool) -> None:
    """List packages, each of which requires some of those after it; every tenth holds one of them back."""
    dice = random.Random(packages * versions)
    for number in range(packages):
        after = range(number + 1, min(number + 40, packages))
        required = dice.sample(after, min(len(after), dice.randint(0, 4)))
        for minor in range(versions):
            requires = [f"part-{other}>=1.{max(0, minor - 4)}" for other in required]
            if number % 10 == 0 and required:
                requires[0] += f",<1.{versions - 2}"
            day = f"{2015 + minor // 12}-{1 + minor % 12:02}-{1 + number % 28:02}T12:00:00Z"
            file = index.wheel(f"part-{number}", f"1.{minor}", requires=requires, requires_python=">=3.9")
            file.upload_time = day
            if not sidecars:
                file.core_metadata = False


def draw_steps(count: int, packages: int) -> dict[str, list[str]]:
    """Return what so many steps ask for."""
    dice = random.Random(count)
    return {
        f"step-{number:03}": sorted(f"part-{one}" for one in dice.sample(range(packages), _PER_STEP))
        for number in range(count)
    }


class Bench:
    """The two tools, asking the same of the same index."""

    def __init__(self, steps: Mapping[str, Sequence[str]], index: TinyIndex, work: Path) -> None:
        self._steps = steps
        self._index = index
        self._work = work
        self._project = work / "project"
        self._project.mkdir()
        self._environ = clean_environment(work)
        self.requests = 0

    def ask(self, number: int) -> None:
        """Write what is asked, the same for both, a little different for each number."""
        lines = [f'python = "{_PYTHON}"', "[[index]]", f'url = "{self._index.url}"', "default = true"]
        for step, requirements in self._steps.items():
            asked = [*requirements, f"part-0!=0.{number}"]
            lines += [f"[steps.{step}.docker]", f"requirements = {json.dumps(asked)}"]
            (self._work / f"{step}.in").write_text("\n".join(asked) + "\n", encoding="utf-8")
        (self._project / "zlock.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def time_zlock(self, mode: str) -> float:
        """Lock all steps with zlock; return the seconds it took."""
        cache = self._work / "zlock-cache"
        shutil.rmtree(self._project / "lockfiles", ignore_errors=True)
        if mode == "cold":
            shutil.rmtree(cache, ignore_errors=True)
        before = len(self._index.requests)
        argv = [sys.executable, "-P", "-m", "zlock", "resolve", "-q", "--cache-dir", str(cache)]
        seconds = self._time([*argv, *(["--offline"] if mode == "offline" else [])], self._project)
        if mode == "cold":
            self.requests = len(self._index.requests) - before
        return seconds

    def time_uv(self, mode: str) -> float:
        """Lock the steps with uv, one after the other; return the seconds it took."""
        cache = self._work / "uv-cache"
        if mode == "cold":
            shutil.rmtree(cache, ignore_errors=True)
        argv = [find_uv_bin(), "pip", "compile", "-q", "--no-header", "--generate-hashes"]
        argv += ["--only-binary", ":all:", "--python-version", _PYTHON, "--python-platform", "x86_64-manylinux_2_28"]
        argv += ["--default-index", self._index.url, "--cache-dir", str(cache), "--python", sys.executable]
        argv += ["--offline"] if mode == "offline" else []
        return sum(
            self._time([*argv, f"{step}.in", "-o", f"{step}.txt", "--upgrade"], self._work) for step in self._steps
        )

    def _time(self, argv: Sequence[str], folder: Path) -> float:
        start = time.perf_counter()
        done = subprocess.run(
            argv, cwd=folder, env=self._environ | {"UV_PYTHON_DOWNLOADS": "never"}, capture_output=True, check=False
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stderr.decode()}")
        return seconds


def measure(count: int, index: TinyIndex, packages: int, runs: int) -> dict[str, Any]:
    """Return the seconds of both tools for so many steps, per mode."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(draw_steps(count, packages), index, Path(folder))
        rows: dict[str, Any] = {}
        for number, mode in enumerate(mode for mode in _MODES for _ in range(runs)):
            bench.ask(number)
            row = rows.setdefault(mode, {"uv": [], "zlock": []})
            row["uv"].append(bench.time_uv(mode))
            row["zlock"].append(bench.time_zlock(mode))
        return {"requests": bench.requests, **{mode: _summary(row) for mode, row in rows.items()}}


def _summary(row: Mapping[str, Sequence[float]]) -> dict[str, float]:
    ratios = [ours / theirs for ours, theirs in zip(row["zlock"], row["uv"], strict=True)]
    return {**{tool: statistics.median(times) for tool, times in row.items()}, "ratio": statistics.median(ratios)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="8,32,64", help="numbers of steps")
    parser.add_argument("--packages", type=int, default=120)
    parser.add_argument("--versions", type=int, default=12, help="releases of each package")
    parser.add_argument("--latency-ms", type=float, default=20)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ranges", action="store_true", help="metadata only inside the wheels")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with TinyIndex(latency=options.latency_ms / 1000, cache_control="max-age=600") as index:
        fill(index, options.packages, options.versions, sidecars=not options.ranges)
        counts = [int(count) for count in options.steps.split(",")]
        found = {count: measure(count, index, options.packages, options.runs) for count in counts}
    if options.json:
        print(json.dumps({"python": sys.version.split()[0], "cpus": os.cpu_count(), "steps": found}))
        return
    print(f"{'steps':>5}  {'mode':8} {'uv s':>8} {'zlock s':>8} {'ratio':>6}  requests")
    for count, row in found.items():
        for mode in _MODES:
            requests = row["requests"] if mode == "cold" else ""
            one = row[mode]
            print(f"{count:5}  {mode:8} {one['uv']:8.2f} {one['zlock']:8.2f} {one['ratio']:6.2f}  {requests}")


if __name__ == "__main__":
    main()

"""Measures what four images cost: one Dockerfile a step with a `pip install` per source, against `zlock build`.

`naive` and `engine` build with Buildah, `layers` without an engine; all one image at a time, from cold, and push to a
registry on loopback; all may reuse layers. It needs what `scripts/engines.sh` installs, and downloads some hundred
megabytes from the machine's index; names of ways limit it to these:

    python tests/comparison/compare_with_naive_images.py
    python tests/comparison/compare_with_naive_images.py layers
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.building import Engine, base_in_registry, running_engine
from support.engines import registry
from support.project import Project

STACK = ["httpx>=0.27", "pydantic>=2.7"]
STEPS = {
    "load": ["pandas>=2.2", "pyarrow>=17"],
    "train": ["pandas>=2.2", "scikit-learn>=1.5"],
    "evaluate": ["scikit-learn>=1.5", "pandas>=2.2"],
    "report": ["pandas>=2.2", "matplotlib>=3.9"],
}
CHANGED = {**STEPS, "report": [*STEPS["report"], "tabulate>=0.9"]}
# An older release in one round, the newest in the next: a large package has changed.
OLDER = {name: [*of, "scikit-learn<1.7"] if "scikit-learn>=1.5" in of else of for name, of in CHANGED.items()}
ROUNDS = {
    "first build": STEPS,
    "nothing changed": STEPS,
    "a small package came": CHANGED,
    "a large package changed": OLDER,
}
PARENT = "python:3.11"

Build = Callable[[Engine, str, Path, Mapping[str, list[str]]], object]


def naive(engine: Engine, host: str, folder: Path, steps: Mapping[str, list[str]]) -> None:
    """Build as the framework's page has it: each source is a file, installed by a command of its own."""
    for step, requirements in steps.items():
        context = folder / step
        context.mkdir(parents=True, exist_ok=True)
        (context / "stack.txt").write_text("\n".join(STACK) + "\n", encoding="utf-8")
        (context / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
        (context / "Dockerfile").write_text(
            f"FROM {host}/{PARENT}\n"
            "ENV PIP_BREAK_SYSTEM_PACKAGES=1\n"
            "WORKDIR /app\n"
            "COPY stack.txt .\n"
            "RUN pip install --no-cache-dir -r stack.txt\n"
            "COPY requirements.txt .\n"
            "RUN pip install --no-cache-dir -r requirements.txt\n",
            encoding="utf-8",
        )
        engine("build", "--layers", "--tag", f"{host}/naive/{step}:latest", str(context))
        engine("push", f"{host}/naive/{step}:latest")


def zlock(builder: str, engine: Engine, host: str, folder: Path, steps: Mapping[str, list[str]]) -> None:
    """Lock and build."""
    project = Project(folder)
    project.configure(
        {
            "python": "3.11",
            "registry": f"{host}/zlock/images",
            "docker": {"parent-image": f"{host}/{PARENT}"},
            "stack": {"requirements": STACK},
            "steps": {name: {"docker": {"requirements": requirements}} for name, requirements in steps.items()},
        }
    )
    for command in (["resolve"], ["build", "--push", "--builder", builder, "--jobs", "1"]):
        done = project.run(*command, env=engine.environ, timeout=3600)
        assert done.code == 0, done.stderr


def stored(folder: Path) -> int:
    """Return the bytes of a registry's blobs."""
    return sum(path.stat().st_size for path in folder.rglob("data"))


def processor() -> float:
    """Return the seconds of the processor that all that was run has had so far; not those of the registry."""
    times = os.times()
    return times.children_user + times.children_system


def measure(name: str, build: Build) -> None:
    """Print a row for each round of one way to build."""
    with tempfile.TemporaryDirectory() as text, running_engine("buildah") as engine:
        folder = Path(text)
        with registry(folder / "registry") as host:
            base_in_registry(f"{host}/{PARENT}")
            engine.allow_plain(host)
            engine("pull", "--quiet", f"{host}/{PARENT}")
            base = stored(folder / "registry")
            for round_, steps in ROUNDS.items():
                before, began = stored(folder / "registry"), (time.monotonic(), processor())
                build(engine, host, folder / "work", steps)
                seconds, cpu = time.monotonic() - began[0], processor() - began[1]
                pushed, whole = (count / 1e6 for count in (stored(folder / "registry") - before, before - base))
                row = f"{seconds:.1f} | {cpu:.1f} | {pushed:.2f} | {whole + pushed:.0f}"
                print(f"| {round_} | {name} | {row} |", flush=True)


WAYS: Mapping[str, Build] = {"naive": naive, "engine": partial(zlock, "buildah"), "layers": partial(zlock, "oci")}

if __name__ == "__main__":
    head = ["round", "way", "seconds", "seconds of the processor", "MB pushed", "MB in the registry"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    for name, way in WAYS.items():
        if name in (sys.argv[1:] or WAYS):
            measure(name, way)

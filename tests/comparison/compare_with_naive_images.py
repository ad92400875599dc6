"""Measures what four images cost: one Dockerfile a step with a `pip install` per source, against `zlock build`.

`naive` and `engine` build with Buildah, `layers` and `sources` without an engine, `sources` without compiled modules;
all one image at a time, from cold, and push to a registry on loopback; all may reuse layers. `growth` has no times: it
compares what the images of many steps store with the wheels in them. It needs what `scripts/engines.sh` installs, and
downloads some hundred megabytes for each way from the machine's index; names of ways limit it to these:

    python tests/comparison/compare_with_naive_images.py
    python tests/comparison/compare_with_naive_images.py engine layers
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.building import Engine, base_in_registry, kept_folder, running_engine
from support.engines import registry
from support.project import Project

STACK = ["httpx>=0.27", "pydantic>=2.7"]
STEPS = {
    "load": ["pandas>=2.2", "pyarrow>=17"],
    "train": ["pandas>=2.2", "scikit-learn>=1.5", "xgboost-cpu>=3"],
    "evaluate": ["xgboost-cpu>=3", "scikit-learn>=1.5", "pandas>=2.2"],
    "report": ["pandas>=2.2", "matplotlib>=3.9", "tabulate>=0.9"],
}
# The newest release in one round, an older one in the next: the package has changed, in one step.
SMALL = {**STEPS, "report": [*STEPS["report"], "tabulate<0.10"]}
BIG = {**SMALL, "load": [*STEPS["load"], "pyarrow<22"]}
ROUNDS = {"first build": STEPS, "nothing changed": STEPS, "small package changed": SMALL, "big package changed": BIG}
PARENT = "python:3.11"

# What steps of `growth` are drawn from: what people have, large and small, so that what they need overlaps.
DRAWN = [
    *("pandas", "pyarrow", "scikit-learn", "matplotlib", "xgboost-cpu", "seaborn", "statsmodels", "networkx", "boto3"),
    *("sqlalchemy", "requests", "rich", "jinja2", "click", "tqdm", "pyyaml", "fastapi", "orjson", "tabulate", "typer"),
    *("beautifulsoup4", "openpyxl", "attrs", "jsonschema"),
]

Steps = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Way:
    """How images are made of the same requirements, in two parts that are timed."""

    prepare: Callable[[Engine, str, Path, Steps], object]
    build: Callable[[Engine, str, Path, Steps], object]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a round took: seconds of the clock, of the processor, and of the clock for solving; bytes sent and kept."""

    seconds: float
    processor: float
    solving: float
    pushed: int
    stored: int

    def __str__(self) -> str:
        times = f"{self.processor:.1f} | {self.seconds:.1f} | {self.solving:.1f}"
        return f"{times} | {self.pushed / 1e6:.2f} | {self.stored / 1e6:.0f}"


def write_dockerfiles(_: Engine, host: str, folder: Path, steps: Steps) -> None:
    """Write what the framework's page has: each source is a file, installed by a command of its own."""
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


def build_dockerfiles(engine: Engine, host: str, folder: Path, steps: Steps) -> None:
    """Build and push one after the other."""
    for step in steps:
        engine("build", "--layers", "--tag", f"{host}/naive/{step}:latest", str(folder / step))
        engine("push", f"{host}/naive/{step}:latest")


def resolve(folder: Path, steps: Steps, parent: str, *, bytecode: bool, **settings: str) -> Project:
    """Lock the steps of a project."""
    project = Project(folder)
    project.configure(
        {
            "python": "3.11",
            **settings,
            "docker": {"parent-image": parent, "bytecode": bytecode},
            "stack": {"requirements": STACK},
            "steps": {name: {"docker": {"requirements": list(requirements)}} for name, requirements in steps.items()},
        }
    )
    run(project, "resolve")
    return project


def run(project: Project, *command: str, environ: Mapping[str, str] | None = None) -> None:
    """Run zlock to its end, which must be a good one; as a process of this one, whose seconds count."""
    program = [sys.executable, "-P", "-m", "zlock", *command, "--cache-dir", str(project.cache)]
    done = project.call(*program, env=environ, timeout=3600)
    assert done.code == 0, done.stderr


def zlock(builder: str, *, bytecode: bool = True) -> Way:
    """Return the way of zlock with a builder."""

    def prepare(_: Engine, host: str, folder: Path, steps: Steps) -> None:
        resolve(folder, steps, f"{host}/{PARENT}", bytecode=bytecode, registry=f"{host}/zlock/images")

    def build(engine: Engine, _: str, folder: Path, __: Steps) -> None:
        run(Project(folder), "build", "--push", "--builder", builder, "--jobs", "1", environ=engine.environ)

    return Way(prepare, build)


def stored(folder: Path) -> int:
    """Return the bytes of a registry's blobs."""
    return sum(path.stat().st_size for path in folder.rglob("data"))


def processor() -> float:
    """Return the seconds of the processor that all that was run has had so far; not those of the registry."""
    times = os.times()
    return times.children_user + times.children_system


def measure(way: Way) -> Iterator[tuple[str, Cost]]:
    """Yield what each round of one way costs."""
    with tempfile.TemporaryDirectory() as text, running_engine("buildah") as engine:
        folder = Path(text)
        with registry(folder / "registry") as host:
            base_in_registry(f"{host}/{PARENT}")
            engine.allow_plain(host)
            engine("pull", "--quiet", f"{host}/{PARENT}")
            base = stored(folder / "registry")
            for round_, steps in ROUNDS.items():
                before, began, worked = stored(folder / "registry"), time.monotonic(), processor()
                way.prepare(engine, host, folder / "work", steps)
                solved = time.monotonic()
                way.build(engine, host, folder / "work", steps)
                now = stored(folder / "registry")
                yield (
                    round_,
                    Cost(
                        seconds=time.monotonic() - began,
                        processor=processor() - worked,
                        solving=solved - began,
                        pushed=now - before,
                        stored=now - base,
                    ),
                )


def compare(names: Sequence[str]) -> None:
    """Print a row for each way and round, and how much of the engine's each of the others takes."""
    head = [
        "round",
        "way",
        "s of the processor",
        "s",
        "of that solving",
        "MB pushed",
        "MB stored",
        "of the engine's s",
        "of its MB",
    ]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    engine: dict[str, Cost] = {}
    for name in names:
        for round_, cost in measure(WAYS[name]):
            if name == "engine":
                engine[round_] = cost
            row = f"| {round_} | {name} | {cost} |"
            if engine and engine[round_].pushed:
                row += f" {cost.seconds / engine[round_].seconds:.3f} | {cost.pushed / engine[round_].pushed:.4f} |"
            print(row, flush=True)


def draw(count: int) -> Steps:
    """Return steps that each need some of one set of packages, the same at each call."""
    drawing = random.Random(count)
    return {f"step-{number}": drawing.sample(DRAWN, drawing.randint(2, 6)) for number in range(count)}


def growth() -> None:
    """Print for many steps what their images store beyond the parent, beside the bytes of the wheels in them."""
    print(
        "| steps | modules compiled | MB of distinct wheels | MB stored | times |\n| --- | --- | --- | --- | --- |",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        archive, parent = kept_folder() / "base.tar", folder / "parent"
        Engine(name="skopeo", environ={})(
            "copy", "--quiet", "--insecure-policy", f"docker-archive:{archive}", f"oci:{parent}:base"
        )
        below = {path.name for path in (parent / "blobs").rglob("*")}
        for count in (16, 64):
            steps = draw(count)
            for bytecode in (True, False):
                project = resolve(folder / "work", steps, f"oci:{parent}:base", bytecode=bytecode)
                layout = folder / f"{count}-{bytecode}"
                run(project, "build", "--builder", "oci", "--output", f"oci:{layout}")
                blobs = [path for path in (layout / "blobs").rglob("*") if path.is_file() and path.name not in below]
                kept, wheels = sum(path.stat().st_size for path in blobs), wheel_bytes(project, steps)
                print(
                    f"| {count} | {bytecode} | {wheels / 1e6:.1f} | {kept / 1e6:.1f} | {kept / wheels:.3f} |",
                    flush=True,
                )


def wheel_bytes(project: Project, steps: Steps) -> int:
    """Return the bytes of the distinct wheels in the images of steps: of each package the first, as the lock has it."""
    wheels = [package["wheels"][0] for step in steps for package in project.lock(step)["packages"]]
    return sum({wheel["hashes"]["sha256"]: wheel["size"] for wheel in wheels}.values())


WAYS: Mapping[str, Way] = {
    "engine": zlock("buildah"),
    "layers": zlock("oci"),
    "sources": zlock("oci", bytecode=False),
    "naive": Way(write_dockerfiles, build_dockerfiles),
}

if __name__ == "__main__":
    asked = sys.argv[1:] or [*WAYS, "growth"]
    if timed := [name for name in WAYS if name in asked]:
        compare(timed)
    if "growth" in asked:
        growth()

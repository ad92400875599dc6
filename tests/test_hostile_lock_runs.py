"""Locks as an author with bad intent writes them, digests made anew: commands do what is right, or say what is not.

Each property runs a command on a project whose lock has hostile values in some of its fields, and holds what it wrote,
printed and opened against what it may.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from support.folders import add_tiny_flit, make_folder
from support.harmless import hold_command, hold_contexts, hold_requirements, installed_by
from support.hostile import disturbed, examples
from support.index import TinyIndex
from support.observed import Commands, Observed
from support.project import Project
from zlock.lock.identity import resign
from zlock.lock.toml import section

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
STEPS = ("train", "score")
COMMANDS = (
    ["resolve", "--check"],
    ["dockerfile"],
    ["plan"],
    ["plan", "--explain", "STEP"],
    *(["export", form, "--step", "STEP"] for form in ("requirements", "pylock", "cyclonedx", "spdx", "bazel")),
    ["export", "pylock", "--platform", "linux/amd64", "--output", "exported.toml", "--step", "STEP"],
    ["export", "nix", "--platform", "linux/amd64", "--step", "STEP"],
    ["tree"],
    ["tree", "--json"],
    ["why", "beta"],
    ["diff", "before"],
    ["diff", "before", "--format", "markdown"],
    ["fetch"],
    ["resolve"],
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """A project with a lock for each of its steps."""

    commands: Commands
    project: Project
    index: str
    locks: Mapping[str, str]
    trees: Mapping[str, Any]

    def restore(self, **locks: str) -> None:
        """Leave the project as it was, but for the given locks."""
        for name in ("build", "wheelhouse", "exported.toml"):
            path = self.project.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for step, text in {**self.locks, **locks}.items():
            self.project.lock_path(step).write_text(text, encoding="utf-8", newline="\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("locks")
    with TinyIndex() as index, Commands(folder / "commands") as commands:
        index.wheel("alpha", "1.0", extras={"x": ["gamma"]}, requires=["beta"])
        for name, version in (("beta", "2.0"), ("helper", "1.0"), ("uv", "0.13.9"), ("direct", "1.0")):
            index.wheel(name, version)
        for machine in ("x86_64", "aarch64"):
            tag = f"cp{PYTHON.replace('.', '')}-cp{PYTHON.replace('.', '')}-manylinux_2_17_{machine}"
            index.wheel("gamma", "3.0", tag=tag).upload_time = "2026-01-01T00:00:00Z"
        index.sdist("built", "1.0", build_requires=["helper"], requires=["beta"])
        packed = index.sdist("packed", "2.0", build_requires=["helper"])
        direct = index.wheel("linked", "1.0")
        add_tiny_flit(index)
        project = Project(folder / "project")
        make_folder(project.folder / "libs" / "pure")
        train = {"requirements": ["alpha[x]", f"linked @ {index.root}/{direct.location}"], "apt-packages": ["libgomp1"]}
        score = {
            "requirements": ["built", "./libs/pure", f"packed @ {index.root}/{packed.location}"],
            "python-package-installer": "uv",
        }
        project.configure(
            {
                "python": PYTHON,
                "index": [{"url": index.url, "default": True}],
                "build-sdists": ["built"],
                "docker": {"parent-image": "localhost/base:3.11"},
                "steps": {
                    "train": {"docker": train, "platforms": ["linux/amd64", "linux/arm64"]},
                    "score": {"docker": score},
                },
            }
        )
        made = commands.run(project, "resolve")
        assert made.code == 0, made.stderr
        locks = {step: project.lock_path(step).read_text(encoding="utf-8") for step in STEPS}
        trees = {step: tomllib.loads(text) for step, text in locks.items()}
        assert {identity_of(tree) for tree in trees.values()} == {
            tree["tool"]["zlock"]["identity"] for tree in trees.values()
        }
        shutil.copytree(project.folder / "lockfiles", project.folder / "before")
        found = World(commands, project, index.url, locks, trees)
        for command in COMMANDS:
            for step in STEPS:
                found.restore()
                right = run(found, command, step)
                assert right.code == 0 or "a folder" in right.stderr, right.stderr
                hold(found, right, command, trees)
        yield found


HEADED = ("packages", "tool", "zlock", "apt", "builds", "sources")


def run(world: World, command: list[str], step: str) -> Observed:
    return world.commands.run(world.project, *(step if word == "STEP" else word for word in command))


def hold(world: World, found: Observed, command: Sequence[str], trees: Mapping[str, Any]) -> None:
    packages = installed_by(trees.values())
    hold_command(found, world.project, world.commands)
    hold_contexts(world.project.folder / "build", packages)
    if command[:2] in (["export", "requirements"], ["export", "bazel"]) and found.code == 0:
        file = world.commands.temporary / "requirements.txt"
        file.write_text(found.stdout, encoding="utf-8")
        hold_requirements(file, packages, index=world.index)


def identity_of(tree: Mapping[str, Any]) -> str:
    """Return the digest of what a lock installs, as its author can make it."""
    rows = []
    for package in tree["packages"]:
        files = [*package.get("wheels", ()), *(package[key] for key in ("sdist", "archive") if key in package)]
        hashes = sorted(f"{name}:{digest}" for file in files for name, digest in file["hashes"].items())
        vcs = package.get("vcs", {})
        place = [vcs.get("commit-id", ""), vcs.get("subdirectory", ""), package.get("directory", {}).get("path", "")]
        rows.append([package["name"], package.get("version", ""), package.get("marker", ""), hashes, place])
    builds = [[build["package"], build["requirements"]] for build in tree["tool"]["zlock"].get("builds", ())]
    text = json.dumps([*sorted(rows), *builds], sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def signed(tree: dict[str, Any]) -> str:
    """Return the text of a lock with the digests that its author can make."""
    with contextlib.suppress(KeyError, TypeError, AttributeError, ValueError):  # of what no identity could be
        tree["tool"]["zlock"]["identity"] = identity_of(tree)
    return resign("\n".join(sections(tree)))


def sections(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the parts of a lock as zlock lays them out, whatever stands in them."""
    under = {key: one for key, one in tree.items() if key in HEADED and is_headed(one)}
    if path != "tool":
        yield section(f"[{path}]" if path else "", {key: one for key, one in tree.items() if key not in under})
    for key, one in under.items():
        name = f"{path}.{key}" if path else key
        yield from [section(f"[[{name}]]", row) for row in one] if isinstance(one, list) else sections(one, name)


def is_headed(value: object) -> bool:
    rows = value if isinstance(value, list) else [value]
    return bool(rows) and all(isinstance(row, dict) for row in rows)


@st.composite
def hostile(draw: st.DrawFn, locks: Mapping[str, str], step: str) -> tuple[str, Any]:
    """Return the text of a lock with hostile values in it, and the lock as TOML says it."""
    tree = tomllib.loads(locks[step])
    part = draw(st.sampled_from(["packages", "packages", "tool", "head"]))
    if part == "packages":
        tree["packages"] = draw(disturbed(tree["packages"], places=2))
    elif part == "tool":
        tree["tool"]["zlock"] = draw(disturbed(tree["tool"]["zlock"], places=2))
    else:
        head = draw(disturbed({key: value for key, value in tree.items() if key not in ("packages", "tool")}))
        tree = {**head, "packages": tree["packages"], "tool": tree["tool"]}
    text = signed(tree)
    return text, tree


@examples(150)
@given(st.data())
def test_any_value_in_a_lock(world: World, data: st.DataObject) -> None:
    step = data.draw(st.sampled_from(STEPS))
    try:
        text, tree = data.draw(hostile(world.locks, step))
        text.encode()
    except (UnicodeEncodeError, TypeError, AttributeError):
        reject()
    command = data.draw(st.sampled_from(COMMANDS))
    world.restore(**{step: text})
    found = run(world, command, step)
    hold(world, found, command, {**world.trees, step: tree})

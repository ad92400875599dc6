"""The architecture that the folders show is the one that the imports have."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import fields

import zlock
from zlock.lock.facts import Facts
from zlock.lock.package import Package

ROOT = Path(zlock.__file__).parent
# Each layer may import those below it; what stands on one line are siblings that do not know each other.
LAYERS = [
    {"__main__"},
    {"cli", "hatch", "zenml"},
    {"last_resort"},
    {"workflow"},
    {"debian"},
    {"image"},
    {"lock"},
    {"frameworks"},
    {"settings", "sources", "merge", "index", "resolution", "integrations"},
    {"process", "pyproject", "checks", "replacing"},
    {"errors", "interrupts", "model", "redact", "regular", "reporting", "wording", "_version"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# The rooms of `workflow`, in the same way: what a step's way to its image passes through, from the bottom up.
ROOMS = [{"deliver"}, {"explain", "images"}, {"fetching"}, {"solving"}, {"locks"}, {"project"}]
ROOM_RANK = {name: rank for rank, names in enumerate(ROOMS) for name in names}
# Inside the lowest layer the order is: values may raise errors and keep credentials to themselves, nothing else.
FOUNDATION = {("model", "errors"), ("model", "redact")}


def part_of(module: str) -> str:
    """Return the layer's part that a module belongs to: `zlock.index.client` is of `index`."""
    return module.split(".")[1] if "." in module else ""


def room_of(module: str) -> str:
    """Return the room of `workflow` that a module is in; empty for what is in none."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "workflow" else ""


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports_of(path: Path) -> set[str]:
    """Return the modules of zlock that a file imports, at its top or lazily, for the code or for its types."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known = modules()
            found |= {name if (name := f"{node.module}.{alias.name}") in known else node.module for alias in node.names}
    return {name for name in found if name.split(".")[0] == "zlock"}


@pytest.mark.parametrize("module", sorted(set(modules()) - {"zlock"}))
def test_a_module_imports_only_lower_layers(module: str) -> None:
    own = part_of(module)

    assert own in RANK, f"{module} belongs to no layer"
    for imported in imports_of(modules()[module]):
        other = part_of(imported)
        allowed = other in {own, ""} or (own, other) in FOUNDATION or RANK[other] > RANK[own]
        assert allowed, f"{module} imports {imported}"


@pytest.mark.parametrize("module", sorted(name for name in modules() if room_of(name)))
def test_a_room_of_the_workflow_uses_only_those_below_it(module: str) -> None:
    own = room_of(module)

    assert own in ROOM_RANK, f"{module} is in no room"
    for imported in imports_of(modules()[module]):
        other = room_of(imported)
        assert other in {own, ""} or ROOM_RANK[other] > ROOM_RANK[own], f"{module} imports {imported}"


def test_only_the_hatch_plugin_imports_hatch() -> None:
    for module, path in modules().items():
        if part_of(module) != "hatch":
            text = path.read_text(encoding="utf-8")
            assert "import hatch" not in text, module
            assert "from hatch" not in text, module


def test_one_function_reads_requirements_that_come_from_outside() -> None:
    names = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for called in (node.func, *(node.args if getattr(node.func, "id", "") == "map" else ()))
        if isinstance(called, ast.Name) and called.id == "Requirement"
    }
    assert names == {"model/requirement.py"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imports_of(path) for module, path in modules().items()}
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"import cycle: {' -> '.join([*path[path.index(module) :], module])}"
        if module in finished or module not in graph:
            return
        for imported in graph[module]:
            if imported != module:
                visit(imported, (*path, module))
        finished.add(module)

    for module in graph:
        visit(module, ())


# What is written in a lock


def spelling(text: str, *without: str) -> set[str]:
    """Return the modules that spell a text, but for those of some parts."""
    return {
        module
        for module, path in modules().items()
        if part_of(module) not in without and text in path.read_text(encoding="utf-8")
    }


@pytest.mark.parametrize("text", ['["tool"]["zlock"]', 'lock["', 'lock.get("', 'package["', 'package.get("'])
def test_only_the_folder_of_locks_knows_what_is_where_in_one(text: str) -> None:
    assert spelling(text, "lock") == set()


@pytest.mark.parametrize(
    "key", [name for kind in (Facts, Package) for one in fields(kind) if "_" in (name := one.name)]
)
def test_a_key_of_a_lock_can_be_renamed_in_a_few_files(key: str) -> None:
    """Sources and indexes have keys of these names too, and none of a lock's."""
    others = ("settings", "sources", "pyproject", "index")

    assert len(spelling(f'"{key.replace("_", "-")}"', *others)) <= 4

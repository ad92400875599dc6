"""`zlock tree`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from msgspec import Struct

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.lock.graph import Graph, name_of
from zlock.wording import counted
from zlock.workflow.explain.graphs import Tree, trees


def run_tree(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    found = trees(options_of(parsed))
    lines = (line for number, tree in enumerate(found) for line in (*([""] if number else []), *_lines(tree)))
    screen.result(lambda: {"trees": list(map(_plain, found))}, lines)


def _lines(tree: Tree) -> list[str]:
    graph, kind = tree.on.graph, "Debian package" if tree.on.is_debian else "package"
    lines = [f"{tree.step}: {counted(len(graph.versions), kind)} for {tree.target}"]
    seen: set[tuple[str, ...]] = set()
    # What is still to be written, the next one last: its nodes, the indentation, whether siblings follow, a remark.
    waiting = [
        _Branch(root.nodes, "", f"  `{root.requirement}` by {', '.join(root.origins)}") for root in tree.on.roots
    ]
    for branch in waiting[-1:]:
        branch.is_last = True
    waiting.reverse()
    while waiting:
        branch = waiting.pop()
        below = _below(branch.nodes, graph)
        again = branch.nodes in seen and bool(below)
        seen.add(branch.nodes)
        override = tree.overrides.get(name_of(branch.nodes[0]))
        remark = branch.remark + (f"  (override `{override}`)" if override else "") + ("  (above)" if again else "")
        shown = f"{_named(branch.nodes, graph)}{remark}"
        lines.append(f"{branch.indent}{'└── ' if branch.is_last else '├── '}{shown}")
        if not again:
            indent = branch.indent + ("    " if branch.is_last else "│   ")
            branches = [_Branch(nodes, indent) for nodes in below]
            for last in branches[-1:]:
                last.is_last = True
            waiting += reversed(branches)
    return lines


class _Branch(Struct):
    """A package, with the extras that are asked of it at one place, on its way to a line."""

    nodes: tuple[str, ...]
    indent: str
    remark: str = ""
    is_last: bool = False


def _below(nodes: Sequence[str], graph: Graph) -> list[tuple[str, ...]]:
    """Return what some nodes of one package need, one group of nodes per package."""
    groups: dict[str, list[str]] = {}
    for need in sorted({need for node in nodes for need in graph.edges.get(node, ())}):
        groups.setdefault(name_of(need), []).append(need)
    own = name_of(nodes[0])
    return [tuple(group) for name, group in groups.items() if name != own]


def _named(nodes: Sequence[str], graph: Graph) -> str:
    extras = sorted(node.partition("[")[2][:-1] for node in nodes if "[" in node)
    name = name_of(nodes[0]) + (f"[{','.join(extras)}]" if extras else "")
    return f"{name} {graph.version_of(nodes[0])}".rstrip()


def _plain(tree: Tree) -> dict[str, object]:
    return {
        "step": tree.step,
        "target": tree.target,
        "debian": tree.on.is_debian,
        "requirements": tree.on.roots,
        "packages": tree.on.graph.versions,
        "overrides": tree.overrides,
        "needs": tree.on.graph.edges,
    }

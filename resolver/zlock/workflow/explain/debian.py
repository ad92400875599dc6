"""What asks for the Debian packages of locks, and what needs what of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zlock.lock.graph import Graph
from zlock.model.debian import bare_name
from zlock.workflow.locks.current import LockedStep


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A Debian package that a step asks for.

    Attributes:
        text: What apt is given.
        origins: Who asks.
        nodes: The packages that it comes to.
    """

    text: str
    origins: tuple[str, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class DebianGraph:
    """The Debian packages of a step on one or more of its platforms.

    Attributes:
        platforms: Those on which they are the same.
        asked: What is asked for, as far as the base image lacks it.
        graph: What the packages need of each other.
    """

    platforms: tuple[str, ...]
    asked: tuple[Asked, ...]
    graph: Graph


def debian_graphs(locked: LockedStep) -> list[DebianGraph]:
    """Return the Debian packages of a step, once for all platforms on which they are the same; none without a lock."""
    apt, found = locked.facts.apt, dict[str, DebianGraph]()
    for platform in [target.platform for target in locked.question.targets if target.system == "linux"]:
        graph = Graph.of_debian(apt.on(platform)) if apt else None
        if graph is None or not graph.versions:
            continue
        same = next((one for one, known in found.items() if known.graph == graph), platform)
        platforms = (*found[same].platforms, platform) if same in found else (platform,)
        found[same] = DebianGraph(platforms=platforms, asked=tuple(_asked(locked, graph)), graph=graph)
    return list(found.values())


def _asked(locked: LockedStep, graph: Graph) -> Iterator[Asked]:
    """Yield what is asked for; names that no package has are virtual, and met by what nothing else leads to."""
    virtual: dict[str, tuple[str, ...]] = {}
    reached: set[str] = set()
    for text in locked.question.apt_packages:
        name, origins = bare_name(text), tuple(_origins(locked, text))
        if name in graph.versions:
            reached |= graph.below(name)
            yield Asked(text=text, origins=origins, nodes=(name,))
        else:
            virtual[text] = origins
    needed = {need for needs in graph.edges.values() for need in needs}
    for name in sorted(graph.versions.keys() - reached - needed):
        origins = tuple(dict.fromkeys(origin for several in virtual.values() for origin in several))
        yield Asked(text=", ".join(virtual), origins=origins, nodes=(name,))


def _origins(locked: LockedStep, text: str) -> Iterator[str]:
    yield from (str(one.source) for one in locked.gathered if text in one.apt_packages)
    settings = locked.step.settings
    if text in (settings.apt_packages or ()):
        yield f"`apt_packages` in {settings.where('apt_packages') or 'the settings'}"

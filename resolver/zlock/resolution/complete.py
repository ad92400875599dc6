"""The complete search repeated until what it says rests on nothing that was only assumed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionTooDeep

from zlock.errors import Unsound
from zlock.resolution.clauses import Grounds, Named, Needed, Unsolvable
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import SILENT, SearchReporter
from zlock.resolution.search import Search
from zlock.resolution.verify import walk

_MOST_READ = 20_000  # candidates whose metadata is read to find out who names a pre-release


class Unread(ResolutionTooDeep):
    """There is no answer without pre-releases of some packages, and too much to read to find out who names one.

    Attributes:
        names: The packages.
    """

    def __init__(self, names: Iterable[NormalizedName]) -> None:
        super().__init__(_MOST_READ)
        self.names = tuple(sorted(set(names)))


def search_completely(problem: Problem, budget: int, reporter: SearchReporter = SILENT) -> Pins:
    """Return pins that are verified.

    Raises:
        Unsolvable: It is proven that there are none.
        ResolutionTooDeep: The budget ended first.
    """
    unfounded: list[Needed] = []
    while True:
        search = Search(problem, reporter, budget, unfounded)
        try:
            found = search.run()
        except Unsolvable as proof:
            grounds = [leaf.reason for leaf in proof.facts if isinstance(leaf.reason, Grounds)]
            if not grounds or _is_hopeless(problem, budget, reporter):
                raise
            if not _find_more(problem, grounds, budget, reporter):
                raise
        else:
            pins, flaw = walk(problem, found)
            if not flaw:
                return pins
            # What names a pre-release here is needed by nothing but itself, which is no reason to be there.
            orphans = frozenset(found.keys() - pins.keys())
            if not orphans:
                raise Unsound(f"the search found what is no answer: {flaw}")
            unfounded.append(Needed(orphans))
        budget -= search.steps


def _is_hopeless(problem: Problem, budget: int, reporter: SearchReporter) -> bool:
    """Return whether there is no answer even if every pre-release counts.

    Then it does not matter who names one, and the releases of the whole graph need not be read to find out.
    """
    allowing = replace(problem, policy=replace(problem.policy, prerelease="allow"))
    try:
        Search(allowing, reporter, budget).run()
    except Unsolvable:
        return True
    except ResolutionTooDeep:
        return False
    return False


def _find_more(problem: Problem, grounds: Sequence[Grounds], budget: int, reporter: SearchReporter) -> bool:
    """Return whether what a proof assumes has more supporters than it knew, looking further if need be.

    To read a candidate counts as a step: a question that is only tried reads no whole graph.
    """
    seen: dict[Node, int] = {}
    layer: dict[Node, int] = {need.node: 0 for need in problem.roots()}
    for need in problem.roots():
        layer[need.node] |= need.mask
    read = 0
    while grounds and layer:
        if any(ground.is_outdated(problem) for ground in grounds):
            return True
        following: dict[Node, int] = {}
        for node, mask in layer.items():
            fresh = mask & problem.domain(node.name) & ~seen.get(node, 0)
            seen[node] = seen.get(node, 0) | fresh
            read += fresh.bit_count()
            reporter.starting_round(read)
            if read > min(_MOST_READ, budget):
                raise Unread(ground.subject.name for ground in grounds if isinstance(ground.subject, Named))
            problem.universe.ask_ahead(problem.universe.package(node.name), fresh)
            for position in bits(fresh):
                needs = problem.needs(node, position)
                for need in () if isinstance(needs, Rejected) else needs:
                    following[need.node] = following.get(need.node, 0) | need.mask
        layer = following
    return any(ground.is_outdated(problem) for ground in grounds)

"""The complete search: conflict-driven, over sets of candidates; what it says is proven.

It is PubGrub's algorithm on finite domains. The state of a node is the set of what it may still be: bit 0
for "not there at all", bit `i + 1` for candidate `i`. A `Clause` names, for some nodes, a set each, and says
that they can't all hold at once. When a clause is about to be broken the missing set follows (propagation);
when one is broken, it is resolved against the reasons until it names the decision to take back (learning).
A clause without a term is the proof that there is no answer, and its tree of reasons is the explanation.

Needs are facts. `Grounds` are assumptions: something counts only beside what supports it, as far as is known
when the search begins. An answer found under them stands; a proof stands if nothing more is known at its end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionTooDeep

from zlock.errors import Unsound
from zlock.resolution.clauses import Clause, Grounds, Named, Needed, Unsolvable, Verdict
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.order import Order
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import SearchReporter
from zlock.resolution.trail import ABSENT, ROOT, Trail


class Search:
    """One run of the complete search.

    Args:
        problem: What is asked.
        reporter: Hears each step, and may end the search.
        budget: How many steps it may take.
        unfounded: What counts only beside what needs it.
        first: The packages that are decided before all others.
        patience: How many conflicts there may be, and candidates that are ruled out when they are looked at.
    """

    def __init__(
        self,
        problem: Problem,
        reporter: SearchReporter,
        budget: int,
        unfounded: Collection[Needed] = (),
        *,
        first: Collection[NormalizedName] = (),
        patience: int | None = None,
    ) -> None:
        self._problem = problem
        self._reporter = reporter
        self._budget = budget
        self._patience = budget if patience is None else patience
        self._unfounded = unfounded
        self.steps = 0
        self._trail = Trail()
        self._states, self._full = self._trail.states, self._trail.full
        self._order = Order(problem, first)
        self._clauses: dict[Node, list[Clause]] = {}
        self._watches: dict[Node, list[Clause]] = {}
        self._new: list[Clause] = []  # still to be looked at as a whole
        self._late: list[Clause] = []  # looked at below some decisions, without which they may say more
        self._facts: dict[tuple[Node, Node, int], Clause] = {}
        self._begins_anew = False
        self._optional: dict[Node, None] = {}  # what supports something, and may be there for it

    def run(self) -> Pins:
        """Return an answer.

        Raises:
            Unsolvable: There is none.
            ResolutionTooDeep: The budget ended first.
        """
        for need in self._problem.roots():
            self._add_need(ROOT, 0, need)
        for needed in self._unfounded:
            for node in sorted(needed.nodes):
                self._meet(node)
                self._add_grounds(node, self._problem.universe.package(node.name).all, needed)
        changed: Node | None = ROOT
        while changed is not None:
            self._propagate({changed: None})
            if self._begins_anew:
                self._begins_anew = False
                self._take_back(0)
                self._propagate({})
            changed = self._decide()
        return self._trail.pins()

    # Facts

    def _add_need(self, parent: Node, position: int, need: Need) -> None:
        """State that a candidate of the parent can't be there without what it needs."""
        self._meet(need.node)
        if need.node == parent:
            if not need.mask >> position & 1:
                self._add(Clause({parent: 2 << position}, need))
            return
        key = (parent, need.node, need.mask)
        known = self._facts.get(key)
        if known is not None and parent != ROOT:
            # The same need of another release: one clause says it for both.
            known.terms[parent] |= 2 << position
            self._new.append(known)
            return
        others = self._full[need.node] & ~(need.mask << 1)
        terms = {parent: 2 << position}
        if others != self._full[need.node]:  # a term that always holds is none
            terms[need.node] = others
        self._facts[key] = clause = Clause(terms, need)
        self._add(clause)

    def _meet(self, node: Node) -> None:
        """Take a node into the search, with what policy rules out of it as its first clauses."""
        todo, unnamed = [node], []
        while todo:
            met = todo.pop()
            if met in self._full:
                continue
            package = self._problem.universe.package(met.name)
            self._order.meet(met)
            self._full[met] = self._states[met] = (package.all << 1) | ABSENT
            out = package.all & ~self._problem.domain(met.name)
            if out:
                self._add(Clause({met: out << 1}, Verdict(met, out)))
            if self._problem.unnamed(met.name):
                unnamed.append(met)
                todo.extend(self._problem.namers(met.name))
        for met in unnamed:
            self._add_grounds(met, self._problem.unnamed(met.name), Named(met.name))

    def _add_grounds(self, node: Node, mask: int, subject: Named | Needed) -> None:
        """State that some candidates of a node can't be there without a supporter."""
        supporters = dict(subject.supporters(self._problem))
        terms = {node: mask << 1}
        for parent, naming in supporters.items():
            self._meet(parent)
            self._optional[parent] = None
            terms[parent] = terms.get(parent, self._full[parent]) & ~(naming << 1)
        if all(terms.values()):
            self._add(Clause(terms, Grounds(subject, supporters)))

    def _add(self, clause: Clause) -> None:
        for node in clause.terms:
            self._clauses.setdefault(node, []).append(clause)
        self._new.append(clause)

    # Propagation

    def _propagate(self, changed: dict[Node, None]) -> None:
        """Let follow what follows from the states of some nodes, and from new clauses."""
        while changed or self._new:
            broken = self._look_at_new(changed)
            if broken is None and changed:
                current = next(iter(changed))
                del changed[current]
                broken = self._follow(current, changed)
            if broken is not None:
                learnt = self._resolve(broken)
                forced = self._open_term(learnt)
                if forced is None:
                    raise Unsound("nothing follows from what a conflict taught")
                self._begins_anew |= self._order.reject(forced, self._states[forced])
                self._new.append(learnt)
                changed.clear()

    def _look_at_new(self, changed: dict[Node, None]) -> Clause | None:
        """Look at each new clause as a whole; return one that is broken."""
        states = self._states
        while self._new:
            clause = self._new.pop()
            terms = clause.terms
            outside = [node for node, inside in terms.items() if states[node] & ~inside]
            self._watch(clause, outside)
            if not outside:
                return clause
            forced = outside[0]
            if len(outside) == 1 and states[forced] & terms[forced]:
                self._trail.assign(forced, states[forced] & ~terms[forced], clause)
                changed[forced] = None
        return None

    def _watch(self, clause: Clause, outside: Sequence[Node]) -> None:
        """Choose what to watch of a clause: what is not inside its set, as far as there is any."""
        before, nodes = clause.watched, outside[:2]
        if len(nodes) < 2 and len(clause.terms) > len(nodes):  # noqa: PLR2004 - two are watched
            nodes = [*nodes, *(node for node in clause.terms if node not in nodes)][:2]
        clause.watched = nodes[0], nodes[-1]
        clause.level = self._trail.level
        if clause.level:
            self._late.append(clause)
        for node in nodes:
            if node not in before:
                self._watches.setdefault(node, []).append(clause)

    def _follow(self, node: Node, changed: dict[Node, None]) -> Clause | None:
        """Look at the clauses that watch a node; return one that is broken."""
        states, watching = self._states, self._watches.get(node, [])
        self._watches[node] = kept = []
        for place, clause in enumerate(watching):
            first, second = clause.watched
            if node not in (first, second):
                continue  # it watches others by now
            if states[node] & ~clause.terms[node]:
                kept.append(clause)
                continue
            other = second if node == first else first
            terms = clause.terms.items()
            instead = next((one for one, inside in terms if states[one] & ~inside and one not in (node, other)), None)
            if instead is not None:
                clause.watched = other, instead
                self._watches.setdefault(instead, []).append(clause)
                continue
            kept.append(clause)
            open_states = states[other] & ~clause.terms[other]
            if not open_states:
                kept.extend(watching[place + 1 :])
                return clause
            if open_states != states[other]:
                self._trail.assign(other, open_states, clause)
                changed[other] = None
        return None

    def _open_term(self, clause: Clause) -> Node | None:
        """Return the one node that keeps a clause from breaking; None if several do, or it is broken."""
        found: Node | None = None
        for node, states in clause.terms.items():
            current = self._states[node]
            if not current & ~states:
                continue
            if not current & states or found is not None:
                return None
            found = node
        return found

    # Learning

    def _resolve(self, clause: Clause) -> Clause:
        """Take back what led to a broken clause; return the clause that follows for the future.

        Raises:
            Unsolvable: Nothing is left to take back.
        """
        self._step()
        self._lose()
        while True:
            found, level = self._trail.satisfier(clause)
            if found is None or found.level == 0:
                raise Unsolvable(self._root_cause(clause))
            self._order.conflict(found.node)
            if found.cause is None or level < found.level:
                self._take_back(level)
                if clause.parents is not None:
                    for node in clause.terms:
                        self._clauses.setdefault(node, []).append(clause)
                return clause
            clause = self._combine(clause, found.cause, found.node)

    def _root_cause(self, clause: Clause) -> Clause:
        """Resolve a clause that broke without any decision down to the facts, for the explanation."""
        while clause.terms.keys() - {ROOT}:
            found, _ = self._trail.satisfier(clause)
            if found is None or found.cause is None:
                break
            clause = self._combine(clause, found.cause, found.node)
        return clause

    def _combine(self, first: Clause, second: Clause, node: Node) -> Clause:
        terms = dict(first.terms)
        for other, states in second.terms.items():
            if other != node:
                terms[other] = terms[other] & states if other in terms else states
        joined = first.terms[node] | second.terms[node]
        if joined == self._full[node]:
            del terms[node]
        else:
            terms[node] = joined
        return Clause(terms, None, (first, second))

    def _take_back(self, level: int) -> None:
        self._trail.take_back(level)
        self._new += [clause for clause in self._late if clause.level > level]
        self._late = [clause for clause in self._late if clause.level <= level]

    # Deciding

    def _decide(self) -> Node | None:
        """Pin one node that has to be there and is still open; None where there is none.

        What has no choice comes first. At last, what might only be there to support something is left out, where that
        can be.
        """
        trail = self._trail
        if trail.forced:
            node = next(iter(trail.forced))
        elif trail.open:
            node = self._order.first(trail.open, self._states)
        else:
            return self._leave_out()
        position = self._first(node)
        if position is None:
            return node
        if (node, position) not in trail.loaded:
            trail.loaded.add((node, position))
            needs = self._problem.needs(node, position)
            for need in () if isinstance(needs, Rejected) else needs:
                self._add_need(node, position, need)
            trail.load(node, position)
        if self._would_break(node, position):
            self._begins_anew |= self._order.reject(node, self._states[node])
        elif self._states[node] != 2 << position:
            trail.decide(node, 2 << position)
        return node

    def _first(self, node: Node) -> int | None:
        """Return the candidate to be tried; None where none of those that were looked at can be used."""
        mask = self._preferred(node)
        for position in self._problem.ordered(node.name, mask):
            self._step()
            if (node, position) in self._trail.loaded or not self._is_ruled_out(node, position):
                return position
            mask &= ~(1 << position)
            self._lose()
            if self._order.reject(node, mask << 1):
                self._begins_anew = True
                return None
        if mask:
            self._add(Clause({node: mask << 1}, Verdict(node, mask)))
        return None

    def _is_ruled_out(self, node: Node, position: int) -> bool:
        """State what rules a candidate out at once, if anything does: its other needs are not looked at then."""
        needs = self._problem.needs(node, position)
        if isinstance(needs, Rejected):
            self._add(Clause({node: 2 << position}, Verdict(node, 1 << position, needs)))
            return True
        for need in needs:
            if not self._states.get(need.node, -1) >> 1 & need.mask:
                self._add_need(node, position, need)
                return True
        return False

    def _preferred(self, node: Node) -> int:
        """Return the candidates to try: pre-releases that nothing names yet only where no others are left."""
        mask = self._states[node] >> 1
        unnamed = self._problem.unnamed(node.name) & mask
        if unnamed and mask != unnamed and not self._is_named(node.name):
            kept = self._problem.kept(self._problem.universe.package(node.name))
            mask &= ~unnamed | (1 << kept if kept is not None else 0)
        return mask

    def _is_named(self, name: NormalizedName) -> bool:
        namers = self._problem.namers(name).items()
        return any(node in self._states and not self._states[node] & ~(mask << 1) for node, mask in namers)

    def _leave_out(self) -> Node | None:
        for node in self._optional:
            if self._states[node] & ABSENT and self._states[node] != ABSENT:
                self._step()
                self._trail.decide(node, ABSENT)
                return node
        return None

    def _would_break(self, node: Node, position: int) -> bool:
        """Return whether pinning would break a clause at once: then propagation rules the candidate out instead."""
        for clause in self._clauses.get(node, ()):
            if clause.terms[node] >> (position + 1) & 1 and all(
                not self._states[other] & ~states for other, states in clause.terms.items() if other != node
            ):
                return True
        return False

    def _step(self) -> None:
        self.steps += 1
        self._reporter.starting_round(self.steps)
        if self.steps > self._budget:
            raise ResolutionTooDeep(self._budget)

    def _lose(self) -> None:
        self._patience -= 1
        if self._patience < 0:
            raise ResolutionTooDeep(self.steps)

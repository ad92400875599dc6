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

from bisect import bisect_left
from collections.abc import Collection
from typing import NamedTuple

from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionTooDeep

from zlock.errors import Unsound
from zlock.resolution.clauses import Clause, Grounds, Named, Needed, Unsolvable, Verdict
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import SearchReporter

_ABSENT = 1
_ROOT = Node("", "")  # type: ignore[arg-type]
_FEW_REJECTIONS = 5
_MANY_REJECTIONS = 20
_FAR = 180  # days
_LAST = 1 << 30


class _Assignment(NamedTuple):
    node: Node
    level: int
    states: int  # what the node may be from here on
    cause: Clause | None  # None for a decision


class Search:
    """One run of the complete search."""

    def __init__(
        self,
        problem: Problem,
        reporter: SearchReporter,
        budget: int,
        unfounded: Collection[Needed] = (),
    ) -> None:
        self._problem = problem
        self._budget = budget
        self._reporter = reporter
        self._unfounded = unfounded
        self.steps = 0
        self._clauses: dict[Node, list[Clause]] = {}
        self._watches: dict[Node, list[Clause]] = {}
        self._new: list[Clause] = []  # still to be looked at as a whole
        self._late: list[Clause] = []  # looked at below some decisions, without which they may say more
        self._facts: dict[tuple[Node, Node, int], Clause] = {}
        self._full: dict[Node, int] = {}
        self._states: dict[Node, int] = {}
        self._trail: list[_Assignment] = []
        self._places: dict[Node, list[int]] = {}  # indexes into the trail
        self._level = 0
        self._seen: dict[Node, int] = {}
        self._ranks: dict[Node, tuple[int, int, int]] = {}  # the lower, the earlier it is decided
        self._loaded: set[tuple[Node, int]] = set()
        # What has to be there, and has needs that were not looked at, or else a choice left.
        self._forced: dict[Node, None] = {}
        self._open: set[Node] = set()
        self._conflicts: dict[Node, int] = {}
        self._rejections: dict[Node, int] = {}  # how often decisions on others ruled out some of a node's candidates
        self._earlier: dict[Node, int] = {}  # what is decided before all else, as that happened too often
        self._begins_anew = False
        self._optional: dict[Node, None] = {}  # what supports something, and may be there for it

    def run(self) -> Pins:
        """Return an answer.

        Raises:
            Unsolvable: There is none.
            ResolutionTooDeep: The budget ended first.
        """
        self._full[_ROOT] = 0b11
        self._states[_ROOT] = 0b11
        self._assign(_ROOT, 0b10, None)
        for need in self._problem.roots():
            self._add_need(_ROOT, 0, need)
        for needed in self._unfounded:
            for node in sorted(needed.nodes):
                self._meet(node)
                self._add_grounds(node, self._problem.universe.package(node.name).all, needed)
        changed: Node | None = _ROOT
        while changed is not None:
            self._propagate({changed: None})
            if self._begins_anew:
                self._begins_anew = False
                self._take_back(0)
                self._propagate({})
            changed = self._decide()
        return {
            node: states.bit_length() - 2
            for node, states in self._states.items()
            if node != _ROOT and not states & _ABSENT
        }

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
        if known is not None and parent != _ROOT:
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
            self._seen[met] = len(self._seen)
            self._rank(met)
            self._full[met] = self._states[met] = (package.all << 1) | _ABSENT
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

    def _assign(self, node: Node, states: int, cause: Clause | None) -> None:
        self._places.setdefault(node, []).append(len(self._trail))
        self._set(node, states)
        self._trail.append(_Assignment(node, self._level, states, cause))

    def _set(self, node: Node, states: int) -> None:
        self._states[node] = states
        self._open.discard(node)
        self._forced.pop(node, None)
        if states & _ABSENT or node == _ROOT:
            return
        if states & (states - 1):
            self._open.add(node)
        elif (node, states.bit_length() - 2) not in self._loaded:
            self._forced[node] = None

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
                if not isinstance(forced, Node):
                    raise Unsound("nothing follows from what a conflict taught")
                self._reject(forced)
                self._new.append(learnt)
                changed.clear()

    def _look_at_new(self, changed: dict[Node, None]) -> Clause | None:
        """Look at each new clause as a whole; return one that is broken."""
        while self._new:
            clause = self._new.pop()
            self._watch(clause)
            found = self._open_term(clause)
            if found is clause:
                return clause
            if isinstance(found, Node):
                self._assign(found, self._states[found] & ~clause.terms[found], clause)
                changed[found] = None
        return None

    def _watch(self, clause: Clause) -> None:
        """Choose what to watch of a clause: what is not inside its set, as far as there is any."""
        before = clause.watched
        nodes = sorted(clause.terms, key=lambda node: not self._states[node] & ~clause.terms[node])[:2]
        clause.watched = nodes[0], nodes[-1]
        clause.level = self._level
        if self._level:
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
                self._assign(other, open_states, clause)
                changed[other] = None
        return None

    def _reject(self, node: Node) -> None:
        """Note that others rule out some of a node's candidates.

        Where that goes on, a search that keeps the others walks down to a release that is years old, or through all
        there are. So the node is decided first from then on, and the others follow.
        """
        self._rejections[node] = self._rejections.get(node, 0) + 1
        if node not in self._earlier and self._rejections[node] >= _FEW_REJECTIONS and self._has_fallen(node):
            self._earlier[node] = -len(self._earlier)
            self._rank(node)
            self._begins_anew = True

    def _has_fallen(self, node: Node) -> bool:
        """Return whether what is left of a node is far behind its newest release, in days or else in number."""
        package = self._problem.universe.package(node.name)
        days = [package.page.uploaded[at] for at in bits(self._states[node] >> 1)] if package.page else []
        if not days or not all(days):
            return self._rejections[node] >= _MANY_REJECTIONS
        return max(package.page.uploaded) - max(days) > _FAR if package.page else False

    def _open_term(self, clause: Clause) -> Node | Clause | None:
        """Return the one node that keeps a clause from breaking, the clause if it is broken, None if several do."""
        found: Node | None = None
        for node, states in clause.terms.items():
            current = self._states[node]
            if not current & ~states:
                continue
            if not current & states or found is not None:
                return None
            found = node
        return clause if found is None else found

    # Learning

    def _resolve(self, clause: Clause) -> Clause:
        """Take back what led to a broken clause; return the clause that follows for the future.

        Raises:
            Unsolvable: Nothing is left to take back.
        """
        self._step()
        while True:
            satisfier, previous_level = self._satisfier(clause)
            if satisfier is None or self._trail[satisfier].level == 0:
                raise Unsolvable(self._root_cause(clause))
            assignment = self._trail[satisfier]
            self._conflicts[assignment.node] = self._conflicts.get(assignment.node, 0) + 1
            self._rank(assignment.node)
            if assignment.cause is None or previous_level < assignment.level:
                self._take_back(previous_level)
                if clause.parents is not None:
                    for node in clause.terms:
                        self._clauses.setdefault(node, []).append(clause)
                return clause
            clause = self._combine(clause, assignment.cause, assignment.node)

    def _root_cause(self, clause: Clause) -> Clause:
        """Resolve a clause that broke without any decision down to the facts, for the explanation."""
        while clause.terms.keys() - {_ROOT}:
            satisfier, _ = self._satisfier(clause)
            if satisfier is None:
                break
            assignment = self._trail[satisfier]
            if assignment.cause is None:
                break
            clause = self._combine(clause, assignment.cause, assignment.node)
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

    def _satisfier(self, clause: Clause) -> tuple[int | None, int]:
        """Return where in the trail a clause broke, and the level at which it was otherwise about to."""
        latest: int | None = None
        previous = 0
        for node, states in clause.terms.items():
            place = self._place(node, states, len(self._trail))
            if latest is None or place > latest:
                if latest is not None:
                    previous = max(previous, self._trail[latest].level)
                latest = place
            else:
                previous = max(previous, self._trail[place].level)
        if latest is None:
            return None, 0
        # The satisfier may need earlier assignments of its own node to break the term.
        node = self._trail[latest].node
        cause = self._trail[latest].cause
        if cause is not None and node in cause.terms:
            rest = clause.terms[node] | cause.terms[node]
            if rest != self._full[node]:
                previous = max(previous, self._trail[self._place(node, rest, latest)].level)
        return latest, previous

    def _place(self, node: Node, states: int, before: int) -> int:
        """Return the first index of the trail at which a node is inside a set; from there on it stays inside."""
        places = self._places[node]
        found = bisect_left(places, True, key=lambda place: not self._trail[place].states & ~states)
        if found == len(places) or places[found] >= before:
            raise Unsound(f"a conflict names `{node}`, which never took part in it")
        return places[found]

    def _take_back(self, level: int) -> None:
        while self._trail and self._trail[-1].level > level:
            node = self._trail.pop().node
            places = self._places[node]
            places.pop()
            self._set(node, self._trail[places[-1]].states if places else self._full[node])
        self._level = level
        self._new += [clause for clause in self._late if clause.level > level]
        self._late = [clause for clause in self._late if clause.level <= level]

    # Deciding

    def _decide(self) -> Node | None:
        """Pin one node that has to be there and is still open; None where there is none.

        What has no choice comes first, then what can stay as it was locked, then what others push far back, then what
        conflicted most, then what was met first. At last, what might only be there to support something is left out,
        where that can be.
        """
        if self._forced:
            node = next(iter(self._forced))
        elif self._open:
            node = min(self._open, key=self._preference if self._problem.preferences else self._ranks.__getitem__)
        else:
            return self._leave_out()
        self._step()
        mask = self._preferred(node)
        position = next(self._problem.ordered(node.name, mask), None)
        if position is None:  # looked at, none of them can be used
            self._add(Clause({node: mask << 1}, Verdict(node, mask)))
            return node
        if (node, position) not in self._loaded:
            self._loaded.add((node, position))
            needs = self._problem.needs(node, position)
            if isinstance(needs, Rejected):
                self._add(Clause({node: 2 << position}, Verdict(node, 1 << position, needs)))
                return node
            for need in needs:
                self._add_need(node, position, need)
            self._set(node, self._states[node])
        if self._would_break(node, position):
            self._reject(node)
            return node
        if self._states[node] != 2 << position:
            self._level += 1
            self._assign(node, 2 << position, None)
        return node

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
            if self._states[node] & _ABSENT and self._states[node] != _ABSENT:
                self._step()
                self._level += 1
                self._assign(node, _ABSENT, None)
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

    def _preference(self, node: Node) -> tuple[bool, tuple[int, int, int]]:
        kept = self._problem.kept(self._problem.universe.package(node.name))
        moves = kept is None or not self._states[node] >> (kept + 1) & 1
        return moves, self._ranks[node]

    def _rank(self, node: Node) -> None:
        """Note when a node is decided, which is asked far more often than it changes."""
        self._ranks[node] = self._earlier.get(node, _LAST), -self._conflicts.get(node, 0), self._seen[node]

    def _step(self) -> None:
        self.steps += 1
        self._reporter.starting_round(self.steps)
        if self.steps > self._budget:
            raise ResolutionTooDeep(self._budget)

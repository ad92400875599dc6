"""Steps with their current locks: what every command starts from that comes after `resolve`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import Located, LockOutdated, ZlockError
from zlock.lock.facts import Facts
from zlock.lock.identity import wheelhouse_in
from zlock.lock.question import Question, changes, target_table
from zlock.lock.selection import misfits
from zlock.lock.store import check_place, lock_path, other_step, parse_facts, parse_lock, read_text
from zlock.lock.toml import inline
from zlock.model.origin import Origin
from zlock.model.requirement import Asked, Gathered
from zlock.workflow.locks.asking import Questions
from zlock.workflow.project.workspace import Step, Workspace

if TYPE_CHECKING:  # a check reads no packages
    from zlock.lock.lock import Lock


class AskingStep(Struct, frozen=True, eq=False, kw_only=True):
    """A step with what it asks, and the lock that it has.

    Attributes:
        step: The step.
        path: Its lock's place.
        text: That lock as text; empty where there is none, or one that is not worth keeping.
        gathered: What its sources yield.
        question: What it asks.
    """

    step: Step
    path: Path
    text: str
    gathered: list[Gathered]
    question: Question

    @property
    def lock(self) -> Lock | None:
        """The lock with its packages, None where there is none yet."""
        raise NotImplementedError


class LockedStep(AskingStep, frozen=True, eq=False, kw_only=True, dict=True):
    """A step with a lock that answers what it asks; what running commands gave is read from that.

    Attributes:
        facts: The lock without its packages.
    """

    facts: Facts

    @cached_property
    def lock(self) -> Lock:
        """The lock with its packages; who only compares what is asked has no need of it."""
        return parse_lock(self.path, self.text)


def load_locked(workspace: Workspace) -> list[LockedStep]:
    """Return the chosen steps with their locks, without network and without running a source command.

    There are none where the pipeline runs locally; the workspace's report then says so.

    Raises:
        LockOutdated: A lock is missing or answers something else; several errors come as `Problems`.
        InvalidLock: A lock was edited or cut short, or is behind a link out of the project.
    """
    found = collect_locked(workspace)
    workspace.report.failures.problems.raise_if_any()
    return found


def others_with(workspace: Workspace, name: str) -> list[str]:
    """Return the steps that were not chosen and whose locks, as they are, have a package, of Python or of Debian."""
    chosen, found = workspace.chosen(), []
    for step in workspace.steps:
        if step in chosen or step.name not in workspace.locks:
            continue
        path = workspace.locks[step.name].path
        with suppress(ZlockError):  # of a lock that is none; whoever uses it says so
            lock = parse_lock(path, read_text(path) or "")
            if name in lock.pins or (lock.facts.apt and name in lock.facts.apt.pins):
                found.append(step.called)
    return found


def collect_locked(workspace: Workspace) -> list[LockedStep]:
    """Return those of the chosen steps whose locks are current; what is wrong with the others is reported."""
    questions = Questions(workspace, workspace.gatherer(may_run=False))
    if not workspace.project.is_remote:
        workspace.disregard()
        return []
    found = []
    for step in workspace.chosen():
        with workspace.report.failures.of(step.name):
            found.append(_locked(workspace, questions, step))
    return found


def _locked(workspace: Workspace, questions: Questions, step: Step) -> LockedStep:
    hint = workspace.options.hint
    path, text = lock_of(workspace, step)
    if text is None:
        expected = (Path(workspace.project.lock_dir) / path.name).as_posix()
        raise LockOutdated(f"step `{step.name}` has no lock", context=[f"expected `{expected}`"], hint=hint)
    facts = parse_facts(path, text)
    if facts.step != step.name:
        raise other_step(path, facts)
    recorded = {asked.source: asked for asked in facts.sources if asked.recorded}
    gathered = questions.gatherer.gather(step.settings, recorded, step.routing)
    question = questions.of(step, gathered, facts)
    locked = LockedStep(step=step, path=path, text=text, facts=facts, gathered=gathered, question=question)
    # A lock in which nothing is required by URL needs no reading.
    unfit = list(misfits(locked.lock, question.targets)) if " @ " in text else []
    if (differing := unanswered(locked, facts)) is not None:
        context = [*differing, *unfit]
        raise LockOutdated(f"the lock of step `{step.name}` is outdated", context=context, hint=hint)
    if unfit:
        raise LockOutdated(f"the lock of step `{step.name}` can't be installed", context=unfit, hint=hint)
    return locked


def lock_of(workspace: Workspace, step: Step) -> tuple[Path, str | None]:
    """Return where a step's lock is, and its text, read once in a run; None where there is none.

    Raises:
        InvalidLock: It can't be read, or is behind a link out of the project.
    """
    path = lock_path(workspace.lock_folder, step.name)
    check_place(path, workspace.project.folder)
    known = workspace.locks.get(step.name)
    return path, known.text if known else read_text(path)


def unanswered(asking: AskingStep, facts: Facts) -> Iterable[str] | None:
    """Say what of a step a lock does not answer; None where it answers all."""
    question = asking.question
    if facts.inputs != question.digest():
        return differences(facts, question, asking.gathered)
    if question.wheelhouse and (was := wheelhouse_in(asking.text)) not in ("", question.wheelhouse):
        now = f"is `{question.wheelhouse}`, from the folder of the lock"
        return [f"configuration: `wheelhouse` was `{was}`, {now}"]
    if asking.step.fetching(question.targets) and not facts.fetched(asking.step.installer):
        name = asking.step.installer.name
        return [f"settings: `python-package-installer` is `{name}`, and the lock has none"]
    return None


def differences(facts: Facts, question: Question, gathered: list[Gathered]) -> Iterator[str]:
    """Return what a step asks for that its lock does not answer, with the place that asks."""
    places = dict(_places(gathered))
    for line, asked in changes(facts.sources, question.asked):
        yield _stated_at(line, places.get(asked))
    was, now = target_table(facts.targets), target_table(question.targets)
    for key in {**was, **now}:
        yield from _difference(f"target: `{key}`", was.get(key), now.get(key))
    apt = _own_apt(facts.apt_packages, facts.sources), _own_apt(question.apt_packages, question.asked)
    yield from _difference("settings: `apt-packages`", *apt)
    yield from _difference("settings: `parent-image`", facts.parent_image, question.parent_image)
    stated = {one.requirement.url: one.origins[0] for each in gathered for one in each.requirements}
    for url, line in changed_places(facts.local, question.local):
        yield _stated_at(line, stated.get(url))
    before, after = facts.policy, question.policy
    for key in sorted({*before, *after}):
        name = "index" if key == "indexes" else key
        yield from _difference(f"configuration: `{name}`", before.get(key), after.get(key))


def changed_places(recorded: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Say which local folders and archives ask something else than a lock recorded, by URL; new ones are left alone."""
    for url, digest in now.items():
        if recorded.get(url, digest) != digest:
            yield url, f"local: `{url}` {'has changed since it was locked' if digest else 'is not there any more'}"


def _own_apt(packages: Iterable[str], asked: Iterable[Asked]) -> list[str]:
    """Return the Debian packages that the settings name: those of sources are compared with them."""
    others = {package for one in asked for package in one.apt_packages}
    return [package for package in packages if package not in others]


def _difference(what: str, was: object, now: object) -> Iterator[str]:
    if (was or None) != (now or None):
        yield f"{what} was {_shown(was)}, is {_shown(now)}"


def _shown(value: object) -> str:
    return f"`{value if isinstance(value, str) else inline(value)}`" if value else "not set"


def _stated_at(line: str, origin: Origin | None) -> str:
    place = _place(origin) if origin else ""
    return Located(f"{line} ({place})", origin) if origin and place else line


def _places(gathered: list[Gathered]) -> Iterator[tuple[str, Origin]]:
    """Return each requirement and constraint as the lock has it, with the file and line that states it."""
    for source in gathered:
        for direct in (*source.constraints, *source.requirements):
            (text,) = Asked.of(replace(source, requirements=(direct,))).requirements
            yield text, direct.origins[0]


def _place(origin: Origin) -> str:
    line = "" if origin.line is None else f":{origin.line}"
    return ", ".join(part for part in (origin.detail, f"{origin.file or ''}{line}") if part)

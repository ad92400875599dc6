"""`zlock resolve`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.errors import Collector, InvalidInput, NoAnswer, ZlockError
from zlock.model.form import plain
from zlock.wording import counted, listed
from zlock.workflow.project.report import Moves, Report, StepReport
from zlock.workflow.project.upgrades import check_known, read_upgrades
from zlock.workflow.project.workspace import Options

_FEW = 5  # packages that moved, which are named without being asked for


def run_resolve(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    moves = parsed.upgrade or parsed.upgrade_package or parsed.upgrade_apt or parsed.pin_images
    if parsed.check and (moves or parsed.dry_run):
        raise InvalidInput(
            "`--check` writes nothing and asks no index, so it goes with none of `--upgrade`, `--upgrade-package`, "
            "`--upgrade-apt`, `--pin-images` and `--dry-run`",
            hint="leave it out, or the others",
        )
    options = replace(
        options_of(
            parsed,
            upgrade=parsed.upgrade,
            upgrade_packages=read_upgrades(parsed.upgrade_package),
            pin_images=parsed.pin_images,
            upgrade_apt=parsed.upgrade_apt,
            no_apt=parsed.no_apt,
        ),
        pipeline=next(iter(parsed.pipelines), None),
    )
    if parsed.all or len(parsed.pipelines) > 1:
        return _run_several(options, parsed, screen)
    report = _report(options, is_check=parsed.check, write=not parsed.dry_run)
    if parsed.json:
        screen.json(plain_report(report, screen.notes))
    else:
        _say(report, parsed, screen)
    return _end(report, parsed)


def _run_several(options: Options, parsed: argparse.Namespace, screen: Screen) -> int:
    """Do the same for several pipelines or projects; what is wrong with one keeps no other from being done."""
    from zlock.workflow.deliver.several import pipelines_of, projects_below  # most runs are for one

    problems, code = Collector(), 0
    upgradable: set[NormalizedName] = set()
    documents: dict[str, object] = {}
    parts = projects_below if parsed.all else pipelines_of
    for one in parts(options, parsed.pipelines):
        try:
            known = len(screen.notes)
            report = _report(one.options, is_check=parsed.check, write=not parsed.dry_run)
            documents[one.name] = plain_report(report, screen.notes[known:])
            upgradable |= report.upgradable
            if not parsed.json:
                screen.say(f"[{one.name}]")
                _say(report, parsed, screen)
            code = max(code, _end(report, parsed))
        except ZlockError as error:
            for each in one.named(error):
                problems.add(each)
    if parsed.json:
        screen.json({"projects" if parsed.all else "pipelines": documents})
    if not problems.errors:
        check_known(options.upgrade_packages, upgradable)
    problems.raise_if_any()
    return code


def _say(report: Report, parsed: argparse.Namespace, screen: Screen) -> None:
    for step in report.steps:
        for line in lines_of(step, verbose=screen.verbose):
            screen.say(line)
    if parsed.dry_run:
        screen.say("nothing was written (`--dry-run`)")


def _end(report: Report, parsed: argparse.Namespace) -> int:
    """Return the exit code that a report comes to."""
    if parsed.tracked:
        _refuse_untracked([step.path for step in report.steps if step.status != "removed"])
    return int(parsed.exit_code and any(step.status != "unchanged" or step.undeclared for step in report.steps))


def _report(options: Options, *, is_check: bool, write: bool) -> Report:
    """Check the locks, or bring them up to date; a check loads nothing of what solves."""
    if is_check:
        from zlock.workflow.solving.check import check

        return check(options)
    from zlock.workflow.solving.resolve import resolve

    return resolve(options, write=write)


def _refuse_untracked(locks: Sequence[Path]) -> None:
    from zlock.lock.history import untracked  # only hooks ask git
    from zlock.process import quoted

    if names := [os.path.relpath(lock) for lock in untracked(locks)]:
        raise NoAnswer(
            f"git does not track {listed(names)}",
            hint=f"`{quoted(['git', 'add', *names])}`, so that the commit does not go without",
        )


def lines_of(step: StepReport, *, verbose: bool) -> list[str]:
    """Return what is said of a step's lock."""
    if step.status == "removed":
        return [f"{step.name}: lock removed, the step is gone"]
    packages = counted(step.packages, "package")
    if step.status == "unchanged":
        since = f", but {', '.join(step.undeclared)} since it was written" if step.undeclared else ""
        return [f"{step.name}: {packages}, up to date{since}"]
    if step.status == "declared":
        return [f"{step.name}: {packages}, up to date; updated what it records of files -> {step.path.name}"]
    said = _counts(step.moves) or ("same versions" if step.packages else "nothing to install")
    lines = [f"{step.name}: {packages} ({said}) -> {step.path.name}"]
    if step.debian:
        lines.append(f"  {counted(step.debian.pins, 'Debian package')} ({_counts(step.debian) or 'same versions'})")
    if step.gave_way or step.differs:
        from zlock.resolution.answer_words import differing, gave_way  # most steps have nothing of both

        lines += [f"  {line}" for line in (*map(gave_way, step.gave_way), *differing(step.differs))]
    return lines + [line for moves in (step.moves, step.debian) if moves for line in _moved(moves, verbose=verbose)]


def _moved(moves: Moves, *, verbose: bool) -> Iterator[str]:
    """Yield what became of packages: all of it if that is asked for, else what moved where that is little, or older."""
    if verbose:
        yield from (f"  + {name} {version}" for name, version in moves.added.items())
        yield from (f"  - {name} {version}" for name, version in moves.removed.items())
    is_whole = verbose or len(moves.moved) <= _FEW
    for name, (old, new) in moves.moved.items():
        if is_whole or name in moves.older:
            yield f"  {name} {old} -> {new}{' (older)' if name in moves.older else ''}"


def _counts(moves: Moves) -> str:
    counts = [(len(moves.added), "added"), (len(moves.moved), "moved"), (len(moves.removed), "removed")]
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def plain_report(report: Report, notes: list[str]) -> dict[str, object]:
    """Return what a run did as values that JSON has."""
    return {
        "disregarded": report.disregarded,
        "notes": notes,
        "steps": {
            step.name: {
                "status": step.status,
                "lock": step.path,
                "packages": step.packages,
                "identity": step.identity,
                **_plain_moves(step.moves),
                **({"debian": {"packages": step.debian.pins, **_plain_moves(step.debian)}} if step.debian else {}),
                "gave-way": plain(step.gave_way),
                "differs": plain(step.differs),
                "undeclared": step.undeclared,
            }
            for step in report.steps
        },
    }


def _plain_moves(moves: Moves) -> dict[str, object]:
    return {"added": moves.added, "removed": moves.removed, "moved": moves.moved}

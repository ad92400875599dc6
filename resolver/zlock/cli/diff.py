"""`zlock diff`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator

from msgspec import structs

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.lock.diff import Change, StepDiff
from zlock.wording import counted
from zlock.workflow.explain.diff import Comparison, diff


def run_diff(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    comparison = diff(options_of(parsed), parsed.against)
    form = "json" if parsed.json else parsed.format
    if form == "json":
        screen.json(structs.asdict(comparison), is_asked=True)
    else:
        lines = _markdown(comparison) if form == "markdown" else _text(comparison)
        screen.lines(lines, in_colors=form == "text")


def _text(comparison: Comparison) -> Iterator[str]:
    for step in comparison.steps:
        yield f"{step.step}: {_summary(step)}"
        for change in step.changes:
            rest = _remarks(change)
            yield f"  {_moved(change)}{f'  ({rest})' if rest else ''}"
        for change in step.debian:
            yield f"  {_moved(change)}  ({_of_debian(change)})"
    if not comparison.steps:
        yield "no locks on either side"


def _moved(change: Change) -> str:
    if change.kind in ("added", "removed"):
        return f"{'+' if change.kind == 'added' else '-'} {change.name} {change.after or change.before}"
    if change.before == change.after:
        return f"{change.name} {change.after}"
    return f"{change.name} {change.before} -> {change.after}"


def _remarks(change: Change) -> str:
    """Return what is to be said of a change beside the versions."""
    parts = []
    if change.kind not in ("added", "removed", "same"):
        parts.append(_kind(change))
    if change.libyears is not None:
        parts.append(f"{change.libyears:+.2f} libyears")
    return ", ".join([*parts, *_places(change)])


def _of_debian(change: Change) -> str:
    other = ", other files of the same version" if change.kind == "files" else ""
    return f"Debian package{', older' if change.is_older else ''}{other}"


def _kind(change: Change) -> str:
    words = {"files": "other files of the same version", "commit": "another commit"}
    return words.get(change.kind, change.kind) + (", older" if change.is_older else "")


def _places(change: Change, shown: Callable[[str], str] = str) -> Iterator[str]:
    """Yield what is to be said of where a package comes from; `shown` gives places the form that they are shown in."""
    if change.index:
        yield "from another index: {} -> {}".format(*map(shown, change.index))
    if change.hosts:
        yield "files from another host: {} -> {}".format(*map(shown, change.hosts))


def _summary(step: StepDiff) -> str:
    if step.status in ("added", "removed"):
        count = len(step.changes)
        return f"lock {step.status}, {counted(count, 'package')}"
    if step.status == "same":
        return "same"
    parts = [_counts(step)]
    if step.libyears:
        parts.append(f"{step.libyears:+.2f} libyears")
    if step.image is not None:
        parts.append(f"its image changes ({', '.join(step.image)})" if step.image else "the same image")
    return "; ".join(parts)


def _counts(step: StepDiff) -> str:
    groups = [
        (("added",), "added"),
        (("removed",), "removed"),
        (("major", "minor", "patch", "commit"), "moved"),
        (("files",), "with other files"),
        (("same",), "from another place"),
    ]
    counts = [(sum(change.kind in kinds for change in step.changes), what) for kinds, what in groups]
    said = ", ".join(f"{count} {what}" for count, what in counts if count) or "same packages"
    return f"{said}; {counted(len(step.debian), 'Debian package')} changed" if step.debian else said


def _markdown(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of a comment on a pull request."""
    changed = [step for step in comparison.steps if step.status != "same"]
    yield f"### Locks against {_code(comparison.against)}"
    yield ""
    if not changed:
        yield "No lock changed."
    for step in changed:
        yield f"**{step.step}**: {_summary(step)}"
        yield ""
        if step.changes or step.debian:
            yield "| package | before | after | change | libyears | remarks |"
            yield "| --- | --- | --- | --- | --- | --- |"
            yield from map(_row, step.changes)
            yield from (_row(change, _of_debian(change)) for change in step.debian)
            yield ""


def _code(text: str) -> str:
    """Return a text as code, between more backticks than it has in a row (CommonMark, Code spans)."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def _row(change: Change, remark: str = "") -> str:
    years = "" if change.libyears is None else f"{change.libyears:+.2f}"
    places = remark or ", ".join(_places(change, _code))
    cells = (change.name, change.before, change.after, _kind(change), years, places)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

"""`zlock why`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from msgspec import structs

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.model.form import plain
from zlock.resolution.answer_words import behind, differing, stated
from zlock.wording import counted, span
from zlock.workflow.explain.newer import Newer
from zlock.workflow.explain.sharing import Sharing, sharing
from zlock.workflow.explain.why import Why, why


def run_why(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    if parsed.aligned:
        shared = sharing(options_of(parsed))
        plain_shared = {"sharing": {**structs.asdict(shared), "older": plain(shared.older)}}
        screen.result(lambda: plain_shared, _lines_of_sharing(shared))
        return
    found = why(options_of(parsed), parsed.package)
    lines = (line for one in found for line in _lines(one, parsed.package))
    screen.result(lambda: {"package": parsed.package, "why": list(map(_plain, found))}, lines)


def _lines_of_sharing(found: Sharing) -> Iterator[str]:
    has = "has" if found.differing == 1 else "have"
    alone = found.differing_alone
    yield f"{counted(found.differing, 'package')} {has} several versions; {alone} would where no step follows another"
    if not found.older:
        yield "nothing is older for it"
    for one in found.older:
        years = f", {span(one.days)} older" if one.days else ""
        why = f": {' and '.join(map(stated, one.forcing))} in `{one.for_step}`" if one.forcing else ""
        yield f"  {one.step}: {one.name} {one.version}, alone {one.alone}{years}{why}"


def _plain(one: Why) -> dict[str, object]:
    return {**structs.asdict(one), "differs": plain(one.differs), "behind": plain(one.behind)}


def _lines(one: Why, package: str) -> Iterator[str]:
    where = f" on {', '.join(one.platforms)}" if one.platforms else ""
    yield f"{one.step}{where}: {package} {one.version}".rstrip()
    for chain in one.chains:
        path = " -> ".join(f"{node} {version}".rstrip() for node, version in chain.path)
        yield f"  `{chain.requirement}` by {', '.join(chain.origins)} -> {path}"
    facts = [*differing(one.differs), *([behind(one.behind)] if one.behind else [])]
    yield from (f"  {line}" for line in (*facts, *_of_newer(one.newer, package)))


def _of_newer(newer: Newer | None, package: str) -> Iterator[str]:
    if newer is None:
        yield "a Debian package: the lock keeps it; `zlock resolve --upgrade-apt` updates it to what apt chooses now"
        return
    if newer.verdict == "newest":
        yield "not newer: it is the newest release"
        return
    if newer.verdict == "unknown":
        yield f"why it is not newer: unknown, {'; '.join(newer.reasons)}"
        return
    if newer.moves:
        yield f"not newer: the lock keeps it; `zlock resolve --upgrade-package {package}` moves it to {newer.moves}"
    elif newer.reasons:
        yield "not newer:"
    yield from (f"  {line}" for line in newer.reasons)

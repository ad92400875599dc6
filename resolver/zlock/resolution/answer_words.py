"""How an answer came to be, in words: what gave way, what differs between steps, what is behind or passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.version import Version

from zlock.model.explanations import Behind, Differs, GaveWay, Stated
from zlock.resolution.unusable_words import older
from zlock.wording import span


def gave_way(one: GaveWay) -> str:
    """Say which requirement was overridden by which."""
    return f"{stated(one.loser)} was overridden by {stated(one.winner)}"


def differing(rows: Iterable[Differs]) -> Iterator[str]:
    """Say of each package that it has another version than in other steps, and why it has none of theirs."""
    groups: dict[tuple[str, str], list[Differs]] = {}
    for one in rows:
        groups.setdefault((one.name, one.here), []).append(one)
    for (name, here), group in groups.items():
        elsewhere = " and ".join(version for one in group for version in one.elsewhere)
        yield f"{name} is {here} in this step and {elsewhere} in other steps: {'; '.join(map(why_differs, group))}"


def why_differs(one: Differs) -> str:
    """Say why a step does not have the version of other steps."""
    others, several = " and ".join(one.elsewhere), len(one.elsewhere) > 1
    if one.reason == "forced":
        conflict = "conflict" if several else "conflicts"
        return f"{others} {conflict} with {' and '.join(map(stated, one.forcing))}"
    major = "are other major versions" if several else "is another major version"
    index = f"the index `{one.where}`, which it is taken from," if one.where else "the index that it is taken from"
    return {
        "locked": "it was locked so",
        "older": f"{others} {'are at least' if several else 'is'} {span(one.days)} older",
        "major": f"{others} {major} of what the step asks for",
        "others": f"with {others}, more would differ or be older",
        "unlisted": f"{index} does not list {others}",
        "unfit": f"no file of {others} fits {one.where}",
        "unknown": f"no answer with {others} was found",
    }[one.reason]


def behind(one: Behind) -> str:
    """Say that a pin is far behind, why, and what may help."""
    if one.newer:
        newer = f"{one.name} {one.newer}, which is newer, requires Python {one.python}"
        return f"{one.name} {one.version} may not work on the Python of the step: {newer}"
    said = f"{one.name} {one.version} is {span(one.days)} behind"
    if one.sdist:
        gives = f"gives {one.gives}" if one.gives else "may help"
        return f'{said}: later ones need {one.sdist}, which has only an sdist; `build-sdists = ["{one.sdist}"]` {gives}'
    if one.forcing:
        return f"{said}: {' and '.join(map(stated, one.forcing))}"
    if one.is_alone:
        return f"{said}: no later one can be used with all that it requires"
    if one.costs:
        return f"{said}: with a later one, {one.costs} would be {span(one.cost)} older"
    return f"{said}: no answer with a later one was found that keeps the others as young"


def stated(one: Stated) -> str:
    """Say a requirement and whose it is, unless it is listed."""
    of = "" if one.sources == ("explicit",) else f" of {', '.join(one.sources)}"
    return f"`{one.requirement}`{of}"


def passed_over(name: str, versions: Sequence[Version], reason: str) -> str:
    """Say that releases, the newest first, can't be used for the same reason, and others are taken."""
    alike = f", and {older(len(versions) - 1)} likewise" if versions[1:] else ""
    return f"{name} {versions[0]} is passed over{alike}: {reason}"

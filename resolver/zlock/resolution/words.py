"""What a solve found, in words: the one place that says it."""

from __future__ import annotations

from zlock.model.explanations import Differs, GaveWay, Stated


def gave_way(one: GaveWay) -> str:
    """Say what gave way to what."""
    return f"{stated(one.loser)} gave way to {stated(one.winner)}"


def differs(one: Differs) -> str:
    """Say that a package has another version than in other steps, and why."""
    return f"{one.name} is {one.here} here and {' and '.join(one.elsewhere)} elsewhere: {why_differs(one)}"


def why_differs(one: Differs) -> str:
    """Say why a step does not have the version of other steps."""
    others = " and ".join(one.elsewhere)
    if one.reason == "forced":
        return f"{' and '.join(map(stated, one.forcing))} can't be had with {others}"
    index = f"the index `{one.where}`, which it is taken from," if one.where else "the index that it is taken from"
    return {
        "locked": "it was locked so",
        "others": f"with {others}, other packages would differ",
        "unlisted": f"{index} does not list {others}",
        "unfit": f"no file of {others} fits {one.where}",
        "unknown": f"no answer with {others} was found",
    }[one.reason]


def stated(one: Stated) -> str:
    """Say a requirement and whose it is."""
    return f"`{one.requirement}` of {', '.join(one.sources)}"

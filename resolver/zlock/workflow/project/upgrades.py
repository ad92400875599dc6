"""Packages whose pins are to move in a run, each perhaps to a certain version or within bounds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from packaging.requirements import Requirement
from packaging.utils import NormalizedName

from zlock.errors import InvalidInput, NoAnswer, every, raise_all
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, parsed
from zlock.wording import did_you_mean

_ORIGIN = Origin(source=Source.COMMAND_LINE, detail="`--upgrade-package`")


def read_upgrades(texts: Iterable[str]) -> tuple[DirectRequirement, ...]:
    """Return what the command line names: a name with a specifier limits what the package may be in this run.

    Raises:
        InvalidInput: One is more or less than a name and a specifier; several errors come as `Problems`.
    """
    return tuple(DirectRequirement(requirement=one, origins=(_ORIGIN,)) for one in every(_read, texts))


def _read(text: str) -> Requirement:
    try:
        requirement = parsed(text)
    except ValueError:
        requirement = None
    if requirement is None or requirement.url or requirement.marker or requirement.extras:
        raise InvalidInput(
            f"`--upgrade-package` takes a name, and a version or bounds after it, not `{text}`",
            hint="write `pandas`, `pandas==2.3` or `pandas<3`; Debian packages move with `--upgrade-apt`",
        )
    return requirement


def check_known(
    upgrades: Iterable[DirectRequirement],
    known: Collection[NormalizedName],
    way: Callable[[NormalizedName], str] = lambda _: "",
) -> None:
    """Refuse to upgrade what neither a lock pins nor a step asks for: it would move nothing.

    Args:
        upgrades: What is to move.
        known: What locks pin and steps ask for.
        way: Returns where else a name is, with what moves it there; empty for nowhere.

    Raises:
        NoAnswer: There is such a name; several come as `Problems`.
    """
    raise_all(
        NoAnswer(
            f"`--upgrade-package {one.requirement.name}`: no lock pins it",
            hint=way(one.name) or did_you_mean(one.name, known) or "`zlock tree` shows what the locks pin",
        )
        for one in upgrades
        if one.name not in known
    )

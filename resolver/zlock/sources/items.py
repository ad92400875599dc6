"""Requirements in lists, as settings have them; most runs read no requirements file."""

from __future__ import annotations

from zlock.model.origin import Origin
from zlock.model.requirement import DirectRequirement
from zlock.sources import lines, links, statement
from zlock.sources.statement import Place

_INDEXES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host")


def read_item(stated: str, *, base: links.Base, origin: Origin) -> DirectRequirement:
    """Read one requirement of a list: PEP 508, a bare URL, a local folder or archive.

    Args:
        stated: The item.
        base: What local paths count from.
        origin: Its origin.

    Raises:
        InvalidRequirements: Only a requirements file could hold it.
    """
    item, place = stated.strip(), Place(origin=origin, written=stated)
    if item.startswith(("-r", "--req", "-c", "--con")):
        hint = "give the path of the requirements file in place of the list"
        raise place.error(f"{place.quoted(item)} belongs in a requirements file, not in a list", hint=hint)
    if item.startswith("-") or " --" in item:
        hint = "put it into a requirements file and give the path of that; a repository is `name @ git+https://...`"
        if item.startswith(_INDEXES):
            hint = "indexes belong in the configuration, as `[[index]]`"
        raise place.error(f"{place.quoted(item)} has an option, which a list can't hold", hint=hint)
    if lines.has_variable(item):
        hint = "put it into a requirements file and give the path of that"
        raise place.error(f"the variable in {place.quoted(item)} is not expanded in a list", hint=hint)
    return statement.read(item, place=place, base=base)

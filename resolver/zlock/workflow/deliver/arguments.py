"""The requirements that `add` is given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zlock.errors import Collector, InvalidInput
from zlock.model import misstated
from zlock.model.requirement import parsed
from zlock.redact import redact
from zlock.wording import listed, way_of_file


def read_arguments(stated: Iterable[str]) -> list[Requirement]:
    """Read requirements (PEP 508), in the order they are given, each once.

    Raises:
        InvalidInput: One is not a requirement, or several are of one name and for the same environments; several
            errors come as `Problems`.
    """
    problems = Collector()
    found = []
    for text in stated:
        with problems:
            found.append(_requirement(text))
    found = list(dict.fromkeys(found))
    for name in dict.fromkeys(map(_name_of, found)):
        with problems:
            _refuse_several(name, [one for one in found if _name_of(one) == name])
    problems.raise_if_any()
    return found


def _requirement(text: str) -> Requirement:
    if text.endswith((".txt", ".in", ".toml")) and Path(text).is_file():
        raise InvalidInput(f"`{text}` is a file, not a requirement", hint=way_of_file(text))
    try:
        found = parsed(text)
    except ValueError as error:
        shown = redact(text)
        raise InvalidInput(
            f"`{shown}` is not a requirement: {redact(str(error).splitlines()[0])}", hint=_meant(shown)
        ) from error
    if found.url and not re.search(r"[:/]", found.url):  # `requests@latest`, as other tools have it
        raise InvalidInput(
            f"`{text}` has `{found.url}` where a URL is to be",
            hint=f"write `{found.name}` for the newest release, `{found.name}==VERSION` for another",
        )
    return found


def _meant(text: str) -> str:
    if form := misstated.meant(text, alone=False):
        return f"write `{form}`"
    is_url = "://" in text
    if is_url or text.startswith((".", "/")):
        file = text.partition("#")[0].partition("?")[0].rpartition("/")[2]
        name = file.partition("-")[0] if file.endswith(".whl") and "-" in file else "NAME"
        return f"write `{name} @ {text if is_url else f'file:{text}'}`"
    return "write `pandas`, `pandas>=2`, `pandas[excel]` or `name @ URL` (PEP 508)"


def _name_of(one: Requirement) -> str:
    return canonicalize_name(one.name)


def _refuse_several(name: str, stated: Sequence[Requirement]) -> None:
    markers = {str(one.marker) for one in stated if one.marker}
    if 1 < len(stated) > len(markers):
        raise InvalidInput(
            f"`{name}` is named {len(stated)} times, and not the same: {listed(map(str, stated))}",
            hint=f"name it once, with all its bounds, as in `{name}>=LOWEST,<HIGHEST`, or with a different marker each",
        )

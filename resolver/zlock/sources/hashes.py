"""The hashes that a requirements file states with `--hash` and asks for with `--require-hashes`."""

from __future__ import annotations

from collections.abc import Iterable

from zlock.errors import InvalidRequirements
from zlock.model.digest import DIGITS, STRONG, is_digest
from zlock.model.link import Link
from zlock.model.requirement import DirectRequirement
from zlock.sources import links
from zlock.sources.statement import Place


def checked(value: str, place: Place) -> str:
    """Give a value of `--hash` as `algorithm:digest`, the digest in lower case.

    Raises:
        InvalidRequirements: It is weak, or no digest.
    """
    algorithm, _, digest = value.partition(":")
    if algorithm not in STRONG:
        hint = f"use one of {', '.join(f'`{name}`' for name in STRONG)}"
        raise place.error(f"the hash {place.quoted(value)} is of no algorithm that can be trusted", hint=hint)
    if not is_digest(algorithm, digest.lower()):
        hint = f"a {algorithm} digest has {DIGITS[algorithm]} hexadecimal digits"
        raise place.error(f"{place.quoted(value)} is not a {algorithm} digest", hint=hint)
    return f"{algorithm}:{digest.lower()}"


def check_required(
    stated: DirectRequirement, constraints: Iterable[DirectRequirement], place: Place, base: links.Base
) -> None:
    """Hold a requirement to `--require-hashes`: pinned with `==`, and hashed; a constraint may give either.

    Raises:
        InvalidRequirements: It is not.
    """
    own = [stated, *(each for each in constraints if each.name == stated.name)]
    url = next((each.requirement.url for each in own if each.requirement.url), None)
    link = Link.parse(url) if url else None
    if link and (link.vcs or (link.is_local and base.place(link.path).is_dir())):
        hint = "remove the option, or require a wheel or an archive, which can have one"
        raise _refused(place, "is a repository or a folder, which can't have a hash", hint)
    if url is None and not any(map(_is_pinned, own)):
        raise _refused(place, "is not pinned with `==`", "pin it")
    if not any(each.hashes for each in own):
        raise _refused(place, "has no hash", "add `--hash=sha256:...`, or remove the option")


def _is_pinned(stated: DirectRequirement) -> bool:
    specifiers = list(stated.requirement.specifier)
    return len(specifiers) == 1 and specifiers[0].operator in {"==", "==="}


def _refused(place: Place, why: str, hint: str) -> InvalidRequirements:
    return place.error(f"`{place.shown}` {why}, but `--require-hashes` is given", hint=hint)

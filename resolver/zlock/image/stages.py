"""What a Dockerfile of the user is built from: its stages, and the images that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

_DIRECTIVE = re.compile(r"^\s*#\s*escape\s*=\s*(\S)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_HEREDOC = re.compile(r"\d*<<(-?)([\"']?)([^<\s\"']+)\2")
_MOUNTED_FROM = re.compile(r"--mount=(?:.*,)?from=([^,]+)")
_OWN_PLATFORM = frozenset({"", "$TARGETPLATFORM", "${TARGETPLATFORM}"})
_Instruction = tuple[str, list[str]]


class NamedImage(Struct, frozen=True, kw_only=True):
    """An image that a Dockerfile names.

    Attributes:
        reference: Its name, defaults of `ARG` put in; what only a build argument says stays a variable.
        platform: The platform that its `FROM` asks for; empty where that is the one that is built for, or where only
            the builder knows it.
        is_needed: Whether nothing can be built without it: the last stage comes from it, by other stages or not, and
            its platform is known.
    """

    reference: str
    platform: str = ""
    is_needed: bool = True


class Stages(Struct, frozen=True, kw_only=True):
    """A Dockerfile, as far as it says what it is built from.

    Attributes:
        images: The images that it names, other than its own stages.
        user: Who its last stage runs as, None where it does not say, or says it by a variable.
    """

    images: Sequence[NamedImage] = ()
    user: str | None = None


def read_stages(text: str) -> Stages:
    """Return what a Dockerfile says of its stages."""
    defaults: dict[str, str] = {}
    stages: list[_Stage] = []
    for word, rest in _instructions(text):
        flags = [one for one in rest if one.startswith("--")]
        words = [one for one in rest if not one.startswith("--")]
        if word == "FROM" and words:
            platform = next((one.partition("=")[2] for one in flags if one.startswith("--platform=")), "")
            name = words[2].lower() if len(words) > 2 else ""  # noqa: PLR2004 - FROM image AS name
            base = _filled(words[0], defaults)
            platform = "" if platform in _OWN_PLATFORM else _filled(platform, defaults)
            stages.append(_Stage(name=name, base=base, platform=platform))
        elif word == "ARG" and not stages:
            defaults |= {name: value.strip("\"'") for name, _, value in (one.partition("=") for one in words)}
        elif stages:
            stages[-1].read(word, flags, words, defaults)
    return Stages(images=_named(stages), user=_user(stages))


class _Stage(Struct, kw_only=True):
    """A stage while its Dockerfile is read; `copies` are the stages and images that it takes files from."""

    name: str
    base: str
    platform: str
    copies: list[str] = []
    user: str | None = None

    def read(self, word: str, flags: Sequence[str], words: Sequence[str], defaults: dict[str, str]) -> None:
        if word == "USER" and words:
            self.user = words[0]
        for flag in flags:
            found = _MOUNTED_FROM.match(flag)
            if found or flag.startswith("--from="):
                self.copies.append(_filled(found[1] if found else flag.removeprefix("--from="), defaults))


def _named(stages: Sequence[_Stage]) -> list[NamedImage]:
    """Return the images that are no stages, sorted; one that some stage needs is needed."""
    needed = _needed(stages)
    found: dict[tuple[str, str], bool] = {}
    for position, stage in enumerate(stages):
        for reference, platform in ((stage.base, stage.platform), *((one, "") for one in stage.copies)):
            if reference != "scratch" and _stage_at(reference, stages[:position]) is None:
                is_known = "$" not in platform
                place = reference, platform if is_known else ""
                found[place] = found.get(place, False) or (is_known and position in needed)
    return [
        NamedImage(reference=one, platform=of, is_needed=is_needed) for (one, of), is_needed in sorted(found.items())
    ]


def _needed(stages: Sequence[_Stage]) -> set[int]:
    """Return the positions of the last stage and of those that it comes from, or takes files from."""
    found: set[int] = set()
    waiting = [len(stages) - 1] if stages else []
    while waiting:
        position = waiting.pop()
        found.add(position)
        stage = stages[position]
        places = (_stage_at(one, stages[:position]) for one in (stage.base, *stage.copies))
        waiting += [place for place in places if place is not None and place not in found]
    return found


def _stage_at(name: str, before: Sequence[_Stage]) -> int | None:
    """Return the position of the earlier stage that a name or a number means, None where it is an image."""
    if name.isdecimal() and len(name) < 10 and int(name) < len(before):  # noqa: PLR2004 - which is a number of any
        return int(name)
    return next((place for place in reversed(range(len(before))) if before[place].name == name.lower()), None)


def _user(stages: Sequence[_Stage]) -> str | None:
    user = stages[-1].user if stages else None
    return None if user is None or "$" in user else user


def _filled(text: str, defaults: dict[str, str]) -> str:
    """Put the defaults of variables in; one without any stays."""
    return _VARIABLE.sub(lambda found: defaults.get(found[1] or found[3]) or found[2] or found[0], text)


def _instructions(text: str) -> Iterator[_Instruction]:
    """Return the instructions of a Dockerfile: the word that begins each, and the words after it."""
    match = _DIRECTIVE.match(text)
    escape = match[1] if match else "\\"
    joined = ""
    lines = iter(text.splitlines())
    for line in lines:
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        joined += bare.removesuffix(escape) + " "
        if not bare.endswith(escape):
            word, *rest = joined.split()
            joined = ""
            yield word.upper(), rest
            if word.upper() in {"RUN", "COPY", "ADD"}:
                _skip_heredocs(rest, lines)


def _skip_heredocs(words: Sequence[str], lines: Iterator[str]) -> None:
    """Read the documents that follow a command: what is in them are no instructions."""
    for found in filter(None, map(_HEREDOC.fullmatch, words)):
        for line in lines:
            if (line.lstrip("\t") if found[1] else line) == found[3]:
                break

"""What a Dockerfile can carry: a value reaches the container as it is, or is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable

from zlock.errors import InvalidConfiguration

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", re.ASCII)
# C0 but the tab, DEL and C1, the two line separators of Unicode, and halves of a pair, which UTF-8 can't carry.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNCARRIED = re.compile("[\x00\ud800-\udfff]")


def check_reference(reference: str) -> None:
    """Refuse a reference of an image that a `FROM` can't hold.

    Raises:
        InvalidConfiguration: It is none.
    """
    if not _REFERENCE.fullmatch(reference):
        raise InvalidConfiguration(
            f"`{shown(reference)}` is not a valid image reference",
            hint="write `registry.example/team/image:tag`, or `...@sha256:` and 64 digits",
        )


def check_variable(name: str, value: str) -> None:
    """Refuse a variable that an `ENV` can't hold.

    Raises:
        InvalidConfiguration: Its name is none, or its value has a character that no environment of an image has.
    """
    if not _NAME.fullmatch(name):
        raise InvalidConfiguration(
            f"`{shown(name)}` is not a valid name for an environment variable",
            hint="names are letters, digits and `_`, and begin with no digit",
        )
    if CONTROL.search(value):
        raise InvalidConfiguration(
            f"the variable `{name}` has a line break or another control character",
            hint="an image's environment can't carry it: encode it, or set it where the container is started",
        )


def check_words(words: Iterable[str]) -> None:
    """Refuse words of a command that a `RUN` can't hold.

    Raises:
        InvalidConfiguration: One has a character that no command has.
    """
    for word in words:
        if _UNCARRIED.search(word):
            raise InvalidConfiguration(
                f"`{shown(word)}` holds a character that a command can't carry",
                hint="leave out null characters and halves of surrogate pairs",
            )


def shown(text: str) -> str:
    """Return a text for messages, with what can't be seen escaped."""
    return text.encode("unicode_escape").decode() if CONTROL.search(text) else text

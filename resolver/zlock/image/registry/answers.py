"""What registries answer: taken up to a size, held to its digest, and judged; the words of what they refuse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import IO

from zlock.errors import RegistryFailed
from zlock.image.registry.manifest import LARGEST_DOCUMENT, Descriptor, broken
from zlock.index.network import Answer
from zlock.model import plain
from zlock.model.reference import ImageReference, is_digest

_OK, _NOT_FOUND = 200, 404


Heard = Callable[[int], object]
"""Hears how many bytes came, each time; what it raises ends the download."""


def nobody(_count: int, /) -> None:
    """Hear nothing."""


class Document:
    """Takes a document into memory, up to what one may have."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.data = b""

    def begin(self) -> None:
        """Forget what an attempt that failed has brought."""
        self.data = b""

    def write(self, chunk: bytes, /) -> None:
        """Take the next bytes."""
        self.data += chunk
        if len(self.data) > LARGEST_DOCUMENT:
            raise broken(self._where, f"it is larger than {LARGEST_DOCUMENT} bytes")


class Checked:
    """Writes content to a file, and holds it to its descriptor."""

    def __init__(self, descriptor: Descriptor, name: str, file: IO[bytes], heard: Heard = nobody) -> None:
        self._heard = heard
        self._descriptor = descriptor
        self._where = f"`{descriptor.digest}` of `{name}`"
        self._file = file
        self._size = 0
        self._hash = hashlib.sha256()

    def begin(self) -> None:
        """Forget what an attempt that failed has brought."""
        self._file.seek(0)
        self._file.truncate()
        self._size = 0
        self._hash = hashlib.sha256()

    def write(self, chunk: bytes, /) -> None:
        """Take the next bytes, up to as many as there may be."""
        self._heard(len(chunk))
        self._size += len(chunk)
        if self._size > self._descriptor.size:
            raise broken(self._where, f"it is larger than the {self._descriptor.size} bytes of its manifest")
        self._hash.update(chunk)
        self._file.write(chunk)

    def finish(self) -> None:
        """Hold what came to its descriptor.

        Raises:
            RegistryFailed: It is something else.
        """
        if self._size != self._descriptor.size:
            raise broken(self._where, f"it has {self._size} bytes and its manifest says {self._descriptor.size}")
        check_digest(f"sha256:{self._hash.hexdigest()}", [self._descriptor.digest], self._where)


def check_digest(digest: str, said: list[str], where: str) -> None:
    """Hold a digest to what was promised; empty promises are none.

    Raises:
        RegistryFailed: It is another one.
    """
    for one in filter(None, said):
        if one != digest:
            shown = one if is_digest(one) else "no sha256 digest"
            raise broken(where, f"its digest is {digest}, and not the promised {shown}")


def is_there(answer: Answer, reference: ImageReference, login_file: str) -> bool:
    """Judge an answer: there, or absent; anything else is no answer to that question.

    A login that was sent is named by its file.
    Registries say in many ways that something is absent, but all with 404.
    """
    if answer.status == _OK:
        return True
    if answer.status == _NOT_FOUND:
        return False
    raise failure(f"nobody can tell whether `{reference}` is there", answer, reference, "read", login_file)


def failure(what: str, answer: Answer, reference: ImageReference, verb: str, login_file: str) -> RegistryFailed:
    """Return the error that tells how a registry refused: what it was about, and what a login has to be good for."""
    asks = f"refused the login from `{login_file}`" if login_file else "asks for a login"
    how = {401: asks, 403: "forbids it"}.get(answer.status, f"answered {answer.status}")
    login = f"`docker login {reference.host}`, with a user who may {verb} it"
    return RegistryFailed(
        f"{what}: the registry {how}",
        context=[f"it says: {said}"] if (said := _said(answer)) else [],
        hint=login if answer.status in {401, 403} else "run again later, or ask whoever keeps the registry",
    )


def _said(answer: Answer) -> str:
    """Return the first message of a registry's error (OCI distribution spec, "Error Codes"), on one line."""
    try:
        first = plain.texts(json.loads(answer.body), "errors", 0)
    except (ValueError, RecursionError):
        return ""
    text = f"{first.get('code', '')}: {first.get('message', '')}"
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200].strip(": ")

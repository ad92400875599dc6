"""What an image is built on: a named image, or one that a Dockerfile of the user makes first."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from zlock.errors import InvalidConfiguration
from zlock.image.context.ignore import read_ignore, walk
from zlock.image.plan import Parent, tag_of
from zlock.image.stages import NamedImage, read_stages
from zlock.model.digest import SHA256
from zlock.regular import read_regular

DigestOf = Callable[[NamedImage], str]
"""Says the digest of an image, or "" where nobody can."""

_DIGEST = re.compile(f"(?P<reference>[^@]+)@(?P<digest>{SHA256})")


def named_parent(reference: str, digest: str, user: str | None) -> Parent:
    """Return an image as a parent; a digest in the reference itself counts before any other."""
    match = _DIGEST.fullmatch(reference)
    return Parent(reference=reference, digest=match["digest"] if match else digest, user=user)


def custom_parent(dockerfile: Path, context: Path | None, digest_of: DigestOf) -> Parent:
    """Return the parent that a Dockerfile of the user makes.

    Its digest stands in for that of an image which may not be built yet: it covers the bytes of the Dockerfile and of
    the context, and the digests of the images that it names. It is empty where one of those has none.

    Raises:
        InvalidConfiguration: The Dockerfile or its folder is not there.
    """
    try:
        text = read_regular(dockerfile)
    except OSError as error:
        raise InvalidConfiguration(
            f"the `dockerfile` can't be read: `{dockerfile}`", hint="a path counts from the file that states it"
        ) from error
    stages = read_stages(text.decode("utf-8", "replace"))
    named = _digests(stages.images, digest_of)
    rows = [hashlib.sha256(text).hexdigest(), *(f"{reference} {digest}" for reference, digest in named.items())]
    seen = {} if context is None else dict(_context_rows(dockerfile, context))
    rows += seen.values()
    digest = hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()
    return Parent(
        reference=f"zlock-parent:{tag_of(digest)}",
        digest=f"sha256:{digest}" if all(named.values()) else "",
        dockerfile=dockerfile,
        context=context,
        user=stages.user,
        images=named,
        files=_files(seen | {dockerfile.name: rows[0] + seen.get(dockerfile.name, "")}),
    )


def _digests(images: Sequence[NamedImage], digest_of: DigestOf) -> dict[str, str]:
    """Return the digest of each reference; one that is wanted for two platforms has to be there for both."""
    found: dict[str, str] = {}
    for image in images:
        match = _DIGEST.fullmatch(image.reference)
        digest = match["digest"] if match else "" if "$" in image.reference else digest_of(image)
        found[image.reference] = digest and found.get(image.reference, digest)
    return found


def _files(rows: Mapping[str, str]) -> dict[str, str]:
    """Return what tells files apart, by names that are text."""
    return {
        os.fsencode(path).decode("utf-8", "backslashreplace"): hashlib.sha256(os.fsencode(row)).hexdigest()[:16]
        for path, row in rows.items()
    }


def _context_rows(dockerfile: Path, context: Path) -> Iterator[tuple[str, str]]:
    """Return each file that the build sees by its path: that, whether it can be run, and what it holds or leads to."""
    if not context.is_dir():
        raise InvalidConfiguration(
            f"the `build_context_root` is not a folder: `{context}`", hint="a path counts from the file that states it"
        )
    beside = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    rule = read_ignore(beside, context / ".dockerignore") or (lambda _path: False)
    for path, place in walk(context, rule):
        if place.is_symlink():
            yield path, f"{path}\0link\0{os.fsencode(place.readlink()).hex()}"
        elif place.is_file():
            mode = "program" if place.stat().st_mode & 0o111 else "file"
            with place.open("rb") as stream:
                yield path, f"{path}\0{mode}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}"

"""What an image is built on: a named image, or one that a Dockerfile of the user makes first."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from zlock.errors import InvalidConfiguration
from zlock.image.context.ignore import read_ignore, walk
from zlock.image.plan import Parent

DigestOf = Callable[[str], str]
"""Says the digest of a reference, or "" where nobody can."""

_DIGEST = re.compile(r"(?P<reference>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})")
_DIRECTIVE = re.compile(r"^\s*#\s*escape\s*=\s*(\S)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


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
        text = dockerfile.read_bytes()
    except OSError as error:
        raise InvalidConfiguration(
            f"the `dockerfile` can't be read: `{dockerfile}`", hint="a path counts from the file that states it"
        ) from error
    instructions = list(_instructions(text.decode("utf-8", "replace")))
    named = {reference: _digest(reference, digest_of) for reference in sorted(set(_references(instructions)))}
    rows = [hashlib.sha256(text).hexdigest(), *(f"{reference} {digest}" for reference, digest in named.items())]
    seen = {} if context is None else dict(_context_rows(dockerfile, context))
    rows += seen.values()
    digest = hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()
    return Parent(
        reference=f"zlock-parent:{digest[:16]}",
        digest=f"sha256:{digest}" if all(named.values()) else "",
        dockerfile=dockerfile,
        context=context,
        user=_user(instructions),
        images=named,
        files=_files(seen | {dockerfile.name: rows[0] + seen.get(dockerfile.name, "")}),
    )


def _digest(reference: str, digest_of: DigestOf) -> str:
    match = _DIGEST.fullmatch(reference)
    return match["digest"] if match else "" if "$" in reference else digest_of(reference)


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
            f"the `build_context_root` is no folder: `{context}`", hint="a path counts from the file that states it"
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


def _instructions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Return the instructions of a Dockerfile: the word that begins each, and the words after it."""
    match = _DIRECTIVE.match(text)
    escape = match[1] if match else "\\"
    joined = ""
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        joined += bare.removesuffix(escape) + " "
        if not bare.endswith(escape):
            word, *rest = joined.split()
            yield word.upper(), rest
            joined = ""


def _references(instructions: list[tuple[str, list[str]]]) -> Iterator[str]:
    """Return the images that a Dockerfile names, other than its own stages; defaults of `ARG` are put in."""
    defaults: dict[str, str] = {}
    stages: set[str] = {"scratch"}
    for word, rest in instructions:
        flags = [one for one in rest if one.startswith("--")]
        words = [one for one in rest if not one.startswith("--")]
        named = [flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")]
        if word == "ARG" and words and not len(stages) > 1:
            name, _, value = words[0].partition("=")
            defaults[name] = value.strip("\"'")
        if word == "FROM" and words:
            named.append(words[0])
        for one in named:
            reference = _VARIABLE.sub(lambda found: defaults.get(found[1] or found[2]) or found[0], one)
            if reference.lower() not in stages and not reference.isdecimal():
                yield reference
        if word == "FROM":
            stages.add(words[2].lower() if len(words) > 2 else "")  # noqa: PLR2004 - FROM image AS name


def _user(instructions: list[tuple[str, list[str]]]) -> str | None:
    """Return who the last stage runs as, None where it does not say, or says it by a variable."""
    user = None
    for word, rest in instructions:
        if word == "FROM":
            user = None
        elif word == "USER" and rest:
            user = rest[0]
    return None if user is None or "$" in user else user

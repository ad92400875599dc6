"""Image references: registry, repository, tag and digest, as values."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidConfiguration, InvalidInput
from zlock.model.digest import SHA256

_DEFAULT_HOST = "docker.io"
_DEFAULT_ALIASES = frozenset({"docker.io", "index.docker.io"})
_DEFAULT_API = "registry-1.docker.io"  # the one registry whose name and server differ
_LONGEST_NAME = 255

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_PART}(?:/{_PART})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_SCHEME = re.compile(r"[A-Za-z]+://")


def is_digest(text: object) -> bool:
    """Tell whether a value is a sha256 digest as OCI writes it; only such a text may become part of a path."""
    return isinstance(text, str) and re.fullmatch(SHA256, text) is not None


class ImageReference(Struct, frozen=True, kw_only=True):
    """What names an image (OCI distribution spec, "Pulling manifests"; the defaults are Docker's).

    Attributes:
        host: The registry: a host, with or without a port.
        repository: The image's name in it.
        tag: The tag, or empty where only a digest is given.
        digest: `sha256:...`, or empty.
    """

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read a reference as it stands in a Dockerfile.

        The first part is a host if it has a dot, a colon or a capital, or is `localhost`; a name without a host is
        one of the default registry, there without a namespace an official one. No tag and no digest is `latest`.

        Raises:
            InvalidInput: It is not a reference.
        """
        if scheme := _SCHEME.match(text):
            message = f"`{text}` is not an image reference, but a URL"
            raise InvalidInput(message, hint=f"leave out `{scheme[0]}`: a reference begins with the host")
        rest, at, digest = text.partition("@")
        host, rest = _split_host(rest)
        repository, colon, tag = rest.partition(":")
        if host == _DEFAULT_HOST and "/" not in repository:
            repository = f"library/{repository}"
        flaw = _flaw(host, repository, tag if colon else None, digest if at else None)
        if flaw:
            raise InvalidInput(
                f"`{text}` is not an image reference: {flaw}",
                hint="write `registry.example/team/image:tag`, or `...@sha256:` and 64 digits",
            )
        return cls(host=host, repository=repository, tag=tag or ("" if digest else "latest"), digest=digest)

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}"

    @property
    def is_local(self) -> bool:
        """Whether it is how engines name what is in their own store only, so that no registry can have it."""
        return self.host == "localhost"

    @property
    def api_host(self) -> str:
        """The host that answers for the registry."""
        return _DEFAULT_API if self.host == _DEFAULT_HOST else self.host

    @property
    def wanted(self) -> str:
        """What is asked of the registry: the digest where there is one, else the tag."""
        return self.digest or self.tag

    def at(self, digest: str) -> ImageReference:
        """Return the reference with a digest, which must be one."""
        return replace(self, digest=digest)

    def tagged(self, tag: str) -> ImageReference:
        """Return what is under a tag of the same repository."""
        return replace(self, tag=tag, digest="")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def join_repository(registry: str | None, target: str | None) -> str:
    """Return where an image goes, `host/repository`; empty where no registry is set and the target names none.

    Args:
        registry: The configured `host/repository`.
        target: What a step sets instead: it replaces the repository, or all of it where it names a host.

    Raises:
        InvalidConfiguration: One of them can't be part of a reference.
    """
    if target and _names_host(target):
        return _checked("target-repository", target).name
    if not registry:
        return ""
    if "/" not in registry:
        raise InvalidConfiguration(
            f"`registry` names no repository: `{registry}`", hint='write `registry = "registry.example/team/images"`'
        )
    name = _checked("registry", registry).name
    return _checked("target-repository", f"{name.partition('/')[0]}/{target}").name if target else name


def is_host(text: str) -> bool:
    """Tell whether a text is a host, with or without a port, and nothing else."""
    return re.fullmatch(_HOST, text) is not None


def is_loopback(host: str) -> bool:
    """Tell whether a registry is on this machine, where Docker takes it without TLS (`localhost`, 127.0.0.0/8, ::1)."""
    name = host_name(host)
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def canonical_host(host: str) -> str:
    """Return the one name of a registry that has several."""
    return _DEFAULT_HOST if host in _DEFAULT_ALIASES else host


def host_name(host: str) -> str:
    """Return a registry's host without its port, in lower case."""
    return re.sub(r":[0-9]+$", "", host).strip("[]").lower()


def _split_host(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not _is_host(first):
        return _DEFAULT_HOST, text
    return canonical_host(first), rest


def _is_host(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _names_host(text: str) -> bool:
    first, slash, _ = text.partition("/")
    return bool(slash) and _is_host(first)


def _flaw(host: str, repository: str, tag: str | None, digest: str | None) -> str:
    """Say what is wrong with the parts of a reference; empty where nothing is."""
    flaws = {
        f"`{host}` is not a host": not is_host(host),
        "it names no repository": not repository,
        f"`{repository}` is not a repository; they are in lower case, with `.`, `_`, `-` and `/` between": (
            not re.fullmatch(_REPOSITORY, repository)
        ),
        f"its name is longer than {_LONGEST_NAME} characters": len(f"{host}/{repository}") > _LONGEST_NAME,
        "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two": (
            tag is not None and not re.fullmatch(_TAG, tag)
        ),
        "a digest is `sha256:` and 64 digits": digest is not None and not is_digest(digest),
    }
    return next((flaw for flaw, found in flaws.items() if found), "")


def _checked(key: str, text: str) -> ImageReference:
    """Return a name without tag and digest as a reference."""
    try:
        found = ImageReference.parse(text)
    except InvalidInput as error:
        hint = error.hint if _SCHEME.match(text) else "write `registry.example/team/images`, without a tag"
        raise InvalidConfiguration(f"`{key}`: {error.message}", hint=hint) from error
    if ":" in text.partition("/")[2] or "@" in text:
        raise InvalidConfiguration(
            f"`{key}` has a tag or a digest: `{text}`", hint="leave it out; an image's tag is the beginning of its key"
        )
    return found

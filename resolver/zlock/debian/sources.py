"""Where a base image has its packages from: the two formats of sources.list(5), and the one that apt is given here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from zlock.debian.control import Paragraph, paragraphs
from zlock.errors import InvalidInput
from zlock.model.link import shown

_WEB = re.compile(r"https?://[!-~]+")
_PLACE = re.compile(r"[A-Za-z0-9.+~_/$()-]+")  # of a suite or a component
_ONE_LINE = re.compile(r"(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<rest>\S.*)")
_KEPT = ("architectures", "by-hash", "check-valid-until", "signed-by", "trusted")
"""What a source may say beside its place; all else is about other machines or other files."""
_SHORT = {"arch": "architectures"}  # where the format of one line has another name


class DebianSource(Struct, frozen=True, kw_only=True):
    """An archive, with the suites that are taken from it.

    Attributes:
        uri: Its URI, with `/` at the end.
        suites: The suites.
        components: Their components; empty where a suite is a path that ends with `/`.
        options: The other fields, by their names in lower case.
        origin: The file of the base image that states it.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str]
    origin: str

    def rendered(self) -> str:
        """Return it as a paragraph of sources.list(5)."""
        fields = {
            "types": "deb",
            "uris": self.uri,
            "suites": " ".join(self.suites),
            "components": " ".join(self.components),
            **self.options,
        }
        return "".join(f"{name}: {_folded(value)}\n" for name, value in fields.items() if value) + "\n"


def read_sources(files: Mapping[str, str], image: str) -> tuple[DebianSource, ...]:
    """Return the sources that the files of a base image state.

    Args:
        files: By path: what it says; those that end with `.sources` are in paragraphs.
        image: The image, for messages.

    Raises:
        InvalidInput: One can't be read, or is at no web server.
    """
    found: list[DebianSource] = []
    for path, text in sorted(files.items()):
        try:
            found += (_of_paragraphs if path.endswith(".sources") else _of_lines)(text, path)
        except _Unread as error:
            raise InvalidInput(
                f"the base image `{image}` has a source that can't be read: `{error.text}`",
                context=[f"stated in its {error.origin}"],
                hint="see sources.list(5), and correct it where the base image is made",
            ) from error
    for source in found:
        if not _WEB.fullmatch(source.uri):
            raise InvalidInput(
                f"the base image `{image}` has a source that is at no web server: `{shown(source.uri)}`",
                context=[f"stated in its {source.origin}"],
                hint="name a base image whose sources are `http:` or `https:`; or leave Debian packages unlocked with "
                "`--no-apt`",
            )
    if not found:
        raise InvalidInput(
            f"the base image `{image}` has no sources of Debian packages",
            context=["looked for /etc/apt/sources.list and /etc/apt/sources.list.d"],
            hint="name a base image that has them; or leave Debian packages unlocked with `--no-apt`",
        )
    return tuple(found)


class _Unread(ValueError):
    def __init__(self, origin: str, text: str) -> None:
        super().__init__(origin)
        self.origin = origin
        self.text = text.strip()[:200]


def _of_lines(text: str, path: str) -> Iterator[DebianSource]:
    for number, line in enumerate(text.splitlines(), 1):
        stated = line.partition("#")[0].strip()
        if not stated:
            continue
        match = _ONE_LINE.fullmatch(stated)
        if match is None:
            raise _Unread(f"{path}:{number}", line)
        if match["type"] == "deb":
            words = [word.partition("=") for word in (match["options"] or "").split()]
            fields = {_SHORT.get(name, name): value.replace(",", " ") for name, _, value in words}
            suite, *components = match["rest"].split()
            fields |= {"suites": suite, "components": " ".join(components)}
            yield _source(fields, match["uri"], f"{path}:{number}")


def _of_paragraphs(text: str, path: str) -> Iterator[DebianSource]:
    for fields in paragraphs(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "deb" not in fields.get("types", "").split():
            continue
        if not fields.get("uris") or not fields.get("suites"):
            raise _Unread(path, "; ".join(f"{name}: {value}" for name, value in fields.items()))
        yield from (_source(fields, uri, path) for uri in fields["uris"].split())


def _source(fields: Paragraph, uri: str, origin: str) -> DebianSource:
    suites, components = (tuple(fields.get(name, "").split()) for name in ("suites", "components"))
    if odd := next((one for one in (*suites, *components) if not _PLACE.fullmatch(one) or ".." in one), ""):
        raise _Unread(origin, odd)
    return DebianSource(
        uri=uri.rstrip("/") + "/",
        suites=suites,
        components=components,
        options={name: fields[name] for name in _KEPT if name in fields},
        origin=origin,
    )


def _folded(value: str) -> str:
    """Return a value of several lines as a field has it; a key that is written out has some."""
    first, *more = value.split("\n")
    return "\n".join([first, *(f" {line or '.'}" for line in more)])

"""The files that a page lists, as values that may enter a lock: what is not fit for that is left out, and named.

Everything later is made of these: lines of requirements files, URLs, names of files on this machine. So what could end
a line, lead elsewhere or pass for another thing ends here, and nobody checks it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import unquote, urljoin, urlsplit

from zlock.errors import IndexFailed
from zlock.index.auth import split_login
from zlock.index.network import Answer
from zlock.model.digest import DIGITS, is_digest
from zlock.model.distribution import File
from zlock.model.link import shown
from zlock.model.paths import LONGEST_NAME
from zlock.model.url import plain_url

_LARGEST = 1 << 50  # bytes; no index serves a larger file
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
# As PEP 700 has it: what nearly every page is, seen at once. Anything else is looked at file by file.
_PLAIN_TIMES = frozenset(
    {b"", b"0000-00-00T00:00:00Z", *(b"0000-00-00T00:00:00." + b"0" * digits + b"Z" for digits in range(1, 7))}
)
_WORDS = re.compile(r"[!-~]*")


def usable_files(files: Sequence[File], base: str) -> tuple[tuple[File, ...], tuple[str, ...]]:
    """Return the files of a page that can be used, and what is wrong with each of the others.

    Args:
        files: As the page has them, each value of its type.
        base: The URL of the page, which decides where its files may be: a page over HTTPS lists files over HTTPS, one
            over HTTP also such over HTTP, and one in a folder also files of the folder around its index.
    """
    if _are_plain(files, base):
        return tuple(files), ()
    usable, refused = [], []
    for file in files:
        found = _checked(file, base)
        if isinstance(found, str):
            refused.append(f"{file.filename[:200]!a}: {found}")
        else:
            usable.append(found)
    return tuple(usable), tuple(refused)


def _are_plain(files: Sequence[File], base: str) -> bool:
    """Return whether all files are as most are; by columns, which takes next to no time."""
    if not files or not base.startswith("http"):
        return not files
    names, urls, hashes, _, _, times, sizes, metadata = zip(*files, strict=True)
    words = "".join(names) + "".join(urls)
    hosts = {url[: url.find("/", len("https://"))] for url in urls}
    secure = {"https://"} if base.startswith("https:") else {"https://", "http://1", "http://l"}
    digests = [found[0][1] for found in hashes if len(found) == 1 and found[0][0] == "sha256"]
    beside = [digest for digest in metadata if digest]
    return (
        _WORDS.fullmatch(words) is not None
        and max(map(len, names)) <= LONGEST_NAME
        and not any(mark in words for mark in "\\#$@")
        and {host[:8] for host in hosts} <= secure
        and all(map(_is_plain, hosts))
        and len(digests) == len(files)
        and set(map(len, (*digests, *beside))) == {64}
        and _are_hex("".join((*digests, *beside)))
        and _are_times(times)
        and min(sizes) >= -1
        and max(sizes) < _LARGEST
    )


def _are_hex(digits: str) -> bool:
    try:
        return bytes.fromhex(digits).hex() == digits
    except ValueError:
        return False


def _are_times(texts: Sequence[str]) -> bool:
    try:
        shapes = set("\n".join(texts).encode("ascii").translate(_DIGITS).split(b"\n"))
        return shapes <= _PLAIN_TIMES and all(map(datetime.fromisoformat, filter(None, texts)))
    except ValueError:  # no time of any day, or not ASCII
        return False


def _checked(file: File, base: str) -> File | str:
    """Return a file as it may be used, or what is wrong with it."""
    if not _is_word(file.filename):
        return "its name holds white space, a control character, or a letter that no name of a file may have"
    if len(file.filename) > LONGEST_NAME:
        return f"its name has more than {LONGEST_NAME} characters"
    if not _is_word(file.url) or not _is_served(file.url, base) or not _is_plain(file.url):
        return f"its URL is none that `{urlsplit(base).scheme}` indexes may list"
    if not -1 <= file.size < _LARGEST:
        return f"its size is {file.size}"
    hashes = tuple((name, digest.lower()) for name, digest in file.hashes if name in DIGITS)
    metadata = file.metadata.lower() if file.metadata else file.metadata
    beside = [("the sha256 of its metadata", "sha256", metadata)] if metadata else []
    for what, name, digest in (*((f"its {name}", name, digest) for name, digest in hashes), *beside):
        if not is_digest(name, digest):
            return f"{what} is not a digest of {DIGITS[name]} hex digits"
    return file._replace(hashes=hashes, metadata=metadata, upload_time=_time(file.upload_time))


def _is_word(text: str) -> bool:
    return text != "" and _WORDS.fullmatch(text) is not None


def _is_plain(url: str) -> bool:
    """Tell whether a URL is one that a lock may hold; of a file of this machine, a lock has the path."""
    if url.startswith("file:"):
        return True
    try:
        plain_url(url, "http", "https", query=True)
    except ValueError:
        return False
    return True


def _is_served(url: str, base: str) -> bool:
    scheme = url.partition(":")[0].lower()
    if base.startswith("file:"):
        # A folder of pages has its files beside them: `../../files/name`.
        return scheme in ("http", "https") or (scheme == "file" and _path(url).startswith(_around(_path(base))))
    return scheme == "https" or (scheme == "http" and not base.startswith("https:"))


def _path(url: str) -> str:
    return os.path.normpath(unquote(urlsplit(url).path))


def _around(page: str) -> str:
    """Return the folder around an index folder, from one of its pages: `around/simple/name/index.html`."""
    return page.rsplit("/", 3)[0] + "/"


def _time(text: str) -> str:
    """Return a time in UTC; what is none, such as "yesterday", counts as if the index had given none."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return ""


def no_page(answer: Answer, why: str) -> IndexFailed:
    """Make the error for what is not a page of the simple API."""
    return IndexFailed(
        f"`{shown(answer.url)}` is not a page of the simple API: {why}",
        context=[begin_of(answer)],
        hint="an index URL usually ends in `/simple/`",
    )


def begin_of(answer: Answer) -> str:
    """Say for a message how an answer begins."""
    start = answer.body[:60].decode("utf-8", "replace")
    return f"it begins: {start!r}" if start else "it is empty"


def check_version(version: str, answer: Answer) -> None:
    """Refuse a page of another major version, whose keys may mean anything (PEP 629)."""
    if version.partition(".")[0] != "1":
        raise IndexFailed(
            f"`{shown(answer.url)}` speaks version {version} of the simple API; zlock knows 1",
            hint="a newer zlock may know it",
        )


def joined(base: str, url: str) -> str:
    """Return an absolute URL without credentials and fragment; "" for what is not a URL."""
    try:
        return split_login(urljoin(base, url))[0].partition("#")[0]
    except ValueError:  # such as an unclosed bracket, or a host that turns into another one
        return ""

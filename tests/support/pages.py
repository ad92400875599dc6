"""The pages of an index as values: what is listed, rendered as HTML (PEP 503) or JSON (PEP 691)."""

from __future__ import annotations

import hashlib
import html
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import Parser
from io import BytesIO
from typing import Any, Literal

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

CoreMetadata = bool | Literal["wrong-hash", "no-hash", "missing", "different"]
"""How the metadata of a file is offered (PEP 658): truly, not at all, or badly.

`wrong-hash` claims another hash, `no-hash` claims none, `missing` is advertised but answers 404,
`different` has the hash of what is served, which asks for more than the file itself does.
"""
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
TEXT_TYPE = "text/html"


@dataclass(kw_only=True, slots=True)
class File:
    """A file as an index lists it; what it claims may be changed while the index runs.

    Attributes:
        filename: Its name on the page.
        content: Its bytes; other bytes in their place are served at the same address, the page claiming the old hash.
        metadata: The METADATA or PKG-INFO inside it, if it can be read.
        yanked: True, or the reason (PEP 592).
        upload_time: As PEP 700 writes it, JSON only; None is left out.
        requires_python: As the page has it; None is left out.
        hashes: As the page claims them.
        size: As the page claims it (PEP 700), JSON only; None is left out.
        core_metadata: How its metadata is offered.
    """

    filename: str
    content: bytes
    metadata: bytes | None
    yanked: bool | str = False
    upload_time: str | None = None
    requires_python: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    core_metadata: CoreMetadata = False
    location: str = field(init=False)
    """Its path below the root of the index; a part of the first content's hash keeps files of one name apart."""

    def __post_init__(self) -> None:
        self.location = f"files/{self.sha256[:8]}/{self.filename}"

    @property
    def sha256(self) -> str:
        """The true hash, whatever the page claims."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def version(self) -> str | None:
        """The version in its name, or None where the name says none."""
        try:
            if self.filename.endswith(".whl"):
                return str(parse_wheel_filename(self.filename)[1])
            return str(parse_sdist_filename(self.filename)[1])
        except (InvalidWheelFilename, InvalidSdistFilename):
            return None

    @property
    def sidecar(self) -> bytes | None:
        """What is served at `<file>.metadata`."""
        if self.core_metadata in {False, "missing"} or self.metadata is None:
            return None
        if self.core_metadata != "different":
            return self.metadata
        first, rest = self.metadata.split(b"\n", 1)
        return first + b"\nRequires-Dist: only-in-the-sidecar\n" + rest

    @property
    def sidecar_claim(self) -> str | bool:
        """What the page says of the sidecar: `sha256=...`, True, or False for nothing."""
        if self.core_metadata is False:
            return False
        if self.core_metadata == "no-hash":
            return True
        digest = "0" * 64 if self.core_metadata == "wrong-hash" else hashlib.sha256(self.sidecar or b"").hexdigest()
        return f"sha256={digest}"


@dataclass(kw_only=True, slots=True)
class Listing:
    """What an index knows under one name.

    Attributes:
        name: The name, normalized.
        files: In the order of the page.
        status: The status of the project (PEP 792), None to say nothing; a quarantined one offers no files.
        reason: Why it has that status.
        tracks: Where else the name is tracked, as the withdrawn PEP 708 had it.
        raw: Content type and body of a page to serve as it is, in place of any other.
    """

    name: str
    files: list[File] = field(default_factory=list)
    status: str | None = None
    reason: str | None = None
    tracks: Sequence[str] = ()
    raw: tuple[str, bytes] | None = None

    @property
    def offered(self) -> Sequence[File]:
        """The files on the page."""
        return () if self.status == "quarantined" else self.files


def read_metadata(filename: str, content: bytes) -> bytes | None:
    """Return the METADATA of a wheel or the PKG-INFO of an sdist; None where there is none to be read."""
    try:
        if filename.endswith((".whl", ".zip")):
            with zipfile.ZipFile(BytesIO(content)) as archive:
                ending = ".dist-info/METADATA" if filename.endswith(".whl") else "/PKG-INFO"
                return next((archive.read(name) for name in archive.namelist() if name.endswith(ending)), None)
        with tarfile.open(fileobj=BytesIO(content)) as archive:
            member = next(name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO"))
            stream = archive.extractfile(member)
            return stream.read() if stream else None
    except (zipfile.BadZipFile, tarfile.TarError, StopIteration):
        return None


def requires_python_of(metadata: bytes | None) -> str | None:
    """Return what the metadata says of Python versions."""
    return Parser().parsestr((metadata or b"").decode("utf-8", "replace"))["Requires-Python"]


def project_json(listing: Listing, base: str, api_version: str) -> bytes:
    """Render a project's page as JSON (PEP 691), from 1.1 on with versions, sizes and times (PEP 700)."""
    meta: dict[str, Any] = {"api-version": api_version}
    if listing.tracks:
        meta["tracks"] = list(listing.tracks)
    page: dict[str, Any] = {"meta": meta, "name": listing.name}
    if listing.status is not None:
        page["project-status"] = {"status": listing.status, **({"reason": listing.reason} if listing.reason else {})}
    if api_version != "1.0":
        page["versions"] = sorted({file.version for file in listing.offered if file.version is not None})
    page["files"] = [_file_json(file, base, api_version) for file in listing.offered]
    return json.dumps(page).encode()


def _file_json(file: File, base: str, api_version: str) -> dict[str, Any]:
    claim = _claim_json(file)
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": f"{base}{file.location}",
        "hashes": dict(file.hashes),
        "requires-python": file.requires_python,
        "yanked": file.yanked,
        "core-metadata": claim,
        "dist-info-metadata": claim,
    }
    if file.requires_python is None:
        del entry["requires-python"]
    if api_version != "1.0":
        entry |= {"size": file.size} if file.size is not None else {}
        entry |= {"upload-time": file.upload_time} if file.upload_time is not None else {}
    return entry


def _claim_json(file: File) -> bool | dict[str, str]:
    claim = file.sidecar_claim
    if isinstance(claim, bool):
        return claim
    algorithm, _, digest = claim.partition("=")
    return {algorithm: digest}


def project_html(listing: Listing, base: str, api_version: str, *, base_href: str | None = None) -> bytes:
    """Render a project's page as HTML (PEP 503, with the attributes of PEP 592 and PEP 714)."""
    head = [f'<meta name="pypi:repository-version" content="{api_version}">']
    if base_href is not None:
        head.append(f'<base href="{html.escape(base_href)}">')
    if listing.status is not None:
        head.append(f'<meta name="pypi:project-status" content="{html.escape(listing.status)}">')
    if listing.status is not None and listing.reason is not None:
        head.append(f'<meta name="pypi:project-status-reason" content="{html.escape(listing.reason)}">')
    head += [f'<meta name="pypi:tracks" content="{html.escape(url)}">' for url in listing.tracks]
    return _html_page(head, [_anchor(file, base) for file in listing.offered])


def _anchor(file: File, base: str) -> str:
    fragment = next((f"#{algorithm}={digest}" for algorithm, digest in file.hashes.items()), "")
    attributes = {"href": f"{base}{file.location}{fragment}"}
    if file.requires_python is not None:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked is not False:
        attributes["data-yanked"] = "" if file.yanked is True else file.yanked
    claim = file.sidecar_claim
    if claim is not False:
        said = "true" if claim is True else claim
        attributes |= {"data-core-metadata": said, "data-dist-info-metadata": said}
    said_all = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {said_all}>{html.escape(file.filename)}</a><br>"


def root_json(names: Sequence[str], api_version: str) -> bytes:
    """Render the list of all projects as JSON (PEP 691)."""
    page = {"meta": {"api-version": api_version}, "projects": [{"name": name} for name in names]}
    return json.dumps(page).encode()


def root_html(names: Sequence[str]) -> bytes:
    """Render the list of all projects as HTML (PEP 503)."""
    return _html_page([], [f'<a href="{name}/">{name}</a><br>' for name in names])


def flat_html(files: Sequence[File]) -> bytes:
    """Render a page of links to files beside it, as `--find-links` reads it."""
    return _html_page([], [f'<a href="{file.filename}">{file.filename}</a><br>' for file in files])


def _html_page(head: Sequence[str], body: Sequence[str]) -> bytes:
    lines = ["<!DOCTYPE html>", "<html>", "<head>", *head, "<title>Links</title>", "</head>", "<body>", *body]
    return "".join(f"{line}\n" for line in [*lines, "</body>", "</html>"]).encode()

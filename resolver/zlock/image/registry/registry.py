"""The registries of images (OCI distribution specification); nothing is believed before its digest is checked."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO
from urllib.parse import urlencode, urljoin, urlsplit

from zlock.errors import RegistryFailed
from zlock.image.registry.answers import Checked, Document, Heard, check_digest, failure, is_there, nobody
from zlock.image.registry.challenge import RegistryTransport
from zlock.image.registry.manifest import (
    INDEXES,
    LARGEST_DOCUMENT,
    MANIFESTS,
    OCI_INDEX,
    Configuration,
    Descriptor,
    FoundImage,
    Index,
    Manifest,
    broken,
    describe,
    normalized_platform,
    read_document,
    read_json,
    select,
)
from zlock.index.client import Sink
from zlock.index.network import Answer, Network, Request
from zlock.model import plain
from zlock.model.digest import digest_of_bytes
from zlock.model.reference import ImageReference, is_loopback

_ACCEPT = ", ".join(sorted(MANIFESTS | INDEXES))
_SLOWEST = 64 * 1024  # bytes a second that a layer may come at
_PATIENCE = 600.0  # seconds for one answer, beside what its size asks for
_OK, _CREATED, _ACCEPTED, _BAD_REQUEST, _NOT_FOUND = 200, 201, 202, 400, 404
_ELSEWHERE = frozenset({301, 302, 303, 307, 308})  # it is there, in another store
_BROKEN = frozenset({_BAD_REQUEST, _NOT_FOUND, 416})
_UPLOADS = 3  # how often an upload is begun
_SUCCESS = range(200, 300)


class Registry:
    """Reads images from any registry, and writes indexes, with the logins of this machine; safe between threads.

    A registry on this machine is asked without TLS first, as Docker does; all others with TLS only.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        network = Network.from_environment(environ, {})
        self._transport = RegistryTransport(network, environ)
        self._writing = RegistryTransport(network, environ, writes=True)  # a token for reading may not be enough
        self._roots: dict[str, str] = {}
        self._lock = threading.Lock()

    def find(self, reference: ImageReference, platform: str) -> FoundImage | None:
        """Return the image of a platform, None where the registry has none.

        Also what can't be pulled counts as absent: an index without the platform, an image of another one, and a
        tag whose content the registry has lost.

        Raises:
            RegistryFailed: The registry does not answer, refuses, or has something else than an image there.
        """
        top = self.read(reference)
        if top is None:
            return None

        def load(entry: Descriptor) -> tuple[str, Manifest | Index] | None:
            return self._document(reference.at(entry.digest), entry)

        chosen = select(top, platform, load, f"`{reference}`")
        config = self._blob(reference, chosen[1].config, LARGEST_DOCUMENT) if chosen else None
        if chosen is None or config is None:
            return None
        found = describe(str(reference), chosen[0], top[0], chosen[1], config)
        return found if found.is_for(platform) else None

    def platforms(self, reference: ImageReference) -> tuple[str, ...]:
        """Return what the image, or the index, under a name is for, as `linux/arm64`; nothing where there is none.

        Raises:
            RegistryFailed: See `find`.
        """
        top = self.read(reference)
        if top is None:
            return ()
        found = [one.platform for one in top[1].manifests] if isinstance(top[1], Index) else []
        if isinstance(top[1], Manifest):
            config = self._blob(reference, top[1].config, LARGEST_DOCUMENT)
            found = [Configuration.parse(config, f"`{reference}`").platform] if config else []
        shown = (_shown(one) for one in found if "unknown" not in one)  # as attestations of BuildKit are
        return tuple(filter(None, dict.fromkeys(shown)))

    def read(self, reference: ImageReference) -> tuple[str, Manifest | Index] | None:
        """Return the digest and the content of what a name stands for, None where nothing is there.

        Raises:
            RegistryFailed: The registry does not answer, refuses, or has something else than an image there.
        """
        return self._document(reference, None)

    def write(self, reference: ImageReference, media_type: str, data: bytes) -> str:
        """Put a manifest or an index under a tag, whatever is there, or under its digest; return its digest.

        What it refers to must be there (OCI distribution spec, "Pushing Manifests").

        Raises:
            RegistryFailed: The registry does not answer, or refuses.
        """
        url = f"{self._root(reference)}/manifests/{reference.wanted}"
        answer = self._writing.submit_to(reference, url, Request("PUT", data), {"Content-Type": media_type})
        if answer.status not in _SUCCESS:
            raise self._not_written(f"`{reference}` could not be written", reference, answer)
        digest = digest_of_bytes(data)
        check_digest(digest, [answer.headers.get("docker-content-digest", "")], f"`{reference}`")
        return digest

    def referrers(self, image: ImageReference) -> tuple[Sequence[object], bool]:
        """Return the descriptors of what refers to an image, given by its digest, and whether the registry lists them.

        Where it does not, whoever pushes what refers keeps the list under a tag (OCI distribution spec, "Listing
        Referrers" and "Referrers Tag Schema").

        Raises:
            RegistryFailed: The registry does not answer, or refuses.
        """
        where, root = f"what refers to `{image}`", self._root(image)
        sink, accepted = Document(where), {"Accept": OCI_INDEX}
        answer = self._transport.download_from(
            image, f"{root}/referrers/{image.digest}", sink, accepted, seconds=_PATIENCE
        )
        is_listed = answer.status == _OK
        if not is_listed and not self._fetch(image, f"manifests/{image.digest.replace(':', '-')}", sink, accepted):
            return [], False
        return plain.rows(read_json(sink.data, where), "manifests"), is_listed

    def has_blob(self, reference: ImageReference, digest: str) -> bool:
        """Tell whether a repository has content with a digest (OCI distribution spec, "Checking if content exists").

        Raises:
            RegistryFailed: The registry does not answer, or refuses.
        """
        url = f"{self._root(reference)}/blobs/{digest}"
        answer = self._writing.submit_to(reference, url, Request("HEAD"))
        return answer.status in _ELSEWHERE or is_there(answer, reference, self._writing.login_file(answer.url))

    def push_blob(
        self, reference: ImageReference, content: Descriptor, read: Callable[[], IO[bytes]], beside: str = ""
    ) -> None:
        """Put content into a repository that lacks it (OCI distribution spec, "POST then PUT").

        Args:
            reference: The repository.
            content: Its digest and size.
            read: Opens it, once for each attempt.
            beside: Another repository of the registry that may have it, to be linked from there ("Mounting a blob").

        Raises:
            RegistryFailed: The registry does not answer, or refuses.
        """
        what = f"a layer of `{reference}` could not be sent"
        query = f"?{urlencode({'mount': content.digest, 'from': beside})}" if beside else ""
        for attempt in range(_UPLOADS):
            answer = self._writing.submit_to(reference, self._uploads(reference) + query, Request("POST", b""))
            if answer.status == _CREATED and query:
                return
            if answer.status != _ACCEPTED and query:  # who may not read the other one can still send it
                query = ""
                answer = self._writing.submit_to(reference, self._uploads(reference), Request("POST", b""))
            if answer.status != _ACCEPTED:
                raise self._not_written(what, reference, answer)
            answer = self._send(reference, content, read, answer)
            if answer.status == _CREATED:
                said = answer.headers.get("docker-content-digest", "")
                check_digest(content.digest, [said], f"`{reference}`")
                return
            # An upload that broke off is at an end that only the registry knows, or is forgotten: another is begun.
            if answer.status not in _BROKEN or attempt + 1 == _UPLOADS:
                raise self._not_written(what, reference, answer)

    def _send(
        self, reference: ImageReference, content: Descriptor, read: Callable[[], IO[bytes]], begun: Answer
    ) -> Answer:
        """Send content to where a registry wants it; another server than the registry gets no login."""
        try:
            place = urljoin(begun.url, begun.headers.get("location", ""))
            scheme = urlsplit(place).scheme
        except ValueError as error:
            raise broken(f"`{reference}`", f"the registry takes uploads at what is not a URL: {error}") from error
        if scheme != urlsplit(begun.url).scheme:
            raise broken(f"`{reference}`", f"the registry takes uploads at `{scheme}://`")
        url = f"{place}{'&' if '?' in place else '?'}{urlencode({'digest': content.digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(content.size)}
        request, seconds = Request("PUT", read), _PATIENCE + content.size / _SLOWEST
        if place.startswith(self._uploads(reference)):
            return self._writing.submit_to(reference, url, request, headers, seconds=seconds)
        return self._writing.submit(url, request, headers, seconds=seconds)

    def _uploads(self, reference: ImageReference) -> str:
        return f"{self._root(reference)}/blobs/uploads/"

    def _not_written(self, what: str, reference: ImageReference, answer: Answer) -> RegistryFailed:
        return failure(what, answer, reference, "write", self._writing.login_file(answer.url))

    def open_layer(self, reference: ImageReference, layer: Descriptor, heard: Heard = nobody) -> IO[bytes]:
        """Return a layer as a file that is gone once it is closed; its digest and size are checked.

        Args:
            reference: The image's repository.
            layer: What points at it.
            heard: Hears how much of it came.

        Raises:
            RegistryFailed: It can't be had, or is not what the manifest says.
        """
        file = tempfile.TemporaryFile(prefix="zlock-layer-")  # noqa: SIM115 - the caller closes it
        try:
            there = self._pour(reference, layer, Checked(layer, str(reference), file, heard))
        except BaseException:
            file.close()
            raise
        if not there:
            file.close()
            raise broken(f"`{reference}`", f"the registry has lost its layer `{layer.digest}`")
        file.seek(0)
        return file

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()
        self._writing.close()

    def _document(self, reference: ImageReference, expected: Descriptor | None) -> tuple[str, Manifest | Index] | None:
        """Return the digest and the content of a manifest or an index, None where it is not there."""
        where = f"`{reference}`"
        sink = Document(where)
        answer = self._fetch(reference, f"manifests/{reference.wanted}", sink, {"Accept": _ACCEPT})
        if answer is None:
            return None
        data = sink.data
        digest = digest_of_bytes(data)
        check_digest(digest, [reference.digest, answer.headers.get("docker-content-digest", "")], where)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if expected and (media_type != expected.media_type or len(data) != expected.size):
            raise broken(where, "it has another type or size than its index says")
        return digest, read_document(data, media_type, where)

    def _blob(self, reference: ImageReference, descriptor: Descriptor, limit: int) -> bytes | None:
        """Return small content, None where it is not there."""
        if descriptor.size > limit:
            raise broken(f"`{reference}`", f"its configuration has {descriptor.size} bytes")
        file = io.BytesIO()
        there = self._pour(reference, descriptor, Checked(descriptor, str(reference), file))
        return file.getvalue() if there else None

    def _pour(self, reference: ImageReference, descriptor: Descriptor, sink: Checked) -> bool:
        seconds = _PATIENCE + descriptor.size / _SLOWEST
        if not self._fetch(reference, f"blobs/{descriptor.digest}", sink, {}, seconds=seconds):
            return False
        sink.finish()
        return True

    def _fetch(
        self,
        reference: ImageReference,
        path: str,
        sink: Sink,
        headers: Mapping[str, str],
        *,
        seconds: float = _PATIENCE,
    ) -> Answer | None:
        """Fetch something of a repository, None where it is not there."""
        url = f"{self._root(reference)}/{path}"
        answer = self._transport.download_from(reference, url, sink, headers, seconds=seconds)
        return answer if is_there(answer, reference, self._transport.login_file(answer.url)) else None

    def _root(self, reference: ImageReference) -> str:
        """Return the URL of a repository."""
        host = reference.api_host
        with self._lock:
            if host not in self._roots:
                self._roots[host] = f"{self._scheme(host)}://{host}"
            return f"{self._roots[host]}/v2/{reference.repository}"

    def _scheme(self, host: str) -> str:
        if not is_loopback(host):
            return "https"
        # A server that speaks TLS answers 400 to what is not; nothing secret is sent here.
        answer = self._transport.download(f"http://{host}/v2/", Document(f"`{host}`"))
        return "https" if answer.status == _BAD_REQUEST else "http"


def _shown(platform: str) -> str:
    """Return a platform without the variant that OCI means where none is written."""
    short = platform.rpartition("/")[0]
    return short if normalized_platform(short) == platform else platform

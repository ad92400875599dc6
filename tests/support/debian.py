"""Archives of Debian packages on loopback: packages as bytes, indexes signed by a key that the tests make."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from support.engines import require
from support.serve import Call, LoopbackServer, Reply

SUITE = "tiny"
_MEMBER = "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n"  # deb(5), ar(5)


@dataclass(frozen=True, kw_only=True)
class Deb:
    """A Debian package.

    Attributes:
        name: Its name.
        version: Its version.
        architecture: What it is for.
        fields: Other fields of its control file.
        files: What it installs, by path.
        scripts: Its maintainer scripts, by name.
    """

    name: str
    version: str = "1.0"
    architecture: str = "amd64"
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def control(self) -> str:
        """Its control file."""
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "Nobody <nobody@example.org>",
            "Description": f"what {self.name} is",
            **self.fields,
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items())

    @property
    def path(self) -> str:
        """Its path in the pool; an epoch is no part of names of files there."""
        version = self.version.partition(":")[2] or self.version
        return f"pool/main/{self.name[0]}/{self.name}/{self.name}_{version}_{self.architecture}.deb"

    def build(self) -> bytes:
        """Return it as a file (deb(5))."""
        sums = "".join(f"{hashlib.md5(data).hexdigest()}  {path}\n" for path, data in self.files.items())
        control = {"control": self.control, "md5sums": sums, **self.scripts}
        members = {
            "debian-binary": b"2.0\n",
            "control.tar.gz": _tar({f"./{name}": text.encode() for name, text in control.items()}, 0o755),
            "data.tar.gz": _tar({f"./{path}": data for path, data in self.files.items()}, 0o644),
        }
        stream = io.BytesIO(b"!<arch>\n")
        stream.seek(0, io.SEEK_END)
        for name, data in members.items():
            stream.write(_MEMBER.format(name, 0, 0, 0, "100644", len(data)).encode() + data + b"\n" * (len(data) % 2))
        return stream.getvalue()


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folders = {str(parent) for path in files for parent in Path(path).parents} - {"."}
        for folder in ["./", *sorted(f"./{one}" for one in folders)]:
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0)


class Key:
    """A key that signs archives.

    Args:
        expires: When it does, as gpg has it: `never`, `seconds=1`.
        now: When it was made and signs, `20200101T000000`; empty for now.
    """

    def __init__(self, *, expires: str = "never", now: str = "") -> None:
        self._home = tempfile.TemporaryDirectory(prefix="gpg-")  # in short paths: its sockets are there
        self._time = ("--faked-system-time", now) if now else ()
        self._gpg("--quick-generate-key", "Tiny <tiny@example.org>", "ed25519", "sign", expires)

    @property
    def public(self) -> bytes:
        """Its public part, for keyrings."""
        return self._gpg("--export")

    def sign(self, text: bytes) -> bytes:
        """Return a text with its signature around it."""
        return self._gpg("--clearsign", given=text)

    def close(self) -> None:
        """Forget the key."""
        subprocess.run(
            ["gpgconf", "--homedir", self._home.name, "--kill", "all"], check=False, capture_output=True, timeout=60
        )
        self._home.cleanup()

    def _gpg(self, *arguments: str, given: bytes = b"") -> bytes:
        command = [require("gpg"), "--homedir", self._home.name, "--batch", "--passphrase", "", *self._time, *arguments]
        return subprocess.run(command, input=given, capture_output=True, check=True, timeout=60).stdout


class TinyArchive(LoopbackServer):
    """An archive of packages.

    Attributes:
        content: By path: the bytes; a test may change them.
        debs: What is in it.
    """

    def __init__(self, key: Key) -> None:
        super().__init__(self._answer)
        self._key = key
        self.content: dict[str, bytes] = {}
        self.debs: list[Deb] = []

    def add(self, *debs: Deb) -> None:
        """Take packages; those of the same name and architecture are replaced in the index, and stay in the pool."""
        named = {(deb.name, deb.architecture) for deb in debs}
        self.debs = [one for one in self.debs if (one.name, one.architecture) not in named] + list(debs)
        self.content |= {deb.path: deb.build() for deb in debs}
        self.publish()

    def add_beside(self, *debs: Deb) -> None:
        """Take packages beside other versions of them."""
        self.debs += debs
        self.content |= {deb.path: deb.build() for deb in debs}
        self.publish()

    def publish(self, *, until: datetime | None = None) -> None:
        """Write the indexes anew."""
        kinds = ("amd64", "arm64")
        files = {f"main/binary-{kind}/Packages": self._packages(kind) for kind in kinds}
        now = datetime.now(UTC)
        rows = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in files.items())
        release = (
            f"Origin: Tiny\nLabel: Tiny\nSuite: {SUITE}\nCodename: {SUITE}\nDate: {_date(now - timedelta(days=1))}\n"
            f"Valid-Until: {_date(until or now + timedelta(days=7))}\n"
            f"Architectures: {' '.join(kinds)}\nComponents: main\nSHA256:\n{rows}"
        )
        self.content |= {f"dists/{SUITE}/{path}": data for path, data in files.items()}
        self.content[f"dists/{SUITE}/InRelease"] = self._key.sign(release.encode())

    def source(self) -> str:
        """Return its line of a sources.list."""
        return f"deb {self.root}/ {SUITE} main\n"

    def _packages(self, kind: str) -> bytes:
        return "\n".join(map(self._paragraph, (one for one in self.debs if one.architecture in (kind, "all")))).encode()

    def _paragraph(self, deb: Deb) -> str:
        data = self.content[deb.path]
        more = {"Filename": deb.path, "Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest()}
        return deb.control + "".join(f"{name}: {value}\n" for name, value in more.items())

    def _answer(self, call: Call) -> Reply:
        data = self.content.get(unquote(call.path).lstrip("/"))
        return Reply(status=404) if data is None else Reply(body=data)


def _date(time: datetime) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S UTC")


def status_of(debs: Iterable[Deb], *, architecture: str = "amd64", state: str = "install ok installed") -> bytes:
    """Return dpkg's status where packages, and dpkg itself, are installed."""
    own = Deb(name="dpkg", version="1.21", architecture=architecture)
    parts = [deb.control.replace("\n", f"\nStatus: {state}\n", 1) for deb in debs]
    return "\n".join([own.control.replace("\n", "\nStatus: install ok installed\n", 1), *parts]).encode()


def base_files(
    archive: TinyArchive | None,
    key: Key | None,
    installed: Sequence[Deb] = (),
    *,
    architecture: str = "amd64",
    more: Mapping[str, bytes | str | None] | None = None,
) -> dict[str, bytes | str | None]:
    """Return the files of a base image, as layers are made of them; None in `more` takes one away."""
    files: dict[str, bytes | str | None] = {
        "usr/bin/apt-get": b"",
        "var/lib/dpkg/status": status_of(installed, architecture=architecture),
        "etc/apt/sources.list": archive.source().encode() if archive else None,
        "etc/apt/trusted.gpg.d/tiny.gpg": key.public if key else None,
        **(more or {}),
    }
    return {path: data for path, data in files.items() if data is not None}

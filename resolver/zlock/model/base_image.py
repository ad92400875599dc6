"""What the reference of a base image says of the image: names and tags alone, which nobody is bound to."""

from __future__ import annotations

import re

from msgspec import Struct

from zlock.model.reference import ImageReference

# The minor version of the glibc 2 that a distribution has.
_GLIBC = {
    "stretch": 24, "buster": 28, "bullseye": 31, "bookworm": 36, "trixie": 41,
    "debian9": 24, "debian10": 28, "debian11": 31, "debian12": 36, "debian13": 41,
    "xenial": 23, "bionic": 27, "focal": 31, "jammy": 35, "noble": 39,
    "ubuntu16.04": 23, "ubuntu18.04": 27, "ubuntu20.04": 31, "ubuntu22.04": 35, "ubuntu24.04": 39,
    "centos7": 17, "ubi7": 17, "ubi8": 28, "ubi9": 34, "rockylinux8": 28, "rockylinux9": 34,
    "almalinux8": 28, "almalinux9": 34, "amazonlinux2": 26, "amazonlinux2023": 34,
}  # fmt: skip
_VERSION = re.compile(r"\d+(\.\d+)*")
_PYTHON = r"(?:py|python)(\d)\.?(\d+)((?:\.\d+)?)"
_CUDA = re.compile(r"cuda(\d+)(?:\.|$)|cu(\d\d)\d$")


class BaseImage(Struct, frozen=True):
    """What a reference says.

    Attributes:
        python: Its Python, "3.12" or "3.12.4"; empty where it does not say.
        is_musl: Whether it has musl in place of glibc.
        glibc: The minor version of its glibc 2, or None.
        cuda: The major version of its CUDA, or None.
    """

    python: str
    is_musl: bool
    glibc: int | None
    cuda: int | None

    @classmethod
    def told_by(cls, reference: ImageReference) -> BaseImage:
        """Return what the name and the tag of an image say."""
        name = reference.repository.rpartition("/")[2].lower()
        words = re.split(r"[-_+]", reference.tag.lower())
        version = match[0] if (match := _VERSION.match(words[0])) else ""
        system = [f"{name}{version}", f"{name}{version.partition('.')[0]}", *words]
        return cls(
            python=_python(name, version, words),
            is_musl=name == "alpine" or any(word.startswith("alpine") for word in words),
            glibc=next((_GLIBC[word] for word in system if word in _GLIBC), None),
            cuda=_cuda(name, version, words),
        )


def _python(name: str, version: str, words: list[str]) -> str:
    if name == "python":
        return version if "." in version else ""
    found = next((match for word in words if (match := re.fullmatch(_PYTHON, word))), None)
    return f"{found[1]}.{found[2]}{found[3]}" if found else ""


def _cuda(name: str, version: str, words: list[str]) -> int | None:
    if name == "cuda" and version:
        return int(version.partition(".")[0])
    found = next((match for word in words if (match := _CUDA.match(word))), None)
    return int(found[1] or found[2]) if found else None

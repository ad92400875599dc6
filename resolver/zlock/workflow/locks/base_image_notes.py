"""Whether a lock goes with the base image of its step, as far as the image's reference tells; no registry is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zlock.lock.lock import Lock
from zlock.model.base_image import BaseImage
from zlock.model.image import is_layout
from zlock.model.reference import ImageReference
from zlock.model.target import Target
from zlock.model.versions import parse_version
from zlock.workflow.locks.job import Job

_CUDA_NAME = re.compile(r"nvidia-.*-cu(\d\d)")
_CUDA_VERSION = re.compile(r"cu(\d\d)\d")
# From CUDA 13 on, these have no major version in their names.
_OF_CUDA = frozenset({"nvidia-cuda-runtime", "nvidia-cublas", "cuda-toolkit"})


def base_image_notes(job: Job, lock: Lock) -> Iterator[str]:
    """Say what of a step's lock its base image contradicts by its name and tag."""
    settings, target = job.step.effective, job.question.targets[0]
    if settings.dockerfile is not None or not job.question.linux:
        return
    reference = settings.base_image(target.python)
    if is_layout(reference):  # a path says nothing
        return
    image = BaseImage.told_by(ImageReference.parse(reference))
    head = f"step `{job.step.name}` is built on `{reference}`, which by its name has"
    for has, wants, way in _contradictions(image, target, lock):
        yield f"{head} {has}, and its lock is for {wants}: {way}"


def _contradictions(image: BaseImage, target: Target, lock: Lock) -> Iterator[tuple[str, str, str]]:
    """Yield what the image has, what the lock is for, and the way out."""
    if image.python and not _is_part(image.python, target.python):
        way = f"set `python`, or take `python:{target.python}-slim`"
        yield f"Python {image.python}", f"Python {target.python}", way
    if image.is_musl and target.manylinux:
        yield "musl", "glibc", 'set `musllinux = "1_2"`, or take an image with glibc such as `-slim`'
    elif image.glibc and target.musllinux:
        yield f"glibc 2.{image.glibc}", "musl", "leave `musllinux` out, or take an image with musl such as `-alpine`"
    elif image.glibc and target.manylinux and target.manylinux > (2, image.glibc):
        floor = "{}.{}".format(*target.manylinux)
        way = f'set `manylinux = "2_{image.glibc}"`, or take a newer image'
        yield f"glibc 2.{image.glibc}", f"glibc {floor} or later", way
    cuda, package = max(_cuda(lock), default=(0, ""))
    if image.cuda and cuda > image.cuda:
        way = "take an image with that CUDA, or releases for the one that the image has"
        yield f"CUDA {image.cuda}", f"CUDA {cuda} (`{package}`)", way


def _is_part(one: str, other: str) -> bool:
    """Return whether two versions agree in what both say."""
    return all(here == there for here, there in zip(one.split("."), other.split("."), strict=False))


def _cuda(lock: Lock) -> Iterator[tuple[int, str]]:
    """Yield the major versions of CUDA that packages of a lock are for, with the package."""
    for package in lock.packages:
        version = parse_version(package.version) if package.version else None
        shown = f"{package.name} {package.version}"
        if match := _CUDA_NAME.fullmatch(package.name) or _CUDA_VERSION.fullmatch(
            version.local or "" if version else ""
        ):
            yield int(match[1]), shown
        elif version and package.name in _OF_CUDA:
            yield version.major, shown

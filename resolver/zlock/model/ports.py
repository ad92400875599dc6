"""What the resolver may ask of the outside, as Protocols; the index implements them, tests can too."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import BinaryIO, Protocol

from packaging.utils import NormalizedName

from zlock.model.distribution import File, Metadata
from zlock.model.page import Page


class PackageSource(Protocol):
    """Pages and metadata of packages, each fetched once and in the background.

    Asking again returns the same future, so asking early is how to fetch ahead.
    """

    def page(self, name: NormalizedName) -> Future[Page | None]:
        """Return what the index that knows the name lists; None where no index knows it.

        The future raises `IndexFailed` where an index could not be asked.
        """
        ...

    def elsewhere(self, name: NormalizedName) -> Sequence[tuple[str, Page]]:
        """Return what each index lists that knows the name, by its name or URL: first the one that it is taken from.

        Those that could not be asked are left out; there are none where one index alone is to serve it.
        """
        ...

    def metadata(self, page: Page, file: File) -> Future[Metadata]:
        """Return the core metadata of a file.

        The future raises `InvalidMetadata` where it is broken or another project's, and `IndexFailed` where it
        could not be had.
        """
        ...


class InvalidMetadata(Exception):
    """The metadata of one file is broken, or is not that of the release it is listed under."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MetadataBuilder(Protocol):
    """Runs a project's own build backend for its metadata: foreign code, so only where it is allowed."""

    def runs_on(self) -> str:
        """Return the minor version of the Python that builds run on, such as "3.12"."""
        ...

    def build_archive(self, archive: BinaryIO, filename: str) -> Metadata:
        """Return the metadata of an sdist.

        Raises:
            BuildFailed: The backend failed, or is not allowed to run.
        """
        ...

    def requirements_of_archive(self, archive: BinaryIO, filename: str) -> list[str]:
        """Return what building a wheel of an sdist requires: what it states and what its backend adds (PEP 517).

        Raises:
            BuildFailed: The backend failed, or is not allowed to run.
        """
        ...

"""The images that engines keep on this machine: taken out by the engines' own commands, never run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from zlock.errors import CommandFailed
from zlock.image.builders.engine import Client
from zlock.image.reading.files import ArchiveFiles, FolderFiles
from zlock.image.reading.sources import OpenImage, find_in_archive, find_in_layout
from zlock.process import CommandExited

_SECONDS = 3600.0  # to take an image out
_TAG = "zlock"


STORES = {"docker-daemon": ("docker",), "containers-storage": ("podman", "buildah")}
"""The programs that look into a store, by what skopeo and podman call it; podman, buildah and skopeo share one."""


class Store(NamedTuple):
    """A program and the store of images that it looks into."""

    program: str

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.program}'s store"


def find_stores(environ: Mapping[str, str]) -> Iterator[Store]:
    """Return the stores that can be looked into."""
    for programs in STORES.values():
        program = next((one for one in programs if shutil.which(one, path=environ.get("PATH"))), None)
        if program:
            yield Store(program)


def take_out(store: Store, reference: str, platform: str, folder: Path, environ: Mapping[str, str]) -> OpenImage | None:
    """Return the image that a store has under a reference, None where it has none for the platform.

    Args:
        store: Where to look.
        reference: What the image is called; the caller has held it to the form of a reference.
        platform: `linux/amd64`.
        folder: An empty folder, in which the image stays while it is read.
        environ: The environment variables.

    Raises:
        CommandFailed: The store can't be looked into.
        RegistryFailed: What it gave is not an image.
    """
    client = Client(store.program, environ)
    try:
        if client.inspect(reference) is None:
            return None
    except CommandExited as error:
        raise CommandFailed(
            f"{store.name} can't be looked into", context=error.context, hint=f"see what `{store.program} info` says"
        ) from error
    if store.program == "docker":
        archive = folder / "image.tar"
        client.ask("image", "save", "--output", str(archive), reference, timeout=_SECONDS)
        return find_in_archive(ArchiveFiles.read(archive), reference, "", platform)
    layout = folder / "layout"
    client.ask("push", "--quiet", reference, f"oci:{layout}:{_TAG}", timeout=_SECONDS)
    return find_in_layout(FolderFiles(layout), reference, _TAG, platform)

"""The images that engines keep on this machine: taken out by the engines' own commands, never run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from zlock.errors import CommandFailed
from zlock.image.reading.files import ArchiveFiles, FolderFiles
from zlock.image.reading.sources import OpenImage, find_in_archive, find_in_layout
from zlock.process import CommandExited, run_command

_ABSENT = re.compile(r"no such (image|object)|image not known|does not exist|identifier is not an image", re.IGNORECASE)
_QUICK, _SLOW = 60.0, 3600.0  # seconds: to ask for an image, to take one out
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

    def run(*arguments: str, timeout: float) -> None:
        run_command([store.program, *arguments], cwd=folder, timeout=timeout, environ=environ)

    try:
        run("inspect", "--type", "image", reference, timeout=_QUICK)
    except CommandExited as error:
        if _ABSENT.search(error.completed.stderr):
            return None
        raise CommandFailed(
            f"{store.name} can't be looked into", context=error.context, hint=f"see what `{store.program} info` says"
        ) from error
    return _take(store, reference, platform, folder, run)


def _take(store: Store, reference: str, platform: str, folder: Path, run: Callable[..., None]) -> OpenImage | None:
    if store.program == "docker":
        archive = folder / "image.tar"
        run("image", "save", "--output", str(archive), reference, timeout=_SLOW)
        return find_in_archive(ArchiveFiles.read(archive), reference, "", platform)
    layout = folder / "layout"
    run("push", "--quiet", reference, f"oci:{layout}:{_TAG}", timeout=_SLOW)
    return find_in_layout(FolderFiles(layout), reference, _TAG, platform)

"""Podman and Buildah: two clients of one engine, without a daemon."""

from __future__ import annotations

import re
from collections.abc import Collection

from zlock.errors import CommandFailed, OutsideFailed
from zlock.image.builders.builder import AGAIN, EPOCH, Image, ImageBuildFailed, Recipe
from zlock.image.builders.engine import Engine, answer_of
from zlock.model.reference import is_digest
from zlock.process import CommandStopped, Watch

# The image itself says the platform that it was to be for, whatever it was built on.
_OTHER_PLATFORM = re.compile(r"image platform .* does not match the expected platform")


# How Podman and Buildah write what is not for everybody, and among that the containers that a build works in.
_DEBUGGING = re.compile(r'time="[^"]*" level=(?:trace|debug|info) ')
_CONTAINER = re.compile(r'msg="Container ID: (?P<id>[0-9a-f]{64})"')


class _Containers:
    """The containers that one build works in, as its debugging output names them.

    Attributes:
        ids: Their ids.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []

    def note(self, line: str) -> bool:
        """Take a line of a log; tell whether it is for debugging, so that nobody has to see it."""
        if not _DEBUGGING.match(line):
            return False
        if found := _CONTAINER.search(line):
            self.ids.append(found["id"])
        return True


class Buildah(Engine):
    """The images of the user who runs it (`containers-storage.conf`, `BUILDAH_ISOLATION`)."""

    name = "buildah"
    loading = ("pull", "--quiet", "docker-archive:{}")
    number: tuple[str | int, ...] = ("FromImageID",)
    labels: tuple[str | int, ...] = ("OCIv1", "config", "Labels")
    _containers: tuple[str, ...] = ("containers", "--quiet", "--notruncate")
    _removal: tuple[str, ...] = ("rm",)

    def trouble(self) -> str:
        """Return why it can't be used, or empty."""
        return self._client.trouble("info")

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Build an image; the store keeps it."""
        containers = _Containers()
        # Nothing else than the debugging output tells its containers from those of other builds.
        own = ("--log-level", "debug", "build", "--layers", "--force-rm", "--timestamp", EPOCH)
        try:
            log = self._client.build(self._building(recipe, *own), recipe, watch, containers.note)
        except CommandStopped as stopped:
            self._remove(containers.ids, stopped)
            raise
        if other := next(filter(_OTHER_PLATFORM.search, log), None):
            self._client.ask("rmi", recipe.reference)  # else it would be found and used
            raise ImageBuildFailed(
                f"{self.name} did not build `{recipe.reference}` for {recipe.platform}",
                context=[other.strip()],
                hint="name a base image for this platform, or correct `platforms`",
            )
        return self._kept(recipe.reference, "built")

    def _remove(self, ids: Collection[str], stopped: CommandStopped) -> None:
        """Remove the containers of a build that was stopped in a moment in which the engine does not clean up.

        The build has ended, and that counts: where they can't be removed, its error notes it.
        """
        left = list(ids)
        try:
            there = self._client.ask(*self._containers).split()
            if left := [one for one in there if one in ids]:
                self._client.ask(*self._removal, *left)
        except CommandFailed as error:
            names = " ".join(one[:12] for one in left)
            if names:
                stopped.add_note(f"{error.message}: remove them with `{self.name} {' '.join(self._removal)} {names}`")

    def push(self, reference: str, watch: Watch) -> Image:
        """Send an image to its registry, with the logins of Docker's configuration or of its own."""
        digest = answer_of(
            lambda written: self._client.push(["push", "--digestfile", str(written), reference], reference, watch)
        )
        found = self.find(reference)
        if found is None or not is_digest(digest):
            raise OutsideFailed(f"{self.name} pushed `{reference}` and does not know its digest", hint=AGAIN)
        return Image(digest=digest, key=found.key, place="registry", built=True)


class Podman(Buildah):
    """As Buildah, through `podman`."""

    name = "podman"
    number, labels = Engine.number, Engine.labels
    _containers = ("ps", "--all", "--external", "--quiet", "--no-trunc")
    _removal = ("rm", "--force")  # they are mounted

    def trouble(self) -> str:
        """Return why it can't be used, or empty; unlike Buildah it can't take the network away without namespaces."""
        if self._network not in ("", "host") and self._client.environ.get("BUILDAH_ISOLATION") == "chroot":
            return f"with `BUILDAH_ISOLATION=chroot` it can't build with the network `{self._network}`"
        return super().trouble()

"""Docker, with BuildKit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import AGAIN, EPOCH, Image, ImageBuildFailed, Recipe
from zlock.image.builders.engine import SECONDS, Engine, answer_of
from zlock.image.plan import KEY_LABEL
from zlock.image.reading.files import ArchiveFiles
from zlock.image.reading.sources import OpenImage, find_in_archive
from zlock.model import plain
from zlock.model.reference import is_digest
from zlock.process import Watch

_BUILDKIT = {
    "DOCKER_BUILDKIT": "1",  # what is the default from Docker 23 on
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # they hold the time of the build
}


class Docker(Engine):
    """The daemon that the machine's `docker` talks to (`DOCKER_HOST`, contexts)."""

    name = "docker"
    loading = ("load", "--quiet", "--input", "{}")

    def __init__(self, environ: Mapping[str, str], network: str = "") -> None:
        super().__init__({**environ, **_BUILDKIT}, network)

    def trouble(self) -> str:
        """Return why it can't be used, or empty."""
        silent = self._client.trouble("version", "--format", "{{.Server.Version}}")
        if not silent and self._client.trouble("build", "--help"):  # clients from 23 on leave building to a plugin
            return "its client has no working buildx, without which it can't build: install that plugin"
        return silent

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Build an image; the daemon keeps it."""
        own = ("build", "--progress", "plain", "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}", "--iidfile")
        digest = answer_of(
            lambda written: self._client.build(self._building(recipe, *own, str(written)), recipe, watch)
        )
        if not is_digest(digest):
            raise ImageBuildFailed(
                f"docker built `{recipe.reference}` and did not keep it",
                hint="choose a builder that shares the images of the daemon: `docker buildx use default`",
            )
        return Image(digest=digest, key=recipe.labels.get(KEY_LABEL, ""), place=self.name, built=True)

    def _taken_out(self, reference: str, platform: str, folder: Path) -> OpenImage | None:
        archive = folder / "image.tar"
        self._client.ask("image", "save", "--output", str(archive), reference, timeout=SECONDS)
        return find_in_archive(ArchiveFiles.read(archive), reference, "", platform)

    def push(self, reference: str, watch: Watch) -> Image:
        """Send an image to its registry, with the logins of Docker's configuration."""
        self._client.push(["push", reference], reference, watch)
        found = self._client.inspect(reference)
        name = reference.rpartition(":")[0]
        for pushed in plain.rows(found, 0, "RepoDigests"):
            repository, _, digest = str(pushed).partition("@")
            if repository == name and is_digest(digest):
                key = plain.texts(found, *self.labels).get(KEY_LABEL, "")
                return Image(digest=digest, key=key, place="registry", built=True)
        raise OutsideFailed(f"docker pushed `{reference}` and does not know its digest", hint=AGAIN)

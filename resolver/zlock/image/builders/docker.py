"""Docker, with BuildKit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import AGAIN, EPOCH, BuildFailed, Image, Recipe
from zlock.image.builders.engine import DIGEST, Client, answer_of, image_in
from zlock.image.plan import KEY_LABEL
from zlock.model import plain
from zlock.process import CommandExited, Watch

_BUILDKIT = {
    "DOCKER_BUILDKIT": "1",  # what is the default from Docker 23 on
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # they hold the time of the build
}


class Docker:
    """The daemon that the machine's `docker` talks to (`DOCKER_HOST`, contexts)."""

    name = "docker"
    stores = True

    def __init__(self, environ: Mapping[str, str], network: str = "") -> None:
        self._client = Client("docker", {**environ, **_BUILDKIT})
        self._network = network

    def trouble(self) -> str:
        """Return why it can't be used, or empty."""
        silent = self._client.trouble("version", "--format", "{{.Server.Version}}")
        if not silent and self._client.trouble("build", "--help"):  # clients from 23 on leave building to a plugin
            return "its client has no working buildx, without which it can't build: install that plugin"
        return silent

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Build an image; the daemon keeps it."""
        digest = answer_of(lambda written: self._client.build(self._arguments(recipe, written), recipe, watch))
        if not DIGEST.fullmatch(digest):
            raise BuildFailed(
                f"docker built `{recipe.reference}` and did not keep it",
                hint="choose a builder that shares the images of the daemon: `docker buildx use default`",
            )
        return Image(digest=digest, key=recipe.labels.get(KEY_LABEL, ""), place=self.name, built=True)

    def _arguments(self, recipe: Recipe, written: Path) -> list[str]:
        return [
            *("build", "--progress", "plain", "--platform", recipe.platform),
            *("--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}"),
            *(("--network", self._network) if self._network else ()),
            *(("--no-cache",) if recipe.fresh else ()),
            *labels_and_secrets(recipe),
            *("--iidfile", str(written), "--tag", recipe.reference),
            *("--file", str(recipe.dockerfile), str(recipe.folder)),
        ]

    def find(self, reference: str) -> Image | None:
        """Return what the daemon has under a name, or None."""
        found = self._inspect(reference)
        if found is None:
            return None
        return image_in(found, self.name, ("Id",), ("Config", "Labels"))

    def _inspect(self, reference: str) -> Mapping[str, object] | None:
        try:
            printed = self._client.ask("image", "inspect", "--format", "{{json .}}", reference)
        except CommandExited as error:
            if "no such image" in error.completed.stderr.lower():
                return None
            raise
        return plain.table(json.loads(printed))

    def load(self, archive: Path, reference: str, watch: Watch) -> Image:
        """Take an image out of an archive."""
        self._client.load(["load", "--quiet", "--input", str(archive)], reference, watch)
        found = self.find(reference)
        if found is None:
            raise OutsideFailed(f"{self.name} loaded `{reference}` and does not have it", hint=AGAIN)
        return replace(found, built=True)

    def push(self, reference: str, watch: Watch) -> Image:
        """Send an image to its registry, with the logins of Docker's configuration."""
        self._client.push(["push", reference], reference, watch)
        found = self._inspect(reference) or {}
        name = reference.rpartition(":")[0]
        for pushed in plain.rows(found, "RepoDigests"):
            repository, _, digest = str(pushed).partition("@")
            if repository == name and DIGEST.fullmatch(digest):
                key = plain.texts(found, "Config", "Labels").get(KEY_LABEL, "")
                return Image(digest=digest, key=key, place="registry", built=True)
        raise OutsideFailed(f"docker pushed `{reference}` and does not know its digest", hint=AGAIN)


def labels_and_secrets(recipe: Recipe) -> Iterator[str]:
    """Return the arguments that Docker, Podman and Buildah have in common."""
    for name, value in recipe.labels.items():
        yield from ("--label", f"{name}={value}")
    for name, file in recipe.secrets.items():
        yield from ("--secret", f"id={name},src={file}")

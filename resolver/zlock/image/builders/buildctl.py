"""A BuildKit of one's own, near or far, through `buildctl`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import EPOCH, Image, ImageBuildFailed, Recipe
from zlock.image.builders.engine import Client, answer_of
from zlock.image.plan import KEY_LABEL
from zlock.image.reading.sources import OpenImage
from zlock.model import plain
from zlock.model.reference import is_digest
from zlock.process import Watch

TLS_FOLDER = "ZLOCK_BUILDKIT_TLS"
"""The variable with the folder of `ca.pem`, `cert.pem` and `key.pem`: `buildctl` takes it as an option only."""


class Buildctl:
    """The daemon at `BUILDKIT_HOST`; it keeps no images, so it pushes each as it is built."""

    name = "buildctl"
    stores = False

    def __init__(self, environ: Mapping[str, str], network: str = "") -> None:
        self._client = Client("buildctl", environ)
        self._network = network
        self._host = environ.get("BUILDKIT_HOST", "")
        tls = environ.get(TLS_FOLDER)
        self._connection = ("--tlsdir", tls) if tls else ()
        self._pushed: dict[str, Image] = {}

    def trouble(self) -> str:
        """Return why it can't be used, or empty."""
        if not self._host:
            return "`BUILDKIT_HOST` names no daemon"
        return self._client.trouble(*self._connection, "debug", "workers")

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Build an image and push it; the daemon writes the tag last."""
        text = answer_of(lambda written: self._client.build(self._arguments(recipe, written), recipe, watch))
        digest = plain.texts(json.loads(text or "{}")).get("containerimage.digest", "")
        if not is_digest(digest):
            raise ImageBuildFailed(f"buildctl built `{recipe.reference}` and does not know its digest")
        key = recipe.labels.get(KEY_LABEL, "")
        image = Image(digest=digest, key=key, place="registry", built=True)
        self._pushed[recipe.reference] = image
        return image

    def _arguments(self, recipe: Recipe, written: Path) -> list[str]:
        output = f"type=image,name={recipe.reference},push=true,rewrite-timestamp=true"
        return [
            *self._connection,
            *("build", "--progress", "plain", "--frontend", "dockerfile.v0"),
            *("--local", f"context={recipe.folder}", "--local", f"dockerfile={recipe.dockerfile.parent}"),
            *("--opt", f"filename={recipe.dockerfile.name}", "--opt", f"platform={recipe.platform}"),
            *("--opt", f"build-arg:SOURCE_DATE_EPOCH={EPOCH}"),
            *(("--opt", f"force-network-mode={self._network}") if self._network else ()),
            *(("--allow", "network.host") if self._network == "host" else ()),
            *(("--no-cache",) if recipe.fresh else ()),
            *(word for name, value in recipe.labels.items() for word in ("--opt", f"label:{name}={value}")),
            *(word for name, file in recipe.secrets.items() for word in ("--secret", f"id={name},src={file}")),
            *("--output", output, "--metadata-file", str(written)),
        ]

    def find(self, reference: str) -> Image | None:
        """Return what this run pushed under a name: there is no store to ask."""
        return self._pushed.get(reference)

    def take_out(self, reference: str, platform: str, folder: Path) -> OpenImage | None:  # noqa: ARG002 - it keeps none
        """Return None: there is no store."""
        return None

    def push(self, reference: str, watch: Watch) -> Image:  # noqa: ARG002 - it is there
        """Return what was pushed when it was built."""
        image = self._pushed.get(reference)
        if image is None:
            raise OutsideFailed(f"buildctl has not built `{reference}`", hint="it pushes only what it builds")
        return image

    def load(self, archive: Path, reference: str, watch: Watch) -> Image:  # noqa: ARG002 - it keeps none
        """Take no image: there is no store."""
        raise OutsideFailed(f"buildctl has no store for `{reference}`", hint="name another builder, or add `--push`")

"""What a pipeline file declares, as values."""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from zlock.settings.docker import DockerSettings
from zlock.settings.frameworks import FRAMEWORKS, Framework
from zlock.settings.location import Location

SCRIPT = "script"
"""The `maker` of what stands for a script with inline metadata."""


class DeclaredStep(Struct, frozen=True, kw_only=True):
    """A step that a pipeline file declares.

    Attributes:
        name: Its name, unchecked.
        settings: Its own settings over those of the pipelines that call it.
        place: Where its function is defined, the file absolute; the line is that of the first decorator.
    """

    name: str
    settings: DockerSettings
    place: Location


class DeclaredPipeline(Struct, frozen=True, kw_only=True):
    """What a pipeline file declares.

    Attributes:
        name: The pipeline's name, unchecked; None where the file holds only steps.
        settings: The pipeline's own settings.
        steps: In the order of their first call.
        place: Where the pipeline is defined, as for a step.
        files: The files of the user's that were imported or configure the run, absolute and sorted.
        reference: The file that was asked for, absolute; the pipeline may come from another one.
        asked: The name in it that was asked for; empty for the only one.
        pipelines: The names of all pipelines in it.
        maker: Whose pipelines they are: `zlock`, or the package of a framework; `SCRIPT` for a script.
        defaults: Settings that lie below all others, for its steps alone.
        requires: What the framework requires to be in every image.
        config: The file that configures the run, absolute; empty for none.
        own_image: The step that is none, but the pipeline itself, which runs in an image too; empty for none.
        notes: What a person who locks it should know.
    """

    name: str | None
    settings: DockerSettings
    steps: tuple[DeclaredStep, ...]
    place: Location
    files: tuple[str, ...] = ()
    reference: str = ""
    asked: str = ""
    pipelines: tuple[str, ...] = ()
    maker: str = "zlock"
    defaults: DockerSettings = field(default_factory=DockerSettings)
    requires: tuple[str, ...] = ()
    config: str = ""
    own_image: str = ""
    notes: tuple[str, ...] = ()

    @property
    def framework(self) -> Framework | None:
        """The framework whose pipelines they are; None for zlock's own, and for a script."""
        return next((one for one in FRAMEWORKS if one.package == self.maker), None)

    def with_own_image(self) -> DeclaredPipeline:
        """Return it with the pipeline itself as one more step; its name tells it from a step of the same name."""
        if self.own_image or self.name is None:
            return self
        name = f"{self.name}-pipeline" if self.name in {step.name for step in self.steps} else self.name
        own = DeclaredStep(name=name, settings=self.settings, place=self.place)
        return replace(self, steps=(*self.steps, own), own_image=name)

"""What the child process asks of whoever knows the objects of pipelines and steps: zlock's own, or a framework's.

The child runs with any interpreter that has the framework, so what is imported here and by readers for frameworks is
the standard library alone, and the syntax that of Python 3.10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from zlock.errors import ZlockError
from zlock.settings.location import Location, display

PROTOCOL = 7
"""The version of what a child writes; a zlock with another one is as good as none."""

Stated = Mapping[str, Any]
"""Settings by their names, as JSON has them."""


class Replaced(NamedTuple):
    """What a setting asks for in vain, as one that is stated closer to the step replaces it.

    Attributes:
        setting: The name of both.
        asked: The items of a list, or the path of a requirements file; only what is no longer asked for.
        place: Where it is stated.
        by: Where that is stated which replaces it.
    """

    setting: str
    asked: tuple[str, ...] | str
    place: Location | None
    by: Location | None


class SettingsDocument(NamedTuple):
    """Settings on their way out of the child process.

    Attributes:
        values: Those that are set.
        places: Where.
        replaced: What they ask for instead of others.
    """

    values: Stated
    places: Mapping[str, Location]
    replaced: Sequence[Replaced] = ()


NOT_SET = SettingsDocument({}, {})
"""Settings of which none is set."""


class FileQuestion(NamedTuple):
    """What the parent asks.

    Attributes:
        file: The pipeline file, absolute.
        name: The pipeline or step in it; empty for the only one.
        project: The project folder, absolute.
        config: A file that configures the run, absolute; empty for none.
        interpreter: The project's interpreter, which zlock's own may stand in for.
        result: Where the document goes.
    """

    file: str
    name: str
    project: str
    config: str
    interpreter: str
    result: str

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        return display(self.file)


class Declared(Protocol):
    """A pipeline or a step, whoever made it."""

    @property
    def name(self) -> str:
        """Its name."""


class Told(NamedTuple):
    """An error, as the child writes it: its class, and each line of its context with the place that it is about."""

    kind: str
    message: str
    context: Sequence[tuple[str, str, int | None]]
    hint: str


class ReadStep(NamedTuple):
    """A step as its pipeline calls it."""

    name: str
    place: Location
    settings: SettingsDocument


class Read(NamedTuple):
    """What was read of a pipeline, or of steps without one.

    Attributes:
        place: Where the pipeline's function is defined.
        settings: Its own settings, as those of a step.
        steps: In the order of their first call.
        defaults: Settings that lie below all others, for these steps alone.
        requires: What the framework itself requires to be in the images.
        config: The file that configures the run, absolute; empty for none.
        runs_itself: Whether the pipeline itself runs in an image too.
        notes: What a person should know.
    """

    place: Location
    settings: SettingsDocument
    steps: Sequence[ReadStep]
    defaults: SettingsDocument = NOT_SET
    requires: Sequence[str] = ()
    config: str = ""
    runs_itself: bool = False
    notes: Sequence[str] = ()


class Reader(Protocol):
    """Knows the objects of one maker."""

    MAKER: str
    """Who made the objects, as `import` names it."""

    def pipelines(self, names: Mapping[str, object]) -> Mapping[str, Declared]:
        """Return those of a module's names that are pipelines."""

    def steps(self, names: Mapping[str, object]) -> Mapping[str, Declared]:
        """Return those of a module's names that are steps."""

    def module_of(self, declared: Any) -> str | None:
        """Return the name of the module that defines a pipeline or a step."""

    def read(self, pipeline: Any | None, steps: Sequence[Any], question: FileQuestion) -> Read:
        """Return what a pipeline declares, or what steps do where there is none."""

    def explained(self, error: BaseException, question: FileQuestion) -> ZlockError | None:
        """Say what is wrong in the maker's words; None where the maker has no part in it."""

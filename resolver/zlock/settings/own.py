"""Reads the pipelines and steps of zlock's own decorators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zlock.errors import InvalidPipeline, ZlockError
from zlock.settings.docker import DockerSettings
from zlock.settings.location import Location
from zlock.settings.pipeline import Pipeline, Step
from zlock.settings.reader import FileQuestion, Read, ReadStep

MAKER = "zlock"

_Pipeline = Pipeline[..., object]
_Step = Step[..., object]


def pipelines(names: Mapping[str, object]) -> dict[str, _Pipeline]:
    """Return those of a module's names that are pipelines."""
    return {name: found for name, found in names.items() if isinstance(found, Pipeline)}


def steps(names: Mapping[str, object]) -> dict[str, _Step]:
    """Return those of a module's names that are steps."""
    return {name: found for name, found in names.items() if isinstance(found, Step)}


def module_of(declared: object) -> str | None:
    """Return the name of the module that defines a pipeline or a step."""
    return getattr(declared, "__module__", None)


def read(pipeline: _Pipeline | None, chosen: Sequence[_Step], question: FileQuestion) -> Read:
    """Call a pipeline once, with placeholders, and return what it calls.

    Raises:
        InvalidPipeline: There is a file that configures the run.
    """
    if question.config:
        raise InvalidPipeline(
            f"`--config` is for pipelines of a framework, and `{question.shown}` holds zlock's own",
            hint="leave `--config` out; what differs between runs is a default value of the pipeline's parameters",
        )

    # a pipeline around single steps, so that one rule holds for steps of the same name
    def call() -> list[object]:
        return [step() for step in chosen]

    around: _Pipeline = pipeline or Pipeline(call, name="steps", settings=DockerSettings())
    return Read(
        place=Location(question.file, 1) if pipeline is None else pipeline.place,
        settings=around.settings.document(),
        steps=[ReadStep(step.name, step.place, step.settings.document()) for step in around.steps()],
    )


def explained(_error: BaseException, _question: FileQuestion) -> ZlockError | None:
    """Say nothing: the errors of zlock's own decorators say it themselves."""
    return None

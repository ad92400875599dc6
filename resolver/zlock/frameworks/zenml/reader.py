"""Reads ZenML's pipelines and steps, in the process of the pipeline file.

Settings are merged by ZenML itself, in the way its compiler does, but with no stack and no server.
This module needs the standard library and ZenML alone, on Python 3.10 too.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zlock.errors import Collector, InvalidPipeline, Located
from zlock.frameworks.zenml.refused import explained, invalid
from zlock.frameworks.zenml.run_file import NO_RUN, RunFile, check_run, check_steps
from zlock.frameworks.zenml.settings import DEFAULTS, replaced, translated
from zlock.settings.location import Location, display
from zlock.settings.reader import NOT_SET, FileQuestion, Read, ReadStep, SettingsDocument, Stated
from zlock.wording import counted, did_you_mean, listed

if TYPE_CHECKING:
    from zenml.config.base_settings import BaseSettings
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.pipelines.pipeline_definition import Pipeline
    from zenml.steps import BaseStep
    from zenml.steps.step_invocation import StepInvocation

__all__ = ["MAKER", "explained", "module_of", "pipelines", "read", "steps"]

MAKER = "zenml"

OLDEST = (0, 95)
"""The first version whose settings can be merged as they are here."""


def pipelines(names: Mapping[str, object]) -> dict[str, Pipeline]:
    """Return those of a module's names that are pipelines."""
    from zenml.pipelines.pipeline_definition import Pipeline

    return {name: found for name, found in names.items() if isinstance(found, Pipeline)}


def steps(names: Mapping[str, object]) -> dict[str, BaseStep]:
    """Return those of a module's names that are steps."""
    from zenml.steps import BaseStep

    return {name: found for name, found in names.items() if isinstance(found, BaseStep)}


def module_of(declared: Pipeline | BaseStep) -> str | None:
    """Return the name of the module that defines a pipeline or a step."""
    return getattr(inspect.unwrap(declared.entrypoint), "__module__", None)


def read(pipeline: Pipeline | None, chosen: Sequence[BaseStep], question: FileQuestion) -> Read:
    """Return what a pipeline declares, or what steps do where there is none.

    Raises:
        InvalidPipeline: ZenML is too old, parameters are missing, or the configuration of the run does not fit.
        InvalidConfiguration: Settings are wrong (`Problems` for several mistakes).
    """
    _check_version(question)
    if pipeline is None:
        if question.config:
            raise InvalidPipeline(
                f"`--config` configures a run of a pipeline, and `{question.shown}` holds steps alone",
                hint="name the file of the pipeline",
            )
        return _read_steps([(step.name, step, _settings_of(step.configuration)) for step in chosen], {}, question)
    stated, pipeline, run, file = _configured(pipeline, question)
    invocations = dict(pipeline.invocations)
    check_steps(run.steps or {}, invocations, file)
    with pipeline.__suppress_configure_warnings__():
        pipeline.configure(settings=run.settings)
    merged = [
        (name, invocation.step, _merged(invocation, pipeline, (run.steps or {}).get(name)))
        for name, invocation in invocations.items()
    ]
    found = _read_steps(merged, _settings_of(pipeline.configuration), question, of=pipeline, file=file)
    own, notes = _notes_of_own_image(found, pipeline), [*file.notes]
    if not invocations and not pipeline.is_dynamic:
        notes.append(
            f"`{pipeline.name}` calls no step, and ZenML runs no such pipeline: locked is what itself is set to"
        )
    return found._replace(config=stated, runs_itself=bool(own), notes=[*notes, *found.notes, *own])


def _check_version(question: FileQuestion) -> None:
    import zenml

    version = tuple(int(part) for part in zenml.__version__.split(".")[:2])
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise InvalidPipeline(
            f"zenml {zenml.__version__} is too old: its pipelines can be locked from {oldest} on",
            context=[f"installed for `{display(sys.executable)}`"],
            hint=f"install `zenml>={oldest}` there, or lock with zlock's own decorators in `{question.shown}`",
        )


def _configured(pipeline: Pipeline, question: FileQuestion) -> tuple[str, Pipeline, PipelineRunConfiguration, RunFile]:
    """Prepare a pipeline as a run does; return the file that configures the run, it, and what that says."""
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.utils import env_utils

    run_args = pipeline._run_args
    stated = question.config or run_args.get("config_path") or ""
    read_file = check_run(str(Path.cwd() / stated)) if stated else NO_RUN
    if question.config:
        pipeline = pipeline.with_options(config_path=question.config)
    if missing := pipeline.missing_parameters:
        raise InvalidPipeline(
            f"the pipeline `{pipeline.name}` needs {counted(len(missing), 'parameter')}: {listed(sorted(missing))}",
            context=[Located(f"defined at {(place := _place(pipeline.entrypoint))}", place)],
            hint="state them under `parameters` in a YAML file, named with `--config`, or give them default values",
        )
    pipeline.prepare()
    file = pipeline._parse_config_file(stated, matcher=list(PipelineRunConfiguration.model_fields))
    in_code = {"steps": run_args["step_configurations"]} if "step_configurations" in run_args else {}
    run = PipelineRunConfiguration(**{**file, **in_code})
    run = env_utils.substitute_env_variable_placeholders(run)
    return str(Path.cwd() / stated) if stated else "", pipeline, run, read_file


def _merged(invocation: StepInvocation, pipeline: Pipeline, run: Any) -> Stated:
    """Return the settings of a step as ZenML's compiler merges them."""
    from zenml.config.step_configurations import StepConfiguration

    step = copy.deepcopy(invocation.step)
    with step._suspend_dynamic_configuration():
        if run:
            step._apply_configuration(run, runtime_parameters=invocation.parameters)
        step._merge_dynamic_configuration()
    own = StepConfiguration.model_validate(step.configuration.model_dump())
    return _settings_of(own.apply_pipeline_configuration(pipeline.configuration, exclude_hook_sources=True))


def _settings_of(configuration: Any) -> Stated:
    """Return what is stated for images, by the names and in the values of ZenML's class, unknown names too."""
    from zenml.utils import env_utils

    stated: BaseSettings | None = configuration.settings.get("docker")
    values = {} if stated is None else stated.model_dump(exclude_unset=True)
    return dict(env_utils.substitute_env_variable_placeholders(values))


def _read_steps(
    merged: Sequence[tuple[str, BaseStep, Stated]],
    around: Stated,
    question: FileQuestion,
    of: Pipeline | None = None,
    file: RunFile = NO_RUN,
) -> Read:
    import zenml

    problems = Collector()
    notes: list[str] = []
    found: list[ReadStep] = []
    place = Location(question.file, 1) if of is None else _place(of.entrypoint)
    settings = NOT_SET
    of_pipeline = {name: file.docker(name) or place for name in around}
    with problems:
        settings = _document(around, of_pipeline, place, notes)
    for name, step, values in merged:
        where = _place(step.entrypoint)
        inherited = {one: of_pipeline[one] for one in around if values.get(one) == around[one]}
        places = {one: file.docker(one, name) or inherited.get(one, where) for one in values}
        places |= {
            f"{one}.{key.upper()}": of_pipeline[one]  # as `translated` spells the names of variables
            for one in ("environment", "runtime_environment")
            for key, value in around.get(one, {}).items()
            if values.get(one, {}).get(key) == value
        }
        with problems:
            own = _document(values, places, where, notes)
            found.append(ReadStep(name, where, own._replace(replaced=replaced(settings, own))))
    problems.raise_if_any()
    return Read(
        place=place,
        settings=settings,
        steps=found,
        defaults=SettingsDocument(DEFAULTS, {}),
        requires=[f"zenml=={zenml.__version__}"],
        notes=list(dict.fromkeys(notes)),
    )


def _document(values: Stated, places: Mapping[str, Location], around: Location, notes: list[str]) -> SettingsDocument:
    """Check settings by ZenML's own class.

    Args:
        values: The settings, by ZenML's names.
        places: Where each is stated, as far as that is known.
        around: Where the step or the pipeline is.
        notes: What is left out is added here.
    """
    from pydantic import ValidationError
    from zenml.config import DockerSettings

    known = {name: value for name, value in values.items() if name in DockerSettings.model_fields}
    for name in (name for name in values if name not in known):
        near = did_you_mean(name, DockerSettings.model_fields)
        what = f"ZenML ignores `{name}`, {_stated(places[name])}, which its `DockerSettings` don't have"
        notes.append(f"{what}; {near}".rstrip("; "))
    try:
        checked = DockerSettings.model_validate(known)
    except ValidationError as error:
        wrong = [places.get(str(one["loc"][0]), around) if one["loc"] else around for one in error.errors()]
        raise invalid(error, [Located(_stated(one), one) for one in dict.fromkeys(wrong)]) from error
    stated = checked.model_dump(mode="json", exclude_unset=True)
    detects = not checked.disable_automatic_requirements_detection
    made = translated(stated, detects=detects, place=around, notes=notes, places=places)
    return SettingsDocument(made, {**dict.fromkeys(made, around), **places})


def _stated(place: Location) -> str:
    """Say where a setting is stated: of one in code, only the step or pipeline is known that it is for."""
    return f"stated {'for' if place.file.endswith('.py') else 'in'} {place}"


def _place(function: Any) -> Location:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Location(code.co_filename, code.co_firstlineno) if code is not None else Location("<unknown>", None)


def _notes_of_own_image(found: Read, pipeline: Pipeline) -> list[str]:
    """Say why a pipeline itself runs in an image, where it does.

    A dynamic one decides in there what its steps are; else an orchestrator may be set to it.
    """
    if pipeline.is_dynamic:
        names = listed(step.name for step in found.steps) if found.steps else "none are named"
        image = f"`{pipeline.name}` is dynamic: locked are the image that it runs in itself"
        return [f"{image}, and the steps that its `depends_on` names: {names}"]
    settings = pipeline.configuration.settings.items()
    of_orchestrators = [value for name, value in settings if name.partition(".")[0] == "orchestrator"]
    if any(getattr(value, "always_build_pipeline_image", False) for value in of_orchestrators):
        return [f"`{pipeline.name}` itself runs in an image too, as `always_build_pipeline_image` is set"]
    return []

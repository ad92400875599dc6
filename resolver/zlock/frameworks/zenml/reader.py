"""Reads ZenML's pipelines and steps, in the process of the pipeline file.

Settings are merged by ZenML itself, in the way its compiler does, but with no stack and no server.
This module needs the standard library and ZenML alone, on Python 3.10 too.
"""

from __future__ import annotations

import copy
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zlock.errors import Collector, InvalidConfiguration, InvalidPipeline, Located, ZlockError
from zlock.frameworks.zenml.settings import DEFAULTS, translated
from zlock.settings.place import Place, display
from zlock.settings.reader import Question, Read, ReadStep
from zlock.wording import counted, did_you_mean, kind, listed

if TYPE_CHECKING:
    from zenml.config.base_settings import BaseSettings
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.pipelines.pipeline_definition import Pipeline
    from zenml.steps import BaseStep
    from zenml.steps.step_invocation import StepInvocation

MAKER = "zenml"

OLDEST = (0, 95)
"""The first version whose settings can be merged as they are here."""

_STORE = "none://zlock"
_IN_STORE = ("zen_store", "_configure_store", "active_stack", "active_stack_model", "zen_stores")


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


def read(pipeline: Pipeline | None, chosen: Sequence[BaseStep], question: Question) -> Read:
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
    stated, pipeline, run = _configured(pipeline, question)
    invocations = dict(pipeline.invocations)
    _check_steps(run, invocations, stated)
    with pipeline.__suppress_configure_warnings__():
        pipeline.configure(settings=run.settings)
    merged = [
        (name, invocation.step, _merged(invocation, pipeline, (run.steps or {}).get(name)))
        for name, invocation in invocations.items()
    ]
    found = _read_steps(merged, _settings_of(pipeline.configuration), question, of=pipeline)
    notes = [*found.notes, *_notes_of_own_image(found, pipeline)]
    return found._replace(config=stated, runs_itself=len(notes) > len(found.notes), notes=notes)


def _check_version(question: Question) -> None:
    import zenml

    version = tuple(int(part) for part in zenml.__version__.split(".")[:2])
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise InvalidPipeline(
            f"zenml {zenml.__version__} is too old: its pipelines can be locked from {oldest} on",
            context=[f"installed for `{display(sys.executable)}`"],
            hint=f"install `zenml>={oldest}` there, or lock with zlock's own decorators in `{question.shown}`",
        )


def _configured(pipeline: Pipeline, question: Question) -> tuple[str, Pipeline, PipelineRunConfiguration]:
    """Prepare a pipeline as a run does, and return it with the file that configures the run and what that says."""
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.utils import env_utils

    run_args = pipeline._run_args
    stated = question.config or run_args.get("config_path") or ""
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
    return str(Path.cwd() / stated) if stated else "", pipeline, run


def _check_steps(run: PipelineRunConfiguration, invocations: Mapping[str, StepInvocation], stated: str) -> None:
    problems = Collector()
    for name in (run.steps or {}).keys() - invocations.keys():
        hint = did_you_mean(name, invocations) or f"its steps are {listed(invocations)}"
        message = f"`steps.{name}` is configured, and the pipeline calls no step of that name"
        problems.add(
            InvalidConfiguration(message, context=[f"stated in {display(stated)}"] if stated else [], hint=hint)
        )
    problems.raise_if_any()


def _merged(invocation: StepInvocation, pipeline: Pipeline, run: Any) -> Mapping[str, Any]:
    """Return the settings of a step as ZenML's compiler merges them."""
    from zenml.config.step_configurations import StepConfiguration

    step = copy.deepcopy(invocation.step)
    with step._suspend_dynamic_configuration():
        if run:
            step._apply_configuration(run, runtime_parameters=invocation.parameters)
        step._merge_dynamic_configuration()
    own = StepConfiguration.model_validate(step.configuration.model_dump())
    return _settings_of(own.apply_pipeline_configuration(pipeline.configuration, exclude_hook_sources=True))


def _settings_of(configuration: Any) -> Mapping[str, Any]:
    """Return what is stated for images, by the names and in the values of ZenML's class, unknown names too."""
    from zenml.utils import env_utils

    stated: BaseSettings | None = configuration.settings.get("docker")
    values = {} if stated is None else stated.model_dump(exclude_unset=True)
    return dict(env_utils.substitute_env_variable_placeholders(values))


def _read_steps(
    merged: Sequence[tuple[str, BaseStep, Mapping[str, Any]]],
    around: Mapping[str, Any],
    question: Question,
    of: Pipeline | None = None,
) -> Read:
    import zenml

    problems = Collector()
    notes: list[str] = []
    found: list[ReadStep] = []
    place = Place(question.file, 1) if of is None else _place(of.entrypoint)
    settings: Mapping[str, Any] = {}
    with problems:
        settings = _document(around, place, notes)
    for name, step, values in merged:
        with problems:
            where = _place(step.entrypoint)
            found.append(ReadStep(name, where, _document(values, where, notes)))
    problems.raise_if_any()
    return Read(
        place=place,
        settings=settings,
        steps=found,
        defaults={"values": DEFAULTS, "places": {}, "replaced": []},
        requires=[f"zenml=={zenml.__version__}"],
        notes=list(dict.fromkeys(notes)),
    )


def _document(values: Mapping[str, Any], place: Place, notes: list[str]) -> Mapping[str, Any]:
    """Check settings by ZenML's own class, and return them as `SettingsDocument` has them."""
    from pydantic import ValidationError
    from zenml.config import DockerSettings

    known = {name: value for name, value in values.items() if name in DockerSettings.model_fields}
    for name in values.keys() - known.keys():
        near = did_you_mean(name, DockerSettings.model_fields)
        notes.append(f"ZenML ignores `{name}`, which its `DockerSettings` don't have; {near}".rstrip("; "))
    try:
        checked = DockerSettings.model_validate(known)
    except ValidationError as error:
        raise _invalid(error, place) from error
    stated = checked.model_dump(mode="json", exclude_unset=True)
    detects = not checked.disable_automatic_requirements_detection
    values = translated(stated, detects=detects, place=place, notes=notes)
    return {"values": values, "places": dict.fromkeys(values, place), "replaced": []}


def _place(function: Any) -> Place:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Place(code.co_filename, code.co_firstlineno) if code is not None else Place("<unknown>", None)


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


def explained(error: BaseException, question: Question) -> ZlockError | None:
    """Say what is wrong where ZenML refuses settings, or where the file needs a server or a stack."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError) and error.title.endswith(("Update", "Settings")):
        return _invalid(error, None)
    if _needs_store(error):
        return InvalidPipeline(
            f"`{question.shown}` needs a ZenML server or a stack while it is imported, and locking asks none",
            hint='ask it inside a step, or below `if __name__ == "__main__":`; a stack component can be named as text',
        )
    return None


def _needs_store(error: BaseException) -> bool:
    if _STORE in str(error):
        return True
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name in _IN_STORE or f"{os.sep}zen_stores{os.sep}" in code.co_filename:
            return True
        trace = trace.tb_next
    return False


def _invalid(error: Any, place: Place | None) -> InvalidConfiguration:
    """Say what ZenML's own classes found, each field once; zlock's settings among ZenML's are the wrong import."""
    found: dict[str, str] = {}
    hint = "correct it where it is stated"
    for one in error.errors(include_url=False):
        at = ".".join(str(part) for part in one["loc"] if str(part).isidentifier() and str(part) != "str")
        given = one.get("input")
        if type(given).__module__.startswith("zlock."):
            found[at] = "these are zlock's `DockerSettings`, and the decorator is ZenML's"
            hint = "import them from ZenML too: `from zenml.config import DockerSettings`"
        elif at in ("settings", "settings.docker"):
            found[at] = f"expected `DockerSettings` or a dict, got {kind(given)}"
            hint = 'write `settings={"docker": DockerSettings(...)}`'
        else:
            found.setdefault(at, one["msg"].removeprefix("Value error, "))
    message = "; ".join(f"`{at}`: {text}" if at else text for at, text in found.items())
    return InvalidConfiguration(
        message, context=[] if place is None else [Located(f"stated for {place}", place)], hint=hint
    )

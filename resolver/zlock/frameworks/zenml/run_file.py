"""The YAML file that configures a run, held against what ZenML reads of one, before ZenML does.

ZenML's own errors name neither the file nor, mostly, what is wrong in it, and what it does not know it ignores.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from zlock.errors import Collector, InvalidConfiguration, Located
from zlock.frameworks.zenml.refused import invalid
from zlock.settings.place import Place, display
from zlock.wording import did_you_mean, kind, listed


def check_run(file: str) -> list[str]:
    """Return notes on what ZenML ignores in a file that configures a run.

    Raises:
        InvalidConfiguration: It is not such a file.
    """
    from pydantic import ValidationError
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    found = _mapping(file)
    known = {name: value for name, value in found.items() if name in PipelineRunConfiguration.model_fields}
    try:
        PipelineRunConfiguration.model_validate(known)
    except ValidationError as error:
        raise invalid(error, [_stated_in(file)]) from error
    return list(_ignored(found, display(file)))


def check_steps(stated: Collection[str], called: Collection[str], file: str) -> None:
    """Refuse what is configured for steps that a pipeline does not call.

    Args:
        stated: The names of steps that are configured.
        called: Those of the pipeline's calls.
        file: Where they are configured; empty for in code.

    Raises:
        InvalidConfiguration: There is such a step (`Problems` for several).
    """
    problems = Collector()
    for name in [name for name in stated if name not in called]:
        hint = did_you_mean(name, called) or f"its steps are {listed(called)}"
        message = f"`steps.{name}` is configured, and the pipeline calls no step of that name"
        problems.add(InvalidConfiguration(message, context=[_stated_in(file)] if file else [], hint=hint))
    problems.raise_if_any()


def _mapping(file: str) -> Mapping[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1 if mark else None)
        why = getattr(error, "problem", None) or str(error)
        raise InvalidConfiguration(
            f"`{display(file)}` can't be read as YAML: {why}",
            context=[Located(str(place), place)] if mark else [],
            hint="correct it, or name another file with `--config`",
        ) from error
    if not isinstance(found, dict):
        what = "is empty" if found is None else f"holds {kind(found)}"
        raise InvalidConfiguration(
            f"`{display(file)}` {what}, and what configures a run is a mapping",
            hint="for example `parameters: {size: 3}`; where nothing is to be configured, leave `--config` out",
        )
    return found


def _ignored(found: Mapping[str, Any], shown: str) -> Iterator[str]:
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.config.step_configurations import StepConfigurationUpdate

    levels = [("", found, PipelineRunConfiguration.model_fields)]
    for name, step in (found.get("steps") or {}).items():
        levels.append((f"steps.{name}.", step or {}, StepConfigurationUpdate.model_fields))
    for above, stated, fields in levels:
        for name in stated:
            if name not in fields:
                near = did_you_mean(str(name), fields)
                yield f"ZenML ignores `{above}{name}` in {shown}, which it does not know; {near}".rstrip("; ")


def _stated_in(file: str) -> str:
    return f"stated in {display(file)}"

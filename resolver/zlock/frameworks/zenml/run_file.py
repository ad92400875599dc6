"""The YAML file that configures a run, held against what ZenML reads of one, before ZenML does.

ZenML's own errors name neither the file nor, mostly, what is wrong in it, and what it does not know it ignores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from zlock.errors import Collector, InvalidConfiguration, Located
from zlock.frameworks.zenml.refused import IN_YAML, invalid
from zlock.regular import read_regular
from zlock.settings.location import Location, display
from zlock.wording import did_you_mean, kind, listed

if TYPE_CHECKING:  # which is there where ZenML is
    import yaml


_LARGEST = 1 << 20  # bytes, for which PyYAML takes seconds
_MOST_VALUES = 100_000


class RunFile(NamedTuple):
    """A file that configures a run.

    Attributes:
        place: Tells where a key is stated, by the keys that lead to it and itself; None where that is not known. With
            `is_set`, a key without a value is not stated.
        notes: What ZenML ignores in it.
    """

    place: Callable[..., Location | None]
    notes: Sequence[str]

    def docker(self, name: str, step: str = "") -> Location | None:
        """Tell where a docker setting of a step is stated, or of the pipeline."""
        return self.place((*(("steps", step) if step else ()), "settings", "docker", name), is_set=True)


NO_RUN = RunFile(lambda *_, **__: None, ())


def check_run(file: str) -> RunFile:
    """Read what configures a run.

    Raises:
        InvalidConfiguration: It is not such a file.
    """
    from pydantic import ValidationError
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    found, place_of = _mapping(file)
    known = {name: value for name, value in found.items() if name in PipelineRunConfiguration.model_fields}
    try:
        PipelineRunConfiguration.model_validate(known)
    except ValidationError as error:
        at = tuple(str(part) for part in error.errors()[0]["loc"])
        place = next(filter(None, (place_of(at[:end]) for end in range(len(at), 0, -1))), Location(file, None))
        raise invalid(error, [Located(f"stated in {place}", place)], IN_YAML) from error
    return RunFile(place_of, list(_ignored(found, lambda keys: place_of(keys) or Location(file, None))))


def check_steps(stated: Collection[str], called: Collection[str], file: RunFile) -> None:
    """Refuse what is configured for steps that a pipeline does not call.

    Args:
        stated: The names of steps that are configured.
        called: Those of the pipeline's calls.
        file: What configures the run, in which they are stated unless they are in code.

    Raises:
        InvalidConfiguration: There is such a step (`Problems` for several).
    """
    problems = Collector()
    for name in [name for name in stated if name not in called]:
        hint = did_you_mean(name, called) or f"its steps are {listed(called)}"
        message = f"`steps.{name}` is configured, and the pipeline calls no step of that name"
        place = file.place(("steps", name))
        context = [Located(f"stated in {place}", place)] if place else []
        problems.add(InvalidConfiguration(message, context=context, hint=hint))
    problems.raise_if_any()


def _mapping(file: str) -> tuple[Mapping[str, Any], Callable[..., Location | None]]:
    import yaml

    try:
        text = read_regular(file, _LARGEST).decode()
        node = yaml.compose(text, yaml.SafeLoader)
        _check_size(node)
        found = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = Location(file, mark.line + 1 if mark else None)
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
    return found, partial(_place, node, file)


def _check_size(node: yaml.Node | None) -> None:
    if _size(node, {}) > _MOST_VALUES:
        raise ValueError("its aliases make more of it than zlock reads")


def _size(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Return how many values there are once each alias is what it stands for."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES  # what holds itself has no end
        rows = node.value if node and isinstance(node.value, list) else ()
        inside = (one for row in rows for one in (row if isinstance(row, tuple) else (row,)))
        known[id(node)] = 1 + sum(_size(one, known) for one in inside)
    return known[id(node)]


def _place(node: Any, file: str, keys: Sequence[str], *, is_set: bool = False) -> Location | None:
    """Return where the last of some keys is stated that lead to it; what is merged into a mapping is stated elsewhere.

    Aliases can make more of a mapping than there is room for, so no list of all keys is made.
    """
    place = None
    for name in keys:
        rows = node.value if node.id == "mapping" else ()
        row = next((row for row in reversed(rows) if str(row[0].value) == name), None)
        if row is None:
            return None
        place, node = Location(file, row[0].start_mark.line + 1), row[1]
    return None if is_set and node.tag.endswith(":null") else place


def _ignored(found: Mapping[str, Any], place: Callable[[Sequence[str]], Location]) -> Iterator[str]:
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.config.step_configurations import StepConfigurationUpdate

    levels: list[tuple[tuple[str, ...], Mapping[str, Any], Collection[str]]]
    levels = [((), found, PipelineRunConfiguration.model_fields)]
    for name, step in (found.get("steps") or {}).items():
        levels.append((("steps", str(name)), step or {}, StepConfigurationUpdate.model_fields))
    for above, stated, fields in levels:
        for name in stated:
            if name not in fields:
                at, near = (*above, str(name)), did_you_mean(str(name), fields)
                yield f"ZenML ignores `{'.'.join(at)}` in {place(at)}, which it does not know; {near}".rstrip("; ")

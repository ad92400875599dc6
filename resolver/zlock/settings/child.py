"""The process in which a pipeline file is imported, apart from zlock's own.

User code runs here, so anything may happen to this process; what it finds goes, as one JSON document,
to a file that its parent named. Standard output is the parent's standard error.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeVar

from zlock.errors import InvalidPipeline, Located, Problems, ZlockError
from zlock.model.conflict import conflicted_line
from zlock.redact import redact
from zlock.settings.docker import DockerSettings
from zlock.settings.pipeline import Pipeline, RecordedStep, Step
from zlock.settings.place import Place, display
from zlock.wording import did_you_mean

PROTOCOL = 3
"""The version of the document; a parent asks no child that has another."""

MODULE = "_zlock_pipeline_file"
"""The name under which the file is imported, so that its `__main__` part doesn't run."""

_FRAMES = 5

_Pipeline = Pipeline[..., object]
_Step = Step[..., object]
_Declared = TypeVar("_Declared", bound="_Pipeline | _Step")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What the parent asks.

    Attributes:
        file: The pipeline file, absolute.
        name: The pipeline or step in it; empty for the only one.
        project: The project folder, absolute.
        result: Where the document goes.
    """

    file: str
    name: str
    project: str
    result: str

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        return display(self.file)


def main(question: Question) -> None:
    """Answer one question, and end the process whatever threads the file has started."""
    own = os.getpid()
    try:
        document = answer(question)
    except KeyboardInterrupt:
        os._exit(130)
    if os.getpid() != own:  # a copy that the file has made of this process: one answer is enough
        os._exit(0)
    _write(question.result, {"protocol": PROTOCOL, **document})
    _end()


def answer(question: Question) -> dict[str, object]:
    """Import the file and describe what it declares, or say what is wrong."""
    try:
        module = _import(question)
        pipeline, steps = _declared(question, module)
        return {**_described(question, pipeline, steps), "pipelines": _pipelines(module)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # whatever user code raises is an answer
        return {"errors": [_to_json(found) for found in _explained(error, question)]}


def _import(question: Question) -> ModuleType:
    """Run the file as a module, with its folder and the project's first on the path."""
    for folder in dict.fromkeys((question.project, str(Path(question.file).parent))):
        if list(Path(folder).glob("packaging*")):
            import packaging.requirements  # noqa: F401  # before something of that name shadows it
        sys.path.insert(0, folder)
    sys.argv = [question.file]
    module = ModuleType(MODULE)
    module.__file__ = question.file
    sys.modules[MODULE] = module
    exec(_compiled(question), module.__dict__)  # noqa: S102  # running the user's file is what this process is for
    return module


def _compiled(question: Question) -> CodeType:
    try:
        return compile(Path(question.file).read_bytes(), question.file, "exec", dont_inherit=True)
    except OSError as error:
        raise InvalidPipeline(
            f"`{question.shown}` can't be read: {error.strerror}", hint="let your user read it"
        ) from error
    except ValueError as error:
        raise InvalidPipeline(
            f"`{question.shown}` is not a Python file: {error}", hint="save it as UTF-8 text"
        ) from error


def _declared(question: Question, module: ModuleType) -> tuple[_Pipeline | None, tuple[RecordedStep, ...]]:
    """Find the pipeline or the steps that are asked for; a pipeline is called once."""
    pipelines: dict[str, _Pipeline] = {
        name: found for name, found in vars(module).items() if isinstance(found, Pipeline)
    }
    steps: dict[str, _Step] = {name: found for name, found in vars(module).items() if isinstance(found, Step)}
    if pipelines:
        pipeline = _chosen(question, pipelines, steps)
        return pipeline, pipeline.steps()
    if not steps:
        message = f"`{question.shown}` holds no pipeline and no step"
        raise InvalidPipeline(
            message, hint="`@pipeline` and `@step` must be zlock's: `from zlock import pipeline, step`"
        )
    chosen = [_named(question, steps, "step")] if question.name else list(_own(steps).values())
    # a pipeline around them, so that one rule holds for steps of the same name
    return None, Pipeline(lambda: [step() for step in chosen], name=MODULE, settings=DockerSettings()).steps()


def _chosen(question: Question, pipelines: Mapping[str, _Pipeline], steps: Mapping[str, _Step]) -> _Pipeline:
    if question.name in {*steps, *(step.name for step in steps.values())} - {*pipelines}:
        message = f"`{question.name}` in `{question.shown}` is a step, and the file holds a pipeline"
        hint = f"name the pipeline, `{question.shown}:{next(iter(pipelines))}`, and choose the step with `--step`"
        raise InvalidPipeline(message, hint=hint)
    if question.name:
        return _named(question, pipelines, "pipeline")
    own = _own(pipelines)
    if len(own) == 1:
        return next(iter(own.values()))
    names = ", ".join(f"`{question.shown}:{name}`" for name in own)
    raise InvalidPipeline(f"`{question.shown}` holds {len(own)} pipelines", hint=f"name the one to take: {names}")


def _named(question: Question, known: Mapping[str, _Declared], kind: str) -> _Declared:
    """Find by variable, else by the declared name."""
    if question.name in known:
        return known[question.name]
    by_name = {found.name: found for found in known.values()}
    if question.name in by_name:
        return by_name[question.name]
    names = list(dict.fromkeys([*known, *by_name]))
    hint = did_you_mean(question.name, names) or f"it holds {', '.join(f'`{name}`' for name in names)}"
    raise InvalidPipeline(f"`{question.shown}` holds no {kind} `{question.name}`", hint=hint)


def _own(known: Mapping[str, _Declared]) -> dict[str, _Declared]:
    """Keep one variable for each, and only those defined in the file itself where there are any."""
    single = {id(found): name for name, found in reversed(list(known.items()))}
    names = [name for name in known if name in single.values()]
    here = [name for name in names if getattr(known[name], "__module__", None) == MODULE]
    return {name: known[name] for name in here or names}


def _described(question: Question, pipeline: _Pipeline | None, steps: tuple[RecordedStep, ...]) -> dict[str, object]:
    place = Place(question.file, 1) if pipeline is None else pipeline.place
    settings = DockerSettings() if pipeline is None else pipeline.settings
    return {
        "name": None if pipeline is None else pipeline.name,
        "place": list(place),
        "settings": settings.to_json(),
        "steps": [
            {"name": step.name, "place": list(step.place), "settings": step.settings.to_json()} for step in steps
        ],
        "files": sorted({question.file, *_imported(question)}),
    }


def _pipelines(module: ModuleType) -> list[str]:
    return sorted({found.name for found in vars(module).values() if isinstance(found, Pipeline)})


def _imported(question: Question) -> Iterator[str]:
    """List the user's own modules that the file has brought in."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and _is_users(file, question):
            yield str(Path(file).absolute())


def _is_users(file: str, question: Question) -> bool:
    """Tell whether a file lies in the project, and not in an environment or zlock."""
    path = Path(file)
    roots = (Path(question.project), Path(question.file).parent)
    foreign = (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1])
    installed = any(path.is_relative_to(root) for root in foreign) or "site-packages" in path.parts
    return any(path.is_relative_to(root) for root in roots) and not installed


def _explained(error: BaseException, question: Question) -> list[ZlockError]:
    """Turn whatever was raised into errors with the lines of user code that led there."""
    frames = _frames(error, question)
    if isinstance(error, Problems):
        return list(error.errors)
    if isinstance(error, ZlockError):
        error.context = error.context or frames
        return [error]
    if isinstance(error, SyntaxError):
        return [_syntax(error, frames)]
    if isinstance(error, SystemExit):
        hint = 'put what runs the pipeline under `if __name__ == "__main__":`'
        return [InvalidPipeline(f"`{question.shown}` calls `sys.exit`", context=frames, hint=hint)]
    return [InvalidPipeline(f"`{question.shown}` raises `{_summary(error)}`", context=frames, hint=_hint(error))]


_CORRECT = "correct that line; the interpreter of the project reads it"


def _syntax(error: SyntaxError, frames: tuple[str, ...]) -> InvalidPipeline:
    file = display(error.filename or "the file")
    line = f": {error.text.strip()}" if error.text else ""
    place = f"{file}:{error.lineno}" if error.lineno else file
    is_conflict = conflicted_line(error.text or "") is not None
    return InvalidPipeline(
        f"`{file}` is not valid Python: {error.msg}",
        context=[*frames, Located(f"{place}{line}", Place(error.filename or "", error.lineno))],
        hint="resolve the merge conflict in it first" if is_conflict else _CORRECT,
    )


def _summary(error: BaseException) -> str:
    try:
        text = str(error).strip().partition("\n")[0]
    except Exception:  # noqa: BLE001  # an exception of the user's own may fail at that, too
        text = ""
    name = type(error).__name__
    return redact(f"{name}: {text}" if text else name)


def _hint(error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    name = error.name.partition(".")[0]
    if name == "zenml":
        return "`DockerSettings`, `pipeline` and `step` can be imported from `zlock`"
    return f"install `{name}` for `{display(sys.executable)}`, or import it inside the steps that use it"


def _frames(error: BaseException, question: Question) -> tuple[str, ...]:
    stack = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in stack if _is_users(frame.filename, question)]
    places = [(Place(frame.filename, frame.lineno), frame) for frame in users[-_FRAMES:]]
    return tuple(Located(f"{place} in {frame.name}: {frame.line}", place) for place, frame in places)


def _to_json(error: ZlockError) -> dict[str, object]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "context": [(line, getattr(line, "file", ""), getattr(line, "line", None)) for line in error.context],
        "hint": error.hint,
    }


def _write(result: str, document: Mapping[str, object]) -> None:
    """Put the document in place as a whole, so that a killed process leaves none."""
    staged = Path(f"{result}.part")
    staged.write_text(json.dumps(document), encoding="utf-8")
    staged.replace(result)


def _end() -> None:
    """Run the exit functions, then go without waiting for threads of the user's."""
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001  # a plain exit would wait for those threads first
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)

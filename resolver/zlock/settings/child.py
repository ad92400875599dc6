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
from importlib import import_module
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

from zlock.errors import InvalidPipeline, Located, ZlockError
from zlock.model.conflict import conflicted_line
from zlock.pyproject.python_file import may_hold
from zlock.regular import read_named
from zlock.settings.frameworks import FRAMEWORKS, MAKERS
from zlock.settings.location import Location, display
from zlock.settings.names import step_name_of
from zlock.settings.reader import PROTOCOL, Declared, FileQuestion, Reader, Told
from zlock.wording import did_you_mean, listed

MODULE = "_zlock_pipeline_file"
"""The name under which the file is imported, so that its `__main__` part doesn't run."""

_FRAMES = 5

_READERS = {"zlock.settings.pipeline": "zlock.settings.own", **{one.package: one.reader for one in FRAMEWORKS}}
"""Who reads what a file declares, by a module that is imported if there is something to read."""


class _Held(NamedTuple):
    """What a module holds that one reader knows."""

    reader: Reader
    pipelines: Mapping[str, Declared]
    steps: Mapping[str, Declared]


def main(question: FileQuestion) -> None:
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


def answer(question: FileQuestion) -> dict[str, object]:
    """Import the file and describe what it declares, or say what is wrong."""
    try:
        _refuse_script(question)
        for framework in FRAMEWORKS:
            scratch = Path(question.result).parent
            os.environ.update({name: value.format(scratch=scratch) for name, value in framework.environ.items()})
            import_module(framework.before).prepare(question)
        module = _import(question)
        held = _held(question, module)
        return _described(question, held)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # whatever user code raises is an answer
        return {"errors": [_told(found) for found in _explained(error, question)]}


def _refuse_script(question: FileQuestion) -> None:
    """Refuse to run what holds no pipeline, such as a script that would begin to train."""
    file, project = Path(question.file), Path(question.project)
    installed = {Path(sys.prefix), Path(sys.base_prefix)}
    own = [path for path in map(Path, filter(None, sys.path)) if not installed & {*path.parents}]
    if may_hold(file, MAKERS, (file.parent, project, project / "src", *own), question.name):
        return
    shown = question.shown
    raise InvalidPipeline(
        f"`{shown}` is a script and not a pipeline: no function in it is decorated as a pipeline or a step, and it "
        "imports none from the project; it was not run",
        hint=f"state what it needs in the configuration as `[steps.{step_name_of(file.stem)}.docker]`, in place of "
        f"`pipeline`; a pipeline that it imports from a package is named: `{shown}:NAME`",
    )


def _readers() -> list[Reader]:
    return [import_module(reader) for made_by, reader in _READERS.items() if made_by in sys.modules]


def _import(question: FileQuestion) -> ModuleType:
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


def _compiled(question: FileQuestion) -> CodeType:
    data = read_named(Path(question.file), f"`{question.shown}`", InvalidPipeline)
    try:
        return compile(data, question.file, "exec", dont_inherit=True)
    except ValueError as error:
        raise InvalidPipeline(
            f"`{question.shown}` is not a Python file: {error}", hint="save it as UTF-8 text"
        ) from error


def _held(question: FileQuestion, module: ModuleType) -> _Held:
    """Return what the file holds, all of which is to be of one maker."""
    names = vars(module)
    every = [_Held(reader, reader.pipelines(names), reader.steps(names)) for reader in _readers()]
    found = [one for one in every if one.pipelines or one.steps]
    if not found:
        message = f"`{question.shown}` holds no pipeline and no step"
        makers = " or ".join(f"`from {one} import pipeline, step`" for one in MAKERS)
        raise InvalidPipeline(message, hint=f"`@pipeline` and `@step` must be {makers}")
    if len(found) > 1:
        own, other = found
        raise InvalidPipeline(
            f"`{question.shown}` mixes what `{own.reader.MAKER}` and `{other.reader.MAKER}` decorate",
            context=[f"of `{one.reader.MAKER}`: {listed([*one.pipelines, *one.steps])}" for one in found],
            hint=f"import `pipeline`, `step` and `DockerSettings` from `{other.reader.MAKER}` alone: zlock reads them",
        )
    return found[0]


def _described(question: FileQuestion, held: _Held) -> dict[str, object]:
    """Describe the pipeline or the steps that are asked for, as `ChildAnswer` of `zlock.settings.load` has it.

    A pipeline is called once.
    """
    reader = held.reader
    pipeline, steps = None, []
    if held.pipelines:
        pipeline = _chosen(question, held)
    else:
        named = [_named(question, held.steps, "step")] if question.name else None
        steps = named or list(_own(held.steps, reader).values())
    found = reader.read(pipeline, steps, question)
    return {
        "maker": reader.MAKER,
        "name": None if pipeline is None else pipeline.name,
        "files": sorted({question.file, *filter(None, [found.config]), *_imported(question)}),
        "pipelines": sorted({one.name for one in held.pipelines.values()}),
        "read": found,
    }


def _chosen(question: FileQuestion, held: _Held) -> Declared:
    pipelines = held.pipelines
    if question.name in {*held.steps, *(step.name for step in held.steps.values())} - {*pipelines}:
        message = f"`{question.name}` in `{question.shown}` is a step, and the file holds a pipeline"
        hint = f"name the pipeline, `{question.shown}:{next(iter(pipelines))}`, and choose the step with `--step`"
        raise InvalidPipeline(message, hint=hint)
    if question.name:
        return _named(question, pipelines, "pipeline")
    own = _own(pipelines, held.reader)
    if len(own) == 1:
        return next(iter(own.values()))
    names = ", ".join(f"`{question.shown}:{name}`" for name in own)
    raise InvalidPipeline(f"`{question.shown}` holds {len(own)} pipelines", hint=f"name the one to take: {names}")


def _named(question: FileQuestion, known: Mapping[str, Declared], kind: str) -> Declared:
    """Find by variable, else by the declared name."""
    if question.name in known:
        return known[question.name]
    by_name = {found.name: found for found in known.values()}
    if question.name in by_name:
        return by_name[question.name]
    names = list(dict.fromkeys([*known, *by_name]))
    hint = did_you_mean(question.name, names) or f"it holds {', '.join(f'`{name}`' for name in names)}"
    raise InvalidPipeline(f"`{question.shown}` holds no {kind} `{question.name}`", hint=hint)


def _own(known: Mapping[str, Declared], reader: Reader) -> dict[str, Declared]:
    """Keep one variable for each, and only those defined in the file itself where there are any."""
    single = {id(found): name for name, found in reversed(list(known.items()))}
    names = [name for name in known if name in single.values()]
    here = [name for name in names if reader.module_of(known[name]) == MODULE]
    return {name: known[name] for name in here or names}


def _imported(question: FileQuestion) -> Iterator[str]:
    """List the user's own modules that the file has brought in."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and _is_users(file, question):
            yield str(Path(file).absolute())


def _is_users(file: str, question: FileQuestion) -> bool:
    """Tell whether a file lies in the project, and not in an environment or zlock."""
    path = Path(file)
    roots = (Path(question.project), Path(question.file).parent)
    foreign = (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1])
    installed = any(path.is_relative_to(root) for root in foreign) or "site-packages" in path.parts
    return any(path.is_relative_to(root) for root in roots) and not installed


def _explained(error: BaseException, question: FileQuestion) -> list[ZlockError]:
    """Turn whatever was raised into errors with the lines of user code that led there."""
    frames = _frames(error, question)
    if isinstance(error, ZlockError):
        for one in error.each:
            one.context = one.context or frames
        return list(error.each)
    for reader in _readers():
        if found := reader.explained(error, question):
            found.context = (*frames, *found.context)
            return [found]
    if isinstance(error, SyntaxError):
        return [_syntax(error, frames)]
    if isinstance(error, SystemExit):
        hint = 'put what runs the pipeline under `if __name__ == "__main__":`'
        return [InvalidPipeline(f"`{question.shown}` calls `sys.exit`", context=frames, hint=hint)]
    is_bare = isinstance(error, ModuleNotFoundError) and error.name == "msgspec"  # which zlock requires
    what = "imports zlock, which is not installed there" if is_bare else f"raises `{_summary(error)}`"
    return [InvalidPipeline(f"`{question.shown}` {what}", context=frames, hint=_hint(error, question))]


_CORRECT = "correct that line; the interpreter of the project reads it"


def _syntax(error: SyntaxError, frames: tuple[str, ...]) -> InvalidPipeline:
    file = display(error.filename or "the file")
    line = f": {error.text.strip()}" if error.text else ""
    place = f"{file}:{error.lineno}" if error.lineno else file
    is_conflict = conflicted_line(error.text or "") is not None
    return InvalidPipeline(
        f"`{file}` is not valid Python: {error.msg}",
        context=[*frames, Located(f"{place}{line}", Location(error.filename or "", error.lineno))],
        hint="resolve the merge conflict in it first" if is_conflict else _CORRECT,
    )


def _summary(error: BaseException) -> str:
    try:
        text = str(error).strip().partition("\n")[0]
    except Exception:  # noqa: BLE001  # an exception of the user's own may fail at that, too
        text = ""
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _hint(error: BaseException, question: FileQuestion) -> str:
    for framework in FRAMEWORKS:
        if framework.package not in sys.modules and _passes(error, framework.package):
            return f"`{framework.package}` of `{display(sys.executable)}` can't be imported itself: install it again"
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "the file is run by itself: import what is beside it by its name from the project folder"
    return _of_missing(error.name, question) if isinstance(error, ModuleNotFoundError) and error.name else ""


def _of_missing(module: str, question: FileQuestion) -> str:
    """Return the way out where a module is not found."""
    name = module.partition(".")[0]
    if name == "msgspec":
        return "import `pipeline`, `step` and `DockerSettings` from the framework alone: zlock reads them"
    if any(name == framework.package for framework in FRAMEWORKS):
        python = display(question.interpreter)
        return (
            f"install `{name}` for the project's interpreter, `{python}`: `uv pip install --python {python} {name}`; "
            "another environment is taken from `VIRTUAL_ENV`"
        )
    for folder in (Path(question.project, name), Path(question.file).with_name(name)):
        if folder.is_dir():
            near = did_you_mean(module, [f"{name}.{path.stem}" for path in folder.glob("*.py")])
            return near or f"`{name}` is the folder `{display(str(folder))}`, which has no `{module}`"
    if os.path.abspath(question.interpreter) != os.path.abspath(sys.executable):  # noqa: PTH100 - links are kept
        python = display(question.interpreter)
        package = FRAMEWORKS[0].package
        return (
            f"`{python}` has neither zlock nor `{package}`, so zlock's own interpreter ran the file: for a pipeline of "
            f"ZenML, `uv pip install --python {python} {package}`"
        )
    return f"install `{name}` for `{display(sys.executable)}`, or import it inside the steps that use it"


def _passes(error: BaseException, package: str) -> bool:
    """Tell whether an error comes through an installed package."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(parts[-2:] == ("site-packages", package) for one in frames for parts in [Path(one.filename).parts[:-1]])


def _frames(error: BaseException, question: FileQuestion) -> tuple[str, ...]:
    stack = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in stack if _is_users(frame.filename, question)]
    places = [(Location(frame.filename, frame.lineno), frame) for frame in users[-_FRAMES:]]
    return tuple(Located(f"{place} in {frame.name}: {frame.line}", place) for place, frame in places)


def _told(error: ZlockError) -> Told:
    context = [(line, getattr(line, "file", ""), getattr(line, "line", None)) for line in error.context]
    return Told(type(error).__name__, str(error), context, error.hint)


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

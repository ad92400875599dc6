"""The decorators `@pipeline` and `@step`, which declare what is to be locked.

Calling a pipeline collects its steps and runs none of them: within it a step call gives a placeholder.
Outside a pipeline a step call runs the function. Arguments of the decorators that zlock doesn't know
belong to the framework that runs the pipeline.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Generic, ParamSpec, Self, TypeVar, cast, overload

from msgspec import Struct

from zlock import checks
from zlock.errors import Collector, InvalidConfiguration, InvalidPipeline, Located
from zlock.settings.declared import DeclaredStep
from zlock.settings.docker import DockerSettings
from zlock.settings.frameworks import FRAMEWORKS
from zlock.settings.location import Location, caller
from zlock.settings.placeholder import parameter, returned
from zlock.wording import did_you_mean, kind

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

_ARGUMENTS = ("name", "settings")
_NEAR = 0.75  # a misspelling; names that frameworks use, such as `tags`, are further away
_NOT_RUN = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class _Recording(Struct):
    """The steps seen so far, and the settings of the pipelines that are running, outermost first."""

    steps: dict[str, DeclaredStep] = {}
    around: list[DockerSettings] = []

    def add(self, step: DeclaredStep) -> None:
        known = self.steps.setdefault(step.name, step)
        if known.settings != step.settings:
            raise InvalidPipeline(
                f"two steps with different settings are named `{step.name}`",
                context=[f"defined at {known.place}", *([f"and at {step.place}"] if step.place != known.place else [])],
                hint='give one of them another name: `with_options(name="...")`, or `name=` in `@step`',
            )

    @contextmanager
    def inside(self, settings: DockerSettings) -> Iterator[None]:
        self.around.append(settings.over(self.around[-1]) if self.around else settings)
        try:
            yield
        finally:
            self.around.pop()


_recordings: list[_Recording] = []


class _Declared(Generic[P, R_co]):
    """What steps and pipelines have in common: a function, its name and settings."""

    decorator = ""
    __name__: str

    def __init__(self, function: Callable[P, R_co], *, name: str, settings: DockerSettings) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]  # what can be called are the subclasses
        self.function = function
        self.name = name
        self.settings = settings

    @classmethod
    def declare(cls, function: object, *, name: str | None, settings: DockerSettings | None) -> Self:
        """Make one from what a decorator stands over and was given."""
        if not callable(function) or isinstance(function, type):
            raise InvalidConfiguration(
                f"`{cls.decorator}` stands over {kind(function)}", context=_here(), hint="put it over a function"
            )
        own = name or getattr(function, "__name__", None)
        if own is None:
            raise InvalidConfiguration(
                f"`{cls.decorator}` needs a `name=` for a function without one",
                context=_here(),
                hint="write `@step(name=...)` or `@pipeline(name=...)`",
            )
        return cls(cast("Callable[P, R_co]", function), name=own, settings=settings or DockerSettings())

    def with_options(
        self, *, name: str | None = None, settings: Mapping[str, object] | None = None, **other: object
    ) -> Self:
        """Make another one with these options laid over its own."""
        given: dict[str, object] = {"name": name, "settings": settings, **other}
        new_name, new_settings = _options("with_options", given)
        laid = self.settings if new_settings is None else new_settings.over(self.settings)
        return type(self)(self.function, name=new_name or self.name, settings=laid)

    @property
    def place(self) -> Location:
        """Where the function is defined."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return Location(code.co_filename, code.co_firstlineno) if code is not None else Location("<unknown>", None)

    def __repr__(self) -> str:
        return f"<{self.decorator} {self.name}>"


class Step(_Declared[P, R_co]):
    """A function that becomes a unit with its own environment."""

    decorator = "@step"

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> R_co:
        """Record the step inside a pipeline; run the function elsewhere."""
        if not _recordings:
            return self.function(*arguments, **options)
        recording = _recordings[-1]
        laid = self.settings.over(recording.around[-1])
        recording.add(DeclaredStep(name=self.name, settings=laid, place=self.place))
        return cast("R_co", returned(self.name, self.function))


class Pipeline(_Declared[P, R_co]):
    """A function that calls steps; calling it collects them."""

    decorator = "@pipeline"

    def __init__(self, function: Callable[P, R_co], *, name: str, settings: DockerSettings) -> None:
        super().__init__(function, name=name, settings=settings)
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is not None and code.co_flags & _NOT_RUN:
            message = f"`{name}` is asynchronous or a generator: calling it would run nothing"
            raise InvalidPipeline(
                message, context=[f"defined at {self.place}"], hint="write it as a plain `def` without `yield`"
            )

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> R_co:
        """Collect the steps; inside another pipeline they become that one's, with these settings over its own."""
        if _recordings:
            with _recordings[-1].inside(self.settings):
                return self.function(*arguments, **options)
        return self._record(_Recording(), *arguments, **options)

    def steps(self) -> tuple[DeclaredStep, ...]:
        """Call the function once, with placeholders for its required parameters, and list the steps in their order."""
        recording = _Recording()
        positional, keywords = _required(self.function)
        self._record(recording, *positional, **keywords)  # type: ignore[arg-type]  # placeholders stand for anything
        return tuple(recording.steps.values())

    def _record(self, recording: _Recording, *arguments: P.args, **options: P.kwargs) -> R_co:
        _recordings.append(recording)
        try:
            with recording.inside(self.settings):
                return self.function(*arguments, **options)
        finally:
            _recordings.pop()


@overload
def step(function: Callable[P, R_co], /) -> Step[P, R_co]: ...
@overload
def step(
    *, name: str | None = None, settings: Mapping[str, object] | None = None, **other: object
) -> Callable[[Callable[P, R_co]], Step[P, R_co]]: ...
def step(function: object = None, /, **options: object) -> object:
    """Declare a step.

    Args:
        function: What the step runs.
        name: Its name; the function's without one.
        settings: `{"docker": DockerSettings(...)}`, or a dict with the same names.
        **options: Any other; left to the framework that runs the pipeline.
    """
    return _decorate(Step, function, options)


@overload
def pipeline(function: Callable[P, R_co], /) -> Pipeline[P, R_co]: ...
@overload
def pipeline(
    *, name: str | None = None, settings: Mapping[str, object] | None = None, **other: object
) -> Callable[[Callable[P, R_co]], Pipeline[P, R_co]]: ...
def pipeline(function: object = None, /, **options: object) -> object:
    """Declare a pipeline.

    Args:
        function: What calls the steps.
        name: Its name; the function's without one.
        settings: `{"docker": DockerSettings(...)}`, or a dict with the same names, for all its steps.
        **options: Any other; left to the framework that runs the pipeline.
    """
    return _decorate(Pipeline, function, options)


def _decorate(
    kind: type[Step[..., object] | Pipeline[..., object]], function: object, options: Mapping[str, object]
) -> object:
    name, settings = _options(kind.decorator, options)  # at once, so that a mistake is placed where it stands
    declare = partial(kind.declare, name=name, settings=settings)
    return declare if function is None else declare(function)


def _options(decorator: str, options: Mapping[str, object]) -> tuple[str | None, DockerSettings | None]:
    """Read the name and the docker settings out of the arguments of a decorator."""
    name: str | None = None
    settings: DockerSettings | None = None
    problems = Collector()
    for key, value in options.items():
        with problems:
            if key == "name":
                name = None if value is None else checks.text(value, f"name` of `{decorator}")
            elif key == "settings":
                settings = None if value is None else _docker(value)
            else:
                _refuse_near_miss(key, value, decorator)
    for error in problems.errors:
        error.context = error.context or _here()
    problems.raise_if_any()
    return name, settings


def _docker(settings: object) -> DockerSettings | None:
    if isinstance(settings, DockerSettings):
        raise checks.mistake("settings", "expected a dict", hint='write `settings={"docker": ...}`')
    if not isinstance(settings, Mapping):
        raise checks.mistake(
            "settings",
            f"expected a dict, got {kind(settings)}",
            hint='write `settings={"docker": DockerSettings(...)}`',
        )
    for key, value in settings.items():
        if key != "docker":
            _refuse_near_key(str(key), value)
    docker = settings.get("docker")
    if docker is None or isinstance(docker, DockerSettings):
        return docker
    _refuse_others(docker)
    return DockerSettings.from_mapping(docker, at="docker", place=caller())


def _refuse_others(docker: object) -> None:
    package = type(docker).__module__.partition(".")[0]
    if any(package == framework.package for framework in FRAMEWORKS):
        raise InvalidConfiguration(
            f"these `DockerSettings` are of `{package}`, and the decorator is zlock's",
            hint=f"import `pipeline` and `step` from `{package}` too: zlock reads them",
        )


def _refuse_near_key(key: str, value: object) -> None:
    near = did_you_mean(key, ["docker"], cutoff=_NEAR)
    if near or isinstance(value, DockerSettings):
        raise InvalidConfiguration(f"unknown key `{key}` in `settings`", hint=near or 'the key is `"docker"`')


def _refuse_near_miss(key: str, value: object, decorator: str) -> None:
    hint = did_you_mean(key, _ARGUMENTS, cutoff=_NEAR)
    if key == "docker" or isinstance(value, DockerSettings):
        hint = 'write `settings={"docker": ...}`'
    if hint:
        raise InvalidConfiguration(f"unknown argument `{key}` of `{decorator}`", hint=hint)


def _required(function: Callable[..., object]) -> tuple[list[object], dict[str, object]]:
    """Make placeholders for the parameters that have no default value."""
    positional: list[object] = []
    keywords: dict[str, object] = {}
    for name, stated in inspect.signature(function).parameters.items():
        if stated.default is not stated.empty:
            continue
        if stated.kind in (stated.POSITIONAL_ONLY, stated.POSITIONAL_OR_KEYWORD):
            positional.append(parameter(name))
        elif stated.kind is stated.KEYWORD_ONLY:
            keywords[name] = parameter(name)
    return positional, keywords


def _here() -> tuple[str, ...]:
    place = caller()
    return () if place is None else (Located(f"stated in {place}", place),)

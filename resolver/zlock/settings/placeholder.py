"""What stands in for the values of a pipeline while its steps are collected."""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable, Iterator
from typing import NoReturn

from zlock.errors import InvalidPipeline


class Placeholder:
    """A value that exists only when the pipeline runs.

    It can be passed on, and its attributes, items and calls are placeholders again. It can be unpacked
    where its annotation is a tuple of known length; it can decide nothing, as there is no value yet.
    """

    __slots__ = ("_zlock_annotation", "_zlock_label", "_zlock_way_out")

    def __init__(self, label: str, *, annotation: object = None, way_out: str = "") -> None:
        self._zlock_label = label
        self._zlock_annotation = annotation
        self._zlock_way_out = way_out

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith(("__", "_zlock")):  # protocols (copying, arrays, ...) are asked for by such names
            raise AttributeError(name)
        return self._part(f"{self._zlock_label}.{name}")

    def __getitem__(self, key: object) -> Placeholder:
        items = elements(self._zlock_annotation)
        if isinstance(key, int) and items is not None and -len(items) <= key < len(items):
            return self._part(f"{self._zlock_label}[{key}]", items[key])
        return self._part(f"{self._zlock_label}[{key!r}]")

    def __call__(self, *_arguments: object, **_options: object) -> Placeholder:
        """Stand in for what the call would give."""
        return self._part(f"{self._zlock_label}()")

    def __iter__(self) -> Iterator[Placeholder]:
        return (self[position] for position in range(len(self)))

    def __len__(self) -> int:
        items = elements(self._zlock_annotation)
        if items is None:
            raise InvalidPipeline(
                f"{self._zlock_label} can't be unpacked or looped over: its length is known only when the pipeline "
                "runs",
                hint=self._zlock_way_out,
            )
        return len(items)

    def _undecided(self) -> NoReturn:
        raise InvalidPipeline(
            f"the pipeline decides on {self._zlock_label}, which exists only when the pipeline runs",
            hint="decide inside a step, or on a parameter that has a default value",
        )

    __bool__ = __int__ = __index__ = __float__ = _undecided

    def _compared(self, _other: object) -> Placeholder:
        """Give a placeholder, so that the error comes from the decision and names it."""
        return self._part(f"a comparison of {self._zlock_label}")

    __lt__ = __le__ = __gt__ = __ge__ = _compared
    __eq__ = __ne__ = _compared  # type: ignore[assignment]  # the answer is not a boolean, on purpose
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self._zlock_label}>"

    def _part(self, label: str, annotation: object = None) -> Placeholder:
        return Placeholder(label, annotation=annotation, way_out=self._zlock_way_out)


def returned(name: str, function: Callable[..., object]) -> Placeholder:
    """Stand in for what a step returns."""
    return Placeholder(
        f"what `{name}` returns",
        annotation=_return_annotation(function),
        way_out=f"to unpack it, annotate the return type of `{name}`, such as `-> tuple[int, str]`",
    )


def parameter(name: str) -> Placeholder:
    """Stand in for a parameter of a pipeline that has no default value."""
    return Placeholder(f"the parameter `{name}`", way_out=f"give the parameter `{name}` a default value")


def elements(annotation: object) -> tuple[object, ...] | None:
    """List the annotations inside a tuple's; None where the length is unknown.

    An annotation that can't be evaluated (a name for type checkers only) is read as text.
    """
    if isinstance(annotation, str):
        return _elements_of_text(annotation)
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        return tuple(annotation.__annotations__.get(name) for name in annotation._fields)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return elements(arguments[0])
    return None if origin is not tuple or Ellipsis in arguments else arguments


def _elements_of_text(annotation: str) -> tuple[object, ...] | None:
    try:
        read = ast.parse(annotation, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(read, ast.Subscript):
        return None
    items = read.slice.elts if isinstance(read.slice, ast.Tuple) else [read.slice]
    outer = ast.unparse(read.value).rpartition(".")[2]
    texts = tuple(ast.unparse(item) for item in items)
    if outer == "Annotated":
        return elements(texts[0])
    return None if outer not in ("tuple", "Tuple") or "..." in texts else texts


def _return_annotation(function: Callable[..., object]) -> object:
    try:
        return typing.get_type_hints(function, include_extras=True).get("return")
    except Exception:  # noqa: BLE001  # evaluating an annotation runs whatever its author wrote
        return getattr(function, "__annotations__", {}).get("return")

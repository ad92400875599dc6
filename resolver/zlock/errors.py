"""The errors of zlock: each says what is wrong, who asked for it, and the way out.

An error keeps its parts apart (`message`, `context`, `hint`); `laid_out` is how a person reads them.
The exit code belongs to the class: 1 the answer is no, 2 the input is wrong, 3 the outside failed, 4 zlock itself did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

_MOST_ERRORS = 1000

TYPE_CHECKING = False  # `typing` is not needed for --help
if TYPE_CHECKING:
    from typing import ClassVar, Protocol, Self, TypeVar

    R = TypeVar("R")
    T = TypeVar("T")

    class InFile(Protocol):
        """A place in a file: an origin, or where a setting is stated."""

        @property
        def file(self) -> str | None:
            """The file."""

        @property
        def line(self) -> int | None:
            """Its line, from 1."""


class Located(str):  # noqa: SLOT000 - a text can have none
    """A line of context that is about a place in a file.

    Attributes:
        file: The file, absolute or from the project folder; empty where only a line of some output is known.
        line: Its line, from 1; None where only the file is known.
    """

    file: str
    line: int | None

    def __new__(cls, text: str, place: InFile) -> Self:
        """Make it of a text and the place that it is about."""
        made = super().__new__(cls, text)
        made.file, made.line = place.file or "", place.line
        return made


class ZlockError(Exception):
    """Something a person can act on.

    Attributes:
        message: One line: what is wrong.
        about: What that is wrong of, the widest first: the project, the step, the setting.
        step: The step that it is about, or empty.
        context: More lines: the origins, the chain that led there.
        hint: The way out, or empty.
        id: What programs know its kind by; it stays when words or classes change, see docs/commands.md.
        exit_code: The status with which the command ends.
    """

    id: ClassVar[str] = "no-answer"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, context: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.about: tuple[str, ...] = ()
        self.step = ""
        self.context = tuple(context)
        self.hint = hint

    def __str__(self) -> str:
        return ": ".join(filter(None, (", ".join(self.about), self.message)))

    @property
    def each(self) -> tuple[ZlockError, ...]:
        """The errors that it consists of."""
        return (self,)

    def of(self, *about: str, step: str = "") -> Self:
        """Return it as one that is about something, or about a step and something of it."""
        for one in self.each:
            one.about = (*((f"step `{step}`",) if step else ()), *about, *one.about)
            one.step = one.step or step
        return self

    @property
    def place(self) -> Located | None:
        """The first line of its context that is about a place in a file."""
        return next((one for one in self.context if isinstance(one, Located) and one.file), None)

    def laid_out(self, *, label: str = "error:") -> str:
        """Return the lines a person reads."""
        lines = [f"{label} {self}", *(f"  {line}" for line in self.context)]
        return "\n".join(map(on_one_line, [*lines, *([f"hint: {self.hint}"] if self.hint else [])]))


def on_one_line(text: str) -> str:
    """Return a text without line breaks and other controls: a name could begin a line, or a command of a terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\t" else repr(one)[1:-1] for one in text)


class NoAnswer(ZlockError):
    """The question was understood and the answer is no."""

    id = "no-answer"
    exit_code = 1


class NoSolution(NoAnswer):
    """It is proven that no set of versions satisfies a step."""

    id = "no-solution"


class NotProven(NoAnswer):
    """The search ended at its budget: there may or may not be a solution."""

    id = "not-proven"


class UnknownPackage(NoAnswer):
    """No index that was asked knows the name."""

    id = "unknown-package"


class NoEligibleRelease(NoAnswer):
    """The name is known, but nothing under it may be used for the target."""

    id = "no-eligible-release"


class LockOutdated(NoAnswer):
    """A lock is missing or no longer answers what is asked."""

    id = "lock-outdated"


class InvalidInput(ZlockError):
    """Configuration, requirements, arguments or an existing lock are wrong."""

    id = "invalid-input"
    exit_code = 2


class InvalidConfiguration(InvalidInput):
    """A key or value in the configuration or in docker settings is wrong."""

    id = "invalid-configuration"


class InvalidRequirements(InvalidInput):
    """A source holds something that is not a usable requirement."""

    id = "invalid-requirements"


class InvalidPipeline(InvalidInput):
    """The pipeline file can't be run, or holds no pipeline."""

    id = "invalid-pipeline"


class InvalidLock(InvalidInput):
    """A lock was cut short, edited, is in conflict, or of a newer format."""

    id = "invalid-lock"


class OutsideFailed(ZlockError):
    """Something outside zlock failed: network, index, command, disk."""

    id = "outside-failed"
    exit_code = 3


class IndexFailed(OutsideFailed):
    """An index could not answer, or answered with something unusable."""

    id = "index-failed"


class RegistryFailed(OutsideFailed):
    """An image registry could not answer, or answered with something that is not the image asked for."""

    id = "registry-failed"


class CommandFailed(OutsideFailed):
    """A command that zlock ran failed, hung, or printed rubbish."""

    id = "command-failed"


class Unforeseen(ZlockError):
    """A bug in zlock: an exception that nobody foresaw."""

    id = "bug"
    exit_code = 4


class Unsound(Unforeseen):
    """zlock contradicts itself, whatever was asked: an answer or a proof of its own is wrong."""

    def __init__(self, message: str, *, context: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(
            message, context=context, hint=hint or "this is a mistake of zlock: report it, with what the step asks for"
        )


class Problems(ZlockError):
    """Several errors found in one go; each is shown, the worst exit code counts."""

    def __init__(self, errors: Sequence[ZlockError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = tuple(errors)

    @property
    def each(self) -> tuple[ZlockError, ...]:
        """The errors themselves."""
        return self.errors

    def laid_out(self, *, label: str = "error:") -> str:
        """Return the lines of each error."""
        return "\n\n".join(one.laid_out(label=label) for one in self.errors)

    @property
    def worst(self) -> int:
        """The highest exit code among the errors."""
        return max(error.exit_code for error in self.errors)


class Collector:
    """Collects errors so that a person sees all mistakes at once, or the first thousand.

    ```python
    problems = Collector()
    for key in table:
        with problems:
            check(key)
    problems.raise_if_any()
    ```
    """

    def __init__(self) -> None:
        self._errors: dict[ZlockError, None] = {}

    @property
    def errors(self) -> list[ZlockError]:
        """What was collected, of errors that say the same one."""
        return list({one.laid_out(): one for one in self._errors}.values())

    def add(self, error: ZlockError) -> None:
        """Keep an error, the same one once; those inside a `Problems` are kept one by one.

        Raises:
            Problems: There are more than anybody corrects in one go.
        """
        self._errors.update(dict.fromkeys(error.each))
        if len(self._errors) >= _MOST_ERRORS:
            more = InvalidInput(f"zlock ends at {_MOST_ERRORS:,} errors", hint="correct those above first")
            raise Problems([*self._errors, more][: _MOST_ERRORS + 1])

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ZlockError):
            self.add(error)
            return True
        return False

    def raise_if_any(self) -> None:
        """Raise what was collected: the error itself if there is one, else `Problems`."""
        errors = self.errors
        if errors:
            raise errors[0] if len(errors) == 1 else Problems(errors)


def raise_all(errors: Iterable[ZlockError]) -> None:
    """Raise errors, if there are any: the error itself if there is one, else `Problems`."""
    problems = Collector()
    for error in errors:
        problems.add(error)
    problems.raise_if_any()


def every(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return what a function makes of each item; what is wrong with any is raised once all were seen."""
    problems = Collector()
    found = []
    for item in items:
        with problems:
            found.append(function(item))
    problems.raise_if_any()
    return found

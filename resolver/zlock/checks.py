"""The rules for values that people state, the same for Python, TOML and JSON.

A check takes a value and the key it stands under, and returns the value as it is kept:
lists as tuples, paths as strings. It raises `InvalidConfiguration`, or `Problems` for several mistakes.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from zlock.errors import Collector, InvalidConfiguration, InvalidInput, every
from zlock.model import debian, image
from zlock.model.controls import CONTROLS
from zlock.redact import redact
from zlock.wording import did_you_mean, either, kind

N = TypeVar("N", bound=str)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

EXPORT_METHODS = ("pip_freeze", "uv_freeze", "poetry_export")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARGUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CONTROL = rf"(?!\t)[{CONTROLS}]"
_REQUIREMENT_NAME = r"(?ia)[A-Z0-9][A-Z0-9._-]*(?=\s*[\[<>=!~;@])"
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_CLAUSE = r" ?(?:==|!=|<=|>=|<|>) ?\d+(?:\.\d+)*"
_LONG = 200  # characters; more are looked at by the parser of the standards
_PLAIN_REQUIREMENT = re.compile(rf"{NAME}(?:\[{NAME}(?:, ?{NAME})*\])?(?:{_CLAUSE}(?:,{_CLAUSE})*)?", re.ASCII)
_PLACE = re.compile(
    r"[A-Z][A-Z0-9+.-]+:|\.|~?[\\/]|[^-@;\s][^@;\s]*[\\/]|\S+\.(?:whl|zip|tar\.gz)\b", re.IGNORECASE | re.ASCII
)
_FILES = (".txt", ".in", ".pip", ".toml", ".cfg", ".lock")
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
"""A comment in a line of a requirements file, as pip has it."""
_PIECE = r"(?:\[[^\[\]\n]*\]|[^,\n])+"  # a comma in brackets is between extras
_SCALARS = ["string", "number", "boolean"]
_REQUIREMENT_LIKE = r"[<>=!~]=|[<>;\n]|\s@\s"


class Check(Struct, Generic[T_co], frozen=True):
    """A rule: called with a value and the key it stands under, it returns the value as it is kept.

    Attributes:
        function: The rule.
        words: What the documentation calls the values.
        schema: The same in the words of JSON Schema; it may let more pass.
    """

    function: Callable[[object, str], T_co]
    words: str
    schema: Mapping[str, object]

    def __call__(self, value: object, at: str) -> T_co:
        """Check a value."""
        return self.function(value, at)


def accepts(words: str, **schema: object) -> Callable[[Callable[[object, str], T]], Check[T]]:
    """Make a rule of a function."""
    return lambda function: Check(function, words, schema)


def list_of(check: Check[T], words: str) -> Check[tuple[T, ...]]:
    """Make the rule for a list whose items have a rule."""
    return Check(lambda value, at: sequence(value, at, check), words, _list(check))


def one_of(*options: str) -> Check[str]:
    """Make the rule for one of some strings."""
    words = either(options).replace("`", '"')
    return Check(lambda value, at: choice(value, at, options), words, {"enum": list(options)})


def of_pattern(pattern: str) -> dict[str, object]:
    """Return the schema of a text that as a whole is of a pattern."""
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def table_of(names: str, **value: object) -> dict[str, object]:
    """Return the schema of a table whose keys are of a pattern."""
    return {"type": "object", "patternProperties": {f"^(?:{names})$": value}, "additionalProperties": False}


def _list(check: Check[T]) -> dict[str, object]:
    return {"type": "array", "items": check.schema}


@accepts("true or false", type="boolean")
def boolean(value: object, at: str) -> bool:
    """Accept True and False only; 0 and 1 are numbers."""
    if isinstance(value, bool):
        return value
    raise mistake(at, f"expected a boolean, got {kind(value)}", hint="write true or false, without quotes")


@accepts("text", type="string", minLength=1)
def text(value: object, at: str) -> str:
    """Accept a string of one line that is not empty."""
    if not isinstance(value, str):
        raise mistake(at, f"expected a string, got {kind(value)}", hint="write it as text, in quotes")
    if not value.strip():
        raise mistake(at, "expected a string, got an empty one", hint="leave the key out to keep the default")
    if not value.isprintable() and re.search(_CONTROL, value):
        raise mistake(at, "a line break or another control character is not allowed here", hint="write it on one line")
    return str.__str__(value)


@accepts("text", type="string", pattern=r"^\S+$")
def word(value: object, at: str) -> str:
    """Accept a string without spaces: an image, a repository, a package, an extra."""
    found = text(value, at)
    if found.split() != [found]:
        raise mistake(at, f"`{found}` has spaces in it", hint="remove the spaces")
    return found


@accepts("path", **text.schema)
def path(value: object, at: str) -> str:
    """Accept a path; it is kept as it was written."""
    if not isinstance(value, str | os.PathLike):
        raise mistake(at, f"expected a path, got {kind(value)}", hint="write the path as text, in quotes")
    return text(os.fspath(value), at)


@accepts("list of names", **_list(word))
def words(value: object, at: str) -> tuple[str, ...]:
    """Accept a list of strings without spaces."""
    return sequence(value, at, word, hint=_split_hint(value))


@accepts("list of names", type="array", items=of_pattern(debian.PACKAGE.pattern))
def debian_packages(value: object, at: str) -> tuple[str, ...]:
    """Accept a list of names of Debian packages."""
    return sequence(value, at, _debian_package, hint=_split_hint(value))


def _debian_package(value: object, at: str) -> str:
    return _admitted(found := word(value, at), at, debian.refusal(found))


def _admitted(found: str, at: str, refused: tuple[str, str] | None) -> str:
    """Return a text unless there is something against it, and a way out."""
    if refused:
        raise mistake(at, refused[0], hint=refused[1])
    return found


@accepts("text", **of_pattern(image.USER.pattern))
def user(value: object, at: str) -> str:
    """Accept who runs in an image: `name`, `name:group`, or their numbers."""
    found = text(value, at)
    if not image.is_user(found):
        raise mistake(at, f"`{found}` is not a valid user of an image", hint=image.USER_HINT)
    return found


@accepts("absolute path", **of_pattern(image.PLAIN_PATH.pattern))
def venv(value: object, at: str) -> str:
    """Accept the folder of an image that its environment goes to."""
    return _admitted(found := text(value, at), at, image.venv_refusal(found))


@accepts("text", **word.schema)
def image_reference(value: object, at: str) -> str:
    """Accept the reference of an image."""
    from zlock.model.reference import ImageReference  # most settings have none

    found = word(value, at)
    try:
        ImageReference.parse(found)
    except InvalidInput as error:
        raise mistake(at, error.message, hint=error.hint) from error
    return found


@accepts("text", **word.schema)
def parent_image(value: object, at: str) -> str:
    """Accept the reference of an image, or `oci:` with the folder of one (OCI image spec, "Image Layout")."""
    found = word(value, at)
    return found if image.is_layout(found) and found != image.LAYOUT else image_reference(value, at)


@accepts("text", **word.schema)
def image_repository(value: object, at: str) -> str:
    """Accept where an image goes: a repository, with or without its registry, and neither tag nor digest."""
    found = image_reference(value, at)
    if ":" in found.rpartition("/")[2] or "@" in found:
        hint = "leave it out; an image's tag is the beginning of its key"
        raise mistake(at, f"it has a tag or a digest: `{found}`", hint=hint)
    return found


@accepts("name", **of_pattern(NAME))
def project_name(value: object, at: str) -> str:
    """Accept the name of a package of an index, alone (PEP 508)."""
    from zlock.model.link import PROJECT_NAME  # slow to import, and settings of images name none

    found = text(value, at)
    if not PROJECT_NAME.fullmatch(found):
        named = re.match(_REQUIREMENT_NAME, found)
        hint = f"write the name alone: `{named[0]}`" if named else "write a name of letters, digits, `-`, `_` and `.`"
        raise mistake(at, f"`{redact(found)}` is not a valid package name", hint=hint)
    return found


@accepts("shell command as text, or list of arguments", anyOf=[text.schema, _list(text)])
def command(value: object, at: str) -> str | tuple[str, ...]:
    """Accept a shell command as a string, or a command as the list of its arguments."""
    if not isinstance(value, str):
        return argv(value, at)
    if not value.strip():
        raise _no_command(at)
    return str.__str__(value)


def argv(value: object, at: str) -> tuple[str, ...]:
    """Accept the list of a command's arguments; the program comes first."""
    found = sequence(value, at, _argument)
    if not found or not found[0]:
        raise _no_command(at)
    return found


def _no_command(at: str) -> InvalidConfiguration:
    hint = "write the program and its arguments, or remove the setting"
    return mistake(at, "expected a command, got an empty one", hint=hint)


@accepts("list of requirements, or path of a requirements file", anyOf=[text.schema, _list(text)])
def requirements(value: object, at: str) -> str | tuple[str, ...]:
    """Accept the path of a requirements file, or a list of requirements: PEP 508, URLs and local paths."""
    if isinstance(value, os.PathLike):
        return path(value, at)
    if isinstance(value, str):
        if re.search(_REQUIREMENT_LIKE, value):
            raise requirement_alone(at, requirements_in(value) or value.split("\n"))
        return path(value, at)
    return tuple(filter(None, sequence(value, at, _line)))


@accepts("list of requirements", **_list(text))
def extra_requirements(value: object, at: str) -> tuple[str, ...]:
    """Accept a list of requirements: PEP 508, URLs and local paths."""
    stated = requirements_in(value) if isinstance(value, str) and not names_requirements_file(value) else []
    hint = _as_list(stated) if stated else "write a list of requirements; `requirements` can name a file"
    return tuple(filter(None, sequence(value, at, _line, hint=hint)))


def requirement_alone(at: str, stated: Sequence[str]) -> InvalidConfiguration:
    """Make the error for a text that is what a list holds, where a text is the path of a file."""
    problem = "expected a list of strings or the path of a requirements file, got a requirement"
    return mistake(at, problem, hint=redact(_as_list(stated)))


def requirements_in(text: str) -> list[str]:
    """Return the requirements that a text holds, with commas, spaces or line breaks between; none in any other."""
    pieces: list[str] = []
    for piece in map(str.strip, re.findall(_PIECE, text)):
        if pieces and piece.startswith(("<", ">", "=", "!", "~")):  # `pandas>=2,<3` is one
            pieces[-1] += f",{piece}"
        elif piece:
            pieces.append(piece)
    ways = (pieces, text.split())
    return next((way for way in ways if way and not any(map(_refusal, way))), [])


def names_requirements_file(text: str) -> bool:
    """Tell whether a text looks like the path of a file, though it may be a requirement, as `requirements.txt` is."""
    return text.lower().endswith(_FILES) or ("://" not in text and re.search(r"[\\/]", text) is not None)


def _line(value: object, at: str) -> str:
    """Accept one requirement, or a line of a requirements file that says nothing, as lists are often read from one.

    A URL or a path alone is for its source to read, which finds the name there.
    """
    stated = COMMENT.sub("", value).strip() if isinstance(value, str) else text(value, at)
    if not stated:
        return ""
    return text(stated, at) if _PLACE.match(stated) else requirement(stated, at)


@accepts("requirement", **text.schema)
def requirement(value: object, at: str) -> str:
    """Accept one requirement as PEP 508 has it."""
    stated = text(value, at)
    reason = "" if len(stated) < _LONG and _PLAIN_REQUIREMENT.fullmatch(stated) else _refusal(stated)
    if reason:
        shown = redact(stated)
        raise mistake(at, f"`{shown}` is not a requirement: {redact(reason)}", hint=_requirement_hint(shown))
    return stated


@accepts(
    'true, "pip_freeze", "uv_freeze", "poetry_export", or a command as a list',
    anyOf=[boolean.schema, {"enum": list(EXPORT_METHODS)}, _list(text)],
)
def export_method(value: object, at: str) -> bool | str | tuple[str, ...]:
    """Accept True, False, the name of a method, or a command as a list."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return argv(value, at)
    named = text(value, at)
    if named in EXPORT_METHODS:
        return named
    hint = did_you_mean(named, EXPORT_METHODS) or f"a command is a list: `{_json(named.split())}`"
    raise mistake(at, f"expected {either(EXPORT_METHODS)}, a boolean or a list, got `{named}`", hint=hint)


def choice(value: object, at: str, options: Sequence[str]) -> str:
    """Accept one of some strings."""
    named = text(value, at)
    if named in options:
        return named
    hint = did_you_mean(named, options) or "write one of these"
    raise mistake(at, f"expected {either(options)}, got `{named}`", hint=hint)


@accepts(
    "table of name to text, number, boolean, list of these, or `None` for an option without a value",
    **table_of(_ARGUMENT.pattern, type=[*_SCALARS, "array"], items={"type": _SCALARS}),
)
def installer_arguments(value: object, at: str) -> dict[str, object]:
    """Accept arguments of the installer: a name without dashes, and a scalar, a list, or None for a flag."""
    return entries(value, at, _argument_value, _argument_name)


@accepts("table of text or whole numbers", **table_of(_VARIABLE.pattern, type=["string", "integer"]))
def variables(value: object, at: str) -> dict[str, str]:
    """Accept environment variables; a whole number counts as its text."""
    return entries(value, at, _variable, _variable_name)


@accepts("table", type="object")
def table(value: object, at: str) -> Mapping[str, object]:
    """Accept a mapping with strings as keys."""
    if not isinstance(value, Mapping):
        raise mistake(at, f"expected a table, got {kind(value)}", hint="write names with values")
    for key in value:
        if not isinstance(key, str):
            raise mistake(at, f"expected strings as keys, got {kind(key)}", hint="write the names as text, in quotes")
    return value


def entries(value: object, at: str, check: Callable[[object, str], T], name: Callable[[str, str], N]) -> dict[N, T]:
    """Accept a table, each name and each value by its own check; the errors of all come together."""
    found = {}
    problems = Collector()
    for stated, one in table(value, at).items():
        with problems:
            if (named := name(stated, at)) in found:
                raise mistake(at, f"`{stated}` is listed twice, in two spellings", hint="leave one of them out")
            found[named] = check(one, f"{at}.{stated}")
    problems.raise_if_any()
    return found


def sequence(value: object, at: str, check: Callable[[object, str], T], *, hint: str | None = None) -> tuple[T, ...]:
    """Accept a list, each item by its own check; the errors of all come together."""
    if not isinstance(value, list | tuple):
        way_out = _as_list([value]) if isinstance(value, str) and hint is None else hint or ""
        raise mistake(at, f"expected a list of strings, got {kind(value)}", hint=way_out)
    return tuple(every(lambda row: check(row[1], f"{at}[{row[0]}]"), enumerate(value)))


def mistake(at: str, problem: str, *, hint: str) -> InvalidConfiguration:
    """Make the error for one key."""
    return InvalidConfiguration(f"`{at}`: {problem}", hint=hint)


def unknown_key(label: str, key: str, known: Iterable[str]) -> InvalidConfiguration:
    """Make the error for a key that is none of the known ones, which are all spelt in one way."""
    names = list(known)
    respelt = key.replace("_", "-")
    if respelt in names:
        return InvalidConfiguration(f"unknown key `{label}`", hint=f"keys are kebab-case here: write `{respelt}`")
    hint = did_you_mean(key, names) or f"known are {', '.join(f'`{name}`' for name in names)}"
    return InvalidConfiguration(f"unknown key `{label}`", hint=hint)


def _refusal(stated: str) -> str:
    """Say why a string is not a requirement; empty if it is one."""
    from zlock.model.requirement import parsed  # slow to import, and plain requirements don't need it
    from zlock.model.target import Target

    try:
        Target("3.12").holds(parsed(stated).marker)  # which fails where it compares as versions what is none
    except (ValueError, KeyError) as error:
        return str(error).partition("\n")[0] or "it can't be read"
    return ""


def _requirement_hint(stated: str) -> str:
    if stated.startswith("-"):
        return "options belong in a requirements file: give its path instead of a list"
    if re.match(r"[a-z+]+://", stated):
        return f"name the package: `name @ {stated}`"
    if " --hash" in stated:
        return "hashes belong in a requirements file: give its path in place of the list"
    from zlock.model import misstated

    if form := misstated.meant(stated, alone=True):
        return f"write `{form}`"
    if len(several := requirements_in(stated)) > 1:
        count = "two" if len(several) == 2 else len(several)  # noqa: PLR2004
        return f"write {count} items: {', '.join(f'`{one}`' for one in several)}"
    return ""


def _argument(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise mistake(at, f"expected a string, got {kind(value)}", hint="write it as text, in quotes")
    if "\0" in value:
        raise mistake(at, "a null character is not allowed here", hint="remove that character")
    return str.__str__(value)


def _argument_name(name: str, at: str) -> str:
    if _ARGUMENT.fullmatch(name):
        return name
    bare = name.lstrip("-")
    is_dashed = _ARGUMENT.fullmatch(bare)
    hint = f"leave the dashes out: `{bare}`" if is_dashed else "write the name of an option, such as `timeout`"
    raise mistake(at, f"`{name}` is not a valid argument name", hint=hint)


def _argument_value(value: object, at: str) -> object:
    if isinstance(value, list | tuple):
        return list(sequence(value, at, _scalar))
    return None if value is None else _scalar(value, at)


def _scalar(value: object, at: str) -> object:
    if isinstance(value, str):
        return _argument(value, at)
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    hint = "write one of these; `None` stands for an option without a value"
    raise mistake(at, f"expected a string, a number, a boolean or a list of these, got {kind(value)}", hint=hint)


def _variable_name(name: str, at: str) -> str:
    if _VARIABLE.fullmatch(name):
        return name
    hint = "use letters, digits and `_`, and no digit first"
    raise mistake(at, f"`{name}` is not a valid name for an environment variable", hint=hint)


def _variable(value: object, at: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise mistake(at, f"expected a string, got {kind(value)}", hint=f'put it in quotes: `"{value}"`')
    if not value.isprintable() and re.search(_CONTROL, value):
        problem = "a line break or another control character can't be part of an environment variable"
        raise mistake(at, problem, hint="write it on one line")
    return str.__str__(value)


def _split_hint(value: object) -> str:
    """Word the hint for names in one string where a list belongs."""
    return _as_list(re.split(r"[,\s]+", value.strip(" ,"))) if isinstance(value, str) else ""


def _as_list(items: Sequence[str]) -> str:
    return f"write a list: `{_json([item.strip() for item in items if item.strip()])}`"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

"""The options that pip knows inside a requirements file."""

from __future__ import annotations

import optparse
import shlex
from collections.abc import Mapping
from typing import Final, NamedTuple, NoReturn

_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "index": ("-i", "--index-url", "--pypi-url"),
    "extra_index": ("--extra-index-url",),
    "find_links": ("-f", "--find-links"),
    "trusted_host": ("--trusted-host",),
    "constraint": ("-c", "--constraint"),
    "requirement": ("-r", "--requirement"),
    "editable": ("-e", "--editable"),
    "no_binary": ("--no-binary",),
    "only_binary": ("--only-binary",),
    "all_releases": ("--all-releases",),
    "only_final": ("--only-final",),
    "use_feature": ("--use-feature",),
    "hash": ("--hash",),
    "config_settings": ("-C", "--config-settings"),
}
_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "no_index": ("--no-index",),
    "prefer_binary": ("--prefer-binary",),
    "require_hashes": ("--require-hashes",),
    "no_require_hashes": ("--no-require-hashes",),
    "pre": ("--pre",),
}


class OptionError(ValueError):
    """The options of a line can't be read."""


class Statement(NamedTuple):
    """One line of a requirements file, taken apart.

    Attributes:
        requirement: What stands before the first option; may be empty.
        options: Each option's values in the order given, under the name in `spelling`; flags have one empty value.
        leftover: Words behind the options that belong to none; pip ignores them.
    """

    requirement: str
    options: Mapping[str, tuple[str, ...]]
    leftover: tuple[str, ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """Give the values of an option, none where it does not stand."""
        return self.options.get(name, ())


def spelling(name: str) -> str:
    """Give an option as a person writes it in full."""
    spellings = {**_VALUES, **_FLAGS}[name]
    return next(text for text in spellings if text.startswith("--"))


def take_apart(line: str) -> Statement:
    """Split a line at its first word that begins with a dash, and read the options from there on.

    Only the options obey shell quoting: what comes before may hold markers with quotes of their own.

    Raises:
        OptionError: An option is unknown, ambiguous or lacks its value.
    """
    words = line.split(" ")
    first = next((at for at, word in enumerate(words) if word.startswith("-")), None)
    if first is None:  # as most lines have it, and a parser takes a millisecond to make
        return Statement(requirement=line, options={})
    try:
        arguments = shlex.split(" ".join(words[first:]))
    except ValueError as error:
        raise OptionError(f"its quotes don't match ({error})") from error
    values, leftover = _parser().parse_args(arguments)
    options = {name: tuple(given) for name, given in vars(values).items() if given}
    return Statement(requirement=" ".join(words[:first]), options=options, leftover=tuple(leftover))


class _Parser(optparse.OptionParser):
    """optparse, because pip's abbreviations and glued values are optparse's."""

    def error(self, msg: str) -> NoReturn:
        raise OptionError(msg)


def _parser() -> _Parser:
    """Make a parser; one serves one line, since it keeps what it was given."""
    parser = _Parser(add_help_option=False)
    for name, spellings in _VALUES.items():
        parser.add_option(*spellings, dest=name, action="append", type="string", default=[])
    for name, spellings in _FLAGS.items():
        parser.add_option(*spellings, dest=name, action="append_const", const="", default=[])
    return parser

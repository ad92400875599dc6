"""`python_package_installer_args` as words of a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zlock.errors import Collector, InvalidConfiguration
from zlock.image.context.installers import WAYS
from zlock.image.context.options import Options
from zlock.model.installer import Installer
from zlock.redact import holds_login
from zlock.settings.docker import InstallerArgument
from zlock.wording import did_you_mean


def options_of(
    installer: Installer, arguments: Mapping[str, InstallerArgument]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the words and the variables that arguments of an installer mean, sorted by name.

    Raises:
        InvalidConfiguration: One is not an option of it, is decided elsewhere, or has a value that it can't have;
            several come as `Problems`.
    """
    options = WAYS[installer.name].options
    words: list[str] = []
    variables: dict[str, str] = {}
    problems = Collector()
    for name, argument in sorted(arguments.items()):
        with problems:
            every = [way.options for way in WAYS.values()]
            if argument is False and any(name in one.known or name in one.elsewhere for one in every):
                continue  # so a step with another installer can turn off what its pipeline states for the first
            _check(options, name)
            given = list(_given(name, argument))
            if name in options.variables and given:
                variables[options.variables[name]] = _single(name, given)
            else:
                words += [_word(options, name, value) for value in given]
    problems.raise_if_any()
    return tuple(words), variables


def _check(options: Options, name: str) -> None:
    if name in options.elsewhere:
        raise InvalidConfiguration(f"`{name}` of `{options.command}` is refused", hint=options.elsewhere[name])
    if name not in options.known:
        near = did_you_mean(name, options.known) or f"known are {', '.join(options.known)}"
        for other, way in WAYS.items():
            if name in way.options.known:
                near = f"`{way.options.command}` has it: set `python_package_installer` to `{other}`"
            near = way.options.elsewhere.get(name, near)
        raise InvalidConfiguration(f"`{name}` is not an option of `{options.command}`", hint=near)


def _given(name: str, argument: InstallerArgument) -> Iterator[str | None]:
    """Return the values that an option is given, None for each time it stands without one."""
    for one in argument if isinstance(argument, list | tuple) else [argument]:
        if one is None or one is True:
            yield None
        elif one is not False:
            text = str(one)
            if holds_login(text):
                raise InvalidConfiguration(
                    f"`{name}` holds credentials, which would stay in the image",
                    hint="set a proxy in the environment of the builder, and an index in the configuration",
                )
            yield text


def _word(options: Options, name: str, value: str | None) -> str:
    if value is None and name in options.values:
        raise InvalidConfiguration(f"`{name}` takes a value", hint=f'write `{name} = "..."`')
    if value is not None and name in options.flags:
        raise InvalidConfiguration(f"`{name}` takes no value", hint=f"write `{name} = true`")
    return f"--{name}" if value is None else f"--{name}={value}"


def _single(name: str, given: list[str | None]) -> str:
    if len(given) != 1 or given[0] is None:
        raise InvalidConfiguration(f"`{name}` takes one value", hint=f"write `{name} = 60`")
    return given[0]

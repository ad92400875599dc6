"""What no image can be made with, whatever is locked: asked for before a lock is written, and before an image is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zlock.errors import Collector, InvalidConfiguration, Located
from zlock.image.context.arguments import options_of
from zlock.image.context.dockerfile import check_reference, check_variable, check_words
from zlock.image.context.installers import WAYS
from zlock.model.installer import PIP, Installer
from zlock.redact import holds_login
from zlock.settings.docker import DockerSettings
from zlock.settings.location import spelled

_NO_FILE = ("PIP_CONFIG_FILE", "/dev/null")  # how pip is told to read none
_WAYS_IN = (
    "set a proxy in the environment of the builder, and an index in the configuration; "
    "what a program needs, give to its container when it starts"
)
_HOME = "Python would no longer find its environment; a program that needs it can be given it by `runtime_environment`"


def check_settings(settings: DockerSettings) -> None:
    """Refuse arguments, variables and commands that an image can't be made with.

    Raises:
        InvalidConfiguration: One; it is about the setting, and its last context says where that is stated.
            Several come as `Problems`.
    """
    problems = Collector()
    effective = settings.effective()

    @contextmanager
    def stated(name: str, part: str | None = None) -> Iterator[None]:
        found = Collector()
        with found:
            yield
        for error in found.errors:
            place = settings.where(name, part)
            error.context = (*error.context, *([Located(f"stated in {place}", place)] if place else []))
            problems.add(error.of(f"`{spelled(name, place)}`"))

    for name, argument in sorted(effective.python_package_installer_args.items()):
        with stated("python_package_installer_args", name):
            words, variables = options_of(effective.installer, {name: argument})
            check_words((*words, *variables.values()))
    for field, by in (("environment", effective.installer), ("runtime_environment", None)):
        for name, value in sorted(getattr(effective, field).items()):
            with stated(field, name):
                refuse_variable(name, value, by)
                check_variable(name, value)
    with stated("parent_image"):
        check_reference("x" if effective.parent_layout else effective.parent_image or "x")
    with stated("local_project_install_command"):
        command = effective.local_project_install_command or ()
        words = (command,) if isinstance(command, str) else command
        check_words(words)
        if any(map(holds_login, words)):
            raise InvalidConfiguration(
                "it holds credentials, which would stay in the image",
                hint="an index belongs into the configuration, whose login a build gets as a secret",
            )
    problems.raise_if_any()


def refuse_variable(name: str, value: str, installer: Installer | None = None) -> None:
    """Refuse a variable with credentials, and one that would change what a build installs, or where.

    pip reads each of its options from `PIP_NAME`, others most of their own in the same way.

    Args:
        name: Its name.
        value: Its value.
        installer: The one that sees it, None where it is set after the installs.

    Raises:
        InvalidConfiguration: It is refused.
    """
    hint = _hint(installer, name) if installer and (name, value) != _NO_FILE else ""
    if hint:
        raise InvalidConfiguration(f"`{name}` is refused, because it takes effect while the image is built", hint=hint)
    if holds_login(value):
        raise InvalidConfiguration(f"`{name}` holds credentials, which would stay in the image", hint=_WAYS_IN)


def _hint(installer: Installer, variable: str) -> str:
    """Return where it is decided what a variable would decide; pip's count always, as it fetches and builds."""
    if variable == "PYTHONHOME":
        return _HOME
    return WAYS[PIP.name].options.decided(variable) or WAYS[installer.name].options.decided(variable)

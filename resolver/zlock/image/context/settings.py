"""What no image can be made with, whatever is locked: asked for before a lock is written, and before an image is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zlock.errors import Collector, InvalidConfiguration, Located
from zlock.image.context.arguments import options_of
from zlock.image.context.carry import check_reference, check_variable, check_words
from zlock.image.context.variables import refuse_variable
from zlock.redact import holds_login
from zlock.settings.docker import DockerSettings


def check_settings(settings: DockerSettings) -> None:
    """Refuse arguments, variables and commands that an image can't be made with.

    Raises:
        InvalidConfiguration: One; it begins with the setting's name, and its last context says where that is stated.
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
            error.message = f"`{name}`: {error.message}"
            place = settings.where(name, part)
            error.context = (*error.context, *([Located(f"stated in {place}", place)] if place else []))
            problems.add(error)

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

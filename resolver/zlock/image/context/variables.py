"""`environment` while the image is built: installers take their options from it as well, and Python where it is."""

from __future__ import annotations

from zlock.errors import InvalidConfiguration
from zlock.image.context.installers import WAYS
from zlock.model.installer import PIP, Installer
from zlock.redact import holds_login

_NO_FILE = ("PIP_CONFIG_FILE", "/dev/null")  # how pip is told to read none
_WAYS_IN = (
    "set a proxy in the environment of the builder, and an index in the configuration; "
    "what a program needs, give to its container when it starts"
)
_HOME = "Python would no longer find its environment; a program that needs it can be given it by `runtime_environment`"


def refuse_variable(name: str, value: str, installer: Installer | None = None) -> None:
    """Refuse a variable with credentials, and one that would change what a build installs, or where.

    pip reads each of its options from `PIP_NAME`, others most of their own in the same way.

    Args:
        name: Its name.
        value: Its value.
        installer: The one that sees it, None where it is set after the installs.

    Raises:
        InvalidConfiguration: It is not taken.
    """
    hint = _hint(installer, name) if installer and (name, value) != _NO_FILE else ""
    if hint:
        raise InvalidConfiguration(f"`{name}` is not taken, as it counts while the image is built", hint=hint)
    if holds_login(value):
        raise InvalidConfiguration(f"`{name}` holds credentials, which would stay in the image", hint=_WAYS_IN)


def _hint(installer: Installer, variable: str) -> str:
    """Return where it is decided what a variable would decide; pip's count always, as it fetches and builds."""
    if variable == "PYTHONHOME":
        return _HOME
    return WAYS[PIP.name].options.decided(variable) or WAYS[installer.name].options.decided(variable)

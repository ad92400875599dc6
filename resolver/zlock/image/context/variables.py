"""`environment` while the image is built: pip and uv take their options from it as well, and Python where it is."""

from __future__ import annotations

from zlock.errors import InvalidConfiguration
from zlock.image.context.options import INDEXES, PIP, PLACE, UV
from zlock.redact import holds_login

# Of an older name uv takes the variable still.
_RENAMED = frozenset({"native-tls", "trusted-host"})
_TABLES = {
    "PIP": PIP.elsewhere,
    "UV": {name: hint for name, hint in UV.elsewhere.items() if name not in _RENAMED},
}
_IGNORED = frozenset({"help", "version"})  # pip takes neither from a variable, and parents set `PIP_VERSION`
_NO_FILE = ("PIP_CONFIG_FILE", "/dev/null")  # how pip is told to read none
_WAYS_IN = (
    "set a proxy in the environment of the builder, and an index in the configuration; "
    "what a program needs, give to its container when it starts"
)
_RUNTIME = "a program that needs it can be given it by `runtime_environment`"
# What no option is called like: files with settings, logins of indexes (`UV_INDEX_NAME_PASSWORD`), other spellings.
_ELSEWHERE = {
    "PIP_CONFIG_FILE": INDEXES,
    "PYTHONHOME": f"Python would no longer find its environment; {_RUNTIME}",
    "UV_NO_BINARY_PACKAGE": UV.elsewhere["no-binary"],
    "UV_NO_BUILD_PACKAGE": UV.elsewhere["no-build"],
    "UV_SYSTEM_PYTHON": PLACE,
}


def refuse_variable(name: str, value: str, installer: str | None = None) -> None:
    """Refuse a variable with credentials, and one that would change what a build installs, or where.

    pip reads each of its options from `PIP_NAME`, uv most of its own from `UV_NAME`.

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


def _hint(installer: str, variable: str) -> str:
    """Return where it is decided what a variable would decide; empty where that is free."""
    if variable.startswith("UV_") and installer != "uv":  # pip fetches uv, so its own count for both
        return ""
    if variable in _ELSEWHERE:
        return _ELSEWHERE[variable]
    if variable.startswith("UV_INDEX_"):
        return INDEXES
    prefix, _, rest = variable.partition("_")
    option = rest.lower().replace("_", "-")
    if prefix not in _TABLES or option in _IGNORED:
        return ""
    # Some of uv's are in the singular: `UV_CONSTRAINT`.
    return _TABLES[prefix].get(option) or _TABLES[prefix].get(f"{option}s", "")

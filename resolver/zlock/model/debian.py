"""Names of Debian packages, as apt is given them."""

from __future__ import annotations

import re

# Debian Policy 5.6.1, with an architecture and a version as apt-get(8) takes them. A dash at the end is none of a
# name: for apt it would mean "remove", and one at the begin an option.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9]+)?(?:=[A-Za-z0-9.+:~-]+)?")


def refusal(name: str) -> tuple[str, str] | None:
    """Return why a text names no Debian package, and the way out; None for `name`, `name:arch` and `name=version`."""
    if _PACKAGE.fullmatch(name):
        return None
    lower = name.lower()
    if _PACKAGE.fullmatch(lower):
        return f"`{name}` is not a valid name of a Debian package", f"write `{lower}`: their names are in lower case"
    hint = "write a name of lower-case letters, digits, `+`, `-` and `.`, with `:arch` or `=version` after it"
    return f"`{name}` is not a valid name of a Debian package", hint

"""Images as values: what one is built on, who runs in it, and which folders of it are zlock's."""

from __future__ import annotations

import posixpath
import re

USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?", re.ASCII)

USER_HINT = "write `name`, `name:group`, or their numbers"
"""The way out where a text is not a user."""

FOLDER = "/opt/zlock"
"""The folder of an image that says what was installed."""

WORKING_FOLDER = "/app"
"""The folder in which a container runs, with the project's files."""

CACHE = "/var/cache/zlock"
"""Where the cache of an installer is while a build has it."""

VENV = "/opt/venv"
"""Where the environment is in an image, unless a setting says otherwise or it is the parent's own."""

FRAMEWORK_VENV = f"{FOLDER}/venv"
"""Where it is for the steps of a framework, whose own images have one in `VENV`."""

# It stands in `PATH` and in the first line of scripts, so it has no colon and no space.
PLAIN_PATH = re.compile(r"(/[A-Za-z0-9._+-]+)+", re.ASCII)
# What zlock has there; and what is emptied, or laid over by the system that runs a container.
_TAKEN = (FOLDER, WORKING_FOLDER, CACHE, "/tmp", "/run", "/var/run", "/var/tmp", "/dev", "/proc", "/sys")  # noqa: S108 - of the image

WHITEOUT = ".wh."
"""How the name of a file in a layer begins that takes away what lower layers have under the rest of the name."""

OPAQUE = ".wh..wh..opq"
"""The name of a file in a layer that takes away all that lower layers have in its folder."""

OF_DRIVERS = f"{WHITEOUT}{WHITEOUT}"
"""How the names of files at the top of a layer begin that storage drivers keep there for themselves."""

OCI = "oci"
"""What puts images together out of layers, and is not an engine; and what it calls an image in a folder."""
LAYOUT = f"{OCI}:"
"""How the name of an image in a folder begins (OCI image spec, "Image Layout"); the path follows."""


def is_layout(text: str) -> bool:
    """Tell whether a text names an image in a folder, which no registry has."""
    return text.startswith(LAYOUT)


def whiteout_in(path: str) -> str:
    """Say what a path in a layer takes away, in place of being a file (OCI image spec, "Whiteouts"); empty for others.

    Args:
        path: The path, with `/`, the first of which may be left out.
    """
    if f"/{WHITEOUT}" not in f"/{path}":
        return ""
    before, _, after = f"/{path.lstrip('/')}".rpartition(f"/{WHITEOUT}")
    name = after.partition("/")[0]
    return f"all that is in `{before or '/'}`" if f"{WHITEOUT}{name}" == OPAQUE else f"`{before}/{name}`"


def default_parent(python: str) -> str:
    """Return the image that a step is built on where nothing names one: the slim official one of its Python."""
    return f"python:{python}-slim"


def venv_refusal(text: str) -> tuple[str, str] | None:
    """Say why an environment can't be in a folder of an image, and the way out; None where it can."""
    if not PLAIN_PATH.fullmatch(text) or posixpath.normpath(text) != text:
        return f"`{text}` is not an absolute path in plain characters", f"write a path such as `{VENV}`"
    if whiteout_in(text):
        return f"`{text}` has a name that takes files away in the layers of an image", f"write a path such as `{VENV}`"
    for taken in _TAKEN if text != FRAMEWORK_VENV else ():
        if f"{taken}/".startswith(f"{text}/") or f"{text}/".startswith(f"{taken}/"):
            return f"`{text}` is, or is around or inside, `{taken}`, which is taken", f"write another, such as `{VENV}`"
    return None


def is_user(text: str) -> bool:
    """Tell whether a text names a user, with or without a group, as the `USER` of a Dockerfile takes it."""
    return USER.fullmatch(text) is not None

"""The locks that a build attached to a distribution: how an application finds its own."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution, distributions
from importlib.resources.abc import Traversable
from typing import cast

from zlock.errors import InvalidInput, NoAnswer
from zlock.wording import did_you_mean

_TABLE = "[tool.zlock]"
_NAME = re.compile(r"pylock\.([^.]+)\.toml")


def locks_of(name: str) -> dict[str, Traversable]:
    """Return the locks of an installed distribution, by step.

    ```python
    for step, lock in zlock.locks_of("my-package").items():
        print(step, lock.read_text(encoding="utf-8"))
    ```

    Args:
        name: The distribution's name, in any spelling.

    Raises:
        InvalidInput: It is not installed.
        NoAnswer: It was built without locks, or one that was installed with it is gone.
    """
    found = _distribution(name)
    locks = {match[1]: _place(path) for path in found.files or () if (match := _NAME.fullmatch(path.name))}
    try:
        ours = {step: lock for step, lock in sorted(locks.items()) if _TABLE in lock.read_text(encoding="utf-8")}
    except (OSError, KeyError) as error:  # the latter inside an archive
        raise NoAnswer(
            f"a lock that was installed with the distribution `{name}` can't be read", hint="install it again"
        ) from error
    if not ours:
        hint = "the build hook of zlock attaches them: `[tool.hatch.build.hooks.zlock]`"
        raise NoAnswer(f"the distribution `{name}` holds no locks", hint=hint)
    return ours


def _distribution(name: str) -> Distribution:
    try:
        return distribution(str(name))  # `__package__` is None in a script
    except (PackageNotFoundError, ValueError) as error:  # the latter for an empty name
        installed = {each.name for each in distributions()}
        raise InvalidInput(
            f"the distribution `{name}` is not installed here", hint=did_you_mean(str(name), installed)
        ) from error


def _place(path: PackagePath) -> Traversable:
    return cast(Traversable, path.locate())

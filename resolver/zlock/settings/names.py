"""The names of steps: each becomes part of a file name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from zlock.errors import InvalidConfiguration

STEP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def step_name_of(text: str) -> str:
    """Return the name of the step that stands for a file: `job.v2` is `job-v2`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-")[:100]
    return f"{name}-script".strip("-") if name.lower() in {"", *_DEVICES} else name


def wrong_names(names: Iterable[str], way: str) -> Iterator[tuple[str, InvalidConfiguration]]:
    """Yield the names of steps that PEP 751 (File name) or file systems don't bear, and why.

    Args:
        names: The names.
        way: How a step gets another name.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not STEP_NAME.fullmatch(name) or name.lower() in _DEVICES:
            letters = "use up to 100 letters, digits, `-` and `_`, no `-` first, and no name of a device of Windows"
            message = f"the step name `{name}` can't be part of a lock's file name"
            yield name, InvalidConfiguration(message, hint=f"{letters}, such as `con`; {way}")
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            hint = "their locks would be one file on some systems: rename one of them"
            yield name, InvalidConfiguration(f"the step names `{other}` and `{name}` differ only in case", hint=hint)

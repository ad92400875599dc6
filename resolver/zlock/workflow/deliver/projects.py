"""The projects below a folder, as in a repository that holds several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zlock.errors import InvalidConfiguration, Located, Problems, ZlockError
from zlock.settings.place import Place
from zlock.workflow.locks.current import HINT

_SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages"})


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundProject:
    """A project below a folder.

    Attributes:
        name: Its path from there, with `/`; a dot for the folder itself.
        folder: Where it is.
    """

    name: str
    folder: Path

    def named(self, error: ZlockError) -> list[ZlockError]:
        """Return what is wrong with it, each error with the project's name and with files that count from anywhere."""
        errors = error.errors if isinstance(error, Problems) else (error,)
        for one in errors:
            one.message = f"`{self.name}`: {one.message}"
            one.context = tuple(map(self._placed, one.context))
            one.hint = "run `zlock resolve --all`" if one.hint == HINT else one.hint
        return list(errors)

    def _placed(self, line: str) -> str:
        if not isinstance(line, Located) or not line.file:
            return line
        return Located(line, Place(str(self.folder / line.file), line.line))


def projects_below(folder: Path) -> list[FoundProject]:
    """Return the projects in a folder and below it, by name; hidden folders and environments are passed over.

    Raises:
        InvalidConfiguration: There are none.
    """
    found = [FoundProject(name=one.relative_to(folder).as_posix(), folder=one) for one in _configured(folder)]
    if not found:
        raise InvalidConfiguration(
            f"there is no project in `{folder}` or below it: no `zlock.toml`, no `[tool.zlock]` in a `pyproject.toml`",
            hint="name the folder with `--project`, or begin a project with `zlock init`",
        )
    return found


def _configured(folder: Path) -> Iterator[Path]:
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name not in _SKIPPED)
        if "pyvenv.cfg" in files:
            inner.clear()
        elif "zlock.toml" in files or ("pyproject.toml" in files and _is_configured(Path(place, "pyproject.toml"))):
            yield Path(place)


def _is_configured(file: Path) -> bool:
    try:
        return "[tool.zlock" in file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False

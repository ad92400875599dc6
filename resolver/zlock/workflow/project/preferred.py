"""The lock of another tool that the configuration names as `keep`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.utils import NormalizedName

from zlock.errors import InvalidConfiguration, Located
from zlock.model.target import Target
from zlock.regular import read_regular
from zlock.settings.config import Project
from zlock.settings.location import Location

if TYPE_CHECKING:
    from zlock.lock.preferred import Preferred


class KeptFile(Struct):
    """A lock whose versions are preferred where ours has none yet.

    Attributes:
        path: The file.
        name: What the configuration calls it.
        text: What it holds.
    """

    path: Path
    name: str
    text: str
    _preferred: Preferred | None = None

    @classmethod
    def of(cls, keep: str, project: Project) -> KeptFile:
        """Read the file that a project names.

        Raises:
            InvalidConfiguration: It can't be read.
        """
        path = project.folder / keep
        try:
            return cls(path, keep, read_regular(path).decode().replace("\r\n", "\n"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            place = Location(str(project.file), project.lines.line_of_key(("keep",)))
            raise InvalidConfiguration(
                f"`{keep}` can't be read: {reason}",
                context=[Located(f"`keep` in {place}", place)],
                hint="correct `keep`, or leave it out",
            ) from error

    @property
    def stated(self) -> str:
        """What of it decides about versions: its name, and the digest of what it holds."""
        return f"{self.name} sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"

    def on(self, target: Target) -> Mapping[NormalizedName, str]:
        """Return the versions that it holds for a target.

        Raises:
            InvalidInput: It is malformed.
        """
        from zlock.lock.preferred import preferred_in

        self._preferred = self._preferred or preferred_in(self.text, self.name)
        return self._preferred.on(target)

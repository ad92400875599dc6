"""What a solve finds out, as facts; `words.py` says them."""

from __future__ import annotations

from enum import Enum, auto
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version

from zlock.model.distribution import Dependency
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.misfits import Misfits
from zlock.resolution.needs import Node


class Flaw(Enum):
    """What is wrong with a file, or with a release as a whole; what `detail` then is stands behind."""

    TAGS = auto()  # no tag of the wheel fits; its compressed tags
    SDIST = auto()  # it would have to be built
    PYTHON = auto()  # its `Requires-Python`
    LATE = auto()  # the day on which it was uploaded, after the cut-off
    UNDATED = auto()  # there is a cut-off, and its index gives no upload time
    QUARANTINED = auto()  # the reason that the index gives, may be empty
    STRANGE = auto()  # it is no file of a version; its name
    UNUSABLE = auto()  # what the index says of it is; the whole of it in words
    BROKEN = auto()  # its metadata is; in words
    URL = auto()  # it requires by URL what no requirement of the step states, or what can't be used; the requirement
    EXTRA = auto()  # it has no extra of a name that the step gives; the extra
    GONE = auto()  # no file of it fits the target


class Rejected(Struct, frozen=True):
    """A file or a release that can't be used, and why.

    Attributes:
        flaw: What is wrong.
        detail: What the flaw says of it.
        version: Its version, None where it has none.
        cause: Why what it requires by URL can't be used.
        is_late: Whether it was uploaded after the cut-off besides, so that it would not be there but for its flaw.
    """

    flaw: Flaw
    detail: str = ""
    version: Version | None = None
    cause: Rejected | None = None
    is_late: bool = False


class Files(Struct, frozen=True, kw_only=True):
    """The files within a specifier that can't be used.

    Attributes:
        flaws: What is wrong with any of them.
        systems: The `sys_platform` of all systems that their wheels are for; none where some are for all.
        is_place: Whether they are what a URL names.
        version: The newest release, None where no file has a version; the rest is of its files.
        misfits: What its wheels are for, None where it has none.
        python: The `Requires-Python` of one, or empty.
        other: What else is wrong with one, or None.
    """

    flaws: frozenset[Flaw]
    systems: frozenset[str]
    is_place: bool
    version: Version | None
    misfits: Misfits | None
    python: str
    other: Rejected | None


class Lack(Enum):
    """Why no release of a package within a specifier can be used."""

    UNKNOWN = auto()  # no index knows the package
    HASHES = auto()  # no file has a hash that is asked for
    YANKED = auto()  # all that match were
    PRERELEASES = auto()  # all that match are
    LIMITED = auto()  # by constraints
    EXCLUDED = auto()  # for some other reason that is none of a file
    FILES = auto()  # no file of one can be used
    URL = auto()  # the package is what its URL says
    UNMATCHED = auto()  # no release matches
    EMPTY = auto()  # the index lists no usable file


class Nothing(Struct, frozen=True, kw_only=True):
    """That no release of a package within a specifier can be used, and why.

    Attributes:
        name: The package.
        specifier: The specifier.
        target: The target.
        lack: Why.
        versions: Of `UNMATCHED`, the newest that can be used; else one of those that are meant, if any.
        because: Why that one was yanked; may be empty.
        limits: The constraints, the requirement that states the URL, or the one whose hashes no file has.
        files: Its files that can't be used, None where there are none.
        older: How many older releases within the specifier can't be used either.
        index: Where it is taken from, where another index has what is asked for.
        elsewhere: That index, and the newest release there.
    """

    name: NormalizedName
    specifier: str
    target: Target
    lack: Lack
    versions: tuple[Version, ...] = ()
    because: str = ""
    limits: tuple[DirectRequirement, ...] = ()
    files: Files | None = None
    older: int = 0
    index: str = ""
    elsewhere: tuple[str, Version] | None = None

    def at(self, version: Version | None) -> Nothing:
        """Return what is said of one release, said of another one: equal where the same is wrong with both."""
        files = replace(self.files, version=version) if self.files else None
        versions = (version,) if version and self.lack in (Lack.YANKED, Lack.PRERELEASES) else ()
        return replace(self, specifier=f"=={version}" if version else "", versions=versions, files=files)


class Link(Struct, frozen=True, kw_only=True):
    """What some releases of a node require of a package, or why they can't be used.

    Attributes:
        node: The node.
        versions: The releases, the oldest first.
        span: Whether they are all that can be used, all between the first and the last, or only some of these.
        requires: What they require, without its marker; where an override replaces it, without its bounds.
        override: The override.
        others: How many other ranges releases require that are no newer; what is said is of the newest then.
        rejected: Why they can't be used, where nothing that they require is said.
    """

    node: Node
    versions: tuple[Version, ...]
    span: Literal["every", "run", "some"]
    requires: Dependency | None = None
    override: DirectRequirement | None = None
    others: int = 0
    rejected: Rejected | None = None


Kind = Literal["bound", "constraint", "override", "setting", "build", "name", "leave"]


class Change(Struct, frozen=True, kw_only=True):
    """One change with which the whole step has an answer.

    Attributes:
        kind: "bound", "constraint", "override": let it admit the pin, or let it go; "setting": set it; "build": allow
            builds; "name": require the pin exactly; "leave": leave it out.
        requirement: What is changed, where it is a requirement.
        pin: The release that the answer has then, where one is meant.
        yanked: Whether that was yanked; else what is named is a pre-release.
        setting: The setting, as it stands in the configuration.
        names: All packages that may be built then.
        is_tried: Whether it is known to be enough.
    """

    kind: Kind
    requirement: DirectRequirement | None = None
    pin: tuple[NormalizedName, Version] | None = None
    yanked: bool = False
    setting: str = ""
    names: tuple[NormalizedName, ...] = ()
    is_tried: bool = True


class Changes(Struct, frozen=True):
    """Single changes that would solve a whole step, and how many more there was no time to try."""

    found: tuple[Change, ...]
    untried: int

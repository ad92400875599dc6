"""`[tool.zlock]`: what a lock says beyond PEP 751, as values; docs/lock.md has each key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from msgspec import Struct

from zlock.errors import InvalidConfiguration
from zlock.lock.files import PackageFile, check_file
from zlock.lock.forms import BuildLine, Count, Digest, FileName, Format, Name, PathInside, Step, VersionText, Word
from zlock.model.debian import DebianPackage, refusal
from zlock.model.digest import SHA256
from zlock.model.explanations import Differs, GaveWay
from zlock.model.form import Key, Line, Misstated, matching, read
from zlock.model.image import is_user
from zlock.model.installer import UV, Installer, InstallerName
from zlock.model.requirement import Asked, recorded_requirement
from zlock.model.target import Target


class DeclaredFile(NamedTuple):
    """A file that asks.

    Attributes:
        name: Its path from the project folder, with `/`; of a file outside, its name alone.
        inside: Whether it is in the project folder.
        digest: Of what it says.
    """

    name: str
    inside: bool
    digest: str

    @classmethod
    def from_table(cls, table: Mapping[str, object]) -> DeclaredFile:
        """Read a row of the lock."""
        inside = "path" in table
        place = {"name": read(PathInside if inside else FileName, table.get("path" if inside else "name"))}
        return cls(**place, inside=inside, digest=read(Digest, table.get("digest")))

    def to_table(self) -> dict[str, str]:
        """Return it as a row of the lock."""
        return {"path" if self.inside else "name": self.name, "digest": self.digest}


class Build(Struct, frozen=True):
    """What one sdist, repository, archive or folder is built with on one platform.

    Attributes:
        package: The normalized name of the package.
        version: Its version.
        platform: The target's platform.
        requires: What its build requires (PEP 518, PEP 517), sorted.
        requirements: What that comes to: lines of a requirements file, `name==version` with the hashes of wheels.
        locked: Whether an index has what it takes.
    """

    package: Name
    version: VersionText
    platform: Word
    requires: tuple[Line, ...]
    requirements: tuple[BuildLine, ...]
    locked: bool = True

    def check(self) -> None:
        """Hold the pins that were read against each other.

        Raises:
            Misstated: A package is pinned twice.
        """
        if len(self.pins) < len(self.requirements):
            raise Misstated("a package is pinned twice", "requirements")

    @property
    def pins(self) -> dict[str, str]:
        """The versions that it is built with, by name."""
        return dict(line.partition(" ")[0].split("==", 1) for line in self.requirements)

    @property
    def text(self) -> str:
        """The requirements file that it is built with."""
        return "".join(f"{line}\n" for line in self.requirements)


class LockedInstaller(Struct, frozen=True):
    """What images fetch to install a lock: pinned like a package, though it is none of the step's.

    Attributes:
        version: Its version.
        wheels: Its wheels, for all Linux platforms.
        name: Which installer it is.
    """

    version: VersionText
    wheels: tuple[PackageFile, ...]
    name: InstallerName = UV.name

    def check(self) -> None:
        """Hold the wheels that were read against its version.

        Raises:
            Misstated: There is none, or one is of another release.
        """
        if not self.wheels:
            raise Misstated("it is empty", "wheels")
        for wheel in self.wheels:
            check_file(wheel, self.name, self.version)


class PinnedParent(Struct, frozen=True):
    """The image that a step is built on.

    Attributes:
        reference: As the settings name it, or as the default is called.
        digest: `sha256:...` of what that named when it was asked.
        user: Who runs in it; empty for root.
    """

    reference: str
    digest: str
    user: str


class Apt(Struct, frozen=True):
    """The Debian packages of a step, as apt installs them on its base image.

    Attributes:
        base_image: `sha256:...` of the base image that lacks them.
        distribution: What the base image is, as its os-release(5) has it.
        packages: All of them, those that others need included, sorted by name.
    """

    base_image: Digest
    distribution: Word
    packages: tuple[DebianPackage, ...]

    def on(self, platform: str) -> tuple[DebianPackage, ...]:
        """Return those that a platform installs."""
        return tuple(one for one in self.packages if not one.platforms or platform in one.platforms)

    @property
    def pins(self) -> dict[str, str]:
        """The versions by name; several where platforms differ."""
        found: dict[str, dict[str, None]] = {}
        for one in self.packages:
            found.setdefault(one.name, {})[one.version] = None
        return {name: ", ".join(versions) for name, versions in found.items()}

    def check_on(self, platforms: Sequence[str]) -> None:
        """Hold the packages that were read against each other.

        Raises:
            Misstated: A platform has one twice, or lacks one that another needs.
        """
        for platform in platforms:
            there = self.on(platform)
            names = [(one.name, one.architecture) for one in there]
            if len(set(names)) < len(names):
                raise Misstated(f"{platform} has a package twice", "apt.packages")
            known = {one.name for one in there} | {f"{one.name}:{one.architecture}" for one in there}
            for one in there:
                if missing := set(one.needs) - known:
                    raise Misstated(f"{one.name} needs {min(missing)}, which {platform} lacks", "apt.packages")


def _apt_package(name: str) -> str:
    if refused := refusal(name):
        raise ValueError(refused[0])
    return name


def _user(name: str) -> str:
    if name and not is_user(name):
        raise ValueError(f"{name!r} is not a valid user of an image")
    return name


class Facts(Struct, frozen=True, kw_only=True):
    """The table `[tool.zlock]`.

    Attributes:
        format: The format of this table, see `FORMAT`.
        step: The step.
        pipeline: The pipeline it belongs to, `file.py:name`; empty for the configuration's own steps.
        identity: The digest of what the lock installs.
        inputs: The digest of what the step asks.
        declared: The digest of the files that ask.
        declared_files: The files that ask.
        packages: How many packages the lock has, so that one that was cut short is noticed.
        python: The Python of the target.
        platforms: The platforms of the target.
        manylinux: The glibc floor, or empty.
        musllinux: The musl floor, or empty.
        parent_image: The image that the step is built on; empty for the default.
        apt_packages: Debian packages that are asked for.
        installer: What images fetch to install the lock; None where they fetch nothing.
        policy: What of the configuration decides about versions, as far as it is not the default.
        local: For each local folder and archive that is required, by its `file:` URL, the digest of what it asks.
        exclude_newer: The cut-off that the command line set, RFC 3339, or empty.
        gave_way: Requirements that gave way to later sources.
        differs: Packages that have another version in another step.
        parent_reference: The image whose digest is pinned, as settings name it or as the default is called, or empty.
        parent_digest: `sha256:...` of what that named when it was asked, or empty.
        parent_user: Who runs in it, empty for root; None where no digest is pinned.
        integrity: The sha256 of the lock's text with this value empty.
        apt: The Debian packages that these come to; None where they are not locked.
        builds: What the packages are built with that are built wherever they are installed.
        sources: What each source asked for, in the documented order.
    """

    format: Format
    step: Step
    pipeline: Line = ""
    identity: Digest
    inputs: Digest
    declared: Digest
    declared_files: tuple[DeclaredFile, ...]
    packages: Count
    python: Line
    platforms: tuple[Line, ...]
    manylinux: Line = ""
    musllinux: Line = ""
    parent_image: Word = ""
    apt_packages: tuple[Annotated[str, _apt_package], ...] = ()
    installer: Annotated[LockedInstaller | None, Key("uv")] = None
    policy: Mapping[str, object] = {}
    local: Mapping[Word, Annotated[str, matching(f"|{SHA256}", "digest")]] = {}
    exclude_newer: Line = ""
    gave_way: tuple[GaveWay, ...] = ()
    differs: tuple[Differs, ...] = ()
    parent_reference: Word = ""
    parent_digest: Digest = ""
    parent_user: Annotated[str, _user] | None = None
    integrity: str
    apt: Apt | None = None
    builds: tuple[Build, ...] = ()
    sources: tuple[Asked, ...]

    def check(self) -> None:
        """Hold what was read to what the parts of the table say of each other.

        Raises:
            Misstated: They don't agree, or say nothing that there is.
        """
        try:
            targets = self.targets
        except InvalidConfiguration as error:
            raise Misstated(error.message) from error
        if not targets:
            raise Misstated("it is empty", "platforms")
        if self.apt is not None:
            self.apt.check_on([platform for platform in self.platforms if platform.startswith("linux/")])
        built = [(build.package, build.platform) for build in self.builds]
        if len(set(built)) < len(built):
            raise Misstated("a package is there twice for one platform", "builds")
        for asked in self.sources:
            for text in (*asked.requirements, *asked.constraints) if asked.recorded else ():
                try:
                    recorded_requirement(text)
                except ValueError as error:
                    raise Misstated(f"{text!r} of {asked.source} is not a requirement", "sources") from error

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the lock is for."""
        floors = {"manylinux": self.manylinux or None, "musllinux": self.musllinux or None}
        return tuple(Target.parse(self.python, platform, **floors) for platform in self.platforms)

    @property
    def parent(self) -> PinnedParent | None:
        """The parent that is pinned, None where none is."""
        if self.parent_user is None:
            return None
        return PinnedParent(reference=self.parent_reference, digest=self.parent_digest, user=self.parent_user)

    def fetched(self, installer: Installer) -> LockedInstaller | None:
        """Return what images fetch to install the lock by an installer, None where the lock does not have that one."""
        return self.installer if self.installer and self.installer.name == installer.name else None

    @property
    def is_portable(self) -> bool:
        """Whether the lock has its files in a wheelhouse, whatever index they come from."""
        return self.policy.get("urls") == "portable"

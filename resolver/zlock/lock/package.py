"""The packages of a lock, as PEP 751 has them: a field is a key, and the one with our own facts is `tool`.

The types follow `packaging.pylock`. They keep texts as they are written, which identities are made from, hold what is
read to tighter forms, and keep what is made of a package, since the steps of a pipeline share most of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from msgspec import Struct

from zlock.lock import forms
from zlock.lock.files import PackageArchive, PackageFile, check_file
from zlock.lock.question import plain_text
from zlock.lock.toml import section
from zlock.model.form import Line, Misstated, plain, read


class PackageVcs(Struct, frozen=True, kw_only=True):
    """A repository.

    Attributes:
        type: What keeps it.
        path: Its path from the lock's folder; empty where it has a URL.
        url: Where it is; empty where it has a path.
        requested_revision: What a source asks for, or empty.
        commit_id: The commit.
        subdirectory: Where the project is in it; empty for its top.
    """

    type: Literal["git"]
    path: forms.Path = ""
    url: forms.RepositoryUrl = ""
    requested_revision: Line = ""
    commit_id: forms.Commit
    subdirectory: forms.PathInside = ""


class PackageDirectory(Struct, frozen=True, kw_only=True):
    """A folder.

    Attributes:
        path: Its path from the lock's folder.
        subdirectory: Where the project is in it; empty for its top.
    """

    path: forms.Path
    subdirectory: forms.PathInside = ""


class Dependency(Struct, frozen=True, kw_only=True):
    """An edge of the graph.

    Attributes:
        name: The package that is needed.
    """

    name: forms.Name


class PackageFacts(Struct, frozen=True, kw_only=True):
    """What zlock knows of a package beyond PEP 751.

    Attributes:
        needs: By extra, with "" for the package itself, the packages and extras that it needs.
    """

    needs: Mapping[Line, tuple[forms.Node, ...]] = {}


class PackageTool(Struct, frozen=True, kw_only=True):
    """What tools know of a package beyond PEP 751; ours is None where the names in `dependencies` say all."""

    zlock: PackageFacts | None = None


class Package(Struct, frozen=True, kw_only=True, dict=True):
    """An entry of a lock: files of an index, or one place.

    Attributes:
        name: The normalized name.
        version: The version; empty for a repository and a folder.
        marker: Where it is installed; empty for everywhere.
        requires_python: The Pythons that it is for; empty where it does not say.
        dependencies: What it needs of the others.
        tool: See `PackageTool`.
        vcs: The repository that it is in.
        directory: The folder that it is in.
        archive: The archive that it is.
        index: The URL of the index that lists its files; empty for a folder, and in a portable lock.
        wheels: Its wheels.
        sdist: Its sdist, where there are no wheels.
    """

    name: forms.Name
    version: forms.VersionText = ""
    marker: forms.MarkerText = ""
    requires_python: forms.SpecifierText = ""
    dependencies: tuple[Dependency, ...] = ()
    tool: PackageTool = PackageTool()
    vcs: PackageVcs | None = None
    directory: PackageDirectory | None = None
    archive: PackageArchive | None = None
    index: forms.IndexUrl = ""
    wheels: tuple[PackageFile, ...] = ()
    sdist: PackageFile | None = None

    def check(self) -> None:
        """Hold the parts of an entry that was read against each other.

        Raises:
            Misstated: It has no place or several, or a file of another release.
        """
        places = [self.vcs, self.directory, self.archive, self.files or None]
        if len(places) - places.count(None) != 1:
            raise Misstated("it has to have files, or a repository, a folder or an archive, and only one of these")
        if not self.version and (self.files or self.archive):
            raise Misstated("it is not there", "version")
        for place in self.placed:
            if bool(place.url) == bool(place.path):
                raise Misstated("a file, an archive or a repository has to have either a `url` or a `path`")
        for file in self.files:
            check_file(file, self.name, self.version)
        if self.archive:
            read(forms.FileName, self.archive.filename)
            if not self.is_built:
                check_file(self.archive, self.name, self.version)

    @property
    def files(self) -> tuple[PackageFile, ...]:
        """The files that an index lists: its wheels, or its sdist."""
        return (*self.wheels, *([self.sdist] if self.sdist else ()))

    @property
    def hashed(self) -> tuple[PackageFile | PackageArchive, ...]:
        """The files that an index lists, or the archive that it is: what has hashes."""
        return (*self.files, *([self.archive] if self.archive else ()))

    @property
    def placed(self) -> tuple[PackageFile | PackageArchive | PackageVcs, ...]:
        """Its files, its archive or its repository: what has a URL or a path."""
        return (*self.hashed, *([self.vcs] if self.vcs else ()))

    @property
    def is_built(self) -> bool:
        """Whether it is a repository, a folder or an archive that has to be built before it is installed."""
        if self.archive is None:
            return bool(self.vcs or self.directory)
        from zlock.model.link import is_wheel  # few packages are archives

        return not is_wheel(self.archive.url or self.archive.path)

    @property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """By extra, with "" for the package itself, the packages and extras that it needs."""
        return self.tool.zlock.needs if self.tool.zlock else {"": tuple(one.name for one in self.dependencies)}

    @property
    def shown(self) -> str:
        """What a person takes for its version: of a repository the beginning of its commit, of a folder its path."""
        return self.version or (self.vcs.commit_id[:12] if self.vcs else self.directory.path if self.directory else "")

    @cached_property
    def identity(self) -> tuple[list[object], str]:
        """What it counts for in the identity of a lock, as a value, which orders packages, and as a text."""
        hashes = sorted(f"{name}:{digest}" for file in self.hashed for name, digest in file.hashes.items())
        source = [self.vcs.commit_id, self.vcs.subdirectory] if self.vcs else ["", ""]
        row: list[object] = [
            self.name,
            self.version,
            self.marker,
            hashes,
            [*source, self.directory.path if self.directory else ""],
        ]
        return row, plain_text(row)

    @cached_property
    def text(self) -> str:
        """The entry as it is written."""
        return section("[[packages]]", plain(self))

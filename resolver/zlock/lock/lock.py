"""A lock as a value: PEP 751, with zlock's own facts under `[tool.zlock]`."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from msgspec.structs import replace
from packaging.specifiers import SpecifierSet

from zlock.lock.facts import Facts
from zlock.lock.forms import MarkerText, SpecifierText
from zlock.lock.identity import FORMAT, identity_of, resign
from zlock.lock.package import Package
from zlock.lock.toml import section
from zlock.model.distribution import LockedReference
from zlock.model.form import Misstated, plain


class Lock(Struct, frozen=True, eq=False, kw_only=True):
    """A lock.

    Attributes:
        environments: A marker for each target: installers refuse the lock anywhere else.
        requires_python: The Pythons it is for.
        packages: What it installs.
        facts: What zlock knows beyond that.
    """

    environments: tuple[MarkerText, ...]
    requires_python: SpecifierText
    packages: tuple[Package, ...] = ()
    facts: Facts

    def check(self) -> None:
        """Hold what was read to what its parts say of each other.

        Raises:
            Misstated: It is for other targets than `facts` say, or a target installs a package twice.
        """
        targets = self.facts.targets
        fitting = [sum(map(target.holds, self.environments)) for target in targets]
        if len(self.environments) != len(targets) or fitting != [1] * len(targets):
            raise Misstated("it does not say what `platforms` does", "environments")
        if not all(SpecifierSet(self.requires_python).contains(target.full_version) for target in targets):
            raise Misstated("it does not say what `python` does", "requires-python")
        names = [package.name for package in self.packages]
        several = {name for name, count in Counter(names).items() if count > 1}
        for target in targets if several else ():
            there = [one.name for one in self.packages if one.name in several and target.holds(one.marker)]
            if len(set(there)) < len(there):
                raise Misstated(f"{target.platform} has a package twice", "packages")

    def render(self) -> str:
        """Return the lock's text, in the format that is written today, with its integrity filled in."""
        facts = plain(replace(self.facts, format=FORMAT))
        under = [(f"tool.zlock.{key}", facts.pop(key)) for key in ("apt", "builds", "sources") if facts.get(key)]
        tables = [section(f"[{key}]", one) for key, one in under if isinstance(one, dict)]
        rows = [section(f"[[{key}]]", row) for key, one in under if isinstance(one, list) for row in one]
        return resign(self._text(section("[tool.zlock]", facts), *tables, *rows))

    def render_bare(self) -> str:
        """Return the text of a lock without what only zlock reads."""
        return self._text()

    def _text(self, *sections: str) -> str:
        head = {"lock-version": "1.0", "environments": self.environments, "requires-python": self.requires_python}
        made = {"created-by": "zlock", **({} if self.packages else {"packages": ()})}
        return "\n".join([section("", head | made), *(package.text for package in self.packages), *sections])

    @property
    def identity(self) -> str:
        """The digest of what it installs, made anew; what `facts` say is what it was when it was locked."""
        return identity_of(self.packages, self.facts.builds)

    @property
    def pins(self) -> dict[str, str]:
        """What it pins, by name: the version, of a repository the commit, of a folder its path.

        Several versions of one name are for several platforms.
        """
        found: dict[str, list[str]] = {}
        for package in self.packages:
            found.setdefault(package.name, []).append(package.shown)
        return {name: ", ".join(versions) for name, versions in found.items()}

    @property
    def references(self) -> dict[str, LockedReference]:
        """The repositories and archives that it holds, by name."""
        return {package.name: _reference(package) for package in self.packages if package.vcs or package.archive}

    @property
    def unhashed(self) -> list[str]:
        """The repositories and folders that it holds, by name: they have no hash."""
        return [package.name for package in self.packages if package.vcs or package.directory]

    @property
    def unbuilt(self) -> list[str]:
        """What is to be built, and the lock does not say with what: earlier versions locked that for no such."""
        known = {build.package for build in self.facts.builds}
        return [package.name for package in self.packages if package.is_built and package.name not in known]


def _reference(package: Package) -> LockedReference:
    vcs, archive = package.vcs, package.archive
    return LockedReference(
        url=vcs.url if vcs else archive.url if archive else "",
        requested_revision=vcs.requested_revision if vcs else "",
        commit=vcs.commit_id if vcs else "",
        sha256=archive.sha256 if archive else "",
    )

"""One environment, made by uv from what a lock installs on a machine: no index decides anything."""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from zlock.errors import NoAnswer, OutsideFailed
from zlock.image.wanted import BuiltFolder
from zlock.index.sdist import temporary_folder, uv_environment
from zlock.lock.export import Exported, export
from zlock.lock.facts import Build
from zlock.lock.files import PackageArchive
from zlock.lock.lock import Lock
from zlock.lock.package import Package
from zlock.lock.wheelhouse import files_of_build
from zlock.model.indexes import urls_of
from zlock.model.paths import real
from zlock.model.target import Target
from zlock.model.unshown import Unshown
from zlock.process import CommandExited, Watch, find_uv, run_command
from zlock.reporting import Reporter
from zlock.workflow.fetching.folders import Supply
from zlock.workflow.locks.current import LockedStep
from zlock.workflow.project.serving import serving_with_logins
from zlock.workflow.project.workspace import Workspace

# Where uv looks for Pythons, and whether it may fetch one, is the machine's to say.
_PYTHONS = (
    "UV_PYTHON_DOWNLOADS", "UV_PYTHON_DOWNLOADS_JSON_URL", "UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_PREFERENCE",
    "UV_MANAGED_PYTHON", "UV_NO_MANAGED_PYTHON",
)  # fmt: skip


class Contents(Unshown, frozen=True, kw_only=True):
    """What an environment is made from.

    Attributes:
        step: The step.
        lock: What its lock installs on the target.
        target: The Python and the platform.
        folders: What comes of the project's folders, by name.
    """

    step: LockedStep
    lock: Lock
    target: Target
    folders: Mapping[str, BuiltFolder]

    @property
    def key(self) -> str:
        """What an environment is found by: what its lock installs here, and what is in folders of the project."""
        parts = [self.lock.identity, self.target.python, self.target.platform]
        parts += [f"{name} {folder.sha256}" for name, folder in sorted(self.folders.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def make_environment(
    workspace: Workspace, folder: Path, contents: Contents, supply: Supply, reporter: Reporter
) -> None:
    """Make an environment that is not there yet.

    Each file is the one that the lock names, checked against its hash; what has to be built is built with what the
    lock says, and not taken out of uv's cache, where it may have been built with something else.

    Raises:
        NoAnswer: The lock does not say with what a package is built.
        OutsideFailed: There is no such Python, or uv can't install a file.
    """
    environ = workspace.environ
    # For their logins alone.
    default, others = urls_of(serving_with_logins(workspace, contents.step.step.routing))
    variables = uv_environment(environ, default, offline=workspace.options.offline)
    variables |= {name: environ[name] for name in _PYTHONS if name in environ}
    variables |= {"UV_INDEX": " ".join(others)} if others else {}
    # The last place to look in, before one is downloaded: zlock's own Python may be on no `PATH`, as with `uv tool`.
    own = Path(sys.base_prefix, "" if os.name == "nt" else "bin")
    variables["PATH"] = os.pathsep.join([*filter(None, [variables.get("PATH")]), str(own)])
    with temporary_folder() as work:
        making = _Making(contents, supply, folder, work, variables, Watch(reporter=reporter))
        making.run("venv", "--no-project", "--python", f"cpython@{contents.target.python}", str(folder))
        making.install_all()


class _Making(Unshown, frozen=True):
    contents: Contents
    supply: Supply
    folder: Path
    work: Path
    variables: Mapping[str, str]
    watch: Watch

    def install_all(self) -> None:
        builds = {build.package: build for build in self.contents.lock.facts.builds}
        packages = [self._carried(package) for package in self.contents.lock.packages]
        unbuilt = [one for one in packages if one.is_built or (one.sdist and not one.wheels)]
        ready = [one for one in packages if one not in unbuilt]
        if ready:
            self.run("pip", "install", *self._lock_of(ready))
        for package in unbuilt:
            self._build(package, builds.get(package.name))

    def _carried(self, package: Package) -> Package:
        """Return a folder of the project as the file that was made of it."""
        built = self.contents.folders.get(package.name)
        if built is None:
            return package
        place = self.work / built.filename
        place.write_bytes(built.data)
        archive = PackageArchive(path=str(place), hashes={"sha256": built.sha256})
        return replace(package, directory=None, version=built.version, archive=archive)

    def _build(self, package: Package, build: Build | None) -> None:
        if build is None or not build.locked:
            raise NoAnswer(
                f"the lock does not say with what `{package.name}` is built",
                hint=f"name it in `build-sdists`, and run `zlock resolve --upgrade-package {package.name}`",
            ).of(step=self.contents.step.step.name)
        house = self.supply(self.contents.step, list(files_of_build(build.requirements)))
        needs = self.work / f"{package.name}.build.txt"
        needs.write_text(build.text, encoding="utf-8")
        found = ("--no-index", "--find-links", str(house), "--build-constraints", str(needs))
        self.run("pip", "install", "--no-cache", *found, *self._lock_of([package]))

    def _lock_of(self, packages: Sequence[Package]) -> tuple[str, ...]:
        """Return the arguments that install packages, out of a lock of them alone."""
        text = export(
            "pylock",
            Exported(
                lock=replace(self.contents.lock, packages=tuple(packages)),
                targets=(self.contents.target,),
                lock_folder=real(self.contents.step.path.parent),
                folder=self.work,
            ),
        )
        place = self.work / "pylock.toml"
        place.write_text(text, encoding="utf-8")
        return "--no-deps", "--python", str(self.folder), "--requirements", str(place)

    def run(self, *arguments: str) -> None:
        try:
            run_command(
                [find_uv(), *arguments], cwd=self.work, timeout=math.inf, environ=self.variables, watch=self.watch
            )
        except CommandExited as error:
            raise OutsideFailed(
                f"uv could not make the environment of step `{self.contents.step.step.name}`",
                context=error.context,
                hint="what uv lacks is above: for 401 and 403, see the credentials in docs/indexes.md; without a "
                "network, fill a wheelhouse with `zlock fetch` before",
            ) from error

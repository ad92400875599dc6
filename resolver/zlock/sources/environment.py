"""What is installed in the project's environment, and which of it only zlock needs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import CommandFailed
from zlock.model.installer import INSTALLERS
from zlock.model.requirement import parsed
from zlock.process import quoted, run_command

_REQUESTING_ALL = frozenset(name for name, one in INSTALLERS.items() if one.requests_all)
# Runs in the project's interpreter, which may be older than zlock's and has no zlock; the working
# folder leaves the path first, as a file of the project may be named like a module of the library.
_SCRIPT = """\
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json, os, platform
try:
    from importlib.metadata import distributions
except ImportError:  # before Python 3.8; zlock can't be installed there
    distributions = list
implementation = sys.implementation.version
version = "%d.%d.%d" % implementation[:3]
if implementation.releaselevel != "final":
    version += implementation.releaselevel[0] + str(implementation.serial)
markers = {
    "implementation_name": sys.implementation.name,
    "implementation_version": version,
    "os_name": os.name,
    "platform_machine": platform.machine(),
    "platform_python_implementation": platform.python_implementation(),
    "platform_release": platform.release(),
    "platform_system": platform.system(),
    "platform_version": platform.version(),
    "python_full_version": platform.python_version(),
    "python_version": ".".join(platform.python_version_tuple()[:2]),
    "sys_platform": sys.platform,
}
packages = []
for found in distributions():
    try:
        name, requires = found.metadata.get("Name"), found.requires or []
    except Exception:  # what an interrupted installation left behind
        continue
    packages.append({
        "name": name,
        "requires": requires,
        "requested": found.read_text("REQUESTED") is not None,
        "installer": (found.read_text("INSTALLER") or "").strip(),
        "direct_url": found.read_text("direct_url.json"),
    })
print()
print(json.dumps({"markers": markers, "packages": packages}))
"""


class InstalledPackage(Struct, frozen=True, kw_only=True):
    """One installed distribution.

    Attributes:
        name: Its normalized name.
        requires: Its requirements; those that can't be read are left out.
        requested: A person asked for it by name, as far as its installer tells.
        url: Where it was installed from, if not from an index (PEP 610).
    """

    name: NormalizedName
    requires: tuple[Requirement, ...] = ()
    requested: bool = False
    url: str = ""


class Environment(Struct, frozen=True, kw_only=True):
    """What an interpreter finds installed, and its values of the environment markers (PEP 508)."""

    markers: Mapping[str, str] = {}
    packages: Mapping[NormalizedName, InstalledPackage] = {}

    def needed_only_by(self, tool: NormalizedName, *, declared: Collection[NormalizedName] = ()) -> set[NormalizedName]:
        """Name the packages that are there for a tool alone, the tool not among them.

        Those are reached from the tool, were not asked for by name, are not declared by the project,
        and nothing that stays needs them. Which extras somebody installed is written nowhere: an
        extra counts as installed where everything it asks for is.
        """
        if tool not in self.packages:
            return set()
        reached = self._reach([(tool, extra) for extra in self._installed_extras(tool)])
        asked = {name for name, package in self.packages.items() if package.requested} | set(declared)
        stays = self.packages.keys() - (reached - asked) - {tool}
        start = [(name, extra) for name in stays for extra in self._installed_extras(name)]
        needed = self._reach(start, around=tool)  # whoever needs the tool does not need what the tool needs
        return reached - stays - needed - {tool}

    def _reach(
        self, start: Iterable[tuple[NormalizedName, str]], *, around: NormalizedName | None = None
    ) -> set[NormalizedName]:
        """Follow requirements from packages and extras (empty: the package itself) to all that is installed."""
        todo = list(start)
        seen = set(todo)
        while todo:
            for requirement in self._required(*todo.pop()):
                name = canonicalize_name(requirement.name)
                if name == around:
                    continue
                steps = {(name, extra) for extra in ("", *map(canonicalize_name, requirement.extras))}
                todo += steps - seen
                seen |= steps
        return {name for name, _ in seen if name in self.packages}

    def _required(self, name: NormalizedName, extra: str) -> list[Requirement]:
        package = self.packages.get(name)
        return [one for one in package.requires if self._holds(one, extra)] if package else []

    def _holds(self, requirement: Requirement, extra: str) -> bool:
        try:
            return requirement.marker is None or requirement.marker.evaluate({**self.markers, "extra": extra})
        except (UndefinedComparison, UndefinedEnvironmentName):
            return True  # needed once too often leaves nothing out that is used

    def _installed_extras(self, name: NormalizedName) -> list[str]:
        base = set(map(str, self._required(name, "")))
        extras = [""]
        for extra in _extras_in_markers(self.packages[name].requires):
            added = [one for one in self._required(name, extra) if str(one) not in base]
            if added and all(canonicalize_name(one.name) in self.packages for one in added):
                extras.append(extra)
        return extras


def ask(interpreter: Path, *, project: Path, timeout: float, environ: Mapping[str, str]) -> Environment:
    """Ask an interpreter what is installed; it runs in a process of its own and needs nothing installed."""
    argv = (str(interpreter), "-")
    printed = run_command(argv, cwd=project, timeout=timeout, environ=environ, stdin=_SCRIPT).stdout
    try:
        # What the environment itself prints at start (a `.pth` file can) stands before the last line.
        told = json.loads(printed.rstrip().rpartition("\n")[2])
        packages = [_package(one) for one in told["packages"] if one["name"]]
        # The first one on the path is the one that is imported.
        return Environment(markers=told["markers"], packages={one.name: one for one in reversed(packages)})
    except (ValueError, LookupError, TypeError):
        raise CommandFailed(
            f"`{quoted(argv)}` did not say what is installed",
            hint="run it by hand; a `.pth` file or `sitecustomize` of the environment may print something",
        ) from None


def _package(told: Mapping[str, object]) -> InstalledPackage:
    requires, direct_url = told["requires"], told["direct_url"]
    return InstalledPackage(
        name=canonicalize_name(str(told["name"])),
        requires=_readable(requires if isinstance(requires, list) else []),
        requested=bool(told["requested"]) and told["installer"] not in _REQUESTING_ALL,
        url=_url(direct_url) if isinstance(direct_url, str) else "",
    )


def _readable(lines: Iterable[str]) -> tuple[Requirement, ...]:
    readable = []
    for line in lines:
        with suppress(InvalidRequirement):
            readable.append(parsed(line))
    return tuple(readable)


def _url(direct_url: str) -> str:
    try:
        return str(json.loads(direct_url)["url"])
    except (ValueError, LookupError, TypeError):
        return ""


def _extras_in_markers(requirements: Iterable[Requirement]) -> list[str]:
    """List the extras that markers name; what no marker names asks for nothing."""
    markers = " ".join(str(one.marker) for one in requirements if one.marker)
    words = markers.replace("(", " ").replace(")", " ").split()
    named = [words[at + 2] for at, word in enumerate(words[:-2]) if word == "extra"]
    return sorted({canonicalize_name(name.strip("'\"")) for name in named})

"""The Python and platform that an image runs on; markers and tags are evaluated for it, never for this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import product

from msgspec import Struct
from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from zlock.errors import InvalidConfiguration
from zlock.model.machine import PLATFORMS, Machine

# PEP 600: the older names of three glibc floors
_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
PYTHON = re.compile(r"3\.([0-9]{1,4})(?:\.([0-9]{1,4}))?")
_LIBC_MAJOR = {"manylinux": 2, "musllinux": 1}
_MOST_MUSL = 9  # musl is at 1.2 since 2019
LIBC = re.compile(r"([0-9]{1,4})[_.]([0-9]{1,4})")
_marker = lru_cache(maxsize=1024)(Marker)  # the packages of a lock share a few


class InvalidTarget(InvalidConfiguration):
    """A part of a target is not of the form the documentation gives.

    Attributes:
        problem: What is wrong with it, without the name of the part.
    """

    def __init__(self, part: str, problem: str, *, hint: str) -> None:
        super().__init__(f"`{part}` {problem}", hint=hint)
        self.problem = problem


class Target(Struct, frozen=True, dict=True):
    """Python version, platform and libc floor.

    Attributes:
        python: "3.12" (any patch release; markers see 3.12.0) or "3.12.4". CPython.
        platform: An OCI platform name: "linux/amd64", "darwin/arm64", "windows/amd64".
        manylinux: The glibc floor as (major, minor); None where the target has musl or is not Linux.
        musllinux: The musl floor, or None.
    """

    python: str
    platform: str = "linux/amd64"
    manylinux: tuple[int, int] | None = (2, 28)
    musllinux: tuple[int, int] | None = None

    @classmethod
    def parse(
        cls, python: str, platform: str = "linux/amd64", *, manylinux: str | None = "2_28", musllinux: str | None = None
    ) -> Target:
        """Read a target from its configuration.

        Raises:
            InvalidTarget: A part is not of the form the documentation gives.
        """
        if not PYTHON.fullmatch(python):
            hint = 'write `python = "3.12"` or `python = "3.12.4"`'
            raise InvalidTarget("python", f"is not a Python 3 version: `{python}`", hint=hint)
        if platform not in PLATFORMS:
            hint = "OCI names are known, such as `linux/amd64`, `linux/arm64`, `darwin/arm64`, `windows/amd64`"
            raise InvalidTarget("platforms", f"holds an unknown platform: `{platform}`", hint=hint)
        if PLATFORMS[platform][0].name != "linux":
            return cls(python, platform, None, None)
        if musllinux is not None:
            return cls(python, platform, None, _libc("musllinux", musllinux))
        return cls(python, platform, _libc("manylinux", manylinux or "2_28"), None)

    @cached_property
    def minor(self) -> int:
        """The minor version of Python 3."""
        return int(self.python.split(".")[1])

    @cached_property
    def python_version(self) -> str:
        """The minor version of Python, such as "3.12"."""
        return f"3.{self.minor}"

    @cached_property
    def full_version(self) -> str:
        """The Python version that markers and `requires-python` see: "3.12" counts as "3.12.0"."""
        return self.python if self.python.count(".") > 1 else f"{self.python}.0"

    @cached_property
    def version(self) -> Version:
        """`full_version`, parsed."""
        return Version(self.full_version)

    @cached_property
    def system(self) -> str:
        """The operating system in OCI's words."""
        return PLATFORMS[self.platform][0].name

    @property
    def machine(self) -> Machine:
        """The kind of machine."""
        return PLATFORMS[self.platform][1]

    @cached_property
    def environment(self) -> dict[str, str]:
        """The values of the environment markers (PEP 508) on the target."""
        system, machine = PLATFORMS[self.platform]
        return {
            "implementation_name": "cpython",
            "implementation_version": self.full_version,
            "os_name": system.os_name,
            "platform_machine": machine.markers[system.name],
            "platform_python_implementation": "CPython",
            # Releases and builds of a kernel are not known before the image runs.
            "platform_release": "",
            "platform_system": system.platform_system,
            "platform_version": "",
            "python_full_version": self.full_version,
            "python_version": self.python_version,
            "sys_platform": system.sys_platform,
            "extra": "",
        }

    def holds(self, marker: Marker | str | None) -> bool:
        """Return whether a marker holds on the target; none does everywhere."""
        return not marker or (_marker(marker) if isinstance(marker, str) else marker).evaluate(self.environment)

    def _platform_tags(self) -> Iterator[str]:
        system, kind = PLATFORMS[self.platform]
        machine = kind.ending(system)
        if self.manylinux:
            major, floor = self.manylinux
            for minor in range(floor, kind.glibc - 1, -1):
                yield f"manylinux_{major}_{minor}_{machine}"
                if minor in _LEGACY_MANYLINUX:
                    yield f"{_LEGACY_MANYLINUX[minor]}_{machine}"
        if self.musllinux:
            major, floor = self.musllinux
            for minor in range(floor, -1, -1):
                yield f"musllinux_{major}_{minor}_{machine}"
        if self.system == "linux":
            yield f"linux_{machine}"
        elif self.system == "windows":
            yield machine
        else:
            from packaging.tags import mac_platforms

            yield from mac_platforms(kind.macos, machine)

    @cached_property
    def tags(self) -> dict[str, int]:
        """Each wheel tag the target can install, mapped to its rank, 0 the best (PEP 425)."""
        from packaging.tags import compatible_tags, cpython_tags

        platforms = list(self._platform_tags())
        version = (3, self.minor)
        ordered = [
            *cpython_tags(version, [f"cp3{self.minor}"], platforms),
            *compatible_tags(version, f"cp3{self.minor}", platforms),
        ]
        return {str(tag): rank for rank, tag in reversed(list(enumerate(ordered)))}

    @cached_property
    def _tag_parts(self) -> tuple[frozenset[str], ...]:
        """What the tags are made of: a name may stand for millions of tags, and few of them can count."""
        return tuple(map(frozenset, zip(*(tag.split("-") for tag in self.tags), strict=True)))

    def admits(self, requires_python: str) -> bool:
        """Return whether a `Requires-Python` admits the target's; an invalid one counts as none, as pip has it."""
        try:
            return SpecifierSet(requires_python).contains(self.version, prereleases=True)
        except InvalidSpecifier:
            return True

    def rank(self, wheel: str) -> int | None:
        """Return how well the wheel of a name fits, 0 the best (PEP 425); None where it can't be installed."""
        parts = zip(self._tag_parts, wheel[:-4].rsplit("-", 3)[1:], strict=True)
        python, abi, platform = (known.intersection(part.split(".")) for known, part in parts)
        found = [self.tags.get("-".join(tag)) for tag in product(python, abi, platform)]
        return min((rank for rank in found if rank is not None), default=None)

    @cached_property
    def requires_python(self) -> SpecifierSet:
        """The Python versions a lock for this target is good for."""
        wildcard = "" if self.python.count(".") > 1 else ".*"
        return SpecifierSet(f"=={self.python}{wildcard}")

    @cached_property
    def marker(self) -> Marker:
        """The marker that holds on the target: what PEP 751 calls an environment."""
        values = self.environment
        # `platform_system` says nothing that `sys_platform` does not, and PDM reads a system out of it alone.
        names = ("implementation_name", "platform_machine", "platform_system", "sys_platform")
        return Marker(" and ".join(f"{name} == '{values[name]}'" for name in names))

    def __str__(self) -> str:
        libc = ""
        if self.manylinux:
            libc = f", glibc {self.manylinux[0]}.{self.manylinux[1]}"
        elif self.musllinux:
            libc = f", musl {self.musllinux[0]}.{self.musllinux[1]}"
        return f"CPython {self.python} on {self.platform}{libc}"


def _libc(key: str, text: str) -> tuple[int, int]:
    match = LIBC.fullmatch(text)
    if not match:
        hint = f'write `{key} = "{"2_28" if key == "manylinux" else "1_2"}"`'
        raise InvalidTarget(key, f"is not a libc version: `{text}`", hint=hint)
    found = int(match[1]), int(match[2])
    if found[0] != _LIBC_MAJOR[key] or (key == "musllinux" and found[1] > _MOST_MUSL):
        musl = ", or leave it out for an image with glibc" if key == "musllinux" else ""
        hint = f'write `{key} = "{"2_28" if key == "manylinux" else "1_2"}"`{musl}'
        raise InvalidTarget(key, f"is a libc that there is none of: `{text}`", hint=hint)
    return found

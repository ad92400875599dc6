"""The kinds of machines and systems that images and environments are for, each with all the names that it goes by."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping

from msgspec import Struct


class System(Struct, frozen=True):
    """An operating system.

    Attributes:
        name: OCI's.
        os_name: The environment marker (PEP 508), as the next two.
        platform_system: See there.
        sys_platform: See there.
        tags: How the platform tags of its wheels begin (PEP 425).
    """

    name: str
    os_name: str
    platform_system: str
    sys_platform: str
    tags: tuple[str, ...]


class Machine(Struct, frozen=True):
    """A kind of machine.

    Attributes:
        name: OCI's, with the variant where that tells kinds apart.
        markers: By system, the environment marker `platform_machine`; only systems that have a Python for it.
        elf: ELF's number of it (`e_machine`, gABI).
        variant: What OCI means where no variant is written; empty where it knows none.
        kernels: What kernels of Linux that run it call themselves, where it has 32 bits; those of 64 have one name.
        glibc: The minor version of the oldest glibc 2 that there are wheels for (PEP 599, PEP 600).
        macos: The oldest macOS that an environment is for.
        architecture: Debian's name, where that is another.
    """

    name: str
    markers: Mapping[str, str]
    elf: int
    variant: str = ""
    kernels: tuple[str, ...] = ()
    glibc: int = 17
    macos: tuple[int, int] = (0, 0)
    architecture: str = ""

    @property
    def debian(self) -> str:
        """Debian's name of its architecture."""
        return self.architecture or self.name

    def ending(self, system: System) -> str:
        """Return how the platform tags of its wheels end on a system; on Windows they have no version before that."""
        marker = self.markers[system.name]
        if system.name != "windows":
            return marker
        return "win32" if self.kernels else f"win_{marker.lower()}"


SYSTEMS = (
    System("linux", "posix", "Linux", "linux", ("linux", "manylinux", "musllinux")),
    System("darwin", "posix", "Darwin", "darwin", ("macosx",)),
    System("windows", "nt", "Windows", "win32", ("win",)),
)
MACHINES = (
    Machine("amd64", {"linux": "x86_64", "darwin": "x86_64", "windows": "AMD64"}, 62, "v1", glibc=5, macos=(13, 0)),
    Machine("arm64", {"linux": "aarch64", "darwin": "arm64", "windows": "ARM64"}, 183, "v8", macos=(14, 0)),
    Machine(
        "386",
        {"linux": "i686", "windows": "x86"},
        3,
        "",
        ("i386", "i486", "i586", "i686", "x86_64"),
        glibc=5,
        architecture="i386",
    ),
    Machine("arm/v7", {"linux": "armv7l"}, 40, "v7", ("armv7l", "armv8l", "aarch64"), architecture="armhf"),
    Machine("ppc64le", {"linux": "ppc64le"}, 21, architecture="ppc64el"),
    Machine("s390x", {"linux": "s390x"}, 22),
    Machine("riscv64", {"linux": "riscv64"}, 243),
)
PLATFORMS = {
    f"{system.name}/{machine.name}": (system, machine)
    for system in SYSTEMS
    for machine in MACHINES
    if system.name in machine.markers
}
"""By OCI's name, what a lock can be for."""


def this_platform() -> str:
    """Return in OCI's words what zlock's own Python is for: one of 32 bits on a kernel of 64 takes wheels of 32."""
    from packaging.tags import platform_tags

    return platform_of(platform_tags()) or f"{sys.platform}/{platform.machine()}"


def platform_of(tags: Iterable[str]) -> str:
    """Return OCI's name of the platform whose wheels have certain tags, the best first; empty for an unknown one."""
    for tag in tags:
        for name, (system, machine) in PLATFORMS.items():
            if tag.startswith(system.tags) and tag.endswith(machine.ending(system)):
                return name
    return ""

"""Locked Debian packages in an image: a folder of the context with the files, checked and installed without network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from zlock.image.context.dockerfile import Mount, Run, Shell
from zlock.model.debian import DebianPackage
from zlock.model.image import FOLDER

DEBS = "debs"
"""The folder of the context, and of a wheelhouse, that holds Debian packages."""
SUMS = f"{DEBS}/SHA256SUMS"
"""The file in it that says which they are: digest and name, a line each, as sha256sum(1) reads it."""
CLEAN = Shell("rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/* /var/log/apt /var/log/*.log")
"""What installing leaves behind, and no image needs."""

# It holds the times of folders, which images that are the same each time don't keep, so it would not count anyway.
_UNCACHE = Shell("rm -rf /var/cache/fontconfig/*")
_PLACE = f"{FOLDER}/{DEBS}"
_ANOTHER = "zlock: a Debian package is another file than was locked: bring the right one with zlock fetch"
# The time of the build would be in what their scripts write: modules that are compiled, users that are added.
_INSTALL = (
    "SOURCE_DATE_EPOCH=0 DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "
    "-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null "
    f"$(sed 's|.*  |{_PLACE}/|' SHA256SUMS)"
)


def cached_at(cache: Path, deb: DebianPackage) -> Path:
    """Return where zlock's cache has a package: two archives may have other bytes under one name."""
    return cache / DEBS / deb.sha256[:16] / deb.filename


def sums_of(debs: Sequence[DebianPackage]) -> bytes:
    """Return the content of `SUMS`."""
    return "".join(f"{deb.sha256}  {deb.filename}\n" for deb in debs).encode()


def install_debs(debs: Sequence[DebianPackage]) -> Run:
    """Return what checks and installs packages; apt is given no source, so it takes these or fails.

    Which they are is in the command itself: engines that keep layers don't look at what a command mounts.
    """
    fail = f"|| \\\n        {{ echo '{_ANOTHER}' >&2; exit 1; }}"
    own = Shell(f"echo '{hashlib.sha256(sums_of(debs)).hexdigest()}  SHA256SUMS' | sha256sum --check --quiet {fail}")
    check = Shell(f"sha256sum --check --strict --quiet SHA256SUMS {fail}")
    steps = (Shell(f"cd {_PLACE}"), own, check, Shell(_INSTALL), Shell("cd /"), CLEAN, _UNCACHE)
    return Run(steps, (Mount("bind", {"source": DEBS, "target": _PLACE}),))

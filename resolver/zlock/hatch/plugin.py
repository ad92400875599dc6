"""What hatch and hatchling find under the entry point `hatch`; each class is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.plugin import hookimpl

if TYPE_CHECKING:
    from zlock.hatch.build_hook import LockBuildHook
    from zlock.hatch.locker import ZlockLocker
    from zlock.hatch.metadata_hook import LockMetadataHook


@hookimpl
def hatch_register_build_hook() -> type[LockBuildHook]:
    """Return the build hook."""
    from zlock.hatch.build_hook import LockBuildHook

    return LockBuildHook


@hookimpl
def hatch_register_metadata_hook() -> type[LockMetadataHook]:
    """Return the metadata hook."""
    from zlock.hatch.metadata_hook import LockMetadataHook

    return LockMetadataHook


@hookimpl
def hatch_register_locker() -> type[ZlockLocker]:
    """Return the locker; only hatch asks for it, and hatchling has no such hook."""
    from zlock.hatch.locker import ZlockLocker

    return ZlockLocker

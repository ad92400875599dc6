"""What an image consists of, in the words of a person: kept on record, and compared when the image is another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zlock.image.context.parts import PROJECT
from zlock.image.plan import Parent, digest_of_file
from zlock.image.wanted import BuiltFolder, ImageWanted
from zlock.lock.lock import Lock
from zlock.lock.package import Package
from zlock.model.image import VENV

Components = Mapping[str, Mapping[str, str]]
"""By kind and name what an image consists of, see `ImagePlan.components`."""

_HIDDEN = frozenset({"variable", "file", "parent's file"})
"""Kinds whose values are digests, which tell a person nothing."""
_DIGESTS = frozenset({"parent", "parent's image"})
"""Kinds with digests that registries tell, and that are empty where none was asked or none did."""


def components_of(wanted: ImageWanted, lock: Lock, context: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """Return by kind and name what an image consists of.

    Args:
        wanted: What it is made from.
        lock: The lock as its target reads it.
        context: Its build context.
    """
    settings, parent = wanted.settings.effective(), wanted.parent
    fetched, installer = lock.facts.fetched(settings.installer), settings.installer.name
    arguments = settings.python_package_installer_args
    variables = {**settings.environment, **{f"{k} at run time": v for k, v in settings.runtime_environment.items()}}
    chosen = {
        "installer": f"{installer} {fetched.version}" if fetched else installer,
        "system": str(settings.system).lower(),
        "venv": "" if settings.system or settings.venv == VENV else settings.venv,
        "user": wanted.user,
        "bytecode": "" if settings.bytecode else "false",
        "cache mount": str(settings.python_package_installer_cache_mount).lower(),
        "project": str(settings.local_project_install_command or ""),
    }
    return {
        "parent": _named(parent),
        "parent's image": dict(parent.images),
        "parent's file": dict(parent.files),
        "apt package": _debian(wanted, lock),
        "package": {one.name: _version(one, wanted.folders.get(one.name)) for one in lock.packages},
        "index": dict.fromkeys((index.url for index in wanted.indexes), ""),
        "installer argument": {name: str(value) for name, value in arguments.items()},
        # Values may be secrets, so only whether they changed is on record.
        "variable": {name: _digest(value.encode()) for name, value in variables.items()},
        "setting": {name: value for name, value in chosen.items() if value},
        "file": {name: _digest(data) for name, data in context.items()},
    }


def _debian(wanted: ImageWanted, lock: Lock) -> dict[str, str]:
    """Return the Debian packages with their versions, as far as these are locked."""
    apt = lock.facts.apt
    if apt is None:
        return dict.fromkeys(wanted.apt_packages, "")
    return {f"{one.name}:{one.architecture}": one.version for one in apt.on(wanted.target.platform)}


def _named(parent: Parent) -> dict[str, str]:
    """Return name and digest of a parent; those of one that a Dockerfile makes follow from its images and files."""
    if parent.dockerfile is not None:
        return {"image": f"made by `{parent.dockerfile.name}`"}
    return {"image": parent.reference, "digest": parent.digest}


def _version(package: Package, folder: BuiltFolder | None) -> str:
    if folder is not None:  # a version of it may have any content
        return f"{folder.version} of content {folder.sha256[:12]}"
    return package.version or (package.vcs.commit_id if package.vcs else "")


def _digest(data: bytes) -> str:
    """Return enough of a digest to tell that something changed."""
    digest, _, kind = digest_of_file(data).partition(" ")
    return f"{digest[:16]} {kind}".rstrip()


def moved(before: Components, now: Components) -> list[str]:
    """Return a line for each component that differs, in the order of the kinds.

    Files of zlock's own making are named only where nothing else differs: they follow from the rest.
    """
    lines = [line for kind in dict.fromkeys([*before, *now]) for line in _moved(kind, before, now, f"{PROJECT}/")]
    return lines or list(_moved("file", before, now, ""))


def _moved(kind: str, before: Components, now: Components, prefix: str) -> Iterator[str]:
    old, new = before.get(kind, {}), now.get(kind, {})
    for name in sorted({*old, *new}):
        if kind == "file" and not name.startswith(prefix):
            continue
        what = f"{kind} {name.removeprefix(prefix) if kind == 'file' else name}"
        if name not in old:
            yield f"{what}: added{_value(kind, new[name])}"
        elif name not in new:
            yield f"{what}: gone{_value(kind, old[name])}"
        elif old[name] != new[name]:
            empty = "unknown" if kind in _DIGESTS else "none"
            yield f"{what}: changed" if kind in _HIDDEN else f"{what}: {old[name] or empty} -> {new[name] or empty}"


def _value(kind: str, value: str) -> str:
    return f" ({value})" if value and kind not in _HIDDEN else ""

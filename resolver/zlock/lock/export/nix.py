"""An attribute set of what Nix's `fetchurl` takes: one file per package."""

from __future__ import annotations

import base64

from zlock.errors import InvalidInput
from zlock.lock.export import Exported, refuse
from zlock.lock.files import PackageArchive, PackageFile
from zlock.lock.package import Package
from zlock.lock.selection import narrowed


def export(source: Exported) -> str:
    """Return an attribute set by name: `name`, `version`, `file`, `url` and `hash` (SRI).

    `file` is the file's name, which `fetchurl` wants as its `name` where the URL escapes characters.

    Raises:
        InvalidInput: The lock is for several platforms and none was named, or has something that has no URL and hash.
    """
    if len(source.targets) > 1:
        names = ", ".join(f"`{target.platform}`" for target in source.targets)
        raise InvalidInput("an attribute set has one platform only", hint=f"add `--platform`, one of {names}")
    refuse(source, {"vcs": "a repository, which has no hash", "directory": "a folder"}, "an attribute set")
    packages = narrowed(source.lock, source.targets[0]).packages
    rows = [_row(package, _file(package, source)) for package in packages]
    return f"# step `{source.step}` for {source.targets[0]}\n{{\n{''.join(rows)}}}\n"


def _file(package: Package, source: Exported) -> PackageFile | PackageArchive:
    """Return the file that the target installs first."""
    wheels = sorted(package.wheels, key=lambda wheel: source.targets[0].rank(wheel.filename) or 0)
    file = next(iter((*wheels, *package.hashed)), None)
    if file is None or not file.url:
        raise InvalidInput(
            f"an attribute set can't hold all of step `{source.step}`",
            context=[f"the lock has no URL of `{package.name}`"],
            hint='portable locks have none: set `urls = "index"`',
        )
    return file


def _row(package: Package, file: PackageFile | PackageArchive) -> str:
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    values = {
        "name": package.name,
        "version": package.version,
        "file": file.filename,
        "url": file.url,
        "hash": f"sha256-{digest}",
    }
    lines = "".join(f"    {key} = {_text(value)};\n" for key, value in values.items())
    return f"  {_text(package.name)} = {{\n{lines}  }};\n"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{escaped}"'

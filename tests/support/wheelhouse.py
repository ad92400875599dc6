"""Wheels made of what is installed here, so that isolated builds find their requirements without network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackagePath, distribution, distributions
from pathlib import Path

import uv
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.tiny_backend import wheel_bytes

ROOT = Path(__file__).parent.parent.parent
_INSTALLERS_OWN = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}


def make_wheelhouse(folder: Path, requirements: Sequence[str]) -> Path:
    """Write the wheels of requirements and of all that these require; zlock is built from its sources."""
    folder.mkdir()
    for name in sorted(_closure(requirements)):
        if name == "zlock":
            build_zlock(folder)
        else:
            _repack(distribution(name), folder)
    return folder


def repack_environment(python: Path, folder: Path) -> list[Path]:
    """Write the wheels of all that an environment holds into a folder, and return them."""
    folder.mkdir()
    site = next(python.parents[1].glob("lib/python*/site-packages"))
    for found in distributions(path=[str(site)]):
        _repack(found, folder)
    return sorted(folder.iterdir())


def build_zlock(folder: Path) -> None:
    """Build the wheel of zlock into a folder, with the hatchling that is installed here."""
    command = [uv.find_uv_bin(), "build", "--no-build-isolation", "--offline", "--quiet", "--python", sys.executable]
    done = subprocess.run([*command, "--wheel", "--out-dir", folder, ROOT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _closure(requirements: Sequence[str]) -> set[str]:
    todo = [Requirement(text) for text in requirements]
    seen: set[tuple[str, str]] = set()
    while todo:
        one = todo.pop()
        for extra in ("", *one.extras):
            key = (canonicalize_name(one.name), extra)
            if key not in seen:
                seen.add(key)
                todo += _required(distribution(one.name), extra)
    return {name for name, _ in seen}


def _required(found: Distribution, extra: str) -> Iterator[Requirement]:
    for text in found.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def _repack(found: Distribution, folder: Path) -> None:
    paths = found.files or []
    info = next(path.parts[0] for path in paths if path.parts[0].endswith(".dist-info"))
    stem = info.removesuffix(".dist-info")
    tags = [line.removeprefix("Tag: ") for line in (found.read_text("WHEEL") or "").splitlines() if "Tag: " in line]
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*(tag.split("-") for tag in tags), strict=True))
    commands = {f"{entry.name}{suffix}" for entry in found.entry_points for suffix in ("", ".exe")}
    files = {
        place: Path(str(path.locate())).read_bytes()
        for path in paths
        if "__pycache__" not in path.parts and (place := _place(path, stem, commands))
    }
    (folder / f"{stem}-{tag}.whl").write_bytes(wheel_bytes(files, info, deflate=False))


def _place(path: PackagePath, stem: str, commands: set[str]) -> str:
    """Return where an installed file is in a wheel; empty for what installers write themselves."""
    if path.parts[0] == "..":  # a program beside the interpreter
        return "" if path.name in commands else f"{stem}.data/scripts/{path.name}"
    own = path.parent.name.endswith(".dist-info") and path.name in _INSTALLERS_OWN
    return "" if own else path.as_posix()

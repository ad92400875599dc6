"""A PEP 517 backend without dependencies that packs a module, as careless as backends get.

Tests put this very file into a wheel, so it may import nothing but the standard library. What it makes has the times
of the files and of the day, in the order and with the modes that the disk has. `TINY_FLIT_LOG` names a file that gets a
line for each build.
"""

import base64
import hashlib
import os
import subprocess
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path
from typing import Any


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:  # noqa: ARG001 - PEP 517 names it
    return list(_own().get("asks", []))


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:  # noqa: ARG001 - as above
    folder = Path(metadata_directory, _dist_info())
    folder.mkdir()
    (folder / "METADATA").write_text(_metadata(), encoding="utf-8")
    return folder.name


def build_wheel(
    wheel_directory: str,
    config_settings: object = None,  # noqa: ARG001 - as above
    metadata_directory: str | None = None,  # noqa: ARG001 - as above
) -> str:
    if "fails" in _own():
        raise SystemExit(_own()["fails"])
    name, tag = _project()["name"], _own().get("tag", "py3-none-any")
    if "TINY_FLIT_LOG" in os.environ:
        with Path(os.environ["TINY_FLIT_LOG"]).open("a", encoding="utf-8") as log:
            log.write(f"{name}\n")
    Path("build").mkdir()  # so it is not a folder that was built in before
    wheel = Path(wheel_directory, f"{name}-{_version()}-{tag}.whl")
    texts = {"METADATA": _metadata(), "WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"}
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in Path(name).rglob("*"):
            archive.write(path)
        for file, text in texts.items():
            archive.writestr(f"{_dist_info()}/{file}", text)
        paths = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    record = _record(paths, wheel)
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{_dist_info()}/RECORD", record)
    return wheel.name


def _record(paths: list[str], wheel: Path) -> str:
    lines = []
    with zipfile.ZipFile(wheel) as archive:
        for path in paths:
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(path)).digest()).decode().rstrip("=")
            lines.append(f"{path},sha256={digest},\n")
    return "".join([*lines, f"{_dist_info()}/RECORD,,\n"])


def _pyproject() -> dict[str, Any]:
    return tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))


def _project() -> dict[str, Any]:
    project: dict[str, Any] = _pyproject()["project"]
    return project


def _own() -> dict[str, Any]:
    own: dict[str, Any] = _pyproject().get("tool", {}).get("tiny-flit", {})
    return own


def _version() -> str:
    """Return the version: where it is dynamic that of git, or what an sdist has in place of a repository."""
    stated: str | None = _project().get("version")
    if stated is not None:
        return stated
    command = ["git", "describe", "--tags", "--always"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    return str(message_from_string(Path("PKG-INFO").read_text(encoding="utf-8"))["Version"])


def _metadata() -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {_project()['name']}", f"Version: {_version()}"]
    lines += [f"Requires-Dist: {line}" for line in _project().get("dependencies", [])]
    return "".join(f"{line}\n" for line in lines)


def _dist_info() -> str:
    return f"{_project()['name']}-{_version()}.dist-info"

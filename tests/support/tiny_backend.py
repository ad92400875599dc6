"""A PEP 517 backend without dependencies, and the writer of wheels that it shares with the tests.

`support.wheels` puts this very file into the sdists it makes, beside a `tiny.json` that says what to build,
so it may import nothing but the standard library.
"""

import base64
import hashlib
import io
import json
import os
import stat
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

SETTINGS = Path(__file__).with_name("tiny.json")
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def wheel_bytes(files: dict[str, bytes], dist_info: str, *, deflate: bool = True) -> bytes:
    """Return a wheel with these files and a valid RECORD; the same files give the same bytes."""
    record = f"{dist_info}/RECORD"
    lines = [f"{_quoted(path)},{_record_hash(content)},{len(content)}\n" for path, content in files.items()]
    whole = {**files, record: "".join([*lines, f"{record},,\n"]).encode()}
    return zip_bytes(whole, deflate=deflate)


def zip_bytes(files: dict[str, bytes], *, deflate: bool = True) -> bytes:
    """Return a zip archive of the files, in their order, with fixed dates and modes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, FIXED_DATE)
            entry.create_system = 3  # as made on Unix, wherever it is made
            mode = 0o755 if ".data/scripts/" in path else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
            archive.writestr(entry, content)
    return buffer.getvalue()


def _quoted(path: str) -> str:
    return f'"{path}"' if "," in path else path


def _record_hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:  # noqa: ARG001 - PEP 517 names it
    return list(_settings()["wheel_requires"])


def prepare_metadata_for_build_wheel(
    metadata_directory: str,
    config_settings: object = None,  # noqa: ARG001 - PEP 517 names it
) -> str:
    _behave()
    settings = _settings()
    folder = Path(metadata_directory, settings["dist_info"])
    folder.mkdir()
    for path, content in _dist_info_files(settings).items():
        Path(metadata_directory, path).write_bytes(content)
    return folder.name


def build_wheel(
    wheel_directory: str,
    config_settings: object = None,  # noqa: ARG001 - PEP 517 names it
    metadata_directory: str | None = None,  # noqa: ARG001 - PEP 517 names it
) -> str:
    _behave()
    settings = _settings()
    files = {path: text.encode() for path, text in settings["files"].items()}
    content = wheel_bytes({**files, **_dist_info_files(settings)}, settings["dist_info"])
    Path(wheel_directory, settings["filename"]).write_bytes(content)
    return str(settings["filename"])


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    return settings


def _dist_info_files(settings: dict[str, Any]) -> dict[str, bytes]:
    decided = eval(settings["requires_code"], {"os": os, "sys": sys})
    metadata = settings["metadata"] + "".join(f"Requires-Dist: {requirement}\n" for requirement in decided)
    return {
        f"{settings['dist_info']}/METADATA": metadata.encode(),
        f"{settings['dist_info']}/WHEEL": settings["wheel"].encode(),
    }


def _behave() -> None:
    """Fail or hang where the settings say so; tell the process id first where they name a file for it."""
    settings = _settings()
    if settings["pid_file"]:
        Path(settings["pid_file"]).write_text(str(os.getpid()), encoding="utf-8")
    if settings["backend"] == "fails":
        print("tiny backend: the compiler is missing", file=sys.stderr)
        raise SystemExit(1)
    while settings["backend"] == "hangs":
        time.sleep(3600)


if SETTINGS.exists() and _settings()["backend"] == "no-prepare":
    del prepare_metadata_for_build_wheel  # PEP 517: an optional hook, recognised by its absence

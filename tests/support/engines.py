"""The programs that build, move and keep images: found, or named as missing; a real registry on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

USER, PASSWORD = "reader", "secret"
# The bcrypt hash of the password, which is the only form that the registry reads.
_HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
_LISTENING = re.compile(r'msg="listening on (127\.0\.0\.1:\d+)(?:, tls)?"')


def require(program: str) -> str:
    """Return a program's path; without it the test is skipped, or fails where `ZLOCK_REQUIRE_ENGINES` is set."""
    found = shutil.which(program)
    if found is None:
        said = f"`{program}` is not installed"
        if os.environ.get("ZLOCK_REQUIRE_ENGINES"):
            pytest.fail(said)
        pytest.skip(said)
    return found


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a size ("16k") in a folder until the end of the block; only root can."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=True)


@contextlib.contextmanager
def registry(folder: Path, *, login: bool = False, secured: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Run a registry on loopback and yield its host and port.

    With a login it lets `USER` in only; secured by a certificate and its key it speaks TLS.
    """
    program = require("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "version: 0.1",
        f"storage: {{filesystem: {{rootdirectory: {folder / 'store'}}}, delete: {{enabled: true}}}}",
    ]
    tls = f", tls: {{certificate: {secured[0]}, key: {secured[1]}}}" if secured else ""
    lines.append(f"http: {{addr: '127.0.0.1:0'{tls}}}")
    if login:
        (folder / "htpasswd").write_text(_HTPASSWD, encoding="utf-8")
        lines.append(f"auth: {{htpasswd: {{realm: images, path: {folder / 'htpasswd'}}}}}")
    (folder / "config.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=stream, stderr=stream)
    try:
        yield _host(process, log)
    finally:
        process.terminate()
        process.wait()


def _host(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the host and port that a registry says it listens on."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        match = _LISTENING.search(log.read_text(encoding="utf-8"))
        if match:
            return match[1]
        time.sleep(0.05)
    raise AssertionError(f"the registry did not start:\n{log.read_text(encoding='utf-8')}")

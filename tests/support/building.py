"""Engines that really build, each with a store of its own in a folder, and a base image with Python in it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.engines import require

SCRIPT = Path(__file__).parents[2] / "scripts" / "engines.sh"
BASE = "localhost/base:3.11"
"""The base image's name in every store."""

_DOCKER = "docker"
# Debian's own programs come first: a client of Docker alone may lack what it builds with.
_PATH = os.pathsep.join(["/usr/bin", "/usr/sbin", os.environ.get("PATH", os.defpath)])


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that runs, with the base image in its store.

    Attributes:
        name: As `--builder` has it.
        environ: What its clients need in their environment.
        network: What its builds have to be told to reach this machine's loopback.
    """

    name: str
    environ: Mapping[str, str]
    network: str = ""

    def __call__(self, *arguments: str) -> str:
        """Run its client and return what it prints."""
        done = subprocess.run(
            [self.name, *arguments],
            env={**os.environ, **self.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{self.name} {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run(self, reference: str, *command: str) -> str:
        """Run a command in an image and return what it prints."""
        if self.name == _DOCKER:
            return self("run", "--rm", "--network", "host", reference, *command)
        buildah = Engine(name="buildah", environ=self.environ)
        container = buildah("from", reference).strip()
        try:
            # Through a file: what ends at once, Buildah's own pipes were seen to lose.
            buildah("run", container, "--", "sh", "-c", '"$@" > /tmp/printed', "sh", *command)
            return (Path(buildah("mount", container).strip()) / "tmp" / "printed").read_text(encoding="utf-8")
        finally:
            buildah("rm", container)

    @property
    def options(self) -> tuple[str, ...]:
        """What has `zlock build` build with it."""
        return ("--builder", self.name, *(("--network", self.network) if self.network else ()))

    def left_over(self) -> list[str]:
        """Return the containers that are there, running or not."""
        if self.name == _DOCKER:
            return self("ps", "--all", "--quiet").split()
        return Engine(name="buildah", environ=self.environ)("containers", "--quiet").split()

    def allow_plain(self, host: str) -> None:
        """Let it talk to a registry without TLS; Docker does so on loopback by itself."""
        if self.name != _DOCKER:
            registries, own = Path(self.environ["CONTAINERS_REGISTRIES_CONF"]), f'location = "{host}"'
            said = registries.read_text(encoding="utf-8")
            if own not in said:
                registries.write_text(f"{said}[[registry]]\n{own}\ninsecure = true\n", encoding="utf-8")


@contextlib.contextmanager
def running_engine(name: str) -> Iterator[Engine]:
    """Run an engine in a folder of its own until the end of the block."""
    require(name)
    with _short_folder() as folder, _dockerd(folder) if name == _DOCKER else _containers(folder, name) as engine:
        yield engine


@contextlib.contextmanager
def running_newer_docker() -> Iterator[Engine]:
    """Run the Docker that has `buildx bake`."""
    with _short_folder() as folder, _dockerd(folder, kept_folder() / "docker") as engine:
        yield engine


@contextlib.contextmanager
def _short_folder() -> Iterator[Path]:
    """Make a folder whose path is short, as a socket's must be; those that tests get are not."""
    with tempfile.TemporaryDirectory(prefix="zlock-", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        finally:
            mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
            for mount in reversed([each for each in mounts if each.startswith(f"{folder}/")]):
                subprocess.run(["umount", mount], capture_output=True, check=False)


def runs(command: str) -> bool:
    """Tell whether a process with this command line is there."""
    wanted = command.replace(" ", "\0").encode() + b"\0"
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended
            if process.read_bytes() == wanted:
                return True
    return False


def kept_folder() -> Path:
    """Return where `scripts/engines.sh` keeps what is not installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "zlock-tests" / f"engines-{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        said = "`scripts/engines.sh` was not run: there is no base image"
        pytest.fail(said) if os.environ.get("ZLOCK_REQUIRE_ENGINES") else pytest.skip(said)
    return folder


def base_in_registry(reference: str, name: str = "base") -> None:
    """Put the base image, or `base-git`, which has git in it, into a registry on loopback."""
    require("skopeo")
    _skopeo("--dest-tls-verify=false", f"dir:{_compressed(name)}", f"docker://{reference}")


def _compressed(name: str) -> Path:
    """Return the folder of a base image with compressed layers, which is what takes long; it is kept for later runs."""
    kept = kept_folder()
    folder = kept / f"{name}.compressed"
    if not folder.is_dir():
        making = Path(tempfile.mkdtemp(prefix="making-", dir=kept))
        _skopeo("--dest-compress", f"docker-archive:{kept / name}.tar", f"dir:{making}")
        try:
            making.rename(folder)
        except OSError:  # another process of the tests was first
            shutil.rmtree(making)
    return folder


def _skopeo(*arguments: str) -> None:
    Engine(name="skopeo", environ={})("copy", "--quiet", "--insecure-policy", *arguments)


@contextlib.contextmanager
def _dockerd(folder: Path, root: Path = Path("/")) -> Iterator[Engine]:
    """Run Docker's daemon on a socket; `root` is where its programs were unpacked."""
    socket, log = f"unix://{folder / 'socket'}", folder / "log"
    daemon = root / "usr/sbin/dockerd"
    if not daemon.is_file():
        require("dockerd")
    path = os.pathsep.join([str(root / "usr/bin"), str(root / "usr/sbin"), _PATH])
    command = [str(daemon), "--host", socket, "--iptables=false", "--ip6tables=false", "--bridge=none"]
    command += [
        "--data-root",
        str(folder / "data"),
        "--exec-root",
        str(folder / "run"),
        "--pidfile",
        str(folder / "pid"),
    ]
    command += ["--storage-driver", "overlay2" if _has_overlay(folder) else "vfs"]
    plugins = root / "usr/libexec/docker/cli-plugins"
    (folder / "config").mkdir()
    if plugins.is_dir():
        (folder / "config" / "config.json").write_text(f'{{"cliPluginsExtraDirs": ["{plugins}"]}}', encoding="utf-8")
    environ = {"DOCKER_HOST": socket, "DOCKER_CONFIG": str(folder / "config"), "PATH": path}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env={**os.environ, "PATH": path}, stdout=stream, stderr=stream)
    engine = Engine(name=_DOCKER, environ=environ, network="host")
    try:
        _wait_for(engine, process, log)
        engine("load", "--quiet", "--input", str(kept_folder() / "base.tar"))
        yield engine
    finally:
        process.terminate()
        process.wait()


def _wait_for(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(AssertionError):
            engine("version")
            return
        time.sleep(0.1)
    raise AssertionError(f"dockerd did not start:\n{log.read_text(encoding='utf-8')}")


@contextlib.contextmanager
def _containers(folder: Path, name: str) -> Iterator[Engine]:
    """Give Podman and Buildah a store of their own; they have no daemon."""
    driver = "overlay" if _has_overlay(folder) else "vfs"
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder / "store"}"\nrunroot = "{folder / "run"}"\n',
        encoding="utf-8",
    )
    (folder / "registries.conf").write_text("", encoding="utf-8")
    environ = {
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
        "BUILDAH_ISOLATION": "chroot",
        "XDG_RUNTIME_DIR": str(folder),  # where logins are kept
        "PATH": _PATH,
    }
    engine = Engine(name=name, environ=environ)
    buildah = Engine(name="buildah", environ=environ)
    buildah("pull", "--quiet", f"docker-archive:{kept_folder() / 'base.tar'}")
    yield engine
    for _ in buildah("containers", "--quiet").split():  # a test that failed may have left a mount
        buildah("rm", "--all")


def _has_overlay(folder: Path) -> bool:
    """Tell whether layers can be mounted over one another here; else each is copied whole."""
    probe = folder / "probe"
    lower, upper, work, merged = (probe / part for part in ("lower", "upper", "work", "merged"))
    for each in (lower, upper, work, merged):
        each.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if mounted:
        subprocess.run(["umount", str(merged)], check=True)
    shutil.rmtree(probe)
    return mounted

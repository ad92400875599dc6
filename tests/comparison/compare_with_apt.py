"""Compares closures of Debian packages with what apt would install in a chroot of the same base image.

Needs root, the archive that the base image of `scripts/engines.sh` names, and that image: not run with the tests.

    python tests/comparison/compare_with_apt.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from support.building import kept_folder
from zlock.debian.apt import Apt
from zlock.debian.base import Base, describes_debian, take_out
from zlock.debian.closure import find_closure
from zlock.errors import NoAnswer
from zlock.image.reading.files import ArchiveFiles
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.sources import add_layers, find_in_archive
from zlock.reporting import unheard

_INST = re.compile(
    r"Inst (?P<name>[^\s:]+)(?::\S+)? (?:\[[^\]]*\] )?\((?P<version>\S+) .*\[(?P<architecture>[^\]]+)\]\)"
)
ALTERNATIVES = (
    "default-mta", "default-jre-headless", "default-libmysqlclient-dev", "awscli", "emacs-nox", "exim4", "mutt",
    "bsd-mailx", "cron", "logrotate", "apache2", "php-cli", "ruby", "texlive-base", "x11-apps", "default-jdk-headless",
    "ghostscript", "cups-client", "mailutils", "build-essential",
)  # fmt: skip
VERSIONS = (
    "git=1:2.39*", "libgomp1=12.*", "curl=7.88*", "ffmpeg=7:5.1*", "gcc=4:12*", "wget=1.21*", "jq=1.6*",
    "vim-tiny=2:9*", "openssh-client=1:9.2*", "libpq-dev=15*",
)  # fmt: skip
OTHERS = (
    "git", "libgomp1", "ffmpeg", "curl", "build-essential", "default-jre-headless", "libgl1", "graphviz",
    "postgresql-client", "openssh-client",
)  # fmt: skip
LARGE = ("git", "libgomp1", "ffmpeg", "graphviz", "default-jre-headless", "libgl1", "libglib2.0-0")

Pins = dict[tuple[str, str], str]


def in_chroot(root: Path, names: Sequence[str], architecture: str) -> Pins | str:
    """Return what apt in a chroot would install, or its error."""
    options = ["-o", f"APT::Architecture={architecture}", "-o", f"APT::Architectures::={architecture}"]
    if architecture != "amd64":
        options += ["-o", "Dir::State::status=/var/lib/dpkg/status-other"]
    apt = ["chroot", str(root), "apt-get", *options]
    lists = root / "var/lib/apt/lists"
    if not list(lists.glob(f"*binary-{architecture}*")):
        subprocess.run([*apt, "update", "-qq"], check=True)
    command = [*apt, "install", "--simulate", "--no-install-recommends", "--yes", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr
    found = map(_INST.match, done.stdout.splitlines())
    return {(one["name"], one["architecture"]): one["version"] for one in found if one}


def main() -> int:
    """Compare every set; return 1 where one differs."""
    archive = kept_folder() / "base.tar"
    differing = count = 0
    with tempfile.TemporaryDirectory(prefix="zlock-apt-") as folder:
        root = Path(folder) / "chroot"
        image = find_in_archive(ArchiveFiles.read(archive), str(archive), "", "linux/amd64")
        if image is None:
            raise SystemExit("the base image is of another platform")
        root.mkdir()
        with image.open_layer(0) as layer:
            subprocess.run(["tar", "--extract", "--directory", str(root)], stdin=layer, check=True)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        shutil.copy("/etc/hosts", root / "etc/hosts")
        status = (root / "var/lib/dpkg/status").read_text()
        other = status.replace("Architecture: amd64", "Architecture: arm64")
        (root / "var/lib/dpkg/status-other").write_text(other)
        tree = LayerTree(str(archive), describes_debian)
        add_layers(tree, image, range(1), unheard)
        take_out(str(archive), tree, Path(folder) / "amd64" / "root")
        shutil.copytree(Path(folder) / "amd64", Path(folder) / "arm64")
        (Path(folder) / "arm64/root/var/lib/dpkg/status").write_text(other)
        sets = [("amd64", (name,)) for name in (*ALTERNATIVES, *VERSIONS)] + [("arm64", (name,)) for name in OTHERS]
        apts = {}
        for architecture, names in [*sets, ("amd64", LARGE)]:
            if architecture not in apts:
                base = Base.read("base", Path(folder) / architecture / "root", f"linux/{architecture}")
                apts[architecture] = base, Apt(base, Path(folder) / architecture / "apt", dict(os.environ))
                apts[architecture][1].update()
            wanted = in_chroot(root, names, architecture)
            try:
                closure = find_closure(*apts[architecture], names)
                found: Pins | str = {(one.name, one.architecture): one.version for one in closure}
            except NoAnswer as error:
                found = error.laid_out()
            is_equal = (
                isinstance(found, str) and isinstance(wanted, str) if isinstance(wanted, str) else found == wanted
            )
            differing += not is_equal
            count += 1
            said = len(found) if isinstance(found, dict) else "no answer"
            print(f"{'equal' if is_equal else 'DIFFERS'}: {architecture} {' '.join(names)}: {said}", flush=True)
            if not is_equal:
                print(f"  zlock: {found}\n  apt:   {wanted}")
    print(f"{count - differing} of {count} equal")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())

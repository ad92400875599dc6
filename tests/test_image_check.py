"""The check of the parent in a Dockerfile, run by the interpreter that runs the tests."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from support.images import dockerfile, planned, runs, wheel
from zlock.image.context.parts import check_parent
from zlock.model.target import Target

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
LIBC = platform.libc_ver()
MACHINE = f"{platform.machine()} with {struct.calcsize('P') * 8} bits"
pytestmark = pytest.mark.skipif(
    LIBC[0] != "glibc" or platform.machine() not in PLATFORMS, reason="needs a Linux with glibc, of amd64 or arm64"
)
OWN = PLATFORMS.get(platform.machine(), "")


def check(folder: Path, target: Target, *, around: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a target's check as a build does: as root of this machine, which pip needs, or as whoever runs the tests."""
    (folder / "python3").symlink_to(sys.executable)
    command = runs(dockerfile(planned(wheel("alpha", "1.0"), target=target)))[0]
    path = f"{folder}:/usr/bin:/bin"
    return subprocess.run([*around, *command], env={"PATH": path}, capture_output=True, text=True, check=False)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what stopped the check, empty where it is content; those who are not root are told that last."""
    lines = [line for line in done.stdout.splitlines() if "does not run as root" not in line]
    return "\n".join(lines)


def test_this_machine_is_one_that_a_lock_for_it_fits(tmp_path: Path) -> None:
    assert said(check(tmp_path, Target.parse(PYTHON, OWN, manylinux="2_17"))) == ""


@pytest.mark.parametrize(
    ("target", "parent"),
    [
        (Target.parse("3.7"), f"Python 3.7, the base image has {PYTHON}: name another base image, or correct python"),
        (Target.parse(f"{PYTHON}.99"), f"Python {PYTHON}.99, the base image has {PYTHON}."),
        *(
            (
                Target.parse(PYTHON, other),
                f"{other}, the base image has {MACHINE}: name another base image, or correct plat",
            )
            for other in ("linux/amd64", "linux/arm64", "linux/386", "linux/arm/v7", "linux/s390x")
            if other != OWN
        ),
        (
            Target.parse(PYTHON, OWN, manylinux="2_99"),
            f"glibc 2.99 or later, the base image has glibc {LIBC[1]}: name ano",
        ),
        (
            Target.parse(PYTHON, OWN, musllinux="1_2"),
            f"musl, the base image has glibc {LIBC[1]}: name another base image, or",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_said_with_the_way_out(tmp_path: Path, target: Target, parent: str) -> None:
    done = check(tmp_path, target)

    assert done.returncode == 1
    assert said(done).startswith(f"zlock: the lock is for {parent}")


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_where_the_environment_goes_stops_a_build(tmp_path: Path, kind: str) -> None:
    venv = tmp_path / "venv"
    target = Target.parse(PYTHON, OWN, manylinux="2_17")
    script = str(check_parent(target, str(venv))).replace("python3", sys.executable)

    def run() -> str:
        return said(subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False))

    assert run() == ""
    venv.mkdir() if kind == "folder" else venv.symlink_to("nowhere")
    way_out = "set venv to another folder, or system to true"
    assert run() in (f"zlock: the base image has {venv} already: {way_out}", "")  # "" where this is not run by root


@pytest.mark.skipif(OWN != "linux/amd64" or not shutil.which("setarch"), reason="needs `setarch` on amd64")
def test_a_kernel_that_says_another_machine_is_believed_as_pip_does(tmp_path: Path) -> None:
    done = check(tmp_path, Target.parse(PYTHON, OWN, manylinux="2_17"), around=("setarch", "i686"))

    assert "the lock is for linux/amd64, the base image has i686 with 64 bits" in said(done)


def test_a_python_that_does_not_know_its_glibc_is_not_held_to_it() -> None:
    old, new = (dockerfile(planned(target=Target.parse(python))) for python in ("3.7", "3.8"))

    assert "glibc" not in old
    assert "glibc >= [2, 28]" in new

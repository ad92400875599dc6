"""What a parent has to be for what was locked, checked in it before anything locked is installed.

Registries and engines say of an image only what it claims to be, and not always that: offline, in an engine's own
store, and in a Dockerfile that is built by hand, nobody else looks.
"""

from __future__ import annotations

from collections.abc import Iterator

from zlock.image.context.dockerfile import Python
from zlock.model.target import Target

_FIRST_THAT_KNOWS_ITS_LIBC = 8  # minor version; until then `platform.libc_ver` guessed


def check_parent(target: Target, venv: str) -> Python:
    """Return the program that ends a build on a parent which the locked files do not fit.

    The machine is told as pip tells it, by the kernel's name and the bits of the interpreter: a kernel of 64 bits does
    not say that all around it has 32. What is in the folder of the environment already would be left beside what is
    locked.

    Args:
        target: What the lock is for.
        venv: The folder that the environment will be made in, or empty.
    """
    return Python("python3", tuple(_statements(target, venv)))


def _statements(target: Target, venv: str) -> Iterator[str]:
    parts = target.python.count(".") + 1
    version = ".".join(["%d"] * parts)
    yield "import os, platform, sys, time"
    # Buildah 1.28 was seen to lose what a command prints just before its end.
    yield "stop = lambda why: (print('zlock: ' + why, flush=True), time.sleep(1), sys.exit(1))"
    yield "text = 'the lock is for %s, the base image has %s: name another base image, or correct %s'"
    yield f"python = '{version}' % sys.version_info[:{parts}]"
    yield f"python == '{target.python}' or stop(text % ('Python {target.python}', python, 'python'))"
    yield "machine = platform.machine(), sys.maxsize.bit_length() + 1"
    yield f"{_machine(target)} or stop(text % ('{target.platform}', '%s with %d bits' % machine, 'platforms'))"
    yield from _libc(target)
    yield "os.geteuid() == 0 or stop('the base image does not run as root: name its user in the settings')"
    if venv:
        way_out = "set venv to another folder, or system to true"
        yield f"os.path.lexists('{venv}') and stop('the base image has {venv} already: {way_out}')"


def _machine(target: Target) -> str:
    """Return the condition that holds where the target's programs run."""
    kernels = target.machine.kernels
    if kernels:
        return f"machine in {[(kernel, 32) for kernel in kernels]}"
    return f"machine == ('{target.environment['platform_machine']}', 64)"


def _libc(target: Target) -> Iterator[str]:
    """Return what holds the parent to the libc that wheels were locked for; musl's version, few interpreters know."""
    if target.minor < _FIRST_THAT_KNOWS_ITS_LIBC:
        return
    yield "libc = ' '.join(platform.libc_ver()).strip() or 'no glibc'"
    if target.musllinux:
        yield "libc.startswith('glibc') and stop(text % ('musl', libc, 'musllinux'))"
    elif target.manylinux:
        major, minor = target.manylinux
        yield "glibc = [*map(int, libc[6:].split('.'))] if libc.startswith('glibc') else []"
        yield f"glibc >= [{major}, {minor}] or stop(text % ('glibc {major}.{minor} or later', libc, 'manylinux'))"

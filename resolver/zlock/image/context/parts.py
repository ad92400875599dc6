"""The Dockerfile of an image, part by part: what each setting becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from zlock.errors import Collector, InvalidConfiguration
from zlock.image.context.arguments import options_of
from zlock.image.context.debs import CLEAN, install_debs
from zlock.image.context.dockerfile import (
    BuildVariable,
    Command,
    Comment,
    Copy,
    Env,
    FirstOnPath,
    From,
    Instruction,
    Python,
    Run,
    User,
    Workdir,
)
from zlock.image.context.installation import (
    DIRECT,
    INDEXES,
    OWN,
    REQUIREMENTS,
    SECRET,
    WHEELHOUSE,
    Built,
    Installation,
)
from zlock.image.context.installers import install, install_project
from zlock.image.plan import HEADING
from zlock.image.wanted import ImageWanted
from zlock.model.image import FOLDER, WORKING_FOLDER
from zlock.model.target import Target

PROJECT = "project"
"""The folder of the context that holds the project's own files."""
_FIRST_THAT_KNOWS_ITS_LIBC = 8  # minor version; until then `platform.libc_ver` guessed
_Part = tuple[Instruction, ...]


class Parts:
    """The parts of one Dockerfile, from settings that `check_settings` has passed.

    Args:
        wanted: What the image is made from.
        files: The files of the context beside the Dockerfile and the project's own.
        sdists: The packages that are built.
        problems: Where mistakes go.
    """

    def __init__(self, wanted: ImageWanted, files: Sequence[str], sdists: Sequence[Built], problems: Collector) -> None:
        self._wanted = wanted
        self._settings = wanted.settings.effective()
        self._files = files
        self._problems = problems
        self._facts = self._installation(sdists)

    def all(self, identity: str) -> list[_Part]:
        """Return them in their order."""
        settings, user = self._settings, self._wanted.user
        return [
            self._head(identity),
            (From(self._wanted.parent.pinned), *((User("root"),) if user or settings.user else ())),
            _environment(settings.environment),
            self._apt(),
            self._check_parent(),
            self._install(),
            self._project(),
            _environment(settings.runtime_environment),
            self._user(User(user)) if user else (),
        ]

    def _user(self, instruction: Instruction) -> _Part:
        """Return an instruction that names the user, who may be the parent's."""
        try:
            str(instruction)
        except InvalidConfiguration as error:
            self._problems.add(error.of("`user`", step=self._wanted.step))
            return ()
        return (instruction,)

    def _installation(self, sdists: Sequence[Built]) -> Installation:
        settings = self._settings
        words, variables = options_of(settings.installer, settings.python_package_installer_args)
        return Installation(
            installer=settings.installer,
            files=tuple(name for name in (REQUIREMENTS, DIRECT) if name in self._files),
            own=OWN in self._files,
            sdists=tuple(sdists),
            options=words,
            variables=variables,
            venv="" if settings.system else settings.venv,
            cache=settings.python_package_installer_cache_mount,
            secret=self._wanted.needs_secret,
            indexes=INDEXES in self._files,
            wheelhouse=self._wanted.wheelhouse,
            bytecode=settings.bytecode,
        )

    def _head(self, identity: str) -> _Part:
        lines = [f"{HEADING} {identity}"]
        if self._facts.mounts:
            lines.append("Its mounts need BuildKit or Buildah.")
        if self._facts.wheelhouse:
            lines.append(f"What it installs is in the folder `{WHEELHOUSE}` beside it; no index is asked.")
        if self._facts.indexes:
            lines.append(f"The indexes that it asks are in `{INDEXES}` beside it.")
        if self._facts.secret:
            lines.append(f"The secret `{SECRET}` sets variables for pip and uv, one a line: PIP_INDEX_URL=URL")
        return tuple(map(Comment, lines))

    def _apt(self) -> _Part:
        names = sorted(set(self._wanted.apt_packages))
        debs = self._wanted.debs
        if not names or (self._wanted.lock.facts.apt and not debs):
            return ()  # what is locked may be nothing: the base image has all of it
        if debs:
            return (install_debs(debs),)
        install = Command(
            ("apt-get", "install", "--yes", "--no-install-recommends", "--", *names),
            {"DEBIAN_FRONTEND": "noninteractive"},
        )
        return (Run((Command(("apt-get", "update")), install, CLEAN)),)

    def _check_parent(self) -> _Part:
        """Return what stops the build early on a parent that can't be right."""
        check = check_parent(self._wanted.target, self._facts.venv)
        return BuildVariable("PYTHONDONTWRITEBYTECODE", "1"), Run((check,))

    def _install(self) -> _Part:
        facts = self._facts
        flat = tuple(name for name in self._files if "/" not in name)
        copy: _Part = (Copy(flat, f"{FOLDER}/"),) if flat else ()
        inside = {name.partition("/")[0] for name in self._files if "/" in name}
        copy += tuple(Copy((f"{name}/",), f"{FOLDER}/{name}/") for name in sorted(inside))
        path = (Env("VIRTUAL_ENV", facts.venv), FirstOnPath(f"{facts.venv}/bin")) if facts.venv else ()
        run = (install(facts),) if facts.files or facts.own or facts.sdists or facts.venv else ()
        return (*copy, *run, *path)

    def _project(self) -> _Part:
        command, user = self._settings.local_project_install_command, self._wanted.user
        folder: _Part = (Workdir(WORKING_FOLDER),)
        if user:
            folder += self._user(Run((Command(("chown", user, WORKING_FOLDER)),)))
        # A builder refuses to copy a folder that is not there.
        copy = (Copy((f"{PROJECT}/",), f"{WORKING_FOLDER}/", owner=user),) if self._wanted.project else ()
        opened = (Run((Command(("chmod", "-R", "a+rwX", WORKING_FOLDER)),)),) if self._settings.any_user else ()
        project = (install_project(self._facts, command),) if command is not None else ()
        return (*folder, *copy, *opened, *project)


def _environment(variables: Mapping[str, str]) -> _Part:
    return tuple(Env(key, value) for key, value in sorted(variables.items()))


def check_parent(target: Target, venv: str) -> Python:
    """Return the program that ends a build on a parent which the locked files do not fit.

    Registries and engines say of an image only what it claims to be, and not always that: offline, in an engine's own
    store, and in a Dockerfile that is built by hand, nobody else looks.

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

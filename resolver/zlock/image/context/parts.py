"""The Dockerfile of an image, part by part: what each setting becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zlock.errors import Collector, InvalidConfiguration
from zlock.image.context.arguments import options_of
from zlock.image.context.check import check_parent
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
from zlock.image.wanted import Wanted
from zlock.model.image import FOLDER, WORKING_FOLDER

PROJECT = "project"
"""The folder of the context that holds the project's own files."""
_Part = tuple[Instruction, ...]


class Parts:
    """The parts of one Dockerfile, from settings that `check_settings` has passed.

    Args:
        wanted: What the image is made from.
        files: The files of the context beside the Dockerfile and the project's own.
        sdists: The packages that are built.
        problems: Where mistakes go.
    """

    def __init__(
        self,
        wanted: Wanted,
        files: Sequence[str],
        sdists: Sequence[Built],
        problems: Collector,
    ) -> None:
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
            (*self._from(), *((User("root"),) if user or settings.user else ())),
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
            error.message = f"step `{self._wanted.step}`, `user`: {error.message}"
            self._problems.add(error)
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

    def _from(self) -> _Part:
        return (From(self._wanted.parent.pinned),)

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

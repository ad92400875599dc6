"""The build context of one image: what is locked and set for a step, as files."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zlock.errors import Collector, InvalidConfiguration, NoAnswer, ZlockError
from zlock.image.dockerfile import (
    BuildVariable,
    Command,
    Comment,
    Copy,
    Env,
    FirstOnPath,
    From,
    Instruction,
    Run,
    Shell,
    User,
    Workdir,
    render,
)
from zlock.image.installers import (
    DIRECT,
    ENVIRONMENT,
    FOLDER,
    REQUIREMENTS,
    SDISTS,
    SECRET,
    UV,
    Installation,
    install,
    install_project,
)
from zlock.image.options import options_of
from zlock.image.plan import ImagePlan, Parent
from zlock.lock.identity import identity_of
from zlock.lock.requirements import direct_requirements, files_of, hashed_line, hashed_requirements
from zlock.lock.selection import narrowed, rank_of
from zlock.lock.store import uv_of
from zlock.model.target import Target
from zlock.settings.docker import DockerSettings
from zlock.wording import listed

WORKING_FOLDER = "/app"
PROJECT = "project"
# Debian Policy 5.6.1 (names) and 5.6.12 (versions), with the architecture and version that apt-get takes behind a name;
# a `-` at a name's end has it removed.
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?", re.ASCII)
_ROOT = frozenset({"", "root", "0", "root:root", "0:0"})
_Part = tuple[Instruction, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the image of a step is made from.

    Attributes:
        step: The step's name.
        lock: Its lock as plain values.
        target: Which of the lock's targets the image is for.
        settings: Its docker settings, each with its place.
        apt_packages: Debian packages of all sources.
        parent: What it is built on.
        project: The project's own files, by path; empty unless the project is installed.
        needs_secret: Whether an index of the configuration is needed.
        repository: Where it is pushed to, or empty.
    """

    step: str
    lock: Mapping[str, Any]
    target: Target
    settings: DockerSettings
    apt_packages: tuple[str, ...]
    parent: Parent
    project: Mapping[str, bytes] = field(default_factory=dict)
    needs_secret: bool = False
    repository: str = ""


def plan_image(wanted: Wanted) -> ImagePlan:
    """Return the plan of a step's image on one target.

    Raises:
        InvalidConfiguration: A setting can't be carried into an image; several mistakes come as `Problems`.
        NoAnswer: The lock holds something that an image can't install.
    """
    return _Planner(wanted).plan()


class _Planner:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._settings = wanted.settings.effective()
        self._lock = narrowed(wanted.lock, wanted.target)
        self._builds = {build["package"]: build for build in self._lock["tool"]["zlock"].get("builds", ())}
        self._identity = identity_of(self._lock["packages"], list(self._builds.values()))
        self._problems = Collector()
        user = self._settings.user or wanted.parent.user or ""
        self._user = "" if user in _ROOT else user

    def plan(self) -> ImagePlan:
        self._check_packages()
        files = self._files()
        parts = self._parts(files)
        for part in parts:  # each for itself, so that all mistakes are found
            with self._problems:
                render([part])
        self._problems.raise_if_any()
        context = {"Dockerfile": render(parts), **files}
        context |= {f"{PROJECT}/{path}": data for path, data in self._wanted.project.items()}
        return ImagePlan(
            context=context,
            platform=self._wanted.target.platform,
            parent=self._wanted.parent,
            identity=self._identity,
            steps=(self._wanted.step,),
            repository=self._wanted.repository,
            rebuild=self._settings.prevent_build_reuse,
            needs_secret=self._wanted.needs_secret,
            download=sum(self._best_sizes()),
            components=self._components(context),
        )

    @contextlib.contextmanager
    def _stated(self, name: str) -> Iterator[None]:
        """Collect what is wrong with a setting, with its name and the place that states it."""
        found = Collector()
        with found:
            yield
        place = self._wanted.settings.where(name)
        for error in found.errors:
            error.message = f"step `{self._wanted.step}`, `{name}`: {error.message}"
            error.context = (*error.context, *([f"stated in {place}"] if place else []))
            self._problems.add(error)

    def _checked(self, name: str, *instructions: Instruction) -> _Part:
        """Return instructions that hold a setting's value; those that can't be rendered are collected."""
        good: list[Instruction] = []
        for one in instructions:
            with self._stated(name):
                str(one)
                good.append(one)
        return tuple(good)

    # What is locked

    def _check_packages(self) -> None:
        """Refuse what an image can't install: what is on this machine only, and what is still to be built."""
        folders, builds = [], []
        for package in self._lock["packages"]:
            places = [package.get("archive", {}), package.get("vcs", {}), *files_of(package)]
            if "directory" in package or any("path" in place for place in places):
                folders.append(package["name"])
            elif "vcs" in package or not package.get("archive", {}).get("url", ".whl").endswith(".whl"):
                builds.append(package["name"])
        self._refuse(
            folders,
            "installed from this machine, where no build of an image can read",
            "serve them from an index; for the project itself there is `local_project_install_command`",
        )
        self._refuse(
            builds,
            "taken from a repository or as an sdist's URL, and what building that needs is not locked",
            "build a wheel of it and serve that from an index; sdists of an index are built, see `build-sdists`",
        )

    def _refuse(self, names: list[str], why: str, hint: str) -> None:
        if names:
            are = "is" if len(names) == 1 else "are"
            self._problems.add(NoAnswer(f"step `{self._wanted.step}`: {listed(names)} {are} {why}", hint=hint))

    def _files(self) -> dict[str, bytes]:
        packages = self._lock["packages"]
        wheels = {"packages": [one for one in packages if one["name"] not in self._builds]}
        texts = {REQUIREMENTS: hashed_requirements(wheels), DIRECT: direct_requirements(wheels)}
        uv = uv_of(self._lock)
        if uv and self._settings.python_package_installer == "uv":
            texts[UV] = _line("uv", uv["version"], uv["wheels"])
        for one in packages:
            if one["name"] in self._builds:
                build = self._builds[one["name"]]
                texts[f"{SDISTS}/{one['name']}.txt"] = _line(one["name"], one["version"], [one["sdist"]])
                texts[f"{SDISTS}/{one['name']}.build.txt"] = "".join(f"{line}\n" for line in build["requirements"])
        return {name: text.encode() for name, text in texts.items() if text}

    def _best_sizes(self) -> Iterator[int]:
        """Return the size of each file that will be downloaded, as far as indexes say it."""
        for package in self._lock["packages"]:
            wheels = sorted(package.get("wheels", ()), key=lambda wheel: rank_of(wheel, self._wanted.target) or 0)
            files = wheels[:1] or [package.get("sdist", package.get("archive", {}))]
            yield from (file.get("size", 0) for file in files)

    # The Dockerfile

    def _parts(self, files: Mapping[str, bytes]) -> list[_Part]:
        settings = self._settings
        facts = self._installation(files)
        return [
            self._head(facts),
            (*self._from(), *((User("root"),) if self._user or settings.user else ())),
            self._environment("environment", settings.environment),
            self._apt(),
            self._check_parent(),
            self._install(facts, files),
            self._project(facts),
            self._environment("runtime_environment", settings.runtime_environment),
            self._checked("user", User(self._user)) if self._user else (),
        ]

    def _installation(self, files: Mapping[str, bytes]) -> Installation:
        settings = self._settings
        words: tuple[str, ...] = ()
        variables: dict[str, str] = {}
        with self._stated("python_package_installer_args"):
            words, variables = options_of(settings.python_package_installer, settings.python_package_installer_args)
        return Installation(
            installer=settings.python_package_installer,
            files=tuple(name for name in (REQUIREMENTS, DIRECT) if name in files),
            sdists=tuple((name, build["version"]) for name, build in sorted(self._builds.items())),
            options=words,
            variables=variables,
            system=settings.system,
            cache=settings.python_package_installer_cache_mount,
            secret=self._wanted.needs_secret,
        )

    def _head(self, facts: Installation) -> _Part:
        lines = [f"Made by zlock from the lock {self._identity}"]
        if facts.mounts:
            lines.append("Its mounts need BuildKit or Buildah.")
        if facts.secret:
            lines.append(f"The secret `{SECRET}` sets variables for pip and uv, one a line: PIP_INDEX_URL=URL")
        return tuple(map(Comment, lines))

    def _from(self) -> _Part:
        parent = self._wanted.parent
        pinned = parent.digest and parent.dockerfile is None and "@" not in parent.reference
        return self._checked(
            "parent_image", From(f"{parent.reference}@{parent.digest}" if pinned else parent.reference)
        )

    def _environment(self, name: str, variables: Mapping[str, str]) -> _Part:
        return self._checked(name, *(Env(key, value) for key, value in sorted(variables.items())))

    def _apt(self) -> _Part:
        names = sorted(set(self._wanted.apt_packages))
        for name in names:
            if not _APT.fullmatch(name):
                self._problems.add(self._no_package(name))
        if not names:
            return ()
        install = Command(
            ("apt-get", "install", "--yes", "--no-install-recommends", "--", *names),
            {"DEBIAN_FRONTEND": "noninteractive"},
        )
        clean = Shell(
            "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/* /var/log/apt /var/log/*.log"
        )
        return (Run((Command(("apt-get", "update")), install, clean)),)

    def _no_package(self, name: str) -> ZlockError:
        place = self._wanted.settings.where("apt_packages")
        sources = self._lock["tool"]["zlock"].get("sources", ())
        context = [f"required by {one['source']}" for one in sources if name in one.get("apt-packages", ())]
        if name in self._settings.apt_packages and place:
            context.append(f"stated in {place}")
        return InvalidConfiguration(
            f"step `{self._wanted.step}`, `apt_packages`: `{name}` is no name of a Debian package",
            context=context,
            hint="write `name` or `name=version`",
        )

    def _check_parent(self) -> _Part:
        """Return what stops the build early on a parent that can't be right."""
        python = self._wanted.target.python
        pattern = ".".join(["%d"] * (python.count(".") + 1))
        program = [
            f"import os, sys; found = '{pattern}' % sys.version_info[:{python.count('.') + 1}]",
            f"found == '{python}' or sys.exit('zlock: the lock is for Python {python}, the parent has ' + found)",
            "os.geteuid() == 0 or sys.exit('zlock: the parent does not run as root, name its user in the settings')",
        ]
        check = Shell('python3 -c "{}"'.format("; \\\n    ".join(program)))  # no value of a user is in it
        return BuildVariable("PYTHONDONTWRITEBYTECODE", "1"), Run((check,))

    def _install(self, facts: Installation, files: Mapping[str, bytes]) -> _Part:
        flat = tuple(name for name in files if "/" not in name)
        copy: _Part = (Copy(flat, f"{FOLDER}/"),) if flat else ()
        copy += (Copy((f"{SDISTS}/",), f"{FOLDER}/{SDISTS}/"),) if facts.sdists else ()
        path = () if facts.system else (Env("VIRTUAL_ENV", ENVIRONMENT), FirstOnPath(f"{ENVIRONMENT}/bin"))
        run = (install(facts),) if facts.files or facts.sdists or not facts.system else ()
        return (*copy, *self._checked("python_package_installer_args", *run), *path)

    def _project(self, facts: Installation) -> _Part:
        command = self._settings.local_project_install_command
        folder: _Part = (Workdir(WORKING_FOLDER),)
        if self._user:
            folder += self._checked("user", Run((Command(("chown", self._user, WORKING_FOLDER)),)))
        if command is None:
            return folder
        copy = Copy((f"{PROJECT}/",), f"{WORKING_FOLDER}/", owner=self._user)
        run = self._checked("local_project_install_command", install_project(facts, command))
        return (*folder, copy, *run)

    # What it consists of, for people

    def _components(self, context: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
        settings, parent = self._settings, self._wanted.parent
        uv = uv_of(self._lock)
        installer = f"uv {uv['version']}" if uv and settings.python_package_installer == "uv" else "pip"
        arguments = settings.python_package_installer_args
        variables = {**settings.environment, **{f"{k} at run time": v for k, v in settings.runtime_environment.items()}}
        chosen = {
            "installer": installer,
            "system": str(settings.system).lower(),
            "user": self._user,
            "cache mount": str(settings.python_package_installer_cache_mount).lower(),
            "project": str(settings.local_project_install_command or ""),
        }
        return {
            "parent": {"image": parent.reference, "digest": parent.digest},
            "apt package": dict.fromkeys(self._wanted.apt_packages, ""),
            "package": {one["name"]: _version(one) for one in self._lock["packages"]},
            "installer argument": {name: str(value) for name, value in arguments.items()},
            # Values may be secrets, so only whether they changed is on record.
            "variable": {name: _digest(value.encode()) for name, value in variables.items()},
            "setting": {name: value for name, value in chosen.items() if value},
            "file": {name: _digest(data) for name, data in context.items()},
        }


def _line(name: str, version: str, files: Sequence[Mapping[str, Any]]) -> str:
    return hashed_line(name, version, [file["hashes"]["sha256"] for file in files]) + "\n"


def _version(package: Mapping[str, Any]) -> str:
    return str(package.get("version") or package.get("vcs", {}).get("commit-id", ""))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]

"""The locker of hatch: `hatch env lock` solves through zlock, and locked environments are made what their lock says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import TypedDict, Unpack, cast

import click
from hatch.env.lockers.interface import LockerInterface
from hatch.env.plugin.interface import EnvironmentInterface
from hatch.env.virtual import VirtualEnvironment
from packaging.utils import canonicalize_name

from zlock.last_resort import as_error
from zlock.process import find_uv
from zlock.redact import redact
from zlock.reporting import News, Note, Once
from zlock.workflow.deliver.environments import HatchEnvironment, lock_environment, outdated_by, pins_here

_PYTHON = re.compile(r"(?:python|cpython)?(3\.\d+(?:\.\d+)?)")
_SEEDS = frozenset({"pip", "setuptools", "wheel"})
"""What an environment is made with and needs to install anything; a lock says nothing about it."""


class _Inputs(TypedDict, total=False):
    """What hatch says beside requirements: what is to be newer, and what of the project is part of the lock."""

    upgrade: bool
    upgrade_packages: tuple[str, ...]
    layered: bool
    lock_extras: tuple[str, ...]
    lock_groups: tuple[str, ...]


class ZlockLocker(LockerInterface):
    """`locker = "zlock"`."""

    PLUGIN_NAME = "zlock"

    @classmethod
    def supports(cls, environment: EnvironmentInterface) -> bool:
        """Return whether it is an environment of Python packages."""
        return isinstance(environment, VirtualEnvironment)

    @classmethod
    def generate(
        cls,
        environment: EnvironmentInterface,
        dependencies: list[str],
        output_path: Path,
        **inputs: Unpack[_Inputs],
    ) -> None:
        """Bring the lock up to date; one that still answers is left alone unless something is to be upgraded."""
        if _is_check():
            return
        asked = _asked(environment, dependencies, output_path, inputs)
        upgrade, packages = inputs.get("upgrade", False), inputs.get("upgrade_packages", ())

        def hear(news: News) -> None:
            if isinstance(news, Note):
                environment.app.display_warning(redact(f"note: {news.text}"))

        with _shown(environment):
            lock_environment(asked, upgrade=upgrade, upgrade_packages=packages, reporter=Once(hear))

    @classmethod
    def in_sync(
        cls,
        environment: EnvironmentInterface,
        dependencies: list[str],
        output_path: Path,
        **inputs: Unpack[_Inputs],
    ) -> bool:
        """Return whether the lock answers what the environment asks; what differs is shown."""
        differing: list[str] = []
        with _shown(environment):
            differing = outdated_by(_asked(environment, dependencies, output_path, inputs))
        for line in differing:
            environment.app.display_warning(redact(line))
        if differing:
            # Hatch has noted already that it locked for what is asked now; it has to lock before the next use.
            environment.app.project.env_metadata.reset(environment)
        return not differing

    @classmethod
    def apply_lock(cls, environment: EnvironmentInterface, lock_path: Path) -> None:
        """Install what the lock pins, and remove what came neither with it nor with the project."""
        with _shown(environment):
            pins, uv = pins_here(lock_path), find_uv()
        python = ["--quiet", "--python", str(_interpreter(environment))]
        with environment.command_context():
            install = [uv, "pip", "install", *python, "--requirements", str(lock_path)]
            environment.platform.check_command(install)
            extraneous = sorted(_versions(environment).keys() - pins.keys() - _kept(environment))
            if extraneous:
                environment.platform.check_command([uv, "pip", "uninstall", *python, *extraneous])

    @classmethod
    def install_matches_lock(cls, environment: EnvironmentInterface, lock_path: Path) -> bool:
        """Return whether what the lock pins is installed, and nothing else but the project."""
        with _shown(environment):
            pins = pins_here(lock_path)
        there = _versions(environment)
        extraneous = there.keys() - pins.keys() - _kept(environment)
        missing = [name for name, version in pins.items() if name not in there or version not in ("", there[name])]
        return not missing and not extraneous


def _asked(environment: EnvironmentInterface, dependencies: list[str], lock: Path, inputs: _Inputs) -> HatchEnvironment:
    python = _PYTHON.fullmatch(environment.config.get("python", ""))
    return HatchEnvironment(
        name=environment.name,
        project=Path(environment.root),
        file=Path(environment.root, "pyproject.toml"),
        lock=Path(lock).absolute(),
        requirements=tuple(dependencies),
        with_project=inputs.get("layered", False),
        extras=inputs.get("lock_extras", ()),
        groups=inputs.get("lock_groups", ()),
        python=python[1] if python else None,
        interpreter=_interpreter(environment),
    )


def _is_check() -> bool:
    """Return whether hatch was called with `--check`: it locks a locked environment anew before it checks its lock."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.params.get("check"))


@contextmanager
def _shown(environment: EnvironmentInterface) -> Iterator[None]:
    """End hatch with the message of an error of zlock; a traceback would help nobody."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the last resort
        said = redact(as_error(error, ["hatch", "env", "lock"]).laid_out())
        said = said.replace("`zlock resolve`", "`hatch env lock`").replace("`lock-dir`", "`lock-filename`")
        environment.app.abort(said)


def _virtual(environment: EnvironmentInterface) -> VirtualEnvironment:
    """Return an environment as what it is: hatch asks `supports` first."""
    return cast("VirtualEnvironment", environment)


def _interpreter(environment: EnvironmentInterface) -> Path:
    folder = Path(_virtual(environment).virtual_env.executables_directory)
    return folder / ("python.exe" if environment.platform.windows else "python")


def _versions(environment: EnvironmentInterface) -> dict[str, str]:
    """Return what is installed in an environment."""
    with environment.command_context():
        found = distributions(path=_virtual(environment).virtual_env.sys_path)
        return {canonicalize_name(each.name): each.version for each in found}


def _kept(environment: EnvironmentInterface) -> set[str]:
    """Return what a lock does not say: the project itself, its neighbours, and what installs."""
    return {*(canonicalize_name(one.name) for one in environment.local_dependencies_complex), *_SEEDS}

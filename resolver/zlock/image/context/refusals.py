"""What of a lock an image can't install: why, and the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from zlock.errors import Collector, NoAnswer
from zlock.image.context.settings import check_settings
from zlock.image.wanted import ImageWanted
from zlock.lock.facts import Build
from zlock.lock.package import Package
from zlock.wording import listed


class _Refusal(NamedTuple):
    """Why packages can't be installed, as it follows "they are", and the way out."""

    reason: str
    hint: str


_SERVE_A_WHEEL = "build a wheel of it and serve that from an index"
_HERE = _Refusal(
    "installed from this machine, so no other machine could build the image",
    "serve them from an index; for the project itself there is `local_project_install_command`",
)
_IN_A_FOLDER = _HERE._replace(
    hint="serve them from an index, or build from a wheelhouse: `zlock fetch`, then `zlock dockerfile --wheelhouse DIR`"
)
_WITH_A_KEY = _Refusal("cloned over ssh, and no build of an image has a key", f"name it by https, or {_SERVE_A_WHEEL}")
_OUT_OF_REACH = _Refusal("cloned by git, and no wheelhouse can hold a repository", _SERVE_A_WHEEL)
_UNSAID = _Refusal("to be built, and the lock does not say with what", "run `zlock resolve`")
_WITHOUT_GIT = _Refusal(
    "cloned by git, which the default base image does not have",
    'add it: `apt_packages=["git"]`; or name a parent that has it',
)


def check_wanted(
    wanted: ImageWanted, packages: Sequence[Package], builds: Mapping[str, Build], problems: Collector
) -> None:
    """Collect what keeps a step from being an image: its settings, and what it installs.

    There is an error for each reason, with all the packages that it holds for.

    Args:
        wanted: What the image is made from.
        packages: The packages that it installs.
        builds: What those that are built are built with, by name.
        problems: Where they go.
    """
    stated = Collector()
    with stated:
        check_settings(wanted.settings)
    for error in stated.errors:
        problems.add(error.of(step=wanted.step))
    found: dict[_Refusal, list[str]] = {}
    for package in packages:
        why = _by_place(wanted, package) or (package.is_built and _by_build(wanted, package, builds))
        if why:
            found.setdefault(why, []).append(package.name)
    for why, names in found.items():
        are = "is" if len(names) == 1 else "are"
        problems.add(NoAnswer(f"{listed(names)} {are} {why.reason}", hint=why.hint).of(step=wanted.step))


def _by_place(wanted: ImageWanted, package: Package) -> _Refusal | None:
    if wanted.wheelhouse and package.vcs:
        return _OUT_OF_REACH
    places = package.placed if not (wanted.portable or wanted.wheelhouse) or not package.files else ()
    scheme = urlsplit(package.vcs.url).scheme if package.vcs else ""
    if scheme == "file" or any(place.path for place in places):
        return _IN_A_FOLDER if package.files else _HERE
    return _WITH_A_KEY if scheme == "ssh" else None


def _by_build(wanted: ImageWanted, package: Package, builds: Mapping[str, Build]) -> _Refusal | None:
    build = builds.get(package.name)
    if build is None:
        return _UNSAID
    if not build.locked:
        return _Refusal(f"built with {listed(build.requires)}, of which no index has wheels", _SERVE_A_WHEEL)
    return _WITHOUT_GIT if package.vcs and _has_no_git(wanted) else None


def _has_no_git(wanted: ImageWanted) -> bool:
    """Tell whether git is sure to be missing: the default parent has none; of others only their build can tell."""
    settings = wanted.settings.effective()
    installed = {name.partition("=")[0].partition(":")[0] for name in wanted.apt_packages}
    return not (settings.parent_image or settings.dockerfile or "git" in installed)

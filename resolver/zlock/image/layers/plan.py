"""The plan of an image that is put together out of layers: what it is made of, as bytes that have a key."""

from __future__ import annotations

import json

from msgspec.structs import replace

from zlock.errors import Collector
from zlock.image.components import components_of
from zlock.image.context.debs import SUMS, install_debs, sums_of
from zlock.image.context.dockerfile import Comment, From, User, render
from zlock.image.context.parts import PROJECT
from zlock.image.context.refusals import check_wanted
from zlock.image.layers.difference import WRITTEN
from zlock.image.layers.environment import locked_text
from zlock.image.layers.layer import LAYOUT, Assembly, LayerMaker
from zlock.image.layers.packing import ALONE, Wheel
from zlock.image.layers.parent import ParentFacts
from zlock.image.layers.wheel import Environment
from zlock.image.plan import DOCKERFILE, HEADING, ImagePlan
from zlock.image.reading.compilers import Compiler
from zlock.image.wanted import FOLDERS, ROOT, BuiltFolder, ImageWanted
from zlock.lock.files import PackageArchive, PackageFile
from zlock.lock.package import Package
from zlock.lock.selection import best_wheel, narrowed
from zlock.model.digest import digest_of_bytes
from zlock.model.image import OCI
from zlock.wording import listed

_LOCKED, _IMAGE = "pylock.toml", "image.json"


def why_engine(wanted: ImageWanted) -> str:
    """Say what of a step has to be run while its image is made, which takes an engine; empty where nothing has."""
    settings = wanted.settings.effective()
    reasons = {
        "its base image is made by a `dockerfile`": settings.dockerfile,
        "`system` is set": settings.system,
        "`local-project-install-command` is set": settings.local_project_install_command,
    }
    found = [reason for reason, is_set in reasons.items() if is_set]
    if wanted.apt_packages and wanted.lock.facts.apt is None:
        found.append(f"apt packages are not locked ({listed(sorted(wanted.apt_packages))})")
    if built := [one.name for one in narrowed(wanted.lock, wanted.target).packages if _is_built(wanted, one)]:
        found.append(f"{listed(built)} {'is' if len(built) == 1 else 'are'} built while it is made")
    return "; ".join(found)


def _is_built(wanted: ImageWanted, package: Package) -> bool:
    folder = wanted.folders.get(package.name)
    return not folder.is_wheel if folder else package.is_built or not (package.wheels or package.archive)


def plan_layers(wanted: ImageWanted, facts: ParentFacts, compiler: Compiler | None) -> ImagePlan:
    """Return the plan of an image that is put together, of a step for which that is the way.

    Args:
        wanted: What it is made from.
        facts: What its parent is.
        compiler: What compiles modules; None where it holds sources only.

    Raises:
        InvalidConfiguration: A setting can't be carried into an image; several mistakes come as `Problems`.
        NoAnswer: The lock holds something that an image can't install, or the parent does not know the user.
    """
    problems = Collector()
    lock = narrowed(wanted.lock, wanted.target)
    check_wanted(wanted, [one for one in lock.packages if one.name not in wanted.folders], {}, problems)
    problems.raise_if_any()
    settings = wanted.settings.effective()
    wheels = tuple(_wheel(one, wanted) for one in lock.packages)
    assembly = Assembly(
        maker=LayerMaker(environment=Environment(settings.venv, f"3.{wanted.target.minor}"), compiler=compiler),
        facts=facts,
        wheels=wheels,
        locked=locked_text(wheels),
        environment=settings.environment,
        later=settings.runtime_environment,
        user=settings.user or "",
        project=wanted.project,
        owner=wanted.user,
        any_user=settings.any_user,
    )
    facts.owner(wanted.user)
    stage = plan_stage(wanted) if wanted.debs else None
    own = {f"{FOLDERS}/{one.filename}": one.data for one in wanted.folders.values()}
    own |= {f"{PROJECT}/{path}": data for path, data in wanted.project.items()}
    context = {_IMAGE: _described(assembly, stage), _LOCKED: assembly.locked.encode(), **own}
    return replace(
        wanted.plan(context, lock.identity),
        download=sum(_file(one, wanted).size or 0 for one in lock.packages if one.name not in wanted.folders),
        components=_components(components_of(wanted, lock, context), compiler, stage),
        stage=stage,
        assembly=assembly,
    )


def _described(assembly: Assembly, stage: ImagePlan | None) -> bytes:
    """Return what makes an image another one, beside what was locked, the platform and the parent."""
    compiler = assembly.maker.compiler
    table = {
        "builder": OCI,
        "layout": LAYOUT,
        "venv": list(assembly.maker.environment),
        "compiled-by": compiler and compiler.version,
        "environment": dict(assembly.environment),
        "runtime-environment": dict(assembly.later),
        "user": assembly.user,
        "owner": assembly.owner,
        **({"any-user": True} if assembly.any_user else {}),
        **({"stage": stage.key} if stage else {}),
        "wheels": {one.filename: dict(one.origin) for one in assembly.wheels},
    }
    return json.dumps(table, sort_keys=True, indent=1).encode()


def _components(
    found: dict[str, dict[str, str]], compiler: Compiler | None, stage: ImagePlan | None
) -> dict[str, dict[str, str]]:
    """Return what an image consists of; installers and indexes have no part in it."""
    chosen = {name: value for name, value in found["setting"].items() if name in ("bytecode", "user", "venv")}
    setting = {"builder": OCI, **({"compiled by Python": compiler.version} if compiler else {}), **chosen}
    below = {"stage": {"of Debian packages": stage.tag}} if stage else {}
    return {**found, **below, "index": {}, "installer argument": {}, "setting": setting}


def _wheel(package: Package, wanted: ImageWanted) -> Wheel:
    folder = wanted.folders.get(package.name)
    if folder is not None:
        return _own(package.name, folder)
    file = _file(package, wanted)
    return Wheel(
        name=package.name,
        version=package.version,
        filename=file.filename,
        sha256=file.sha256,
        size=ALONE if file.size is None else file.size,
        origin=_origin(package.archive.url, file.sha256) if package.archive else {},
    )


def _file(package: Package, wanted: ImageWanted) -> PackageFile | PackageArchive:
    return package.archive or best_wheel(package.wheels, wanted.target)


def _own(name: str, folder: BuiltFolder) -> Wheel:
    """Return what comes of a folder of the project, from where a build of the Dockerfile would install it."""
    return Wheel(
        name=name,
        version=folder.version,
        filename=folder.filename,
        sha256=folder.sha256,
        size=len(folder.data),
        origin=_origin(folder.url, folder.sha256),
    )


def _origin(url: str, sha256: str) -> dict[str, object]:
    """Return what pip records of an archive (PEP 610)."""
    return {"archive_info": {"hash": f"sha256={sha256}", "hashes": {"sha256": sha256}}, "url": url}


def plan_stage(wanted: ImageWanted) -> ImagePlan:
    """Return the plan of what is below the wheels of a step's image: its key is of the base image and the packages."""
    user = wanted.parent.user or ""
    is_root = user in ROOT
    parts = (
        (Comment(f"{HEADING}: Debian packages, for a layer of version {WRITTEN}"),),
        (From(wanted.parent.pinned), *(() if is_root else (User("root"),))),
        (install_debs(wanted.debs),),
        () if is_root else (User(user),),
    )
    sums = sums_of(wanted.debs)
    plan = wanted.plan({DOCKERFILE: render(parts), SUMS: sums}, digest_of_bytes(sums))
    return replace(plan, debs=wanted.debs, is_stage=True)

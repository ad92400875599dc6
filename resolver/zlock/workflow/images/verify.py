"""Whether what is installed is what a lock says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from zlock.debian.verify import compare_debian, has_dpkg
from zlock.errors import InvalidInput, NoAnswer, OutsideFailed
from zlock.image.attached import Attached, attached_to
from zlock.image.plan import KEY_LABEL, tag_of
from zlock.image.reading.compilers import Compilers
from zlock.image.reading.environment import Installed, read_folder, read_interpreter, read_system, read_venv
from zlock.image.reading.installed import Distribution
from zlock.image.reading.sources import OpenImage, RegistryImage, Unclear
from zlock.image.record import read_record
from zlock.image.verify import Comparison, Differences, compare
from zlock.lock.selection import packages_on
from zlock.model.machine import this_platform
from zlock.model.reference import ImageReference
from zlock.model.target import Target
from zlock.reporting import Activity, Doing
from zlock.sources.links import folder_name
from zlock.wording import counted
from zlock.workflow.images.find import ImageFinder
from zlock.workflow.locks.base_images import BaseImages, base_image_of
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.workspace import Options, Workspace


class Verdict(Struct, frozen=True, kw_only=True):
    """What a verification found.

    Attributes:
        name: What was verified, and where it was.
        step: The step whose lock it was compared with; empty where nothing was compared.
        comparisons: By platform, how they differ; none where nothing was compared.
        debian: By platform, how the Debian packages differ; none where none are locked.
        bills: By platform, the bills of materials that refer to the image in its registry.
    """

    name: str
    step: str = ""
    comparisons: Mapping[str, Comparison] = {}
    debian: Mapping[str, Differences] = {}
    bills: Mapping[str, Sequence[Attached]] = {}

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        python = all(one.is_equal for one in self.comparisons.values())
        return python and all(one.is_equal for one in self.debian.values())


def verify(options: Options, image: str) -> Verdict:
    """Compare what is installed in an image, a folder or an environment with the lock of a step.

    Args:
        options: The options; of `steps` one at most.
        image: What `ImageFinder.find` takes, `dir:DIR` or `env:PYTHON`.

    Raises:
        NoAnswer: There is no such image, or no environment of the lock's Python in it; or the lock is outdated.
        InvalidInput: What is to be compared can't be told.
        InvalidConfiguration: There is no such step.
        OutsideFailed: A registry or an engine failed.
    """
    workspace = Workspace(options)
    workspace.named(options.steps)  # a step that is not there is told before a registry is asked
    kind, _, rest = image.partition(":")
    if kind in ("dir", "env") and rest:
        return _verify_place(workspace, image, kind, Path(rest))
    with workspace.opened:
        return _verify_image(workspace, image)


def _verify_image(workspace: Workspace, image: str) -> Verdict:
    """Compare an image; of an index, the images of all platforms of the lock."""
    finder = ImageFinder(workspace)
    platforms = _ordered(workspace.project.platforms, linux=True)
    try:
        platform, found = finder.find(image, platforms)
    except Unclear as error:
        image = _of_step(workspace, error, platforms)
        platform, found = finder.find(image, platforms)
    locked = _locked(workspace, _step_of(workspace, found.found.config.labels.get(KEY_LABEL, "")))
    if locked is None:
        return Verdict(name=image)
    targets = _targets(locked)
    wanted = _ordered(tuple(targets), linux=True)
    if platform not in wanted:
        platform, found = finder.find(image, wanted)
    name, images = finder.where, {platform: found}
    if found.found.tagged != found.found.digest:
        images |= {one: finder.find(image, [one])[1] for one in wanted if one != platform}
    comparisons, debian, apt = {}, {}, locked.facts.apt
    for one, opened in images.items():
        if locked.step.effective.system:
            parents = _parent_layers(finder, opened, locked, targets[one])
            installed = read_system(opened, targets[one].minor, parents, workspace.reporter, debian=apt is not None)
        else:
            venv, minor = locked.step.effective.venv, targets[one].minor
            installed = read_venv(opened, venv, minor, workspace.reporter, debian=apt is not None)
        comparisons[one] = _compared(workspace, locked, targets[one], installed)
        if apt is not None:
            debian[one] = _compared_debian(workspace, locked, targets[one], installed)
    bills = {
        one: attached_to(opened.registry, opened.reference.at(opened.found.digest))
        for one, opened in images.items()
        if isinstance(opened, RegistryImage)
    }
    return Verdict(name=name, step=locked.step.name, comparisons=comparisons, debian=debian, bills=bills)


def _of_step(workspace: Workspace, error: Unclear, platforms: Sequence[str]) -> str:
    """Return the name of the image that was last built for the one step that is asked for.

    Raises:
        Unclear: Another one is asked for by its name, or it is none of those that are there.
    """
    chosen = workspace.chosen()
    row = read_record(workspace.record).get(chosen[0].name) if len(chosen) == 1 else None
    keys = [row.platforms[one].key for one in platforms if one in row.platforms] if row else []
    found = [name for key in keys for name in error.names if name.endswith(f":{tag_of(key)}")]
    if error.tag or not found:
        raise error
    return found[0]


def _verify_place(workspace: Workspace, image: str, kind: str, place: Path) -> Verdict:
    """Compare a folder or an environment of this machine."""
    locked = _locked(workspace, _step_of(workspace, ""))
    if locked is None:
        return Verdict(name=image)
    targets = _targets(locked)
    target = targets[_ordered(tuple(targets), linux=False)[0]]
    settings = locked.step.effective
    if kind == "env":
        installed = read_interpreter(place, target.minor)
    else:
        installed = read_folder(place, settings.venv, target.minor)
    if settings.system:
        installed = replace(installed, inherited=None)
    comparison = _compared(workspace, locked, target, installed)
    apt, platform = locked.facts.apt, target.platform
    is_image = kind == "dir" and has_dpkg(installed.tree)  # a folder may be an environment alone
    debian = {platform: _compared_debian(workspace, locked, target, installed)} if apt and is_image else {}
    return Verdict(name=image, step=locked.step.name, comparisons={platform: comparison}, debian=debian)


def _compared(workspace: Workspace, locked: LockedStep, target: Target, installed: Installed) -> Comparison:
    own = canonicalize_name(folder_name(workspace.project.folder) or "")
    installs_project = locked.step.effective.local_project_install_command is not None
    if installed.inherited is None:
        workspace.note(
            "what the base image has is not known, so packages that are not locked are listed and not counted"
        )

    def is_local(one: Distribution) -> bool:
        return "dir_info" in one.direct_url and (installs_project or one.name == own)

    workspace.reporter(Doing(Activity.COMPARING))
    compilers = Compilers(workspace.environ, workspace.reporter)
    found = compare(packages_on(locked.lock, target), installed, is_local=is_local, compilers=compilers)
    if found.unchecked:
        files = f"{counted(found.unchecked, '.pyc file')} not checked"
        made_by = installed.python or f"that has compiled them, a 3.{target.minor}"
        workspace.note(f"{files}: that takes the Python {made_by}, and this machine has another one or none")
    return found


def _compared_debian(workspace: Workspace, locked: LockedStep, target: Target, installed: Installed) -> Differences:
    apt, platform = locked.facts.apt, target.platform
    reference = base_image_of(locked.step, target.python, locked.facts)
    base = None
    try:
        base = BaseImages(workspace).base(reference, platform).installed if reference else None
    except (InvalidInput, NoAnswer, OutsideFailed) as error:
        workspace.note(f"Debian packages that are not locked are not looked for: {error.message}")
    return compare_debian(apt.on(platform) if apt else (), installed.tree, base)


def _parent_layers(finder: ImageFinder, image: OpenImage, locked: LockedStep, target: Target) -> int | None:
    """Return how many of an image's layers are its parent's, None where nobody can tell."""
    settings = locked.step.effective
    if settings.dockerfile is not None:
        return None
    reference = ImageReference.parse(settings.base_image(target.python))
    digest = locked.facts.parent_digest
    parent = finder.parent(reference.at(reference.digest or digest), target.platform)
    ids = parent.found.config.diff_ids if parent else ()
    return len(ids) if ids and image.found.config.diff_ids[: len(ids)] == ids else None


def _step_of(workspace: Workspace, key: str) -> str:
    """Return the step to compare with: the one that is named, the only one, or one whose image has the key."""
    named = workspace.options.steps
    names = [step.name for step in workspace.steps]
    if len(named) > 1:
        raise InvalidInput("one image is compared with one step", hint="give `--step` once")
    if named or len(names) == 1:
        return named[0] if named else names[0]
    recorded = read_record(workspace.record) if key else {}
    of_key = [name for name in names if name in recorded and key in recorded[name].keys]
    if not of_key:
        raise InvalidInput(
            "several steps match",
            context=[f"steps: {', '.join(f'`{name}`' for name in names)}"],
            hint="name it: `--step NAME`",
        )
    return of_key[0]


def _locked(workspace: Workspace, step: str) -> LockedStep | None:
    """Return a step with its current lock, None where the pipeline runs locally."""
    found = load_locked(workspace.for_steps(step, reporter=workspace.reporter))
    return found[0] if found else None


def _targets(locked: LockedStep) -> dict[str, Target]:
    return {target.platform: target for target in locked.question.targets}


def _ordered(platforms: Sequence[str], *, linux: bool) -> list[str]:
    """Return platforms, this machine's first; an image's is always a Linux one."""
    system, _, kind = this_platform().partition("/")
    mine = f"{'linux' if linux else system}/{kind}"
    usable = [one for one in platforms if not linux or one.startswith("linux/")]
    if not usable:
        raise InvalidInput(
            f"no image can be of {', '.join(platforms)}", hint="images are of Linux; `dir:` and `env:` are of any"
        )
    return sorted(usable, key=lambda one: one != mine)

"""Which images are put together out of layers, and on what: everything is known before anything is made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

from msgspec.structs import replace

from zlock._version import __version__
from zlock.errors import NoAnswer, OutsideFailed, ZlockError
from zlock.image.context.contents import plan_image
from zlock.image.layers.assemble import NoRoom, room_on
from zlock.image.layers.bytecode import NO_BYTECODE
from zlock.image.layers.parent import NoPython, ParentFacts, Unfit, misfit, read_parent
from zlock.image.layers.plan import plan_layers, why_engine
from zlock.image.plan import ImagePlan, Parent
from zlock.image.reading.compilers import Compiler, Compilers
from zlock.image.reading.sources import OpenImage
from zlock.image.wanted import ImageWanted
from zlock.index.cache import Cache
from zlock.model.form import Misstated, plain, read
from zlock.model.image import FOLDER, WORKING_FOLDER, is_layout
from zlock.model.reference import ImageReference
from zlock.wording import listed
from zlock.workflow.images.find import ImageFinder
from zlock.workflow.locks.parents import no_parent
from zlock.workflow.project.workspace import Workspace

_KIND = "parents"
_PYTHON = re.compile(r"(lib)?python3(\.\d+)?(-minimal|-stdlib)?")  # Debian's own, in `/usr/bin`
_ENGINE = "leave out `--builder oci`, and an engine builds it"
_UNUSED = (
    "installers and their arguments are checked and not used where images are put together out of layers; "
    "`--builder docker`, or another engine, uses them"
)


class Layering:
    """Plans images, and opens what they are built on, each once.

    Args:
        workspace: The project.
        is_named: Whether `--builder` asks for it: then a step for which it is not the way is an error, and parents
            are looked for in the stores of engines too.
    """

    def __init__(self, workspace: Workspace, *, is_named: bool) -> None:
        self._workspace = workspace
        self._is_named = is_named
        self._finder = ImageFinder(workspace)
        self._cache = Cache(workspace.cache_folder)
        compilers = Compilers(workspace.environ)
        self._compiler: Callable[[int, str], Compiler | None] = cache(compilers.find)
        self._near: dict[tuple[str, str], OpenImage] = {}  # in layouts and in stores of engines
        self._for_engine: dict[str, dict[str, None]] = {}  # by reason the steps
        self._far = cache(self._in_registry)

    def plan(self, wanted: ImageWanted) -> ImagePlan:
        """Return the plan of a step's image: put together where that is the way, else for an engine, and why is noted.

        Raises:
            InvalidConfiguration: A setting can't be carried into an image; several mistakes come as `Problems`.
            NoAnswer: The parent is not one for what was locked, or the step can't be an image.
            OutsideFailed: The parent can't be read, and no engine is to be tried.
        """
        why, hint = why_engine(wanted), _ENGINE
        if not why:
            try:
                return self._planned(replace(wanted, parent=self._known(wanted)))
            except _Unreadable as error:
                if self._is_named and isinstance(error.failed, OutsideFailed):
                    raise error.failed from None
                why, hint = error.why, error.hint
        if self._is_named:
            what = f"step `{wanted.step}` can't be put together out of layers: {why}"
            raise NoAnswer(what, hint=hint)
        self._for_engine.setdefault(why, {})[wanted.step] = None
        return plan_image(wanted)

    def note_engine(self) -> None:
        """Say which steps an engine builds, and why."""
        for why, steps in self._for_engine.items():
            which = f"step {listed(steps)} is" if len(steps) == 1 else f"steps {listed(steps)} are"
            self._workspace.note(f"{which} built by an engine: {why}")

    def open(self, parent: Parent, platform: str) -> OpenImage:
        """Return a parent that can be read.

        Raises:
            NoAnswer: It is not there.
            OutsideFailed: What has it does not answer.
        """
        return self._near.get((parent.reference, platform)) or self._far(parent.reference, parent.digest, platform)

    def _known(self, wanted: ImageWanted) -> Parent:
        """Return a parent with what tells it from others: that of an engine's store or a layout is in no registry."""
        parent = wanted.parent
        if parent.digest:
            return parent
        place = parent.reference, wanted.target.platform
        if place not in self._near:
            self._near[place] = self._find(*place)
        found = self._near[place].found
        own = parent.user if parent.user is not None else found.config.user
        return replace(parent, digest=found.manifest.config.digest, user=own)

    def _find(self, reference: str, platform: str) -> OpenImage:
        if not self._is_named and not is_layout(reference):
            raise _Unreadable(f"no registry tells the digest of its base image `{reference}`")
        return self._finder.find(reference, [platform])[1]

    def _planned(self, wanted: ImageWanted) -> ImagePlan:
        settings = wanted.settings.effective()
        facts = self._facts(wanted, settings.venv)
        if found := misfit(facts, wanted.target, settings.venv):
            raise NoAnswer(found[0], hint=found[1]).of(step=wanted.step)
        odd = next((path for path, kind in facts.there.items() if kind != "folder"), "")
        if odd:
            raise _Unreadable(f"`{odd}` of its base image is not a folder")
        if wanted.user and WORKING_FOLDER in facts.there:
            raise _Unreadable(f"its base image has `{WORKING_FOLDER}`, which is to be that of `{wanted.user}`")
        if wanted.project and WORKING_FOLDER in facts.there:
            raise _Unreadable(f"its base image has `{WORKING_FOLDER}`, into which files of the project are copied")
        if why := _unclear(wanted, facts):
            raise _Unreadable(why)
        compiler = self._compiler(wanted.target.minor, facts.python) if settings.bytecode else None
        if settings.bytecode and compiler is None:
            raise _Unreadable(f"this machine has no Python {wanted.target.python} to compile with: {NO_BYTECODE}")
        if settings.python_package_installer_args or wanted.settings.where("python_package_installer"):
            self._workspace.note(_UNUSED)
        return plan_layers(wanted, facts, compiler)

    def _facts(self, wanted: ImageWanted, venv: str) -> ParentFacts:
        """Return what a parent is."""
        above = [venv[:end] for end in range(1, len(venv)) if venv[end] == "/"]
        folders = [*above, venv, FOLDER.rpartition("/")[0], FOLDER, WORKING_FOLDER]
        try:
            return self._read(wanted.parent, wanted.target.platform, folders)
        except (NoAnswer, OutsideFailed) as error:
            may_come = wanted.may_get_python or "PATH" in wanted.settings.effective().environment
            if isinstance(error, NoRoom) or (isinstance(error, NoPython) and not may_come):
                raise error.of(step=wanted.step) from None
            raise _Unreadable(error.message, error) from error

    def _read(self, parent: Parent, platform: str, folders: Sequence[str]) -> ParentFacts:
        """Return what a parent is; it is kept by its digest, so nobody reads its files twice, whatever they say."""
        key = _key(parent.digest, platform, folders)
        unfit_key = _key(__version__, parent.reference, key)  # the next version may know more
        with suppress(Misstated):
            return read(ParentFacts, self._cache.read(_KIND, "", key))
        with suppress(Misstated):
            raise read(Unfit, self._cache.read(_KIND, "", unfit_key)).error
        opened = self.open(parent, platform)
        room_on(len(opened.found.layers), parent.reference)  # before all of them are read
        try:
            facts = read_parent(opened, folders, self._workspace.reporter)
        except NoAnswer as error:
            unfit = Unfit(message=error.message, hint=error.hint, no_python=isinstance(error, NoPython))
            self._cache.write(_KIND, "", unfit_key, plain(unfit))
            raise
        self._cache.write(_KIND, "", key, plain(facts))
        return facts

    def _in_registry(self, reference: str, digest: str, platform: str) -> OpenImage:
        parsed = ImageReference.parse(reference).at(digest)
        found = self._finder.parent(parsed, platform)
        if found is None:
            if self._workspace.options.offline:
                message = f"the base image `{reference}` is in a registry, which `--offline` does not ask"
                raise NoAnswer(message, hint="leave out `--offline`")
            raise no_parent(self._workspace.registry, parsed, platform)
        return found


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _unclear(wanted: ImageWanted, facts: ParentFacts) -> str:
    """Say what of a parent its Debian packages may change that counts here; empty where nothing is.

    Raises:
        NoAnswer: It does not know the user.
    """
    replaced = [one.name for one in wanted.debs if _PYTHON.fullmatch(one.name)]
    if replaced and facts.real.startswith("/usr/bin/"):
        return f"its Debian packages have another Python for its base image ({listed(replaced)})"
    try:
        facts.owner(wanted.user)
    except NoAnswer as error:
        if wanted.debs:
            return f"{error.message}, which its Debian packages may bring"
        place = wanted.settings.where("user")
        error.of(step=wanted.step).context += (f"stated in {place}",) if place else ()
        raise
    return ""


class _Unreadable(Exception):
    """An image can't be put together, and an engine may be able to build it.

    Attributes:
        why: Why not, as it follows the step's name.
        failed: The error that is the reason, None for none.
        hint: The way out.
    """

    def __init__(self, why: str, failed: ZlockError | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.failed = failed
        self.hint = failed.hint if isinstance(failed, NoAnswer) else _ENGINE

"""Puts the images of a run together: their wheels, their parents and where they go, brought together."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock

from packaging.utils import canonicalize_name

from zlock.errors import Collector, InvalidInput
from zlock.image.builders.builder import Image
from zlock.image.layers.build import Double, Workbench
from zlock.image.layers.packing import Wheel
from zlock.image.layers.stage import Stage
from zlock.image.layers.store import LayerStore
from zlock.image.plan import KEY_LABEL, ImagePlan
from zlock.image.reading.sources import OpenImage
from zlock.image.wanted import FOLDERS
from zlock.index.wheelhouse import WantedFile, Wheelhouse
from zlock.lock.wheelhouse import locked_files
from zlock.process import CommandStopped, Watch
from zlock.reporting import Activity, Doing
from zlock.workflow.fetching.fetch import Needs
from zlock.workflow.images.destinations import Destination, InRegistries
from zlock.workflow.images.layering import Layering
from zlock.workflow.locks.current import LockedStep
from zlock.workflow.project.workspace import Workspace
from zlock.workflow.solving.session import Session


class Assembler:
    """Puts the images of a run together, and gives them to where they go.

    Attributes:
        destination: Where they go.
        doubles: What packages of one image both have, with different content.
    """

    def __init__(
        self, workspace: Workspace, locked: Sequence[LockedStep], layering: Layering, destination: Destination
    ) -> None:
        self._layering = layering
        self.destination = destination
        self._wheels = _Wheels(workspace, locked)
        store = LayerStore(workspace.cache_folder)
        self._bench = Workbench(store=store, created=_created(workspace.environ))
        self.doubles: dict[Double, None] = {}

    def base(self, plan: ImagePlan) -> OpenImage:
        """Return the base image of a plan.

        Raises:
            NoAnswer: It is not there.
            OutsideFailed: What has it does not answer.
        """
        return self._layering.open(plan.parent, plan.platform)

    def build(self, plan: ImagePlan, parent: OpenImage, watch: Watch) -> Image:
        """Put the image of a plan together; what is to be pushed is there only once `push` has been called.

        Args:
            plan: The plan.
            parent: Its base image, or the stage that is made on it.
            watch: Ends it.
        """
        with tempfile.TemporaryDirectory(prefix="zlock-") as folder:

            def find(wheel: Wheel) -> Path:
                return self._find(plan, wheel, Path(folder), watch)

            target = self.destination.target(plan)
            image, doubles = self._bench.put_together(plan, parent, find, target, watch)
        self.doubles |= dict.fromkeys(doubles)
        return self.destination.keep(plan, image, watch)

    def stage(self, plan: ImagePlan, made: OpenImage, watch: Watch) -> Stage:
        """Return what an engine has made of a base image as a stage, in the registry that its name says, if in any."""
        stage = Stage.of(self.base(plan), made, {KEY_LABEL: plan.key}, self._bench.store, watch)
        if isinstance(self.destination, InRegistries):
            target = self.destination.target(plan)
            target.finish(self._bench.put_stage(stage, target, watch), plan.platform)
        return stage

    def push(self, plan: ImagePlan, watch: Watch) -> Image:
        """Let the image of a plan be there, whose layers are."""
        if not isinstance(self.destination, InRegistries):
            raise TypeError("images go elsewhere")
        return self.destination.finish(plan, watch)

    def _find(self, plan: ImagePlan, wheel: Wheel, folder: Path, watch: Watch) -> Path:
        """Return a wheel's file: that of a folder of the project is in the plan, any other is brought."""
        place = folder / wheel.sha256
        place.mkdir(exist_ok=True)
        own = plan.context.get(f"{FOLDERS}/{wheel.filename}")
        if own is not None:
            (place / wheel.filename).write_bytes(own)
            return place / wheel.filename
        watch.reporter(Doing(Activity.FETCHING, wheel.filename))

        def heard(_count: int) -> None:
            if watch.stop.is_set():
                raise CommandStopped(f"the run ended before `{wheel.filename}` was there", hint="run again")

        return self._wheels.bring(plan.steps[0], wheel.sha256, place, heard)


class _Wheels:
    """The wheels of locks, one by one, each brought when it is needed: out of the wheelhouse, or from its index.

    Args:
        workspace: The project.
        locked: The steps with their locks.
    """

    def __init__(self, workspace: Workspace, locked: Sequence[LockedStep]) -> None:
        self._workspace = workspace
        self._locked = {one.step.name: one for one in locked}
        self._turn = Lock()
        self._wanted: dict[str, dict[str, WantedFile]] = {}

    @cached_property
    def _session(self) -> Session:
        session = Session(self._workspace, refresh=False)
        self._workspace.opened.callback(session.close)
        return session

    def bring(self, step: str, sha256: str, folder: Path, heard: Callable[[int], object]) -> Path:
        """Return a wheel of a step's lock, by its own name.

        Args:
            step: The step.
            sha256: The wheel's digest.
            folder: Where it is put, if it is not in the wheelhouse.
            heard: Hears how many bytes came, each time; what it raises ends the download.

        Raises:
            IndexFailed: It can't be had, or what came is another one.
        """
        with self._turn:  # one thread at a time begins
            client, wanted = self._session.client, self._of(step)[sha256]
        house = self._workspace.wheelhouse / wanted.filename
        if house.is_file() and wanted.differs(house) is None:
            return house
        Wheelhouse(folder, client, offline=self._workspace.options.offline, heard=heard).bring(wanted)
        return folder / wanted.filename

    def _of(self, step: str) -> dict[str, WantedFile]:
        if step not in self._wanted:
            one = self._locked[step]
            needs = Needs(one, self._session, self._workspace.wheelhouse, self._workspace, Collector())
            files = [*needs.of_files(locked_files(one.lock.packages, None, ()))]
            for package in one.lock.packages:
                files += needs.of_archive(canonicalize_name(package.name), package.archive) if package.archive else ()
            self._wanted[step] = {wanted.sha256: wanted for wanted in files}
        return self._wanted[step]


def _created(environ: Mapping[str, str]) -> str:
    """Return when images say they were made: `SOURCE_DATE_EPOCH`, else 1970."""
    stated = environ.get("SOURCE_DATE_EPOCH", "0")
    try:
        return datetime.fromtimestamp(int(stated), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(
            f"`SOURCE_DATE_EPOCH` is not a number of seconds: `{stated}`", hint="unset it, or set it to one"
        ) from error

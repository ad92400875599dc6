"""The build hook: holds the locks against what is declared, and attaches them to wheel and sdist."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from zlock.errors import InvalidConfiguration, LockOutdated, Problems
from zlock.hatch.options import HookOptions
from zlock.last_resort import as_error
from zlock.redact import redact
from zlock.workflow.deliver.bills_of_materials import write_bills
from zlock.workflow.deliver.shipment import Shipment, prepare_shipment

_BuildData = dict[str, Any]  # as hatchling has it
PACKAGE_FOLDER = "lockfiles"
"""The folder of the locks inside a package."""


class LockBuildHook(BuildHookInterface[BuilderConfig]):
    """`[tool.hatch.build.hooks.zlock]`."""

    PLUGIN_NAME = "zlock"

    @cached_property
    def _folders(self) -> list[TemporaryDirectory[str]]:
        """Folders with what the wheel is to hold."""
        return []

    def initialize(self, version: str, build_data: _BuildData) -> None:
        """Check the locks and attach them; ends the build with a message where that can't be done."""
        try:
            self._attach(version, build_data)
        except Exception as error:  # noqa: BLE001 - the last resort
            self.app.abort(redact(as_error(error, ["zlock", "build", "hook"]).laid_out()))

    def _attach(self, version: str, build_data: _BuildData) -> None:
        options = HookOptions.from_table(self.config, Path(self.root, "pyproject.toml"))
        shipment = prepare_shipment(Path(self.root), options.steps)
        if shipment is None:
            return
        if shipment.disregarded:
            self.app.display_info("zlock: `stack.remote = false`: the pipeline runs locally, no lock is attached")
        # Who installs the project in order to work on it has yet to lock it, and nothing is shipped.
        self._report(shipment, is_error=options.on_outdated == "error" and version != "editable")
        if self.target_name == "sdist":
            build_data["force_include"].update({str(file): place for file, place in shipment.sdist_files().items()})
        elif self.target_name == "wheel" and options.include == "package" and version != "editable":
            build_data["force_include"].update(self._inside_package(list(shipment.locks.values())))
        elif self.target_name == "wheel":
            build_data["extra_metadata"].update({str(lock): lock.name for lock in shipment.locks.values()})
        if self.target_name == "wheel" and version != "editable" and options.sboms:
            self._folders.append(TemporaryDirectory(prefix="zlock-"))
            bills = write_bills(shipment, options.sboms, Path(self._folders[-1].name))
            build_data["sbom_files"].extend(map(str, bills))

    def finalize(self, version: str, build_data: _BuildData, artifact_path: str) -> None:  # noqa: ARG002 - hatchling names them
        """Remove what the wheel holds by now."""
        for folder in self._folders:
            folder.cleanup()

    def _report(self, shipment: Shipment, *, is_error: bool) -> None:
        try:
            shipment.raise_if_outdated()
        except (LockOutdated, Problems) as error:
            if is_error:
                raise
            self.app.display_warning(redact(error.laid_out(label="warning:")))

    def _inside_package(self, locks: Sequence[Path]) -> dict[str, str]:
        """Return where in the wheel's one package each lock goes; one that is already there is left out."""
        package = self._package()
        places = {}
        for lock in locks:
            place = f"{package}/{PACKAGE_FOLDER}/{lock.name}"
            there = Path(self.root, place)
            if not there.is_file() or not self.build_config.include_path(place, is_package=True):
                places[str(lock)] = self.build_config.get_distribution_path(place)
            elif not there.samefile(lock):
                raise InvalidConfiguration(
                    f"the package already has a file `{PACKAGE_FOLDER}/{lock.name}`, where the lock would be",
                    hint="remove that file, or leave `include` out",
                )
        return places

    def _package(self) -> str:
        """Return the one package that the wheel holds, by its path in the project."""
        try:
            packages = self.build_config.packages
        except ValueError:  # hatchling finds none, and says so itself where one is needed
            packages = []
        if len(packages) != 1:
            raise InvalidConfiguration(
                f'`include = "package"` needs a wheel with one package, and this one has {len(packages)}',
                hint="name one package in `packages` of the wheel, or leave `include` out",
            )
        return packages[0].replace("\\", "/").rstrip("/")

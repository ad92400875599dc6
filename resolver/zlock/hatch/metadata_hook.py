"""The metadata hook: an application's wheel requires what a lock pins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

from zlock.errors import InvalidConfiguration
from zlock.last_resort import as_error
from zlock.redact import redact
from zlock.wording import kind
from zlock.workflow.deliver.shipment import pinned_dependencies

_TABLE = "tool.hatch.metadata.hooks.zlock"


class LockMetadataHook(MetadataHookInterface):
    """`[tool.hatch.metadata.hooks.zlock]`."""

    PLUGIN_NAME = "zlock"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the dependencies; ends the build with a message where that can't be done."""
        try:
            self._hold_to_dynamic(metadata)
            metadata["dependencies"] = pinned_dependencies(Path(self.root), self._step())
        except Exception as error:
            raise SystemExit(redact(as_error(error, ["zlock", "metadata", "hook"]).laid_out())) from error

    @staticmethod
    def _hold_to_dynamic(metadata: dict[str, Any]) -> None:
        if "dependencies" not in metadata.get("dynamic", ()):
            raise InvalidConfiguration(
                f"`{_TABLE}` makes the dependencies of the wheel, and `project.dynamic` does not name them",
                hint='write `dynamic = ["dependencies"]` into `[project]`, and state what is required in a group or in '
                "`[tool.zlock]`",
            )

    def _step(self) -> str:
        unknown = [name for name in self.config if name not in ("step", "path")]  # hatchling adds `path`
        step = self.config.get("step")
        if unknown or not isinstance(step, str) or not step:
            found = f"unknown key `{unknown[0]}`" if unknown else f"`step` has to be a step's name, not {kind(step)}"
            raise InvalidConfiguration(f"`{_TABLE}`: {found}", hint='write `step = "serve"`')
        return step

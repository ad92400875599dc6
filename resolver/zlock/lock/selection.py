"""What of a lock one of its targets installs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.markers import Marker

from zlock.model.target import Target


def packages_on(tree: Mapping[str, Any], target: Target) -> list[Mapping[str, Any]]:
    """Return the packages of a lock that a target installs (PEP 751, packages.marker)."""
    return [package for package in tree.get("packages", ()) if _applies(package, target)]


def pins_on(tree: Mapping[str, Any], target: Target) -> dict[str, str]:
    """Return the versions a lock pins on a target, by name."""
    return {package["name"]: package["version"] for package in packages_on(tree, target) if "version" in package}


def _applies(package: Mapping[str, Any], target: Target) -> bool:
    marker = package.get("marker")
    return marker is None or Marker(marker).evaluate(target.environment)

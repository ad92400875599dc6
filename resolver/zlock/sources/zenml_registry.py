"""Write what an installed zenml says of its integrations, as JSON, into a file.

A program, not a module: it runs in the project's interpreter, which may know neither zlock nor anything but the
standard library and zenml, and may be older than zlock's own. Its arguments are what to answer (`version` or
`registry`) and the file for the answer. All that zenml prints stays out of that file.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import os
import platform
import sys
import traceback
from collections import namedtuple
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035  the interpreter may be Python 3.8

Flavors = List[Tuple[str, str]]  # noqa: UP006  as above

DISTRIBUTIONS = ("zenml", "zenml-nightly")

# What requirements were seen to depend on: `platform.system()`, `platform.machine()` and the Python version.
MACHINES = (
    ("Linux", "x86_64"),
    ("Linux", "aarch64"),
    ("Darwin", "x86_64"),
    ("Darwin", "arm64"),
    ("Windows", "AMD64"),
)
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

VersionInfo = namedtuple("VersionInfo", "major minor micro releaselevel serial")  # noqa: PYI024  no types are needed


def version() -> Optional[str]:  # noqa: UP045  as above
    """Say the version of the installed zenml, None where there is none; imports nothing of it."""
    for name in DISTRIBUTIONS:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def registry() -> Dict[str, Any]:  # noqa: UP006  as above
    """Say everything that the registry knows."""
    found = importlib.import_module("zenml.integrations.registry").integration_registry.integrations
    return {
        "zenml": version(),
        "integrations": {str(name): integration(found[name]) for name in sorted(found)},
        "builtin-flavors": flavors_of(builtin_flavors),
        "constants": constants(),
    }


def integration(class_: Any) -> Dict[str, Any]:  # noqa: UP006  as above
    """Say what one integration requires, or why it can't, and the flavors it brings."""
    error, said = "", []  # type: str, List[Dict[str, Any]]
    try:
        said = answers(class_)
    except Exception as raised:  # noqa: BLE001  whatever one integration raises, the others have answers
        traceback.print_exc()
        error = "{}: {}".format(type(raised).__name__, raised)  # noqa: UP032  as above
    return {
        "answers": said,
        **({"error": error} if error else {}),
        "apt-packages": [str(package) for package in getattr(class_, "APT_PACKAGES", ())],
        "flavors": flavors_of(getattr(class_, "flavors", list)),
    }


def answers(class_: Any) -> List[Dict[str, Any]]:  # noqa: UP006  as above
    """Say the requirements for each Python version, system and machine, equal ones together."""
    together: Dict[Tuple[str, ...], List[Tuple[str, str, str]]] = {}  # noqa: UP006  as above
    for system, machine in MACHINES:
        for python in PYTHONS:
            found = tuple(str(text) for text in requirements(class_, python, system, machine))
            together.setdefault(found, []).append((python, system, machine))
    return [{"requirements": list(found), "for": cells} for found, cells in together.items()]


def requirements(class_: Any, python: str, system: str, machine: str) -> List[str]:  # noqa: UP006  as above
    """Ask one integration; its method has had fewer parameters in older versions, and at first there was none."""
    ask = getattr(class_, "get_requirements", None)
    if ask is None:
        return list(class_.REQUIREMENTS)
    offered = {"target_os": system, "python_version": python}
    known = inspect.signature(ask).parameters
    here = platform.system, platform.machine, sys.version_info
    # Integrations that depend on machine or Python read these three, whatever target they are told.
    platform.system, platform.machine = lambda: system, lambda: machine
    setattr(sys, "version_info", VersionInfo._make((*map(int, python.split(".")), 0, "final", 0)))  # noqa: B010  it is Final
    try:
        return list(ask(**{name: value for name, value in offered.items() if name in known}))
    finally:
        platform.system, platform.machine = here[:2]
        setattr(sys, "version_info", here[2])  # noqa: B010  as above


def flavors_of(ask: Any) -> Flavors:
    """Say type and name of each flavor that a function gives; none if they can't be imported."""
    try:
        return sorted(flavor(each) for each in ask())
    except Exception:  # noqa: BLE001  whatever one integration raises, the others have answers
        traceback.print_exc()
        return []


def builtin_flavors() -> Any:
    """Give the flavors that zenml itself ships."""
    return importlib.import_module("zenml.stack.flavor_registry").FlavorRegistry().builtin_flavors


def flavor(class_: Any) -> Tuple[str, str]:  # noqa: UP006  as above
    """Say the component type and the name of a flavor class."""
    one = class_()
    return str(getattr(one.type, "value", one.type)), str(one.name)


def constants() -> Dict[str, str]:  # noqa: UP006  as above
    """Say the names under which zenml's users import the integrations."""
    try:
        module = vars(importlib.import_module("zenml.integrations.constants"))
    except ImportError:
        return {}
    return {name: value for name, value in sorted(module.items()) if name.isupper() and isinstance(value, str)}


def main(question: str, file: str) -> None:
    """Answer one question."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  strings are what sys.path holds
    # The folder of this program is first on the path; its neighbours must not shadow what zenml imports.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]  # noqa: PTH100  as above
    answer = version() if question == "version" else registry()
    with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123  as above
        json.dump(answer, stream)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

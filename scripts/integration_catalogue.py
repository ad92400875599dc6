"""Write the built-in catalogue of integrations, and the constants, from an installed zenml.

    pip install zenml
    python scripts/integration_catalogue.py

Requirements that zenml makes depend on the machine or the Python version are asked for all of these, and get markers
for it. A requirement that is not a valid PEP 508 is dropped; each is named on stderr.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "resolver/zlock/sources/catalogue.json"
CONSTANTS = ROOT / "resolver/zlock/integrations.py"
BEGIN, END = "# mark: written by the script\n", "# mark: written by hand\n"


def valid(name: str, requirements: list[str]) -> list[str]:
    """Drop what is not a requirement, and say so."""
    kept = []
    for text in requirements:
        try:
            kept.append(str(Requirement(text)))
        except InvalidRequirement as error:
            print(f"dropped from {name}: {text}: {str(error).splitlines()[0]}", file=sys.stderr)
    return kept


def catalogue_text(data: Mapping[str, Any]) -> str:
    """Write the catalogue: sorted, one line for each fact about an integration."""
    entries = []
    for name, entry in sorted(data["integrations"].items()):
        facts = {
            "requirements": valid(name, entry["requirements"]),
            "apt-packages": entry["apt-packages"],
            "flavors": sorted(entry["flavors"]),
        }
        lines = ",\n".join(f"      {json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items())
        entries.append(f"    {json.dumps(name)}: {{\n{lines}\n    }}")
    named = {name: value for name, value in constants(data).items() if name != value.upper()}
    flavors = ",\n".join(f"    {json.dumps(flavor)}" for flavor in sorted(data["builtin-flavors"]))
    return (
        f'{{\n  "zenml": {json.dumps(data["zenml"])},\n'
        f'  "other-constants": {json.dumps(named)},\n'
        f'  "builtin-flavors": [\n{flavors}\n  ],\n'
        '  "integrations": {\n' + ",\n".join(entries) + "\n  }\n}\n"
    )


def constants(data: Mapping[str, Any]) -> dict[str, str]:
    """Name the constants: each integration's name in capitals, and zenml's own spelling where it is another."""
    names = {name.upper(): name for name in data["integrations"]}
    names |= {name: value for name, value in data["constants"].items() if value in data["integrations"]}
    return dict(sorted(names.items()))


def constants_text(data: Mapping[str, Any]) -> str:
    """Write the constants as Python."""
    return "".join(f'{name} = "{value}"\n' for name, value in constants(data).items()) + "\n"


def main() -> None:
    """Ask the zenml of this interpreter, and write both files."""
    sys.path.insert(0, str(ROOT / "resolver"))
    from zlock.sources.installed import read_registry

    data = read_registry(sys.executable)
    CATALOGUE.write_text(catalogue_text(data), encoding="utf-8")
    module = CONSTANTS.read_text(encoding="utf-8")
    between = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    written = between.sub(lambda _: BEGIN + constants_text(data) + END, module)
    CONSTANTS.write_text(written, encoding="utf-8")
    print(f"zenml {data['zenml']}: {len(data['integrations'])} integrations")


if __name__ == "__main__":
    main()

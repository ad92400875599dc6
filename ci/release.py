"""Builds a release of this project, and checks it as somebody who installs it would. It needs `build`.

Usage: release.py VERSION FOLDER

FOLDER gets the sdist and the wheel that is built from it. Their metadata must be valid, the wheel must install into an
environment of its own, and the zlock in there must say that it is VERSION. The exit code is 0 if all that holds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
_METADATA = """
import sys, tarfile, zipfile
from packaging.metadata import Metadata
wheel, sdist, version = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    texts = [archive.read(name) for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
with tarfile.open(sdist) as archive:
    texts += [archive.extractfile(one).read() for one in archive if one.name.count("/") == 1 and "PKG-INFO" in one.name]
assert len(texts) == 2, "metadata is missing"
for text in texts:
    metadata = Metadata.from_email(text)
    assert (metadata.name, str(metadata.version)) == ("zlock", version), f"it is of {metadata.name} {metadata.version}"
    assert metadata.description and metadata.description_content_type == "text/markdown", "there is no description"
"""
"""What an index refuses: run in the new environment, where `packaging` is."""


def main(arguments: Sequence[str]) -> int:
    """Build and check; return the exit code."""
    version, folder = arguments[0], Path(arguments[1])
    if f'"{version}"' not in (ROOT / "resolver" / "zlock" / "_version.py").read_text(encoding="utf-8"):
        sys.stderr.write(f"error: `resolver/zlock/_version.py` says another version than `{version}`\n")
        return 2
    if list(folder.glob("*")):
        sys.stderr.write(f"error: `{folder}` is not empty, and all in it would be published\n")
        return 2
    _run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    wheel, sdist = folder / f"zlock-{version}-py3-none-any.whl", folder / f"zlock-{version}.tar.gz"
    with tempfile.TemporaryDirectory() as place:
        bin_folder = Path(place, "venv", "bin")
        _run(sys.executable, "-m", "venv", str(bin_folder.parent))
        _run(str(bin_folder / "python"), "-m", "pip", "install", "--quiet", str(wheel))
        _run(str(bin_folder / "python"), "-c", _METADATA, str(wheel), str(sdist), version)
        said = subprocess.run([bin_folder / "zlock", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    if said.strip() != f"zlock {version}":
        sys.stderr.write(f"error: what is installed says `{said.strip()}`, not `zlock {version}`\n")
        return 1
    return 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

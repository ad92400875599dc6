"""Shows what sources that overlap end in: installed one after the other as ZenML's images do, and locked by zlock.

Each case is a step's settings. The files of requirements are ZenML's own, for the stack that a new installation has;
they are installed by `uv pip install`, one command a file, into an environment that has ZenML, as the parent of its
images has. `uv pip check` has the last word.
It needs an index with ZenML on it, and downloads some hundred megabytes:

    python tests/comparison/compare_with_zenml.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import uv

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.project import Project
from support.zenml import zenml_python

CASES = {
    "apart": 'required_integrations=["sklearn"], requirements=["pandas"]',
    "an older release of one fits all": 'required_integrations=["sklearn"], requirements=["numpy<1.25"]',
    "what ZenML itself requires is replaced": 'requirements=["click<8.1"]',
}
GENERATE = """
import json, sys, zenml
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.utils import source_utils
from zenml.utils.pipeline_docker_image_builder import PipelineDockerImageBuilder
source_utils.set_custom_source_root(".")
settings = eval(f"DockerSettings({sys.argv[1]})")
files = PipelineDockerImageBuilder.gather_requirements_files(settings, Client().active_stack, log=False)
parent = [("parent image", f"zenml=={zenml.__version__}", [])]
json.dump([(name, text) for name, text, _ in parent + files], open("files.json", "w"))
"""
PIPELINE = """
from zenml import step
from zenml.config import DockerSettings

@step(settings={{"docker": DockerSettings({})}})
def train() -> None: ...
"""


def main() -> None:
    """Print a block for each case."""
    python = zenml_python("zenml")
    with tempfile.TemporaryDirectory(prefix="zlock-") as scratch:
        for number, (name, settings) in enumerate(CASES.items()):
            folder = Path(scratch, str(number))
            folder.mkdir()
            environ = {**os.environ, "ZENML_ANALYTICS_OPT_IN": "false", "ZENML_CONFIG_PATH": f"{scratch}/zenml"}
            environ |= {"VIRTUAL_ENV": str(python.parents[1])}
            subprocess.run([python, "-c", GENERATE, settings], cwd=folder, env=environ, check=True, capture_output=True)
            files = json.loads((folder / "files.json").read_text(encoding="utf-8"))
            print(f"== {name}: {settings}")
            print(f"ZenML: {', '.join(name for name, _ in files)}: {_installed(files, folder, python)}")
            print(f"zlock: {_locked(settings, files, folder, environ)}", flush=True)


def _installed(files: list[tuple[str, str]], folder: Path, python: Path) -> str:
    """Install each file by a command, and return what is found to be broken then."""
    own = folder / "environment"
    command = [uv.find_uv_bin(), "pip"]
    subprocess.run([uv.find_uv_bin(), "venv", "--quiet", "--python", str(python), str(own)], check=True)
    for name, text in files:
        (folder / name).write_text(text, encoding="utf-8")
        install = [*command, "install", "--quiet", "--python", str(own), "-r", str(folder / name)]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"`{name}` can't be installed: {done.stderr.strip()}"
    check = subprocess.run([*command, "check", "--python", str(own)], capture_output=True, text=True, check=False)
    broken = [line for line in check.stderr.splitlines() if line.startswith("The package")]
    return "; ".join(broken) or "nothing is broken"


def _locked(settings: str, files: list[tuple[str, str]], folder: Path, environ: dict[str, str]) -> str:
    """Lock the same by zlock, and return the pins that sources speak of, or the conflict."""
    project = Project(folder / "project")
    project.pipeline(PIPELINE.format(settings), "run.py")
    stack = dict(files).get(".zenml_stack_integration_requirements", "")
    project.configure({"pipeline": "run.py", "python": "3.11", "stack": {"requirements": stack.split()}})
    done = project.run("resolve", "--quiet", env=environ, timeout=300)
    if done.code:
        return done.stderr.strip()
    pins = project.locked("train")
    named = [f"{name} {pins[name]}" for name in ("numpy", "scipy", "scikit-learn", "pandas") if name in pins]
    return f"{len(pins)} packages, {', '.join(named)}"


if __name__ == "__main__":
    main()

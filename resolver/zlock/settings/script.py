"""Scripts with inline metadata (PEP 723), locked as a pipeline of one step that is never run."""

from __future__ import annotations

from pathlib import Path

from zlock.pyproject.script import line_of_script
from zlock.settings.declared import SCRIPT, DeclaredPipeline, DeclaredStep
from zlock.settings.docker import DockerSettings
from zlock.settings.location import Location
from zlock.settings.names import step_name_of


def declared_script(reference: str) -> DeclaredPipeline | None:
    """Return what stands for a script: one step, named after the file, with its metadata as requirements.

    Args:
        reference: `file.py` or `file.py:name`; a name is one of a pipeline or a step, whatever metadata the file has.

    Returns:
        None where it is a pipeline file.
    """
    file = Path(reference)
    line = line_of_script(file) if file.is_file() else None
    if line is None:
        return None
    place = Location(str(file), line)
    settings = DockerSettings.from_mapping({"script": file.name}, place=place)
    return DeclaredPipeline(
        name=None,
        settings=DockerSettings(),
        steps=(DeclaredStep(name=step_name_of(file.stem), settings=settings, place=place),),
        place=place,
        files=(str(file),),
        reference=str(file),
        maker=SCRIPT,
    )

"""Several pipelines that a command is given, or the projects below a folder, as in a repository with several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidConfiguration, InvalidInput, Located, ZlockError
from zlock.settings.location import Location
from zlock.workflow.project.below import projects_in
from zlock.workflow.project.workspace import Options


class Part(Struct, frozen=True, kw_only=True):
    """What a command does for one pipeline or one project out of several.

    Attributes:
        name: The pipeline as it was named; a project's path from the folder, with `/`, and a dot for the folder itself.
        options: What is to be done for it.
    """

    name: str
    options: Options

    def named(self, error: ZlockError) -> list[ZlockError]:
        """Return what is wrong with it, each error with its name, and with files that count from anywhere."""
        for one in error.of(f"`{self.name}`").each:
            one.context = tuple(map(self._placed, one.context))
        return list(error.each)

    def _placed(self, line: str) -> str:
        if not isinstance(line, Located) or not line.file or self.options.project is None:
            return line
        return Located(line, Location(str(self.options.project / line.file), line.line))


def pipelines_of(options: Options, pipelines: Sequence[str]) -> list[Part]:
    """Return each of several pipelines of one project.

    Raises:
        InvalidInput: Something is said that is for one pipeline.
    """
    if options.steps or options.config:
        stated = "--step" if options.steps else "--config"
        raise InvalidInput(
            f"`{stated}` is for one pipeline, and {len(pipelines)} are named", hint="name that one alone"
        )
    every = replace(options, is_one_of_several=True)
    return [Part(name=one, options=replace(every, pipeline=one)) for one in dict.fromkeys(pipelines)]


def projects_below(options: Options, pipelines: Sequence[str]) -> list[Part]:
    """Return the projects in a folder and below it, by name; hidden folders and environments are passed over.

    Raises:
        InvalidInput: Something is said that is for one project.
        InvalidConfiguration: There are none.
    """
    if pipelines or options.steps:
        raise InvalidInput(
            "`--all` is for the whole of every project, so it goes with neither a pipeline nor `--step`",
            hint="leave it out, or name one project with `--project`",
        )
    folder = (options.project or Path.cwd()).absolute()
    every = replace(options, is_one_of_several=True)
    places = list(projects_in(folder))
    if not places:
        raise InvalidConfiguration(
            f"there is no project in `{folder}` or below it: no `zlock.toml`, no `[tool.zlock]` in a `pyproject.toml`",
            hint="name the folder with `--project`, or begin a project with `zlock init`",
        )
    return [Part(name=one.relative_to(folder).as_posix(), options=replace(every, project=one)) for one in places]

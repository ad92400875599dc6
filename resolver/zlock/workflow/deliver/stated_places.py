"""Where the requirements of steps are stated, as far as zlock edits it: lists in TOML, and requirements files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from zlock.errors import InvalidInput
from zlock.model.origin import Source
from zlock.model.paths import real
from zlock.model.requirement import Gathered
from zlock.pyproject import script
from zlock.regular import read_regular
from zlock.replacing import replace_text
from zlock.reporting import Note, Reporter
from zlock.settings import toml_edit
from zlock.settings.docker import EffectiveSettings
from zlock.settings.place import Place, display
from zlock.sources import requirements_edit
from zlock.workflow.project.workspace import Step, Workspace


@dataclass(frozen=True, slots=True)
class TomlPlace:
    """A list in a TOML file.

    Attributes:
        path: The file.
        address: The keys that lead to the list.
    """

    path: Path
    address: tuple[str, ...]

    def __str__(self) -> str:
        return f"`{'.'.join(self.address)}` in {display(str(self.path))}"

    def stated(self, text: str) -> tuple[str, ...]:
        """Return what the list holds."""
        return toml_edit.stated_in(text, self.address)

    def added(self, text: str, requirement: str) -> str:
        """Return the file with a requirement."""
        return toml_edit.with_requirement(text, self.address, requirement)

    def removed(self, text: str, name: str) -> str:
        """Return the file without the requirements of a name."""
        return toml_edit.without_requirement(text, self.address, name)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A requirements file; see `TomlPlace`."""

    path: Path

    def __str__(self) -> str:
        return display(str(self.path))

    def stated(self, text: str) -> tuple[str, ...]:
        """Return the requirements that it holds."""
        return requirements_edit.stated_in(text)

    def added(self, text: str, requirement: str) -> str:
        """Return the file with a requirement."""
        return requirements_edit.with_requirement(text, requirement)

    def removed(self, text: str, name: str) -> str:
        """Return the file without the requirements of a name."""
        return requirements_edit.without_requirement(text, name)


@dataclass(frozen=True, slots=True)
class ScriptPlace:
    """The metadata in a script (PEP 723); see `TomlPlace`."""

    path: Path

    def __str__(self) -> str:
        return f"`dependencies` in {display(str(self.path))}"

    def stated(self, text: str) -> tuple[str, ...]:
        """Return what the list holds."""
        return toml_edit.stated_in(script.stated_in(text), _DEPENDENCIES)

    def added(self, text: str, requirement: str) -> str:
        """Return the file with a requirement."""
        content = toml_edit.with_requirement(script.stated_in(text), _DEPENDENCIES, requirement)
        return script.with_stated(text, content)

    def removed(self, text: str, name: str) -> str:
        """Return the file without the requirements of a name."""
        content = toml_edit.without_requirement(script.stated_in(text), _DEPENDENCIES, name)
        return script.with_stated(text, content)


Editable = TomlPlace | FilePlace | ScriptPlace
_DEPENDENCIES = ("dependencies",)


class Editing:
    """The files that a run edits: each is read once, and put back where the run fails. Line ends stay as they are."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._before: dict[Path, str] = {}
        self._now: dict[Path, str] = {}

    def text(self, path: Path) -> str:
        """Return a file's text as it is by now; empty where there is no such file."""
        if path not in self._now:
            try:
                self._before[path] = read_regular(path).decode()
            except FileNotFoundError:
                pass
            except UnicodeDecodeError as error:
                raise InvalidInput(
                    f"`{path}` is not UTF-8, and zlock edits no other encoding", hint="save it as UTF-8, or edit it"
                ) from error
            except OSError as error:
                raise InvalidInput(f"`{path}` can't be read: {error.strerror}", hint="correct its rights") from error
            self._now[path] = self._before.get(path, "").replace("\r\n", "\n")
        return self._now[path]

    def stated(self, place: Editable) -> tuple[str, ...]:
        """Return what a place states."""
        return place.stated(self.text(place.path))

    def hashes(self, place: Editable, name: str) -> int:
        """Return how many hashes of files a place states for a normalized name."""
        return requirements_edit.hashes_in(self.text(place.path), name) if isinstance(place, FilePlace) else 0

    def add(self, place: Editable, requirement: str) -> None:
        """Add a requirement, or replace those of its name and marker."""
        self._now[place.path] = place.added(self.text(place.path), requirement)

    def remove(self, place: Editable, name: str) -> None:
        """Remove the requirements of a name."""
        self._now[place.path] = place.removed(self.text(place.path), name)

    @contextmanager
    def kept_if_it_works(self) -> Iterator[None]:
        """Write the files, and put them back where what is done inside fails or is interrupted."""
        try:
            self.write()
            yield
        except BaseException:
            for path, text in self._before.items():
                replace_text(path, text)
                if self._now[path] != text.replace("\r\n", "\n"):
                    # What failed names lines that it has read.
                    file = display(str(path))
                    self._reporter(
                        Note(f"{file} is as it was; the error counts its lines as they were with the change")
                    )
            raise

    def write(self) -> None:
        """Write what is edited by now.

        Raises:
            InvalidInput: A list can't be edited so that the file stays valid.
        """
        for path, edited in self._now.items():
            if path.suffix == ".toml":
                try:
                    tomllib.loads(edited)
                except tomllib.TOMLDecodeError as error:
                    raise InvalidInput(f"`{path}` can't be edited: {error}", hint="edit it by hand") from error
            text = edited.replace("\n", "\r\n") if "\r\n" in self._before.get(path, "") else edited
            if text != self._before.get(path):
                replace_text(path, text)


@dataclass(frozen=True, kw_only=True)
class StatedStep:
    """A step with the places that state its requirements.

    Attributes:
        name: The step.
        home: Where a requirement of it belongs: an editable place, a place in a Python file, or None where nothing is
            stated yet.
        places: All editable places that reach it: the requirements files with those that they include, the lists of
            its `pyproject.toml`, the metadata of its script, and the lists of the configuration.
        elsewhere: By name, where it is stated, whoever edits that: "pipeline.py:12", "stack (...)".
    """

    name: str
    home: Editable | Place | None
    places: tuple[Editable, ...]
    elsewhere: dict[str, list[str]]

    @classmethod
    def of(cls, workspace: Workspace, step: Step, gathered: Sequence[Gathered]) -> StatedStep:
        """Find out where a step's requirements are stated."""
        settings, root = step.effective, workspace.project.folder
        own = [one for one in gathered if one.source == Source.EXPLICIT]
        origins = [origin for one in own for direct in one.requirements for origin in direct.origins]
        paths = {root / origin.file for origin in origins if origin.file and not origin.file.endswith((".py", ".toml"))}
        paths |= {settings.requirements_file} if settings.requirements_file else set()
        return cls(
            name=step.name,
            home=_home(step, settings),
            places=(
                *sorted(map(FilePlace, map(real, paths)), key=str),
                *_in_pyproject(settings),
                *_in_script(settings),
                *_in_configuration(workspace, step),
            ),
            elsewhere=_elsewhere(gathered),
        )


def _home(step: Step, settings: EffectiveSettings) -> Editable | Place | None:
    if settings.requirements_file:
        return FilePlace(real(settings.requirements_file))
    place = step.settings.where("requirements")
    if place is not None:
        return place if place.file.endswith(".py") else None
    if settings.pyproject_path:
        return _home_in_pyproject(settings, settings.pyproject_path)
    return next(_in_script(settings), None)


def _home_in_pyproject(settings: EffectiveSettings, path: Path) -> TomlPlace:
    extras, groups = settings.pyproject_extras, settings.pyproject_groups
    if len(extras) == 1 and not groups:
        return TomlPlace(real(path), ("project", "optional-dependencies", extras[0]))
    if len(groups) == 1 and not extras:
        return TomlPlace(real(path), ("dependency-groups", groups[0]))
    return TomlPlace(real(path), ("project", "dependencies"))


def _in_pyproject(settings: EffectiveSettings) -> Iterator[TomlPlace]:
    """Yield the lists of a project's file that a step reads; an extra or a group is found as the file spells it."""
    path = settings.pyproject_path
    if path is None:
        return
    yield TomlPlace(real(path), ("project", "dependencies"))
    yield from (TomlPlace(real(path), ("project", "optional-dependencies", one)) for one in settings.pyproject_extras)
    yield from (TomlPlace(real(path), ("dependency-groups", one)) for one in settings.pyproject_groups)


def _in_script(settings: EffectiveSettings) -> Iterator[ScriptPlace]:
    if settings.script is not None:
        yield ScriptPlace(real(settings.script))


def lists_of(workspace: Workspace, step: str) -> tuple[TomlPlace, TomlPlace]:
    """Return the lists `requirements` and `extra-requirements` of a step in the configuration, or those of all steps.

    Raises:
        InvalidInput: There is no configuration.
    """
    file = workspace.project.file
    if file is None:
        raise InvalidInput(
            "there is no configuration that a requirement could be added to", hint="begin one with `zlock init`"
        )
    above = ("tool", "zlock") if file.name == "pyproject.toml" else ()
    table = (*above, *(("steps", step) if step else ()), "docker")
    return TomlPlace(real(file), (*table, "requirements")), TomlPlace(real(file), (*table, "extra-requirements"))


def _in_configuration(workspace: Workspace, step: Step) -> Iterator[TomlPlace]:
    """Yield the lists of the configuration that reach a step: of those that replace each other, the one that counts."""
    project = workspace.project
    if project.file is None:
        return
    own, shared = lists_of(workspace, step.name), lists_of(workspace, "")
    place = step.settings.where("requirements")
    if place is not None and real(Path(place.file)) == own[0].path:
        is_own = step.name in project.steps and project.steps[step.name].docker.requirements is not None
        yield own[0] if is_own else shared[0]
    yield from (own[1], shared[1])


def _elsewhere(gathered: Sequence[Gathered]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in gathered:
        for direct in one.requirements:
            found.setdefault(canonicalize_name(direct.name), []).extend(map(str, direct.origins))
    return found

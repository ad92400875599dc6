"""The configuration: `zlock.toml`, or `[tool.zlock]` in `pyproject.toml`, read into values."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from msgspec import Struct
from packaging.utils import NormalizedName

from zlock import checks
from zlock.errors import Collector, InvalidConfiguration
from zlock.model import plain
from zlock.model.conflict import conflicted_line
from zlock.model.indexes import Cutoff, Index, Routing
from zlock.model.requirement import DirectRequirement
from zlock.model.stack import Stack
from zlock.model.toml import parse_toml
from zlock.pyproject.lines import TomlLines
from zlock.regular import read_regular
from zlock.settings import audit, indexes, rules
from zlock.settings.audit import Ignored
from zlock.settings.docker import CHECKS, DockerSettings
from zlock.settings.keys import NOTHING, POLICY, QUESTION, kebab, key, read, reads
from zlock.settings.location import display
from zlock.settings.names import STEP_NAME, wrong_names
from zlock.settings.stack import IntegrationTable, read_integrations, read_stack
from zlock.settings.table import Table


@reads("table", allOf=[{"$ref": "#/definitions/docker"}])
def _docker(table: Table, key: str) -> DockerSettings:
    return DockerSettings.in_table(table.table(key))


_INSIDE = {"docker": frozenset(map(kebab, CHECKS))}
"""The keys of tables in others, where they are looked for in vain."""


class StepConfiguration(Struct, frozen=True, kw_only=True):
    """What the configuration says of one step, `[steps.NAME]`; None and empty where it says nothing.

    Attributes:
        docker: Docker settings of this step.
        python: The Python of this step's image.
        platforms: The platforms of this step's lock.
        index: The indexes of this step, in place of the project's as a whole; `[[steps.NAME.index]]`.
        index_sources: Laid over the project's, package by package.
        align: False: this step has its own versions, and no other follows them.
    """

    INSIDE: ClassVar = _INSIDE

    docker: DockerSettings = key(_docker, DockerSettings(), QUESTION, shown="empty")
    python: str | None = key(rules.python, None, QUESTION, shown="the project's")
    platforms: tuple[str, ...] = key(rules.platforms, (), QUESTION, shown="the project's")
    index: tuple[Index, ...] | None = key(indexes.indexes, None, QUESTION, shown="the project's")
    index_sources: Mapping[NormalizedName, str] = key(indexes.routes, {}, QUESTION, shown="the project's")
    align: bool | None = key(checks.boolean, None, QUESTION, shown="the project's")


@reads("table of tables", **checks.table_of(STEP_NAME.pattern, **{"$ref": "#/definitions/step"}))
def _steps(table: Table, key: str) -> dict[str, StepConfiguration]:
    inner = table.table(key)
    return {name: read(StepConfiguration, inner.table(name)) for name in inner}


class Project(Struct, frozen=True, kw_only=True):
    """A project's configuration; its keys are the attributes from `python` on.

    Attributes:
        folder: The project folder: of the configuration, or the working folder where there is none.
        file: The configuration file, or None.
        lines: Tells the lines of what the file states.
        python: The Python of the image. "3.12" counts as 3.12.0 in markers. One that can't be released yet is noted.
        platforms: The platforms that a lock is for; `darwin/arm64`, `windows/amd64` and the like are for local use. A
            Mac has macOS 14 or later, with Intel 13 or later.
        manylinux: The oldest glibc the image may have; only wheels that run on it are locked.
        musllinux: The oldest musl, for images without glibc; it replaces `manylinux`.
        lock_dir: Where the locks are.
        urls: What locks name of a file: its URL, or its path in the wheelhouse, see
            [the lock](lock.md#portable-locks).
        wheelhouse: Where `zlock fetch` puts files.
        pipeline: The pipeline whose steps are locked, or a [script](#pipeline-files).
        pipeline_config: What configures its run, of a [pipeline of ZenML](zenml.md); `--config` goes before it, and it
            is not for another pipeline that a command names.
        index: Where packages come from, see [indexes](indexes.md).
        index_sources: The one index that serves a package.
        exclude_newer: Files uploaded later don't count, nor do files without an upload time; for what
            builds are made with, too.
        exclude_newer_package: Another cut-off for one package; `false` lifts it.
        conflicts: What happens where sources contradict each other, see
            [sources](sources.md#when-sources-disagree).
        build_sdists: Packages whose sdists may be used: foreign code that runs at lock time, to say what the package
            and its build require. A [folder](images.md#folders-of-the-project) outside of the project is built by its
            name here, too.
        prerelease: Which pre-releases count, see [resolution](resolution.md#which-releases-count).
        resolution: Which end of the range is tried first.
        constraints: Limits on versions, whoever asks for the package; they ask for nothing themselves.
        overrides: Versions that replace what anything else says of these packages, on every target: a name with a
            specifier each, without extras, marker or URL.
        exclude: Requirements that are left out, everywhere or as made by one package.
        align: A package has one version in all steps, as far as that makes nothing much older; "always": however old it
            gets; see [resolution](resolution.md#one-version-in-all-steps).
        align_packages: Packages that have one version in all steps however old they get.
        step_back: How many days older than need be a release may be for the sake of others.
        keep: A `uv.lock`, `poetry.lock`, `pdm.lock` or `pylock.toml` whose versions are preferred, see
            [resolution](resolution.md#versions-of-another-lock).
        audit_ignore: Vulnerabilities that do not count for [`zlock audit`](commands.md#zlock-audit) before a date.
        pin_images: Every run records the digest of the base image, see [`--pin-images`](lock.md#the-base-image).
        registry: `host/repository` of the images.
        stack: What the pipeline runs on.
        integrations: Integrations of your own; `[integrations.NAME]`.
        docker: Docker settings of every step.
        steps: `[steps.NAME]`: what differs for one step.
    """

    INSIDE: ClassVar = _INSIDE

    folder: Path
    file: Path | None
    lines: TomlLines = TomlLines("")
    python: str | None = key(rules.python, None, QUESTION, shown="the project's interpreter's")
    platforms: tuple[str, ...] = key(rules.platforms, ("linux/amd64",), QUESTION)
    manylinux: str | None = key(rules.manylinux, None, QUESTION, shown='"2_28"')
    musllinux: str | None = key(rules.musllinux, None, QUESTION)
    lock_dir: str = key(checks.path, "lockfiles", NOTHING)
    urls: str = key(checks.one_of("index", "portable"), "index", POLICY)
    wheelhouse: str = key(checks.path, "wheelhouse", NOTHING)
    pipeline: str | None = key(rules.pipeline, None, NOTHING)
    pipeline_config: str | None = key(checks.path, None, NOTHING)
    index: tuple[Index, ...] = key(indexes.indexes, (), QUESTION, shown="this machine's default index")
    index_sources: Mapping[NormalizedName, str] = key(indexes.routes, {}, QUESTION)
    exclude_newer: datetime | None = key(rules.time, None, POLICY)
    exclude_newer_package: Mapping[NormalizedName, datetime | None] = key(rules.times, {}, POLICY)
    conflicts: str = key(checks.one_of("error", "later"), "error", POLICY)
    build_sdists: frozenset[NormalizedName] | None = key(rules.packages, frozenset(), POLICY)
    prerelease: str = key(
        checks.one_of("if-necessary-or-explicit", "allow", "disallow"), "if-necessary-or-explicit", POLICY
    )
    resolution: str = key(checks.one_of("highest", "lowest", "lowest-direct"), "highest", POLICY)
    constraints: tuple[DirectRequirement, ...] = key(rules.constraints, (), POLICY)
    overrides: tuple[DirectRequirement, ...] = key(rules.overrides, (), POLICY)
    exclude: frozenset[rules.Exclusion] = key(rules.exclusions, frozenset(), POLICY)
    align: bool | str = key(rules.alignment, True, POLICY)
    align_packages: frozenset[NormalizedName] = key(rules.names, frozenset(), POLICY)
    step_back: int = key(rules.days, 180, POLICY)
    keep: str | None = key(checks.path, None, POLICY)
    audit_ignore: tuple[Ignored, ...] = key(audit.ignored, (), NOTHING)
    pin_images: bool = key(checks.boolean, False, NOTHING)
    registry: str | None = key(checks.word, None, NOTHING)
    stack: Stack | None = key(read_stack, None, QUESTION, shown="empty")
    integrations: Mapping[str, IntegrationTable] = key(read_integrations, {}, QUESTION)
    docker: DockerSettings = key(_docker, DockerSettings(), QUESTION, shown="empty")
    steps: Mapping[str, StepConfiguration] = key(_steps, {}, QUESTION)

    @property
    def shown_file(self) -> str:
        """The configuration file's name for messages."""
        return self.file.name if self.file else "no configuration"

    @property
    def is_remote(self) -> bool:
        """Whether the pipeline runs in images at all, as the stack says."""
        return self.stack is None or self.stack.remote

    @property
    def is_portable(self) -> bool:
        """Whether locks name files by their path in the wheelhouse, and no host."""
        return self.urls == "portable"

    @property
    def routing(self) -> Routing:
        """Who serves what to a step of which nothing else is said."""
        return Routing(indexes=self.index, sources=dict(self.index_sources))

    @property
    def cutoff(self) -> Cutoff:
        """How new files may be."""
        return Cutoff(default=self.exclude_newer, packages=self.exclude_newer_package)

    def routing_of(self, step: StepConfiguration) -> Routing:
        """Return who serves what to a step."""
        return Routing(
            indexes=self.index if step.index is None else step.index,
            sources={**self.index_sources, **step.index_sources},
        )


def find_project(start: Path) -> Project:
    """Return the nearest project from a folder upwards, or one of defaults where there is none.

    Raises:
        InvalidConfiguration: What was found is wrong; several mistakes come as `Problems`.
    """
    for folder in (start, *start.parents):
        project = read_project(folder)
        if project is not None:
            return project
    return Project(folder=start, file=None)


def read_project(folder: Path) -> Project | None:
    """Return the project whose configuration is in a folder, or None where the folder has none.

    Raises:
        InvalidConfiguration: The configuration is wrong, or there are two.
    """
    own, shared = folder / "zlock.toml", folder / "pyproject.toml"
    document, lines = _read_toml(shared) if shared.is_file() else ({}, "")
    table = plain.at(document, "tool", "zlock")
    if not os.path.lexists(own):
        return parse_project(table, shared, TomlLines(lines, ("tool", "zlock"))) if table is not None else None
    if table is not None:
        raise InvalidConfiguration(
            f"both `zlock.toml` and `[tool.zlock]` in `pyproject.toml` configure `{folder}`",
            hint="keep one of the two",
        )
    document, text = _read_toml(own)
    return parse_project(document, own, TomlLines(text))


def _read_toml(path: Path) -> tuple[dict[str, object], str]:
    """Return a file as plain values, and its text."""
    shown = display(str(path))
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise InvalidConfiguration(f"`{shown}` is {what}", hint="remove it, or put a file in its place")
    try:
        text = _text_of(path)
    except UnicodeDecodeError as error:
        raise InvalidConfiguration(f"`{shown}` is not valid UTF-8", hint="save it as UTF-8") from error
    except OSError as error:
        raise InvalidConfiguration(
            f"`{shown}` can't be read: {error.strerror}", hint="let your user read it"
        ) from error
    try:
        return parse_toml(text), text
    except tomllib.TOMLDecodeError as error:
        is_conflict = conflicted_line(text) is not None
        hint = "resolve the merge conflict in it first" if is_conflict else "correct that line"
        raise InvalidConfiguration(f"`{shown}` is not valid TOML: {error}", hint=hint) from error


def _text_of(path: Path) -> str:
    return read_regular(path).decode("utf-8-sig").replace("\r\n", "\n")


def is_as_read(project: Project) -> bool:
    """Tell whether the file of a configuration still says what it said when it was read; False where there was none."""
    with suppress(OSError, UnicodeDecodeError):
        return project.file is not None and _text_of(project.file) == project.lines.document
    return False


def parse_project(values: object, file: Path, lines: TomlLines | None = None) -> Project:
    """Read a configuration table.

    Args:
        values: The table.
        file: The file that it stands in.
        lines: Tells the lines of what that file states, where messages are to name them.

    Raises:
        InvalidConfiguration: A key is unknown or a value wrong; several mistakes come as `Problems`.
    """
    problems = Collector()
    table = Table(values, file=file, problems=problems, lines=lines or TomlLines(""))
    project = read(Project, table, folder=file.parent, file=file, lines=table.lines)
    indexes.check_routes(table, project.routing, project.index_sources)
    for name, step in project.steps.items():
        if step.index is not None or step.index_sources:
            own = table.table("steps").table(name)
            indexes.check_routes(own, project.routing_of(step), step.index_sources)
    for name, error in wrong_names(project.steps, "a table of `steps` has the name of its step"):
        with table.collecting("steps", name):
            raise error
    problems.raise_if_any()
    return project

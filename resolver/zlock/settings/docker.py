"""The docker settings of a pipeline or a step, as users state them and as the rest of zlock reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from msgspec import Struct

from zlock import checks
from zlock.errors import Collector, InvalidConfiguration, Located, Problems, ZlockError
from zlock.model.image import LAYOUT, VENV, default_parent, is_layout
from zlock.model.installer import INSTALLERS, Installer, InstallerName
from zlock.settings.keys import NOTHING, QUESTION, Decides, Key, kebab, keys_of
from zlock.settings.location import Location, caller
from zlock.settings.reader import Replaced, SettingsDocument
from zlock.wording import fold, kind

if TYPE_CHECKING:
    from zlock.settings.table import Table

ExportMethod = Literal["pip_freeze", "uv_freeze", "poetry_export"]
Scalar = bool | int | float | str
InstallerArgument = Scalar | list[Scalar] | None
Words = list[str] | tuple[str, ...]

_PARENTS = frozenset({"parent_image", "dockerfile"})
"""The two ways to state what an image is built on; one takes the place of the other."""

_TABLES = ("python_package_installer_args", "environment", "runtime_environment")
"""Their keys are laid over each other, one by one."""

_ASKING = ("requirements", "required_integrations", "apt_packages", "pyproject_extras", "pyproject_groups")
"""Lists that ask for something, which one that replaces them no longer does."""

_LEADING_NAME = r"[a-z0-9._+]+"

PATHS = ("pyproject_path", "script", "dockerfile", "build_context_root")


def _setting(rule: checks.Check[object], decides: Decides, *, hash: bool | None = None) -> Any:  # noqa: A002 - as `field`
    """Make a field; its type is what a user may write, of which the rule keeps less."""
    made = Key(rule=rule, default=None, decides=decides, shown="", required="")
    return field(default_factory=made, hash=hash)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class DockerSettings:
    """What the image of a pipeline or a step is made of; a field that is None is not set.

    Values are checked when an instance is made, all of them at once. Lists are kept as tuples and
    paths as strings, as written; a relative path counts from the folder of the file that states it.

    Attributes:
        requirements: What is installed explicitly.
        extra_requirements: What is installed explicitly beside `requirements`; the lists of all levels are added up,
            see [precedence](#precedence).
        required_integrations: Integrations whose requirements are installed.
        replicate_local_python_environment: Install what the local environment holds.
        install_stack_requirements: Install what the stack requires.
        apt_packages: Debian packages: `name`, `name:arch` or `name=version`, where `*` stands for any text.
        pyproject_path: A `pyproject.toml` whose dependencies (PEP 621) are installed.
        pyproject_extras: Its extras.
        pyproject_groups: Its dependency groups (PEP 735).
        script: A Python file whose inline metadata (PEP 723) says what is installed.
        python_package_installer: What installs the lock in the image.
        python_package_installer_args: More options for it; names without dashes.
        parent_image: The image to build upon: its reference, or `oci:DIR` for
            [one in a folder](building-images.md#base-images).
        environment: Variables while the image is built, and in it.
        runtime_environment: Variables in the image only.
        user: Who runs in the image: a name or number, also `user:group`.
        skip_build: Run the step in `parent_image` as it is: no lock, and no image.
        dockerfile: A Dockerfile that makes the parent, in place of `parent_image`; of the two, the one that is stated
            closer to the step counts.
        build_context_root: The folder that Dockerfile sees.
        local_project_install_command: How the project itself is installed; its files are then copied.
        include_project: Copy the project's files into the image, also without such a command.
        any_user: Let everybody write into `/app`, as a system may run the container as whoever it likes.
        prevent_build_reuse: Build even where an equal image exists.
        target_repository: Where the image goes: replaces the repository of `registry`, or all of it if it names a
            host.
        python_package_installer_cache_mount: Keep the installer's cache between builds.
        system: Install into the interpreter of the base image.
        bytecode: Compile modules when the image is made; without, it is smaller, and each start compiles them.
        venv: The folder of the image that the [environment](images.md#the-dockerfile) is made in; the base image
            must not have it.
    """

    requirements: Words | str | os.PathLike[str] | None = _setting(checks.requirements, QUESTION)
    extra_requirements: Words | None = _setting(checks.extra_requirements, QUESTION)
    required_integrations: Words | None = _setting(checks.words, QUESTION)
    replicate_local_python_environment: bool | ExportMethod | Words | None = _setting(checks.export_method, QUESTION)
    install_stack_requirements: bool | None = _setting(checks.boolean, QUESTION)
    apt_packages: Words | None = _setting(checks.debian_packages, QUESTION)
    pyproject_path: str | os.PathLike[str] | None = _setting(checks.path, QUESTION)
    pyproject_extras: Words | None = _setting(checks.words, QUESTION)
    pyproject_groups: Words | None = _setting(checks.words, QUESTION)
    script: str | os.PathLike[str] | None = _setting(checks.path, QUESTION)
    python_package_installer: InstallerName | None = _setting(checks.one_of(*INSTALLERS), NOTHING)
    python_package_installer_args: Mapping[str, InstallerArgument] | None = _setting(
        checks.installer_arguments, NOTHING, hash=False
    )
    parent_image: str | None = _setting(checks.parent_image, QUESTION)
    environment: Mapping[str, str | int] | None = _setting(checks.variables, NOTHING, hash=False)
    runtime_environment: Mapping[str, str | int] | None = _setting(checks.variables, NOTHING, hash=False)
    user: str | None = _setting(checks.user, NOTHING)
    skip_build: bool | None = _setting(checks.boolean, NOTHING)
    dockerfile: str | os.PathLike[str] | None = _setting(checks.path, NOTHING)
    build_context_root: str | os.PathLike[str] | None = _setting(checks.path, NOTHING)
    local_project_install_command: str | Words | None = _setting(checks.command, NOTHING)
    include_project: bool | None = _setting(checks.boolean, NOTHING)
    any_user: bool | None = _setting(checks.boolean, NOTHING)
    prevent_build_reuse: bool | None = _setting(checks.boolean, NOTHING)
    target_repository: str | None = _setting(checks.image_repository, NOTHING)
    python_package_installer_cache_mount: bool | None = _setting(checks.boolean, NOTHING)
    system: bool | None = _setting(checks.boolean, NOTHING)
    bytecode: bool | None = _setting(checks.boolean, NOTHING)
    venv: str | None = _setting(checks.venv, NOTHING)
    # By field, and by `field.part` for the keys of tables and the numbers of requirements.
    _places: Mapping[str, Location] = field(default_factory=dict, init=False, compare=False)
    _replaced: tuple[Replaced, ...] = field(default=(), init=False, compare=False)
    _effective: EffectiveSettings | None = field(default=None, init=False, compare=False)

    if not TYPE_CHECKING:  # type checkers know the fields from the dataclass itself

        def __init__(self, *positional: object, **stated: object) -> None:
            """Check the values, and remember where they are stated."""
            place = caller()
            if positional:
                raise _noted(
                    InvalidConfiguration(
                        "`DockerSettings` takes keyword arguments only",
                        hint="write `DockerSettings(requirements=[...])`",
                    ),
                    place,
                )
            values = _checked(stated, place_of=lambda _: place)
            _fill(self, values, _places(values, place))

    @classmethod
    def from_mapping(cls, stated: Mapping[str, object], *, at: str = "", place: Location | None = None) -> Self:
        """Make settings from a mapping with Python names, as a decorator may be given.

        Raises:
            InvalidConfiguration: A key or value is wrong (`Problems` for several).
        """
        if not isinstance(stated, Mapping):
            raise checks.mistake(at, f"expected `DockerSettings` or a dict, got {kind(stated)}")
        values = _checked(stated, at=at, place_of=lambda _: place)
        return cls._of(values, _places(values, place))

    @classmethod
    def from_table(cls, table: object, *, at: str, file: str) -> Self:
        """Make settings from a table as TOML has it, whose keys are the names of the fields in kebab-case.

        Args:
            table: The parsed table.
            at: Its key path, for messages: `docker`, `steps.train.docker`.
            file: The file that states it, absolute, as relative paths count from its folder.

        Raises:
            InvalidConfiguration: A key or value is wrong (`Problems` for several).
        """
        from zlock.pyproject.lines import TomlLines
        from zlock.settings.table import Table  # a pipeline file that states settings reads no table

        address, problems = tuple(at.split(".")), Collector()
        settings = cls.in_table(Table(table, address=address, file=Path(file), problems=problems, lines=TomlLines("")))
        problems.raise_if_any()
        return settings

    @classmethod
    def in_table(cls, table: Table) -> Self:
        """Read a table of the configuration, likewise; mistakes are collected there."""
        names = {kebab(name): name for name in CHECKS}
        table.check_keys(list(names))
        found = {names[key]: table.get(key, CHECKS[names[key]], None) for key in table if key in names}
        values = _set(found)
        return cls._of(values, _places_in(values, table))

    @classmethod
    def from_document(cls, document: SettingsDocument) -> Self:
        """Read back what `document` gave, by the same rules as everywhere."""
        values = _checked(document.values, place_of=document.places.get)
        return cls._of(values, document.places, tuple(document.replaced))

    def document(self) -> SettingsDocument:
        """Give the fields that are set, where, and what they replaced, as values that JSON has."""
        return SettingsDocument(self.stated(), self._places, self._replaced)

    def stated(self) -> dict[str, Any]:
        """Give the fields that are set, in their order."""
        return _set({name: getattr(self, name) for name in CHECKS})

    def over(self, base: DockerSettings) -> DockerSettings:
        """Lay these settings over others: field by field, those set here win, each with its place.

        Tables are laid over each other key by key, and `extra_requirements` are added to those there. A `dockerfile`
        set here is in place of a `parent_image` there, and the other way round, then with its folder.
        """
        own = self.stated()
        hidden = own.keys() | (_PARENTS if _PARENTS & own.keys() else frozenset())
        hidden |= {"build_context_root"} if "parent_image" in own and "dockerfile" not in own else set()
        hidden -= {"extra_requirements", *_TABLES}
        kept = {name: value for name, value in base.stated().items() if name not in hidden}
        places = {name: place for name, place in base._places.items() if name.partition(".")[0] not in hidden}
        extra = dict.fromkeys((*base._extra(), *self._extra()))  # what one place states twice counts once
        joined: dict[str, object] = {
            name: {**kept[name], **own[name]} for name in _TABLES if name in kept and name in own
        }
        joined |= {"extra_requirements": tuple(text for text, _ in extra)} if extra else {}
        extra_places = {f"extra_requirements.{number}": place for number, (_, place) in enumerate(extra) if place}
        replaced = (*base._replaced, *self._replaced, *self._replaces(base))
        return self._of(kept | own | joined, places | dict(self._places) | extra_places, tuple(dict.fromkeys(replaced)))

    def _extra(self) -> Iterator[tuple[str, Location | None]]:
        for number, text in enumerate(self.extra_requirements or ()):
            yield text, self.where("extra_requirements", number)

    def _replaces(self, base: DockerSettings) -> Iterator[Replaced]:
        """Tell what these settings replace; an empty list says itself that nothing is asked for."""
        for name in _ASKING:
            own, there = getattr(self, name), getattr(base, name)
            is_same = isinstance(there, str) and own == there and self._path(name) == base._path(name)
            if own and there and not is_same:
                yield Replaced(name, there, base.where(name), self.where(name))

    @property
    def replaced(self) -> tuple[Replaced, ...]:
        """What settings that these were laid over ask for, and these don't."""
        left = [one._replace(asked=self._left(one.setting, one.asked)) for one in self._replaced]
        return tuple(one for one in left if one.asked)

    def _left(self, name: str, asked: tuple[str, ...] | str) -> tuple[str, ...] | str:
        """Leave out of a list what is asked for all the same; a name alone is by whatever else has that name."""
        if isinstance(asked, str):
            return asked
        own = getattr(self, name)
        stated = {_plain(one) for one in (*(own if isinstance(own, tuple) else ()), *(self.extra_requirements or ()))}
        stated |= {found[0] for one in stated if (found := re.match(_LEADING_NAME, one))}
        return tuple(one for one in asked if _plain(one) not in stated)

    def where(self, name: str, part: str | int | None = None) -> Location | None:
        """Tell which file and line set a field, or a key or an item of it; None if it isn't set."""
        return self._places.get(f"{name}.{part}") or self._places.get(name)

    def effective(self) -> EffectiveSettings:
        """Give the settings to act on: defaults filled in, paths absolute; made once, as many ask."""
        made = self._effective or self._made_effective()
        object.__setattr__(self, "_effective", made)
        return made

    def _made_effective(self) -> EffectiveSettings:
        values = self.stated()
        for name in PATHS:
            if name in values:
                values[name] = self._path(name)
        if is_layout(self.parent_image or ""):
            values["parent_layout"] = f"{LAYOUT}{self._path('parent_image')}"
        if isinstance(self.requirements, str):
            values["requirements"] = ()
            values["requirements_file"] = self._path("requirements")
        if isinstance(self.replicate_local_python_environment, bool):
            method = "pip_freeze" if self.replicate_local_python_environment else None
            values["replicate_local_python_environment"] = method
        return EffectiveSettings(**values)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.stated().items())
        return f"DockerSettings({shown})"

    def _path(self, name: str) -> Path:
        place = self.where(name)
        folder = place.folder if place is not None else None
        stated = Path(getattr(self, name).removeprefix(LAYOUT) if name == "parent_image" else getattr(self, name))
        return folder / stated if folder is not None else stated

    @classmethod
    def _of(
        cls, values: Mapping[str, object], places: Mapping[str, Location], replaced: tuple[Replaced, ...] = ()
    ) -> Self:
        made = object.__new__(cls)
        _fill(made, values, places, replaced)
        return made


CHECKS = {name: one.rule for name, one in keys_of(DockerSettings).items() if isinstance(one.rule, checks.Check)}
"""Each field with the rule for its value, in the order in which they are shown."""


class EffectiveSettings(Struct, frozen=True, kw_only=True):
    """The settings to act on; the defaults below are the only place that states them.

    Attributes are those of `DockerSettings`, but for these:

    Attributes:
        requirements: The list; empty where a file is given instead.
        requirements_file: The requirements file, if one is given.
        replicate_local_python_environment: The method, the command, or None for neither.
        parent_layout: `parent_image` with its folder absolute, where it is in one; else empty.
    """

    requirements: tuple[str, ...] = ()
    requirements_file: Path | None = None
    extra_requirements: tuple[str, ...] = ()
    required_integrations: tuple[str, ...] = ()
    replicate_local_python_environment: ExportMethod | tuple[str, ...] | None = None
    install_stack_requirements: bool = True
    apt_packages: tuple[str, ...] = ()
    pyproject_path: Path | None = None
    pyproject_extras: tuple[str, ...] = ()
    pyproject_groups: tuple[str, ...] = ()
    script: Path | None = None
    python_package_installer: InstallerName = "pip"
    python_package_installer_args: Mapping[str, InstallerArgument] = {}
    parent_image: str | None = None
    parent_layout: str = ""
    environment: Mapping[str, str] = {}
    runtime_environment: Mapping[str, str] = {}
    user: str | None = None
    skip_build: bool = False
    dockerfile: Path | None = None
    build_context_root: Path | None = None
    local_project_install_command: str | tuple[str, ...] | None = None
    include_project: bool = False
    any_user: bool = False
    prevent_build_reuse: bool = False
    target_repository: str | None = None
    python_package_installer_cache_mount: bool = False
    system: bool = False
    bytecode: bool = True
    venv: str = VENV

    @property
    def installer(self) -> Installer:
        """What `python_package_installer` names."""
        return INSTALLERS[self.python_package_installer]

    def base_image(self, python: str) -> str:
        """Return what images of a Python are built on: the image that is stated, or the default one."""
        return self.parent_image or default_parent(python)


def _checked(
    stated: Mapping[str, object],
    *,
    at: str = "",
    place_of: Callable[[str], Location | None] = lambda _: None,
) -> dict[str, object]:
    """Check every key and value; return the values as they are kept, all mistakes raised at once."""
    values = {}
    problems = Collector()
    for name, value in stated.items():
        label = f"{at}.{name}" if at else str(name)
        found = Collector()
        with found:
            if name not in CHECKS:
                raise checks.unknown_key(label, str(name), CHECKS)
            if value is not None:
                values[name] = CHECKS[name](value, label)
        for error in found.errors:
            problems.add(_noted(error, place_of(str(name))))
    _raise(problems)
    return values


def _raise(problems: Collector) -> None:
    try:
        problems.raise_if_any()
    except Problems as several:
        for error in several.errors:
            several.add_note("\n  ".join([error.message, *getattr(error, "__notes__", ())]))
        raise


def _noted(error: ZlockError, place: Location | None) -> ZlockError:
    """Add the place to an error, and the parts a plain traceback would not show."""
    if place is not None:
        error.context = (*error.context, Located(f"stated in {place}", place))
    for line in error.context:
        error.add_note(line)
    if error.hint:
        error.add_note(f"hint: {error.hint}")
    return error


def _fill(
    settings: DockerSettings,
    values: Mapping[str, object],
    places: Mapping[str, Location],
    replaced: tuple[Replaced, ...] = (),
) -> None:
    for name in CHECKS:
        object.__setattr__(settings, name, values.get(name))
    object.__setattr__(settings, "_places", places)
    object.__setattr__(settings, "_replaced", replaced)
    object.__setattr__(settings, "_effective", None)


def _places(values: Mapping[str, object], place: Location | None) -> dict[str, Location]:
    """Give each field its place, and so each part of those that are joined with others'."""
    if place is None:
        return {}
    parts = {f"{name}.{key}": place for name in _TABLES for key in cast("Mapping[str, object]", values.get(name, {}))}
    extra = cast("Sequence[str]", values.get("extra_requirements", ()))
    return {**dict.fromkeys(values, place), **parts, **{f"extra_requirements.{n}": place for n in range(len(extra))}}


def _places_in(values: Mapping[str, object], table: Table) -> dict[str, Location]:
    """Give each field of a table its line, and so each key of a table in it and each requirement."""
    found, lines = {}, table.lines
    for name, value in values.items():
        address = (*table.address, kebab(name))
        found[name] = lines.line_of_key(address)
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": lines.line_of_key((*address, key)) for key in value}
        elif name in ("requirements", "extra_requirements") and isinstance(value, tuple):
            found |= {f"{name}.{number}": lines.line_of(text, address) for number, text in enumerate(value)}
    return {name: Location(str(table.file), line) for name, line in found.items()}


def _plain(text: str) -> str:
    """Give a name or a requirement in one spelling."""
    return "".join(fold(text).split())


def _set(stated: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in stated.items() if value is not None}

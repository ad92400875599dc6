"""Requirements files, and what a command printed in their format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from zlock.errors import Collector, InvalidRequirements, Located
from zlock.model.conflict import conflicted_line
from zlock.model.link import Link, LinkError, shown
from zlock.model.origin import Origin
from zlock.model.paths import absolute
from zlock.model.requirement import DirectRequirement, Gathered, IndexOption
from zlock.regular import read_named
from zlock.sources import hashes, lines, links, options, statement
from zlock.sources.statement import Place

_INDEX_OPTIONS: Final = ("index", "extra_index", "find_links", "trusted_host")
_NO_MEANING: Final[Mapping[str, str]] = {
    "only_binary": "zlock uses wheels only, but for what `build-sdists` names",
    "prefer_binary": "zlock uses wheels only, but for what `build-sdists` names",
    "only_final": "see `prerelease` in the configuration",
    "use_feature": "it is about pip itself",
}
_MOST_NESTED: Final = 100  # files that include one another
_MOST_LINES: Final = 20_000  # of one file, without comments; a file with more is something else
_BUILD_OPTIONS: Final = ("--global-option", "--install-option", "--build-option")


def read_file(path: Path, *, root: Path, origin: Origin, environ: Mapping[str, str]) -> Gathered:
    """Read a requirements file in pip's format, with all the files that it includes.

    Args:
        path: The file; a relative one counts from `root`.
        root: The project's folder: local paths in requirements count from it, as for pip run there.
        origin: The source and detail; file and line are filled in for each requirement.
        environ: The variables for `${NAME}`.

    Raises:
        InvalidRequirements: One mistake.
        Problems: Several; all mistakes of all files are found at once.
    """
    reading = _Reading(root=root, origin=origin, environ=environ)
    reading.file(absolute(root / path), given=path.as_posix(), constraint=False, by=None, above=())
    return reading.gathered(described=reading.described)


def read_text(text: str, *, root: Path, origin: Origin, environ: Mapping[str, str], described: str) -> Gathered:
    """Read what a command printed in the format of a requirements file.

    Args:
        text: The output, without colours; lines are numbered, there is no file.
        root: The project's folder, in which the command ran: local paths count from it.
        origin: The source and detail.
        environ: The variables for `${NAME}`.
        described: The command, for the lock.

    Raises:
        InvalidRequirements: One mistake.
        Problems: Several.
    """
    reading = _Reading(root=root, origin=origin, environ=environ)
    with reading.problems:
        reading.text(text, origin=origin, folder=root, constraint=False, above=())
    return reading.gathered(described=described)


class _Reading:
    """What is gathered while a file and the files it includes are read."""

    def __init__(self, *, root: Path, origin: Origin, environ: Mapping[str, str]) -> None:
        self.problems = Collector()
        self._root = absolute(root)
        self._base = links.Base(folder=self._root, project=self._root)
        self._origin = origin
        self._environ = environ
        self._requirements: list[tuple[DirectRequirement, Place]] = []
        self._constraints: list[DirectRequirement] = []
        self._index_options: list[IndexOption] = []
        self._notes: list[str] = []
        self._files: dict[Path, None] = {}
        self._names: dict[Path, str] = {}
        self._masked: set[Path] = set()
        self._done: set[tuple[Path, bool]] = set()
        self._flags: dict[str, Place] = {}

    @property
    def described(self) -> str:
        """The name of the first file."""
        return next(iter(self._names.values()), "")

    def gathered(self, *, described: str) -> Gathered:
        """Give everything, or raise what was wrong."""
        with self.problems:
            self._check_required_hashes()
        self.problems.raise_if_any()
        return Gathered(
            source=self._origin.source,
            described=described,
            requirements=tuple(requirement for requirement, _ in self._requirements),
            constraints=tuple(self._constraints),
            index_options=tuple(self._index_options),
            prerelease="pre" in self._flags,
            notes=tuple(dict.fromkeys(self._notes)),
            files=tuple(map(str, self._files)),
        )

    def file(self, path: Path, *, given: str, constraint: bool, by: Place | None, above: tuple[Path, ...]) -> None:
        """Read one file; `by` is the line that includes it, `above` the files that lead to it."""
        self._name(path, given, by, above)
        name, wrong = self._names[path], partial(_wrong_file, by=by, origin=self._origin)
        if path in above:
            chain = " -> ".join(self._names[each] for each in (*above[above.index(path) :], path))
            raise wrong(f"`{name}` includes itself", chain, hint="remove one of these lines")
        if len(above) == _MOST_NESTED:
            hint = f"let fewer than {_MOST_NESTED} files include one another"
            raise wrong(f"`{name}` is included too deeply", hint=hint)
        if (path, constraint) in self._done:
            return  # everything in it is known already; in a diamond of files this saves exponential work
        self._done.add((path, constraint))
        self._files[path] = None
        kind = "constraints" if constraint else "requirements"
        with self.problems:
            text = _read(path, f"{kind} file `{name}`", wrong, is_shown=path not in self._masked)
            line = conflicted_line(text)
            if line is not None:
                message = f"{kind} file `{name}` has a merge conflict at line {line}"
                hint = "resolve that first, then run `zlock resolve`"
                raise wrong(message, hint=hint)
            origin = replace(self._origin, file=name)
            self.text(text, origin=origin, folder=path.parent, constraint=constraint, above=(*above, path))

    def _name(self, path: Path, given: str, by: Place | None, above: tuple[Path, ...]) -> None:
        """Name a file for messages: relative to the project where it is inside, else as given.

        Where a variable led to it, or to the file that includes it, its path could tell the variable's value.
        """
        if by and (by.values or self._masked.intersection(above)):
            self._masked.add(path)
        inside = path.is_relative_to(self._root) and path not in self._masked
        self._names.setdefault(path, path.relative_to(self._root).as_posix() if inside else given)

    def text(self, text: str, *, origin: Origin, folder: Path, constraint: bool, above: tuple[Path, ...]) -> None:
        """Read the lines of a file; files that they include count from `folder`."""
        stated = list(islice(lines.iter_lines(text), _MOST_LINES + 1))
        if len(stated) > _MOST_LINES:
            message = f"more than {_MOST_LINES:,} requirements in one file"
            raise InvalidRequirements(message, context=(origin.located,), hint="name a file of requirements")
        for line in stated:
            with self.problems:
                place = Place(origin=replace(origin, line=line.number), written=line.text)
                if line.swallowed:
                    numbers = ", ".join(map(str, line.swallowed))
                    self._notes.append(place.note(f"a comment goes on over the backslash: line {numbers} is not read"))
                if line.text:
                    self._line(line.text, place, folder=folder, constraint=constraint, above=above)

    def _keep(self, stated: DirectRequirement, place: Place, *, constraint: bool = False) -> None:
        """Keep a requirement or constraint that was read."""
        self._notes.extend(stated.notes)
        if constraint:
            self._constraints.append(stated)
        else:
            self._requirements.append((stated, place))

    def _line(self, text: str, place: Place, *, folder: Path, constraint: bool, above: tuple[Path, ...]) -> None:
        expanded = lines.expand(text, self._environ)
        if expanded.unset:
            names = ", ".join(f"`{name}`" for name in expanded.unset)
            raise place.error(f"{names} is not set in the environment", hint="set it, or write the value itself")
        place = replace(place, values=expanded.values) if expanded.values else place
        said = _take_apart(expanded.text, place)
        if said.requirement or said.values("editable"):
            self._requirement(said, place, constraint=constraint)
        elif included := (said.values("requirement") or said.values("constraint")):
            self._include(said, included[0], place, folder=folder, above=above)
        else:
            self._options(said, place)

    def _include(
        self, said: options.Statement, given: str, place: Place, *, folder: Path, above: tuple[Path, ...]
    ) -> None:
        """Read the one file that pip would read of those a line names."""
        name = "requirement" if said.values("requirement") else "constraint"
        self._note_ignored(said, place, heeded={name: 1})
        written = _as_written(said, place).values(name)
        shown = links.redacted(written[0]) if written else place.shown
        path = _included_path(given, place, folder)
        self.file(path, given=shown, constraint=name == "constraint", by=place, above=above)

    def _requirement(self, said: options.Statement, place: Place, *, constraint: bool) -> None:
        """Keep the requirement of a line; of its options only the hashes count."""
        if said.values("config_settings"):
            hint = "remove it: zlock builds sdists with the settings that their own backend has"
            raise place.error("`--config-settings` of one requirement can't be locked", hint=hint)
        if editable := said.values("editable"):
            if constraint:
                raise place.error("a constraint can't be editable", hint="state it as a requirement")
            self._note_ignored(said, place, heeded={"editable": 1})
            # With something before the option, pip takes that for the editable.
            stated = statement.read_editable(said.requirement or editable[0], place=place, base=self._base)
        else:
            self._note_ignored(said, place, heeded={"hash": len(said.values("hash"))})
            limits = [hashes.checked(value, place) for value in said.values("hash")]
            stated = statement.read(said.requirement, place=place, base=self._base, constraint=constraint)
            stated = replace(stated, hashes=tuple(dict.fromkeys((*limits, *stated.hashes))))
        self._keep(stated, place, constraint=constraint)

    def _options(self, said: options.Statement, place: Place) -> None:
        """Heed a line of options alone."""
        _check_no_binary(said, place)
        _check_all_releases(said, place)
        self._note_ignored(said, place, heeded={}, only=("hash", "config_settings"))
        for name in ("pre", "require_hashes", "no_require_hashes"):
            if said.values(name) or (name == "pre" and ":all:" in said.values("all_releases")):
                self._flags.setdefault(name, place)
        for name, why in _NO_MEANING.items():
            if said.values(name):
                self._notes.append(place.note(f"`{options.spelling(name)}` is not followed: {why}"))
        self._keep_index_options(said, place)

    def _keep_index_options(self, said: options.Statement, place: Place) -> None:
        """Keep options about indexes as written: what variables stand for is not shown."""
        written = _as_written(said, place)
        for name in _INDEX_OPTIONS:
            given = written.values(name)
            for at, _ in enumerate(said.values(name)):
                value = given[at] if at < len(given) else place.shown
                value = shown(value) if "//" in value else value
                self._index_option(name, _host(value) if name == "trusted_host" else value, place)
        if said.values("no_index"):
            self._index_option("no_index", "", place)

    def _index_option(self, name: str, value: str, place: Place) -> None:
        self._index_options.append(IndexOption(option=options.spelling(name), value=value, origin=place.origin))

    def _note_ignored(
        self, said: options.Statement, place: Place, *, heeded: Mapping[str, int], only: Sequence[str] | None = None
    ) -> None:
        """Note what pip passes over in a line; `heeded` counts, per option, the values that are not passed over."""
        ignored = [
            f"`{options.spelling(name)}`"
            for name, values in said.options.items()
            if len(values) > heeded.get(name, 0) and (only is None or name in only)
        ]
        ignored += [place.quoted(" ".join(said.leftover))] if said.leftover else []
        if ignored:
            self._notes.append(place.note(f"{', '.join(ignored)} has no effect at this place, as in pip"))

    def _check_required_hashes(self) -> None:
        """Hold `--require-hashes` against all requirements, wherever in the files it stands."""
        required, refused = self._flags.get("require_hashes"), self._flags.get("no_require_hashes")
        if required and refused:
            raise required.error(
                "`--require-hashes` and `--no-require-hashes` exclude each other",
                str(refused.origin),
                hint="remove one of them",
            )
        if required:
            for requirement, place in self._requirements:
                with self.problems:
                    hashes.check_required(requirement, self._constraints, place, self._base)


def _take_apart(text: str, place: Place) -> options.Statement:
    """Split a line into requirement and options.

    Raises:
        InvalidRequirements: An option is not one of requirements files.
    """
    try:
        return options.take_apart(text)
    except options.OptionError as error:
        detail = () if place.values else (links.redacted(str(error)),)
        named = next((name for name in _BUILD_OPTIONS if name in text), None)
        if named:
            hint = "remove it: zlock builds sdists with the settings that their own backend has"
            raise place.error(f"`{named}` can't be locked", hint=hint) from error
        raise place.error("the options of a line can't be read", *detail, hint="correct that line") from error


def _as_written(said: options.Statement, place: Place) -> options.Statement:
    """Take a line apart once more with its variables not expanded."""
    try:
        return options.take_apart(place.written) if place.values else said
    except options.OptionError:
        return options.Statement(requirement="", options={})


def _check_no_binary(said: options.Statement, place: Place) -> None:
    names = [name for value in said.values("no_binary") for name in value.split(",") if name != ":none:"]
    if not names:
        return
    hint = 'set `build-sdists` in the configuration: `"all"`, or the names whose sdists zlock may build'
    raise place.error("`--no-binary` can't be followed", hint=hint)


def _check_all_releases(said: options.Statement, place: Place) -> None:
    names = [name for value in said.values("all_releases") for name in value.split(",")]
    if set(names) - {":all:", ":none:"}:
        hint = "name a pre-release in the requirement itself, as in `name>=2.0a1`"
        raise place.error("`--all-releases` for one name can't be followed", hint=hint)


def _included_path(given: str, place: Place, folder: Path) -> Path:
    """Find the file that `-r` or `-c` names.

    Raises:
        InvalidRequirements: It is on the network.
    """
    scheme = given.partition(":")[0].lower()
    if scheme in {"http", "https"}:
        hint = "download it and include the copy: a lock must not depend on what a server says today"
        raise place.error(f"{place.quoted(given)} is not on this machine", hint=hint)
    if scheme == "file":
        try:
            given = Link.parse(given).path
        except LinkError as error:
            raise place.error(f"{place.quoted(given)} can't be used: {error}", hint=error.hint) from error
    return absolute(folder / given)


def _read(path: Path, described: str, wrong: Callable[..., InvalidRequirements], *, is_shown: bool) -> str:
    """Read a file's text; its path is told where it may be shown, and `wrong` makes errors.

    Raises:
        InvalidRequirements: It is missing, a folder, a pipe, unreadable, or no text.
    """
    try:
        text = lines.decode(read_named(path, described, wrong, is_shown=is_shown))
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8, or state its coding in the first line: `# -*- coding: latin-1 -*-`"
        raise wrong(f"{described} is not {error.encoding} from byte {error.start} on", hint=hint) from error
    except (ValueError, LookupError) as error:
        raise wrong(f"{described} declares a coding that is unknown", hint="save it as UTF-8") from error
    if "\0" in text:
        raise wrong(f"{described} is binary", hint="name a text file with one requirement a line")
    return text


def _wrong_file(message: str, *details: str, by: Place | None, origin: Origin, hint: str) -> InvalidRequirements:
    """Make an error about a whole file, with the line that includes it."""
    included = Located(f"included by {by.origin}: {by.shown}", by.origin) if by else origin.located
    return InvalidRequirements(message, context=(included, *details), hint=hint)


def _host(value: str) -> str:
    return value.rpartition("@")[2]

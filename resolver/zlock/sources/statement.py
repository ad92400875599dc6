"""One requirement as a source states it: PEP 508, a bare URL, a local folder or archive, or an editable of these."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement

from zlock.checks import requirements_in
from zlock.errors import InvalidRequirements, Located
from zlock.model import misstated
from zlock.model.digest import STRONG
from zlock.model.link import VCS, Link, LinkError, is_link, is_repository
from zlock.model.origin import Origin
from zlock.model.paths import file_url
from zlock.model.requirement import DirectRequirement, parsed
from zlock.model.target import Target
from zlock.model.versions import readable
from zlock.redact import secret_parameter
from zlock.sources import links

_SHOWN_LENGTH: Final = 200
_MOST_WRITTEN: Final = 100_000  # characters; with the hashes of all its files, a release has 20,000
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|KEY|AUTH|CRED|PWD")
_SAY_THE_NAME: Final = "say the name: `name @ URL`"
_CREDENTIALS: Final = (
    "put credentials before the host (`https://${USER}:${TOKEN}@host/...`), or into netrc or the keyring"
)
_FOLDER: Final = "of a folder the lock records the path, not what is in it"
_EDITABLE_FOLDER: Final = "the editable folder is locked as an ordinary folder: a copy of it is installed"


class Place(Struct, frozen=True, kw_only=True):
    """Where a statement stands and how it may be shown.

    Attributes:
        origin: Its origin.
        written: The text as written, before variables were expanded.
        values: The variables that were expanded in it; where there are any, no other piece of it is shown.

    Raises:
        InvalidRequirements: The text is longer than any requirement: reading it would take gigabytes.
    """

    origin: Origin
    written: str
    values: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        if len(self.written) > _MOST_WRITTEN:
            raise InvalidRequirements(
                f"a requirement has more than {_MOST_WRITTEN:,} characters",
                context=(self.origin.located,),
                hint="correct that line, and the backslashes that join lines to it",
            )

    @property
    def shown(self) -> str:
        """The text for messages: one line of decent length, without credentials."""
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in self.written)
        text = links.redacted(text)
        return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."

    def quoted(self, piece: str) -> str:
        """Give a piece of the statement in backticks; all of it, as written, where a variable may be in the piece."""
        return f"`{self.shown}`" if self.values else f"`{Place(origin=self.origin, written=piece).shown}`"

    def error(self, message: str, *details: str, hint: str) -> InvalidRequirements:
        """Make an error that shows the place."""
        where = Located(f"{self.origin}: {self.shown}", self.origin)
        return InvalidRequirements(message, context=(where, *details), hint=hint)

    def note(self, text: str) -> str:
        """Make a note that names the place."""
        return f"{self.origin}: {text}"


def read(text: str, *, place: Place, base: links.Base, constraint: bool = False) -> DirectRequirement:
    """Read a requirement as pip reads a line without options; local paths count from `base`.

    Raises:
        InvalidRequirements: It is none, or no name can be known for it.
    """
    head, marker = _split_marker(text)
    if is_link(head):
        requirement = _link(_parsed_link(head, place), "", place, base, guess=not constraint)
    elif (found := _find_local(head, place, base)) is not None:
        path, extras = found
        requirement = _local(path, extras, place, base, guess=not constraint)
    else:
        requirement = _parsed(head, marker, place, base, alone=not constraint)
    if marker:
        requirement.marker = _marker(marker, place, offset=text.index(";") + 1)
    if constraint and requirement.extras:
        raise place.error("a constraint can't have extras", hint="state the extras in a requirement")
    return settle(requirement, place=place, base=base, alone=not constraint)


def read_editable(text: str, *, place: Place, base: links.Base) -> DirectRequirement:
    """Read what `-e` names: a repository, or a folder, which is then locked as an ordinary one.

    Raises:
        InvalidRequirements: It is neither, or no name can be known for it.
    """
    return settle(_editable(text.strip(), place, base), place=place, base=base, folder=_EDITABLE_FOLDER, alone=True)


def read_named(text: str, *, place: Place, base: links.Base) -> DirectRequirement:
    """Read a requirement that must be PEP 508, as in `pyproject.toml`.

    Raises:
        InvalidRequirements: It is none.
    """
    try:
        requirement = _strict(text, place)
    except InvalidRequirements as error:
        error.hint = mistaken(text, "", place, base, alone=False) or error.hint
        raise
    return settle(requirement, place=place, base=base)


def settle(
    requirement: Requirement, *, place: Place, base: links.Base, folder: str = _FOLDER, alone: bool = False
) -> DirectRequirement:
    """Make a requirement fit to be stored: no credentials in its URL, paths from the project's folder.

    Args:
        requirement: It, which is changed.
        place: Where it stands.
        base: What local paths count from.
        folder: The note on a folder.
        alone: A path may stand there without a name.

    Raises:
        InvalidRequirements: The URL is unusable, or a secret would stay in it.
    """
    try:
        Target("3.12").holds(requirement.marker)
    except (ValueError, KeyError) as error:  # where it compares as versions what is none
        raise _refused("environment marker", place, ValueError(str(error))) from error
    if requirement.url is None:
        return DirectRequirement(requirement=requirement, origins=(place.origin,))
    try:
        link = Link.parse(requirement.url)
    except LinkError as error:
        error.hint = _form_of_path(requirement, place, base, error, alone=alone)
        raise _refused_link(place, requirement.url, error) from error
    requirement.url = base.stored(link)
    secret = secret_parameter(link.address)
    if secret is not None:
        hint = f"{_CREDENTIALS}; or download the file and require it by its path"
        raise place.error(f"the value of `{secret}` in the URL would be written into the lock", hint=hint)
    notes = [*_expanded_notes(requirement.url, place)]
    if link.public != link.address:
        notes.append(place.note("the credentials in the URL are left out; zlock takes them from netrc or the keyring"))
    if link.is_local and base.find(link.path).is_dir():
        notes.append(place.note(folder))
    strong = sorted(f"{algorithm}:{digest}" for algorithm, digest in link.hashes if algorithm in STRONG)
    return DirectRequirement(
        requirement=requirement, origins=(place.origin,), hashes=tuple(strong[:1]), notes=tuple(notes)
    )


def _split_marker(text: str) -> tuple[str, str]:
    """Split at the first semicolon; in a bare URL only one before white space ends it."""
    head, _, marker = text.partition("; " if is_link(text) else ";")
    return head.strip(), marker.strip()


def _parsed_link(url: str, place: Place) -> Link:
    try:
        return Link.parse(url)
    except LinkError as error:
        raise _refused_link(place, url, error) from error


def _refused_link(place: Place, url: str, error: LinkError) -> InvalidRequirements:
    return place.error(f"the URL {place.quoted(url)} can't be used: {error}", hint=error.hint)


def _form_of_path(requirement: Requirement, place: Place, base: links.Base, error: LinkError, *, alone: bool) -> str:
    """Return the way out for a URL that can't be used: where it is a path, the form in which that works."""
    if not error.path:
        return error.hint
    if place.values:
        return f"{error.hint}, or a path alone, without `name @`" if alone else error.hint
    path, _, marker = error.path.partition(";")  # without a space before it, it was read as part of the URL
    found = base.find(path)
    alone = alone and (not found.is_dir() or links.folder_name(found) is not None)
    marker = str(requirement.marker or marker.strip())
    form = misstated.by_path(requirement.name, requirement.extras, path, marker, alone=alone)
    is_path = path.startswith((".", "/", "~")) or found.exists()
    return f"write `{form}`" if is_path else f"{error.hint}, or `{form}` for a path"


def _expanded_notes(url: str, place: Place) -> list[str]:
    """Say which variables end up in the lock; one that is named like a secret must not.

    Raises:
        InvalidRequirements: A secret would be written into the lock.
    """
    kept = [name for name, value in place.values.items() if value in url]
    for name in kept:
        if _SECRET_NAME.search(name):
            raise place.error(f"the value of `${{{name}}}` would be written into the lock", hint=_CREDENTIALS)
    return [place.note(f"the value of `${{{name}}}` is part of the URL in the lock") for name in kept]


def _link(link: Link, extras: str, place: Place, base: links.Base, *, guess: bool = True) -> Requirement:
    """Name a URL: a `file:` URL without an egg by what is there, any other by itself.

    Raises:
        InvalidRequirements: No name can be known.
    """
    if link.is_local and not link.egg and base.find(link.path).is_dir():
        return _local(link.path, extras, place, base, guess=guess)
    return _named(link, extras, place, guess=guess)


def _named(link: Link, extras: str, place: Place, *, guess: bool = True) -> Requirement:
    """Name a bare URL: a wheel by its file name, else by its egg, else an sdist by its file name.

    `guess=False` leaves the last out: pip takes no constraint that it can't name itself.
    """
    name = link.name or (guess and link.sdist_name)
    if not name:
        hint = _SAY_THE_NAME if place.values else f"say the name: `name @ {links.redacted(link.url)}`"
        raise place.error(f"no name can be known for {place.quoted(link.url)}", hint=hint)
    return _direct(name, extras, link.url, place)


def _find_local(head: str, place: Place, base: links.Base) -> tuple[str, str] | None:
    """Find the folder or archive that a requirement is, if pip would take it for one.

    Raises:
        InvalidRequirements: The folder is not a project, or the archive is missing.
    """
    bare, extras = links.split_extras(head)
    if not links.looks_like_path(head) and not links.is_archive(bare):
        return None
    path = base.find(bare)
    if links.looks_like_path(head) and os.path.isdir(path):  # noqa: PTH112 - it swallows odd paths
        return bare, extras
    if not links.is_archive(bare):
        return None
    if os.path.isfile(path):  # noqa: PTH113 - it swallows odd paths
        return bare, extras
    before, at, _ = head.partition("@")
    if at and not links.looks_like_path(before):
        return None
    raise _missing(head, place, base)


def _local(path: str, extras: str, place: Place, base: links.Base, *, guess: bool = True) -> Requirement:
    """Name a local folder or archive."""
    folder, url = base.find(path), file_url(path)
    if not folder.is_dir():
        return _named(_parsed_link(url, place), extras, place, guess=guess)
    if not links.is_project(folder):
        raise place.error(
            f"the folder {place.quoted(path)} holds no `pyproject.toml` or `setup.py`",
            hint="name the folder of a Python project",
        )
    name = links.folder_name(folder) if guess else None
    if name is None:
        hint = f"say the name: `name @ {url}`" if not place.values else _SAY_THE_NAME
        raise place.error(f"no name can be known for the folder of {place.quoted(place.written)}", hint=hint)
    return _direct(name, extras, url, place)


def _direct(name: str, extras: str, url: str, place: Place) -> Requirement:
    return _strict(f"{name}{extras} @ {url}", place)


def _parsed(head: str, marker: str, place: Place, base: links.Base, *, alone: bool) -> Requirement:
    """Parse PEP 508, with a hint for what people mistake for it."""
    try:
        requirement = _strict(head, place)
    except InvalidRequirements as error:
        error.hint = mistaken(head, marker, place, base, alone=alone)
        raise
    if str(requirement) == head and head.endswith((".txt", ".in", ".toml")) and base.find(head).is_file():
        is_list = not place.origin.file or place.origin.file.endswith((".py", ".toml"))
        hint = f"give its path in place of the list: `{head}`" if is_list else f"include it with `-r {head}`"
        raise place.error(f"{place.quoted(head)} is a file, not a requirement", hint=hint)
    return requirement


def _strict(text: str, place: Place) -> Requirement:
    try:
        return parsed(text)
    except ValueError as error:
        raise _refused("requirement", place, error) from error


def _marker(text: str, place: Place, *, offset: int) -> Marker:
    try:
        return Marker(readable(text))
    except ValueError as error:
        raise _refused("environment marker", place, error, offset=offset + 1) from error


def _refused(what: str, place: Place, error: ValueError, *, offset: int = 0) -> InvalidRequirements:
    """Say what packaging says, with the caret as a column; nothing of it where it could tell a variable's value."""
    first, *more = str(error).splitlines()
    column = more[-1].find("^") - 3 + offset if more else 0
    detail = f"column {column}: {links.redacted(first)}" if column > 0 else links.redacted(first)
    details = (f"the values of {', '.join(f'`{name}`' for name in place.values)} are not shown",)
    message = f"`{place.shown}` is not a valid {what}" if what == "requirement" else f"its {what} is invalid"
    return place.error(message, *(details if place.values else (detail,)), hint="correct that line")


def _meant(text: str, *, alone: bool) -> str:
    if form := misstated.meant(text, alone=alone):
        return f"`{links.redacted(form)}`"
    return "each requirement on its own line" if len(requirements_in(text)) > 1 else ""


def mistaken(head: str, marker: str, place: Place, base: links.Base, *, alone: bool) -> str:
    """Guess what an invalid requirement was meant to be."""
    if not place.values and (form := _meant(f"{head} ; {marker}" if marker else head, alone=alone)):
        return f"write {form}"
    if re.match(r"(git\+)?[\w.-]+@[\w.-]+:", head):
        return "write `name @ git+ssh://git@host/path`, with a slash after the host"
    if head.startswith(tuple(f"{vcs}+" for vcs in VCS)) or "://" in head:
        return "write `name @ URL`"
    if links.looks_like_path(head):
        missing = f"if it is a path: there is no such folder or archive, seen from `{base.folder}`"
        return (not alone and _named_path(head, place, base)) or missing
    if re.search(r"(?<![=<>~!])=(?!=)", head):
        return "`==` compares versions, `=` does not"
    return ""


def _named_path(text: str, place: Place, base: links.Base) -> str:
    """Return the form that a path alone has where only PEP 508 may stand; empty where nothing is there."""
    head, _, marker = text.partition(";")
    path, extras = links.split_extras(head.strip())
    found = base.find(path)
    if place.values or not found.exists():
        return ""
    name = links.folder_name(found)
    with contextlib.suppress(LinkError):
        link = Link.parse(file_url(path))
        name = name or link.name or link.sdist_name
    form = misstated.by_path(name or "name", extras.strip("[]").split(","), path, marker.strip(), alone=False)
    return f"write `{form}`"


def _missing(head: str, place: Place, base: links.Base) -> InvalidRequirements:
    """Say that an archive or folder is missing, and where it would be if paths counted from the file itself."""
    hint = f"paths count from `{base.folder}`, as pip run there reads them"
    beside = (base.folder / place.origin.file).parent if place.origin.file else base.folder
    if not place.values and (beside / links.split_extras(head)[0]).exists():
        hint += f": write `./{Path(os.path.relpath(beside / head, base.folder)).as_posix()}`"
    return place.error(f"there is no {place.quoted(head)}", hint=hint)


def _editable(text: str, place: Place, base: links.Base) -> Requirement:
    """Read the operand of `-e` into a requirement with a URL.

    Raises:
        InvalidRequirements: It is not a repository and no folder.
    """
    try:
        requirement = parsed(text)
    except InvalidRequirement:
        pass
    else:
        if requirement.url:
            return requirement
    bare, extras = links.split_extras(text)
    if os.path.isdir(base.find(bare)):  # noqa: PTH112 - it swallows odd paths
        return _local(bare, extras, place, base)
    return _editable_link(text, place, base)


def _editable_path(place: Place) -> str:
    """Return the form that works for `-e name @ path`, of which pip takes the first word alone."""
    written = re.sub(r"^(-e|--editable)[\s=]*", "", place.written)
    form = "" if place.values else links.redacted(misstated.meant(written, alone=True))
    return f"write `{form if ';' in form else f'-e {form}'}`" if form else ""


def _editable_link(text: str, place: Place, base: links.Base) -> Requirement:
    bare, extras = links.split_extras(text)
    if bare.lower().startswith("file:"):
        return _link(_parsed_link(bare, place), extras, place, base)
    prefix = next((vcs for vcs in VCS if text.lower().startswith(f"{vcs}:")), None)
    url = f"{prefix}+{text}" if prefix else text
    if not is_repository(url):
        hint = (
            _editable_path(place)
            or mistaken(text, "", place, base, alone=True)
            or "`-e` takes a folder of this machine, or a URL such as `git+https://...`"
        )
        raise place.error(f"{place.quoted(text)} can't be an editable requirement", hint=hint)
    return _named(_parsed_link(url, place), "", place)

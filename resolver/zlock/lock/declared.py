"""What `declared` is: the files that ask and what each says, so that a build can compare them without running any."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from zlock.errors import InvalidInput
from zlock.lock.facts import DeclaredFile, Facts
from zlock.lock.question import digest_of
from zlock.model.digest import digest_of_bytes
from zlock.model.form import plain
from zlock.model.paths import real
from zlock.model.plain import at, table
from zlock.model.toml import parse_toml
from zlock.regular import NotRegular, read_regular

# Where tools say that dependencies come from, see `zlock.pyproject`.
_SOURCE_KEYS = (
    ("tool", "uv", "sources"),
    ("tool", "uv", "workspace"),
    ("tool", "uv", "index"),
    ("tool", "hatch", "sources"),
    ("tool", "poetry", "dependencies"),
    ("tool", "poetry", "group"),
    ("tool", "poetry", "source"),
    ("tool", "pdm", "source"),
)
_OWN = 2  # where zlock's own table is in what a `pyproject.toml` asks
_PROJECT_KEYS = ("name", "dependencies", "optional-dependencies", "dynamic")


class AskingFiles:
    """The files of a project that ask, each read once in a run.

    Args:
        project: The project folder.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._root = real(project)
        self._read: Callable[[Path], _Read | None] = cache(self._find)

    def declared(self, files: Iterable[Path], step: str) -> tuple[DeclaredFile, ...]:
        """Return files by their place in the project, with what they say for a step, sorted.

        Where a file outside the project is, is the machine's affair.

        Args:
            files: The files.
            step: The name of the step's lock: what the configuration says of other steps does not count.

        Raises:
            InvalidInput: One is no regular file.
        """
        found = {one for file in files if (one := self._read(file))}
        return tuple(sorted(DeclaredFile(one.name, one.inside, _digest_of(one, step)) for one in found))

    def undeclared(self, facts: Facts, asking: Iterable[Path]) -> Iterator[str]:
        """Say which files no longer say what they said when a lock was written; nothing where all do.

        Files outside the project are not looked at: nobody can say where they are here.

        Args:
            facts: What the lock says.
            asking: Files that are known to ask now, whatever the lock says.
        """
        project, inside = self._project, {file.name: file for file in facts.declared_files if file.inside}
        places = dict.fromkeys([*(project / name for name in inside), *asking])
        now = {file.name: file for file in self.declared(places, facts.step) if file.inside}
        for name, file in inside.items():
            if name in now and now[name] != file and file.digest in _digests_of_earlier(project / name):
                now[name] = file
        outside = [file for file in facts.declared_files if not file.inside]
        if digest_of_files(sorted([*outside, *now.values()])) == facts.declared:
            return
        for name in sorted({*inside, *now}):
            if name not in now:
                is_linked = real(project / name) != self._root / name
                yield f"`{name}` is {'reached through a link' if is_linked else 'gone'}"
            elif name not in inside:
                yield f"`{name}` was not there"
            elif inside[name] != now[name]:
                yield f"`{name}` changed"

    def _find(self, file: Path) -> _Read | None:
        """Return a file as it is now; None for one that is not there, as who needs it reports that."""
        place = real(file)
        inside = place.is_relative_to(self._root)
        name = place.relative_to(self._root).as_posix() if inside else file.name
        try:
            return _Read(name, inside, place.name, _bytes_of(place))
        except NotRegular as error:
            hint = "remove it, or make `zlock resolve` write the lock that names it anew"
            raise InvalidInput(f"`{name}` is to ask for packages: {error.strerror}", hint=hint) from error
        except OSError:
            return None


class _Read(NamedTuple):
    """A file as it was read: its place, see `DeclaredFile`, the name that says how to read it, and its bytes."""

    name: str
    inside: bool
    called: str
    data: bytes


def digest_of_files(files: Iterable[DeclaredFile]) -> str:
    """Return `declared`: the digest of all that declared files say."""
    return digest_of(plain(list(files)))


def _bytes_of(file: Path) -> bytes:
    return read_regular(file).replace(b"\r\n", b"\n")


def _digest_of(file: _Read, step: str) -> str:
    """Return the digest of what a file says for a step, see `_said`."""
    said, digest = _said(file.called, file.data)
    if file.called == "zlock.toml" and isinstance(said, Mapping):
        own: object = _of_step(said, step)
        return digest if own is said else digest_of(own)
    if file.called == "pyproject.toml" and isinstance(said, list) and isinstance(said[_OWN], Mapping):
        own = _of_step(said[_OWN], step)
        return digest if own is said[_OWN] else digest_of([*said[:_OWN], own, *said[_OWN + 1 :]])
    return digest


def _of_step(table: Mapping[str, object], step: str) -> Mapping[str, object]:
    """Return a configuration without the tables of other steps; itself where there are none.

    The lock of a step may have the name of its pipeline in front, which nothing tells from the rest of a name.
    """
    steps = table.get("steps")
    if not isinstance(steps, Mapping):
        return table
    parts = step.split("-")
    names = ["-".join(parts[at:]) for at in range(len(parts))]
    own = {name: steps[name] for name in names if name in steps}
    if len(own) == len(steps):
        return table
    return {key: own if key == "steps" else value for key, value in table.items() if key != "steps" or own}


@lru_cache(64)  # steps share most of the files
def _said(name: str, data: bytes) -> tuple[object, str]:
    """Return what a file says, and its digest: line ends, comments and blank lines don't count.

    A `pyproject.toml` counts with what it asks: a new version number or a linter's settings outdate nothing. Python
    source counts without the bodies of steps. What can't be read so counts by its bytes, and says nothing.
    """
    with contextlib.suppress(SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        said = _read(name, data)
        return said, digest_of(said)
    return None, digest_of_bytes(data)


def _read(name: str, data: bytes) -> object:
    if name.endswith(".toml"):
        table = parse_toml(data.decode())
        return _asked(table) if name == "pyproject.toml" else table
    if name.endswith(".py"):
        return _asked_by(data)
    from zlock.sources.lines import decode, iter_lines  # nor requirements files

    return [line.text for line in iter_lines(decode(data))]


def _asked_by(data: bytes) -> object:
    """Return what a Python file asks: its inline metadata (PEP 723), and its source where it has steps, too."""
    from zlock.lock.source import asking_source  # few runs have a pipeline file
    from zlock.pyproject.script import asked_in

    metadata = asked_in(data)
    if metadata is None:
        return asking_source(data)
    asked, is_all = metadata
    return [asked] if is_all else [asked, asking_source(data)]


def _digests_of_earlier(file: Path) -> Iterator[str]:
    """Yield what locks of earlier versions record: the bytes of every file, all of it that counts, source alone."""
    data = _bytes_of(file)
    yield digest_of_bytes(data)
    yield _said(file.name, data)[1]
    if file.suffix == ".py":
        from zlock.lock.source import asking_source

        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            yield digest_of(asking_source(data))


def _asked(document: Mapping[str, object]) -> list[object]:
    project, tool = document.get("project"), document.get("tool")
    asked = [
        {key: project[key] for key in _PROJECT_KEYS if key in project} if isinstance(project, Mapping) else project,
        document.get("dependency-groups"),
        tool.get("zlock") if isinstance(tool, Mapping) else tool,
    ]
    environments = table(document, "tool", "hatch", "envs")
    own = [("tool", "hatch", "envs", name, key) for name in environments for key in ("sources", "workspace")]
    places = [[".".join(keys), found] for keys in (*_SOURCE_KEYS, *own) if (found := at(document, *keys)) is not None]
    return [*asked, sorted(places)] if places else asked

"""What `declared` is: the files that ask and what each says, so that a build can compare them without running any."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

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
_PROJECT_KEYS = ("name", "dependencies", "optional-dependencies", "dynamic")


def declared_files(files: Iterable[Path], project: Path) -> tuple[DeclaredFile, ...]:
    """Return files by their place in the project, with what they say now, sorted.

    Where a file outside the project is, is the machine's affair.
    """
    root = real(project)
    found = set()
    for file in files:
        place = real(file)
        inside = place.is_relative_to(root)
        name = place.relative_to(root).as_posix() if inside else file.name
        try:
            found.add(DeclaredFile(name, inside, _digest_of(place.name, _bytes_of(place))))
        except NotRegular as error:
            hint = "remove it, or make `zlock resolve` write the lock that names it anew"
            raise InvalidInput(f"`{name}` is to ask for packages: {error.strerror}", hint=hint) from error
        except OSError:  # it was read before, or its absence is reported by who needs it
            continue
    return tuple(sorted(found))


def digest_of_files(files: Iterable[DeclaredFile]) -> str:
    """Return `declared`: the digest of all that declared files say."""
    return digest_of(plain(list(files)))


def undeclared(facts: Facts, project: Path, asking: Iterable[Path]) -> Iterator[str]:
    """Say which files no longer say what they said when a lock was written; nothing where all do.

    Files outside the project are not looked at: nobody can say where they are here.

    Args:
        facts: What the lock says.
        project: The project folder.
        asking: Files that are known to ask now, whatever the lock says.
    """
    inside = {file.name: file for file in facts.declared_files if file.inside}
    places = [project / name for name in inside]
    now = {file.name: file for file in declared_files([*places, *asking], project) if file.inside}
    for name, file in inside.items():
        if name in now and now[name] != file and file.digest in _digests_of_earlier(project / name):
            now[name] = file
    outside = [file for file in facts.declared_files if not file.inside]
    if digest_of_files(sorted([*outside, *now.values()])) == facts.declared:
        return
    for name in sorted({*inside, *now}):
        if name not in now:
            is_linked = real(project / name) != real(project) / name
            yield f"`{name}` is {'reached through a link' if is_linked else 'gone'}"
        elif name not in inside:
            yield f"`{name}` was not there"
        elif inside[name] != now[name]:
            yield f"`{name}` changed"


def _bytes_of(file: Path) -> bytes:
    return read_regular(file).replace(b"\r\n", b"\n")


@lru_cache(64)  # steps share most of the files
def _digest_of(name: str, data: bytes) -> str:
    """Return the digest of what a file says: line ends, comments and blank lines don't count.

    A `pyproject.toml` counts with what it asks: a new version number or a linter's settings outdate nothing. Python
    source counts without the bodies of steps. What can't be read so counts by its bytes.
    """
    with contextlib.suppress(SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        if name.endswith(".toml"):
            table = parse_toml(data.decode())
            return digest_of(_asked(table) if name == "pyproject.toml" else table)
        if name.endswith(".py"):
            return digest_of(_asked_by(data))
        from zlock.sources.lines import decode, iter_lines  # nor requirements files

        return digest_of([line.text for line in iter_lines(decode(data))])
    return digest_of_bytes(data)


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
    """Yield what locks of earlier versions record: the bytes of every file, Python source without its metadata."""
    data = _bytes_of(file)
    yield digest_of_bytes(data)
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

"""What lies below and above all wheels: the environment, what was locked, the folder in which a container runs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from zlock.image.layers.entry import Entry
from zlock.image.layers.packing import Wheel
from zlock.image.layers.parent import ParentFacts
from zlock.image.layers.wheel import Environment
from zlock.image.plan import Program
from zlock.image.reading.installed import COMPILED_BY
from zlock.lock.toml import section
from zlock.model.image import FOLDER, WORKING_FOLDER


def environment_entries(environment: Environment, facts: ParentFacts, compiled_by: str) -> list[Entry]:
    """Return an environment without packages, as `python3 -m venv --without-pip` makes it (PEP 405).

    What only an interactive shell needs, the scripts to activate it, is left out.

    Args:
        environment: Where it is.
        facts: The parent, whose interpreter it has.
        compiled_by: The full version of the Python that compiles modules; empty where none is compiled.
    """
    venv = environment.venv[1:]
    settings = {
        "home": posixpath.dirname(facts.interpreter),
        "include-system-site-packages": "false",
        "version": facts.python,
        "executable": facts.real,
        "command": f"{facts.interpreter} -m venv --without-pip {environment.venv}",
        **({COMPILED_BY: compiled_by} if compiled_by not in ("", facts.python) else {}),
    }
    text = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return [
        Entry.file(f"{venv}/pyvenv.cfg", text.encode()),
        Entry.link(f"{venv}/bin/python3", facts.interpreter),
        Entry.link(f"{venv}/bin/python", "python3"),
        Entry.link(f"{venv}/bin/python{environment.python}", "python3"),
        Entry.link(f"{venv}/lib64", "lib"),
        Entry.folder(f"{venv}/include/python{environment.python}"),
        Entry.folder(environment.site),
    ]


def locked_text(wheels: Sequence[Wheel]) -> str:
    """Return what an image says that was locked for it (PEP 751): names, versions and hashes only."""
    head = {"lock-version": "1.0", "created-by": "zlock", **({} if wheels else {"packages": ()})}
    packages = [
        {
            "name": one.name,
            "version": one.version,
            "wheels": [{"path": one.filename, "hashes": {"sha256": one.sha256}}],
        }
        for one in wheels
    ]
    return "\n".join([section("", head), *(section("[[packages]]", one) for one in packages)])


def settled_entries(locked: str, owner: tuple[int, int], *, is_there: bool, any_user: bool) -> list[Entry]:
    """Return what says what was locked, and the folder in which a container runs.

    Args:
        locked: See `locked_text`.
        owner: Whose that folder is, as numbers of a user and a group.
        is_there: Whether the base image has that folder, which then stays as it is, unless everybody may write there.
        any_user: Whether everybody may.
    """
    mode = 0o777 if any_user else 0o755
    folder = [] if is_there and not any_user else [Entry.folder(WORKING_FOLDER[1:], owner, mode=mode)]
    return [Entry.file(f"{FOLDER[1:]}/pylock.toml", locked.encode()), *folder]


def project_entries(
    project: Mapping[str, bytes], owner: str, numbers: tuple[int, int], *, any_user: bool
) -> list[Entry]:
    """Return the project's own files and their folders, in the folder in which a container runs.

    Args:
        project: The files, by their paths there.
        owner: Whose they are; one who names no group has the group of the same number, as builders copy.
        numbers: Those of the user and the group.
        any_user: Whether everybody may write them.
    """
    uid, gid = numbers
    both, more = (uid, gid if ":" in owner else uid), 0o222 if any_user else 0
    root = WORKING_FOLDER[1:]
    folders = {str(above) for path in project for above in PurePosixPath(path).parents} - {"."}
    return [
        Entry.folder(root, numbers, mode=0o755 | more),
        *(Entry.folder(f"{root}/{path}", both, mode=0o755 | more) for path in sorted(folders)),
        *(
            Entry.file(f"{root}/{path}", data, (0o755 if isinstance(data, Program) else 0o644) | more, both)
            for path, data in sorted(project.items())
        ),
    ]

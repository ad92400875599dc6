"""What git has of locks: those of a revision, and the sides of a conflict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zlock.errors import CommandFailed, InvalidInput
from zlock.lock.git import GitRepository
from zlock.lock.store import step_of
from zlock.model.paths import real
from zlock.process import CommandExited

HEAD = "HEAD"


def texts_at(revision: str, folder: Path) -> dict[str, str] | None:
    """Return the texts of a folder's locks at a revision, by file name; None where nothing is committed yet.

    Raises:
        InvalidInput: There is no such revision, or the folder is in no repository.
        CommandFailed: git is not there, or failed.
    """
    if revision.startswith("-") or not revision.isprintable() or not revision:
        raise InvalidInput(
            f"`{revision}` is not a revision", hint="name a branch, a tag, a commit, or a file or folder"
        )
    repository, inside = _place(folder)
    commit = _commit(revision, repository)
    if commit is None:
        return None
    listed = repository.git("ls-tree", "-z", "--name-only", commit, f"{inside}/" if inside != "." else "./")
    paths = [path for path in listed.split("\0") if path and step_of(Path(path).name)]
    return {Path(path).name: repository.git("cat-file", "blob", f"{commit}:{path}") for path in paths}


def stages_of(path: Path) -> tuple[str, str, str] | None:
    """Return base, ours and theirs of a file in conflict, whole; None where git has no such conflict.

    A side that has no such file is empty.
    """
    try:
        repository, folder = _place(path.parent)
        listed = repository.git("ls-files", "--unmerged", "-z", "--", f":(literal){folder}/{path.name}")
        found = {}
        for entry in filter(None, listed.split("\0")):
            _, blob, stage = entry.partition("\t")[0].split(" ")
            found[stage] = repository.git("cat-file", "blob", blob)
    except (InvalidInput, CommandFailed):
        return None
    return (found.get("1", ""), found.get("2", ""), found.get("3", "")) if found else None


def untracked(files: Sequence[Path]) -> list[Path]:
    """Return which files of one folder git has in no index, and will not commit; all where there is no repository."""
    if not files:
        return []
    try:
        repository, folder = _place(files[0].parent)
    except InvalidInput:
        return list(files)
    listed = repository.git("ls-files", "-z", "--", *(f":(literal){folder}/{file.name}" for file in files))
    tracked = {path.rpartition("/")[2] for path in listed.split("\0")}
    return [file for file in files if file.name not in tracked]


def is_committed(folder: Path) -> bool:
    """Return whether a folder is in a repository that does not ignore it, so that git would commit what is in it."""
    try:
        repository, inside = _place(folder)
        repository.git("check-ignore", "--quiet", "--no-index", f"{inside}/")
    except CommandExited:
        return True
    except (InvalidInput, CommandFailed):  # no repository, or no git
        return False
    return False


def _place(folder: Path) -> tuple[GitRepository, str]:
    """Return the repository that a folder is in, and the folder's path from its top."""
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    try:
        repository = GitRepository.of(there)
    except CommandExited as error:
        raise InvalidInput(
            f"`{folder.name}` is in no git repository",
            hint="compare with a file or folder of locks: `zlock diff FILE`",
        ) from error
    return repository, real(folder).relative_to(repository.top).as_posix()


def _commit(revision: str, repository: GitRepository) -> str | None:
    try:
        return repository.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except CommandExited as error:
        if revision == HEAD:
            return None  # a repository without a commit
        hint = "name a branch, a tag, a commit, or a file or folder of locks"
        if repository.git("rev-parse", "--is-shallow-repository").strip() == "true":
            hint = (
                "the clone is shallow: have CI fetch all of the history (`fetch-depth: 0`), or `git fetch` the revision"
            )
        raise InvalidInput(f"git has no revision `{revision}`", hint=hint) from error

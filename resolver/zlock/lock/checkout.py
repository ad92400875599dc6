"""What a merge that git is in the middle of will come to, as files in a folder of their own."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from zlock.errors import CommandFailed, NoAnswer
from zlock.lock.git import GitRepository
from zlock.model.paths import real
from zlock.process import CommandExited, run_command

MERGING = "ZLOCK_MERGING"
"""The environment variable that keeps the merge of a merge from merging once more."""

_HEADS = re.compile(r"GITHEAD_([0-9a-f]{40,64})")
_TIMEOUT = 60.0  # seconds to write a conflict
_LATER = "finish the merge, then run `zlock resolve`, which mends the lock"


@contextmanager
def merged_files(repository: GitRepository, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield a folder with the merged files of a repository, while git is merging.

    The files on disk are still those of our side, so what locks are made from has to be merged here. What git does not
    know, as an environment or a folder of wheels, is linked to.

    Raises:
        NoAnswer: It can't be told what is merged, as in a rebase.
        CommandFailed: git is too old for it, or failed.
    """
    heads = [match[1] for name in environ if (match := _HEADS.fullmatch(name))]
    if len(heads) != 1:
        raise NoAnswer("zlock can't tell which commits are being merged, as in a rebase", hint=_LATER)
    tree = _merged_tree(repository, heads[0])
    with TemporaryDirectory(prefix="zlock-merge-") as temporary:
        folder = real(Path(temporary)) / "files"
        variables = {"GIT_INDEX_FILE": f"{temporary}/index", "GIT_LFS_SKIP_SMUDGE": "1"}
        repository.git("read-tree", tree, **variables)
        repository.git("checkout-index", "--all", f"--prefix={folder}/", **variables)
        for path in filter(None, repository.git("ls-files", "--others", "--directory", "-z").split("\0")):
            _link(repository.top / path, folder / path.rstrip("/"))
        yield folder


def write_conflict(base: Path, ours: Path, theirs: Path) -> None:
    """Write both sides with conflict markers into ours, as git does without a driver."""
    labels = [part for name in ("ours", "base", "theirs") for part in ("-L", name)]
    files = [str(real(path)) for path in (ours, base, theirs)]
    with suppress(CommandExited):  # it ends with the number of conflicts
        run_command(["git", "merge-file", *labels, *files], cwd=Path.cwd(), timeout=_TIMEOUT)


def was_said(text: str) -> bool:
    """Return whether a text was asked about before while git makes the merge that it is in; from now on it was.

    git calls the driver for each lock on its own. Its lock of the index is there as long as it merges, and is another
    file in each merge. Where there is none, nothing was said.
    """
    try:
        repository = GitRepository.of(Path.cwd())
        printed = repository.git("rev-parse", "--git-path", "index.lock", "--git-path", "zlock-merge-driver")
        index, record = (repository.top / path for path in printed.splitlines())
        held = index.stat()
        merge = f"{held.st_ino} {held.st_ctime_ns}"
        said = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
        own = [line for line in said if line.startswith(f"{merge} ")]
        line = f"{merge} {hashlib.sha256(text.encode()).hexdigest()}"
        record.write_text("".join(f"{one}\n" for one in (*own, line)), encoding="utf-8")
    except (CommandFailed, OSError, ValueError):
        return False
    return line in own


def _merged_tree(repository: GitRepository, theirs: str) -> str:
    """Return the tree that merging a commit into ours comes to; files in conflict have markers in it."""
    # Other locks need not be merged to know what this one is made from: the documented driver is left out.
    command = ["-c", "merge.zlock.driver=false", "merge-tree", "--write-tree", "--no-messages", "HEAD", theirs]
    try:
        listed = repository.git(*command, **{MERGING: "1"})
    except CommandExited as error:
        if error.code != 1 or not error.completed.stdout:  # 1 says that there are conflicts
            raise CommandFailed(
                "this git can't merge into a tree; 2.38 or later can", context=error.context, hint=_LATER
            ) from error
        listed = error.completed.stdout
    return listed.partition("\n")[0]


def _link(source: Path, place: Path) -> None:
    if not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)

"""Git repositories that requirements name."""

from __future__ import annotations

import contextlib
import copy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self, Unpack

from support.serve import Call, LoopbackServer, Reply
from support.wheels import SdistOptions, make_tree


class GitRepository:
    """A real repository with commits of fixed content."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")

    def copied(self, folder: Path) -> Self:
        """Return a copy of it in another folder; commits take longer than copying them."""
        copied = copy.copy(self)
        copied.folder = Path(shutil.copytree(self.folder, folder, symlinks=True))
        return copied

    @property
    def url(self) -> str:
        return f"git+{self.folder.as_uri()}"

    def git(self, *arguments: str) -> str:
        # Nothing in the background: a collection that a commit has begun keeps the next one from running.
        options = ("user.name=n", "user.email=n@example.com", "protocol.file.allow=always", "maintenance.auto=false")
        command = ["git", *(word for option in options for word in ("-c", option)), *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, version: str, at: str = ".", name: str = "a") -> str:
        """Commit a version of a project, with a backend that is quicker than the one where none is named."""
        return self.commit_tree(name, version, at)

    def commit_tree(self, name: str, version: str, at: str = ".", **options: Unpack[SdistOptions]) -> str:
        """Commit a project with a backend of its own and return the commit's id; the options are those of `Sdist`."""
        make_tree(self.folder / at, name, version, **options)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", version)
        return self.git("rev-parse", "HEAD")

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Serve it over HTTP, as plain files, and yield its URL."""
        with LoopbackServer(self._answer) as server:
            yield f"git+{server.root}/team/project.git"

    def _answer(self, call: Call) -> Reply:
        path = call.path.partition("?")[0].removeprefix("/team/project.git/")
        if path == "info/refs":
            self.git("update-server-info")
        file = self.folder / ".git" / path
        return Reply(body=file.read_bytes()) if file.is_file() else Reply(status=404)

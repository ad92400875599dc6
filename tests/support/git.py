"""Git repositories that requirements name."""

from __future__ import annotations

import subprocess
from pathlib import Path


class GitRepository:
    """A real repository with commits of fixed content."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        return f"git+{self.folder.as_uri()}"

    def git(self, *arguments: str) -> str:
        options = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "protocol.file.allow=always")
        command = ["git", *options, *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, version: str, at: str = ".", name: str = "a") -> str:
        tree = self.folder / at
        tree.mkdir(parents=True, exist_ok=True)
        text = f'[project]\nname = "{name}"\nversion = "{version}"\n'
        (tree / "pyproject.toml").write_text(text, encoding="utf-8")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", version)
        return self.git("rev-parse", "HEAD")

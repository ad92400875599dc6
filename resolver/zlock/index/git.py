"""Git repositories: cloned without a question to anyone, at the commit that a revision names."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from zlock.errors import CommandFailed, IndexFailed, InvalidRequirements
from zlock.index.auth import split_login
from zlock.index.sdist import child_environment
from zlock.process import CommandExited, CommandNotFound, run_command
from zlock.redact import redact

_TIMEOUT = 600.0  # seconds for one command
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_COMMIT = re.compile(r"[0-9a-fA-F]{4,64}")


def clone(url: str, revision: str, folder: Path) -> str:
    """Clone a repository into an empty folder, check a revision out, and return the full id of its commit.

    The whole history comes along, without the contents that no one asks for, as versions are often made from it.

    Args:
        url: With a scheme that git knows; may hold credentials.
        revision: A branch, tag, or full or short commit; empty for the default branch.
        folder: Where to; its parent holds nothing else.

    Raises:
        CommandFailed: There is no git.
        IndexFailed: The repository can't be had.
        InvalidRequirements: It does not know the revision.
    """
    credentials = folder.parent / "credentials"
    try:
        return _Repository(url, folder, credentials).check_out(revision)
    finally:
        credentials.unlink(missing_ok=True)  # what is built next must not find them


class _Repository:
    """One clone; credentials never stand in an argument or in its configuration."""

    def __init__(self, url: str, folder: Path, credentials: Path) -> None:
        parts = urlsplit(url)
        over_ssh = parts.scheme == "ssh"
        # Over ssh the user is the name of an account, such as `git`, and belongs to the address.
        self._url = redact(url) if over_ssh else split_login(url)[0]
        self._shown = redact(url)
        self._folder = folder
        self._environ = _environment(parts.scheme)
        login = None if over_ssh else split_login(url)[1]
        if login:
            self._lend(login, credentials)

    def check_out(self, revision: str) -> str:
        parent = self._folder.parent
        options = ("--quiet", "--no-checkout", "--template=", "--filter=blob:none")
        self._git("clone", *options, "--", self._url, str(self._folder), cwd=parent)
        commit = self._find(revision)
        self._git("checkout", "--quiet", "--detach", commit)
        if (self._folder / ".gitmodules").is_file():
            self._git("submodule", "update", "--init", "--recursive", "--quiet")
        return commit

    def _find(self, revision: str) -> str:
        for name in _readings(revision):
            commit = self._commit_of(name)
            if commit:
                return commit
        if revision.startswith("refs/") or _COMMIT.fullmatch(revision.lower()):
            # No branch or tag leads there, but many servers hand it out by its own name.
            try:
                self._git("fetch", "--quiet", "--", "origin", revision)
            except IndexFailed:
                pass
            else:
                return self._commit_of("FETCH_HEAD")
        if not revision:
            raise InvalidRequirements(
                f"the repository `{self._shown}` is empty", hint="commit something to it, or correct the URL"
            )
        raise InvalidRequirements(
            f"the repository `{self._shown}` has no branch, tag or commit `{revision}`",
            hint="correct the revision after the `@`; a short commit id must be unambiguous",
        )

    def _commit_of(self, name: str) -> str:
        try:
            found = self._run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
        except CommandExited:
            return ""
        return found if _COMMIT.fullmatch(found) else ""

    def _git(self, *arguments: str, cwd: Path | None = None) -> None:
        try:
            self._run(*arguments, cwd=cwd)
        except CommandNotFound as error:
            raise CommandFailed(f"`{self._shown}` needs git, which was not found", hint="install git") from error
        except CommandFailed as error:
            why = "" if isinstance(error, CommandExited) else f": no end within {_TIMEOUT:g} seconds"
            raise IndexFailed(
                f"git could not get `{self._shown}`{why}",
                context=error.context,
                hint="check the URL, and that git may read it here without asking for a password",
            ) from error

    def _run(self, *arguments: str, cwd: Path | None = None) -> str:
        folder = cwd or self._folder
        return run_command(["git", *arguments], cwd=folder, timeout=_TIMEOUT, environ=self._environ).stdout

    def _lend(self, login: tuple[str, str], file: Path) -> None:
        """Let git find a login for the host of the URL, and for no other, also where it redirects."""
        parts = urlsplit(self._url)
        user, password = (quote(part, safe="") for part in login)
        file.touch(mode=0o600)
        file.write_text(f"{parts.scheme}://{user}:{password}@{parts.netloc}\n", encoding="utf-8")
        # The empty value drops the machine's own helpers: they would keep the login for ever.
        count = int(self._environ.get("GIT_CONFIG_COUNT") or 0)
        self._environ["GIT_CONFIG_COUNT"] = str(count + 2)
        for number, value in enumerate(("", f"store --file={shlex.quote(str(file))}"), count):
            self._environ[f"GIT_CONFIG_KEY_{number}"] = "credential.helper"
            self._environ[f"GIT_CONFIG_VALUE_{number}"] = value


def _readings(revision: str) -> Sequence[str]:
    """Return what a revision may mean, a branch first, as pip has it."""
    if not revision:
        return ["HEAD"]
    named = [f"refs/remotes/origin/{revision}", f"refs/tags/{revision}"]
    return [*named, revision] if _SHORT_COMMIT.fullmatch(revision) else named


def _environment(scheme: str) -> dict[str, str]:
    """Return an environment in which git never asks, and follows submodules over known transports only."""
    transports = ["https", "http", "ssh"] + (["file"] if scheme == "file" else [])
    return child_environment(os.environ) | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
        "GIT_LFS_SKIP_SMUDGE": "1",  # big files say nothing about requirements
        "GIT_ALLOW_PROTOCOL": ":".join(transports),
    }

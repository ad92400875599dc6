"""What the clients of all engines have in common: how they are run, and what their failures mean."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from zlock.errors import CommandFailed, OutsideFailed
from zlock.image.builders.builder import AGAIN, Image, ImageBuildFailed, Recipe
from zlock.image.plan import KEY_LABEL
from zlock.image.reading.files import FolderFiles
from zlock.image.reading.sources import OpenImage, find_in_layout
from zlock.model import plain
from zlock.model.image import LAYOUT
from zlock.model.reference import is_digest
from zlock.process import CommandExited, CommandNotFound, CommandStopped, Watch, run_command
from zlock.redact import redact
from zlock.reporting import Line, News

_TAIL = 40
SECONDS = 3600.0
"""To take an image out."""
_TAG = "zlock"
_SECONDS = 60.0  # for a question that an engine answers from what it has
_ABSENT = re.compile(r"no such (image|object)|image not known|does not exist|identifier is not an image", re.IGNORECASE)
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_GONE = re.compile(
    r"cannot connect to the docker daemon|error during connect|connection refused|error reading from server|"
    r"rpc error: code = unavailable|broken pipe|connection reset by peer|server did not provide an image id",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"server gave HTTP response to HTTPS client", re.IGNORECASE)
# What a check of zlock's says: what is wrong, and the way out.
_OWN = re.compile(r"^(?:#\d+ [\d.]+ )?zlock: (?P<text>[^:]+): (?P<hint>.+)$")
_INSECURE = (
    "allow plain HTTP for it: `insecure = true` in `registries.conf` (Podman, Buildah), "
    "`insecure-registries` in `daemon.json` (Docker)"
)


def _never(_line: str) -> bool:
    return False


def image_in(found: object, engine: str, number: Sequence[str | int], labels: Sequence[str | int]) -> Image:
    """Return the image that an engine's answer tells of.

    Args:
        found: The answer, as JSON has it.
        engine: Whose it is.
        number: Where in it the image's id is, see `plain.at`.
        labels: Where its labels are.

    Raises:
        OutsideFailed: It has no id there.
    """
    digest = f"sha256:{str(plain.at(found, *number)).removeprefix('sha256:')}"
    if not is_digest(digest):
        raise OutsideFailed(f"{engine} does not say which image it has", hint="choose another builder, or update it")
    return Image(digest=digest, key=plain.texts(found, *labels).get(KEY_LABEL, ""), place=engine)


def answer_of(run: Callable[[Path], object]) -> str:
    """Return what a command writes into the file that it is to write to; empty where it writes nothing."""
    with tempfile.TemporaryDirectory(prefix="zlock-") as folder:
        written = Path(folder) / "answer"
        run(written)
        return written.read_text(encoding="utf-8").strip() if written.is_file() else ""


class Client:
    """The command line of one engine.

    Attributes:
        program: The client's program.
        environ: The environment that it runs in.
    """

    def __init__(self, program: str, environ: Mapping[str, str]) -> None:
        self.program = program
        self.environ = environ

    def ask(self, *arguments: str, timeout: float = _SECONDS) -> str:
        """Run a short command and return what it prints.

        Raises:
            CommandFailed: It failed.
        """
        argv = [self.program, *arguments]
        return run_command(argv, cwd=Path.cwd(), timeout=timeout, environ=self.environ).stdout

    def inspect(self, reference: str) -> object:
        """Return what the engine says of the image under a name, as JSON has it; None where nothing is.

        Raises:
            CommandFailed: It can't be told.
        """
        try:
            return json.loads(self.ask("inspect", "--type", "image", reference))
        except CommandExited as error:
            if _ABSENT.search(error.completed.stderr):
                return None
            raise

    def trouble(self, *arguments: str) -> str:
        """Return why the engine does not answer a question, or empty."""
        try:
            self.ask(*arguments)
        except CommandNotFound as error:
            return error.message
        except CommandFailed as error:
            return error.context[-1] if error.context else error.message
        return ""

    def build(
        self, arguments: Sequence[str], recipe: Recipe, watch: Watch, is_hidden: Callable[[str], bool] = _never
    ) -> list[str]:
        """Run a build and return its log, without the lines that are hidden.

        Raises:
            ImageBuildFailed: It failed; the end of its log is the context.
        """
        failure = f"{self.program} could not build `{recipe.reference}`"
        return self._follow(arguments, watch, ImageBuildFailed, failure, is_hidden)

    def push(self, arguments: Sequence[str], reference: str, watch: Watch) -> None:
        """Run a push.

        Raises:
            OutsideFailed: It failed.
        """
        self._follow(arguments, watch, OutsideFailed, f"{self.program} could not push `{reference}`")

    def load(self, arguments: Sequence[str], reference: str, watch: Watch) -> None:
        """Run what takes an image out of an archive.

        Raises:
            OutsideFailed: It failed.
        """
        self._follow(arguments, watch, OutsideFailed, f"{self.program} could not load `{reference}`")

    def _follow(
        self,
        arguments: Sequence[str],
        watch: Watch,
        kind: type[OutsideFailed],
        what: str,
        is_hidden: Callable[[str], bool] = _never,
    ) -> list[str]:
        """Run a long command and return its log: what both streams say, in the order in which it came."""
        log: list[str] = []

        def hear(news: News) -> None:
            if isinstance(news, Line) and not is_hidden(news.text):
                log.append(redact(news.text))
                watch.reporter(news)

        following = replace(watch, reporter=hear)
        argv = [self.program, *arguments]
        try:
            run_command(argv, cwd=Path.cwd(), timeout=math.inf, environ=self.environ, watch=following)
        except CommandStopped:
            raise
        except CommandExited as error:
            raise _explained(kind, what, log or list(error.context)) from None
        except CommandFailed as error:
            raise kind(what, context=[error.message, *error.context], hint=error.hint) from None
        return log


class Engine:
    """An engine that keeps images, through the command line of its client; see `Builder`.

    Attributes:
        loading: What takes an image out of the archive whose path is put in.
        number: Where in what it says of an image the image's id is, see `plain.at`.
        labels: Where the image's labels are.
    """

    name: str
    stores = True
    loading: tuple[str, ...]
    number: tuple[str | int, ...] = (0, "Id")
    labels: tuple[str | int, ...] = (0, "Config", "Labels")

    def __init__(self, environ: Mapping[str, str], network: str = "") -> None:
        self._client = Client(self.name, environ)
        self._network = network

    def find(self, reference: str) -> Image | None:
        """Return what the store has under a name, or None."""
        found = self._client.inspect(reference)
        return None if found is None else image_in(found, self.name, self.number, self.labels)

    def load(self, archive: Path, reference: str, watch: Watch) -> Image:
        """Take an image out of an archive."""
        self._client.load([word.format(archive) for word in self.loading], reference, watch)
        return self._kept(reference, "loaded")

    def take_out(self, reference: str, platform: str, folder: Path) -> OpenImage | None:
        """Return the image that the store has under a reference."""
        try:
            if self._client.inspect(reference) is None:
                return None
        except CommandExited as error:
            what, hint = f"{self.name}'s store can't be looked into", f"see what `{self.name} info` says"
            raise CommandFailed(what, context=error.context, hint=hint) from error
        return self._taken_out(reference, platform, folder)

    def _taken_out(self, reference: str, platform: str, folder: Path) -> OpenImage | None:
        layout = folder / "layout"
        self._client.ask("push", "--quiet", reference, f"{LAYOUT}{layout}:{_TAG}", timeout=SECONDS)
        return find_in_layout(FolderFiles(layout), reference, _TAG, platform)

    def _kept(self, reference: str, done: str) -> Image:
        """Return what has just been made under a name."""
        found = self.find(reference)
        if found is None:
            raise OutsideFailed(f"{self.name} {done} `{reference}` and does not have it", hint=AGAIN)
        return replace(found, built=True)

    def _building(self, recipe: Recipe, *own: str) -> list[str]:
        """Return the arguments of a build, what only this engine has first."""
        return [
            *own,
            *("--platform", recipe.platform),
            *(("--network", self._network) if self._network else ()),
            *(("--no-cache",) if recipe.fresh else ()),
            *(word for name, value in recipe.labels.items() for word in ("--label", f"{name}={value}")),
            *(word for name, file in recipe.secrets.items() for word in ("--secret", f"id={name},src={file}")),
            *("--tag", recipe.reference, "--file", str(recipe.dockerfile), str(recipe.folder)),
        ]


def _explained(kind: type[OutsideFailed], what: str, log: Sequence[str]) -> OutsideFailed:
    """Return the error that a log tells of."""
    lines = [line for line in log if line.strip()][-_TAIL:]
    own = [found for line in lines if (found := _OWN.match(line))]
    if own:  # the Dockerfile has a check of zlock's, and it failed
        return kind(f"{what}: {own[-1]['text']}", context=lines, hint=own[-1]["hint"])
    text = "\n".join(lines)
    if _FULL.search(text):
        return kind(
            f"{what}: the disk is full", context=lines, hint="free some space where the engine keeps its images"
        )
    if _PLAIN.search(text):
        return kind(f"{what}: the registry answers without TLS", context=lines, hint=_INSECURE)
    if _GONE.search(text):
        return kind(f"{what}: the connection broke", context=lines, hint="see whether the engine and the registry run")
    return kind(what, context=lines, hint="the end of the log is above")

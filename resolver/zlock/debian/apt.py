"""The machine's own apt, asked for what it would install on a base image: in a folder, without root, nothing installed.

Of the machine's configuration only the way to the network counts (proxies, certificates, logins); sources, keys, pins
and what is installed are the base image's. Signatures are checked by apt, as it does everywhere.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from zlock.debian.base import Base
from zlock.errors import CommandFailed, NoAnswer, OutsideFailed
from zlock.model.debian import DebianPackage, architectures_of
from zlock.process import CommandExited, exit_of, printed_by, run_command
from zlock.redact import redact

_UPDATE, _ASK, _FACT = 600.0, 120.0, 10.0  # seconds: to fetch indexes, to ask apt, to ask for a fact
_LARGEST = 1 << 30  # bytes of a file that apt writes: what an archive has compressed may unpack to any number
_LONGEST = 1 << 20  # bytes of what a package says of itself
_BOUNDED = ("prlimit", f"--fsize={_LARGEST}", "--")  # of util-linux, which each Debian has
_ANY = frozenset({"all", "any", "native"})  # words of apt-get(8) for an architecture
_SHOWN = 12  # lines of apt's
_NETWORK = re.compile(r"Acquire::https?::")
_KEYS = re.compile(r"NO_PUBKEY|EXPKEYSIG|KEYEXPIRED|REVKEYSIG|BADSIG|is not signed|Missing key|not live until")
_GONE = re.compile(r"\b404\b|does not have a Release file|invalid since")


class Apt:
    """apt on what a base image says.

    Args:
        base: The base image.
        folder: Where apt keeps its indexes; the caller sees to it that one run at a time does.
        environ: The environment variables.

    Raises:
        CommandFailed: This machine has no apt.
    """

    def __init__(self, base: Base, folder: Path, environ: Mapping[str, str]) -> None:
        self._base = base
        self._folder = folder
        self._environ = environ
        self._pool = folder / "sources.list.d" / "pool.sources"
        if shutil.which("apt-get", path=environ.get("PATH")) is None:
            raise CommandFailed(
                "this machine has no apt, which chooses the versions of Debian packages",
                hint="run this on Debian or Ubuntu, in a container of one or in CI; or leave Debian packages unlocked "
                "with `--no-apt`",
            )

    def update(self, *, offline: bool = False) -> None:
        """Fetch the indexes of the base image's archives, as far as they have changed; offline those of the pool alone.

        Raises:
            OutsideFailed: An archive does not answer, or has something that no key of the base image has signed.
        """
        pool = (f"Dir::Etc::sourcelist={self._pool}", "Dir::Etc::sourceparts=/dev/null", "APT::Get::List-Cleanup=false")
        options = [word for one in pool if offline for word in ("-o", one)]
        try:
            self._run("apt-get", "update", "-q", *options, timeout=_UPDATE)
        except CommandExited as error:
            shutil.rmtree(self._folder / "lists" / "partial", ignore_errors=True)  # what was begun may be large
            raise self._no_indexes(_said(error)) from error

    def offer(self, pool: Mapping[DebianPackage, Path]) -> None:
        """Have apt know packages whose files are on this machine as well, from the next update on.

        Args:
            pool: The packages, each with its file, whose hash was checked.

        Raises:
            CommandFailed: dpkg-deb can't read a file; then nothing is offered.
        """
        place = self._folder / "pool"
        place.mkdir(parents=True, exist_ok=True)
        (place / "Packages").write_text("".join(f"{self._control(*one)}\n" for one in pool.items()), encoding="utf-8")
        self._pool.parent.mkdir(exist_ok=True)
        # Its content is what a lock holds, by hash.
        text = f"Types: deb\nURIs: {place.as_uri()}\nSuites: ./\nTrusted: yes\n" if pool else ""
        self._pool.write_text(text, encoding="utf-8")

    def _control(self, deb: DebianPackage, file: Path) -> str:
        """Return a package as an index has it."""
        argv = [*_BOUNDED, "dpkg-deb", "--field", str(file)]
        try:
            with tempfile.TemporaryDirectory(prefix="zlock-deb-") as own:  # left where it is killed
                environ = {**self._environ, "TMPDIR": own}
                done = run_command(argv, cwd=self._folder, timeout=_FACT, limit=_LONGEST, environ=environ)
        except CommandFailed as error:
            raise CommandFailed(
                f"the Debian package `{file}` can't be read",
                context=[error.message, *error.context],
                hint="its archive has it like that: take what the archives have now, with `--upgrade-apt`",
            ) from error
        control = done.stdout
        return f"{control.strip()}\nFilename: ./{deb.filename}\nSize: {deb.size}\nSHA256: {deb.sha256}\n"

    def uris(self, names: Sequence[str], preferences: str) -> str:
        """Return what `apt-get install --print-uris` says of the packages that are missing for these.

        Args:
            names: Packages, as apt-get(8) takes them.
            preferences: What is preferred, see apt_preferences(5).

        Raises:
            NoAnswer: They can't be installed there.
        """
        parts = self._folder / "preferences.d"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
        for number, place in enumerate(sorted((self._base.root / "etc/apt/preferences.d").glob("*"))):
            if place.suffix in ("", ".pref"):
                (parts / f"{number:03}.pref").write_bytes(place.read_bytes())
        (parts / "zlock.pref").write_text(preferences, encoding="utf-8")
        try:
            return self._run("apt-get", "install", "--print-uris", "--yes", "-q", "--", *names)
        except CommandExited as error:
            raise self._no_answer(names, error) from error

    def show(self, packages: Sequence[str]) -> str:
        """Return what the indexes say of packages, `name:architecture=version` each."""
        return self._run("apt-cache", "show", "--", *packages) if packages else ""

    def madison(self, packages: Sequence[str]) -> str:
        """Return which version of packages is in which suite of which archive."""
        return self._run("apt-cache", "madison", "--", *packages) if packages else ""

    def _run(self, *argv: str, timeout: float = _ASK) -> str:
        with self._configured() as (environ, options):
            program, *arguments = argv
            asked = [*_BOUNDED, program, *options, *arguments]
            done = run_command(asked, cwd=self._folder, timeout=timeout, environ=environ)
            return done.stdout

    @contextmanager
    def _configured(self) -> Iterator[tuple[Mapping[str, str], Sequence[str]]]:
        """Give apt its folders; what the machine says of the network may hold passwords, and is gone afterwards."""
        for name in ("lists/partial", "cache/archives/partial", "sources.list.d", "preferences.d", "state"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        root = self._base.root
        sources = "".join(_rooted(source.rendered(), root) for source in self._base.sources)
        (self._folder / "sources.list.d" / "base.sources").write_text(sources, encoding="utf-8")
        places = {
            "Dir::State": self._folder / "state",
            "Dir::State::status": root / "var/lib/dpkg/status",
            "Dir::State::lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::sourceparts": self._folder / "sources.list.d",
            "Dir::Etc::preferences": root / "etc/apt/preferences",
            "Dir::Etc::preferencesparts": self._folder / "preferences.d",
            "Dir::Etc::trusted": root / "etc/apt/trusted.gpg",
            "Dir::Etc::trustedparts": root / "etc/apt/trusted.gpg.d",
            "APT::Architecture": self._base.architecture,
        }
        options = [word for name, value in places.items() for word in ("-o", f"{name}={value}")]
        for one in (self._base.architecture, *self._base.foreign):
            options += ["-o", f"APT::Architectures::={one}"]
        constant = Path(__file__).with_name("apt.conf").read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="zlock-apt-") as folder:
            settings = Path(folder) / "apt.conf"
            settings.write_text(constant + "".join(self._of_machine()), encoding="utf-8")
            yield {**self._environ, "APT_CONFIG": str(settings), "LC_ALL": "C"}, options

    def _of_machine(self) -> Iterator[str]:
        """Yield what the machine says of the way to the network; its folder of logins stays where it is."""
        printed = printed_by(["apt-config", "dump"], environ=self._environ, timeout=_FACT)
        yield from (f"{line}\n" for line in printed.splitlines() if _NETWORK.match(line))

    # What went wrong

    def _no_indexes(self, said: Sequence[str]) -> OutsideFailed:
        text = "\n".join(said)
        hint = "run again later, see whether this machine reaches them, or ask whoever keeps them"
        if _KEYS.search(text):
            hint = (
                "the keys in the base image are missing or too old: name a newer one, or add the key where it is made"
            )
        elif _GONE.search(text):
            hint = "the archive has moved on: name a newer base image, or one whose sources are kept"
        return OutsideFailed(
            f"the Debian archives of the base image `{self._base.image}` can't be used", context=said, hint=hint
        )

    def _no_answer(self, names: Sequence[str], error: CommandExited) -> NoAnswer:
        image = self._base.image
        try:
            self._run("apt-get", "check", "-q")
        except CommandExited as broken:
            return NoAnswer(
                f"the Debian packages of the base image `{image}` are broken, so none can be added",
                context=_said(broken),
                hint="mend them where it is made (`apt-get --fix-broken install`), or name another one",
            )
        message = f"apt can't install {', '.join(f'`{name}`' for name in names)} on the base image `{image}`"
        own = (self._base.architecture, *self._base.foreign)
        if foreign := architectures_of(names) - {*own, *_ANY}:
            return NoAnswer(
                message,
                context=[
                    *_said(error),
                    f"it takes packages of {', '.join(own)}, and not of {', '.join(sorted(foreign))}",
                ],
                hint=f"leave the architecture out, or run `dpkg --add-architecture {min(foreign)}` where it is made",
            )
        return NoAnswer(
            message,
            context=_said(error),
            hint="correct names and versions; of a virtual package name a provider; for a held one, see "
            "`apt-mark showhold` there",
        )


def _said(error: CommandExited) -> list[str]:
    """Return what apt said of an error: its explanation, which it prints, and the errors."""
    explained = [
        line for line in error.completed.stdout.splitlines() if not re.match(r"Reading|Building|Hit:|Get:|Fetch", line)
    ]
    errors = [line for line in error.completed.stderr.splitlines() if line.startswith(("E:", "W:"))]
    lines = [redact(line).rstrip() for line in (*explained, *errors) if line.strip()]
    return list(dict.fromkeys(lines))[-_SHOWN:] or [f"apt ended with {exit_of(error.code)}"]


def _rooted(paragraph: str, root: Path) -> str:
    """Return a source whose keyring is the base image's own, and not one of this machine."""
    return re.sub(r"(?m)^signed-by: (?=/)(.*)$", lambda line: "signed-by: " + _all_rooted(line[1], root), paragraph)


def _all_rooted(paths: str, root: Path) -> str:
    return " ".join(f"{root}{path}" if path.startswith("/") else path for path in paths.split())

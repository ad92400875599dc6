"""How pip installs: the parent's, into an environment that has none (`--python`, pip 22.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from zlock.image.context.dockerfile import Command
from zlock.image.context.installation import HOUSE, REQUIREMENTS, Installation
from zlock.image.context.options import Options
from zlock.model.image import CACHE, FOLDER

QUIET = ("--disable-pip-version-check", "--no-input")
"""What each of its commands has."""
EPOCH = {"SOURCE_DATE_EPOCH": "315532800"}
"""The oldest time that build backends take: what is older than 1980 can't be in a zip."""


class Pip:
    """See `Way`."""

    options = Options.of("pip")
    offline: Mapping[str, str] = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": HOUSE}

    def index_variables(self, default: str | None, others: Sequence[str]) -> Mapping[str, str | None]:
        """Name them; plain HTTP is a matter of trust, which whoever configured the index has."""
        urls = [*([default] if default else []), *others]
        plain = sorted({urlsplit(url).netloc.rpartition("@")[2] for url in urls if urlsplit(url).scheme == "http"})
        return {
            "PIP_INDEX_URL": default,
            "PIP_EXTRA_INDEX_URL": " ".join(others),
            "PIP_TRUSTED_HOST": " ".join(plain),
        }

    def install(self, facts: Installation) -> Sequence[Command]:
        """Install each file at once."""
        return [
            pip_install(facts, *checked(file), *facts.options, "--requirement", f"{FOLDER}/{file}")
            for file in facts.files
        ]

    def run(self, facts: Installation, argv: tuple[str, ...]) -> Sequence[Command]:
        """Run it: the parent's pip is on its path."""
        return [Command(argv, pip_environ(facts))]


def pip_environ(facts: Installation) -> dict[str, str]:
    """Return the variables with which any call of the parent's pip installs into the environment."""
    place = {"PIP_PYTHON": facts.python} if facts.venv else {"PIP_BREAK_SYSTEM_PACKAGES": "1"}
    return {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1", **EPOCH, **place}


def pip_install(facts: Installation, *words: str, cache: tuple[str, ...] = ()) -> Command:
    """Return a call of the parent's pip that installs into the environment."""
    into = ("--python", facts.python) if facts.venv else ()
    environ = {} if facts.venv else {"PIP_BREAK_SYSTEM_PACKAGES": "1"}
    kept = cache or pip_cache(facts)
    return Command(
        ("python3", "-m", "pip", *into, "install", *QUIET, "--no-compile", *kept, "--no-deps", *words), environ
    )


def pip_cache(facts: Installation) -> tuple[str, ...]:
    """Return the options that say where its cache is."""
    return ("--cache-dir", f"{CACHE}/pip") if facts.cache else ("--no-cache-dir",)


def checked(file: str) -> tuple[str, ...]:
    """Return what has the hashes of a file's requirements enforced; repositories have none."""
    return ("--require-hashes",) if file == REQUIREMENTS else ()

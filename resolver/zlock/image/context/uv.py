"""How uv installs: it is fetched by the parent's pip with its hashes, used, and removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zlock.image.context.dockerfile import Action, Command, Shell
from zlock.image.context.installation import HOUSE, Installation, pin_of
from zlock.image.context.options import Options
from zlock.image.context.pip import QUIET, checked, pip_cache, pip_environ
from zlock.model.image import CACHE, FOLDER

_FOLDER = "/tmp/zlock-uv"  # noqa: S108 - of the image, gone at the end of the command


class Uv:
    """See `Way`."""

    options = Options.of("uv")
    offline: Mapping[str, str] = {"UV_OFFLINE": "1", "UV_FIND_LINKS": HOUSE}

    def index_variables(self, default: str | None, others: Sequence[str]) -> Mapping[str, str | None]:
        """Name them; it may ask all of them, as pip does."""
        strategy = "unsafe-best-match"
        return {"UV_DEFAULT_INDEX": default, "UV_INDEX": " ".join(others), "UV_INDEX_STRATEGY": strategy}

    def install(self, facts: Installation) -> Sequence[Action]:
        """Fetch it, install each file at once, and remove it."""
        into = ("--python", facts.python) if facts.venv else ("--system", "--break-system-packages")
        stated = {word.partition("=")[0] for word in facts.options}  # uv takes such an option once
        own = [] if "--link-mode" in stated else ["--link-mode", "copy"]
        if not stated & {"--cache-dir", "--no-cache", "--no-cache-dir"}:
            own += ["--cache-dir", f"{CACHE}/uv"] if facts.cache else ["--no-cache"]
        head = (f"{_FOLDER}/bin/uv", "pip", "install", *into, *own, "--no-deps")
        installs = [
            Command((*head, *checked(file), *facts.options, "--requirements", f"{FOLDER}/{file}"), facts.variables)
            for file in facts.files
        ]
        return [_fetch(facts, "python3", "-m", "pip"), *installs, _drop(facts)]

    def run(self, facts: Installation, argv: tuple[str, ...]) -> Sequence[Action]:
        """Fetch it, run the command with it on the path, and remove it."""
        place = {} if facts.venv else {"UV_SYSTEM_PYTHON": "1", "UV_BREAK_SYSTEM_PACKAGES": "1"}
        environ = {**pip_environ(facts), "UV_NO_CACHE": "1", **place}
        fetch = _fetch(facts, "pip")  # `python3` is now the environment's, which has none
        path = Shell(f'export PATH="{_FOLDER}/bin:$PATH"')
        return [fetch, path, Command(argv, environ), _drop(facts)]


def _fetch(facts: Installation, *pip: str) -> Command:
    head = (*pip, "install", *QUIET, "--no-compile", *pip_cache(facts), "--no-deps", "--require-hashes")
    return Command((*head, "--target", _FOLDER, "--requirement", f"{FOLDER}/{pin_of(facts.installer.name)}"))


def _drop(facts: Installation) -> Shell:
    """Return what removes uv, and the files by which it had kept others out of the environment."""
    lock = f" {facts.venv}/.lock" if facts.venv else ""
    return Shell(f"rm -rf {_FOLDER} /tmp/uv-*.lock{lock}")

"""How uv installs: it is fetched by the parent's pip with its hashes, used, and removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zlock.image.context import options
from zlock.image.context.dockerfile import Action, Command, Shell
from zlock.image.context.installation import HOUSE, Installation, pin_of
from zlock.image.context.pip import QUIET, checked, pip_cache, pip_environ
from zlock.model.image import CACHE, FOLDER

_FOLDER = "/tmp/zlock-uv"  # noqa: S108 - of the image, gone at the end of the command
_INSECURE = "uv now calls it `allow-insecure-host`, with the same values"
_CERTIFICATES = "uv now calls it `system-certs`"

# From `uv pip install --help` of uv 0.13.
_OPTIONS = options.Options(
    command="uv pip install",
    flags=options.names("compile-bytecode no-cache no-progress quiet refresh reinstall strict system-certs verbose"),
    values=options.names("""
        allow-insecure-host cache-dir cert color config-setting config-settings-package keyring-provider link-mode
        refresh-package reinstall-package
    """),
    variables={"retries": "UV_HTTP_RETRIES", "timeout": "UV_HTTP_TIMEOUT"},
    elsewhere=options.elsewhere(
        {
            options.INDEXES: """
            config-file default-index extra-index-url find-links index index-strategy index-url no-config no-index
            offline torch-backend
        """,
            options.VERSIONS: """
            all-extras constraints directory editable exact excludes extra fork-strategy group no-deps no-editable
            no-editable-package no-sources no-sources-package overrides project requirements resolution
        """,
            options.UPGRADE: "upgrade upgrade-group upgrade-package",
            options.PRERELEASE: "pre prerelease prerelease-package",
            options.NEWER: "exclude-newer exclude-newer-package",
            options.BUILDS: """
            build-constraints no-binary no-build no-build-isolation no-build-isolation-package only-binary
            require-build-hashes
        """,
            options.PLACE: """
            break-system-packages managed-python no-break-system-packages no-managed-python no-python-downloads prefix
            python system target user
        """,
            options.TARGET: "python-platform python-version",
            options.HASHES: "no-verify-hashes require-hashes verify-hashes",
            options.NOTHING: "check dry-run help output-format",
            _INSECURE: "trusted-host",
            _CERTIFICATES: "native-tls",
        }
    ),
    prefix="UV_",
    # Files with settings, logins of indexes (`UV_INDEX_NAME_PASSWORD`), other spellings.
    as_variables={
        "index-": options.INDEXES,
        "no-binary-package": options.BUILDS,
        "no-build-package": options.BUILDS,
        "system-python": options.PLACE,
    },
    not_variables=options.names("native-tls trusted-host"),  # of an older name it takes the variable still
)


class Uv:
    """See `Way`."""

    options = _OPTIONS
    offline: Mapping[str, str] = {"UV_OFFLINE": "1", "UV_FIND_LINKS": HOUSE}

    def index_variables(self, default: str | None, others: Sequence[str]) -> Mapping[str, str | None]:
        """Name them; it may ask all of them, as pip does."""
        strategy = "unsafe-best-match"
        return {"UV_DEFAULT_INDEX": default, "UV_INDEX": " ".join(others), "UV_INDEX_STRATEGY": strategy}

    def install(self, facts: Installation) -> Sequence[Action]:
        """Fetch it, install each file at once, and remove it."""
        into = ("--python", facts.python) if facts.venv else ("--system", "--break-system-packages")
        cache = ("--cache-dir", f"{CACHE}/uv") if facts.cache else ("--no-cache",)
        head = (f"{_FOLDER}/bin/uv", "pip", "install", *into, "--link-mode", "copy", *cache, "--no-deps")
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
    return Command((*head, "--target", _FOLDER, "--requirement", f"{FOLDER}/{pin_of(facts.installer)}"))


def _drop(facts: Installation) -> Shell:
    """Return what removes uv, and the files by which it had kept others out of the environment."""
    lock = f" {facts.venv}/.lock" if facts.venv else ""
    return Shell(f"rm -rf {_FOLDER} /tmp/uv-*.lock{lock}")

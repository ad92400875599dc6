"""`python_package_installer_args` as words of a command: which options pip and uv have, and what the lock decides.

An option that says how packages are fetched and written is passed on. One that says what is installed, from where or
for whom would be taken silently beside a lock, so it is refused with the place where that is decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from zlock.errors import Collector, InvalidConfiguration
from zlock.redact import holds_login
from zlock.settings.docker import InstallerArgument
from zlock.wording import did_you_mean

INDEXES = "indexes belong to the configuration: `[[index]]` and `index-sources`"
_VERSIONS = "the lock decides: state it in `requirements` or `constraints`, then run `zlock resolve`"
_UPGRADE = "the lock decides: run `zlock resolve --upgrade` or `--upgrade-package NAME`"
_PRERELEASE = "the lock decides: set `prerelease` in the configuration, then run `zlock resolve`"
_NEWER = "the lock decides: set `exclude-newer` in the configuration, then run `zlock resolve`"
_BUILDS = "whether sdists are built is set by `build-sdists` in the configuration"
PLACE = "where packages go is set by `system` in the docker settings"
_TARGET = "the target is set by `python`, `platforms` and `manylinux` in the configuration"
_HASHES = "every file is checked against the lock's hashes, always"
_INSECURE = "uv now calls it `allow-insecure-host`, with the same values"
_CERTIFICATES = "uv now calls it `system-certs`"
_NOTHING = "it would keep the installer from installing: leave it out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What one installer takes; names are without their dashes.

    Attributes:
        command: How its command is called.
        flags: Options without a value.
        values: Options with one.
        variables: What is no option but a variable of its environment.
        elsewhere: What is decided elsewhere, with the place.
    """

    command: str
    flags: frozenset[str]
    values: frozenset[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str]

    @property
    def known(self) -> list[str]:
        """All names that are passed on."""
        return sorted({*self.flags, *self.values, *self.variables})


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _elsewhere(groups: Mapping[str, str]) -> dict[str, str]:
    return {name: hint for hint, names in groups.items() for name in _names(names)}


# From `pip install --help` of pip 22.3 to 26.3.
PIP = Options(
    command="pip install",
    flags=_names("""
        compile debug disable-pip-version-check no-cache-dir no-clean no-color no-compile no-input no-proxy-env
        no-python-version-warning no-warn-conflicts no-warn-script-location quiet verbose
    """),
    values=_names("""
        cache-dir cert client-cert config-settings default-timeout exists-action keyring-provider log progress-bar
        proxy report resume-retries retries root-user-action timeout trusted-host use-deprecated use-feature
    """),
    elsewhere=_elsewhere(
        {
            INDEXES: "extra-index-url find-links index-url isolated no-index refresh-package",
            _VERSIONS: """
            build-constraint constraint editable force-reinstall group ignore-installed no-deps no-dependencies
            only-dependencies only-deps requirement requirements-from-script
        """,
            _UPGRADE: "upgrade upgrade-strategy",
            _PRERELEASE: "all-releases only-final pre",
            _NEWER: "uploaded-prior-to",
            _BUILDS: """
            check-build-dependencies global-option no-binary no-build-isolation only-binary prefer-binary use-pep517
        """,
            PLACE: "break-system-packages no-user prefix python require-virtualenv root src target user",
            _TARGET: "abi ignore-requires-python implementation platform python-version",
            _HASHES: "no-require-hashes require-hashes",
            _NOTHING: "dry-run help version",
        }
    ),
)

# From `uv pip install --help` of uv 0.13.
UV = Options(
    command="uv pip install",
    flags=_names("compile-bytecode no-cache no-progress quiet refresh reinstall strict system-certs verbose"),
    values=_names("""
        allow-insecure-host cache-dir cert color config-setting config-settings-package keyring-provider link-mode
        refresh-package reinstall-package
    """),
    variables={"retries": "UV_HTTP_RETRIES", "timeout": "UV_HTTP_TIMEOUT"},
    elsewhere=_elsewhere(
        {
            INDEXES: """
            config-file default-index extra-index-url find-links index index-strategy index-url no-config no-index
            offline torch-backend
        """,
            _VERSIONS: """
            all-extras constraints directory editable exact excludes extra fork-strategy group no-deps no-editable
            no-editable-package no-sources no-sources-package overrides project requirements resolution
        """,
            _UPGRADE: "upgrade upgrade-group upgrade-package",
            _PRERELEASE: "pre prerelease prerelease-package",
            _NEWER: "exclude-newer exclude-newer-package",
            _BUILDS: """
            build-constraints no-binary no-build no-build-isolation no-build-isolation-package only-binary
            require-build-hashes
        """,
            PLACE: """
            break-system-packages managed-python no-break-system-packages no-managed-python no-python-downloads prefix
            python system target user
        """,
            _TARGET: "python-platform python-version",
            _HASHES: "no-verify-hashes require-hashes verify-hashes",
            _NOTHING: "check dry-run help output-format",
            _INSECURE: "trusted-host",
            _CERTIFICATES: "native-tls",
        }
    ),
)

INSTALLERS = {"pip": PIP, "uv": UV}


def options_of(installer: str, arguments: Mapping[str, InstallerArgument]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the words and the variables that arguments of an installer mean, sorted by name.

    Raises:
        InvalidConfiguration: One is no option of it, is decided elsewhere, or has a value that it can't have; several
            come as `Problems`.
    """
    options = INSTALLERS[installer]
    words: list[str] = []
    variables: dict[str, str] = {}
    problems = Collector()
    for name, argument in sorted(arguments.items()):
        with problems:
            if argument is False and any(name in one.known or name in one.elsewhere for one in INSTALLERS.values()):
                continue  # so a step with another installer can turn off what its pipeline states for the first
            _check(options, name)
            given = list(_given(name, argument))
            if name in options.variables and given:
                variables[options.variables[name]] = _single(name, given)
            else:
                words += [_word(options, name, value) for value in given]
    problems.raise_if_any()
    return tuple(words), variables


def _check(options: Options, name: str) -> None:
    if name in options.elsewhere:
        raise InvalidConfiguration(f"`{name}` of `{options.command}` is not taken", hint=options.elsewhere[name])
    if name not in options.known:
        near = did_you_mean(name, options.known)
        raise InvalidConfiguration(
            f"`{name}` is no option of `{options.command}`", hint=near or f"known are {', '.join(options.known)}"
        )


def _given(name: str, argument: InstallerArgument) -> Iterator[str | None]:
    """Return the values that an option is given, None for each time it stands without one."""
    for one in argument if isinstance(argument, list | tuple) else [argument]:
        if one is None or one is True:
            yield None
        elif one is not False:
            text = str(one)
            if holds_login(text):
                raise InvalidConfiguration(
                    f"`{name}` holds credentials, which would stay in the image",
                    hint="set a proxy in the environment of the builder, and an index in the configuration",
                )
            yield text


def _word(options: Options, name: str, value: str | None) -> str:
    if value is None and name in options.values:
        raise InvalidConfiguration(f"`{name}` takes a value", hint=f'write `{name} = "..."`')
    if value is not None and name in options.flags:
        raise InvalidConfiguration(f"`{name}` takes no value", hint=f"write `{name} = true`")
    return f"--{name}" if value is None else f"--{name}={value}"


def _single(name: str, given: list[str | None]) -> str:
    if len(given) != 1 or given[0] is None:
        raise InvalidConfiguration(f"`{name}` takes one value", hint=f"write `{name} = 60`")
    return given[0]

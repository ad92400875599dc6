"""Arguments of the installer: every style of the page, what the real pip and uv take, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from support.images import UV as UV_PIN
from support.images import dockerfile, planned, runs, wheel, words_of
from support.venv import run_pip, run_uv
from zlock.errors import InvalidConfiguration, Problems
from zlock.image.context.arguments import options_of
from zlock.image.context.dockerfile import Command
from zlock.image.context.installation import Installation
from zlock.image.context.installers import WAYS
from zlock.model.installer import INSTALLERS, InstallerName

VALUES = {
    "exists-action": "i",
    "keyring-provider": "disabled",
    "progress-bar": "off",
    "root-user-action": "ignore",
    "use-deprecated": "legacy-resolver",
    "use-feature": "fast-deps",
    "config-settings": "a=b",
    "config-setting": "a=b",
    "config-settings-package": "alpha:a=b",
    "color": "never",
    "link-mode": "copy",
    "trusted-host": "index.example",
    "allow-insecure-host": "index.example",
    "proxy": "http://proxy.example:3128",
    "refresh-package": "alpha",
    "reinstall-package": "alpha",
}
PATHS = {"cache-dir", "cert", "client-cert", "log", "report"}


def install(text: str) -> list[str]:
    """Return the words of the command that installs the requirements."""
    commands = [words for command in runs(text) for words in words_of(command)]
    return next(words for words in commands if "/opt/zlock/requirements.txt" in words)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (1000, ["--timeout=1000"]),
        (1.5, ["--timeout=1.5"]),
        ("1000", ["--timeout=1000"]),
        (False, []),
        ([], []),
    ],
)
def test_a_value_follows_its_option(argument: object, words: list[str]) -> None:
    assert options_of(INSTALLERS["pip"], {"timeout": argument})[0] == tuple(words)  # type: ignore[dict-item]  # as users write it


@pytest.mark.parametrize(
    ("argument", "words"),
    [(None, ["--verbose"]), (True, ["--verbose"]), (False, []), ([True, None], ["--verbose", "--verbose"])],
)
def test_a_flag_stands_alone(argument: object, words: list[str]) -> None:
    assert options_of(INSTALLERS["pip"], {"verbose": argument})[0] == tuple(words)  # type: ignore[dict-item]  # as users write it


def test_a_list_repeats_its_option_and_an_order_of_names_means_nothing() -> None:
    words, _ = options_of(INSTALLERS["pip"], {"trusted-host": ["a", "b"], "no-color": True})

    assert words == ("--no-color", "--trusted-host=a", "--trusted-host=b")


def test_the_example_of_the_page_is_in_the_dockerfile() -> None:
    text = dockerfile(planned(wheel("alpha", "1.0"), settings={"python_package_installer_args": {"timeout": 1000}}))

    assert "--timeout=1000" in install(text)


def test_timeout_and_retries_are_variables_of_uv() -> None:
    """There are no such options of uv."""
    arguments = {"timeout": 1000, "retries": 5, "no-progress": None}
    settings = {"python_package_installer": "uv", "python_package_installer_args": arguments}
    words = install(dockerfile(planned(wheel("alpha", "1.0"), settings=settings, own={"uv": UV_PIN})))

    assert words[:4] == ["env", "UV_HTTP_RETRIES=5", "UV_HTTP_TIMEOUT=1000", "/tmp/zlock-uv/bin/uv"]
    assert "--no-progress" in words
    assert not any(word.startswith("--timeout") for word in words)


@pytest.mark.parametrize("argument", [None, True, [1, 2]])
def test_a_variable_of_uv_has_one_value(argument: object) -> None:
    with pytest.raises(InvalidConfiguration, match="`timeout` takes one value"):
        options_of(INSTALLERS["uv"], {"timeout": argument})  # type: ignore[dict-item]  # as users write it


@pytest.mark.parametrize(
    ("installer", "name", "place"),
    [
        ("pip", "index-url", "[[index]]"),
        ("pip", "extra-index-url", "[[index]]"),
        ("pip", "find-links", "[[index]]"),
        ("pip", "upgrade", "zlock resolve --upgrade"),
        ("pip", "pre", "prerelease"),
        ("pip", "no-deps", "requirements"),
        ("pip", "constraint", "constraints"),
        ("pip", "only-binary", "build-sdists"),
        ("pip", "target", "system"),
        ("pip", "platform", "platforms"),
        ("pip", "require-hashes", "hashes"),
        ("uv", "default-index", "[[index]]"),
        ("uv", "index", "[[index]]"),
        ("uv", "prerelease", "prerelease"),
        ("uv", "exclude-newer", "exclude-newer"),
        ("uv", "resolution", "requirements"),
        ("uv", "no-verify-hashes", "hashes"),
        ("uv", "python-platform", "platforms"),
        ("uv", "trusted-host", "allow-insecure-host"),
        ("uv", "native-tls", "system-certs"),
    ],
)
def test_what_is_not_taken_is_refused_with_what_to_write_instead(installer: str, name: str, place: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"`{name}` of `(uv )?pip install` is refused") as raised:
        options_of(INSTALLERS[installer], {name: "x"})

    assert place in raised.value.hint


@pytest.mark.parametrize(
    ("installer", "name", "near"),
    [
        ("pip", "timeuot", "`timeout`"),
        ("pip", "trusted_host", "`trusted-host`"),
        ("uv", "no-cahe", "`no-cache`"),
        ("pip", "link-mode", "set `python_package_installer` to `uv`"),
        ("uv", "root-user-action", "set `python_package_installer` to `pip`"),
        ("pip", "exclude-newer", "set `exclude-newer` in the configuration"),
    ],
)
def test_what_is_no_option_is_refused_with_the_close_ones(installer: str, name: str, near: str) -> None:
    command = {"pip": "pip install", "uv": "uv pip install"}[installer]
    with pytest.raises(InvalidConfiguration, match=f"is not an option of `{command}`") as raised:
        options_of(INSTALLERS[installer], {name: "x"})

    assert near in raised.value.hint


@pytest.mark.parametrize(
    ("name", "argument", "problem"), [("timeout", None, "takes a value"), ("no-color", 5, "takes no value")]
)
def test_an_option_has_a_value_or_has_none(name: str, argument: object, problem: str) -> None:
    """`--timeout` without a value would swallow the next word."""
    with pytest.raises(InvalidConfiguration, match=problem):
        options_of(INSTALLERS["pip"], {name: argument})  # type: ignore[dict-item]  # as users write it


@pytest.mark.parametrize("begin", ["http://", "", "//"])
def test_credentials_in_an_argument_are_refused_and_not_repeated(begin: str) -> None:
    with pytest.raises(InvalidConfiguration, match="`proxy` holds credentials") as raised:
        options_of(INSTALLERS["pip"], {"proxy": f"{begin}someone:secret@proxy.example"})

    assert "secret" not in f"{raised.value}{raised.value.context}{raised.value.hint}"


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(Problems) as raised:
        options_of(INSTALLERS["pip"], {"timeuot": 1, "upgrade": None, "no-color": "x", "timeout": 5})

    assert len(raised.value.errors) == 3


@pytest.mark.parametrize(
    ("installer", "name", "place"),
    [
        ("pip", "PIP_TARGET", "system"),
        ("pip", "PIP_NO_DEPS", "requirements"),
        ("pip", "PIP_INDEX_URL", "[[index]]"),
        ("pip", "PIP_CONFIG_FILE", "[[index]]"),
        ("pip", "PIP_PRE", "prerelease"),
        ("pip", "PYTHONHOME", "runtime_environment"),
        ("uv", "PIP_TARGET", "system"),
        ("uv", "UV_DEFAULT_INDEX", "[[index]]"),
        ("uv", "UV_INDEX_TEAM_PASSWORD", "[[index]]"),
        ("uv", "UV_CONSTRAINT", "constraints"),
        ("uv", "UV_EXCLUDE_NEWER", "exclude-newer"),
        ("uv", "UV_NO_BINARY_PACKAGE", "build-sdists"),
        ("uv", "UV_SYSTEM_PYTHON", "system"),
    ],
)
def test_a_variable_of_the_build_that_is_such_an_option_is_refused_too(installer: str, name: str, place: str) -> None:
    settings = {"python_package_installer": installer, "environment": {name: "x"}}
    with pytest.raises(InvalidConfiguration, match=f"`{name}` is refused") as raised:
        planned(wheel("alpha", "1.0"), own={"uv": UV_PIN}, settings=settings)

    assert str(raised.value).startswith(f"step `train`, `environment`: `{name}` ")
    assert place in raised.value.hint
    assert "stated in " in raised.value.context[0]
    free = {"python_package_installer": installer, "runtime_environment": {name: "x"}}
    assert f"ENV {name}=" in dockerfile(planned(wheel("alpha", "1.0"), own={"uv": UV_PIN}, settings=free))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_TIMEOUT", "5"),
        ("PIP_VERSION", "25.0"),
        ("PIP_CONFIG_FILE", "/dev/null"),
        ("UV_SYSTEM_PYTHON", "1"),  # which pip does not read
        ("HTTPS_PROXY", "http://proxy.example:3128"),
        ("PYTHONPATH", "/app"),
    ],
)
def test_other_variables_of_the_build_are_taken(name: str, value: str) -> None:
    assert f"ENV {name}=" in dockerfile(planned(wheel("alpha", "1.0"), settings={"environment": {name: value}}))


@pytest.mark.parametrize(
    "value",
    [
        "https://h.example/?token=$TOKEN",
        "mongodb://h/?authSource=admin&authMechanism=PLAIN",
        "tool --token=x",
        "a?token=x",
    ],
)
def test_what_only_looks_like_credentials_is_taken(value: str) -> None:
    assert "ENV DSN=" in dockerfile(planned(wheel("alpha", "1.0"), settings={"environment": {"DSN": value}}))


@pytest.mark.parametrize("installer", sorted(INSTALLERS))
def test_what_any_installer_has_can_be_turned_off(installer: str) -> None:
    """Arguments of a pipeline reach its steps, whose installer may be another one."""
    off = dict.fromkeys(("trusted-host", "no-color", "allow-insecure-host", "upgrade", "verbose"), False)

    assert options_of(INSTALLERS[installer], off) == ((), {})
    with pytest.raises(InvalidConfiguration, match="`timeuot` is not an option"):
        options_of(INSTALLERS[installer], {"timeuot": False})


@pytest.mark.parametrize("setting", ["environment", "runtime_environment"])
def test_credentials_in_a_variable_are_refused_and_not_repeated(setting: str) -> None:
    with pytest.raises(InvalidConfiguration, match="`HTTP_PROXY` holds credentials") as raised:
        planned(settings={setting: {"HTTP_PROXY": "http://someone:secret@proxy.example"}})

    assert str(raised.value).startswith(f"step `train`, `{setting}`: ")
    assert "secret" not in f"{raised.value}{raised.value.context}{raised.value.hint}"


def test_every_installer_that_settings_may_name_can_install() -> None:
    assert tuple(INSTALLERS) == get_args(InstallerName) == tuple(WAYS)


@pytest.mark.parametrize("installer", sorted(INSTALLERS))
def test_no_option_is_known_twice(installer: str) -> None:
    options = WAYS[installer].options
    known = [*options.flags, *options.values, *options.variables, *options.elsewhere]

    assert len(known) == len(set(known))


def given(flags: Sequence[str], values: Sequence[str], folder: Path) -> list[str]:
    """Return every option once, with a value that it can have."""
    (folder / "file").write_text("")
    words = [f"--{name}" for name in flags]
    for name in values:
        value = str(folder / ("cache" if name == "cache-dir" else "file")) if name in PATHS else VALUES.get(name, "5")
        words.append(f"--{name}={value}")
    return words


def test_the_real_pip_takes_every_option_that_is_passed_on(venv: Path, tmp_path: Path) -> None:
    empty = tmp_path / "requirements.txt"
    empty.write_text("")
    words = given(sorted(WAYS["pip"].options.flags), sorted(WAYS["pip"].options.values), tmp_path)

    for group in (words[::2], words[1::2]):  # halves, as some can't be combined
        done = run_pip("--python", str(venv), "install", *group, "--requirement", str(empty), home=tmp_path)
        assert done.code == 0, done.stderr


def test_the_real_uv_takes_every_option_that_is_passed_on(venv: Path, tmp_path: Path) -> None:
    """Beside those that zlock gives it."""
    empty = tmp_path / "requirements.txt"
    empty.write_text("")
    taken = WAYS["uv"].options
    words = given(sorted(taken.flags), sorted({*taken.values} - {"cert"}), tmp_path)  # that one reads its file at once

    for group in (words[::2], words[1::2]):
        facts = Installation(
            installer=INSTALLERS["uv"], files=("none.txt",), venv=str(venv.parent.parent), options=tuple(group)
        )
        (command,) = [
            one for one in WAYS["uv"].install(facts) if isinstance(one, Command) and one.argv[0].endswith("/uv")
        ]
        done = run_uv(*command.argv[1:-1], str(empty), home=tmp_path)
        assert done.code == 0, done.stderr

"""Values in a Dockerfile: each reaches the container as it is, or is refused; none ends its instruction."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from support.images import (
    UV,
    archive,
    build_row,
    dockerfile,
    environment,
    instructions,
    planned,
    repository,
    runs,
    wheel,
    words_of,
)
from zlock.errors import InvalidConfiguration, NoAnswer, Problems, ZlockError
from zlock.image.context.debs import install_debs
from zlock.image.context.dockerfile import Command, Env, From, Run, User, render
from zlock.model.debian import DebianPackage

X_1 = f"x==1 --hash=sha256:{'0a' * 32}"

HOSTILE = [
    "",
    " ",
    "quotes \" and ' and `",
    "$HOME ${HOME} $(touch /tmp/x) $$ \\$",
    "\\",
    "ends with \\",
    "\\\\n \\t",
    "a\tb",
    "; touch /tmp/x && exit 1 | cat > /x",
    "# no comment",
    "--option",
    "<<EOF",
    "100%",
    "grüße 漢字 🐍",
    "no\u00a0break",
    "~root *",
]


def messages(error: ZlockError) -> str:
    errors = error.errors if isinstance(error, Problems) else (error,)
    return "\n".join("\n".join([str(one), *one.context, one.hint]) for one in errors)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("setting", ["environment", "runtime_environment"])
def test_a_variable_is_held_verbatim(setting: str, value: str) -> None:
    text = dockerfile(planned(settings={setting: {"HELD": value}}))

    assert environment(text)["HELD"] == value
    assert [word for word, _ in instructions(text)] == [
        word for word, _ in instructions(dockerfile(planned(settings={setting: {"HELD": "x"}})))
    ]


@pytest.mark.parametrize("value", [*HOSTILE, "line\nbreak", "carriage\rreturn", "bell\x07", "\u2028\u2029\x85\x7f"])
def test_an_argument_of_the_installer_is_held_verbatim(value: str) -> None:
    text = dockerfile(planned(wheel("alpha", "1.0"), settings={"python_package_installer_args": {"proxy": value}}))

    (install,) = [command for command in runs(text) if "-m venv" in command[-1]]
    printed = subprocess.run(
        ["/bin/sh", "-c", install[-1].replace("python3 -m pip", "printf '%s\\0'").replace("python3 -m venv", "true")],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    ).stdout
    assert f"--proxy={value}".encode() in printed.split(b"\0")
    assert all("\n" not in rest for _, rest in instructions(text))


@pytest.mark.parametrize("argument", [*HOSTILE, "line\nbreak", "\u2028"])
def test_an_argument_of_the_projects_command_is_held_verbatim(argument: str) -> None:
    settings = {"local_project_install_command": ["printf", "%s\\0", argument]}
    text = dockerfile(planned(settings=settings, project={"a": b""}))

    command = runs(text)[-1]
    assert subprocess.run(command, capture_output=True, check=True).stdout == argument.encode() + b"\0"


def test_a_project_without_files_is_copied_from_nowhere() -> None:
    settings = {"local_project_install_command": "true"}
    plan = planned(wheel("alpha", "1.0"), settings=settings)

    copied = [rest.split()[0] for word, rest in instructions(dockerfile(plan)) if word == "COPY"]
    assert copied == ["requirements.txt"]
    assert runs(dockerfile(plan))[-1][-1].endswith("/bin/sh -c true")


def test_a_shell_command_of_the_project_runs_in_one_shell() -> None:
    settings = {"local_project_install_command": "A=1\nprintf '%s\\n' \"$A\" '$A'; echo \"$PIP_PYTHON\""}
    text = dockerfile(planned(settings=settings, project={"a": b""}))

    done = subprocess.run(runs(text)[-1], capture_output=True, check=True, text=True)
    assert done.stdout == "1\n$A\n/opt/venv/bin/python\n"


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "\x1b[1m", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"])
def test_a_value_that_a_variable_can_not_carry_is_refused(value: str) -> None:
    with pytest.raises(InvalidConfiguration, match="`HELD` has a line break or another control character"):
        render([[Env("HELD", value)]])


def test_what_can_not_be_carried_is_refused_with_its_place_all_at_once() -> None:
    settings = {
        "environment": {"A": "a\ud800b", "B": "fine", "C": "\udfff"},
        "runtime_environment": {"D": "\udc80"},
        "python_package_installer_args": {"nonsense": 1, "proxy": "a\ud800"},
    }
    with pytest.raises(Problems) as raised:
        planned(wheel("alpha", "1.0"), settings=settings)

    said = messages(raised.value)
    for name in ("`A`", "`C`", "`D`", "`nonsense` is not an option"):
        assert name in said
    assert said.count("stated in ") == len(raised.value.errors)
    assert "step `train`, `environment`: " in said


@pytest.mark.parametrize("name", ["", "a-b", "1A", "A B", "A=B", "Ä", "A\nB"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not a valid name for an environment variable"):
        render([[Env(name, "x")]])


@pytest.mark.parametrize("reference", ["", "--platform=x", "a b", "a\nRUN x", "$BASE", "a`b", 'a"b', "ä"])
def test_a_reference_that_could_mean_something_else_is_refused(reference: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not a valid image reference"):
        render([[From(reference)]])


@pytest.mark.parametrize("name", ["", "a b", "a\nRUN x", "$USER", "a:b:c", "-x", "a/b"])
def test_a_user_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not a valid user of an image"):
        render([[User(name)]])


@pytest.mark.parametrize("name", ["app", "1000", "1000:1000", "app:users", "a.b-c_d"])
def test_a_user_is_named_or_numbered(name: str) -> None:
    assert render([[User(name)]]) == f"USER {name}\n".encode()


def test_plain_words_are_written_for_people_and_others_as_a_list() -> None:
    assert str(Run((Command(("pip", "install", "a==1.0")),))) == "RUN pip install a==1.0"
    assert str(Run((Command(("echo", "a b")),))) == 'RUN ["echo", "a b"]'
    assert json.loads(str(Run((Command(("echo", "ü\u2028")),))).removeprefix("RUN ")) == ["echo", "ü\u2028"]


def test_a_command_that_fails_ends_its_run() -> None:
    def status(*commands: Command) -> int:
        return subprocess.run(runs(f"{Run(commands)}\n")[0], check=False).returncode

    assert status(Command(("false",)), Command(("true",))) == 1
    assert status(Command(("true",)), Command(("true",))) == 0


def test_no_line_is_a_directive_a_heredoc_or_a_stage() -> None:
    text = dockerfile(planned(wheel("alpha", "1.0"), settings={"apt_packages": ["git"]}))

    assert text.startswith("# Made by zlock from the lock sha256:")
    assert "<<" not in text
    assert not [line for line in text.splitlines() if line.startswith("#") and "=" in line]
    assert [word for word, _ in instructions(text)].count("FROM") == 1


def test_apt_packages_are_joined_sorted_and_held_to_their_versions() -> None:
    text = dockerfile(planned(settings={"apt_packages": ["zsh", "git=1:2.39", "zsh", "libc6:amd64", "g++"]}))

    (begin, update, install, clean) = words_of(runs(text)[0])
    assert begin == ["set", "-e"]
    assert update == ["apt-get", "update"]
    assert install[-5:] == ["--", "g++", "git=1:2.39", "libc6:amd64", "zsh"]
    assert "--no-install-recommends" in install
    assert "/var/lib/apt/lists/*" in clean


def test_any_text_in_the_version_of_an_apt_package_is_read_by_apt_and_by_no_shell() -> None:
    text = dockerfile(planned(settings={"apt_packages": ["git=1:2.39*"]}))

    assert words_of(runs(text)[0])[2][-1] == "git=1:2.39*"


def test_a_user_installs_as_root_and_comes_back() -> None:
    words = instructions(dockerfile(planned(settings={"user": "app"})))

    assert words[1] == ("USER", "root")
    assert words[-1] == ("USER", "app")
    assert ("RUN", "chown app /app") in words


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_the_environment_is_where_the_setting_says(installer: str) -> None:
    settings = {"python_package_installer": installer, "local_project_install_command": "pip install ."}
    own = {"uv": UV, **CLONED[1]}

    def text(**more: str) -> str:
        return cloned(wheel("alpha", "1.0"), *CLONED[0], own=own, settings={**settings, **more})

    assert text(venv="/srv/env") == text().replace("/opt/venv", "/srv/env")
    assert environment(text(venv="/srv/env"))["PATH"] == "/srv/env/bin:$PATH"
    assert "/opt/venv" not in cloned(own=own, settings={**settings, "system": True})


@pytest.mark.parametrize("user", ["root", "0"])
def test_root_stays_root(user: str) -> None:
    words = instructions(dockerfile(planned(settings={"user": user})))

    assert [rest for word, rest in words if word == "USER"] == ["root"]


def test_a_project_without_packages_has_no_wheelhouse_to_mount_and_asks_no_index() -> None:
    settings = {"local_project_install_command": "pip install --no-deps ."}
    text = dockerfile(planned(settings=settings, project={"pyproject.toml": b""}, wheelhouse=True))

    assert "--mount" not in text
    assert "PIP_NO_INDEX=1" in text


CLONED = [repository("cloned")], {"builds": [build_row("cloned", "1.0", X_1)]}


def cloned(*packages: Mapping[str, Any], own: Mapping[str, Any] | None = None, **more: Any) -> str:
    stated = {"apt_packages": ("git",), **more}
    return dockerfile(planned(*(packages or CLONED[0]), own=CLONED[1] if own is None else own, **stated))


def test_no_wheel_is_taken_from_a_cache_that_is_kept() -> None:
    """It may have been built with something else."""
    (install,) = [
        one for one in runs(cloned(settings={"python_package_installer_cache_mount": True})) if "wheel" in one[-1]
    ]

    kept = {words[words.index("--cache-dir") + 1] for words in words_of(install) if "--cache-dir" in words}
    built = [words[words.index("--cache-dir") + 1] for words in words_of(install) if "wheel" in words]
    assert "/var/cache/zlock/pip" in kept
    assert built == ["/tmp/zlock-built"]


def test_a_build_stops_early_where_repositories_can_not_be_cloned() -> None:
    (install,) = [one for one in runs(cloned()) if "command -v git" in one[-1]]

    assert install[-1].index("command -v git") < install[-1].index("venv")
    assert "add it to apt_packages" in install[-1]
    assert "command -v git" not in dockerfile(planned())


@pytest.mark.parametrize(
    ("packages", "own", "more", "said"),
    [
        (
            [repository("a", url="ssh://git@host.example/a")],
            None,
            {},
            "cloned over ssh, and no build of an image has a key",
        ),
        ([repository("a", url="file:///srv/a")], None, {}, "installed from this machine"),
        ([repository("a")], {}, {}, "to be built, and the lock does not say with what"),
        ([archive("a", "1.0")], {}, {}, "to be built, and the lock does not say with what"),
        (
            [{"name": "a", "directory": {"path": "../a"}}],
            {},
            {},
            "to be built, and the lock does not say with what",
        ),
        (
            [repository("a")],
            {"builds": [{**build_row("a", "1.0", locked=False), "requires": ["x>=1"]}]},
            {},
            "built with `x>=1`, of which no index has wheels",
        ),
        ([repository("a")], None, {"apt_packages": ()}, "cloned by git, which the default base image does not have"),
    ],
    ids=["ssh", "file", "repository", "archive", "folder", "not-locked", "no-git"],
)
def test_what_can_not_be_built_in_an_image_is_refused(
    packages: list[dict[str, Any]], own: Mapping[str, Any] | None, more: Mapping[str, Any], said: str
) -> None:
    own = {"builds": [build_row("a", "1.0", X_1)]} if own is None else own
    with pytest.raises(NoAnswer) as caught:
        cloned(*packages, own=own, **more)

    assert str(caught.value).startswith(f"step `train`: `a` is {said}")
    assert caught.value.hint


@pytest.mark.parametrize("more", [{"apt_packages": ("git=1:2.39.5",)}, {"settings": {"parent_image": "python:3.12"}}])
def test_git_may_be_of_a_version_or_the_parents_own(more: Mapping[str, Any]) -> None:
    assert "command -v git" in cloned(**{"apt_packages": (), **more})


def test_the_command_that_installs_debian_packages_is_another_one_for_each_lock() -> None:
    """Engines that keep layers look at the command, and not at the files that it mounts."""
    deb = DebianPackage("git", "1:2.39", "amd64", "stable", "pool/git_2.39_amd64.deb", 3, "0a" * 32)
    locks = [
        (deb,),
        (replace(deb, sha256="0b" * 32),),
        (replace(deb, version="1:2.40"),),
        (deb, replace(deb, name="x")),
    ]

    commands = [render(((install_debs(one),),)) for one in locks]

    assert len(set(commands)) == len(locks)
    assert commands[0] == render(((install_debs(locks[0]),),))

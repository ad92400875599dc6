"""Docker settings as users state them, in Python and in TOML."""

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from packaging.requirements import InvalidRequirement, Requirement

import zlock
from zlock import DockerSettings, checks
from zlock.errors import InvalidConfiguration, Problems, ZlockError
from zlock.settings.docker import CHECKS, EffectiveSettings
from zlock.settings.reader import SettingsDocument

FULL: dict[str, Any] = {
    "requirements": ["torch==1.12.0", "pandas[all]>=2; python_version >= '3.11'"],
    "extra_requirements": ["pytest"],
    "required_integrations": ["pytorch"],
    "replicate_local_python_environment": ["poetry", "export"],
    "install_stack_requirements": False,
    "apt_packages": ["git"],
    "pyproject_path": "pyproject.toml",
    "pyproject_extras": ["train"],
    "pyproject_groups": ["dev"],
    "script": "train.py",
    "python_package_installer": "uv",
    "python_package_installer_args": {"timeout": 1000, "no-cache": None, "find-links": ["a", "b"], "pre": True},
    "parent_image": "registry.example/python:3.12",
    "environment": {"A": "1", "EMPTY": ""},
    "runtime_environment": {"B": "two words"},
    "user": "runner",
    "skip_build": True,
    "dockerfile": "Dockerfile",
    "build_context_root": "context",
    "local_project_install_command": "pip install .",
    "include_project": True,
    "any_user": True,
    "prevent_build_reuse": True,
    "target_repository": "team/images",
    "python_package_installer_cache_mount": True,
    "system": True,
    "bytecode": False,
    "venv": "/srv/venv",
}


def mistakes(make: Callable[[], object]) -> list[ZlockError]:
    """Collect the errors that a call raises, one by one."""
    with pytest.raises((InvalidConfiguration, Problems)) as caught:
        make()
    return list(caught.value.errors) if isinstance(caught.value, Problems) else [caught.value]


def mistake(**stated: Any) -> ZlockError:
    """Get the only error that these settings raise."""
    (error,) = mistakes(lambda: DockerSettings(**stated))
    return error


def test_there_is_a_rule_for_every_field_and_a_full_example() -> None:
    fields = [each.name for each in dataclasses.fields(DockerSettings) if each.init]

    assert list(CHECKS) == fields == list(FULL)


def test_nothing_is_set_at_first() -> None:
    assert DockerSettings().stated() == {}
    assert repr(DockerSettings(user="me")) == "DockerSettings(user='me')"


def test_effective_defaults() -> None:
    effective = DockerSettings().effective()

    assert effective == EffectiveSettings()
    assert effective.install_stack_requirements is True
    assert effective.python_package_installer == "pip"
    assert effective.requirements == effective.apt_packages == ()
    assert effective.prevent_build_reuse is effective.system is False
    assert effective.replicate_local_python_environment is None


@pytest.mark.parametrize(("stated", "method"), [(True, "pip_freeze"), (False, None), ("uv_freeze", "uv_freeze")])
def test_effective_export_method(stated: Any, method: str | None) -> None:
    settings = DockerSettings(replicate_local_python_environment=stated)

    assert settings.effective().replicate_local_python_environment == method


def read_back(settings: DockerSettings) -> DockerSettings:
    """Return settings as the parent reads what the child process writes of them."""
    document = msgspec.json.decode(json.dumps(settings.document()), type=SettingsDocument)
    return DockerSettings.from_document(document)


def test_json_keeps_every_field_and_its_place() -> None:
    settings = DockerSettings(**FULL)

    again = read_back(settings)

    assert again == settings
    assert again.where("user") == settings.where("user") is not None


def test_settings_can_be_copied_pickled_and_hashed() -> None:
    settings = DockerSettings(**FULL)

    for other in (copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))):
        assert other == settings
        assert hash(other) == hash(settings)
    assert dataclasses.replace(settings, user="you").user == "you"


def test_later_changes_to_a_list_or_dict_do_not_reach_the_settings() -> None:
    packages, variables = ["git"], {"A": "1"}
    settings = DockerSettings(apt_packages=packages, environment=variables)
    packages.append("curl")
    variables["B"] = "2"

    assert settings == DockerSettings(apt_packages=["git"], environment={"A": "1"})


def test_over_wins_field_by_field_and_remembers_each_place() -> None:
    base = DockerSettings(requirements=["a"], user="me")
    own = DockerSettings(requirements=[], system=False)

    laid = own.over(base)

    assert laid == DockerSettings(requirements=[], user="me", system=False)
    assert laid.where("requirements") == own.where("requirements")
    assert laid.where("user") == base.where("user")
    assert laid.where("dockerfile") is None


@pytest.mark.parametrize(("closer", "wider"), [("dockerfile", "parent_image"), ("parent_image", "dockerfile")])
def test_the_parent_that_is_stated_closer_counts(closer: str, wider: str) -> None:
    base = DockerSettings(user="me", **{wider: "a"})  # type: ignore[arg-type]  # of two names

    laid = DockerSettings(**{closer: "b"}).over(base)  # type: ignore[arg-type]  # likewise

    assert laid.stated() == {closer: "b", "user": "me"}
    assert laid.where(wider) is None
    assert DockerSettings(system=True).over(laid).stated() == {closer: "b", "user": "me", "system": True}


def test_tables_are_laid_over_each_other_key_by_key_each_with_its_place() -> None:
    base = DockerSettings(environment={"A": "1", "B": "1"}, python_package_installer_args={"retries": 1, "quiet": True})
    own = DockerSettings(environment={"B": "2", "C": "2"}, python_package_installer_args={"quiet": None})

    laid = DockerSettings(runtime_environment={"D": "3"}).over(own.over(base))

    assert laid.environment == {"A": "1", "B": "2", "C": "2"}
    assert laid.python_package_installer_args == {"retries": 1, "quiet": None}
    assert laid.runtime_environment == {"D": "3"}
    places = [laid.where("environment", name) for name in ("A", "B", "C")]
    assert places == [base.where("environment"), own.where("environment"), own.where("environment")]


def test_an_empty_table_hides_no_key() -> None:
    assert DockerSettings(environment={}).over(DockerSettings(environment={"A": "1"})).environment == {"A": "1"}


def test_extra_requirements_of_all_levels_are_added_up_each_with_its_place(tmp_path: Path) -> None:
    table = {"extra-requirements": ["a", "./here"]}
    base = DockerSettings.from_table(table, at="docker", file=str(tmp_path / "zlock.toml"))
    middle = DockerSettings(extra_requirements=["b"], requirements=["x"])
    own = DockerSettings(extra_requirements=["./here", "a"], requirements=["y"])

    laid = own.over(DockerSettings(user="me").over(middle.over(base)))

    assert laid.extra_requirements == ("a", "./here", "b", "./here", "a")
    places = [laid.where("extra_requirements", number) for number in range(5)]
    assert places == [
        *[base.where("extra_requirements")] * 2,
        middle.where("user") or middle.where("requirements"),
        *[own.where("requirements")] * 2,
    ]
    assert laid.effective().requirements == ("y",)
    assert laid.effective().extra_requirements == laid.extra_requirements


def test_the_same_settings_at_two_levels_add_their_extra_requirements_once() -> None:
    both = DockerSettings(extra_requirements=["a", "b"])

    assert both.over(both).over(DockerSettings(extra_requirements=["a"])).extra_requirements == ("a", "a", "b")


def test_extra_requirements_are_a_list() -> None:
    assert '`["six", "requests>=2"]`' in mistake(extra_requirements="six, requests>=2").hint
    assert "`requirements` can name a file" in mistake(extra_requirements="requirements.txt").hint
    assert "`requirements` can name a file" in mistake(extra_requirements=Path("libs/needs")).hint


@pytest.mark.parametrize(
    ("own", "base", "asked"),
    [
        ({"requirements": ["a"]}, {"requirements": ["a", "b", "c"]}, ("b", "c")),
        ({"requirements": ["a", "b"]}, {"requirements": ["b"]}, None),
        (
            {"requirements": ["a <2", "Scikit_Learn >= 1.5"]},
            {"requirements": ["a", "scikit-learn>=1.5", "a>=1"]},
            ("a>=1",),
        ),
        ({"requirements": ["c"], "extra_requirements": ["b"]}, {"requirements": ["b"]}, None),
        ({"requirements": []}, {"requirements": ["b"]}, None),
        ({"requirements": ["a"]}, {"requirements": "needs.txt"}, "needs.txt"),
        ({"requirements": "needs.txt"}, {"requirements": ["a"]}, ("a",)),
        ({"requirements": "other.txt"}, {"requirements": "needs.txt"}, "needs.txt"),
        ({"requirements": "needs.txt"}, {"requirements": "needs.txt"}, None),
        ({"apt_packages": ["curl"]}, {"apt_packages": ["git"]}, ("git",)),
        ({"required_integrations": ["x"]}, {"required_integrations": ["y"]}, ("y",)),
        ({"required_integrations": ["X-y"]}, {"required_integrations": ["x_Y"]}, None),
        ({"pyproject_extras": ["x"]}, {"pyproject_extras": ["y"]}, ("y",)),
        ({"pyproject_groups": ["x"]}, {"pyproject_groups": ["y"]}, ("y",)),
        ({"extra_requirements": ["a"]}, {"extra_requirements": ["b"]}, None),
        ({"environment": {"A": "1"}}, {"environment": {"A": "2"}}, None),
        ({"user": "me"}, {"requirements": ["b"]}, None),
    ],
)
def test_what_a_list_replaces_is_known_with_both_places(own: Any, base: Any, asked: Any) -> None:
    above = DockerSettings(**own)
    below = DockerSettings(**base)
    (name,) = base

    laid = above.over(below)

    expected = [] if asked is None else [(name, asked, below.where(name), above.where(name))]
    assert list(laid.replaced) == expected
    again = read_back(laid)
    assert again.replaced == laid.replaced
    assert list(DockerSettings(system=True).over(again.over(DockerSettings())).replaced) == expected


def test_where_is_the_line_of_the_call() -> None:
    line = sys._getframe().f_lineno + 1
    settings = DockerSettings(
        user="me",
        system=True,
    )

    assert settings.where("system") == (__file__, line)


def test_where_does_not_count_in_comparison() -> None:
    first = DockerSettings(user="me")
    second = DockerSettings(user="me")

    assert first == second
    assert first.where("user") != second.where("user")


def test_paths_count_from_the_file_that_states_them(tmp_path: Path) -> None:
    table = {"requirements": "needs.txt", "pyproject-path": "sub/pyproject.toml", "dockerfile": "/abs/Dockerfile"}
    settings = DockerSettings(build_context_root="here").over(
        DockerSettings.from_table(table, at="docker", file=str(tmp_path / "zlock.toml"))
    )

    effective = settings.effective()

    assert settings.requirements == "needs.txt"
    assert (effective.requirements, effective.requirements_file) == ((), tmp_path / "needs.txt")
    assert effective.pyproject_path == tmp_path / "sub" / "pyproject.toml"
    assert effective.dockerfile == Path("/abs/Dockerfile")
    assert effective.build_context_root == Path(__file__).parent / "here"


def test_a_path_object_is_taken_as_its_text() -> None:
    assert DockerSettings(requirements=Path("a/b.txt")) == DockerSettings(requirements="a/b.txt")


def test_whole_numbers_in_environments_are_taken_as_their_text() -> None:
    assert DockerSettings(environment={"A": 1}).environment == {"A": "1"}


def test_duplicates_are_allowed() -> None:
    assert DockerSettings(requirements=["a", "a"]).effective().requirements == ("a", "a")


def test_a_string_where_a_list_belongs() -> None:
    error = mistake(apt_packages="git")

    assert error.message == "`apt_packages`: expected a list of strings, got a string"
    assert '`["git"]`' in error.hint
    assert '`["git", "curl"]`' in mistake(apt_packages="git, curl").hint


def test_a_url_or_a_path_alone_is_left_to_its_source() -> None:
    places = [
        "./libs/a",
        "../b",
        "/c",
        "libs/d[x]",
        "e-1.0-py3-none-any.whl",
        "file:./f",
        "https://index.example/g.zip",
    ]
    assert DockerSettings(requirements=places).effective().requirements == tuple(places)


def test_names_of_debian_packages_may_have_an_architecture_and_a_version() -> None:
    names = ["git", "g++", "libc6:amd64", "libgomp1=12.2.0-14+deb12u1", "python3.11", "x11-apps:i386=7.7+9~1"]
    assert DockerSettings(apt_packages=names).apt_packages == tuple(names)
    assert mistake(apt_packages=["GIT"]).hint == "write `git`: their names are in lower case"


@pytest.mark.parametrize(
    ("stated", "requirements"),
    [
        ("six", ["six"]),
        ("six, requests", ["six", "requests"]),
        ("six requests", ["six", "requests"]),
        ("pandas[all,x]>=2, <3,six", ["pandas[all,x]>=2,<3", "six"]),
        ("a==1\nb", ["a==1", "b"]),
        ('a; python_version < "3.9"', ['a; python_version < "3.9"']),
        ("a @ https://index.example/a.whl", ["a @ https://index.example/a.whl"]),
        ("what is this?", []),
        ("", []),
    ],
)
def test_requirements_in_one_text_are_told_apart(stated: str, requirements: list[str]) -> None:
    assert checks.requirements_in(stated) == requirements


def test_a_requirement_where_a_path_belongs() -> None:
    error = mistake(requirements="torch==1.12")

    assert error.message.endswith("got a requirement")
    assert '`["torch==1.12"]`' in error.hint


@pytest.mark.parametrize("name", ["requirements", "extra_requirements"])
def test_a_list_may_be_lines_of_a_requirements_file(name: str) -> None:
    lines = ["# what trains", "", "torch>=2  # for all\n", "  ", "loc @ https://files.example/loc-1.tar.gz#sha256=00\n"]

    settings = DockerSettings.from_mapping({name: lines})

    assert getattr(settings, name) == ("torch>=2", "loc @ https://files.example/loc-1.tar.gz#sha256=00")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("requirements", 3, "expected a list of strings, got a number"),
        ("requirements", "", "expected a string, got an empty one"),
        ("apt_packages", ["git", " "], "`apt_packages[1]`: expected a string, got an empty one"),
        ("apt_packages", ["git curl"], "`git curl` has spaces in it"),
        ("apt_packages", ["git", "-y"], "`apt_packages[1]`: `-y` is not a valid name of a Debian package"),
        ("apt_packages", ["git-"], "`git-` is not a valid name of a Debian package"),
        ("apt_packages", [["git"]], "`apt_packages[0]`: expected a string, got a list"),
        ("pyproject_extras", {"a": 1}, "expected a list of strings, got a table"),
        ("pyproject_path", ["a"], "expected a path, got a list"),
        ("dockerfile", b"Dockerfile", "expected a path, got `bytes`"),
        ("replicate_local_python_environment", [], "expected a command, got an empty one"),
        ("install_stack_requirements", 1, "expected a boolean, got a number"),
        ("system", "yes", "expected a boolean, got a string"),
        ("python_package_installer", "conda", "expected `pip` or `uv`, got `conda`"),
        ("python_package_installer_args", ["--pre"], "expected a table, got a list"),
        ("python_package_installer_args", {"a": {}}, "`python_package_installer_args.a`: expected a string, a number"),
        ("python_package_installer_args", {"a": float("nan")}, "expected a string, a number"),
        ("python_package_installer_args", {1: "a"}, "expected strings as keys, got a number"),
        ("environment", {"A": True}, "`environment.A`: expected a string, got a boolean"),
        ("environment", {"A-B": "1"}, "`A-B` is not a valid name for an environment variable"),
        ("runtime_environment", {"A": "1\n2"}, "`runtime_environment.A`: a line break"),
        ("user", "root\nRUN something", "a line break"),
        ("user", "nobody; rm", "`user`: `nobody; rm` is not a valid user of an image"),
        ("user", "$NAME", "`$NAME` is not a valid user of an image"),
        ("parent_image", "python:3 AS base", "has spaces in it"),
        ("parent_image", "Team/image:1/x", "`parent_image`: `Team/image:1/x` is not an image reference: "),
        ("parent_image", "registry.example/image:-x", "is not an image reference: a tag has"),
        ("target_repository", "team/Images", "`team/Images` is not an image reference: "),
        ("target_repository", "images:1", "`target_repository`: it has a tag or a digest"),
        ("target_repository", f"registry.example:5000/x@sha256:{'0' * 64}", "it has a tag or a digest"),
        ("local_project_install_command", " ", "expected a command, got an empty one"),
        ("local_project_install_command", ["pip", 3], "`local_project_install_command[1]`: expected a string"),
        ("target_repository", True, "expected a string, got a boolean"),
        *(
            ("venv", value, f"`venv`: `{value}` is not an absolute path in plain characters")
            for value in (
                "venv",
                "./venv",
                "/",
                "//srv/venv",
                "/srv//venv",
                "/srv/venv/",
                "/srv/./venv",
                "/srv/../venv",
            )
        ),
        *(
            ("venv", f"/srv/{name}", "is not an absolute path in plain characters")
            for name in ("a b", "a:b", "$HOME", "`a`", '"', "'", "a\\b", "a;b", "a#b", "é")
        ),
        ("venv", "/srv/a\nb", "a line break"),
        ("venv", "/srv/.wh.venv", "a name that takes files away"),
        *(
            ("venv", value, f"`venv`: `{value}` is, or is around or inside, `")
            for value in ("/app", "/app/.venv", "/opt", "/opt/zlock", "/opt/zlock/env", "/var", "/tmp/venv", "/run/a")
        ),
        ("venv", "/srv/a\u2028b", "control character"),
        ("venv", 3, "expected a string, got a number"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: Any, problem: str) -> None:
    assert problem in mistake(**{name: value}).message


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("replicate_local_python_environment", "pip_freze", "did you mean `pip_freeze`"),
        ("replicate_local_python_environment", "conda list", '`["conda", "list"]`'),
        ("python_package_installer_args", {"--timeout": 1}, "leave the dashes out: `timeout`"),
        ("requirements", ["torch=1.12"], "write `torch==1.12`"),
        ("requirements", ["-r other.txt"], "options belong in a requirements file"),
    ],
)
def test_a_wrong_value_comes_with_the_way_out(name: str, value: Any, hint: str) -> None:
    assert hint in mistake(**{name: value}).hint


@pytest.mark.parametrize(
    "value", ["/opt/venv", "/opt/zlock-venv", "/application", "/home/app/.venv", "/v", "/a+b/c_d-1"]
)
def test_an_environment_may_be_in_a_folder_of_ones_own(value: str) -> None:
    assert DockerSettings(venv=value).effective().venv == value


def test_invalid_requirements_are_named_by_position() -> None:
    errors = mistakes(lambda: DockerSettings(requirements=["a", "b==", "c", "d; what"]))

    assert [error.message.partition(":")[0] for error in errors] == ["`requirements[1]`", "`requirements[3]`"]


def test_credentials_are_in_no_message() -> None:
    error = mistake(requirements=["a @ https://me:secret@host.example/a.whl b"])

    assert "secret" not in f"{error.message} {error.hint} {error.context}"


@pytest.mark.parametrize(
    "stated",
    [
        *("a", "a-b.c_d", "A1", "-a", "a-", "a b", "a[b]", "a[b,c]", "a[]", "a[-]", "a==1", "a>=1,<2", "a >= 1, < 2"),
        *(
            "a==",
            "a=1",
            "a=>1",
            "a==1,",
            "a==1.",
            "a == 1 ",
            "a~=1",
            "a==1.*",
            "a==1\u0663",
            "a<1\n",
            "a;b",
            "\u00e9",
            "a[b ]",
        ),
    ],
)
def test_the_short_way_for_plain_requirements_agrees_with_packaging(stated: str) -> None:
    """Plain requirements are recognised without packaging; none may pass that packaging refuses."""
    try:
        Requirement(stated)
    except InvalidRequirement:
        assert mistakes(lambda: checks.requirement(stated, "requirements[0]"))
    else:
        if stated.isprintable():
            assert checks.requirement(stated, "requirements[0]") == stated


def test_all_mistakes_come_at_once_with_the_place() -> None:
    line = sys._getframe().f_lineno + 1
    errors = mistakes(lambda: DockerSettings(apt_package=["git"], user="", system=3))  # type: ignore[call-arg, arg-type]

    assert [error.message for error in errors] == [
        "unknown key `apt_package`",
        "`user`: expected a string, got an empty one",
        "`system`: expected a boolean, got a number",
    ]
    assert errors[0].hint == "did you mean `apt_packages`?"
    assert all(f"{Path(__file__).name}:{line}" in error.context[-1] for error in errors)


def test_positional_arguments_are_refused() -> None:
    (error,) = mistakes(lambda: DockerSettings(["torch"]))  # type: ignore[call-arg]

    assert "keyword arguments only" in error.message


def test_a_plain_traceback_shows_every_mistake_and_hint() -> None:
    with pytest.raises(Problems) as caught:
        DockerSettings(apt_packages="git", usr="me")  # type: ignore[call-arg, arg-type]

    shown = "".join(traceback.format_exception_only(caught.value))
    assert "unknown key `usr`" in shown
    assert 'hint: write a list: `["git"]`' in shown


def test_settings_can_not_be_changed() -> None:
    settings = DockerSettings(user="me")
    with pytest.raises(AttributeError):
        settings.user = "you"  # type: ignore[misc]


def test_table_has_the_same_fields_in_kebab_case() -> None:
    table = {name.replace("_", "-"): value for name, value in FULL.items()}

    settings = DockerSettings.from_table(table, at="docker", file="/project/zlock.toml")

    assert settings == DockerSettings(**FULL)
    assert settings.where("user") == ("/project/zlock.toml", None)


def test_all_mistakes_of_a_table_come_at_once_with_their_key_paths() -> None:
    table = {"apt_packages": ["git"], "requirement": ["a"], "user": 3, "environment": {"A": []}, "requirements": ["b="]}
    errors = mistakes(lambda: DockerSettings.from_table(table, at="steps.train.docker", file="/project/zlock.toml"))

    assert [error.message.partition(" is not")[0] for error in errors] == [
        "unknown key `steps.train.docker.apt_packages`",
        "unknown key `steps.train.docker.requirement`",
        "`steps.train.docker.user`: expected a string, got a number",
        "`steps.train.docker.environment.A`: expected a string, got a list",
        "`steps.train.docker.requirements[0]`: `b=`",
    ]
    assert errors[0].hint.endswith("write `apt-packages`")
    assert errors[1].hint.startswith("did you mean `requirements`")
    assert {error.context for error in errors} == {("stated in /project/zlock.toml",)}


def test_a_table_must_be_a_table() -> None:
    (error,) = mistakes(lambda: DockerSettings.from_table(["a"], at="docker", file="/project/zlock.toml"))

    assert error.message == "`docker`: expected a table, got a list"


def test_importing_zlock_imports_nothing_else() -> None:
    script = "import sys; before = set(sys.modules); import zlock; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["zlock"]


def test_stating_settings_imports_nothing_that_only_reading_a_configuration_needs() -> None:
    """A pipeline file is imported at every run."""
    script = "import sys; from zlock import DockerSettings; DockerSettings(requirements=['a>=1']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert {"packaging", "tomllib", "zlock.settings.table"}.isdisjoint(done.stdout.split())


def test_public_names_are_listed_and_others_refused() -> None:
    assert dir(zlock) == ["DockerSettings", "__version__", "locks_of", "pipeline", "step"]
    assert all(getattr(zlock, name) for name in zlock.__all__)
    with pytest.raises(AttributeError):
        zlock.pipelin  # noqa: B018  # asking for it is the test

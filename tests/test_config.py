"""The configuration: every key with its type and default, every mistake with its key path, all at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from zlock.errors import InvalidConfiguration, Problems, ZlockError
from zlock.settings.config import Project, find_project, parse_project, read_project

EVERY_KEY = """
python = "3.11.4"
platforms = ["linux/arm64"]
manylinux = "2_34"
lock-dir = "locks"
pipeline = "flow.py:flow"
index-sources = { Torch = "wheels" }
exclude-newer = 2026-11-01
exclude-newer-package = { Some_Name = "2026-12-01T12:00:00+02:00", free = false }
conflicts = "later"
build-sdists = ["Old_Thing"]
prerelease = "allow"
resolution = "lowest-direct"
align = true
constraints = ["alpha<2"]
overrides = ["beta==1"]
exclude = ["gamma", { package = "Delta", from = "alpha" }]
urls = "portable"
wheelhouse = "wheels"
registry = "registry.example/team"
[[index]]
name = "wheels"
url = "https://index.example/wheels/"
explicit = true
[[index]]
url = "mirror"
default = true
[stack]
requirements = ["alpha"]
[integrations.acme]
requirements = ["acme"]
[docker]
requirements = ["alpha"]
[steps.train]
python = "3.12"
platforms = ["linux/amd64"]
docker.apt-packages = ["git"]
"""


def parse(text: str) -> Project:
    return parse_project(tomllib.loads(text), Path("/project/zlock.toml"))


def mistakes(text: str) -> list[ZlockError]:
    with pytest.raises((InvalidConfiguration, Problems)) as caught:
        parse(text)
    return list(caught.value.errors) if isinstance(caught.value, Problems) else [caught.value]


def mistake(text: str) -> ZlockError:
    (error,) = mistakes(text)
    return error


def test_every_key_is_read() -> None:
    project = parse(EVERY_KEY)

    assert project.python == "3.11.4"
    assert project.platforms == ("linux/arm64",)
    assert (project.manylinux, project.musllinux) == ("2_34", None)
    assert (project.lock_dir, project.pipeline) == ("locks", "flow.py:flow")
    wheels, default = project.routing.indexes
    assert (wheels.name, wheels.url, wheels.explicit, wheels.default) == (
        "wheels",
        "https://index.example/wheels/",
        True,
        False,
    )
    assert (default.url, default.default) == (str(Path("/project/mirror").resolve()), True)
    assert project.routing.sources == {"torch": "wheels"}
    assert project.cutoff.default == datetime(2026, 11, 1, tzinfo=UTC)
    assert project.cutoff.packages == {"some-name": datetime(2026, 12, 1, 10, tzinfo=UTC), "free": None}
    assert (project.conflicts, project.prerelease, project.resolution) == ("later", "allow", "lowest-direct")
    assert project.build_sdists == frozenset({canonicalize_name("Old_Thing")})
    assert [str(one) for one in (*project.constraints, *project.overrides)] == ["alpha<2", "beta==1"]
    assert project.exclude == {("gamma", None), ("delta", "alpha")}
    assert project.stack is not None
    assert project.stack.requirements == ("alpha",)
    assert project.integrations["acme"].requirements == ("acme",)
    assert project.docker.stated() == {"requirements": ("alpha",)}
    train = project.steps["train"]
    assert (train.python, train.platforms) == ("3.12", ("linux/amd64",))
    assert train.docker.stated() == {"apt_packages": ("git",)}


def test_an_empty_table_is_the_documented_defaults() -> None:
    project = parse("")

    assert project == Project(folder=Path("/project"), file=Path("/project/zlock.toml"), lines=project.lines)
    assert project.python is None
    assert project.platforms == ("linux/amd64",)
    assert project.lock_dir == "lockfiles"
    assert (project.conflicts, project.resolution) == ("error", "highest")
    assert project.prerelease == "if-necessary-or-explicit"
    assert project.build_sdists == frozenset()


def test_every_package_may_build_where_that_is_said() -> None:
    assert parse('build-sdists = "all"').build_sdists is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("pyton = 1", "unknown key `pyton`", "did you mean `python`?"),
        ('lock_dir = "a"', "unknown key `lock_dir`", "keys are kebab-case here: write `lock-dir`"),
        ("[steps.a]\nlock-dir = 1", "unknown key `steps.a.lock-dir`", "known are `docker`, `python`"),
        ("parent_image = 'x'", "unknown key `parent_image`", "`parent-image` belongs into the table `[docker]`"),
        ("[steps.a]\nuser = 'x'", "unknown key `steps.a.user`", "`user` belongs into the table `[steps.a.docker]`"),
        ("[steps.a]\npyton = 1", "unknown key `steps.a.pyton`", "did you mean `python`?"),
        ("[docker]\nrequirement = []", "unknown key `docker.requirement`", "did you mean `requirements`"),
        ("[steps.a.docker]\napt_packages = []", "unknown key `steps.a.docker.apt_packages`", "write `apt-packages`"),
        ('[[index]]\nurl = "a"\nnmae = 1', "unknown key `index[0].nmae`", "did you mean `name`?"),
        ("python = 3.12", "`python`: expected a string, got a number", ""),
        ('python = "3"', "`python`: is not a Python 3 version: `3`", 'write `python = "3.12"`'),
        ('[steps.a]\npython = "2.7"', "`steps.a.python`: is not a Python 3 version: `2.7`", ""),
        ('python = ""', "`python`: expected a string, got an empty one", "leave the key out"),
        ('platforms = "linux/amd64"', "`platforms`: expected a list of strings, got a string", '`["linux/amd64"]`'),
        ('platforms = ["linux/x86"]', "`platforms[0]`: holds an unknown platform: `linux/x86`", "OCI names"),
        ('platforms = ["linux/arm64", "linux/arm64"]', "`platforms`: `linux/arm64` is listed twice", "leave one"),
        ("platforms = []", "`platforms`: is empty", 'write `platforms = ["linux/amd64"]`'),
        ('manylinux = "glibc"', "`manylinux`: is not a libc version: `glibc`", "2_28"),
        ('musllinux = "one"', "`musllinux`: is not a libc version: `one`", "1_2"),
        (
            'musllinux = "2_28"',
            "`musllinux`: is a libc that there is none of: `2_28`",
            "leave it out",
        ),
        ('musllinux = "1_28"', "`musllinux`: is a libc that there is none of: `1_28`", 'write `musllinux = "1_2"`'),
        ('manylinux = "1_2"', "`manylinux`: is a libc that there is none of: `1_2`", 'write `manylinux = "2_28"`'),
        ('conflicts = "latter"', "`conflicts`: expected `error` or `later`, got `latter`", "did you mean `later`?"),
        ('prerelease = "alow"', "`prerelease`: expected `if-necessary-or-explicit`, ", "did you mean `allow`"),
        ('resolution = "newest"', "`resolution`: expected `highest`, `lowest` or `lowest-direct`, got `newest`", ""),
        ('constraints = "a<2"', "`constraints`: expected a list of strings, got a string", '`["a<2"]`'),
        ('constraints = ["a=>2"]', "`constraints[0]`: `a=>2` is not a requirement", "write `a>=2`"),
        ('constraints = ["a=<2"]', "`constraints[0]`: `a=<2` is not a requirement", "write `a<=2`"),
        ('constraints = ["a ^1.4"]', "`constraints[0]`: `a ^1.4` is not a requirement", "write `a>=1.4,<2.0`"),
        ('constraints = ["a[x]~1.4"]', "`constraints[0]`: `a[x]~1.4` is not a requirement", "write `a[x]>=1.4,<1.5`"),
        ('constraints = ["a>=1;<2"]', "`constraints[0]`: `a>=1;<2` is not a requirement", "write `a>=1,<2`"),
        ('constraints = ["a>=1,,<2"]', "`constraints[0]`: `a>=1,,<2` is not a requirement", "write `a>=1,<2`"),
        ('constraints = ["a >=1 <2"]', "`constraints[0]`: `a >=1 <2` is not a requirement", "write `a>=1,<2`"),
        ('constraints = ["a 1.26"]', "`constraints[0]`: `a 1.26` is not a requirement", "write `a==1.26`"),
        (
            'constraints = ["a, b>=1"]',
            "`constraints[0]`: `a, b>=1` is not a requirement",
            "write two items: `a`, `b>=1`",
        ),
        (
            f'constraints = ["{"a" * 256}"]',
            f"`constraints[0]`: `{'a' * 256}` is not a requirement: the name is too long",
            "",
        ),
        ('constraints = ["a b c"]', "`constraints[0]`: `a b c` is not a requirement", "write 3 items: `a`, `b`, `c`"),
        (
            'constraints = ["a==1 --hash=sha256:0"]',
            "`constraints[0]`: `a==1 --hash=sha256:0` is not a requirement",
            "hashes belong in",
        ),
        ("constraints = [\"a; python_version ~= '3'\"]", "`constraints[0]`: `a; python_version ~= '3'` is not", ""),
        ('constraints = ["a=2"]', "`constraints[0]`: `a=2` is not a requirement", "write `a==2`"),
        ('build-sdists = "a"', "`build-sdists`: expected a list of strings, got a string", '`["a"]`'),
        ('exclude = "a"', "`exclude`: expected a list of strings, got a string", '`["a"]`'),
        ("exclude = [1]", "`exclude[0]`: expected a table, got a number", ""),
        ('exclude = [{from = "a"}]', "`exclude[0].package`: is missing", '`{package = "a", from = "b"}`'),
        (
            "exclude-newer = 9999-12-31T23:59:59-01:00",
            "`exclude-newer`: `9999-12-31 23",
            "write",
        ),
        ('exclude-newer = "soon"', "`exclude-newer`: `soon` is not an RFC 3339 time", 'write `"2026-11-01T00:00:00Z"`'),
        ("step-back = -1", "`step-back`: expected a whole number of days, 0 or more, got -1", "such as `180`"),
        ("step-back = 1.5", "`step-back`: expected a whole number of days, 0 or more, got 1.5", "such as `180`"),
        ("step-back = true", "`step-back`: expected a whole number of days, 0 or more, got a boolean", "such as `180`"),
        ("exclude-newer = 5", "`exclude-newer`: expected an RFC 3339 time, got a number", "write"),
        ("exclude-newer-package = {a = true}", "`exclude-newer-package.a`: expected an RFC 3339 time", "write"),
        ('index = "https://index.example/"', "`index`: expected a list of tables, got a string", "write `[[index]]`"),
        ("[[index]]\ndefault = true", "`index[0].url`: is missing", "https://index.example/simple/"),
        (
            '[[index]]\nurl = "https://index.example/a b/"',
            "`index[0].url`: expected a URL of http or https with a host and no spaces, or of a file, got `https://index.ex",
            "",
        ),
        ('[[index]]\nurl = "ftp://index.example/"', "`index[0].url`: expected a URL of http or https with a host", ""),
        ('[[index]]\nurl = "a"\ndefault = 1', "`index[0].default`: expected a boolean, got a number", ""),
        ('[[index]]\nurl = "a"\nexplicit = true', "`index[0].explicit`: an explicit index has a name", "`name`"),
        *(
            (f'[[index]]\nurl = "{url}"\nindex-in-context = {value}', f"`index[0].{said}", hint)
            for url, value, said, hint in (
                ("wheels", "true", "index-in-context`: a folder of this machine is in no build", "--wheelhouse"),
                ("file:///wheels", "true", "index-in-context`: a folder of this machine", "leave this out"),
                ("https://me:hush@index.example/", "true", "index-in-context`: `url` holds credentials", "as a secret"),
                ("https://token@index.example/", "true", "index-in-context`: `url` holds credentials", ""),
                ("https://index.example/?key=1", "true", "url`: has a query", ""),
                ("https://index.example/", "1", "index-in-context`: expected a boolean, got a number", ""),
            )
        ),
        (
            '[steps.a]\n[[steps.a.index]]\nurl = "https://t@index.example/"\nindex-in-context = true',
            "`steps.a.index[0].index-in-context`: `url` holds credentials",
            "",
        ),
        ('index-sources = {a = "whels"}', "`index-sources.a`: there is no index `whels`", "`index`"),
        (
            "overrides = [\"a==1; python_version < '3'\"]",
            '`overrides`: `a==1; python_version < "3"` has a marker',
            "`a==1`",
        ),
        ('overrides = ["a[x]==1"]', "`overrides`: `a[x]==1` has extras", "`a==1`"),
        (
            'overrides = ["a @ https://index.example/a.zip"]',
            "`overrides`: `a @ https://index.example/a.zip` has a URL",
            "",
        ),
        ('overrides = ["a>=1", "A<2"]', "`overrides`: `a` is overridden twice", "`name>=1,<2`"),
        ('constraints = ["a[x]<2"]', "`constraints`: `a[x]<2` has extras", "where the package is required"),
        (
            'constraints = ["a @ https://index.example/a.zip?token=x"]',
            "`constraints`: the value of `token` in a URL would be written into locks",
            "netrc",
        ),
        (
            '[[index]]\nurl = "https://index.example/simple?token=x"',
            "`index[0].url`: has a query or a fragment",
            "credentials",
        ),
        ('[index-sources]\n"a b" = "house"', "`index-sources`: `a b` is not a valid package name", "letters, digits"),
        ('[exclude-newer-package]\n"a>1" = false', "`exclude-newer-package`: `a>1` is not a valid package name", "`a`"),
        ('exclude = ["a b"]', "`exclude[0]`: `a b` is not a valid package name", "letters, digits"),
        ('exclude = [{package = "a>1"}]', "`exclude[0].package`: `a>1` is not a valid package name", "`a`"),
        (
            'build-sdists = ["a", "b==1"]',
            "`build-sdists[1]`: `b==1` is not a valid package name",
            "the name alone: `b`",
        ),
        ("docker = 5", "`docker`: expected a table, got a number", ""),
        ("stack = []", "`stack`: expected a table, got a list", ""),
        ("steps = 5", "`steps`: expected a table, got a number", ""),
        ("[steps]\na = 5", "`steps.a`: expected a table, got a number", ""),
        ("wheelhouse = 5", "`wheelhouse`: expected a path, got a number", ""),
        ("registry = []", "`registry`: expected a string, got a list", ""),
        ("align = 1", "`align`: expected a boolean, got a number", ""),
        ('urls = "local"', "`urls`: expected `index` or `portable`, got `local`", ""),
        ("[steps.a]\nalign = 1", "`steps.a.align`: expected a boolean, got a number", ""),
        ('[steps.a]\nindex-sources = {b = "c"}', "`steps.a.index-sources.b`: there is no index `c`", "`index`"),
    ],
)
def test_a_mistake_is_named_with_its_key_path_and_the_way_out(text: str, message: str, hint: str) -> None:
    error = mistake(text)

    assert error.exit_code == 2
    assert error.message.startswith(message)
    assert hint in error.hint
    assert error.context == ("stated in /project/zlock.toml",)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://index.example/simple/", ""),
        ("fl at/./new", "fl at/new"),
        ("../beside", "../beside"),
        ("/project/wheels", "wheels"),
        ("file:///project/my%20wheels", "my wheels"),
        ("/machine/wheels", "/machine/wheels"),
        ("file:///machine/wheels", "/machine/wheels"),
    ],
)
def test_a_folder_as_index_is_recorded_as_it_is_in_every_copy(url: str, folder: str) -> None:
    (index,) = parse(f'[[index]]\nurl = "{url}"').routing.indexes
    assert index.folder == folder


def test_an_index_may_be_one_that_contexts_name() -> None:
    (index,) = parse('[[index]]\nurl = "https://index.example/cpu"\nindex-in-context = true').routing.indexes
    assert index.in_context


def test_names_of_indexes_are_held_against_each_other() -> None:
    tables = '[[index]]\nurl = "a"\nname = "one"\ndefault = true\n' * 2
    text = f'index-sources = {{torch = "onee"}}\n{tables}'

    assert [(error.message, error.hint) for error in mistakes(text)] == [
        ("`index`: two tables have the name `one`", "give one of them another name"),
        ("`index`: two tables have `default = true`", "only one index is asked last"),
        ("`index-sources.torch`: there is no index `onee`", "did you mean `one`?"),
    ]


def test_a_route_of_the_project_is_not_lost_where_a_step_has_indexes_of_its_own() -> None:
    """The package would come from wherever else it is found, which may be a stranger's."""
    project = 'index-sources = {torch = "house"}\n[[index]]\nurl = "a"\nname = "house"\n'
    own = '[[steps.a.index]]\nurl = "b"\nname = "other"\n'

    error = mistake(f"{project}{own}")
    assert error.message == "`steps.a.index`: `index-sources` sends `torch` to `house`, which is not among them"
    assert parse(f'{project}{own}[steps.a.index-sources]\ntorch = "other"\n').steps["a"].index_sources == {
        "torch": "other"
    }


def test_all_mistakes_come_at_once() -> None:
    text = (
        'python = 3\nplatforms = "x"\nconstraints = ["a=1", "b=2"]\nconflicts = 1\n'
        "[docker]\napt-packages = 5\nuser = 1\n[steps.a]\nx = 1\n[steps.a.docker]\ny = 1\n"
    )

    assert {error.message.split("`")[1] for error in mistakes(text)} == {
        "python",
        "platforms",
        "constraints[0]",
        "constraints[1]",
        "conflicts",
        "docker.apt-packages",
        "docker.user",
        "steps.a.x",
        "steps.a.docker.y",
    }


def test_no_password_is_shown_in_a_mistake() -> None:
    text = '[[index]]\nurl = "ftp://ann:secret@index.example/"\n[docker]\nrequirements = ["a @ https://u:secret@h/ x"]'

    for error in mistakes(text):
        assert "secret" not in f"{error.message} {error.context} {error.hint}"


# Which file


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_the_nearest_configuration_upwards_counts_and_other_pyprojects_are_passed_over(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"zlock.toml": 'python = "3.11"', "a/pyproject.toml": "[project]\nname = 'a'", "a/b/other.txt": "", "c/x": ""},
    )
    write(tmp_path, {"c/pyproject.toml": "[tool.zlock]\npython = '3.13'"})

    assert find_project(tmp_path / "a" / "b").folder == tmp_path
    assert find_project(tmp_path / "a" / "b").python == "3.11"
    assert find_project(tmp_path / "c").python == "3.13"
    assert find_project(tmp_path / "c").shown_file == "pyproject.toml"
    assert read_project(tmp_path / "a") is None


def test_an_empty_table_in_pyproject_is_a_configuration(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[tool.zlock]\n"})

    project = read_project(tmp_path)

    assert project
    assert project == Project(folder=tmp_path, file=tmp_path / "pyproject.toml", lines=project.lines)


@pytest.mark.skipif(os.name != "posix", reason="files of POSIX")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "`zlock.toml` is a folder"),
        (os.mkfifo, "`zlock.toml` is not a regular file"),
        (lambda path: path.symlink_to(path), "`zlock.toml` can't be read: "),
        (lambda path: path.symlink_to("gone"), "`zlock.toml` can't be read: "),
    ],
    ids=["folder", "pipe", "loop", "dangling"],
)
def test_what_stands_in_the_place_of_a_configuration_is_not_passed_over(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    write(tmp_path, {"zlock.toml": "", "a/other.txt": ""})
    make(tmp_path / "a" / "zlock.toml")

    with pytest.raises(InvalidConfiguration) as caught:
        find_project(tmp_path / "a")
    assert said in caught.value.message.replace(f"{tmp_path}/a/", "")


def test_names_of_steps_are_wrong_together_with_everything_else() -> None:
    with pytest.raises(Problems) as caught:
        parse('pyton = "3.12"\n[steps."a.b"]\n[steps.Train]\n[steps.train]\n')
    said = [error.message for error in caught.value.errors]
    assert [text.partition(" ")[0] for text in said] == ["unknown", "the", "the"]
    assert "`a.b`" in said[1]
    assert "`Train` and `train` differ only in case" in said[2]


def test_both_files_are_a_mistake(tmp_path: Path) -> None:
    write(tmp_path, {"zlock.toml": "", "pyproject.toml": "[tool.zlock]\n"})

    with pytest.raises(InvalidConfiguration, match=r"both `zlock\.toml` and"):
        read_project(tmp_path)


@pytest.mark.parametrize("text", ["tool = 5", "[tool]\nother = 1", "[[tool]]\nzlock = 1"])
def test_other_tools_in_pyproject_are_none_of_our_business(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"pyproject.toml": text})

    assert read_project(tmp_path) is None


def test_a_merge_conflict_in_the_configuration_is_to_be_resolved_first(tmp_path: Path) -> None:
    write(tmp_path, {"zlock.toml": '<<<<<<< HEAD\npython = "3.11"\n=======\npython = "3.12"\n>>>>>>> other\n'})

    with pytest.raises(InvalidConfiguration, match="is not valid TOML") as caught:
        read_project(tmp_path)

    assert caught.value.hint == "resolve the merge conflict in it first"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"python = ", "is not valid TOML"),
        (b"a = " + b"[" * 5000, "is not valid TOML"),
        (b"[docker.environment]\na = " + b"1" * 5000, "is not valid TOML: it holds a number of more than 64 bits"),
        (b"[docker.environment]\na = 0x" + b"f" * 5000, "is not valid TOML: it holds a number of more than 64 bits"),
        (b"a = '\xff'", "is not valid UTF-8"),
        (b"\xef\xbb\xbfpyton = 1", "unknown key `pyton`"),
    ],
)
def test_a_file_that_is_no_toml_is_a_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "zlock.toml").write_bytes(content)

    with pytest.raises(InvalidConfiguration, match=message):
        read_project(tmp_path)


def test_a_configuration_that_is_no_table_is_a_clear_error() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse_project(5, Path("/project/pyproject.toml"))

    assert caught.value.message == "`tool.zlock`: expected a table, got a number"


def test_unknown_values_of_every_type_are_mistakes_and_never_a_traceback() -> None:
    """Each key with each kind of value: it is read, or refused as bad input."""
    values: list[Any] = [
        "",
        "x",
        1,
        1.5,
        True,
        [],
        [1],
        ["x"],
        {},
        {"x": 1},
        [{}],
        [[]],
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
    keys = (
        "python platforms manylinux musllinux lock-dir pipeline index index-sources exclude-newer "
        "exclude-newer-package conflicts build-sdists prerelease resolution align constraints overrides exclude urls "
        "wheelhouse registry stack integrations docker steps"
    )
    for key in keys.split():
        for value in values:
            for table in (
                {key: value},
                {"steps": {"a": {key: value}}},
                {"docker": {key: value}},
                {"index": [{key: value}]},
            ):
                try:
                    parse_project(table, Path("/project/zlock.toml"))
                except ZlockError as error:
                    assert (error.worst if isinstance(error, Problems) else error.exit_code) == 2  # noqa: PT017

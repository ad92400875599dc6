"""Requirements by a path that are no requirements: the form that a hint names works, in zlock, pip and uv."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import tomli_w
import uv

from support.index import TinyIndex
from support.project import Project, Result
from support.wheels import make_tree, make_wheel

STATIC = """
[project]
name = "features"
version = "1.0"
optional-dependencies = { gpu = ["alpha"] }
"""
ALONE = [
    ("features @ ./libs/features", "./libs/features"),
    ("features[gpu] @ ./libs/features", "./libs/features[gpu]"),
    ('features[gpu] @ ./libs/features ; python_version < "3.99"', './libs/features[gpu] ; python_version < "3.99"'),
    ("features[gpu]@libs/features", "./libs/features[gpu]"),
    ("features ./libs/features", "./libs/features"),
    ('features = {path = "libs/features"}', "./libs/features"),
    (
        "features = {path = './libs/features', extras = ['gpu'], develop = true, markers = \"os_name == 'posix'\"}",
        "./libs/features[gpu] ; os_name == 'posix'",
    ),
    ('{path = "libs/features"}', "./libs/features"),
]
NAMED = [
    ("features @ ./libs/features", "features @ file:./libs/features"),
    (
        'features[gpu] @ ./libs/features ; python_version < "3.99"',
        'features[gpu] @ file:./libs/features ; python_version < "3.99"',
    ),
    ("features @ libs/features", "features @ file:./libs/features"),
    ("./libs/features[gpu]", "features[gpu] @ file:./libs/features"),
    (
        './libs/features[gpu] ; python_version < "3.99"',
        'features[gpu] @ file:./libs/features ; python_version < "3.99"',
    ),
    ('features = {path = "libs/features", extras = ["gpu"]}', "features[gpu] @ file:./libs/features"),
    ("./features-1.0-py3-none-any.whl[gpu]", "features[gpu] @ file:./features-1.0-py3-none-any.whl"),
    ("features @ ./more libs/features", "features @ file:./more%20libs/features"),
]


@pytest.fixture
def place(project: Project, index: TinyIndex) -> Project:
    """A project with folders of others in it."""
    index.wheel("alpha", "1.0")
    for folder in ("libs/features", "more libs/features"):
        make_tree(project.folder / folder, "features", "1.0", extras={"gpu": ["alpha"]})
        with (project.folder / folder / "pyproject.toml").open("a") as stream:
            stream.write(STATIC)
    make_wheel(project.folder, "features", "1.0", extras={"gpu": ["alpha"]})
    return project


def lock(project: Project, index: TinyIndex) -> Result:
    return project.run("resolve", "--index-url", index.url)


def hinted(project: Project, index: TinyIndex) -> str:
    """Return the form that the hint of the only error names."""
    done = lock(project, index)
    assert done.code == 2
    (form,) = re.findall(r"^hint: write `(.*)`$", done.stderr, re.MULTILINE)
    assert done.stderr.count("error: ") == 1
    assert not (project.folder / "lockfiles").exists()
    return str(form)


def assert_locked(project: Project, index: TinyIndex, form: str) -> None:
    done = lock(project, index)
    assert done.code == 0, done.stderr
    packages = {"features", "alpha"} if "[gpu]" in form else {"features"}
    assert project.locked("pipeline").keys() == packages


def assert_installers_take(project: Project, index: TinyIndex, form: str) -> None:
    """Let the real pip and uv read the form as a line of a requirements file in the project's folder."""
    project.write("forms.txt", f"{form}\n")
    options = ("--index-url", index.url, "--no-cache-dir", "--quiet")
    done = project.call(
        sys.executable, "-m", "pip", "install", "--dry-run", "--no-compile", *options, "-r", "forms.txt"
    )
    assert done.code == 0, done.stderr
    done = project.call(
        uv.find_uv_bin(), "pip", "compile", "--no-config", "--no-cache", "--default-index", index.url, "forms.txt"
    )
    assert done.code == 0, done.stderr
    assert ("alpha==1.0" in done.stdout) == ("[gpu]" in form)


@pytest.mark.parametrize(("stated", "form"), ALONE)
def test_in_a_list_and_in_a_file_a_path_stands_alone(place: Project, index: TinyIndex, stated: str, form: str) -> None:
    place.configure({"python": "3.12", "docker": {"extra-requirements": [stated]}})
    assert hinted(place, index) == form
    place.write("needs.txt", f"{stated}\n")
    place.configure({"python": "3.12", "docker": {"requirements": "needs.txt"}})
    assert hinted(place, index) == form

    place.write("needs.txt", f"{form}\n")
    assert_locked(place, index, form)
    place.configure({"python": "3.12", "docker": {"extra-requirements": [form]}})
    assert_locked(place, index, form)
    assert_installers_take(place, index, form)


def state(project: Project, where: str, text: str) -> None:
    """State a requirement where it has to be PEP 508."""
    places: dict[str, dict[str, Any]] = {
        "pyproject": {"docker": {"pyproject-path": "pyproject.toml"}},
        "stack": {"stack": {"requirements": [text]}},
        "integration": {"integrations": {"x": {"requirements": [text]}}, "docker": {"required-integrations": ["x"]}},
    }
    own = {"name": "own", "version": "1.0", "dependencies": [text]}
    project.write("pyproject.toml", tomli_w.dumps({"project": own}))
    project.configure({"python": "3.12", **places[where]})


@pytest.mark.parametrize("where", ["pyproject", "stack", "integration"])
@pytest.mark.parametrize(("stated", "form"), NAMED)
def test_where_only_pep_508_may_stand_a_path_is_a_url(
    place: Project, index: TinyIndex, stated: str, form: str, where: str
) -> None:
    state(place, where, stated)
    assert hinted(place, index) == form

    state(place, where, form)
    assert_locked(place, index, form)
    if where == "pyproject":
        assert_installers_take(place, index, form)


def test_a_path_to_nothing_is_said_to_be_one(place: Project, index: TinyIndex) -> None:
    state(place, "pyproject", "team/project")

    done = lock(place, index)

    assert done.code == 2
    assert f"hint: if it is a path: there is no such folder or archive, seen from `{place.folder}`" in done.stderr


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("-e features[gpu] @ ./libs/features", "-e ./libs/features[gpu]"),
        ("--editable=features @ libs/features", "-e ./libs/features"),
        ('-e features @ ./libs/features ; python_version < "3.99"', './libs/features ; python_version < "3.99"'),
        ("-e features@./libs/features", "./libs/features"),
    ],
)
def test_an_editable_path_stands_alone(place: Project, index: TinyIndex, line: str, form: str) -> None:
    place.write("needs.txt", f"{line}\n")
    place.configure({"python": "3.12", "docker": {"requirements": "needs.txt"}})
    assert hinted(place, index) == form

    place.write("needs.txt", f"{form}\n")
    assert_locked(place, index, form)


def test_a_constraint_and_a_folder_without_a_name_keep_theirs(place: Project, index: TinyIndex) -> None:
    place.write("limits.txt", "features @ ./libs/features\n")
    place.write("needs.txt", "-c limits.txt\nfeatures\n")
    place.configure({"python": "3.12", "docker": {"requirements": "needs.txt"}})
    form = hinted(place, index)
    assert form == "features @ file:./libs/features"
    place.write("limits.txt", f"{form}\n")
    assert_locked(place, index, form)
    (place.folder / "lockfiles" / "pylock.pipeline.toml").unlink()
    (place.folder / "lockfiles").rmdir()

    make_tree(place.folder / "libs/unnamed", "unnamed", "1.0", static=False)
    (place.folder / "libs/unnamed/setup.py").touch()
    (place.folder / "libs/unnamed/pyproject.toml").unlink()
    place.configure({"python": "3.12", "docker": {"requirements": ["unnamed @ ./libs/unnamed"]}})
    assert hinted(place, index) == "unnamed @ file:./libs/unnamed"


@pytest.mark.parametrize(
    ("stated", "hint"),
    [
        (
            "a @ host.example/b",
            "write a whole URL: `https://...`, `git+https://...` or `file:///...`, or `./host.example/b`",
        ),
        (
            "a @ file://libs/features",
            "write `file:///PATH`, or `file:PATH` for one in this folder",
        ),
        ('a = {git = "https://host.example/a.git", tag = "v1"}', "write `a @ git+https://host.example/a.git@v1`"),
        ('a = {url = "https://host.example/a.zip", extras = ["x"]}', "write `a[x] @ https://host.example/a.zip`"),
        ('a = "1.2"', "write `a==1.2`"),
        ('a = {version = ">=1.2", extras = ["x", "y"]}', "write `a[x,y]>=1.2`"),
        ('a = "*"', "write `a`"),
    ],
)
def test_what_other_tools_write_is_named_as_a_requirement(
    place: Project, index: TinyIndex, stated: str, hint: str
) -> None:
    place.configure({"python": "3.12", "docker": {"requirements": [stated]}})

    done = lock(place, index)

    assert done.code == 2
    assert f"hint: {hint}" in done.stderr


def test_the_value_of_a_variable_is_in_no_form(place: Project, index: TinyIndex) -> None:
    place.write("needs.txt", "a @ ${SOMEWHERE}/features\n")
    place.configure({"python": "3.12", "docker": {"requirements": "needs.txt"}})

    done = place.run("resolve", "--index-url", index.url, env={"SOMEWHERE": "./hidden-place"})

    assert done.code == 2
    assert "hidden-place" not in done.stderr
    assert "or a path alone" in done.stderr


def test_the_name_of_a_file_with_a_slip_is_not_taken_for_a_package(project: Project) -> None:
    """A list of it would ask for whatever somebody publishes under that name."""
    project.write("requirements.txt", "six\n")
    (project.folder / "req dir").mkdir()
    said = {}
    for stated in ("requirements.tx", "req dir"):
        project.configure({"python": "3.12", "docker": {"requirements": stated}})
        result = project.run("resolve")
        assert result.code == 2
        said[stated] = result.stderr

    assert "hint: did you mean `requirements.txt`?" in said["requirements.tx"]
    assert "`req dir` is a folder" in said["req dir"]

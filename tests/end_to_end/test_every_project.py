"""`zlock resolve --all`: every project below a folder in one run."""

from __future__ import annotations

import json
import tomllib

import pytest

from support.index import TinyIndex
from support.project import Project


@pytest.fixture
def repository(project: Project, index: TinyIndex) -> Project:
    """Three projects, and places that are none."""
    for version in ("1.0", "2.0"):
        index.wheel("alpha", version)
    head = f'python = "3.12"\nindex = [{{ url = "{index.url}", default = true }}]\n'
    project.write("zlock.toml", head + '[docker]\nrequirements = ["alpha<2"]\n')
    project.write("services/one/zlock.toml", head + '[docker]\nrequirements = ["alpha"]\n')
    table = "".join(f"{line}\n" for line in ("[tool.zlock]", *head.splitlines()))
    project.write("services/two/pyproject.toml", table + '[tool.zlock.docker]\nrequirements = ["alpha"]\n')
    for place in (".hidden", "venv/inside", "node_modules/x"):
        project.write(f"{place}/zlock.toml", "broken")
    project.write("venv/pyvenv.cfg", "home = /usr\n")
    project.write("plain/pyproject.toml", '[project]\nname = "plain"\nversion = "1"\n')
    return project


def pins(project: Project, place: str) -> dict[str, str]:
    text = (project.folder / place / "lockfiles" / "pylock.pipeline.toml").read_text(encoding="utf-8")
    return {one["name"]: one["version"] for one in tomllib.loads(text)["packages"]}


def test_every_project_is_locked_by_itself_with_pages_asked_for_once(repository: Project, index: TinyIndex) -> None:
    result = repository.run("resolve", "--all", "--json")

    assert result.code == 0, result.stderr
    assert list(json.loads(result.stdout)["projects"]) == [".", "services/one", "services/two"]
    assert [pins(repository, place)["alpha"] for place in (".", "services/one", "services/two")] == [
        "1.0",
        "2.0",
        "2.0",
    ]
    assert len([one for one in index.requests if one.path.startswith("/simple/alpha")]) == 1
    assert repository.run("resolve", "--all", "--check").code == 0


def test_what_is_wrong_with_one_project_keeps_no_other_from_being_locked(repository: Project) -> None:
    file = repository.folder / "services" / "one" / "zlock.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"alpha"', '"alpha>>1"'), encoding="utf-8")
    result = repository.run("resolve", "--all", "--json")

    assert result.code == 2
    document = json.loads(result.stdout)
    assert list(document["projects"]) == [".", "services/two"]
    (error,) = document["errors"]
    assert error["message"].startswith("`services/one`: ")
    assert error["file"] == str(file)
    assert pins(repository, "services/two") == {"alpha": "2.0"}


def test_a_part_of_the_projects_is_named(repository: Project) -> None:
    result = repository.run("resolve", "--all", "--project", "services")

    assert result.code == 0, result.stderr
    assert "[one]\npipeline: 1 package" in result.stderr
    assert not (repository.folder / "lockfiles").exists()
    assert repository.run("resolve", "--all", "--step", "pipeline").code == 2
    assert repository.run("resolve", "--all", "--project", "plain").code == 2


def test_a_folder_above_projects_names_them(repository: Project) -> None:
    (repository.folder / "zlock.toml").unlink()
    why, below = repository.run("why", "alpha"), repository.run("resolve", "--project", "services")

    assert (why.code, below.code) == (2, 2)
    for said in (why.stderr, below.stderr):
        assert "hint: name one of those below with `--project`: `services/one`, `services/two`; `zlock resolve" in said


def test_a_package_moves_where_it_is(repository: Project, index: TinyIndex) -> None:
    assert repository.run("resolve", "--all").code == 0
    index.wheel("beta", "1.0")
    file = repository.folder / "services" / "one" / "zlock.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"alpha"', '"beta"'), encoding="utf-8")
    assert repository.run("resolve", "--all").code == 0
    index.wheel("beta", "2.0")

    moved = repository.run("resolve", "--all", "--upgrade-package", "beta")
    unknown = repository.run("resolve", "--all", "--upgrade-package", "gamma")

    assert moved.code == 0, moved.stderr
    assert pins(repository, "services/one") == {"beta": "2.0"}
    file.write_text(file.read_text(encoding="utf-8").replace('"beta"', '"alpha"'), encoding="utf-8")
    outdated = repository.run("resolve", "--all", "--check")
    assert (outdated.code, outdated.stderr.count("hint: run `zlock resolve --all`")) == (1, 1)

    assert unknown.code == 1
    assert unknown.stderr.count("`--upgrade-package gamma`: no lock pins it") == 1

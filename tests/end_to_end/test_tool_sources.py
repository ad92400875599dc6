"""Where a `pyproject.toml` says that its dependencies come from: nothing of a project's own is a stranger's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import uv

from support.environment import clean_environment
from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project, Result
from support.wheels import make_wheel

# What the index has under the names of the project's own packages.
STRANGER = "9.0"


@pytest.fixture
def strange(index: TinyIndex) -> TinyIndex:
    for name in ("core", "app", "extra-core", "my-app"):
        index.wheel(name, STRANGER)
    index.wheel("alpha", "1.0")
    index.wheel("alpha", "2.0")
    return index


@pytest.fixture
def app(project: Project, strange: TinyIndex) -> Project:
    """A project whose `pyproject.toml` is the only source."""
    configure(project, strange)
    return project


def configure(project: Project, index: TinyIndex, *others: dict[str, Any], **more: Any) -> None:
    docker = {"pyproject-path": "pyproject.toml", **more.pop("docker", {})}
    project.configure(
        {"python": "3.12", "index": [{"url": index.url, "default": True}, *others], "docker": docker, **more}
    )


def state(project: Project, tables: str, *, dependencies: str = '"core"', name: str = "root") -> None:
    text = f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [{dependencies}]\n'
    project.write("pyproject.toml", text + tables)


def member(project: Project, folder: str, *needs: str, version: str = "0.1", tables: str = "") -> None:
    stated = ", ".join(f'"{need}"' for need in needs)
    name = Path(folder).name
    text = f'[project]\nname = "{name}"\nversion = "{version}"\nrequires-python = ">=3.11"\ndependencies = [{stated}]\n'
    project.write(f"{folder}/pyproject.toml", text + tables)


def resolved(project: Project) -> Result:
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    check = project.run("resolve", "--check")
    assert check.code == 0, check.stderr
    return result


def refused(project: Project, *said: str) -> str:
    result = project.run("resolve")
    assert result.code == 2, (result.code, result.stdout, result.stderr)
    for text in said:
        assert text in result.stderr, result.stderr
    return result.stderr


def package(project: Project, name: str = "core", step: str = "pipeline") -> dict[str, Any]:
    (found,) = [one for one in project.lock(step)["packages"] if one["name"] == name]
    return dict(found)


UV_WORKSPACE = """
[tool.uv.sources]
core = { workspace = true }
[tool.uv.workspace]
members = ["packages/*"]
exclude = ["packages/old"]
"""


# uv


def test_a_member_of_uvs_workspace_is_the_folder(app: Project) -> None:
    member(app, "packages/core", "alpha<2")
    member(app, "packages/old")
    state(app, UV_WORKSPACE)
    resolved(app)
    assert package(app)["directory"]["path"] == "../packages/core"
    assert app.locked("pipeline")["alpha"] == "1.0"
    tree = app.run("tree").stdout
    assert "`dependencies`, pyproject.toml:5" in tree
    assert "`tool.uv.sources.core`, pyproject.toml:8" in tree


def test_what_a_member_requires_of_the_workspace_is_the_folder_too(app: Project) -> None:
    """Its own table says so, or that of the workspace's root, which members inherit."""
    member(app, "packages/core", "app", "extra-core", tables="[tool.uv.sources]\napp = {workspace = true}\n")
    member(app, "packages/app", "core")
    member(app, "libs/extra-core")
    state(
        app, UV_WORKSPACE.replace("[tool.uv.workspace]", 'extra-core = {path = "libs/extra-core"}\n[tool.uv.workspace]')
    )
    resolved(app)
    assert {one["name"]: one["directory"]["path"] for one in app.lock("pipeline")["packages"]} == {
        "app": "../packages/app",
        "core": "../packages/core",
        "extra-core": "../libs/extra-core",
    }
    member(app, "packages/app", "core", "alpha")
    assert app.run("resolve", "--check").code == 1


def test_a_member_is_read_from_its_own_file(project: Project, strange: TinyIndex) -> None:
    """The workspace is found above, and inherited from; files above count in what is declared."""
    configure(project, strange, docker={"pyproject-path": "packages/app/pyproject.toml"})
    member(project, "packages/core")
    member(project, "packages/app", "core>=0.1")
    state(project, UV_WORKSPACE)
    resolved(project)
    assert package(project)["directory"]["path"] == "../packages/core"
    state(project, UV_WORKSPACE.replace("core = ", "other = "))
    check = project.run("resolve", "--check")
    assert check.code == 2
    assert "`core` is a member of the workspace, and nothing says that it is meant" in check.stderr
    assert "hint: write `core = { workspace = true }` into `[tool.uv.sources]`" in check.stderr


def test_uv_and_zlock_agree_on_a_workspace(app: Project) -> None:
    member(app, "packages/core", "app")
    member(app, "packages/app")
    member(app, "packages/old")
    state(app, UV_WORKSPACE.replace("core = {", "app = { workspace = true }\ncore = {"))
    resolved(app)
    command = [uv.find_uv_bin(), "lock", "--offline", "--quiet"]
    subprocess.run(command, cwd=app.folder, env=clean_environment(app.home, {}), check=True)
    said = (app.folder / "uv.lock").read_text(encoding="utf-8")
    for one in app.lock("pipeline")["packages"]:
        assert f'editable = "{one["directory"]["path"].removeprefix("../")}"' in said


def test_bounds_hold_for_what_a_table_puts_there(app: Project) -> None:
    member(app, "packages/core")
    state(app, UV_WORKSPACE, dependencies='"core>=5"')
    result = app.run("resolve")
    assert result.code == 1
    assert "no usable release matches `core>=5`: `core` is 0.1 by `core @ file:packages/core`" in result.stderr
    assert "required by pyproject (`dependencies`, pyproject.toml:5)" in result.stderr


@pytest.mark.parametrize("version", ["0.1.dev3", "1.0+local"])
def test_a_version_in_the_making_meets_bounds(app: Project, version: str) -> None:
    member(app, "packages/core", version=version)
    state(app, UV_WORKSPACE, dependencies='"core>=0.0.1"')
    resolved(app)


def test_a_path_is_a_folder_or_an_archive(app: Project) -> None:
    member(app, "libs/core")
    (app.folder / "wheels").mkdir()
    make_wheel(app.folder / "wheels", "app", "0.2")
    tables = '[tool.uv.sources]\ncore.path = "libs/core"\nApp = { path = "wheels/app-0.2-py3-none-any.whl" }\n'
    state(app, tables, dependencies='"core", "app[x]"')
    resolved(app)
    assert package(app)["directory"]["path"] == "../libs/core"
    assert package(app, "app")["archive"]["path"] == "../wheels/app-0.2-py3-none-any.whl"


@pytest.mark.parametrize(("key", "tag"), [("tag", "v1"), ("rev", None), ("branch", "main")])
def test_a_repository_is_cloned_where_it_says(app: Project, tmp_path: Path, key: str, tag: str | None) -> None:
    repository = GitRepository(tmp_path / "repository")
    first = repository.commit("1.0", at="python/core", name="core")
    repository.git("tag", "v1")
    second = repository.commit("2.0", at="python/core", name="core")
    url = repository.folder.as_uri()
    state(app, f'[tool.uv.sources]\ncore = {{git = "{url}", {key} = "{tag or first}", subdirectory = "python/core"}}\n')
    resolved(app)
    assert package(app)["vcs"]["commit-id"] == (second if key == "branch" else first)
    assert package(app)["vcs"]["subdirectory"] == "python/core"


def test_a_workspace_inside_a_repository_is_one_commit(app: Project, tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "repository")
    (repository.folder / "pyproject.toml").write_text(f'[project]\nname="whole"\nversion="1"\n{UV_WORKSPACE}', "utf-8")
    for name, needs in (("core", '["app"]'), ("app", "[]")):
        folder = repository.folder / "packages" / name
        folder.mkdir(parents=True)
        text = (
            f'[project]\nname="{name}"\nversion="1"\ndependencies={needs}\n[tool.uv.sources]\napp={{workspace=true}}\n'
        )
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message", "x")
    commit = repository.git("rev-parse", "HEAD")
    url = repository.folder.as_uri()
    state(app, f'[tool.uv.sources]\ncore = {{git = "{url}", subdirectory = "packages/core"}}\n')
    resolved(app)
    assert package(app, "app")["vcs"]["commit-id"] == commit
    assert package(app, "app")["vcs"]["subdirectory"] == "packages/app"


def test_a_url_is_what_is_fetched(app: Project, strange: TinyIndex) -> None:
    file = strange.wheel("core", "3.0")
    state(app, f'[tool.uv.sources]\ncore = {{ url = "{strange.root}/{file.location}" }}\n')
    resolved(app)
    assert package(app)["archive"]["url"] == f"{strange.root}/{file.location}"


def test_a_named_index_serves_the_package_alone(project: Project, strange: TinyIndex) -> None:
    with TinyIndex() as second:
        second.wheel("core", "0.5", requires=["alpha"])
        second.wheel("alpha", "7.0")
        second.wheel("alpha", "7.0")
        tables = f'[[tool.uv.index]]\nname = "inner"\nurl = "{second.url}"\nexplicit = true\n'
        state(project, f'{tables}[tool.uv.sources]\ncore = {{ index = "inner" }}\n')
        configure(project, strange)
        said = refused(project, "`core` is to come from an index that the configuration does not have")
        lines = f'  [[index]]\n  name = "inner"\n  url = "{second.url.rstrip("/")}"\n  explicit = true\n'
        assert "(`tool.uv.sources.core`, pyproject.toml:11)" in said
        assert lines in said

        added = {"name": "inner", "url": second.url, "explicit": True}
        configure(project, strange, added)
        resolved(project)
        assert project.locked("pipeline") == {"core": "0.5", "alpha": "2.0"}
        assert package(project)["index"].rstrip("/") == second.url.rstrip("/")

        configure(project, strange, added, **{"index-sources": {"core": "inner"}})
        assert (
            "`index-sources` of the configuration sends `core` to `inner`, and that counts" in resolved(project).stderr
        )


def test_an_index_without_a_name_in_the_configuration_will_do(project: Project, strange: TinyIndex) -> None:
    with TinyIndex() as second:
        second.wheel("core", "0.5")
        tables = f'[[tool.uv.index]]\nname = "inner"\nurl = "{second.url}"\n'
        state(project, f'{tables}[tool.uv.sources]\ncore = {{ index = "inner" }}\n')
        configure(project, strange, {"url": second.url})
        resolved(project)
        assert project.locked("pipeline") == {"core": "0.5"}


def test_an_index_that_a_member_names_counts_as_well(project: Project, strange: TinyIndex) -> None:
    with TinyIndex() as second:
        second.wheel("app", "0.5")
        index = f'[[tool.uv.index]]\nname = "inner"\nurl = "{second.url}"\nexplicit = true\n'
        member(project, "packages/core", "app", tables=f'[tool.uv.sources]\napp = {{index = "inner"}}\n{index}')
        state(project, UV_WORKSPACE)
        configure(project, strange)
        refused(project, "`app` is to come from an index that the configuration does not have")
        configure(project, strange, {"name": "inner", "url": second.url, "explicit": True})
        resolved(project)
        assert project.locked("pipeline")["app"] == "0.5"


@pytest.mark.parametrize(
    ("needs", "extras", "locked"),
    [
        ('"core"', "", None),
        ('"core[cpu]"', "", "1.0+cpu"),
        ('"core[Cuda_12]"', "", "1.0+cu12"),
        ('"middle"', 'gpu = ["core[cuda-12]"]\ncpu = ["core[cpu]"]', None),
        ('"middle[gpu]"', 'all = ["middle[gpu]"]\ngpu = ["core[cuda-12]"]\ncpu = ["core[cpu]"]', "1.0+cu12"),
        ('"middle[all]"', 'all = ["middle[gpu]"]\ngpu = ["core[cuda-12]"]\ncpu = ["core[cpu]"]', "1.0+cu12"),
    ],
)
def test_an_index_that_a_member_names_for_an_extra_counts_with_that(
    project: Project, strange: TinyIndex, needs: str, extras: str, locked: str | None
) -> None:
    """As torch is often said to come: one index for processors, one for graphics cards."""
    with TinyIndex() as cpu, TinyIndex() as cuda:
        cpu.wheel("app", "1.0+cpu")
        cuda.wheel("app", "1.0+cu12")
        rows = [{"name": name, "url": one.url, "explicit": True} for name, one in (("cpu", cpu), ("cuda", cuda))]
        index = "".join(f'[[tool.uv.index]]\nname = "{row["name"]}"\nurl = "{row["url"]}"\n' for row in rows)
        sources = 'app = [{index = "cpu", extra = "cpu"}, {index = "cuda", extra = "cuda-12"}]'
        lists = '[project.optional-dependencies]\ncpu = ["app"]\ncuda-12 = ["app"]'
        member(project, "packages/core", tables=f"{lists}\n[tool.uv.sources]\n{sources}\n{index}")
        own = "core = { workspace = true }\nmiddle = { workspace = true }"
        lists = f"[project.optional-dependencies]\n{extras}" if extras else ""
        member(project, "packages/middle", "core", tables=f"{lists}\n[tool.uv.sources]\n{own}\n")
        workspace = UV_WORKSPACE.replace("core = { workspace = true }", own)
        state(project, workspace, dependencies=needs)
        configure(project, strange, *rows)

        resolved(project)

        assert project.locked("pipeline").get("app") == locked


def test_the_marker_of_a_source_counts_on_each_platform(project: Project, strange: TinyIndex) -> None:
    member(project, "libs/core")
    with TinyIndex() as second:
        second.wheel("app", "0.5")
        state(
            project,
            f"""
[tool.uv.sources]
core = [{{ path = "libs/core", marker = "sys_platform == 'linux'" }}]
app = [{{ index = "inner", marker = "sys_platform == 'darwin'" }}]
[[tool.uv.index]]
name = "inner"
url = "{second.url}"
explicit = true
""",
            dependencies='"core", "app"',
        )
        platforms = ["linux/amd64", "darwin/arm64"]
        configure(project, strange, {"name": "inner", "url": second.url, "explicit": True}, platforms=platforms)
        resolved(project)
    packages = project.lock("pipeline")["packages"]
    found = {(one["name"], one.get("version"), "directory" in one): one["marker"] for one in packages}
    assert "linux" in found["core", None, True]
    assert "darwin" in found["core", STRANGER, False]
    assert "darwin" in found["app", "0.5", False]
    assert "linux" in found["app", STRANGER, False]


def test_a_source_for_an_extra_or_group_is_for_that_alone(app: Project) -> None:
    member(app, "libs/core")
    tables = """
[project.optional-dependencies]
own = ["core"]
[dependency-groups]
dev = ["app"]
[tool.uv.sources]
core = { path = "libs/core", extra = "own" }
app = { path = "libs/app", group = "dev" }
"""
    member(app, "libs/app")
    state(app, tables)
    resolved(app)
    assert app.locked("pipeline") == {"core": STRANGER}
    text = (app.folder / "zlock.toml").read_text(encoding="utf-8")
    app.write("zlock.toml", f'{text}pyproject-groups = ["dev"]\npyproject-extras = ["own"]\n')
    state(app, tables, dependencies="")
    resolved(app)
    assert {name: "directory" in package(app, name) for name in ("core", "app")} == {"core": True, "app": True}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('{ git = "https://git.example/x", lfs = true }', "has `lfs`, which a lock can't carry"),
        ("{ workspace = true }", "is not a member of the workspace"),
        ('{ path = "nowhere" }', "names what is not there"),
        ('{ path = "a", url = "b" }', "must have exactly one of"),
        ("{ workspace = false }", "has a `workspace` that is not `true`"),
        ('{ index = "unsaid" }', "names the index `unsaid`, whose URL this file does not say"),
        ('{ git = "https://git.example/x", rev = "a", tag = "b" }', "must have only one of"),
        ('{ path = "libs", marker = "nonsense" }', "has no valid marker"),
        ('{ git = "https://git.example/x", rev = 3 }', "has a `rev` that is not a string"),
        ('{ path = "libs", package = false }', "has `package`, which a lock can't carry"),
        ("3", "is not a table"),
        ("[]", "is empty"),
        ('{ path = "libs", extra = "gpu" }', "is for the extra `gpu`, which does not state it"),
        ('{ path = "libs", group = "dev" }', "is for the group `dev`, which does not state it"),
        ('{ path = "libs", extra = "gpu", group = "dev" }', "is for an extra and a group"),
    ],
)
def test_what_cannot_be_carried_over_names_its_line(app: Project, table: str, said: str) -> None:
    (app.folder / "libs").mkdir()
    state(app, f"[tool.uv.sources]\nother = {{ path = 'unused' }}\ncore = {table}\n")
    refused(app, f"`tool.uv.sources.core` {said}", "pyproject.toml:8", "hint: ")


@pytest.mark.parametrize(
    "url", ["git+https://git.example/x@--upload-pack=evil", "https://host/x y.whl", "ftp://host/x.whl", "x.whl"]
)
def test_a_url_that_no_requirement_may_have_is_refused(app: Project, url: str) -> None:
    state(app, f'[tool.uv.sources]\ncore = {{ url = "{url}" }}\n')
    refused(app, "can't be used", "pyproject.toml:7")


def test_a_revision_is_one_word(app: Project) -> None:
    state(app, '[tool.uv.sources]\ncore = { git = "https://git.example/x", rev = "--upload-pack=evil" }\n')
    refused(app, "a revision that git does not allow")


def test_a_group_that_includes_another_has_its_sources(project: Project, strange: TinyIndex) -> None:
    member(project, "libs/core")
    tables = """
[dependency-groups]
inner = ["core"]
all = [{ include-group = "inner" }]
[tool.uv.sources]
core = { path = "libs/core", group = "all" }
"""
    configure(project, strange, docker={"pyproject-groups": ["all"]})
    state(project, tables, dependencies="")
    resolved(project)
    assert "directory" in package(project)


@pytest.mark.parametrize("where", ["folder", "wheel", "git"])
def test_the_pythons_of_what_is_there_count(app: Project, tmp_path: Path, where: str) -> None:
    text = '[project]\nname = "core"\nversion = "1"\nrequires-python = ">=3.13"\n'
    app.write("libs/core/pyproject.toml", text)
    source = 'path = "libs/core"'
    if where == "wheel":
        make_wheel(app.folder / "libs", "core", "1", requires_python=">=3.13")
        source = 'path = "libs/core-1-py3-none-any.whl"'
    if where == "git":
        repository = GitRepository(tmp_path / "repository")
        (repository.folder / "pyproject.toml").write_text(text, encoding="utf-8")
        repository.git("add", ".")
        repository.git("commit", "--quiet", "--message", "x")
        source = f'git = "{repository.folder.as_uri()}"'
    state(app, f"[tool.uv.sources]\ncore = {{ {source} }}\n")
    result = app.run("resolve")
    assert result.code == 1
    assert "requires Python >=3.13" in result.stderr
    assert "required by pyproject (`dependencies`, pyproject.toml:5)" in result.stderr


def test_so_do_those_of_what_a_folder_requires(app: Project) -> None:
    member(app, "packages/core", "app")
    text = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.13"\n'
    app.write("packages/app/pyproject.toml", text)
    state(app, UV_WORKSPACE.replace("core = {", "app = { workspace = true }\ncore = {"))
    result = app.run("resolve")
    assert result.code == 1
    assert "requires `app @ file:packages/app`, which requires Python >=3.13" in result.stderr


def test_a_folder_that_requires_the_project_back_has_to_say_where_it_is(app: Project) -> None:
    for needs, tables in (("my-app",), ""), ((), '[project.optional-dependencies]\nx = ["my-app"]\n'):
        member(app, "libs/core", *needs, tables=tables)
        state(app, '[tool.uv.sources]\ncore.path = "libs/core"\n', name="my-app", dependencies='"core[x]"')
        out = 'exclude = [{ package = "my-app", from = "core" }]'
        refused(app, "`core` requires `my-app`, which is the project itself", out)
    member(app, "libs/core", "my-app>=1", tables='[tool.uv.sources]\nmy-app = {path = "../.."}\n')
    resolved(app)
    assert {one["name"] for one in app.lock("pipeline")["packages"] if "directory" in one} == {"core", "my-app"}


def test_mistakes_in_the_files_of_others_name_those(app: Project, tmp_path: Path) -> None:
    member(app, "libs/core", "app", tables="[tool.uv.sources]\napp.path = 'nowhere'\n")
    state(app, '[tool.uv.sources]\ncore.path = "libs/core"\n')
    refused(app, "pyproject (`tool.uv.sources.app`, libs/core/pyproject.toml:7)", "required by pyproject")

    repository = GitRepository(tmp_path / "repository")
    text = '[project]\nname="core"\nversion="1"\ndependencies=["app"]\n[tool.uv.sources]\napp.path = "nowhere"\n'
    (repository.folder / "pyproject.toml").write_text(text, encoding="utf-8")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message", "x")
    state(app, f'[tool.uv.sources]\ncore = {{ git = "{repository.folder.as_uri()}" }}\n')
    refused(app, f"core @ git+{repository.folder.as_uri()}: pyproject.toml:6)")
    state(app, f'[tool.uv.sources]\ncore = {{ git = "{repository.folder.as_uri()}", tag = "v9" }}\n')
    refused(app, "has no branch, tag or commit `v9`", "required by pyproject (`dependencies`, pyproject.toml:5)")


@pytest.mark.parametrize("written", ["wheels", "./wheels/", "{folder}/wheels", "file://{folder}/wheels"])
def test_an_index_that_is_a_folder_is_the_same_in_every_spelling(
    project: Project, strange: TinyIndex, written: str
) -> None:
    (project.folder / "wheels").mkdir()
    make_wheel(project.folder / "wheels", "core", "0.5")
    url = written.format(folder=project.folder)
    tables = f'[[tool.uv.index]]\nname = "house"\nurl = "{url}"\nexplicit = true\n'
    state(project, f'{tables}[tool.uv.sources]\ncore = {{ index = "house" }}\n')
    configure(project, strange, {"name": "house", "url": "wheels", "explicit": True})
    resolved(project)
    assert project.locked("pipeline") == {"core": "0.5"}
    assert str(project.folder) not in project.lock_path("pipeline").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["index-url", "extra-index-url", "find-links"])
def test_indexes_of_uvs_for_everything_have_to_be_configured(app: Project, key: str) -> None:
    state(app, f'[tool.uv]\n{key} = ["https://index.example/simple/"]\n')
    refused(app, f"`tool.uv.{key} https://index.example/simple` in `pyproject.toml`", "pyproject.toml:7")


def test_an_index_for_everything_is_not_configured_by_one_for_some(project: Project, strange: TinyIndex) -> None:
    with TinyIndex() as second:
        state(project, f'[[tool.uv.index]]\nname = "inner"\nurl = "{second.url}"\n')
        configure(project, strange, {"name": "inner", "url": second.url, "explicit": True})
        refused(project, "`[[tool.uv.index]] ", "would change where packages come from")


# Poetry, beside `[project]`


def test_poetrys_table_says_where_from(app: Project) -> None:
    member(app, "libs/core")
    member(app, "libs/app")
    tables = """
[dependency-groups]
dev = ["app"]
[tool.poetry.dependencies]
python = "^3.11"
Core = { path = "libs/core", develop = true }
alpha = "^1.0"
[tool.poetry.group.dev.dependencies]
app.path = "libs/app"
"""
    state(app, tables, dependencies='"core", "alpha"')
    text = (app.folder / "zlock.toml").read_text(encoding="utf-8")
    app.write("zlock.toml", f'{text}pyproject-groups = ["dev"]\n')
    resolved(app)
    assert app.locked("pipeline")["alpha"] == "1.0"
    assert {name: "directory" in package(app, name) for name in ("core", "app")} == {"core": True, "app": True}


def test_rows_of_poetry_have_markers(project: Project, strange: TinyIndex) -> None:
    tables = """
[tool.poetry.dependencies]
alpha = [{ version = "~1.0", platform = "linux" }, { version = ">=2,<3", markers = "sys_platform == 'darwin'" }]
"""
    configure(project, strange, platforms=["linux/amd64", "darwin/arm64"])
    state(project, tables, dependencies='"alpha"')
    resolved(project)
    packages = project.lock("pipeline")["packages"]
    assert {one["version"]: one["marker"] for one in packages}.keys() == {"1.0", "2.0"}


@pytest.mark.parametrize(
    "row",
    [
        '{ path = "libs/core", markers = "sys_platform == \'win32\'" }',
        '{ version = "*", platform = "win32" }',
        '{ version = "<99", python = "<3.12" }',
    ],
)
def test_what_poetrys_only_row_leaves_out_is_not_required(app: Project, row: str) -> None:
    member(app, "libs/core")
    state(app, f"[tool.poetry.dependencies]\ncore = {row}\n")
    resolved(app)
    assert app.locked("pipeline") == {}


@pytest.mark.parametrize("dependencies", ["dependencies = []", ""])
def test_dependencies_of_poetrys_alone_are_an_error(app: Project, dependencies: str) -> None:
    text = f'[project]\nname = "p"\nversion = "1"\n{dependencies}\n[tool.poetry.dependencies]\nalpha = "^1"\n'
    app.write("pyproject.toml", text)
    refused(app, "the dependencies are Poetry's own, and `[project]` states none", "poetry_export")


@pytest.mark.parametrize(
    "table", ["[tool.poetry.group.dev.dependencies]\nalpha = '1'", "[tool.pdm.dev-dependencies]\ndev = []"]
)
def test_groups_of_other_tools_are_named(project: Project, strange: TinyIndex, table: str) -> None:
    configure(project, strange, docker={"pyproject-groups": ["dev"]})
    state(project, f"{table}\n")
    refused(project, "the group `dev` is unknown", "is not read: state it in `[dependency-groups]` (PEP 735)")


def test_a_source_of_poetry_is_an_index(project: Project, strange: TinyIndex) -> None:
    with TinyIndex() as second:
        second.wheel("core", "0.5")
        tables = f"""
[tool.poetry.dependencies]
core = {{ source = "inner" }}
[[tool.poetry.source]]
name = "inner"
url = "{second.url}"
priority = "explicit"
"""
        state(project, tables)
        configure(project, strange)
        refused(project, "`core` is to come from an index that the configuration does not have", "pyproject.toml:8")
        configure(project, strange, {"name": "x", "url": second.url, "explicit": True})
        resolved(project)
        assert project.locked("pipeline") == {"core": "0.5"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{ version = "*", allow-prereleases = true }', "has `allow-prereleases`"),
        ('"^1 || ^2"', "has a `version` that no requirement can say: alternatives"),
        ('{ version = "nonsense" }', "has a `version` that no requirement can say"),
        ('{ file = "x" }', "has `file`, which a lock can't carry"),
    ],
)
def test_what_poetry_alone_can_say_names_its_line(app: Project, row: str, said: str) -> None:
    state(app, f"[tool.poetry.dependencies]\ncore = {row}\n")
    refused(app, f"`tool.poetry.dependencies.core` {said}", "pyproject.toml:7")


# PDM


def test_a_source_of_pdm_has_to_be_configured(project: Project, strange: TinyIndex) -> None:
    with TinyIndex() as second:
        second.wheel("core", "0.5")
        tables = f'[[tool.pdm.source]]\nname = "a"\nurl = "{strange.url}"\n[[tool.pdm.source]]\nurl = "{second.url}"\n'
        state(project, tables)
        configure(project, strange)
        refused(project, f"`[[tool.pdm.source]] {second.url.rstrip('/')}` in `pyproject.toml`", "pyproject.toml:9")
        configure(project, strange, {"url": second.url})
        resolved(project)

        state(project, f'{tables}include_packages = ["Core"]\n')
        configure(project, strange)
        refused(project, "`core` is to come from an index that the configuration does not have", "pyproject.toml:9")
        configure(project, strange, {"name": "x", "url": second.url, "explicit": True})
        resolved(project)
        assert project.locked("pipeline") == {"core": "0.5"}

        state(project, f'{tables}include_packages = ["core-*"]\n')
        assert "takes them by a pattern" in project.run("resolve").stderr


@pytest.mark.parametrize("written", ["file:///${PROJECT_ROOT}/libs/core", "{root:uri}/libs/core"])
def test_the_projects_folder_is_filled_in(app: Project, written: str) -> None:
    member(app, "libs/core")
    state(app, "", dependencies=f'"core @ {written}"')
    resolved(app)
    assert package(app)["directory"]["path"] == "../libs/core"


def test_the_folder_above_is_filled_in(project: Project, strange: TinyIndex) -> None:
    configure(project, strange, docker={"pyproject-path": "packages/app/pyproject.toml"})
    member(project, "packages/app", "core @ {root:parent:uri}/core")
    member(project, "packages/core")
    resolved(project)
    assert package(project)["directory"]["path"] == "../packages/core"


def test_nothing_else_is_filled_in(app: Project) -> None:
    state(app, "", dependencies='"core @ {home:uri}/core"')
    refused(app, "only a build fills in what stands in braces", "pyproject.toml:5")


@pytest.mark.parametrize(
    ("table", "instead"),
    [
        (
            "[tool.uv]\noverride-dependencies = ['alpha<2']\n",
            "`tool.uv.override-dependencies` is not read; `overrides`",
        ),
        ("[tool.uv]\nconstraint-dependencies = ['alpha']\n", "`tool.uv.constraint-dependencies` is not read; `constra"),
        ("[tool.pdm.resolution.overrides]\nalpha = '1'\n", "`tool.pdm.resolution.overrides` is not read; `overrides`"),
    ],
)
def test_what_decides_versions_elsewhere_is_noted(app: Project, table: str, instead: str) -> None:
    state(app, table)
    assert f"note: pyproject (pyproject.toml:{7 if 'uv' in table else 6}): {instead}" in resolved(app).stderr


# hatch


@pytest.mark.parametrize("file", ["pyproject.toml", "hatch.toml"])
def test_a_member_of_hatchs_workspace_is_the_folder(app: Project, file: str) -> None:
    member(app, "packages/core", "app")
    member(app, "packages/app")
    table = 'workspace.members = [{ path = "packages/co*" }, "packages/app"]\n'
    if file == "hatch.toml":
        state(app, "")
        app.write(file, f"[envs.default]\n{table}")
        app.write("pyproject.toml", f"{(app.folder / 'pyproject.toml').read_text()}[tool.hatch.envs.default]\nx = 1\n")
    else:
        state(app, f"[tool.hatch.envs.default]\n{table}")
    resolved(app)
    assert {one["name"] for one in app.lock("pipeline")["packages"] if "directory" in one} == {"core", "app"}


def test_a_member_of_hatchs_that_is_not_there_is_an_error(app: Project) -> None:
    member(app, "packages/core")
    state(app, '[tool.hatch.envs.default]\nworkspace.members = ["pakages/core"]\n')
    refused(app, "has a member that is not there: `pakages/core`", "pyproject.toml:7")


def test_hatchs_table_of_sources_is_read(app: Project) -> None:
    member(app, "libs/core")
    member(app, "libs/app")
    tables = '[tool.hatch.sources]\ncore = "libs/core"\n[tool.hatch.envs.default.sources]\napp.path = "libs/app"\n'
    state(app, tables, dependencies='"core", "app"')
    resolved(app)
    assert {one["name"] for one in app.lock("pipeline")["packages"] if "directory" in one} == {"core", "app"}


def test_two_tools_that_disagree_are_an_error(app: Project) -> None:
    member(app, "libs/core")
    member(app, "packages/core")
    tables = '[tool.uv.sources]\ncore.path = "libs/core"\n[tool.poetry.dependencies]\ncore = {path = "%s"}\n'
    state(app, tables % "packages/core")
    refused(app, "two tables say where `core` comes from", "pyproject.toml:7", "pyproject.toml:9")
    state(app, tables % "libs/core")
    resolved(app)


# The project itself


def test_a_group_may_name_the_project_itself(project: Project, strange: TinyIndex) -> None:
    configure(project, strange, docker={"pyproject-groups": ["dev"]})
    tables = '[project.optional-dependencies]\ntest = ["alpha<2"]\n[dependency-groups]\ndev = ["my_app[test]"]\n'
    state(project, tables, dependencies="", name="my-app")
    resolved(project)
    assert project.locked("pipeline") == {"alpha": "1.0"}


@pytest.mark.parametrize("where", ["list", "file", "integration"])
def test_the_project_named_elsewhere_is_the_project_itself(project: Project, strange: TinyIndex, where: str) -> None:
    docker: dict[str, Any] = {"requirements": ["My_App[test]", "core"]}
    more: dict[str, Any] = {}
    if where == "file":
        project.write("requirements.txt", "My_App[test]\ncore\n")
        docker = {"requirements": "requirements.txt"}
    if where == "integration":
        docker = {"required-integrations": ["own"]}
        more = {"integrations": {"own": {"requirements": ["my-app[test]", "core"]}}}
    tables = "[project.optional-dependencies]\ntest = ['alpha<2']\n"
    state(project, tables, dependencies="", name="my-app")
    configure(project, strange, docker=docker, **more)
    resolved(project)
    assert project.locked("pipeline") == {"alpha": "1.0", "core": STRANGER}
    state(project, tables.replace("<2", ">1"), dependencies="", name="my-app")
    assert project.run("resolve", "--check").code == 1
    resolved(project)
    assert project.locked("pipeline")["alpha"] == "2.0"


def test_an_unknown_extra_of_the_project_names_who_asks(project: Project, strange: TinyIndex) -> None:
    state(project, "", dependencies="", name="my-app")
    configure(project, strange, docker={"requirements": ["my-app[tset]"]})
    refused(project, "the extra `tset` is unknown", "required by zlock.toml:")


def test_a_project_for_another_python_is_noted(project: Project, strange: TinyIndex) -> None:
    project.write("pyproject.toml", '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.13"\n')
    configure(project, strange, docker={"requirements": ["alpha"]})
    note = (
        'note: step `pipeline` is for Python 3.12 (`python = "3.12"` in zlock.toml:1), and the project for '
        '`requires-python = ">=3.13"` (pyproject (`requires-python`, pyproject.toml:4))'
    )
    assert note in resolved(project).stderr
    project.write("pyproject.toml", '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.12.4"\n')
    assert "requires-python" not in resolved(project).stderr

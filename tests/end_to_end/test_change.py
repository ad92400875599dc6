"""`zlock add` and `zlock remove`: requirements are edited where they are stated, and nothing else is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.index import TinyIndex
from support.project import Project, Result

PYTHON = f"3.{sys.version_info.minor}"


@pytest.fixture
def index(index: TinyIndex) -> TinyIndex:
    for version in ("0.4.2", "1.0", "1.2.3", "2.0"):
        index.wheel("alpha", version)
    index.wheel("beta", "1.0", requires=["gamma"])
    index.wheel("gamma", "1!0.3.4+cpu")
    return index


def write(project: Project, index: TinyIndex, text: str, file: str = "zlock.toml") -> Path:
    """Write a configuration with its head; in a `pyproject.toml` its tables are under `tool.zlock`."""
    head = "[tool.zlock]\n" if file == "pyproject.toml" else ""
    table = "tool.zlock." if head else ""
    return project.write(
        file,
        f'{head}python = "{PYTHON}"  # as images have it\n[[{table}index]]\nurl = "{index.url}"\ndefault = true\n\n'
        + text,
    )


def succeed(result: Result) -> Result:
    assert result.code == 0, f"{result.stdout}\n{result.stderr}"
    return result


def body(path: Path) -> str:
    """Return a configuration without its head."""
    return path.read_text(encoding="utf-8").partition("default = true\n\n")[2]


STEPS = """\
[docker]
requirements = [
    "gamma",  # for all
    # what follows is for reports
    "beta >= 1",
]

[steps.train.docker]  # the large one
extra-requirements = ["alpha<2"]

[steps.serve]
docker = { requirements = ["beta"] }
"""


def test_a_requirement_goes_where_the_step_has_its_own_and_comments_stay(project: Project, index: TinyIndex) -> None:
    file = write(project, index, STEPS)
    index.wheel("delta", "1")
    result = succeed(project.run("add", "delta", "--step", "train"))
    succeed(project.run("add", "alpha", "--step", "serve"))

    expected = STEPS.replace('["alpha<2"]', '["alpha<2", "delta>=1"]').replace('["beta"] }', '["beta", "alpha>=2.0"] }')
    assert body(file) == expected
    assert "added `delta>=1` to `steps.train.docker.extra-requirements` in zlock.toml" in result.stderr
    assert project.locked("train")["delta"] == "1"
    assert project.locked("serve")["alpha"] == "2.0"
    assert project.run("resolve", "--check").code == 0


def test_without_a_step_it_reaches_all_steps(project: Project, index: TinyIndex) -> None:
    """A step whose list replaces that of all steps has the extra one beside it."""
    file = write(project, index, STEPS)
    succeed(project.run("add", "alpha==1.0"))

    expected = STEPS.replace("]\n\n[steps.train", ']\nextra-requirements = ["alpha==1.0"]\n\n[steps.train', 1)
    assert body(file) == expected.replace('["alpha<2"]', '["alpha==1.0"]')
    assert {step: project.locked(step)["alpha"] for step in ("train", "serve")} == {"train": "1.0", "serve": "1.0"}


@pytest.mark.parametrize(
    ("bounds", "alpha", "gamma"),
    [
        ("lower", ">=0.4.2", ">=1!0.3.4"),
        ("major", ">=0.4.2,<0.5.0", ">=1!0.3.4,<1!0.4.0"),
        ("minor", ">=0.4.2,<0.5.0", ">=1!0.3.4,<1!0.4.0"),
        ("exact", "==0.4.2", "==1!0.3.4"),
        ("none", "", ""),
    ],
)
def test_a_name_alone_gets_bounds_from_what_is_locked(
    project: Project, index: TinyIndex, bounds: str, alpha: str, gamma: str
) -> None:
    file = write(project, index, "")
    file.write_text('constraints = ["alpha<1"]\n' + file.read_text(encoding="utf-8"), encoding="utf-8")

    succeed(project.run("add", "alpha", "gamma", "--bounds", bounds))

    assert body(file) == f'[docker]\nrequirements = ["alpha{alpha}", "gamma{gamma}"]\n'
    assert project.locked("pipeline") == {"alpha": "0.4.2", "gamma": "1!0.3.4+cpu"}
    assert project.run("resolve", "--check").code == 0


def test_what_is_there_is_replaced_and_a_name_alone_leaves_it(project: Project, index: TinyIndex) -> None:
    file = write(project, index, '[docker]\nrequirements = [\n  "Alpha<1",  # old\n  "beta",\n]\n')

    same = succeed(project.run("add", "alpha"))
    kept = body(file)
    moved = succeed(project.run("add", "alpha[fast]>=1,<2"))

    assert "nothing to change: `Alpha<1` is in `docker.requirements` in zlock.toml already" in same.stderr
    assert '"Alpha<1",  # old' in kept
    assert body(file) == '[docker]\nrequirements = [\n  "alpha[fast]<2,>=1",  # old\n  "beta",\n]\n'
    assert "replaced `Alpha<1` by `alpha[fast]<2,>=1`" in moved.stderr
    assert project.locked("pipeline")["alpha"] == "1.2.3"


@pytest.mark.parametrize("file", ["zlock.toml", "pyproject.toml"])
def test_a_configuration_without_a_list_gets_one(project: Project, index: TinyIndex, file: str) -> None:
    path = write(project, index, "", file)
    succeed(project.run("add", "beta"))

    table = "tool.zlock.docker" if file == "pyproject.toml" else "docker"
    assert body(path) == f'[{table}]\nrequirements = ["beta>=1.0"]\n'


def test_a_requirements_file_is_edited_line_by_line(project: Project, index: TinyIndex) -> None:
    write(project, index, '[docker]\nrequirements = "requirements.txt"\n')
    text = "# ours\n-r more.txt\nalpha<2 \\\n   ; python_version > '3'  # old\n\ngamma"
    file, more = project.write("requirements.txt", text), project.write("more.txt", "beta  # reports\n")

    succeed(project.run("add", "alpha==1.0", "beta>=1"))
    edited = file.read_text(encoding="utf-8"), more.read_text(encoding="utf-8")
    succeed(project.run("remove", "Beta", "gamma"))

    kept = 'alpha==1.0; python_version > "3"  # old'
    assert edited == (f"# ours\n-r more.txt\n{kept}\n\ngamma", "beta>=1  # reports\n")
    assert (file.read_text(encoding="utf-8"), more.read_text(encoding="utf-8")) == (
        f"# ours\n-r more.txt\n{kept}\n\n",
        "",
    )
    assert project.locked("pipeline") == {"alpha": "1.0"}


def test_a_line_is_added_behind_one_that_a_backslash_leaves_open(project: Project, index: TinyIndex) -> None:
    write(project, index, '[docker]\nrequirements = "requirements.txt"\n')
    file = project.write("requirements.txt", "gamma \\\n")

    succeed(project.run("add", "alpha<2"))

    assert file.read_text(encoding="utf-8") == "gamma \\\n\nalpha<2\n"
    assert project.locked("pipeline")["alpha"] == "1.2.3"


def test_a_file_that_other_steps_share_is_left_alone_for_one_step(project: Project, index: TinyIndex) -> None:
    file = write(project, index, '[docker]\nrequirements = "requirements.txt"\n[steps.one]\n[steps.two]\n')
    project.write("requirements.txt", "gamma\n")

    succeed(project.run("add", "alpha<1", "--step", "one"))
    refused = project.run("remove", "gamma", "--step", "one")
    succeed(project.run("add", "beta"))

    assert '[steps.one.docker]\nextra-requirements = ["alpha<1"]' in file.read_text(encoding="utf-8")
    assert refused.code == 1
    assert "by requirements.txt:1" in refused.stderr
    assert (project.folder / "requirements.txt").read_text(encoding="utf-8") == "gamma\nbeta>=1.0\n"


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ("", 'dependencies = ["gamma", "alpha>=2.0"]'),
        ('pyproject-extras = ["gpu"]\n', 'gpu = ["beta", "alpha>=2.0"]'),
        ('pyproject-groups = ["dev"]\n', 'dev = [{include-group = "lint"}, "beta", "alpha>=2.0"]'),
    ],
)
def test_a_projects_own_dependencies_are_edited_in_its_file(
    project: Project, index: TinyIndex, settings: str, address: str
) -> None:
    write(project, index, f'[docker]\npyproject-path = "pyproject.toml"\n{settings}')
    text = """\
        [project]
        name = "ours"
        version = "1"
        dependencies = ["gamma"]

        [project.optional-dependencies]
        gpu = ["beta"]

        [dependency-groups]
        lint = []
        dev = [{include-group = "lint"}, "beta"]
        """
    file = project.write("pyproject.toml", text)
    before = file.read_text(encoding="utf-8")

    succeed(project.run("add", "alpha"))
    after = file.read_text(encoding="utf-8")
    succeed(project.run("remove", "alpha"))

    assert address in after
    assert file.read_text(encoding="utf-8") == before


def test_what_reaches_all_steps_is_one_list_that_all_of_them_have(project: Project, index: TinyIndex) -> None:
    steps = '[steps.one.docker]\npyproject-extras = ["gpu"]\n[steps.two.docker]\npyproject-groups = ["dev"]\n'
    write(project, index, f'[docker]\npyproject-path = "pyproject.toml"\n{steps}')
    file = project.write(
        "pyproject.toml",
        """\
        [project]
        name = "ours"
        version = "1"
        dependencies = []
        optional-dependencies.gpu = ["beta"]
        [dependency-groups]
        dev = ["beta"]
        """,
    )
    before = file.read_text(encoding="utf-8")

    succeed(project.run("add", "alpha"))

    assert file.read_text(encoding="utf-8") == before.replace("dependencies = []", 'dependencies = ["alpha>=2.0"]')
    assert {step: project.locked(step)["alpha"] for step in ("one", "two")} == {"one": "2.0", "two": "2.0"}


def test_a_file_that_includes_another_has_what_that_states(project: Project, index: TinyIndex) -> None:
    write(
        project, index, '[steps.one.docker]\nrequirements = "one.txt"\n[steps.two.docker]\nrequirements = "two.txt"\n'
    )
    one, two = project.write("one.txt", "gamma\n"), project.write("two.txt", "-r one.txt\nbeta\n")

    succeed(project.run("add", "alpha<2"))
    both = one.read_text(encoding="utf-8"), two.read_text(encoding="utf-8")
    index.wheel("delta", "1")
    succeed(project.run("add", "delta", "--step", "one"))

    assert both == ("gamma\nalpha<2\n", "-r one.txt\nbeta\n")
    assert (one.read_text(encoding="utf-8"), two.read_text(encoding="utf-8")) == both
    assert ["delta" in project.locked(step) for step in ("one", "two")] == [True, False]


def test_requirements_in_python_are_named_with_their_line(project: Project, index: TinyIndex) -> None:
    file = write(project, index, "")
    file.write_text('pipeline = "pipeline.py:run"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    project.pipeline("""
        from zlock import DockerSettings, pipeline, step

        @step(settings={"docker": DockerSettings(requirements=["gamma"])})
        def train(): ...

        @step
        def report(): ...

        @pipeline
        def run():
            train()
            report()
        """)
    before = (project.folder / "pipeline.py").read_bytes()

    added = project.run("add", "alpha", "--step", "train")
    removed = project.run("remove", "gamma", "--step", "train")
    succeed(project.run("add", "beta", "--step", "report"))

    assert (added.code, removed.code) == (1, 1)
    assert 'pipeline.py:3: add "alpha" to `requirements`' in added.stderr
    assert "by pipeline.py:3" in removed.stderr
    assert (project.folder / "pipeline.py").read_bytes() == before
    assert '[steps.report.docker]\nextra-requirements = ["beta>=1.0"]' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("setting", "added", "removed"), [("[]", 1, 1), ('"requirements.txt"', 2, 2)])
def test_a_pipeline_file_runs_again_only_where_a_file_changed_that_it_may_read(
    project: Project, index: TinyIndex, setting: str, added: int, removed: int
) -> None:
    project.write("requirements.txt", "")
    project.write(
        "pipeline.py",
        """from zlock import pipeline, step
with open("runs", "a") as runs:
    runs.write("x")
@step
def one() -> None: ...
@pipeline
def run() -> None:
    one()
""",
    )
    file = write(project, index, f"[docker]\nrequirements = {setting}\n")
    file.write_text('pipeline = "pipeline.py:run"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    runs = project.folder / "runs"

    succeed(project.run("add", "alpha"))
    assert (project.locked("one"), len(runs.read_text())) == ({"alpha": "2.0"}, added)
    succeed(project.run("remove", "alpha"))
    assert (project.locked("one"), len(runs.read_text())) == ({}, added + removed)


def test_a_conflict_leaves_all_files_as_they_were(project: Project, index: TinyIndex) -> None:
    file = write(project, index, STEPS)
    succeed(project.run("resolve"))
    before = {path: path.read_bytes() for path in (file, *project.folder.glob("lockfiles/*"))}

    result = project.run("add", "beta", "alpha>=3", "--step", "train")
    nowhere = project.run("add", "no-such-package")

    assert result.code == nowhere.code == 1
    assert {path: path.read_bytes() for path in (file, *project.folder.glob("lockfiles/*"))} == before


def test_errors_name_the_lines_of_the_files_as_they_are_again(project: Project, index: TinyIndex) -> None:
    """What was added has none, and what is below it the one that it has without."""
    file = write(project, index, STEPS + '[steps.b.docker]\nrequirements = "more.txt"\n')
    more = project.write("more.txt", "# b\nalpha<1\n")
    index.wheel("delta", "1", requires=["alpha>=2"])

    of_list, of_file = json.loads(project.run("add", "delta", "--json").stdout)["errors"]
    said = project.run("add", "delta").stderr
    (missing,) = json.loads(project.run("add", "delta @ file:./nothere", "--json").stdout)["errors"]

    assert (of_list["file"], of_list["line"]) == (str(file), 14)
    assert (of_file["file"], of_file["line"]) == (str(more), 2)
    for error, place in ((of_list, "zlock.toml:14"), (of_file, "more.txt:2")):
        assert error["context"][0] == f"`alpha<{2 if error is of_list else 1}` by {place}"
        assert error["context"][1] == "`delta` by the command line"
        assert place in error["hint"]
    assert missing["file"] is None
    assert said.count("error: ") == said.count("hint: ") == 2
    assert said.count("`delta` by the command line") == 2


def test_remove_says_where_a_requirement_is_and_what_was_meant(project: Project, index: TinyIndex) -> None:
    file = write(project, index, STEPS)
    succeed(project.run("resolve"))

    elsewhere = project.run("remove", "alpha", "--step", "serve")
    shared = project.run("remove", "gamma", "--step", "train")
    close = project.run("remove", "bet")
    unstated = project.run("remove", "numpy")
    succeed(project.run("remove", "gamma"))

    assert [one.code for one in (elsewhere, shared, close, unstated)] == [1, 1, 1, 1]
    assert elsewhere.stderr == (
        "error: nothing states `alpha` for `serve`\n  `train` requires it by zlock.toml:14\n"
        "hint: name the step that it is to be removed from: `--step train`\n"
    )
    assert "does not remove it for `train`\n  by zlock.toml:8" in shared.stderr
    assert "did you mean `beta`?" in close.stderr
    assert "`zlock why numpy`" in unstated.stderr
    assert "stated here: `alpha`, `beta`, `gamma`" in unstated.stderr
    assert body(file) == STEPS.replace('    "gamma",  # for all\n', "")


def test_a_requirements_file_is_stated_in_the_configuration(project: Project, index: TinyIndex) -> None:
    write(project, index, STEPS)
    project.write("more.txt", "alpha")
    named, included = project.run("add", "more.txt"), project.run("add", "-r", "more.txt")

    assert (named.code, included.code) == (2, 2)
    assert named.stderr == (
        "error: `more.txt` is a file, not a requirement\n"
        'hint: state it in the configuration: `requirements = "more.txt"`; `zlock init --from more.txt` begins one\n'
    )
    assert "unrecognized arguments: -r" in included.stderr
    assert 'hint: state it in the configuration: `requirements = "' in included.stderr


def test_what_is_added_to_a_step_leaves_the_other_locks_as_they_are(project: Project, index: TinyIndex) -> None:
    write(project, index, STEPS)
    index.wheel("delta", "1")
    succeed(project.run("resolve"))
    before = project.lock_path("serve").read_bytes()
    succeed(project.run("add", "delta", "--step", "train"))
    result = succeed(project.run("resolve", "--check", "--exit-code"))
    succeed(project.run("resolve", "--exit-code"))

    assert "serve: 2 packages, up to date\n" in result.stderr
    assert project.lock_path("serve").read_bytes() == before


def test_a_step_is_no_pipeline_file(project: Project, index: TinyIndex) -> None:
    write(project, index, STEPS)
    result = project.run("resolve", "train")

    assert (result.code, "hint: name a step by `--step train`" in result.stderr) == (2, True)


def test_changes_as_json_and_mistakes_of_the_input(project: Project, index: TinyIndex) -> None:
    file = write(project, index, "")

    document = json.loads(succeed(project.run("add", "beta", "--json")).stdout)
    wrong = project.run("add", "beta>>1", "also wrong")

    assert document["changes"] == [
        {"file": str(file), "list": ["docker", "requirements"], "before": None, "after": "beta>=1.0"}
    ]
    assert document["steps"]["pipeline"]["status"] == "written"
    assert wrong.code == 2
    assert wrong.stderr.count("error:") == 2


EVERY_WAY = """\
[docker]
extra-requirements = ["gamma"]
[steps.a.docker]
requirements = ["alpha", "beta"]
[steps.b.docker]
requirements = ["alpha"]
[steps.c.docker]
requirements = "c.txt"
[steps.d.docker]
extra-requirements = ["alpha"]
"""


def test_without_a_step_each_step_is_changed_wherever_it_states_its_own(project: Project, index: TinyIndex) -> None:
    file = write(project, index, EVERY_WAY)
    project.write("c.txt", "alpha\n")

    succeed(project.run("add", "alpha<2"))
    succeed(project.run("add", "beta<3"))
    bounded = body(file)
    locked = {step: project.locked(step)["alpha"] for step in "abcd"}
    succeed(project.run("remove", "alpha", "beta"))

    assert locked == dict.fromkeys("abcd", "1.2.3")
    assert bounded == EVERY_WAY.replace('"alpha"', '"alpha<2"').replace('"beta"', '"beta<3"').replace(
        '["gamma"]', '["gamma", "beta<3"]'
    )
    assert (project.folder / "c.txt").read_text(encoding="utf-8") == ""
    assert {step: sorted(project.locked(step)) for step in "abcd"} == {step: ["gamma"] for step in "abcd"}


def test_what_remove_leaves_is_named(project: Project, index: TinyIndex) -> None:
    file = write(project, index, '[docker]\nextra-requirements = ["alpha"]\n')
    file.write_text('pipeline = "pipeline.py"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    project.pipeline("""
        from zlock import DockerSettings, step

        @step(settings={"docker": DockerSettings(requirements=["alpha"])})
        def train(): ...
        """)

    result = project.run("remove", "alpha")

    assert result.code == 1
    assert "removed `alpha` from `docker.extra-requirements`" in result.stderr
    assert "`alpha` is still required, where zlock does not remove it: by pipeline.py:3" in result.stderr


@pytest.mark.parametrize("stated", [["alpha<2", "alpha>1"], ["alpha>1", "alpha<2"], ["alpha", "Alpha>1"]])
def test_one_name_twice_is_refused_in_the_order_given(project: Project, index: TinyIndex, stated: list[str]) -> None:
    write(project, index, "")
    result = project.run("add", *stated)

    assert result.code == 2
    assert f"`alpha` is named 2 times, and not the same: `{stated[0]}`, `{stated[1]}`" in result.stderr
    assert "as in `alpha>=LOWEST,<HIGHEST`" in result.stderr


def test_what_is_stated_keeps_what_an_added_requirement_does_not_speak_of(project: Project, index: TinyIndex) -> None:
    """Extras, markers and bounds stay, in a list as in a requirements file; a hash stays with its version."""
    own = '[steps.a.docker]\nrequirements = [\'beta[x]>=0.5; python_version > "3"\', "delta >=1, <3"]  # ours\n'
    file = write(project, index, own + '[steps.b.docker]\nrequirements = "b.txt"\n')
    digest = index.wheel("delta", "1").hashes["sha256"]
    index.wheel("delta", "2")
    listed = project.write("b.txt", f"beta>=0.5; python_version > '3'  # b\ndelta==1 --hash=sha256:{digest}\n")

    first = succeed(project.run("add", "delta[x]", "beta>=1"))
    kept = body(file).splitlines()[1], listed.read_text(encoding="utf-8")
    second = succeed(project.run("add", "delta>=1", 'beta<3; os_name != "nt"', "--step", "b"))
    refused = project.run("add", "beta>=0.1", "--step", "b")

    marked = 'beta>=1; python_version > "3"'
    assert kept[0] == own.splitlines()[1].replace(">=0.5", ">=1").replace("delta ", "delta[x] ")
    assert kept[1] == f"{marked}  # b\ndelta[x]==1 --hash=sha256:{digest}\n"
    assert "--hash" not in first.stderr
    assert listed.read_text(encoding="utf-8") == f'{marked}  # b\ndelta[x]>=1\nbeta<3; os_name != "nt"\n'
    assert "its `--hash` was for the version stated before" in second.stderr
    assert refused.code == 2
    assert all(f"b.txt: `{one}`" in refused.stderr for one in (marked, 'beta<3; os_name != "nt"'))
    assert 'name the marker: `beta>=0.1 ; python_version > "3"`' in refused.stderr


def test_line_ends_stay_as_they_are(project: Project, index: TinyIndex) -> None:
    file = write(project, index, '[docker]\nrequirements = "requirements.txt"\n[steps.a]\n[steps.b]\n')
    listed = project.write("requirements.txt", b"gamma\r\nbeta\r\n")
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    failed = project.run("add", "no-such-package")
    unchanged = listed.read_bytes()
    succeed(project.run("add", "alpha==1.0"))
    succeed(project.run("remove", "beta"))
    succeed(project.run("add", "alpha<3", "--step", "a"))

    assert failed.code == 1
    assert unchanged == b"gamma\r\nbeta\r\n"
    assert listed.read_bytes() == b"gamma\r\nalpha==1.0\r\n"
    assert b'[steps.a.docker]\r\nextra-requirements = ["alpha<3"]\r\n' in file.read_bytes()
    assert file.read_bytes().count(b"\r\n") == file.read_bytes().count(b"\n")


def test_an_encoding_stays_as_it_is(project: Project, index: TinyIndex) -> None:
    write(project, index, '[docker]\nrequirements = "requirements.txt"\n')
    for coding in ("utf-16", "utf-8-sig"):
        before = "gamma  # ä\r\n".encode(coding)
        listed = project.write("requirements.txt", before)
        succeed(project.run("add", "alpha==1.0"))
        added = listed.read_bytes()
        failed = project.run("add", "no-such-package")
        kept = listed.read_bytes()
        succeed(project.run("remove", "alpha"))

        assert added == "gamma  # ä\r\nalpha==1.0\r\n".encode(coding)
        assert failed.code == 1
        assert kept == added
        assert listed.read_bytes() == before


def test_a_file_behind_a_link_out_of_the_project_is_not_edited(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    write(project, index, '[docker]\nrequirements = "requirements.txt"\n')
    outside = tmp_path / "theirs.txt"
    outside.write_text("gamma\n")
    (project.folder / "requirements.txt").symlink_to(outside)

    refused = [project.run("add", "alpha"), project.run("remove", "gamma")]

    assert [one.code for one in refused] == [2, 2]
    assert all("`requirements.txt` is reached through a link out of the project" in one.stderr for one in refused)
    assert outside.read_text() == "gamma\n"


def test_what_is_no_requirement_is_answered_with_the_form_that_is(project: Project, index: TinyIndex) -> None:
    write(project, index, "")
    wheel = "https://files.example/alpha-1.0-py3-none-any.whl"
    stated = {
        wheel: f"write `alpha @ {wheel}`",
        "./libs/alpha": "write `NAME @ file:./libs/alpha`",
        "alpha=1": "write `alpha==1`",
        "alpha@latest": "write `alpha` for the newest release",
        "": "write `pandas`, `pandas>=2`",
        "a" * 256: "write `pandas`, `pandas>=2`",
    }
    result = project.run("add", *stated)

    assert result.code == 2
    assert [hint for hint in stated.values() if f"hint: {hint}" not in result.stderr] == []


def test_what_add_began_remove_ends(project: Project, index: TinyIndex) -> None:
    file = write(project, index, "[steps.one]\n[steps.two.docker]\nrequirements = []\n")
    before = body(file)
    succeed(project.run("add", "gamma"))
    added = body(file)
    succeed(project.run("remove", "gamma"))

    assert "extra-requirements" in added
    assert body(file).replace("[docker]\n", "").strip() == before.strip()


def test_of_two_runs_at_once_each_adds_what_it_is_to_add(project: Project, index: TinyIndex) -> None:
    write(project, index, '[docker]\nrequirements = "requirements.txt"\n')
    file = project.write("requirements.txt", "gamma\n")
    succeed(project.run("resolve"))

    running = [project.start("add", "alpha"), project.start("resolve", "--upgrade"), project.start("add", "beta")]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said

    assert sorted(file.read_text(encoding="utf-8").split()) == ["alpha>=2.0", "beta>=1.0", "gamma"]
    succeed(project.run("resolve", "--check"))

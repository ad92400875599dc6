"""What the workflow makes of configurations, step by step: the first one, lines of requirements, pipelines."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from support.index import TinyIndex
from support.project import Project
from zlock.pyproject.lines import TomlLines
from zlock.workflow.deliver.init import write_configuration

PIPELINE = """
    from zlock import DockerSettings, pipeline, step

    @step(settings={"docker": DockerSettings(requirements=["alpha"])})
    def train(): ...

    @pipeline
    def learning():
        train()
"""


@pytest.mark.parametrize(
    ("file", "text", "steps"),
    [
        ("requirements.txt", "alpha\n", {"pipeline"}),
        ("pyproject.toml", '[project]\nname = "own"\nversion = "1"\ndependencies = ["alpha"]\n', {"pipeline"}),
        ("flows/pipeline.py", PIPELINE, {"train"}),
    ],
)
def test_after_init_from_a_file_resolve_works(
    index: TinyIndex, project: Project, file: str, text: str, steps: set[str]
) -> None:
    index.wheel("alpha", "1.0")
    project.write(file, text)
    result = project.run("init", "--from", file)
    assert (result.code, result.stderr) == (0, "wrote zlock.toml and .gitignore; next: `zlock resolve`\n")
    result = project.run("resolve", "--index-url", index.url)

    assert result.code == 0, result.stderr
    assert {path.name for path in (project.folder / "lockfiles").iterdir()} == {f"pylock.{step}.toml" for step in steps}
    for step in steps:
        assert project.locked(step) == {"alpha": "1.0"}
        assert project.lock(step)["requires-python"] == f"==3.{sys.version_info.minor}.*"


def test_init_without_a_file_writes_a_configuration_that_resolves(project: Project) -> None:
    assert project.run("init").code == 0
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    result = project.run("resolve", "--offline")

    assert result.code == 0, result.stderr
    assert project.locked("pipeline") == {}
    assert "# [steps.train.docker]" in text


def test_what_init_leaves_in_comments_is_locked_and_written_for_a_build(index: TinyIndex, project: Project) -> None:
    """A list for one step adds to the one for every step, as the comment says."""
    index.wheel("alpha", "1.0")
    index.wheel("pandas", "2.2.3")
    assert project.run("init").code == 0
    file = project.folder / "zlock.toml"
    text = re.sub(r"^# (\[steps|extra-)", r"\1", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    file.write_text(text.replace("requirements = []", 'requirements = ["alpha"]'), encoding="utf-8")

    for command in ("resolve", "dockerfile"):
        result = project.run(command, "--index-url", index.url)
        assert result.code == 0, result.stderr
    assert project.locked("train") == {"alpha": "1.0", "pandas": "2.2.3"}
    (listed,) = (project.folder / "build").rglob("requirements.txt")
    assert "pandas==2.2.3" in listed.read_text(encoding="utf-8")


def test_init_from_several_pipelines_names_one_and_notes_the_others(project: Project) -> None:
    project.write("two.py", PIPELINE + "\n    @pipeline(settings={})\n    def other():\n        train()\n")
    result = project.run("init", "--from", "two.py")

    assert result.code == 0
    assert "names the first of 2 pipelines, `two.py:learning`" in result.stderr
    assert "next: `zlock resolve two.py:learning two.py:other`" in result.stderr
    assert "`alpha` is not in the cache" in project.run("resolve", "--offline").stderr


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from zenml import pipeline as flow\n@flow\ndef a(): ...\n@flow(name='x')\ndef b(): ...\n", ["a", "b"]),
        ("import zenml\n@zenml.pipeline\ndef a(): ...\n@zenml.pipeline()\ndef b(): ...\n", ["a", "b"]),
        ("from zlock import pipeline, step\n@pipeline\ndef a(): ...\n@step\ndef b(): ...\n", []),
        ("from other import pipeline\n@pipeline\ndef a(): ...\n@pipeline\ndef b(): ...\n", []),
        ("from zlock import pipeline\n@pipeline\ndef a(: ...\n@pipeline\ndef b(): ...\n", []),
        ("# /// script\n# ///\nfrom zlock import pipeline\n@pipeline\ndef a(): ...\n@pipeline\ndef b(): ...\n", []),
    ],
)
def test_pipelines_are_told_without_running_their_file(tmp_path: Path, text: str, names: list[str]) -> None:
    (tmp_path / "run.py").write_text(text)
    written = write_configuration(tmp_path, tmp_path / "run.py")

    assert written.pipelines == [f"run.py:{name}" for name in names]
    stated = tomllib.loads((tmp_path / "zlock.toml").read_text())["pipeline"]
    assert stated == (written.pipelines or ["run.py"])[0]


def test_init_from_a_pipeline_of_zenml_says_what_it_may_need(project: Project) -> None:
    project.write("run.py", "import os\nfrom zenml import pipeline\n")

    assert project.run("init", "--from", "run.py").code == 0

    text = (project.folder / "zlock.toml").read_text()
    assert tomllib.loads(text)["pipeline"] == "run.py"
    assert tomllib.loads(text.replace("# pipe", "pipe").replace("# reg", "reg")).keys() == {
        "python",
        "pipeline",
        "pipeline-config",
        "registry",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "# What zlock makes.\n/wheelhouse/\n/build/\n"),
        ("*.pyc\nbuild\n", "*.pyc\nbuild\n\n# What zlock makes.\n/wheelhouse/\n"),
        ("*.pyc", "*.pyc\n\n# What zlock makes.\n/wheelhouse/\n/build/\n"),
        ("build/\n/wheelhouse/\n", "build/\n/wheelhouse/\n"),
    ],
)
def test_init_has_git_ignore_what_zlock_makes(project: Project, before: str | None, after: str) -> None:
    if before is not None:
        project.write(".gitignore", before)
    assert project.run("init").code == 0

    assert (project.folder / ".gitignore").read_text(encoding="utf-8") == after


def test_fetch_proposes_to_ignore_a_wheelhouse_that_git_would_commit(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0")
    settings = {"python": "3.12", "index": [{"url": index.url, "default": True}], "docker": {"requirements": ["alpha"]}}
    project.configure(settings)
    project.run("resolve")
    alone = project.run("fetch")
    assert project.call("git", "init", "--quiet").code == 0
    said = project.run("fetch")
    project.write(".gitignore", "/wheelhouse/\n")
    ignored = project.run("fetch")

    assert [one.code for one in (alone, said, ignored)] == [0, 0, 0]
    assert "add `/wheelhouse/` to the `.gitignore` of the project" in said.stderr
    assert ".gitignore" not in alone.stderr + ignored.stderr


def uncommented(project: Project, *lines: str) -> str:
    """Return the first configuration with some of its comments made settings."""
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    for line in lines:
        assert f"# {line}\n" in text
        text = text.replace(f"# {line}\n", f"{line}\n")
    return text.replace("requirements = []", 'requirements = ["alpha"]')


@pytest.mark.parametrize(
    ("key", "packages"), [("extra-requirements", {"alpha", "pandas"}), ("requirements", {"pandas"})]
)
def test_a_step_of_the_first_configuration_locks_what_its_comment_says(
    index: TinyIndex, project: Project, key: str, packages: set[str]
) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("pandas", "2.0")
    project.run("init")
    text = uncommented(project, "[steps.train.docker]", 'extra-requirements = ["pandas>=2"]')
    project.write("zlock.toml", text.replace("extra-requirements", key))

    result = project.run("resolve", "--index-url", index.url)

    assert result.code == 0, result.stderr
    assert project.locked("train").keys() == packages
    assert ("`alpha` is left out for `train`" in result.stderr) == (key == "requirements")


def test_a_pipeline_of_the_first_configuration_is_locked_with_its_settings_too(
    index: TinyIndex, project: Project
) -> None:
    for name in ("alpha", "beta", "pandas"):
        index.wheel(name, "2.0")
    project.pipeline(
        PIPELINE.replace("def learning", "def my_pipeline").replace(
            'requirements=["alpha"]', 'extra_requirements=["beta"]'
        )
    )
    project.run("init")
    lines = ('pipeline = "pipeline.py:my_pipeline"', "[steps.train.docker]", 'extra-requirements = ["pandas>=2"]')
    project.write("zlock.toml", uncommented(project, *lines))

    result = project.run("resolve", "--index-url", index.url)

    assert result.code == 0, result.stderr
    assert project.locked("train").keys() == {"alpha", "beta", "pandas"}


@pytest.mark.parametrize(
    ("file", "text"), [("zlock.toml", "broken = "), ("pyproject.toml", "[tool.zlock]\n"), ("zlock.toml", "")]
)
def test_init_replaces_no_configuration(project: Project, file: str, text: str) -> None:
    path = project.write(file, text)
    result = project.run("init")

    assert result.code == 2
    assert f"there is a configuration already: `{file}`\nhint: " in result.stderr
    assert path.read_text(encoding="utf-8") == text
    assert [each.name for each in project.folder.iterdir()] == [file]


def test_init_from_a_file_that_is_not_there_writes_nothing(project: Project) -> None:
    result = project.run("init", "--from", "missing.txt")

    assert result.code == 2
    assert "there is no file `missing.txt`" in result.stderr
    assert list(project.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("Dockerfile.train", "# syntax=1\n\nARG A=1\nFROM python:$A\n", "is a Dockerfile", "`docs/first-images.md`"),
        ("train.docker", "from python:3.12\nRUN pip install six\n", "is a Dockerfile", "`docs/first-images.md`"),
        ("environment.yml", "name: a\ndependencies:\n  - six\n", "can't be read as a requirements", "`--from` takes"),
        ("Pipfile", '[packages]\nsix = "*"\n', "can't be read as a requirements", "`--from` takes"),
        ("a.bin", "\x00FROM", "can't be read as a requirements", "`--from` takes"),
        ("setup.py", "import setuptools\nsetuptools.setup()\n", "builds a package", '"NAME @ file:."'),
        ("other.toml", "[tool.other]\n", "there is no `[project]` table", "choose dependency groups"),
    ],
)
def test_init_from_a_file_of_another_kind_writes_nothing(
    project: Project, name: str, text: str, message: str, hint: str
) -> None:
    project.write(name, text)
    result = project.run("init", "--from", name)

    assert result.code == 2
    assert message in result.stderr.splitlines()[0]
    assert hint in result.stderr.splitlines()[-1]
    assert [path.name for path in project.folder.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", 'ARG ; python_version > "3"\nfrom == 1\n'),
        ("requirements.txt", ""),
        ("groups.toml", '[dependency-groups]\ntrain = ["six"]\n'),
    ],
)
def test_init_from_a_file_that_looks_like_another_kind(project: Project, name: str, text: str) -> None:
    project.write(name, text)

    assert project.run("init", "--from", name).code == 0


@pytest.mark.parametrize("text", ["import pandas\n\ndef train(): ...\n", "import os\n", ""])
def test_init_from_a_script_states_it_as_a_step(index: TinyIndex, project: Project, text: str) -> None:
    index.wheel("alpha", "1.0")
    project.write("jobs/train.py", text)
    result = project.run("init", "--from", "jobs/train.py")

    assert result.code == 0
    assert "`jobs/train.py` is a script and not a pipeline" in result.stderr
    assert project.run("add", "--step", "train", "alpha", "--index-url", index.url).code == 0
    assert project.locked("train") == {"alpha": "1.0"}


def test_init_writes_where_the_project_is_said_to_be(project: Project) -> None:
    project.write("req.txt", "alpha")
    (project.folder / "sub").mkdir()
    result = project.run("init", "--project", "sub", "--from", "req.txt", "--json")

    places = [str(Path("sub") / name) for name in ("zlock.toml", ".gitignore")]
    assert json.loads(result.stdout) == {"configuration": places[0], "written": places}
    assert 'requirements = "../req.txt"' in (project.folder / "sub" / "zlock.toml").read_text(encoding="utf-8")


def test_a_requirement_in_the_configuration_is_named_with_its_line(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0")
    project.write(
        "zlock.toml",
        f"""
        python = "3.12"
        index = [{{ url = "{index.url}", default = true }}]
        [docker]
        requirements = [
            "alpha",
            'alpha>=7',
        ]
        """,
    )
    result = project.run("resolve")

    assert result.code == 1
    assert "zlock.toml:6" in result.stderr


@pytest.mark.parametrize(
    ("document", "line"),
    [('x\n"a"\n', 2), ("'a'", 1), ('"a"\n"a"', None), ("\"a\"\n'a'", None), ('"ab"', None), ("", None)],
)
def test_a_line_is_told_only_where_it_is_certain(document: str, line: int | None) -> None:
    assert TomlLines(document).line_of("a", ()) == line


def test_the_line_of_a_marker_is_told_in_either_kind_of_quotes_and_not_by_comments() -> None:
    document = '# "a ; b == \\"c\\""\nx = [\n  "a ; b == \\"c\\"",\n]\n'

    assert TomlLines(document).line_of('a ; b == "c"', ("x",)) == 3


TWICE = """\
[docker]
requirements = ["a"]

[[index]]
url = "u"

[steps.train]
python = "3.12" # ]
docker.requirements = [
    "b",  # "a" comes next
    'a',
]

[steps."re port".docker]
requirements = ["b",
  "a"]

[steps.inline]
docker = { requirements = ["b", "a"], replicate-local-python-environment = false }
"""


@pytest.mark.parametrize(
    ("address", "text", "line"),
    [
        (("docker",), "a", 2),
        (("steps", "train", "docker"), "b", 10),
        (("steps", "train", "docker"), "a", None),
        (("steps", "re port", "docker"), "a", 16),
        (("steps", "inline", "docker"), "a", 19),
        (("steps", "none", "docker"), "a", None),
    ],
)
def test_a_line_that_stands_in_several_tables_is_told_by_the_table(
    address: tuple[str, ...], text: str, line: int | None
) -> None:
    assert TomlLines(TWICE).line_of(text, (*address, "requirements")) == line
    assert TomlLines(TWICE, address[:1]).line_of(text, (*address[1:], "requirements")) == line


def test_two_steps_that_ask_the_same_have_a_line_each(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    project.write(
        "pyproject.toml",
        f"""
        [tool.zlock]
        python = "3.12"
        index = [{{ url = "{index.url}", default = true }}]
        [tool.zlock.steps.train.docker]
        requirements = ["alpha"]
        [tool.zlock.steps.report.docker]
        requirements = [
            "alpha",
        ]
        """,
    )
    assert project.run("resolve").code == 0

    tree = project.run("tree").stdout

    assert "`alpha` by pyproject.toml:5" in tree
    assert "`alpha` by pyproject.toml:8" in tree


def test_project_means_that_folder_and_none_above_it(project: Project) -> None:
    project.configure({"docker": {"requirements": ["alpha"]}})
    (project.folder / "sub").mkdir()
    result = project.run("resolve", "--project", "sub")

    assert result.code == 2
    assert "no steps are known" in result.stderr


@pytest.mark.parametrize("configured", ["", 'python = "3.12"\n'])
def test_a_command_that_is_told_of_no_script_names_the_one_that_is_locked(project: Project, configured: str) -> None:
    project.write("job.py", "# /// script\n# dependencies = []\n# ///\n")
    if configured:
        project.write("zlock.toml", configured)
    assert project.run("resolve", "job.py", "--offline").code == 0
    result = project.run("run", "--", "python", "job.py")

    assert result.code == 2
    assert "\n  locks are here of `job.py`\n" in result.stderr
    assert "with other commands `--pipeline job.py`" in result.stderr


def test_a_pipeline_argument_counts_from_the_working_folder(index: TinyIndex, project: Project) -> None:
    """And its locks are in the project that is configured above."""
    index.wheel("alpha", "1.0")
    project.configure({"python": "3.12", "index": [{"url": index.url, "default": True}]})
    project.pipeline(PIPELINE, "sub/flow.py")
    inside = Project(project.folder / "sub")
    result = inside.run("resolve", "flow.py:learning")

    assert result.code == 0, result.stderr
    assert project.locked("train") == {"alpha": "1.0"}
    assert project.run("resolve", "--check", "sub/flow.py:learning").code == 0


def test_a_file_with_one_step_is_locked_by_its_name(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0")
    project.pipeline(
        """
        from zlock import DockerSettings, step

        @step(settings={"docker": DockerSettings(requirements=["alpha"])})
        def one(): ...

        @step
        def two(): ...
        """
    )
    assert project.run("resolve", "pipeline.py:one", "--index-url", index.url).code == 0

    assert project.locked("one") == {"alpha": "1.0"}
    assert not project.lock_path("two").exists()


def test_a_pipeline_file_is_run_once_for_one_step_and_the_others(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    project.configure({"pipeline": "two.py", "index": [{"url": index.url, "default": True}]})
    project.write("two.py", "print('imported')\n" + dedent(PIPELINE))
    assert project.run("resolve").code == 0

    result = project.run("why", "alpha", "--step", "train")

    assert (result.code, result.stderr.count("imported")) == (0, 1)


@pytest.mark.parametrize("arguments", [("resolve",), ("resolve", "--check"), ("plan",), ("tree",)])
def test_a_pipeline_file_that_raises_is_run_once(project: Project, arguments: tuple[str, ...]) -> None:
    project.configure({"pipeline": "wrong.py"})
    project.write("wrong.py", "import zlock\nprint('imported')\nraise ValueError('no')\n")

    result = project.run(*arguments)

    assert (result.code, result.stderr.count("imported")) == (2, 1)

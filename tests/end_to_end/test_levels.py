"""Settings of several levels, through the real command: what adds up, what is laid over, what is left out and said."""

from __future__ import annotations

import json
import re
from typing import Any

from support.index import TinyIndex
from support.project import Project, Result

LEVELS = """
    from zlock import DockerSettings, pipeline, step

    @step(settings={"docker": DockerSettings(extra_requirements=["own", "./libs/near"], environment={"B": "step"})})
    def train(): ...

    @step
    def plain(): ...

    inner = DockerSettings(extra_requirements=["inner"], environment={"C": "inner", "A": "inner"})

    @pipeline(settings={"docker": inner})
    def part():
        train()

    outer = DockerSettings(requirements=["base"], extra_requirements=["outer"], environment={"C": "outer"})

    @pipeline(settings={"docker": outer})
    def learning():
        part()
        plain()
    """
CONFIGURATION = """
    python = "3.12"
    pipeline = "flows/pipeline.py:learning"

    [docker]
    extra-requirements = [
        "project",
        "far @ file:far",
    ]
    environment = { A = "project", D = "project" }

    [steps.train.docker]
    extra-requirements = ["stated"]
    environment.D = "stated"
    """


def resolve(project: Project, index: TinyIndex, *options: str) -> Result:
    done = project.run("resolve", "--index-url", index.url, *options)
    assert done.code == 0, done.stderr
    return done


def use_levels(project: Project, index: TinyIndex) -> None:
    """Configure a step with four levels of settings and a nested pipeline, and one with fewer."""
    for name in ("own", "inner", "outer", "base", "project", "stated"):
        index.wheel(name, "1.0")
    project.write("flows/libs/near/pyproject.toml", '[project]\nname = "near"\nversion = "1.0"\n')
    project.write("far/pyproject.toml", '[project]\nname = "far"\nversion = "1.0"\n')
    project.pipeline(LEVELS, file="flows/pipeline.py")
    project.write("zlock.toml", CONFIGURATION)


def explicit(project: Project, step: str) -> list[str]:
    (source,) = project.lock(step)["tool"]["zlock"]["sources"]
    assert source["source"] == "explicit"
    return list(source["requirements"])


def places(project: Project, package: str, step: str) -> str:
    """Return what `zlock why` says of who asks for a package."""
    done = project.run("why", package, "--step", step, "--json")
    assert done.code == 0, done.stderr
    return json.dumps(json.loads(done.stdout))


def test_extra_requirements_add_up_over_all_levels(project: Project, index: TinyIndex) -> None:
    use_levels(project, index)

    said = resolve(project, index).stderr

    train = ["base", "far@ file:far", "inner", "near@ file:flows/libs/near", "outer", "own", "project", "stated"]
    assert [text.replace(" @ ", "@ ") for text in explicit(project, "train")] == train
    assert [text.replace(" @ ", "@ ") for text in explicit(project, "plain")] == [
        "base",
        "far@ file:far",
        "outer",
        "project",
    ]
    assert "left out" not in said
    for package, place in {
        "own": "flows/pipeline.py:3",
        "near": "flows/pipeline.py:3",
        "inner": "flows/pipeline.py:9",
        "outer": "flows/pipeline.py:15",
        "project": "zlock.toml:6",
        "far": "zlock.toml:7",
        "stated": "zlock.toml:12",
    }.items():
        assert place in places(project, package, "train")


def test_extra_requirements_are_part_of_what_a_lock_answers(project: Project, index: TinyIndex) -> None:
    use_levels(project, index)
    resolve(project, index)
    assert project.run("resolve", "--check").code == 0

    project.write("zlock.toml", CONFIGURATION.replace('"stated"]', '"own>=1"]'))
    done = project.run("resolve", "--check")

    assert done.code == 1
    assert "explicit: - `stated`" in done.stderr
    assert "explicit: + `own>=1` (zlock.toml:12)" in done.stderr
    assert "step `plain`" not in done.stderr


def test_extra_requirements_stand_beside_a_file(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("beta", "1.0")
    project.write("needs.txt", "alpha\n")
    docker = {"requirements": "needs.txt", "extra-requirements": ["beta>=1"]}
    project.configure({"python": "3.12", "docker": docker})

    resolve(project, index)

    assert project.locked("pipeline") == {"alpha": "1.0", "beta": "1.0"}
    (source,) = project.lock("pipeline")["tool"]["zlock"]["sources"]
    assert (source["from"], source["requirements"]) == ("needs.txt", ["alpha", "beta>=1"])


def test_extra_requirements_that_contradict_each_other_are_named_with_their_lines(
    project: Project, index: TinyIndex
) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("alpha", "2.0")
    project.pipeline(
        """
        from zlock import DockerSettings, pipeline, step

        @step(settings={"docker": DockerSettings(extra_requirements=["alpha<2"])})
        def train(): ...

        @pipeline(settings={"docker": DockerSettings(extra_requirements=["alpha>=2"])})
        def learning():
            train()
        """
    )
    project.configure({"python": "3.12", "pipeline": "pipeline.py"})

    done = project.run("resolve", "--index-url", index.url)

    assert done.code == 1
    assert "`alpha<2` by pipeline.py:3" in done.stderr
    assert "`alpha>=2` by pipeline.py:6" in done.stderr


def test_a_mistake_in_an_extra_requirement_has_its_own_line(project: Project, index: TinyIndex) -> None:
    project.write(
        "zlock.toml",
        """
        python = "3.12"
        [docker]
        extra-requirements = [
            "./nowhere",
            "alpha --pre",
        ]
        user = ""
        """,
    )
    done = project.run("resolve", "--index-url", index.url)
    assert done.code == 2
    assert "`docker.extra-requirements[1]`: `alpha --pre` is not a requirement" in done.stderr
    assert "stated in zlock.toml:3" in done.stderr
    assert "stated in zlock.toml:7" in done.stderr

    project.write("zlock.toml", 'docker.extra-requirements = [\n"./nowhere",\n"./none"]\n')
    done = project.run("resolve", "--index-url", index.url)
    assert done.code == 2
    assert "zlock.toml:2: ./nowhere" in done.stderr
    assert "zlock.toml:3: ./none" in done.stderr


def variables(project: Project, step: str) -> dict[str, str]:
    done = project.run("dockerfile", "--step", step, "--json")
    assert done.code == 0, done.stderr
    (row,) = json.loads(done.stdout)["contexts"]
    text = (project.folder / row["folder"] / "Dockerfile").read_text()
    return dict(re.findall(r'^ENV ([A-D])="(.*)"$', text, re.MULTILINE))


def test_variables_are_laid_over_each_other_one_by_one(project: Project, index: TinyIndex) -> None:
    use_levels(project, index)
    project.write(
        "flows/pipeline.py", project.folder.joinpath("flows/pipeline.py").read_text().replace(', "./libs/near"', "")
    )
    project.write("zlock.toml", project.folder.joinpath("zlock.toml").read_text().replace('"far @ file:far",', ""))
    resolve(project, index)

    assert variables(project, "train") == {"A": "inner", "B": "step", "C": "inner", "D": "stated"}
    assert variables(project, "plain") == {"A": "project", "C": "outer", "D": "project"}


def pipeline_of(*steps: str, settings: str = "") -> str:
    """Return a pipeline file whose steps have these settings, as they stand in the call of `DockerSettings`."""
    lines = ["from zlock import DockerSettings, pipeline, step", ""]
    for number, docker in enumerate(steps):
        lines += [f'@step(settings={{"docker": DockerSettings({docker})}})', f"def step{number}(): ...", ""]
    calls = [f"    step{number}()" for number in range(len(steps))]
    over = f'@pipeline(settings={{"docker": DockerSettings({settings})}})'
    return "\n".join([*lines, over, "def learning():", *calls, ""])


def notes_of(project: Project, index: TinyIndex, **more: Any) -> list[str]:
    """Return what `resolve` says is left out."""
    for name in ("alpha", "beta", "gamma"):
        index.wheel(name, "1.0")
    project.configure({"python": "3.12", "pipeline": "pipeline.py", **more})
    return [line for line in resolve(project, index).stderr.splitlines() if "left out" in line]


def test_what_a_steps_list_leaves_out_is_said_once(project: Project, index: TinyIndex) -> None:
    project.pipeline(
        pipeline_of(
            'requirements=["gamma"]', "", 'requirements=["gamma"]', settings='requirements=["alpha", "beta", "gamma"]'
        )
    )

    notes = notes_of(project, index)

    (note,) = notes
    assert note.startswith(
        "note: `requirements` in pipeline.py:12: `alpha`, `beta` are left out for `step0` (replaced "
    )
    assert "`step0` (replaced in pipeline.py:3), `step2` (replaced in pipeline.py:9); `extra_requirements` adds" in note
    assert project.locked("step0") == {"gamma": "1.0"}
    assert set(project.locked("step1")) == {"alpha", "beta", "gamma"}
    assert notes_of(project, index) == notes
    assert "left out" not in project.run("resolve", "--check").stderr


def test_levels_of_a_configuration_are_told_apart_by_their_lines(project: Project, index: TinyIndex) -> None:
    project.pipeline(pipeline_of("", ""))

    notes = notes_of(
        project,
        index,
        docker={"requirements": ["alpha"], "apt-packages": ["git"]},
        steps={"step1": {"docker": {"requirements": ["beta"], "apt-packages": ["curl"]}}},
    )

    assert [re.sub(r"zlock.toml:\d+", "LINE", note).partition(";")[0] for note in notes] == [
        "note: `requirements` in LINE: `alpha` is left out for `step1` (replaced in LINE)",
        "note: `apt-packages` in LINE: `git` is left out for `step1` (replaced in LINE)",
    ]
    lines = (project.folder / "zlock.toml").read_text().splitlines()
    named = [lines[int(number) - 1] for number in re.findall(r"zlock.toml:(\d+)", notes[0])]
    assert all(line.startswith("requirements = [") for line in named)
    assert len(set(re.findall(r"zlock.toml:(\d+)", notes[0]))) == 2


def test_a_file_that_a_list_replaces_and_the_reverse_are_said(project: Project, index: TinyIndex) -> None:
    project.write("needs.txt", "alpha\n")
    project.pipeline(pipeline_of('requirements=["beta"]', settings='requirements="needs.txt"'))
    (note,) = notes_of(project, index)
    assert (
        "`requirements` in pipeline.py:6: the file `needs.txt` is left out for `step0` (replaced in pipeline.py:3)"
        in note
    )

    project.pipeline(pipeline_of('requirements="needs.txt"', settings='requirements=["beta"]'))
    (note,) = notes_of(project, index)
    assert "`beta` is left out" in note


def test_nothing_is_said_where_nothing_is_lost(project: Project, index: TinyIndex) -> None:
    """A list with all of the broader one, an empty one, which says it itself, and one that is asked for again."""
    project.pipeline(
        pipeline_of(
            'requirements=["beta", "alpha"]',
            "requirements=[]",
            'requirements=["beta"], extra_requirements=["alpha"]',
            "apt_packages=[]",
            settings='requirements=["alpha"], apt_packages=["git"]',
        )
    )

    assert notes_of(project, index) == []


def test_a_note_shows_no_credentials(project: Project, index: TinyIndex) -> None:
    url = "https://me:secret@host.example/x-1.0-py3-none-any.whl"
    project.pipeline(pipeline_of('requirements=["beta"]', settings=f'requirements=["x @ {url}"]'))

    (note,) = notes_of(project, index)

    assert "`x @ https://host.example/" in note
    assert "secret" not in note

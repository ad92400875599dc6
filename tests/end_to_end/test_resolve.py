"""`zlock resolve` on locks that are there: what is kept, what moves, what is refused, who wins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project, Result


def configure(project: Project, index: TinyIndex, steps: Mapping[str, Sequence[str]], **more: Any) -> None:
    """Configure steps by what each requires."""
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "steps": {step: {"docker": {"requirements": list(asked)}} for step, asked in steps.items()},
            **more,
        }
    )


def resolved(project: Project, *arguments: str) -> Result:
    result = project.run("resolve", *arguments)
    assert result.code == 0, result.stderr
    return result


@pytest.fixture
def grown(index: TinyIndex, project: Project) -> Project:
    """A project with two steps, locked before `alpha` 2.0 and `beta` 2.0 came out."""
    index.wheel("alpha", "1.0")
    index.wheel("beta", "1.0")
    configure(project, index, {"train": ["alpha", "beta"], "serve": ["beta"]})
    resolved(project)
    index.wheel("alpha", "2.0")
    index.wheel("beta", "2.0")
    index.wheel("gamma", "1.0")
    return project


def test_pins_are_kept_while_they_fit(grown: Project, index: TinyIndex) -> None:
    """The step that changed keeps what still fits; the other is not touched."""
    before = grown.lock("serve")
    configure(grown, index, {"train": ["alpha>=2", "beta", "gamma"], "serve": ["beta"]})
    result = resolved(grown)

    assert grown.locked("train") == {"alpha": "2.0", "beta": "1.0", "gamma": "1.0"}
    assert grown.lock("serve") == before
    assert "train: 3 packages (1 added, 1 moved) -> pylock.train.toml\n  alpha 1.0 -> 2.0\n" in result.stderr
    assert "serve: 1 package, up to date" in result.stderr


def test_what_moved_is_named_where_it_is_little_or_older(index: TinyIndex, project: Project) -> None:
    for name in ("p0", "p1", "p2", "p3", "p4"):
        index.wheel(name, "1.0")
        index.wheel(name, "2.0", requires=["base<2"] if name == "p0" else [])
    for version in ("1.9", "1.10", "2.0"):
        index.wheel("base", version)
    configure(project, index, {"train": ["base", "p0==1", "p1==1", "p2==1", "p3==1", "p4==1"]})
    resolved(project)
    configure(project, index, {"train": ["base", "p0==2", "p1==2", "p2==2", "p3==1", "p4==1"]})
    few = resolved(project).stderr
    assert "(4 moved) -> pylock.train.toml\n  base 2.0 -> 1.10 (older)\n  p0 1.0 -> 2.0\n  p1 1.0 -> 2.0\n" in few
    configure(project, index, {"train": ["base==1.9", "p0==1", "p1==1", "p2==1", "p3==2", "p4==2"]})
    many = resolved(project).stderr
    assert "(6 moved) -> pylock.train.toml\n  base 1.10 -> 1.9 (older)\n  p0 2.0 -> 1.0 (older)\n" in many
    assert "p3" not in many


def test_what_one_step_asks_changes_no_other_lock(index: TinyIndex, project: Project) -> None:
    """Where the requirements are in files of their own, the other lock stays the same to the byte."""
    index.wheel("alpha", "1.0")
    project.write("train.txt", "alpha")
    configure(project, index, {"serve": ["alpha"]})
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", text + '[steps.train.docker]\nrequirements = "train.txt"\n')
    resolved(project)
    before = project.lock_path("serve").stat().st_mtime_ns, project.lock_path("serve").read_bytes()
    project.write("train.txt", "alpha>=1")
    resolved(project)

    assert (project.lock_path("serve").stat().st_mtime_ns, project.lock_path("serve").read_bytes()) == before


def test_a_release_that_came_out_is_seen_though_the_page_is_in_the_cache(grown: Project, index: TinyIndex) -> None:
    """A cached page may be believed for a yes, never for a no."""
    configure(grown, index, {"train": ["alpha>=2"], "serve": ["beta"]})
    resolved(grown)

    assert grown.locked("train") == {"alpha": "2.0"}


def test_upgrade_moves_every_pin(grown: Project) -> None:
    resolved(grown, "--upgrade")

    assert grown.locked("train") == {"alpha": "2.0", "beta": "2.0"}
    assert grown.locked("serve") == {"beta": "2.0"}


def test_upgrade_package_moves_only_that_one_in_every_step(grown: Project) -> None:
    result = resolved(grown, "--upgrade-package", "Beta", "-v")

    assert grown.locked("train") == {"alpha": "1.0", "beta": "2.0"}
    assert grown.locked("serve") == {"beta": "2.0"}
    assert "  beta 1.0 -> 2.0" in result.stderr


def test_upgrade_package_names_the_step_that_has_it(grown: Project) -> None:
    result = grown.run("resolve", "--upgrade-package", "alpha", "--step", "serve")
    why = grown.run("why", "alpha", "--step", "serve")

    assert (result.code, why.code) == (1, 1)
    hint = "hint: the lock of `train` has it: name that with `--step`, or leave `--step` out"
    assert hint in result.stderr
    assert f"error: no lock has `alpha`\n{hint}" in why.stderr


@pytest.mark.parametrize(
    ("stated", "version"), [("beta==1.5", "1.5"), ("Beta<2", "1.5"), ("beta==1.0", "1.0"), ("beta>1,<=2", "2.0")]
)
def test_upgrade_package_takes_a_version_or_bounds(grown: Project, index: TinyIndex, stated: str, version: str) -> None:
    index.wheel("beta", "1.5")
    resolved(grown, "--upgrade-package", stated)
    before = grown.lock_path("train").read_bytes()

    assert grown.locked("train") == {"alpha": "1.0", "beta": version}
    assert grown.locked("serve") == {"beta": version}
    resolved(grown)
    assert grown.lock_path("train").read_bytes() == before


def test_a_version_that_requirements_rule_out_is_a_no_that_names_both(grown: Project, index: TinyIndex) -> None:
    configure(grown, index, {"train": ["alpha"], "serve": ["beta<2"]})
    before = grown.lock_path("train").read_bytes()
    result = grown.run("resolve", "--upgrade-package", "beta==2.0")

    assert result.code == 1
    assert "no release of `beta` within `beta==2.0` matches `<2`" in result.stderr
    assert grown.lock_path("train").read_bytes() == before


@pytest.mark.parametrize(
    ("stated", "code", "said"),
    [
        ("betta", 1, "did you mean `beta`?"),
        ("nothing-like-it", 1, "no lock pins it"),
        ("beta; python_version > '3'", 2, "takes a name, and a version or bounds"),
        ("beta[extra]", 2, "takes a name, and a version or bounds"),
        ("./folder", 2, "takes a name, and a version or bounds"),
    ],
)
def test_what_upgrades_nothing_is_an_error(grown: Project, stated: str, code: int, said: str) -> None:
    result = grown.run("resolve", "--upgrade-package", stated)

    assert result.code == code
    assert said in result.stderr


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(grown: Project, index: TinyIndex) -> None:
    configure(grown, index, {"train": ["alpha>=2"], "other": ["beta"]})
    before = {path.name: path.read_bytes() for path in (grown.folder / "lockfiles").iterdir()}
    result = resolved(grown, "--dry-run", "-v")
    failed = grown.run("resolve", "--dry-run", "--exit-code", "--json")

    assert "  alpha 1.0 -> 2.0" in result.stderr
    assert "nothing was written" in result.stderr
    assert failed.code == 1
    statuses = {name: row["status"] for name, row in json.loads(failed.stdout)["steps"].items()}
    assert statuses == {"train": "written", "other": "written", "serve": "removed"}
    assert {path.name: path.read_bytes() for path in (grown.folder / "lockfiles").iterdir()} == before


def test_step_limits_what_is_locked_and_removes_nothing(grown: Project, index: TinyIndex) -> None:
    before = grown.lock_path("train").read_bytes()
    configure(grown, index, {"train": ["alpha>=2"], "other": ["gamma"]})
    resolved(grown, "--step", "other")

    assert grown.locked("other") == {"gamma": "1.0"}
    assert grown.lock_path("train").read_bytes() == before
    assert grown.lock_path("serve").exists()


def test_locks_of_steps_that_are_gone_are_removed_and_those_of_other_tools_are_not(
    grown: Project, index: TinyIndex
) -> None:
    foreign = grown.write("lockfiles/pylock.theirs.toml", 'lock-version = "1.0"\ncreated-by = "other"\npackages = []\n')
    configure(grown, index, {"train": ["alpha", "beta"]})
    result = resolved(grown)

    assert not grown.lock_path("serve").exists()
    assert foreign.exists()
    assert "serve: lock removed, the step is gone" in result.stderr


def test_unknown_steps_are_named_all_at_once(grown: Project) -> None:
    result = grown.run("resolve", "--step", "trian", "--step", "nope")

    assert result.code == 2
    assert "there is no step `trian`" in result.stderr
    assert "did you mean `train`?" in result.stderr
    assert "there is no step `nope`" in result.stderr


def test_nothing_is_written_unless_every_step_was_solved_and_all_errors_are_shown(
    index: TinyIndex, project: Project
) -> None:
    index.wheel("alpha", "1.0")
    steps = {"good": ["alpha"], "bad": ["alpha>=2"], "worse": ["nowhere"]}
    configure(project, index, steps)
    result = project.run("resolve")

    assert result.code == 1
    assert "step `bad`" in result.stderr
    assert "`nowhere`" in result.stderr
    assert not list(project.folder.glob("lockfiles/*"))


def test_one_mistake_that_all_steps_share_is_shown_once(project: Project) -> None:
    project.configure({"python": "3.12", "docker": {"requirements": "missing.txt"}, "steps": {"a": {}, "b": {}}})
    result = project.run("resolve")

    assert result.code == 2
    assert result.stderr.count("error:") == 1


def test_exclude_newer_of_the_command_line_is_recorded_and_no_input(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0").upload_time = "2024-01-01T00:00:00Z"
    index.wheel("alpha", "2.0").upload_time = "2025-01-01T00:00:00Z"
    configure(project, index, {"train": ["alpha"]})
    resolved(project, "--exclude-newer", "2024-06-01")
    limited = project.lock("train")["tool"]["zlock"]
    assert project.locked("train") == {"alpha": "1.0"}
    assert limited["exclude-newer"] == "2024-06-01T00:00:00+00:00"

    assert project.run("resolve", "--check").code == 0
    resolved(project, "--upgrade")
    assert project.locked("train") == {"alpha": "2.0"}
    assert project.lock("train")["tool"]["zlock"]["inputs"] == limited["inputs"]


@pytest.mark.parametrize(
    ("options", "environ", "place"),
    [
        (["--index-url", "ftp://me:hush@index.example/"], {}, "`--index-url`"),
        ([], {"UV_DEFAULT_INDEX": "https://me:hush@/simple/"}, "the default index of this machine"),
    ],
)
def test_a_default_index_that_is_none_is_named_by_its_place(
    project: Project, options: list[str], environ: dict[str, str], place: str
) -> None:
    project.configure({"docker": {"requirements": ["alpha"]}})
    result = project.run("resolve", *options, env=environ)
    assert result.code == 2
    assert f"{place}: expected a URL of http or https with a host" in result.stderr
    assert "hush" not in result.stderr


def test_index_url_of_the_command_line_is_no_input(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0")
    project.configure({"python": "3.12", "docker": {"requirements": ["alpha"]}})
    resolved(project, "--index-url", index.url)

    assert project.run("resolve", "--check").code == 0
    assert project.run("resolve", "--check", "--index-url", "http://index.example/simple/").code == 0


def test_python_is_recorded_and_read_back_until_it_is_set(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0")
    project.configure(
        {"python": "3.10", "index": [{"url": index.url, "default": True}], "docker": {"requirements": ["alpha"]}}
    )
    resolved(project)
    project.configure({"index": [{"url": index.url, "default": True}], "docker": {"requirements": ["alpha"]}})

    assert project.run("resolve", "--check").code == 0
    resolved(project)
    assert project.lock("pipeline")["requires-python"] == "==3.10.*"


# Who wins


def test_precedence_is_field_by_field(index: TinyIndex, project: Project) -> None:
    """TOML pipeline < TOML step < pipeline decorator < step decorator."""
    for name in ("base", "toml", "flow", "own"):
        index.wheel(name, "1.0")
    project.configure(
        {
            "python": "3.12",
            "pipeline": "flow.py:flow",
            "index": [{"url": index.url, "default": True}],
            "docker": {"requirements": ["base"], "apt-packages": ["from-base"], "parent-image": "base.example/a"},
            "steps": {"two": {"docker": {"requirements": ["toml"], "apt-packages": ["from-toml"]}}, "three": {}},
        }
    )
    project.pipeline(
        """
        from zlock import DockerSettings, pipeline, step

        @step
        def one(): ...

        @step(settings={"docker": DockerSettings(requirements=["own"])})
        def two(): ...

        @pipeline(settings={"docker": DockerSettings(requirements=["flow"])})
        def flow():
            one()
            two()
        """,
        "flow.py",
    )
    result = resolved(project)

    one, two = (project.lock(step)["tool"]["zlock"] for step in ("one", "two"))
    assert project.locked("one") == {"flow": "1.0"}
    assert project.locked("two") == {"own": "1.0"}
    assert (one["apt-packages"], two["apt-packages"]) == (["from-base"], ["from-toml"])
    assert one["parent-image"] == two["parent-image"] == "base.example/a"
    assert "`steps.three` in zlock.toml is not a step of this pipeline" in result.stderr


def test_a_local_orchestrator_disregards_docker_settings(index: TinyIndex, project: Project) -> None:
    configure(project, index, {"train": ["nowhere"]}, stack={"remote": False})

    for arguments in ((), ("--check",), ("--upgrade",)):
        result = project.run("resolve", *arguments)
        assert result.code == 0
        assert "`stack.remote = false`" in result.stderr
    assert index.requests == []
    assert not (project.folder / "lockfiles").exists()


def test_a_pipeline_without_steps_is_one_lock_of_its_name(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0")
    project.pipeline(
        """
        from zlock import DockerSettings, pipeline

        @pipeline(settings={"docker": DockerSettings(requirements=["alpha"])})
        def nightly(): ...
        """
    )
    resolved(project, "pipeline.py:nightly", "--index-url", index.url)

    assert project.locked("nightly") == {"alpha": "1.0"}


@pytest.mark.parametrize("name", ["a.b", "../a", "", "a b", "CON", "com1", "x" * 101, "\u00e4"])
def test_step_names_that_are_no_file_names_are_refused(index: TinyIndex, project: Project, name: str) -> None:
    configure(project, index, {name: []})
    result = project.run("resolve")

    assert result.code == 2
    assert "can't be part of a lock's file name" in result.stderr


def test_step_names_that_differ_in_case_only_are_refused(index: TinyIndex, project: Project) -> None:
    configure(project, index, {"Train": [], "train": [], "bad.name": []})
    result = project.run("resolve")

    assert result.code == 2
    assert "the step names `Train` and `train` differ only in case" in result.stderr
    assert "`bad.name`" in result.stderr


# Sources that contradict each other


@pytest.fixture
def contradicting(index: TinyIndex, project: Project) -> Project:
    """The stack wants an old `alpha`, the requirements file a new one."""
    index.wheel("alpha", "1.0")
    index.wheel("alpha", "2.0")
    project.write("requirements.txt", "# new\nalpha>=2\n")
    configuration = {
        "python": "3.12",
        "index": [{"url": index.url, "default": True}],
        "stack": {"requirements": ["alpha<2"]},
        "docker": {"requirements": "requirements.txt"},
    }
    project.configure(configuration)
    return project


def test_a_contradiction_names_every_origin(contradicting: Project) -> None:
    result = contradicting.run("resolve")

    assert result.code == 1
    assert "`alpha<2` by stack (requirements, zlock.toml" in result.stderr
    assert "`alpha>=2` by requirements.txt:2" in result.stderr
    assert "hint:" in result.stderr


def test_the_later_source_wins_where_that_is_asked_for(contradicting: Project) -> None:
    text = (contradicting.folder / "zlock.toml").read_text(encoding="utf-8")
    contradicting.write("zlock.toml", f'conflicts = "later"\n{text}')
    result = resolved(contradicting)

    assert contradicting.locked("pipeline") == {"alpha": "2.0"}
    said = "`alpha<2` of stack was overridden by `alpha>=2`"
    assert contradicting.lock("pipeline")["tool"]["zlock"]["gave-way"] == [
        {
            "loser": {"requirement": "alpha<2", "sources": ["stack"]},
            "winner": {"requirement": "alpha>=2", "sources": ["explicit"]},
        }
    ]
    assert said in result.stderr
    assert contradicting.run("resolve", "--check").code == 0


def test_a_conflict_names_what_it_rests_on_and_can_not_be_used(index: TinyIndex, project: Project) -> None:
    """They were yanked on their index, but are no way out: they came after the cut-off."""
    for version, year in (("2.0", 2024), ("2.1", 2025), ("2.2", 2025)):
        app = index.wheel("app", version, requires=["lib>=2"])
        app.upload_time, app.yanked = f"{year}-01-01T00:00:00Z", year > 2024
    for version in ("1.0", "2.0"):
        index.wheel("lib", version).upload_time = "2024-01-01T00:00:00Z"
    configure(project, index, {"train": ["app>=2", "lib<2"]}, **{"exclude-newer": "2024-05-01"})
    result = project.run("resolve")

    assert result.code == 1
    assert "`app` 2.2: uploaded 2025-01-01, after the cut-off; nor can 1 older one be used" in result.stderr
    assert "yanked" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_that_requires_what_has_no_wheel_is_explained(index: TinyIndex, project: Project) -> None:
    """No release that it requires can be used, yanked ones least of all."""
    index.wheel("lib", "2.1", tag="cp312-cp312-manylinux_2_17_x86_64")
    index.wheel("lib", "2.2", tag="cp312-cp312-manylinux_2_17_x86_64").yanked = True
    index.wheel("lib", "1.0")
    project.write("own/pyproject.toml", '[project]\nname = "own"\nversion = "1"\ndependencies = ["lib>=2"]\n')
    configure(project, index, {"train": ["./own"]}, python="3.9")
    result = project.run("resolve")

    assert result.code == 1
    assert "`own` 1 requires `lib>=2`" in result.stderr
    assert "`lib` 2.2 has wheels only for Python 3.12, and the target is CPython 3.9" in result.stderr
    assert 'hint: set `python = "3.12"` for this step' in result.stderr

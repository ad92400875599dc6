"""`zlock why` and `zlock tree`: the way from a source's line to a package, and what holds newer releases back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project

CONFIGURATION = """
python = "3.12"
index = [{ url = "URL", default = true }]
constraints = ["bounded<3"]
exclude-newer = "2025-01-01T00:00:00Z"

[stack]
requirements = ["server"]

[steps.train.docker]
requirements = [
    "model[fast]>=1",
    "windows-only; sys_platform == 'win32'",
    "bounded",
]

[steps.report.docker]
requirements = "report.txt"
"""


@pytest.fixture(scope="module")
def index() -> Iterator[TinyIndex]:
    """A graph with an extra, a cap, and newer releases that each can't be used for another reason."""
    with TinyIndex() as index:
        for name, version, requires in (
            ("server", "1.0", ["core<2", "model"]),
            ("core", "1.5", []),
            ("core", "2.0", []),
            ("engine", "1.0", ["core", "ring"]),
            ("ring", "1.0", ["engine"]),
            ("windows-only", "1.0", []),
            ("bounded", "2.0", []),
            ("bounded", "3.0", []),
            ("plain", "1.0", []),
        ):
            index.wheel(name, version, requires=requires).upload_time = "2024-01-01T00:00:00Z"
        model = index.wheel("model", "1.0", requires=["core"], extras={"fast": ["engine"]})
        model.upload_time = "2024-01-01T00:00:00Z"
        for version, options in (
            ("1.1", {"yanked": "broken"}),
            ("1.2", {"requires_python": ">=3.13"}),
            ("1.3", {"upload_time": "2025-06-01T00:00:00Z"}),
        ):
            file = index.wheel("plain", version)
            file.upload_time = "2024-02-01T00:00:00Z"
            for key, value in options.items():
                setattr(file, key, value)
        yield index


@pytest.fixture(scope="module")
def project(index: TinyIndex, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("why") / "project")
    project.write("zlock.toml", CONFIGURATION.replace("URL", index.url))
    project.write("report.txt", "# what the report needs\nplain\n")
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return project


def reasons(project: Project, package: str, *arguments: str) -> dict[str, Any]:
    result = project.run("why", package, "--json", *arguments)
    assert result.code == 0, result.stderr
    return {one["step"]: one for one in json.loads(result.stdout)["why"]}


def test_why_names_each_requirement_that_leads_there_with_file_and_line(project: Project) -> None:
    chains = reasons(project, "core", "--step", "train")["train"]["chains"]

    found = [(chain["requirement"], chain["origins"], [node for node, _ in chain["path"]]) for chain in chains]
    assert found == [
        ("server", ["stack (requirements, zlock.toml:7)"], ["server", "core"]),
        ("model[fast]>=1", ["zlock.toml:11"], ["model", "core"]),
    ]


def test_a_way_through_an_extra_counts_only_where_the_extra_is_asked_for(project: Project) -> None:
    chains = reasons(project, "ring")["train"]["chains"]

    # `server` requires `model` too, but without the extra that brings the engine.
    assert [(chain["requirement"], [node for node, _ in chain["path"]]) for chain in chains] == [
        ("model[fast]>=1", ["model[fast]", "engine", "ring"])
    ]


def test_a_cap_that_holds_a_newer_release_back_is_proven_and_named(project: Project) -> None:
    newer = reasons(project, "core", "--step", "train")["train"]["newer"]

    assert (newer["verdict"], newer["newest"], newer["moves"]) == ("held back", "2.0", "")
    assert newer["reasons"] == [
        "2.0 conflicts with:",
        "  `server` by stack (requirements, zlock.toml:7)",
        "  `server` 1.0 requires `core<2`",
    ]


def test_releases_that_nothing_could_use_have_their_reason(project: Project) -> None:
    result = project.run("why", "plain", "--step", "report")

    assert result.code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "report: plain 1.0",
        "  `plain` by report.txt:2 -> plain 1.0",
        "  not newer:",
        "    1.3: `plain` 1.3: uploaded 2025-06-01, after the cut-off",
        (
            "    1.2: `plain` 1.2 has a file that requires Python >=3.13, and the target is"
            " CPython 3.12 on linux/amd64, glibc 2.28"
        ),
        "    1.1: every matching release of `plain` was yanked, such as 1.1: broken",
    ]


def test_a_constraint_of_the_configuration_is_named(project: Project) -> None:
    (line,) = reasons(project, "bounded")["train"]["newer"]["reasons"]

    assert line == "3.0: the constraint `bounded<3` by configuration (`constraints`, zlock.toml:3) rules it out"


def test_the_newest_release_is_called_so(project: Project) -> None:
    assert reasons(project, "server")["train"]["newer"]["verdict"] == "newest"


def test_a_release_that_only_the_lock_keeps_away_comes_with_the_command_that_moves_it(tmp_path: Path) -> None:
    with TinyIndex(cache_control="max-age=0") as index:
        index.wheel("solo", "1.0")
        index.wheel("pair", "1.0", requires=["half==1.0"])
        index.wheel("half", "1.0")
        project = Project(tmp_path / "project")
        project.configure(
            {
                "python": "3.12",
                "index": [{"url": index.url, "default": True}],
                "docker": {"requirements": ["solo", "pair", "half"]},
            }
        )
        assert project.run("resolve").code == 0
        index.wheel("solo", "1.1")
        index.wheel("pair", "2.0", requires=["half==2.0"])
        index.wheel("half", "2.0")

        solo = reasons(project, "solo")["pipeline"]["newer"]
        half = reasons(project, "half")["pipeline"]["newer"]
        moved = project.run("resolve", "--upgrade-package", "solo")

    assert (solo["verdict"], solo["moves"], solo["reasons"]) == ("kept", "1.1", [])
    assert half["reasons"] == ["2.0 needs other pins to move, which the lock keeps: pair 1.0 -> 2.0"]
    assert moved.code == 0
    assert project.locked("pipeline")["solo"] == "1.1"


@pytest.mark.parametrize(
    ("resolution", "package", "reasons_there"),
    [
        ("lowest", "direct", ['1.1: `resolution = "lowest"` chooses the oldest that fits']),
        ("lowest-direct", "direct", ['1.1: `resolution = "lowest-direct"` chooses the oldest that fits']),
        ("lowest", "inner", ['1.1: `resolution = "lowest"` chooses the oldest that fits']),
    ],
)
def test_the_oldest_release_is_old_as_the_configuration_wants_it(
    tmp_path: Path, resolution: str, package: str, reasons_there: list[str]
) -> None:
    with TinyIndex() as index:
        for version in ("1.0", "1.1"):
            index.wheel("direct", version, requires=["inner"])
            index.wheel("inner", version)
        project = Project(tmp_path / "project")
        project.configure(
            {
                "python": "3.12",
                "resolution": resolution,
                "index": [{"url": index.url, "default": True}],
                "docker": {"requirements": ["direct"]},
            }
        )
        assert project.run("resolve").code == 0

        newer = reasons(project, package)["pipeline"]["newer"]

    assert (newer["verdict"], newer["reasons"]) == ("held back", reasons_there)


def test_offline_without_a_cache_the_way_is_said_and_the_rest_is_called_unknown(
    project: Project, tmp_path: Path
) -> None:
    result = project.run("why", "plain", "--offline", "--cache-dir", str(tmp_path / "empty"))

    assert result.code == 0, result.stderr
    assert "`plain` by report.txt:2 -> plain 1.0" in result.stdout
    assert (
        "why it is not newer: unknown, `plain` is not in the cache, and --offline leaves the network alone"
        in result.stdout
    )


def test_offline_the_cache_answers(project: Project) -> None:
    assert reasons(project, "core", "--offline", "--step", "train")["train"]["newer"]["verdict"] == "held back"


def test_a_package_that_the_configuration_excludes_is_said_to_be(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("unwanted", "1.0")
    index.wheel("needy", "1.0", requires=["unwanted"])
    project = Project(tmp_path / "project")
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "exclude": ["unwanted"],
            "docker": {"requirements": ["needy"]},
        }
    )
    assert project.run("resolve").code == 0

    result = project.run("why", "unwanted")

    assert result.code == 1
    assert result.stderr == "error: no lock has `unwanted`\nhint: `exclude` in zlock.toml leaves it out\n"


def test_a_requirement_that_its_marker_leaves_out_is_named_with_its_place(project: Project) -> None:
    result = project.run("why", "Windows_Only")

    assert result.code == 1
    assert result.stderr == (
        "error: no lock has `Windows_Only`\n"
        '  `windows-only; sys_platform == "win32"` by zlock.toml:12: its marker is false for `train`, '
        "Python 3.12 on linux/amd64\n"
        "hint: remove the marker where the package is to be locked all the same\n"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [("plian", "did you mean `plain`?"), ("nothing-like-it", "`zlock tree` shows")],
)
def test_a_package_that_no_lock_has_comes_with_close_names(project: Project, name: str, hint: str) -> None:
    result = project.run("why", name)

    assert (result.code, result.stdout) == (1, "")
    assert f"error: no lock has `{name}`" in result.stderr
    assert hint in result.stderr


def test_the_tree_shows_requirements_with_their_lines_and_each_package_once(project: Project) -> None:
    result = project.run("tree", "--step", "train")

    assert result.code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "train: 6 packages for CPython 3.12 on linux/amd64, glibc 2.28",
        "├── server 1.0  `server` by stack (requirements, zlock.toml:7)",
        "│   ├── core 1.5",
        "│   └── model 1.0",
        "│       └── core 1.5",
        "├── model[fast] 1.0  `model[fast]>=1` by zlock.toml:11",
        "│   ├── core 1.5",
        "│   └── engine 1.0",
        "│       ├── core 1.5",
        "│       └── ring 1.0",
        "│           └── engine 1.0  (above)",
        "└── bounded 2.0  `bounded` by zlock.toml:13",
    ]


def test_the_tree_as_json_has_the_edges_of_extras(project: Project) -> None:
    result = project.run("tree", "--step", "train", "--json")

    (tree,) = json.loads(result.stdout)["trees"]
    assert tree["needs"]["model[fast]"] == ["engine"]
    assert tree["needs"]["model"] == ["core"]
    assert tree["packages"]["core"] == "1.5"


def test_platforms_that_differ_have_a_tree_each(index: TinyIndex, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    text = CONFIGURATION.replace("URL", index.url).replace(
        'python = "3.12"', 'python = "3.12"\nplatforms = ["linux/amd64", "windows/amd64"]'
    )
    project.write("zlock.toml", text)
    project.write("report.txt", "plain\n")
    assert project.run("resolve").code == 0

    tree = project.run("tree", "--step", "train").stdout
    why = project.run("why", "windows-only").stdout

    assert "train: 6 packages for CPython 3.12 on linux/amd64" in tree
    assert "train: 7 packages for CPython 3.12 on windows/amd64" in tree
    assert why.startswith("train on windows/amd64: windows-only 1.0\n")


@pytest.mark.parametrize("command", [("tree",), ("why", "plain")])
def test_an_outdated_lock_explains_nothing(project: Project, tmp_path: Path, command: tuple[str, ...]) -> None:
    copy = Project(tmp_path / "copy")
    copy.write("zlock.toml", (project.folder / "zlock.toml").read_bytes())
    copy.write("report.txt", "plain<2\n")
    for step in ("train", "report"):
        copy.write(f"lockfiles/pylock.{step}.toml", project.lock_path(step).read_bytes())

    result = copy.run(*command)

    assert result.code == 1
    assert "the lock of step `report` is outdated" in result.stderr


def locked_with(folder: Path, index: TinyIndex, *requirements: str, **settings: Any) -> Project:
    project = Project(folder)
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "docker": {"requirements": list(requirements)},
            **settings,
        }
    )
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return project


@pytest.fixture(scope="module")
def chained() -> Iterator[TinyIndex]:
    """`leaf` is held by `top` through `mid`, and lower still by what limits `mid`."""
    with TinyIndex() as index:
        index.wheel("top", "1.0", requires=["mid"])
        index.wheel("side", "1.0", requires=["mid<2"])
        index.wheel("other", "1.0", requires=["leaf<2"])
        index.wheel("third", "1.0", requires=["leaf<3"])
        index.wheel("mid", "1.0", requires=["leaf<2"])
        index.wheel("mid", "2.0", requires=["leaf<3"])
        for version in ("1.0", "2.0", "3.0"):
            index.wheel("leaf", version)
        yield index


def test_a_release_that_the_lock_keeps_away_through_another_pin_is_said_after_one_that_conflicts(
    chained: TinyIndex, tmp_path: Path
) -> None:
    project = locked_with(tmp_path / "project", chained, "top", "side")
    project.write("zlock.toml", (project.folder / "zlock.toml").read_text().replace('    "side",\n', ""))
    assert project.run("resolve").code == 0

    newer = reasons(project, "leaf")["pipeline"]["newer"]
    upgraded = project.run("resolve", "--upgrade")

    assert newer["reasons"] == [
        "3.0 conflicts with:",
        "  `top` by zlock.toml:8",
        "  `top` 1.0 requires `mid`",
        "  `mid` 2.0 requires `leaf<3`",
        "  `mid` 1.0 requires `leaf<2`",
        "2.0 needs other pins to move, which the lock keeps: mid 1.0 -> 2.0",
    ]
    assert upgraded.code == 0
    assert project.locked("pipeline")["leaf"] == "2.0"


def test_every_conflict_is_named_with_all_the_releases_that_it_keeps_away(chained: TinyIndex, tmp_path: Path) -> None:
    project = locked_with(tmp_path / "project", chained, "other", "third", "side")

    lines = reasons(project, "leaf")["pipeline"]["newer"]["reasons"]

    assert lines == [
        "3.0 conflicts with:",
        "  `third` by zlock.toml:9",
        "  `third` 1.0 requires `leaf<3`",
        "3.0 and 2.0 also conflict with:",
        "  `other` by zlock.toml:8",
        "  `other` 1.0 requires `leaf<2`",
        "3.0 and 2.0 also conflict with:",
        "  `side` by zlock.toml:10",
        "  `side` 1.0 requires `mid<2`",
        "  `mid` 1.0 requires `leaf<2`",
    ]


def test_a_release_that_an_override_rules_out_names_the_override(chained: TinyIndex, tmp_path: Path) -> None:
    project = locked_with(tmp_path / "project", chained, "leaf>=3", overrides=["leaf<2"])

    newer = reasons(project, "leaf")["pipeline"]["newer"]
    tree = project.run("tree")

    assert (newer["verdict"], newer["reasons"]) == (
        "held back",
        ["3.0 and 1 older one alike: the override `leaf<2` by configuration (`overrides`, zlock.toml:6) rules it out"],
    )
    assert "leaf 1.0  `leaf>=3` by zlock.toml:11  (override `leaf<2`)" in tree.stdout


def test_releases_of_which_the_same_is_to_be_said_share_a_line(tmp_path: Path) -> None:
    with TinyIndex() as index:
        index.wheel("young", "1.0")
        for version in ("1.1", "1.2", "1.3", "1.4", "1.5"):
            index.wheel("young", version).requires_python = ">=3.13"
        project = locked_with(tmp_path / "project", index, "young")

        (line,) = reasons(project, "young")["pipeline"]["newer"]["reasons"]

    assert line.startswith("1.5 and 4 older ones alike: `young` 1.5 has a file that requires Python >=3.13")


def test_a_package_asked_for_with_its_extras_is_pointed_to(project: Project) -> None:
    result = project.run("why", "model[fast]")

    assert result.code == 1
    assert "hint: a package is named without its extras: `zlock why model`" in result.stderr


def locked_steps(folder: Path, index: TinyIndex, **steps: list[str]) -> Project:
    project = Project(folder)
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "steps": {step: {"docker": {"requirements": asked}} for step, asked in steps.items()},
        }
    )
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return project


def test_a_release_that_an_aligned_step_can_not_have_names_that_step_and_the_requirement(tmp_path: Path) -> None:
    """Also for a part of the steps: the others are aligned with it all the same."""
    with TinyIndex() as index:
        for version in ("1.1", "1.2"):
            index.wheel("shared", version)
            index.wheel("user", version, requires=["shared<1.2"] if version == "1.1" else ["shared>=1.2"])
        project = locked_steps(tmp_path / "project", index, bound=["shared<1.2"], free=["user"])

        shared = reasons(project, "shared")["free"]["newer"]
        user = reasons(project, "user", "--step", "free")["free"]["newer"]
        upgraded = project.run("resolve", "--upgrade-package", "shared", "--upgrade-package", "user")

    line = "  `bound` has shared 1.1: 1.2 conflicts with `shared<1.2` of zlock.toml:8"
    apart = "1.2 would leave steps with different versions, and they are aligned:"
    assert (shared["verdict"], shared["moves"], shared["reasons"]) == ("held back", "", [apart, line])
    assert (user["verdict"], user["moves"], user["reasons"]) == ("held back", "", [apart, line])
    assert upgraded.code == 0
    assert project.locked("free") == {"shared": "1.1", "user": "1.1"}


def test_what_sharing_costs_is_said_with_the_step_that_it_is_for(tmp_path: Path) -> None:
    with TinyIndex() as index:
        for version, day in (("1.1", "2026-01-01"), ("1.2", "2026-03-02")):
            index.wheel("shared", version).upload_time = f"{day}T00:00:00Z"
        project = locked_steps(tmp_path / "project", index, bound=["shared<1.2"], free=["shared"])
        result, as_json = project.run("why", "--aligned"), project.run("why", "--aligned", "--json")

    assert result.stdout.splitlines() == [
        "0 packages have several versions; 1 would where no step follows another",
        "  free: shared 1.1, alone 1.2, 2 months older: `shared<1.2` in `bound`",
    ]
    assert json.loads(as_json.stdout)["sharing"] == {
        "differing": 0,
        "differing_alone": 1,
        "older": [
            {
                "step": "free",
                "name": "shared",
                "version": "1.1",
                "alone": "1.2",
                "days": 60,
                "for-step": "bound",
                "forcing": [{"requirement": "shared<1.2", "sources": ["explicit"]}],
            }
        ],
    }


def test_a_pin_that_is_years_behind_is_said_to_be_and_what_a_build_would_give(tmp_path: Path) -> None:
    with TinyIndex() as index:
        index.wheel("reader", "1").upload_time = "2022-01-01T00:00:00Z"
        index.wheel("reader", "2", requires=["parser"]).upload_time = "2026-01-01T00:00:00Z"
        index.sdist("parser", "1").upload_time = "2020-01-01T00:00:00Z"
        project = locked_steps(tmp_path / "project", index, only=["reader"])
        behind = reasons(project, "reader")["only"]["behind"]
        said = project.run("why", "reader").stdout

    assert behind == {"name": "reader", "version": "1", "days": 1461, "sdist": "parser", "gives": "2"}
    assert (
        "  reader 1 is 4 years behind: later ones need parser, which has only an sdist; "
        '`build-sdists = ["parser"]` gives 2\n' in said
    )


def test_how_far_an_upgrade_goes_heeds_the_steps_that_are_aligned(tmp_path: Path) -> None:
    with TinyIndex(cache_control="max-age=0") as index:
        index.wheel("shared", "1.0")
        project = locked_steps(tmp_path / "project", index, bound=["shared<1.2"], free=["shared"])
        index.wheel("shared", "1.1")
        index.wheel("shared", "1.2")

        newer = reasons(project, "shared", "--step", "free")["free"]["newer"]
        assert project.run("resolve", "--upgrade-package", "shared").code == 0

    assert (newer["verdict"], newer["moves"]) == ("held back", "1.1")
    assert newer["reasons"][0] == "1.2 would leave steps with different versions, and they are aligned:"
    assert project.locked("free") == project.locked("bound") == {"shared": newer["moves"]}


def test_a_release_for_which_another_package_would_be_years_older_says_the_years(tmp_path: Path) -> None:
    """In a project of one step there are no pins of others."""
    with TinyIndex(cache_control="max-age=0") as index:
        for name, version, when, requires in [
            ("cloud", "1.39", "2026-01-01", ()), ("cloud", "1.40", "2026-02-01", ()),
            ("store", "0.4", "2020-01-01", ()), ("store", "2026", "2026-01-15", ("cloud<1.40",)),
            ("app", "1", "2026-01-15", ("store",)),
        ]:  # fmt: skip
            index.wheel(name, version, requires=requires).upload_time = f"{when}T00:00:00Z"
        project = locked_steps(tmp_path / "project", index, only=["cloud", "app"])
        newer = reasons(project, "cloud")["only"]["newer"]

    assert project.locked("only") == {"app": "1", "cloud": "1.39", "store": "2026"}
    assert newer["verdict"] == "held back"
    assert newer["reasons"] == ["1.40 would move other packages back:", "  store 2026 -> 0.4 (6.0 years older)"]


def test_a_release_for_which_only_locks_of_other_steps_would_have_to_move_is_said_so(tmp_path: Path) -> None:
    with TinyIndex(cache_control="max-age=0") as index:
        index.wheel("shared", "1.0")
        index.wheel("user", "1.0", requires=["shared<1.2"])
        project = locked_steps(tmp_path / "project", index, bound=["user"], free=["shared"])
        index.wheel("shared", "1.2")
        index.wheel("user", "1.2", requires=["shared>=1.2"])

        newer = reasons(project, "shared")["free"]["newer"]
        assert project.run("resolve", "--upgrade").code == 0

    assert newer["reasons"] == ["1.2 needs pins of other steps to move, which their locks keep"]
    assert project.locked("free") == {"shared": "1.2"}


def test_a_step_that_is_not_aligned_is_held_back_by_no_other(tmp_path: Path) -> None:
    with TinyIndex(cache_control="max-age=0") as index:
        index.wheel("shared", "1.0")
        project = locked_steps(tmp_path / "project", index, bound=["shared<2"], free=["shared"])
        text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
        project.write("zlock.toml", text.replace("[steps.free", "[steps.free]\nalign = false\n[steps.free"))
        assert project.run("resolve").code == 0
        index.wheel("shared", "2.0")

        newer = reasons(project, "shared")["free"]["newer"]

    assert (newer["verdict"], newer["moves"], newer["reasons"]) == ("kept", "2.0", [])


def test_a_step_back_that_keeps_another_package_young_says_so(tmp_path: Path) -> None:
    """The newest client works with a storage of years ago alone."""
    with TinyIndex() as index:
        for name, version, requires, day in (
            ("client", "1.0", ["core==1.0"], "2024-06-01"),
            ("client", "2.0", ["core==2.0"], "2024-06-20"),
            ("core", "1.0", [], "2024-06-01"),
            ("core", "2.0", [], "2024-06-20"),
            ("storage", "0.1", [], "2020-06-01"),
            ("storage", "5.0", ["core==1.0"], "2024-06-05"),
        ):
            index.wheel(name, version, requires=requires).upload_time = f"{day}T00:00:00Z"
        project = locked_steps(tmp_path / "project", index, one=["client", "storage"])
        assert project.locked("one") == {"client": "1.0", "core": "1.0", "storage": "5.0"}

        newer = reasons(project, "client")["one"]["newer"]

    assert (newer["verdict"], newer["reasons"]) == (
        "held back",
        ["2.0 would move other packages back:", "  storage 5.0 -> 0.1 (4.0 years older)"],
    )


def test_a_package_that_differs_across_steps_says_what_forces_that(tmp_path: Path) -> None:
    with TinyIndex() as index:
        for version in ("1.0", "2.0"):
            index.wheel("shared", version)
        project = locked_steps(tmp_path / "project", index, old=["shared<2"], new=["shared>=2"])

        result = project.run("why", "shared", "--step", "old")

    assert result.code == 0, result.stderr
    assert "  shared is 1.0 in this step and 2.0 in other steps: 2.0 conflicts with `shared<2`" in result.stdout


def test_what_gave_way_leads_nowhere_however_its_source_spells_it(index: TinyIndex, project: Project) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.wheel("alpha", version)
    project.write("frozen.txt", "Alpha==1.0\n")
    project.configure(
        {
            "python": "3.12",
            "conflicts": "later",
            "index": [{"url": index.url, "default": True}],
            "docker": {
                "requirements": ["alpha>=2,<3"],
                "replicate-local-python-environment": ["cat", "frozen.txt"],
            },
        }
    )
    assert project.run("resolve").code == 0

    result = project.run("why", "alpha")

    assert "local environment" not in result.stdout
    assert "3.0 conflicts with:" in result.stdout

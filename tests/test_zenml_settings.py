"""ZenML's docker settings in the words of zlock's: what has another meaning there, or none here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zlock.errors import InvalidConfiguration
from zlock.frameworks.zenml.run_file import _mapping
from zlock.frameworks.zenml.settings import DEFAULTS, translated
from zlock.frameworks.zenml.stack import required_of
from zlock.settings.docker import DockerSettings
from zlock.settings.location import Location
from zlock.settings.toml_edit import with_flag


def settings(folder: Path, *, detects: bool = False, **stated: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the settings for those that are stated in a folder, and the notes; zlock takes them."""
    notes: list[str] = []
    values = translated(stated, detects=detects, place=Location(str(folder / "run.py"), 1), notes=notes)
    DockerSettings(**values)
    return values, notes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LAUGHS, "its aliases make more of it than zlock reads"),
        ("a: &a [*a]\n", "its aliases make more of it than zlock reads"),
        ("a: [" * 5000, "maximum recursion depth"),
        ("a: 2026-99-99\n", "month must be in"),
        ("a: " + "x" * (1 << 20), "it has more than 1 MiB"),
    ],
)
def test_a_file_of_a_run_that_takes_for_ever_is_refused(folder: Path, text: str, why: str) -> None:
    (folder / "run.yaml").write_text(text)
    with pytest.raises(InvalidConfiguration, match=f"`run.yaml` can't be read as YAML: .*{why}"):
        _mapping("run.yaml")


def test_aliases_of_a_file_of_a_run_are_what_they_stand_for(folder: Path) -> None:
    (folder / "run.yaml").write_text("a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, y: 3}\n")

    assert _mapping("run.yaml")[0] == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}, "c": {"x": [1, 2], "y": 3}}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"environment": {"a": True, "B": 1.5}}, {"environment": {"A": "True", "B": "1.5"}}),
        ({"runtime_environment": {"x": None}}, {"runtime_environment": {"X": "None"}}),
        ({"python_package_installer_cache_mount": "type=cache"}, {"python_package_installer_cache_mount": True}),
        ({"python_package_installer_args": {"quiet": None}}, {"python_package_installer_args": {"quiet": None}}),
        ({"requirements": None, "user": None, "apt_packages": []}, {"apt_packages": []}),
        ({"allow_download_from_artifact_store": False}, {"include_project": True}),
        (
            {"allow_download_from_artifact_store": False, "allow_including_files_in_images": False},
            {"include_project": False},
        ),
        ({"allow_including_files_in_images": True}, {}),
        ({"skip_build": True, "parent_image": "ready:1"}, {"skip_build": True, "parent_image": "ready:1"}),
        ({"install_deployment_requirements": False, "copy_files": True, "source_files": "include"}, {}),
    ],
)
def test_a_field_means_what_it_means_in_zenml(folder: Path, stated: dict[str, Any], expected: dict[str, Any]) -> None:
    assert settings(folder, **stated) == (expected, [])


@pytest.mark.parametrize(
    "stated",
    [
        {"image_tag": "nightly"},
        {"build_config": {"dockerignore": "ignore"}},
        {"parent_image_build_config": {"build_options": {"pull": True}}},
        {"pyproject_export_command": ["uv", "export"]},
        {"build_options": {"pull": True}},
        {"dockerignore": "ignore"},
        {"required_hub_plugins": ["one"]},
    ],
)
def test_a_field_that_counts_for_nothing_is_named(folder: Path, stated: dict[str, Any]) -> None:
    values, notes = settings(folder, **stated)

    assert values == {}
    assert [note.partition(" of ZenML")[0] for note in notes] == [f"`{name}`" for name in stated]


def test_an_export_command_is_run_in_place_of_reading_the_file(folder: Path) -> None:
    command = ["uv export", "--extra gpu", "--directory={directory}"]

    values, notes = settings(folder, pyproject_path="my app/pyproject.toml", pyproject_export_command=command)
    beside, left_out = settings(
        folder, pyproject_path="a/b.toml", pyproject_export_command=command, replicate_local_python_environment=True
    )

    export = ["uv", "export", "--extra", "gpu", f"--directory={folder / 'my app'}"]
    assert (values, notes) == ({"replicate_local_python_environment": export}, [])
    assert beside == {"pyproject_path": str(folder / "a/b.toml"), "replicate_local_python_environment": True}
    assert len(left_out) == 1


def test_a_dockerfile_goes_before_a_parent_image(folder: Path) -> None:
    values, notes = settings(folder, dockerfile="Dockerfile", parent_image="python:3.12")

    assert (values, len(notes)) == ({"dockerfile": str(folder / "Dockerfile")}, 1)


@pytest.mark.parametrize(
    ("files", "stated", "expected"),
    [
        (["requirements.txt", "pyproject.toml"], {}, {"requirements": "requirements.txt"}),
        (["pyproject.toml"], {}, {"pyproject_path": "pyproject.toml"}),
        (["requirements.txt"], {"requirements": ["six"]}, {}),
        (["requirements.txt"], {"replicate_local_python_environment": True}, {}),
        ([], {}, {}),
    ],
)
def test_files_are_detected_where_zenml_detects_them(
    folder: Path, files: list[str], stated: dict[str, Any], expected: dict[str, str]
) -> None:
    for name in files:
        (folder / name).write_text("")

    found, notes = settings(folder, detects=True, **stated)

    assert {name: value for name, value in found.items() if name not in stated} == {
        name: str(folder / file) for name, file in expected.items()
    }
    assert len(notes) == len(expected)
    assert settings(folder, **stated)[0] == stated


def test_files_are_detected_in_the_folder_that_zenml_init_marked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".zen").mkdir()
    (folder / "requirements.txt").write_text("six\n")
    (folder / "flows").mkdir()
    monkeypatch.chdir(folder / "flows")

    assert settings(folder, detects=True)[0] == {"requirements": str(folder / "requirements.txt")}


def test_what_images_of_zenml_need_is_valid() -> None:
    assert DockerSettings(**DEFAULTS).any_user


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("", False, "[stack]\n"),
        ("[stack]\n# ours\n", True, "[stack]\n# ours\npipeline-image = true\n"),
        ("[stack]\npipeline-image = true  # big\n", False, "[stack]\npipeline-image = false  # big\n"),
        ("[stack]\npipeline-image = true  # big\n", True, "[stack]\npipeline-image = true  # big\n"),
    ],
)
def test_a_flag_is_written_where_it_says_something_new(text: str, value: bool, expected: str) -> None:
    assert with_flag(text, ("stack", "pipeline-image"), value=value) == expected


@pytest.mark.parametrize(
    ("stated", "is_local", "expected"),
    [
        ((), False, ()),
        ((), True, ("zenml[local]",)),
        (("boto3", "zenml[local]==0.98.0"), True, ("boto3", "zenml[local]")),
        (("zenml==0.98.0", "zenml[connectors-aws]>=0.9"), True, ("zenml[connectors-aws,local]",)),
        (("zenml==0.98.0",), False, ()),
    ],
)
def test_a_stack_says_of_the_framework_its_extras_and_no_version(
    stated: tuple[str, ...], is_local: bool, expected: tuple[str, ...]
) -> None:
    assert required_of(stated, is_local=is_local) == expected

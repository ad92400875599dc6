"""The documentation says what is so: keys, commands, exit codes, examples, links and names of tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.pylock import Pylock
from packaging.requirements import Requirement

from support.configurations import mistakes_by_schema
from zlock import errors
from zlock.errors import Problems, ZlockError
from zlock.hatch.options import HookOptions
from zlock.settings import config, schema
from zlock.settings.docker import DockerSettings
from zlock.settings.indexes import IndexTable
from zlock.settings.keys import kebab, keys_of
from zlock.settings.stack import IntegrationTable, StackTable

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
HATCH = (ROOT / "docs" / "hatch.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
FRAMEWORK = (ROOT / "docs" / "framework-page.md").read_text(encoding="utf-8")

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def blocks(info: str) -> list[Any]:
    """Return the fenced blocks of one kind in all pages, named by page and number."""
    found = []
    for page in PAGES:
        texts = [m["text"] for m in _FENCE.finditer(page.read_text(encoding="utf-8")) if m["info"].strip() == info]
        found += [pytest.param(text, id=f"{page.name}-{number}") for number, text in enumerate(texts, 1)]
    return found


def links() -> list[Any]:
    """Return the links of all pages that stay in the repository."""
    found = []
    for page in PAGES:
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        targets = {m["target"] for m in _LINK.finditer(text)}
        found += [pytest.param(page, one, id=f"{page.name}-{one}") for one in sorted(targets) if "://" not in one]
    return found


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one."""
    return re.split(r"^#+ ", text.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def documented(heading: str, column: int = 0) -> list[str]:
    """Return the keys of a table of the page on configuration."""
    found = [row[column].strip("`") for row in rows(section(CONFIGURATION, heading))]
    assert found, f"no table under {heading}"
    return found


def slug(heading: str) -> str:
    """Return the anchor that a heading has when it is shown."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def mistakes(table: dict[str, Any]) -> list[str]:
    """Return what is wrong with a configuration."""
    try:
        config.parse_project(table, ROOT / "zlock.toml")
    except Problems as several:
        return [one.message for one in several.errors]
    except ZlockError as error:
        return [error.message]
    return []


def is_known(key: str, *around: str) -> bool:
    """Tell whether the reader knows a key, whatever it says of its value."""

    def said(name: str) -> set[str]:
        table: dict[str, Any] = {name: object()}
        for outer in reversed(around):
            table = {outer: table}
        return {message.replace(name, "KEY") for message in mistakes(table)}

    return not said(key) & said("no-key-at-all")


# Examples


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_configuration_in_the_documentation_is_one(text: str) -> None:
    document = tomllib.loads(text)
    table = document["tool"]["zlock"] if "tool" in document else document
    assert mistakes(table) == mistakes_by_schema(table) == []


@pytest.mark.parametrize("text", blocks("toml pylock"))
def test_a_lock_in_the_documentation_is_one(text: str) -> None:
    table = tomllib.loads(text)
    Pylock.from_dict(table).validate()
    assert table["tool"]["zlock"]["packages"] == len(table["packages"])


@pytest.mark.parametrize("text", blocks("python"))
def test_python_in_the_documentation_runs(text: str) -> None:
    """Decorators and settings are checked when they run; nothing else happens."""
    done = subprocess.run([sys.executable, "-P", "-c", text], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr


def test_the_example_of_the_readme_is_the_one_in_the_repository() -> None:
    """So what the README shows is what its command runs."""
    block = _FENCE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert block
    path, _, text = block["text"].removeprefix("# ").partition("\n")

    assert (ROOT / path).read_text(encoding="utf-8").endswith(text)


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    assert found.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}


_INSTALLS = re.compile(r"(?:(?:pip install|pip wheel|uv tool install|uv add|pipx install) |requires =)(?P<what>[^\n]*)")
_OURS = re.compile(r"(?<![\w./-])zlock(?!\[[\w,]+\] @| @|[\w./-])")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nobody_is_told_to_install_a_name_that_is_not_ours(page: Path) -> None:
    """On a public index somebody else may have it."""
    told = [found["what"] for found in _INSTALLS.finditer(page.read_text(encoding="utf-8"))]
    places = ("--index-url", "--default-index", "--no-index")

    assert [one for one in told if _OURS.search(one.partition("`")[0]) and not any(at in one for at in places)] == []


# Keys


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("## Keys", config.Project),
        ("### `[[index]]`", IndexTable),
        ("### `[stack]`", StackTable),
        ("### `[integrations.NAME]`", IntegrationTable),
        ("### `[steps.NAME]`", config.StepConfiguration),
    ],
)
def test_keys_are_documented_as_they_are(heading: str, kind: type) -> None:
    assert rows(section(CONFIGURATION, heading)) == [[f"`{row.name}`", *row[1:]] for row in schema.rows(kind)]


def test_options_of_the_build_hook_are_documented_with_their_defaults() -> None:
    said = {row[0].strip("`"): row[2].strip('"') for row in rows(section(HATCH, "## The hook"))}
    defaults = HookOptions.from_table({}, ROOT / "pyproject.toml")

    assert list(said) == list(map(kebab, keys_of(HookOptions)))
    assert said == {
        "steps": "all",
        "include": defaults.include,
        "on-outdated": defaults.on_outdated,
        "sboms": f"`{list(defaults.sboms)}`",
    }
    assert defaults.steps == ()


@pytest.mark.parametrize("text", blocks("toml pyproject"))
def test_a_project_file_in_the_documentation_is_one(text: str) -> None:
    table = tomllib.loads(text)
    HookOptions.from_table(
        table.get("tool", {}).get("hatch", {}).get("build", {}).get("hooks", {}).get("zlock", {}), ROOT
    )


def test_fields_of_docker_settings_are_documented_with_both_names() -> None:
    assert rows(section(CONFIGURATION, "## DockerSettings")) == [
        [f"`{row.name.replace('-', '_')}`", f"`{row.name}`", *row[1:]] for row in schema.rows(DockerSettings)
    ]


# CI


def test_inputs_of_the_action_are_documented_with_their_defaults() -> None:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    said = {row[0].strip("`"): row[1].strip('"') for row in rows(section(text, "## GitHub"))}
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]

    words = {"": {"none", "this action"}}
    assert list(said) == list(inputs)
    assert [name for name, one in inputs.items() if said[name] not in words.get(one["default"], {one["default"]})] == []


# Commands


def run_zlock(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "zlock", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", re.findall(r"^## `zlock ([a-z-]+)`$", COMMANDS, re.MULTILINE))
def test_commands_and_their_options_are_documented_and_there(command: str) -> None:
    done = run_zlock(command, "--help")
    assert done.returncode == 0, done.stderr

    own = "".join(row[0] for row in rows(section(COMMANDS, f"## `zlock {command}`")))
    common = "".join(row[0] for row in rows(section(COMMANDS, "## Common options")))
    options = set(re.findall(r"--[a-z-]+", own + common))
    assert options == set(re.findall(r"--[a-z-]+", done.stdout)) - {"--help"}


def test_every_error_has_an_exit_code_that_is_documented() -> None:
    said = {int(row[0]) for row in rows(section(COMMANDS, "## Exit codes"))}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ZlockError)]

    assert said == {0, *(kind.exit_code for kind in kinds), 130}


def test_every_error_has_an_id_that_is_documented_with_its_exit_code() -> None:
    _, _, table = section(COMMANDS, "## Output").partition("| id | exit | the error |")
    said = {row[0].strip("`"): int(row[1]) for row in rows(f"|\n{table}") if row[1].isdecimal()}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ZlockError)]

    assert said == {kind.id: kind.exit_code for kind in kinds}


# The table of the framework's page


def names_of_tests(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_frameworks_page_names_tests_that_are_there() -> None:
    home = "tests/end_to_end/test_framework_page.py"
    named = re.findall(r"`(?:(tests/[\w/]+\.py)(?:::)?)?(test_\w+)?`", FRAMEWORK)
    missing = [name for file, name in named if name and name not in names_of_tests(file or home)]

    assert missing == []
    assert [file for file, _ in named if file and not (ROOT / file).is_file()] == []


def test_the_frameworks_page_has_every_block_and_every_test_of_it() -> None:
    blocks_there = {path.name for path in (ROOT / "tests" / "mission").glob("*.py")}
    tests_there = {name for name in names_of_tests("tests/end_to_end/test_framework_page.py") if name[:5] == "test_"}

    assert {row[1].strip("`") for row in rows(section(FRAMEWORK, "## Blocks"))} == blocks_there
    assert [name for name in sorted(tests_there) if name not in FRAMEWORK] == []


def test_every_dependency_is_explained() -> None:
    """Each one was weighed, and the page on architecture says why it is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    explained = {row[0].partition(",")[0] for row in rows(section(text, "## Dependencies"))}

    assert {Requirement(line).name for line in project["dependencies"]} <= explained

"""The command line: help, output, colours, pipes, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.environment import clean_environment
from support.index import TinyIndex
from support.project import Project, Result
from support.terminal import Terminal
from zlock.cli.board import Board
from zlock.cli.commands import COMMANDS as EVERY
from zlock.cli.layout import Screen
from zlock.cli.words import end_words, words
from zlock.errors import IndexFailed, InvalidLock, NoSolution, Problems
from zlock.reporting import Activity, Doing, End, Ended, Failing, Line, TaskNews

COMMANDS = ("init", "resolve")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a lock; its tests change nothing."""
    with TinyIndex() as index:
        index.wheel("alpha", "1.0")
        project = Project(tmp_path_factory.mktemp("cli") / "project")
        project.configure(
            {"python": "3.12", "index": [{"url": index.url, "default": True}], "docker": {"requirements": ["alpha"]}}
        )
        result = project.run("resolve")
        assert result.code == 0, result.stderr
        yield project


@pytest.mark.parametrize("arguments", [("--help",), *((command, "--help") for command in COMMANDS)])
def test_help_has_an_example(project: Project, arguments: tuple[str, ...]) -> None:
    result = project.run(*arguments)

    assert result.code == 0
    assert "example: zlock " in result.stdout
    assert result.stderr == ""


def test_every_command_is_in_the_help(project: Project) -> None:
    text = project.run("--help").stdout

    assert [command for command in COMMANDS if f"    {command} " not in text] == []


def test_version_is_said(project: Project) -> None:
    assert project.run("--version").stdout.startswith("zlock ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "error: the following arguments are required: COMMAND\nhint: `zlock --help`"),
        (("reslove",), "error: argument COMMAND: invalid choice: `reslove`"),
        (("frobnicate",), "error: argument COMMAND: invalid choice: `frobnicate`"),
        (("resolve", "--bogus"), "error: unrecognized arguments: --bogus\nhint: `zlock resolve --help`"),
        (("resolve", "--color", "pink"), "error: argument --color: invalid choice: `pink`"),
        (("-q", "plan"), "error: unrecognized arguments: -q\nhint: options come after the command: `zlock plan -q`"),
        (("--project", "x", "plan"), "error: argument COMMAND: invalid choice: `x`"),
        (("resolve", "--upgrade-p", "x"), "error: unrecognized arguments: --upgrade-p"),
        (
            ("resolve", "--exclude-newer", "soon"),
            "error: argument --exclude-newer: a time such as 2026-11-01T12:00:00Z",
        ),
        (("fetch", "--wheelhouse", ""), "error: argument --wheelhouse: a path, not an empty text\nhint: "),
        (("dockerfile", "--output="), "error: argument -o/--output: a path, not an empty text\nhint: "),
        (("export", "nix", "--output", ""), "error: argument -o/--output: a path, not an empty text\nhint: "),
        (("resolve", "--index-url", ""), "error: argument --index-url: not an empty text\nhint: "),
        (("resolve", ""), "error: argument PIPELINE: not an empty text\nhint: "),
        (("plan", "--pipeline="), "error: argument --pipeline: not an empty text\nhint: "),
        (("apply", ""), "error: argument PIPELINE: not an empty text\nhint: "),
        (("resolve", "--project", "nowhere"), "error: there is no project folder `nowhere`\nhint: `--project` takes"),
        (
            ("resolve",),
            "error: no steps are known: no `zlock.toml`, no `[tool.zlock]`, and no pipeline was named\nhint: ",
        ),
        (("resolve", "--check", "--upgrade"), "error: `--check` writes nothing"),
    ],
)
def test_wrong_arguments_end_with_2_in_the_layout_of_all_errors(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    result = project.run(*arguments)

    assert result.code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(said)
    assert "\nhint: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("reslove",), "resolve"),
        (("audti", "--osv", "x"), "audit"),
        (("resolve", "--upgrade-packge", "x"), "--upgrade-package"),
        (("build", "--psuh"), "--push"),
        (("tree", "--stp", "x"), "--step"),
        (("export", "requirement"), "requirements"),
        (("completion", "fsh"), "fish"),
        (("plan", "--builder", "podmn"), "podman"),
    ],
)
def test_what_was_meant_is_said(project: Project, arguments: tuple[str, ...], meant: str) -> None:
    result = project.run(*arguments)

    assert result.code == 2
    assert f"hint: did you mean `{meant}`" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("lock",), "that is `zlock resolve` here"),
        (("upgrade", "pandas"), "that is `zlock resolve --upgrade` here"),
        (("build", "train"), "a step is named by `--step train`"),
        (("why", "six", "train"), "a step is named by `--step train`"),
    ],
)
def test_words_of_other_tools_lead_here(project: Project, arguments: tuple[str, ...], hint: str) -> None:
    result = project.run(*arguments)

    assert result.code == 2
    assert f"hint: {hint}" in result.stderr


def test_the_help_names_variables_and_the_documentation(project: Project) -> None:
    text = project.run("--help").stdout

    assert "ZLOCK_CACHE_DIR" in text
    assert "docs/commands.md" in text


COMPLETED = {
    "zlock res": "zlock resolve ",
    "zlock resolve --upgrade-p": "zlock resolve --upgrade-package ",
    "zlock export cyc": "zlock export cyclonedx ",
    "zlock init --from require": "zlock init --from requirements.txt ",
}
"""Lines as they are typed, and as a shell completes them."""

SHELLS = {
    "bash": (["bash", "--norc", "-i"], "PS1='> '; . ./zlock.bash"),
    "zsh": (["zsh", "-f", "-i"], "PROMPT='> '; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D"),
    "fish": (["fish", "--no-config", "-i"], "function fish_prompt; echo '> '; end; source zlock.fish"),
    "tcsh": (["tcsh", "-f", "-i"], "set edit; set prompt='> '; source zlock.tcsh"),
}
"""How a shell is started without anybody's settings, and told of the completions."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_options_choices_and_files(project: Project, shell: str) -> None:
    """Typed on a terminal, in the shell itself."""
    command, begin = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    project.write("requirements.txt", "")
    project.write("_zlock" if shell == "zsh" else f"zlock.{shell}", project.run("completion", shell).stdout)
    with Terminal(command, project.folder, clean_environment(project.home, {"TERM": "vt100"})) as terminal:
        terminal.type(f"{begin}\n")
        for typed, completed in COMPLETED.items():
            terminal.type(f"{typed}\t")
            terminal.wait_for(completed)
            terminal.type("\x15")  # which takes the line away


def test_json_is_all_there_is_on_standard_output(locked: Project) -> None:
    result = locked.run("resolve", "--json", "--upgrade")
    document = json.loads(result.stdout)

    assert document["steps"]["pipeline"]["packages"] == 1
    assert document["steps"]["pipeline"]["status"] == "unchanged"
    assert document["steps"]["pipeline"]["lock"] == str(locked.lock_path("pipeline"))
    assert "{" not in result.stderr


def errors_of(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)["errors"]
    return found


def test_json_of_a_failure_has_the_errors_with_their_places(project: Project) -> None:
    file = project.configure({"pyton": "3.12", "docker": {"requirements": 7}})
    result = project.run("resolve", "--json")

    assert result.code == 2
    assert [(one["id"], one["message"], one["file"], one["line"]) for one in errors_of(result)] == [
        ("invalid-configuration", "unknown key `pyton`", str(file), 1),
        ("invalid-configuration", errors_of(result)[1]["message"], str(file), 4),
    ]
    assert errors_of(result)[0]["hint"] == "did you mean `python`?"
    assert errors_of(result)[0]["context"] == ["stated in zlock.toml:1"]
    assert "unknown key `pyton`" in result.stderr


def test_json_of_an_outdated_lock_names_the_line_that_asks(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    settings = {"index": [{"url": index.url, "default": True}], "python": "3.12"}
    project.configure({**settings, "docker": {"requirements": ["alpha"]}})
    assert project.run("resolve").code == 0
    project.configure({**settings, "docker": {"requirements": ["alpha>=0.1"]}})
    (found,) = errors_of(project.run("resolve", "--check", "--json"))

    lines = (project.folder / "zlock.toml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, one in enumerate(lines, 1) if "alpha>=0.1" in one)
    assert (found["id"], found["file"], found["line"]) == ("lock-outdated", str(project.folder / "zlock.toml"), line)


def test_json_of_a_mistake_in_a_requirements_or_a_pipeline_file_has_its_line(project: Project) -> None:
    project.configure({"docker": {"requirements": "requirements.txt"}})
    file = project.write("requirements.txt", "# ours\nalpha>>1\n")
    (requirement,) = errors_of(project.run("resolve", "--json"))
    pipeline = project.pipeline("import zlock\ny = 1 / 0\n")
    (raised,) = errors_of(project.run("resolve", "pipeline.py", "--json"))

    assert (requirement["id"], requirement["file"], requirement["line"]) == ("invalid-requirements", str(file), 2)
    assert (raised["id"], raised["file"], raised["line"]) == ("invalid-pipeline", str(pipeline), 2)


@pytest.mark.parametrize(
    "arguments",
    [("resolve", "--jsn", "--json"), ("resolv", "--json"), ("tree", "--project", "/nowhere", "--json")],
)
def test_json_of_mistakes_in_arguments(project: Project, arguments: tuple[str, ...]) -> None:
    result = project.run(*arguments)

    assert result.code == 2
    assert [one["id"] for one in errors_of(result)] in (["invalid-input"], ["invalid-configuration"])
    assert result.stderr.startswith("error: ")


def test_quiet_says_nothing_but_errors(locked: Project) -> None:
    result = locked.run("resolve", "-q")
    assert (result.code, result.stdout, result.stderr) == (0, "", "")

    result = locked.run("resolve", "-q", "--step", "other")
    assert result.code == 2
    assert "there is no step `other`" in result.stderr


@pytest.mark.parametrize(
    ("option", "env", "colored"),
    [
        ("always", {}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_are_as_asked(locked: Project, option: str, env: dict[str, str], colored: bool) -> None:
    result = locked.run("resolve", "--step", "other", "--color", option, env=env)

    assert ("\033[" in result.stderr) is colored
    assert "error:" in result.stderr


@pytest.mark.parametrize(
    ("option", "env", "colored"),
    [
        ("always", {}, True),
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
@pytest.mark.parametrize("command", [("tree",), ("why", "alpha", "--offline"), ("plan", "--offline")])
def test_results_for_people_are_in_colours_as_asked(
    locked: Project, command: tuple[str, ...], option: str, env: dict[str, str], *, colored: bool
) -> None:
    plain = locked.run(*command, "--color", "never").stdout
    result = locked.run(*command, "--color", option, env=env)

    assert result.code == 0, result.stderr
    assert ("\033[" in result.stdout) is colored
    assert re.sub("\033\\[[0-9]*m", "", result.stdout) == plain


def test_a_terminal_has_colours_in_results_and_a_dumb_one_has_none(locked: Project) -> None:
    for term, colored in (("xterm", True), ("dumb", False)):
        main, other = pty.openpty()
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "zlock", "tree", "--cache-dir", str(locked.cache)],
                cwd=locked.folder,
                env=clean_environment(locked.home, {"TERM": term}),
                stdin=subprocess.DEVNULL,
                stdout=other,
                stderr=subprocess.PIPE,
                check=False,
            )
            os.close(other)
            shown = os.read(main, 10_000).decode()
        finally:
            os.close(main)

        assert done.returncode == 0, done.stderr
        assert ("\033[1mpipeline\033[0m: 1 package for" in shown) is colored
        assert ("\033[" in shown) is colored


@pytest.mark.parametrize(("form", "colored"), [("text", True), ("markdown", False), ("json", False)])
def test_a_diff_is_in_colours_where_it_is_for_people(
    locked: Project, tmp_path: Path, form: str, *, colored: bool
) -> None:
    older = tmp_path / "pylock.pipeline.toml"
    older.write_text('lock-version = "1.0"\ncreated-by = "x"\npackages = []\n', encoding="utf-8")
    result = locked.run("diff", str(older), "--format", form, "--color", "always")

    assert result.code == 0, result.stderr
    assert ("\033[32m  + alpha 1.0\033[0m" in result.stdout) is colored
    assert ("\033[" in result.stdout) is colored


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("arguments", [("--help",), ("resolve", "--json"), ("resolve", "-v")])
def test_a_reader_who_has_gone_is_no_error(locked: Project, arguments: tuple[str, ...]) -> None:
    """Neither on standard output nor on standard error; the exit code is that of the work."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        for stream in ("stdout", "stderr"):
            other = {"stdout": "stderr", "stderr": "stdout"}[stream]
            done = subprocess.run(
                [sys.executable, "-m", "zlock", *arguments],
                cwd=locked.folder,
                env=clean_environment(locked.home),
                encoding="utf-8",
                check=False,
                stdin=subprocess.DEVNULL,
                **{stream: writing, other: subprocess.PIPE},  # type: ignore[call-overload]  # names of streams
            )
            assert done.returncode == 0
            assert "BrokenPipe" not in (done.stderr or "")
    finally:
        os.close(writing)


@pytest.mark.skipif(os.name != "posix", reason="streams and devices of POSIX")
@pytest.mark.parametrize(
    ("streams", "arguments", "code"),
    [
        ("2>&-", "resolve", 0),
        (">&-", "resolve --json", 0),
        ("<&- >&- 2>&-", "resolve --json", 0),
        ("2>&-", "reslove", 2),
        ("2>/dev/full", "--help", 0),
        ("2>/dev/full", "resolve", 3),
        ("2>/dev/full", "resolve --step other", 2),
        (">/dev/full", "--help", 3),
        (">/dev/full", "resolve --json", 3),
        (">/dev/full", "reslove", 2),
    ],
)
def test_streams_that_are_closed_or_full_are_no_traceback(
    locked: Project, streams: str, arguments: str, code: int
) -> None:
    """What nobody wants is not missed; what can't be written is a failure of the outside."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" -P -m zlock {arguments} {streams}', sys.executable],
        cwd=locked.folder,
        env=clean_environment(locked.home),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert ("the system refused" in done.stderr) is (code == 3 and streams.startswith(">"))


@pytest.mark.skipif(sys.platform != "linux", reason="an encoding of file names that is not UTF-8")
def test_names_that_the_system_can_not_write_are_a_clear_error(project: Project) -> None:
    index = {"url": "fl\u00fct", "default": True}
    project.configure({"python": "3.12", "index": [index], "docker": {"requirements": ["alpha"]}})
    result = project.run("resolve", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})

    assert result.code == 3
    assert "its encoding is ascii\nhint: run with `PYTHONUTF8=1`" in result.stderr


def test_texts_of_others_never_command_the_terminal(project: Project) -> None:
    project.pipeline("import zlock\nraise ValueError('a\\x1b[31mred \\u202e\\x9b')")
    result = project.run("resolve", "pipeline.py")

    assert result.code == 2
    assert "raises `ValueError: a\\x1b[31mred \\u202e\\x9b`" in result.stderr
    result = project.run("resolve", "--\x1b[31m")
    assert "unrecognized arguments: --\\x1b[31m" in result.stderr


def test_a_line_that_nobody_could_read_is_shortened(project: Project) -> None:
    project.configure({"python": "3.12", "docker": {"requirements": ["a" * 100_000 + "!"]}})
    result = project.run("resolve")

    assert result.code == 2
    assert max(map(len, result.stderr.splitlines())) < 1100
    assert "aaa [...] aaa" in result.stderr


def test_a_working_folder_that_was_removed_is_a_clear_error(project: Project) -> None:
    folder = project.folder / "gone"
    folder.mkdir()
    program = "import os; os.rmdir(os.getcwd()); from zlock.cli import main; main(['resolve'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=clean_environment(project.home),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 3
    assert done.stderr.startswith("error: the system refused: ")


def test_every_command_of_steps_refuses_one_that_is_not_there_alike(locked: Project) -> None:
    more = {
        "add": ["six"], "audit": ["--osv", "zlock.toml"], "diff": ["lockfiles"], "export": ["requirements"],
        "remove": ["six"], "run": ["--", "true"], "verify": ["there:1"], "why": ["alpha"],
    }  # fmt: skip
    commands = [name for name in EVERY if "--step NAME" in locked.run(name, "--help").stdout]

    results = {name: locked.run(name, "--step", "pipline", *more.get(name, [])) for name in commands}
    results["plan --explain"] = locked.run("plan", "--explain", "pipline")

    said = dict.fromkeys(results, "there is no step `pipline`") | {  # two look at locks alone
        "audit": "step `pipline` has no lock", "diff": "neither side has a lock of step `pipline`",
    }  # fmt: skip
    assert {name: (one.code, one.stdout, one.stderr) for name, one in results.items()} == {
        name: (2, "", f"error: {message}\nhint: did you mean `pipeline`?\n") for name, message in said.items()
    }


def test_names_that_the_terminal_can_not_show_are_escaped(locked: Project) -> None:
    result = locked.run("resolve", "--step", "\u4e2d", env={"PYTHONIOENCODING": "ascii", "LANG": "C"})

    assert result.code == 2
    assert "there is no step `\\u4e2d`" in result.stderr


def test_a_tree_is_drawn_with_what_the_encoding_has(locked: Project) -> None:
    """Windows gives a file or a pipe this encoding."""
    result = locked.run("tree", env={"PYTHONIOENCODING": "cp1252"})

    assert result.code == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith("`-- ")


# The layout


def test_several_errors_are_shown_each_once_and_the_worst_counts(capsys: pytest.CaptureFixture[str]) -> None:
    same = [InvalidLock("`a` is wrong", context=["at b"], hint="correct it") for _ in range(2)]
    code = Screen(color="never", quiet=True, verbose=False).fail(
        Problems([*same, IndexFailed("down"), NoSolution("no")]), Path.cwd()
    )

    assert code == 3
    assert capsys.readouterr().err == "error: `a` is wrong\n  at b\nhint: correct it\n\nerror: down\n\nerror: no\n"


def test_an_error_is_shown_as_far_as_it_is_known_and_what_is_found_out_later_beneath_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(color="never", quiet=True, verbose=False)
    first, second = NoSolution("no", context=["why"]), NoSolution("not either")
    for error, hint in ((first, "try"), (first, ""), (second, "")):
        Board(screen).hear(Failing(error.laid_out()))
        error.hint = error.hint or hint
        Board(screen).hear(Failing(error.laid_out()))

    assert capsys.readouterr().err == "error: no\n  why\nhint: try\n\nerror: not either\n"
    second.hint = "give up"
    screen.fail(Problems([first, second, NoSolution("no")]), Path.cwd())

    assert capsys.readouterr().err == "hint: give up\n\nerror: no\n"


def test_a_line_break_in_a_name_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(color="never", quiet=False, verbose=False)
    screen.say("a: b\nhint: run this")
    screen.note("a\nb")
    screen.fail(InvalidLock("`a\nhint: b` is wrong", context=["at c\nerror: d"], hint="correct\nit"), Path.cwd())

    assert capsys.readouterr().err == (
        "a: b\\nhint: run this\nnote: a\\nb\nerror: `a\\nhint: b` is wrong\n  at c\\nerror: d\nhint: correct\\nit\n"
    )


def test_credentials_never_reach_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(color="never", quiet=False, verbose=False)
    screen.note("see https://ann:secret@index.example/")
    screen.fail(
        IndexFailed("https://ann:secret@index.example/ is down", hint="try https://t0ken@index.example/"), Path.cwd()
    )

    shown = capsys.readouterr().err
    assert "index.example" in shown
    assert "secret" not in shown
    assert "t0ken" not in shown


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of a screen, in its only item."""
    now = [0.0]
    monkeypatch.setattr("zlock.cli.layout.time.monotonic", lambda: now[0])
    return now


def test_progress_is_silent_in_the_first_second(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    screen = Screen(color="never", quiet=False, verbose=False)
    for clock[0], name in ((0.9, "one"), (1.1, "two"), (1.2, "three"), (7.0, "four"), (20.0, "four")):
        Board(screen).hear(Doing(Activity.FETCHING, name))
    screen.close()

    assert capsys.readouterr().err == "fetching `two`\nfetching `four`\n"


def test_each_new_thing_is_told_at_once_where_more_is_to_be_said(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    screen = Screen(color="never", quiet=False, verbose=True)
    board = Board(screen)
    for clock[0], name in ((0.1, "one"), (0.2, "two"), (1.1, "two"), (6.0, "two")):
        board.hear(Doing(Activity.FETCHING, name))
    for clock[0], count in ((7.0, 1), (7.1, 2), (7.2, 3), (13.0, 4)):
        board.hear(Doing(Activity.LOOKING_AT_PACKAGES, done=count))
    screen.close()

    assert capsys.readouterr().err == (
        "fetching `one`\nfetching `two`\nsolving: 1 package looked at\nsolving: 4 packages looked at\n"
    )


def test_tasks_that_run_side_by_side_are_told_of_together_every_few_seconds(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    """Where there is no terminal, a line for each change would be hundreds."""
    screen = Screen(color="never", quiet=False, verbose=False)
    board = Board(screen)
    for clock[0], task, news in (
        (0.5, "a", Doing(Activity.MAKING_LAYER, "six")),
        (1.5, "b", Doing(Activity.BUILDING_IMAGE)),
        (1.6, "a", Doing(Activity.MAKING_LAYER, "numpy")),
        (1.7, "b", Line("#7 [2/4] RUN pip install numpy " + "x" * 500)),
        (1.8, "b", Line("#7 1.2 Collecting numpy")),
        (7.0, "a", Doing(Activity.PUSHING)),
        (7.1, "a", Ended(End.PUSHED, 2.0)),
    ):
        board.hear(TaskNews(task, news, done=int(isinstance(news, Ended)), total=2))
    screen.close()

    assert capsys.readouterr().err == (
        "a: making the layer of six 1 s\nb: building 0 s\n"
        f"a: pushing 6 s\nb: building 6 s #7 [2/4] RUN pip install numpy {'x' * 89}\na: pushed in 2 s (1 of 2)\n"
    )


@pytest.mark.parametrize(
    "line", ["STEP 2/4: RUN pip", "Step 2/4 : RUN pip", "#7 [2/4] RUN pip", "[2/2] STEP 2/4: RUN pip"]
)
def test_the_step_of_the_dockerfile_is_told_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], clock: list[float], line: str
) -> None:
    screen = Screen(color="never", quiet=False, verbose=False)
    board = Board(screen)
    for clock[0], news in ((0.5, Doing(Activity.BUILDING_IMAGE)), (0.6, Line(line)), (2.5, Line("Collecting pip"))):
        board.hear(TaskNews("train", news, done=0, total=1))
    board.hear(TaskNews("train", Doing(Activity.BUILDING_IMAGE), done=0, total=1))
    screen.close()

    assert capsys.readouterr().err == f"train: building 2 s {line}\n"


def test_how_many_bytes_have_gone_is_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    moving = Doing(Activity.MOVING_LAYERS, done=2_000_000, total=4_000_000, received=1_500_000, size=6_000_000)
    board = Board(Screen(color="never", quiet=False, verbose=True))
    for news in (Doing(Activity.PUSHING_LAYER, "numpy 2.0", received=6_000_000), moving):
        board.hear(TaskNews("train", news, 0, 1))
    assert capsys.readouterr().err == "train: storing the layer of numpy 2.0, 6.0 MB\n"
    assert words(moving) == "layers: fetched 2.0 of 4.0 MB, stored 1.5 of 6.0 MB"
    assert words(replace(moving, subject="scipy 1.0", total=0)) == (
        "layers: stored 1.5 of 6.0 MB so far, making that of scipy 1.0"
    )


@pytest.mark.parametrize("activity", Activity)
def test_all_that_is_done_has_words(activity: Activity) -> None:
    assert words(Doing(activity))


@pytest.mark.parametrize("how", End)
def test_all_that_can_become_of_a_task_has_words(how: End) -> None:
    assert end_words(Ended(how, 1.0))


def test_quiet_has_no_progress(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    screen = Screen(color="never", quiet=True, verbose=False)
    clock[0] = 9.0
    Board(screen).hear(Doing(Activity.MERGING))

    assert capsys.readouterr().err == ""


def test_nothing_is_done_once_the_end_was_said(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    screen = Screen(color="never", quiet=False, verbose=False)
    clock[0] = 9.0
    screen.fail(IndexFailed("down"), Path.cwd())
    Board(screen).hear(Doing(Activity.MERGING))

    assert capsys.readouterr().err == "error: down\n"


def test_what_takes_long_is_said_while_it_lasts(project: Project) -> None:
    project.configure({"python": "3.12"})
    project.pipeline("""
        import time
        from zlock import pipeline
        time.sleep(2.5)
        @pipeline
        def training(): ...
        """)
    result = project.run("resolve", "pipeline.py")

    assert result.code == 0, result.stderr
    assert result.stderr.startswith("running `pipeline.py` for its steps\n")

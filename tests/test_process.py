"""Commands are run to their end, or ended whole."""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from zlock.errors import CommandFailed
from zlock.interrupts import interrupts_postponed
from zlock.process import CommandExited, CommandNotFound, CommandStopped, Watch, run_command
from zlock.redact import redact
from zlock.reporting import Line, News

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its scripts are those of a POSIX shell")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


class Witness:
    """A named pipe that a command and its children hold open: its end is the proof that all of them are gone."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    @property
    def hanging(self) -> list[str]:
        """A command that hangs together with a child of its own."""
        return ["sh", "-c", f"exec 3>'{self.path}'; echo started >&3; sleep 600 & wait"]

    def read(self) -> bytes:
        """Wait for something written, or for the end of all writers."""
        assert select.select([self.end], [], [], 20)[0], "somebody still holds the pipe open"
        return os.read(self.end, 100)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    made = Witness(tmp_path / "witness")
    yield made
    os.close(made.end)


def test_both_streams_are_returned_apart(tmp_path: Path) -> None:
    done = run_command(["sh", "-c", "echo out; echo err >&2"], cwd=tmp_path, timeout=20)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_it_runs_in_the_folder_with_the_environment_and_reads_what_it_is_given(tmp_path: Path) -> None:
    done = run_command(
        ["sh", "-c", 'pwd -P; echo "$ANSWER"; cat'],
        cwd=tmp_path,
        timeout=20,
        environ={"PATH": os.environ["PATH"], "ANSWER": "42"},
        stdin="given\n",
    )
    assert done.stdout == f"{tmp_path.resolve()}\n42\ngiven\n"


def test_nothing_is_read_by_a_shell(tmp_path: Path) -> None:
    assert run_command(["echo", "$(id)", ";", "*"], cwd=tmp_path, timeout=20).stdout == "$(id) ; *\n"


def test_a_command_that_asks_finds_no_terminal(tmp_path: Path) -> None:
    code = "import sys\ntry: open('/dev/tty'); print('terminal')\nexcept OSError: print(repr(sys.stdin.read()))"
    assert run_command(python(code), cwd=tmp_path, timeout=20).stdout == "''\n"


def test_much_on_both_streams_does_not_block(tmp_path: Path) -> None:
    code = "import sys\nfor s in (sys.stderr, sys.stdout, sys.stderr): s.write('x' * 1_000_000); s.flush()"
    done = run_command(python(code), cwd=tmp_path, timeout=20)
    assert (len(done.stdout), len(done.stderr)) == (1_000_000, 2_000_000)


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        (b"\xef\xbb\xbfa==1\r\nb==2\r\n", "a==1\nb==2\n"),
        (b"\x1b[1;31ma==1\x1b[0m\x1b[K\n", "a==1\n"),
        (b"\x1b]8;;https://x.example\x1b\\a==1\x1b]8;;\x07\n", "a==1\n"),
        (b"a\xff==1\n", "a\ufffd==1\n"),
        ("ä==1\n".encode(), "ä==1\n"),
    ],
    ids=["byte-order-mark-and-crlf", "colours", "links", "not-utf-8", "utf-8"],
)
def test_output_is_plain_text(tmp_path: Path, printed: bytes, read: str) -> None:
    (tmp_path / "printed").write_bytes(printed)
    assert run_command(["cat", "printed"], cwd=tmp_path, timeout=20).stdout == read


def test_colours_are_switched_off(tmp_path: Path) -> None:
    names = "NO_COLOR PIP_NO_COLOR PIP_DISABLE_PIP_VERSION_CHECK"
    code = f"import os; print([os.environ[name] for name in '{names}'.split()])"
    assert run_command(python(code), cwd=tmp_path, timeout=20, environ={}).stdout == "['1', '1', '1']\n"


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandNotFound) as caught:
        run_command(["no-such-program", "--all"], cwd=tmp_path, timeout=20)
    assert caught.value.message == "the program `no-such-program` was not found"
    assert caught.value.context == ("needed for: no-such-program --all",)
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_a_relative_program_counts_from_the_folder_it_runs_in(tmp_path: Path) -> None:
    script = tmp_path / "tools" / "list"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho listed\n")
    script.chmod(0o755)
    assert run_command(["tools/list"], cwd=tmp_path, timeout=20).stdout == "listed\n"
    with pytest.raises(CommandNotFound):
        run_command(["tools/list"], cwd=tmp_path / "tools", timeout=20)


@pytest.mark.parametrize(
    ("mode", "reason"), [(0o644, "Permission denied"), (0o755, "Exec format error")], ids=["mode", "format"]
)
def test_a_program_that_cannot_start_is_no_traceback(tmp_path: Path, mode: int, reason: str) -> None:
    script = tmp_path / "list"
    script.write_bytes(b"\x7fELF no program")
    script.chmod(mode)
    with pytest.raises(CommandFailed, match=rf"^`\./list` could not be started: {reason}$"):
        run_command(["./list"], cwd=tmp_path, timeout=20)


@pytest.mark.parametrize("argv", [[], ["echo", "a\0b"]], ids=["empty", "nul"])
def test_an_impossible_command_is_no_traceback(tmp_path: Path, argv: list[str]) -> None:
    with pytest.raises(CommandFailed):
        run_command(argv, cwd=tmp_path, timeout=20)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="gone"):
        run_command(["true"], cwd=tmp_path / "gone", timeout=20)


def test_a_failure_shows_the_code_and_the_last_lines_without_credentials(tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 30 ]; do echo line $i https://me:secret@index.example/ >&2; i=$((i+1)); done; exit 7"
    with pytest.raises(CommandExited) as caught:
        run_command(["sh", "-c", script, "https://me:secret@index.example/"], cwd=tmp_path, timeout=20)
    error = caught.value
    assert error.code == 7
    assert error.message.endswith("https://index.example/` ended with exit code 7")
    assert error.context == tuple(f"line {number} https://index.example/" for number in range(10, 30))
    assert "secret" not in error.message


def test_what_only_a_shell_reads_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandExited) as caught:
        run_command(["ls", "nothing", "|", "sort"], cwd=tmp_path, timeout=20)

    assert '["sh", "-c", "..."]' in caught.value.hint


def test_a_failure_that_explains_itself_on_stdout_is_shown_too(tmp_path: Path) -> None:
    with pytest.raises(CommandExited) as caught:
        run_command(["sh", "-c", "echo no; exit 1"], cwd=tmp_path, timeout=20)
    assert caught.value.context == ("no",)


def test_a_message_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandExited) as caught:
        run_command(["sh", "-c", "true\nexit 1"], cwd=tmp_path, timeout=20)
    assert "\n" not in caught.value.message


def test_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandExited, match="ended with signal SIGTERM"):
        run_command(["sh", "-c", "kill -TERM $$"], cwd=tmp_path, timeout=20)


def test_a_hanging_command_is_killed_with_its_children(tmp_path: Path, witness: Witness) -> None:
    with pytest.raises(CommandFailed, match=r"did not end within 1\.5 seconds"):
        run_command(witness.hanging, cwd=tmp_path, timeout=1.5)
    assert witness.read() == b"started\n"
    assert witness.read() == b""


def test_a_command_that_closes_its_streams_and_hangs_is_killed(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"did not end within 0\.5 seconds"):
        run_command(["sh", "-c", "exec >&- 2>&-; sleep 600"], cwd=tmp_path, timeout=0.5)


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_flood_is_ended(tmp_path: Path, witness: Witness, stream: str) -> None:
    script = f"exec 3>'{witness.path}'; echo started >&3; yes >&{stream}"
    with pytest.raises(CommandFailed, match="printed more than 1000000 bytes"):
        run_command(["sh", "-c", script], cwd=tmp_path, timeout=60, limit=1_000_000)
    assert witness.read() == b"started\n"
    assert witness.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_command_is_started_comes_once_it_is_known(number: signal.Signals) -> None:
    known: list[int] = []

    def start() -> None:
        with interrupts_postponed():
            signal.raise_signal(number)
            code = "import signal; signal.raise_signal(signal.SIGTERM)"
            known.append(subprocess.run(python(code), check=False).returncode)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        signal.signal(signal.SIGTERM, before)
    # The command itself heeds signals as any other.
    assert known == [-signal.SIGTERM]


def test_an_interrupt_kills_the_command_with_its_children(tmp_path: Path, witness: Witness) -> None:
    code = (
        "import pathlib, sys; from zlock.process import run_command\n"
        "run_command(sys.argv[1:], cwd=pathlib.Path.cwd(), timeout=600)"
    )
    with subprocess.Popen([*python(code), *witness.hanging], cwd=tmp_path, stderr=subprocess.PIPE) as running:
        while not (said := witness.read() if select.select([witness.end], [], [], 1)[0] else b""):
            assert running.poll() is None
        assert said == b"started\n"
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=20)
    assert b"KeyboardInterrupt" in stderr
    assert witness.read() == b""


def test_no_command_outlives_the_run_that_another_thread_started_it_in(tmp_path: Path, witness: Witness) -> None:
    code = (
        "import pathlib, sys, threading; from zlock.process import run_command\n"
        "call = lambda: run_command(sys.argv[1:], cwd=pathlib.Path.cwd(), timeout=600)\n"
        "threading.Thread(target=call, daemon=True).start()\n"
        "input()"
    )
    with subprocess.Popen([*python(code), *witness.hanging], cwd=tmp_path, stdin=subprocess.PIPE, text=True) as running:
        while not (said := witness.read() if select.select([witness.end], [], [], 1)[0] else b""):
            assert running.poll() is None
        assert said == b"started\n"
        running.communicate("\n", timeout=20)
    assert witness.read() == b""


def test_an_interrupt_that_is_lost_comes_again(tmp_path: Path) -> None:
    """No exception can leave a finalizer."""
    code = (
        "import signal, time; from zlock.interrupts import heed_interrupts\n"
        "class Lost:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGINT); list(range(9))\n"
        "heed_interrupts()\n"
        "try: Lost(); time.sleep(600)\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    done = run_command(python(code), cwd=tmp_path, timeout=60)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:secret@index.example/simple now", "see https://index.example/simple now"),
        ("https://token@index.example/", "https://index.example/"),
        ("git+https://me:p@ss@git.example/r.git@v1#egg=r", "git+https://git.example/r.git@v1#egg=r"),
        ("HTTPS://me:pa/ss?w#rd@index.example/", "HTTPS://index.example/"),
        ("https://:secret@index.example/", "https://index.example/"),
        ("https://${USER}:${TOKEN}@index.example/", "https://index.example/"),
        ("git+ssh://git@git.example/r.git", "git+ssh://git@git.example/r.git"),
        ("ssh://git:secret@git.example/r.git", "ssh://git@git.example/r.git"),
        ("a https://x:y@a.example/ b https://x:y@b.example/", "a https://a.example/ b https://b.example/"),
        ("https://index.example:8080/@scope/a", "https://index.example:8080/@scope/a"),
        ("http://[::1]:8080/@scope/a", "http://[::1]:8080/@scope/a"),
        ("git+https://git.example/r.git@v1", "git+https://git.example/r.git@v1"),
        ("write to me@index.example", "write to me@index.example"),
    ],
)
def test_credentials_leave_every_url(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_watch_sees_each_line_while_the_command_runs(tmp_path: Path) -> None:
    heard: list[News] = []
    stop = Event()

    def hear(news: News) -> None:
        heard.append(news)
        if len(heard) == 2:
            stop.set()

    script = "echo one; echo two >&2; sleep 600"
    with pytest.raises(CommandStopped):
        run_command(["sh", "-c", script], cwd=tmp_path, timeout=math.inf, watch=Watch(reporter=hear, stop=stop))
    assert set(heard) == {Line("one"), Line("two")}


def test_a_last_line_without_an_end_is_seen_too(tmp_path: Path) -> None:
    heard: list[News] = []
    done = run_command(["printf", "a\\nb"], cwd=tmp_path, timeout=math.inf, watch=Watch(reporter=heard.append))
    assert (heard, done.stdout) == ([Line("a"), Line("b")], "a\nb")


def test_a_stopped_command_may_clean_up_and_takes_its_children_along(tmp_path: Path, witness: Witness) -> None:
    script = f"trap 'echo cleaned > cleaned; exit' TERM; exec 3>'{witness.path}'; echo started >&3; sleep 600 & wait"
    stop = Event()
    with ThreadPoolExecutor() as pool:
        watch = Watch(stop=stop)
        running = pool.submit(run_command, ["sh", "-c", script], cwd=tmp_path, timeout=math.inf, watch=watch)
        while not (select.select([witness.end], [], [], 1)[0] and witness.read()):
            assert not running.done()
        stop.set()
        with pytest.raises(CommandStopped):
            running.result(timeout=20)
    assert (tmp_path / "cleaned").read_text() == "cleaned\n"
    assert witness.read() == b""


def test_one_that_will_not_end_is_killed_when_patience_is_over(tmp_path: Path, witness: Witness) -> None:
    stop = Event()
    stop.set()
    script = f"trap '' TERM; exec 3>'{witness.path}'; echo started >&3; while :; do sleep 0.1; done"
    with pytest.raises(CommandStopped):
        run_command(["sh", "-c", script], cwd=tmp_path, timeout=60, watch=Watch(stop=stop, patience=1))
    assert witness.read() == b"started\n"
    assert witness.read() == b""


@pytest.mark.parametrize(
    "text",
    ["a" * 200_000, "a-" * 100_000, f"https://{'x' * 200_000}/a.whl", "a+" * 100_000, "a://b:c" * 30_000],
    ids=["word", "name", "host", "scheme", "passwords"],
)
def test_a_long_text_is_read_once(text: str) -> None:
    """If every character cost as much as there are others, this would not come to its end."""
    assert redact(text) == text

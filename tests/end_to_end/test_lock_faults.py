"""Runs that end badly, and locks that are not as they were written: everything stays, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.environment import clean_environment
from support.index import TinyIndex
from support.project import Project, kill_group
from zlock.lock.identity import identity_of
from zlock.lock.store import read_lock

posix = pytest.mark.skipif(os.name != "posix", reason="signals and modes of POSIX")


@pytest.fixture
def locked(index: TinyIndex, project: Project) -> Project:
    """Two steps with their locks, and a new release of what both require."""
    index.wheel("alpha", "1.0")
    configure(project, index)
    assert project.run("resolve").code == 0
    index.wheel("alpha", "2.0")
    return project


def configure(project: Project, index: TinyIndex) -> None:
    asking = {"docker": {"requirements": ["alpha"]}}
    project.configure(
        {"python": "3.12", "index": [{"url": index.url, "default": True}], "steps": {"a": asking, "b": asking}}
    )


def everything(project: Project) -> dict[str, bytes]:
    """Return all files of the project, so that nothing that is left behind goes unseen."""
    return {str(path): path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so; a run that ended before is a failure."""
    deadline = time.monotonic() + 120
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Locks that are not as they were written


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('\nversion = "1.0"', '\nversion = "2.0"'),
        ('sha256 = "', 'sha256 = "00'),
        ("http://127.0.0.1", "http://evil.example"),
        ("[[packages]]", "[[packages"),
    ],
)
def test_an_edited_lock_ends_every_run_and_is_not_touched(locked: Project, before: str, after: str) -> None:
    path = locked.lock_path("a")
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    edited = everything(locked)

    for arguments in ((), ("--check",), ("--upgrade",)):
        result = locked.run("resolve", *arguments)
        assert result.code == 2, result.stderr
        assert "the lock `pylock.a.toml` was cut short or edited" in result.stderr
        assert "hint: restore it from version control; or delete it, with the versions" in result.stderr
    assert everything(locked) == edited


def test_a_lock_whose_author_made_its_digests_anew_writes_nowhere_else(locked: Project) -> None:
    """A name that would lead to a file outside of the project; `--check` looks at no package, and writes nothing."""
    victim = locked.folder.parent / "victim" / "requirements.txt"
    victim.parent.mkdir()
    victim.write_text("mine", encoding="utf-8")
    path = locked.lock_path("a")
    lock = read_lock(path)
    assert lock is not None
    packages = (replace(lock.packages[0], name="../../../../victim/requirements"),)
    facts = replace(lock.facts, identity=identity_of(packages))
    text = replace(lock, packages=packages, facts=facts).render()
    path.write_text(text, encoding="utf-8")

    for arguments in (
        ("dockerfile",), ("plan", "--offline"), ("build", "--step", "a"), ("fetch",), ("tree",), ("why", "alpha"),
        ("resolve",),
        ("diff", str(locked.lock_path("b"))), ("export", "requirements", "--step", "a"),
        ("export", "cyclonedx", "--step", "a"),
    ):  # fmt: skip
        result = locked.run(*arguments)
        assert result.code == 2, (arguments, result.stderr)
        assert "the lock `pylock.a.toml` holds what no lock may" in result.stderr
        assert "is not a valid normalized name of a package" in result.stderr
    assert locked.run("resolve", "--check").code == 0
    assert path.read_text(encoding="utf-8") == text
    assert victim.read_text(encoding="utf-8") == "mine"


def test_a_conflicted_lock_is_mended_by_resolve_only(locked: Project) -> None:
    path = locked.lock_path("a")
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("[tool.zlock]", "<<<<<<< ours\n=======\n>>>>>>> theirs\n[tool.zlock]"), encoding="utf-8"
    )

    result = locked.run("resolve", "--check")
    assert result.code == 2
    assert "has a merge conflict at line" in result.stderr
    result = locked.run("resolve")
    assert result.code == 0, result.stderr
    assert "had a merge conflict and is solved again" in result.stderr
    assert locked.run("resolve", "--check").code == 0
    assert locked.locked("b") == {"alpha": "1.0"}


def test_a_folder_in_place_of_a_lock_is_a_clear_error(locked: Project) -> None:
    locked.lock_path("a").unlink()
    locked.lock_path("a").mkdir()
    result = locked.run("resolve")

    assert result.code == 2
    assert "is a directory" in result.stderr


@posix
def test_a_lock_that_is_a_link_out_of_the_project_is_refused(locked: Project, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    locked.lock_path("b").rename(victim)
    locked.lock_path("b").symlink_to(victim)
    before = victim.read_bytes()
    for command in (["resolve"], ["resolve", "--check"], ["tree"]):
        result = locked.run(*command)

        assert result.code == 2
        assert "through a link out of the project" in result.stderr
    assert victim.read_bytes() == before
    assert locked.locked("a") == {"alpha": "1.0"}


# Runs that are ended


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_everything_as_it_was(locked: Project, index: TinyIndex, number: int) -> None:
    """While the index does not answer: the run ends at once, with 130."""
    before = everything(locked)
    index.requests.clear()
    index.fault("/simple/*", "hang", times=None)
    process = locked.start("resolve", "--upgrade")
    try:
        wait_for(lambda: bool(index.requests), process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    finally:
        kill_group(process)

    assert process.returncode == 130
    assert "interrupted: nothing is left half-written" in stderr
    assert "Traceback" not in stderr
    assert everything(locked) == before


AT_IMPORT = """
import signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from zlock.cli import main

main(sys.argv[2:])
"""


@posix
@pytest.mark.parametrize(
    "module",
    ["zlock.cli.run", "argparse", "zlock.cli.layout", "zlock.workflow", "zlock.workflow.solving.solve", "urllib3"],
)
def test_an_interrupt_inside_an_import_ends_the_run_too(locked: Project, module: str) -> None:
    before = everything(locked)
    done = subprocess.run(
        [sys.executable, "-P", "-c", AT_IMPORT, module, "resolve", "--upgrade", "--cache-dir", str(locked.cache)],
        cwd=locked.folder,
        env=clean_environment(locked.home),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )

    assert done.returncode == 130
    assert done.stderr == "" or done.stderr.endswith("interrupted: nothing is left half-written\n")
    assert "Traceback" not in done.stderr
    assert everything(locked) == before


@posix
def test_an_interrupted_run_ends_the_source_command_it_started(project: Project) -> None:
    """And what that one has started."""
    project.write(
        "freeze.py",
        """
        import os, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open("pids.new", "w").write(f"{os.getpid()} {child.pid}")
        os.rename("pids.new", "pids")
        time.sleep(600)
        """,
    )
    command = [sys.executable, "freeze.py"]
    project.configure({"python": "3.12", "docker": {"replicate-local-python-environment": command}})
    process = project.start("resolve")
    try:
        wait_for((project.folder / "pids").exists, process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 130
        for pid in (project.folder / "pids").read_text(encoding="utf-8").split():
            assert is_gone(int(pid))
    finally:
        kill_group(process)


def is_gone(pid: int) -> bool:
    """Wait a moment for the system to take a killed process away."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with suppress(OSError):
            if ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"):
                return True
        time.sleep(0.01)
    return False


@posix
def test_a_killed_run_leaves_whole_locks(locked: Project, index: TinyIndex) -> None:
    """Killed at many moments between the first request and the end; the locks are old or new, never half."""
    old = {locked.lock_path(step).read_bytes() for step in "ab"}
    seen = set()
    for delay in range(0, 200, 25):
        index.requests.clear()
        process = locked.start("resolve", "--upgrade")
        wait_for(lambda: bool(index.requests), process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay / 1000)
        kill_group(process)
        process.communicate()
        assert locked.run("resolve", "--check").code == 0
        seen |= {locked.lock_path(step).read_bytes() for step in "ab"}

    assert locked.run("resolve", "--upgrade").code == 0
    assert seen <= old | {locked.lock_path(step).read_bytes() for step in "ab"}
    assert sorted(path.name for path in locked.lock_path("a").parent.iterdir()) == ["pylock.a.toml", "pylock.b.toml"]


def test_two_runs_side_by_side_both_end_well(locked: Project) -> None:
    processes = [locked.start("resolve", "--upgrade") for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], ends
    assert locked.locked("a") == locked.locked("b") == {"alpha": "2.0"}
    assert locked.run("resolve", "--check").code == 0
    assert len(list(locked.lock_path("a").parent.iterdir())) == 2


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Keep a folder, as another run does that writes to it."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@posix
def test_another_run_that_keeps_the_locks_is_waited_for(locked: Project) -> None:
    folder = locked.lock_path("a").parent
    with kept(folder):
        process = locked.start("resolve", "--upgrade")
        assert process.stderr is not None
        said = process.stderr.readline()
        while "waiting" not in said:
            assert process.poll() is None, said
            said = process.stderr.readline()
    stderr = process.communicate(timeout=60)[1]

    assert f"waiting: `{folder}` is kept by another run of zlock" in said
    assert process.returncode == 0, stderr
    assert locked.locked("a") == {"alpha": "2.0"}


@posix
@pytest.mark.parametrize("command", ["resolve --upgrade", "fetch"])
def test_another_run_that_does_not_end_is_named(locked: Project, command: str) -> None:
    """Waiting less long than a person's run does."""
    (locked.folder / "wheelhouse").mkdir()
    folder = locked.folder / ("wheelhouse" if command == "fetch" else "lockfiles")
    before = everything(locked)
    program = "from zlock.lock import exclusive; exclusive._PATIENCE = 0.5; import zlock.cli; zlock.cli.main()"
    with kept(folder):
        result = locked.call(sys.executable, "-P", "-c", program, *command.split())

    assert result.code == 3
    process = f", process {os.getpid()}" if sys.platform == "linux" else ""
    assert f"error: `{folder}` is kept by another run of zlock{process}, and still is after " in result.stderr
    assert "hint: end that one, or wait for it" in result.stderr
    assert everything(locked) == before


# A disk that refuses


def test_a_full_disk_changes_nothing(locked: Project, tmp_path: Path) -> None:
    """On a file system with room for one lock more, where this machine lets us make one."""
    small = tmp_path / "small"
    small.mkdir()
    size = (locked.lock_path("a").stat().st_size // 4096 + 1) * 4096 * 3
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(small)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        for step in "ab":
            (small / f"pylock.{step}.toml").write_bytes(locked.lock_path(step).read_bytes())
        text = (locked.folder / "zlock.toml").read_text(encoding="utf-8")
        locked.write("zlock.toml", f'lock-dir = "{small}"\n{text}')
        before = {path.name: path.read_bytes() for path in small.iterdir()}
        result = locked.run("resolve", "--upgrade")

        assert result.code == 3, result.stderr
        assert "could not be written: No space left on device" in result.stderr
        assert {path.name: path.read_bytes() for path in small.iterdir()} == before
    finally:
        subprocess.run(["umount", str(small)], check=True)


@posix
def test_a_file_in_place_of_the_folder_is_a_clear_error(locked: Project) -> None:
    locked.write("occupied", "")
    text = (locked.folder / "zlock.toml").read_text(encoding="utf-8")
    locked.write("zlock.toml", f'lock-dir = "occupied/locks"\n{text}')
    result = locked.run("resolve")

    assert result.code == 2
    assert "the lock `pylock.a.toml` can't be read\n  not a directory\n" in result.stderr


@posix
def test_a_lock_that_is_a_pipe_is_not_waited_for(locked: Project) -> None:
    locked.lock_path("b").unlink()
    os.mkfifo(locked.lock_path("b"))

    for command in (["resolve"], ["resolve", "--check"], ["tree"]):
        result = locked.run(*command)
        assert result.code == 2
        assert "the lock `pylock.b.toml` can't be read\n  it is a pipe" in result.stderr
    assert locked.run("diff", "--step", "a").code in {0, 2}


@posix
@pytest.mark.parametrize(
    ("link", "command"), [("build/zlock", ["dockerfile"]), ("wheelhouse", ["fetch"])], ids=["contexts", "wheelhouse"]
)
def test_a_folder_of_the_project_that_leads_out_of_it_is_not_written(
    link: str, command: list[str], locked: Project, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (locked.folder / link).parent.mkdir(exist_ok=True)
    (locked.folder / link).symlink_to(outside)

    result = locked.run(*command)

    assert (result.code, list(outside.iterdir())) == (2, [])
    assert "is reached through a link out of the project" in result.stderr
    assert f"it leads to `{outside}`" in result.stderr


@posix
def test_links_in_a_circle_are_no_lock(locked: Project) -> None:
    path = locked.lock_path("a")
    path.unlink()
    path.symlink_to(path.name)

    for command in (["resolve", "--check"], ["tree"], ["dockerfile"], ["diff", "."], ["resolve"]):
        result = locked.run(*command)
        assert result.code == 2, (command, result)
        assert "Traceback" not in result.stderr

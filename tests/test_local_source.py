"""The local environment: real environments, real freezes, and what they may not hold."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from ensurepip import __file__ as ensurepip
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from zlock.errors import CommandFailed, InvalidConfiguration, InvalidRequirements, Problems, ZlockError
from zlock.model.origin import Origin, Source
from zlock.model.requirement import Gathered
from zlock.sources.environment import Environment, InstalledPackage, ask
from zlock.sources.local import gather_local, project_interpreter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its scripts are those of a POSIX shell")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def wheel(folder: Path, name: str, requires: Sequence[str] = (), extras: Sequence[str] = ()) -> None:
    """Write version 1.0 of a package with nothing in it."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    lines += [f"Requires-Dist: {one}" for one in requires] + [f"Provides-Extra: {one}" for one in extras]
    files = {
        "METADATA": "\n".join(lines) + "\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{info}/{file},,\n" for file in (*files, "RECORD"))
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for file, content in {**files, "RECORD": record}.items():
            archive.writestr(f"{info}/{file}", content)


def uv(*arguments: str | Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "UV_OFFLINE": "1"}
    command = [find_uv_bin(), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, env=environ, cwd=os.path.sep)


def make_environment(folder: Path, wheels: Path | None = None, *names: str, pip: bool = False) -> Path:
    """Make an environment with packages, and return its interpreter."""
    uv("venv", "--quiet", "--python", sys.executable, folder)
    interpreter = folder / "bin" / "python"
    install = ("pip", "install", "--no-index", "--python", interpreter)
    if pip:
        uv(*install, "--find-links", Path(ensurepip).parent / "_bundled", "--compile-bytecode", "pip")
        if names:
            command = [interpreter, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheels, *names]
            subprocess.run(list(map(str, command)), check=True, capture_output=True)
    elif names and wheels:
        uv(*install, "--find-links", wheels, *names)
    return interpreter


def install_editable(interpreter: Path, name: str, folder: Path) -> None:
    """Record a folder as an editable install, as PEP 610 has it."""
    site = next((interpreter.parent.parent / "lib").glob("python*")) / "site-packages" / f"{name}-1.0.dist-info"
    site.mkdir()
    (site / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (site / "RECORD").write_text("")
    (site / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    folder.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages around one named as zlock is: `app` and `zlock` share a need, and `demo` needs both."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "zlock", ["engine", "shared", "asked", 'hook; extra == "hatch"'], ["hatch"])
    wheel(folder, "engine", ["engine-core"])
    wheel(folder, "app", ["shared"])
    wheel(folder, "demo", ["app", "zlock"])
    for name in ("engine_core", "shared", "asked", "hook"):
        wheel(folder, name)
    return folder


@pytest.fixture(scope="module")
def with_pip(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    folder = tmp_path_factory.mktemp("with-pip") / "environment"
    return make_environment(folder, wheels, "zlock[hatch]", "asked", "demo", pip=True)


@pytest.fixture(scope="module")
def without_pip(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    folder = tmp_path_factory.mktemp("without-pip") / "environment"
    return make_environment(folder, wheels, "zlock", "demo")


@pytest.fixture(scope="module")
def pip_and_app(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    folder = tmp_path_factory.mktemp("pip-and-app") / "environment"
    return make_environment(folder, wheels, "app", pip=True)


@pytest.fixture
def changed(pip_and_app: Path, tmp_path: Path) -> Path:
    """The interpreter of an environment with pip and `app` that the test may change: a copy, which `-m` can run."""
    folder = shutil.copytree(pip_and_app.parents[1], tmp_path / "environment", symlinks=True)
    return folder / "bin" / "python"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def gather(
    how: bool | str | Sequence[str],
    project: Path,
    interpreter: Path | str = sys.executable,
    *,
    exclude: Sequence[str] = (),
    path: Path | None = None,
) -> Gathered:
    environ = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}" if path else os.environ["PATH"]}
    return gather_local(
        how,
        project=project,
        interpreter=Path(interpreter),
        origin=Origin(source=Source.LOCAL),
        timeout=60,
        environ=environ,
        exclude=exclude,
    )


def gather_printed(text: str, project: Path, *, exclude: Sequence[str] = ()) -> Gathered:
    """Gather what a command prints that prints the text."""
    (project / "printed.txt").write_text(text)
    return gather(["cat", "printed.txt"], project, exclude=exclude)


def asked_for(gathered: Gathered) -> list[str]:
    return [str(one) for one in gathered.requirements]


def lines_of(gathered: Gathered) -> list[int | None]:
    return [one.origins[0].line for one in gathered.requirements]


def refused(error: ZlockError) -> list[str]:
    assert isinstance(error, InvalidRequirements)
    return [line.partition("line ")[2] for line in error.context]


class TestInterpreter:
    def test_virtual_env_comes_first(self, project: Path, tmp_path: Path) -> None:
        make_environment(project / ".venv")
        active = make_environment(tmp_path / "active")
        assert project_interpreter(project, {"VIRTUAL_ENV": str(tmp_path / "active")}) == active

    def test_the_folder_of_the_project_comes_second_and_its_link_is_not_followed(self, project: Path) -> None:
        assert project_interpreter(project, {"VIRTUAL_ENV": ""}) == Path(sys.executable)
        assert project_interpreter(project, {}) == Path(sys.executable)
        own = make_environment(project / ".venv")
        assert own.is_symlink()
        assert project_interpreter(project, {}) == own

    def test_the_layout_of_windows_is_known(self, project: Path) -> None:
        python = project / ".venv" / "Scripts" / "python.exe"
        python.parent.mkdir(parents=True)
        python.touch()
        assert project_interpreter(project, {}) == python

    def test_an_active_environment_that_is_gone_is_an_error(self, project: Path) -> None:
        make_environment(project / ".venv")
        with pytest.raises(InvalidConfiguration, match=r"`\$VIRTUAL_ENV` is `/gone`"):
            project_interpreter(project, {"VIRTUAL_ENV": "/gone"})

    def test_an_environment_whose_python_is_gone_is_not_passed_over(self, project: Path) -> None:
        (project / ".venv" / "bin").mkdir(parents=True)
        (project / ".venv" / "bin" / "python").symlink_to("/gone/python")
        with pytest.raises(InvalidConfiguration, match=r"\.venv"):
            project_interpreter(project, {})


class TestFreeze:
    @pytest.mark.parametrize("how", [True, "pip_freeze"])
    def test_pip_freeze_leaves_out_zlock_and_what_only_it_needs(
        self, how: bool | str, project: Path, with_pip: Path
    ) -> None:
        gathered = gather(how, project, with_pip)
        assert asked_for(gathered) == ["app==1.0", "asked==1.0", "demo==1.0", "shared==1.0"]
        assert gathered.described == "pip freeze"
        assert gathered.recorded
        assert gathered.source is Source.LOCAL
        assert gathered.notes == (
            "left out of `pip freeze`: `engine`, `engine-core`, `hook`, `zlock` (zlock, or needed only by it)",
        )

    def test_lines_are_those_that_the_command_printed(self, project: Path, with_pip: Path) -> None:
        # app asked demo engine engine_core hook shared zlock
        gathered = gather("pip_freeze", project, with_pip)
        assert lines_of(gathered) == [1, 2, 3, 7]
        assert str(gathered.requirements[3].origins[0]) == "local environment (`pip freeze`, line 7)"

    def test_uv_freeze_lists_the_same_environment(self, project: Path, with_pip: Path) -> None:
        gathered = gather("uv_freeze", project, with_pip)
        assert asked_for(gathered)[:3] == ["app==1.0", "asked==1.0", "demo==1.0"]
        assert "engine==1.0" not in asked_for(gathered)
        assert gathered.described == "uv pip freeze"

    def test_what_uv_installed_stays_where_the_project_declares_it(self, project: Path, without_pip: Path) -> None:
        assert asked_for(gather("uv_freeze", project, without_pip)) == ["app==1.0", "demo==1.0", "shared==1.0"]
        (project / "pyproject.toml").write_text('[dependency-groups]\ndev = ["Asked>=1", {include-group = "x"}]\n')
        assert "asked==1.0" in asked_for(gather("uv_freeze", project, without_pip))

    def test_the_project_itself_is_left_out_by_name(self, project: Path, without_pip: Path) -> None:
        (project / "pyproject.toml").write_text('[project]\nname = "Demo"\n')
        gathered = gather("uv_freeze", project, without_pip)
        assert asked_for(gathered) == ["app==1.0", "shared==1.0"]
        assert "left out of `uv pip freeze`: `demo` (the project itself)" in gathered.notes

    def test_without_pip_true_falls_back_to_uv_and_says_so(self, project: Path, without_pip: Path) -> None:
        gathered = gather(True, project, without_pip)  # the setting's value
        assert asked_for(gathered) == ["app==1.0", "demo==1.0", "shared==1.0"]
        assert gathered.described == "uv pip freeze"
        assert gathered.notes[0] == "the project's environment has no pip; it was listed with `uv pip freeze`"

    @pytest.mark.parametrize("how", ["pip_freeze", ["pip", "freeze"]])
    def test_without_pip_a_named_pip_freeze_is_an_error(
        self, how: str | list[str], project: Path, without_pip: Path
    ) -> None:
        with pytest.raises(CommandFailed, match="has no pip") as caught:
            gather(how, project, without_pip)
        assert "uv_freeze" in caught.value.hint

    def test_an_environment_with_zlock_alone_asks_for_nothing(
        self, project: Path, tmp_path: Path, wheels: Path
    ) -> None:
        gathered = gather("uv_freeze", project, make_environment(tmp_path / "alone", wheels, "zlock"))
        assert gathered.requirements == ()
        assert gathered.recorded
        assert gathered.described == "uv pip freeze"
        assert "`zlock`" in gathered.notes[0]

    def test_an_empty_environment_is_an_error(self, project: Path, tmp_path: Path) -> None:
        with pytest.raises(CommandFailed, match="`uv pip freeze` printed no requirement"):
            gather("uv_freeze", project, make_environment(tmp_path / "empty"))

    @pytest.mark.parametrize("how", ["pip_freeze", "uv_freeze"])
    def test_editable_folders_are_refused_by_name_all_at_once(
        self, how: str, project: Path, tmp_path: Path, changed: Path
    ) -> None:
        install_editable(changed, "first", tmp_path / "first")
        install_editable(changed, "second", tmp_path / "second")
        install_editable(changed, "own", project / "libraries" / "own")
        with pytest.raises(InvalidRequirements) as caught:
            gather(how, project, changed)
        assert [line.split("`")[1] for line in refused(caught.value)] == ["first", "second"]
        assert "VCS URL" in caught.value.hint
        assert "local_project_install_command" in caught.value.hint
        gathered = gather(how, project, changed, exclude=["First", "second"])
        assert asked_for(gathered)[0] == "app==1.0"
        assert any("`own` (the project itself)" in note for note in gathered.notes)
        assert any("`first`, `second` (a local path, excluded)" in note for note in gathered.notes)

    def test_an_editable_install_from_version_control_is_pinned_to_its_commit(
        self, project: Path, tmp_path: Path, changed: Path
    ) -> None:
        checkout = tmp_path / "checkout"
        install_editable(changed, "library", checkout / "python")
        (checkout / "python" / "pyproject.toml").touch()
        git = ("git", "-C", str(checkout), "-c", "user.name=n", "-c", "user.email=n@mail.example")
        for command in (
            ("init", "-q"),
            ("add", "."),
            ("commit", "-qm", "first"),
            ("remote", "add", "origin", "https://me:secret@git.example/library.git"),
        ):
            subprocess.run([*git, *command], check=True)
        commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        gathered = gather("pip_freeze", project, changed)
        assert asked_for(gathered) == [
            "app==1.0",
            f"library @ git+https://git.example/library.git@{commit}#subdirectory=python",
            "shared==1.0",
        ]


class TestCommand:
    def test_python_and_pip_are_those_of_the_project(self, project: Path, with_pip: Path, without_pip: Path) -> None:
        gathered = gather(["pip", "freeze", "--exclude", "asked"], project, with_pip)
        assert asked_for(gathered) == [
            f"{name}==1.0" for name in ("app", "demo", "engine", "engine_core", "hook", "shared")
        ]
        assert gathered.described == "pip freeze --exclude asked"
        code = "import os, shutil, sys; print('a @ https://x.example' + sys.prefix + '/' + os.environ['VIRTUAL_ENV'])"
        prefix = without_pip.parent.parent
        assert asked_for(gather(["python", "-c", code], project, without_pip)) == [
            f"a @ https://x.example{prefix}/{prefix}"
        ]

    def test_it_runs_in_the_project_folder(self, project: Path) -> None:
        (project / "list.sh").write_text("#!/bin/sh\necho a==1\n")
        (project / "list.sh").chmod(0o755)
        assert asked_for(gather(["./list.sh"], project)) == ["a==1"]

    def test_its_description_holds_no_path_of_the_machine(self, project: Path) -> None:
        (project / "a b.txt").write_text("a==1\n")
        gathered = gather(["/bin/cat", str(project / "a b.txt")], project)
        assert gathered.described == "cat 'a b.txt'"

    def test_zlock_is_left_out_with_its_continued_lines(self, project: Path) -> None:
        gathered = gather_printed("zlock==1.0 \\\n    --hash=sha256:00\n# why\na==1 # because\n", project)
        assert asked_for(gathered) == ["a==1"]
        assert lines_of(gathered) == [4]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "\n\n",
            "# nothing\n",
            "--extra-index-url https://index.example/simple\n\n",
            "--pre\n",
            "--hash=sha256:00\n",
        ],
    )
    def test_nothing_is_an_error(self, project: Path, text: str) -> None:
        with pytest.raises(CommandFailed, match="printed no requirement"):
            gather_printed(text, project)

    def test_what_is_no_text_is_an_error(self, project: Path) -> None:
        (project / "printed").write_bytes(b"a==1\n\x7fELF\xff\x00")
        with pytest.raises(CommandFailed, match=r"printed what is not a string \(line 2\)"):
            gather(["cat", "printed"], project)

    def test_a_failure_is_shown_and_never_an_empty_environment(self, project: Path) -> None:
        with pytest.raises(CommandFailed, match="exit code 3") as caught:
            gather(["sh", "-c", "echo a==1; echo broken >&2; exit 3"], project)
        assert caught.value.context == ("broken",)


class TestPaths:
    @pytest.mark.parametrize(
        ("line", "name"),
        [
            ("-e /builds/a", None),
            ("--editable=/builds/a", None),
            ("-e file:///builds/a#egg=a", "a"),
            ("-e git+file:///builds/a@0123#egg=a", "a"),
            ("-e ../a[extra]", None),
            ('-e file:///builds/a ; python_version >= "3.11"', None),
            ("a @ file:///builds/a", "a"),
            ("a[extra]@file:///builds/a-1.0-py3-none-any.whl", "a"),
            ('a @ file:///builds/a ; python_version >= "3.11"', "a"),
            ("a @ git+file:///builds/a@0123", "a"),
            ("a @ file:///croot/a_1/work", "a"),
            ("file:///builds/a-1.0.tar.gz", None),
            ("../a", None),
            ("/builds/a", None),
            ("~/a", None),
            ("a-1.0-py3-none-any.whl", None),
        ],
    )
    def test_each_way_to_write_a_path_is_refused(self, project: Path, line: str, name: str | None) -> None:
        with pytest.raises(InvalidRequirements) as caught:
            gather_printed(f"b==1\n{line}\n", project)
        assert refused(caught.value) == [f"2): `{name}`: `{line}`" if name else f"2): `{line}`"]

    @pytest.mark.parametrize(
        "line",
        [
            "a==1.0",
            "a",
            "a[b]>=1 ; python_version < '4'",
            "a (>=1)",
            "a @ https://files.example/a-1.0-py3-none-any.whl",
            f"a @ https://files.example/a-1.0.tar.gz#sha256={'0' * 64}",
            "a @ git+https://git.example/a.git@0123",
            "a===1.0-legacy",
        ],
    )
    def test_what_others_can_have_is_not(self, project: Path, line: str) -> None:
        assert asked_for(gather_printed(f"{line}\n", project)) == [str(Requirement(line))]

    def test_the_folder_of_the_project_and_those_in_it_are_the_project(self, project: Path) -> None:
        text = f"-e .\na @ {project.as_uri()}\n-e {project}/libraries/b\nc==1\n"
        gathered = gather_printed(text, project)
        assert asked_for(gathered) == ["c==1"]
        assert lines_of(gathered) == [4]

    def test_a_wheel_in_the_folder_of_the_project_is_a_package_of_its_own(self, project: Path) -> None:
        wheel(project / "wheels", "a")
        with pytest.raises(InvalidRequirements, match="paths that only this machine has"):
            gather_printed("a @ file:./wheels/a-1.0-py3-none-any.whl\n", project)

    @pytest.mark.parametrize(
        "comments",
        [
            "# Editable install with no version control (a==1.0)\n",
            "# Editable Git install with no remote (a==1.0)\n",
            "# Editable Git install (a==1.0) with either a deleted local remote or invalid URI:\n# '/gone'\n",
        ],
    )
    def test_the_comment_before_an_editable_path_names_it(self, project: Path, comments: str) -> None:
        assert asked_for(gather_printed(f"{comments}-e /builds/a\nb==1\n", project, exclude=["a"])) == ["b==1"]

    def test_a_comment_names_the_next_line_alone(self, project: Path) -> None:
        text = "# Editable install with no version control (a==1.0)\n-e /builds/a\n-e /builds/b\n"
        with pytest.raises(InvalidRequirements) as caught:
            gather_printed(text, project)
        assert refused(caught.value) == ["2): `a`: `-e /builds/a`", "3): `-e /builds/b`"]

    @pytest.mark.parametrize(
        ("line", "pin"),
        [
            (
                f"-e git+https://me:secret@git.example/a.git@{COMMIT}#egg=a",
                f"a @ git+https://git.example/a.git@{COMMIT}",
            ),
            (f"-e git+ssh://git@git.example/a.git@{COMMIT}#egg=a", f"a @ git+ssh://git@git.example/a.git@{COMMIT}"),
            (
                f"-e git+https://git.example/a.git@{COMMIT}#egg=a[b]&subdirectory=python/a",
                f"a[b] @ git+https://git.example/a.git@{COMMIT}#subdirectory=python/a",
            ),
            (
                f'-e git+https://git.example/a.git@{COMMIT}#egg=a ; python_version >= "3.11"',
                f'a @ git+https://git.example/a.git@{COMMIT} ; python_version >= "3.11"',
            ),
        ],
        ids=["credentials", "ssh", "subdirectory-and-extra", "marker"],
    )
    def test_an_editable_line_from_version_control_becomes_a_pin(self, project: Path, line: str, pin: str) -> None:
        gathered = gather_printed(f"\n{line}\n", project)
        assert asked_for(gathered) == [str(Requirement(pin))]
        assert lines_of(gathered) == [2]

    def test_what_conda_built_has_a_way_out_of_its_own(self, project: Path) -> None:
        with pytest.raises(InvalidRequirements) as caught:
            gather_printed("a @ file:///croot/a_1/work\n", project)
        assert "--format=freeze" in caught.value.hint

    def test_paths_and_invalid_lines_are_shown_at_once(self, project: Path) -> None:
        with pytest.raises(Problems) as caught:
            gather_printed("-e /builds/a\nno requirement at all\n", project)
        assert [type(error) for error in caught.value.errors] == [InvalidRequirements, CommandFailed]

    def test_what_is_no_requirement_is_a_failure_of_the_command(self, project: Path) -> None:
        with pytest.raises(CommandFailed) as caught:
            gather_printed("Usage: freeze [options]\n", project)
        assert caught.value.exit_code == 3
        assert caught.value.hint

    def test_a_refused_line_shows_no_credentials(self, project: Path) -> None:
        with pytest.raises(InvalidRequirements) as caught:
            gather_printed("-e git+file://me:secret@localhost/builds/a@0123#egg=a\n", project)
        assert "secret" not in str(caught.value.context)


class TestPoetry:
    """A script stands for poetry; it prints to the letter what poetry printed when it was run with such a project.

    The messages are those of poetry 2.5.1 (missing plugin, stale lock, path dependency) and 1.8.5
    (stale lock, which was a warning then).
    """

    EXPORT = "export --format=requirements.txt --without-hashes"

    def poetry(self, project: Path, stdout: str = "", stderr: str = "", code: int = 0) -> Gathered:
        (project / "pyproject.toml").write_text('[project]\nname = "demo-proj"\n')
        (project / "poetry.lock").touch()
        tools = project.parent / "tools"
        tools.mkdir()
        (tools / "out").write_text(stdout)
        (tools / "err").write_text(stderr)
        script = (
            f"#!/bin/sh\n[ \"$*\" = '{self.EXPORT}' ] || exit 99\ncat {tools}/out; cat {tools}/err >&2; exit {code}\n"
        )
        (tools / "poetry").write_text(script)
        (tools / "poetry").chmod(0o755)
        return gather("poetry_export", project, make_environment(project / ".venv"), path=tools)

    def test_its_requirements_are_read_with_their_markers(self, project: Path) -> None:
        printed = (
            'a==1.0 ; python_version >= "3.11"\n'
            'zlock==0.1 ; python_version >= "3.11"\n'
            '-e git+https://git.example/b.git@0123#egg=b ; python_version >= "3.11"\n'
        )
        gathered = self.poetry(project, printed)
        assert asked_for(gathered) == [
            'a==1.0; python_version >= "3.11"',
            'b @ git+https://git.example/b.git@0123 ; python_version >= "3.11"',
        ]
        assert gathered.described == f"poetry {self.EXPORT}"
        assert gathered.recorded

    def test_a_path_dependency_is_refused(self, project: Path) -> None:
        with pytest.raises(InvalidRequirements) as caught:
            self.poetry(project, '-e file:///builds/sub ; python_version >= "3.11"\n')
        assert refused(caught.value) == ['1): `-e file:///builds/sub ; python_version >= "3.11"`']

    def test_no_dependencies_are_an_error(self, project: Path) -> None:
        with pytest.raises(CommandFailed, match="printed no requirement"):
            self.poetry(project, "\n")

    @pytest.mark.parametrize(
        "stderr",
        [
            "\nThe requested command export does not exist.\n\nDocumentation: https://python-poetry.org/docs/cli/\n",
            "\nNo module named 'poetry_plugin_export'\n",
        ],
    )
    def test_a_missing_plugin_is_named(self, project: Path, stderr: str) -> None:
        with pytest.raises(CommandFailed) as caught:
            self.poetry(project, stderr=stderr, code=1)
        assert "poetry-plugin-export" in caught.value.hint

    @pytest.mark.parametrize(
        ("stderr", "code"),
        [
            (
                (
                    "\npyproject.toml changed significantly since poetry.lock was last generated. "
                    "Run `poetry lock` to fix the lock file.\n"
                ),
                1,
            ),
            (
                (
                    "Warning: poetry.lock is not consistent with pyproject.toml. You may be getting improper "
                    "dependencies. Run `poetry lock [--no-update]` to fix it.\n"
                ),
                0,
            ),
        ],
    )
    def test_a_stale_lock_is_an_error(self, project: Path, stderr: str, code: int) -> None:
        with pytest.raises(CommandFailed, match=r"`poetry\.lock` does not fit") as caught:
            self.poetry(project, "a==1.0\n", stderr, code)
        assert caught.value.hint == "run `poetry lock`"

    def test_a_missing_lock_is_not_written_by_poetry(self, project: Path) -> None:
        (project / "pyproject.toml").write_text('[project]\nname = "demo-proj"\n')
        with pytest.raises(InvalidRequirements, match=r"no `poetry\.lock`"):
            gather("poetry_export", project)

    def test_a_missing_poetry_is_named(self, project: Path) -> None:
        with pytest.raises(CommandFailed, match="`poetry` was not found") as caught:
            gather_local(
                "poetry_export",
                project=project,
                interpreter=make_environment(project / ".venv"),
                origin=Origin(source=Source.LOCAL),
                timeout=60,
                environ={"PATH": str(project)},
            )
        assert "poetry-plugin-export" in caught.value.hint


class TestInstalled:
    def test_an_interpreter_says_what_it_has(self, with_pip: Path, project: Path) -> None:
        (project / "json.py").write_text("raise SystemExit('a file of the project was imported')")
        environment = ask(with_pip, project=project, timeout=60, environ=os.environ)
        packages = environment.packages
        assert {name for name, one in packages.items() if one.requested} >= {"zlock", "asked", "demo"}
        assert not packages[canonicalize_name("engine")].requested
        assert list(map(str, packages[canonicalize_name("app")].requires)) == ["shared"]
        assert environment.markers["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"

    def test_what_an_interrupted_installation_left_is_passed_over(self, project: Path, tmp_path: Path) -> None:
        interpreter = make_environment(tmp_path / "environment")
        site = next((interpreter.parent.parent / "lib").glob("python*")) / "site-packages"
        (site / "broken-1.0.dist-info").mkdir()
        (site / "noise.pth").write_text("import sys; print('noise')\n")
        assert ask(interpreter, project=project, timeout=60, environ=os.environ).packages == {}

    @pytest.mark.parametrize(
        ("packages", "left_out"),
        [
            ({"zlock": ["a"], "a": ["b"], "b": []}, {"a", "b"}),
            ({"zlock": ["a"], "a": ["b"], "b": [], "app": ["b"]}, {"a"}),
            ({"zlock": ["a"], "a": ["b"], "b": ["a"]}, {"a", "b"}),
            ({"zlock": ["a"], "a": [], "app": ["zlock"]}, {"a"}),
            ({"zlock": ["a"], "a": [], "app": ['a; sys_platform == "linux"']}, set()),
            ({"zlock": ["a"], "a": [], "app": ['a; sys_platform == "win32"']}, {"a"}),
            ({"zlock": ['a; sys_platform == "win32"'], "a": []}, set()),
            ({"zlock": ["a[x]"], "a": ['b; extra == "x"', 'c; extra == "y"'], "b": [], "c": []}, {"a", "b"}),
            ({"zlock": ['a; extra == "x"'], "a": []}, {"a"}),
            ({"zlock": ["a"], "a": [], "app": ['a; extra == "x"', 'b; extra == "x"'], "b": []}, set()),
            ({"zlock": ["a"], "a": [], "app": ['a; extra == "x"', 'gone; extra == "x"']}, {"a"}),
            ({"zlock": ["a"], "a": ["zlock"]}, {"a"}),
            ({"a": ["b"], "b": []}, set()),
        ],
        ids=[
            "chain",
            "shared",
            "cycle",
            "project-that-needs-zlock",
            "marker-that-holds",
            "marker-that-does-not",
            "zlock-does-not-need-it-here",
            "extra-that-zlock-asks-for",
            "extra-of-zlock",
            "extra-that-is-installed",
            "extra-that-is-not",
            "plugin-of-zlock",
            "no-zlock",
        ],
    )
    def test_only_what_nothing_else_needs_is_zlocks(self, packages: dict[str, list[str]], left_out: set[str]) -> None:
        environment = Environment(
            markers={"sys_platform": "linux"},
            packages={
                canonicalize_name(name): InstalledPackage(
                    name=canonicalize_name(name),
                    requires=tuple(map(Requirement, requires)),
                    requested=name == "zlock",
                )
                for name, requires in packages.items()
            },
        )
        assert environment.needed_only_by(canonicalize_name("zlock")) == left_out

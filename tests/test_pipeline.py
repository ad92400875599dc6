"""Pipelines and steps: the decorators, and loading a pipeline file in a child process."""

import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, NamedTuple

import msgspec
import pytest

import zlock
from zlock import DockerSettings, pipeline, step
from zlock.errors import CommandFailed, InvalidConfiguration, InvalidPipeline, Problems, ZlockError
from zlock.settings.declared import DeclaredPipeline
from zlock.settings.load import load_pipeline
from zlock.settings.pipeline import Pipeline
from zlock.settings.placeholder import Placeholder

SOURCE_ROOT = Path(zlock.__file__).parents[1]

GIT = DockerSettings(apt_packages=["git"])


class Load:
    """Writes a pipeline file and loads it."""

    def __init__(self, project: Path) -> None:
        self.project = project

    def __call__(
        self, text: str, name: str = "", *, interpreter: str = sys.executable, timeout: float = 60
    ) -> DeclaredPipeline:
        (self.project / "pipe.py").write_text("from zlock import *\n" + dedent(text), encoding="utf-8")
        reference = f"pipe.py:{name}" if name else "pipe.py"
        return load_pipeline(reference, project=self.project, interpreter=interpreter, timeout=timeout)

    def error(self, text: str, name: str = "", **options: Any) -> ZlockError:
        with pytest.raises(ZlockError) as caught:
            self(text, name, **options)
        return caught.value


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)


def names(recorded: Pipeline[..., object]) -> list[str]:
    return [each.name for each in recorded.steps()]


# The decorators


def settings_of(declared: DeclaredPipeline) -> dict[str, DockerSettings]:
    return {step.name: step.settings for step in declared.steps}


def test_step_outside_a_pipeline_runs_the_function() -> None:
    @step(name="other")
    def double(number: int) -> int:
        """Double it."""
        return 2 * number

    assert double(4) == 8
    assert (double.__name__, double.__doc__, double.name) == ("double", "Double it.", "other")


def test_pipeline_records_its_steps_in_order_and_once() -> None:
    ran = []

    @step
    def first() -> int:
        ran.append("first")
        return 1

    @step(name="last")
    def second(number: int) -> None:
        ran.append(f"second {number}")

    @pipeline
    def both() -> None:
        second(first())
        second(first())

    assert names(both) == ["first", "last"]
    assert ran == []
    assert first() == 1


def test_required_parameters_are_placeholders_and_defaults_stay() -> None:
    seen: list[object] = []

    @pipeline
    def run(path: str, /, size: int, count: int = 3, *rest: int, flag: bool, **more: int) -> None:
        seen.extend([path, size, count, rest, flag, more])

    run.steps()

    assert [isinstance(value, Placeholder) for value in seen] == [True, True, False, False, True, False]
    assert seen[2:4] + seen[5:] == [3, (), {}]


def test_step_settings_lie_over_those_of_the_pipeline() -> None:
    @step(settings={"docker": {"requirements": ["b"]}, "resources": {"cpu": 1}}, enable_cache=False)
    def train() -> None: ...

    @pipeline(settings={"docker": DockerSettings(requirements=["a"], user="me")}, tags=["x"], model=object())
    def run() -> None:
        train()

    (recorded,) = run.steps()

    assert recorded.settings == DockerSettings(requirements=["b"], user="me")
    assert recorded.settings.where("requirements") == train.settings.where("requirements")


def test_nested_pipelines_give_their_steps_and_lay_their_settings_between() -> None:
    @step
    def prepare() -> None: ...

    @step(settings={"docker": {"user": "step"}})
    def train() -> None: ...

    @pipeline(settings={"docker": {"user": "inner", "system": True}})
    def inner() -> None:
        train()

    @pipeline(settings={"docker": {"user": "outer", "apt_packages": ["git"]}})
    def outer() -> None:
        inner()
        prepare()

    settings = {each.name: each.settings for each in outer.steps()}

    assert settings == {
        "train": DockerSettings(user="step", system=True, apt_packages=["git"]),
        "prepare": DockerSettings(user="outer", apt_packages=["git"]),
    }


def test_with_options_makes_another_one() -> None:
    @step(settings={"docker": {"user": "me"}})
    def train() -> None: ...

    other = train.with_options(name="other", settings={"docker": GIT}, enable_cache=True)

    assert (other.name, other.settings) == ("other", DockerSettings(user="me", apt_packages=["git"]))
    assert (train.name, train.settings) == ("train", DockerSettings(user="me"))

    @pipeline
    def run() -> None:
        train()
        other()

    assert names(run) == ["train", "other"]
    assert names(run.with_options(name="again", settings={"docker": GIT})) == ["train", "other"]


def test_two_steps_of_one_name_with_different_settings_are_refused() -> None:
    @step
    def train() -> None: ...

    @pipeline
    def run() -> None:
        train()
        train.with_options(settings={"docker": GIT})()

    with pytest.raises(InvalidPipeline, match="different settings are named `train`") as caught:
        run.steps()
    assert "with_options(name=" in caught.value.hint


def test_a_failing_pipeline_leaves_no_pipeline_running() -> None:
    @step
    def train() -> int:
        return 5

    @pipeline
    def run() -> None:
        train()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # it is our own
        run()
    assert train() == 5


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"setings": {}}, "did you mean `settings`?"),
        ({"nam": "x"}, "did you mean `name`?"),
        ({"settings": {"Docker": GIT}}, "did you mean `docker`?"),
        ({"settings": {"dokcer": {}}}, "did you mean `docker`?"),
        ({"settings": {"image": GIT}}, 'the key is `"docker"`'),
        ({"settings": GIT}, 'write `settings={"docker": ...}`'),
        ({"docker": {}}, 'write `settings={"docker": ...}`'),
        ({"settings": {"docker": {"apt-packages": ["git"]}}}, "did you mean `apt_packages`?"),
    ],
)
@pytest.mark.parametrize("decorator", [step, pipeline])
def test_near_misses_are_errors_with_the_close_name_and_the_place(
    decorator: Callable[..., Any], options: dict[str, Any], hint: str
) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        decorator(**options)

    assert caught.value.hint == hint
    assert Path(__file__).name in caught.value.context[-1]


@pytest.mark.parametrize(
    "name",
    [
        *("enable_cache", "enable_artifact_metadata", "enable_step_logs", "extra", "tags", "model", "retry", "runtime"),
        *("on_failure", "on_success", "substitutions", "execution_mode", "environment", "secrets", "group"),
        *("experiment_tracker", "step_operator", "output_materializers", "cache_policy", "schedule"),
    ],
)
def test_arguments_and_settings_keys_of_frameworks_are_no_near_misses(name: str) -> None:
    options: dict[str, Any] = {name: {}}
    step(**options)
    step(settings={name: {}, f"{name}.flavor": {}})


def test_several_mistakes_in_a_decorator_come_at_once() -> None:
    with pytest.raises(Problems) as caught:
        step(name=3, settings={"docker": {"user": "", "system": 1}})  # type: ignore[call-overload]

    assert len(caught.value.errors) == 3


def test_decorators_refuse_what_is_no_function() -> None:
    with pytest.raises(InvalidConfiguration, match="`@step` stands over a string"):
        step("name")  # type: ignore[call-overload]
    with pytest.raises(InvalidConfiguration):
        step(type("Step", (), {}))


def test_asynchronous_pipelines_are_refused() -> None:
    """Calling one would run nothing, and so find no steps."""
    with pytest.raises(InvalidPipeline, match="`run` is asynchronous"):

        @pipeline
        async def run() -> None: ...


# Placeholders


class Pair(NamedTuple):
    left: int
    right: int


def inside(function: Callable[[], object]) -> None:
    """Run a function as a pipeline."""
    pipeline(function).steps()


def test_placeholders_go_anywhere() -> None:
    @step
    def load() -> Any: ...

    @step
    def use(*_values: Any) -> None: ...

    def run() -> None:
        data = load()
        use(data, data.rows, data["train"], data.head(3).columns[0], [data], {"a": data}, f"{data}")
        assert repr(data) == "<what `load` returns>"
        assert not hasattr(data, "__array__")

    inside(run)


@pytest.mark.parametrize(
    "annotation",
    [
        tuple[int, str],
        "tuple[int, str]",
        "typing.Tuple[Unknown, 'str']",
        Annotated[tuple[int, str], "both"],
        "Annotated[Tuple[Annotated[Unknown, 'left'], str], 'both']",
        Pair,
    ],
)
def test_tuples_of_known_length_can_be_unpacked(annotation: object) -> None:
    def load() -> Any: ...

    load.__annotations__["return"] = annotation
    both = step(load)

    def run() -> None:
        left, right = both()
        assert [*map(repr, (left, right))] == ["<what `load` returns[0]>", "<what `load` returns[1]>"]
        assert len(both()) == 2

    inside(run)


def test_tuples_inside_tuples_can_be_unpacked() -> None:
    @step
    def load() -> tuple[int, tuple[str, str, str]]: ...  # type: ignore[empty-body]

    def run() -> None:
        _, (_, _, last) = load()
        assert repr(last) == "<what `load` returns[1][2]>"

    inside(run)


@pytest.mark.parametrize("annotation", [None, "tuple[int, ...]", tuple[int, ...], "list[int]", "not python ("])
def test_unpacking_an_unknown_length_says_how(annotation: object) -> None:
    def load() -> Any: ...

    load.__annotations__["return"] = annotation
    unknown = step(load)

    def run() -> None:
        _left, _right = unknown()

    with pytest.raises(InvalidPipeline, match="can't be unpacked") as caught:
        inside(run)
    assert "annotate the return type of `load`" in caught.value.hint


def test_looping_over_a_parameter_says_how() -> None:
    @pipeline
    def run(parts: list[int]) -> None:
        for _ in parts:
            pass

    with pytest.raises(InvalidPipeline) as caught:
        run.steps()
    assert caught.value.hint == "give the parameter `parts` a default value"


@pytest.mark.parametrize(
    "decide",
    [
        bool,
        int,
        float,
        range,
        lambda value: value > 0.9 and True,
        lambda value: 1 if value == "good" else 2,
        lambda value: 1 if value.ready else 2,
        lambda value: not value,
    ],
)
def test_a_decision_on_a_placeholder_is_an_error(decide: Callable[[Any], object]) -> None:
    @step
    def score() -> Any: ...

    with pytest.raises(InvalidPipeline, match="exists only when the pipeline runs"):
        inside(lambda: decide(score()))


# Loading a file


def test_one_pipeline_is_found_with_its_steps_and_places(load: Load) -> None:
    declared = (
        load("""
        import helper

        @step(settings={"docker": helper.settings})
        def train(): ...

        @pipeline(name="training", settings={"docker": DockerSettings(user="me")})
        def run():
            train()

        if __name__ == "__main__":
            raise SystemExit("this part is for running the file")
        """)
        if (load.project / "helper.py").write_text(
            "from zlock import DockerSettings\n\nsettings = DockerSettings(requirements='needs.txt')\n"
        )
        else None
    )

    assert declared is not None
    file = str(load.project / "pipe.py")
    assert (declared.name, declared.place) == ("training", (file, 8))
    assert [(each.name, each.place) for each in declared.steps] == [("train", (file, 5))]
    settings = settings_of(declared)["train"]
    assert settings == DockerSettings(user="me", requirements="needs.txt")
    assert settings.where("user") == (file, 8)
    assert settings.where("requirements") == (str(load.project / "helper.py"), 3)
    assert declared.files == (str(load.project / "helper.py"), file)


def test_project_folder_and_the_files_own_folder_are_on_the_path(tmp_path: Path) -> None:
    for name, text in {
        "common.py": "PACKAGES = ['git']",
        "flows/near.py": "USER = 'me'",
        "flows/pipe.py": """
            import os, common, near
            from zlock import pipeline
            @pipeline(settings={"docker": {"apt_packages": common.PACKAGES, "user": near.USER}})
            def run():
                assert os.getcwd() == os.path.dirname(common.__file__)
            """,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")

    declared = load_pipeline("flows/pipe.py:run", project=tmp_path, interpreter=sys.executable)

    assert declared.settings == DockerSettings(apt_packages=["git"], user="me")


def test_several_pipelines_need_a_name(load: Load) -> None:
    text = """
        @pipeline
        def first(): ...

        @pipeline(name="the-second")
        def second(): ...

        alias = second
        """

    error = load.error(text)

    assert isinstance(error, InvalidPipeline)
    assert error.message == "`pipe.py` holds 2 pipelines"
    assert "`pipe.py:first`, `pipe.py:second`" in error.hint
    assert load(text, "second").name == load(text, "the-second").name == load(text, "alias").name == "the-second"
    assert load.error(text, "secnd").hint.startswith("did you mean `second`")


def test_an_imported_pipeline_does_not_count_beside_one_of_the_file(load: Load) -> None:
    (load.project / "inner.py").write_text("from zlock import pipeline\n@pipeline\ndef inner(): ...\n")

    assert load("from inner import inner\n@pipeline\ndef outer():\n    inner()").name == "outer"
    assert load("from inner import inner").name == "inner"


def test_a_file_with_only_steps(load: Load) -> None:
    text = """
        @step
        def prepare(): ...

        @step(settings={"docker": {"user": "me"}})
        def train(): ...
        """

    assert settings_of(load(text)) == {"prepare": DockerSettings(), "train": DockerSettings(user="me")}
    assert settings_of(load(text, "train")) == {"train": DockerSettings(user="me")}
    assert load(text).name is None
    assert "did you mean `train`?" in load.error(text, "trian").hint


def test_a_step_named_in_a_file_with_a_pipeline_is_refused_with_the_way_out(load: Load) -> None:
    error = load.error("@step\ndef train(): ...\n@pipeline\ndef run(): ...\n", "train")

    assert "is a step" in error.message
    assert "`pipe.py:run`" in error.hint
    assert "`--step`" in error.hint


def test_steps_of_one_name_in_a_file_without_pipeline_are_refused(load: Load) -> None:
    error = load.error("""
        @step
        def train(): ...

        @step(name="train", settings={"docker": {"user": "me"}})
        def other(): ...
        """)

    assert "different settings are named `train`" in error.message
    assert error.context == ("defined at pipe.py:3", "and at pipe.py:6")


def test_nothing_in_the_file(load: Load) -> None:
    error = load.error("x = 1")

    assert error.message == "`pipe.py` holds no pipeline and no step"
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "import no_such_module\nfit()"),
        ("", "def train(): ...\nif __name__ == '__main__': train()"),
        ("", "from helper import read"),
        ("", "from .helper import read"),
        ("", "import sklearn.pipeline\nmodel = sklearn.pipeline.Pipeline([])"),
        ("train", "def train(): ...\ntrain()"),
        ("train", "from helper import read\nclass train: ..."),
    ],
)
def test_a_script_is_not_run(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "helper.py").write_text("import os\ndef read(): ...\n")
    (tmp_path / "train.v2.py").write_text(f"open('was-run', 'w').close()\n{text}\n")

    with pytest.raises(InvalidPipeline, match=r"`train.v2.py` is a script and not a pipeline") as caught:
        load_pipeline(f"train.v2.py:{name}".rstrip(":"), project=tmp_path, interpreter=sys.executable)

    assert "`[steps.train-v2.docker]`" in caught.value.hint
    assert "`train.v2.py:NAME`" in caught.value.hint
    assert not (tmp_path / "was-run").exists()


OWN = "import zlock\n@zlock.pipeline\ndef run(): ...\n"


@pytest.mark.parametrize(
    ("name", "text", "imported"),
    [
        ("", "from flows.training import run", {"flows/training.py": OWN}),
        ("", "from flows import training\nrun = training.run", {"src/flows/training.py": OWN}),
        ("", "import flows as f\nrun = f.run", {"flows/__init__.py": "from .training import *\n"}),
        ("", "from made import pipeline\n@pipeline\ndef run(): ...", {"site/made.py": "from zlock import pipeline\n"}),
        ("run", "from company import run", {"site/company.py": OWN}),
        ("run", "from company import other as run", {"site/company.py": OWN + "other = run\n"}),
        ("run", "from company import *", {"site/company.py": OWN}),
        ("run", "import company\nrun = company.run", {"site/company.py": OWN}),
        (
            "run",
            "from made import flow\n@flow\ndef run(): ...",
            {"site/made.py": "from zlock import pipeline as flow"},
        ),
        ("", "from company import run", {"site/company.py": OWN}),
    ],
)
def test_a_pipeline_may_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, imported: dict[str, str]
) -> None:
    for path, content in {"flows/training.py": OWN, **imported, "train.py": text}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    inside = os.pathsep.join([str(tmp_path / folder) for folder in ("src", "site")])
    monkeypatch.setenv("PYTHONPATH", f"{inside}{os.pathsep}{SOURCE_ROOT}")

    found = load_pipeline(f"train.py:{name}".rstrip(":"), project=tmp_path, interpreter=sys.executable)

    assert found.name == "run"


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("pip.py", "pipeline file `pip.py` does not exist", "did you mean `pipe.py`?"),
        ("pip.py:run", "pipeline file `pip.py` does not exist", "did you mean `pipe.py`?"),
        (
            "flows.train",
            "pipeline file `flows.train` does not exist",
            "name the file, not the module: `flows/train.py`; a step is chosen with `--step`",
        ),
        ("flows", "pipeline file `flows` is a folder", "a relative path counts from the project folder"),
        ("pipe.py:", "`pipe.py:` names nothing after the colon", "write `pipe.py` or `pipe.py:name`"),
        ("", "pipeline file `` is a folder", "a relative path counts"),
        ("..", "pipeline file `..` is a folder", "a relative path counts"),
        ("a\0.py", "the name of a pipeline file can't hold a null character", ""),
        ("trainer", "pipeline file `trainer` does not exist", "a step is chosen with `--step trainer`"),
        ("needs.txt", "`needs.txt` is not a Python file", "begin a configuration that reads it: `zlock init --from"),
    ],
)
def test_a_missing_file(tmp_path: Path, reference: str, message: str, hint: str) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "train.py").touch()
    (tmp_path / "pipe.py").touch()
    (tmp_path / "needs.txt").write_text("six\n")

    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(reference, project=tmp_path, interpreter=sys.executable)

    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_a_merge_conflict_in_a_pipeline_file_is_to_be_resolved_first(load: Load) -> None:
    error = load.error("x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> other\n")

    assert isinstance(error, InvalidPipeline)
    assert error.hint == "resolve the merge conflict in it first"


def test_a_syntax_error_has_its_line(load: Load) -> None:
    error = load.error("x = 1\ndef broken(:\n    pass")

    assert isinstance(error, InvalidPipeline)
    assert error.message.startswith("`pipe.py` is not valid Python: ")
    assert error.context[-1] == "pipe.py:3: def broken(:"


@pytest.mark.parametrize("content", [b"\x00\x01", b"\xff\xfe\x00", b"# coding: nonsense\n", b"\x89PNG\r\n"])
def test_a_file_that_is_not_python(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pipe.py").write_bytes(content)

    with pytest.raises(InvalidPipeline, match=r"is not (a|valid) Python"):
        load_pipeline("pipe.py", project=tmp_path, interpreter=sys.executable)


def test_a_file_that_raises_shows_the_lines_of_user_code(load: Load) -> None:
    (load.project / "helper.py").write_text("import json\n\ndef read():\n    json.loads('{')\n")

    error = load.error("import helper\nhelper.read()")

    assert isinstance(error, InvalidPipeline)
    assert error.message.startswith("`pipe.py` raises `JSONDecodeError: ")
    assert error.context == ("pipe.py:3 in <module>: helper.read()", "helper.py:4 in read: json.loads('{')")


def test_an_exception_that_can_not_be_shown(load: Load) -> None:
    error = load.error("""
        class Odd(Exception):
            def __str__(self):
                raise ValueError

        raise Odd
        """)

    assert error.message == "`pipe.py` raises `Odd`"


def test_a_missing_module_comes_with_the_way_out(load: Load) -> None:
    assert "inside the steps that use it" in load.error("import no_such_module.part").hint
    (load.project / "shared").mkdir()
    (load.project / "shared" / "training.py").write_text("", encoding="utf-8")
    assert load.error("import shared.trainings").hint == "did you mean `shared.training`?"


def test_mistakes_in_settings_come_through_as_they_are(load: Load) -> None:
    error = load.error("x = DockerSettings(apt_packages='git',\n    requirments=['a'])")

    assert isinstance(error, Problems)
    assert {type(each) for each in error.errors} == {InvalidConfiguration}
    assert [each.message.partition(":")[0] for each in error.errors] == [
        "`apt_packages`",
        "unknown key `requirments`",
    ]
    assert {each.context for each in error.errors} == {("stated in pipe.py:2",)}
    assert error.errors[1].hint.startswith("did you mean `requirements`")


def test_a_decision_in_the_pipeline_shows_its_line(load: Load) -> None:
    error = load.error("@step\ndef score(): ...\n@pipeline\ndef run():\n    if score():\n        pass")

    assert isinstance(error, InvalidPipeline)
    assert error.context == ("pipe.py:6 in run: if score():",)


@pytest.mark.parametrize("call", ["sys.exit()", "sys.exit('why')", "raise SystemExit(0)"])
def test_sys_exit_is_an_error(load: Load, call: str) -> None:
    error = load.error(f"import sys\n{call}\n@pipeline\ndef run(): ...")

    assert error.message == "`pipe.py` calls `sys.exit`"
    assert error.context == (f"pipe.py:3 in <module>: {call}",)
    assert error.exit_code == 2


def test_a_file_that_ends_the_process(load: Load) -> None:
    assert load.error("import os\nos._exit(0)").message == "`pipe.py` ends its process (exit code 0)"
    killed = load.error("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert killed.message == "`pipe.py` ends its process (signal SIGKILL)"


def test_reading_standard_input_does_not_wait(load: Load) -> None:
    assert "raises `EOFError" in load.error("input()").message


def test_what_the_file_prints_goes_to_standard_error_and_breaks_nothing(load: Load) -> None:
    (load.project / "pipe.py").write_text(
        dedent("""
        import atexit, os, sys, threading, time
        from zlock import pipeline, step

        print("x" * 1_000_000)
        sys.__stdout__.write("python\\n")
        os.write(1, b"descriptor\\n")
        os.system("echo shell")
        atexit.register(print, "atexit")
        threading.Thread(target=time.sleep, args=[3600]).start()

        @pipeline
        def run():
            print("pipeline")
        """)
    )
    script = "import sys, pathlib; from zlock.settings.load import load_pipeline as load; "
    script += "print(load('pipe.py', project=pathlib.Path.cwd(), interpreter=sys.executable).name)"

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=load.project,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "run\n"
    assert {"python", "descriptor", "shell", "pipeline", "atexit"} <= set(done.stderr.split())


def test_a_user_folder_that_shadows_modules_does_not_break_the_child(load: Load) -> None:
    for name in ("json.py", "packaging.py", "difflib.py"):
        (load.project / name).write_text("raise RuntimeError('the wrong one')\n")

    declared = load("@pipeline(settings={'docker': {'requirements': ['a; python_version > \"3\"']}})\ndef run(): ...")

    assert declared.settings.effective().requirements == ('a; python_version > "3"',)


def wait_for(path: Path) -> str:
    """Wait until another process has written a file."""
    for _ in range(3000):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def is_running(process: int) -> bool:
    """Tell whether a process lives; a zombie doesn't."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")


def ends(process: int) -> bool:
    """Wait for the end of a process."""
    for _ in range(200):
        if not is_running(process):
            return True
        time.sleep(0.05)
    return False


HANG = """
    import os, subprocess, time
    child = subprocess.Popen(["sleep", "3600"])
    with open("pids.part", "w") as stream:
        stream.write(f"{os.getpid()} {child.pid}")
    os.rename("pids.part", "pids")
    time.sleep(3600)
    """


def test_a_file_that_hangs_is_killed_with_all_it_started(load: Load) -> None:
    error = load.error(HANG, timeout=3)

    assert isinstance(error, CommandFailed)
    assert error.message == "`pipe.py` did not finish within 3 seconds"
    assert all(ends(int(process)) for process in (load.project / "pids").read_text().split())


def test_a_file_that_forks_is_answered_once(load: Load, capfd: pytest.CaptureFixture[str]) -> None:
    declared = load("""
        import os
        if os.fork():
            os.wait()
        @step
        def train(): ...
        """)

    assert [step.name for step in declared.steps] == ["train"]
    assert capfd.readouterr().err == ""


def test_interrupting_zlock_ends_the_child(load: Load) -> None:
    (load.project / "pipe.py").write_text("import zlock\n" + dedent(HANG))
    script = "import sys, pathlib; from zlock.settings.load import load_pipeline as load; "
    script += "load('pipe.py', project=pathlib.Path.cwd(), interpreter=sys.executable)"
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=load.project,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )

    processes = wait_for(load.project / "pids").split()
    parent.send_signal(signal.SIGINT)
    _, shown = parent.communicate(timeout=60)

    assert shown.count("KeyboardInterrupt") == 1
    assert all(ends(int(process)) for process in processes)


# The interpreter


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make an interpreter that has no zlock."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, symlinks=True)
    return str(folder / "bin" / "python")


PROBE = "import sys\n@pipeline(settings={'docker': {'dockerfile': sys.prefix}})\ndef run(): ..."


def test_what_reads_a_pipeline_file_needs_the_standard_library_alone() -> None:
    folder = Path(zlock.__file__).parents[1]
    modules = "zlock.settings.child, zlock.frameworks.zenml.before, zlock.frameworks.zenml.reader"
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import {modules}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_an_interpreter_without_zlock_is_replaced_by_the_own_one(
    load: Load, other_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)

    assert load(PROBE, interpreter=other_python).settings == DockerSettings(dockerfile=sys.prefix)
    error = load.error("import no_such_module", interpreter=other_python)
    assert f"`{other_python}` has no zlock" in error.context[-1]


def test_an_interpreter_with_zlock_is_used(load: Load, other_python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (SOURCE_ROOT, Path(msgspec.__file__).parents[1]))))

    assert load(PROBE, interpreter=other_python).settings == DockerSettings(
        dockerfile=str(Path(other_python).parents[1])
    )


def test_an_interpreter_with_another_protocol_is_replaced(
    load: Load, other_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    (other / "zlock" / "settings").mkdir(parents=True)
    (other / "zlock" / "__init__.py").touch()
    (other / "zlock" / "settings" / "child.py").write_text("PROTOCOL = 99\n")
    monkeypatch.setenv("PYTHONPATH", str(other))

    assert load(PROBE, interpreter=other_python).settings == DockerSettings(dockerfile=sys.prefix)


def test_an_interpreter_that_does_not_exist(load: Load) -> None:
    error = load.error(PROBE, interpreter="/no/such/python")

    assert isinstance(error, CommandFailed)
    assert error.message.startswith("`/no/such/python` can't be started: ")

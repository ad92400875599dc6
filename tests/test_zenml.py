"""Pipelines of ZenML, read as they stand in the project's interpreter, which has ZenML and mostly no zlock."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import zlock
from test_mission_page import BLOCKS, EXPECTED
from zlock import DockerSettings
from zlock.errors import InvalidConfiguration, InvalidInput, InvalidPipeline, ZlockError
from zlock.settings.declared import DeclaredPipeline
from zlock.settings.load import load_pipeline
from zlock.settings.location import Location

HEAD = "from zenml import pipeline, step\nfrom zenml.config import DockerSettings\n"
SOURCE_ROOT = Path(zlock.__file__).parents[1]


class Load:
    """Writes a pipeline file and loads it."""

    def __init__(self, folder: Path, interpreter: Path) -> None:
        self.folder = folder
        self.interpreter = str(interpreter)

    def __call__(self, text: str, *, head: str = HEAD, run: str = "", name: str = "") -> DeclaredPipeline:
        """Load a pipeline, configured by the YAML of a run if there is one."""
        (self.folder / "pipe.py").write_text(head + dedent(text), encoding="utf-8")
        config = None
        if run:
            config = self.folder / "run.yaml"
            config.write_text(dedent(run), encoding="utf-8")
        reference = f"pipe.py:{name}" if name else "pipe.py"
        return load_pipeline(reference, project=self.folder, interpreter=self.interpreter, config=config)

    def error(self, text: str, **options: Any) -> ZlockError:
        with pytest.raises(ZlockError) as caught:
            self(text, **options)
        return caught.value


@pytest.fixture
def load(tmp_path: Path, zenml: Path) -> Load:
    return Load(tmp_path, zenml)


def settings_of(declared: DeclaredPipeline) -> dict[str, DockerSettings]:
    return {step.name: step.settings for step in declared.steps}


def of_zenml(text: str) -> str:
    """Change the imports of a block of the page to ZenML's."""
    text = text.replace(
        "from zlock import DockerSettings,", "from zenml.config import DockerSettings\nfrom zenml import"
    )
    return text.replace("from zlock.integrations import", "from zenml.integrations.constants import")


# The blocks of the framework's page


@pytest.mark.parametrize("block", sorted(EXPECTED))
def test_a_block_with_zenmls_imports_declares_its_settings(load: Load, block: str) -> None:
    (load.folder / "requirements.txt").write_text("torch\n")
    expected = dict(EXPECTED[block])
    if block == "requirements_file":
        expected["requirements"] = str(load.folder / "requirements.txt")

    declared = load(of_zenml((BLOCKS / f"{block}.py").read_text()), head="")

    settings = declared.steps[0].settings if block == "step_settings" else declared.settings
    assert settings == DockerSettings(**expected)
    assert declared.maker == "zenml"
    assert (declared.name, [step.name for step in declared.steps]) == (
        (None, ["my_training_step"]) if block == "step_settings" else ("my_pipeline", [])
    )


# How settings come together

MERGED = """
    @step(settings={"docker": DockerSettings(requirements=["torch"], environment={"A": "step"})})
    def train(a: int) -> int:
        return a

    @step
    def load() -> int:
        return 1

    @pipeline(settings={"docker": {"apt_packages": ["git"], "environment": {"A": "pipeline", "B": 1}}})
    def run(times: int):
        first = train.with_options(settings={"docker": {"requirements": ["jax"]}})(load())
        train(first)
"""
RUN = """
    parameters:
      times: 2
    settings:
      docker:
        environment:
          C: run
    steps:
      train_2:
        settings:
          docker:
            apt_packages: [curl]
"""


@pytest.mark.parametrize("interpreter", ["zenml", "oldest_zenml"])
def test_settings_come_together_as_zenml_merges_them(
    tmp_path: Path, interpreter: str, request: pytest.FixtureRequest
) -> None:
    declared = Load(tmp_path, request.getfixturevalue(interpreter))(MERGED, run=RUN)

    around: dict[str, str | int] = {"A": "pipeline", "B": 1, "C": "run"}
    assert declared.settings == DockerSettings(apt_packages=["git"], environment=around)
    assert settings_of(declared) == {
        "load": declared.settings,
        "train": DockerSettings(requirements=["jax"], apt_packages=["git"], environment={**around, "A": "step"}),
        "train_2": DockerSettings(requirements=["torch"], apt_packages=["curl"], environment={**around, "A": "step"}),
    }
    assert [step.place for step in declared.steps] == [(str(tmp_path / "pipe.py"), line) for line in (8, 4, 4)]
    assert declared.files == (str(tmp_path / "pipe.py"), str(tmp_path / "run.yaml"))


def test_settings_of_a_nested_pipeline_do_not_count(load: Load) -> None:
    declared = load(
        """
        @step
        def one() -> None: ...

        @pipeline(settings={"docker": DockerSettings(requirements=["inner"])})
        def inner():
            one()

        @pipeline(settings={"docker": DockerSettings(requirements=["outer"])})
        def outer():
            inner()
        """,
        name="outer",
    )

    assert settings_of(declared) == {"one": DockerSettings(requirements=["outer"])}


def test_an_empty_path_is_none(load: Load) -> None:
    declared = load("@step(settings={'docker': DockerSettings(requirements='', pyproject_path='')})\ndef one(): ...")

    assert settings_of(declared) == {"one": DockerSettings()}


def test_configure_counts_and_an_empty_list_replaces_one(load: Load) -> None:
    declared = load(
        """
        @step
        def one() -> None: ...

        @pipeline(settings={"docker": DockerSettings(requirements=["a"], apt_packages=["git"])})
        def run():
            one()

        one.configure(settings={"docker": DockerSettings(requirements=[])})
        run.configure(settings={"docker": {"python_package_installer": "uv"}})
        """
    )

    assert settings_of(declared) == {
        "one": DockerSettings(requirements=[], apt_packages=["git"], python_package_installer="uv")
    }


def test_the_file_that_a_pipeline_names_itself_configures_it(load: Load) -> None:
    (load.folder / "own.yaml").write_text("parameters: {size: 1}\nsettings: {docker: {requirements: [six]}}\n")

    declared = load(
        """
        @step
        def one(size: int) -> None: ...

        @pipeline
        def run(size: int):
            one(size)

        configured = run.with_options(config_path="own.yaml")
        """,
        name="configured",
    )

    assert settings_of(declared) == {"one": DockerSettings(requirements=["six"])}
    assert str(load.folder / "own.yaml") in declared.files


def test_a_dynamic_pipeline_has_the_steps_that_it_depends_on(load: Load) -> None:
    declared = load(
        """
        @step(settings={"docker": DockerSettings(requirements=["six"])})
        def one() -> None: ...

        @step
        def two() -> None: ...

        @pipeline(dynamic=True, depends_on=[one])
        def run():
            one()
            two()
        """
    )

    assert settings_of(declared) == {"one": DockerSettings(requirements=["six"]), "run": DockerSettings()}
    assert declared.own_image == "run"
    assert "`depends_on` names: `one`" in declared.notes[0]


def test_a_pipeline_that_its_orchestrator_runs_in_an_image_has_one(load: Load) -> None:
    declared = load(
        """
        @step
        def run() -> None: ...

        @pipeline(settings={
            "orchestrator": {"always_build_pipeline_image": True},
            "docker": DockerSettings(requirements=["six"]),
        })
        def run_all():
            run()
        """
    )

    assert settings_of(declared) == dict.fromkeys(("run", "run_all"), DockerSettings(requirements=["six"]))
    assert declared.own_image == "run_all"
    renamed = replace(declared, name="run", steps=declared.steps[:1], own_image="").with_own_image()
    assert (renamed.own_image, renamed.steps[1].name) == ("run-pipeline", "run-pipeline")


def test_variables_of_the_machine_are_put_in_as_zenml_does(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "vision")

    declared = load(
        """
        @step(settings={"docker": DockerSettings(target_repository="${TEAM}/train")})
        def one() -> None: ...
        """
    )

    assert settings_of(declared) == {"one": DockerSettings(target_repository="vision/train")}


def test_hooks_and_materializers_are_left_to_the_run(load: Load, capfd: pytest.CaptureFixture[str]) -> None:
    """ZenML looks up what they are when they are set, and asks its server which code repository has them."""
    (load.folder / "hooks").mkdir()
    (load.folder / "hooks" / "alerts.py").write_text(
        "def alert(error: BaseException) -> None: ...\ndef cheer() -> None: ...\n"
    )
    (load.folder / "flows").mkdir()
    (load.folder / "flows" / "nightly.py").write_text(
        HEAD
        + dedent(
            """
            from hooks.alerts import alert
            from zenml.materializers.base_materializer import BaseMaterializer

            print("imported")

            def done() -> None: ...

            class Own: ...

            class OwnMaterializer(BaseMaterializer):
                ASSOCIATED_TYPES = (Own,)

            @step(on_failure=alert, on_success=done, output_materializers=OwnMaterializer)
            def one() -> Own: ...

            @pipeline(on_init=done, on_failure=alert, on_success="hooks.alerts.cheer")
            def nightly():
                one.with_options(on_failure=alert)()
            """
        )
    )

    declared = load_pipeline("flows/nightly.py", project=load.folder, interpreter=load.interpreter)

    assert [step.name for step in declared.steps] == ["one"]
    assert capfd.readouterr().err.count("imported") == 1


def test_a_component_of_the_active_stack_has_a_name(load: Load) -> None:
    """Which steps of ZenML's own templates are given, after they have seen that it is of the right kind."""
    text = """
        from zenml.client import Client
        from zenml.experiment_trackers.base_experiment_tracker import BaseExperimentTracker
        from zenml.model_deployers import BaseModelDeployer

        tracker = Client().active_stack.experiment_tracker
        deployer = Client().active_stack.model_deployer
        if not tracker or not isinstance(tracker, BaseExperimentTracker) or not isinstance(deployer, BaseModelDeployer):
            raise RuntimeError("the active stack needs an experiment tracker and a model deployer")

        @step(experiment_tracker=tracker.name, settings={"docker": DockerSettings(requirements=["alpha"])})
        def train() -> None: ...

        @pipeline
        def run(): train()
    """

    assert settings_of(load(text))["train"].requirements == ("alpha",)


def test_a_relative_path_counts_from_the_project_else_from_the_file(load: Load) -> None:
    (load.folder / "flows").mkdir()
    for place in ("requirements.txt", "flows/requirements.txt", "flows/beside.txt"):
        (load.folder / place).write_text("six\n")
    text = HEAD + dedent(
        """
        @step(settings={"docker": DockerSettings(requirements="requirements.txt")})
        def one() -> None: ...

        @step(settings={"docker": DockerSettings(requirements="beside.txt")})
        def two() -> None: ...
        """
    )
    (load.folder / "flows" / "pipe.py").write_text(text)

    declared = load_pipeline("flows/pipe.py", project=load.folder, interpreter=load.interpreter)

    assert [step.settings.effective().requirements_file for step in declared.steps] == [
        load.folder / "requirements.txt",
        load.folder / "flows" / "beside.txt",
    ]


# Interpreters


def test_zlock_in_the_environment_of_zenml_reads_it_too(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE_ROOT))

    assert load(MERGED, run=RUN).maker == "zenml"


def test_reading_leaves_nothing_behind(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))

    load(MERGED, run=RUN)

    assert list(home.iterdir()) == []


def make_bare(folder: Path) -> Path:
    """Make an environment with nothing in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder / "env")], check=True)
    return folder / "env" / "bin" / "python"


def fake_zenml(folder: Path, text: str) -> Path:
    """Make an environment whose zenml is a text; what else ZenML brings is not there."""
    python = make_bare(folder)
    packages = next((folder / "env" / "lib").glob("python*")) / "site-packages" / "zenml"
    packages.mkdir()
    (packages / "__init__.py").write_text(text)
    return python


def test_zenml_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    error = Load(tmp_path, fake_zenml(tmp_path, "import no_such_module\n")).error("")

    assert isinstance(error, InvalidPipeline)
    assert "raises `ModuleNotFoundError: No module named 'no_such_module'`" in error.message
    assert error.hint == "`zenml` of `env/bin/python` can't be imported itself: install it again"


def test_zenml_that_is_not_there_is_named_with_the_environment(tmp_path: Path) -> None:
    error = Load(tmp_path, make_bare(tmp_path)).error("")

    assert isinstance(error, InvalidPipeline)
    assert "No module named 'zenml'" in error.message
    assert "`uv pip install --python env/bin/python zenml`" in error.hint


def test_what_zlocks_own_interpreter_lacks_is_not_to_be_installed_there(tmp_path: Path) -> None:
    error = Load(tmp_path, make_bare(tmp_path)).error("from no_such_module import step\n@step\ndef one(): ...", head="")

    assert error.hint == (
        "`env/bin/python` has neither zlock nor `zenml`, so zlock's own interpreter ran the file: for a pipeline of "
        "ZenML, `uv pip install --python env/bin/python zenml`"
    )


def test_zenml_that_is_too_old_is_refused(load: Load) -> None:
    error = load.error("import zenml\nzenml.__version__ = '0.94.2'\n@step\ndef one() -> None: ...")

    assert isinstance(error, InvalidPipeline)
    assert error.message.startswith("zenml 0.94.2 is too old")


# Bad input


@pytest.mark.parametrize(
    ("text", "kind", "message", "hint"),
    [
        (
            "@step(settings={'docker': 'x'})\ndef one() -> None: ...",
            InvalidConfiguration,
            "`settings.docker`: expected `DockerSettings` or a dict, got a string",
            'write `settings={"docker": DockerSettings(...)}`',
        ),
        (
            "@step(settings={'docker': DockerSettings(apt_packages=['a b'])})\ndef one() -> None: ...",
            InvalidConfiguration,
            "`apt_packages[0]`: `a b` has spaces in it",
            "remove the spaces",
        ),
        (
            "from .beside import x",
            InvalidPipeline,
            "`pipe.py` raises `ImportError: attempted relative import with no known parent package`",
            "the file is run by itself: import what is beside it by its name from the project folder",
        ),
        (
            "DockerSettings(requirements=3)",
            InvalidConfiguration,
            "`requirements`: Input should be a valid string",
            "correct it where it is stated",
        ),
        (
            "@step(settings={'docker': {'python_package_installer': 'uvx'}})\ndef one() -> None: ...",
            InvalidConfiguration,
            "`python_package_installer`: Input should be 'pip' or 'uv'",
            "correct it where it is stated",
        ),
        (
            "from zenml.client import Client\nClient().active_stack.experiment_tracker.flavor",
            InvalidPipeline,
            "`pipe.py` needs a ZenML server or a stack while it is imported, and locking asks none",
            'ask it inside a step, or below `if __name__ == "__main__":`; a stack component can be named as text',
        ),
        (
            "@pipeline\ndef run(size: int, shape: str): ...",
            InvalidPipeline,
            "the pipeline `run` needs 2 parameters: `shape`, `size`",
            "state them under `parameters` in a YAML file, named with `--config`, or give them default values",
        ),
        (
            "from zlock import step as own\n@own\ndef one(): ...\n@pipeline\ndef run(): one()",
            InvalidPipeline,
            "`pipe.py` mixes what `zlock` and `zenml` decorate",
            "import `pipeline`, `step` and `DockerSettings` from `zenml` alone: zlock reads them",
        ),
        (
            "import zlock\n@step(settings={'docker': zlock.DockerSettings()})\ndef one() -> None: ...",
            InvalidConfiguration,
            "`settings.docker`: these are zlock's `DockerSettings`, and the decorator is ZenML's",
            "import them from ZenML too: `from zenml.config import DockerSettings`",
        ),
        (
            "import zlock\n@zlock.step(settings={'docker': DockerSettings()})\ndef one() -> None: ...",
            InvalidConfiguration,
            "these `DockerSettings` are of `zenml`, and the decorator is zlock's",
            "import `pipeline` and `step` from `zenml` too: zlock reads them",
        ),
    ],
)
def test_bad_input_is_named_with_its_line(
    load: Load, text: str, kind: type[InvalidInput], message: str, hint: str, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "zlock" in text:  # which is read only where what it requires is installed
        required = load.folder / "required"
        required.mkdir()
        (required / "msgspec").symlink_to(Path(msgspec.__file__).parent)
        monkeypatch.setenv("PYTHONPATH", str(required))
    error = load.error(text)

    assert (type(error), error.message, error.hint) == (kind, message, hint)
    assert "pipe.py" in error.message or any("pipe.py:" in line for line in error.context)


def test_zlock_in_a_pipeline_file_is_nothing_where_it_is_not_installed(load: Load) -> None:
    error = load.error("from zlock import step as own\n@own\ndef one(): ...")

    assert error.message == "`pipe.py` imports zlock, which is not installed there"


def test_steps_that_are_not_there_are_named(load: Load) -> None:
    error = load.error(MERGED, run="parameters: {times: 1}\nsteps: {trian: {settings: {docker: {user: me}}}}")

    assert isinstance(error, InvalidConfiguration)
    assert error.message == "`steps.trian` is configured, and the pipeline calls no step of that name"
    assert (error.context, error.hint) == (
        ("stated in run.yaml:2",),
        "did you mean `train` or `train_2`?",
    )


SCHEDULE = (
    "Either a cron expression, a start time and interval seconds or a run once start time need to be set for a valid "
    "schedule."
)
CHECK = """
import json, sys
from zlock.errors import InvalidConfiguration
from zlock.frameworks.zenml.run_file import check_run
found = []
for file in sys.argv[1:]:
    try:
        found.append(list(check_run(file).notes))
    except InvalidConfiguration as error:
        found.append([error.message, *error.context])
json.dump(found, sys.stdout)
"""


def test_a_run_that_cannot_be_read_is_named(load: Load) -> None:
    """Each with the file and what is wrong in it, where ZenML names neither."""
    runs = {
        "": ["`0.yaml` is empty, and what configures a run is a mapping"],
        "# nothing": ["`1.yaml` is empty, and what configures a run is a mapping"],
        "- a": ["`2.yaml` holds a list, and what configures a run is a mapping"],
        "a: 1\nsteps: [a": [
            "`3.yaml` can't be read as YAML: expected ',' or ']', but got '<stream end>'",
            "3.yaml:2",
        ],
        "schedule: {cron: '0 0 * * *'}": [
            f"`schedule`: {SCHEDULE}",
            "stated in 4.yaml:1",
        ],
        "settings:\n  docker: yes": ["`settings.docker`: expected a mapping, got a boolean", "stated in 5.yaml:2"],
        "settings: {docker: {requirements: 3}}": [],
        "stepz: {}\nsteps: {train: {setings: {}}}": [
            "ZenML ignores `stepz` in 7.yaml:1, which it does not know; did you mean `steps`?",
            "ZenML ignores `steps.train.setings` in 7.yaml:2, which it does not know; did you mean `settings`?",
        ],
        "x: &x {setings: {}}\nsteps: {train: {<<: *x}}": [
            "ZenML ignores `x` in 8.yaml:1, which it does not know",
            "ZenML ignores `steps.train.setings` in 8.yaml, which it does not know; did you mean `settings`?",
        ],
        "extra:\n  a0: &a0 {}\n" + "".join(f"  a{n + 1}: &a{n + 1} {{x: *a{n}, y: *a{n}}}\n" for n in range(40)): [
            "`9.yaml` can't be read as YAML: its aliases make more of it than zlock reads"
        ],
    }
    for number, text in enumerate(runs):
        (load.folder / f"{number}.yaml").write_text(text)
    command = [load.interpreter, "-c", CHECK, *(str(load.folder / f"{number}.yaml") for number in range(len(runs)))]
    environ = {"PYTHONPATH": str(SOURCE_ROOT), "HOME": str(load.folder), "ZENML_ANALYTICS_OPT_IN": "false"}
    done = subprocess.run(command, cwd=load.folder, env=environ, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == list(runs.values())


@pytest.mark.parametrize(
    ("text", "run", "message"),
    [
        (MERGED, "parameters: {times: 1, foo: 3}", "`foo`: Unexpected keyword argument"),
        ("@step(settings={'docker': {'user': '${NO_SUCH}'}})\ndef one() -> None: ...", "", "NO_SUCH"),
        (
            "@step\ndef train(a: int) -> None: ...\n@pipeline\ndef run(): train(6)",
            "steps: {train: {parameters: {a: 5}}}",
            "Configured parameter for the step 'train' conflict with parameter passed in runtime:",
        ),
    ],
)
def test_what_zenml_refuses_is_said_in_full(load: Load, text: str, run: str, message: str) -> None:
    error = load.error(text, run=run)
    assert all(len(line) <= 600 for line in (error.message, *error.context))
    if "conflict" in message:
        assert "`a`: config=`5` | runtime=" in " ".join(error.context)

    assert isinstance(error, InvalidPipeline)
    assert error.message.startswith("ZenML refuses what `pipe.py` and the configuration of the run say: ")
    assert message in error.message


def test_what_a_step_replaces_is_known(load: Load) -> None:
    declared = load(
        """
        @step(settings={"docker": DockerSettings(requirements=["jax"])})
        def one() -> None: ...

        @pipeline(settings={"docker": DockerSettings(requirements=["six"], apt_packages=["git"])})
        def _run():
            one()
        """
    )

    assert declared.steps[0].settings.where("apt_packages") == Location(str(load.folder / "pipe.py"), 7)
    (row,) = declared.steps[0].settings.replaced
    assert (row.setting, row.asked, row.place and row.place.line, row.by and row.by.line) == (
        "requirements",
        ("six",),
        7,
        4,
    )


def test_a_setting_that_zenml_ignores_is_said(load: Load) -> None:
    """Of a keyword, too, which ZenML's class drops when it is made."""
    declared = load("""
        @step(settings={'docker': {'dockerfil': 'Dockerfile'}})
        def one() -> None: ...

        @step(settings={'docker': DockerSettings(apt_package=['git'], requirements=['six'])})
        def two() -> None: ...

        @pipeline(settings={'docker': DockerSettings(usr='me', memory=2)})
        def three() -> None:
            one()
            two.with_options(settings={'docker': DockerSettings(apt_packages=['git'])})()
    """)

    said = [note.partition(", which its `DockerSettings` don't have") for note in declared.notes]
    assert sorted((stated, near) for stated, _, near in said) == [
        ("ZenML ignores `apt_package`, stated for pipe.py:7", "; did you mean `apt_packages`?"),
        ("ZenML ignores `dockerfil`, stated for pipe.py:4", "; did you mean `dockerfile` or `dockerignore`?"),
        ("ZenML ignores `memory`, stated for pipe.py:10", ""),
        ("ZenML ignores `usr`, stated for pipe.py:10", "; did you mean `user`?"),
    ]
    assert settings_of(declared)["two"].requirements == ("six",)


def test_a_variable_of_the_pipeline_is_stated_there_beside_those_of_a_step(load: Load) -> None:
    declared = load("""
        @step(settings={"docker": DockerSettings(environment={"mode": "x"})})
        def one() -> None: ...

        @pipeline(settings={"docker": DockerSettings(environment={"url": "y"})})
        def run(): one()
    """)

    (settings,) = settings_of(declared).values()
    assert settings.environment == {"MODE": "x", "URL": "y"}
    places = [settings.where("environment", name) for name in ("MODE", "URL")]
    assert [place and place.line for place in places] == [4, 7]


def test_what_configures_a_run_is_where_a_setting_is_stated(load: Load) -> None:
    """Where it says the same as the code, too: it is what counts then."""
    run = """
        parameters: {times: 2}
        settings:
          docker: {apt_packages: [vim],
                   usr: me}
        steps:
          load:
            settings:
              docker: &own
                requirements: [six]
                apt_packages:
          train_2: {settings: {docker: *own}}
    """

    declared = load(MERGED, run=run)

    file = str(load.folder / "run.yaml")
    where = {step.name: step.settings.where for step in declared.steps}
    assert declared.settings.where("apt_packages") == Location(file, 4)
    assert {name: of("apt_packages") for name, of in where.items()} == dict.fromkeys(where, Location(file, 4))
    assert where["load"]("requirements") == Location(file, 10)
    assert where["train"]("requirements") == Location(str(load.folder / "pipe.py"), 4)
    assert declared.notes == (
        "ZenML ignores `usr`, stated in run.yaml:5, which its `DockerSettings` don't have; did you mean `user`?",
    )

    error = load.error(MERGED, run="parameters: {times: 2}\nsettings: {docker: {user: me,\n    requirements: 3}}")
    assert (error.message, error.context) == (
        "`requirements`: Input should be a valid string",
        ("stated in run.yaml:3",),
    )

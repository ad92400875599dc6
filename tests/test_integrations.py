"""The source "integrations": the catalogue, who overrides whom, and the child process that asks a zenml."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import random
import subprocess
import sys
import textwrap
import types
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import zlock
import zlock.integrations
from zlock.errors import (
    CommandFailed,
    InvalidConfiguration,
    InvalidRequirements,
    Problems,
    ZlockError,
)
from zlock.model.origin import Origin, Source
from zlock.sources import installed, zenml_registry
from zlock.sources.integrations import Catalogue, Integration, builtin_catalogue, gather_integrations, load_catalogue

ROOT = Path(__file__).parent.parent
DATA = json.loads((Path(zlock.__file__).parent / "sources/catalogue.json").read_bytes())
BUILTIN = load_catalogue({}, interpreter=None)
ORIGIN = Origin(source=Source.INTEGRATIONS, file="zlock.toml", line=4)

FAKE_REGISTRY = """
    import os, platform, sys
    print("importing the registry")
    os.write(1, b"from below Python\\n")

    class Flavor:
        def __init__(self, type, name):
            self.type, self.name = type, name

    class Mlflow:
        REQUIREMENTS = ["ignored"]
        APT_PACKAGES = ["git"]
        @classmethod
        def get_requirements(cls, target_os=None, python_version=None):
            old = [] if python_version in ("3.11", "3.12") else ["tomli"]
            return ["mlflow==1.2", "mlflow==1.2", *old, *(["apple"] if platform.machine() == "arm64" else [])]
        @classmethod
        def flavors(cls):
            return [lambda: Flavor("experiment_tracker", "mlflow")]

    class Old:
        REQUIREMENTS = ["older-method"]
        @classmethod
        def get_requirements(cls):
            return cls.REQUIREMENTS + (["asyncio"] if sys.version_info >= (3, 12) else [])
        @classmethod
        def flavors(cls):
            raise ImportError("no such module")

    class Oldest:
        REQUIREMENTS = ["no-method; sys_platform != 'win32'", "not a requirement"]
        @classmethod
        def flavors(cls):
            return []

    class Broken:
        @classmethod
        def get_requirements(cls, target_os=None):
            raise RuntimeError("no answer for " + str(target_os))
        @classmethod
        def flavors(cls):
            return []

    class integration_registry:
        integrations = {"broken": Broken, "mlflow": Mlflow, "old": Old, "oldest": Oldest}
"""


def fake_zenml(folder: Path, *, version: str, registry: str = FAKE_REGISTRY) -> str:
    """Make an environment that has a tiny zenml, and return its interpreter."""
    venv.create(folder / "env", with_pip=False, symlinks=os.name != "nt")
    site = next((folder / "env").glob("[Ll]ib/**/site-packages"))
    package = site / "zenml"
    (package / "integrations").mkdir(parents=True)
    (package / "__init__.py").write_text("print('importing zenml')\n")
    (package / "integrations/__init__.py").touch()
    (package / "integrations/registry.py").write_text(textwrap.dedent(registry))
    metadata = site / f"zenml-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: zenml\nVersion: {version}\n")
    return interpreter_of(folder / "env")


def interpreter_of(environment: Path) -> str:
    return str(next(path for path in environment.glob("*/python*") if path.stem == "python"))


def plugin(folder: Path, entry_points: str, *, package: str = "acme-integrations", module: str = "") -> None:
    """Install a package with entry points into a folder."""
    metadata = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[zlock.integrations]\n{entry_points}\n")
    if module:
        (folder / "acme_integrations.py").write_text(module)


def stated(names: list[str], catalogue: Catalogue = BUILTIN) -> list[str]:
    return [
        str(each)
        for each in gather_integrations(names, catalogue=catalogue, origin=ORIGIN, root=Path("/project")).requirements
    ]


def failure(names: list[str], catalogue: Catalogue = BUILTIN) -> ZlockError:
    with pytest.raises(ZlockError) as caught:
        stated(names, catalogue)
    return caught.value


@pytest.fixture(scope="module")
def other_zenml(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the interpreter of an environment with a zenml of another version than the catalogue's."""
    return fake_zenml(tmp_path_factory.mktemp("other"), version="0.1.2")


# The constants and the data


def test_the_constants_are_those_of_the_catalogue() -> None:
    expected = {name.upper(): name for name in DATA["integrations"]} | DATA["other-constants"]

    assert expected == {name: getattr(zlock.integrations, name) for name in dir(zlock.integrations)}
    assert sorted(expected) == dir(zlock.integrations)


def test_each_constant_is_the_name_of_an_integration() -> None:
    assert set(DATA["integrations"]) == {getattr(zlock.integrations, name) for name in dir(zlock.integrations)}


def test_importing_an_unknown_constant_names_the_close_ones() -> None:
    with pytest.raises(ImportError, match="has no integration PYTORHC; did you mean PYTORCH"):
        from zlock.integrations import PYTORHC  # type: ignore[attr-defined]  # noqa: F401  the mistake


def test_an_unknown_attribute_names_the_close_constants() -> None:
    with pytest.raises(AttributeError, match="did you mean EVIDENTLY"):
        _ = zlock.integrations.evidentli  # type: ignore[attr-defined]  # the mistake

    assert not hasattr(zlock.integrations, "NOTHING_LIKE_IT")


def test_importing_a_constant_imports_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import zlock.integrations; print(set(sys.modules) - before)"

    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert eval(output) == {"zlock", "zlock.integrations"}


def test_the_catalogue_holds_normalized_requirements_only() -> None:
    texts = [text for entry in DATA["integrations"].values() for text in entry["requirements"]]

    assert texts == [str(Requirement(text)) for text in texts]


def test_the_script_writes_the_catalogue_and_the_constants_as_they_are() -> None:
    specification = importlib.util.spec_from_file_location("script", ROOT / "scripts/integration_catalogue.py")
    assert specification is not None
    assert specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    data = {**DATA, "constants": DATA["other-constants"]}

    assert script.CATALOGUE.read_text(encoding="utf-8") == script.catalogue_text(data)
    assert script.constants_text(data) in script.CONSTANTS.read_text(encoding="utf-8")


# Gathering


def test_requirements_come_in_the_order_of_the_names_with_their_origin() -> None:
    gathered = gather_integrations(["pytorch", "evidently"], catalogue=BUILTIN, origin=ORIGIN, root=Path("/project"))

    assert [str(each) for each in gathered.requirements][:2] == ["torch", "evidently<1.0,>=0.5.0"]
    assert str(gathered.requirements[0].origins[0]) == "integrations (integration `pytorch`, zlock.toml:4)"
    assert (gathered.described, gathered.recorded, gathered.notes) == ("pytorch, evidently", False, ())
    assert gathered.source is Source.INTEGRATIONS


def test_apt_packages_come_along_once() -> None:
    names = ["skypilot_aws", "skypilot_gcp", "lightgbm"]

    gathered = gather_integrations(names, catalogue=BUILTIN, origin=ORIGIN, root=Path("/project"))

    assert gathered.apt_packages == ("openssh-client", "rsync", "libgomp1")


def test_a_name_counts_once_however_it_is_spelled() -> None:
    names = ["neural_prophet", "Neural-Prophet", "NEURAL_PROPHET"]

    assert stated(names) == stated(["neural_prophet"])


def test_no_names_give_nothing_and_ask_nobody() -> None:
    catalogue = load_catalogue({}, interpreter="/nowhere/python")

    gathered = gather_integrations([], catalogue=catalogue, origin=ORIGIN, root=Path("/project"))

    assert (gathered.requirements, gathered.described) == ((), "")


def test_all_unknown_names_are_reported_at_once_with_the_close_ones() -> None:
    error = failure(["pytorhc", "mlflow", "qqqq"])

    assert isinstance(error, Problems)
    first, second = error.errors
    assert isinstance(first, InvalidConfiguration)
    assert first.message == "unknown integration `pytorhc`"
    assert first.context == ("integrations (zlock.toml:4)",)
    assert first.hint.startswith("did you mean `pytorch`")
    assert second.hint == "state your own under `integrations.qqqq` in the configuration"


# The configuration's own


def own(name: str, *requirements: str) -> Integration:
    table = {"requirements": list(requirements), "apt-packages": ["curl"]}
    return Integration.from_table(name, table, at=f"integrations.{name}", provider="configuration")


def test_the_configuration_is_stronger_than_the_catalogue() -> None:
    catalogue = load_catalogue({"PyTorch": own("PyTorch", "torch==2.9")}, interpreter=None)

    assert stated(["pytorch"], catalogue) == ["torch==2.9"]


def test_the_configuration_is_enough_to_not_ask_an_interpreter() -> None:
    catalogue = load_catalogue({"acme": own("acme", "a")}, interpreter="/nowhere/python")

    assert stated(["acme"], catalogue) == ["a"]


def test_invalid_requirements_are_reported_at_once_with_origin_and_provider() -> None:
    catalogue = load_catalogue(
        {"acme": own("acme", "a b", "good", "x @ https://u:secret@h.example/ y")}, interpreter=None
    )

    error = failure(["acme"], catalogue)

    assert isinstance(error, Problems)
    assert all(isinstance(each, InvalidRequirements) for each in error.errors)
    assert error.errors[0].message.startswith("`a b` is not a valid requirement")
    assert error.errors[0].context == (
        "integrations (integration `acme`, zlock.toml:4): a b",
        "column 3: Expected semicolon (after name with no version specifier) or end",
        "stated by: configuration",
    )
    assert "secret" not in error.errors[1].message


def test_names_in_the_configuration_that_differ_in_case_only_are_an_error() -> None:
    with pytest.raises(InvalidConfiguration, match="`a-b` and `A_B` have the same name"):
        load_catalogue({"a-b": own("a-b"), "A_B": own("A_B")}, interpreter=None)


def test_all_mistakes_in_a_table_are_reported_at_once() -> None:
    table = {"requirement": ["a"], "requirements": "a", "apt-packages": ["git", 3]}

    with pytest.raises(Problems) as caught:
        Integration.from_table("acme", table, at="integrations.acme", provider="configuration")

    assert [each.message for each in caught.value.errors] == [
        "unknown key `integrations.acme.requirement`",
        "`integrations.acme.requirements`: expected a list of strings, got a string",
        "`integrations.acme.apt-packages[1]`: expected a string, got a number",
    ]
    assert caught.value.errors[0].hint == "did you mean `requirements`?"


def test_a_name_that_apt_would_take_for_an_option_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="`-y` is not a valid name of a Debian package"):
        Integration.from_table("acme", {"apt-packages": ["-y"]}, at="integrations.acme", provider="configuration")


# Entry points


def test_an_entry_point_is_stronger_than_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "more = {'requirements': ['torch<2', 'acme'], 'apt-packages': ['git']}"
    plugin(tmp_path, "PyTorch = acme_integrations:more\nbroken = nowhere:x", module=module)
    monkeypatch.syspath_prepend(str(tmp_path))

    gathered = gather_integrations(
        ["pytorch"], catalogue=load_catalogue({}, interpreter=None), origin=ORIGIN, root=Path("/project")
    )

    assert [str(each) for each in gathered.requirements] == ["torch<2", "acme"]
    assert gathered.recorded
    sys.modules.pop("acme_integrations")


def test_a_broken_entry_point_is_an_error_where_it_is_wanted_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(tmp_path, "broken = nowhere_at_all:x\nodd = json:dumps")
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue = load_catalogue({}, interpreter=None)

    error = failure(["broken", "odd", "pytorch"], catalogue)

    assert isinstance(error, Problems)
    assert [type(each) for each in error.errors] == [CommandFailed, InvalidConfiguration]
    assert "entry point of package acme-integrations" in error.errors[0].message
    assert error.errors[0].context == ("ModuleNotFoundError: No module named 'nowhere_at_all'",)
    assert stated(["pytorch"], catalogue) == ["torch"]


def test_two_packages_with_the_same_integration_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(tmp_path, "same = one:x", package="one")
    plugin(tmp_path, "Same = two:x", package="two")
    monkeypatch.syspath_prepend(str(tmp_path))

    error = failure(["same"], load_catalogue({}, interpreter=None))

    assert error.message == "integration `same` is provided more than once, by the packages `one`, `two`"


# The installed zenml


def test_an_installed_zenml_of_another_version_is_stronger_and_recorded(other_zenml: str) -> None:
    catalogue = load_catalogue({}, interpreter=other_zenml)

    gathered = gather_integrations(["mlflow", "old"], catalogue=catalogue, origin=ORIGIN, root=Path("/project"))

    names = [each.name for each in gathered.requirements]
    assert names == ["mlflow", "tomli", "apple", "older-method", "asyncio"]
    assert gathered.apt_packages == ("git",)
    assert gathered.recorded
    assert gathered.notes[0].startswith("integration `mlflow`: as zenml 0.1.2 in the project's environment states it")


def test_what_the_installed_zenml_does_not_know_comes_from_the_catalogue(other_zenml: str) -> None:
    catalogue = load_catalogue({}, interpreter=other_zenml)

    gathered = gather_integrations(["pytorch"], catalogue=catalogue, origin=ORIGIN, root=Path("/project"))

    assert [str(each) for each in gathered.requirements] == ["torch"]
    assert not gathered.recorded
    assert gathered.notes[0].startswith("integration `pytorch`: unknown to zenml 0.1.2")


def test_the_configuration_is_stronger_than_an_installed_zenml(other_zenml: str) -> None:
    catalogue = load_catalogue({"mlflow": own("mlflow", "mine")}, interpreter=other_zenml)

    assert stated(["mlflow"], catalogue) == ["mine"]


def test_an_entry_point_is_weaker_than_an_installed_zenml(
    other_zenml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(tmp_path, "old = nowhere:x")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert stated(["old"], load_catalogue({}, interpreter=other_zenml))[0] == "older-method"


def test_an_invalid_requirement_of_an_installed_zenml_is_an_error_where_it_is_wanted(other_zenml: str) -> None:
    error = failure(["oldest", "old"], load_catalogue({}, interpreter=other_zenml))

    assert error.message.startswith("`not a requirement` is not a valid requirement")
    assert error.context[-1] == "stated by: installed zenml 0.1.2"


def test_what_depends_on_python_and_machine_gets_markers(other_zenml: str) -> None:
    integrations = installed.read_registry(other_zenml)["integrations"]

    assert integrations["old"]["requirements"] == ["older-method", 'asyncio; python_version >= "3.12"']
    assert integrations["mlflow"]["requirements"] == [
        "mlflow==1.2",
        'tomli; python_version < "3.11" or python_version >= "3.13"',
        'apple; sys_platform == "darwin" and platform_machine == "arm64"',
    ]


def test_a_zenml_of_the_same_version_is_not_imported(tmp_path: Path) -> None:
    version = builtin_catalogue().version
    interpreter = fake_zenml(tmp_path, version=version, registry="raise SystemExit(7)")

    catalogue = load_catalogue({}, interpreter=interpreter)

    assert stated(["mlflow"], catalogue) == stated(["mlflow"])


def test_an_environment_without_zenml_leaves_the_catalogue(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=os.name != "nt")

    catalogue = load_catalogue({}, interpreter=interpreter_of(tmp_path / "env"))

    assert stated(["pytorch"], catalogue) == ["torch"]


def test_a_zenml_that_fails_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    registry = """
        print("x" * 100_000)
        raise RuntimeError("can't reach https://user:secret@store.example/\\x1b[31m!")
    """
    interpreter = fake_zenml(tmp_path, version="0.1", registry=registry)

    error = failure(["mlflow"], load_catalogue({}, interpreter=interpreter))

    assert isinstance(error, CommandFailed)
    assert error.context[0].endswith("ended with exit code 1")
    assert error.context[-1] == "RuntimeError: can't reach https://store.example/!"
    assert len(error.context) <= 21


@pytest.mark.parametrize(
    ("registry", "timeout", "reason"),
    [
        ("import os; os._exit(0)", 60, "ended without an answer"),
        ("import time; time.sleep(600)", 0.5, "did not end within 0.5 seconds"),
        ("while True: print('x' * 1_000_000)", 60, "printed more than 33554432 bytes"),
    ],
    ids=["ends early", "hangs", "floods"],
)
def test_a_zenml_that_gives_no_answer_is_stopped(tmp_path: Path, registry: str, timeout: float, reason: str) -> None:
    interpreter = fake_zenml(tmp_path, version="0.1", registry=registry)

    with pytest.raises(CommandFailed) as caught:
        installed.ask(interpreter, "registry", timeout=timeout)

    assert caught.value.context[0].endswith(reason)


def test_an_interpreter_that_does_not_exist_is_an_error() -> None:
    error = failure(["mlflow"], load_catalogue({}, interpreter="/nowhere/python"))

    assert isinstance(error, CommandFailed)
    assert error.context[0] == "the program `/nowhere/python` was not found"


def test_zenml_is_asked_once_for_all_steps(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    registry = FAKE_REGISTRY + f"\n    open({str(asked)!r}, 'a').write('x')\n"
    catalogue = load_catalogue({}, interpreter=fake_zenml(tmp_path, version="0.1", registry=registry))

    stated(["mlflow"], catalogue)
    stated(["old"], catalogue)

    assert asked.read_text() == "x"


def test_an_integration_that_fails_is_an_error_where_it_is_named(tmp_path: Path) -> None:
    own = {"broken": Integration(name="broken", requirements=("mended",), provider="configuration")}
    interpreter = fake_zenml(tmp_path, version="0.1")
    catalogue = load_catalogue({}, interpreter=interpreter)

    error = failure(["mlflow", "broken"], catalogue)

    assert isinstance(error, CommandFailed)
    assert error.message == "installed zenml 0.1 can't say what its integration `broken` requires"
    assert error.context == ("integrations (zlock.toml:4)", "RuntimeError: no answer for Linux")
    assert "`integrations.broken` in the configuration" in error.hint
    assert "mlflow==1.2" in stated(["mlflow"], catalogue)
    assert stated(["broken"], load_catalogue(own, interpreter=interpreter)) == ["mended"]


def test_a_zenml_that_fails_is_asked_once_and_reported_once(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    registry = f"open({str(asked)!r}, 'a').write('x')\nraise RuntimeError"
    catalogue = load_catalogue({}, interpreter=fake_zenml(tmp_path, version="0.1", registry=registry))

    first, second = failure(["mlflow", "pytorch"], catalogue), failure(["old"], catalogue)

    assert isinstance(first, CommandFailed)
    assert first is second
    assert asked.read_text() == "x"


# Markers from answers


SYS_PLATFORM = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}
CELLS = [
    (python, system, machine)
    for python, (system, machine) in itertools.product(zenml_registry.PYTHONS, zenml_registry.MACHINES)
]


def holds(text: str, cell: tuple[str, str, str]) -> bool:
    python, system, machine = cell
    marker = Requirement(text).marker
    environment = {
        "python_version": python,
        "sys_platform": SYS_PLATFORM[system],
        "platform_machine": machine,
    }
    return marker is None or marker.evaluate(environment)


@pytest.mark.parametrize("seed", range(40))
def test_a_joined_requirement_holds_exactly_where_it_was_stated(seed: int) -> None:
    chance = random.Random(seed)  # a seed makes the case; it is not a secret
    pythons = chance.sample(zenml_registry.PYTHONS, chance.randint(1, 7))
    machines = chance.sample(zenml_registry.MACHINES, chance.randint(1, 5))
    odd = chance.sample(CELLS, chance.randint(0, 3))
    chosen = [cell for cell in CELLS if cell in odd or (cell[0] in pythons and cell[1:] in machines)]
    answers: list[installed.Answered] = [
        {"requirements": ["a>1", "everywhere"], "for": chosen},
        {"requirements": ["everywhere"], "for": [cell for cell in CELLS if cell not in chosen]},
    ]

    text, everywhere = installed.join_answers(answers)

    assert everywhere == "everywhere"
    assert chosen == [cell for cell in CELLS if holds(text, cell)]


def test_a_marker_is_added_beside_the_one_that_is_there() -> None:
    linux = [cell for cell in CELLS if cell[1] == "Linux"]
    rest = [cell for cell in CELLS if cell[1] != "Linux"]
    url = "a @ https://h.example/a.zip;b"
    both = "b; python_version < '3.10' or os_name == 'java'"

    texts = installed.join_answers([{"requirements": [url, both], "for": linux}, {"requirements": [], "for": rest}])

    assert texts == [
        'a @ https://h.example/a.zip;b ; sys_platform == "linux"',
        'b; (python_version < "3.10" or os_name == "java") and sys_platform == "linux"',
    ]


def test_the_newest_and_the_oldest_python_stand_for_all_beyond_them() -> None:
    newest = zenml_registry.PYTHONS[-1]
    new = [cell for cell in CELLS if cell[0] == newest]
    old = [cell for cell in CELLS if cell[0] != newest]

    (text,) = installed.join_answers([{"requirements": ["a"], "for": new}, {"requirements": [], "for": old}])

    assert text == f'a; python_version >= "{newest}"'
    assert Version(newest) == max(map(Version, zenml_registry.PYTHONS))


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    modules = {name for name, value in vars(zenml_registry).items() if isinstance(value, types.ModuleType)}

    assert modules <= sys.stdlib_module_names

"""The source "stack": components, the integrations behind them, and the stack's own requirements."""

from __future__ import annotations

import os
import textwrap
import venv
from pathlib import Path

import pytest

from zlock.errors import InvalidConfiguration, InvalidRequirements, Problems, ZlockError
from zlock.model.origin import Source
from zlock.model.requirement import Gathered
from zlock.model.stack import Stack
from zlock.settings.config import parse_project
from zlock.sources.integrations import Catalogue, Integration, load_catalogue
from zlock.sources.stack import gather_stack

BUILTIN = load_catalogue({}, interpreter=None)

FAKE_REGISTRY = """
    class Flavor:
        def __init__(self, type, name):
            self.type, self.name = type, name

    def integration(requirement, *flavors):
        class Fake:
            REQUIREMENTS = [requirement]
            APT_PACKAGES = []
            @classmethod
            def flavors(cls):
                return [lambda each=each: Flavor(*each) for each in flavors]
        return Fake

    class integration_registry:
        integrations = {
            "moved": integration("moved-here", ("orchestrator", "kubeflow"), ("annotator", "shared")),
            "other": integration("other", ("alerter", "shared")),
        }
"""
FAKE_FLAVORS = """
    from zenml.integrations.registry import Flavor

    class FlavorRegistry:
        builtin_flavors = [lambda: Flavor("artifact_store", "s3")]
"""


def read(**table: object) -> Stack:
    stated = {key.replace("_", "-"): value for key, value in table.items()}
    return parse_project({"stack": stated}, Path("/project/zlock.toml")).stack or Stack()


def gather(stack: Stack, catalogue: Catalogue = BUILTIN) -> Gathered:
    return gather_stack(stack, catalogue=catalogue, file="zlock.toml", root=Path("/project"))


def failures(stack: Stack, catalogue: Catalogue = BUILTIN) -> tuple[ZlockError, ...]:
    with pytest.raises(ZlockError) as caught:
        gather(stack, catalogue)
    return caught.value.errors if isinstance(caught.value, Problems) else (caught.value,)


@pytest.fixture(scope="module")
def other_zenml(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Give the catalogue of a project whose environment has another zenml, with flavors of its own."""
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    site = next(folder.glob("[Ll]ib/**/site-packages"))
    for name, text in {
        "zenml/__init__.py": "",
        "zenml/integrations/__init__.py": "",
        "zenml/integrations/registry.py": FAKE_REGISTRY,
        "zenml/stack/__init__.py": "",
        "zenml/stack/flavor_registry.py": FAKE_FLAVORS,
        "zenml-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: zenml\nVersion: 0.1\n",
    }.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(textwrap.dedent(text))
    interpreter = next(path for path in folder.glob("*/python*") if path.stem == "python")
    return load_catalogue({}, interpreter=str(interpreter))


# The table


def test_a_table_is_read() -> None:
    components = {"orchestrator": "kubeflow", "artifact_store": "s3"}

    stack = read(components=components, requirements=["kfp>=2"], apt_packages=["git"], remote=False)

    assert stack == Stack(components=components, requirements=("kfp>=2",), apt_packages=("git",), remote=False)


def test_an_empty_table_is_the_default_stack() -> None:
    assert read() == Stack()
    assert Stack().remote


def test_names_of_components_may_be_a_list() -> None:
    assert read(components=["kubeflow", "s3"]).components == ("kubeflow", "s3")


def test_all_mistakes_in_a_table_are_reported_at_once() -> None:
    with pytest.raises(Problems) as caught:
        read(component=[], components="kubeflow", requirements="a", apt_packages=[1], remote="no")

    assert all(isinstance(each, InvalidConfiguration) for each in caught.value.errors)
    assert [each.message for each in caught.value.errors] == [
        "unknown key `stack.component`",
        "`stack.components`: expected a table of component types, or a list of names, got a string",
        "`stack.requirements`: expected a list of strings, got a string",
        "`stack.apt-packages[0]`: expected a string, got a number",
        "`stack.remote`: expected a boolean, got a string",
    ]
    assert caught.value.errors[0].hint == "did you mean `components`?"


def test_a_url_that_the_stack_requires_is_fit_for_a_lock() -> None:
    stated = ["a @ https://u:p4ss@index.example/a.zip", "b @ file:./libs/b", "c @ file:///project/libs/c"]
    assert [str(one) for one in gather(read(requirements=stated)).requirements] == [
        "a @ https://index.example/a.zip",
        "b @ file:libs/b",
        "c @ file:libs/c",
    ]


def test_names_of_debian_packages_are_checked_all_at_once() -> None:
    with pytest.raises(Problems) as caught:
        read(apt_packages=["git", "-y", "GIT"])

    assert [each.message for each in caught.value.errors] == [
        "`stack.apt-packages[1]`: `-y` is not a valid name of a Debian package",
        "`stack.apt-packages[2]`: `GIT` is not a valid name of a Debian package",
    ]


def test_mistakes_inside_the_components_are_reported_at_once() -> None:
    components = {"orchestrator": 3, "artifact-store": "s3", "artifact_store": "gcp"}

    with pytest.raises(Problems) as caught:
        read(components=components)

    assert [each.message for each in caught.value.errors] == [
        "`stack.components.orchestrator`: expected a string, got a number",
        "`stack.components`: `artifact_store` is listed twice, in two spellings",
    ]


# Gathering


def test_components_come_in_their_order_then_the_own_requirements() -> None:
    components = {"orchestrator": "kubeflow", "artifact-store": "s3"}

    gathered = gather(read(components=components, requirements=["acme"]))

    assert [(each.name, str(each.origins[0])) for each in gathered.requirements] == [
        ("kfp", "stack (component `orchestrator` (kubeflow), zlock.toml)"),
        ("kfp-kubernetes", "stack (component `orchestrator` (kubeflow), zlock.toml)"),
        ("s3fs", "stack (component `artifact_store` (s3), zlock.toml)"),
        ("boto3", "stack (component `artifact_store` (s3), zlock.toml)"),
        ("aws-profile-manager", "stack (component `artifact_store` (s3), zlock.toml)"),
        ("acme", "stack (requirements, zlock.toml)"),
    ]
    assert gathered.described == "orchestrator kubeflow, artifact_store s3, requirements"
    assert (gathered.source, gathered.recorded) == (Source.STACK, False)


def test_a_flavor_is_found_in_the_integration_that_brings_it() -> None:
    gathered = gather(read(components={"step_operator": "SageMaker"}))

    assert gathered.requirements[0].name == "sagemaker"


def test_an_integration_of_two_components_counts_once_with_both_as_origins() -> None:
    gathered = gather(read(components={"orchestrator": "vertex", "experiment_tracker": "vertex"}))

    names = [each.name for each in gathered.requirements]
    assert len(names) == len(set(names))
    assert [each.detail for each in gathered.requirements[0].origins] == [
        "component `orchestrator` (vertex)",
        "component `experiment_tracker` (vertex)",
    ]


def test_the_flavors_of_zenml_itself_require_nothing() -> None:
    components = {"orchestrator": "local", "container_registry": "azure", "image-builder": "local"}

    assert gather(read(components=components)).requirements == ()


def test_apt_packages_are_those_of_the_components_and_the_own_ones() -> None:
    stack = read(components={"orchestrator": "vm_aws"}, apt_packages=["git", "rsync"])

    assert gather(stack).apt_packages == ("openssh-client", "rsync", "git")


def test_unknown_types_flavors_and_requirements_are_reported_at_once() -> None:
    components = {"orchestratr": "kubeflow", "artifact_store": "s33", "orchestrator": "qqqq"}

    first, second, third, fourth = failures(read(components=components, requirements=["a b"]))

    assert first.message == "unknown component type `orchestratr`"
    assert first.hint == "did you mean `orchestrator`?"
    assert second.message == "unknown flavor `s33` of component type `artifact_store`"
    assert second.context == ("stack (component `artifact_store` (s33), zlock.toml)",)
    assert second.hint == "did you mean `s3`?"
    assert "`kubeflow`" in third.hint
    assert isinstance(fourth, InvalidRequirements)
    assert fourth.context[0] == "stack (requirements, zlock.toml): a b"


def test_a_name_alone_is_an_integration_or_a_flavor() -> None:
    gathered = gather(read(components=["vm_lambda", "s3", "local"]))

    assert [each.name for each in gathered.requirements] == ["skypilot", "s3fs", "boto3", "aws-profile-manager"]
    assert gathered.requirements[0].origins[0].detail == "component `vm_lambda`"


def test_an_unknown_name_alone_is_an_error_with_the_close_ones() -> None:
    (error,) = failures(read(components=["kubeflo"]))

    assert error.message == "unknown component `kubeflo`: neither a flavor nor an integration"
    assert error.hint == "did you mean `kubeflow`?"


# Catalogues


def test_the_configuration_says_what_a_flavor_of_zenml_requires() -> None:
    own = {"s3": Integration(name="s3", requirements=("mine",), provider="configuration")}

    gathered = gather(read(components={"artifact_store": "s3"}), load_catalogue(own, interpreter=None))

    assert [each.name for each in gathered.requirements] == ["mine"]


def test_an_own_integration_brings_the_flavor_named_like_it() -> None:
    own = {"acme": Integration(name="acme", requirements=("acme-sdk",), provider="configuration")}

    gathered = gather(read(components={"orchestrator": "acme"}), load_catalogue(own, interpreter=None))

    assert [each.name for each in gathered.requirements] == ["acme-sdk"]


def test_an_installed_zenml_says_which_integration_brings_a_flavor(other_zenml: Catalogue) -> None:
    components = {"orchestrator": "kubeflow", "artifact_store": "s3"}

    gathered = gather(read(components=components), other_zenml)

    assert [each.name for each in gathered.requirements] == ["moved-here"]
    assert gathered.recorded


def test_a_name_alone_that_several_integrations_bring_is_an_error(other_zenml: Catalogue) -> None:
    (error,) = failures(read(components=["shared"]), other_zenml)

    assert error.message == "component `shared` may mean different integrations"
    assert error.hint == 'state its type: `{ alerter = "shared" }` or `{ annotator = "shared" }`'

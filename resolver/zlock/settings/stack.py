"""The tables `[stack]` and `[integrations.NAME]` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import asdict

from zlock import checks
from zlock.checks import accepts
from zlock.model.stack import Stack
from zlock.settings.keys import NOTHING, QUESTION, key, read, reads
from zlock.settings.table import Table
from zlock.wording import fold, kind

_texts = checks.list_of(checks.text, "list of names")
_requirements = checks.list_of(checks.text, "list of requirements")


@accepts(
    "table of component type to flavor, or list of names",
    anyOf=[{"type": "object", "additionalProperties": checks.text.schema}, _texts.schema],
)
def _components(value: object, at: str) -> Mapping[str, str] | tuple[str, ...]:
    """Accept components; which flavors there are is the catalogue's to say."""
    if isinstance(value, list):
        return _texts(value, at)
    if not isinstance(value, Mapping):
        problem = f"expected a table of component types, or a list of names, got {kind(value)}"
        hint = 'for example `components = { orchestrator = "kubeflow", artifact-store = "s3" }`'
        raise checks.mistake(at, problem, hint=hint)
    return checks.entries(value, at, checks.text, lambda name, _: fold(name))


class StackTable(Stack, frozen=True, kw_only=True):
    """The table `[stack]`.

    Attributes:
        components: Each brings the requirements of its integration.
        requirements: What the stack needs beside them.
        apt_packages: Likewise, Debian packages.
        pipeline_image: True: its orchestrator runs a pipeline of ZenML itself in an image too, which is locked and
            built as those of steps are.
        remote: False: the pipeline runs on this machine without images, docker settings are disregarded, and every
            command says so and touches no lock.
    """

    components: Mapping[str, str] | tuple[str, ...] = key(_components, {}, QUESTION)
    requirements: tuple[str, ...] = key(_requirements, (), QUESTION)
    apt_packages: tuple[str, ...] = key(checks.debian_packages, (), QUESTION)
    pipeline_image: bool = key(checks.boolean, False, NOTHING)
    remote: bool = key(checks.boolean, True, NOTHING)


class IntegrationTable(Struct, frozen=True, kw_only=True):
    """A table `[integrations.NAME]`.

    Attributes:
        requirements: What it installs.
        apt_packages: Debian packages it needs.
    """

    requirements: tuple[str, ...] = key(_requirements, (), QUESTION)
    apt_packages: tuple[str, ...] = key(checks.debian_packages, (), QUESTION)


@reads("table", allOf=[{"$ref": "#/definitions/stack"}])
def read_stack(table: Table, key: str) -> Stack | None:
    """Read what the pipeline runs on; None where the table is empty."""
    return Stack(**asdict(read(StackTable, table.table(key)))) if table.raw(key) != {} else None


@reads("table of tables", type="object", additionalProperties={"$ref": "#/definitions/integration"})
def read_integrations(table: Table, key: str) -> dict[str, IntegrationTable]:
    """Read integrations of one's own."""
    inner = table.table(key)
    return {name: read(IntegrationTable, inner.table(name)) for name in inner}

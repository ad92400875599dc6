"""A configuration for each key, and what the JSON Schema has against one."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from zlock.settings.config import Project, StepConfiguration
from zlock.settings.docker import DockerSettings
from zlock.settings.indexes import IndexTable
from zlock.settings.schema import schema
from zlock.settings.stack import IntegrationTable, StackTable

INDEX = '[[index]]\nurl = "https://index.example/"\nname = "house"\n'
STACK = '[stack]\nrequirements = ["alpha"]\n'
ACME = '[docker]\nrequired-integrations = ["acme"]\n[integrations.acme]\n'
FROM_PROJECT = 'pyproject-path = "pyproject.toml"'

# For each key two configurations that differ in it alone; the first is empty where only the second is given.
CHANGES: dict[type, dict[str, str | tuple[str, str]]] = {
    Project: {
        "python": ('python = "3.12"', 'python = "3.13"'),
        "platforms": 'platforms = ["linux/arm64"]',
        "manylinux": 'manylinux = "2_34"',
        "musllinux": 'musllinux = "1_2"',
        "lock-dir": 'lock-dir = "locks"',
        "urls": 'urls = "portable"',
        "wheelhouse": 'wheelhouse = "wheels"',
        "pipeline": 'pipeline = "pipeline.py"',
        "pipeline-config": 'pipeline-config = "train.yaml"',
        "index": INDEX,
        "index-sources": (INDEX, f'index-sources = {{ alpha = "house" }}\n{INDEX}'),
        "exclude-newer": "exclude-newer = 2026-11-01",
        "exclude-newer-package": "exclude-newer-package = { alpha = false }",
        "conflicts": 'conflicts = "later"',
        "build-sdists": 'build-sdists = ["alpha"]',
        "prerelease": 'prerelease = "allow"',
        "resolution": 'resolution = "lowest"',
        "pin-images": "pin-images = true",
        "align": ("align = false", 'align = "always"'),
        "align-packages": 'align-packages = ["alpha"]',
        "step-back": "step-back = 30",
        "constraints": 'constraints = ["alpha<2"]',
        "overrides": 'overrides = ["alpha<2"]',
        "exclude": 'exclude = ["alpha"]',
        "keep": 'keep = "uv.lock"',
        "audit-ignore": 'audit-ignore = [{ id = "CVE-1", reason = "never called", until = 2027-01-01 }]',
        "registry": 'registry = "registry.example/team"',
        "stack": STACK,
        "integrations": (ACME, f'{ACME}requirements = ["acme"]'),
        "docker": '[docker]\nrequirements = ["alpha"]',
        "steps": '[steps.train]\npython = "3.13"',
    },
    StepConfiguration: {
        "docker": 'docker.requirements = ["alpha"]',
        "python": ('python = "3.12"', 'python = "3.13"'),
        "platforms": 'platforms = ["linux/arm64"]',
        "index": 'index = [{ url = "https://index.example/" }]',
        "index-sources": 'index-sources = { alpha = "house" }',
        "align": "align = false",
    },
    IndexTable: {
        "url": ('url = "https://index.example/"', 'url = "https://other.example/"'),
        "name": ('url = "https://index.example/"', 'url = "https://index.example/"\nname = "other"'),
        "default": ('url = "https://index.example/"', 'url = "https://index.example/"\ndefault = true'),
        "explicit": (
            'url = "https://index.example/"\nname = "other"',
            'url = "https://index.example/"\nname = "other"\nexplicit = true',
        ),
        "index-in-context": (
            'url = "https://index.example/"',
            'url = "https://index.example/"\nindex-in-context = true',
        ),
    },
    StackTable: {
        "components": ('components = ["s3"]', 'components = ["gcp"]'),
        "requirements": ('requirements = ["alpha"]', 'requirements = ["beta"]'),
        "apt-packages": ('apt-packages = ["git"]', 'apt-packages = ["curl"]'),
        "pipeline-image": ('requirements = ["alpha"]', 'requirements = ["alpha"]\npipeline-image = true'),
        "remote": ('requirements = ["alpha"]', 'requirements = ["alpha"]\nremote = false'),
    },
    IntegrationTable: {"requirements": 'requirements = ["alpha"]', "apt-packages": 'apt-packages = ["git"]'},
    DockerSettings: {
        "requirements": 'requirements = ["alpha"]',
        "extra-requirements": 'extra-requirements = ["alpha"]',
        "required-integrations": 'required-integrations = ["s3"]',
        "replicate-local-python-environment": 'replicate-local-python-environment = ["echo", "alpha==1"]',
        "install-stack-requirements": "install-stack-requirements = false",
        "apt-packages": 'apt-packages = ["git"]',
        "pyproject-path": FROM_PROJECT,
        "pyproject-extras": (FROM_PROJECT, f'{FROM_PROJECT}\npyproject-extras = ["more"]'),
        "pyproject-groups": (FROM_PROJECT, f'{FROM_PROJECT}\npyproject-groups = ["dev"]'),
        "script": 'script = "train.py"',
        "python-package-installer": 'python-package-installer = "uv"',
        "python-package-installer-args": "python-package-installer-args = { timeout = 5 }",
        "parent-image": 'parent-image = "python:3.12"',
        "environment": 'environment = { A = "b" }',
        "runtime-environment": 'runtime-environment = { A = "b" }',
        "user": 'user = "nobody"',
        "skip-build": "skip-build = false",
        "dockerfile": 'dockerfile = "Dockerfile"',
        "build-context-root": 'build-context-root = "."',
        "local-project-install-command": 'local-project-install-command = "pip install ."',
        "include-project": "include-project = true",
        "any-user": "any-user = true",
        "prevent-build-reuse": "prevent-build-reuse = true",
        "target-repository": 'target-repository = "team"',
        "python-package-installer-cache-mount": "python-package-installer-cache-mount = true",
        "system": "system = true",
        "venv": 'venv = "/venv"',
        "bytecode": "bytecode = false",
    },
}
AROUND: dict[type, str] = {
    Project: "",
    StepConfiguration: f"{INDEX}[steps.train]\n",
    IndexTable: "[[index]]\n",
    StackTable: "[stack]\n",
    IntegrationTable: ACME,
    DockerSettings: f"{STACK}[docker]\n",
}
"""What stands before the keys of a table."""


@cache
def json_schema() -> Any:
    """Return the schema as it is read from its file, once it is one in the drafts that editors know."""
    from jsonschema import Draft4Validator, Draft7Validator  # type: ignore[import-untyped]  # stubs are another package

    found = json.loads(json.dumps(schema()))
    Draft4Validator.check_schema(found)
    Draft7Validator.check_schema(found)
    return found


def mistakes_by_schema(table: object) -> list[str]:
    """Return what the schema has against a table of TOML, whose times are texts in JSON."""
    from jsonschema import Draft7Validator

    plain = json.loads(json.dumps(table, default=str))
    return [f"{one.json_path}: {one.message}" for one in Draft7Validator(json_schema()).iter_errors(plain)]

"""Whole Dockerfiles as they are written; `ZLOCK_UPDATE_GOLDEN=1` writes those of `tests/golden/` anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from support.images import UV, archive, build_row, dockerfile, planned, repository, sdist, wheel
from zlock.model.indexes import Index

GOLDEN = Path(__file__).parent / "golden"
BUILDS = [
    {
        "package": "delta",
        "version": "3.0",
        "platform": "linux/amd64",
        "requires": ["setuptools"],
        "requirements": [f"setuptools==80.0 --hash=sha256:{'04' * 32}"],
    }
]

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "nothing-locked": {"packages": []},
    "everything": {
        "settings": {
            "apt_packages": ["libgomp1", "git=1:2.39.5-0+deb12u2"],
            "environment": {"LANG": "C.UTF-8", "ASKED": 'a "quoted" \\ $value'},
            "runtime_environment": {"MODE": "production"},
            "python_package_installer_args": {"timeout": 1000, "no-color": None, "trusted-host": ["a", "b"]},
            "python_package_installer_cache_mount": True,
            "user": "app:users",
            "local_project_install_command": "pip install . --no-deps",
        },
        "project": {"pyproject.toml": b""},
        "needs_secret": True,
    },
    "uv": {
        "settings": {
            "python_package_installer": "uv",
            "python_package_installer_args": {"timeout": 300, "retries": 5, "strict": True},
            "python_package_installer_cache_mount": True,
        },
        "own": {"uv": UV},
    },
    "system": {"settings": {"system": True}},
    "system-uv": {
        "settings": {
            "system": True,
            "python_package_installer": "uv",
            "local_project_install_command": ["uv", "pip", "install", "--no-deps", "."],
        },
        "own": {"uv": UV},
        "project": {"pyproject.toml": b""},
    },
    "wheelhouse": {
        "packages": [wheel("alpha", "1.0"), sdist("delta", "3.0")],
        "settings": {"python_package_installer": "uv", "local_project_install_command": "uv pip install --no-deps ."},
        "own": {"uv": UV, "builds": BUILDS},
        "project": {"pyproject.toml": b""},
        "wheelhouse": True,
    },
    "public-indexes": {
        "indexes": (
            Index(url="https://index.example/simple/", default=True, in_context=True),
            Index(url="https://index.example/cpu/", name="cpu", in_context=True),
        ),
        "settings": {"local_project_install_command": "pip install ."},
        "project": {"pyproject.toml": b""},
    },
    "sdist": {"packages": [wheel("alpha", "1.0"), sdist("delta", "3.0")], "own": {"builds": BUILDS}},
    "repository": {
        "packages": [wheel("alpha", "1.0"), repository("cloned"), archive("packed", "2.0"), repository("bare")],
        "own": {
            "builds": [
                build_row("cloned", "1.0.dev3", f"setuptools==80.0 --hash=sha256:{'04' * 32}"),
                build_row("packed", "2.0", f"setuptools==80.0 --hash=sha256:{'04' * 32}"),
                build_row("bare", "1.0"),
            ]
        },
        "settings": {"apt_packages": ["git"]},
    },
    "hostile-arguments": {
        "settings": {
            "python_package_installer_args": {"proxy": "$(touch /tmp/x); 'a' \"b\" \\ ü --x", "cert": "a\nRUN touch /x"}
        }
    },
}


@pytest.mark.parametrize("name", CASES)
def test_a_dockerfile_is_as_it_was_agreed(name: str) -> None:
    case = dict(CASES[name])
    packages = case.pop("packages", [wheel("alpha", "1.0"), wheel("beta", "2.0", sha256="05")])
    text = dockerfile(planned(*packages, **case))

    path = GOLDEN / f"{name}.Dockerfile"
    if os.environ.get("ZLOCK_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_no_agreed_dockerfile_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.Dockerfile")} == set(CASES)

"""What the record of a package's source (PEP 610) says against a lock that has a folder."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from support.images import locked
from zlock.debian.verify import compare_debian
from zlock.image.reading.compilers import Compilers
from zlock.image.reading.environment import Installed, read_folder
from zlock.image.reading.installed import (
    Distribution,
    check_files,
    odd_settings,
    read_distributions,
    stray_files,
    venv_folders,
)
from zlock.image.reading.tree import FolderTree
from zlock.image.verify import compare
from zlock.model.debian import DebianPackage

HASHES = {"hashes": {"sha256": "0" * 64}}


@pytest.mark.parametrize(
    ("direct_url", "said"),
    [
        ({}, None),  # built in the image, and installed by its name
        ({"url": "file:///opt/zlock/folders/own-1.0-py3-none-any.whl", "archive_info": HASHES}, None),
        ({"url": "file:///project/libs/own", "dir_info": {"editable": True}}, None),
        ({"url": "https://host.example/own-1.0-py3-none-any.whl", "archive_info": HASHES}, "host.example"),
        ({"url": "https://host.example/own", "vcs_info": {"vcs": "git", "commit_id": "0a"}}, "host.example"),
        ({"url": "file:///srv/own.git", "vcs_info": {"vcs": "git", "commit_id": "0a"}}, "/srv/own.git"),
    ],
)
def test_a_locked_folder_may_be_a_folder_or_a_wheel_of_it(
    tmp_path: Path, direct_url: dict[str, Any], said: str | None
) -> None:
    own = Distribution(name=canonicalize_name("own"), version="1.0", files=(), direct_url=direct_url, paths=frozenset())

    found = compare(
        locked({"name": "own", "directory": {"path": "../libs/own"}}).packages,
        Installed(distributions=[own], tree=FolderTree(tmp_path)),
        is_local=lambda _: False,
        compilers=Compilers({}),
    )

    assert found.is_equal == (said is None)
    assert said is None or said in found.elsewhere["own"]


# What is not a file of a package


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with one package, as pip leaves it."""
    packages = tmp_path / "lib/python3.11/site-packages"
    info = packages / "alpha-1.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to("/usr/bin/python3.11")
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", encoding="utf-8")
    (packages / "alpha.py").write_bytes(b"")
    (info / "METADATA").write_text("Name: alpha\nVersion: 1\n", encoding="utf-8")
    record(packages, f"alpha.py,sha256={EMPTY},0")
    return tmp_path


EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def record(packages: Path, *lines: str) -> None:
    text = "\n".join((*lines, "alpha-1.dist-info/METADATA,sha256=", "alpha-1.dist-info/RECORD,,"))
    (packages / "alpha-1.dist-info/RECORD").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ["evil.pth", "evil.py", "__pycache__/alpha.cpython-311.pyc"])
def test_a_pipe_is_no_file_of_a_package_and_nobody_waits_for_it(environment: Path, name: str) -> None:
    place = environment / "lib/python3.11/site-packages" / name
    place.parent.mkdir(exist_ok=True)
    os.mkfifo(place)
    tree = FolderTree(environment)
    folders = venv_folders(tree, "", 11)
    assert stray_files(tree, folders, read_distributions(tree, folders)) == [f"{folders[0]}/{name}"]


@pytest.mark.parametrize(
    ("line", "why"),
    [("alpha.py,,", "without a sha256 in RECORD"), ("alpha.py,md5=x,0", "without a sha256 in RECORD")],
)
def test_a_file_that_record_has_no_hash_of_is_altered(environment: Path, line: str, why: str) -> None:
    tree = FolderTree(environment)
    record(environment / "lib/python3.11/site-packages", line)
    (one,) = read_distributions(tree, venv_folders(tree, "", 11))
    altered, _ = check_files(tree, one)
    assert {posixpath.basename(file.path): file.why for file in altered}["alpha.py"] == why


@pytest.mark.parametrize("target", ["/usr/bin/perl", "/usr/bin/evil", "/elsewhere/python3.11"])
def test_an_interpreter_is_one_of_the_home_of_the_environment(environment: Path, target: str) -> None:
    assert odd_settings(FolderTree(environment), "") == {}
    (environment / "bin/python3").unlink()
    (environment / "bin/python3").symlink_to(target)
    assert list(odd_settings(FolderTree(environment), "")) == ["bin/python3"]


def test_settings_that_python_can_not_read_are_odd(environment: Path) -> None:
    path = environment / "pyvenv.cfg"
    path.write_bytes(b"\xff\xfe\n" + path.read_bytes())
    assert "no text" in odd_settings(FolderTree(environment), "")["pyvenv.cfg"]


def test_an_environment_with_the_packages_of_the_system_is_none_of_its_own(environment: Path) -> None:
    assert read_folder(environment, "", 11).odd == {}
    path = environment / "pyvenv.cfg"
    path.write_text(path.read_text(encoding="utf-8").replace("false", "true"), encoding="utf-8")
    assert read_folder(environment, "", 11).odd == {"include-system-site-packages": "true"}


def test_programs_above_a_folder_of_packages_are_not_looked_for(environment: Path) -> None:
    packages = environment / "lib/python3.11/site-packages"
    record(packages, f"../../../bin/alpha,sha256={EMPTY},0", f"alpha.py,sha256={EMPTY},0")
    (one,) = read_folder(packages, "", 11).distributions
    assert {file.path for file in one.files} == {"/alpha.py", "/alpha-1.dist-info/METADATA"}


def test_a_folder_in_place_of_a_file_of_dpkg_is_a_change(tmp_path: Path) -> None:
    git = DebianPackage(
        name="git", version="1:2", architecture="amd64", suite="tiny", path="git.deb", size=1, sha256="0" * 64
    )
    (tmp_path / "usr/bin/git").mkdir(parents=True)
    dpkg = tmp_path / "var/lib/dpkg"
    (dpkg / "info").mkdir(parents=True)
    (dpkg / "status").write_text("Package: git\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2\n")
    (dpkg / "info/git.md5sums").write_text(f"{'0' * 32}  usr/bin/git\n")

    found = compare_debian([git], FolderTree(tmp_path), None)

    assert [(one.path, one.why) for one in found.altered["git:amd64"]] == [("/usr/bin/git", "changed")]

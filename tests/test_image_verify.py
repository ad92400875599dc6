"""What the record of a package's source (PEP 610) says against a lock that has a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from zlock.image.reading.compilers import Compilers
from zlock.image.reading.environment import Installed
from zlock.image.reading.installed import Distribution
from zlock.image.reading.tree import FolderTree
from zlock.image.verify import compare

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
        [{"name": "own", "directory": {"path": "../libs/own"}}],
        Installed(distributions=[own], tree=FolderTree(tmp_path)),
        is_local=lambda _: False,
        compilers=Compilers({}),
    )

    assert found.is_equal == (said is None)
    assert said is None or said in found.elsewhere["own"]

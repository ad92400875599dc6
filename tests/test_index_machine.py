"""What this machine's uv and pip are configured for, and in which order it counts."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import uv

from zlock.index.machine import Machine, _ask_pip, _ask_uv, public_index


def machine(folder: Path, environ: Mapping[str, str] | None = None) -> Machine:
    """Read the configuration of a machine whose own files are all in a folder, but for those right in `/etc`."""
    own = {"HOME": str(folder / "home"), "XDG_CONFIG_DIRS": str(folder / "etc")}
    return Machine.read({**own, **(environ or {})}, folder / "project")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def url(name: str) -> str:
    return f"https://{name}.index.example/simple/"


def test_each_place_gives_way_to_the_one_before(tmp_path: Path) -> None:
    uv_file = write(tmp_path / "project" / "uv.toml", f'[[index]]\nurl = "{url("uv")}"\ndefault = true\n')
    pip_file = write(tmp_path / "home" / ".config" / "pip" / "pip.conf", f"[global]\nindex-url = {url('pip')}\n")
    environ = {
        "UV_DEFAULT_INDEX": f"named={url('first')}",
        "UV_INDEX_URL": url("second"),
        "PIP_INDEX_URL": url("fourth"),
    }
    found = []
    for gone in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", uv_file, "PIP_INDEX_URL", pip_file):
        found.append(machine(tmp_path, environ).index_url())
        if isinstance(gone, Path):
            gone.unlink()
        else:
            del environ[gone]
    assert found == [
        url("first"),
        url("second"),
        url("uv"),
        url("fourth"),
        url("pip"),
    ]


@pytest.mark.skipif(Path("/etc/pip.conf").exists() or Path("/etc/uv").exists(), reason="this machine has its own")
def test_without_any_configuration_the_installers_are_asked(tmp_path: Path) -> None:
    assert machine(tmp_path).index_url() == ""
    assert public_index().startswith("https://")
    assert machine(tmp_path).unread() == []


def test_the_default_asked_for_is_what_both_installers_use() -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    command = [uv.find_uv_bin(), "pip", "compile", "-", "--no-config", "--emit-index-url", "--no-header", "--quiet"]
    printed = subprocess.run(command, input="", capture_output=True, text=True, check=True, env=environ).stdout
    stated = re.search(r"--index-url (\S+)", printed)
    assert stated
    assert stated[1].startswith("https://")
    assert (_ask_uv(), _ask_pip()) == (stated[1], stated[1])


def test_what_the_installers_are_configured_for_is_not_their_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _ask_uv(), _ask_pip()
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, url("other"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(write(tmp_path / "pip.conf", f"[global]\nindex-url={url('other')}\n")))
    assert (_ask_uv(), _ask_pip()) == before


@pytest.mark.parametrize(
    "text",
    [
        'index-url = "{}"',
        '[pip]\nindex-url = "{}"',
        '[[index]]\nurl = "https://x.example/"\n[[index]]\nname = "n"\nurl = "{}"\ndefault = true',
    ],
)
def test_every_form_of_uvs_configuration_is_read(tmp_path: Path, text: str) -> None:
    write(tmp_path / "home" / ".config" / "uv" / "uv.toml", text.format(url("uv")))
    assert machine(tmp_path).index_url() == url("uv")
    assert machine(tmp_path, {"UV_NO_CONFIG": "1"}).uv == {}


def test_the_nearest_of_uvs_files_wins(tmp_path: Path) -> None:
    write(tmp_path / "home" / ".config" / "uv" / "uv.toml", f'index-url = "{url("user")}"')
    write(tmp_path / "uv.toml", f'index-url = "{url("above")}"')
    named = write(tmp_path / "named.toml", f'index-url = "{url("named")}"')
    assert machine(tmp_path).index_url() == url("above")
    assert machine(tmp_path, {"UV_CONFIG_FILE": str(named)}).index_url() == url("named")


def test_pips_files_count_later_before_earlier_and_install_before_global(tmp_path: Path) -> None:
    write(tmp_path / "home" / ".pip" / "pip.conf", f"[install]\nindex_url = {url('install')}\n[global]\ntimeout = 5\n")
    user = f"[global]\nindex-url = {url('global')}\ntimeout = 6\n"
    write(tmp_path / "home" / ".config" / "pip" / "pip.conf", user)
    assert machine(tmp_path).index_url() == url("install")
    assert machine(tmp_path).pip["timeout"] == "6"
    write(tmp_path / "venv" / "pip.conf", "[global]\ntimeout = 7\n")
    named = write(tmp_path / "named.conf", "[global]\ntimeout = 8\n")
    environ = {"VIRTUAL_ENV": str(tmp_path / "venv")}
    assert machine(tmp_path, environ).pip["timeout"] == "7"
    assert machine(tmp_path, {**environ, "PIP_CONFIG_FILE": str(named)}).pip["timeout"] == "8"
    assert machine(tmp_path, {**environ, "PIP_CONFIG_FILE": os.devnull}).pip == {}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no section", b"[global]\n[global]\n", b"= = ="])
def test_files_that_can_not_be_read_count_as_empty(tmp_path: Path, content: bytes) -> None:
    for path in (".config/pip/pip.conf", ".config/uv/uv.toml"):
        write(tmp_path / "home" / path, "").write_bytes(content)
    assert machine(tmp_path).pip == machine(tmp_path / "other").pip
    assert machine(tmp_path).uv == machine(tmp_path / "other").uv


def test_what_a_lock_must_not_depend_on_is_named_and_not_read(tmp_path: Path) -> None:
    write(tmp_path / "home" / ".config" / "pip" / "pip.conf", "[global]\nextra-index-url = https://x.example/\n")
    text = 'find-links = ["x"]\n[[index]]\nurl = "https://x.example/"\n[pip]\nno-index = true\n'
    write(tmp_path / "project" / "uv.toml", text)
    found = machine(tmp_path, {"PIP_FIND_LINKS": "x", "UV_INDEX": "y", "PIP_CONSTRAINT": ""}).unread()
    assert found == [
        "PIP_FIND_LINKS",
        "UV_INDEX",
        "`extra-index-url` in pip's configuration",
        "`find-links` in uv's configuration",
        "`no-index` in uv's configuration",
        "`index` in uv's configuration",
    ]

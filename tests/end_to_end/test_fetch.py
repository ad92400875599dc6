"""`zlock fetch` and portable locks: every file checked, continued where it broke off, installed without an index."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from support.environment import clean_environment
from support.index import TinyIndex
from support.project import Project, Result
from support.venv import install_with_pip, install_with_uv, installed, make_venv, run_pip, run_uv
from support.wheels import make_wheel, metadata_text

PYTHON = f"3.{sys.version_info.minor}"
TAG = f"cp3{sys.version_info.minor}"
PINS = {"alpha": "1.0", "beta": "2.0"}
WITH_BETA = {"docker": {"requirements": ["gamma[x]", "beta"]}}


@pytest.fixture
def index() -> Iterator[TinyIndex]:
    with TinyIndex(auth=("ann", "pass-of-ann"), cache_control="max-age=0") as index:
        index.wheel("alpha", "1.0", requires=["beta"], files={"alpha.py": b"x" * 5000}, deflate=False)
        for tag in (f"{TAG}-{TAG}-manylinux_2_17_x86_64", f"{TAG}-{TAG}-manylinux_2_28_x86_64"):
            index.wheel("beta", "2.0", tag=tag)
        yield index


def make(folder: Path, index: TinyIndex, *requirements: str, **settings: Any) -> Project:
    project = Project(folder)
    project.configure(
        {
            "python": PYTHON,
            "index": [{"url": index.url_with_credentials, "default": True}],
            "docker": {"requirements": list(requirements or ["alpha"])},
            **settings,
        }
    )
    succeed(project.run("resolve"))
    return project


def succeed(result: Result) -> Result:
    assert result.code == 0, result.stderr
    return result


def content(index: TinyIndex, filename: str) -> bytes:
    listed = [file for name in ("alpha", "beta") for file in index.listing(name).files]
    return next(file.content for file in listed if file.filename == filename)


def asked_for_files(index: TinyIndex) -> list[dict[str, str]]:
    return [dict(one.headers) for one in index.requests if one.path.endswith(".whl")]


# The wheelhouse


def test_every_file_of_the_locks_is_fetched_and_a_second_run_asks_for_nothing(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)

    first = succeed(project.run("fetch", "--json"))
    wheels = {path.name: path.read_bytes() for path in (project.folder / "wheelhouse").iterdir()}
    index.requests.clear()
    second = succeed(project.run("fetch", "--json"))

    assert set(json.loads(first.stdout)["files"].values()) == {"fetched"}
    assert len(wheels) == 3
    for name, data in wheels.items():
        assert data == content(index, name)
    assert set(json.loads(second.stdout)["files"].values()) == {"kept"}
    assert asked_for_files(index) == []


def test_a_download_that_breaks_off_is_continued_in_the_same_run(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    index.fault("*/alpha-*.whl", "truncate")
    index.requests.clear()

    succeed(project.run("fetch"))

    ranges = [headers.get("range") for headers in asked_for_files(index) if "range" in headers]
    assert len(ranges) == 1
    assert re.fullmatch(r"bytes=[1-9][0-9]*-", ranges[0] or "")
    assert (project.folder / "wheelhouse" / "alpha-1.0-py3-none-any.whl").read_bytes() == content(
        index, "alpha-1.0-py3-none-any.whl"
    )


@pytest.mark.parametrize("how", ["lying", "too-much"])
def test_a_download_that_is_continued_with_other_bytes_is_begun_again(
    index: TinyIndex, tmp_path: Path, how: Literal["lying", "too-much"]
) -> None:
    project = make(tmp_path / "project", index)
    index.ranges = how
    index.fault("*/alpha-*.whl", "truncate")
    index.requests.clear()

    succeed(project.run("fetch"))

    assert sum("range" in headers for headers in asked_for_files(index)) == 1


def test_a_download_that_breaks_off_for_good_is_continued_by_the_next_run(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    index.fault("*/alpha-*.whl", "truncate")
    broken = project.run("fetch", env={"UV_HTTP_RETRIES": "0"})
    house = project.folder / "wheelhouse"
    there = sorted(path.name for path in house.glob("*.whl"))
    index.requests.clear()

    succeed(project.run("fetch"))

    assert broken.code == 3
    assert "incomplete download" in broken.stderr
    assert there == sorted(name for name in there if name.startswith("beta-"))
    assert len(there) == 2
    assert ["range" in headers for headers in asked_for_files(index)] == [True]
    assert list(house.glob(".*")) == []


def test_an_interrupt_leaves_whole_files_and_beginnings_that_the_next_run_continues(
    index: TinyIndex, tmp_path: Path
) -> None:
    project = make(tmp_path / "project", index)
    index.fault("*/alpha-*.whl", "stall")
    house = project.folder / "wheelhouse"

    process = project.start("fetch")
    deadline = time.monotonic() + 120
    while len(list(house.glob("beta-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    there = sorted(path.name.partition("-")[0] for path in house.glob("*.whl"))
    succeed(project.run("fetch"))

    assert process.returncode == 130
    assert "interrupted" in said
    assert there == ["beta", "beta"]
    name = "alpha-1.0-py3-none-any.whl"
    assert (house / name).read_bytes() == content(index, name)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_beginning_of_another_file_is_thrown_away(index: TinyIndex, tmp_path: Path, ranges: bool) -> None:
    index.ranges = ranges
    project = make(tmp_path / "project", index)
    name = "alpha-1.0-py3-none-any.whl"
    digest = hashlib.sha256(content(index, name)).hexdigest()
    project.write(f"wheelhouse/.{name}.{digest[:16]}.part", b"another beginning")

    succeed(project.run("fetch"))

    assert (project.folder / "wheelhouse" / name).read_bytes() == content(index, name)


def test_a_wrong_file_in_the_wheelhouse_is_replaced_and_named(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    name = "alpha-1.0-py3-none-any.whl"
    project.write(f"wheelhouse/{name}", b"no wheel")
    project.write("wheelhouse/mine-1.0-py3-none-any.whl", b"not of the locks")

    result = succeed(project.run("fetch"))

    assert f"`{name}` in the wheelhouse was another file, and is replaced" in result.stderr
    assert (project.folder / "wheelhouse" / name).read_bytes() == content(index, name)
    assert (project.folder / "wheelhouse" / "mine-1.0-py3-none-any.whl").exists()


@pytest.mark.parametrize("urls", ["index", "portable"])
def test_a_file_that_changed_on_the_index_is_refused_and_the_others_come(
    index: TinyIndex, tmp_path: Path, urls: str
) -> None:
    project = make(tmp_path / "project", index, urls=urls)
    (alpha,) = index.listing("alpha").files
    alpha.content = alpha.content[:-1] + b"!"

    result = project.run("fetch")

    assert result.code == 3
    assert "`alpha-1.0-py3-none-any.whl` is not the file that was locked" in result.stderr
    assert "pass-of-ann" not in result.stderr
    assert {path.name.partition("-")[0] for path in (project.folder / "wheelhouse").glob("*.whl")} == {"beta"}


def test_a_file_that_is_longer_than_locked_is_cut_off(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    (alpha,) = index.listing("alpha").files
    alpha.content += b"!" * 100_000

    result = project.run("fetch")

    assert result.code == 3
    assert "a download has more than the" in result.stderr
    assert f"it should have: `{index.root}/" in result.stderr


@pytest.mark.parametrize(
    ("inside", "settings", "said"),
    [
        ({"requires": ["beta"]}, {}, "`beta`, which is not locked"),
        ({"requires": ["beta<2"]}, WITH_BETA, "`beta<2`, and 2.0 is locked"),
        ({"extras": {"x": ["beta"]}}, {}, "`beta`, which is not locked"),
        ({"requires_python": "<3.8"}, {}, "Python <3.8, and the target is CPython"),
        ({"requires": ["beta>=2", "other; extra == 'y'", "other; os_name == 'nt'"]}, WITH_BETA, ""),
        ({"requires": ["beta"]}, {"exclude": ["beta"]}, ""),
        ({"requires": ["beta<2"]}, {"overrides": ["beta>1"], **WITH_BETA}, ""),
    ],
)
def test_a_wheel_that_requires_what_its_index_did_not_say_is_refused(
    index: TinyIndex, tmp_path: Path, inside: Any, settings: Any, said: str
) -> None:
    wheel = index.wheel("gamma", "1.0", **inside)
    wheel.requires_python, wheel.core_metadata = None, "no-hash"
    wheel.metadata = metadata_text("gamma", "1.0", extras={"x": []}).encode()
    project = make(tmp_path / "project", index, "gamma[x]", **settings)

    result = project.run("fetch")

    assert result.code == (3 if said else 0), result.stderr
    assert said in result.stderr
    assert (project.folder / "wheelhouse" / "gamma-1.0-py3-none-any.whl").exists() is not bool(said)


def test_a_wheel_that_the_target_does_not_install_may_require_anything(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("gamma", "1.0", requires=["other"])
    index.wheel("gamma", "1.0", tag=f"{TAG}-{TAG}-manylinux_2_17_x86_64")
    project = make(tmp_path / "project", index, "gamma", platforms=["linux/amd64"])

    assert len(json.loads(succeed(project.run("fetch", "--json")).stdout)["files"]) == 2


def test_a_folder_under_the_name_of_a_file_is_left_alone_and_named(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    project.write("wheelhouse/alpha-1.0-py3-none-any.whl/mine.txt", "mine")

    result = project.run("fetch")

    assert result.code == 3
    assert "error: `alpha-1.0-py3-none-any.whl` can't be put into the wheelhouse, where a folder has its name" in (
        result.stderr
    )
    assert (project.folder / "wheelhouse" / "alpha-1.0-py3-none-any.whl" / "mine.txt").exists()


def test_a_password_that_is_no_longer_right_is_said_to_be_refused(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    index.auth = ("ann", "another-pass")

    result = project.run("fetch")

    assert result.code == 3
    assert "hint: the credentials it got are not accepted, or not for this package: correct them" in result.stderr
    assert "pass-of-ann" not in result.stderr


@pytest.mark.parametrize("urls", ["index", "portable"])
def test_a_file_that_is_gone_is_named_with_the_way_out(index: TinyIndex, tmp_path: Path, urls: str) -> None:
    project = make(tmp_path / "project", index, urls=urls)
    index.remove("alpha-1.0-py3-none-any.whl")

    result = project.run("fetch")

    assert result.code == 3
    assert "`alpha-1.0-py3-none-any.whl`" in result.stderr
    assert "by hand" in result.stderr


def test_offline_says_what_is_missing_and_changes_nothing(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    missing = project.run("fetch", "--offline")
    succeed(project.run("fetch"))
    complete = project.run("fetch", "--offline")
    (project.folder / "wheelhouse" / "alpha-1.0-py3-none-any.whl").write_bytes(b"another")
    other = project.run("fetch", "--offline")

    assert missing.code == other.code == 3
    tail = "and --offline leaves the network alone\n"
    hint = "hint: run once without --offline\n"
    assert missing.stderr.startswith(
        f"failed: `pipeline`\nerror: 3 files are not in the wheelhouse as they were locked, {tail}"
    )
    assert missing.stderr.count("is not in the wheelhouse\n") == 3
    assert missing.stderr.count(hint) == 1
    said = f"error: `alpha-1.0-py3-none-any.whl` is another file than was locked, {tail}{hint}"
    assert other.stderr.endswith(f"/wheelhouse\nfailed: `pipeline`\n{said}")
    assert complete.code == 0


def test_a_wheelhouse_that_is_no_folder_is_refused(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    project.write("file", "mine")
    (project.folder / "wheelhouse").symlink_to("nowhere")

    results = {"file": project.run("fetch", "--wheelhouse", "file"), "wheelhouse": project.run("fetch")}

    for name, result in results.items():
        assert result.code == 2
        assert f"the wheelhouse `{project.folder / name}` is not a folder\nhint: name one" in result.stderr
    assert (project.folder / "file").read_text(encoding="utf-8") == "mine"


def test_two_files_of_one_name_are_refused(index: TinyIndex, tmp_path: Path) -> None:
    with TinyIndex() as other:
        other.wheel("alpha", "1.0", files={"other.py": b""})
        project = Project(tmp_path / "project")
        project.configure(
            {
                "python": PYTHON,
                "steps": {
                    name: {
                        "index": [{"url": one.url_with_credentials if one.auth else one.url, "default": True}],
                        "docker": {"requirements": ["alpha"]},
                    }
                    for name, one in (("train", index), ("report", other))
                },
            }
        )
        succeed(project.run("resolve"))

        result = project.run("fetch")
        single = project.run("fetch", "--step", "report", "--wheelhouse", str(tmp_path / "house"))

    assert result.code == 1
    assert "the locks have two files called `alpha-1.0-py3-none-any.whl`" in result.stderr
    assert single.code == 0


def test_what_sdists_are_built_with_comes_too(index: TinyIndex, tmp_path: Path) -> None:
    index.sdist("built", "1.0", build_requires=["maker>=1"])
    index.wheel("maker", "1.0")
    project = make(tmp_path / "project", index, "built", **{"build-sdists": ["built"]})

    fetched = succeed(project.run("fetch"))

    house = project.folder / "wheelhouse"
    assert {path.name for path in house.iterdir()} == {"built-1.0.tar.gz", "maker-1.0-py3-none-any.whl"}
    assert f"with `--no-index`, sdists and folders need `--find-links {house}` to be built" in fetched.stderr


def test_what_sdists_are_built_with_is_known_without_an_index_once_it_is_there(
    index: TinyIndex, tmp_path: Path
) -> None:
    index.sdist("built", "1.0", build_requires=["maker>=1"])
    index.wheel("maker", "1.0")
    project = make(tmp_path / "project", index, "built", **{"build-sdists": ["built"]})
    succeed(project.run("fetch"))
    empty = str(tmp_path / "empty")

    complete = project.run("fetch", "--offline", "--cache-dir", empty)
    (project.folder / "wheelhouse" / "maker-1.0-py3-none-any.whl").unlink()
    index.remove("maker-1.0-py3-none-any.whl")
    gone = project.run("fetch", "--cache-dir", empty)

    assert complete.code == 0, complete.stderr
    assert gone.code == 3
    assert "a wheel of maker 1.0 with the locked hash is on no index any more" in gone.stderr


@pytest.mark.parametrize("urls", ["index", "portable"])
def test_the_uv_that_installs_a_lock_comes_with_it(index: TinyIndex, tmp_path: Path, urls: str) -> None:
    uv = index.wheel("uv", "0.13.9")
    installers = {"train": "uv", "report": "pip"}
    steps = {step: {"docker": {"python-package-installer": name}} for step, name in installers.items()}
    project = make(tmp_path / "project", index, "beta", urls=urls, steps=steps)

    succeed(project.run("fetch"))
    succeed(project.run("fetch", "--step", "report", "--wheelhouse", str(tmp_path / "without")))

    assert (project.folder / "wheelhouse" / uv.filename).read_bytes() == uv.content
    assert {path.name.partition("-")[0] for path in (tmp_path / "without").iterdir()} == {"beta"}


def test_an_index_that_is_a_folder_is_copied_from(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = make_wheel(folder, "solo", "1.0")
    project = Project(tmp_path / "project")
    project.configure(
        {
            "python": PYTHON,
            "index": [{"url": str(folder), "default": True}],
            "docker": {"requirements": ["solo"]},
        }
    )
    succeed(project.run("resolve"))

    succeed(project.run("fetch"))

    assert (project.folder / "wheelhouse" / wheel.name).read_bytes() == wheel.read_bytes()


# Portable locks


def test_a_portable_lock_names_no_host_and_is_the_same_lock(index: TinyIndex, tmp_path: Path) -> None:
    usual = make(tmp_path / "usual", index)
    portable = make(tmp_path / "portable", index, urls="portable")

    text = portable.lock_path("pipeline").read_text(encoding="utf-8")
    assert "://" not in text
    assert "127.0.0.1" not in text
    own = portable.lock("pipeline")["tool"]["zlock"]
    assert own["identity"] == usual.lock("pipeline")["tool"]["zlock"]["identity"]
    assert succeed(portable.run("resolve", "--check")).code == 0
    paths = [wheel["path"] for package in portable.lock("pipeline")["packages"] for wheel in package["wheels"]]
    assert {str(Path(path).parent) for path in paths} == {"../wheelhouse"}


def test_a_portable_lock_installs_after_fetch_with_pip_and_uv_without_any_index(tmp_path: Path) -> None:
    with TinyIndex() as index:
        index.wheel("alpha", "1.0", requires=["beta"])
        index.wheel("beta", "2.0")
        index.wheel("remote", "3.0")
        (file,) = index.listing("remote").files
        project = make(tmp_path / "project", index, "alpha", f"remote @ {index.root}/{file.location}", urls="portable")
        succeed(project.run("fetch"))
    lock = project.lock_path("pipeline")
    by_pip, by_uv = make_venv(tmp_path / "pip"), make_venv(tmp_path / "uv")

    install_with_pip(by_pip, lock, options=["--no-index"])
    install_with_uv(by_uv, lock, options=["--offline"])

    assert installed(by_pip) == installed(by_uv) == {**PINS, "remote": "3.0"}


def test_pip_and_uv_check_the_hashes_of_the_wheelhouse(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index, urls="portable")
    succeed(project.run("fetch"))
    house = project.folder / "wheelhouse"
    size = (house / "alpha-1.0-py3-none-any.whl").stat().st_size
    other = make_wheel(house, "alpha", "1.0", requires=["beta"], files={"alpha.py": b"y" * 5000}, deflate=False)
    assert other.stat().st_size == size
    python, lock = str(make_venv(tmp_path / "env")), str(project.lock_path("pipeline"))

    by_uv = run_uv("pip", "sync", "--no-cache", "--offline", "--python", python, lock, home=tmp_path)
    by_pip = run_pip("--python", python, "install", "--no-cache-dir", "--no-index", "-r", lock, home=tmp_path)

    assert by_uv.code != 0
    assert "Hash mismatch" in by_uv.stderr
    assert by_pip.code != 0
    assert "DO NOT MATCH THE HASHES" in by_pip.stderr


def test_a_portable_lock_is_solved_again_from_its_pins(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index, urls="portable")
    index.wheel("beta", "3.0")
    index.wheel("gamma", "1.0")
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", text.replace('"alpha"', '"alpha", "gamma"'))

    succeed(project.run("resolve"))
    kept = project.locked("pipeline")
    succeed(project.run("resolve", "--upgrade"))

    assert kept == {**PINS, "gamma": "1.0"}
    assert project.locked("pipeline")["beta"] == "3.0"


def test_a_file_that_was_replaced_since_a_portable_lock_is_refused_when_solving_again(
    index: TinyIndex, tmp_path: Path
) -> None:
    project = make(tmp_path / "project", index, urls="portable")
    index.remove("alpha-1.0-py3-none-any.whl")
    index.wheel("alpha", "1.0", requires=["beta"], files={"alpha.py": b"other"})
    index.wheel("gamma", "1.0")
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", text.replace('"alpha"', '"alpha", "gamma"'))

    result = project.run("resolve")

    assert result.code == 3
    assert "`alpha-1.0-py3-none-any.whl` is not the file that was locked" in result.stderr


def test_another_kind_of_urls_outdates_a_lock(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index)
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", f'urls = "portable"\n{text}')

    checked = project.run("resolve", "--check")
    succeed(project.run("resolve"))

    assert checked.code == 1
    assert "configuration: `urls` was not set, is `portable`" in checked.stderr
    assert "://" not in project.lock_path("pipeline").read_text(encoding="utf-8")
    assert project.locked("pipeline") == PINS


def test_another_wheelhouse_outdates_a_portable_lock(index: TinyIndex, tmp_path: Path) -> None:
    project = make(tmp_path / "project", index, urls="portable")
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", f'wheelhouse = "vendor"\n{text}')

    checked = project.run("resolve", "--check")
    succeed(project.run("resolve"))
    succeed(project.run("fetch"))

    assert checked.code == 1
    assert "configuration: `wheelhouse` was `../wheelhouse`, is `../vendor`, from the folder of the lock" in (
        checked.stderr
    )
    succeed(project.run("resolve", "--check", "--exit-code"))
    install_with_uv(make_venv(tmp_path / "uv"), project.lock_path("pipeline"), options=["--no-index"])


def test_another_wheelhouse_outdates_a_portable_lock_of_an_archive_alone(tmp_path: Path) -> None:
    with TinyIndex() as index:
        index.wheel("remote", "3.0")
        (file,) = index.listing("remote").files
        project = make(tmp_path / "project", index, f"remote @ {index.root}/{file.location}", urls="portable")
        text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
        project.write("zlock.toml", f'wheelhouse = "vendor"\n{text}')

        succeed(project.run("resolve"))

    assert project.lock("pipeline")["packages"][0]["archive"]["path"] == "../vendor/remote-3.0-py3-none-any.whl"


def repository(folder: Path) -> str:
    """Make a git repository with a project in it and return its URL."""
    own = Project(folder)
    own.write("pyproject.toml", '[project]\nname = "own"\nversion = "1"\n[build-system]\nrequires = []\n')
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@host.example", *arguments]
        subprocess.run(command, cwd=folder, env=clean_environment(own.home), check=True)
    return f"git+{folder.as_uri()}@main"


def test_a_repository_stays_what_it_is_and_fetch_says_so_after_all_else(index: TinyIndex, tmp_path: Path) -> None:
    url = repository(tmp_path / "repository")
    project = make(tmp_path / "project", index, "alpha", f"own @ {url}", urls="portable")

    result = project.run("fetch")

    assert result.code == 1
    assert "`own` of step `pipeline` comes from a repository, which no wheelhouse can hold" in result.stderr
    assert len(list((project.folder / "wheelhouse").glob("*.whl"))) == 3


def test_a_folder_of_which_the_build_is_not_locked_is_no_file_to_fetch(index: TinyIndex, tmp_path: Path) -> None:
    folder = Project(tmp_path / "project")
    folder.write("own/pyproject.toml", '[project]\nname = "own"\nversion = "1"\n')
    project = make(folder.folder, index, "alpha", f"own @ {(folder.folder / 'own').as_uri()}", urls="portable")

    result = succeed(project.run("fetch"))

    assert "`own` is a folder, and the lock does not say with what it is built, so it is not in" in result.stderr

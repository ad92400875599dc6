"""The index through the whole command: what a person sees, which code it ends with, what the lock says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock

from support.index import TinyIndex
from support.project import Project, Result
from support.repository import asking
from support.wheels import make_sdist, make_wheel

QUICK = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "5"}


def configure(project: Project, served: TinyIndex | str, /, *requirements: str, **more: Any) -> None:
    url = served if isinstance(served, str) else served.url
    settings = {"python": "3.12", "index": [{"name": "tiny", "url": url, "default": True}], **more}
    project.configure({**settings, "docker": {"requirements": list(requirements or ["a"])}})


def resolve(project: Project, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
    return project.run("resolve", *arguments, env={**QUICK, **(env or {})})


def locks(project: Project, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
    """Resolve, which has to end well."""
    result = resolve(project, *arguments, env=env)
    assert result.code == 0, result.stderr
    return result


def fails(project: Project, code: int, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Resolve, which has to end with a code, a message and a hint, and without a lock; return what it said."""
    result = resolve(project, *arguments, env=env)
    assert result.code == code, result.stderr
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr
    assert "hint: " in result.stderr
    assert not list(project.folder.glob("lockfiles/*.toml"))
    return result.stderr


@pytest.mark.parametrize(
    "kind", [401, 403, 406, 410, 429, 500, 503, "truncate", "reset", "stall", "hang", "garbage-json", "login-page"]
)
def test_an_index_that_fails_is_exit_3_and_named(project: Project, index: TinyIndex, kind: Any) -> None:
    index.wheel("a", "1.0")
    index.fault("/simple/a/", kind, times=None)
    configure(project, index.url.replace("http://", "http://user:s3cret@"))
    said = fails(project, 3, env={"UV_HTTP_TIMEOUT": "0.5"})
    assert f"{index.url}a/" in said
    assert "s3cret" not in said


def test_an_index_that_is_down_is_exit_3_and_leaves_the_lock(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    index.cache_control = "no-cache"
    configure(project, index)
    locks(project)
    before = project.lock_path("pipeline").read_bytes()
    index.fault("*", 503, times=None)
    assert resolve(project, "--upgrade").code == 3
    assert project.lock_path("pipeline").read_bytes() == before


def test_a_certificate_file_that_can_not_be_read_is_exit_3(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    configure(project, index)
    said = fails(project, 3, env={"SSL_CERT_FILE": str(project.folder / "gone.pem")})
    assert "gone.pem" in said
    assert index.requests == []


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("in-house", "UV_INDEX_IN_HOUSE_USERNAME and UV_INDEX_IN_HOUSE_PASSWORD, netrc or the keyring"),
        (None, "netrc, the keyring, or, for an index with a name, UV_INDEX_<NAME>_USERNAME and"),
    ],
)
def test_where_a_login_belongs_is_said_by_its_names(
    project: Project, index: TinyIndex, name: str | None, places: str
) -> None:
    index.wheel("a", "1.0")
    index.auth = ("user", "s3cret")
    stated = {"default": True, **({"name": name} if name else {})}

    configure(project, index, index=[{"url": index.url, **stated}])
    assert f"hint: give it a login: {places}" in fails(project, 3)

    configure(project, index, index=[{"url": index.url.replace("http://", "http://user:s3cret@"), **stated}])
    said = locks(project).stderr
    assert "has its password in the configuration" in said
    assert f"it can come from {places}" in said
    assert "s3cret" not in said

    if name:
        environ = {"UV_INDEX_IN_HOUSE_USERNAME": "user", "UV_INDEX_IN_HOUSE_PASSWORD": "s3cret"}
        configure(project, index, index=[{"url": index.url, **stated}])
        assert "password in the configuration" not in locks(project, "--upgrade", env=environ).stderr


def test_an_unknown_package_is_exit_1_with_close_names(project: Project, index: TinyIndex) -> None:
    index.wheel("requests", "1.0")
    configure(project, index, "requests", "reqeusts")
    said = fails(project, 1)
    assert "`reqeusts` was not found in any configured index" in said
    assert "did you mean `requests`?" in said


def test_only_names_that_the_index_has_are_proposed(project: Project, index: TinyIndex) -> None:
    index.wheel("django", "5.0")
    index.wheel("requests", "1.0")
    project.configure(
        {
            "python": "3.12",
            "index": [{"name": "tiny", "url": index.url, "default": True}],
            "docker": {"requirements": ["requests", "djngo", "nunpy", "cv2"]},
        }
    )
    said = fails(project, 1)
    assert "did you mean `django`?" in said
    assert said.count("hint: check the name, or add its index") == 2


def test_names_that_may_be_meant_make_no_stranger_of_an_index(project: Project, index: TinyIndex) -> None:
    step = {"docker": {"requirements": ["nunpy"]}}
    url = {"name": "tiny", "url": index.url, "default": True}
    project.configure({"python": "3.12", "index": [url], "steps": {"a": step, "b": step}})
    assert fails(project, 1).count("`nunpy` was not found in any configured index") == 2


def test_an_index_that_knows_nothing_is_one_error(project: Project, index: TinyIndex) -> None:
    index.wheel("own", "1.0")
    names = ["numpy", "pandas", "polars", "requests"]
    project.configure(
        {
            "python": "3.12",
            "index": [{"name": "house", "url": index.url}],
            "index-sources": {"own": "house"},
            "steps": {
                "a": {"docker": {"requirements": ["own>=2", *names[:3]]}},
                "b": {"docker": {"requirements": ["own", *names]}},
            },
        }
    )
    said = fails(project, 1, "--index-url", index.url)
    assert f"error: the index `{index.url.rstrip('/')}` knows none of the 4 packages that it was asked for" in said
    assert "`numpy`, `pandas`, `polars` and 1 more" in said
    assert "`--index-url`" in said
    assert "step `a`: no usable release matches `own>=2`" in said
    assert said.count("error: ") == 2
    assert "did you mean" not in said


def test_an_index_without_a_usable_url_is_exit_2(project: Project) -> None:
    configure(project, "http://user:s3cret@[broken/simple/")
    assert "s3cret" not in fails(project, 2)


def test_a_wrong_size_or_hash_found_while_hashing_is_exit_3(project: Project, index: TinyIndex) -> None:
    wheel = index.wheel("a", "1.0")
    wheel.hashes = {"md5": "0" * 32}
    configure(project, index)
    assert "`a-1.0-py3-none-any.whl` has the wrong hash" in fails(project, 3)
    wheel.hashes, wheel.size = {}, 5
    said = fails(project, 3, "--cache-dir", str(project.folder / "other"))
    assert "its index says 5" in said


@pytest.mark.parametrize("algorithm", [None, "md5"])
def test_a_file_without_a_sha256_is_hashed_for_the_lock(
    project: Project, index: TinyIndex, algorithm: str | None
) -> None:
    wheel = index.wheel("a", "1.0")
    wheel.hashes = {algorithm: hashlib.new(algorithm, wheel.content).hexdigest()} if algorithm else {}
    configure(project, index)
    locks(project)
    (package,) = project.lock("pipeline")["packages"]
    assert package["wheels"][0]["hashes"]["sha256"] == wheel.sha256

    project.lock_path("pipeline").unlink()
    index.requests.clear()
    locks(project)
    assert "GET" not in {request.method for request in index.requests if request.path.endswith(".whl")}
    project.lock_path("pipeline").unlink()
    locks(project, "--offline")


def test_a_file_listed_twice_with_different_hashes_is_exit_3(project: Project, index: TinyIndex) -> None:
    for requires in ([], ["b"]):
        index.wheel("a", "1.0", requires=requires)
    configure(project, index)
    said = fails(project, 3)
    assert "lists `a-1.0-py3-none-any.whl` twice with different hashes" in said
    assert all(file.sha256 in said for file in index.listing("a").files)


def test_a_broken_release_is_passed_over_with_a_note(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    index.wheel("a", "2.0", requires=["b>=3."])
    index.wheel("a", "3.0", metadata="Metadata-Version: 2.1\nName: a\nVersion: 3.0+cpu\n")
    index.wheel("a", "4.0", metadata="Metadata-Version: 2.1\nName: other\nVersion: 4.0\n")
    configure(project, index)
    said = locks(project).stderr
    assert project.locked("pipeline") == {"a": "1.0"}
    assert "note: a 4.0 is passed over: `a-4.0-py3-none-any.whl` says in its metadata that it is `other`" in said
    assert "note: a 3.0 is passed over: `a-3.0-py3-none-any.whl` says in its metadata that it is version" in said
    assert "note: a 2.0 is passed over: its metadata requires `b>=3.`, which is not a requirement" in said


def test_of_wheels_that_require_different_things_the_one_that_is_installed_counts(
    project: Project, index: TinyIndex
) -> None:
    index.wheel("a", "1.0", tag="py3-none-any", requires=["c"])
    index.wheel("a", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64", requires=["b"])
    index.wheel("b", "1.0")
    index.wheel("c", "1.0")
    configure(project, index)
    locks(project)
    assert project.locked("pipeline") == {"a": "1.0", "b": "1.0"}


def test_an_index_that_forbids_what_it_lacks_can_be_made_explicit(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    with TinyIndex() as inner:
        inner.fault("*", 403, times=None)
        first, last = {"name": "inner", "url": inner.url}, {"url": index.url, "default": True}
        configure(project, index, index=[first, last])
        assert "make it `explicit` and name them in `index-sources`" in fails(project, 3)
        configure(project, index, index=[{**first, "explicit": True}, last])
        locks(project)
    assert project.locked("pipeline") == {"a": "1.0"}


def test_a_build_that_fails_stops_and_no_older_release_is_taken_instead(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    index.sdist("a", "2.0", static=False, backend="fails")
    configure(project, index, **{"build-sdists": ["a"]})
    said = fails(project, 3)
    assert "`a` could not be built" in said
    assert "the compiler is missing" in said


def test_what_an_index_does_wrong_is_no_matter_of_bounds(project: Project, index: TinyIndex) -> None:
    wheel = index.wheel("a", "1.0")
    configure(project, index)
    owner = "hint: ask the owner of its index, or take it from another one with `index-sources`"
    index.status("a", "quarantined", "it steals")
    quarantined = fails(project, 1)
    index.raw("a", b'<a href="http://[::1/a-1.0-py3-none-any.whl">a-1.0-py3-none-any.whl</a>')
    without = fails(project, 1, "--upgrade")
    index.remove("a")
    index.listing("a").files.append(wheel)
    wheel.filename = "b-1.0-2.tar.gz"
    strange = fails(project, 1, "--upgrade")
    wheel.filename = "a-1.0-py3-none-any.whl"
    configure(project, index, **{"exclude-newer": "2026-01-01"})

    assert "the index quarantined it: it steals" in quarantined
    assert "the index lists `a` without any usable file" in without
    assert "`b-1.0-2.tar.gz` is not a file of a version of it" in strange
    assert [owner in said for said in (quarantined, without, strange)] == [True] * 3
    assert "hint: set `exclude-newer-package.a = false`, which lifts" in fails(project, 1, "--upgrade")
    configure(project, index, **{"exclude-newer": "2026-01-01", "exclude-newer-package": {"a": False}})
    locks(project)


def test_an_archived_project_is_noted(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    index.status("a", "archived", "use b")
    configure(project, index)
    assert "note: `a` is archived on its index: use b" in locks(project).stderr


@pytest.mark.parametrize("formats", [("html",), ("json",)])
def test_yanks_and_pythons_are_heeded(project: Project, index: TinyIndex, formats: Any) -> None:
    index.formats = formats
    index.wheel("a", "1.0")
    index.wheel("a", "2.0").yanked = "broken"
    index.wheel("a", "3.0", requires_python=">=3.13")
    index.wheel("a", "4.0", requires_python="<3.12")
    configure(project, index)
    locks(project)
    assert project.locked("pipeline") == {"a": "1.0"}


@pytest.mark.parametrize(("listed", "inside"), [(">=3.6.*", None), (None, ">=3.6.*"), (">=3.6.*", ">=3.")])
def test_an_invalid_python_counts_as_none_and_is_not_in_the_lock(
    project: Project, index: TinyIndex, listed: str | None, inside: str | None
) -> None:
    index.wheel("a", "1.0")
    index.wheel("a", "2.0", requires_python=inside).requires_python = listed
    configure(project, index)
    locks(project)
    assert project.locked("pipeline") == {"a": "2.0"}
    # What is in a lock is read by installers, which refuse one with an invalid specifier.
    assert Pylock.from_dict(project.lock("pipeline")).packages[0].requires_python is None


def test_an_extra_that_is_spelt_twice_brings_what_both_bring(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0", extras={"dev-release": ["b"], "dev_release": ["c"]})
    index.wheel("b", "1.0")
    index.wheel("c", "1.0")
    configure(project, index, "a[dev.release]")
    locks(project)
    assert project.locked("pipeline") == {"a": "1.0", "b": "1.0", "c": "1.0"}


def test_the_way_out_for_files_without_an_upload_time_is_named(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0").upload_time = None
    cutoff: dict[str, Any] = {"exclude-newer": "2026-01-01T00:00:00Z"}
    configure(project, index, **cutoff)
    assert "set `exclude-newer-package.a = false`, which lifts all but that of `--exclude-newer`" in fails(project, 1)
    configure(project, index, **cutoff, **{"exclude-newer-package": {"a": False}})
    locks(project)


def test_files_without_an_upload_time_are_left_out_where_there_is_a_cut_off(project: Project, index: TinyIndex) -> None:
    for version, time in (("1.0", "2024-01-01T00:00:00Z"), ("2.0", None), ("3.0", "2025-01-01T00:00:00Z")):
        index.wheel("a", version).upload_time = time
    configure(project, index, **{"exclude-newer": "2024-06-01T00:00:00Z"})
    locks(project)
    assert project.locked("pipeline") == {"a": "1.0"}
    index.api_version = "1.0"
    said = fails_anew(project)
    assert "upload" in said


def fails_anew(project: Project) -> str:
    """Resolve once more without the lock and the cache of before."""
    project.lock_path("pipeline").unlink()
    return fails(project, 1, "--cache-dir", str(project.folder / "new-cache"))


def test_credentials_are_in_no_lock_no_output_and_no_cache(project: Project, index: TinyIndex) -> None:
    index.auth = ("user", "s3cret")
    index.wheel("a", "1.0", requires=["b"])
    index.wheel("b", "1.0").hashes = {}
    configure(project, index.url_with_credentials)
    result = locks(project, "-v")
    assert project.locked("pipeline") == {"a": "1.0", "b": "1.0"}
    assert "s3cret" not in result.stdout + result.stderr
    kept = [path for folder in (project.cache, project.folder / "lockfiles") for path in folder.rglob("*")]
    assert len(kept) > 4
    assert not any(b"s3cret" in path.read_bytes() for path in kept if path.is_file())
    assert project.lock("pipeline")["packages"][0]["index"] == index.url


def test_a_second_run_asks_nothing_and_writes_the_same(project: Project, index: TinyIndex) -> None:
    for name, requires in (("a", ["b", "c"]), ("b", ["c"]), ("c", [])):
        index.wheel(name, "1.0", requires=requires)
    configure(project, index)
    locks(project)
    assert len(index.requests) == 6
    before = project.lock_path("pipeline").read_bytes()
    project.lock_path("pipeline").unlink()
    locks(project)
    assert len(index.requests) == 6
    assert project.lock_path("pipeline").read_bytes() == before


def test_offline_locks_from_the_cache_and_says_what_is_missing(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    configure(project, index)
    assert "`a` is not in the cache" in fails(project, 3, "--offline")
    locks(project)
    project.lock_path("pipeline").unlink()
    count = len(index.requests)
    locks(project, "--offline")
    assert len(index.requests) == count


def test_two_runs_that_share_a_cache_both_lock(tmp_path: Path, index: TinyIndex) -> None:
    for number in range(30):
        index.wheel(f"p{number}", "1.0", requires=[f"p{number + 1}"] if number < 29 else [])
    projects = [Project(tmp_path / name) for name in ("one", "two")]
    for project in projects:
        configure(project, index, "p0")
    shared = str(tmp_path / "shared")
    running = [project.start("resolve", "--cache-dir", shared, env=QUICK) for project in projects]
    for process in running:
        with process:
            _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
    first, second = (project.lock_path("pipeline").read_bytes() for project in projects)
    assert first == second
    with asking(Path(shared), index.url, offline=True) as ask:
        assert ask.metadata("p29").version == "1.0"


def test_the_machines_index_is_used_and_what_is_not_read_is_noted(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    project.configure({"python": "3.12", "docker": {"requirements": ["a"]}})
    env = {"UV_DEFAULT_INDEX": index.url, "PIP_EXTRA_INDEX_URL": "https://user:s3cret@extra.index.example/"}
    said = locks(project, env=env).stderr
    assert "PIP_EXTRA_INDEX_URL" in said
    assert "s3cret" not in said
    # It is so for good, so it is said once.
    assert "PIP_EXTRA_INDEX_URL" not in locks(project, "--upgrade", env=env).stderr
    assert "UV_INDEX" in locks(project, "--upgrade", env={**env, "UV_INDEX": "https://other.example/"}).stderr
    assert project.locked("pipeline") == {"a": "1.0"}


def test_an_index_of_the_projects_tool_uv_table_is_noted_and_not_read(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    project.configure({"python": "3.12", "docker": {"requirements": ["a"]}})
    project.write("pyproject.toml", '[[tool.uv.index]]\nurl = "https://me:s3cret@other.index.example/simple/"\n')
    env = {"UV_DEFAULT_INDEX": index.url}
    said = locks(project, env=env).stderr
    assert "note: `[tool.uv]` in `pyproject.toml` names an index, and zlock does not read it" in said
    assert "s3cret" not in said
    configure(project, index)
    assert "tool.uv" not in locks(project, "--upgrade").stderr


def test_a_higher_index_that_fails_is_exit_3_though_a_lower_one_knows_the_name(
    project: Project, index: TinyIndex
) -> None:
    index.wheel("a", "9.0")
    with TinyIndex() as inner:
        inner.fault("*", 500, times=None)
        rows = [{"name": "inner", "url": inner.url}, {"name": "outer", "url": index.url, "default": True}]
        configure(project, index, index=rows)
        assert f"{inner.url}a/" in fails(project, 3)
    assert index.requests == []


def test_an_explicit_index_serves_what_is_routed_to_it(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0", requires=["b"])
    with TinyIndex() as inner:
        inner.wheel("a", "9.0")
        inner.wheel("b", "2.0")
        rows = [
            {"name": "inner", "url": inner.url, "explicit": True},
            {"name": "outer", "url": index.url, "default": True},
        ]
        configure(project, index, index=rows, **{"index-sources": {"b": "inner"}})
        locks(project)
        assert project.locked("pipeline") == {"a": "1.0", "b": "2.0"}
        assert {package["name"]: package["index"] for package in project.lock("pipeline")["packages"]} == {
            "a": index.url,
            "b": inner.url,
        }


def test_steps_take_a_package_from_different_indexes(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0", requires=["b"])
    index.wheel("b", "1.0")
    with TinyIndex() as inner:
        inner.wheel("b", "1.0+fast")
        rows = [
            {"name": "inner", "url": inner.url, "explicit": True},
            {"name": "outer", "url": index.url, "default": True},
        ]
        steps = {"plain": {}, "fast": {"index-sources": {"b": "inner"}}}
        configure(project, index, index=rows, steps=steps, docker={"requirements": ["a"]})
        locks(project)
        assert project.locked("plain") == {"a": "1.0", "b": "1.0"}
        assert project.locked("fast") == {"a": "1.0", "b": "1.0+fast"}
        assert sum("/simple/a/" in request.path for request in index.requests) == 1

        configure(project, index, index=rows, steps={"plain": {}, "fast": {}}, docker={"requirements": ["a"]})
        outdated = project.run("resolve", "--check")
        assert (outdated.code, "`index-sources` was" in outdated.stderr) == (1, True)
        assert "`plain`" not in outdated.stderr


def test_a_folder_is_an_index(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0", requires=["b"])
    index.wheel("b", "1.0")
    static = index.write_static(tmp_path / "static")
    for url in (static.url, str(static.find_links)):
        configure(project, url)
        locks(project)
        assert project.locked("pipeline") == {"a": "1.0", "b": "1.0"}
    configure(project, str(tmp_path / "gone"))
    project.lock_path("pipeline").unlink()
    assert "is not there" in fails(project, 3)


def test_a_folder_serves_what_sdists_are_built_with(project: Project, wheelhouse: Path) -> None:
    make_sdist(wheelhouse, "a", "1.0", static=False, requires=["b"], build_requires=["only-here"])
    make_wheel(wheelhouse, "b", "1.0")
    make_wheel(wheelhouse, "only-here", "1.0")
    configure(project, str(wheelhouse), **{"build-sdists": ["a"]})
    locks(project)
    assert project.locked("pipeline") == {"a": "1.0", "b": "1.0"}

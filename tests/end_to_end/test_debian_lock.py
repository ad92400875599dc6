"""Debian packages in the lock: `zlock resolve` on a base image in a registry, with an archive on loopback."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from support.debian import Deb, Key, TinyArchive, base_files
from support.engines import require
from support.index import TinyIndex
from support.project import Project
from support.stored_images import Image, TinyRegistry, digest_of, make_layer
from zlock.model.debian import version_key

pytestmark = pytest.mark.engines  # apt and gpg
Files = Mapping[str, "bytes | str | None"]
LIBC = Deb(name="libc6", version="2.36-9")
GIT = Deb(name="git", version="1:2.39.5-0+deb12u1", fields={"Depends": "libc6, git-man"})
MAN = Deb(name="git-man", version="1:2.39.5-0+deb12u1", architecture="all")


@pytest.fixture
def archive(key: Key) -> Iterator[TinyArchive]:
    require("apt-get")
    with TinyArchive(key) as tiny:
        tiny.add(LIBC, GIT, MAN, Deb(name="curl"), Deb(name="git", version=GIT.version, architecture="arm64"))
        yield tiny


@pytest.fixture
def registry() -> Iterator[TinyRegistry]:
    with TinyRegistry() as tiny:
        yield tiny


@pytest.fixture
def index() -> Iterator[TinyIndex]:
    with TinyIndex() as index:
        index.wheel("model", "1.0")
        index.wheel("other", "1.0")
        yield index


def base_image(archive: TinyArchive, key: Key, *, architecture: str = "amd64", more: Files | None = None) -> Image:
    libc = Deb(name="libc6", version="2.36-9", architecture=architecture)
    files = base_files(archive, key, [libc], architecture=architecture, more=more or {})
    return Image(layers=(make_layer(files),), platform=f"linux/{architecture}")


class Case:
    """A project with one step that asks for Debian packages, and the base image in a registry."""

    def __init__(
        self, project: Project, index: TinyIndex, archive: TinyArchive, registry: TinyRegistry, image: Image
    ) -> None:
        self.project = project
        self.archive = archive
        self.registry = registry
        self._index = index
        self.reference = f"{registry.host}/team/base"
        self.digest = registry.push("team/base", "1", image)
        self.configure()

    def configure(self, *names: str, parent: str = "", requirements: Sequence[str] = ("model",), **more: Any) -> None:
        parent = parent or f"{self.reference}@{self.digest}"
        self.project.configure(
            {
                "python": "3.12",
                "index": [{"url": self._index.url, "default": True}],
                "docker": {
                    "requirements": list(requirements),
                    "parent-image": parent,
                    "apt-packages": list(names or ("git",)),
                },
                **more,
            }
        )

    def resolve(self, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> str:
        done = self.project.run("resolve", *arguments, env=env)
        assert done.code == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    @property
    def own(self) -> dict[str, Any]:
        found: dict[str, Any] = self.project.lock("pipeline")["tool"]["zlock"]
        return found

    @property
    def pins(self) -> dict[str, str]:
        return {row["name"]: row["version"] for row in self.own["apt"]["packages"]}


@pytest.fixture
def case(project: Project, index: TinyIndex, archive: TinyArchive, registry: TinyRegistry, key: Key) -> Case:
    return Case(project, index, archive, registry, base_image(archive, key))


def test_the_closure_is_in_the_lock_with_hashes_and_without_a_host(case: Case) -> None:
    said = case.resolve()

    assert "2 Debian packages (2 added)" in said
    apt = case.own["apt"]
    assert apt["base-image"] == case.digest
    git, man = apt["packages"]
    assert (git["name"], git["needs"]) == ("git", ["git-man"])
    assert (man["version"], man["architecture"], man["suite"], man["path"]) == (MAN.version, "all", "tiny", MAN.path)
    assert (man["size"], len(man["sha256"])) == (len(MAN.build()), 64)
    text = case.project.lock_path("pipeline").read_text(encoding="utf-8")
    assert case.archive.root.removeprefix("http://") not in text.partition("[tool.zlock.apt]")[2].partition("[[")[0]
    assert "git" not in case.project.locked("pipeline")
    case.resolve("--check")


def test_what_is_locked_stays_until_it_is_to_move(case: Case) -> None:
    case.resolve()
    text = case.project.lock_path("pipeline").read_bytes()
    case.archive.add(Deb(name="git-man", version="1:2.40", architecture="all"))
    case.archive.requests.clear()

    assert "up to date" in case.resolve()
    assert case.project.lock_path("pipeline").read_bytes() == text
    case.configure(requirements=["model", "other"], steps={"pipeline": {}, "second": {}})  # only wheels are new
    assert "2 packages (1 added)" in case.resolve()
    assert not case.archive.requests
    assert case.project.lock("second")["tool"]["zlock"]["apt"] == case.own["apt"]
    assert "(1 moved)\n  git-man 1:2.39.5-0+deb12u1 -> 1:2.40\n" in case.resolve("--upgrade-apt")
    assert case.pins["git-man"] == "1:2.40"


def test_versions_stay_beside_another_package_while_the_archive_has_them(case: Case) -> None:
    case.resolve()
    case.archive.add_beside(Deb(name="git-man", version="1:2.40", architecture="all"))
    case.configure("git", "curl")

    case.resolve("--check", code=1)
    assert "3 Debian packages (1 added)" in case.resolve()
    assert case.pins == {"curl": "1.0", "git": GIT.version, "git-man": MAN.version}
    case.resolve("--upgrade")
    assert case.pins["git-man"] == "1:2.40"


def test_versions_stay_while_the_pool_has_them_though_no_archive_does(case: Case) -> None:
    case.resolve()
    before = {row["name"]: row for row in case.own["apt"]["packages"]}
    assert case.project.run("fetch").code == 0
    case.archive.add(Deb(name="git-man", version="1:2.40", architecture="all"))
    case.configure("git", "curl")

    case.resolve()
    assert {row["name"]: row for row in case.own["apt"]["packages"]}["git-man"] == before["git-man"]
    case.resolve("--upgrade-apt")
    assert case.pins["git-man"] == "1:2.40"


def test_offline_apt_takes_packages_of_the_pool_that_no_archive_has(case: Case) -> None:
    case.configure("git", "curl")
    case.resolve()
    assert case.project.run("fetch").code == 0
    (path,) = case.project.folder.glob("**/pylock*.toml")
    locked = path.read_bytes()
    case.archive.add(replace(GIT, version="1:2.40"), Deb(name="git-man", version="1:2.40", architecture="all"))
    case.resolve("--upgrade-apt")  # the cache knows of the new ones now
    path.write_bytes(locked)
    case.configure("git")
    case.archive.requests.clear()

    case.resolve("--offline", "--cache-dir", f"../{case.project.cache.name}")
    assert case.pins == {"git": GIT.version, "git-man": MAN.version}
    assert not case.archive.requests


def test_another_digest_outdates_it(case: Case, key: Key) -> None:
    case.resolve()
    newer = base_image(case.archive, key, more={"etc/motd": b"newer"})
    case.digest = case.registry.push("team/base", "1", newer)
    case.configure()

    case.resolve("--check", code=1)
    case.resolve()
    assert case.own["apt"]["base-image"] == case.digest


def test_a_pinned_base_image_has_a_digest_and_a_floating_one_has_none(case: Case) -> None:
    case.configure(parent=f"{case.reference}:1")

    assert "apt packages are not locked (`git`), as the base image has no digest; `--pin-images`" in case.resolve()
    assert "apt" not in case.own
    case.resolve("--pin-images")
    assert case.own["apt"]["base-image"] == case.digest
    assert "up to date" in case.resolve()


def test_a_lock_of_before_stays_current_and_gets_them_with_the_next_resolve(case: Case) -> None:
    case.resolve("--no-apt")
    assert "apt" not in case.own
    case.resolve("--check")
    identity = case.own["identity"]

    case.resolve()

    assert case.pins
    assert case.own["identity"] == identity
    case.resolve("--no-apt")
    assert case.pins, "what is locked stays"


def test_a_closure_for_each_platform(
    project: Project, index: TinyIndex, archive: TinyArchive, registry: TinyRegistry, key: Key
) -> None:
    both = (base_image(archive, key), base_image(archive, key, architecture="arm64"))
    case = Case(project, index, archive, registry, both[0])
    case.digest = registry.push("team/base", "2", *both)
    case.configure(platforms=["linux/amd64", "linux/arm64"])

    case.resolve()

    rows = {(row["name"], row["architecture"]): row.get("platforms") for row in case.own["apt"]["packages"]}
    assert rows == {
        ("git", "amd64"): ["linux/amd64"],
        ("git", "arm64"): ["linux/arm64"],
        ("git-man", "all"): ["linux/amd64"],
    }
    case.resolve("--check")


def test_a_version_of_a_kind_is_asked_of_apt(case: Case) -> None:
    case.configure("git=1:2.39*")
    case.resolve()
    assert case.pins["git"] == GIT.version

    case.configure("git=1:2.40*")
    said = case.resolve(code=1)
    assert "step `pipeline`: apt can't install `git=1:2.40*`" in said
    assert "stated in zlock.toml" in said
    assert case.pins["git"] == GIT.version, "nothing was written"


def test_another_file_under_the_name_of_a_locked_one_is_refused(case: Case) -> None:
    case.resolve()
    case.archive.add(Deb(name="git-man", version=MAN.version, architecture="all", files={"evil": b"evil"}))
    case.configure("git", "curl")

    said = case.resolve(code=3)
    assert "`git-man_1%3a2.39.5-0+deb12u1_all.deb` is another file in its archive than was locked" in said
    case.resolve("--upgrade-apt")


def test_a_machine_without_apt_says_the_way_out(case: Case) -> None:
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not Path(folder, "apt-get").exists())

    said = case.resolve(code=3, env={"PATH": path})
    assert "this machine has no apt" in said
    assert "hint: " in said
    assert "--no-apt" in said
    case.resolve("--no-apt", env={"PATH": path})


def test_offline_what_is_locked_is_kept_and_what_is_not_is_refused(case: Case) -> None:
    case.resolve("--no-apt")

    assert "only known to its registry" in case.resolve("--offline", code=2)
    case.resolve()
    case.resolve("--offline")


def test_a_base_image_without_dpkg_is_named_with_the_step(case: Case) -> None:
    case.digest = case.registry.push("team/base", "1", Image(layers=(make_layer({"lib/apk/db/installed": b""}),)))
    case.configure()

    said = case.resolve(code=2)
    assert "step `pipeline`: the base image" in said
    assert "its packages are apk's" in said


def test_a_lock_whose_packages_do_not_agree_is_refused(case: Case) -> None:
    from zlock.lock.identity import resign

    case.resolve()
    path = case.project.lock_path("pipeline")
    text = path.read_text(encoding="utf-8")
    changes = {'needs = ["git-man"]': 'needs = ["nowhere"]', MAN.path: f"../../{MAN.path}", '"git-man", v': '"-rf", v'}
    for old, new in changes.items():
        assert old in text
        path.write_text(resign(text.replace(old, new)), encoding="utf-8")
        assert "holds what no lock may" in case.resolve("--check", code=2)


# What images install


def planned_bytes(case: Case) -> int:
    """Return what a build would download."""
    return int(json.loads(said_by(case, "plan", "--json", "--builder", "buildah"))["images"][0]["download"])


def fetched(case: Case, *arguments: str, code: int = 0) -> str:
    done = case.project.run("fetch", *arguments)
    assert done.code == code, done.stderr
    return done.stdout + done.stderr


def context(case: Case, *arguments: str, code: int = 0) -> Path | str:
    """Write the build context, and return its folder, or what was said."""
    done = case.project.run("dockerfile", *arguments)
    assert done.code == code, done.stderr
    return next(case.project.folder.glob("build/zlock/*/Dockerfile")).parent if code == 0 else done.stderr


def test_the_pool_is_fetched_checked_and_bound(case: Case) -> None:
    case.resolve()
    before = planned_bytes(case)
    fetched(case)
    pool = case.project.folder / "wheelhouse" / "debs"
    names = {f"git_1%3a{GIT.version[2:]}_amd64.deb": GIT.build(), f"git-man_1%3a{MAN.version[2:]}_all.deb": MAN.build()}
    assert {path.name: path.read_bytes() for path in pool.iterdir()} == names
    case.archive.content.clear()

    assert "3 files (3 already there)" in fetched(case)
    assert planned_bytes(case) == before - sum(map(len, names.values())), "they are there"
    folder = context(case, "--wheelhouse", "wheelhouse", "--offline")
    assert isinstance(folder, Path)
    sums = (folder / "debs" / "SHA256SUMS").read_text()
    assert {line.split("  ")[1] for line in sums.splitlines()} == names.keys()
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder / "debs", check=True, capture_output=True)
    text = (folder / "Dockerfile").read_text()
    assert "apt-get update" not in text
    assert "--mount=type=bind,source=debs,target=/opt/zlock/debs" in text
    assert "-o Dir::Etc::sourcelist=/dev/null" in text


def test_offline_what_is_missing_in_the_pool_is_named_and_taken_from_the_cache(case: Case) -> None:
    case.resolve()
    fetched(case)
    pool = case.project.folder / "wheelhouse" / "debs"
    man = next(pool.glob("git-man_*"))
    man.unlink()
    empty = ("--offline", "--cache-dir", str(case.project.folder / "empty"))

    for said in (fetched(case, *empty, code=3), str(context(case, *empty, code=3))):
        assert f"`{man.name}` is not in the wheelhouse, and --offline leaves the network alone" in said
        assert "hint: run once without --offline" in said
    context(case)
    assert "1 fetched" in fetched(case, "--offline")
    assert man.read_bytes() == MAN.build()


def test_without_a_pool_the_packages_are_brought_into_the_cache(case: Case) -> None:
    case.resolve()

    folder = context(case)
    assert isinstance(folder, Path)
    assert (folder / "debs" / f"git-man_1%3a{MAN.version[2:]}_all.deb").read_bytes() == MAN.build()
    case.archive.content.clear()
    context(case, "--offline")


def test_a_package_of_the_pool_that_was_replaced_is_refused(case: Case) -> None:
    case.resolve()
    fetched(case)
    path = next((case.project.folder / "wheelhouse" / "debs").glob("git-man_*"))
    path.write_bytes(path.read_bytes() + b"\n")

    for arguments in ((), ("--wheelhouse", "wheelhouse")):
        said = context(case, *arguments, code=3)
        assert f"`{path.name}` is another file than was locked" in str(said)
    assert "`git-man_1%3a2.39.5-0+deb12u1_all.deb` in the wheelhouse was another file, and is replaced" in fetched(case)
    context(case)


def test_what_the_archive_has_no_more_is_named_with_the_way_out(case: Case) -> None:
    case.resolve()
    del case.archive.content[MAN.path]

    said = fetched(case, code=3)
    assert "`git-man_1%3a2.39.5-0+deb12u1_all.deb`, which is locked, is gone" in said
    assert "`zlock resolve --upgrade-apt`" in said
    assert "git-man" in str(context(case, code=3))


def test_other_bytes_in_the_archive_are_refused(case: Case) -> None:
    case.resolve()
    case.archive.content[MAN.path] = case.archive.content[MAN.path][::-1]

    assert "is not the file that was locked" in fetched(case, code=3)
    assert not list((case.project.folder / "wheelhouse" / "debs").glob("git-man_*"))


def test_the_next_archive_of_the_suite_is_asked(
    project: Project, index: TinyIndex, archive: TinyArchive, registry: TinyRegistry, key: Key
) -> None:
    with TinyArchive(key) as other:
        other.add(Deb(name="other"))
        both = {"etc/apt/sources.list": (other.source() + archive.source()).encode()}
        case = Case(project, index, archive, registry, base_image(archive, key, more=both))
        case.configure("git", "other")
        case.resolve()

        assert "4 files (4 fetched)" in fetched(case)


def test_keys_follow_the_locked_packages(case: Case) -> None:
    case.resolve("--no-apt")
    context(case)
    case.resolve()
    context(case)
    case.archive.add(Deb(name="git-man", version="1:2.40", architecture="all"))
    case.resolve("--upgrade-apt")
    context(case)

    assert len(list(case.project.folder.glob("build/zlock/*/Dockerfile"))) == 3


def test_a_debian_package_is_told_from_one_of_python(case: Case) -> None:
    case.resolve("--no-apt")
    unlocked = case.project.run("why", "git")
    case.resolve()
    upgraded = case.project.run("resolve", "--upgrade-package", "git")

    assert unlocked.code == upgraded.code == 1
    assert "error: no lock has `git`\n  `git` by `apt-packages` in zlock.toml:" in unlocked.stderr
    assert "`zlock resolve --pin-images` records" in unlocked.stderr
    assert "not locked" in unlocked.stderr
    assert "hint: it is a Debian package: `--upgrade-apt` updates them all" in upgraded.stderr


def test_what_the_base_image_has_already_installs_nothing(case: Case) -> None:
    case.configure("libc6")
    assert "note: `libc6`: in the base image" in case.resolve()
    why = case.project.run("why", "libc6")
    assert "no lock has `libc6`" in why.stderr
    assert "  `libc6` by `apt-packages` in zlock.toml:" in why.stderr
    assert "hint: it is a Debian package, which the base image has already" in why.stderr

    folder = context(case)
    assert isinstance(folder, Path)
    assert case.own["apt"]["packages"] == []
    assert "apt-get" not in (folder / "Dockerfile").read_text()


# What is said of it


def said_by(case: Case, *arguments: str) -> str:
    done = case.project.run(*arguments)
    assert done.code == 0, done.stderr
    return done.stdout


def test_a_diff_names_debian_packages(case: Case) -> None:
    case.resolve()
    before = case.project.lock_path("pipeline").read_bytes()
    other = case.project.write("other/pylock.pipeline.toml", before)
    case.archive.add(Deb(name="git-man", version="1:2.40", architecture="all"))
    case.configure("git", "curl")
    case.resolve("--upgrade-apt")

    said = said_by(case, "diff", str(other.parent))
    assert "same packages; 2 Debian packages changed; its image changes (apt, apt-packages)" in said
    assert "  + curl:amd64 1.0  (Debian package)" in said
    assert f"  git-man:all {MAN.version} -> 1:2.40  (Debian package)" in said
    assert f"| git-man:all | {MAN.version} | 1:2.40 |" in said_by(
        case, "diff", str(other.parent), "--format", "markdown"
    )
    (step,) = json.loads(said_by(case, "diff", str(other.parent), "--format", "json"))["steps"]
    assert [(one["name"], one["kind"], one["is_older"]) for one in step["debian"]] == [
        ("curl:amd64", "added", False),
        ("git-man:all", "version", False),
    ]


def test_why_and_tree_name_debian_packages_and_who_asks(case: Case) -> None:
    case.resolve()

    said = said_by(case, "why", "git-man")
    assert f"pipeline: git-man {MAN.version}" in said
    assert "`git` by `apt-packages` in zlock.toml" in said
    assert f"-> git {GIT.version} -> git-man {MAN.version}" in said
    assert "`zlock resolve --upgrade-apt` updates it" in said
    tree = said_by(case, "tree").splitlines()
    assert "pipeline: 2 Debian packages for linux/amd64" in tree
    assert tree[-1] == f"    └── git-man {MAN.version}"
    assert json.loads(said_by(case, "tree", "--json"))["trees"][-1]["needs"] == {"git": ["git-man"], "git-man": []}


def test_bills_of_materials_have_debian_packages(case: Case) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    case.resolve()

    bill = json.loads(said_by(case, "export", "cyclonedx", "--step", "pipeline"))
    debian = {one["name"]: one for one in bill["components"] if one["purl"].startswith("pkg:deb/")}
    assert debian["git"]["purl"] == f"pkg:deb/debian/git@{GIT.version.replace('+', '%2B')}?arch=amd64&distro=tiny"
    assert debian["git"]["hashes"] == [{"alg": "SHA-256", "content": digest_of(GIT.build()).removeprefix("sha256:")}]
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert needs[debian["git"]["bom-ref"]] == [debian["git-man"]["bom-ref"]]
    document = json.loads(said_by(case, "export", "spdx", "--step", "pipeline"))
    assert {"git", "git-man"} <= {one["name"] for one in document["packages"]}
    assert not JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    written = case.project.write("bill.spdx.json", json.dumps(document))
    assert not validate_full_spdx_document(parse_file(str(written)))
    case.resolve("--check")


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0+b1"),
        ("1.9", "1.10"),
        ("9", "1:1"),
        ("1.0-1", "1.0-1.1"),
        ("1.0a", "1.0+"),
        ("1", "1-1"),
    ],
)
def test_versions_are_ordered_as_dpkg_orders_them(lower: str, higher: str) -> None:
    subprocess.run(["dpkg", "--compare-versions", lower, "lt", higher], check=True)

    assert version_key(lower) < version_key(higher)

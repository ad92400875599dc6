"""Locks come with a checkout, and who writes one can make its digests anew: what is in it is held to its form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.images import build_row, locked, repository, sdist, uv, wheel
from zlock.errors import InvalidLock
from zlock.lock.declared import digest_of_files
from zlock.lock.facts import Apt, DeclaredFile, Facts, LockedInstaller
from zlock.lock.files import PackageArchive, PackageFile
from zlock.lock.identity import identity_of, resign
from zlock.lock.lock import Lock
from zlock.lock.package import Package, PackageDirectory, PackageVcs
from zlock.lock.requirements import direct_requirements, hashed_requirements
from zlock.lock.store import parse_facts, parse_lock
from zlock.model.debian import DebianPackage
from zlock.model.explanations import Differs, GaveWay, Stated
from zlock.model.requirement import Asked

PATH = Path("pylock.train.toml")
HASHES = {"sha256": "01" * 32}
WHEEL = "alpha-1.0-py3-none-any.whl"
URL = f"https://index.example/files/{WHEEL}"
LOCK = locked(
    wheel("alpha", "1.0"),
    {**sdist("beta", "2.0"), "marker": 'sys_platform == "linux"', "requires-python": ">=3.9,!=3.10.*"},
    repository("gamma", url="ssh://git@host.example/team/project.git"),
    builds=[build_row("beta", "2.0", f"tool==1.0 --hash=sha256:{'02' * 32}")],
    installer=uv("0.13.9"),
    **{"declared-files": [{"path": "zlock.toml", "digest": f"sha256:{'0' * 64}"}]},
)
GAVE_WAY = GaveWay(
    loser=Stated(requirement="alpha==1", sources=("local environment",)),
    winner=Stated(requirement="alpha<3,>=2", sources=("explicit",)),
)
EXPLICIT = Stated(requirement="pandas[all]>=2", sources=("stack", "explicit"))
STACK = Stated(requirement='numpy<2; python_version > "3"', sources=("stack",))


def signed(*packages: Package, **facts: Any) -> str:
    """Return a lock with other packages or facts, whose digests fit it."""
    rows = packages or LOCK.packages
    stated = {"packages": len(rows), "identity": identity_of(rows, LOCK.facts.builds), **facts}
    return replace(LOCK, packages=rows, facts=replace(LOCK.facts, **stated)).render()


def refusal(read: Callable[[Path, str], object], text: str) -> tuple[str, tuple[str, ...], str]:
    with pytest.raises(InvalidLock) as caught:
        read(PATH, text)
    return caught.value.message, caught.value.context, caught.value.hint


def alpha(**stated: Any) -> Package:
    return replace(LOCK.packages[0], **stated)


def file(**stated: Any) -> Package:
    return alpha(wheels=(PackageFile(**{"hashes": HASHES, **({} if "path" in stated else {"url": URL}), **stated}),))


def vcs(**stated: Any) -> Package:
    kept: dict[str, Any] = {"type": "git", "url": "https://host.example/a", "commit_id": "0a" * 20}
    return Package(name="alpha", vcs=PackageVcs(**{**kept, **stated}))


def archive(**stated: Any) -> Package:
    return Package(name="alpha", version="1.0", archive=PackageArchive(**{"hashes": HASHES, **stated}))


def test_a_lock_as_it_is_written_is_read_as_what_it_is() -> None:
    found = parse_lock(PATH, signed())

    assert (found.packages, found.environments) == (LOCK.packages, LOCK.environments)
    assert found.render() == signed()
    assert parse_facts(PATH, signed()) == found.facts


@pytest.mark.parametrize(
    ("package", "key"),
    [
        (alpha(name="../../../../victim/requirements"), "name"),
        (alpha(name="Alpha"), "name"),
        (alpha(name="alpha\nbeta"), "name"),
        (alpha(version="1.0\nbeta==1"), "version"),
        (alpha(version="newest"), "version"),
        (alpha(version=""), "version"),
        (alpha(marker="nonsense"), "marker"),
        (alpha(marker='os_name == "a\nb"'), "marker"),
        (alpha(marker="python_version ~= '3'"), "marker"),
        (alpha(marker="os_name ~= 'posix'"), "marker"),
        (alpha(marker='"x" in extras'), "marker"),
        (alpha(marker='"x" in dependency_groups'), "marker"),
        (alpha(marker='"a" == "b"'), "marker"),
        (alpha(requires_python="3 or so"), "requires-python"),
        (alpha(index="https://user:secret@index.example/"), "index"),
        (alpha(index="ftp://index.example/"), "index"),
        (alpha(index="https://index.example/?token=secret"), "index"),
        (alpha(index="https://index.example:99999/"), "index"),
        (file(url=f"https://index.example/${{PIP_INDEX_URL}}/{WHEEL}"), "url"),
        (file(url=f"https://index.example/{WHEEL}#sha256={'0' * 64}"), "url"),
        (alpha(index="https://index.example/ --trusted-host x"), "index"),
        (file(hashes={"sha256": "AB" * 32}), "sha256"),
        (file(hashes={"sha256": "ab"}), "sha256"),
        (file(hashes={"sha512": "ab" * 64}), "hashes"),
        (file(size=-1), "size"),
        (file(url="https://index.example/files/beta-1.0-py3-none-any.whl"), "not a file of alpha 1.0"),
        (file(url="https://index.example/files/alpha-2.0-py3-none-any.whl"), "not a file of alpha 1.0"),
        (file(url="https://index.example/files/alpha-1.0.whl"), "not a file of alpha 1.0"),
        (file(url=f"https:///{WHEEL}"), "url"),
        (file(url=f"https://a:b@index.example/{WHEEL}"), "url"),
        (file(url=f"https://index.example/\n/{WHEEL}"), "url"),
        (file(name=f"../{WHEEL}"), "name"),
        (file(path=f"../wheelhouse\0/{WHEEL}"), "path"),
        (file(path=f"../wheelhouse\n/{WHEEL}"), "path"),
        (file(url=URL, path=WHEEL), "either a `url` or a `path`"),
        (file(url=f"https://index.example/\u202e/{WHEEL}"), "url"),
        (file(url=""), "either a `url` or a `path`"),
        (archive(url="https://host.example/%2e%2e%2fa.tar.gz"), "name of a file"),
        (archive(url="https://host.example/a.tar.gz", subdirectory="../.."), "subdirectory"),
        (archive(url="https://host.example/other-1.0-py3-none-any.whl"), "not a file of alpha 1.0"),
        (vcs(type="hg"), "type"),
        (vcs(commit_id="main"), "commit-id"),
        (vcs(url="https://-option/a"), "url"),
        (vcs(url="ssh://git:secret@host.example/a"), "url"),
        (vcs(url="ext::sh -c true"), "url"),
        (vcs(url="https://host.example/a#egg=x"), "url"),
        (vcs(url="https://host.example/a?b"), "url"),
        (vcs(subdirectory="/etc"), "subdirectory"),
        (Package(name="alpha", directory=PackageDirectory(path="libs\n/alpha")), "path"),
        (Package(name="alpha"), "it has to have files"),
        (alpha(vcs=vcs().vcs), "it has to have files"),
    ],
)
def test_a_package_that_no_lock_may_hold_is_refused_by_name(package: Package, key: str) -> None:
    message, (context,), hint = refusal(parse_lock, signed(package))

    assert message == "the lock `pylock.train.toml` holds what no lock may"
    assert f"packages[{package.name!r}]" in context
    assert key in context
    assert "secret" not in context
    assert hint.startswith("restore it from version control; or delete it, with the versions")


def test_a_package_is_there_once_for_each_target() -> None:
    there = [alpha(version="1.0"), alpha(version="1.0", marker='sys_platform == "win32"')]

    assert len(parse_lock(PATH, signed(*there)).packages) == len(there)
    message, (context,), _ = refusal(parse_lock, signed(*there, alpha(marker='sys_platform == "linux"')))
    assert message == "the lock `pylock.train.toml` holds what no lock may"
    assert context == "`packages`: linux/amd64 has a package twice"


DIGEST = f"sha256:{'0' * 64}"
GIT = DebianPackage(
    name="git", version="1:2.39", architecture="amd64", suite="tiny", path="pool/git.deb", size=1, sha256="0" * 64
)


def apt(base_image: str = DIGEST, distribution: str = "debian", **changes: Any) -> Apt:
    """Return one Debian package as locked, but for something."""
    return Apt(base_image=base_image, distribution=distribution, packages=(replace(GIT, **changes),))


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        ({"step": "a/b"}, "step"),
        ({"step": "a\nb"}, "step"),
        ({"identity": "sha256:AA"}, "identity"),
        ({"inputs": "md5:0"}, "inputs"),
        ({"python": "2.7"}, "python"),
        ({"platforms": ("linux/vax",)}, "platform"),
        ({"platforms": ()}, "platforms"),
        ({"python": f"3.{'1' * 5000}"}, "python"),
        ({"manylinux": "new"}, "manylinux"),
        ({"manylinux": f"2_{'1' * 5000}"}, "manylinux"),
        ({"parent_image": "base\nRUN evil"}, "parent-image"),
        ({"parent_reference": "base", "parent_digest": "latest", "parent_user": ""}, "parent-digest"),
        ({"parent_user": "root\nRUN evil"}, "parent-user"),
        ({"parent_user": "-x y"}, "parent-user"),
        ({"apt_packages": ("git; rm -r /",)}, "apt-packages[0]"),
        ({"apt": apt(base_image="latest")}, "apt.base-image"),
        ({"apt": apt(distribution="debian\n[[packages]]")}, "apt.distribution"),
        ({"apt": apt(name="-rf")}, "apt.packages[0].name"),
        ({"apt": apt(name="../git")}, "apt.packages[0].name"),
        ({"apt": apt(name="g" * 250)}, "apt.packages[0]"),
        ({"apt": apt(version="1" * 5000)}, "apt.packages[0]"),
        ({"apt": apt(version="1.0/../..")}, "apt.packages[0].version"),
        ({"apt": apt(version="$(rm -r /)")}, "apt.packages[0].version"),
        ({"apt": apt(architecture="amd64 ")}, "apt.packages[0].architecture"),
        ({"apt": apt(suite="tiny\n")}, "apt.packages[0].suite"),
        ({"apt": apt(path="pool/../../git.deb")}, "apt.packages[0].path"),
        ({"apt": apt(path="/etc/git.deb")}, "apt.packages[0].path"),
        ({"apt": apt(path="http://other.example/git.deb")}, "apt.packages[0].path"),
        ({"apt": apt(size=0)}, "apt.packages[0].size"),
        ({"apt": apt(size=2**70)}, "apt.packages[0].size"),
        ({"policy": {"conflicts": 2**70}}, "policy.conflicts"),
        ({"apt": apt(sha256="0" * 63)}, "apt.packages[0].sha256"),
        ({"apt": apt(needs=("nowhere",))}, "apt.packages"),
        ({"apt": Apt(base_image=DIGEST, distribution="debian", packages=(GIT, GIT))}, "apt.packages"),
        ({"exclude_newer": "2026\n"}, "exclude-newer"),
        ({"local": {"file:libs/a": "sha256:0"}}, "local.file:libs/a"),
        ({"installer": replace(LOCK.facts.installer or LockedInstaller(version="", wheels=()), version="9")}, "uv"),
        ({"declared_files": (DeclaredFile("../other", True, f"sha256:{'0' * 64}"),)}, "declared-files[0]"),
        ({"declared_files": (DeclaredFile("/etc/passwd", True, f"sha256:{'0' * 64}"),)}, "declared-files[0]"),
        ({"declared_files": (DeclaredFile("a/b", False, f"sha256:{'0' * 64}"),)}, "declared-files[0]"),
        ({"installer": LockedInstaller(version="0.13.9", wheels=())}, "uv.wheels"),
        ({"differs": (Differs(name="a", here="1\x1b[2J", elsewhere=(), reason="others"),)}, "differs[0].here"),
        ({"gave_way": (replace(GAVE_WAY, winner=replace(EXPLICIT, requirement="a\nb")),)}, "winner.requirement"),
        ({"builds": LOCK.facts.builds * 2}, "builds"),
        ({"builds": (replace(LOCK.facts.builds[0], requirements=("tool==1",)),)}, "builds[0].requirements[0]"),
        ({"builds": (replace(LOCK.facts.builds[0], requirements=LOCK.facts.builds[0].requirements * 2),)}, "builds[0]"),
        ({"builds": (replace(LOCK.facts.builds[0], package="../beta"),)}, "builds[0].package"),
        ({"builds": (replace(LOCK.facts.builds[0], requirements=("tool==1\n-e .",)),)}, "builds[0].requirements[0]"),
        ({"sources": (Asked(source="stack", requirements=("!",), recorded=True),)}, "sources"),
        ({"sources": (Asked(source="stack\n--index-url x", requirements=()),)}, "sources[0].source"),
    ],
)
def test_facts_that_no_lock_may_hold_are_refused_with_and_without_its_packages(facts: dict[str, Any], key: str) -> None:
    text = signed(**facts)
    message, (context,), _ = refusal(parse_facts, text)

    assert message == "the lock `pylock.train.toml` holds what no lock may"
    assert "tool.zlock" in context
    assert key in context
    assert refusal(parse_lock, text)[:2] == (message, (context,))


@pytest.mark.parametrize("kept", [0, 10, 500, -400, -2])
def test_without_its_packages_a_lock_is_cut_or_edited_wherever_it_is_with_them(kept: int) -> None:
    text = signed()
    for other in (text[:kept], text.replace("alpha", "omega"), text.replace('step = "train"', 'step = "other"')):
        assert refusal(parse_facts, other) == refusal(parse_lock, other)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('lock-version = "1.0"', 'lock-version = "2.0"'),
        ('lock-version = "1.0"', 'lock-version = "x"'),
        ("\npackages = 3", "\npackages = 4"),
        ("[[packages]]", "[[ packages ]]"),
    ],
)
def test_without_its_packages_a_signed_lock_is_refused_as_with_them(before: str, after: str) -> None:
    text = signed()
    assert before in text

    other = resign(text.replace(before, after, 1))
    assert refusal(parse_facts, other) == refusal(parse_lock, other)


@pytest.mark.parametrize(
    ("edit", "key"),
    [
        (lambda text: text.replace('"x86_64\\"', '"aarch64\\"', 1), "environments"),
        (lambda text: re.sub(r"environments = \[.*\]", "environments = []", text), "environments"),
        (lambda text: re.sub(r"environments = \[(.*)\]", r"environments = [\1, \1]", text), "environments"),
        (lambda text: text.replace('requires-python = "==3.12', 'requires-python = "==3.11', 1), "requires-python"),
    ],
)
def test_a_lock_is_for_the_targets_that_it_says(edit: Callable[[str], str], key: str) -> None:
    assert edit(signed()) != signed()

    _, (context,), _ = refusal(parse_lock, resign(edit(signed())))
    assert context.startswith(f"`{key}`: it does not say what")


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("[[packages]]", "[[ packages ]]", 1),
        lambda text: text.replace("packages = 3", "packages = 4"),
        lambda text: text.replace('lock-version = "1.0"', 'lock-version = "1.0 or so"'),
        lambda text: text.replace('lock-version = "1.0"', "lock-version = [1]"),
        lambda text: text.replace("format = 2", "format = 0"),
        lambda text: text.replace("size = 1000", "size = 1000, upload-time = 0001-01-01T00:00:00+23:59", 1),
        lambda text: text.replace("size = 1000", "size = 1000, upload-time = 9999-12-31T23:59:59-23:59", 1),
        lambda text: text.replace('created-by = "zlock"', 'created-by = "zlock"\npackages = [5]'),
        lambda text: text.replace("[[tool.zlock.builds]]", "builds = 5\n\n[[tool.zlock.builds]]"),
        lambda text: text.replace("size = 1000", "size = true"),
        lambda text: text.replace("hashes = {", "hashes = 5 # {", 1),
        lambda text: text.replace('name = "alpha"', 'name = ["alpha"]'),
    ],
)
def test_a_signed_text_of_another_shape_is_refused(edit: Callable[[str], str]) -> None:
    text = signed()

    assert edit(text) != text
    refusal(parse_lock, resign(edit(text)))


@pytest.mark.parametrize("package", [alpha(name="a\n-r b"), alpha(version="1\\"), alpha(marker="a\u2028b")])
def test_nothing_ends_a_line_of_requirements_wherever_it_comes_from(package: Package) -> None:
    with pytest.raises(InvalidLock):
        hashed_requirements([package])


def test_nothing_ends_a_line_of_a_repository_either() -> None:
    with pytest.raises(InvalidLock):
        direct_requirements([vcs(subdirectory="a\nb")])


# Locks of format 1


def old(lock: Lock, *lines: str) -> str:
    """Return a lock as format 1 has it."""
    text = lock.render().replace("format = 2\n", "format = 1\n" + "".join(f"{line}\n" for line in lines))
    return resign(text)


def test_sentences_of_format_1_are_read_as_the_values_that_they_were() -> None:
    gave_way = "`Alpha==1` of local environment gave way to `alpha>=2,<3` of explicit"
    reasons = {
        f"`pandas[All]>=2` of stack, explicit and `{STACK.requirement}` of stack can't be had with 1.0 and 1.1": {
            "reason": "forced", "forcing": (EXPLICIT, STACK)
        },
        "the index that it is taken from does not list 1.0 and 1.1": {"reason": "unlisted"},
        "the index `i`, which it is taken from, does not list 1.0 and 1.1": {"reason": "unlisted", "where": "i"},
        "no file of 1.0 and 1.1 fits CPython 3.12 on linux/amd64, glibc 2.28": {
            "reason": "unfit", "where": "CPython 3.12 on linux/amd64, glibc 2.28"
        },
        "no answer with 1.0 and 1.1 was found": {"reason": "unknown"},
        "it was locked so": {"reason": "locked"},
        "with 1.0 and 1.1, other packages would differ": {"reason": "others"},
    }  # fmt: skip
    lines = [f"a-b is 2.0 here and 1.0 and 1.1 elsewhere: {reason}" for reason in reasons]
    text = old(
        LOCK,
        f"gave-way = {json.dumps([gave_way], ensure_ascii=False)}",
        f"differs = {json.dumps(lines, ensure_ascii=False)}",
    )

    facts = parse_facts(PATH, text)

    assert facts.gave_way == (GAVE_WAY,)
    assert facts.differs == tuple(
        Differs(name="a-b", here="2.0", elsewhere=("1.0", "1.1"), **stated)  # type: ignore[arg-type]
        for stated in reasons.values()
    )
    assert (facts.identity, facts.inputs) == (LOCK.facts.identity, LOCK.facts.inputs)


@pytest.mark.parametrize("line", ['gave-way = ["nonsense"]', "differs = [5]", 'differs = ["a is b"]'])
def test_other_sentences_of_format_1_are_refused(line: str) -> None:
    assert "none of its sentences" in refusal(parse_facts, old(LOCK, line))[1][0]


def test_a_declared_file_outside_counts_by_its_name() -> None:
    outside = (DeclaredFile("shared requirements.txt", False, f"sha256:{'0' * 64}"),)
    text = signed(declared_files=outside, declared=digest_of_files(outside))

    found: Facts = parse_facts(PATH, text)

    assert found.declared_files == outside

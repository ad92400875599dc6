"""The key of an image: every input that changes the image moves it, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.images import PARENT, UV, archive, build_row, locked, planned, repository, sdist, uv, wheel
from zlock.errors import NoAnswer
from zlock.image.components import moved
from zlock.image.context.contents import plan_image
from zlock.image.layers.parent import ParentFacts
from zlock.image.layers.plan import plan_layers
from zlock.image.parent import custom_parent
from zlock.image.plan import ImagePlan, Parent, Program
from zlock.image.stages import NamedImage
from zlock.image.wanted import ImageWanted
from zlock.lock.facts import Apt
from zlock.lock.lock import Lock
from zlock.lock.selection import narrowed
from zlock.model.debian import DebianPackage
from zlock.model.indexes import Index
from zlock.model.target import Target
from zlock.settings.docker import DockerSettings

X_1 = f"x==1 --hash=sha256:{'0a' * 32}"
X_2 = f"x==2 --hash=sha256:{'0b' * 32}"

SETTINGS: dict[str, Any] = {
    "apt_packages": ["git", "zsh"],
    "environment": {"A": "1", "B": "2"},
    "runtime_environment": {"C": "3"},
    "user": "app",
    "python_package_installer_args": {"timeout": 100, "no-color": None},
    "local_project_install_command": "pip install .",
}
BUILD = {"package": "delta", "version": "3.0", "platform": "linux/amd64", "requires": ["x"], "requirements": [X_1]}
PACKAGES = [wheel("alpha", "1.0"), wheel("beta", "2.0", sha256="05"), sdist("delta", "3.0")]
BASE: dict[str, Any] = {
    "packages": PACKAGES,
    "own": {"builds": [BUILD], "uv": UV},
    "settings": SETTINGS,
    "project": {"pyproject.toml": b"one", "src/a.py": b"two"},
}


def of(**changed: Any) -> ImagePlan:
    """Return the plan of the base with some of its parts replaced."""
    stated = {**BASE, **changed}
    return planned(*stated.pop("packages"), **stated)


def settings(**changed: Any) -> dict[str, Any]:
    return {"settings": {**SETTINGS, **changed}}


MOVING: dict[str, dict[str, Any]] = {
    "a version": {"packages": [wheel("alpha", "1.1"), *PACKAGES[1:]]},
    "a file of the same version": {"packages": [wheel("alpha", "1.0", sha256="09"), *PACKAGES[1:]]},
    "a package more": {"packages": [*PACKAGES, wheel("gamma", "1.0")]},
    "a package less": {"packages": PACKAGES[1:]},
    "a requirement of a build": {"own": {"uv": UV, "builds": [{**BUILD, "requirements": [X_2]}]}},
    "the parent's digest": {"parent": Parent(reference=PARENT.reference, digest=f"sha256:{'cd' * 32}")},
    "an apt package": {"apt_packages": ("git",)},
    "a version of an apt package": {"apt_packages": ("git=1:2", "zsh")},
    "a variable": settings(environment={"A": "1", "B": "9"}),
    "a variable at run time": settings(runtime_environment={"C": "9"}),
    "when a variable is set": settings(environment={"A": "1"}, runtime_environment={"B": "2", "C": "3"}),
    "the user": settings(user="other"),
    "the parent's user": {**settings(user=None), "parent": replace(PARENT, user="app2")},
    "the installer": settings(python_package_installer="uv", python_package_installer_args={"timeout": 100}),
    "an argument": settings(python_package_installer_args={"timeout": 200, "no-color": None}),
    "the cache mount": settings(python_package_installer_cache_mount=True),
    "the interpreter": settings(system=True),
    "the folder of the environment": settings(venv="/srv/venv"),
    "the project's command": settings(local_project_install_command="pip install -v ."),
    "a file of the project": {"project": {**BASE["project"], "src/a.py": b"three"}},
    "that a file can be run": {"project": {**BASE["project"], "src/a.py": Program(b"two")}},
    "a file more": {"project": {**BASE["project"], "src/b.py": b""}},
    "a file's name": {"project": {"pyproject.toml": b"one", "src/c.py": b"two"}},
    "whether indexes come in": {"needs_secret": True},
    "an index in the context": {"indexes": (Index(url="https://index.example/cpu/", in_context=True),)},
    "the Python": {"target": Target.parse("3.11")},
}
NOT_MOVING: dict[str, dict[str, Any]] = {
    "the step's name": {"step": "another"},
    "the name of a base image whose digest is known": {
        "parent": Parent(reference="mirror.example/x:1", digest=PARENT.digest)
    },
    "the order of apt packages": {"apt_packages": ("zsh", "git", "zsh")},
    "the order of variables": settings(environment={"B": "2", "A": "1"}),
    "the order of arguments": settings(python_package_installer_args={"no-color": True, "timeout": "100"}),
    "an argument that is off": settings(
        python_package_installer_args={"timeout": 100, "no-color": None, "verbose": False}
    ),
    "the order of packages": {"packages": PACKAGES[::-1]},
    "where it is pushed to": {"repository": "registry.example/team"},
    "that it is built anyway": settings(prevent_build_reuse=True),
    "a target repository": settings(target_repository="other"),
    "the uv of an image that pip makes": {"own": {"builds": [BUILD], "uv": uv("9")}},
    "what the lock says beside": {
        "own": {"builds": [BUILD], "step": "x", "sources": [], "declared": f"sha256:{'1' * 64}"}
    },
}


@pytest.mark.parametrize("name", MOVING)
def test_what_changes_the_image_moves_its_key_and_is_named(name: str) -> None:
    before, now = of(), of(**MOVING[name])

    assert now.key != before.key
    assert now.tag == now.key[:16]
    assert moved(before.components, now.components)


@pytest.mark.parametrize("name", NOT_MOVING)
def test_what_does_not_change_the_image_does_not_move_its_key(name: str) -> None:
    assert of(**NOT_MOVING[name]).key == of().key


def test_the_pinned_uv_is_part_of_the_key() -> None:
    changed = settings(python_package_installer="uv", python_package_installer_args={})

    assert of(**changed).key != of(**changed, own={"builds": [BUILD], "uv": uv("0.14.0")}).key


CLONED = {
    "packages": [repository("cloned"), archive("packed", "2.0")],
    "own": {"builds": [build_row("cloned", "1.0", X_1), build_row("packed", "2.0", X_1)], "uv": UV},
}
OTHER_BUILD = build_row("cloned", "1.0", X_2)
MOVING_CLONED: dict[str, dict[str, Any]] = {
    "a commit": {"packages": [repository("cloned", commit="0b"), archive("packed", "2.0")]},
    "a repository's URL": {
        "packages": [repository("cloned", url="https://host.example/other"), archive("packed", "2.0")]
    },
    "an archive": {"packages": [repository("cloned"), archive("packed", "2.0", sha256="07")]},
    "what a repository is built with": {"own": {"builds": [OTHER_BUILD, build_row("packed", "2.0", X_1)]}},
}


@pytest.mark.parametrize("name", MOVING_CLONED)
def test_what_changes_a_package_that_is_built_moves_the_key_and_is_named(name: str) -> None:
    before, now = of(**CLONED), of(**{**CLONED, **MOVING_CLONED[name]})

    assert of(**CLONED, step="another").key == before.key
    assert now.key != before.key
    assert moved(before.components, now.components)


def test_the_name_of_a_base_image_counts_where_its_digest_is_not_known() -> None:
    assert of(parent=Parent(reference="base:1")).key != of(parent=Parent(reference="mirror.example/base:1")).key


def test_a_mirror_moves_no_key() -> None:
    text = json.dumps(PACKAGES)
    mirrored = json.loads(text.replace("https://index.example/files/", "https://mirror.example/pool/"))

    assert of(packages=mirrored).key == of().key


def test_no_url_path_or_step_is_in_a_context() -> None:
    everything = b"\n".join(of().context.values()) + "\n".join(of().context).encode()

    for word in (b"index.example", b"://", b"train", b"/home"):
        assert word not in everything


def wheels_for(*tags: str) -> dict[str, Any]:
    rows = [wheel("alpha", "1.0", sha256=f"1{number}", tag=tag)["wheels"][0] for number, tag in enumerate(tags)]
    return {"name": "alpha", "version": "1.0", "wheels": rows}


def on(platform: str, lock: Lock) -> ImagePlan:
    target = Target.parse("3.12", platform)
    return plan_image(
        ImageWanted(step="train", lock=lock, target=target, settings=DockerSettings(), apt_packages=(), parent=PARENT)
    )


FACTS = ParentFacts(
    interpreter="/usr/bin/python3",
    real="/usr/bin/python3.12",
    python="3.12.4",
    machine="x86_64",
    libc="glibc",
    glibc=(2, 36),
    users={},
    groups={},
    there={},
)


def test_what_an_image_out_of_layers_downloads_is_what_is_known_of_it() -> None:
    unsized = wheel("beta", "1.0")
    del unsized["wheels"][0]["size"]
    lock = locked(wheel("alpha", "1.0", size=700), unsized)
    wanted = ImageWanted(
        step="train", lock=lock, target=Target.parse("3.12"), settings=DockerSettings(), apt_packages=(), parent=PARENT
    )

    assert plan_layers(wanted, FACTS, None).download == 700


def test_a_user_of_a_base_image_is_no_number_without_end() -> None:
    assert FACTS.owner("1000:1000") == (1000, 1000)
    with pytest.raises(NoAnswer, match="the base image has no user `9999"):
        FACTS.owner("9" * 5000)


@pytest.mark.parametrize(
    ("asked", "names", "may"),
    [
        ((), None, False),
        (("git",), None, True),
        (("git",), (), False),
        (("git",), ("git", "perl"), False),
        (("git",), ("git", "libpython3.11-stdlib"), True),
        (("tool",), ("company-python3.11",), True),
    ],
)
def test_whether_debian_packages_may_bring_a_python_is_known_of_locked_ones(
    asked: tuple[str, ...], names: tuple[str, ...] | None, may: bool
) -> None:
    lock = locked(wheel("alpha", "1.0"))
    apt = (
        None if names is None else Apt(base_image=PARENT.digest, distribution="debian", packages=tuple(map(deb, names)))
    )
    lock = replace(lock, facts=replace(lock.facts, apt=apt))
    target = Target.parse("3.12")

    wanted = ImageWanted(
        step="train", lock=lock, target=target, settings=DockerSettings(), apt_packages=asked, parent=PARENT
    )

    assert wanted.may_get_python == may


def deb(name: str) -> DebianPackage:
    return DebianPackage(
        name=name, version="1", architecture="amd64", suite="tiny", path=f"{name}.deb", size=1, sha256="0" * 64
    )


def test_each_platform_has_its_own_wheels_and_key() -> None:
    both = wheels_for("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_17_aarch64")
    lock = locked(both, {**wheel("beta", "1.0"), "marker": 'platform_machine == "aarch64"'})

    amd, arm = on("linux/amd64", lock), on("linux/arm64", lock)

    assert amd.key != arm.key
    assert amd.context["requirements.txt"].decode() == f"alpha==1.0 \\\n    --hash=sha256:{'10' * 32}\n"
    assert b"beta==1.0 \\\n" in arm.context["requirements.txt"]
    assert amd.key == on("linux/amd64", locked(wheels_for("cp312-cp312-manylinux_2_17_x86_64"))).key


def test_a_platform_is_part_of_the_key() -> None:
    lock = locked(wheel("alpha", "1.0"))

    assert on("linux/amd64", lock).key != on("linux/arm64", lock).key


def test_the_best_wheel_of_each_package_is_counted_as_download() -> None:
    small = wheel("alpha", "1.0", tag="py3-none-any", size=10)["wheels"]
    best = wheel("alpha", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64", size=1000)["wheels"]

    assert (
        planned({"name": "alpha", "version": "1.0", "wheels": [*small, *best]}, wheel("beta", "1.0")).download == 2000
    )


def test_the_uv_that_installs_is_counted_as_download() -> None:
    sized = {**UV, "wheels": [{**UV["wheels"][0], "size": 30}]}
    installers = [{"python_package_installer": name} for name in ("pip", "uv")]
    sizes = [planned(wheel("alpha", "1.0", size=10), own={"uv": sized}, settings=one).download for one in installers]

    assert sizes == [10, 40]


def test_a_lock_for_one_target_has_the_identity_of_its_narrowed_self() -> None:
    lock = locked(*PACKAGES, builds=[BUILD])

    alone = narrowed(lock, Target.parse("3.12"))

    assert (alone.packages, alone.facts, alone.identity) == (lock.packages, lock.facts, lock.identity)


# A Dockerfile of one's own


@pytest.fixture
def custom(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    (context / "inside").mkdir(parents=True)
    (context / "inside" / "data.txt").write_text("one")
    (context / "notes.md").write_text("no part of it")
    (context / ".dockerignore").write_text("*.md\n")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM base:1 AS first\nUSER root\nFROM base:2\nCOPY --from=first /a /a\nUSER app\n")
    return dockerfile


DIGESTS = {"base:1": "sha256:" + "aa" * 32, "base:2": "sha256:" + "bb" * 32}


def made(dockerfile: Path, digests: Mapping[str, str] = DIGESTS) -> Parent:
    return custom_parent(dockerfile, dockerfile.parent / "context", lambda image: digests.get(image.reference, ""))


def test_a_parent_of_ones_own_is_named_after_what_it_is_built_from(custom: Path) -> None:
    parent = made(custom)

    assert parent.reference == f"zlock-parent:{parent.digest.removeprefix('sha256:')[:16]}"
    assert parent.user == "app"
    assert made(custom) == parent
    text = of(parent=parent, **settings(user=None)).context["Dockerfile"].decode()
    assert f"FROM {parent.reference}\nUSER root\n" in text
    assert text.endswith("USER app\n")


def test_what_a_parent_of_ones_own_is_built_from_moves_the_key(custom: Path) -> None:
    context = custom.parent / "context"
    digests = [made(custom).digest]
    digests.append(made(custom, {**DIGESTS, "base:1": "sha256:" + "cc" * 32}).digest)
    (context / "inside" / "data.txt").write_text("two")
    digests.append(made(custom).digest)
    (context / "inside" / "data.txt").chmod(0o755)
    digests.append(made(custom).digest)
    (context / "link").symlink_to("inside/data.txt")
    digests.append(made(custom).digest)
    custom.write_text(custom.read_text() + "RUN true\n")
    digests.append(made(custom).digest)

    assert len(set(digests)) == len(digests)


def test_what_moved_in_a_parent_of_ones_own_is_named(custom: Path) -> None:
    before = of(parent=made(custom)).components
    inside = custom.parent / "context" / "inside"
    (inside / "data.txt").chmod(0o755)
    (inside / "more").write_text("")
    custom.write_text(custom.read_text() + "RUN true\n")
    now = of(parent=made(custom, {**DIGESTS, "base:1": "sha256:" + "cc" * 32})).components

    assert moved(before, now) == [
        f"parent's image base:1: {DIGESTS['base:1']} -> sha256:{'cc' * 32}",
        "parent's file Dockerfile: changed",
        "parent's file inside/data.txt: changed",
        "parent's file inside/more: added",
    ]
    assert f"parent image: {PARENT.reference} -> made by `Dockerfile`" in moved(of().components, now)


def test_a_digest_that_nobody_has_told_is_unknown() -> None:
    now = of(parent=Parent(reference=PARENT.reference)).components

    assert f"parent digest: {PARENT.digest} -> unknown" in moved(of().components, now)


def test_what_a_parent_of_ones_own_does_not_see_moves_nothing(custom: Path) -> None:
    before = made(custom)
    (custom.parent / "context" / "notes.md").write_text("other notes")
    (custom.parent / "elsewhere").write_text("other")

    assert made(custom) == before


def test_a_parent_of_ones_own_floats_with_any_image_that_it_names(custom: Path) -> None:
    parent = made(custom, {"base:1": DIGESTS["base:1"]})

    assert parent.digest == ""
    assert of(parent=parent).floats


def asked_of(folder: Path, text: str) -> tuple[Parent, list[NamedImage]]:
    """Return the parent that a Dockerfile makes, and the images whose digests were asked for."""
    (folder / "Dockerfile").write_text(text)
    asked: list[NamedImage] = []

    def digest_of(image: NamedImage) -> str:
        asked.append(image)
        return DIGESTS["base:1"]

    return custom_parent(folder / "Dockerfile", None, digest_of), asked


def test_a_stage_is_no_number_without_end(tmp_path: Path) -> None:
    _, asked = asked_of(tmp_path, f"FROM base:1\nCOPY --from={'9' * 5000} /b /b\n")

    assert [image.reference for image in asked] == ["9" * 5000, "base:1"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ARG BASE=base:1\nFROM ${BASE}\n", ["base:1"]),
        ("ARG BASE\nFROM ${BASE:-base:1}\n", ["base:1"]),
        ("# syntax=docker/dockerfile:1\nFROM --platform=linux/amd64 base:1 as x\nFROM x\n", ["base:1"]),
        ("FROM base:1\nFROM base:2\nCOPY --from=0 /b /b\n", ["base:1", "base:2"]),
        ("FROM base:1\nCOPY --from=base:2 /a /a\n", ["base:1", "base:2"]),
        ("FROM base:1\nRUN --mount=type=bind,from=base:2,target=/a true\n", ["base:1", "base:2"]),
        ("FROM \\\n  base:1\n", ["base:1"]),
        ("FROM base:1\nRUN python3 <<EOF\nfrom pathlib import Path\nEOF\nUSER app\n", ["base:1"]),
        ("FROM base:1\nRUN echo $((1<<N))\nCOPY --from=base:2 /a /a\n", ["base:1", "base:2"]),
        ("FROM base AS base\nFROM base\n", ["base"]),
        ("FROM scratch\n", []),
        (f"FROM base:3@{DIGESTS['base:1']}\n", []),
    ],
)
def test_the_images_that_a_dockerfile_names_are_found(tmp_path: Path, text: str, names: list[str]) -> None:
    parent, asked = asked_of(tmp_path, text)

    assert [image.reference for image in asked] == names
    assert all(image.is_needed for image in asked)
    assert parent.digest
    assert parent.user == ("app" if "USER" in text else None)


def test_an_image_is_needed_where_the_last_stage_comes_from_it(tmp_path: Path) -> None:
    text = """
        FROM first:1 AS tools
        FROM second:1 AS unused
        COPY --from=third:1 /a /a
        FROM fourth:1 AS middle
        COPY --from=tools /a /a
        FROM middle
        COPY --from=fifth:1 /b /b
    """
    _, asked = asked_of(tmp_path, text)

    needed = {image.reference: image.is_needed for image in asked}
    assert needed == {"first:1": True, "second:1": False, "third:1": False, "fourth:1": True, "fifth:1": True}


@pytest.mark.parametrize(
    ("flag", "platform", "is_needed"),
    [
        ("", "", True),
        ("--platform=$TARGETPLATFORM", "", True),
        ("--platform=linux/arm64", "linux/arm64", True),
        ("--platform=${WHERE}", "linux/s390x", True),
        ("--platform=$BUILDPLATFORM", "", False),
    ],
)
def test_the_platform_of_a_from_is_the_one_that_is_asked_for(
    tmp_path: Path, flag: str, platform: str, is_needed: bool
) -> None:
    _, (image,) = asked_of(tmp_path, f"ARG WHERE=linux/s390x\nFROM {flag} base:1\n")

    assert (image.platform, image.is_needed) == (platform, is_needed)


def test_an_image_that_only_a_build_argument_names_floats(tmp_path: Path) -> None:
    assert asked_of(tmp_path, "ARG BASE\nFROM $BASE\n")[0].digest == ""

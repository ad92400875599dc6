"""The closure of Debian packages on a base image, by the machine's own apt, from an archive on loopback."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.debian import SUITE, Deb, Key, TinyArchive, base_files, status_of
from support.engines import require
from support.stored_images import digest_of, make_layer, unpacked
from zlock.debian import apt as asking
from zlock.debian.apt import Apt
from zlock.debian.base import Base, describes_debian, take_out
from zlock.debian.closure import find_closure
from zlock.debian.control import paragraphs
from zlock.errors import CommandFailed, InvalidInput, NoAnswer, OutsideFailed
from zlock.image.reading.layers import LayerTree
from zlock.model.debian import DebianPackage

pytestmark = pytest.mark.engines  # apt and gpg
Files = Mapping[str, "bytes | str | None"]

LIBC = Deb(name="libc6", version="2.36-9", fields={"Multi-Arch": "same"})
TOOL = Deb(
    name="tool",
    version="1:2.39.5-0+deb12u1",
    fields={"Depends": "libc6 (>= 2.30), libtool1 (>= 1.0), mail-agent | libtool1", "Recommends": "extra"},
)
DEBS = (
    LIBC,
    TOOL,
    Deb(name="libtool1", version="1.0+dfsg-2~b1", fields={"Pre-Depends": "libbase1", "Provides": "tool-abi"}),
    Deb(name="libbase1", architecture="all", fields={"Multi-Arch": "foreign"}),
    Deb(name="extra"),
    Deb(name="small-agent", fields={"Provides": "mail-agent", "Conflicts": "mail-agent"}),
    Deb(name="large-agent", fields={"Provides": "mail-agent", "Depends": "libtool1", "Conflicts": "mail-agent"}),
    Deb(name="only-one", fields={"Provides": "single-agent"}),
    Deb(name="user", fields={"Depends": "tool-abi, mail-agent"}),
    Deb(name="unmet", fields={"Depends": "nowhere"}),
    Deb(name="newer-libc", fields={"Depends": "libc6 (>= 2.37)"}),
)


@pytest.fixture
def archive(key: Key) -> Iterator[TinyArchive]:
    require("apt-get")
    with TinyArchive(key) as tiny:
        tiny.add(*DEBS, *(replace(one, architecture="arm64") for one in (LIBC, TOOL)))
        tiny.add(Deb(name="libtool1", architecture="arm64", fields={"Depends": "libbase1"}))
        yield tiny


def read_base(files: Files, folder: Path, *, platform: str = "linux/amd64") -> Base:
    """Read a base image out of a layer."""
    layer = make_layer(files)
    tree = LayerTree("base", describes_debian)
    tree.add(io.BytesIO(layer), digest_of(unpacked(layer)))
    take_out("base", tree, folder / "root")
    return Base.read("base", folder / "root", platform)


def closure(base: Base, names: Sequence[str], kept: Sequence[DebianPackage] = ()) -> tuple[DebianPackage, ...]:
    """Ask the archives anew, and return what is missing."""
    apt = Apt(base, base.root.parent / "apt", dict(os.environ))
    apt.update()
    return find_closure(base, apt, names, kept)


def named(found: Sequence[DebianPackage]) -> dict[str, str]:
    return {one.name: one.version for one in found}


def test_a_package_is_locked_with_all_that_the_base_image_lacks(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    found = closure(read_base(base_files(archive, key, [LIBC]), tmp_path), ["tool"])

    assert [(one.name, one.version, one.architecture, one.needs) for one in found] == [
        ("libbase1", "1.0", "all", ()),
        ("libtool1", "1.0+dfsg-2~b1", "amd64", ("libbase1",)),
        ("tool", TOOL.version, "amd64", ("libtool1",)),
    ]
    data = TOOL.build()
    tool = found[-1]
    assert (tool.suite, tool.path, tool.size) == (SUITE, TOOL.path, len(data))
    assert f"sha256:{tool.sha256}" == digest_of(data)
    assert tool.filename == "tool_1%3a2.39.5-0+deb12u1_amd64.deb"


CLOSURES = {
    "what is installed is not locked": (["libc6"], {}),
    "an installed package is upgraded where another one needs that": (["newer-libc"], None),
    "a version": (["tool=1:2.39.5-0+deb12u1"], {"libbase1": "1.0", "libtool1": "1.0+dfsg-2~b1", "tool": TOOL.version}),
    "any version of a kind": (["libbase1=1.*"], {"libbase1": "1.0"}),
    "a virtual package with one provider": (["single-agent"], {"only-one": "1.0"}),
    "an alternative that is asked for": (
        ["user", "large-agent"],
        {"large-agent": "1.0", "libbase1": "1.0", "libtool1": "1.0+dfsg-2~b1", "user": "1.0"},
    ),
}


@pytest.mark.parametrize("case", CLOSURES)
def test_closures(archive: TinyArchive, key: Key, tmp_path: Path, case: str) -> None:
    names, expected = CLOSURES[case]
    if expected is None:
        archive.add(Deb(name="libc6", version="2.37-1"))
        expected = {"libc6": "2.37-1", "newer-libc": "1.0"}

    assert named(closure(read_base(base_files(archive, key, [LIBC]), tmp_path), names)) == expected


def test_another_architecture_is_that_of_the_base_image(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    files = base_files(archive, key, [Deb(name="libc6", version="2.36-9", architecture="arm64")], architecture="arm64")

    found = closure(read_base(files, tmp_path, platform="linux/arm64"), ["tool"])

    assert [(one.name, one.architecture) for one in found] == [
        ("libbase1", "all"),
        ("libtool1", "arm64"),
        ("tool", "arm64"),
    ]


def test_packages_of_a_foreign_architecture_are_named_with_it(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    foreign = {"var/lib/dpkg/arch": b"amd64\narm64\n"}

    found = closure(read_base(base_files(archive, key, [LIBC], more=foreign), tmp_path), ["tool:arm64"])

    needs = {one.named_on("amd64"): one.needs for one in found}
    assert needs["tool:arm64"] == ("libc6", "libtool1")
    assert {"libc6:arm64", "libtool1:arm64", "libbase1"} < needs.keys()


def test_versions_stay_while_the_archive_has_them(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    base = read_base(base_files(archive, key, [LIBC]), tmp_path)
    before = closure(base, ["libtool1"])
    archive.add_beside(Deb(name="libtool1", version="1.1", fields={"Pre-Depends": "libbase1"}))
    archive.add(Deb(name="libbase1", version="1.1", architecture="all"))

    assert named(closure(base, ["tool"], before)) == {
        "libbase1": "1.1",  # the archive has no other one any more
        "libtool1": "1.0+dfsg-2~b1",
        "tool": TOOL.version,
    }
    assert named(closure(base, ["tool"]))["libtool1"] == "1.1"
    assert named(closure(base, ["libtool1=1.1"], before))["libtool1"] == "1.1", "what is asked for comes first"


def test_a_field_of_very_many_lines_is_read() -> None:
    (found,) = paragraphs("Package: a\n" + " b\n" * 300_000)

    assert found["package"] == "a" + "\nb" * 300_000


def test_both_formats_of_sources_are_read(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    paragraph = (
        f"# a comment\nTypes: deb deb-src\nURIs: {archive.root}\nSuites: {SUITE}\nComponents: main\n"
        "Signed-By: /opt/keys/own.gpg\n\n"
        "Types: deb\nURIs: http://127.0.0.1:9/\nSuites: gone\nEnabled: no\n"
    )
    more = {
        "etc/apt/sources.list": b"# nothing here\n\n",
        "etc/apt/sources.list.d/own.sources": paragraph.encode(),
        "etc/apt/sources.list.d/own.sources.save": b"rubbish",
        "opt/keys/own.gpg": key.public,
        "etc/apt/trusted.gpg.d/tiny.gpg": None,
    }

    assert named(closure(read_base(base_files(archive, key, [LIBC], more=more), tmp_path), ["libbase1"]))


# What goes wrong

NO_ANSWERS = {
    "an unknown package": (["nosuch"], "Unable to locate package nosuch"),
    "a version that is not there": (["tool=9"], "Version '9' for 'tool' was not found"),
    "a version of a kind that is not there": (["tool=9*"], "Version '9*' for 'tool' was not found"),
    "a virtual package with several providers": (["mail-agent"], "large-agent"),
    "a virtual package without a provider": (["nowhere"], "Package 'nowhere' has no installation candidate"),
    "what nothing can meet": (["unmet"], "unmet : Depends: nowhere but it is not installable"),
    "an architecture that the base image does not take": (
        ["tool:arm64"],
        "it takes packages of amd64, and not of arm64",
    ),
    "two that conflict": (["small-agent", "large-agent"], "Conflicts"),
}


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_what_can_not_be_installed_is_said_by_apt(archive: TinyArchive, key: Key, tmp_path: Path, case: str) -> None:
    names, expected = NO_ANSWERS[case]

    with pytest.raises(NoAnswer) as failed:
        closure(read_base(base_files(archive, key, [LIBC]), tmp_path), names)

    assert failed.value.message.startswith(f"apt can't install {', '.join(f'`{one}`' for one in names)} on the base")
    assert expected in "\n".join(failed.value.context)


def test_what_is_taken_away_from_the_base_image_is_said(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    old = Deb(name="old-agent")
    archive.add(Deb(name="new-agent", fields={"Conflicts": "old-agent"}))
    base, notes = read_base(base_files(archive, key, [LIBC, old]), tmp_path), list[str]()
    apt = Apt(base, tmp_path / "apt", os.environ)
    apt.update()

    assert named(find_closure(base, apt, ["new-agent"], note=notes.append)) == {"new-agent": "1.0"}
    assert notes == [
        "installing `new-agent` takes `old-agent` away from the base image `base`, with which it conflicts"
    ]


def test_a_name_is_no_pattern(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match=r"has a package `lib\.ool1`"):
        closure(read_base(base_files(archive, key, [LIBC]), tmp_path), ["lib.ool1"])


def test_broken_packages_of_the_base_image_are_its_own(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    broken = {"var/lib/dpkg/status": status_of([Deb(name="unmet", fields={"Depends": "nowhere"})])}

    with pytest.raises(NoAnswer, match="the Debian packages of the base image `base` are broken") as failed:
        closure(read_base(base_files(archive, key, more=broken), tmp_path), ["libbase1"])

    assert any("unmet : Depends: nowhere" in line for line in failed.value.context)


def test_a_held_package_is_not_moved(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    held = {"var/lib/dpkg/status": status_of([LIBC], state="hold ok installed")}
    archive.add(Deb(name="libc6", version="2.37-1"))

    with pytest.raises(NoAnswer, match="apt can't install `newer-libc`"):
        closure(read_base(base_files(archive, key, more=held), tmp_path), ["newer-libc"])


def test_an_archive_that_no_key_of_the_base_image_has_signed_is_refused(archive: TinyArchive, tmp_path: Path) -> None:
    base = read_base(base_files(archive, None, [LIBC]), tmp_path)

    with pytest.raises(OutsideFailed, match="the Debian archives of the base image `base` can't be used") as failed:
        closure(base, ["libbase1"])

    assert failed.value.hint.startswith("the keys in the base image are missing or too old")


def test_a_key_that_has_expired_is_refused(tmp_path: Path) -> None:
    require("apt-get")
    old = Key(expires="seconds=86400", now="20200101T000000")
    try:
        with TinyArchive(old) as archive:
            archive.add(*DEBS)
            with pytest.raises(OutsideFailed) as failed:
                closure(read_base(base_files(archive, old, [LIBC]), tmp_path), ["libbase1"])
    finally:
        old.close()
    assert failed.value.hint.startswith("the keys in the base image are missing or too old")


FAULTS = {
    "indexes that are not those of the signature": f"dists/{SUITE}/main/binary-amd64/Packages",
    "no indexes": "",
    "indexes that are out of date": "until",
}


@pytest.mark.parametrize("case", FAULTS)
def test_an_archive_that_lies_or_is_gone_is_refused(archive: TinyArchive, key: Key, tmp_path: Path, case: str) -> None:
    if FAULTS[case] == "until":
        archive.publish(until=datetime(2020, 1, 1, tzinfo=UTC))
    elif FAULTS[case]:
        archive.content[FAULTS[case]] += b"\nPackage: evil\nVersion: 1\n"
    else:
        archive.content.clear()

    with pytest.raises(OutsideFailed, match="can't be used") as failed:
        closure(read_base(base_files(archive, key, [LIBC]), tmp_path), ["libbase1"])

    assert failed.value.context


HOSTILE = {
    "a version that is none": {"Version": "1_0"},
    "a path out of the archive": {"Filename": "pool/../../etc/passwd.deb"},
    "a size that no file has": {"Size": "-5"},
    "no sha256": {"SHA256": ""},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_package_that_can_not_be_locked_is_named(
    archive: TinyArchive, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    right = TinyArchive._paragraph
    archive.debs = [Deb(name="evil")]
    archive.content[archive.debs[0].path] = archive.debs[0].build()

    def paragraph(self: TinyArchive, deb: Deb) -> str:
        fields = dict(line.split(": ", 1) for line in right(self, deb).splitlines()) | HOSTILE[case]
        return "".join(f"{name}: {value}\n" for name, value in fields.items())

    monkeypatch.setattr(TinyArchive, "_paragraph", paragraph)
    archive.publish()

    with pytest.raises(OutsideFailed, match="apt names a package that can't be locked") as failed:
        closure(read_base(base_files(archive, key), tmp_path), ["evil"])

    assert "evil" in failed.value.context[0]
    assert "ask whoever keeps its archive" in failed.value.hint


def test_what_an_archive_has_compressed_fills_no_disk(
    archive: TinyArchive, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_BOUNDED", ("prlimit", "--fsize=1000000", "--"))
    monkeypatch.setattr(archive, "_packages", lambda _: b"\n" * 3_000_000)
    archive.publish()

    with pytest.raises(OutsideFailed, match="can't be used") as failed:
        closure(read_base(base_files(archive, key), tmp_path), ["tool"])

    assert failed.value.context
    assert sum(one.stat().st_size for one in (tmp_path / "apt" / "lists").rglob("*") if one.is_file()) < 9999


def test_a_package_that_dpkg_can_not_read_is_named(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    file = tmp_path / "tool.deb"
    file.write_bytes(b"no package")
    asked = Apt(read_base(base_files(archive, key), tmp_path), tmp_path / "apt", dict(os.environ))
    deb = DebianPackage("tool", "1.0", "amd64", SUITE, "pool/tool.deb", 10, "0" * 64)

    with pytest.raises(CommandFailed, match=r"tool\.deb` can't be read") as failed:
        asked.offer({deb: file})

    assert "--upgrade-apt" in failed.value.hint


UNSUPPORTED: dict[str, tuple[Files, str, str]] = {
    "Alpine": ({"lib/apk/db/installed": b""}, "it has no dpkg", "its packages are apk's"),
    "Fedora": ({"usr/lib/sysimage/rpm/rpmdb.sqlite": b""}, "it has no dpkg", "its packages are rpm's"),
    "a distroless one": ({"var/lib/dpkg/status.d/base": b""}, "it has no dpkg", "without dpkg and apt"),
    "an empty one": ({"etc/hostname": b""}, "it has no dpkg", ""),
    "one without apt": ({"var/lib/dpkg/status": status_of([])}, "it has no apt", ""),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_base_images_without_apt_are_named(tmp_path: Path, case: str) -> None:
    files, message, context = UNSUPPORTED[case]

    with pytest.raises(InvalidInput, match=message) as failed:
        read_base(files, tmp_path)

    assert context in "\n".join(failed.value.context)
    assert "--no-apt" in failed.value.hint


WRONG_SOURCES = {
    "deb ftp://archive.example/debian tiny main": "at no web server: `ftp://archive.example/debian/`",
    "deb [trusted=yes] file:/etc tiny main": "at no web server: `file:/etc/`",
    "deb copy:///srv ./": "at no web server",
    "deb http:/etc tiny main": "at no web server",
    "deb http://archive.example/\x1b[31m tiny main": "at no web server",
    "deb http://archive.example/debian ../../tiny main": r"can't be read: `\.\./\.\./tiny`",
    "deb http://archive.example/debian tiny ../main": r"can't be read: `\.\./main`",
    "deb mirror+file:/etc/mirrors tiny main": "at no web server",
    "deb http://archive.example/debian": "can't be read: `deb http://archive.example/debian`",
    "nonsense": "can't be read: `nonsense`",
    "# all commented out": "has no sources of Debian packages",
}


@pytest.mark.parametrize("line", WRONG_SOURCES)
def test_sources_that_can_not_be_asked_are_named(key: Key, tmp_path: Path, line: str) -> None:
    files = base_files(None, key, more={"etc/apt/sources.list": line.encode()})

    with pytest.raises(InvalidInput, match=WRONG_SOURCES[line]):
        read_base(files, tmp_path)


@pytest.mark.parametrize("stated", ["amd64\n-o\n", "\n".join(f"arch{number}" for number in range(100))])
def test_architectures_that_are_none_are_named(key: Key, tmp_path: Path, stated: str) -> None:
    with pytest.raises(InvalidInput, match="its /var/lib/dpkg/arch is not a list of architectures"):
        read_base(base_files(None, key, more={"var/lib/dpkg/arch": stated.encode()}), tmp_path)


@pytest.mark.parametrize("status", [b"", b"\xff\x00Package: dpkg\n"])
def test_a_status_without_dpkg_is_named(archive: TinyArchive, key: Key, tmp_path: Path, status: bytes) -> None:
    with pytest.raises(InvalidInput, match="its /var/lib/dpkg/status names no dpkg"):
        read_base(base_files(archive, key, more={"var/lib/dpkg/status": status}), tmp_path)


def test_an_image_whose_dpkg_is_of_another_architecture_is_refused(key: Key, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="dpkg in the base image `base` is for `armhf`, and linux/amd64 is"):
        read_base(base_files(None, key, architecture="armhf"), tmp_path)


def test_a_machine_without_apt_says_the_way_out(archive: TinyArchive, key: Key, tmp_path: Path) -> None:
    base = read_base(base_files(archive, key), tmp_path)

    with pytest.raises(CommandFailed, match="this machine has no apt") as failed:
        Apt(base, tmp_path / "apt", {"PATH": str(tmp_path)})

    assert failed.value.exit_code == 3
    assert "--no-apt" in failed.value.hint


def test_nothing_of_the_base_image_is_run_and_no_hook_of_its_apt(
    archive: TinyArchive, key: Key, tmp_path: Path
) -> None:
    place = tmp_path / "was-run"
    hook = f'APT::Update::Pre-Invoke {{"touch {place}";}};\nDPkg::Pre-Invoke {{"touch {place}";}};\n'
    more = {"etc/apt/apt.conf.d/99hook": hook.encode(), "etc/apt/apt.conf": hook.encode()}

    assert closure(read_base(base_files(archive, key, more=more), tmp_path), ["libbase1"])
    assert not place.exists()

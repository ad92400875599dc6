"""Which files an image sees, the folders they are written to, and the secret that is none of them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.images import planned, wheel
from zlock.errors import InvalidConfiguration, InvalidInput, Problems
from zlock.image.bake import BakeTarget, bake_file
from zlock.image.context.folder import folder_names, write_context
from zlock.image.context.ignore import ignore_rule
from zlock.image.context.installers import index_variables
from zlock.image.context.project import likely_secrets, project_files
from zlock.image.plan import ImagePlan, Parent
from zlock.image.platforms import plan_indexes
from zlock.image.record import Built, read_record, record_of, write_record
from zlock.index.auth import with_login
from zlock.model.form import plain

# .dockerignore


@pytest.mark.parametrize(
    ("lines", "ignored", "kept"),
    [
        (["*.md"], ["a.md"], ["a.txt", "inside/a.md"]),
        (["**/*.md"], ["a.md", "x/a.md", "x/y/a.md"], ["a.mdx"]),
        (["data"], ["data", "data/a", "data/b/c"], ["data2", "x/data"]),
        (["data/"], ["data/a"], ["database"]),
        (["/data"], ["data/a"], ["x/data"]),
        (["data/**"], ["data/a", "data/b/c"], ["dat"]),
        (["**/cache"], ["cache/a", "x/y/cache/a"], ["cached"]),
        (["a?c"], ["abc"], ["ac", "a/c"]),
        (["[ab].txt"], ["a.txt", "b.txt"], ["c.txt"]),
        (["a[[&|]"], ["a[", "a&", "a|"], ["ab"]),
        (["a.b"], ["a.b"], ["axb"]),
        ([r"\*.md"], ["*.md"], ["a.md"]),
        (["*", "!src", "!*.toml"], ["a", "b/c"], ["src/x.py", "a.toml"]),
        (["!a", "*"], ["a"], []),
        (["data", "!data/keep.txt", "data/keep.txt"], ["data/keep.txt"], []),
        (["# comment", "", "  ", "./a"], ["a"], ["# comment", "b"]),
        (["."], [], ["a"]),
        (["*a*b*"], ["ab", "xaxbx", "abab"], ["ba", "a/b"]),
        (["x/*a*[bc]*d"], ["x/aabcd", "x/a.c.bd"], ["x/abc", "x/ab/d", "x/bad"]),
        (["a**c*d*e"], ["a/b/cde", "acdede"], ["a/bcde", "a/c/de"]),
        (["**/**/**/**/a"], ["a", "x/y/a"], ["b"]),
        (["*a" * 40 + "b"], [], ["a" * 250]),
    ],
)
def test_a_pattern_leaves_out_what_docker_leaves_out(lines: list[str], ignored: list[str], kept: list[str]) -> None:
    rule = ignore_rule(lines)

    assert [path for path in ignored if not rule(path)] == []
    assert [path for path in kept if rule(path)] == []


def test_a_pattern_that_would_take_for_ever_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"with more than 3 times `\*\*`"):
        ignore_rule(["**/a/" * 4])


def test_a_pattern_that_is_none_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"`\.dockerignore` has `a\[z-a\]`"):
        ignore_rule(["b", "a[z-a]"])


# The project


def tree(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def test_the_files_of_a_project_are_those_without_a_dot_in_front(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "src/b.py", ".env", ".venv/x", "src/.hidden/c", "env/pyvenv.cfg", "env/lib/d.py", "a.pyc")
    tree(tmp_path, "src/__pycache__/b.txt", "lockfiles/pylock.train.toml", "build/zlock/x/Dockerfile", "build/kept")

    found = project_files(tmp_path, [tmp_path / "lockfiles", tmp_path / "build" / "zlock"], [])

    assert found == {path: path.encode() for path in ("a.py", "build/kept", "src/b.py")}


def test_what_zlock_writes_for_builders_is_no_file_of_the_project(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "docker/Dockerfile", "bake.json")
    before = project_files(tmp_path, [], [])
    plan = planned(wheel("base", "1.0"), settings={"local_project_install_command": "true"}, project=before)

    write_context(plan.context, tmp_path / "contexts" / plan.tag)
    (tmp_path / "docker-bake.hcl.json").write_text(
        bake_file([BakeTarget(plan=plan, name="registry.example/team", context="contexts")])
    )

    assert project_files(tmp_path, [], []) == before
    assert sorted(before) == ["a.py", "bake.json", "docker/Dockerfile"]


def test_a_file_that_can_be_run_still_can_in_a_context(tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("#!/bin/sh\n")
    (tmp_path / "start.sh").chmod(0o700)
    (tmp_path / "module.py").write_text("")

    write_context(project_files(tmp_path, (), ()), tmp_path / "context")

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "context").iterdir()}
    assert modes == {"start.sh": 0o755, "module.py": 0o644}


def test_a_link_gives_what_it_leads_to_and_none_leads_out(tmp_path: Path) -> None:
    project = tree(tmp_path / "project", "a.py", "folder/b.py")
    (project / "good").symlink_to("a.py")
    assert project_files(project, [], [])["good"] == b"a.py"
    (tmp_path / "secret").write_text("secret")
    (project / "out").symlink_to(tmp_path / "secret")
    (project / "around").symlink_to("folder")

    with pytest.raises(Problems) as raised:
        project_files(project, [], [])

    said = [error.message for error in raised.value.errors]
    assert said == [
        "the link `around` leads to a folder, which can't be copied",
        "the link `out` leads out of the project",
    ]


def test_what_no_image_can_hold_is_refused_and_nothing_waits_for_it(tmp_path: Path) -> None:
    project = tree(tmp_path / "project", "a.py")
    (project / "gone").symlink_to("nothing")
    for name, target in (("loop", "loop"), ("one", "other"), ("other", "one")):
        (project / name).symlink_to(target)
    os.mkfifo(project / "pipe")
    tree(project, "data/.wh..wh..opq", "data/.wh.a/b")
    (project / ".dockerignore").write_text("")

    with pytest.raises(Problems) as raised:
        project_files(project, [], [])

    said = [error.message for error in raised.value.errors]
    assert said == [
        "the link `gone` leads to nothing",
        "the link `loop` leads to nothing",
        "the link `one` leads to nothing",
        "the link `other` leads to nothing",
        "`pipe` is not a file but a pipe, a socket or a device",
        "`data/.wh..wh..opq` would delete all that is in `/app/data` of the base image",
        "`data/.wh.a/b` would delete `/app/data/a` of the base image",
    ]
    assert all(".dockerignore" in error.hint for error in raised.value.errors)


def test_a_file_with_credentials_is_refused_and_they_are_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('url = "https://user:hunter2@index.example/"')

    with pytest.raises(InvalidConfiguration, match=r"`pyproject\.toml` holds the credentials of an index") as raised:
        project_files(tmp_path, [], ["user:hunter2"])

    assert "hunter2" not in f"{raised.value.message}{raised.value.hint}"


def test_files_that_are_called_like_secrets_are_found_where_nothing_says_what_is_copied(tmp_path: Path) -> None:
    secret = [
        *("server.pem", "deep/er/TLS.KEY", "store.p12", "a.pfx", "a.ppk", "a.kdbx", "id_rsa", "ssh/id_ed25519"),
        *("id_ecdsa.old", "id_github", "secrets.env", "prod.env", "prod.env.local", "client_SECRET.json", "secrets.py"),
        *("aws-credentials", "Credentials.csv", "config/Secrets/database", "credentials/a.txt"),
    ]
    plain = [
        *(
            "a.py",
            "id_cards.py",
            "id_table.csv",
            "id_rsa.pub",
            "ids",
            "keys.py",
            "key",
            "monkey.txt",
            "environment.yml",
        ),
        *("env/a.py", "pemmican.txt", "secretariat/a.py", "tokens.txt"),
    ]

    assert [path for path in secret if path not in likely_secrets(tmp_path, secret)] == []
    assert likely_secrets(tmp_path, plain) == []
    (tmp_path / ".dockerignore").write_text("data\n!/server.pem\n! aws-credentials\n")
    assert {*secret} - {*likely_secrets(tmp_path, secret)} == {"server.pem"}


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\udcff.py").write_bytes(b"")

    with pytest.raises(InvalidConfiguration, match="is not valid UTF-8"):
        project_files(tmp_path, [], [])


# Folders


def floating(**more: object) -> ImagePlan:
    settings = {"environment": more} if more else {}
    return planned(wheel("alpha", "1.0"), settings=settings, parent=Parent(reference="python:3.12-slim"))


def test_a_folder_is_named_after_the_key_or_what_is_known_without_it() -> None:
    pinned, one, other = planned(wheel("alpha", "1.0")), floating(), floating(A="1")

    assert folder_names([pinned, one, other]) == [pinned.tag, f"{one.tag}-floating", f"{other.tag}-floating"]


def test_a_context_replaces_what_was_there(tmp_path: Path) -> None:
    write_context({"Dockerfile": b"1", "a/b": b"2"}, tmp_path / "out" / "x")
    write_context({"Dockerfile": b"3"}, tmp_path / "out" / "x")

    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "out",
        "out/x",
        "out/x/Dockerfile",
    ]
    assert (tmp_path / "out" / "x" / "Dockerfile").read_bytes() == b"3"


def test_large_files_of_a_context_are_linked_and_stay_as_they_are(tmp_path: Path) -> None:
    source = tmp_path / "house" / "a-1.whl"
    source.parent.mkdir()
    source.write_bytes(b"wheel")
    (tmp_path / "house" / "link.whl").symlink_to(source)
    before = source.stat()

    for _ in range(2):
        links = {"wheelhouse/a-1.whl": source, "wheelhouse/link.whl": tmp_path / "house" / "link.whl"}
        write_context({"Dockerfile": b"1"}, tmp_path / "x", links)

    found = sorted((tmp_path / "x" / "wheelhouse").iterdir())
    assert [path.name for path in found] == ["a-1.whl", "link.whl"]
    assert all(path.samefile(source) and not path.is_symlink() for path in found)
    assert (source.stat().st_mtime_ns, source.stat().st_mode) == (before.st_mtime_ns, before.st_mode)


def test_large_files_of_another_disk_are_copied(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        source = Path(folder, "a-1.whl")
        source.write_bytes(b"wheel")
        write_context({"Dockerfile": b"1"}, tmp_path / "x", {"wheelhouse/a-1.whl": source})

    assert (tmp_path / "x" / "wheelhouse" / "a-1.whl").read_bytes() == b"wheel"


def test_a_context_that_can_not_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    write_context({"Dockerfile": b"1"}, tmp_path / "x")

    with pytest.raises(OSError, match="name"):
        write_context({"Dockerfile": b"2", "a" * 300: b"3"}, tmp_path / "x")

    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x" / "Dockerfile").read_bytes() == b"1"


# The record of images

DIGEST, OTHER = f"sha256:{'0d' * 32}", f"sha256:{'0e' * 32}"


def test_a_record_says_where_each_step_runs(tmp_path: Path) -> None:
    plan = planned(wheel("alpha", "1.0"))
    path = tmp_path / "zlock" / "images.json"
    write_record(path, record_of([Built(plan=plan, reference="r@d", digest=DIGEST)]), {"train"})

    row = read_record(path)["train"]
    assert (row.key, row.reference, row.digest) == (plan.key, "r@d", DIGEST)
    assert row.platforms["linux/amd64"].components["package"] == {"alpha": "1.0"}


def test_a_record_holds_no_value_of_a_variable(tmp_path: Path) -> None:
    plan = planned(settings={"runtime_environment": {"TOKEN": "hunter2"}})
    write_record(tmp_path / "images.json", record_of([Built(plan=plan, reference="r", digest=DIGEST)]), {"train"})

    assert "hunter2" not in (tmp_path / "images.json").read_text()


def test_a_record_keeps_the_other_steps_and_lets_go_of_those_that_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "images.json"
    for step in ("train", "score", "gone"):
        built = Built(plan=planned(step=step), reference=step, digest=DIGEST)
        write_record(path, record_of([built]), {"train", "score", "gone"})
    write_record(
        path, record_of([Built(plan=planned(step="train"), reference="new", digest=DIGEST)]), {"train", "score"}
    )

    assert {step: row.reference for step, row in read_record(path).items()} == {"train": "new", "score": "score"}


def test_a_step_without_its_image_keeps_what_it_consisted_of_and_names_no_image(tmp_path: Path) -> None:
    path = tmp_path / "images.json"
    steps = {"train", "score", "new"}
    plans = {step: planned(wheel("alpha", "1.0"), step=step) for step in steps}
    write_record(
        path, record_of([Built(plan=plans[s], reference="r", digest=DIGEST) for s in ("train", "score")]), steps
    )

    write_record(
        path, record_of([Built(plan=plans["train"], reference="r2", digest=DIGEST)]), steps, missing={"score", "new"}
    )

    rows = read_record(path)
    assert rows["train"].reference == "r2"
    assert rows["score"].platforms["linux/amd64"].components["package"] == {"alpha": "1.0"}
    for row in (rows["score"], rows["score"].platforms["linux/amd64"]):
        assert row.reference == row.digest == ""
        assert plain(row).keys().isdisjoint({"reference", "digest"})
    assert "new" not in rows


def test_where_nothing_was_ever_built_there_is_no_record(tmp_path: Path) -> None:
    write_record(tmp_path / "images.json", {}, {"train"}, missing={"train"})

    assert not (tmp_path / "images.json").exists()


def test_several_platforms_are_one_row_with_the_index_over_them() -> None:
    plans = [planned(wheel("alpha", "1.0")), planned(wheel("alpha", "2.0"))]
    plans[1] = replace(plans[1], platform="linux/arm64")
    built = [Built(plan=plan, reference=plan.platform, digest=DIGEST) for plan in plans]

    (index,) = plan_indexes(plans)
    row = record_of(built, [Built(plan=index, reference="index@i", digest=OTHER)])["train"]

    assert (row.reference, row.digest) == ("index@i", OTHER)
    assert {platform: one.key for platform, one in row.platforms.items()} == {plan.platform: plan.key for plan in plans}
    assert row.key == index.key
    assert row.key not in {plan.key for plan in plans}


KEY = "0a" * 32
BEGIN = f'{{"train": {{"key": "{KEY}"'


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"train": 1}', '{"train": {}}', '{"train": {"platforms": []}}'),
        *(f'{BEGIN}, "platforms": {{"linux/amd64": {row}}}}}}}' for row in ("1", "{}", '{"key": "ab"}')),
        *(
            f'{BEGIN}, "platforms": {{"linux/amd64": {{"key": "{KEY}", "components": {components}}}}}}}}}'
            for components in ("[]", '{"package": 1}', '{"package": {"alpha": 1}}')
        ),
        f'{{"../train": {{"key": "{KEY}", "platforms": {{}}}}}}',
        f'{{"train": {{"key": "../{KEY}", "platforms": {{}}}}}}',
        f'{{"train": {{"key": "{KEY}", "digest": "latest", "platforms": {{}}}}}}',
        f'{{"train": {{"key": "{KEY}", "reference": "a\\nb", "platforms": {{}}}}}}',
    ],
)
def test_what_is_no_record_is_refused_with_the_way_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "images.json").write_text(text)

    with pytest.raises(InvalidInput, match="is not a record of images") as raised:
        read_record(tmp_path / "images.json")

    assert "delete it" in raised.value.hint


# The secret


def test_a_secret_gives_a_shell_the_indexes_verbatim(tmp_path: Path) -> None:
    default = with_login("https://index.example/simple/", ("us er", "pa'ss$(x)@:/"))
    (tmp_path / "secret").write_bytes(index_variables(default, ["http://other.example:8080/simple/", "https://third"]))

    names = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "UV_DEFAULT_INDEX", "UV_INDEX")
    printing = " ".join(f'"${name}"' for name in names)
    script = f". {tmp_path}/secret; printf '%s\\n' {printing}"
    lines = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()

    assert lines == [
        "https://us%20er:pa%27ss%24%28x%29%40%3A%2F@index.example/simple/",
        "http://other.example:8080/simple/ https://third",
        "other.example:8080",
        "https://us%20er:pa%27ss%24%28x%29%40%3A%2F@index.example/simple/",
        "http://other.example:8080/simple/ https://third",
    ]


def test_a_secret_without_a_default_leaves_the_installers_own() -> None:
    assert b"PIP_INDEX_URL" not in index_variables(None, ["https://index.example/simple/"])
    assert with_login("https://index.example/", None) == "https://index.example/"

"""Requirements files are read as pip reads them, and what can't be followed is said."""

from __future__ import annotations

import codecs
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from zlock.errors import Collector, InvalidRequirements, Problems, ZlockError
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, Gathered
from zlock.sources.items import read_item
from zlock.sources.links import Base
from zlock.sources.requirements import read_file, read_text

EXPLICIT = Origin(source=Source.EXPLICIT)
SHA = "a" * 64
OTHER = "b" * 64
SECRET = "hunter2-value"


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read(root: Path, text: str | bytes, **environ: str) -> Gathered:
    write(root, {"requirements.txt": text})
    return read_file(root / "requirements.txt", root=root, origin=EXPLICIT, environ=environ)


def stated(gathered: Gathered) -> list[str]:
    return [str(each) for each in gathered.requirements]


def refused(root: Path, text: str | bytes, **environ: str) -> list[ZlockError]:
    """Read a file that must be refused, and give the errors."""
    with pytest.raises(ZlockError) as caught:
        read(root, text, **environ)
    errors = list(caught.value.errors) if isinstance(caught.value, Problems) else [caught.value]
    assert all(isinstance(error, InvalidRequirements) for error in errors)
    assert all("\n" not in error.message and not error.message.endswith(".") for error in errors)
    return errors


def only_refusal(root: Path, text: str | bytes, **environ: str) -> ZlockError:
    (error,) = refused(root, text, **environ)
    return error


def said(error: ZlockError) -> str:
    return "\n".join([error.message, *error.context, error.hint])


# What pip itself makes of the same text. Each must be read the same by both: the requirement, its hashes,
# and whether it is a constraint. `sub/` and the archives exist, see `world`.
NASTY: dict[str, str | bytes] = {
    "plain": "requests\nflask==2.0 # comment\n\n   \n# nothing\n",
    "continuation": "requests \\\n  >=2 \\\n  ; python_version > '3'\n",
    "continuation-without-space": "requ\\\nests\n",
    "comment-joins-first": "requests # x \\\nflask\nnumpy\n",
    "comment-line-does-not-continue": "# comment \\\nflask\n",
    "comment-ends-continuation": "requests \\\n# comment\nflask\n",
    "indented-comment-ends-continuation": "requests \\\n   # comment \\\nflask\n",
    "ends-in-backslash": "flask\nrequests \\",
    "backslash-then-blank": "requests \\\n\nflask\n",
    "many-backslashes": "requests \\\\\\\n>=2\n",
    "hash-in-url-is-no-comment": "flask @ https://index.example/flask-1.0.zip#sha256=" + SHA,
    "tab-before-comment": "requests>=2\t# comment\n",
    "crlf": "requests\r\nflask \\\r\n>=1\r\n",
    "old-mac": "requests\rflask\r",
    "form-feed": "requests\x0cflask\n",
    "line-separator": "requests\N{LINE SEPARATOR}flask\n",
    "no-final-newline": "requests",
    "hashes": f"requests==1 --hash=sha256:{SHA} --hash sha256:{OTHER} --hash=sha512:{SHA}{OTHER}\n",
    "hashes-continued": f"requests==1 \\\n    --hash=sha256:{SHA} \\\n    --hash=sha256:{OTHER}\nflask\n",
    "hash-behind-comment-is-lost": f"requests==1 \\\n# why\n    --hash=sha256:{SHA}\n",
    "hash-quoted": f"requests==1 --hash='sha256:{SHA}'\n",
    "marker-and-hash": f"requests==1 ; python_version>'3' and extra=='x' --hash=sha256:{SHA}\n",
    "marker-behind-hash-is-lost": f"requests==1 --hash=sha256:{SHA} ; python_version < '3'\n",
    "empty-marker": "requests ;\n",
    "extras": "requests[socks, use_chardet_on_py3] >=2,<3\n",
    "url-requirement": "Flask[async]@ https://index.example/x/flask.zip ; os_name == 'posix'\n",
    "url-requirement-glued-marker": "flask @ https://index.example/flask.zip;python_version>'3'\n",
    "bare-wheel-url": "https://index.example/a/foo_bar-1.0-py3-none-any.whl\n",
    "bare-wheel-url-with-marker": "https://index.example/a/foo-1.0-py3-none-any.whl ; python_version > '3'\n",
    "bare-wheel-url-quoted": "https://index.example/a/foo-1.0%2Bcpu-py3-none-any.whl\n",
    "bare-url-with-egg": "https://index.example/master.zip#egg=thing&subdirectory=a/b\n",
    "vcs-with-egg": "git+https://git.example/org/repo.git@v1.0#egg=repo\n",
    "vcs-requirement": "repo @ git+ssh://git@git.example/org/repo.git@v1.0#subdirectory=x\n",
    "editable-vcs": "-e git+https://git.example/org/repo@abc#egg=repo\n",
    "editable-vcs-long": "--editable=git+https://git.example/org/repo@abc#egg=repo\n",
    "editable-vcs-prefix": "-e git://git.example/org/repo#egg=repo\n",
    "editable-requirement": "-e 'repo @ git+https://git.example/org/repo ; python_version > \"3\"'\n",
    "editable-twice-on-one-line": "-e git+https://git.example/a#egg=a -e git+https://git.example/b#egg=b\n",
    "editable-folder": "-e ./sub\n",
    "editable-folder-extras": "-e sub[a,b]\n",
    "folder": "./sub\n",
    "folder-extras": "./sub[a]\n",
    "wheel-file": "./wheels/foo-1.0-py3-none-any.whl\n",
    "wheel-file-without-dot": "wheels/foo-1.0-py3-none-any.whl ; python_version > '3'\n",
    "wheel-file-extras": "wheels/foo-1.0-py3-none-any.whl[x]\n",
    "nested": "a\n-r more/nested.txt\nb\n",
    "nested-glued": "-rmore/nested.txt\n",
    "nested-equals": "--requirement=more/nested.txt\n",
    "nested-abbreviated": "--requirem more/nested.txt\n",
    "nested-quoted": "-r 'more/with space.txt'\n",
    "constraints": "-c more/constraints.txt\na\n",
    "constraints-long": "--constraint more/constraints.txt\n",
    "constraints-that-include-requirements": "-c more/includes.txt\n",
    "two-files-on-one-line": "-r more/nested.txt -r more/constraints.txt\n",
    "option-behind-requirement": "requests --pre\n",
    "options": "--pre\n-i https://index.example/simple --extra-index-url https://two.example/simple\n-f w\nfoo\n",
    "variable": "${NAME}==1\n",
    "variable-lower-case": "requests ; os_name == '${lower}'\n",
    "variable-in-comment": "requests # ${UNSET}\n",
    "variable-holding-comment": "requests==${COMMENT}\n",
    "bom": "\ufeffrequests\n",
    "coding": b"# -*- coding: latin-1 -*-\nrequests # caf\xe9\n",
    "utf-16": codecs.BOM_UTF16_LE + "requests\n".encode("utf-16-le"),
    "utf-32": codecs.BOM_UTF32_LE + "requests\n".encode("utf-32-le"),
}
ENVIRON = {"NAME": "requests", "COMMENT": "1.0"}


def world(root: Path) -> None:
    write(
        root,
        {
            "sub/pyproject.toml": '[project]\nname = "sub-project"\nversion = "1"\n',
            "wheels/foo-1.0-py3-none-any.whl": b"",
            "more/nested.txt": "nested>=1\n-c constraints.txt\n",
            "more/with space.txt": "spaced\n",
            "more/constraints.txt": f"limited<2\nhashed==1 --hash=sha256:{SHA}\nlinked @ https://index.example/l.zip\n",
            "more/includes.txt": "limited<2\n-r nested.txt\n",
        },
    )


Read = tuple[str, list[str], bool]


def as_pip_reads(path: Path) -> list[Read]:
    """Run pip's parser and constructors, and spell what they give as PEP 508 and `algorithm:digest`."""
    files: Any = importlib.import_module("pip._internal.req.req_file")
    make: Any = importlib.import_module("pip._internal.req.constructors").install_req_from_parsed_requirement
    found: list[Read] = []
    for parsed in files.parse_requirements(str(path), session=None):
        made = make(parsed)
        hashes = [f"{algorithm}:{each}" for algorithm, digests in made.hash_options.items() for each in digests]
        requirement = Requirement(str(made.req or "sub-project"))
        requirement.extras = set(made.extras)
        requirement.marker = made.markers
        if made.link:
            specifier = Requirement("x").specifier
            requirement.specifier, requirement.url = (
                specifier,
                made.link.url.replace("#egg=thing&", "#").split("#egg")[0],
            )
        found.append((str(requirement), hashes, parsed.constraint))
    return found


def as_zlock_reads(path: Path, root: Path) -> list[Read]:
    """Read a file with zlock; its paths, which count from the project, are made absolute as pip's are."""
    gathered = read_file(path, root=root, origin=EXPLICIT, environ=ENVIRON)
    return [
        (
            str(each.requirement).replace("@ file:", f"@ {root.as_uri()}/"),
            [hash_ for hash_ in each.hashes if f"#{hash_.replace(':', '=')}" not in str(each)],
            flag,
        )
        for group, flag in ((gathered.requirements, False), (gathered.constraints, True))
        for each in group
    ]


@pytest.mark.parametrize("name", NASTY)
def test_a_file_means_what_it_means_to_pip(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(tmp_path)
    write(tmp_path, {"requirements.txt": NASTY[name]})
    for variable, value in ENVIRON.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "requirements.txt"
    expected = sorted(as_pip_reads(path), key=lambda each: each[2])
    assert as_zlock_reads(path, tmp_path) == expected


REFUSED_BY_BOTH = {
    "operator": "requests >> 2\n",
    "glued-hash-sign": "requests#frag\n",
    "unknown-option": "--no-such-option\n",
    "ambiguous-option": "--no x\n",
    "value-missing": "-r\n",
    "weak-hash": "requests --hash=md5:" + "a" * 32 + "\n",
    "hash-without-algorithm": "requests --hash=" + SHA + "\n",
    "quotes": "requests --hash='sha256\n",
    "marker": "requests; foo == 'x'\n",
    "tab-before-option": f"requests\t--hash=sha256:{SHA}\n",
    "egg-with-extras": "git+https://git.example/repo#egg=repo[x]\n",
    "editable-name": "-e requests\n",
    "editable-without-name": "-e git+https://git.example/repo\n",
    "editable-behind-requirement": "requests -e ./sub\n",
    "editable-unquoted": "-e repo @ git+https://git.example/repo\n",
    "missing-folder": "./nowhere\n",
    "wheel-name": "./wheels/foo.whl\n",
    "loop": "-r requirements.txt\n",
    "missing-file": "-r nowhere.txt\n",
    "url": "a @ https://[::1\n",
    "editable-constraint": "-c more/editable.txt\n",
}


@pytest.mark.parametrize("name", REFUSED_BY_BOTH)
def test_what_pip_refuses_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(tmp_path)
    write(tmp_path, {"requirements.txt": REFUSED_BY_BOTH[name], "more/editable.txt": "-e ./sub\n"})
    write(tmp_path, {"wheels/foo.whl": b""})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception):  # noqa: B017, PT011 - each mistake has another class in pip, ValueError among them
        as_pip_reads(tmp_path / "requirements.txt")
    with pytest.raises(ZlockError):
        read_file(tmp_path / "requirements.txt", root=tmp_path, origin=EXPLICIT, environ={})


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("a; python_version ~= '3'", "marker is invalid"),
        (f"a --hash=sha256:{'0' * 100_000}", "more than 100,000 characters"),
    ],
    ids=["marker", "line"],
)
def test_a_line_that_nothing_could_be_made_of_is_refused(tmp_path: Path, line: str, part: str) -> None:
    assert part in only_refusal(tmp_path, f"{line}\n").message


# Origins


def test_each_requirement_knows_its_file_and_first_line(tmp_path: Path) -> None:
    write(tmp_path, {"more/nested.txt": "\nnested\n"})
    gathered = read(tmp_path, "# first\nflask \\\n  >=1\n-r more/nested.txt\n")
    places = [(each.origins[0].file, each.origins[0].line) for each in gathered.requirements]
    assert places == [("requirements.txt", 2), ("more/nested.txt", 2)]
    assert gathered.files == (str(tmp_path / "requirements.txt"), str(tmp_path / "more/nested.txt"))
    assert gathered.described == "requirements.txt"


def test_a_file_outside_the_project_is_named_as_given(tmp_path: Path) -> None:
    write(tmp_path, {"common.txt": "flask\n", "project/requirements.txt": "-r ../common.txt\n"})
    root = tmp_path / "project"
    gathered = read_file(root / "requirements.txt", root=root, origin=EXPLICIT, environ={})
    assert gathered.requirements[0].origins[0].file == "../common.txt"


def test_a_printed_text_has_lines_and_no_file(tmp_path: Path) -> None:
    origin = Origin(source=Source.LOCAL, detail="`freeze`")
    gathered = read_text("flask==1\n# note\nnumpy==2\n", root=tmp_path, origin=origin, environ={}, described="freeze")
    assert [str(each.origins[0]) for each in gathered.requirements] == [
        "local environment (`freeze`, line 1)",
        "local environment (`freeze`, line 3)",
    ]
    assert (gathered.described, gathered.files) == ("freeze", ())


def test_a_printed_text_may_include_files(tmp_path: Path) -> None:
    write(tmp_path, {"more/a.txt": "flask\n"})
    gathered = read_text("-r more/a.txt", root=tmp_path, origin=EXPLICIT, environ={}, described="x")
    assert str(gathered.requirements[0].origins[0]) == "more/a.txt:1"


def test_a_file_reached_twice_is_read_once(tmp_path: Path) -> None:
    """Thirty files that each include the next twice would else be a thousand million lines."""
    write(tmp_path, {f"{at}.txt": f"-r {at + 1}.txt\n-r {at + 1}.txt\n" for at in range(30)})
    write(tmp_path, {"30.txt": "flask\n"})
    assert stated(read(tmp_path, "-r 0.txt\n")) == ["flask"]


# Comments, variables, encodings


def test_a_comment_that_swallows_a_line_is_noted(tmp_path: Path) -> None:
    gathered = read(tmp_path, "flask # why \\\nnumpy\n")
    assert stated(gathered) == ["flask"]
    assert gathered.notes == ("requirements.txt:1: a comment goes on over the backslash: line 2 is not read",)


def test_ordinary_comments_are_not_noted(tmp_path: Path) -> None:
    assert read(tmp_path, "# a \\\nflask \\\n# b\nnumpy # c\n").notes == ()


def test_an_index_in_a_comment_is_no_index(tmp_path: Path) -> None:
    assert (
        read(tmp_path, "# --index-url https://evil.example/simple\nflask # -i https://evil.example\n").index_options
        == ()
    )


def test_a_file_of_so_many_lines_is_something_else(tmp_path: Path) -> None:
    lines = "".join(f"package-{number}>=1\n" for number in range(20_001))
    error = only_refusal(tmp_path, f"# a comment counts for nothing\n{lines}")

    assert error.message == "more than 20,000 requirements in one file"
    assert len(error.context) == 1


@pytest.mark.parametrize("environ", [{}, {"NAME": ""}])
def test_an_unset_variable_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    assert "`NAME` is not set" in only_refusal(tmp_path, "${NAME}==1\n", **environ).message


@pytest.mark.parametrize(
    "line",
    [
        "flask >> ${X}",
        "${X} >> 1",
        "flask @ ${X}",
        "flask @ https://index.example/${X} y",
        "flask ; ${X}",
        "./${X}",
        "./${X}.zip",
        "-e ./${X}",
        "-e ${X}",
        "-r ${X}.txt",
        "-r https://index.example/${X}",
        "flask --hash=${X}",
        "flask --hash=sha256:${X}",
        "--no-such-${X}",
        "flask --hash='${X}",
        "--require-hashes --no-${X}",
        "git+https://index.example/${X}",
        "https://${X}@index.example/",
        "--no-binary ${X}",
        "--all-releases ${X}",
        "https://[${X}/a",
    ],
)
def test_the_value_of_a_variable_is_in_no_message(line: str, tmp_path: Path) -> None:
    for error in refused(tmp_path, f"{line}\n", X=SECRET):
        assert SECRET not in said(error)


def test_a_file_named_by_a_variable_is_shown_as_written(tmp_path: Path) -> None:
    write(tmp_path, {f"{SECRET}/a.txt": "-r b.txt\n", f"{SECRET}/b.txt": "flask >> 1\n-r a.txt\n-r nowhere.txt\n"})
    errors = refused(tmp_path, "-r ${X}/a.txt\n", X=SECRET)
    assert [error.context[0] for error in errors] == [
        "b.txt:1: flask >> 1",
        "included by b.txt:2: -r a.txt",
        "included by b.txt:3: -r nowhere.txt",
    ]
    assert not any(SECRET in said(error) for error in errors)


def test_a_secret_may_not_end_in_the_lock(tmp_path: Path) -> None:
    error = only_refusal(tmp_path, "flask @ https://index.example/${API_TOKEN}/flask.zip\n", API_TOKEN=SECRET)
    assert "`${API_TOKEN}` would be written into the lock" in error.message
    assert SECRET not in said(error)


@pytest.mark.parametrize("name", ["token", "sig", "X-Amz-Signature", "api_key", "access-token", "password"])
def test_a_parameter_that_is_named_like_a_secret_may_not_end_in_the_lock(name: str, tmp_path: Path) -> None:
    error = only_refusal(tmp_path, f"a @ https://index.example/a.zip?raw=1&{name}={SECRET}#sha256={SHA}\n")
    assert error.message == f"the value of `{name}` in the URL would be written into the lock"
    assert "netrc" in error.hint
    assert SECRET not in said(error)


def test_other_parameters_of_a_url_stay(tmp_path: Path) -> None:
    url = "https://index.example/a.zip?raw=true&design=2&author=me&keyword=x"
    assert stated(read(tmp_path, f"a @ {url}\n")) == [f"a @ {url}"]


def test_a_variable_in_a_url_is_noted(tmp_path: Path) -> None:
    gathered = read(tmp_path, "flask @ https://${HOST}/flask.zip\n", HOST="index.example")
    assert stated(gathered) == ["flask @ https://index.example/flask.zip"]
    assert "`${HOST}` is part of the URL in the lock" in gathered.notes[0]


@pytest.mark.parametrize(
    "data", [b"flask\xff\xfe\n", b"\x89PNG\r\n\x1a\n\0\0", "flask\n".encode("utf-16-le"), b"\0" * 9]
)
def test_a_binary_file_is_refused(data: bytes, tmp_path: Path) -> None:
    assert "`requirements.txt`" in only_refusal(tmp_path, data).message


@pytest.mark.parametrize("coding", ["no-such-coding", "rot13", "base64"])
def test_an_unknown_coding_is_refused(coding: str, tmp_path: Path) -> None:
    assert "coding that is unknown" in only_refusal(tmp_path, f"# coding: {coding}\nflask\n").message


# Files that can't be read


def test_a_missing_file_names_the_line_that_includes_it(tmp_path: Path) -> None:
    error = only_refusal(tmp_path, "flask\n-r nowhere.txt\n")
    assert error.message == "requirements file `nowhere.txt` is missing"
    assert error.context == ("included by requirements.txt:2: -r nowhere.txt",)


def test_the_file_itself_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequirements, match=r"`requirements\.txt` is missing"):
        read_file(Path("requirements.txt"), root=tmp_path, origin=EXPLICIT, environ={})
    with pytest.raises(InvalidRequirements, match="is a folder"):
        read_file(tmp_path, root=tmp_path, origin=EXPLICIT, environ={})


def test_a_loop_shows_its_way(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "-r b.txt\n", "b.txt": "-c a.txt\n"})
    error = only_refusal(tmp_path, "-r a.txt\n")
    assert error.message == "`a.txt` includes itself"
    assert error.context == ("included by b.txt:1: -c a.txt", "a.txt -> b.txt -> a.txt")


def test_a_file_on_the_network_is_refused(tmp_path: Path) -> None:
    assert "not on this machine" in only_refusal(tmp_path, "-r https://u:p4ss@index.example/r.txt\n").message


# All mistakes at once


def test_all_mistakes_of_all_files_are_found_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"more.txt": "ok\nflask=1\n"})
    errors = refused(tmp_path, "requests >> 2\n-r more.txt\n-r nowhere.txt\n--nope\nnumpy; x > 1\n")
    assert [error.context[0] for error in errors] == [
        "requirements.txt:1: requests >> 2",
        "more.txt:2: flask=1",
        "included by requirements.txt:3: -r nowhere.txt",
        "requirements.txt:4: --nope",
        "requirements.txt:5: numpy; x > 1",
    ]
    assert errors[0].context[1].startswith("column 10: ")
    assert errors[1].hint == "write `flask==1`"
    assert errors[4].context[1].startswith("column 8: ")


def test_control_characters_do_not_reach_a_message(tmp_path: Path) -> None:
    assert "\x1b" not in said(only_refusal(tmp_path, "flask \x1b[31m >> 1\n"))


# Options


def test_index_options_are_kept_without_credentials(tmp_path: Path) -> None:
    text = (
        "-i https://user:p4ss@index.example/simple?key=s3cret\n"
        "--extra-index-url=https://${T}@two.example/simple\n"
        "--extra-index-url https://u:p4/ss@three.example/simple --find-links ./wheels\n"
        "--trusted-host u:p4ss@index.example\n--no-index\n-i ${WHOLE}\n"
    )
    gathered = read(tmp_path, text, T=SECRET, WHOLE=f"https://{SECRET}.example")
    assert [(each.option, each.value, each.origin.line) for each in gathered.index_options] == [
        ("--index-url", "https://index.example/simple", 1),
        ("--extra-index-url", "https://two.example/simple", 2),
        ("--extra-index-url", "https://three.example/simple", 3),
        ("--find-links", "./wheels", 3),
        ("--trusted-host", "index.example", 4),
        ("--no-index", "", 5),
        ("--index-url", "${WHOLE}", 6),
    ]


@pytest.mark.parametrize("option", ["--pre", "--all-releases :all:", "--all-releases=:all:"])
def test_pre_is_heard(option: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"{option}\nflask\n").prerelease
    assert not read(tmp_path, "flask\n").prerelease


@pytest.mark.parametrize("option", ["--prefer-binary", "--only-binary :all:", "--use-feature=x", "--only-final :all:"])
def test_options_without_a_meaning_are_noted(option: str, tmp_path: Path) -> None:
    (note,) = read(tmp_path, f"{option}\nflask\n").notes
    assert note.startswith(f"requirements.txt:1: `{option.replace('=', ' ').split()[0]}` is not followed")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("--no-binary :all:", "build-sdists"),
        ("--no-binary=numpy", "build-sdists"),
        ("flask --config-settings a=b", "`--config-settings`"),
        ("flask -C a=b", "`--config-settings`"),
        ("flask --global-option=x", "`--global-option`"),
        ("flask --install-option=x", "`--install-option`"),
        ("--all-releases flask", "pre-release"),
        ("--use-deprecated x", "no such option"),
        ("flask --hash=sha1:" + "a" * 40, "`sha256`, `sha384`, `sha512`"),
        ("flask --hash=sha256:abc", "64 hexadecimal"),
    ],
)
def test_options_that_can_not_be_followed_are_refused(line: str, part: str, tmp_path: Path) -> None:
    assert part in said(only_refusal(tmp_path, f"{line}\n"))


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("flask --pre\n", "`--pre`"),
        ("flask -i https://u:p4ss@index.example\n", "`--index-url`"),
        (f"-e ./sub --hash=sha256:{SHA}\n", "`--hash`"),
        (f"flask==1 --hash=sha256:{SHA} ; python_version < '3'\n", "`; python_version < 3`"),
        (f"--hash=sha256:{SHA}\n", "`--hash`"),
        ("-r more/nested.txt --pre\n", "`--pre`"),
    ],
)
def test_what_pip_passes_over_is_noted(text: str, lost: str, tmp_path: Path) -> None:
    world(tmp_path)
    gathered = read(tmp_path, text)
    assert any(lost in note and "has no effect" in note for note in gathered.notes)
    assert not any("p4ss" in note for note in gathered.notes)
    assert (gathered.prerelease, gathered.index_options) == (False, ())


def test_required_hashes_are_required_everywhere(tmp_path: Path) -> None:
    text = (
        f"good==1 --hash=sha256:{SHA}\nunpinned --hash=sha256:{SHA}\nbare==1\n"
        f"git @ git+https://git.example/r\nurl @ https://index.example/u.zip\n"
        f"hashed @ https://index.example/u.zip#sha256={SHA}\n--require-hashes\n"
    )
    errors = refused(tmp_path, text)
    assert [error.context[0].split(": ")[1].split()[0] for error in errors] == ["unpinned", "bare==1", "git", "url"]
    assert "not pinned" in errors[0].message
    assert "no hash" in errors[1].message
    assert "repository" in errors[2].message


def test_a_constraint_may_give_the_required_pin_and_hash(tmp_path: Path) -> None:
    write(tmp_path, {"c.txt": f"flask==1 --hash=sha256:{SHA}\n--require-hashes\n"})
    gathered = read(tmp_path, "Flask\n-c c.txt\n")
    assert gathered.constraints[0].hashes == (f"sha256:{SHA}",)


def test_requiring_and_not_requiring_hashes_exclude_each_other(tmp_path: Path) -> None:
    assert "exclude each other" in only_refusal(tmp_path, "--require-hashes\n--no-require-hashes\n").message


# Constraints


@pytest.mark.parametrize("line", ["flask[async]<2", "./sub", "-e ./sub", "https://index.example/flask-1.0.tar.gz"])
def test_constraints_that_pip_refuses_are_refused(line: str, tmp_path: Path) -> None:
    world(tmp_path)
    write(tmp_path, {"c.txt": f"{line}\n"})
    assert "c.txt:1" in only_refusal(tmp_path, "-c c.txt\n").context[0]


# URLs, repositories, paths


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("a @ https://user:p4ss@index.example/a.zip", "https://index.example/a.zip"),
        ("a @ https://t0ken@index.example/a.zip", "https://index.example/a.zip"),
        ("git+https://user:p4ss@git.example/a@v1#egg=a", "git+https://git.example/a@v1"),
        ("a @ git+ssh://git:p4ss@git.example/a", "git+ssh://git@git.example/a"),
    ],
)
def test_credentials_are_left_out_and_noted(line: str, url: str, tmp_path: Path) -> None:
    gathered = read(tmp_path, f"{line}\n")
    assert gathered.requirements[0].requirement.url == url
    assert "credentials in the URL are left out" in gathered.notes[0]
    assert not any(secret in note for note in gathered.notes for secret in ("p4ss", "t0ken"))


def test_the_user_of_an_ssh_url_stays(tmp_path: Path) -> None:
    gathered = read(tmp_path, "a @ git+ssh://git@git.example/a.git@v1\n")
    assert (stated(gathered), gathered.notes) == (["a @ git+ssh://git@git.example/a.git@v1"], ())


@pytest.mark.parametrize(
    "line",
    [
        "a @ git+https://git.example/r@--upload-pack=x",
        "a @ git+https://git.example/r@%2d-upload-pack=x",
        "git+https://git.example/r@-x#egg=a",
        "-e git+https://git.example/r@--config=x#egg=a",
        "a @ hg+https://git.example/r@--config=alias.x",
        "a @ git+ssh://-oProxyCommand=x/r",
        "a @ git+https://git.example/r@",
        "a @ git+https://git.example/r@v1%0a--x",
        "a @ git+https://git.example/r@v1\N{NO-BREAK SPACE}x",
        "a @ git+ext::sh",
        "a @ https://index.example/a.zip[extra]",
        "a @ ftp://index.example/a.zip",
        "a @ ./a",
        "a @ https:///a.zip",
        "a @ https://index.example:port/a.zip",
        "a @ git+ssh://git@git.example:org/a.git",
        "a @ git+https://git.example/r#subdirectory=../../x",
        "a @ https://index.example/a.zip#subdirectory=/etc",
        "a @ file://other.example/a.zip",
        "git+git@git.example:org/repo.git",
        "https://index.example/main.zip",
    ],
)
def test_dangerous_and_unusable_urls_are_refused(line: str, tmp_path: Path) -> None:
    assert refused(tmp_path, f"{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "a @ https://user:p4ss@index.example:port/a.zip",
        "a @ https://user:p4/ss@index.example/a.zip",
        "https://user:p4ss@index.example/main.zip",
        "git+https://user:p4ss@git.example/r@--x",
        "a @ https://index.example/a.zip?token=p4ss x",
        "--nope=https://user:p4ss@index.example",
        "-r https://user:p4ss@index.example",
        "-e https://user:p4ss@index.example",
    ],
)
def test_credentials_are_in_no_message(line: str, tmp_path: Path) -> None:
    for error in refused(tmp_path, f"{line}\n"):
        assert "p4" not in said(error)


def test_paths_count_from_the_project_not_from_the_file(tmp_path: Path) -> None:
    world(tmp_path)
    write(tmp_path, {"more/local.txt": "./sub\n-e ./sub\n./wheels/foo-1.0-py3-none-any.whl[x]\n"})
    gathered = read(tmp_path, "-r more/local.txt\n")
    wheel = "file:wheels/foo-1.0-py3-none-any.whl"
    assert stated(gathered) == ["sub-project @ file:sub", "sub-project @ file:sub", f"foo[x] @ {wheel}"]
    assert gathered.notes == (
        "more/local.txt:1: of a folder the lock records the path, not what is in it",
        "more/local.txt:2: the editable folder is locked as an ordinary folder: a copy of it is installed",
    )


def test_a_path_meant_from_the_file_gets_the_right_spelling(tmp_path: Path) -> None:
    write(tmp_path, {"more/local.txt": "./foo-1.0.tar.gz\n", "more/foo-1.0.tar.gz": b""})
    assert "write `./more/foo-1.0.tar.gz`" in only_refusal(tmp_path, "-r more/local.txt\n").hint


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"pyproject.toml": '[project]\nname = "From_Project"\n'}, "From_Project"),
        ({"pyproject.toml": '[tool.poetry]\nname = "from-poetry"\n'}, "from-poetry"),
        ({"pyproject.toml": "", "setup.cfg": "[metadata]\nname = from-setup\n"}, "from-setup"),
        ({"pyproject.toml": "not toml", "setup.cfg": "no ini"}, None),
        ({"setup.py": "raise SystemExit\n"}, None),
        ({"README": ""}, None),
    ],
)
def test_the_name_of_a_folder(files: dict[str, str], name: str | None, tmp_path: Path) -> None:
    write(tmp_path, {f"lib/{file}": text for file, text in files.items()})
    if name is None:
        assert "lib" in said(only_refusal(tmp_path, "./lib\n"))
    else:
        assert read(tmp_path, "./lib\n").requirements[0].requirement.name == name


def test_an_sdist_is_named_by_its_file(tmp_path: Path) -> None:
    write(tmp_path, {"dist/my_lib-1.0.tar.gz": b""})
    names = [
        each.name for each in read(tmp_path, "dist/my_lib-1.0.tar.gz\nhttps://index.example/b-2.zip\n").requirements
    ]
    assert names == ["my-lib", "b"]


def test_a_file_url_need_not_exist_and_may_be_relative(tmp_path: Path) -> None:
    """A freeze names folders that are long gone; who reads it decides, with the name at hand."""
    gathered = read(tmp_path, "a @ file:///croot/a_1/work\nb @ file:./lib/../b\n")
    assert stated(gathered) == ["a @ file:///croot/a_1/work", "b @ file:b"]


def test_a_path_is_stored_as_it_is_in_every_copy_of_the_project(tmp_path: Path) -> None:
    """From the project's folder where it is inside or was stated so; an absolute one elsewhere means that place."""
    root = tmp_path / "project"
    write(root, {"my lib/pyproject.toml": '[project]\nname = "lib"\n'})
    write(tmp_path, {"beside/pyproject.toml": '[project]\nname = "beside"\n'})
    lines = [
        "./my lib",
        f"-e '{root / 'my lib'}'",
        f"lib @ {(root / 'my lib').as_uri()}",
        "lib @ file://${ROOT}/my%20lib#subdirectory=x",
        "../beside",
        f"{tmp_path / 'beside'}",
        "beside @ file:../beside",
    ]
    gathered = read(root, "\n".join(lines), ROOT=str(root))
    beside = (tmp_path / "beside").as_uri()
    assert stated(gathered) == [
        *["lib @ file:my%20lib"] * 3,
        "lib @ file:my%20lib#subdirectory=x",
        "beside @ file:../beside",
        f"beside @ {beside}",
        "beside @ file:../beside",
    ]


def test_an_absolute_path_through_a_link_is_one_in_the_project(tmp_path: Path) -> None:
    world(tmp_path / "project")
    (tmp_path / "link").symlink_to("project")
    gathered = read(tmp_path / "project", f"{tmp_path / 'link' / 'sub'}\n")
    assert stated(gathered) == ["sub-project @ file:sub"]


def test_a_url_that_tells_no_name_comes_with_the_way_to_say_it(tmp_path: Path) -> None:
    error = only_refusal(tmp_path, "git+https://u:p4ss@git.example/a.git\n")
    assert error.hint == "say the name: `name @ git+https://git.example/a.git`"


def test_a_file_url_alone_is_named_by_what_is_there(tmp_path: Path) -> None:
    world(tmp_path)
    wheel = "wheels/foo-1.0-py3-none-any.whl"
    gathered = read(tmp_path, f"file:./sub\nfile:./{wheel}\n{(tmp_path / 'sub').as_uri()}\nfile:sub#egg=other\n")
    assert stated(gathered) == [
        "sub-project @ file:sub",
        f"foo @ file:{wheel}",
        "sub-project @ file:sub",
        "other @ file:sub",
    ]


def test_a_path_in_a_list_counts_from_the_file_of_the_list(tmp_path: Path) -> None:
    write(tmp_path, {"flows/sub/pyproject.toml": '[project]\nname = "sub"\n'})
    given = ["./sub", "sub @ file:sub", "sub @ file:./sub/../sub"]
    base = Base(folder=tmp_path / "flows", project=tmp_path)
    assert [str(read_item(one, base=base, origin=EXPLICIT)) for one in given] == ["sub @ file:flows/sub"] * 3


def test_a_hash_in_a_url_limits_the_requirement(tmp_path: Path) -> None:
    gathered = read(
        tmp_path, f"a @ https://index.example/a.zip#sha256={SHA}\nb @ https://index.example/b.zip#md5={SHA[:32]}\n"
    )
    assert [each.hashes for each in gathered.requirements] == [(f"sha256:{SHA}",), ()]


def test_a_file_name_is_not_taken_for_a_project(tmp_path: Path) -> None:
    """`-r` forgotten: a project of that name may exist on an index, and be somebody's trap."""
    write(tmp_path, {"base.txt": "flask\n"})
    assert "`base.txt` is a file" in only_refusal(tmp_path, "base.txt\n").message


# Lists


def items(root: Path, *given: str) -> list[DirectRequirement]:
    problems, found = Collector(), list[DirectRequirement]()
    for one in given:
        with problems:
            found.append(read_item(one, base=Base(folder=root, project=root), origin=EXPLICIT))
    problems.raise_if_any()
    return found


def test_a_list_holds_one_requirement_in_each_item(tmp_path: Path) -> None:
    world(tmp_path)
    found = items(
        tmp_path, " flask >=1 ", "numpy; python_version > '3'", "./sub", "a @ git+https://u:p4ss@git.example/a"
    )
    assert [str(one) for one in found] == [
        "flask>=1",
        'numpy; python_version > "3"',
        "sub-project @ file:sub",
        "a @ git+https://git.example/a",
    ]
    assert found[0].origins == (EXPLICIT,)


def test_a_list_refuses_what_belongs_in_a_file_all_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"requirements.txt": "flask\n"})
    with pytest.raises(Problems) as caught:
        items(
            tmp_path,
            "-r requirements.txt",
            "requirements.txt",
            "-e ./sub",
            f"flask --hash=sha256:{SHA}",
            "flask==${VERSION}",
            "",
            "flask\nnumpy",
            "flask # comment",
            "--extra-index-url https://index.example/simple",
            "ok",
        )
    errors = caught.value.errors
    assert len(errors) == 9
    assert errors[-1].hint == "indexes belong in the configuration, as `[[index]]`"
    assert errors[0].hint == "give the path of the requirements file in place of the list"
    assert "give its path" in errors[1].hint


@pytest.mark.parametrize("line", [f"a{' ' * 99_000}b", f"a[x]{' ' * 99_000}[y"], ids=["spaces", "brackets"])
def test_a_long_line_is_read_once(tmp_path: Path, line: str) -> None:
    """If every character cost as much as there are others, this would not come to its end."""
    assert only_refusal(tmp_path, line).message.startswith("`a")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("flask=>1", "write `flask>=1`"),
        ("flask ^1.4 ; os_name == 'nt'", "write `flask>=1.4,<2.0 ; os_name == 'nt'`"),
        ("flask, click", "write each requirement on its own line"),
    ],
)
def test_what_other_tools_write_is_said_as_a_requirement(tmp_path: Path, line: str, hint: str) -> None:
    assert only_refusal(tmp_path, f"{line}\n").hint == hint

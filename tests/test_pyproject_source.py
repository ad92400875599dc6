"""The requirements of `pyproject.toml`: PEP 621 dependencies, extras, PEP 735 groups, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zlock.errors import InvalidRequirements, Problems, ZlockError
from zlock.model.requirement import Gathered
from zlock.sources.pyproject import gather_pyproject

WHOLE = """\
[build-system]
requires = ["flask"]

[project]
name = "My.Pkg"
dependencies = [
    # "flask>=2",
    "flask>=2",
    'numpy; python_version < "3.13"',
    "pandas ; python_version < \\"3.13\\"",
    "tool @ https://user:p4ss@index.example/tool.zip#sha256=%s",
]

[project.optional-dependencies]
Train_GPU = ["torch", "flask>=2"]
all = ["my-pkg[train-gpu,docs]"]
docs = ["sphinx", "my_pkg[all]; python_version >= '3.11'"]

[dependency-groups]
lint = ["ruff"]
Dev_Tools = ["pytest", {include-group = "lint"}, "flask>=2"]
""" % ("a" * 64)


def gather(root: Path, text: str | bytes, *extras: str, groups: tuple[str, ...] = ()) -> Gathered:
    path = root / "pyproject.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return gather_pyproject(path, root=root, extras=extras, groups=groups)


def refused(root: Path, text: str | bytes, *extras: str, groups: tuple[str, ...] = ()) -> list[ZlockError]:
    with pytest.raises(ZlockError) as caught:
        gather(root, text, *extras, groups=groups)
    errors = list(caught.value.errors) if isinstance(caught.value, Problems) else [caught.value]
    assert all(isinstance(error, InvalidRequirements) for error in errors)
    assert all("\n" not in error.message and not error.message.endswith(".") for error in errors)
    return errors


def only_refusal(root: Path, text: str | bytes, *extras: str, groups: tuple[str, ...] = ()) -> ZlockError:
    (error,) = refused(root, text, *extras, groups=groups)
    return error


def stated(gathered: Gathered) -> list[tuple[str, str, int | None]]:
    return [(str(each), each.origins[0].detail, each.origins[0].line) for each in gathered.requirements]


BASE = [
    ("flask>=2", "`dependencies`", 8),
    ('numpy; python_version < "3.13"', "`dependencies`", 9),
    ('pandas; python_version < "3.13"', "`dependencies`", 10),
    (f"tool @ https://index.example/tool.zip#sha256={'a' * 64}", "`dependencies`", 11),
]


def test_dependencies_come_with_their_lines(tmp_path: Path) -> None:
    gathered = gather(tmp_path, WHOLE)
    assert stated(gathered) == BASE
    assert (gathered.described, gathered.files) == ("pyproject.toml", (str(tmp_path / "pyproject.toml"),))
    assert str(gathered.requirements[0].origins[0]) == "pyproject (`dependencies`, pyproject.toml:8)"


def test_a_url_loses_its_credentials_and_keeps_its_hash(tmp_path: Path) -> None:
    gathered = gather(tmp_path, WHOLE)
    assert gathered.requirements[3].hashes == (f"sha256:{'a' * 64}",)
    (note,) = gathered.notes
    assert "credentials" in note
    assert "p4ss" not in note


def test_an_extra_is_found_in_any_spelling(tmp_path: Path) -> None:
    """The line is the one in the extra, not the same text in the dependencies."""
    assert stated(gather(tmp_path, WHOLE, "train.gpu"))[4:] == [
        ("torch", "extra `Train_GPU`", 15),
        ("flask>=2", "extra `Train_GPU`", 15),
    ]


def test_extras_that_name_the_project_are_expanded_and_may_form_a_circle(tmp_path: Path) -> None:
    assert stated(gather(tmp_path, WHOLE, "all"))[4:] == [
        ("sphinx", "extra `docs`", 17),
        ("torch", "extra `Train_GPU`", 15),
        ("flask>=2", "extra `Train_GPU`", 15),
    ]


def test_the_marker_of_a_self_reference_holds_for_what_it_stands_for(tmp_path: Path) -> None:
    text = """[project]
name = "p"
optional-dependencies.a = ["p[b]; os_name == 'nt' or os_name == 'posix'"]
optional-dependencies.b = ["x; python_version < '3.12'", "y"]
"""
    assert stated(gather(tmp_path, text, "a")) == [
        ('x; (os_name == "nt" or os_name == "posix") and python_version < "3.12"', "extra `b`", 4),
        ('y; os_name == "nt" or os_name == "posix"', "extra `b`", 4),
    ]


def test_a_self_reference_without_extras_is_noted(tmp_path: Path) -> None:
    gathered = gather(tmp_path, '[project]\nname = "p"\ndependencies = ["P>=1", "x"]\n')
    assert [str(each) for each in gathered.requirements] == ["x"]
    assert gathered.notes == (
        "pyproject (`dependencies`, pyproject.toml:3): the project itself is required; only its extras are followed",
    )


def test_a_group_includes_others_in_place(tmp_path: Path) -> None:
    assert stated(gather(tmp_path, WHOLE, groups=("dev.tools",)))[4:] == [
        ("pytest", "group `dev-tools`", 21),
        ("ruff", "group `dev-tools`", 20),
        ("flask>=2", "group `dev-tools`", 21),
    ]


def test_a_group_that_is_included_many_times_is_read_once(tmp_path: Path) -> None:
    groups = "".join(f'g{i} = [{{include-group = "g{i + 1}"}}, {{include-group = "g{i + 1}"}}]\n' for i in range(40))
    found = gather(tmp_path, f'[dependency-groups]\n{groups}g40 = ["alpha"]\n', groups=("g0",))
    assert [str(one) for one in found.requirements] == ["alpha"]


def test_groups_need_no_project_table(tmp_path: Path) -> None:
    assert stated(gather(tmp_path, '[dependency-groups]\na = ["x"]\n', groups=("a",))) == [("x", "group `a`", 2)]


def test_an_inline_table_has_lines_too(tmp_path: Path) -> None:
    text = '[project]\nname = "p"\noptional-dependencies = {a = ["x"], b = ["y"]}\n'
    assert stated(gather(tmp_path, text, "b")) == [("y", "extra `b`", 3)]


def test_a_string_spelled_unusually_has_no_line(tmp_path: Path) -> None:
    assert stated(gather(tmp_path, '[project]\nname = "p"\ndependencies = ["\\u0078"]\n')) == [
        ("x", "`dependencies`", None)
    ]


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    text = """[project]
name = "p"
dependencies = ["flask >> 2", 3, "ok", "a @ ./local", "b @ git+https://git.example/r@--x"]
[project.optional-dependencies]
a = "x"
b = ["p[nope]"]
[dependency-groups]
g = ["x y", {include-group = "absent"}]
h = [{include-group = "absent"}]
"""
    errors = refused(tmp_path, text, "a", "b", "c", groups=("g", "h", "i"))
    assert [error.message.split(":")[0] for error in errors] == [
        "`flask >> 2` is not a valid requirement",
        "`project.dependencies[1]` must be a string",
        "the URL `./local` can't be used",
        "the URL `git+https",
        "`project.optional-dependencies.a` must be a list",
        "the extra `nope` is unknown",
        "the extra `c` is unknown",
        "`[dependency-groups]` is invalid",
        "the group `absent` is unknown",
        "the group `i` is unknown",
    ]
    assert errors[0].context == (
        "pyproject (`dependencies`, pyproject.toml:3): flask >> 2",
        errors[0].context[1],
    )
    assert errors[0].context[1].startswith("column 7: ")


@pytest.mark.parametrize(
    ("extras", "groups", "hint"),
    [
        (("train-gpus",), (), "did you mean `Train_GPU`? there are: `Train_GPU`, `all`, `docs`"),
        (("zzz",), (), "there are: `Train_GPU`, `all`, `docs`"),
        ((), ("lin",), "did you mean `lint`? there are: `lint`, `Dev_Tools`"),
    ],
)
def test_unknown_names_get_close_ones(
    extras: tuple[str, ...], groups: tuple[str, ...], hint: str, tmp_path: Path
) -> None:
    assert only_refusal(tmp_path, WHOLE, *extras, groups=groups).hint == hint


def test_an_unknown_name_where_there_is_none(tmp_path: Path) -> None:
    text = '[project]\nname = "p"\n'
    assert only_refusal(tmp_path, text, "a").hint == "there is no extra at all"
    assert only_refusal(tmp_path, text, groups=("a",)).hint == "there is no group at all"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('[project]\nname = "p"\ndynamic = ["dependencies"]\n', "`dependencies` is dynamic", "[project]"),
        (
            '[project]\nname = "p"\ndynamic = ["dependencies"]\n[tool.poetry.dependencies]\na = "*"\n',
            "`dependencies` is dynamic",
            "poetry_export",
        ),
        ('[tool.poetry.dependencies]\nrequests = "^2"\n', "Poetry's own", "poetry_export"),
        ("[tool.x]\na = 1\n", "there is no `[project]` table", "groups"),
        ("project = 3\n", "`project` must be a table", ""),
        ('[project]\ndependencies = "flask"\n', "`project.dependencies` must be a list", "each item"),
        ("[project]\noptional-dependencies = []\n", "`project.optional-dependencies` must be a table", ""),
        ("[project]\n[project.optional-dependencies]\na_b = []\na-b = []\n", "one normalized name", ""),
        ("[project\n", "not valid TOML", ""),
        ("a = " + "[" * 20000, "is not valid TOML", ""),
        (b"a = '\xff'\n", "not UTF-8", "UTF-8"),
    ],
)
def test_files_that_can_not_answer(text: str | bytes, message: str, hint: str, tmp_path: Path) -> None:
    error = only_refusal(tmp_path, text)
    assert message in error.message
    assert hint in error.hint
    assert "pyproject.toml" in error.context[0]


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert only_refusal(tmp_path, '[project]\nname = "p\n').context[0] == "pyproject (pyproject.toml:2)"


@pytest.mark.parametrize("dynamic", ["3", "true", '"dependencies"', "{a = 1}", "[[1]]"])
def test_what_is_no_list_of_dynamic_fields_names_none(dynamic: str, tmp_path: Path) -> None:
    head = f'[project]\nname = "a"\nversion = "1"\ndynamic = {dynamic}\n'

    assert stated(gather(tmp_path, head)) == []
    assert stated(gather(tmp_path, head + 'dependencies = ["b"]\n')) == [("b", "`dependencies`", 5)]


def test_dynamic_extras_matter_only_where_they_are_asked_for(tmp_path: Path) -> None:
    text = '[project]\nname = "p"\ndynamic = ["optional-dependencies"]\n'
    assert gather(tmp_path, text).requirements == ()
    assert "`optional-dependencies` is dynamic" in refused(tmp_path, text, "a")[0].message


@pytest.mark.parametrize(
    ("groups", "part"),
    [
        ('a = [{include-group = "b"}]\nb = [{include-group = "a"}]\n', "Cyclic"),
        ('a = [{include-group = "a"}]\n', "Cyclic"),
        ("a = []\nA = []\n", "Duplicate"),
        ("a = [{include = 3}]\n", "Invalid dependency group item"),
        ('a = "x"\n', "string"),
        ("a = 3\n", "not a sequence"),
        ("".join(f'a{"a" * i} = [{{include-group = "aa{"a" * i}"}}]\n' for i in range(200)), "100"),
    ],
    ids=["cycle", "itself", "twice", "no item", "text", "number", "deep"],
)
def test_invalid_groups_are_refused(groups: str, part: str, tmp_path: Path) -> None:
    error = only_refusal(tmp_path, f"[dependency-groups]\n{groups}", groups=("a",))
    assert any(part in line for line in error.context)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequirements, match="`absent` is missing"):
        gather_pyproject(Path("absent"), root=tmp_path, extras=(), groups=())
    with pytest.raises(InvalidRequirements, match="is a folder"):
        gather_pyproject(tmp_path, root=tmp_path, extras=(), groups=())

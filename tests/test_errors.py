"""Every error that zlock raises has a way out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import zlock
from zlock import errors
from zlock.errors import Problems, Unsound, ZlockError

ROOT = Path(zlock.__file__).parent
# `Unsound` brings its own.
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, ZlockError) and kind not in (Problems, Unsound)
}


def raised_without_hint(path: Path) -> Iterator[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    for call in calls:
        is_error = isinstance(call.func, ast.Name) and call.func.id in KINDS
        if is_error and "hint" not in {keyword.arg for keyword in call.keywords}:
            yield f"{path.relative_to(ROOT)}:{call.lineno}"


def test_a_thousand_mistakes_are_enough() -> None:
    mistakes = (errors.InvalidInput(f"mistake {number}", hint="correct it") for number in range(2000))
    with pytest.raises(Problems) as raised, errors.Collector():
        errors.raise_all(mistakes)
    assert [one.message for one in raised.value.errors[-2:]] == ["mistake 999", "zlock ends at 1,000 errors"]


def test_an_error_says_of_which_step_and_setting_it_is() -> None:
    mistake = errors.InvalidInput("it is empty", hint="write something").of("`user`").of(step="train").of("`one`")
    assert (mistake.message, mistake.step) == ("it is empty", "train")
    assert mistake.laid_out() == "error: `one`, step `train`, `user`: it is empty\nhint: write something"
    assert Problems([mistake]).of("`two`").each == (mistake,)
    assert str(mistake) == "`two`, `one`, step `train`, `user`: it is empty"


def test_errors_that_say_the_same_are_one() -> None:
    one, same, other = (errors.InvalidInput("it is empty", hint="write something") for _ in range(3))
    with pytest.raises(errors.InvalidInput) as alone:
        errors.raise_all([one, same])
    with pytest.raises(Problems) as several:
        errors.raise_all([one, same, other.of(step="train")])
    assert (alone.value.step, [error.step for error in several.value.errors]) == ("", ["", "train"])


def test_every_error_is_raised_with_a_hint() -> None:
    assert [place for path in sorted(ROOT.rglob("*.py")) for place in raised_without_hint(path)] == []

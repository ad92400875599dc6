"""Markers are evaluated as `packaging` evaluates them, in a fraction of its time."""

from __future__ import annotations

import random

import pytest
from packaging.markers import Marker

from zlock.model.target import Target
from zlock.resolution.markers import Markers, _tokens

COMPARISONS = [
    'python_version < "3.11"',
    'python_full_version >= "3.12.0"',
    'python_version in "3.11 3.12"',
    'sys_platform == "linux"',
    'sys_platform != "win32"',
    'platform_machine not in "arm64 aarch64"',
    'extra == "fast"',
    'extra == "Fast_Er"',
    'extra != "fast"',
    '"linux" in sys_platform',
    'platform_release == "and or ()"',
]


def draw(dice: random.Random, depth: int) -> str:
    if not depth or dice.random() < 0.3:
        return dice.choice(COMPARISONS)
    joined = f" {dice.choice(['and', 'or'])} ".join(draw(dice, depth - 1) for _ in range(dice.randint(1, 3)))
    return f"({joined})" if dice.random() < 0.6 else joined


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "windows/amd64"])
def test_every_marker_says_what_packaging_says(platform: str) -> None:
    dice = random.Random(platform)
    target = Target.parse("3.12", platform)
    markers = Markers(target)
    read = 0
    for _ in range(3000):
        text = str(Marker(draw(dice, 3)))
        read += bool(_tokens(text))
        for extra in ("", "fast", "fast-er"):
            expected = Marker(text).evaluate({**target.environment, "extra": extra})
            assert markers.holds(text, extra) is expected, (text, extra)
    assert read > 1000

"""The table of machines: what a Python takes wheels of is told by the names that systems have for it."""

from __future__ import annotations

import pytest

from zlock.model.machine import PLATFORMS, platform_of, this_platform
from zlock.model.target import Target


@pytest.mark.parametrize(
    ("tags", "platform"),
    [
        (["manylinux_2_39_x86_64", "linux_x86_64"], "linux/amd64"),
        (["manylinux_2_36_aarch64", "linux_aarch64"], "linux/arm64"),
        (["linux_armv8l", "linux_armv7l"], "linux/arm/v7"),  # 32 bits on a kernel of 64
        (["musllinux_1_2_i686"], "linux/386"),
        (["macosx_15_0_arm64"], "darwin/arm64"),
        (["macosx_13_0_x86_64", "macosx_13_0_universal2"], "darwin/amd64"),
        (["win_amd64"], "windows/amd64"),
        (["win_arm64"], "windows/arm64"),
        (["win32"], "windows/386"),
        (["freebsd_14_1_release_amd64"], ""),
    ],
)
def test_a_python_is_of_the_platform_whose_wheels_it_takes(tags: list[str], platform: str) -> None:
    assert platform_of(tags) == platform


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_wheels_of_every_platform_are_told_from_those_of_the_others(platform: str) -> None:
    target = Target.parse("3.12", platform)
    tags = [tag.rpartition("-")[2] for tag in target.tags]

    assert platform_of(tags) == platform


def test_this_machine_is_one_that_a_lock_can_be_for() -> None:
    assert this_platform() in PLATFORMS

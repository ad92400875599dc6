"""The TOML writer says what `tomllib` reads back, whatever is in the texts."""

import random
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from zlock.lock.toml import read_table, section
from zlock.model.toml import parse_toml

NASTY = "\"'\\\n\r\t\b\f\x00\x1b\x7f\x85\u2028\ufeff \u00e9\u4e2d\U0001f600=[]{}#.,-_aZ09"


def text(randomness: random.Random) -> str:
    return "".join(randomness.choices(NASTY, k=randomness.randrange(8)))


def value(randomness: random.Random, depth: int) -> Any:
    kinds: list[Callable[[], Any]] = [
        lambda: text(randomness),
        lambda: randomness.randrange(-(2**63), 2**63),
        lambda: randomness.random() < 0.5,
        lambda: datetime(2026, 1, 2, 3, 4, 5, randomness.randrange(10**6), tzinfo=UTC),
    ]
    if depth:
        kinds += [
            lambda: [value(randomness, depth - 1) for _ in range(randomness.randrange(4))],
            lambda: table(randomness, depth - 1),
            lambda: [table(randomness, depth - 1) for _ in range(randomness.randrange(3))],
        ]
    return randomness.choice(kinds)()


def table(randomness: random.Random, depth: int) -> dict[str, Any]:
    return {text(randomness): value(randomness, depth) for _ in range(randomness.randrange(4))}


@pytest.mark.parametrize("seed", range(0, 2000, 100))
def test_random_trees_come_back_as_they_were(seed: int) -> None:
    """A hundred trees for each seed."""
    for each in range(seed, seed + 100):
        tree = table(random.Random(each), 4)

        assert tomllib.loads(section("", tree)) == tree, f"seed {each}"


@pytest.mark.parametrize("seed", range(0, 2000, 100))
def test_a_table_is_read_as_tomllib_reads_it(seed: int) -> None:
    for each in range(seed, seed + 100):
        randomness = random.Random(each)
        tree = {"plain": ["a", "b]"], "one": "=", **table(randomness, 3), **table(randomness, 0)}
        written = section("", tree)

        assert read_table(written) == tomllib.loads(written), f"seed {each}"


@pytest.mark.parametrize("line", ["[[a]]\n", "a.b.c.d.e.f.g.h = 1\n", "a = 1\n"])
@pytest.mark.parametrize("read", [parse_toml, read_table])
def test_more_than_any_file_holds_is_refused_before_it_is_read(line: str, read: Callable[[str], object]) -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match="more keys and values"):
        read(line * 500_001)


def test_times_are_written_in_utc_whatever_their_zone() -> None:
    moment = datetime(2026, 11, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert section("", {"at": moment, "bare": moment.replace(tzinfo=None)}) == (
        "at = 2026-11-01T10:00:00Z\nbare = 2026-11-01T12:00:00Z\n"
    )


def test_layout_has_one_file_a_line() -> None:
    wheels = [{"url": "https://index.example/a.whl", "hashes": {"sha256": "00"}}]

    assert section("[[packages]]", {"name": "a", "wheels": wheels, "tags": ["x"], "empty": []}) == (
        "[[packages]]\n"
        'name = "a"\n'
        "wheels = [\n"
        '    {url = "https://index.example/a.whl", hashes = {sha256 = "00"}},\n'
        "]\n"
        'tags = ["x"]\n'
        "empty = []\n"
    )


def test_a_list_inside_a_table_stays_on_its_line() -> None:
    assert section("", {"policy": {"indexes": [{"url": "u"}, {"url": "v"}]}}) == (
        'policy = {indexes = [{url = "u"}, {url = "v"}]}\n'
    )

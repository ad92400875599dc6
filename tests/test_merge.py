"""Requirements of all sources as one list."""

from __future__ import annotations

from support.graph import direct
from zlock.merge import join, merge, merge_constraints
from zlock.model.origin import Source
from zlock.model.requirement import DirectRequirement, Gathered


def gathered(source: Source, *texts: str) -> Gathered:
    return Gathered(source=source, requirements=tuple(direct(text, source) for text in texts))


def texts(requirements: tuple[DirectRequirement, ...]) -> list[str]:
    return [str(one) for one in requirements]


def test_sources_come_in_the_documented_order_whatever_order_they_were_read_in() -> None:
    merged = merge([gathered(Source.EXPLICIT, "c"), gathered(Source.LOCAL, "b", "a"), gathered(Source.STACK, "d")])

    assert texts(merged) == ["b", "a", "d", "c"]


def test_equal_requirements_are_one_with_all_their_origins() -> None:
    merged = merge([gathered(Source.EXPLICIT, "a>=1"), gathered(Source.LOCAL, "a>=1")])

    assert texts(merged) == ["a>=1"]
    assert [origin.source for origin in merged[0].origins] == [Source.LOCAL, Source.EXPLICIT]


def test_different_requirements_on_one_name_are_all_kept() -> None:
    """They are solved together; none may hide another."""
    merged = merge([gathered(Source.LOCAL, "a>=1", "a[x]>=1"), gathered(Source.STACK, "a<2", "a>=1 ; os_name == 'nt'")])

    assert len(merged) == 4


def test_equal_requirements_limited_to_different_hashes_stay_apart() -> None:
    """Joining them would lose a limit."""
    joined = join([direct("a==1", hashes=["sha256:1"]), direct("a==1", hashes=["sha256:2"]), direct("a==1")])

    assert [one.hashes for one in joined] == [("sha256:1",), ("sha256:2",), ()]


def test_constraints_of_the_configuration_come_first_and_are_joined_with_those_of_sources() -> None:
    own = [direct("a<2", Source.CONFIGURATION)]
    source = Gathered(
        source=Source.EXPLICIT,
        constraints=(direct("b<3", Source.EXPLICIT), direct("a<2", Source.EXPLICIT)),
    )

    merged = merge_constraints([source], own)

    assert texts(merged) == ["a<2", "b<3"]
    assert [origin.source for origin in merged[0].origins] == [Source.CONFIGURATION, Source.EXPLICIT]

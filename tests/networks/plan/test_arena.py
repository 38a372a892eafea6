"""Buffers that are needed at the same time do not overlap."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from glassconv.networks.plan.arena import ALIGNMENT, Buffer, arrange


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        first = draw(st.integers(0, 9))
        last = draw(st.integers(first, 9))
        found.append(Buffer(number, draw(st.integers(0, 300)), first, last))
    return found


@given(buffers())
def test_no_two_that_are_alive_at_once_overlap(buffers: list[Buffer]) -> None:
    offsets, size = arrange(buffers)
    assert offsets.keys() == {each.number for each in buffers}
    for each in buffers:
        assert offsets[each.number] % ALIGNMENT == 0
        assert 0 <= offsets[each.number] <= offsets[each.number] + each.bytes <= size
    for one, other in combinations(buffers, 2):
        if one.first <= other.last and other.first <= one.last:
            ends = offsets[one.number] + one.bytes, offsets[other.number] + other.bytes
            overlap = min(ends) - max(offsets[one.number], offsets[other.number])
            assert overlap <= 0


@given(buffers())
def test_the_arena_is_no_larger_than_all_buffers_side_by_side(buffers: list[Buffer]) -> None:
    _, size = arrange(buffers)
    assert size <= sum(-(-each.bytes // ALIGNMENT) * ALIGNMENT for each in buffers)


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    sizes = [128, 256, 64, 512, 64]
    chain = [Buffer(number, size, number, number + 1) for number, size in enumerate(sizes)]
    _, size = arrange(chain)
    assert size == max(one + other for one, other in pairwise(sizes))

"""checksum: whatever is changed in a weight changes it, and what is not changed does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassconv.codegen.target import host
from glassconv.kernels.runtime import checksum as implementation
from glassconv.kernels.runtime.checksum import SUMS, WORDS_PER_BLOCK, checksum
from glassconv.reports.array import Array

ELEMENTS_PER_BLOCK = 2 * WORDS_PER_BLOCK  # of float32

# Less than a vector, with and without a rest, more than a block, every one a weight's number.
SIZES = [
    1,
    3,
    63,
    64,
    65,
    130,
    1000,
    ELEMENTS_PER_BLOCK - 1,
    ELEMENTS_PER_BLOCK,
    ELEMENTS_PER_BLOCK + 1,
    2 * ELEMENTS_PER_BLOCK + 77,
]
SIZE = pytest.mark.parametrize("size", SIZES)
DTYPE = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)

PAIRS = st.lists(st.integers(0, 999), min_size=2, max_size=2, unique=True)


def drawn(size: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(size), dtype=dtype)


@DTYPE
@SIZE
def test_the_same_content_has_the_same_checksum(size: int, dtype: torch.dtype) -> None:
    assert checksum(drawn(size, dtype)) == checksum(drawn(size, dtype))


@DTYPE
@SIZE
def test_one_changed_bit_of_any_element_changes_it(size: int, dtype: torch.dtype) -> None:
    weight = drawn(size, dtype)
    bits = weight.numpy().view(np.int32)
    before = checksum(weight)
    chance = np.random.default_rng(size)
    places = {0, bits.size - 1, *chance.integers(0, bits.size, 40).tolist()}
    for place in places:
        for bit in (0, 15, 16, 31):
            changed = bits[place] ^ np.uint32(1 << bit).astype(np.int32)
            kept, bits[place] = bits[place], changed
            assert checksum(weight) != before
            bits[place] = kept
    assert checksum(weight) == before


@given(PAIRS, st.sampled_from(["swap", "negate", "double"]))
@settings(max_examples=300)
def test_two_changes_never_cancel(places: list[int], how: str) -> None:
    weight = drawn(1000)
    before, pair = checksum(weight), weight[places]
    weight[places] = {"swap": pair.flip(0), "negate": -pair, "double": 2 * pair}[how]
    assert checksum(weight) != before


@pytest.mark.parametrize("apart", [1, 8, 16, 64, 128, 512, ELEMENTS_PER_BLOCK])
def test_signs_and_swaps_a_lane_apart_do_not_cancel(apart: int) -> None:
    weight = drawn(4 * ELEMENTS_PER_BLOCK)
    before, kept = checksum(weight), weight.clone()
    for place in range(0, 2048, 97):
        pair = [place, place + apart]
        for change in (weight[pair].flip(0), -weight[pair]):
            weight[pair] = change
            assert checksum(weight) != before
            weight.copy_(kept)


@pytest.mark.parametrize("factor", [-1.0, 2.0, 0.5, -2.0])
def test_a_factor_of_all_elements_changes_it(factor: float) -> None:
    weight = drawn(64 * 64 * 9)
    before = checksum(weight)
    assert checksum(weight.mul_(factor)) != before


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_whole_numbers_whose_low_bits_are_all_zero_are_told_apart(value: float) -> None:
    weight = torch.full((4096,), value)
    before = checksum(weight)
    for place in (0, 64, 4095):
        weight[place] = -value
        weight[(place + 64) % 4096] = -value  # −0 is another content than 0
        assert checksum(weight) != before
        weight.fill_(value)


def test_elements_are_read_in_the_order_they_lie_in() -> None:
    weight = torch.randn(6, 5, 3, 3)
    assert checksum(weight.transpose(0, 1)) == checksum(weight)
    last = weight.contiguous(memory_format=torch.channels_last)
    assert checksum(last) != checksum(weight)
    assert checksum(last) == checksum(weight.permute(0, 2, 3, 1).contiguous())


@pytest.mark.parametrize("size", [7, 5000])
def test_elements_that_lie_apart_are_all_read_and_gaps_are_not(size: int) -> None:
    apart = torch.full((size, 2), torch.nan)
    weight = apart[:, 0]
    weight.copy_(drawn(size))
    before = checksum(weight)
    assert before == checksum(drawn(size))
    apart[:, 1] = 0
    assert checksum(weight) == before
    weight[size // 2] += 1
    assert checksum(weight) != before


def test_expanded_elements_are_read() -> None:
    one = torch.randn(1, 3, 3, 3)
    before = checksum(one.expand(4, 3, 3, 3))
    one[0, 2, 2, 2] = 7
    assert checksum(one.expand(4, 3, 3, 3)) != before


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_it_does_not_depend_on_the_threads(threads: int) -> None:
    weight, before = drawn(50 * ELEMENTS_PER_BLOCK + 3), torch.get_num_threads()
    content = checksum(weight)
    torch.set_num_threads(threads)
    try:
        assert checksum(weight) == content
    finally:
        torch.set_num_threads(before)


def test_the_sums_are_those_of_the_formula() -> None:
    """In whole numbers of Python, with a vector of two, four or eight words."""
    target = host()
    assert target is not None
    key = np.frombuffer(bytes(implementation._key(target)), np.uint64).tolist()
    for size in (1026, 1090, 2 * ELEMENTS_PER_BLOCK + 130):
        weight = drawn(size)
        words = weight.numpy().view(np.uint64).tolist()
        sums = []
        for first in range(0, len(words), WORDS_PER_BLOCK):
            block = words[first : first + WORDS_PER_BLOCK]
            for shift in range(SUMS):
                keys = key[shift * target.vector_bytes // 8 :]
                added = [(m + k) % 2**64 for m, k in zip(block, keys, strict=False)]
                sums.append(sum((each % 2**32) * (each >> 32) for each in added) % 2**64)
        assert np.frombuffer(checksum(weight), np.uint64).tolist() == sums


@pytest.mark.parametrize("half", [1, 2, 3, 4])
def test_few_words_of_the_key_give_two_contents_one_sum(half: int) -> None:
    """The lemma of the proof, for all words of a few bits: at most 2 · 2ʰᵃˡᶠ of them do."""
    words = np.arange(4**half)

    def product(added: Array) -> Array:
        low, high = added % 2**half, added % 4**half >> half
        products: Array = low * high
        return products

    for difference in range(1, 4**half):
        apart = (product(words + difference) - product(words)) % 4**half
        assert np.bincount(apart).max() <= 2 * 2**half


def test_differences_that_cancelled_in_an_earlier_checksum() -> None:
    """Multiplied and shifted words of a lane of 32 bits kept a change of their highest bits."""
    weight = drawn(4096)
    bits = weight.numpy().view(np.uint32)
    before = checksum(weight)
    bits[0] ^= 1 << 31
    for lanes in (4, 8, 16):
        place = 8 * lanes
        bits[place] ^= (1 << 31) | (1 << 16)
        assert checksum(weight) != before
        bits[place] ^= (1 << 31) | (1 << 16)


def test_many_weights_of_two_numbers_have_as_many_checksums() -> None:
    """Weights that differ in two elements only, a vector apart and next to each other."""
    weight = torch.zeros(256)
    seen = set()
    values = [float(number) for number in range(60)]
    for distance in (1, 8, 64):
        for first in values:
            for second in values[1:]:
                weight[0], weight[distance] = first, second
                seen.add(checksum(weight))
                weight[distance] = 0
    assert len(seen) == 3 * len(values) * (len(values) - 1)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1001])
def test_bytes_that_fill_no_word_are_read(size: int) -> None:
    weight = torch.arange(size, dtype=torch.int32).to(torch.uint8)
    before = checksum(weight)
    for place in {0, size // 2, size - 1}:
        weight[place] ^= 1
        assert checksum(weight) != before
        weight[place] ^= 1
    assert checksum(weight.view(1, -1)) == before


def test_a_weight_without_elements() -> None:
    assert checksum(torch.ones(0, 3, 3, 3)) == b""

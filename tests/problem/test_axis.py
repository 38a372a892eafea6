"""The tap map is stated twice; here it is stated a third time, by sliding, and all are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given

from glassconv.problem.axis import PADDING, Axis
from support.random_problems import axes


def by_sliding(axis: Axis) -> npt.NDArray[np.int64]:
    """Return the tap map by sliding a window over the numbered, padded input."""
    padded = np.pad(np.arange(axis.input_size), axis.padding, constant_values=PADDING)
    windows = np.lib.stride_tricks.sliding_window_view(padded, axis.extent)
    return windows[:: axis.stride, :: axis.dilation]


def by_slices(axis: Axis) -> npt.NDArray[np.int64]:
    """Return the tap map by filling in what each tap's interval connects."""
    filled = np.full((axis.output_size, axis.kernel_size), PADDING)
    for tap in range(axis.kernel_size):
        writes, reads = axis.tap_slices(tap)
        filled[writes, tap] = np.arange(axis.input_size)[reads]
    return filled


@given(axes())
def test_three_statements_of_the_tap_map_agree(axis: Axis) -> None:
    np.testing.assert_array_equal(axis.tap_map(), by_sliding(axis))
    np.testing.assert_array_equal(axis.tap_map(), by_slices(axis))


@given(axes())
def test_slices_stay_inside_the_arrays(axis: Axis) -> None:
    for tap in range(axis.kernel_size):
        writes, reads = axis.tap_slices(tap)
        assert 0 <= writes.start <= writes.stop <= axis.output_size
        assert 0 <= reads.start <= reads.stop <= axis.input_size
        assert len(range(*writes.indices(axis.output_size))) == len(
            range(*reads.indices(axis.input_size))
        )


@given(axes())
def test_output_size_counts_the_places_a_window_fits_in(axis: Axis) -> None:
    starts = range(0, axis.padded_size, axis.stride)
    assert axis.output_size == sum(start + axis.extent <= axis.padded_size for start in starts)


@given(axes())
def test_leftover_counts_the_positions_past_the_last_window(axis: Axis) -> None:
    last = [
        s for s in range(0, axis.padded_size, axis.stride) if s + axis.extent <= axis.padded_size
    ][-1]
    assert axis.leftover == len(range(last + axis.extent, axis.padded_size))
    assert axis.leftover < axis.stride


@given(axes())
def test_copies_count_each_position_in_the_tap_map(axis: Axis) -> None:
    inside = axis.tap_map()[axis.tap_map() != PADDING]
    assert axis.copies().tolist() == np.bincount(inside, minlength=axis.input_size).tolist()
    assert axis.taps_inside == inside.size == axis.copies().sum()
    assert axis.positions_read == np.count_nonzero(axis.copies())


@given(axes())
def test_extent_is_from_the_first_tap_to_the_last(axis: Axis) -> None:
    taps = [tap * axis.dilation for tap in range(axis.kernel_size)]
    assert axis.extent == taps[-1] - taps[0] + 1


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis(4, 2), [[0, 1], [1, 2], [2, 3]]),
        (Axis(5, 2, stride=3), [[0, 1], [3, 4]]),
        (Axis(5, 2, stride=2), [[0, 1], [2, 3]]),
        (Axis(5, 2, dilation=3), [[0, 3], [1, 4]]),
        (Axis(2, 2, padding=(1, 0)), [[-1, 0], [0, 1]]),
        (Axis(2, 2, padding=(0, 1)), [[0, 1], [1, -1]]),
        (Axis(1, 1, padding=(2, 1)), [[-1], [-1], [0], [-1]]),
        (Axis(1, 2, stride=3, padding=(3, 3)), [[-1, -1], [0, -1]]),
    ],
)
def test_tap_maps_by_hand(axis: Axis, expected: list[list[int]]) -> None:
    assert axis.tap_map().tolist() == expected


def test_an_unread_pixel_is_copied_never() -> None:
    assert Axis(5, 1, stride=2).copies().tolist() == [1, 0, 1, 0, 1]


def test_a_tap_that_only_meets_padding_connects_nothing() -> None:
    assert Axis(1, 2, stride=3, padding=(3, 3)).tap_slices(1) == (slice(0, 0, 1), slice(0, 0, 1))


def test_a_billion_taps_are_counted_without_looking_at_each() -> None:
    outputs, taps = 3_000_000_001, 1_000_000_000
    axis = Axis(outputs + taps - 1, taps)
    assert (axis.taps_inside, axis.positions_read) == (outputs * taps, axis.input_size)
    triangles = taps * (taps - 1)  # with full padding the first and the last windows lose taps
    padded = Axis(outputs, taps, padding=(taps - 1, taps - 1))
    assert padded.taps_inside == padded.output_size * taps - triangles

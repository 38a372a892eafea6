"""The phases of a transposed convolution: which outputs, taps and inputs belong together."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given

from glassconv.problem.phases import AxisPhase, axis_phases, phase_groups, phases, products_along
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from support.random_problems import transposed_problems


def products_of(problem: TransposedProblem, axis: int) -> set[tuple[int, int, int]]:
    """Return every (output, tap, input) along an axis, by the formula o = i · s + k · d − p."""
    sizes = range(problem.input_size[axis]), range(problem.kernel_size[axis])
    stride, dilation = problem.stride[axis], problem.dilation[axis]
    found = {
        (i * stride + k * dilation - problem.padding[axis][0], k, i) for i, k in product(*sizes)
    }
    return {each for each in found if 0 <= each[0] < problem.output_size[axis]}


@given(transposed_problems())
def test_phases_hold_every_product_once(problem: TransposedProblem) -> None:
    for axis in range(problem.ndim):
        found = []
        for phase in axis_phases(problem, axis):
            for q, output in enumerate(phase.outputs):
                for t, tap in enumerate(reversed(phase.taps)):
                    place = q + t * phase.dilation - phase.padding[0]
                    if 0 <= place < len(phase.inputs):
                        found.append((output, tap, phase.inputs[place]))
        assert len(found) == products_along(problem, axis)
        assert len(found) == len(set(found))
        assert set(found) == products_of(problem, axis)


@given(transposed_problems())
def test_every_tap_of_a_phase_meets_an_input(problem: TransposedProblem) -> None:
    for axis in range(problem.ndim):
        for phase in axis_phases(problem, axis):
            met = {tap for output, tap, _ in products_of(problem, axis) if output in phase.outputs}
            assert set(phase.taps) == met


@given(transposed_problems())
def test_phases_are_disjoint_parts_of_the_output(problem: TransposedProblem) -> None:
    written = np.zeros(problem.output_size, np.int64)
    for phase in phases(problem):
        written[phase.outputs] += 1
        assert written[phase.outputs].shape == phase.convolution.output_size
        assert np.empty(problem.input_size)[phase.inputs].shape == phase.convolution.input_size
        assert np.empty(problem.kernel_size)[phase.taps].shape == phase.convolution.kernel_size
        assert set(phase.convolution.stride) == {1}
    assert written.max(initial=0) <= 1


@given(transposed_problems())
def test_groups_hold_every_phase_once(problem: TransposedProblem) -> None:
    """A group's convolution gives each of its phases the windows that the phase reads."""
    found: list[tuple[AxisPhase, ...]] = []
    for group in phase_groups(problem):
        assert group.convolution.out_channels == len(group.phases) * problem.out_channels
        for number, axis in enumerate(group.axes):
            size = group.convolution.output_size[number]
            for phase, shift in zip(axis.phases, axis.shifts, strict=True):
                assert len(phase.taps) == group.convolution.kernel_size[number]
                assert phase.dilation == group.convolution.dilation[number]
                assert axis.inputs.start - axis.padding[0] + shift == phase.lead
                assert shift + len(phase.outputs) <= size
        found += group.phases
    every = product(*(axis_phases(problem, axis) for axis in range(problem.ndim)))
    assert sorted(map(str, found)) == sorted(map(str, every))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1x8 1@4 s2 transposed", [2]),
        ("1x8 1@3 s2 transposed", [1, 1]),
        ("1x8x8 1@4x4 s2 p1 transposed", [4]),
        ("1x8x8 1@3x3 s2 p1 transposed o1", [1, 1, 1, 1]),
        ("1x8 1@1024 s256 transposed", [256]),
        ("1x8 1@3 transposed", [1]),
    ],
)
def test_phases_with_equal_windows_are_one_group(text: str, sizes: list[int]) -> None:
    groups = phase_groups(parse_transposed(text))
    assert [len(group.phases) for group in groups] == sizes


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1x4 1@3 transposed", 1),  # stride 1: one phase, the convolution by the flipped kernel
        ("1x4x4 1@4x4 s2 transposed", 4),
        ("1x2x2x2 1@2x2x2 s2 transposed", 8),
        ("1x4 1@2 s5 transposed", 2),  # three of the phases have no tap
        ("1x4 1@3 s4 d2 transposed", 2),  # taps 0 and 2 are of one phase
        ("1x1 1@3 s1099511627776 transposed", 3),  # phases are counted by taps, not by the stride
    ],
)
def test_there_are_as_many_as_the_taps_reach(text: str, number: int) -> None:
    assert len(list(phases(parse_transposed(text)))) == number

"""Reports answer for themselves: its window, its steps, its truth."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassconv.examples.tutorial import worked_example
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse
from glassconv.reports.trace import Step, Trace
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Difference
from glassconv.reports.worked_example import WorkedExample
from glassconv.tracing.forward import trace
from support.cases import CASES
from support.random_problems import problems
from support.references import pixel_of


@pytest.mark.parametrize("ok", [True, False])
def test_a_verdict_is_its_answer(ok: bool) -> None:
    assert bool(Verdict(ok, "because")) is ok


def test_reports_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Verdict(False, "because").ok = True  # type: ignore[misc]


# -- traces -------------------------------------------------------------------------------------


def test_a_trace_gives_its_arrays_by_name() -> None:
    traced = trace(CASES["padding"], "im2col")
    for step in traced.steps:
        assert traced[step.name] is step.array
    assert traced.output is traced["output"]


def test_a_trace_lists_its_steps_to_who_asks_for_another() -> None:
    steps = tuple(Step(name, np.zeros(1), ("x",), "a note") for name in ("rows", "columns"))
    empty = np.zeros(1)
    traced = Trace(CASES["padding"], None, "im2col", empty, empty, None, steps)
    with pytest.raises(KeyError, match=r"no step 'product'; there are \['rows', 'columns'\]"):
        traced["product"]


def test_a_difference_holds_its_verdict() -> None:
    verdict = Verdict(False, "more than rounding can explain")
    found = Difference("a", "b", verdict, (0,), 1.0, 0.5, np.ones(1))
    assert not found.verdict
    assert found.verdict.reason == "more than rounding can explain"


# -- the worked example -------------------------------------------------------------------------


def reads(problem: ConvProblem, example: WorkedExample) -> list[list[float]]:
    """Return what each channel of the window holds, pixel by pixel."""
    filter, *position = example.chosen
    channels = problem.in_channels // problem.groups
    first = filter // (problem.out_channels // problem.groups) * channels
    places = [pixel_of(problem, tuple(position), tap) for tap in problem.taps()]
    return [
        [0.0 if place is None else float(example.input[(channel, *place)]) for place in places]
        for channel in range(first, first + channels)
    ]


@given(problems(dtypes=["float64"], ndims=[2]), st.data())
def test_the_window_times_the_filter_is_the_output(
    problem: ConvProblem, data: st.DataObject
) -> None:
    problem = replace(problem, batch=1)
    filter, row, column = (data.draw(st.integers(0, size - 1)) for size in problem.output_shape[1:])
    example = worked_example(problem, (filter, row, column))
    window = reads(problem, example)
    assert example.window.shape == example.filter.shape == problem.weight_shape[1:]
    assert [channel.ravel().tolist() for channel in example.window] == window
    taps = [channel.ravel().tolist() for channel in example.weight[filter]]
    sums = [
        sum(x * w for x, w in zip(*pair, strict=True)) for pair in zip(window, taps, strict=True)
    ]
    assert example.channel_sums == sums
    assert example.value == sum(sums) + example.bias[filter]


def test_groups_and_dilation_by_hand() -> None:
    problem = parse("4x5x6 6@3x2 s2x1 p0:1x2:0 d1x3 g2 float64")
    example = worked_example(problem, (3, 1, 2))
    assert list(example.channels_of(2)) == [0, 1]
    assert list(example.channels_of(3)) == [2, 3]
    assert list(example.rows) == [2, 3, 4]
    assert list(example.columns) == [2, 5]
    assert example.padded.shape == (4, 6, 8)
    np.testing.assert_array_equal(example.padded[:, :5, 2:], example.input)
    assert not example.padded[:, 5:].any()
    assert not example.padded[:, :, :2].any()
    np.testing.assert_array_equal(example.window, example.input[2:, 2:5, [0, 3]])
    np.testing.assert_array_equal(example.filter, example.weight[3])

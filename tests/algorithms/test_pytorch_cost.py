"""What PyTorch's convolutions are predicted to take: by kind, and never less for more work."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassconv.algorithms.parts import pytorch_cost
from glassconv.algorithms.parts.pytorch_cost import PROBES, kind_of, seconds, within_peak
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import parse_problem
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import parse_transposed
from support.fixed_machine import FIXED
from support.random_problems import problems


@pytest.mark.parametrize(
    ("problem", "nchw", "nhwc"),
    [
        ("64x28x28 64@3x3 p1", "dense nchw", "dense nhwc"),
        ("64x28x28 64@1x1", "pointwise nchw", "pointwise nhwc"),
        ("64x28x28 64@3x3 p1 g64", "depthwise nchw", "depthwise nhwc"),
        ("64x28x28 64@9x9 p4 g64", "lowered", "depthwise nhwc"),
        ("64x28x28 64@9x9 p4", "lowered", "dense nhwc"),
        ("60x28x28 60@3x3 p1 g4", "lowered", "dense nhwc"),
        ("64x28x28 64@3x3 p1 g4", "dense nchw", "dense nhwc"),
        ("64x8x8 64@3x3 p1", "native", "native"),
        ("64x28x28 64@3x3 p1 float64", "float64", "float64"),
        ("64x8x8 64@3x3 p1 bfloat16", "dense nchw bfloat16", "dense nhwc bfloat16"),
        ("64x8x8 64@3x3 p1 g64 float16", "depthwise nchw float16", "depthwise nhwc float16"),
        ("64x8x8 64@1x1 s2 bfloat16", "pointwise nchw bfloat16", "pointwise nhwc bfloat16"),
    ],
)
def test_each_layer_is_of_a_kind(problem: str, nchw: str, nhwc: str) -> None:
    assert kind_of(parse(problem), NCHW, threads=2) == nchw
    assert kind_of(parse(problem), NHWC, threads=2) == nhwc


def test_every_kind_has_a_probe_that_is_of_it() -> None:
    for kind, probe in PROBES.items():
        problem = parse_problem(probe.shorthand)
        for threads in (1, 2):
            assert kind_of(problem, probe.layout, threads) == kind
        few = parse_problem(probe.lowering) if probe.lowering else None
        assert few is None or pytorch_cost._lowered(few, kind) == (
            pytorch_cost._lowered(problem, kind)
        )


@given(problems(), st.sampled_from([NCHW, NHWC]))
def test_every_prediction_is_a_positive_number(problem: ConvProblem, layout: str) -> None:
    assert seconds(problem, layout, None) == inf
    predicted = seconds(problem, layout, FIXED)
    assert isfinite(predicted)
    assert predicted > FIXED.dispatch


def test_more_channels_take_longer() -> None:
    for layout in (NCHW, NHWC):
        times = [seconds(parse(f"{n}x56x56 {n}@3x3 p1"), layout, FIXED) for n in (16, 32, 64, 128)]
        assert times == sorted(times)


def test_a_transposed_convolution_is_predicted_too() -> None:
    small, large = (parse_transposed(f"16x{n}x{n} 8@4x4 s2 p1") for n in (8, 64))
    assert 0 < seconds(small, NCHW, FIXED) < seconds(large, NCHW, FIXED) < inf


def test_an_output_that_no_cache_holds_takes_its_time_from_memory() -> None:
    problem = parse("3x512x512 64@3x3 p1")
    moved = problem.input_bytes + 2 * problem.output_bytes
    macs = problem.macs / dict(FIXED.pytorch.macs_per_second)["dense nhwc"]
    fetched = moved / FIXED.memory_bytes_per_second
    assert seconds(problem, NCHW, FIXED) > 0.9 * macs + fetched
    assert seconds(problem, NHWC, FIXED) > max(0.9 * macs, fetched)


def test_no_rate_is_above_the_peak_of_the_processor() -> None:
    rates = tuple((kind, 1e15) for kind in PROBES)
    machine = replace(FIXED, pytorch=replace(FIXED.pytorch, macs_per_second=rates))
    found = dict(within_peak(machine).macs_per_second)
    peak = 2 * 8 / FIXED.instructions.multiply_add  # two threads, eight numbers
    assert found["dense nchw"] == found["transposed"] == peak
    assert found["float64"] == peak / 2
    assert found["native"] == found["dense nhwc bfloat16"] == 1e15
    unchanged = dict(within_peak(FIXED).macs_per_second)
    assert unchanged["dense nchw"] == dict(FIXED.pytorch.macs_per_second)["dense nchw"]

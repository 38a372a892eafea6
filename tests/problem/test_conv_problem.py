"""Shapes against PyTorch, counts against loops and PyTorch's own counter, and every refusal."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from torch.utils.flop_counter import FlopCounterMode

from glassconv.errors import ArgumentError, ConvError, DtypeError, ShapeError
from glassconv.problem import ConvProblem, Gemm
from glassconv.problem.conv_problem import LARGEST_STEP
from support.cases import CASES
from support.random_problems import problems
from support.references import by_torch, grid, meta_operands, pixel_of

LENET = CASES["the tutorial's four filters"]
EVERYTHING = CASES["everything at once"]
CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)


# -- shapes -----------------------------------------------------------------------------------


@given(problems())
def test_output_shape_is_pytorchs(problem: ConvProblem) -> None:
    assert problem.output_shape == by_torch(problem, meta_operands(problem)).shape


@CASE
def test_shapes_hold_sizes_in_order(problem: ConvProblem) -> None:
    batch, channels, *size = problem.input_shape
    assert (batch, channels, tuple(size)) == (
        problem.batch,
        problem.in_channels,
        problem.input_size,
    )
    filters, per_group, *kernel = problem.weight_shape
    assert (filters, per_group * problem.groups) == (problem.out_channels, problem.in_channels)
    assert tuple(kernel) == problem.kernel_size
    assert problem.ndim == len(size) == len(problem.axes)


@CASE
def test_receptive_field_is_what_one_output_touches(problem: ConvProblem) -> None:
    far = [
        tap * dilation
        for tap, dilation in zip(list(problem.taps())[-1], problem.dilation, strict=True)
    ]
    assert problem.receptive_field == tuple(distance + 1 for distance in far)


@CASE
def test_taps_are_the_kernels_indices_in_memory_order(problem: ConvProblem) -> None:
    assert list(problem.taps()) == list(np.ndindex(*problem.kernel_size))


@given(problems())
def test_tap_slices_connect_what_the_formula_connects(problem: ConvProblem) -> None:
    numbered = np.arange(np.prod(problem.input_size)).reshape(problem.input_size)
    tap = list(problem.taps())[-1]
    read = np.full(problem.output_size, -1)
    writes, reads = problem.tap_slices(tap)
    read[writes] = numbered[reads]
    for position in grid(problem.output_size):
        pixel = pixel_of(problem, position, tap)
        assert read[position] == (-1 if pixel is None else numbered[pixel])


@CASE
def test_copies_count_the_columns_each_pixel_is_in(problem: ConvProblem) -> None:
    counts = np.zeros(problem.input_size, int)
    for position in grid(problem.output_size):
        for tap in problem.taps():
            pixel = pixel_of(problem, position, tap)
            if pixel is not None:
                counts[pixel] += 1
    np.testing.assert_array_equal(problem.copies(), counts)


# -- counts -----------------------------------------------------------------------------------


@CASE
def test_macs_are_what_pytorch_counts(problem: ConvProblem) -> None:
    with FlopCounterMode(display=False) as counter:
        by_torch(problem, meta_operands(problem))
    assert problem.flops == counter.get_total_flops()
    assert problem.flops == 2 * problem.macs


@CASE
def test_gemm_multiplies_as_often_as_the_convolution(problem: ConvProblem) -> None:
    gemm = problem.gemm
    assert gemm.groups * gemm.m * gemm.n * gemm.k == problem.macs
    assert gemm.groups * gemm.m == problem.out_channels
    assert gemm.k == problem.taps_per_output


def test_gemm_by_hand() -> None:
    assert LENET.gemm == Gemm(groups=1, m=4, n=28 * 28, k=3 * 5 * 5)
    assert EVERYTHING.gemm == Gemm(groups=2, m=3, n=2 * 4 * 5, k=2 * 3 * 2)


@CASE
def test_bytes_are_those_of_the_arrays(problem: ConvProblem) -> None:
    operands = meta_operands(problem)
    output = by_torch(problem, operands)
    columns = torch.empty(
        (problem.batch, problem.groups, problem.gemm.k, *problem.output_size), dtype=output.dtype
    )
    padded = np.pad(np.zeros(problem.input_shape, np.int8), ((0, 0), (0, 0), *problem.padding))
    assert problem.input_bytes == operands.input.nbytes
    assert problem.weight_bytes == operands.weight.nbytes
    assert problem.output_bytes == output.nbytes
    assert problem.im2col_bytes == columns.nbytes
    assert problem.padded_bytes == padded.size * problem.format.bytes


def test_intensity_and_expansion_by_hand() -> None:
    assert LENET.expansion == 28 * 28 * 75 / (32 * 32 * 3)
    moved = 4 * (3 * 32 * 32 + 4 * 3 * 5 * 5 + 4 * 28 * 28)
    assert LENET.arithmetic_intensity == 2 * 28 * 28 * 75 * 4 / moved


def test_an_empty_batch_costs_nothing_and_divides_by_nothing() -> None:
    empty = CASES["empty batch"]
    assert (empty.macs, empty.expansion, empty.arithmetic_intensity) == (0, 0, 0)


@given(problems(dtypes=["float32"]))
def test_equal_problems_are_one_key(problem: ConvProblem) -> None:
    assert len({problem, replace(problem)}) == 1
    assert len({problem, replace(problem, dtype="float64")}) == 2


# -- refusals ---------------------------------------------------------------------------------

TWO_IN_FRONT = ((-2, 0), (0, 0))
REFUSALS: list[tuple[dict[str, Any], type[ConvError], str]] = [
    ({"dtype": "int64"}, DtypeError, "no algorithm here computes in int64"),
    ({"input_size": ()}, ShapeError, "1, 2 or 3 spatial axes, not 0"),
    ({"input_size": (8,) * 4}, ShapeError, "1, 2 or 3 spatial axes, not 4"),
    ({"kernel_size": (5,)}, ShapeError, "kernel_size has 1 entries for 2 spatial axes"),
    ({"stride": (1, 1, 1)}, ShapeError, "stride has 3 entries for 2 spatial axes"),
    ({"padding": ((0, 0),)}, ShapeError, "padding has 1 entries for 2 spatial axes"),
    ({"dilation": ()}, ShapeError, "dilation has 0 entries for 2 spatial axes"),
    ({"input_size": (0, 32)}, ArgumentError, "input_size must be .* at least 1, got 0"),
    ({"kernel_size": (5, 0)}, ArgumentError, "kernel_size must be .* at least 1, got 0"),
    ({"stride": (0, 1)}, ArgumentError, "stride must be .* at least 1, got 0"),
    ({"stride": (1.5, 1)}, ArgumentError, "stride must be a whole number .* got 1.5"),
    ({"dilation": (1, -1)}, ArgumentError, "dilation must be .* at least 1, got -1"),
    ({"padding": TWO_IN_FRONT}, ArgumentError, "padding must be .* at least 0, got -2"),
    ({"padding": (0, 1)}, ArgumentError, "padding must be .before, after. per spatial axis, got 0"),
    ({"in_channels": 0}, ArgumentError, "in_channels must be .* at least 1, got 0"),
    ({"out_channels": 0}, ArgumentError, "out_channels must be .* at least 1, got 0"),
    ({"groups": 0}, ArgumentError, "groups must be .* at least 1, got 0"),
    ({"batch": -1}, ArgumentError, "batch must be .* at least 0, got -1"),
    ({"groups": 2}, ArgumentError, "groups must divide in_channels, but 3 is not a multiple of 2"),
    ({"groups": 3}, ArgumentError, "groups must divide out_channels, but 4 is not a multiple of 3"),
    ({"kernel_size": (33, 5)}, ShapeError, "spans 33 positions of spatial axis 0 .* has 32"),
    ({"dilation": (1, 8)}, ShapeError, "spans 33 positions of spatial axis 1 .* has 32"),
    ({"padding": ((0, 2**61), (0, 0))}, ArgumentError, "padding must be at most 2147483647"),
    ({"dilation": (2**62, 1)}, ArgumentError, "dilation must be at most 2147483647"),
    ({"batch": 2**62}, ShapeError, "the padded input would take .* more than can be addressed"),
    ({"out_channels": 2**60}, ShapeError, "the weight would take .* more than can be addressed"),
    (
        {"batch": 2**30, "in_channels": 1, "out_channels": 2**30},
        ShapeError,
        "the output would take .* more than can be addressed",
    ),
]


@pytest.mark.parametrize(("change", "error", "cause"), REFUSALS, ids=lambda value: str(value)[:40])
def test_refusals_say_the_cause_and_repeat_the_problem(
    change: dict[str, Any], error: type[ConvError], cause: str
) -> None:
    with pytest.raises(error, match=cause) as caught:
        replace(LENET, **change)
    (name, value), *_ = change.items()
    assert f"{name}={value!r}" in caught.value.request


@pytest.mark.parametrize("change", [{"padding": ((2**61,) * 2,) * 2}, {"dilation": (2**62,) * 2}])
def test_what_crashes_pytorch_is_refused_before_anything_is_allocated(
    change: dict[str, Any],
) -> None:
    tracemalloc.start()
    with pytest.raises(ArgumentError, match="must be at most 2147483647"):
        replace(LENET, **change)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20  # the request and its message, no array


def test_the_largest_steps_are_accepted() -> None:
    far = replace(LENET, stride=(LARGEST_STEP,) * 2, padding=((1, LARGEST_STEP), (0, 0)))
    assert far.output_size == (2, 1)


# -- in two axes ------------------------------------------------------------------------------


@given(problems())
def test_a_sequence_is_an_image_of_one_row(problem: ConvProblem) -> None:
    if problem.ndim == 3:
        with pytest.raises(ShapeError, match="three spatial axes are not two"):
            problem.as_2d()
        return
    image = problem.as_2d()
    assert image.ndim == 2
    assert image.axes[-1] == problem.axes[-1]
    assert image.as_2d() is image
    assert (image.macs, image.gemm, image.output_bytes) == (
        *(problem.macs, problem.gemm, problem.output_bytes),
    )


@given(problems())
def test_padding_is_told_by_its_numbers(problem: ConvProblem) -> None:
    assert problem.is_padded == (sum(map(sum, problem.padding)) > 0)
    assert problem.even_padding == all(len(set(pair)) == 1 for pair in problem.padding)

"""Transposed convolution: PyTorch's sizes and values, from the convolution it equals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import glassconv
from glassconv.errors import ArgumentError, ArgumentTypeError, ConvError, ShapeError
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.operands import Operands
from glassconv.problem.transposed import transposed_of
from glassconv.reports.error_bound import sum_of_products_bound
from glassconv.verification.definition import allowed_error, definition

TORCH = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
OURS = (glassconv.conv_transpose1d, glassconv.conv_transpose2d, glassconv.conv_transpose3d)


def whole_numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, shape, generator=generator).double()


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, Tensor, Tensor, Tensor | None, dict[str, Any]]:
    """Draw arguments of F.conv_transpose{1,2,3}d that it accepts, in whole numbers."""
    ndim = draw(st.integers(1, 3))

    def each(least: int, most: int) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=ndim, max_size=ndim))

    groups, size, kernel = draw(st.integers(1, 3)), each(1, 4), each(1, 4)
    stride, dilation = each(1, 3), each(1, 3)
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    full = [
        (n - 1) * s + d * (k - 1) + e + 1
        for n, s, d, k, e in zip(size, stride, dilation, kernel, extra, strict=True)
    ]
    padding = [draw(st.integers(0, (length - 1) // 2)) for length in full]
    weight = [groups * draw(st.integers(1, 2)), draw(st.integers(1, 2)), *kernel]
    bias = whole_numbers(weight[1] * groups, seed=2) if draw(st.booleans()) else None
    options = {
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "groups": groups,
        "dilation": dilation,
    }
    input = whole_numbers(draw(st.integers(1, 2)), weight[0], *size)
    return ndim, input, whole_numbers(*weight, seed=1), bias, options


@pytest.mark.thorough
@settings(max_examples=300)
@given(request=requests())
def test_it_is_pytorchs_transposed_convolution(
    request: tuple[int, Tensor, Tensor, Tensor | None, dict[str, Any]],
) -> None:
    ndim, input, weight, bias, options = request
    expected = TORCH[ndim - 1](input, weight, bias, **options)
    for algorithm, accuracy in (("auto", "strict"), ("im2col", "default")):
        output = OURS[ndim - 1](
            input, weight, bias, **options, algorithm=algorithm, accuracy=accuracy
        )
        assert torch.equal(output, expected)
    shapes = (input.shape, weight.shape, None if bias is None else bias.shape)
    assert transposed_of(*shapes, **options).output_shape == tuple(expected.shape)


def test_numpy_in_numpy_out_and_one_image_without_its_batch() -> None:
    output = glassconv.conv_transpose2d(np.ones((2, 3, 3)), np.ones((2, 1, 2, 2)), stride=2)
    assert isinstance(output, np.ndarray)
    assert output.shape == (1, 6, 6)
    assert (output == 2).all()


@pytest.mark.thorough
def test_it_can_be_differentiated() -> None:
    input = whole_numbers(1, 2, 3, 3).requires_grad_()
    weight = whole_numbers(2, 3, 3, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, w: glassconv.conv_transpose2d(x, w, stride=2, padding=1), (input, weight)
    )


@pytest.mark.parametrize("algorithm", ["winograd2", "fft", "kn2row"])
def test_any_algorithm_that_can_may_be_named(algorithm: str) -> None:
    problem = transposed_of([2, 4, 5, 6], [4, 3, 3, 3], [3], 2, 1, 1)
    x, w, b = torch.randn(2, 4, 5, 6), torch.randn(4, 3, 3, 3), torch.randn(3)
    given = Operands(*problem.convolution_arrays(x, w, b))
    output = glassconv.conv_transpose2d(x, w, b, 2, 1, 1, algorithm=algorithm, accuracy="any")
    truth = definition(problem.convolution, given)
    bound = glassconv.algorithms.named(algorithm).error_bound(problem.convolution)
    allowed = allowed_error(problem.convolution, bound, given, truth.magnitude)
    exact = torch.from_numpy(truth.output)
    error = (output.double() - problem.cut(exact)).abs()
    assert (error <= problem.cut(torch.from_numpy(allowed))).all()
    pytorchs = F.conv_transpose2d(x.double(), w.double(), b.double(), 2, 1, 1)
    # Both are sums in float64 of the same products, each within the bound of such a sum.
    wide = sum_of_products_bound(problem.convolution.taps_per_output, FORMATS["float64"]).max_factor
    difference = (problem.cut(exact) - pytorchs).abs()
    assert (difference <= 2 * wide * problem.cut(torch.from_numpy(truth.magnitude))).all()


@pytest.mark.parametrize(
    ("shapes", "options", "error", "cause"),
    [
        (
            ([1, 3, 4, 4], [2, 3, 3, 3]),
            {},
            ShapeError,
            "the weight reads 2 channels, but the input",
        ),
        (([1, 3, 4, 4], [3, 2, 3, 3], [3]), {}, ShapeError, r"\[out_channels\] = \[2\]"),
        (([3, 4], [3, 2, 3, 3]), {}, ShapeError, "2 kernel sizes"),
        (([1, 3, 4, 4], [3, 2]), {}, ShapeError, "it has 2 axes"),
        (([1, 3, 4, 4], [3, 2, 3, 3]), {"stride": 0}, ArgumentError, "stride must be"),
        (([1, 3, 4, 4], [3, 2, 3, 3]), {"padding": -1}, ArgumentError, "padding must be"),
        (([1, 3, 4, 4], [3, 2, 3, 3]), {"padding": 4}, ShapeError, "cuts off more than the 6"),
        (([1, 3, 4, 4], [3, 2, 3, 3]), {"output_padding": 1}, ArgumentError, "got 1 with stride 1"),
        (([1, 3, 4, 4], [3, 2, 3, 3]), {"groups": 2}, ArgumentError, "groups must divide"),
        (([1, 3, 4, 4], [3, 2, 3, 3]), {"groups": 0}, ArgumentError, "at least 1"),
        (([1, 3, 4, 4], [3, 2, 3, 3]), {"stride": 1.5}, ArgumentTypeError, "whole number"),
    ],
)
def test_refusals_repeat_the_request(
    shapes: list[list[int]],
    options: dict[str, Any],
    error: type[ConvError],
    cause: str,
) -> None:
    input, weight, bias = [*shapes, None][:3]
    assert input and weight
    with pytest.raises(error, match=cause) as caught:
        transposed_of(input, weight, bias, **options)
    assert f"input {input}, weight {weight}" in str(caught.value)

"""ONNX's own cases of Conv, ConvTranspose and Col2Im, through a small adaptor.

An operator's attributes become arguments of glassconv. Expected outputs and tolerances are those
that `onnx.backend.test` ships, and every algorithm that supports a case computes it.

Source: ONNX operator specification, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper
from onnx.backend.test.case.node import _NodeTestCases, col2im, conv, convtranspose
from onnx.backend.test.case.test_case import TestCase
from torch import Tensor

import glassconv
from glassconv.algorithms import ALGORITHMS
from glassconv.dispatch.dispatch import run
from glassconv.dispatch.select import AUTO, choose
from glassconv.errors import UnsupportedError
from glassconv.problem.arguments import problem_of
from glassconv.problem.operands import Operands
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.array import Array
from glassconv.verification.definition import definition
from glassconv.verification.verify import judge

Attributes = Mapping[str, Any]
Pairs = tuple[tuple[int, int], ...]
# Each module added its cases to the list when it was imported. Every operator's takes ten seconds.
LOADED = (conv, convtranspose, col2im)
EXPECTED_CASES = {"Conv": 6, "ConvTranspose": 11, "Col2Im": 5}  # of onnx 1.23


def cases(operator: str) -> Iterator[TestCase]:
    """Yield the cases whose model is this operator alone."""
    for case in _NodeTestCases:
        operators = [node.op_type for node in case.model.graph.node] if case.model else []
        if operators == [operator]:
            yield case


def data(case: TestCase) -> Iterator[tuple[Sequence[Array], Sequence[Array]]]:
    """Yield a case's inputs and expected outputs."""
    assert case.data_sets
    yield from case.data_sets


def attributes(case: TestCase) -> Attributes:
    assert case.model
    found = {a.name: helper.get_attribute_value(a) for a in case.model.graph.node[0].attribute}
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in found.items()}


def conv_problem(given: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Problem:
    """Return the problem of ONNX's Conv."""
    ndim = w.ndim - 2
    stride, dilation = (tuple(given.get(n, (1,) * ndim)) for n in ("strides", "dilations"))
    kernel = tuple(given.get("kernel_shape", w.shape[2:]))
    assert kernel == tuple(w.shape[2:])
    auto_pad = given.get("auto_pad", "NOTSET")
    pairs = explicit(given, ndim)
    if auto_pad.startswith("SAME"):
        totals = [
            max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            for n, s, d, k in zip(x.shape[2:], stride, dilation, kernel, strict=True)
        ]
        pairs = halves(totals, extra_first=auto_pad == "SAME_LOWER")
    bias = None if b is None else tuple(b.shape)
    dtype = str(x.dtype).removeprefix("torch.")
    group = given.get("group", 1)
    return problem_of(
        tuple(x.shape), tuple(w.shape), bias, stride, pairs, dilation, group, dtype=dtype
    )


def conv_transpose_problem(
    given: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None
) -> Problem:
    """Return the problem of ONNX's ConvTranspose."""
    ndim = w.ndim - 2
    stride, dilation = (tuple(given.get(n, (1,) * ndim)) for n in ("strides", "dilations"))
    output_padding = tuple(given.get("output_padding", (0,) * ndim))
    auto_pad, group = given.get("auto_pad", "NOTSET"), given.get("group", 1)
    size, kernel = tuple(x.shape[2:]), tuple(w.shape[2:])
    pairs = explicit(given, ndim)
    wanted = given.get("output_shape")
    if auto_pad.startswith("SAME"):
        wanted = [n * s for n, s in zip(size, stride, strict=True)]
    if wanted is not None:
        full = [
            (n - 1) * s + o + d * (k - 1) + 1
            for n, s, o, d, k in zip(size, stride, output_padding, dilation, kernel, strict=True)
        ]
        totals = [f - each for f, each in zip(full, wanted, strict=True)]
        output_padding = tuple(
            o + max(0, -total) for o, total in zip(output_padding, totals, strict=True)
        )
        pairs = halves([max(0, t) for t in totals], extra_first=auto_pad != "SAME_UPPER")
    return TransposedProblem(
        batch=x.shape[0],
        in_channels=x.shape[1],
        out_channels=w.shape[1] * group,
        input_size=size,
        kernel_size=kernel,
        stride=stride,
        padding=pairs,
        output_padding=output_padding,
        dilation=dilation,
        groups=group,
        bias=b is not None,
        dtype=str(x.dtype).removeprefix("torch."),
    )


def explicit(given: Attributes, ndim: int) -> Pairs:
    """Return `pads`, every start and then every end, as a pair for each axis."""
    pads = given.get("pads", (0,) * 2 * ndim)
    return tuple(zip(pads[:ndim], pads[ndim:], strict=True))


def halves(totals: list[int], *, extra_first: bool) -> Pairs:
    return tuple(
        (total - total // 2, total // 2) if extra_first else (total // 2, total - total // 2)
        for total in totals
    )


Adaptor = Callable[..., Problem]
ADAPTORS: Mapping[str, Adaptor] = {
    "Conv": conv_problem,
    "ConvTranspose": conv_transpose_problem,
}
CONVOLUTIONS = [
    pytest.param(case, adaptor, name, id=f"{case.name}-{name}")
    for operator, adaptor in ADAPTORS.items()
    for case in cases(operator)
    for name in (AUTO, *ALGORITHMS)
]


@pytest.mark.parametrize("operator", EXPECTED_CASES)
def test_no_case_is_overlooked(operator: str) -> None:
    assert len([*cases(operator)]) >= EXPECTED_CASES[operator]


@pytest.mark.parametrize(("case", "adaptor", "algorithm"), CONVOLUTIONS)
def test_a_convolution(case: TestCase, adaptor: Adaptor, algorithm: str) -> None:
    for inputs, (expected,) in data(case):
        x, w, *bias = (torch.from_numpy(array) for array in inputs)
        operands = Operands(x, w, next(iter(bias), None))
        arrays = operands.input, operands.weight, operands.bias
        problem = adaptor(attributes(case), *[each for each in arrays if each is not None])
        defined = definition(problem, operands).output
        np.testing.assert_allclose(defined, expected, rtol=case.rtol, atol=case.atol)
        if algorithm != AUTO and not supported(problem, algorithm):
            with pytest.raises(UnsupportedError):
                run(problem, algorithm, *arrays)
            continue
        output = run(problem, algorithm, *arrays).numpy()
        assert output.dtype == expected.dtype
        if algorithm == AUTO:
            np.testing.assert_allclose(output, expected, rtol=case.rtol, atol=case.atol)
        else:  # the tolerance expects exact zeros where the FFT has what rounding leaves
            bound = ALGORITHMS[algorithm].error_bound(problem)
            assert judge(problem, algorithm, output, operands, bound).verdict


def supported(problem: Problem, algorithm: str) -> bool:
    """Return whether an algorithm's steps or its kernel compute a problem."""
    try:
        choose(problem, algorithm, "any")
    except UnsupportedError:
        return False
    return True


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases("Col2Im")])
def test_col2im(case: TestCase) -> None:
    for (columns, size, block), (expected,) in data(case):
        output = fold_columns(attributes(case), torch.from_numpy(columns), [*size], [*block])
        np.testing.assert_allclose(output.numpy(), expected, rtol=case.rtol, atol=case.atol)
        assert output.numpy().dtype == expected.dtype


def fold_columns(given: Attributes, columns: Tensor, size: list[int], block: list[int]) -> Tensor:
    """Return ONNX's Col2Im: every column is added to the window that it was taken from.

    That is a transposed convolution, of as many channels as a window has elements, each by a filter
    that is 1 at its own element and 0 at all others. In two dimensions it is PyTorch's `fold`, too.
    """
    ndim = len(size)
    stride, dilation = (tuple(given.get(n, (1,) * ndim)) for n in ("strides", "dilations"))
    pairs, taps = explicit(given, ndim), prod(block)
    windows = [
        (n + sum(pair) - d * (k - 1) - 1) // s + 1
        for n, pair, d, k, s in zip(size, pairs, dilation, block, stride, strict=True)
    ]
    batch, channels = columns.shape[0], columns.shape[1] // taps
    one_hot = torch.eye(taps, dtype=columns.dtype).reshape(taps, 1, *block)
    convolve = (glassconv.conv_transpose1d, glassconv.conv_transpose2d, glassconv.conv_transpose3d)
    before = [pair[0] for pair in pairs]
    leftover = [
        n - ((m - 1) * s - 2 * p + d * (k - 1) + 1)
        for n, m, s, p, d, k in zip(size, windows, stride, before, dilation, block, strict=True)
    ]
    output = convolve[ndim - 1](
        columns.reshape(batch, channels * taps, *windows),
        one_hot.repeat(channels, *[1] * (ndim + 1)),
        None,
        stride,
        before,
        leftover,
        channels,
        dilation,
    )
    if ndim == 2 and hasattr(glassconv, "fold"):
        folded = glassconv.fold(columns, size, block, dilation, before, stride)
        torch.testing.assert_close(folded, output, rtol=0, atol=0)
    return output

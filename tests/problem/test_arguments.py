"""PyTorch's spellings of one problem give one problem, and every wrong one is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from glassconv.errors import ArgumentError, ArgumentTypeError, ConvError, DtypeError, ShapeError
from glassconv.problem.arguments import problem_of
from support.references import by_torch, whole_numbers

INPUT, WEIGHT, BIAS = [2, 4, 9, 8], [6, 2, 3, 2], [6]


def asked(**options: Any) -> Any:
    return problem_of(INPUT, WEIGHT, BIAS, **{"groups": 2, **options})


@pytest.mark.parametrize(
    ("options", "field", "expected"),
    [
        ({}, "stride", (1, 1)),
        ({"stride": 2}, "stride", (2, 2)),
        ({"stride": [2]}, "stride", (2, 2)),
        ({"stride": (2, 1)}, "stride", (2, 1)),
        ({"stride": torch.Size([2, 1])}, "stride", (2, 1)),
        ({"stride": np.int64(3)}, "stride", (3, 3)),
        ({"stride": torch.tensor(3)}, "stride", (3, 3)),
        ({"dilation": (1, 3)}, "dilation", (1, 3)),
        ({}, "padding", ((0, 0), (0, 0))),
        ({"padding": 1}, "padding", ((1, 1), (1, 1))),
        ({"padding": (1, 0)}, "padding", ((1, 1), (0, 0))),
        ({"padding": ((1, 2), (0, 3))}, "padding", ((1, 2), (0, 3))),
        ({"padding": [[1, 2], 3]}, "padding", ((1, 2), (3, 3))),
        ({"padding": "valid"}, "padding", ((0, 0), (0, 0))),
        ({"padding": "same"}, "padding", ((1, 1), (0, 1))),
        ({"padding": "same", "dilation": 3}, "padding", ((3, 3), (1, 2))),
        ({}, "groups", 2),
        ({}, "dtype", "float32"),
        ({"dtype": "bfloat16"}, "dtype", "bfloat16"),
    ],
)
def test_spellings(options: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(asked(**options), field) == expected


def test_shapes_become_sizes() -> None:
    problem = asked()
    assert list(problem.input_shape) == INPUT
    assert list(problem.weight_shape) == WEIGHT
    assert problem.bias


def test_no_bias() -> None:
    assert not problem_of(INPUT, WEIGHT, groups=2).bias


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_one_image_is_a_batch_of_one(ndim: int) -> None:
    size, kernel = [8] * ndim, [3] * ndim
    alone = problem_of([3, *size], [4, 3, *kernel])
    assert alone == problem_of([1, 3, *size], [4, 3, *kernel])
    assert alone.batch == 1


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@given(st.integers(1, 5), st.integers(1, 3))
def test_same_is_pytorchs_same(kernel_size: int, dilation: int) -> None:
    problem = problem_of([1, 2, 6], [3, 2, kernel_size], padding="same", dilation=dilation)
    operands = whole_numbers(problem)
    theirs = F.conv1d(operands.input, operands.weight, padding="same", dilation=dilation)
    assert problem.output_size == problem.input_size
    assert torch.equal(by_torch(problem, operands), theirs)


REFUSALS: list[tuple[dict[str, Any], type[ConvError], str]] = [
    ({"input_shape": [9, 8]}, ShapeError, "3 axes .one image. or 4 .a batch., but it has 2"),
    ({"input_shape": [1, 2, 4, 9, 8]}, ShapeError, "but it has 5"),
    ({"input_shape": [2, 5, 9, 8]}, ShapeError, "2 channels × 2 groups = 4, but the input has 5"),
    ({"weight_shape": [6, 2]}, ShapeError, "1, 2 or 3 kernel sizes, but it has 2 axes"),
    ({"weight_shape": [6, 2, 1, 1, 1, 1]}, ShapeError, "kernel sizes, but it has 6 axes"),
    ({"weight_shape": [6, 2, 10, 2]}, ShapeError, "the kernel spans 10 positions"),
    (
        {"bias_shape": [5]},
        ShapeError,
        r"must be \[out_channels\] = \[6\], but it is \[5\]",
    ),
    ({"bias_shape": [6, 1]}, ShapeError, r"but it is \[6, 1\]"),
    ({"stride": 0}, ArgumentError, "stride must be a whole number of at least 1, got 0"),
    ({"stride": (1, 2, 3)}, ArgumentError, r"stride must be one number or 2, .* got \(1, 2, 3\)"),
    ({"stride": ()}, ArgumentError, r"stride must be one number or 2, .* got \(\)"),
    ({"stride": 1.5}, ArgumentTypeError, "stride must be a whole number, got 1.5 of type float"),
    ({"stride": True}, ArgumentTypeError, "stride must be a whole number, got True of type bool"),
    ({"stride": "2"}, ArgumentTypeError, "stride must be a whole number, got '2' of type str"),
    ({"stride": None}, ArgumentTypeError, "stride must be a whole number, got None"),
    ({"stride": np.array([2, 1])}, ArgumentTypeError, "stride must be a whole number, got array"),
    ({"stride": torch.tensor(1.5)}, ArgumentTypeError, "stride must be a whole number, got tensor"),
    ({"dilation": [1, 2.0]}, ArgumentTypeError, "dilation must be a whole number, got 2.0"),
    ({"padding": -1}, ArgumentError, "padding must be a whole number of at least 0, got -1"),
    ({"padding": "full"}, ArgumentError, "padding must be a size, 'same' or 'valid', got 'full'"),
    ({"padding": "same", "stride": 2}, ArgumentError, r"only with stride 1, got stride \[2, 2\]"),
    ({"padding": ((1, 2, 3), 0)}, ArgumentTypeError, r"padding must be .*, got \(1, 2, 3\)"),
    ({"padding": (1, 2, 3)}, ArgumentError, "padding must be one number or 2"),
    (
        {"padding": 2**61},
        ArgumentError,
        "padding must be at most 2147483647",
    ),
    ({"dilation": 2**62}, ArgumentError, "dilation must be at most 2147483647"),
    ({"padding": "same", "dilation": 2**62}, ArgumentError, "dilation must be at most"),
    ({"groups": 0}, ArgumentError, "groups must be a whole number of at least 1, got 0"),
    ({"groups": -2}, ArgumentError, "groups must be a whole number of at least 1, got -2"),
    ({"groups": 2.0}, ArgumentTypeError, "groups must be a whole number, got 2.0"),
    ({"weight_shape": [5, 2, 3, 2], "bias_shape": None}, ArgumentError, "divide out_channels"),
    ({"dtype": "int8"}, DtypeError, "no algorithm here computes in int8"),
]


@pytest.mark.parametrize(("change", "error", "cause"), REFUSALS, ids=lambda value: str(value)[:40])
def test_refusals_say_the_cause_and_repeat_the_request(
    change: dict[str, Any], error: type[ConvError], cause: str
) -> None:
    arguments = {"input_shape": INPUT, "weight_shape": WEIGHT, "bias_shape": BIAS, "groups": 2}
    with pytest.raises(error, match=cause) as caught:
        problem_of(**{**arguments, **change})
    for shape in ("input_shape", "weight_shape", "bias_shape"):
        assert str({**arguments, **change}[shape]) in caught.value.request


def test_the_request_is_written_as_a_call() -> None:
    with pytest.raises(ShapeError) as caught:
        problem_of([3, 8], [4, 2, 3], [4], stride=(2,), padding="same", dilation=3)
    assert caught.value.request == (
        "conv1d(input [3, 8], weight [4, 2, 3], bias [4], stride=(2,), padding='same', "
        "dilation=3, groups=1)"
    )

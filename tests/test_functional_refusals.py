"""What the public functions refuse: wherever PyTorch does, by its own class, and better said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    ConvError,
    DtypeError,
    ShapeError,
    UnknownNameError,
    UnsupportedError,
)
from glassconv.functional import conv2d, conv_transpose2d


def ones(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.ones(shape, dtype=dtype)


VALID: dict[str, Any] = {"input": ones(2, 3, 8, 7), "weight": ones(4, 3, 3, 2), "bias": ones(4)}

BAD: list[tuple[dict[str, Any], type[ConvError], str]] = [
    ({"weight": ones(4, 3)}, ShapeError, "4 axes, but it has 2"),
    ({"weight": ones(4, 3, 3)}, ShapeError, "4 axes, but it has 3"),
    ({"input": ones(8, 7)}, ShapeError, "but it has 2"),
    ({"input": ones(1, 2, 3, 8, 7)}, ShapeError, "but it has 5"),
    ({"input": ones(2, 5, 8, 7)}, ShapeError, "3 channels × 1 groups = 3, but the input has 5"),
    ({"input": ones(2, 3, 2, 7)}, ShapeError, "the kernel spans 3 positions of spatial axis 0"),
    ({"dilation": 9}, ShapeError, "the kernel spans 19 positions of spatial axis 0"),
    ({"bias": ones(5)}, ShapeError, "must be [out_channels] = [4], but it is [5]"),
    ({"bias": ones(4, 1)}, ShapeError, "must be [out_channels] = [4], but it is [4, 1]"),
    ({"bias": ones()}, ShapeError, "must be [out_channels] = [4], but it is []"),
    ({"groups": 2}, ShapeError, "3 channels × 2 groups = 6, but the input has 3"),
    ({"weight": ones(4, 1, 3, 2), "groups": 3}, ArgumentError, "groups must divide out_channels"),
    ({"weight": ones(0, 3, 3, 2), "bias": None}, ArgumentError, "out_channels must be a whole"),
    ({"input": ones(2, 3, 0, 7)}, ArgumentError, "input_size must be a whole number of at least 1"),
    ({"stride": 0}, ArgumentError, "stride must be a whole number of at least 1, got 0"),
    ({"stride": (1, -1)}, ArgumentError, "stride must be a whole number of at least 1, got -1"),
    ({"stride": (1, 2, 3)}, ArgumentError, "one number or 2, one per spatial axis, got (1, 2, 3)"),
    ({"stride": ()}, ArgumentError, "one number or 2, one per spatial axis, got ()"),
    ({"stride": 1.5}, ArgumentTypeError, "got 1.5 of type float"),
    ({"stride": "2"}, ArgumentTypeError, "stride='2'"),
    ({"stride": None}, ArgumentTypeError, "got None of type NoneType"),
    ({"stride": True}, ArgumentTypeError, "got True of type bool"),
    ({"dilation": 0}, ArgumentError, "dilation must be a whole number of at least 1, got 0"),
    ({"dilation": (1, 2.0)}, ArgumentTypeError, "got 2.0 of type float"),
    ({"padding": -1}, ArgumentError, "padding must be a whole number of at least 0, got -1"),
    ({"padding": "full"}, ArgumentError, "'same' or 'valid', got 'full'"),
    ({"padding": "same", "stride": 2}, ArgumentError, "only with stride 1, got stride [2, 2]"),
    ({"padding": 1.0}, ArgumentTypeError, "got 1.0 of type float"),
    ({"padding": range(1, 3)}, ArgumentTypeError, "got range(1, 3) of type range"),
    ({"groups": 0}, ArgumentError, "groups must be a whole number of at least 1, got 0"),
    ({"groups": (1,)}, ArgumentTypeError, "got (1,) of type tuple"),
    ({"input": ones(2, 3, 8, 7, dtype=torch.float64)}, DtypeError, "one element type"),
    ({"bias": ones(4, dtype=torch.float64)}, DtypeError, "one element type"),
]


@pytest.mark.parametrize(("change", "error", "cause"), BAD)
def test_what_pytorch_refuses_is_refused_alike_and_better_said(
    change: dict[str, Any], error: type[ConvError], cause: str
) -> None:
    request = VALID | change
    with pytest.raises((RuntimeError, TypeError, ValueError)) as theirs:
        F.conv2d(**request)
    with pytest.raises(error) as ours:
        conv2d(**request)
    assert isinstance(ours.value, theirs.type)
    assert cause in str(ours.value)
    for name in VALID:
        if request[name] is not None:
            assert f"{name} {list(request[name].shape)}" in ours.value.request


@pytest.mark.parametrize(
    "change",
    [
        {"input": [[1.0]]},
        {"weight": None},
        {"bias": 1.0},
        {"input": VALID["input"].numpy()},
        {"bias": VALID["bias"].numpy()},
    ],
    ids="-".join,
)
def test_arrays_of_two_kinds_are_refused_by_their_kinds(change: dict[str, Any]) -> None:
    request = VALID | change
    with pytest.raises(TypeError):
        F.conv2d(**request)
    with pytest.raises(ArgumentTypeError, match="all NumPy arrays or all tensors") as ours:
        conv2d(**request)
    for name in VALID:
        assert f"{name}: {type(request[name]).__name__}" in ours.value.request


@pytest.mark.parametrize("dtype", ["bool", "uint16", "longdouble", "object"])
def test_types_that_nobody_computes_in_are_refused(dtype: str) -> None:
    input, weight = np.ones((1, 1, 3, 3), dtype), np.ones((1, 1, 2, 2), dtype)
    name = np.dtype(dtype).name
    with pytest.raises(DtypeError, match=f"no algorithm here computes in {name}; .*float32") as no:
        conv2d(input, weight)
    assert f"input [1, 1, 3, 3] {name}" in no.value.request


ENORMOUS: list[dict[str, Any]] = [
    {"padding": 2**61},
    {"padding": (0, 2**61)},
    {"padding": ((0, 2**61), 0)},
    {"dilation": 2**62},
    {"dilation": 2**62, "padding": "same"},
]


@pytest.mark.parametrize("enormous", ENORMOUS, ids=str)
def test_enormous_steps_are_refused_before_anything_is_allocated(enormous: dict[str, Any]) -> None:
    """PyTorch 2.13 is not asked: it crashes on some of these."""
    with pytest.raises(ArgumentError, match="must be at most 2147483647") as caught:
        conv2d(**VALID, **enormous)
    assert "input [2, 3, 8, 7], weight [4, 3, 3, 2], bias [4]" in caught.value.request


@pytest.mark.parametrize("name", ["stride", "padding", "dilation", "groups"])
def test_an_argument_of_more_than_64_bits_is_refused_as_pytorch_does(name: str) -> None:
    request = VALID | {name: 2**63}
    with pytest.raises(ValueError, match="Overflow"):
        F.conv2d(**request)
    with pytest.raises(ArgumentRangeError, match=f"{name} must fit 64 bits, got {2**63}"):
        conv2d(**request)


@pytest.mark.parametrize("stride", [2**31, 2**40, 2**62])
def test_a_stride_beyond_the_input_leaves_one_output(stride: int) -> None:
    assert torch.equal(conv2d(**VALID, stride=stride), conv2d(**VALID, stride=8))
    one_pixel, weight = VALID["input"][:, :, :1, :1], VALID["weight"].transpose(0, 1)
    transposed = conv_transpose2d(one_pixel, weight, stride=stride)
    assert torch.equal(transposed, conv_transpose2d(one_pixel, weight))


@pytest.mark.parametrize(
    ("padding", "error", "cause"),
    [
        (2**31 - 1, ShapeError, "more than can be addressed"),
        (2**24, UnsupportedError, "aten: needs .* GiB of memory, this machine has"),
    ],
)
def test_enormous_arrays_are_refused_before_they_are_allocated(
    padding: int, error: type[ConvError], cause: str
) -> None:
    with pytest.raises(error, match=cause):
        conv2d(**VALID, padding=padding)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"algorithm": "im2col2"}, "did you mean 'im2col'"),
        ({"accuracy": "exact"}, "unknown accuracy 'exact'"),
    ],
)
def test_unknown_names_are_refused(options: dict[str, Any], cause: str) -> None:
    with pytest.raises(UnknownNameError, match=cause):
        conv2d(**VALID, **options)

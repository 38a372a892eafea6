"""Stacks in shorthand: the shapes PyTorch's layers have, and errors that say what is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from glassconv.errors import ShorthandError
from glassconv.problem.stack import is_stack, parse_stack


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        (
            "3x32x32 8@3x3 p1 relu maxpool 2 16@3x3 s2",
            [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, 2)],
        ),
        (
            "2x4x30 6@5 d2 g2 avgpool 3 s2 p1 5@2 s3 transposed o1",
            [
                nn.Conv1d(4, 6, 5, dilation=2, groups=2),
                nn.AvgPool1d(3, 2, 1),
                nn.ConvTranspose1d(6, 5, 2, 3, output_padding=1),
            ],
        ),
        ("1x9x8 maxpool 2x3 s1x2", [nn.MaxPool2d((2, 3), (1, 2))]),
        ("1x9x8 maxpool 3 d2 s1", [nn.MaxPool2d(3, 1, dilation=2)]),
    ],
)
def test_a_stack_has_the_shapes_of_pytorchs_layers(text: str, layers: list[nn.Module]) -> None:
    stack = parse_stack(text)
    assert stack == parse_stack(text.split())
    assert str(stack) == text
    x = torch.zeros(stack.input_shape)
    for each, module in zip(stack.layers, layers, strict=True):
        assert tuple(x.shape) == each.input_shape
        x = module(x)
        assert tuple(x.shape) == each.output_shape
        assert each.layer.input_size == each.input_shape[2:]
        assert each.layer.output_size == each.output_shape[2:]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "a stack needs an input and layers"),
        ("3x32x32", "a stack needs an input and layers"),
        ("relu maxpool 2", "a stack needs an input and layers"),
        ("3x32x32 8@3x3 softmax 2", "options are s, p, d, g or o with a number"),
        ("3x32x32 8@3x3 relu 2", "'relu 2': relu has no options"),
        ("3x32x32 8@3x3 maxpool", "'maxpool': pooling is written as a size"),
        ("3x32x32 8@3x3 maxpool 2 g2", "'maxpool 2 g2': pooling is written as a size"),
        (
            "3x32x32 8@3x3 maxpool 2 p2",
            "at most half its window, as in PyTorch; this has padding 2",
        ),
        ("3x6x6 8@5x5 16@3x3", r"1x8x2x2 16@3x3"),
        ("32 8@3x3", "an input with 2 spatial axes is written CxHxW"),
    ],
)
def test_what_is_no_stack_is_refused(text: str, cause: str) -> None:
    with pytest.raises(ShorthandError, match=cause):
        parse_stack(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3x32x32 8@3x3 s2", False),
        ("3x32x32 8@3x3 8@3x3", True),
        ("3x32x32 maxpool 2", True),
    ],
)
def test_a_stack_is_told_from_a_problem(text: str, expected: bool) -> None:
    assert is_stack(text) == expected

"""Receptive fields of stacks: against the gradients that autograd finds not to be zero."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.problem.receptive_field import Layer, ReceptiveField, paths, receptive_fields
from glassconv.problem.stack import Stack, parse_stack

STACKS = [
    "1x9x9 1@3x3",
    "2x20x20 3@3x3 p1 4@3x3 s2 p1 2@3x3",
    "1x24x20 1@5x3 s2x1 p2x1 1@3x3 d2 p2 1@2x2 s2",
    "1x33 2@3 p1 2@3 s2 p1 2@5 d2 p4 2@3 s3",
    "2x16x16 4@3x3 p1 g2 avgpool 2 4@3x3 p1 avgpool 3 s2 p1",
    "1x15 1@2 p0:1 1@4 s3 p2:1 avgpool 2",
    "1x6x6 1@3x3 p1 1@3x3 s2 p1 transposed o1 1@3x3 p1",
    "1x9 1@3 s2 1@4 s2 p1 transposed 1@5 s3 d2 p2 transposed",
    "1x7 1@2 s3 transposed",
    "1x4x5x6 2@3x3x2 p1x1x0 avgpool 2",
    "1x12 1@1 s3 1@1 s2",
]


def run(stack: Stack, x: Tensor) -> Tensor:
    """Return the output of a stack whose weights are all 1, in float64."""
    convolve = (F.conv1d, F.conv2d, F.conv3d)[stack.ndim - 1]
    transposed = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
    convolve_transposed = transposed[stack.ndim - 1]
    for each in stack.layers:
        axes = each.layer.axes
        stride, dilation = (
            [getattr(axis, name) for axis in axes] for name in ("stride", "dilation")
        )
        kernel = [axis.kernel_size for axis in axes]
        channels = x.shape[1]
        if each.layer.transposed:
            weight = x.new_ones(channels, 1, *kernel)
            padding = [axis.padding[0] for axis in axes]
            extra = [axis.leftover for axis in axes]
            x = convolve_transposed(x, weight, None, stride, padding, extra, 1, dilation)
            continue
        around = [size for axis in reversed(axes) for size in axis.padding]
        weight = x.new_ones(1, channels, *kernel)
        x = convolve(F.pad(x, around), weight, None, stride, 0, dilation)
    return x


@pytest.mark.parametrize("text", STACKS)
def test_the_paths_are_the_gradient_of_a_stack_of_ones(text: str) -> None:
    stack = parse_stack(text)
    x = torch.zeros(1, 1, *stack.input_shape[2:], dtype=torch.float64, requires_grad=True)
    y = run(stack, x)[0, 0]
    assert tuple(y.shape) == stack.layers[-1].output_shape[2:]
    for output in np.ndindex(*y.shape):
        (gradient,) = torch.autograd.grad(y[output], x, retain_graph=True)
        counted = np.ones(())
        for axis in paths(stack.windows, output):
            counted = np.multiply.outer(counted, axis)
        assert (gradient[0, 0].numpy() == counted).all()


@pytest.mark.parametrize("text", STACKS)
def test_the_field_is_what_an_output_far_from_the_edges_spans(text: str) -> None:
    """On an input so large that the output in the middle reads no padding."""
    stack = parse_stack(_enlarged(text))
    field = receptive_fields(stack.windows)[-1]
    middle = [size // 2 for size in stack.layers[-1].output_shape[2:]]
    for axis in range(stack.ndim):
        for step in range(-6, 7):
            output = list(middle)
            output[axis] += step
            read = np.flatnonzero(paths(stack.windows, output)[axis])
            centre = field.centre_of(output)[axis]
            if not any(layer.transposed for layer in stack.windows):
                assert read[-1] - read[0] + 1 == field.size[axis]
                assert read[-1] + read[0] == 2 * centre
            elif len(read):
                assert read[-1] - read[0] + 1 <= field.size[axis]
                reach = _reach(stack, axis) / 2
                assert centre - reach <= int(read[0]) <= int(read[-1]) <= centre + reach


def _reach(stack: Stack, axis: int) -> Fraction:
    """Return how far the first and the last position are apart if no layer rounded."""
    reach = Fraction(0)
    for layer in reversed(stack.windows):
        stride, extent = layer.axes[axis].stride, layer.axes[axis].extent
        reach = (reach + extent - 1) / stride if layer.transposed else reach * stride + extent - 1
    return reach


def _enlarged(text: str) -> str:
    """Return the stack on an input of 151 positions along each axis but the first of three."""
    size, rest = text.split(" ", 1)
    channels, *sizes = size.split("x")
    large = ["151"] * len(sizes) if len(sizes) < 3 else ["41"] * 3
    return " ".join(["x".join([channels, *large]), rest])


def test_the_receptive_field_of_vgg16_is_the_published_one() -> None:
    """Araujo, Norris and Sim, Distill, 2019: 212, and an effective stride of 32."""
    blocks = [" ".join(["1@3x3 p1"] * count + ["maxpool 2"]) for count in (2, 2, 3, 3, 3)]
    field = receptive_fields(parse_stack(["1x224x224", *blocks]).windows)[-1]
    assert field.size == (212, 212)
    assert field.jump == (Fraction(32), Fraction(32))


def _field(size: int, jump: Fraction | int, centre: Fraction | int) -> ReceptiveField:
    return ReceptiveField((size,), (Fraction(jump),), (Fraction(centre),))


def test_each_layer_has_its_own_field() -> None:
    layer = Layer(parse_stack("1x9 1@3 s2").windows[0].axes)
    first, second = receptive_fields([layer, layer])
    assert first == _field(3, 2, 1)
    assert second == _field(7, 4, 3)


def test_behind_a_transposed_convolution_the_jump_is_a_fraction() -> None:
    field = receptive_fields(parse_stack("1x5 1@2 s2 transposed").windows)[-1]
    assert field == _field(1, Fraction(1, 2), Fraction(-1, 4))

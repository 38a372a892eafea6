"""Winograd's convolution in one, two or three spatial axes: F(m, r) nested along each of them.

The three files winograd2, winograd4 and winograd6 differ only in how many outputs a tile gives.
An axis of kernel size 1 has nothing to save and gets tiles of one output, F(1, 1) = [1].

What it costs is counted in winograd_cost.py, how wrong it may be in winograd_bound.py.
winograd_flatness.py says which tiles are computed directly, winograd_scale.py what keeps small
numbers from underflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, prod

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.parts import names
from glassconv.algorithms.parts.bias import add_bias
from glassconv.algorithms.parts.window_bound import all_known
from glassconv.algorithms.parts.winograd_flatness import flat_tiles, flatness
from glassconv.algorithms.parts.winograd_scale import filter_scales, input_scale
from glassconv.algorithms.parts.winograd_transforms import Outputs, transform, transforms_of
from glassconv.mathematics.cook_toom import Transforms
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.size_text import by_x
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

# Eight elements need seven points; with more, the powers of the points cost too many digits.
LARGEST_TILE = 8


def supports(problem: ConvProblem, outputs: int) -> Verdict:
    """Stride and dilation 1, and kernels that fit the tile."""
    largest = LARGEST_TILE + 1 - outputs
    kernel = by_x(problem.kernel_size)
    if set(problem.stride) != {1}:
        return Verdict(False, f"needs stride 1, got {by_x(problem.stride)}")
    if set(problem.dilation) != {1}:
        return Verdict(False, f"needs dilation 1, got {by_x(problem.dilation)}")
    if set(problem.kernel_size) == {1}:
        return Verdict(False, f"needs a kernel of more than one tap, got {kernel}")
    if max(problem.kernel_size) > largest:
        return Verdict(False, f"needs kernel sizes up to {largest}, got {kernel}")
    return Verdict(True, f"F({outputs}, r) fits a kernel of {kernel}")


def steps(
    problem: ConvProblem, outputs: Outputs, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut tiles, transform, multiply element by element, transform back.

    Tiles that are not flat are replaced by zeros, and their outputs are computed directly. Scales
    keep small numbers from underflow; they are 1 without such numbers.
    """
    transforms = transforms_of(problem, outputs)
    scale, scales = input_scale(input, problem.format), filter_scales(weight, problem.format)
    scaled = transform([each.filter for each in transforms], weight.double() * scales)
    filters = scaled.to(weight.dtype)
    tiled = names.along("tiles", problem)
    elements = names.along("element", problem)

    padded = pad(problem, transforms, input)
    named = ("batch", "in_channels", *names.sizes(problem))
    yield Step("padded", padded, named, "the input with its padding, up to whole tiles")

    tiles = cut(problem, transforms, padded)
    flat = flat_tiles(problem, flatness(problem, outputs, weight, filters), tiles)
    tiles = only(flat, tiles)
    named = ("batch", "in_channels", *tiled, *elements)
    yield Step("tiles", tiles, named, "neighbours overlap by r − 1; zeros if not flat")

    transformed = transform([each.input for each in transforms], tiles * scale)
    yield Step("transformed input", transformed, named, "Bᵀ along each axis of every tile")

    named = ("out_channels", "channels of a group", *elements)
    yield Step("transformed filters", filters, named, "G along each axis, in float64, rounded once")

    products = multiply(problem, transformed, filters)
    named = ("batch", "out_channels", *tiled, *elements)
    yield Step("products", products, named, "one matrix product over channels for each element")

    scales = (scale * scales).to(weight.dtype).reshape(-1, *(1,) * 2 * problem.ndim)
    tiles = transform([each.output for each in transforms], products) / scales
    tiles = with_sums(problem, flat, tiles, padded, weight)
    named = ("batch", "out_channels", *tiled, *names.along("output in tile", problem))
    yield Step("output tiles", tiles, named, "Aᵀ along each axis; plain sums where not flat")

    output = add_bias(problem, join(problem, tiles), bias)
    yield Step("output", output, names.output(problem), "tiles side by side, plus the bias")


# -- one step each --------------------------------------------------------------------------------


def pad(problem: ConvProblem, transforms: Sequence[Transforms], input: Tensor) -> Tensor:
    """Return the input with its padding, and with as many positions as whole tiles read."""
    sizes = list(map(padded_along, problem.axes, transforms))
    pairs = []
    for axis, size in zip(problem.axes, sizes, strict=True):
        before = axis.padding[0]
        pairs.append((before, max(0, size - before - axis.input_size)))
    padded = F.pad(input, [size for pair in reversed(pairs) for size in pair])
    return padded[(slice(None), slice(None), *(slice(size) for size in sizes))]


def cut(problem: ConvProblem, transforms: Sequence[Transforms], padded: Tensor) -> Tensor:
    """Return the tiles [batch, in_channels, *tiles, *pixels]: m outputs apart."""
    for place, (axis, each) in enumerate(zip(problem.axes, transforms, strict=True), start=2):
        padded = padded.unfold(place, len(each.input[0]), len(each.output) * axis.stride)
    return padded


def only(flat: Tensor, tiles: Tensor) -> Tensor:
    """Return the flat tiles, and zeros in place of the others."""
    return tiles if all_known(flat) else torch.where(_spread(flat, tiles), tiles, 0)


def with_sums(
    problem: ConvProblem, flat: Tensor, tiles: Tensor, padded: Tensor, weight: Tensor
) -> Tensor:
    """Return the outputs of the flat tiles, and plain sums in place of the others'."""
    if all_known(flat):
        return tiles
    convolve = (F.conv1d, F.conv2d, F.conv3d)[problem.ndim - 1]
    sums = convolve(padded, weight, None, problem.stride, groups=problem.groups)
    for place, size in enumerate(tiles.shape[2 + problem.ndim :], start=2):
        sums = sums.unfold(place, size, size)
    return torch.where(_spread(flat, tiles), tiles, sums)


def _spread(flat: Tensor, tiles: Tensor) -> Tensor:
    """Return [batch, groups, *tiles] as a mask for [batch, channels, *tiles, *elements]."""
    by_channel = flat.repeat_interleave(tiles.shape[1] // flat.shape[1], 1)
    return by_channel[(..., *(None,) * (tiles.ndim - flat.ndim))]


def multiply(problem: ConvProblem, tiles: Tensor, filters: Tensor) -> Tensor:
    """Return the products [batch, out_channels, *tiles, *elements], summed over channels."""
    batch, groups, channels = problem.batch, problem.groups, problem.weight_shape[1]
    grid, element = tiles.shape[2 : 2 + problem.ndim], tiles.shape[2 + problem.ndim :]
    numbers, elements = prod(grid), prod(element)

    columns = tiles.reshape(batch, groups, channels, numbers, elements).permute(4, 1, 2, 0, 3)
    columns = columns.reshape(elements, groups, channels, batch * numbers)
    rows = filters.reshape(groups, problem.gemm.m, channels, elements).permute(3, 0, 1, 2)
    products = (rows @ columns).reshape(elements, problem.out_channels, batch, numbers)
    return products.permute(2, 1, 3, 0).reshape(batch, problem.out_channels, *grid, *element)


def join(problem: ConvProblem, tiles: Tensor) -> Tensor:
    """Return the tiles' outputs side by side, without those past the input's end."""
    ndim = problem.ndim
    grid, inside = tiles.shape[2 : 2 + ndim], tiles.shape[2 + ndim :]
    tile_then_output = [place for axis in range(ndim) for place in (2 + axis, 2 + ndim + axis)]
    joined = tiles.permute(0, 1, *tile_then_output).reshape(
        *tiles.shape[:2], *(number * size for number, size in zip(grid, inside, strict=True))
    )
    return joined[(slice(None), slice(None), *(slice(size) for size in problem.output_size))]


def tiles_along(axis: Axis, transforms: Transforms) -> int:
    """Return how many tiles cover an axis's outputs."""
    return ceil(axis.output_size / len(transforms.output))


def padded_along(axis: Axis, transforms: Transforms) -> int:
    """Return how many positions whole tiles read along an axis."""
    outputs = tiles_along(axis, transforms) * len(transforms.output)
    return (outputs - 1) * axis.stride + axis.extent

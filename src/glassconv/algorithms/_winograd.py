"""Winograd's convolution in one, two or three spatial axes: F(m, r) nested along each of them.

The three files winograd2, winograd4 and winograd6 differ only in how many outputs a tile gives.
An axis of kernel size 1 has nothing to save and gets tiles of one output, F(1, 1) = [1].

`error_bound` counts the roundings on the longest way from an operand to an output; the proof is in
docs/algorithms/winograd.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from math import ceil, inf, prod

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms import _names as names
from glassconv.algorithms._bias import add_bias
from glassconv.algorithms._cook_toom import Matrix, Transforms, cook_toom
from glassconv.axis import Axis
from glassconv.bounds import ErrorBound, Float64
from glassconv.problem import ConvProblem
from glassconv.report import Array, Cost, Step, Verdict
from glassconv.rounding import FORMATS, gamma

# Eight elements need seven points; with more, the powers of the points cost too many digits.
LARGEST_TILE = 8


def supports(problem: ConvProblem, outputs: int) -> Verdict:
    """Stride and dilation 1, kernels that fit the tile, float32 and float64."""
    largest = LARGEST_TILE + 1 - outputs
    kernel = _by_x(problem.kernel_size)
    if problem.dtype not in ("float32", "float64"):
        return Verdict(False, f"needs float32 or float64, got {problem.dtype}")
    if set(problem.stride) != {1}:
        return Verdict(False, f"needs stride 1, got {_by_x(problem.stride)}")
    if set(problem.dilation) != {1}:
        return Verdict(False, f"needs dilation 1, got {_by_x(problem.dilation)}")
    if set(problem.kernel_size) == {1}:
        return Verdict(False, f"needs a kernel of more than one tap, got {kernel}")
    if max(problem.kernel_size) > largest:
        return Verdict(False, f"needs kernel sizes up to {largest}, got {kernel}")
    return Verdict(True, f"F({outputs}, r) fits a kernel of {kernel}")


def steps(
    problem: ConvProblem, outputs: int, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Iterator[Step]:
    """Cut tiles, transform, multiply element by element, transform back."""
    transforms = transforms_of(problem, outputs)
    tiled = tuple(f"tiles {axis}" for axis in range(problem.ndim))
    elements = tuple(f"element {axis}" for axis in range(problem.ndim))

    padded = _pad(problem, transforms, input)
    named = ("batch", "in_channels", *names.sizes(problem))
    yield Step("padded", padded, named, "zeros around the picture, up to whole tiles")

    tiles = _cut(transforms, padded)
    named = ("batch", "in_channels", *tiled, *elements)
    yield Step("tiles", tiles, named, "neighbours overlap by r − 1: a view, nothing is copied")

    transformed = _transform([each.input for each in transforms], tiles)
    yield Step("transformed input", transformed, named, "Bᵀ along each axis of every tile")

    filters = _transform([each.filter for each in transforms], weight.double()).to(weight.dtype)
    named = ("out_channels", "channels of a group", *elements)
    yield Step("transformed filters", filters, named, "G along each axis, in float64, rounded once")

    products = _multiply(problem, transformed, filters)
    named = ("batch", "out_channels", *tiled, *elements)
    yield Step("products", products, named, "one matrix product over channels for each element")

    tiles = _transform([each.output for each in transforms], products)
    inside = tuple(f"output in tile {axis}" for axis in range(problem.ndim))
    named = ("batch", "out_channels", *tiled, *inside)
    yield Step("output tiles", tiles, named, "Aᵀ along each axis of every tile")

    output = add_bias(problem, _join(problem, tiles), bias)
    yield Step("output", output, names.output(problem), "tiles side by side, plus the bias")


def error_bound(problem: ConvProblem, outputs: int, growth: Mapping[int, float]) -> ErrorBound:
    """γ_N against the same steps on absolute values, N the roundings on the longest way.

    growth: from an axis's kernel size to what that axis multiplies PyTorch's rms error by.
    """
    n = roundings(problem, outputs, problem.dtype)
    u = problem.format.unit_roundoff
    return ErrorBound(
        worst=gamma(n, u),
        growth=prod(growth[r] for r in problem.kernel_size),
        formula=f"γ_{n} = {n}u / (1 − {n}u), u = {u:.3g}",
        measure="|Aᵀ|[(|G||w|) ⊙ (|Bᵀ||x|)] + |b|",
        scale=partial(_scale, outputs),
        local=False,
    )


def transforms_of(problem: ConvProblem, outputs: int) -> tuple[Transforms, ...]:
    """Return F(outputs, r) for each spatial axis, F(1, 1) where r is 1."""
    return tuple(cook_toom(outputs if r > 1 else 1, r) for r in problem.kernel_size)


def roundings(problem: ConvProblem, outputs: int, dtype: str) -> int:
    """Return how often a term of an output is rounded at most, from operand to output.

    Aᵀ and Bᵀ have no entry that is rounded. Along each axis G's entries are rounded, multiplied and
    summed in float64; for float32 all of that is less than one more rounding, then they are
    narrowed.
    """
    transforms = transforms_of(problem, outputs)
    within_tiles = sum(_roundings(each.input) + _roundings(each.output) for each in transforms)
    filter = 2 if dtype == "float32" else sum(r + 1 for r in problem.kernel_size)
    product_and_sum = problem.weight_shape[1]
    return within_tiles + filter + product_and_sum + problem.bias


# -- one step each --------------------------------------------------------------------------------


def _pad(problem: ConvProblem, transforms: Sequence[Transforms], input: Tensor) -> Tensor:
    """Return the input with its padding, and zeros after it so that the last tile is whole."""
    pairs = []
    for axis, each in zip(problem.axes, transforms, strict=True):
        whole = _tiles(axis, each) * len(each.output) + axis.kernel_size - 1
        pairs.append((axis.padding[0], whole - axis.padding[0] - axis.input_size))
    return F.pad(input, [size for pair in reversed(pairs) for size in pair])


def _cut(transforms: Sequence[Transforms], padded: Tensor) -> Tensor:
    """Return the tiles [batch, in_channels, *tiles, *elements]: n wide, m apart."""
    for place, each in enumerate(transforms, start=2):
        padded = padded.unfold(place, len(each.input), len(each.output))
    return padded


def _transform(matrices: Sequence[Matrix], array: Tensor) -> Tensor:
    """Return the array with one matrix applied along each of its last axes."""
    for place, matrix in enumerate(matrices, start=-len(matrices)):
        array = _along(place, matrix, array)
    return array


def _along(place: int, matrix: Matrix, array: Tensor) -> Tensor:
    """Return the array with one of its axes multiplied by a matrix."""
    rows = [[float(entry) for entry in row] for row in matrix]
    columns = torch.tensor(rows, dtype=array.dtype, device=array.device).T
    return (array.movedim(place, -1) @ columns).movedim(-1, place)


def _multiply(problem: ConvProblem, tiles: Tensor, filters: Tensor) -> Tensor:
    """Return the products [batch, out_channels, *tiles, *elements], summed over channels."""
    batch, groups, channels = problem.batch, problem.groups, problem.weight_shape[1]
    grid, element = tiles.shape[2 : 2 + problem.ndim], tiles.shape[2 + problem.ndim :]
    numbers, elements = prod(grid), prod(element)

    columns = tiles.reshape(batch, groups, channels, numbers, elements).permute(4, 1, 2, 0, 3)
    columns = columns.reshape(elements, groups, channels, batch * numbers)
    rows = filters.reshape(groups, problem.gemm.m, channels, elements).permute(3, 0, 1, 2)
    products = (rows @ columns).reshape(elements, problem.out_channels, batch, numbers)
    return products.permute(2, 1, 3, 0).reshape(batch, problem.out_channels, *grid, *element)


def _join(problem: ConvProblem, tiles: Tensor) -> Tensor:
    """Return the tiles' outputs side by side, without those past the picture's end."""
    ndim = problem.ndim
    grid, inside = tiles.shape[2 : 2 + ndim], tiles.shape[2 + ndim :]
    tile_then_output = [place for axis in range(ndim) for place in (2 + axis, 2 + ndim + axis)]
    joined = tiles.permute(0, 1, *tile_then_output).reshape(
        *tiles.shape[:2], *(number * size for number, size in zip(grid, inside, strict=True))
    )
    return joined[(slice(None), slice(None), *(slice(size) for size in problem.output_size))]


def _tiles(axis: Axis, transforms: Transforms) -> int:
    return ceil(axis.output_size / len(transforms.output))


def _by_x(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))


# -- the bound ------------------------------------------------------------------------------------


def _roundings(matrix: Matrix) -> int:
    """Return how often a term is rounded at most in a product with a matrix of exact entries.

    Once as it is multiplied, unless by powers of two alone, and at each addition.
    """
    return max(sum(entry != 0 for entry in row) - all(map(_is_power_of_two, row)) for row in matrix)


def _is_power_of_two(entry: Fraction) -> bool:
    """Return whether a product with this dyadic fraction is exact: ±2^e or 0."""
    return abs(entry.numerator).bit_count() <= 1


def _scale(
    outputs: int, problem: ConvProblem, input: Array, weight: Array, bias: Array | None
) -> Float64:
    """Return |Aᵀ|[(|G||w|) ⊙ (|Bᵀ||x|)] + |bias|, and what underflow can add to the error.

    Each rounded product may lose half of the smallest number; the later steps make of it what they
    make of any number, and round it again: at most double it. Infinite where the element type
    could overflow.
    """
    transforms = transforms_of(problem, outputs)
    n = roundings(problem, outputs, problem.dtype)
    lost = problem.format.tiny / gamma(n, problem.format.unit_roundoff)
    largest = torch.finfo(getattr(torch, problem.dtype)).max / 2

    def settle(array: Tensor, products: int) -> Tensor:
        array = array + products * lost
        return torch.where(array > largest, inf, array)

    def transform(matrices: Iterable[Matrix], array: Tensor) -> Tensor:
        for place, matrix in enumerate(matrices, start=-problem.ndim):
            absolute = tuple(tuple(map(abs, row)) for row in matrix)
            array = settle(_along(place, absolute, array), len(matrix[0]))
        return array

    x, w = torch.from_numpy(input).double(), torch.from_numpy(weight).double()
    tiles = transform(
        (each.input for each in transforms), _cut(transforms, _pad(problem, transforms, x))
    )
    filters = transform((each.filter for each in transforms), w)
    products = settle(_multiply(problem, tiles, filters), problem.weight_shape[1])
    joined = _join(problem, transform((each.output for each in transforms), products))
    b = None if bias is None else torch.from_numpy(bias).double()
    scale: Float64 = add_bias(problem, joined, b).numpy()
    # The scale is itself computed in float64, so it may be that much too small.
    own = gamma(roundings(problem, outputs, "float64"), FORMATS["float64"].unit_roundoff)
    return scale / (1 - own)


# -- the cost -------------------------------------------------------------------------------------


def cost(problem: ConvProblem, outputs: int) -> Cost:
    """Count the products and the transforms; multiplications by 0, 1 and −1 are none.

    The filters are transformed once per call. The transformed input and the products each exist
    twice for a while: in tiles' order and in the matrix product's.
    """
    transforms = transforms_of(problem, outputs)
    tiles = prod(map(_tiles, problem.axes, transforms))
    elements = prod(len(each.input) for each in transforms)
    inputs = problem.batch * problem.in_channels * tiles
    results = problem.batch * problem.out_channels * tiles
    filters = problem.out_channels * problem.weight_shape[1]

    spent = [
        [number * each_time for each_time in _arithmetic(matrices)]
        for number, matrices in (
            (inputs, [each.input for each in transforms]),
            (filters, [each.filter for each in transforms]),
            (results, [each.output for each in transforms]),
        )
    ]
    multiplications, additions = map(sum, zip(*spent, strict=True))
    products = results * problem.weight_shape[1] * elements

    size = problem.format.bytes
    pads = zip(problem.axes, transforms, strict=True)
    padded_bytes = (
        size
        * problem.batch
        * problem.in_channels
        * prod(_tiles(axis, each) * len(each.output) + axis.kernel_size - 1 for axis, each in pads)
    )
    input_bytes, filter_bytes = size * inputs * elements, 8 * filters * elements
    product_bytes = size * results * elements
    tile_bytes = size * results * prod(len(each.output) for each in transforms)
    return Cost(
        multiplications=products + multiplications,
        additions=products + additions + problem.bias * prod(problem.output_shape),
        workspace_bytes=padded_bytes
        + 2 * (input_bytes + filter_bytes + product_bytes)
        + tile_bytes
        + problem.output_bytes,
        traffic_bytes=problem.input_bytes
        + 2 * padded_bytes
        + 4 * problem.ndim * (input_bytes + product_bytes + filter_bytes)
        + 3 * (input_bytes + product_bytes + filter_bytes)
        + 3 * tile_bytes
        + problem.output_bytes,
        operations=1 + 10 * problem.ndim + 8,
    )


def _arithmetic(matrices: Sequence[Matrix]) -> tuple[int, int]:
    """Return multiplications and additions of one tile's transform, axis after axis."""
    multiplications = additions = 0
    for number, matrix in enumerate(matrices):
        done, waiting = matrices[:number], matrices[number + 1 :]
        lines = prod(map(len, done)) * prod(len(each[0]) for each in waiting)
        entries = [entry for row in matrix for entry in row]
        multiplications += lines * sum(entry not in (0, 1, -1) for entry in entries)
        additions += lines * (sum(entry != 0 for entry in entries) - len(matrix))
    return multiplications, additions

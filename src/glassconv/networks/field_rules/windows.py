"""Rules of functions whose outputs read windows: convolution, pooling, interpolation, padding."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, prod

from glassconv.networks.convolutions import FUNCTIONS, read
from glassconv.networks.field_rules.known import Known, Rule, along, at_each, same
from glassconv.networks.field_rules.shape import reshaped
from glassconv.networks.graph import Operation
from glassconv.networks.reads import WHOLE, Along, Fields, Reads
from glassconv.networks.windows import sides_of_padding, windows_of
from glassconv.problem.axis import Axis
from glassconv.problem.transposed import TransposedProblem

Shape = tuple[int, ...]


def convolution(operation: Operation, known: Known) -> list[Fields]:
    """Windows of a convolution, which mixes channels; transposed, it adds a window per input."""
    found = read(operation)
    axes, transposed = found.problem.axes, isinstance(found.problem, TransposedProblem)
    channels = len(found.input.shape) - len(axes) - 1

    def one(reads: Along) -> Reads:
        if reads.dim == channels:
            return WHOLE
        return _window(reads, axes, found.input.shape, found.output.shape, transposed)

    return [along(known.of(found.input), one)]


def pooling(operation: Operation, known: Known) -> list[Fields]:
    """Windows of max or average pooling."""
    given, output = operation.inputs[0], operation.outputs[0]
    windows = windows_of(operation)
    sizes = given.shape[-len(windows.kernel_size) :]
    axes = tuple(
        Axis(size, kernel, stride, (padding, padding), dilation)
        for size, kernel, stride, padding, dilation in zip(sizes, *windows, strict=True)
    )
    fields = known.of(given)
    return same(
        operation, along(fields, lambda reads: _window(reads, axes, given.shape, output.shape))
    )


def adaptive_pooling(operation: Operation, known: Known) -> list[Fields]:
    """Windows from ⌊o · in / out⌋ to ⌈(o + 1) · in / out⌉: all of an axis where out is 1."""
    given, output = operation.inputs[0], operation.outputs[0]
    ndim = int(operation.function[-2])

    def one(reads: Along) -> Reads:
        if reads.dim < len(given.shape) - ndim:
            return reads
        size, count = given.shape[reads.dim], output.shape[reads.dim]
        if count == 1:
            return WHOLE
        step = Fraction(size, count)
        rounded = Fraction(step.denominator - 1, step.denominator)  # at most
        first, last = -rounded, step - 1 + rounded
        return at_each(reads, size, lambda plain: plain.resampled(step, first, last, count))

    return same(operation, along(known.of(given), one))


def interpolation(operation: Operation, known: Known) -> list[Fields]:
    """Each output reads the positions around its own place in the input."""
    given, output = operation.inputs[0], operation.outputs[0]
    kind = operation.function.removeprefix("_").removeprefix("upsample_")
    corners = bool(operation.arguments.get("align_corners"))

    def one(reads: Along) -> Reads:
        if reads.dim < 2:
            return reads
        size, count = given.shape[reads.dim], output.shape[reads.dim]
        return at_each(reads, size, lambda plain: _interpolated(plain, kind, size, count, corners))

    return [along(known.of(given), one)]


def _interpolated(reads: Along, kind: str, size: int, count: int, corners: bool) -> Along:
    """Return what the outputs read whose place in the input is o · step + centre."""
    step = Fraction(size, count)
    if kind.startswith("nearest"):
        centre = step / 2 if "exact" in kind else Fraction(0)
        rounded = Fraction(step.denominator - 1, step.denominator)  # down, at most
        return reads.resampled(step, centre - rounded, centre, count)
    centre = step / 2 - Fraction(1, 2)
    if corners:
        step, centre = Fraction(size - 1, max(1, count - 1)), Fraction(0)
    reach = (2 if "cubic" in kind else 1) * (max(1, ceil(step)) if kind.endswith("aa") else 1)
    beside = Fraction(
        2 * step.denominator - 1, 2 * step.denominator
    )  # no place is whole by so much
    return reads.resampled(step, centre - reach + 1 - beside, centre + reach - 1 + beside, count)


def padding(operation: Operation, known: Known) -> list[Fields]:
    """Positions beside the first and the last one, whatever they are filled with."""
    given, output = operation.inputs[0], operation.outputs[0]

    def one(reads: Along) -> Reads:
        before, after = sides_of_padding(operation, reads.dim)
        if not before and not after:
            return reads
        size, count = given.shape[reads.dim], output.shape[reads.dim]
        return at_each(reads, size, lambda plain: plain.sliced(-before, 1, count))

    return [along(known.of(given), one)]


def columns(operation: Operation, known: Known) -> list[Fields]:
    """im2col: [batch, channels · taps, positions]; the last dim joins the positions of all axes."""
    given = operation.inputs[0]
    names = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, beside, dilation = (operation.arguments[name] for name in names)
    axes = tuple(
        Axis(size, kernel[at], stride[at], (beside[at],) * 2, dilation[at])
        for at, size in enumerate(given.shape[-2:])
    )
    shape = (*given.shape[:-2], *(axis.output_size for axis in axes))
    fields = along(known.of(given), lambda reads: _window(reads, axes, given.shape, shape))
    return [reshaped(fields, shape, (*shape[:-2], prod(shape[-2:])))]


def sliding(operation: Operation, known: Known) -> list[Fields]:
    """Tensor.unfold: windows along one dim, whose taps become the last dim."""
    given, output = operation.inputs[0], operation.outputs[0]
    dim = operation.arguments["dimension"] % len(given.shape)
    axis = Axis(given.shape[dim], operation.arguments["size"], operation.arguments["step"])

    def one(reads: Along) -> Reads:
        if reads.dim != dim:
            return reads
        return at_each(reads, given.shape[dim], lambda plain: plain.window(axis, output.shape[dim]))

    return [along(known.of(given), one)]


def shuffled(operation: Operation, known: Known) -> list[Fields]:
    """pixel_shuffle: each position becomes a block; pixel_unshuffle: each block a position."""
    given, output = operation.inputs[0], operation.outputs[0]

    def one(reads: Along) -> Reads:
        if reads.dim < len(given.shape) - 2:
            return reads
        size, count = given.shape[reads.dim], output.shape[reads.dim]
        if count < size:
            block = Axis(size, size // count, size // count)
            return at_each(reads, size, lambda plain: plain.window(block, count))
        return at_each(
            reads, size, lambda plain: _interpolated(plain, "nearest", size, count, corners=False)
        )

    return [along(known.of(given), one)]


def _window(
    reads: Along,
    axes: tuple[Axis, ...],
    shape: Shape,
    output_shape: Shape,
    transposed: bool = False,
) -> Reads:
    """Return what windows along the last dims read; other dims stay as they are."""
    place = reads.dim - (len(shape) - len(axes))
    if place < 0:
        return reads
    count = output_shape[reads.dim - len(shape)]
    move = Along.transposed_window if transposed else Along.window
    return at_each(reads, shape[reads.dim], lambda plain: move(plain, axes[place], count))


def _rules() -> dict[str, Rule]:
    rules: dict[str, Rule] = dict.fromkeys(FUNCTIONS, convolution)
    for ndim in (1, 2, 3):
        for kind in ("max", "avg"):
            rules[f"{kind}_pool{ndim}d"] = rules[f"{kind}_pool{ndim}d_with_indices"] = pooling
            rules[f"adaptive_{kind}_pool{ndim}d"] = adaptive_pooling
        for kind in ("reflection", "replication"):
            rules[f"{kind}_pad{ndim}d"] = padding
        rules[f"upsample_nearest{ndim}d"] = interpolation
        rules[f"_upsample_nearest_exact{ndim}d"] = interpolation
    for kind in ("linear1d", "bilinear2d", "trilinear3d", "bicubic2d"):
        rules[f"upsample_{kind}"] = rules[f"_upsample_{kind}_aa"] = interpolation
    others = {
        "pad": padding,
        "constant_pad_nd": padding,
        "im2col": columns,
        "unfold": sliding,
        "pixel_shuffle": shuffled,
        "pixel_unshuffle": shuffled,
    }
    return rules | others


RULES = _rules()

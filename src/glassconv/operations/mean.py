"""The mean over all positions, as PyTorch's adaptive_avg_pool to size 1 and mean over (2, 3).

    output[image, channel] = (Σ_position input[image, channel, position]) / positions

In NHWC it is an average pooling whose window is the image. It sums rows and then their sums, so
positions without gaps count as a square, as nearly as their number permits. In NCHW each plane is a
row that is summed by vectors.

    |error| ≤ γₙ · Σ|x| / positions     n = roundings(input, output, target)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, isqrt, prod

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.struct import N, Struct, pack
from glassconv.codegen.target import Target
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations import pooling
from glassconv.operations.images import are_channels_last
from glassconv.operations.pooling import Pooling
from glassconv.operations.reductions import roundings_of_sum, sum_of
from glassconv.operations.step import Step, tasks_wanted
from glassconv.operations.strided import Strided
from glassconv.reports.verdict import Verdict


def supports(input: Strided, output: Strided) -> Verdict:
    """Return whether both arrays have one memory layout, and planes of NCHW have no gaps.

    input: [batch, channels, height, width] or [batch, channels, length]. output: [batch, channels],
    with or without axes of size 1 after them.
    """
    pooled = pooling.supports(_over_all(input), input, _with_positions(output, input))
    if not pooled:
        return pooled
    if (
        not are_channels_last(input, _with_positions(output, input))
        and input.stride_of_positions() != 1
    ):
        return Verdict(False, "requires planes without gaps")
    return Verdict(True, "")


@dataclass(frozen=True)
class MeanParameters(Struct[N]):
    """The kernel's parameters for NCHW."""

    positions: N
    channels: N
    planes: N  # of all images
    planes_per_task: N
    input_stride_n: N
    input_stride_c: N
    output_stride_n: N
    output_stride_c: N


def step(input: Strided, output: Strided, target: Target, threads: int) -> Step:
    """Compile a supported mean; its arrays are `input` and `output`."""
    if are_channels_last(input, _with_positions(output, input)):
        input = _nearly_square(input)
        to = _with_positions(output, input)
        return pooling.step(_over_all(input), input, to, target, threads)
    batch, channels = input.shape[:2]
    planes_per_task = max(1, ceil(batch * channels / tasks_wanted(input.bytes, threads)))
    parameters = MeanParameters(
        positions=prod(input.shape[2:]),
        channels=channels,
        planes=batch * channels,
        planes_per_task=planes_per_task,
        input_stride_n=input.strides[0],
        input_stride_c=input.strides[1],
        output_stride_n=output.strides[0],
        output_stride_c=output.strides[1],
    )
    tasks = ceil(batch * channels / planes_per_task)
    return Step(_compile(input.dtype, target), pack(parameters), tasks)


def roundings(input: Strided, output: Strided, target: Target) -> int:
    """Return n of the error bound of a supported mean."""
    if are_channels_last(input, _with_positions(output, input)):
        return sum(_nearly_square(input).shape[2:]) + 1
    return roundings_of_sum(prod(input.shape[2:]), target.lanes(input.dtype)) + 1


def _nearly_square(input: Strided) -> Strided:
    """Return an input whose positions have no gaps with as many rows as columns, or with fewer.

    >>> _nearly_square(Strided((1, 8, 196), (1568, 1, 8), "float32")).shape
    (1, 8, 14, 14)
    """
    positions, stride = prod(input.shape[2:]), input.stride_of_positions()
    if stride is None or not positions:
        return input
    rows = next(each for each in range(isqrt(positions), 0, -1) if positions % each == 0)
    columns = positions // rows
    strides = (*input.strides[:2], columns * stride, stride)
    return Strided((*input.shape[:2], rows, columns), strides, input.dtype)


def _over_all(input: Strided) -> Pooling:
    """Return the average pooling whose window is the whole input."""
    sizes = input.shape[2:]
    ones = (1,) * len(sizes)
    return Pooling("average", sizes, stride=ones, padding=(0,) * len(sizes), dilation=ones)


def _with_positions(output: Strided, input: Strided) -> Strided:
    """Return an output with an axis of size 1 for each spatial axis of the input."""
    ones = (1,) * (len(input.shape) - 2)
    shape = output.shape if len(output.shape) == len(input.shape) else (*output.shape, *ones)
    return Strided(shape, (*output.strides[:2], *ones), output.dtype)


@cache
def _compile(dtype: str, target: Target) -> Compiled:
    module = Module("mean", dtype, target)
    in_parallel(module, _emit_task(module))
    return compiled(module, "mean")


def _emit_task(module: Module) -> Function:
    """Emit the task function: the means of some planes whose positions are adjacent."""

    @function(module)
    def task(
        code: Code,
        parameters: MeanParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        start = number * p.planes_per_task
        one_lane = code.first_lanes(code.value(1))
        with code.loop(start, (start + p.planes_per_task).minimum(p.planes)) as index:
            image, channel = index // p.channels, index % p.channels
            plane = arrays.input + (image * p.input_stride_n + channel * p.input_stride_c)
            total = sum_of(code, p.positions, lambda vectors: vectors.load(plane))
            mean = total / code.broadcast(p.positions.as_float())
            output = arrays.output + (image * p.output_stride_n + channel * p.output_stride_c)
            output.store_masked(one_lane, mean)

    return task

"""Operations whose output rows are computed from some rows of an image: pooling, upsampling.

In NHWC, a task computes some rows, or a block of channels of a row. In NCHW it computes some rows
of planes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled
from glassconv.codegen.struct import N, Struct, pack
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.kernels.microkernel.matrix_product import CACHE_LINE
from glassconv.kernels.runtime.blocking import round_up
from glassconv.kernels.runtime.parameters import Arrays
from glassconv.operations.step import Step, tasks_wanted
from glassconv.operations.strided import Strided, supports_dtypes
from glassconv.problem.memory_layout import NHWC, layout_named
from glassconv.reports.verdict import Verdict


@dataclass(frozen=True)
class ImageParameters(Struct[N]):
    """The kernel's parameters; after them, a table of the operation's own."""

    channels: N
    channel_block: N  # of a task in NHWC
    channel_blocks: N
    rows: N  # of all outputs: of images in NHWC, of planes in NCHW
    rows_per_task: N
    output_height: N
    output_width: N
    input_stride_n: N
    input_stride_c: N
    input_stride_h: N
    input_stride_w: N
    output_stride_n: N
    output_stride_c: N
    output_stride_h: N
    output_stride_w: N
    workspace_bytes: N  # per thread


def supports_images(input: Strided, output: Strided, output_size: tuple[int, ...]) -> Verdict:
    """Return whether both arrays have one memory layout, and the output the expected size.

    Input and output are [batch, channels, height, width] or [batch, channels, length].
    """
    if len(input.shape) not in (3, 4):
        return Verdict(False, f"requires one or two spatial axes, got {len(input.shape) - 2}")
    dtypes = supports_dtypes(input, output)
    if not dtypes:
        return dtypes
    expected = (*input.shape[:2], *output_size)
    if output.shape != expected:
        return Verdict(False, f"requires an output of shape {expected}, got {output.shape}")
    if input.layout_as(output) is None:
        return Verdict(False, "requires an input and an output of one memory layout")
    return Verdict(True, "")


def are_channels_last(input: Strided, output: Strided) -> bool:
    """Return whether lanes are channels, for arrays that are supported."""
    layout = input.layout_as(output)
    return layout is not None and layout.name == NHWC


def step_of_images(
    kernel: Compiled,
    input: Strided,
    output: Strided,
    table: Sequence[int],
    moved_bytes: int,
    threads: int,
    workspace_bytes: int = 0,
) -> Step:
    """Return the step of a kernel whose task function is `emit_images`.

    table: what the parameters end with. moved_bytes: how much the operation reads and writes.
    workspace_bytes: per thread.
    """
    layout = input.layout_as(output)
    assert layout is not None, "the arrays are supported"
    to = layout_named(layout.name, output.shape, output.strides)
    assert to is not None, "the arrays are supported"
    batch, channels, *sizes = output.shape
    height, width = (1, *sizes)[-2:]
    tasks = tasks_wanted(moved_bytes, threads)
    rows = batch * height * (1 if layout.name == NHWC else channels)
    blocks = ceil(tasks / max(rows, 1)) if layout.name == NHWC else 1
    channel_block = round_up(ceil(channels / blocks), CACHE_LINE // ELEMENT_BYTES[input.dtype])
    channel_blocks = ceil(channels / channel_block)
    rows_per_task = max(1, ceil(rows * channel_blocks / tasks))
    parameters = ImageParameters(
        channels,
        channel_block,
        channel_blocks,
        rows,
        rows_per_task,
        height,
        width,
        *layout.strides,
        *to.strides,
        workspace_bytes=workspace_bytes,
    )
    tasks = ceil(rows / rows_per_task) * channel_blocks
    return Step(kernel, pack(parameters, tuple(table)), tasks, workspace_bytes)


def emit_images(module: Module, row: Function, *, channels_last: bool) -> Function:
    """Emit the task function, which calls the function of a row for some rows.

    row(parameters, input, output, workspace, y, channels) computes output row y. `input` is where
    the image or plane begins, `output` where the row does, both at the first of so many channels.
    """

    @function(module)
    def task(
        code: Code,
        parameters: ImageParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p = parameters
        block, start = number % p.channel_blocks, number // p.channel_blocks * p.rows_per_task
        with code.loop(start, (start + p.rows_per_task).minimum(p.rows)) as index:
            y, image = index % p.output_height, index // p.output_height
            channel = block * p.channel_block
            if not channels_last:
                channel, image = image % p.channels, image // p.channels
            input = image * p.input_stride_n + channel * p.input_stride_c
            output = image * p.output_stride_n + channel * p.output_stride_c
            row.call(
                parameters=p,
                input=arrays.input + input,
                output=arrays.output + (output + y * p.output_stride_h),
                workspace=arrays.workspace.add_bytes(thread * p.workspace_bytes),
                y=y,
                channels=(p.channels - channel).minimum(p.channel_block),
            )

    return task

"""The task of the implicit GEMM kernel: for each block of k, im2col and a matrix product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function
from glassconv.kernels.gemm_parts.pack import emit_pack
from glassconv.kernels.gemm_parts.parameters import GemmParameters
from glassconv.kernels.microkernel.epilogue import emit_epilogue
from glassconv.kernels.microkernel.lowering import emit_im2col_nchw, emit_im2col_nhwc
from glassconv.kernels.microkernel.matrix_product import COLUMNS, ROWS, Product, product
from glassconv.kernels.microkernel.matrix_vector import emit_matrix_vector
from glassconv.kernels.runtime.parameters import Arrays, residual_offset
from glassconv.problem.activations import Epilogue

EmitBlock = Callable[[Module, Product], Function]


def emit_task_nchw(module: Module, epilogue: Epilogue, *, in_place: bool) -> Function:
    """Emit the task function: output[filters, pixels] = weight[filters, k] · lowered[k, pixels].

    in_place: whether the input already is lowered. Its rows are planes then, of which each panel
    reads a line or two: no prefetcher of the hardware follows so many rows.
    """
    multiply = product(module, ROWS, epilogue, prefetches_b=in_place)
    im2col = None if in_place else emit_im2col_nchw(module)
    multiply_column = emit_matrix_vector(module)
    finish = multiply.in_memory or emit_epilogue(module, epilogue)

    @function(module)
    def task(
        code: Code,
        parameters: GemmParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, weight, bias = parameters, arrays.weight, arrays.bias
        at = start_of(p, number)
        buffer = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        pixels = (p.pixels - at.pixel).minimum(p.pixel_block)
        filters = (p.filters - at.filter).minimum(p.filter_block)
        group_offset = at.group * p.channels * p.input_stride_c
        image = arrays.input + (at.image * p.input_stride_n + group_offset)
        first = at.group * p.filters + at.filter
        output = arrays.output + (
            at.image * p.output_stride_n + first * p.output_stride_c + at.pixel
        )
        row_stride = p.input_stride_c if in_place else p.buffer_stride
        with code.loop(0, p.segments, p.segments_per_block) as segment:
            segments = (p.segments - segment).minimum(p.segments_per_block)
            rows = image + (segment * p.input_stride_c + at.pixel)
            if im2col:
                rows = buffer
                im2col.call(
                    parameters=p,
                    image=image,
                    buffer=buffer,
                    first_channel=segment,
                    channels=segments,
                    pixel=at.pixel,
                    pixels=pixels,
                )
            a, k = weight + (first * p.k + segment * p.segment_length), segments * p.segment_length
            is_first, is_last = segment.equals(0), (segment + segments).equals(p.segments)
            # A last pixel that would take a vector of its own, as that of 7 × 7 does.
            is_alone = (pixels % code.lanes).equals(1)
            tiled_pixels = pixels - is_alone.as_int()
            multiply.call(
                a=a,
                b=rows,
                c=output,
                bias=bias + first,
                m=filters,
                n=tiled_pixels,
                k=k,
                a_stride=p.k,
                b_panel_stride=multiply.width,
                b_row_stride=row_stride,
                c_stride=p.output_stride_c,
                first=is_first.as_int(),
                last=is_last.as_int(),
                residual_offset=residual_offset(arrays),
            )
            with code.if_(is_alone):
                multiply_column.call(
                    a=a,
                    b=rows + tiled_pixels,
                    scratch=buffer + p.segments_per_block * p.segment_length * p.buffer_stride,
                    c=output + tiled_pixels,
                    bias=bias + first,
                    m=filters,
                    k=k,
                    a_stride=p.k,
                    b_stride=row_stride,
                    c_stride=p.output_stride_c,
                    first=is_first.as_int(),
                )
                if finish:
                    with code.if_(is_last):
                        finish.call(
                            sums=output + tiled_pixels,
                            runs=filters,
                            stride=p.output_stride_c,
                            length=1,
                            residual_offset=residual_offset(arrays),
                        )

    return task


def emit_task_nhwc(
    module: Module, epilogue: Epilogue, emit_block: EmitBlock | None = None
) -> Function:
    """Emit the task function: output[pixels, filters] = lowered[pixels, k] · packed[k, filters].

    emit_block: emits the function that multiplies the pixels and the filters of a task.
    """
    multiply = product(module, COLUMNS, epilogue)
    multiply_block, width = (emit_block or _emit_block_nhwc)(module, multiply), multiply.width

    @function(module)
    def task(
        code: Code,
        parameters: GemmParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
    ) -> None:
        p, at = parameters, start_of(parameters, number)
        panels = (p.filters + (width - 1)) // width
        multiply_block.call(
            parameters=p,
            arrays=arrays,
            number=number,
            packed=arrays.weight + (at.group * panels * width + at.filter) * p.k,
            buffer=arrays.workspace.add_bytes(thread * p.workspace_bytes),
        )

    return task


def emit_task_packing(
    module: Module, epilogue: Epilogue, emit_block: EmitBlock | None = None
) -> Function:
    """Emit the task function of 1 × 1 kernels in NHWC, which packs its filters itself.

    They are packed once for all blocks of pixels that a thread multiplies one after the other.
    """
    multiply = product(module, COLUMNS, epilogue)
    multiply_block = (emit_block or _emit_block_nhwc)(module, multiply)
    pack = emit_pack(module, multiply.width)

    @function(module)
    def task(
        code: Code,
        parameters: GemmParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        thread: Value,
        previous: Value,
    ) -> None:
        p, at = parameters, start_of(parameters, number)
        before = start_of(parameters, previous.maximum(0))
        packed = arrays.workspace.add_bytes(thread * p.workspace_bytes)
        is_packed = (
            (previous >= 0) & at.group.equals(before.group) & at.filter.equals(before.filter)
        )
        with code.if_(is_packed.equals(0)):
            pack.call(
                weight=arrays.weight + (at.group * p.filters + at.filter) * p.k,
                packed=packed,
                filters=(p.filters - at.filter).minimum(p.filter_block),
                k=p.k,
                stride=p.k,
                panel=p.k * multiply.width,
            )
        multiply_block.call(
            parameters=p,
            arrays=arrays,
            number=number,
            packed=packed,
            buffer=packed + p.packed_elements,
        )

    return task


def _emit_block_nhwc(module: Module, multiply: Product) -> Function:
    """Emit the function that multiplies the pixels and the filters of a task.

    packed: the panels of its filters.
    """
    im2col, width = emit_im2col_nhwc(module), multiply.width

    @function(module)
    def multiply_block(
        code: Code,
        parameters: GemmParameters[Value],
        arrays: Arrays[Pointer],
        number: Value,
        packed: Pointer,
        buffer: Pointer,
    ) -> None:
        p, bias, at = parameters, arrays.bias, start_of(parameters, number)
        pixels = (p.pixels - at.pixel).minimum(p.pixel_block)
        filters = (p.filters - at.filter).minimum(p.filter_block)
        image = arrays.input + (at.image * p.input_stride_n + at.group * p.channels)
        first = at.group * p.filters + at.filter
        output = arrays.output + (
            at.image * p.output_stride_n + at.pixel * p.output_stride_w + first
        )
        panel = p.k * width
        with code.loop(0, p.segments, p.segments_per_block) as segment:
            segments = (p.segments - segment).minimum(p.segments_per_block)
            start = segment * p.segment_length
            with code.if_(p.needs_lowering.equals(1)):
                im2col.call(
                    parameters=p,
                    image=image,
                    buffer=buffer,
                    first_segment=segment,
                    segments=segments,
                    pixel=at.pixel,
                    pixels=pixels,
                )
            unlowered = image + (at.pixel * p.input_stride_w + start)
            rows = code.select_pointer(p.needs_lowering.equals(1), buffer, unlowered)
            stride = code.select(p.needs_lowering.equals(1), p.buffer_stride, p.input_stride_w)
            with code.loop(0, filters, p.filters_in_l2) as filter:
                multiply.call(
                    a=rows,
                    b=packed + (filter * p.k + start * width),
                    c=output + filter,
                    bias=bias + (first + filter),
                    m=pixels,
                    n=(filters - filter).minimum(p.filters_in_l2),
                    k=segments * p.segment_length,
                    a_stride=stride,
                    b_panel_stride=panel,
                    b_row_stride=width,
                    c_stride=p.output_stride_w,
                    first=segment.equals(0).as_int(),
                    last=(segment + segments).equals(p.segments).as_int(),
                    residual_offset=residual_offset(arrays),
                )

    return multiply_block


@dataclass(frozen=True)
class Start:
    """The first image, group, pixel and filter of a task."""

    image: Value
    group: Value
    pixel: Value
    filter: Value


def start_of(p: GemmParameters[Value], number: Value) -> Start:
    """Return where a task begins. Blocks of pixels vary fastest, then blocks of filters."""
    pixel, number = number % p.pixel_blocks, number // p.pixel_blocks
    filter, number = number % p.filter_blocks, number // p.filter_blocks
    group, image = number % p.groups, number // p.groups
    return Start(image, group, pixel * p.pixel_block, filter * p.filter_block)

"""The register-tiled matrix product C = A · B or C += A · B (the macrokernel in BLIS's terms).

    A  [m, k]  row-major, with leading dimension `a_stride`. A row may consist of several segments,
               `a_segment_stride` apart: then k is the length of a segment
    B  [k, n]  in panels of the tile's width: row `step` of panel p begins at
               p · b_panel_stride + step · b_row_stride. The last panel is padded to the full
               width; its elements beyond n are ignored
    C  [m, n]  row-major, with leading dimension `c_stride`; columns beyond n are not written

The outer loop is over blocks of rows, so A is read once while B stays in L2.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.kernels.microkernel.epilogue import (
    apply_epilogue,
    emit_epilogue,
    fits_in_registers,
)
from glassconv.kernels.microkernel.register_tile import (
    Tile,
    accumulators,
    multiply,
    tall_tiles,
    tile_heights,
)
from glassconv.problem.activations import NOTHING, Epilogue

ROWS, COLUMNS = "rows", "columns"  # of C: what an element of the bias belongs to
CACHE_LINE = 64  # bytes


@dataclass(frozen=True)
class Product:
    """The function that multiplies two matrices, and the width of a panel in elements."""

    function: Function
    width: int
    in_memory: Function | None  # the epilogue, where it is applied to stored sums

    def call(
        self,
        *,
        segments: Argument = 1,
        a_segment_stride: Argument = 0,
        last: Argument = 0,
        residual_offset: Argument = 0,
        b_next: Argument = 0,
        **arguments: Argument,
    ) -> None:
        """Emit a call; the parameters named here have the values of a plain product."""
        self.function.call(
            segments=segments,
            a_segment_stride=a_segment_stride,
            last=last,
            residual_offset=residual_offset,
            b_next=b_next,
            **arguments,
        )


def product(
    module: Module,
    bias_along: str | None,
    epilogue: Epilogue = NOTHING,
    *,
    prefetches_b: bool = True,
) -> Product:
    """Emit the function that multiplies two matrices of any size.

    bias_along: ROWS or COLUMNS for one bias element per row or column of C, None for no bias.
    The function's parameter `first` is 1 to initialize C with the bias and 0 to accumulate into C.
    Without a bias, C is initialized with zeros, `bias` is not read, and n must be a multiple of the
    panel width.

    epilogue: applied where the parameter `last` is 1: to the sums of a tile in registers, or where
    it would need more of them, to the rows of tiles while they are in L1.

    prefetches_b: whether a panel of B is prefetched while the one before is multiplied. What has
    just been written is in cache.

    b_next: how far the panel that is read after this product begins from its last panel. It is
    prefetched while the last panel is multiplied by the first rows, the tallest tile.
    """
    most_rows, most_vectors = module.target.tile()
    lanes = module.target.lanes(module.dtype)
    width = most_vectors * lanes
    # In NCHW the rows are filters, of which there are rarely one too many.
    heights = tile_heights(most_rows, tall=module.target.has_spare_row() and bias_along != ROWS)

    in_registers = epilogue if fits_in_registers(epilogue, module.target) else NOTHING
    in_memory = emit_epilogue(module, epilogue) if epilogue and not in_registers else None

    def tiles(vectors: int, *, masked: bool = False) -> dict[int, Function]:
        return {
            rows: _emit_tiles(
                module,
                rows,
                vectors,
                bias_along,
                in_registers,
                masked=masked,
                prefetches_b=prefetches_b and not masked,
            )
            for rows in heights
        }

    full = tiles(most_vectors)
    # The columns that are left are whole vectors, and a partial one. Only that is stored with a
    # mask, which takes a dozen cycles on AVX2.
    narrow, masked = (tiles(1), tiles(1, masked=True)) if bias_along else ({}, {})
    # Or they are one tile, which has more products for each load. It reads a whole panel: where
    # the bias is along rows, B may be an array without padding.
    has_wide = bias_along == COLUMNS and module.target.has_mask_registers
    wide = tiles(most_vectors, masked=True) if has_wide else {}

    @function(module)
    def product(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        bias: Pointer,
        m: Value,
        n: Value,
        segments: Value,
        k: Value,
        a_stride: Value,
        a_segment_stride: Value,
        b_panel_stride: Value,
        b_row_stride: Value,
        c_stride: Value,
        first: Value,
        last: Value,
        residual_offset: Value,
        b_next: Value,
    ) -> None:
        panels = n // width
        first_panel = b_panel_stride - panels * b_panel_stride
        left, partial = n - panels * width, n % lanes
        # The partial vector ends where the columns end, so it reads nothing beyond the rows of B.
        first_lane = code.select(n >= lanes, lanes - partial, 0)
        is_wide = code.value(0)
        if wide:
            is_wide = ((left > (most_vectors - 1) * lanes) & (partial > 0)).as_int()
        others = 1 - is_wide
        edges = [
            (narrow, n - left, left // lanes * others, first_lane),
            (masked, n - partial - first_lane, (partial > 0).as_int() * others, first_lane),
        ]
        if wide:
            edges.append((wide, n - left, is_wide, code.value(0)))
        row = code.value(0)
        for rows in heights:
            stop = m - (m - row) % rows if rows <= most_rows else rows * tall_tiles(m, rows)
            with code.loop(row, stop, rows) as i:
                if bias_along:  # without a bias (Winograd), A has just been written and is in cache
                    with code.if_(i + rows < stop):
                        _prefetch_rows(code, a + (i + rows) * a_stride, rows, k, a_stride)
                common: dict[str, Argument] = {
                    "a": a + i * a_stride,
                    "lanes": partial,
                    "segments": segments,
                    "k": k,
                    "a_stride": a_stride,
                    "a_segment_stride": a_segment_stride,
                    "b_row_stride": b_row_stride,
                    "c_stride": c_stride,
                    "first": first,
                    "last": last,
                    "residual_offset": residual_offset,
                }
                row_bias, row_c = bias + i if bias_along == ROWS else bias, c + i * c_stride
                full[rows].call(
                    b=b,
                    c=row_c,
                    bias=row_bias,
                    count=panels,
                    first_lane=0,
                    b_panel_stride=b_panel_stride,
                    to_next=code.select(i.equals(0), b_next, first_panel),
                    **common,
                )
                for edge, column, count, start in edges if bias_along else ():
                    with code.if_(count > 0):
                        edge[rows].call(
                            b=b + (panels * b_panel_stride + column - panels * width),
                            c=row_c + column,
                            bias=row_bias if bias_along == ROWS else bias + column,
                            count=count,
                            first_lane=start,
                            b_panel_stride=lanes,
                            to_next=lanes - count * lanes,
                            **common,
                        )
                if in_memory:
                    with code.if_(last.equals(1)):
                        in_memory.call(
                            sums=row_c,
                            runs=rows,
                            stride=c_stride,
                            length=n,
                            residual_offset=residual_offset,
                        )
            row = stop

    return Product(product, width, in_memory)


def _prefetch_rows(code: Code, a: Pointer, rows: int, k: Value, a_stride: Value) -> None:
    """Prefetch the next rows of A, which are too short for the hardware prefetcher to detect."""
    a_rows = [a + i * a_stride for i in range(rows)]
    with code.loop(0, k, CACHE_LINE // ELEMENT_BYTES[code.dtype]) as step:
        for a_row in a_rows:
            a_row.prefetch(step)


def _prefetch_vectors(code: Code, pointer: Pointer, vectors: int) -> None:
    """Prefetch consecutive vectors: the lines of the last element, and of one in each line before.

    Of a row that is not aligned, the first element's line is in cache with the panel before.
    """
    line = CACHE_LINE // ELEMENT_BYTES[code.dtype]
    for element in range(vectors * code.lanes - 1, 0, -line):
        pointer.prefetch(element)


def _emit_tiles(
    module: Module,
    rows: int,
    vectors: int,
    bias_along: str | None,
    epilogue: Epilogue,
    *,
    masked: bool,
    prefetches_b: bool,
) -> Function:
    """Emit the function that computes `count` adjacent tiles of `rows` rows of C.

    masked: whether only some lanes of a tile's last vector are valid: `lanes`, from `first_lane`.
    """

    @function(module, f"{'masked_tiles' if masked else 'tiles'}_{rows}x{vectors}")
    def tiles(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        bias: Pointer,
        count: Value,
        first_lane: Value,
        lanes: Value,
        b_panel_stride: Value,
        to_next: Value,
        segments: Value,
        k: Value,
        a_stride: Value,
        a_segment_stride: Value,
        b_row_stride: Value,
        c_stride: Value,
        first: Value,
        last: Value,
        residual_offset: Value,
    ) -> None:
        size, bytes_each = code.lanes, ELEMENT_BYTES[code.dtype]
        edge = vectors - 1  # only this vector may be partial; further masks would need registers
        mask = (
            code.lanes_from(first_lane) & code.first_lanes(first_lane + lanes) if masked else None
        )

        def load(pointer: Pointer, j: int) -> Value:
            return pointer.masked(mask if j == edge else None, j * size)

        def store(pointer: Pointer, j: int, value: Value) -> None:
            pointer.store_masked(mask if j == edge else None, value, j * size)

        # Nothing below computes again what does not change in its loop.
        a_rows = [a + i * a_stride for i in range(rows)]
        row_offsets = [i * c_stride for i in range(rows)]
        with code.loop(0, count) as number:
            panel, column = b + number * b_panel_stride, number * (vectors * size)
            c_rows = [c + column + offset for offset in row_offsets]
            tile = accumulators(code, rows, vectors)
            for c_row in c_rows if bias_along else ():  # without a bias C stays in cache
                # The line of the last element: the tile before has the first of an unaligned row.
                if masked:
                    c_row.prefetch(edge * size + first_lane + lanes - 1, to_write=True)
                whole = edge if masked else vectors
                for element in range(whole * size - 1, 0, -(CACHE_LINE // bytes_each)):
                    c_row.prefetch(element, to_write=True)
            next_panel = code.select(number + 1 < count, b_panel_stride, to_next)
            with code.loop(0, segments) as segment:
                left = [a_row + segment * a_segment_stride for a_row in a_rows]
                b_rows = panel + segment * k * b_row_stride

                def load_a(i: int, step: Value, left: list[Pointer] = left) -> Value:
                    return left[i][step]

                def load_b(step: Value, j: int, b_rows: Pointer = b_rows) -> Value:
                    row = b_rows + step * b_row_stride
                    if prefetches_b and j == 0:
                        _prefetch_vectors(code, row + next_panel, vectors)
                    return row.vector(j * size)

                multiply(code, tile, k, left=load_a, right=load_b)

            def put(i: int, j: int, value: Value) -> None:
                if epilogue:
                    tile[i][j].set(value)
                else:
                    store(c_rows[i], j, value)

            with code.if_(first.equals(1)):
                for i, totals in enumerate(tile):
                    of_row = code.broadcast(bias[i]) if bias_along == ROWS else None
                    for j, total in enumerate(totals):
                        start = load(bias + column, j) if bias_along == COLUMNS else of_row
                        put(i, j, total.get() if start is None else total.get() + start)
            with code.else_():
                for i, totals in enumerate(tile):
                    for j, total in enumerate(totals):
                        put(i, j, load(c_rows[i], j) + total.get())
            if epilogue:
                masks = [mask if j == edge else None for j in range(vectors)]
                with code.if_(last.equals(1)):
                    _apply_in_registers(code, epilogue, tile, c_rows, residual_offset, masks)
                for i, totals in enumerate(tile):
                    for j, total in enumerate(totals):
                        store(c_rows[i], j, total.get())

    return tiles


def _apply_in_registers(
    code: Code,
    epilogue: Epilogue,
    tile: Tile,
    c_rows: list[Pointer],
    residual_offset: Value,
    masks: list[Value | None],
) -> None:
    """Apply an epilogue to the sums of a tile; masks: of the columns of vectors, None for whole."""
    for c_row, totals in zip(c_rows, tile, strict=True):
        for j, (total, mask) in enumerate(zip(totals, masks, strict=True)):
            address = c_row + j * code.lanes
            total.set(apply_epilogue(code, epilogue, total.get(), address, residual_offset, mask))

"""The microkernel derived: C += A · B seven times, from three loops to the production function.

    A [m, k], B [k, n], C [m, n], row-major and without gaps, of any sizes

Each rung is a short program that changes one thing of the rung before. docs/microkernel.md explains
them in order; `python -m glassconv.kernels.microkernel` runs them and prints what each one became.

Source: Goto, van de Geijn, "Anatomy of high-performance matrix multiplication", 2008; Van Zee,
van de Geijn, "BLIS: a framework for rapidly instantiating BLAS functionality", 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from glassconv.codegen.ir import Argument, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.struct import N, Struct
from glassconv.codegen.target import ELEMENT_BYTES, Target
from glassconv.kernels.microkernel.matrix_product import ROWS, product
from glassconv.kernels.microkernel.register_tile import accumulators, multiply
from glassconv.kernels.runtime.loop_text import at_a_time, describe_loop_nest


@dataclass(frozen=True)
class Sizes(Struct[N]):
    """The sizes of C [m, n] += A [m, k] · B [k, n]."""

    m: N
    n: N
    k: N


@dataclass(frozen=True)
class Matrices(Struct[N]):
    """The addresses of the matrices, and of room for a packed block of B: kc · nc elements."""

    a: N
    b: N
    c: N
    packed: N


@dataclass(frozen=True)
class Blocks:
    """The sizes of a block of B, [kc, nc], in BLIS's names."""

    kc: int  # a micro-panel of B, kc × nr, fills half of L1
    nc: int  # a block of B fills half of L2


def blocks(target: Target, dtype: str) -> Blocks:
    """Return the blocks of B for a target's caches; nc is a number of whole micro-panels.

    >>> from glassconv.codegen.target import named
    >>> blocks(named("avx2"), "float32")
    Blocks(kc=256, nc=256)
    """
    element = ELEMENT_BYTES[dtype]
    nr = target.tile()[1] * target.lanes(dtype)
    kc = target.l1 // 2 // (nr * element)
    return Blocks(kc, max(target.l2 // 2 // (kc * element) // nr, 1) * nr)


# -- scalars ----------------------------------------------------------------------------------


def naive(module: Module, cut: Blocks) -> Function:
    """Compute the definition: each element of C is a row of A times a column of B."""

    @function(module)
    def naive(code: Code, a: Pointer, b: Pointer, c: Pointer, m: Value, n: Value, k: Value) -> None:
        with code.loop(0, m) as i, code.loop(0, n) as j:
            total = code.variable(c[i * n + j])
            with code.loop(0, k) as p:
                total.set(code.fma(a[i * k + p], b[p * n + j], total.get()))
            c[i * n + j] = total.get()

    return naive


def reordered(module: Module, cut: Blocks) -> Function:
    """Reorder the loops: with columns innermost, B and C are read along their rows."""

    @function(module)
    def reordered(
        code: Code, a: Pointer, b: Pointer, c: Pointer, m: Value, n: Value, k: Value
    ) -> None:
        with code.loop(0, m) as i, code.loop(0, k) as p:
            left = a[i * k + p]
            with code.loop(0, n) as j:
                c[i * n + j] = code.fma(left, b[p * n + j], c[i * n + j])

    return reordered


def blocked(module: Module, cut: Blocks) -> Function:
    """Block the loops over n and k: a block of B is multiplied by all rows of A before the next."""

    @function(module)
    def blocked(
        code: Code, a: Pointer, b: Pointer, c: Pointer, m: Value, n: Value, k: Value
    ) -> None:
        with code.loop(0, n, cut.nc) as jc, code.loop(0, k, cut.kc) as pc:
            last_j, last_p = (jc + cut.nc).minimum(n), (pc + cut.kc).minimum(k)
            with code.loop(0, m) as i, code.loop(pc, last_p) as p:
                left = a[i * k + p]
                with code.loop(jc, last_j) as j:
                    c[i * n + j] = code.fma(left, b[p * n + j], c[i * n + j])

    return blocked


# -- tiles ------------------------------------------------------------------------------------


def register_tile(module: Module, cut: Blocks) -> Function:
    """Add a register tile: mr × nr accumulators stay in registers through kc steps.

    Here a vector has one lane; `vectors` below is this program for vectors as wide as a register.
    """
    mr, vectors = module.target.tile()
    lanes = module.target.lanes(module.dtype)
    nr = vectors * lanes

    @function(module)
    def register_tile(
        code: Code, a: Pointer, b: Pointer, c: Pointer, m: Value, n: Value, k: Value
    ) -> None:
        whole_m, whole_n = m - m % mr, n - n % nr
        with code.loop(0, n, cut.nc) as jc, code.loop(0, k, cut.kc) as pc:
            last_j, last_p = (jc + cut.nc).minimum(whole_n), (pc + cut.kc).minimum(k)
            with code.loop(0, whole_m, mr) as i, code.loop(jc, last_j, nr) as j:
                tile = [[code.variable(code.zeros()) for _ in range(vectors)] for _ in range(mr)]
                with code.loop(pc, last_p) as p:
                    right = [b.vector(p * n + (j + v * lanes)) for v in range(vectors)]
                    for row in range(mr):
                        left = code.broadcast(a[(i + row) * k + p])
                        for v in range(vectors):
                            total = tile[row][v]
                            total.set(code.fma(left, right[v], total.get()))
                for row in range(mr):
                    for v in range(vectors):
                        place = c + ((i + row) * n + (j + v * lanes))
                        place[0] = place.vector() + tile[row][v].get()
        edges(code, a, b, c, m, n, k, whole_m, whole_n)

    return register_tile


def panels(module: Module, cut: Blocks) -> Function:
    """Pack each block of B into micro-panels, which the tiles read in order."""
    mr, vectors = module.target.tile()
    lanes = module.target.lanes(module.dtype)
    nr = vectors * lanes
    pack = pack_panels(module, cut)

    @function(module)
    def panels(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        packed: Pointer,
        m: Value,
        n: Value,
        k: Value,
    ) -> None:
        whole_m, whole_n = m - m % mr, n - n % nr
        with code.loop(0, n, cut.nc) as jc, code.loop(0, k, cut.kc) as pc:
            last_j, kc = (jc + cut.nc).minimum(whole_n), (k - pc).minimum(cut.kc)
            pack.call(b=b + (pc * n + jc), packed=packed, n=n, nc=(n - jc).minimum(cut.nc), kc=kc)
            with code.loop(0, whole_m, mr) as i, code.loop(jc, last_j, nr) as j:
                panel = packed + (j - jc) * cut.kc
                rows_of_a = [a + ((i + row) * k + pc) for row in range(mr)]
                tile = accumulators(code, mr, vectors)
                multiply(
                    code,
                    tile,
                    kc,
                    left=lambda row, p: rows_of_a[row][p],
                    right=lambda p, v: panel.vector(p * nr + v * lanes),
                )
                for row in range(mr):
                    for v in range(vectors):
                        place = c + ((i + row) * n + (j + v * lanes))
                        place[0] = place.vector() + tile[row][v].get()
        edges(code, a, b, c, m, n, k, whole_m, whole_n)

    return panels


def production(module: Module, cut: Blocks) -> Function:
    """Call production's product, which prefetches A and C and has tiles for the edges.

    `implicit_gemm` calls it in the same way, once per block of k: in NHWC with packed panels, in
    NCHW with the row-major buffer of lowered windows.
    """
    multiply_block = product(module, ROWS, prefetches_b=False)
    nr = multiply_block.width
    pack = pack_panels(module, cut)

    @function(module)
    def production(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        packed: Pointer,
        m: Value,
        n: Value,
        k: Value,
    ) -> None:
        with code.loop(0, n, cut.nc) as jc, code.loop(0, k, cut.kc) as pc:
            nc, kc = (n - jc).minimum(cut.nc), (k - pc).minimum(cut.kc)
            pack.call(b=b + (pc * n + jc), packed=packed, n=n, nc=nc, kc=kc)
            multiply_block.call(
                a=a + pc,
                b=packed,
                c=c + jc,
                bias=c,  # not read: C is added to
                m=m,
                n=nc,
                k=kc,
                a_stride=k,
                b_panel_stride=cut.kc * nr,
                b_row_stride=nr,
                c_stride=n,
                first=0,
            )

    return production


def pack_panels(module: Module, cut: Blocks) -> Function:
    """Pack a block of B [kc, nc]: packed[panel, p, column of the panel].

    Panels begin cut.kc · nr elements apart. Beyond nc there are zeros.
    """
    vectors, lanes = module.target.tile()[1], module.target.lanes(module.dtype)
    nr = vectors * lanes

    @function(module)
    def pack_panels(
        code: Code, b: Pointer, packed: Pointer, n: Value, nc: Value, kc: Value
    ) -> None:
        whole = nc - nc % nr
        with code.loop(0, kc) as p:
            row, line = b + p * n, packed + p * nr
            with code.loop(0, whole, nr) as j:
                for v in range(0, nr, lanes):
                    (line + j * cut.kc)[v] = row.vector(j + v)
            with code.if_(nc > whole):
                for v in range(0, nr, lanes):
                    mask = code.first_lanes(nc - whole - v)
                    (line + whole * cut.kc)[v] = row.masked(mask, whole + v)

    return pack_panels


def edges(
    code: Code,
    a: Pointer,
    b: Pointer,
    c: Pointer,
    m: Value,
    n: Value,
    k: Value,
    whole_m: Value,
    whole_n: Value,
) -> None:
    """Compute the rows and columns that fill no tile: columns from whole_n, rows from whole_m."""
    for first_row, first_column, last_column in ((0, whole_n, n), (whole_m, 0, whole_n)):
        with code.loop(first_row, m) as i, code.loop(0, k) as p:
            left = a[i * k + p]
            with code.loop(first_column, last_column) as j:
                c[i * n + j] = code.fma(left, b[p * n + j], c[i * n + j])


# -- the ladder -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rung:
    """One program of the derivation."""

    name: str
    change: str  # since the rung before
    write: Callable[[Module, Blocks], Function]
    has_vectors: bool  # else a vector has one lane
    is_tiled: bool  # else the hot loop works on one sum
    hot: str  # the name of the function with the hot loop; {} is the tile

    def module(self, target: Target, dtype: str) -> Module:
        """Return the module of the rung, whose public function is named "run"."""
        cut = blocks(target, dtype)
        if not self.has_vectors:
            target = replace(target, vector_bytes=ELEMENT_BYTES[dtype])
        module = Module(self.name, dtype, target)
        rung = self.write(module, cut)

        @function(module, public=True)
        def run(
            code: Code,
            sizes: Sizes[Value],
            matrices: Matrices[Pointer],
            tasks: Value,
            threads: Value,
        ) -> None:
            arguments: dict[str, Argument] = {
                "a": matrices.a,
                "b": matrices.b,
                "c": matrices.c,
                "packed": matrices.packed,
                "m": sizes.m,
                "n": sizes.n,
                "k": sizes.k,
            }
            rung.call(**{name: arguments[name] for name in rung.parameters})

        return module

    def tile(self, target: Target) -> tuple[int, int]:
        """Return the rows and vectors of the sums that the hot loop works on."""
        return target.tile() if self.is_tiled else (1, 1)

    def hot_function(self, target: Target) -> str:
        """Return the name of the function that computes most of the product."""
        rows, vectors = self.tile(target)
        return self.hot.format(f"{rows}x{vectors}")


def budget(rows: int, vectors: int) -> int:
    """Return the registers of a tile: its sums, a row of vectors of B, one element of A.

    >>> budget(6, 2)
    15
    """
    return rows * vectors + vectors + 1


RUNGS = (
    Rung("naive", "the definition", naive, False, False, "naive"),
    Rung("reordered", "columns innermost", reordered, False, False, "reordered"),
    Rung("blocked", "a block of B stays in L2", blocked, False, False, "blocked"),
    Rung("register tile", "sums stay in registers", register_tile, False, True, "register_tile"),
    Rung("vectors", "vectors instead of single floats", register_tile, True, True, "register_tile"),
    Rung("panels", "blocks of B are packed", panels, True, True, "panels"),
    Rung("prefetch", "A and C are prefetched: production", production, True, True, "tiles_{}"),
)


def loop_nest(rung: Rung, sizes: Sizes[int], target: Target, dtype: str) -> tuple[str, ...]:
    """Return the loops of a rung for matrices of these sizes, a line for each loop."""
    cut, (mr, vectors) = blocks(target, dtype), rung.tile(target)
    nr = vectors * (target.lanes(dtype) if rung.has_vectors else 1)
    m, n, k = sizes.m, sizes.n, sizes.k
    kc, nc = min(cut.kc, k), min(cut.nc, n)
    if rung.write is naive:
        return describe_loop_nest(f"for {m:,} rows", f"for {n:,} columns", f"for {k:,} steps")
    if rung.write is reordered:
        return describe_loop_nest(f"for {m:,} rows", f"for {k:,} steps", f"for {n:,} columns")
    outer = (
        f"for {at_a_time(n, 'columns', cut.nc)}",
        f"for {at_a_time(k, 'steps', cut.kc)}: a block of B",
    )
    if rung.write is blocked:
        return describe_loop_nest(*outer, f"for {m:,} rows", f"for {kc} steps", f"for {nc} columns")
    packing = (
        [f"pack the block: micro-panels of {kc} × {nr}"]
        if rung.write in (panels, production)
        else []
    )
    return describe_loop_nest(
        *outer,
        [*packing, f"for {at_a_time(m, 'rows', mr)}"],
        f"for {at_a_time(nc, 'columns', nr)}",
        f"for {kc} steps: the tile, {mr} × {nr}",
    )

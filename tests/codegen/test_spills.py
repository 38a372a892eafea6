"""The register tile of every target stays in registers, and a spill is counted as one."""

from __future__ import annotations

import pytest

from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.codegen.jit import assembly, spills
from glassconv.codegen.target import named
from glassconv.kernels.microkernel.register_tile import accumulators, multiply
from support.compile_function import write


def product_of(rows: int, vectors: int, target: str, dtype: str = "float32") -> str:
    """Return the assembly of one register tile."""

    def body(code: Code, a: Pointer, b: Pointer, c: Pointer, k: Value) -> None:
        totals = accumulators(code, rows, vectors)
        multiply(
            code,
            totals,
            k,
            left=lambda i, step: a[step * rows + i],
            right=lambda step, j: b.vector((step * vectors + j) * code.lanes),
        )
        for i in range(rows):
            for j in range(vectors):
                c[(i * vectors + j) * code.lanes] = totals[i][j].get()

    return assembly(write(body, 3, 1, dtype, named(target)).text, named(target))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", ["avx2", "avx512", "neon"])
def test_the_targets_tile_stays_in_registers(target: str, dtype: str) -> None:
    assert spills(product_of(*named(target).tile(), target, dtype)) == 0


@pytest.mark.parametrize(
    ("target", "rows", "vectors"), [("avx2", 8, 3), ("avx512", 12, 4), ("neon", 12, 4)]
)
def test_a_tile_that_is_too_large_spills(target: str, rows: int, vectors: int) -> None:
    text = product_of(rows, vectors, target)
    too_many = rows * vectors - named(target).registers
    assert too_many <= spills(text) <= 4 * rows * vectors


REAL = {
    "\tvmovups\t%ymm3, 32(%rsp)                 # 32-byte Spill": 1,
    "\tvmovups\t%zmm17, 64(%rsp)                # 64-byte Spill": 1,
    "\tvmovaps\t%xmm1, -24(%rsp)                # 16-byte Spill": 1,
    "\tvmovss\t%xmm1, -4(%rsp)                  # 4-byte Spill": 1,
    "\tstr\tq0, [sp, #16]                       // 16-byte Spill": 1,
    "\tstp\tq1, q0, [sp, #32]                   // 32-byte Folded Spill": 1,
    "\tmovq\t%rax, 8(%rsp)                      # 8-byte Spill": 0,
    "\tstr\tx8, [sp, #8]                        // 8-byte Spill": 0,
    "\tstp\td15, d14, [sp, #-64]!               // 16-byte Folded Spill": 0,
    "\tvmovups\t32(%rsp), %ymm3                 # 32-byte Reload": 0,
    "\tvmovups\t%ymm3, 32(%rsi)": 0,
}


@pytest.mark.parametrize(("line", "count"), REAL.items())
def test_a_spill_is_told_from_what_is_none(line: str, count: int) -> None:
    assert spills(line) == count
    assert spills("\n".join([line, "\tretq", line])) == 2 * count

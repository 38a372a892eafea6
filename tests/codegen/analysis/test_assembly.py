"""Assembly read back: the tile that the generator wrote is the tile that is found."""

from __future__ import annotations

import pytest

from glassconv.codegen.analysis.assembly import hot_loop
from glassconv.codegen.ir import Code, Module, Pointer, Value, function
from glassconv.codegen.jit import assembly
from glassconv.codegen.target import TARGETS, Target
from glassconv.kernels.microkernel.matrix_product import ROWS, product
from glassconv.kernels.microkernel.register_tile import accumulators, multiply


def tiles(target: Target, rows: int, vectors: int, dtype: str = "float32") -> str:
    """Return the assembly of one register tile."""
    module = Module("tiles", dtype, target)

    @function(module, public=True)
    def tiles(
        code: Code,
        a: Pointer,
        b: Pointer,
        c: Pointer,
        k: Value,
        a_stride: Value,
        b_stride: Value,
    ) -> None:
        tile = accumulators(code, rows, vectors)
        multiply(
            code,
            tile,
            k,
            left=lambda i, step: (a + i * a_stride)[step],
            right=lambda step, j: (b + step * b_stride).vector(j * code.lanes),
        )
        for i, row in enumerate(tile):
            for j, total in enumerate(row):
                c[(i * vectors + j) * code.lanes] = total.get()

    return assembly(module.text, target)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("shape", [(4, 2), (3, 3), (1, 2)])
def test_the_tile_is_read_back(target: Target, dtype: str, shape: tuple[int, int]) -> None:
    rows, vectors = shape
    hot = hot_loop(tiles(target, rows, vectors, dtype))
    assert hot.function == "tiles"
    assert hot.products == rows * vectors
    cells = [cell for row in hot.cells for cell in row]
    assert "" not in cells
    assert len(set(cells)) == rows * vectors
    assert set(cells) == set(hot.totals)
    assert {len(hot.rows), len(hot.columns)} == {rows, vectors}
    sides = {each.kind for each in hot.rows}, {each.kind for each in hot.columns}
    assert sides in (({"broadcast"}, {"vector"}), ({"vector"}, {"broadcast"}))
    element = 4 if dtype == "float32" else 8
    assert hot.loaded_bytes == rows * element + vectors * target.vector_bytes
    assert hot.registers <= target.registers


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_hottest_loop_of_a_product_is_its_whole_tile(target: Target) -> None:
    module = Module("product", "float32", target)
    product(module, ROWS)
    hot = hot_loop(assembly(module.text.replace("internal", ""), target))
    assert (len(hot.rows), len(hot.columns)) == target.tile()


SKEWED = """\
line:
.LBB0_1:                                # %loop
	vbroadcastss	(%rdx,%rsi,4), %ymm10
	vbroadcastss	4(%rdx,%rsi,4), %ymm11
	vfmadd231ps	(%r10), %ymm10, %ymm0   # ymm0 = (ymm10 * mem) + ymm0
	vmovups	(%r11), %ymm12
	vfmadd231ps	%ymm12, %ymm11, %ymm0
	vfmadd213ps	%ymm1, %ymm10, %ymm12
	vmovaps	%ymm12, %ymm1
	incq	%rsi
	jl	.LBB0_1
	retq
"""


def test_a_table_may_have_gaps() -> None:
    hot = hot_loop(SKEWED)
    assert [each.register for each in hot.rows] == ["ymm10", "ymm11"]
    assert [each.register for each in hot.columns] == ["memory", "ymm12"]
    assert hot.cells == (("ymm0", "ymm12"), ("", "ymm0"))
    assert (hot.instructions, hot.products, hot.loads, hot.others) == (9, 3, 3, 3)
    assert hot.loaded_bytes == 4 + 4 + 32 + 32


AVX512 = """\
wide:
.LBB0_1:
	vmovups	(%rsi), %zmm3 {%k1} {z}
	vfmadd231ps	(%rdi){1to16}, %zmm3, %zmm0 # zmm0 = (zmm3 * mem) + zmm0
	jne	.LBB0_1
"""


def test_a_broadcast_within_a_product_is_one() -> None:
    hot = hot_loop(AVX512)
    assert {(each.register, each.kind) for each in (*hot.rows, *hot.columns)} == {
        ("zmm3", "vector"),
        ("memory", "broadcast"),
    }
    assert hot.loaded_bytes == 64 + 4


NEON = """\
tile:
.LBB0_1:                                // %loop
	ldp	q9, q8, [x22, #-16]
	ld1r	{ v10.4s }, [x23], x6
	ldr	s11, [x23]
	fmla	v3.4s, v9.4s, v10.4s
	fmla	v2.4s, v8.4s, v10.4s
	fmla	v1.4s, v9.4s, v11.s[0]
	fmla	v0.4s, v8.4s, v11.s[0]
	add	x22, x22, x7
	b.lt	.LBB0_1
	ret
"""


def test_neon_has_a_tile_too() -> None:
    hot = hot_loop(NEON)
    assert [each.register for each in hot.columns] == ["v9", "v8"]
    assert [each.register for each in hot.rows] == ["v10", "v11"]
    assert hot.cells == (("v3", "v2"), ("v1", "v0"))
    assert (hot.instructions, hot.products, hot.loads, hot.others) == (9, 4, 3, 2)
    assert (hot.loaded_bytes, hot.registers) == (16 + 16 + 4 + 4, 8)


TWICE = """\
twice:
	vfmadd231ps	%ymm1, %ymm2, %ymm0
	vfmadd231ps	%ymm1, %ymm2, %ymm3
	retq
"""


@pytest.mark.parametrize(
    "text", [TWICE, TWICE.replace("%ymm1, %ymm2, %ymm3", "%ymm1, %ymm1, %ymm3")]
)
def test_what_is_no_table_is_listed(text: str) -> None:
    hot = hot_loop(text)
    assert (hot.rows, hot.columns, hot.cells) == ((), (), ())
    assert hot.totals == ("ymm0", "ymm3")


def test_code_without_products_has_none() -> None:
    assert hot_loop("f:\n\tretq\n").products == 0

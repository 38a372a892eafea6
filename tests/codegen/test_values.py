"""Addresses and vectors of generated code, compiled and compared with NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from glassconv.codegen.ir import INT, Code, Module, Pointer, Value, function
from glassconv.codegen.target import named
from glassconv.codegen.types import FLOATS
from support.compile_function import Array, run, this_machine

DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
WHOLE = st.integers(-(2**31), 2**31)
COUNT = st.integers(0, 2**31)
FEW = settings(max_examples=25)


def lanes(dtype: str) -> int:
    return this_machine().lanes(dtype)


def drawn(*shape: int, dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# -- addresses --------------------------------------------------------------------------------


@DTYPE
def test_addresses_move_by_elements_and_by_bytes(dtype: str) -> None:
    source, output = drawn(40, dtype=dtype), np.zeros(3, dtype)
    size = np.dtype(dtype).itemsize

    def body(code: Code, x: Pointer, out: Pointer, n: Value) -> None:
        out[0] = (x + n)[2]
        out[code.value(1)] = (x + 20)[0 - n]
        out[2] = x.add_bytes(n * size)[1]

    run(body, source, output, 7, dtype=dtype)
    assert output.tolist() == [source[9], source[13], source[8]]


@DTYPE
def test_whole_numbers_become_floating_point_numbers(dtype: str) -> None:
    n = lanes(dtype)
    output = np.zeros(2 * n, dtype)

    def body(code: Code, out: Pointer, number: Value) -> None:
        out[0] = code.broadcast(number.as_float())
        out[n] = (code.lane_numbers(INT) * code.broadcast(number)).as_float()

    run(body, output, -7, dtype=dtype)
    assert output.tolist() == [-7.0] * n + [-7.0 * lane for lane in range(n)]


@DTYPE
def test_not_a_number(dtype: str) -> None:
    n = lanes(dtype)
    x, output = drawn(n, dtype=dtype), np.zeros(n, dtype)
    x[0], x[1] = np.inf, np.nan

    def body(code: Code, a: Pointer, out: Pointer) -> None:
        out[0] = code.select(a.vector().is_nan(), code.constant(1), code.zeros())

    run(body, x, output, dtype=dtype)
    assert output.tolist() == [float(lane == 1) for lane in range(n)]


# -- vectors ----------------------------------------------------------------------------------


@DTYPE
def test_vectors_are_computed_lane_by_lane(dtype: str) -> None:
    n = lanes(dtype)
    x, y, output = drawn(n, dtype=dtype), drawn(n, dtype=dtype, seed=1), np.zeros((8, n), dtype)

    def body(code: Code, a: Pointer, b: Pointer, out: Pointer) -> None:
        left, right = a.vector(), b.vector()
        made = [
            *(left + right, left - right, left * right, left / right),
            *(left.minimum(right), left.maximum(right)),
            *(code.constant(1.5) * left, code.zeros() + right),
        ]
        for row, value in enumerate(made):
            out[row * n] = value

    run(body, x, y, output, dtype=dtype)
    expected = [x + y, x - y, x * y, x / y, np.minimum(x, y), np.maximum(x, y), 1.5 * x, y]
    np.testing.assert_array_equal(output, np.stack(expected).astype(dtype))


@DTYPE
def test_vectors_are_read_and_written_at_any_element(dtype: str) -> None:
    n = lanes(dtype)
    source, output = drawn(3 * n, dtype=dtype), np.zeros(3 * n, dtype)

    def body(code: Code, a: Pointer, out: Pointer, place: Value) -> None:
        (out + place)[1] = (a + place).vector(3)

    run(body, source, output, 2, dtype=dtype)
    expected = np.zeros(3 * n, dtype)
    expected[3 : 3 + n] = source[5 : 5 + n]
    np.testing.assert_array_equal(output, expected)


def test_fma_rounds_once() -> None:
    n = lanes("float32")
    x = np.full(n, 1 + 2**-12, np.float32)
    total, output = np.full(n, -1 - 2**-11, np.float32), np.zeros(n, np.float32)

    def body(code: Code, a: Pointer, c: Pointer, out: Pointer) -> None:
        out[0] = code.fma(a.vector(), a.vector(), c.vector())

    run(body, x, total, output)
    assert (x * x + total == 0).all()  # rounded twice
    assert (output == 2.0**-24).all()


@DTYPE
def test_a_scalar_is_broadcast_to_all_lanes(dtype: str) -> None:
    n = lanes(dtype)
    source, output = drawn(n, dtype=dtype), np.zeros(n, dtype)

    def body(code: Code, a: Pointer, out: Pointer) -> None:
        out[0] = code.broadcast(a[3])

    run(body, source, output, dtype=dtype)
    assert (output == source[3]).all()


@DTYPE
def test_scalars_are_joined_in_order(dtype: str) -> None:
    array, found = drawn(64, dtype=dtype), np.zeros(64, dtype)

    def body(code: Code, source: Pointer, target: Pointer) -> None:
        target[0] = code.join([source[3 * lane] for lane in range(code.lanes)])

    run(body, array, found, dtype=dtype)
    np.testing.assert_array_equal(found[: lanes(dtype)], array[: 3 * lanes(dtype) : 3])


@DTYPE
def test_numbers_of_another_type_are_rounded_once(dtype: str) -> None:
    """In vectors as long as one of float64, whichever type they come from."""
    array, found = drawn(16, dtype="float64"), np.zeros(16, dtype)
    back = np.zeros(16)

    def body(code: Code, source: Pointer, target: Pointer, again: Pointer) -> None:
        narrow = source.vector().as_type(dtype)
        target.cast(FLOATS[dtype])[0] = narrow
        again[0] = narrow.as_type("float64")

    run(body, array, found, back, dtype="float64")
    number = lanes("float64")
    np.testing.assert_array_equal(found[:number], array[:number].astype(dtype))
    np.testing.assert_array_equal(back[:number], array[:number].astype(dtype))


@DTYPE
def test_a_transpose_is_numpys(dtype: str) -> None:
    n = lanes(dtype)
    source, output = drawn(n, n, dtype=dtype), np.zeros((n, n), dtype)

    def body(code: Code, a: Pointer, out: Pointer) -> None:
        for row, value in enumerate(code.transpose([a.vector(i * n) for i in range(n)])):
            out[row * n] = value

    run(body, source, output, dtype=dtype)
    np.testing.assert_array_equal(output, source.T)


@DTYPE
@pytest.mark.parametrize("order", ["even", "odd", "reversed", "interleaved", "first half"])
def test_a_shuffle_takes_lanes_of_both(dtype: str, order: str) -> None:
    n = lanes(dtype)
    taken: Sequence[int] = {
        "even": range(0, 2 * n, 2),
        "odd": range(1, 2 * n, 2),
        "reversed": range(n - 1, -1, -1),
        "interleaved": [lane // 2 + n * (lane % 2) for lane in range(n)],
        "first half": range(n // 2),
    }[order]
    source, output = drawn(2, n, dtype=dtype), np.zeros(n, dtype)

    def body(code: Code, a: Pointer, out: Pointer) -> None:
        out[0] = code.shuffle(a.vector(), a.vector(n), list(taken))

    run(body, source, output, dtype=dtype)
    np.testing.assert_array_equal(output[: len(taken)], source.ravel()[list(taken)])


@DTYPE
def test_masks_load_and_store_nothing_else(dtype: str) -> None:
    n = lanes(dtype)
    for count in range(n + 1):
        source, output = drawn(n, dtype=dtype), np.full((3, n), 9, dtype)

        def body(code: Code, a: Pointer, out: Pointer, first: Value) -> None:
            mask = code.first_lanes(first)
            out[0] = a.masked(mask)
            (out + n).store_masked(mask, a.vector())
            odd = code.lane_numbers() >= code.broadcast(first.as_int32())
            out.store_masked(odd, a.vector(), 2 * n)

        run(body, source, output, count, dtype=dtype)
        inside = np.arange(n) < count
        np.testing.assert_array_equal(output[0], np.where(inside, source, 0))
        np.testing.assert_array_equal(output[1], np.where(inside, source, 9))
        np.testing.assert_array_equal(output[2], np.where(inside, 9, source))


@DTYPE
@pytest.mark.parametrize("stride", [0, 1, 2, 3, 7, -1, -5])
def test_a_gather_takes_every_so_many(dtype: str, stride: int) -> None:
    n = lanes(dtype)
    source, output = drawn(15 * n, dtype=dtype), np.full(n, 9, dtype)
    start = 7 * n

    def body(code: Code, a: Pointer, out: Pointer, place: Value, by: Value, count: Value) -> None:
        out[0] = (a + place).gather(by, code.first_lanes(count))

    run(body, source, output, start, stride, n - 1, dtype=dtype)
    expected = source[start + stride * np.arange(n)]
    expected[n - 1] = 0
    np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("name", ["avx2", "avx512", "neon"])
@DTYPE
def test_vectors_are_as_wide_as_the_targets(name: str, dtype: str) -> None:
    @function(Module("written", dtype, named(name)))
    def f(code: Code) -> None:
        assert code.lanes == named(name).vector_bytes // np.dtype(dtype).itemsize
        assert code.zeros().type.count == code.lanes
        assert code.zeros().type.floating
        assert not code.value(1).type.floating

    assert not f.parameters


def test_a_function_of_the_process_is_declared_once() -> None:
    module = Module("written", "float32", this_machine())
    for _ in range(2):
        module.declare("sin", INT, [INT])
    assert module.text.count("declare i64 @sin(i64)") == 1

"""Every construct of `Code`, compiled and compared with NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassconv.codegen.ir import INT, Code, Function, Module, Pointer, Value, function
from glassconv.codegen.target import named
from glassconv.codegen.types import FLOATS
from support.compile_function import Array, integers, run, this_machine

DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
WHOLE = st.integers(-(2**31), 2**31)
COUNT = st.integers(0, 2**31)
FEW = settings(max_examples=25)


def lanes(dtype: str) -> int:
    return this_machine().lanes(dtype)


def drawn(*shape: int, dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# -- whole numbers ----------------------------------------------------------------------------


@FEW
@given(WHOLE, WHOLE)
def test_whole_numbers_are_computed_as_pythons(a: int, b: int) -> None:
    def body(code: Code, x: Value, y: Value) -> list[Value]:
        return [x + y, x - y, x * y, 7 + x, 7 - x, 3 * x, x + 5, x.minimum(y), x.maximum(y)]

    assert integers(body, a, b) == [
        *(a + b, a - b, a * b, 7 + a, 7 - a, 3 * a, a + 5, min(a, b), max(a, b)),
    ]


@FEW
@given(COUNT, st.integers(1, 1000))
def test_counts_are_divided_as_pythons(a: int, b: int) -> None:
    assert integers(lambda code, x, y: [x // y, x % y, x // 3, x % 3], a, b) == [
        *(a // b, a % b, a // 3, a % 3)
    ]


@FEW
@given(st.integers(-2, 2), st.integers(-2, 2))
def test_comparisons_are_of_signed_numbers(a: int, b: int) -> None:
    def body(code: Code, x: Value, y: Value) -> list[Value]:
        truths = [x < y, x <= y, x > y, x >= y, x.equals(y), (x < 1) & (y < 1), (x < 1) | (y < 1)]
        return [truth.as_int() for truth in truths]

    truths = [a < b, a <= b, a > b, a >= b, a == b, a < 1 and b < 1, a < 1 or b < 1]
    assert integers(body, a, b) == [int(truth) for truth in truths]


# -- flow -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "step"), [(0, 5, 1), (3, 20, 4), (2, 2, 1), (5, 1, 1), (-3, 3, 2), (0, 1, 9)]
)
def test_a_loop_is_pythons_range(start: int, stop: int, step: int) -> None:
    def body(code: Code, first: Value, last: Value, by: Value) -> list[Value]:
        total, times = code.variable(0), code.variable(0)
        with code.loop(first, last, by) as index:
            total.set(total.get() * 31 + index)
            times.set(times.get() + 1)
        return [total.get(), times.get()]

    total = 0
    for index in range(start, stop, step):
        total = total * 31 + index
    assert integers(body, start, stop, step) == [total, len(range(start, stop, step))]


def test_loops_lie_in_each_other_and_in_branches() -> None:
    def body(code: Code, n: Value) -> list[Value]:
        total = code.variable(0)
        with code.loop(0, n) as i, code.loop(i, n) as j:
            with code.if_((i + j) % 2 < 1), code.loop(0, j) as k:
                total.set(total.get() + k)
            with code.else_():
                total.set(total.get() - 1)
            with code.if_(j.equals(i)):
                total.set(total.get() + 1000)
        return [total.get()]

    expected = sum(
        (sum(range(j)) if (i + j) % 2 == 0 else -1) + 1000 * (i == j)
        for i in range(6)
        for j in range(i, 6)
    )
    assert integers(body, 6) == [expected]


@pytest.mark.parametrize("number", [-1, 0, 1])
def test_choices_without_a_branch(number: int) -> None:
    def body(code: Code, x: Value) -> list[Value]:
        return [code.select(x > 0, x, 7), code.select(x > 0, code.value(5), x)]

    assert integers(body, number) == [number if number > 0 else 7, 5 if number > 0 else number]


@pytest.mark.parametrize("number", [0, 1])
def test_one_of_two_addresses_is_read_and_written(number: int) -> None:
    left, right, output = (np.full(4, float(n), np.float32) for n in range(3))

    def body(code: Code, x: Pointer, y: Pointer, out: Pointer, which: Value) -> None:
        chosen = code.select_pointer(which.equals(0), x, y)
        out[2] = chosen[1]
        chosen[3] = out[0]

    run(body, left, right, output, number)
    assert output.tolist() == [2, 2, number, 2]
    assert (left[3], right[3]) == ((2, 1) if number == 0 else (0, 2))


def test_functions_call_functions() -> None:
    output = np.zeros(8, np.int64)

    def body(code: Code, out: Pointer, start: Value) -> None:
        @function(code.module)
        def inner(code: Code, place: Pointer, value: Value, step: Value) -> None:
            place.cast(INT)[value] = value * step

        with code.loop(start, 8) as index:
            inner.call(step=10, place=out, value=index)

    run(body, output, 3)
    assert output.tolist() == [0, 0, 0, 30, 40, 50, 60, 70]


def written(name: str = "caller") -> Module:
    return Module(name, "float32", this_machine())


def copying(module: Module) -> Function:
    @function(module)
    def copy(code: Code, target: Pointer, source: Pointer, count: Value) -> None:
        target[count] = source[count]

    return copy


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 1}, r"copy\(target, source, count\) is called without \['source'\]"),
        ({"count": 1, "source": None, "from_": None}, r"unknown \['from_'\]"),
        ({"count": None, "source": None}, "copy: count is i64, not ptr"),
        ({"count": 1, "source": 1}, "copy: source is ptr, not i64"),
    ],
)
def test_a_call_with_other_parameters_is_refused(
    arguments: dict[str, int | None], message: str
) -> None:
    module = written()
    copy = copying(module)

    @function(module)
    def caller(code: Code, array: Pointer) -> None:
        given = {name: array if each is None else each for name, each in arguments.items()}
        with pytest.raises(TypeError, match=message):
            copy.call(target=array, **given)


def test_a_parameter_is_declared_as_what_code_has() -> None:
    with pytest.raises(TypeError, match="parameter count is annotated Value, Pointer or as a St"):

        @function(written())
        def repeat(code: Code, count: int) -> None: ...


def test_a_division_is_of_its_kind() -> None:
    @function(written())
    def divide(code: Code, number: Value) -> None:
        vector = code.zeros()
        with pytest.raises(TypeError, match="divided by //"):
            number / number
        with pytest.raises(TypeError, match="divided by /"):
            vector // vector
        with pytest.raises(TypeError, match="whole numbers"):
            vector % vector


def test_an_else_stands_right_after_an_if() -> None:
    @function(written())
    def branch(code: Code, array: Pointer, number: Value) -> None:
        with pytest.raises(SyntaxError, match="right after"), code.else_():
            pass
        with code.if_(number > 0):
            pass
        array[0] = array[1]
        with pytest.raises(SyntaxError, match="right after"), code.else_():
            pass
        with code.if_(number > 0):
            pass
        with code.else_():
            pass
        with pytest.raises(SyntaxError, match="right after"), code.else_():
            pass


def test_parameters_keep_their_names_in_the_text() -> None:
    module = written()
    copying(module)
    assert "@copy(ptr %target, ptr %source, i64 %count)" in module.text


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

"""Every construct of `Code`, compiled and compared with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassconv.codegen.ir import INT, Code, Function, Module, Pointer, Value, function
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

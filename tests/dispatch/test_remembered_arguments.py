"""A call is remembered by the values of its arguments, not by what holds them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from glassconv import conv2d
from glassconv.errors import ArgumentTypeError, ShapeError
from support.call_arrays import FUNCTIONS, arrays_of, call

EACH_FUNCTION = pytest.mark.parametrize("function", FUNCTIONS)
REQUIRES_GRAD = pytest.mark.parametrize("requires_grad", [False, True])

SIZES = {"stride": (1, 2), "padding": (0, 1), "dilation": (1, 2), "output_padding": (0, 1)}


def convolved(function: str, requires_grad: Any = False, **options: Any) -> Tensor:
    arrays = arrays_of(function)
    del arrays["residual"]
    arrays["weight"].requires_grad_(requires_grad)
    if "output_padding" in options:
        options = {"stride": 2} | options
    return call(function, arrays, **options).detach()


def sizes_of(function: str) -> list[str]:
    return [name for name in SIZES if name != "output_padding" or "transpose" in function]


HOLDERS: dict[str, Callable[[int], Any]] = {
    "a tensor": torch.tensor,
    "a tensor of one element": lambda value: torch.tensor([value]),
    "an array": np.array,
}
REFILLED = pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)


@EACH_FUNCTION
@REQUIRES_GRAD
@REFILLED
def test_a_size_that_changes_within_its_tensor_is_read_at_each_call(
    function: str, requires_grad: bool, hold: Callable[[int], Any]
) -> None:
    for name in sizes_of(function):
        for alone in (True, False):
            holder = hold(SIZES[name][0])
            given = holder if alone else [holder] * int(function[-2])
            for value in (*SIZES[name], *SIZES[name]):
                holder[...] = value
                output = convolved(function, requires_grad=requires_grad, **{name: given})
                expected = convolved(function, requires_grad=requires_grad, **{name: value})
                torch.testing.assert_close(output, expected)


@EACH_FUNCTION
@REQUIRES_GRAD
@REFILLED
def test_groups_that_change_within_their_tensor_are_read_at_each_call(
    function: str, requires_grad: bool, hold: Callable[[int], Any]
) -> None:
    holder = hold(1)
    for _ in range(2):
        holder[...] = 1
        output = convolved(function, requires_grad=requires_grad, groups=holder)
        torch.testing.assert_close(output, convolved(function, groups=1))
        holder[...] = 2
        with pytest.raises(ShapeError, match=r"2 groups|groups=2"):
            convolved(function, requires_grad=requires_grad, groups=holder)


@EACH_FUNCTION
@REQUIRES_GRAD
@pytest.mark.parametrize("equal_to_one", [True, 1.0, b"\x01", 1 + 0j, (1.0,)], ids=repr)
def test_what_equals_a_size_is_refused_before_and_after_a_call_with_it(
    function: str, requires_grad: bool, equal_to_one: Any
) -> None:
    for name in (*sizes_of(function), "groups"):
        refusals = []
        for _ in range(2):
            with pytest.raises(ArgumentTypeError, match=f"{name} must be a whole number") as no:
                convolved(function, requires_grad=requires_grad, **{name: equal_to_one})
            refusals.append(str(no.value))
            convolved(function, requires_grad=requires_grad, **{name: 1})
        assert refusals[0] == refusals[1]


class Two(IntEnum):
    TWO = 2


class Number(int):
    """A number that says it equals every other."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(1)


@EACH_FUNCTION
@pytest.mark.parametrize("two", [Two.TWO, Number(2), np.int8(2)], ids=repr)
def test_a_subclass_of_int_is_the_number_it_is(function: str, two: Any) -> None:
    convolved(function, stride=1)
    torch.testing.assert_close(convolved(function, stride=two), convolved(function, stride=2))
    both = [two] * int(function[-2])
    torch.testing.assert_close(convolved(function, stride=both), convolved(function, stride=2))


class Name(StrEnum):
    AUTO = "auto"
    DIRECT = "direct"
    STRICT = "strict"
    RELU = "relu"


class Mixed(str, Enum):  # noqa: UP042  what StrEnum replaced; its str() is not its text
    DIRECT = "direct"
    STRICT = "strict"
    RELU = "relu"


class Text(str):
    """A text that says it equals every other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("direct")


NAMES = {"algorithm": "direct", "accuracy": "strict", "activation": "relu"}


@EACH_FUNCTION
@pytest.mark.parametrize("argument", NAMES)
@pytest.mark.parametrize("kind", [Name, Mixed, Text, np.str_], ids=lambda kind: kind.__name__)
def test_a_subclass_of_str_is_the_text_it_is(function: str, argument: str, kind: type[str]) -> None:
    text = NAMES[argument]
    convolved(function, algorithm="direct")
    output = convolved(function, **{argument: kind(text)})
    assert torch.equal(output, convolved(function, **{argument: text}))


@pytest.mark.parametrize("kind", [Text, np.str_], ids=lambda kind: kind.__name__)
def test_a_padding_is_the_text_it_is(kind: type[str]) -> None:
    input, weight = torch.ones(1, 1, 5, 5), torch.ones(1, 1, 3, 3)
    for text, size in (("same", 5), ("valid", 3), ("same", 5)):
        assert conv2d(input, weight, padding=kind(text)).shape[-1] == size


@EACH_FUNCTION
@REQUIRES_GRAD
@pytest.mark.parametrize("argument", NAMES)
@pytest.mark.parametrize("value", [3, True, b"direct", ["direct"], torch.tensor(1)], ids=repr)
def test_what_is_no_name_is_refused_and_named(
    function: str, requires_grad: bool, argument: str, value: Any
) -> None:
    for _ in range(2):
        with pytest.raises(ArgumentTypeError, match=f"{argument} must be a name, got "):
            convolved(function, requires_grad=requires_grad, **{argument: value})
        convolved(function, requires_grad=requires_grad)

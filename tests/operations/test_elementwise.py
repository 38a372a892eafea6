"""Expressions of arrays, within the bounds of their operations, in every layout they support."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import nan
from random import Random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.codegen.target import Target
from glassconv.errors import UnknownNameError
from glassconv.operations import elementwise
from glassconv.operations.elementwise import Array, Binary, Expression, Number, Unary
from glassconv.operations.functions import FUNCTIONS
from glassconv.operations.strided import Strided
from glassconv.problem.activations import ACTIVATIONS
from glassconv.problem.dtypes import FORMATS
from glassconv.reports.verdict import Verdict
from support.compile_function import this_machine
from support.operations import DTYPES, TARGETS, laid, room, run

X, R, W, B = Array("input"), Array("residual"), Array("weight"), Array("bias")
NHWC, NCHW = (0, 2, 3, 1), (0, 1, 2, 3)
BY_PYTORCH: Mapping[str, Callable[..., Any]] = {
    **ACTIVATIONS,
    "hardsigmoid": F.hardsigmoid,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "tanh": torch.tanh,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "mish": F.mish,
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "neg": torch.neg,
    "clamp": torch.clamp,
}
CONSTANTS: Mapping[str, tuple[float, ...]] = {
    "leaky_relu": (0.1,),
    "elu": (1.5,),
    "clamp": (-0.7, 1.3),
}
BINARY: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


def computed(expression: Expression, target: Target, output: Tensor, **arrays: Tensor) -> Tensor:
    there = {name: Strided.of(array) for name, array in arrays.items()}
    to = Strided.of(output)
    assert elementwise.supports(expression, there, to)  # type: ignore[arg-type]
    step = elementwise.step(expression, there, to, target, 2)  # type: ignore[arg-type]
    return run(step, 2, **arrays, output=output)


@TARGETS
@DTYPES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, dtype: str, target: Target) -> None:
    one = torch.cat([torch.linspace(-30, 30, 4001), torch.linspace(-2, 2, 1001), torch.zeros(1)])
    x = one.abs() if name == "sqrt" else one
    x = torch.cat([x, torch.tensor([-0.0, 1e-30, nan])]).to(getattr(torch, dtype))
    constants = CONSTANTS.get(name, ())
    found = computed(Unary(name, X, constants), target, torch.empty_like(x), input=x).double()
    expected = BY_PYTORCH[name](x.double(), *constants)
    allowed = FUNCTIONS[name].error(x.double(), expected, *constants)
    error = (found - expected).abs() / FORMATS[dtype].unit_roundoff
    assert bool((error <= allowed)[:-1].all()), (error - allowed).max()
    assert bool(found[-1].isnan())


@TARGETS
@DTYPES
@pytest.mark.parametrize("function", BINARY)
@pytest.mark.parametrize("seed", range(6))
def test_binary(seed: int, function: Any, dtype: str, target: Target) -> None:
    chance = Random(seed)
    order = chance.choice((NHWC, NCHW))
    shape = tuple(chance.randint(1, 9) for _ in range(4))
    shape = (shape[0], chance.choice((1, 3, 16, 67)), *shape[2:])
    fitting = [(*shape[:2], 1, 1), (shape[1], 1, 1), (1, 1, 1), shape]
    x, other = torch.randn(shape), torch.randn(chance.choice(fitting)) + 3
    x, other = (each.to(getattr(torch, dtype)) for each in (x, other))
    input, output = laid(x, order, chance), room(shape, order, x.dtype, chance)
    if other.shape == x.shape:
        other = laid(other, order, chance)
    found = computed(Binary(function, X, W), target, output, input=input, weight=other)
    expected = BINARY[function](x.double(), other.double())
    allowed = FORMATS[dtype].unit_roundoff * expected.abs()
    assert bool(((found - expected).abs() <= allowed).all())


@TARGETS
@pytest.mark.parametrize("order", [NHWC, NCHW], ids=["nhwc", "nchw"])
def test_four_arrays_in_one_loop(order: tuple[int, ...], target: Target) -> None:
    chance = Random(1)
    shape = (2, 35, 5, 7)
    x, r = torch.randn(shape), torch.randn(shape)
    scale, shift = torch.randn(2, 35, 1, 1), torch.randn(35, 1, 1)
    expression = Unary("relu", Binary("add", Binary("add", Binary("mul", X, W), B), R))
    output = room(shape, order, torch.float32, chance)
    input, residual = laid(x, order, chance), laid(r, order, chance)
    found = computed(
        expression, target, output, input=input, residual=residual, weight=scale, bias=shift
    )
    expected = (x.double() * scale + shift + r).relu()
    allowed = 3 * 2.0**-24 * ((x.double() * scale).abs() + shift.abs() + r.abs())
    assert bool(((found - expected).abs() <= allowed).all())


def test_numbers_and_their_signs() -> None:
    x = torch.tensor([1.0, -2.0, 0.5])
    found = computed(Binary("div", X, Number(-0.0)), this_machine(), torch.empty(3), input=x)
    assert torch.equal(found, torch.tensor([-torch.inf, torch.inf, -torch.inf]))
    found = computed(Binary("div", X, Number(0.0)), this_machine(), torch.empty(3), input=x)
    assert torch.equal(found, torch.tensor([torch.inf, -torch.inf, torch.inf]))
    filled = computed(Number(0.25), this_machine(), torch.empty(1000))
    assert bool((filled == 0.25).all())


def test_an_array_may_be_its_own_output() -> None:
    x = torch.randn(1, 64, 9, 9)
    there = Strided.of(x)
    step = elementwise.step(Unary("relu", X), {"input": there}, there, this_machine(), 1)
    expected = x.relu()
    assert torch.equal(run(step, input=x, output=x), expected)


def test_refusals_say_why() -> None:
    output, other = Strided.of(torch.empty(2, 8, 4)), Strided.of(torch.empty(3, 1))
    sum_of = Binary("add", X, R)
    assert elementwise.supports(sum_of, {"input": output}, output) == Verdict(
        False, "requires the arrays residual"
    )
    assert elementwise.supports(sum_of, {"input": output, "residual": other}, output) == Verdict(
        False, "the residual of shape (3, 1) does not fit (2, 8, 4)"
    )
    with pytest.raises(UnknownNameError, match="relu"):
        Unary("rellu", X)

"""Functions and arithmetic of arrays become expressions, and expressions become one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.operations.elementwise import arrays_in
from support.optimized import Calls, after_passes, check, functions, with_statistics

X = 3 * torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0))


def fused(function: Callable[..., object], *inputs: Tensor) -> list[str]:
    """Compare a network, and return the functions that are left after the pass."""
    model = Calls(function)
    check(model, *inputs or (X,))
    return functions(after_passes(model, *inputs or (X,))["unused"])


UNARY = {
    "relu": torch.relu, "relu6": F.relu6, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid, "silu": F.silu, "gelu": F.gelu, "tanh": torch.tanh, "mish": F.mish,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.3), "elu": lambda x: F.elu(x, 0.7),
    "clamp": lambda x: x.clamp(-1, 2), "clamp from above": lambda x: x.clamp(max=1),
    "clamp from below": lambda x: x.clamp(min=-1), "clamp_min": lambda x: x.clamp_min(0.5),
    "hardtanh": F.hardtanh, "square": torch.square, "power": lambda x: x**2,
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_functions(name: str) -> None:
    assert fused(UNARY[name]) == ["elementwise"]


def test_functions_of_other_constants_stay_with_pytorch() -> None:
    assert fused(F.selu) != ["elementwise"]
    assert fused(lambda x: x.clamp(max=x.mean())) == ["mean", "clamp"]
    assert fused(lambda x: x**3) == ["pow"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 2,
        lambda x: 2 - x * 3,
        lambda x: torch.rsub(x, x[:1]),
        lambda x: x / 3,
        lambda x: torch.add(x, x, alpha=3),
        lambda x: torch.sub(x, 1, alpha=-2),
        lambda x: x * x[:, :, :1, :1] + x[:1],
        lambda x: (x + 1).mul_(2).relu_(),
    ],
)
def test_arithmetic(function: Callable[[Tensor], Tensor]) -> None:
    assert fused(function)[-1] == "elementwise"


def test_division_that_rounds_stays_with_pytorch() -> None:
    assert fused(lambda x: torch.div(x, 2, rounding_mode="floor")) == ["div"]


def test_expressions_become_one() -> None:
    gated = Calls(lambda x, y: torch.sigmoid(x) * y + x)
    check(gated, X, X.flip(0))
    (operation,) = after_passes(gated, X, X.flip(0))["unused"].operations
    assert arrays_in(operation.arguments["expression"]) == ("input", "residual")


def test_an_expression_that_something_else_reads_is_computed_once() -> None:
    def read(x: Tensor) -> Tensor:
        y = torch.tanh(x)
        return y * y.mean() + y

    assert fused(read) == ["elementwise", "mean", "elementwise"]


def test_an_expression_that_is_broadcast_is_computed_once() -> None:
    assert fused(lambda x: torch.sigmoid(x[:, :, :1, :1]) * x).count("elementwise") == 2


def test_four_arrays_at_most() -> None:
    inputs = tuple(X + number for number in range(6))
    left = fused(lambda *given: sum(given[1:], given[0]), *inputs)
    assert left == ["elementwise", "elementwise"]


def test_a_norm_that_folds_nowhere() -> None:
    model = with_statistics(nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))
    check(model, X)
    assert functions(after_passes(model, X)["unused"]) == ["elementwise"]


@pytest.mark.parametrize("count", [1, 4])
def test_slopes_that_are_parameters(count: int) -> None:
    model = nn.Sequential(nn.PReLU(count), nn.Flatten(2), nn.PReLU(count), nn.Flatten())
    check(model, X)
    assert functions(after_passes(model, X)["unused"]).count("elementwise") == 2
    infinite = X.clone()
    infinite[0, 0, 0, :3] = torch.tensor([torch.inf, -torch.inf, torch.nan])
    check(model, infinite)


def test_other_element_types_stay_with_pytorch() -> None:
    whole = torch.arange(5)
    assert fused(lambda x: x + 1, whole) == ["add"]
    assert fused(lambda x, y: x + y, X, whole) == ["add"]
    assert fused(lambda x, y: x + y, X, torch.tensor(2.0, dtype=torch.float64)) == ["add"]
    assert fused(torch.relu, X.bfloat16()) == ["relu"]
    assert fused(lambda x: (x * 2).relu(), X.double()) == ["elementwise"]

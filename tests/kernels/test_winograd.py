"""The Winograd kernels compute directly the tiles that are not flat, within the same bound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from glassconv.dispatch.dispatch import run
from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.shorthand import parse
from glassconv.verification.verify import verify

LAYOUTS = pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
STRIDES = {"winograd2": "", "winograd4": "", "winograd_pieces": " s2"}  # of the problems below
NAME = pytest.mark.parametrize("name", STRIDES)
PROBLEM = pytest.mark.parametrize(
    "text",
    [
        "3x13x14 4@3x3 p1",
        "2x4x19x18 6@3x3 p1 g2 nobias",
        "20x7x7 33@3x3 p1",
        "2x18x17x35 37@3x3 p0:1x1:2",
        "5x14x21 9@3x3 p4",
        "40x3x20 17@3x3 p1",
        "16x9x9 8@3x3 p1 float64",
    ],
)


def _poisoned(input: Tensor, first: float, last: float) -> Tensor:
    input.view(-1)[1], input.view(-1)[-3] = first, last
    return input


def _sparse(input: Tensor) -> Tensor:
    drawn = torch.rand(input.shape, generator=torch.Generator().manual_seed(1))
    return torch.where(drawn < 0.95, 0, input)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "random": lambda input: input,
    "zeros": torch.zeros_like,
    "activations": torch.relu,
    "sparse": _sparse,
    "one sign in one channel": lambda input: torch.where(
        torch.arange(input.shape[1])[:, None, None] == 1, input.abs(), 0
    ),
    "large pixels": lambda input: _poisoned(input, 1e20, -1e6),
    "NaN and infinity": lambda input: _poisoned(input, torch.nan, torch.inf),
    "growing": lambda input: input * 10.0 ** (torch.arange(input.shape[-1]) - 5),
    "subnormal": lambda input: input * 1e-42,
    "small": lambda input: input * 1e-36,
    "huge": lambda input: input.clamp(-1, 1) * 3e36,
}


@NAME
@LAYOUTS
@PROBLEM
@pytest.mark.parametrize("kind", CHANGES)
def test_every_output_is_within_the_bound_of_its_own_window(
    name: str, layout: torch.memory_format, text: str, kind: str
) -> None:
    problem = parse(text + STRIDES[name])
    given = random_operands(problem)
    input = CHANGES[kind](given.input.clone()).to(given.input.dtype)
    operands = Operands(input.to(memory_format=layout), given.weight, given.bias)
    verification = verify(problem, name, operands)
    assert verification.candidate == f"{name} jit"
    assert verification.verdict, verification.verdict.reason
    assert verification.not_finite == verification.not_finite_by_definition


@NAME
@LAYOUTS
@pytest.mark.parametrize("scale", [0.0, torch.nan, torch.inf, 1e-38, 1e37])
def test_a_filter_that_the_transforms_cannot_take(
    name: str, layout: torch.memory_format, scale: float
) -> None:
    problem = parse("5x12x13 7@3x3 nobias" + STRIDES[name])
    given = random_operands(problem)
    given.weight[2] *= scale
    operands = Operands(given.input.to(memory_format=layout), given.weight, None)
    verification = verify(problem, name, operands)
    assert verification.candidate == f"{name} jit"
    assert verification.verdict, verification.verdict.reason


@NAME
@LAYOUTS
@pytest.mark.parametrize("small", ["input", "weight", "a filter"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subnormal_numbers_are_transformed_as_normal_ones_are(
    name: str, layout: torch.memory_format, small: str, dtype: str
) -> None:
    """The same digits: the sums of a tile that is computed directly have others.

    Whole numbers times a power of two, the other operand so large that outputs are normal.
    """
    problem = parse(f"32x13x14 21@3x3{STRIDES[name]} nobias {dtype}")
    given = random_operands(problem)
    numbers, other = given.input, given.weight
    if small != "input":
        numbers, other = other, numbers
    numbers.mul_(3).round_()[0, 0, 0, 0] = 0.5  # not whole, so that default may transform it

    def output() -> Tensor:
        return run(problem, name, given.input.to(memory_format=layout), given.weight, None)

    expected = output()
    assert not torch.equal(expected, run(problem, "direct", given.input, given.weight, None))
    tiny, large = 2.0**8 * problem.format.tiny, 2.0**60
    scales = torch.ones(21, 1, 1, dtype=torch.float64)
    if small == "a filter":
        numbers[5] *= tiny
        scales[5] *= tiny
    else:
        numbers *= tiny
        scales *= tiny
    other *= large
    assert torch.equal(output(), (expected.double() * large * scales).to(expected.dtype))


@NAME
@LAYOUTS
def test_one_nan_spoils_the_outputs_that_read_it(name: str, layout: torch.memory_format) -> None:
    problem = parse("64x56x56 64@3x3 p1 nobias" + STRIDES[name])
    given = random_operands(problem)
    given.input[0, 5, 20, 21] = torch.nan
    output = run(problem, name, given.input.to(memory_format=layout), given.weight, None)
    windows = 2 if STRIDES[name] else 9  # with the pixel: of row 20 one, of column 21 two
    assert int(output.isnan().sum()) == windows * 64


@NAME
@pytest.mark.parametrize("size", [1e4, 1e20])
def test_one_large_activation_costs_outputs_that_do_not_read_it_no_digit(
    name: str, size: float
) -> None:
    problem = parse("64x28x28 64@3x3 p1 nobias" + STRIDES[name])
    given = random_operands(problem)
    given.input[0, 3, 10, 10] = size
    assert verify(problem, name, given).verdict

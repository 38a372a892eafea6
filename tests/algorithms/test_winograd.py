"""Winograd's convolution: what it saves, what its bound covers, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil, prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms import named
from glassconv.algorithms.parts.winograd_bound import window_factor
from glassconv.algorithms.parts.winograd_flatness import _known
from glassconv.dispatch.select import choose
from glassconv.problem.operands import random_operands
from glassconv.problem.shorthand import parse
from glassconv.verification.verify import verify
from support.references import whole_numbers
from support.winograd_tiles import flat, within_its_bound

NAMES = ["winograd2", "winograd4", "winograd6"]
NAME = pytest.mark.parametrize("name", NAMES)
PROBLEM = pytest.mark.parametrize(
    "text",
    [
        "2x17 3@3 p1",
        "3x13x14 4@3x3 p1",
        "3x13x14 4@2x3 p0:2x1:0 float64",
        "4x9x10 6@3x1 p2 g2 nobias",
        "2x7x8x9 3@3x2x3 p1",
        "64x9x9 2@3x3",
    ],
)


# -- what it saves ------------------------------------------------------------------------------


def test_a_tile_of_f_2x2_3x3_takes_16_multiplications_instead_of_36() -> None:
    """Its transforms of input and output only add; the filter's are paid once, not per image."""
    one, two = parse("1x2x2 1@3x3 p1"), parse("2x1x2x2 1@3x3 p1")
    cost = named("winograd2").cost
    assert cost(two).multiplications - cost(one).multiplications == 16
    assert two.macs - one.macs == 36
    assert cost(two).additions - cost(one).additions == 32 + 16 + 24 + 4  # Bᵀ, products, Aᵀ, bias


@pytest.mark.parametrize(
    ("name", "outputs"), [("winograd2", 2), ("winograd4", 4), ("winograd6", 6)]
)
@PROBLEM
def test_tiles(name: str, outputs: int, text: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    steps = named(name).steps(problem, given.input, given.weight, given.bias)
    shapes = {step.name: tuple(step.array.shape) for step in steps}
    per_axis = [outputs if r > 1 else 1 for r in problem.kernel_size]
    tiles = tuple(map(ceil, np.divide(problem.output_size, per_axis)))
    elements = tuple(m + r - 1 for m, r in zip(per_axis, problem.kernel_size, strict=True))
    lead = (problem.batch, problem.in_channels)
    assert shapes["tiles"] == shapes["transformed input"] == (*lead, *tiles, *elements)
    assert shapes["transformed filters"] == (*problem.weight_shape[:2], *elements)
    lead = (problem.batch, problem.out_channels)
    assert shapes["products"] == (*lead, *tiles, *elements)
    assert shapes["output tiles"] == (*lead, *tiles, *per_axis)
    products = prod(lead) * problem.weight_shape[1] * prod(tiles) * prod(elements)
    assert named(name).cost(problem).multiplications >= products


# -- what its bound covers ----------------------------------------------------------------------


@NAME
@PROBLEM
@pytest.mark.parametrize("size", [1e-38, 1e-19, 1.0, 1e15])
@pytest.mark.thorough
def test_the_bound_covers_all_sizes(name: str, text: str, size: float) -> None:
    """Also where float32's products underflow, to denormal numbers or to nothing."""
    problem = parse(text)
    given = random_operands(problem)
    given = replace(given, input=given.input * size, weight=given.weight * size)
    assert within_its_bound(problem, name, given)


@NAME
@PROBLEM
def test_the_bound_covers_a_large_pixel(name: str, text: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    given.input.view(-1)[-1] = 1e6
    assert within_its_bound(problem, name, given)


@NAME
@PROBLEM
def test_the_bound_covers_what_cancels(name: str, text: str) -> None:
    """All pixels alike and taps that add up to nothing: every output is the bias."""
    problem = parse(text)
    given = random_operands(problem)
    given.input.fill_(1 / 3)
    spatial = tuple(range(2, 2 + problem.ndim))
    given = replace(given, weight=given.weight - given.weight.mean(spatial, keepdim=True))
    assert within_its_bound(problem, name, given)


@NAME
@PROBLEM
def test_the_bound_covers_small_whole_numbers(name: str, text: str) -> None:
    problem = parse(text)
    assert within_its_bound(problem, name, whole_numbers(problem))


@NAME
@PROBLEM
@pytest.mark.parametrize("kind", ["one sign", "sparse", "blocks of zeros", "growing"])
def test_the_bound_covers_uneven_inputs(name: str, text: str, kind: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    drawn = torch.rand(given.input.shape, generator=torch.Generator().manual_seed(1))
    columns = torch.arange(problem.input_size[-1])
    changed = {
        "one sign": given.input.relu(),
        "sparse": torch.where(drawn < 0.9, 0, given.input),
        "blocks of zeros": torch.where(columns < 7, 0, given.input),
        "growing": given.input * 10.0 ** (columns - 5),
    }[kind]
    assert within_its_bound(problem, name, replace(given, input=changed))


@NAME
def test_where_a_transform_may_overflow_sums_are_plain(name: str) -> None:
    problem = parse("1x12x12 1@3x3 nobias")
    given = random_operands(problem)
    given = replace(given, input=given.input.clamp(-1, 1) * 3e37)
    result = verify(problem, name, given)
    assert result.verdict
    assert result.not_finite == 0


# -- its bound: K · n · u · max|w| · Σ|x| -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "outputs", "factor"),
    [
        ("3x8x8 1@3x3", 2, 12),
        ("64x8x8 1@3x3", 2, 4),
        ("3x8x8 1@3x3", 4, 275),
        ("16x8x8 1@3x3", 4, 83),
        ("32x8x8 1@3x3", 4, 20),
        ("512x8x8 1@3x3", 4, 20),
        ("512x8x8 1@3x3", 6, 238),
    ],
)
def test_the_factor_of_the_bound(text: str, outputs: int, factor: int) -> None:
    problem = parse(text)
    assert window_factor(problem, outputs) == factor
    bound = named(f"winograd{outputs}").error_bound(problem)
    assert bound.window_factor == factor
    assert bound.formula.startswith(f"{factor}·{problem.taps_per_output + 1}·u")


@NAME
@PROBLEM
def test_a_tile_of_equal_pixels_is_flat(name: str, text: str) -> None:
    problem = parse(text)
    given = random_operands(problem)
    ones = torch.ones_like(given.input)
    unpadded = replace(problem, padding=((0, 0),) * problem.ndim)
    assert flat(unpadded, name, replace(given, input=ones)).all()


@NAME
def test_a_large_pixel_makes_tiles_uneven_unless_all_or_none_of_their_outputs_read_it(
    name: str,
) -> None:
    problem = parse("2x4x19x18 4@3x3 p1 g2")
    outputs = int(name.removeprefix("winograd"))
    given = random_operands(problem)
    given.input[1, 2, 9, 5] = 1e20
    read = np.zeros((24, 24), np.bool_)  # as far as the last tile goes
    read[8:11, 4:7] = True
    expected = torch.ones(2, 2, *(ceil(size / outputs) for size in problem.output_size)).bool()
    for row, column in np.ndindex(*expected.shape[2:]):
        tile = read[row * outputs :, column * outputs :][:outputs, :outputs]
        expected[1, 1, row, column] = bool(tile.all() or not tile.any())
    if name == "winograd2":  # a pixel takes part only in outputs that read it
        expected.fill_(True)
    assert torch.equal(flat(problem, name, given), expected)


@NAME
@pytest.mark.parametrize("size", [1e4, 1e20, 1e38])
def test_a_pixel_beside_ones_costs_outputs_that_do_not_read_it_no_digit(
    name: str, size: float
) -> None:
    problem = parse("1x6x6 1@3x3 nobias")
    given = random_operands(problem)
    given.input.fill_(1)[..., 5, 5] = size
    assert within_its_bound(problem, name, given)


@NAME
def test_numbers_past_the_output_do_not_count(name: str) -> None:
    """The last tile has outputs that do not exist, whose windows are empty."""
    problem = parse("2x13x13 3@3x3 p1")
    given = random_operands(problem)
    assert flat(problem, name, replace(given, input=torch.ones_like(given.input))).all()


@NAME
@pytest.mark.parametrize("weight", ["zero", "infinite", "tiny", "huge"])
def test_a_weight_that_the_transforms_cannot_take(name: str, weight: str) -> None:
    problem = parse("2x9x8 3@3x3 nobias")
    given = random_operands(problem)
    scaled = {"zero": 0.0, "infinite": torch.inf, "tiny": 1e-38, "huge": 1e38}[weight]
    given.weight[1] *= scaled
    assert within_its_bound(problem, name, given)
    if weight == "infinite":
        assert not flat(problem, name, given).any()


# -- NaN and infinity ---------------------------------------------------------------------------


@NAME
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_nan_reaches_only_the_outputs_that_read_it(name: str, poison: float) -> None:
    problem = parse("2x4x19x18 4@3x3 p1 g2")
    given = random_operands(problem)
    given.input[1, 2, 9, 5] = poison
    output = named(name).run(problem, given.input, given.weight, given.bias)
    expected = torch.ones(problem.output_shape, dtype=torch.bool)
    expected[1, 2:, 8:11, 4:7] = False
    assert torch.equal(output.isfinite(), expected)
    assert within_its_bound(problem, name, given)


@NAME
def test_gradients_beside_a_nan_are_those_of_the_definition(name: str) -> None:
    problem = parse("2x9x9 3@3x3 p1 float64 nobias")
    given = random_operands(problem)
    given.input[0, 1, 4, 4] = torch.nan

    def gradients(convolve: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, ...]:
        input, weight = (each.clone().requires_grad_() for each in (given.input, given.weight))
        return torch.autograd.grad(convolve(input, weight).nansum(), (input, weight))

    ours = gradients(lambda input, weight: named(name).run(problem, input, weight, None))
    theirs = gradients(lambda input, weight: F.conv2d(input, weight, padding=1))
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, equal_nan=True, rtol=1e-9, atol=1e-9)


@NAME
def test_vmap_computes_each_tile_as_a_call_does(name: str) -> None:
    problem = parse("2x9x9 3@3x3 p1 nobias")
    given = random_operands(problem)
    inputs = torch.stack([given.input, given.input.clone()])
    inputs[1, 0, 1, 4, 4] = torch.inf
    algorithm = named(name)
    together = torch.vmap(lambda input: algorithm.run(problem, input, given.weight, None))(inputs)
    for input, output in zip(inputs, together, strict=True):
        alone = algorithm.run(problem, input, given.weight, None)
        torch.testing.assert_close(output, alone, equal_nan=True)


# -- accuracy -----------------------------------------------------------------------------------


def refusal(text: str, name: str, accuracy: str) -> str:
    choice = choose(parse(text), accuracy=accuracy)
    [candidate] = [each for each in choice.candidates if each.name == name]
    return "" if candidate.verdict else candidate.verdict.reason


@NAME
def test_strict_refuses_a_larger_bound_than_that_of_plain_sums(name: str) -> None:
    assert "accuracy 'strict' allows up to 1·n·u" in refusal("8x8x8 8@3x3", name, "strict")


def test_default_takes_what_keeps_within_twenty() -> None:
    assert not refusal("32x8x8 8@3x3", "winograd4", "default")
    assert "allows up to 20·n·u, this has 83·n·u" in refusal("16x8x8 8@3x3", "winograd4", "default")
    assert not refusal("16x8x8 8@3x3", "winograd4", "fast")
    assert not refusal("1x8x8 8@3x3", "winograd2", "default")


# -- what it refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("1x9x9 1@3x3 s2x1", "winograd4", "needs stride 1, got 2x1"),
        ("1x9x9 1@3x3 d1x3", "winograd2", "needs dilation 1, got 1x3"),
        ("1x9x9 1@1x1", "winograd6", "needs a kernel of more than one tap, got 1x1"),
        ("1x9x9 1@3x4", "winograd6", "needs kernel sizes up to 3, got 3x4"),
        ("1x9 1@6", "winograd4", "needs kernel sizes up to 5, got 6"),
        ("1x9x9 1@8x1", "winograd2", "needs kernel sizes up to 7, got 8x1"),
    ],
)
def test_a_refusal_says_why(text: str, name: str, reason: str) -> None:
    verdict = named(name).supports(parse(text))
    assert (verdict.ok, verdict.reason) == (False, reason)


def test_what_is_kept_for_a_problem_of_three_axes_is_small() -> None:
    """Two matrices of a tile's elements, and not their product for every output."""
    known = _known(parse("1x9x9x9 1@3x3x3"), 6)
    elements, outputs = 8**3, 6**3
    kept = sum(array.nbytes for array in (known.output, known.windows, known.input))
    assert kept == 8 * elements * (2 * outputs + elements)

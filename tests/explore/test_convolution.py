"""The page's convolution, in JavaScript, against PyTorch on 500 random problems.

The page sums in float64 and rounds once, so it must lie within one rounding of PyTorch's result in
float64, and within the rounding of PyTorch's own sums of its result in float32.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.explore.tensors import from_document
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands
from glassconv.reports.array import Array
from support.browsers import documents, in_node
from support.random_problems import random_problem

PLAIN, TRANSPOSED = 400, 100
ROUNDING = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}


@dataclass(frozen=True)
class Case:
    """A problem in the page's shorthand, its numbers, and PyTorch's answers."""

    shorthand: str
    input: Tensor
    weight: Tensor
    bias: Tensor | None
    output: Tensor  # PyTorch's, in the problem's own dtype
    exact: Tensor  # PyTorch's, in float64
    sizes: Tensor  # Σ|x||w| + |b|, in float64
    products: int

    def document(self) -> dict[str, object]:
        written = documents(Operands(self.input, self.weight, self.bias))
        return {"problem": self.shorthand, **written}


def test_the_page_convolves_as_pytorch_does(tmp_path: Path) -> None:
    cases = [*islice(_plain(), PLAIN), *islice(_transposed(), TRANSPOSED)]
    answers = in_node("convolve.mjs", [case.document() for case in cases], tmp_path)
    assert len(answers) == PLAIN + TRANSPOSED
    for case, answer in zip(cases, answers, strict=True):
        _check(case, from_document(answer["output"], "output"), answer["written"])


def _check(case: Case, output: Array, written: str) -> None:
    if case.input.ndim == 4:
        assert written == case.shorthand
    found = torch.from_numpy(output.astype(np.float64)).reshape(case.exact.shape)
    assert found.shape == case.output.shape, case.shorthand
    once = ROUNDING[case.input.dtype] / 2 * case.exact.abs()
    summed = (case.products + 2) * case.sizes
    assert ((found - case.exact).abs() <= once + 2.0**-52 * summed).all(), case.shorthand
    theirs = ROUNDING[case.input.dtype] * summed
    assert ((found - case.output.double()).abs() <= theirs).all(), case.shorthand


Convolve = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def _plain() -> Iterator[Case]:
    for seed in count():
        problem = random_problem(random.Random(seed))
        if problem.ndim == 3 or problem.batch == 0 or problem.dtype not in ("float32", "float64"):
            continue
        conv = F.conv1d if problem.ndim == 1 else F.conv2d
        sides = [side for pair in reversed(problem.padding) for side in pair]

        def convolve(
            input: Tensor,
            weight: Tensor,
            bias: Tensor | None,
            problem: ConvProblem = problem,
            sides: list[int] = sides,
            conv: Callable[..., Tensor] = conv,
        ) -> Tensor:
            padded = F.pad(input, sides)
            steps = {"stride": problem.stride, "dilation": problem.dilation}
            return conv(padded, weight, bias, **steps, groups=problem.groups)

        yield _case(str(problem), problem, problem.weight_shape, convolve, seed)


def _transposed() -> Iterator[Case]:
    """Yield transposed problems, each made of a plain one; what padding cuts is cut by hand."""
    for seed in count():
        plain = random_problem(random.Random(seed))
        if plain.ndim != 2 or plain.batch == 0 or plain.dtype not in ("float32", "float64"):
            continue
        chance = random.Random(seed + 1)
        extra = tuple(
            chance.randrange(max(s, d)) for s, d in zip(plain.stride, plain.dilation, strict=True)
        )
        whole = [
            (n - 1) * s + d * (k - 1) + 1 + more
            for n, s, d, k, more in zip(
                plain.input_size,
                plain.stride,
                plain.dilation,
                plain.kernel_size,
                extra,
                strict=True,
            )
        ]
        if any(sum(pair) >= size for pair, size in zip(plain.padding, whole, strict=True)):
            continue
        (top, bottom), (left, right) = plain.padding

        def convolve(
            input: Tensor,
            weight: Tensor,
            bias: Tensor | None,
            plain: ConvProblem = plain,
            extra: tuple[int, ...] = extra,
            cut: tuple[int, int, int, int] = (top, whole[0] - bottom, left, whole[1] - right),
        ) -> Tensor:
            steps = {"stride": plain.stride, "dilation": plain.dilation, "output_padding": extra}
            full = F.conv_transpose2d(input, weight, bias, **steps, groups=plain.groups)
            return full[:, :, cut[0] : cut[1], cut[2] : cut[3]]

        shape = (plain.in_channels, plain.out_channels // plain.groups, *plain.kernel_size)
        words = f"{plain} transposed"
        if any(extra):
            words += f" o{extra[0]}" if extra[0] == extra[1] else f" o{extra[0]}x{extra[1]}"
        yield _case(words, plain, shape, convolve, seed)


def _case(
    shorthand: str,
    problem: ConvProblem,
    weight_shape: tuple[int, ...],
    convolve: Convolve,
    seed: int,
) -> Case:
    generator = torch.Generator().manual_seed(seed)
    dtype = getattr(torch, problem.dtype)

    def numbers(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    input, weight = numbers(problem.input_shape), numbers(weight_shape)
    bias = numbers((problem.out_channels,)) if problem.bias else None
    wide = (input.double(), weight.double(), None if bias is None else bias.double())
    sizes = (wide[0].abs(), wide[1].abs(), None if wide[2] is None else wide[2].abs())
    return Case(
        shorthand,
        input,
        weight,
        bias,
        output=convolve(input, weight, bias),
        exact=convolve(*wide),
        sizes=convolve(*sizes),
        products=problem.in_channels * problem.taps_per_output,  # at least as many as there are
    )

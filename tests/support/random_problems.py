"""The one generator of random convolutions: for hypothesis, for loops over seeds, for the tables.

`random_problem(Random(7))` is the same problem in every run and on every machine, so a failure is
named by its seed. Hypothesis passes a `Random` of its own, whose choices it records and shrinks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from glassconv.algorithms import Algorithm
from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.gradients import input_gradient
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from support.cases import CASES

T = TypeVar("T")
Choices = Sequence[int]
MOST_REFUSALS = 10_000  # in a row, before an algorithm is taken to support nothing


@dataclass(frozen=True)
class Sizes:
    """What a problem may be drawn from: one of each sequence's values, repeated to be likelier.

    "any" draws every argument; "plain" has stride and dilation 1, and "three" a kernel of 3 too;
    "halving" has a kernel of 3, stride 2 and dilation 1; "pointwise" has a kernel of 1; "depthwise"
    has one channel in each group; "pixel" has one output pixel and no padding.
    """

    kinds: Sequence[str] = ("any", "any", "plain", "plain", "pointwise", "depthwise")
    ndims: Choices = (1, 2, 2, 2, 3)
    dtypes: Sequence[str] = tuple(FORMATS)
    largest_kernel: Choices = (7, 7, 4)  # in one, two and three dimensions
    batch: Choices = (0, 1, 1, 1, 2, 3)
    groups: Choices = (1, 1, 2, 3)
    depthwise_groups: Choices = (1, 1, 2, 3)
    channels: Choices = (1, 2, 3, 8, 17)  # in each group
    filters: Choices = (1, 2, 3, 5)  # in each group
    spare: Sequence[Choices] = ((24,), (9,), (4,))  # pixels beyond one window, by dimensions
    spare_last: Sequence[Choices] = ((24,), (9,), (4,))  # the same, along the last axis
    most_macs: int | None = None  # a larger problem loses channels and filters


# Hypothesis: at most 3 · 4³ products in a sum, so that the definition is computed at once.
SMALL = Sizes(
    ndims=(1, 2, 3),
    largest_kernel=(4, 4, 4),
    batch=(0, 1, 2, 3),
    groups=(1, 2, 3),
    depthwise_groups=(1, 2, 3),
    channels=(1, 2, 3),
    filters=(1, 2, 3),
    spare=((5,),) * 3,
    spare_last=((5,),) * 3,
)
# Algorithms: the table of docs/verification.md.
MEDIUM = Sizes()
# Kernels: several register tiles, blocks and panels, each with a rest.
LARGE = Sizes(
    kinds=("any", "any", "plain", "three", "three", "halving", "pointwise", "depthwise", "pixel"),
    ndims=(1, 2, 2, 2),
    dtypes=("float32", "float64"),
    depthwise_groups=(1, 2, 9, 20),
    channels=(1, 2, 3, 8, 17, 40),
    filters=(1, 2, 3, 5, 8, 17, 33),
    spare=((0, 3, 9, 40),) * 2,
    spare_last=((0, 9, 25, 40),) * 2,
    most_macs=200_000,
)


def random_problem(random: Random, sizes: Sizes = MEDIUM) -> ConvProblem:
    """Return a random problem: every argument in play, and sizes that do not divide evenly."""
    kind, ndim = _pick(random, sizes.kinds), _pick(random, sizes.ndims)
    groups = _pick(random, sizes.depthwise_groups if kind == "depthwise" else sizes.groups)
    simple = kind in ("plain", "three", "halving")

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return tuple(random.randint(low, high) for _ in range(ndim))

    one_tap, three_taps = (1, 1), (3, 3)
    kernels = {"pointwise": one_tap, "pixel": one_tap, "three": three_taps, "halving": three_taps}
    kernel_size = per_axis(*kernels.get(kind, (1, sizes.largest_kernel[ndim - 1])))
    dilation = per_axis(1, 1 if simple else 3)
    stride = per_axis(2, 2) if kind == "halving" else per_axis(1, 1 if simple else 4)
    most_padding = 0 if kind == "pixel" else 4
    padding = tuple(
        (random.randint(0, most_padding), random.randint(0, most_padding)) for _ in range(ndim)
    )
    window = [max(1, d * (k - 1) + 1 - sum(p))
              for d, k, p in zip(dilation, kernel_size, padding, strict=True)]  # fmt: skip
    spare = [sizes.spare[ndim - 1]] * (ndim - 1) + [sizes.spare_last[ndim - 1]]
    most_spare = [0 if kind == "pixel" else _pick(random, choices) for choices in spare]
    problem = ConvProblem(
        input_size=tuple(
            size + random.randint(0, most) for size, most in zip(window, most_spare, strict=True)
        ),
        batch=_pick(random, sizes.batch),
        in_channels=groups * (1 if kind == "depthwise" else _pick(random, sizes.channels)),
        out_channels=groups * _pick(random, sizes.filters),
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=random.random() < 0.5,
        dtype=_pick(random, sizes.dtypes),
    )
    if sizes.most_macs is None or problem.macs <= sizes.most_macs:
        return problem
    channels = min(problem.in_channels // groups, 3)
    return replace(problem, in_channels=groups * channels, out_channels=groups * 2)


def _pick(random: Random, choices: Sequence[T]) -> T:
    """Return one of the values; where there is one, without drawing."""
    return choices[0] if len(choices) == 1 else random.choice(choices)


def random_transposed_problem(random: Random, sizes: Sizes = MEDIUM) -> TransposedProblem:
    """Return a random transposed problem: of a random convolution's output back to its input."""
    problem = random_problem(random, sizes)
    return replace(input_gradient(problem), bias=problem.bias)


def problems_for(algorithm: Algorithm, sizes: Sizes = MEDIUM) -> Iterator[Problem]:
    """Yield the random problems of seeds 0, 1, 2 … that an algorithm supports, without end.

    They are convolutions, unless the algorithm supports none.
    """
    convolves = any(algorithm.supports(problem) for problem in CASES.values())
    draw = random_problem if convolves else random_transposed_problem
    last = 0
    for seed in count():
        problem = draw(Random(seed), sizes)
        if algorithm.supports(problem):
            last = seed
            yield problem
        assert seed - last < MOST_REFUSALS, f"{algorithm.name} supports none of {MOST_REFUSALS:,}"


def problems(
    dtypes: Sequence[str] = SMALL.dtypes, ndims: Choices = SMALL.ndims
) -> st.SearchStrategy[ConvProblem]:
    """Return hypothesis's strategy of small problems of these element types and dimensions."""
    sizes = replace(SMALL, dtypes=tuple(dtypes), ndims=tuple(ndims))
    return st.randoms(use_true_random=False).map(lambda random: random_problem(random, sizes))


def transposed_problems(
    dtypes: Sequence[str] = SMALL.dtypes, ndims: Choices = SMALL.ndims
) -> st.SearchStrategy[TransposedProblem]:
    """Return hypothesis's strategy of small transposed problems."""
    sizes = replace(SMALL, dtypes=tuple(dtypes), ndims=tuple(ndims))
    return st.randoms(use_true_random=False).map(
        lambda random: random_transposed_problem(random, sizes)
    )


def axes() -> st.SearchStrategy[Axis]:
    """Return hypothesis's strategy of axes: uneven padding, and strides that leave a rest."""
    return problems(ndims=[1]).map(lambda problem: problem.axes[0])

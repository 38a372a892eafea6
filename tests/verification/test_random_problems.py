"""A slice of the ten thousand random problems per algorithm that docs/verification.md records."""

from __future__ import annotations

import random

import pytest

from glassconv.algorithms import ALGORITHMS, Algorithm
from glassconv.verification.stress_inputs import STRESS_INPUTS
from support.bound_table import tally
from support.random_problems import random_problem

SLICE = 140  # each kind of operands twenty times


@pytest.mark.thorough
@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_no_bound_is_exceeded(algorithm: Algorithm) -> None:
    found = tally(algorithm, SLICE)
    assert found.failures == []
    assert found.problems == SLICE
    assert found.outputs > found.unbounded
    assert found.worst > 0


def test_the_slice_takes_every_kind_of_operands() -> None:
    assert SLICE % len(STRESS_INPUTS) == 0


def test_problems_are_of_every_sort() -> None:
    drawn = [random_problem(random.Random(seed)) for seed in range(300)]
    assert {problem.ndim for problem in drawn} == {1, 2, 3}
    assert {problem.dtype for problem in drawn} == {"float16", "bfloat16", "float32", "float64"}
    for asked in (
        lambda p: p.batch == 0,
        lambda p: p.groups > 1,
        lambda p: max(p.stride) > 1,
        lambda p: max(p.dilation) > 1,
        lambda p: any(before != after for before, after in p.padding),
        lambda p: any(axis.leftover for axis in p.axes),
        lambda p: any(axis.extent > axis.input_size for axis in p.axes),
    ):
        assert any(map(asked, drawn))
        assert not all(map(asked, drawn))

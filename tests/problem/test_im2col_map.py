"""unfold and fold: PyTorch's where it has them, and each other's transpose."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from glassconv.problem import ConvProblem
from glassconv.problem.im2col_map import fold, unfold
from glassconv.problem.operands import random_operands
from support.cases import CASES
from support.random_problems import problems

FLAT = {  # unfold's own arguments: two axes, the same padding on both sides
    name: problem
    for name, problem in CASES.items()
    if problem.ndim == 2 and all(before == after for before, after in problem.padding)
}


@pytest.mark.parametrize("problem", FLAT.values(), ids=FLAT)
def test_both_are_pytorchs(problem: ConvProblem) -> None:
    if problem.batch == 0:
        pytest.skip("F.unfold refuses an empty batch")
    options = {
        "kernel_size": problem.kernel_size,
        "dilation": problem.dilation,
        "padding": tuple(before for before, _ in problem.padding),
        "stride": problem.stride,
    }
    input = random_operands(problem).input
    columns = F.unfold(input, **options)
    assert torch.equal(unfold(problem, input), columns)
    # Sums of the same numbers in another order: whole numbers make them exact.
    whole = columns.mul(4).round().clamp(-8, 8)
    assert torch.equal(fold(problem, whole), F.fold(whole, problem.input_size, **options))


@settings(max_examples=200)
@given(problem=problems(dtypes=["float64"]))
def test_fold_is_the_transpose_of_unfold(problem: ConvProblem) -> None:
    """⟨unfold(x), c⟩ = ⟨x, fold(c)⟩ for all x and c: in whole numbers, exactly."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(-9, 10, problem.input_shape, generator=generator).double()
    unfolded = unfold(problem, picture)
    columns = torch.randint(-9, 10, unfolded.shape, generator=generator).double()
    assert (unfolded * columns).sum() == (picture * fold(problem, columns)).sum()


@settings(max_examples=100)
@given(problem=problems(dtypes=["float32"]))
def test_folding_ones_counts_the_copies(problem: ConvProblem) -> None:
    columns = torch.ones_like(unfold(problem, torch.zeros(problem.input_shape)))
    copies = torch.from_numpy(problem.copies()).float()
    assert torch.equal(fold(problem, columns), copies.expand(problem.input_shape))

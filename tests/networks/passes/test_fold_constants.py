"""What depends on no input is computed once."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.networks.optimize import OptimizedNetwork
from support.optimized import Calls, after_passes, check, functions

X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def left(model: nn.Module, *inputs: Tensor) -> list[str]:
    """Compare a model, and return the functions that are left after the pass."""
    check(model, *inputs or (X,))
    return functions(after_passes(model, *inputs or (X,))["fold_constants"])


def test_a_table_of_positions() -> None:
    def with_positions(table: nn.Embedding, x: Tensor) -> Tensor:
        numbers: Tensor = table(torch.arange(6))
        return x + numbers.t().reshape(4, 1, 6)

    assert left(Calls(with_positions, nn.Embedding(6, 4))) == ["add"]


def test_a_standardised_weight() -> None:
    def standardised(layer: nn.Conv2d, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(layer.weight, (1, 2, 3), keepdim=True)
        return F.conv2d(x, (layer.weight - mean) / (variance + 1e-6).sqrt(), layer.bias)

    model = Calls(standardised, nn.Conv2d(4, 4, 3))
    assert left(model) == ["conv2d"]
    assert after_passes(model, X)["unused"].operations[0].arguments["weight"].shape == (4, 4, 3, 3)


def test_a_mask_that_is_written_through_views() -> None:
    def masked(x: Tensor) -> Tensor:
        mask = x.new_zeros(x.shape[2:])
        rows = mask[1:3]
        mask[2:, :3] = 1
        before = mask * 2
        rows += 3
        mask.mul_(2)
        return x * mask + before + rows.sum()

    assert left(Calls(masked)) == ["mul", "add", "add"]


def test_numbers_that_are_read_before_they_are_overwritten() -> None:
    def overwritten(x: Tensor) -> tuple[Tensor, ...]:
        numbers = torch.ones(6)
        first = x * numbers
        numbers.mul_(3)
        return first, x * numbers, numbers

    check(Calls(overwritten), X)
    assert left(Calls(overwritten)) == ["mul", "mul"]


def test_a_tensor_of_numbers() -> None:
    def with_numbers(x: Tensor) -> Tensor:
        numbers = torch.tensor([1.0, 2.0, 3.0]).repeat(2)
        numbers[0] = 5
        return x * numbers

    assert left(Calls(with_numbers)) == ["mul"]


def test_what_the_network_keeps_is_not_written_to() -> None:
    def counted(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
        assert norm.running_mean is not None
        return norm.running_mean.view(2, 2).add_(1).sum() + x

    model = Calls(counted, nn.BatchNorm1d(4)).eval()
    fast = OptimizedNetwork(model, "default")
    assert torch.equal(fast(X), X + 4)
    assert torch.equal(fast(X), X + 8)
    assert "through a view" in fast.reasons[0]


def test_random_numbers_are_drawn_in_each_call() -> None:
    model = Calls(lambda x: x + torch.rand(6) + torch.zeros(6).uniform_())
    fast = OptimizedNetwork(model, "default")
    assert not torch.equal(fast(X), fast(X))
    names = functions(after_passes(model, X)["fold_constants"])
    assert names == ["rand", "add", "uniform_", "add"]


@pytest.mark.parametrize("training", [True, False])
def test_dropout_draws_numbers_in_training_only(training: bool) -> None:
    model = Calls(lambda x: x + F.dropout(torch.ones(6), 0.5, training))
    names = functions(after_passes(model, X)["fold_constants"])
    assert ("dropout" in names) == training


def test_what_reads_numbers_of_an_input_stays() -> None:
    assert left(Calls(lambda x: x + torch.zeros_like(x).add_(x))) == ["add_", "add"]

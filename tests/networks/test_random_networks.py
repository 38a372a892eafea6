"""Random networks: optimized, they compute what PyTorch does, about as exactly.

One error of PyTorch's may happen to be small, so the largest of some inputs that are close to each
other is taken. Kernels add products to the bias, so each sum is rounded where the bias is large;
PyTorch adds a folded normalisation's shift last. That is what the roundings beside it are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from glassconv.networks.relative_error import relative_error
from support.optimized import FACTOR, called, optimized
from support.random_networks import RandomNetwork

ROUNDOFF = 2.0**-24
ROUNDINGS = 4
NEAR = 2.0**-8  # how far apart the inputs are, relative to them
INPUTS = 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check(seed: int) -> None:
    model = RandomNetwork(seed)
    x = model.example
    precise = deepcopy(model).double()
    expected, structure = tree_flatten(called(model, (x,), {}))
    truth: list[Tensor] = tree_flatten(called(precise, (x.double(),), {}))[0]
    theirs = relative_error(expected, truth)
    fast = optimized(model)
    for _ in range(2):  # the second call finds memory that the first one has used
        found, same = tree_flatten(called(fast, (x,), {}))
        assert structure == same
        for one, other in zip(found, expected, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
        error = relative_error(found, truth)
        if error > FACTOR * theirs + ROUNDINGS * ROUNDOFF:
            theirs = max(theirs, error_near(model, precise, x))
        assert error <= FACTOR * theirs + ROUNDINGS * ROUNDOFF, (seed, model)


def error_near(model: RandomNetwork, precise: RandomNetwork, x: Tensor) -> float:
    """Return PyTorch's largest error on inputs that are close to x."""
    generator = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(INPUTS):
        near = x * (1 + NEAR * torch.rand(x.shape, generator=generator))
        outputs = tree_flatten(called(model, (near,), {}))[0]
        truth = tree_flatten(called(precise, (near.double(),), {}))[0]
        errors.append(relative_error(outputs, truth))
    return max(errors)


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_a_slice(start: int) -> None:
    for seed in range(start, start + 20):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(200, 5000, 100))
def test_many(start: int) -> None:
    for seed in range(start, start + 100):
        check(seed)

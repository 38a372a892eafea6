"""Random networks: optimized, they compute what PyTorch does, about as exactly."""

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


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check(seed: int) -> None:
    model = RandomNetwork(seed)
    x = model.example
    expected, structure = tree_flatten(called(model, (x,), {}))
    truth: list[Tensor] = tree_flatten(called(deepcopy(model).double(), (x.double(),), {}))[0]
    allowed = FACTOR * max(relative_error(expected, truth), ROUNDOFF)
    fast = optimized(model)
    for _ in range(2):  # the second call finds memory that the first one has used
        found, same = tree_flatten(called(fast, (x,), {}))
        assert structure == same
        for one, other in zip(found, expected, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert relative_error(found, truth) <= allowed, model


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_a_slice(start: int) -> None:
    for seed in range(start, start + 20):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(200, 5000, 100))
def test_many(start: int) -> None:
    for seed in range(start, start + 100):
        check(seed)

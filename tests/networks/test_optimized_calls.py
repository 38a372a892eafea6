"""Calls of an optimized network: what it takes and returns, and which calls share a plan."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import ArgumentTypeError, NetworkError, UnknownNameError
from glassconv.networks.accuracy import measured
from glassconv.networks.optimize import MOST_PLANS, optimize
from support.optimized import Calls, check, kernels, optimized

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Pair = namedtuple("Pair", "first second")


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


def calls(function: Callable[..., Any]) -> Calls:
    return Calls(function, nn.Conv2d(3, 3, 3, padding=1))


@pytest.mark.parametrize(
    "function",
    [
        lambda a, x: {"sum": a(x), "input": x},
        lambda a, x: [a(x), (x, None), 3, "text"],
        lambda a, x: Pair(a(x), x),
        lambda a, x: (),
        lambda a, x: None,
        lambda a, x: a(x).argmax(1),
    ],
)
def test_what_is_returned(function: Callable[..., Any]) -> None:
    check(calls(function), X)


def test_nested_arguments_and_keywords() -> None:
    def forward(a: nn.Module, pair: Any, *, scale: float = 1.0, extra: Tensor | None = None) -> Any:
        result = a(pair["first"]) * scale + pair["rest"][0]
        return result if extra is None else result - extra

    model = calls(forward)
    given = {"first": X, "rest": [X + 1]}
    fast = check(model, given, scale=2.0)
    with torch.no_grad():
        for keywords in ({"scale": 3.0}, {"extra": X}, {}):
            assert torch.allclose(fast(given, **keywords), model(given, **keywords), atol=1e-5)
    assert not fast.reasons


def test_equal_arguments_of_other_types_have_plans_of_their_own() -> None:
    def forward(a: nn.Module, x: Tensor, count: Any) -> Tensor:
        y: Tensor = a(x)
        return y * 2 if count is True else y * 5 if isinstance(count, float) else y * count

    model = calls(forward)
    fast = optimized(model)
    for count in (1, True, 1.0, 2, 0.0, -0.0):
        with torch.no_grad():
            assert torch.allclose(fast(X, count), model(X, count), atol=1e-5)


def test_arguments_that_may_change_run_as_it_was() -> None:
    numbers = np.ones(1, np.float32)
    model = calls(lambda a, x, numbers: a(x) * float(numbers[0]))
    fast = optimized(model)
    with torch.no_grad():
        for numbers[0] in (1, 2):
            assert torch.equal(fast(X, numbers), model(X, numbers))
    assert fast.reasons == ("its arguments hold a ndarray, which may change between calls",)


def test_whole_numbers_as_input() -> None:
    model = Calls(
        lambda table, layer, x: layer(table(x).transpose(1, 2)),
        nn.Embedding(10, 4), nn.Conv1d(4, 3, 3),
    )  # fmt: skip
    assert "PyTorch" in kernels(check(model, torch.arange(10)[None]), torch.arange(10)[None])


def test_one_image_without_a_batch() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    assert kernels(check(model, X[0]), X[0])[-1] == "PyTorch"


def test_other_shapes_strides_and_types_get_plans_of_their_own() -> None:
    model = network()
    fast = optimized(model)
    with torch.no_grad():
        for x in (X, X[:1], X[..., :5], X.transpose(2, 3), X.expand(2, 2, 3, 8, 8)[0]):
            assert torch.allclose(fast(x), model(x), atol=1e-5)
    plans = [fast.plan(X), fast.plan(X[:1]), fast.plan(X.transpose(2, 3))]
    assert len(set(map(id, plans))) == 3
    assert fast.plan(X) is plans[0]


def test_plans_are_limited_in_number() -> None:
    model = network()
    fast = optimized(model)
    with torch.no_grad():
        for width in range(3, 3 + MOST_PLANS + 2):
            x = torch.randn(1, 3, 4, width)
            assert torch.allclose(fast(x), model(x), atol=1e-5)
    assert f"plans={MOST_PLANS}" in repr(fast)


def test_autocast_runs_as_it_was() -> None:
    fast = optimized(network())
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert fast(X).dtype == torch.bfloat16
    assert len(fast.reasons) == 1


def test_weights_are_frozen_until_refresh() -> None:
    def forward(layer: nn.Module, norm: nn.Module, table: nn.Embedding, x: Tensor) -> Tensor:
        y: Tensor = norm(layer(x).permute(0, 2, 3, 1))
        return torch.cumsum(y * table.weight[0], 1)

    model = Calls(forward, nn.Conv2d(3, 4, 3), nn.LayerNorm(4), nn.Embedding(2, 4)).eval()
    fast = optimized(model)
    before = fast(X)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.5)
        assert torch.equal(fast(X), before)
        fast.refresh()
        assert torch.allclose(fast(X), model(X), atol=1e-5)
        assert not torch.allclose(fast(X), before, atol=1e-3)


def test_the_example_is_not_written_to() -> None:
    x = X.clone()
    optimize(calls(lambda a, x: a(x.mul_(2))), x)
    assert torch.equal(x, X)


def test_refusals() -> None:
    with pytest.raises(UnknownNameError, match="accuracy"):
        optimize(network(), X, "exact")
    with pytest.raises(ArgumentTypeError, match=r"must be a torch.nn.Module"):
        optimize(torch.relu, X)  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match="RuntimeError"):
        optimize(network(), torch.rand(1, 5, 8, 8))
    with pytest.raises(NetworkError, match="nonzero"):
        optimized(calls(lambda a, x: a(x).nonzero())).plan(X)


def test_an_example_for_which_pytorchs_error_happens_to_be_small() -> None:
    def powers(x: Tensor) -> Tensor:
        for _ in range(10):
            x = x.pow(0.3).pow(1 / 0.3)
        return x

    model = Calls(powers)
    ones = torch.ones(1, 100)  # whose powers have no error
    error = 8 * 2.0**-24

    found = measured(lambda x: model(x) * (1 + error), model, (ones,), "default")
    assert found.error is not None and found.pytorch_error is not None
    assert 0 < found.error <= found.limit
    with pytest.raises(NetworkError, match="the accuracy allows"):
        measured(lambda x: model(x) * 1.01, model, (ones,), "default")


def test_float64_has_no_judge() -> None:
    found = optimize(network().double(), X.double()).measured
    assert found.error is None
    assert "nothing more precise" in found.reason


def test_threads_make_one_plan() -> None:
    fast = optimized(network())
    barrier = threading.Barrier(4)
    plans = []

    def make() -> None:
        barrier.wait()
        plans.append(fast.plan(X))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(map(id, plans))) == 1

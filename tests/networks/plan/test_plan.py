"""A plan may be called again, by several threads at once, and after a fork."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from functools import partial
from threading import Barrier
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import glassconv
from glassconv.networks.optimize import optimize
from glassconv.networks.plan.plan import Plan
from glassconv.networks.plan.steps import PyTorchStep
from support.optimized import Calls, check, optimized


def network() -> nn.Module:
    """Return a network of kernels, with an operation of PyTorch's between them."""

    def forward(a: nn.Module, b: nn.Module, c: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        y = a(x)
        z = b(torch.cumsum(torch.relu(y), 1) * 0.1) + y
        return c(z), z.mean((2, 3))

    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 4, 1))
    return Calls(forward, *layers).eval()


def inputs(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 3, 17, 13, generator=generator) for _ in range(count)]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def close(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> bool:
    return all(torch.allclose(*each, atol=1e-5) for each in zip(found, expected, strict=True))


def test_results_stay_as_they_were() -> None:
    fast = optimized(network())
    kept = [fast(each) for each in inputs(4)]
    copies = [[each.clone() for each in result] for result in kept]
    for each in inputs(8)[4:]:
        fast(each)
    for result, copied in zip(kept, copies, strict=True):
        assert all(torch.equal(*each) for each in zip(result, copied, strict=True))


def test_results_may_be_written_to_and_enter_a_graph_of_autograd() -> None:
    fast, (x,) = optimized(network()), inputs(1)
    first, mean = fast(x)
    before = first.clone()
    first += 1
    assert torch.equal(fast(x)[0], before)
    head = nn.Linear(8, 1)
    head(mean).sum().backward()
    assert head.weight.grad is not None


def test_inputs_are_not_written_to() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    fast, (x,) = optimized(model), inputs(1)
    before = x.clone()
    fast(x)
    assert torch.equal(x, before)


def test_two_threads_run_one_plan_at_once(threads: None) -> None:
    torch.set_num_threads(2)
    model, given = network(), inputs(24)
    fast = optimized(model)
    with torch.no_grad():
        expected = [model(each) for each in given]
    barrier = Barrier(2)

    def run(numbers: range) -> list[bool]:
        torch.set_num_threads(2)
        barrier.wait()
        return [close(fast(given[number]), expected[number]) for number in numbers]

    with ThreadPoolExecutor(2) as pool:
        for results in pool.map(run, (range(0, 24, 2), range(1, 24, 2))):
            assert all(results)
    assert not fast.reasons


def test_other_numbers_of_threads_between_calls(threads: None) -> None:
    model, given = network(), inputs(6)
    fast = optimized(model)
    for count, x in zip((1, 2, 1, 3, 2, 1), given, strict=True):
        torch.set_num_threads(count)
        with torch.no_grad():
            assert close(fast(x), model(x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_runs_the_plan(threads: None) -> None:
    torch.set_num_threads(2)
    fast, (x,) = optimized(network()), inputs(1)
    expected = fast(x)
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)  # PyTorch's own threads do not survive a fork
        status = 1
        try:
            status = 0 if close(fast(x), expected) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert close(fast(x), expected)


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_batches(batch: int) -> None:
    check(network(), torch.randn(batch, 3, 9, 9))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_element_types(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()).eval()
    check(model.to(dtype), inputs(1)[0].to(dtype))


def test_numbers_that_are_not_finite_reach_what_they_reach() -> None:
    (x,) = inputs(1)
    x[0, 0, 4, 4], x[0, 1, 9, 9], x[1, 2, 0, 0] = torch.nan, torch.inf, -torch.inf
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Hardswish(),
        nn.Conv2d(8, 8, 1), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.SiLU(),
    ).eval()  # fmt: skip
    with torch.no_grad():
        found, expected = optimized(model)(x), model(x)
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found.isinf(), expected.isinf())
    finite = expected.isfinite()
    assert torch.allclose(found[finite], expected[finite], atol=1e-5)


def test_pytorchs_results_are_dropped_after_their_last_reader() -> None:
    alive: list[int] = []
    results: list[weakref.ref[Tensor]] = []

    def seen(x: Tensor) -> Tensor:
        alive.append(sum(each() is not None for each in results))
        results.append(weakref.ref(x))
        return x

    def function(x: Tensor) -> Tensor:
        for _ in range(4):
            x = torch.cumsum(x, 1)
        return x

    x = torch.rand(1, 4, 8, 8)
    plan = check(Calls(function), x).plan(x)
    steps = [each for each in plan.steps if isinstance(each, PyTorchStep)]
    watched = [replace(each, call=partial(_watched, each.call, seen)) for each in steps]
    Plan(replace(plan.lowered, steps=tuple(watched)), plan.threads)(x)
    assert alive == [0, 1, 1, 1]
    assert plan.bytes_by_pytorch == 2 * x.nbytes


def _watched(
    call: Callable[..., Tensor], seen: Callable[[Tensor], Tensor], **arguments: Any
) -> Tensor:
    return seen(call(**arguments))


def test_a_part_of_a_concatenation_may_be_empty() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.convolution(x), x[:, :0]], 1) + 1

    model, x = Joined().eval(), torch.randn(1, 3, 8, 8)
    assert torch.allclose(optimize(model, x)(x), model(x), atol=1e-5)


def test_strict_plans_sum_in_the_published_order() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 1)).eval()
    x = torch.randn(2, 3, 20, 20)
    fast = optimize(model, x, accuracy="strict")
    first, second = model[0], model[2]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    with torch.inference_mode():
        inner = glassconv.conv2d(x, first.weight, first.bias, padding=1, accuracy="strict").relu()
        expected = glassconv.conv2d(inner, second.weight, second.bias, accuracy="strict")
    assert torch.equal(fast(x), expected)


def test_transposed_convolutions_have_workspaces_for_every_thread() -> None:
    torch.manual_seed(0)
    model, x = nn.ConvTranspose2d(32, 8, 3, 2, 1).eval(), torch.randn(4, 32, 9, 9)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        fast = optimize(model, x)
        expected = deepcopy(model).double()(x.double())
        assert all(torch.allclose(fast(x).double(), expected, atol=1e-4) for _ in range(20))
    finally:
        torch.set_num_threads(threads)

"""optimize: a network computes what it did, by one plan or as it was, and says which."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from glassconv import NetworkError, optimize
from glassconv.networks.optimize import OptimizedNetwork


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 3)
    ).eval()


def wide() -> nn.Sequential:
    """Return a network whose fastest kernels pack weights into four times their size."""
    return nn.Sequential(nn.Conv2d(128, 128, 3, padding=1)).eval()


def weight_of(model: nn.Sequential) -> Tensor:
    """Return the weight of the first layer."""
    layer = model[0]
    assert isinstance(layer, nn.Conv2d)
    return layer.weight


def assert_close(found: Tensor, expected: Tensor) -> None:
    """Compare within a thousand roundings of the largest output."""
    found, expected = found.detach(), expected.detach()
    scale = float(expected.abs().max())
    roundoff = torch.finfo(expected.dtype).eps / 2
    assert float((found - expected).abs().max()) <= 1000 * roundoff * scale


class Calling(nn.Module):
    """A module that calls a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.conv, *args, **kwargs)


def test_each_shape_has_a_plan_of_its_own() -> None:
    model = small()
    network = optimize(model, torch.rand(1, 3, 9, 9))
    for shape in [(1, 3, 9, 9), (2, 3, 9, 9), (1, 3, 12, 7), (1, 3, 9, 9)]:
        x = torch.rand(shape)
        assert_close(network(x), model(x))
    assert not network.reasons


def test_it_has_the_state_of_the_original() -> None:
    model = small()
    network = optimize(model, torch.rand(1, 3, 9, 9))
    assert list(network.state_dict()) == list(model.state_dict())
    assert [name for name, _ in network.named_modules()] == [n for n, _ in model.named_modules()]
    assert next(network.parameters()) is next(model.parameters())


def test_loading_weights_packs_them() -> None:
    x = torch.rand(1, 3, 9, 9)
    network, other = optimize(small(), x), small()
    network.load_state_dict(other.state_dict())
    assert_close(network(x), other(x))


def test_a_changed_weight_is_noticed_where_asked() -> None:
    model, x = small(), torch.rand(1, 3, 9, 9)
    network = optimize(model, x, check_weights=True)
    network(x)
    weight_of(model).data.numpy()[0] = 7  # no version counter sees it
    with pytest.raises(NetworkError, match=r"changed since they were packed; call refresh\(\)"):
        network(x)
    network.refresh()
    assert_close(network(x), model(x))


def test_training_is_refused() -> None:
    network = optimize(small(), torch.rand(1, 3, 9, 9))
    assert network.eval() is network
    with pytest.raises(NetworkError, match="for inference; train the original"):
        network.train()


def test_what_depends_on_numbers_runs_as_it_was() -> None:
    def branching(conv: nn.Module, x: Tensor) -> Tensor:
        y: Tensor = conv(x)
        return y if y.sum() > 0 else -y

    model = Calling(branching).eval()
    x = torch.rand(1, 3, 5, 5)
    network = optimize(model, x)
    assert torch.equal(network(x), model(x))
    assert len(network.reasons) == 1
    with pytest.raises(NetworkError):
        network.plan(x)


def test_inputs_that_require_gradients_get_them() -> None:
    model, x = small(), torch.rand(1, 3, 9, 9, requires_grad=True)
    network = optimize(model, x.detach())
    network(x).sum().backward()
    assert x.grad is not None
    assert network.reasons == ("its inputs require gradients, which a plan does not compute",)


def test_arguments_and_outputs_are_nested_as_the_model_has_them() -> None:
    def named(conv: nn.Module, x: Tensor, *, twice: bool, other: Tensor) -> Any:
        y = conv(x)
        scaled = y * 2 if twice else y
        return OrderedDict(first=scaled + other, rest=[None, x.shape[0], (y,)])

    model = Calling(named).eval()
    network = OptimizedNetwork(model, "default")
    x, other = torch.rand(2, 3, 5, 5), torch.rand(1)
    for twice in (True, False):
        found = network(x, twice=twice, other=other)
        expected = model(x, twice=twice, other=other)
        assert list(found) == ["first", "rest"]
        assert_close(found["first"], expected["first"])
        assert found["rest"][:2] == [None, 2]
        assert_close(found["rest"][2][0], expected["rest"][2][0])
    assert not network.reasons


def test_threads_may_call_it_at_once() -> None:
    model = small()
    network = optimize(model, torch.rand(1, 3, 9, 9))
    inputs = [torch.rand(1, 3, 9, 9) for _ in range(4)]
    expected = [model(x).detach() for x in inputs]
    wrong: list[int] = []

    def call(x: Tensor, y: Tensor) -> None:
        wrong.extend(1 for _ in range(200) if not torch.allclose(network(x), y, atol=1e-5))

    threads = [
        threading.Thread(target=call, args=each) for each in zip(inputs, expected, strict=True)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_memory_decides_which_weights_are_packed() -> None:
    model, x = wide(), torch.rand(1, 128, 28, 28)
    weight_bytes = weight_of(model).nbytes
    free = optimize(model, x)
    within = optimize(model, x, memory="3 MB")
    assert free.plan(x).bytes > 3_000_000
    assert weight_bytes < within.plan(x).bytes <= 3_000_000
    assert_close(within(x), model(x))
    with pytest.raises(NetworkError, match="bytes of memory, 1,000 are allowed"):
        optimize(model, x, memory=1000)


def test_a_network_outside_the_accuracy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = OptimizedNetwork.forward
    monkeypatch.setattr(OptimizedNetwork, "forward", lambda *args: 1.001 * wrong(*args))
    with pytest.raises(NetworkError, match=r"its error is 1.0e-03, and the accuracy allows"):
        optimize(small(), torch.rand(1, 3, 9, 9))


def test_an_output_that_is_not_a_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        OptimizedNetwork, "forward", lambda *args: torch.full((1, 8, 7, 7), float("nan"))
    )
    with pytest.raises(NetworkError, match="its error is inf"):
        optimize(small(), torch.rand(1, 3, 9, 9))


def test_a_strict_plan_has_the_same_bits_for_any_number_of_threads() -> None:
    model, x = small(), torch.rand(1, 3, 33, 33)
    before = torch.get_num_threads()
    outputs = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            outputs.append(optimize(model, x, accuracy="strict")(x))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(each, outputs[0]) for each in outputs)

"""Values get places: views share memory, and what a network returns is laid as PyTorch lays it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from support.optimized import Calls, check, kernels, optimized

X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
CHANNELS_LAST = X.to(memory_format=torch.channels_last)


def convolution() -> nn.Conv2d:
    return nn.Conv2d(4, 4, 3, padding=1)


@pytest.mark.parametrize("x", [X, CHANNELS_LAST], ids=["contiguous", "channels last"])
@pytest.mark.parametrize(
    "layer",
    [
        convolution(),
        nn.ConvTranspose2d(4, 6, 3, 2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Sequential(nn.Conv2d(4, 64, 1), nn.Conv2d(64, 64, 3)),
    ],
)
def test_outputs_have_the_strides_of_pytorchs(layer: nn.Module, x: Tensor) -> None:
    fast = check(layer, x)
    assert fast(x).stride() == layer(x).stride()


def test_inputs_with_gaps() -> None:
    wide = torch.randn(2, 4, 8, 20)
    model = nn.Sequential(convolution(), nn.ReLU())
    for x in (wide[..., 3:11], wide[..., ::2], X.expand(2, 2, 4, 8, 8)[1], X.transpose(2, 3)):
        check(model, x)
    check(model, X[:1].expand(3, 4, 8, 8))


def test_views_share_memory() -> None:
    def views(layer: nn.Module, x: Tensor) -> Tensor:
        y = layer(x).permute(0, 2, 3, 1)[:, 1:]
        return layer(y.permute(0, 3, 1, 2))  # type: ignore[no-any-return]

    model = Calls(views, convolution())
    assert "PyTorch" not in kernels(check(model, X), X)


def test_views_that_are_returned() -> None:
    def views(layer: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
        y: Tensor = layer(x)
        return (
            y,
            y.flatten(1),
            y[:, 1:3],
            y.permute(0, 2, 3, 1),
            *y.chunk(2, 1),
            y.expand(3, *y.shape),
        )

    check(Calls(views, convolution()), X)


def test_a_view_as_another_element_type_is_copied() -> None:
    def as_complex(a: nn.Module, b: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.view_as_complex(a(x).reshape(2, 4, 8, 4, 2))
        return torch.view_as_real(y), b(b(b(x)))

    model = Calls(as_complex, convolution(), convolution())
    fast = check(model, X)
    first, _ = fast(X)
    before = first.clone()
    fast(X + 1)
    assert torch.equal(first, before)


def same(x: Tensor) -> Tensor:
    return x


def parts(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:1], x[1:]


@pytest.mark.parametrize("function", [same, parts])
def test_an_input_that_is_returned(function: Callable[[Tensor], Any]) -> None:
    check(Calls(function), X)
    check(Calls(lambda layer, x: (function(x), layer(x)), convolution()), X)


def test_an_input_that_is_overwritten_in_pytorch() -> None:
    def overwritten(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        before = layer(x)
        x.mul_(2)
        return before + layer(x), x

    fast = check(Calls(overwritten, convolution()), X)
    before = X.clone()
    fast(X)
    assert torch.equal(X, before)


def test_one_value_returned_twice() -> None:
    def twice(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        y: Tensor = layer(x)
        return y, y

    check(Calls(twice, convolution()), X)


def test_constants() -> None:
    def with_constants(layer: nn.Conv2d, x: Tensor) -> tuple[Tensor, ...]:
        return layer(x) * torch.tensor([1.0, 2.0]).repeat(4), torch.arange(3), layer.weight

    check(Calls(with_constants, convolution()), X)


def test_constants_that_are_returned_may_be_written_to() -> None:
    fast = check(Calls(lambda x: (torch.arange(3.0), torch.ones(2, 2)[0] * 2, x)), X)
    for _ in range(2):
        numbers, twos, _ = fast(X)
        assert numbers.add_(1).tolist() == [1, 2, 3]
        assert twos.mul_(2).tolist() == [4, 4]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.nonzero(),
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * x.max().item(),
    ],
)
def test_what_depends_on_numbers_runs_as_it_was(function: Callable[[Tensor], Tensor]) -> None:
    fast = check(Calls(function), X)
    assert len(fast.reasons) == 1


def test_a_dtype_that_only_an_operation_in_place_keeps() -> None:
    def added(x: Tensor, y: Tensor) -> Tensor:
        return (x * 1).add_(y)

    fast = check(Calls(added), X.bfloat16(), X)
    assert "other shapes or element types than in place" in fast.reasons[0]
    assert fast(X.bfloat16(), X).dtype == torch.bfloat16


def test_weights_computed_by_the_network() -> None:
    def by_input(layer: nn.Module, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.relu(torch.conv2d(layer(x), weight.softmax(0), bias)) + 1

    fast = check(Calls(by_input, convolution()), X, torch.randn(5, 4, 3, 3), torch.randn(5))
    assert not fast.reasons


def test_results_of_pytorch_between_kernels() -> None:
    def between(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        return b(torch.cumsum(a(x), 1)) + a(x).topk(3, 1)[0].sum(1, keepdim=True)  # type: ignore[no-any-return]

    model = Calls(between, convolution(), convolution())
    assert kernels(check(model, X), X).count("PyTorch") == 3


def test_operations_that_return_nothing_beside_a_result() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    assert "PyTorch" in kernels(check(layer, torch.randn(2, 5, 8)), torch.randn(2, 5, 8))
    attention = Calls(lambda a, x: a(x, x, x, need_weights=False), nn.MultiheadAttention(8, 2))
    check(attention, torch.randn(5, 2, 8))


def test_random_numbers_are_pytorchs() -> None:
    model = Calls(lambda layer, x: layer(x) + torch.randn(2, 4, 8, 8), convolution())
    fast = optimized(model)
    with torch.no_grad():
        fast(X)
        torch.manual_seed(0)
        found = fast(X)
        torch.manual_seed(0)
        assert torch.allclose(found, model(X), atol=1e-5)

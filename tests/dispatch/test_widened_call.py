"""Recorded calls of 16 bits in float32: outputs and gradients are float32's, rounded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import glassconv
import glassconv.nn
from glassconv.dispatch import dispatch, machine_store
from glassconv.dispatch import widened_call as widened
from glassconv.errors import DtypeError, ShapeError
from support.fixed_machine import with_slow_16_bits

Shape = tuple[int, ...]
CASES: dict[str, tuple[str, Shape, Shape, dict[str, Any]]] = {
    "1-D": ("conv1d", (8, 64, 300), (64, 64, 3), {}),
    "2-D": ("conv2d", (4, 32, 28, 28), (48, 32, 3, 3), {"padding": 1}),
    "unbatched": ("conv2d", (64, 40, 40), (64, 64, 3, 3), {}),
    "fast": ("conv2d", (4, 32, 28, 28), (48, 32, 3, 3), {"accuracy": "fast"}),
    "activation": ("conv2d", (4, 32, 28, 28), (48, 32, 3, 3), {"activation": "relu"}),
    "transposed": (
        "conv_transpose2d",
        (8, 64, 14, 14),
        (64, 9, 4, 4),
        {"stride": 2, "output_padding": 1},
    ),
}
DTYPES = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])


@pytest.fixture(autouse=True)
def _where_16_bits_are_slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(machine_store, "machine", with_slow_16_bits)
    dispatch.forget()
    yield
    dispatch.forget()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the functions of the calls that were computed in float32."""
    seen: list[str] = []
    before = widened.WidenedCall.__call__

    def call(self: widened.WidenedCall, *arrays: Any) -> Tensor:
        seen.append(self.arguments.function)
        return before(self, *arrays)

    monkeypatch.setattr(widened.WidenedCall, "__call__", call)
    return seen


def operands(input: Shape, weight: Shape, transposed: bool, dtype: torch.dtype) -> list[Tensor]:
    shapes = input, weight, (weight[1 if transposed else 0],)
    return [(torch.randn(shape) / 4).to(dtype).requires_grad_() for shape in shapes]


def in_float32(arrays: list[Tensor]) -> list[Tensor]:
    return [each.detach().float().requires_grad_(each.requires_grad) for each in arrays]


@DTYPES
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_gradients_are_those_of_float32_rounded_once(
    case: tuple[str, Shape, Shape, dict[str, Any]],
    dtype: torch.dtype,
    last: bool,
    calls: list[str],
) -> None:
    name, input, weight, options = case
    convolve: Callable[..., Tensor] = getattr(glassconv, name)
    arrays = operands(input, weight, "transpose" in name, dtype)
    if last and len(input) == 4:
        arrays[0] = arrays[0].detach().to(memory_format=torch.channels_last).requires_grad_()
    wide = in_float32(arrays)
    output, expected = convolve(*arrays, **options), convolve(*wide, **options)
    assert calls == [name]
    assert output.dtype == dtype
    assert output.stride() == expected.stride()
    grad = torch.randn(output.shape).to(dtype)
    found = torch.autograd.grad(output, arrays, grad)
    right = torch.autograd.grad(expected, wide, grad.float())
    for one, other in zip((output, *found), (expected, *right), strict=True):
        assert torch.equal(one, other.to(dtype))


@pytest.mark.parametrize("recorded", ["input", "weight", "bias", "residual"])
def test_one_array_alone_may_be_recorded(recorded: str, calls: list[str]) -> None:
    names = ("input", "weight", "bias", "residual")
    arrays = operands((4, 32, 28, 28), (48, 32, 3, 3), False, torch.bfloat16)
    arrays.append((torch.randn(4, 48, 26, 26) / 4).bfloat16())
    arrays = [
        each.detach().requires_grad_(name == recorded)
        for name, each in zip(names, arrays, strict=True)
    ]
    wide = in_float32(arrays)
    place = names.index(recorded)
    output, expected = (
        glassconv.conv2d(input, weight, bias, residual=residual, activation="relu")
        for input, weight, bias, residual in (arrays, wide)
    )
    assert torch.equal(output, expected.bfloat16())
    (found,) = torch.autograd.grad(output.float().square().sum(), arrays[place])
    (right,) = torch.autograd.grad(output.detach().float().mul(2) * expected, wide[place],
                                   torch.ones_like(expected))  # fmt: skip
    assert torch.equal(found, right.bfloat16())
    assert found.abs().sum() > 0


def test_second_derivatives_flow_through_it(calls: list[str]) -> None:
    arrays = operands((4, 32, 28, 28), (48, 32, 3, 3), False, torch.bfloat16)[:2]
    found = []
    for input, weight in (arrays, in_float32(arrays)):
        output = glassconv.conv2d(input, weight)
        (first,) = torch.autograd.grad(output.float().square().sum(), input, create_graph=True)
        (second,) = torch.autograd.grad(first.float().square().sum(), weight)
        found.append(second.double())
    torch.testing.assert_close(*found, rtol=0.05, atol=0.05 * float(found[1].abs().max()))
    assert calls


@pytest.mark.parametrize("accuracy", ["default", "strict"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_a_residual_of_another_type_is_refused(accuracy: str, dtype: torch.dtype) -> None:
    input, weight, bias = operands((4, 32, 28, 28), (48, 32, 3, 3), False, torch.bfloat16)
    residual = torch.ones(4, 48, 26, 26, dtype=dtype)
    with pytest.raises(DtypeError):
        glassconv.conv2d(input, weight, bias, residual=residual, accuracy=accuracy)
    with pytest.raises(ShapeError, match="residual"):
        glassconv.conv2d(input, weight, bias, residual=input, accuracy=accuracy)


def test_an_algorithm_that_is_named_is_not_replaced(calls: list[str]) -> None:
    input, weight, bias = operands((4, 32, 28, 28), (48, 32, 3, 3), False, torch.bfloat16)
    glassconv.conv2d(input, weight, bias, algorithm="im2col")
    assert not calls


def test_a_layer_under_autocast_is_trained_so(calls: list[str]) -> None:
    layer = nn.Conv2d(32, 48, 3)
    swapped = glassconv.nn.swap(nn.Sequential(layer)).model
    input = torch.randn(4, 32, 28, 28)
    gradients = []
    for each in (layer, swapped):
        each.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = each(input)
        assert output.dtype == torch.bfloat16
        output.float().square().mean().backward()
        assert layer.weight.grad is not None
        gradients.append(layer.weight.grad.clone())
    assert calls == ["conv2d"]
    torch.testing.assert_close(*gradients, rtol=0.02, atol=0.02 * float(gradients[0].abs().max()))

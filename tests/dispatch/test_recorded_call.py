"""Calls that autograd records, with every gradient by kernels, whichever is predicted to win."""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import glassconv
from glassconv import parse
from glassconv.dispatch import dispatch
from glassconv.dispatch.devices import CPU
from glassconv.dispatch.select import AUTO, chosen
from glassconv.errors import UnsupportedError
from glassconv.kernels import KERNELS, weight_gradients
from glassconv.kernels.weight_gradients import GradientKernel, fastest
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import Problem
from glassconv.reports.choice import Candidate
from glassconv.reports.machine import Machine
from support.every_kernel import choose_every_kernel
from support.gradient_bounds import assert_within_bound, gradients
from support.no_gradient import without_gradient
from support.torch_calls import CALLS, SHAPES, Calls

FLOAT64 = torch.float64
DEPTHWISE = "5x7x8 5@3x3 p1 g5"
ALL = {**{name: calls for name, calls in CALLS.items() if "3-D" not in name}, **SHAPES}
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # which copies the input
EVERY_CALL = pytest.mark.parametrize("calls", ALL.values(), ids=ALL)


@pytest.fixture(autouse=True)
def _by_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let kernels compute every gradient that they support."""
    monkeypatch.setattr(dispatch, "choose_gradients", choose_every_kernel)
    dispatch.forget()
    yield
    dispatch.forget()


@EVERY_CALL
def test_both_derivatives_are_those_of_finite_differences(calls: Calls) -> None:
    arrays = calls.arrays(FLOAT64, requires_grad=True)
    assert type(calls.ours(*arrays).grad_fn).__name__ == "_ConvolutionBackward"
    assert gradcheck(calls.ours, arrays, fast_mode=True)
    assert gradgradcheck(calls.ours, arrays, fast_mode=True)


@pytest.mark.parametrize("name", weight_gradients.KERNELS)
@pytest.mark.parametrize("last", [False, True])
def test_derivatives_by_each_kernel_of_the_weights_gradient(
    name: str, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, used = weight_gradients.KERNELS[name], []

    def forced(problem: ConvProblem, layout: str, machine: Machine) -> GradientKernel:
        if not kernel.supports(problem, layout):
            return fastest(problem, layout, machine)
        used.append(problem)
        return kernel

    monkeypatch.setattr(weight_gradients, "fastest", forced)
    for calls in (CALLS["2-D"], SHAPES["strided"], SHAPES["depthwise"], SHAPES["pointwise"]):
        arrays = calls.arrays(FLOAT64, requires_grad=True)
        if last:
            image = arrays[0].detach().contiguous(memory_format=torch.channels_last)
            arrays = image.requires_grad_(), *arrays[1:]
        assert gradcheck(calls.ours, arrays, fast_mode=True)
        assert gradgradcheck(calls.ours, arrays, fast_mode=True)
    layouts = [each for each in (NCHW, NHWC) if kernel.supports(parse(DEPTHWISE), each)]
    assert used or (last and layouts == [NCHW])


@pytest.mark.parametrize("name", KERNELS)
def test_derivatives_by_each_kernel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def forced(
        problem: Problem, algorithm: str, accuracy: str, layout: str = NCHW, device: str = CPU
    ) -> Candidate:
        if algorithm != AUTO:  # the plain sums of whole numbers
            return chosen(problem, algorithm, accuracy, layout, device)
        try:
            found = chosen(problem, name, "strict" if name == "ordered" else "any", layout, device)
        except UnsupportedError:
            return chosen(problem, algorithm, accuracy, layout, device)
        used.append(found.kernel)
        return found

    monkeypatch.setattr(dispatch, "chosen", forced)
    for calls in map(ALL.__getitem__, ("2-D", "strided", "depthwise", "wide", "one pixel")):
        arrays = calls.arrays(FLOAT64, requires_grad=True)
        assert gradcheck(calls.ours, arrays, fast_mode=True)
        assert gradgradcheck(calls.ours, arrays, fast_mode=True)
    assert any(used)


@EVERY_CALL
def test_gradients_are_within_their_bounds(calls: Calls) -> None:
    arrays = calls.arrays()
    grad = torch.randn_like(calls.theirs(*arrays))
    assert_within_bound(gradients(calls.ours, arrays, grad), calls.theirs, arrays, grad)


def test_channels_last_gradients_have_pytorchs_layout() -> None:
    calls = SHAPES["strided"]
    arrays = [each.requires_grad_() for each in calls.arrays()]
    image = arrays[0].detach().to(memory_format=torch.channels_last).requires_grad_()
    output = calls.ours(image, *arrays[1:])
    assert output.is_contiguous(memory_format=torch.channels_last)
    grad = torch.randn_like(output)
    found = torch.autograd.grad(output, (image, *arrays[1:]), grad)
    assert_within_bound(found, calls.theirs, (image, *arrays[1:]), grad)
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_a_batch_of_output_gradients() -> None:
    arrays = [each.requires_grad_() for each in CALLS["2-D"].arrays()]
    output = CALLS["2-D"].ours(*arrays)
    grads = torch.randn(2, *output.shape)
    found = torch.autograd.grad(output, arrays, grads, is_grads_batched=True)
    for i in range(2):
        each = [batch[i] for batch in found]
        assert_within_bound(each, CALLS["2-D"].theirs, arrays, grads[i])


def test_a_weight_that_changes_is_packed_again() -> None:
    calls = CALLS["2-D"]
    input, weight, bias = (torch.nn.Parameter(each) for each in calls.arrays())
    for _ in range(3):
        output = calls.ours(input, weight, bias)
        grad = torch.randn_like(output)
        found = torch.autograd.grad(output, (input, weight, bias), grad)
        assert_within_bound(found, calls.theirs, (input, weight, bias), grad)
        with torch.no_grad():
            weight.sub_(found[1])


def test_third_derivatives() -> None:
    def derivative(input: Tensor, weight: Tensor) -> Tensor:
        output = glassconv.conv2d(input, weight, padding=1).pow(3).sum()
        (first,) = torch.autograd.grad(output, weight, create_graph=True)
        return first

    input = torch.randn(1, 2, 4, 3, dtype=FLOAT64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=FLOAT64, requires_grad=True)
    assert gradgradcheck(derivative, (input, weight), fast_mode=True)


@pytest.mark.parametrize("accuracy", ["default", "strict"])
def test_an_output_without_a_gradient_gives_none(accuracy: str) -> None:
    arrays = CALLS["2-D"].arrays(FLOAT64, requires_grad=True)
    output = CALLS["2-D"].ours(*arrays, accuracy=accuracy)
    (first,) = torch.autograd.grad(output.square().sum(), arrays[1], create_graph=True)
    for each in (output, first):
        seen = without_gradient(each).sum()
        found = torch.autograd.grad(seen, arrays, retain_graph=True, allow_unused=True)
        assert found == (None,) * len(arrays)


def test_a_freed_graph_is_reported() -> None:
    arrays = CALLS["2-D"].arrays(requires_grad=True)
    output = CALLS["2-D"].ours(*arrays).sum()
    output.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        output.backward()


@pytest.mark.parametrize("accuracy", ["default", "strict"])
def test_second_derivatives_under_autocast_are_those_without_it(accuracy: str) -> None:
    generator = torch.Generator().manual_seed(0)
    input = torch.randn(4, 32, 32, 32, generator=generator, requires_grad=True)
    weight = torch.randn(64, 32, 4, 4, generator=generator, requires_grad=True)
    output = glassconv.conv2d(input, weight, stride=2, padding=1, accuracy=accuracy)
    (gradient,) = torch.autograd.grad(output.square().sum(), [weight], create_graph=True)
    (right,) = torch.autograd.grad(gradient.square().sum(), [input], retain_graph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = torch.autograd.grad(gradient.square().sum(), [input])
    assert torch.allclose(found, right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))
    if accuracy == "strict":
        assert torch.equal(found, right)


@EVERY_CALL
@pytest.mark.parametrize("accuracy", ["default", "strict"])
@pytest.mark.parametrize("last", [False, True])
def test_outputs_and_gradients_may_be_changed_in_place(
    calls: Calls, accuracy: str, last: bool
) -> None:
    arrays = calls.arrays(FLOAT64)
    if last and len(calls.input) == 4:
        arrays = arrays[0].contiguous(memory_format=torch.channels_last), *arrays[1:]

    def changed(*arrays: Tensor) -> tuple[Tensor, ...]:
        output = calls.ours(*arrays, accuracy=accuracy).relu_()
        found = torch.autograd.grad(output.pow(3).sum(), arrays, create_graph=True)
        return tuple(each.mul_(2) for each in found)

    assert gradcheck(changed, [each.requires_grad_() for each in arrays], fast_mode=True)

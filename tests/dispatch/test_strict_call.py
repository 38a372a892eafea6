"""Gradients in "strict": the bits of the published order, through every way to ask for them."""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode

import glassconv
from glassconv.algorithms import named
from glassconv.algorithms.parts.ordered_gradients import sum_over_pixels, weight_gradient
from glassconv.dispatch import dispatch, recorded_call, select
from glassconv.dispatch.memory import MemoryLimit
from glassconv.errors import UnsupportedError
from glassconv.problem.arguments import problem_of
from glassconv.problem.gradients import convolution_of, transpose_of
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import transposed_of
from support.gradient_bounds import assert_within_bound
from support.strict_problems import same_bits
from support.torch_calls import CALLS, SHAPES, Calls

ALL = {**CALLS, **SHAPES}
EVERY_CALL = pytest.mark.parametrize("calls", ALL.values(), ids=ALL)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # which copies the input
STRICT = {"accuracy": "strict"}
FLOAT64 = torch.float64
CALL = CALLS["2-D"]
WIDE = Calls(  # output padding of more than a stride: no input reaches the last outputs
    "conv_transpose2d", (1, 3, 4, 5), (3, 2, 2, 3), 2, {"dilation": 3, "output_padding": (2, 1)}
)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def problem_like(calls: Calls) -> Problem:
    """Return the problem of a call."""
    make = transposed_of if "transpose" in calls.name else problem_of
    bias = None if calls.bias is None else (calls.bias,)
    return make(calls.input, calls.weight, bias, **calls.options)


def definition(calls: Calls, arrays: tuple[Tensor, ...], grad: Tensor) -> tuple[Tensor, ...]:
    """Return the gradient of each array as docs/reproducible.md defines it."""
    problem, (input, weight) = problem_like(calls), (each.detach() for each in arrays[:2])
    unbatched = input.dim() == problem.ndim + 1
    if unbatched:
        input, grad = input[None], grad[None]
    of_input = named("ordered").run(transpose_of(problem), grad, weight, None)
    pair = (grad, input) if "transpose" in calls.name else (input, grad)
    of_weight = weight_gradient(convolution_of(problem), *pair)
    pixels = sum_over_pixels(problem)
    ones = torch.ones(pixels.input_shape, dtype=grad.dtype)
    of_bias = weight_gradient(pixels, ones, grad.flatten(2)).flatten()
    return (of_input[0] if unbatched else of_input, of_weight, of_bias)[: len(arrays)]


def gradients(calls: Calls, arrays: tuple[Tensor, ...], grad: Tensor) -> tuple[Tensor, ...]:
    """Return the gradient of each array in "strict"."""
    leaves = [each.detach().requires_grad_() for each in arrays]
    return torch.autograd.grad(calls.ours(*leaves, **STRICT), leaves, grad)


def assert_same_bits(found: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> None:
    """Assert that each array has the bits of the other."""
    assert len(found) == len(right)
    assert all(map(same_bits, found, right))


@EVERY_CALL
def test_derivatives_are_those_of_finite_differences(calls: Calls) -> None:
    arrays = calls.arrays(FLOAT64, requires_grad=True)
    ours = partial(calls.ours, **STRICT)
    assert gradcheck(ours, arrays, fast_mode=True)
    assert gradgradcheck(ours, arrays, fast_mode=True)


@EVERY_CALL
def test_gradients_have_the_bits_of_the_definition(calls: Calls, threads: None) -> None:
    for dtype in (torch.float32, FLOAT64):
        arrays = calls.arrays(dtype)
        grad = torch.randn_like(calls.theirs(*arrays))
        right = definition(calls, arrays, grad)
        for number in (1, 2, 3, 4):
            torch.set_num_threads(number)
            assert_same_bits(gradients(calls, arrays, grad), right)
        if len(calls.input) == 4:
            image, *rest = arrays
            last = image.contiguous(memory_format=torch.channels_last), *rest
            assert_same_bits(gradients(calls, last, grad), right)


@pytest.mark.parametrize("needed", range(3))
def test_each_gradient_alone_has_the_same_bits(needed: int) -> None:
    arrays = CALL.arrays()
    grad = torch.randn_like(CALL.theirs(*arrays))
    leaves = [each.detach().requires_grad_(i == needed) for i, each in enumerate(arrays)]
    found = torch.autograd.grad(CALL.ours(*leaves, **STRICT), leaves[needed], grad)
    assert_same_bits(found, definition(CALL, arrays, grad)[needed : needed + 1])


def test_the_gradients_of_images_added_one_after_another_are_those_of_the_batch() -> None:
    calls = Calls("conv2d", (5, 3, 20, 19), (4, 3, 3, 3), 4, {"padding": 1})
    input, weight, bias = calls.arrays()
    grad = torch.randn_like(calls.theirs(input, weight, bias))
    image, whole, of_bias = gradients(calls, (input, weight, bias), grad)
    sums = torch.zeros_like(weight), torch.zeros_like(bias)
    for i in range(5):
        part = gradients(calls, (input[i : i + 1], weight, bias), grad[i : i + 1])
        assert same_bits(part[0], image[i : i + 1])
        sums = sums[0] + part[1], sums[1] + part[2]
    assert_same_bits(sums, (whole, of_bias))


def second_derivatives(arrays: tuple[Tensor, ...], direction: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of a product of gradients."""
    leaves = [each.detach().requires_grad_() for each in arrays]
    output = CALL.ours(*leaves, **STRICT)
    first = torch.autograd.grad(output, leaves, direction, create_graph=True)
    total = torch.stack([each.pow(3).sum() for each in first]).sum()
    return torch.autograd.grad(total, leaves[:2])


def test_higher_derivatives_have_the_same_bits_and_are_never_pytorchs(
    threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("PyTorch's convolution")

    dispatch.forget()
    monkeypatch.setattr(recorded_call, "pytorch_gradients", refuse)
    monkeypatch.setattr(dispatch, "pytorch_call", refuse)
    arrays = CALL.arrays()
    direction = torch.randn_like(CALL.theirs(*arrays))
    found = []
    for number in (1, 2, 4):
        torch.set_num_threads(number)
        found.append(second_derivatives(arrays, direction))
    last = arrays[0].contiguous(memory_format=torch.channels_last), *arrays[1:]
    for each in (*found[1:], second_derivatives(last, direction)):
        assert_same_bits(each, found[0])


class Names(TorchDispatchMode):
    """Records the operations of PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["2-D", "transposed, dilated"])
def test_a_mode_sees_the_definition(name: str) -> None:
    calls = ALL[name]
    arrays = calls.arrays()
    leaves = [each.requires_grad_() for each in arrays]
    output = calls.ours(*leaves, **STRICT)
    grad = torch.randn_like(output)
    with Names() as names:
        found = torch.autograd.grad(output, leaves, grad)
    assert_same_bits(found, definition(calls, arrays, grad))
    assert names.seen
    assert not [name for name in names.seen if "conv" in name]


def test_batches_of_output_gradients_are_pytorchs() -> None:
    arrays = [each.requires_grad_() for each in CALL.arrays()]
    output = CALL.ours(*arrays, **STRICT)
    grads = torch.randn(2, *output.shape)
    found = torch.autograd.grad(output, arrays, grads, is_grads_batched=True)
    for i in range(2):
        assert_within_bound([batch[i] for batch in found], CALL.theirs, arrays, grads[i])


def test_vmap_of_a_gradient_has_the_same_bits() -> None:
    arrays = CALL.arrays()
    leaves = [each.requires_grad_() for each in arrays]
    output = CALL.ours(*leaves, **STRICT)
    grads = torch.randn(2, *output.shape)

    def gradient(grad: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(output, leaves, grad, retain_graph=True)

    found = torch.vmap(gradient)(grads)
    for i in range(2):
        assert_same_bits(tuple(each[i] for each in found), definition(CALL, arrays, grads[i]))


def test_autocast_does_not_change_the_types_of_gradients() -> None:
    arrays = CALL.arrays()
    leaves = [each.requires_grad_() for each in arrays]
    output = CALL.ours(*leaves, **STRICT)
    grad = torch.randn_like(output)
    with torch.autocast("cpu"):
        found = torch.autograd.grad(output, leaves, grad)
    assert_same_bits(found, definition(CALL, arrays, grad))


def test_a_call_under_autocast_is_one_of_16_bits() -> None:
    leaves = [each.requires_grad_() for each in CALL.arrays()]
    with torch.autocast("cpu"):
        output = CALL.ours(*leaves, **STRICT)
    cast = [each.detach().bfloat16().requires_grad_() for each in leaves]
    right = CALL.ours(*cast, **STRICT)
    assert same_bits(output, right)
    grad = torch.randn_like(output)
    found, rounded = (
        torch.autograd.grad(*each, grad) for each in ((output, leaves), (right, cast))
    )
    assert_same_bits(found, tuple(each.float() for each in rounded))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_of_16_bits_are_those_of_float32_rounded_once(dtype: torch.dtype) -> None:
    arrays = tuple(each.to(dtype) for each in CALL.arrays())
    grad = torch.randn_like(CALL.theirs(*arrays))
    wide = definition(CALL, tuple(each.float() for each in arrays), grad.float())
    assert_same_bits(gradients(CALL, arrays, grad), tuple(each.to(dtype) for each in wide))


def test_an_error_of_16_bits_repeats_the_problem_in_16_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leaves = [each.bfloat16().requires_grad_() for each in CALL.arrays()]
    monkeypatch.setattr(select, "memory_limit", lambda: MemoryLimit(1, "this test"))
    dispatch.forget()
    with pytest.raises(UnsupportedError, match="bfloat16") as raised:
        CALL.ours(*leaves, **STRICT)
    assert "float32" not in str(raised.value)
    dispatch.forget()


def test_a_residual_of_16_bits_is_added_before_the_output_is_rounded() -> None:
    arrays = tuple(each.bfloat16() for each in CALL.arrays())
    residual = torch.randn_like(CALL.theirs(*arrays))
    alone = CALL.ours(*arrays, residual=residual, activation="relu", **STRICT)
    leaves = [each.clone().requires_grad_() for each in arrays]
    recorded = CALL.ours(*leaves, residual=residual, activation="relu", **STRICT)
    assert same_bits(recorded.detach(), alone)


@pytest.mark.parametrize(
    "calls",
    [
        WIDE,
        Calls("conv_transpose1d", (2, 1, 1), (1, 1, 1), 1,
              {"dilation": 4, "output_padding": 3, "padding": 1}),  # no input reaches any output
    ],
    ids=["some", "all"],
)  # fmt: skip
def test_outputs_that_no_input_reaches_have_no_part_in_gradients(calls: Calls) -> None:
    arrays = calls.arrays(FLOAT64, requires_grad=True)
    ours = partial(calls.ours, **STRICT)
    assert gradcheck(ours, arrays, fast_mode=True)
    assert gradgradcheck(ours, arrays, fast_mode=True)
    grad = torch.randn_like(calls.theirs(*arrays))
    theirs = torch.autograd.grad(calls.theirs(*arrays), arrays, grad)
    for found, right in zip(gradients(calls, arrays, grad), theirs, strict=True):
        torch.testing.assert_close(found, right)


def test_an_output_gradient_that_is_not_finite_meets_no_padding() -> None:
    input, weight = torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3, requires_grad=True)
    output = glassconv.conv2d(input, weight, padding=1, accuracy="strict")
    grad = torch.ones_like(output)
    grad[0, 1, 0, 0] = torch.inf  # whose window's first row and column are padding
    (found,) = torch.autograd.grad(output, weight, grad)
    assert torch.isfinite(found[1, :, 0]).all()
    assert torch.isfinite(found[1, :, :, 0]).all()
    assert torch.isinf(found[1, :, 1:, 1:]).all()
    assert torch.isfinite(found[[0, 2]]).all()


def test_an_empty_batch_has_gradients_of_zero() -> None:
    arrays = torch.empty(0, 3, 5, 6), *CALL.arrays()[1:]
    _, weight, bias = gradients(CALL, arrays, torch.empty(0, 4, 5, 6))
    assert not weight.any()
    assert not bias.any()

"""Gradients in graphs of torch.compile: the kernels', right within their bounds, as outside."""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch._functorch._aot_autograd.utils import make_boxed_func
from torch.autograd import gradcheck
from torch.fx import GraphModule
from torch.utils.flop_counter import FlopCounterMode

import glassconv
from glassconv.dispatch import dispatch
from glassconv.dispatch.gradient_operator import convolution_backward
from glassconv.dispatch.pytorch_call import PyTorchCall
from glassconv.dispatch.pytorch_gradients import Needed
from glassconv.dispatch.recorded_call import RecordedCall
from glassconv.dispatch.widened_call import WidenedCall
from support.every_kernel import choose_every_kernel
from support.gradient_bounds import assert_within_bound, gradients
from support.operator_calls import operator_of, settings_of
from support.torch_calls import CALLS, SHAPES, Calls

FLOAT64 = torch.float64
# Of "same" the operator gets numbers, which only a call of `functional` makes of the word.
ALL = {**CALLS, **{name: calls for name, calls in SHAPES.items() if name != "uneven padding"}}
EVERY_CALL = pytest.mark.parametrize("calls", ALL.values(), ids=ALL)
EVERY_GRADIENT = (True, True, True)
UNEVEN = {"padding": [1, 0, 1, 2]}
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def _by_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let kernels compute every gradient that they support."""
    monkeypatch.setattr(dispatch, "choose_gradients", choose_every_kernel)
    _forget()
    yield
    _forget()


def _forget() -> None:
    dispatch.forget()
    torch.compiler.reset()


def _last(array: Tensor) -> Tensor:
    is_image = array.dim() == 4
    return array.to(memory_format=torch.channels_last) if is_image else array


def _arguments(
    calls: Calls, convert: Callable[[Tensor], Tensor], needed: Needed, **changed: Any
) -> tuple[Any, ...]:
    """Return arguments of the operator, for a random gradient of the call's output."""
    input, weight, *_ = calls.arrays()
    output = operator_of(calls, **changed)(*calls.arrays())
    grad = torch.randn_like(output)
    return convert(grad), convert(input), weight, *settings_of(calls, **changed), needed


NEEDED = [EVERY_GRADIENT, (True, False, False), (False, True, False), (False, False, True)]


@pytest.mark.parametrize("convert", [Tensor.contiguous, _last], ids=["first", "last"])
@EVERY_CALL
def test_pytorch_finds_nothing_wrong_with_it(
    calls: Calls, convert: Callable[[Tensor], Tensor]
) -> None:
    for needed in NEEDED:
        arguments = _arguments(calls, convert, needed)
        tests = ("test_schema", "test_faketensor")
        torch.library.opcheck(convolution_backward, arguments, test_utils=tests)
        _, input, weight, *_ = arguments
        found = iter(convolution_backward(*arguments))
        for operand, is_needed in zip((input, weight), needed, strict=False):
            if is_needed:
                assert next(found).stride() == torch.empty_like(operand).stride()


@pytest.mark.parametrize("name", ["2-D", "transposed image without bias"])
def test_pytorch_finds_nothing_wrong_with_uneven_padding(name: str) -> None:
    arguments = _arguments(CALLS[name], _last, EVERY_GRADIENT, **UNEVEN)
    torch.library.opcheck(convolution_backward, arguments)


@pytest.mark.parametrize("name", ["2-D", "transposed image without bias"])
def test_derivatives_of_uneven_padding(name: str) -> None:
    call = operator_of(CALLS[name], **UNEVEN)
    assert gradcheck(call, CALLS[name].arrays(FLOAT64, requires_grad=True), fast_mode=True)


@pytest.mark.parametrize("convert", [Tensor.contiguous, _last], ids=["first", "last"])
@EVERY_CALL
def test_gradients_are_within_their_bounds(
    calls: Calls, convert: Callable[[Tensor], Tensor]
) -> None:
    input, *others = calls.arrays()
    arrays = convert(input), *others
    grad = torch.randn_like(calls.theirs(*arrays))
    assert_within_bound(gradients(operator_of(calls), arrays, grad), calls.theirs, arrays, grad)


def test_a_batch_of_output_gradients_is_pytorchs() -> None:
    arrays = [each.requires_grad_() for each in CALLS["2-D"].arrays()]
    output = operator_of(CALLS["2-D"])(*arrays)
    grads = torch.randn(2, *output.shape)
    found = torch.autograd.grad(output, arrays, grads, is_grads_batched=True)
    for i in range(2):
        each = [batch[i] for batch in found]
        assert_within_bound(each, CALLS["2-D"].theirs, arrays, grads[i])


def _operators_of_the_backward_graph(function: Callable[..., Tensor], *arrays: Tensor) -> list[str]:
    graphs: list[GraphModule] = []

    def run(graph: GraphModule, _: Any) -> Any:
        return make_boxed_func(graph.forward)

    def kept(graph: GraphModule, example: Any) -> Any:
        graphs.append(graph)
        return run(graph, example)

    backend = aot_autograd(fw_compiler=run, bw_compiler=kept)
    torch.compile(function, backend=backend, fullgraph=True)(*arrays).square().sum().backward()
    (graph,) = graphs
    return [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("name", ["2-D", "transposed 2-D, groups", "1-D"])
def test_the_graph_of_a_backward_pass_calls_it(name: str) -> None:
    arrays = CALLS[name].arrays(requires_grad=True)
    called = _operators_of_the_backward_graph(CALLS[name].ours, *arrays)
    assert "glassconv.convolution_backward.default" in called
    assert "aten.convolution_backward.default" not in called


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list to which what computes each call's gradients is added."""
    calls: list[Any] = []
    real = dispatch.gradient_call

    def kept(*arguments: Any) -> Any:
        calls.append(real(*arguments))
        return calls[-1]

    monkeypatch.setattr(dispatch, "gradient_call", kept)
    return calls


def test_kernels_compute_what_is_chosen(chosen: list[Any]) -> None:
    arrays = CALLS["2-D"].arrays()
    gradients(operator_of(CALLS["2-D"]), arrays, torch.ones(2, 4, 5, 6))
    (call,) = chosen
    assert isinstance(call, RecordedCall)
    assert call.of_input
    assert call.of_weight is not None


@pytest.mark.parametrize("form", [{"algorithm": "im2col"}, {"algorithm": "aten"}], ids=str)
def test_gradients_of_a_named_algorithm_are_pytorchs(
    form: dict[str, Any], chosen: list[Any]
) -> None:
    arrays = CALLS["2-D"].arrays(FLOAT64, requires_grad=True)
    assert gradcheck(operator_of(CALLS["2-D"], **form), arrays, fast_mode=True)
    assert chosen
    assert all(isinstance(each, PyTorchCall) for each in chosen)


def test_gradients_of_an_empty_batch() -> None:
    input, weight = torch.randn(0, 3, 5, 5), torch.randn(4, 3, 3, 3)
    function = torch.compile(glassconv.conv2d, backend="aot_eager", fullgraph=True)
    of_input, of_weight = gradients(function, (input, weight), torch.ones(0, 4, 3, 3))
    assert of_input.shape == input.shape
    assert torch.equal(of_weight, torch.zeros_like(weight))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_of_16_bits_may_be_those_of_float32(
    dtype: torch.dtype, chosen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        dispatch, "is_faster_in_float32", lambda problem, *_, **__: problem.dtype != "float32"
    )
    call, arrays = operator_of(CALLS["2-D"]), CALLS["2-D"].arrays(dtype)
    grad = torch.randn(2, 4, 5, 6, dtype=dtype)
    found = gradients(call, arrays, grad)
    wide = gradients(call, [each.float() for each in arrays], grad.float())
    assert isinstance(chosen[0], WidenedCall)
    for each, right in zip(found, wide, strict=True):
        assert torch.equal(each, right.to(dtype))


def test_strict_gradients_in_a_graph_are_those_outside() -> None:
    calls = SHAPES["strided"]
    arrays = calls.arrays()
    grad = torch.randn_like(calls.theirs(*arrays))

    def strict(*arrays: Tensor) -> Tensor:
        return calls.ours(*arrays, accuracy="strict")

    compiled = torch.compile(strict, backend="aot_eager", fullgraph=True)
    outside, inside = (gradients(each, arrays, grad) for each in (strict, compiled))
    assert all(torch.equal(*pair) for pair in zip(outside, inside, strict=True))


@pytest.mark.parametrize("name", ["2-D", "one image without bias", "transposed 2-D, groups"])
def test_its_operations_are_counted(name: str) -> None:
    counts = []
    for call in (operator_of(CALLS[name]), CALLS[name].theirs):
        arrays = CALLS[name].arrays(requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            call(*arrays).sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_one_graph_serves_many_sizes() -> None:
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    function = torch.compile(
        lambda x, w: glassconv.conv2d(x, w, padding=1), backend="aot_eager", dynamic=True
    )
    for size in (5, 8, 13):
        arrays = torch.randn(2, 3, size, size + 1), weight
        grad = torch.randn(2, 4, size, size + 1)
        found = gradients(function, arrays, grad)
        assert_within_bound(found, partial(F.conv2d, padding=1), arrays, grad)

"""What sees a call as it happens: make_fx, torch.fx, fake tensors, counters, __torch_function__."""

# mypy: allow-untyped-calls
from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

import glassconv
from glassconv.errors import ArgumentTypeError
from support.torch_calls import CALLS, Calls

EVERY_CALL = pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
INPUT, OTHER = torch.randn(2, 4, 9, 10), torch.randn(3, 4, 7, 5)
WEIGHT = torch.randn(8, 4, 3, 3)


@pytest.mark.parametrize("tracing_mode", ["real", "fake", "symbolic"])
@EVERY_CALL
def test_make_fx_records_one_convolution(calls: Calls, tracing_mode: Any) -> None:
    arrays = calls.arrays(torch.float64)
    graph = make_fx(calls.ours, tracing_mode=tracing_mode)(*arrays)
    assert graph.code.count("torch.ops.aten.convolution.default") == 1
    assert_close(graph(*arrays), calls.theirs(*arrays))


@pytest.mark.parametrize("algorithm", ["auto", "im2col"])
def test_a_graph_with_symbols_for_sizes_is_right_for_other_sizes(algorithm: str) -> None:
    def call(x: Tensor, w: Tensor) -> Tensor:
        return glassconv.conv2d(x, w, padding=1, activation="relu", algorithm=algorithm)

    graph = make_fx(call, tracing_mode="symbolic")(INPUT, WEIGHT)
    assert_close(graph(OTHER, WEIGHT), F.conv2d(OTHER, WEIGHT, padding=1).relu())


def test_a_graph_of_torch_fx_calls_our_function() -> None:
    class Layer(torch.nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return glassconv.conv2d(x, self.weight, self.bias, activation="relu")

    layer = Layer(4, 8, 3)
    graph = fx.symbolic_trace(layer)
    (node,) = (node for node in graph.graph.nodes if node.op == "call_function")
    assert node.target is glassconv.conv2d
    assert torch.equal(graph(INPUT), layer(INPUT))


@EVERY_CALL
def test_a_graph_of_torch_fx_keeps_the_arguments(calls: Calls) -> None:
    def of_two(x: Tensor, w: Tensor) -> Tensor:
        return calls.ours(x, w)

    def of_three(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return calls.ours(x, w, b)

    graph = fx.symbolic_trace(of_two if calls.bias is None else of_three)
    arrays = calls.arrays()
    assert torch.equal(graph(*arrays), calls.ours(*arrays))


def test_any_argument_may_be_a_proxy() -> None:
    graph = fx.symbolic_trace(lambda w: glassconv.conv2d(INPUT, w))
    assert torch.equal(graph(WEIGHT), glassconv.conv2d(INPUT, WEIGHT))
    graph = fx.symbolic_trace(lambda x, stride: glassconv.conv2d(x, WEIGHT, stride=stride))
    assert torch.equal(graph(INPUT, 2), glassconv.conv2d(INPUT, WEIGHT, stride=2))


@EVERY_CALL
def test_fake_tensors_have_shapes_and_no_numbers(calls: Calls) -> None:
    with FakeTensorMode() as mode:
        output = calls.ours(*map(mode.from_tensor, calls.arrays()))
    assert isinstance(output, FakeTensor)
    assert output.shape == calls.theirs(*calls.arrays()).shape


@EVERY_CALL
def test_operations_are_counted_as_pytorchs(calls: Calls) -> None:
    counts = []
    for call in (calls.ours, calls.theirs):
        with FlopCounterMode(display=False) as counter:
            call(*calls.arrays())
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


@pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")
def test_fvcore_counts_one_convolution() -> None:
    fvcore = pytest.importorskip("fvcore.nn", reason="fvcore counts operations in a trace")

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            return glassconv.conv2d(x, self.weight, padding=1)

    count = fvcore.FlopCountAnalysis(Layer(), torch.randn(1, 3, 9, 9))
    assert dict(count.by_operator()) == {"conv": 8748}
    assert not count.unsupported_ops()


class _Logged(Tensor):
    """A tensor that keeps which functions of PyTorch were called on it."""

    functions: list[Any] = []  # noqa: RUF012  one list for the class is meant

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        cls.functions.append(func)
        return super().__torch_function__(func, types, args, kwargs)


@pytest.mark.parametrize("place", [0, 1, 2])
@EVERY_CALL
def test_what_overrides_pytorchs_function_overrides_ours(calls: Calls, place: int) -> None:
    arrays = list(calls.arrays())
    if place >= len(arrays):
        return
    expected = calls.theirs(*arrays)
    arrays[place] = arrays[place].as_subclass(_Logged)
    _Logged.functions.clear()
    output = calls.ours(*arrays)
    called = [function.__name__ for function in _Logged.functions]
    assert [name for name in called if name != "__get__"] == [calls.name]  # attributes are read too
    assert type(output) is _Logged
    assert torch.equal(output.as_subclass(Tensor), expected)


def test_what_is_no_array_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="weight: list"):
        glassconv.conv2d(INPUT, [1.0])  # type: ignore[type-var]

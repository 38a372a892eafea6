"""The operator in compiled graphs: PyTorch's own checks of it, and each of its rules against F."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from glassconv.codegen.target import host
from glassconv.dispatch import dispatch
from glassconv.dispatch.operators import convolution
from glassconv.errors import UnknownNameError
from support.no_gradient import without_gradient
from support.operator_calls import operator_of, settings_of
from support.torch_calls import CALLS, Calls

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"  # torch's forward-mode calls it
)
FLOAT64 = torch.float64


def test_the_schema_is_readable_and_mutates_nothing() -> None:
    schema = convolution._schema
    assert schema.name == "glassconv::convolution"
    assert not schema.is_mutable
    assert [argument.name for argument in schema.arguments] == [
        *("input", "weight", "bias", "residual"),
        *("stride", "padding", "dilation", "output_padding", "groups"),
        *("transposed", "algorithm", "accuracy", "activation"),
    ]


THOROUGH = ("1-D", "3-D", "transposed 1-D", "transposed 3-D", "one image without bias")


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param(calls, id=name, marks=[pytest.mark.thorough] if name in THOROUGH else [])
        for name, calls in CALLS.items()
    ],
)
def test_pytorch_finds_nothing_wrong_with_it(calls: Calls) -> None:
    input, weight, bias = (*calls.arrays(requires_grad=True), None)[:3]
    torch.library.opcheck(convolution, (input, weight, bias, None, *settings_of(calls)))


@pytest.mark.parametrize("name", ["2-D", "transposed image without bias"])
def test_pytorch_finds_nothing_wrong_with_activation_residual_and_uneven_padding(name: str) -> None:
    calls = CALLS[name]
    input, weight, bias = (*calls.arrays(requires_grad=True), None)[:3]
    settings = settings_of(calls, activation="silu", padding=[1, 0, 1, 2])
    residual = torch.randn_like(convolution(input, weight, bias, None, *settings).detach())
    torch.library.opcheck(convolution, (input, weight, bias, residual, *settings))


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": Tensor.contiguous,
    "channels last": lambda x: x.to(memory_format=torch.channels_last) if x.dim() == 4 else x,
    "transposed": lambda x: x.mT.contiguous().mT if x.dim() > 3 else x,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
def test_a_fake_output_has_the_shape_and_strides_of_a_real_one(
    calls: Calls, layout: Callable[[Tensor], Tensor]
) -> None:
    input, *others = calls.arrays()
    arrays = [layout(input), *others, *[None] * (3 - len(others))]
    output = convolution(*arrays, *settings_of(calls))
    with FakeTensorMode() as mode:
        faked = (None if each is None else mode.from_tensor(each) for each in arrays)
        fake = convolution(*faked, *settings_of(calls))
    assert fake.shape == output.shape
    assert fake.stride() == output.stride()


@pytest.mark.skipif(host() is None, reason="no kernel runs on this processor")
def test_it_runs_the_kernel_that_a_call_outside_a_graph_runs() -> None:
    calls = Calls("conv2d", (1, 16, 8, 8), (16, 16, 3, 3), 16, {"padding": (1, 1)})
    arrays = calls.arrays()
    dispatch.forget()
    asked: dict[str, Any] = {"algorithm": "implicit_gemm", "activation": "relu"}
    expected = calls.ours(*arrays, stride=(1, 1), dilation=(1, 1), **asked)
    output = operator_of(calls, **asked)(*arrays)
    assert torch.equal(output, expected)
    assert dispatch.compile_call.cache_info()[:2] == (1, 1)  # hits, misses


@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
def test_its_derivatives_are_those_of_finite_differences(calls: Calls) -> None:
    arrays, call = calls.arrays(FLOAT64, requires_grad=True), operator_of(calls)
    assert gradcheck(call, arrays, fast_mode=True)
    assert gradgradcheck(call, arrays, fast_mode=True)


@pytest.mark.parametrize("name", ["2-D", "transposed image without bias"])
def test_activation_residual_and_uneven_padding_are_differentiated(name: str) -> None:
    calls = CALLS[name]
    call = operator_of(calls, activation="hardswish", padding=[1, 0, 1, 2])
    arrays = calls.arrays(FLOAT64, requires_grad=True)
    residual = torch.randn_like(call(*arrays).detach()).requires_grad_()
    assert gradcheck(call, (*arrays, residual), fast_mode=True)


def test_an_output_without_a_gradient_gives_none() -> None:
    arrays = CALLS["2-D"].arrays(FLOAT64, requires_grad=True)
    seen = without_gradient(operator_of(CALLS["2-D"])(*arrays)).sum()
    found = torch.autograd.grad(seen, arrays, allow_unused=True)
    assert found == (None,) * len(arrays)


def test_gradients_of_complex_numbers() -> None:
    calls = CALLS["2-D"]
    arrays = calls.arrays(torch.complex128, requires_grad=True)
    assert gradcheck(operator_of(calls), arrays, fast_mode=True)


AXES = [(0, None, None), (2, None, None), (0, 0, None), (None, 1, 0), (0, None, 0), (1, 0, 0)]


@pytest.mark.parametrize("in_dims", AXES, ids=str)
@pytest.mark.parametrize("name", ["1-D", "2-D, groups, strided, dilated", "transposed 2-D, groups"])
@pytest.mark.parametrize("unbatched", [False, True], ids=["batches", "images"])
def test_vmap(name: str, in_dims: tuple[int | None, ...], unbatched: bool) -> None:
    calls = CALLS[name]
    input, weight, bias = calls.arrays(FLOAT64)
    arrays = [
        array if axis is None else torch.stack([array, 2 * array, -array], axis)
        for array, axis in zip(
            (input[0] if unbatched else input, weight, bias), in_dims, strict=True
        )
    ]
    output = torch.vmap(operator_of(calls), in_dims, 1)(*arrays)
    assert_close(output, torch.vmap(calls.theirs, in_dims, 1)(*arrays))


@pytest.mark.parametrize(
    "in_dims", [(0, None, None, 0), (None, None, None, 1), (0, 0, 0, None)], ids=str
)
def test_vmap_of_a_residual(in_dims: tuple[int | None, ...]) -> None:
    calls = CALLS["2-D"]
    arrays = [
        array if axis is None else torch.stack([array, 2 * array], axis)
        for array, axis in zip(
            (*calls.arrays(FLOAT64), torch.randn(2, 4, 5, 6, dtype=FLOAT64)), in_dims, strict=True
        )
    ]
    output = torch.vmap(operator_of(calls, activation="relu"), in_dims)(*arrays)
    expected = torch.vmap(lambda x, w, b, r: F.relu(calls.theirs(x, w, b) + r), in_dims)(*arrays)
    assert_close(output, expected)


TRANSFORMS: dict[str, Callable[[Callable[..., Tensor]], Callable[..., Any]]] = {
    "grad": lambda f: torch.func.grad(lambda *a: f(*a).square().sum(), (0, 1, 2)),
    "hessian": lambda f: torch.func.hessian(lambda *a: f(*a).pow(3).sum(), 2),
    "jvp": lambda f: lambda *a: torch.func.jvp(f, a, a),
    "vmap of grad": lambda f: (
        lambda x, w, b: torch.vmap(torch.func.grad(lambda w, x: f(x, w, b).sum()), (None, 0))(
            w, torch.stack([x, 2 * x])
        )
    ),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_the_transforms_of_torch_func(transform: Callable[..., Any]) -> None:
    calls = CALLS["2-D"]
    arrays = calls.arrays(FLOAT64)
    ours, theirs = (transform(f)(*arrays) for f in (operator_of(calls), calls.theirs))
    for our, their in zip(tree_leaves(ours), tree_leaves(theirs), strict=True):
        assert_close(our, their)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_gives_it_the_element_type_of_a_convolution(dtype: torch.dtype) -> None:
    calls = CALLS["2-D"]
    arrays = calls.arrays()
    residual = torch.randn(2, 4, 5, 6)
    expected = calls.ours(*(array.to(dtype) for array in arrays))
    with torch.autocast("cpu", dtype):
        assert torch.equal(operator_of(calls)(*arrays), expected)
        assert calls.theirs(*arrays).dtype == expected.dtype
        output = operator_of(calls, activation="relu")(*arrays, residual)
        assert torch.equal(output, F.relu(expected + residual))
        double = (array.double() for array in arrays)
        assert operator_of(calls)(*double).dtype == FLOAT64


@pytest.mark.parametrize("name", ["2-D", "one image without bias", "transposed 2-D, groups"])
def test_its_operations_are_counted(name: str) -> None:
    arrays = CALLS[name].arrays()
    counts = []
    for call in (operator_of(CALLS[name]), CALLS[name].theirs):
        with FlopCounterMode(display=False) as counter:
            call(*arrays)
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_outputs_may_be_changed_in_place() -> None:
    for calls in CALLS.values():
        arrays = calls.arrays(FLOAT64, requires_grad=True)
        operator = operator_of(calls)
        assert gradcheck(lambda *given, operator=operator: operator(*given).relu_(), arrays)


def test_unknown_names_are_refused_before_anything_runs() -> None:
    calls = CALLS["2-D"]
    with FakeTensorMode() as mode, pytest.raises(UnknownNameError, match="winograd"):
        operator_of(calls, algorithm="winograd")(*map(mode.from_tensor, calls.arrays()))

"""Gradients of every kind are right: reverse, forward, higher, batched."""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

import glassconv
from glassconv.dispatch import dispatch
from glassconv.errors import ShapeError, UnknownNameError
from glassconv.problem.activations import ACTIVATIONS
from support.gradient_bounds import assert_within_bound
from support.torch_calls import CALLS, Calls

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"  # torch's forward-mode calls it
)
EVERY_CALL = pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
FLOAT64 = torch.float64
CALL = CALLS["2-D"]


def equal(ours: Any, theirs: Any) -> None:
    """Assert that both are equal, values and memory formats: PyTorch computed both."""
    for our, their in zip(tree_leaves(ours), tree_leaves(theirs), strict=True):
        assert torch.equal(our, their)
        assert our.stride() == their.stride()


@EVERY_CALL
def test_both_derivatives_are_those_of_finite_differences(calls: Calls) -> None:
    arrays = calls.arrays(FLOAT64, requires_grad=True)
    assert gradcheck(calls.ours, arrays, check_forward_ad=True, fast_mode=True)
    assert gradgradcheck(calls.ours, arrays, fast_mode=True)


@EVERY_CALL
def test_backward_is_within_its_bound(calls: Calls) -> None:
    arrays = calls.arrays(requires_grad=True)
    output = calls.ours(*arrays)
    grad = torch.randn_like(output)
    found = torch.autograd.grad(output, arrays, grad)
    assert_within_bound(found, calls.theirs, arrays, grad)
    for each, array in zip(found, arrays, strict=True):
        assert each.stride() == array.stride()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_and_residual_are_differentiated(activation: str) -> None:
    arrays = CALL.arrays(FLOAT64, requires_grad=True)
    residual = torch.randn(2, 4, 5, 6, dtype=FLOAT64, requires_grad=True)

    def ours(*arrays: Tensor) -> Tensor:
        return CALL.ours(*arrays[:3], activation=activation, residual=arrays[3])

    def theirs(*arrays: Tensor) -> Tensor:
        output: Tensor = getattr(F, activation)(CALL.theirs(*arrays[:3]) + arrays[3])
        return output

    every = (*arrays, residual)
    equal(*(torch.autograd.grad(f(*every).square().sum(), every) for f in (ours, theirs)))


def test_uneven_padding_is_differentiated() -> None:
    arrays = CALL.arrays(FLOAT64, requires_grad=True)
    weight = torch.randn(3, 4, 3, 3, dtype=FLOAT64, requires_grad=True)
    uneven = ((1, 2), (0, 1))
    assert gradcheck(
        lambda x, w, b: glassconv.conv2d(x, w, b, padding=uneven), arrays, fast_mode=True
    )
    assert gradcheck(
        lambda x, w: glassconv.conv_transpose2d(x, w, padding=uneven),  # type: ignore[arg-type]
        (arrays[0], weight),
        fast_mode=True,
    )


TRANSFORMS: dict[str, Callable[[Callable[..., Tensor]], Callable[..., Any]]] = {
    "grad": lambda f: torch.func.grad(lambda *a: f(*a).square().sum(), (0, 1, 2)),
    "jacrev": lambda f: torch.func.jacrev(f, 1),
    "jacfwd": lambda f: torch.func.jacfwd(f, 0),
    "hessian": lambda f: torch.func.hessian(lambda *a: f(*a).pow(3).sum(), 2),
    "jvp": lambda f: lambda *a: torch.func.jvp(f, a, a),
    "vmap": lambda f: lambda x, w, b: torch.vmap(f, (0, None, None))(torch.stack([x, 2 * x]), w, b),
    "vmap over weights": lambda f: (
        lambda x, w, b: torch.vmap(f, (None, 0, 0))(x, torch.stack([w, -w]), torch.stack([b, b]))
    ),
    "vmap of grad": lambda f: (
        lambda x, w, b: torch.vmap(torch.func.grad(lambda w, x: f(x, w, b).sum()), (None, 0))(
            w, torch.stack([x, 2 * x])
        )
    ),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("name", ["1-D", "2-D", "transposed 2-D, groups"])
def test_the_transforms_of_torch_func_are_pytorchs(
    name: str, transform: Callable[[Callable[..., Tensor]], Callable[..., Any]]
) -> None:
    calls = CALLS[name]
    arrays = calls.arrays(FLOAT64)
    equal(transform(calls.ours)(*arrays), transform(calls.theirs)(*arrays))


def test_a_module_called_with_other_parameters() -> None:
    class Layer(torch.nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return glassconv.conv2d(input, self.weight, self.bias)

    layer, input = Layer(3, 4, 3), torch.randn(2, 3, 5, 5)
    other = {name: 2 * parameter for name, parameter in layer.named_parameters()}
    output = torch.func.functional_call(layer, other, (input,))
    expected = F.conv2d(input.double(), other["weight"].double(), other["bias"].double())
    torch.testing.assert_close(output.double(), expected, atol=1e-5, rtol=0)


def test_tangents_without_torch_func() -> None:
    input, weight, bias = CALL.arrays()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(input, torch.ones_like(input))
        ours, theirs = (
            forward_ad.unpack_dual(f(dual, weight, bias)) for f in (CALL.ours, CALL.theirs)
        )
    equal(tuple(ours), tuple(theirs))


@pytest.mark.parametrize("name", ["1-D", "2-D", "transposed 2-D, groups"])
def test_an_expanded_or_undefined_gradient_of_the_output(name: str) -> None:
    calls = CALLS[name]
    arrays = calls.arrays(requires_grad=True)
    output = calls.ours(*arrays)
    ones = torch.ones_like(output)
    found = torch.autograd.grad(output.sum(), arrays, retain_graph=True)
    assert_within_bound(found, calls.theirs, arrays, ones)
    undefined = torch.autograd.grad(_without_gradient(output), arrays)
    assert_within_bound(undefined, calls.theirs, arrays, 0 * ones)


class _WithoutGradient(torch.autograd.Function):
    """A number whose gradient is undefined: backward gets None for the output's."""

    @staticmethod
    def forward(ctx: Any, output: Tensor) -> Tensor:
        return output.sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> None:
        return None


def _without_gradient(output: Tensor) -> Tensor:
    number: Tensor = _WithoutGradient.apply(output)
    return number + 0 * output.sum()


class _Seen(TorchDispatchMode):
    """Keeps the last argument of each `convolution_backward`: the gradients that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[list[bool]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is torch.ops.aten.convolution_backward.default:
            self.masks.append(list(args[-1]))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_only_the_gradients_that_are_asked_for_are_computed(number: int) -> None:
    arrays = CALL.arrays()
    arrays[number].requires_grad_()
    output = CALL.ours(*arrays)
    with _Seen() as seen:
        output.sum().backward()
    assert seen.masks == [[place == number for place in range(3)]]


@pytest.mark.parametrize("changed", [0, 1])
def test_an_array_changed_in_place_before_backward_is_an_error(changed: int) -> None:
    arrays = CALL.arrays(requires_grad=True)
    output = CALL.ours(*arrays)
    with torch.no_grad():
        arrays[changed].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_a_checkpointed_call() -> None:
    arrays = CALL.arrays(requires_grad=True)
    ours = checkpoint(CALL.ours, *arrays, use_reentrant=False)
    found = torch.autograd.grad(ours.sum(), arrays)
    assert_within_bound(found, CALL.theirs, arrays, torch.ones_like(ours))


def test_hooks_see_the_gradients() -> None:
    arrays = CALL.arrays(requires_grad=True)
    output, seen = CALL.ours(*arrays), list[Tensor]()
    output.register_hook(seen.append)
    (expected,) = torch.autograd.grad(CALL.theirs(*arrays).sum(), arrays[1])
    arrays[1].register_hook(lambda grad: 2 * grad)
    output.sum().backward()
    equal(arrays[1].grad, 2 * expected)
    equal(seen, [torch.ones(()).expand_as(output)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_decides_the_element_type_of_gradients_too(dtype: torch.dtype) -> None:
    arrays = CALL.arrays(requires_grad=True)
    with torch.autocast("cpu", dtype):
        ours, theirs = CALL.ours(*arrays), CALL.theirs(*arrays)
    assert ours.dtype == dtype
    equal(*(torch.autograd.grad(y.float().sum(), arrays) for y in (ours, theirs)))


def test_nothing_is_recorded_without_gradients() -> None:
    arrays = CALL.arrays(requires_grad=True)
    with torch.no_grad():
        assert not CALL.ours(*arrays).requires_grad
    with torch.inference_mode():
        assert CALL.ours(*arrays).is_inference()
    assert CALL.ours(*arrays).requires_grad


def test_many_shapes_with_gradients_are_planned_never() -> None:
    """PyTorch plans its own calls; ours would choose an algorithm for each shape."""
    dispatch.forget()
    weight = torch.ones(1, 1, 1, 1, requires_grad=True)
    for size in range(1, 300):
        glassconv.conv2d(torch.ones(1, 1, 1, size), weight)
    assert dispatch.compile_call.cache_info().misses == 0


def test_a_mistake_is_explained_where_pytorch_computes_too() -> None:
    input, weight, bias = CALL.arrays(requires_grad=True)
    with pytest.raises(ShapeError, match=r"input \[2, 1, 5, 6\].*but the input has 1"):
        glassconv.conv2d(input[:, :1], weight, bias)
    with pytest.raises(ShapeError, match="the residual must have the output's shape"):
        glassconv.conv2d(input, weight, bias, residual=bias)
    with pytest.raises(UnknownNameError, match="unknown accuracy 'high'"):
        glassconv.conv2d(input, weight, accuracy="high")
    with pytest.raises(UnknownNameError, match="unknown activation 'mish'"):
        glassconv.conv2d(input, weight, activation="mish")

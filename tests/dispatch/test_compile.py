"""torch.compile: whole graphs with our operator, one for many sizes, that train as PyTorch's do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.testing import assert_close

import glassconv
from support.torch_calls import CALLS, Calls

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.* is deprecated:DeprecationWarning"  # forward mode and inductor use it
)
FLOAT64 = torch.float64


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def compiled(function: Callable[..., Any], **options: Any) -> tuple[Any, CompileCounterWithBackend]:
    """Return a function compiled as one whole graph, and what counts and keeps the graphs."""
    counter = CompileCounterWithBackend("aot_eager")
    return torch.compile(function, backend=counter, fullgraph=True, **options), counter


def called(counter: CompileCounterWithBackend) -> list[str]:
    """Return the operators that the only graph calls."""
    (graph,) = counter.graphs
    return [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]


OURS = "glassconv.convolution.default"


@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
def test_a_call_is_one_operator(calls: Calls) -> None:
    arrays = calls.arrays(FLOAT64)
    function, counter = compiled(calls.ours)
    assert_close(function(*arrays), calls.theirs(*arrays))
    assert called(counter) == [OURS]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_computed_by_the_operator_and_under_autocast(dtype: torch.dtype) -> None:
    arrays = CALLS["2-D"].arrays()
    cast = [array.to(dtype) for array in arrays]
    function, counter = compiled(CALLS["2-D"].ours)
    expected = CALLS["2-D"].ours(*cast)
    assert torch.equal(function(*cast), expected)
    assert called(counter) == [OURS]
    torch.compiler.reset()
    function, counter = compiled(CALLS["2-D"].ours)
    with torch.autocast("cpu", dtype):
        assert torch.equal(function(*arrays), expected)
    assert OURS in called(counter)


FORMS: list[dict[str, Any]] = [
    {"padding": "valid", "stride": [2], "dilation": (1, 2)},
    {"padding": "same", "dilation": 2},
    {"padding": ((1, 2), (0, 1))},
    {"algorithm": "im2col", "activation": "relu6", "accuracy": "any"},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_of_the_arguments(form: dict[str, Any]) -> None:
    arrays = torch.randn(2, 3, 7, 8, dtype=FLOAT64), torch.randn(4, 3, 3, 3, dtype=FLOAT64)
    function, counter = compiled(lambda *arrays: glassconv.conv2d(*arrays, **form))
    assert_close(function(*arrays), glassconv.conv2d(*arrays, **form))
    assert called(counter) == [OURS]


def test_activation_and_residual_are_part_of_the_operator_for_four_sizes_in_one_graph() -> None:
    weight = torch.randn(8, 4, 3, 3, dtype=FLOAT64)
    function, counter = compiled(
        lambda x, w, r: glassconv.conv2d(x, w, padding=1, activation="silu", residual=r),
        dynamic=True,
    )
    for n, height, width in ((2, 9, 10), (3, 11, 7), (5, 20, 21), (4, 8, 30)):
        input = torch.randn(n, 4, height, width, dtype=FLOAT64)
        residual = torch.randn(n, 8, height, width, dtype=FLOAT64)
        expected = F.silu(F.conv2d(input, weight, padding=1) + residual)
        assert_close(function(input, weight, residual), expected)
    assert counter.frame_count == 1
    assert called(counter) == [OURS]


def trained(convolve: Callable[..., Tensor], compiling: bool) -> list[Tensor]:
    """Return the parameters after three steps of a small network with a skip connection."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=FLOAT64)

    parameters = [
        torch.nn.Parameter(random(*shape)) for shape in ((4, 3, 3, 3), (4,), (4, 4, 3, 3))
    ]

    def loss(input: Tensor) -> Tensor:
        hidden = convolve(input, *parameters[:2], padding=1).relu()
        return (hidden + convolve(hidden, parameters[2], padding=1)).square().mean()

    step = compiled(loss)[0] if compiling else loss
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        step(random(2, 3, 6, 7)).backward()
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def test_training_steps_are_pytorchs() -> None:
    for ours, theirs in zip(trained(glassconv.conv2d, True), trained(F.conv2d, False), strict=True):
        assert_close(ours, theirs)


def test_activation_and_residual_are_differentiated() -> None:
    input, weight, bias = CALLS["2-D"].arrays(FLOAT64, requires_grad=True)
    residual = torch.randn(2, 4, 5, 6, dtype=FLOAT64, requires_grad=True)
    every = (input, weight, bias, residual)
    function, _ = compiled(
        lambda x, w, b, r: CALLS["2-D"].ours(x, w, b, activation="silu", residual=r)
    )
    expected = F.silu(CALLS["2-D"].theirs(input, weight, bias) + residual)
    assert_close(
        *(torch.autograd.grad(y.square().sum(), every) for y in (function(*every), expected))
    )


Transform = Callable[[Callable[..., Tensor]], Callable[..., Any]]
TRANSFORMS: dict[str, Transform] = {
    "jvp": lambda f: lambda *a: torch.func.jvp(f, a, a),
    "vmap": lambda f: torch.vmap(f, (0, None, 0)),
    "vmap of grad": lambda f: torch.vmap(
        torch.func.grad(lambda w, x, b: f(x, w, b).square().sum()), (None, 0, 0)
    ),
    "hessian": lambda f: torch.func.hessian(lambda x, w, b: f(x, w, b).pow(3).sum(), 2),
}
BATCHES = torch.arange(2 * 1 * 2 * 4 * 3, dtype=FLOAT64).reshape(2, 1, 2, 4, 3) % 5 - 2
FILTERS = torch.arange(3 * 2 * 2 * 2, dtype=FLOAT64).reshape(3, 2, 2, 2) % 3 - 1
BIASES = torch.tensor([[0.0, 1, 2], [3, 4, 5]], dtype=FLOAT64)
ARGUMENTS = {
    "jvp": (BATCHES[0], FILTERS, BIASES[0]),
    "vmap": (BATCHES, FILTERS, BIASES),
    "vmap of grad": (FILTERS, BATCHES, BIASES),
    "hessian": (BATCHES[0], FILTERS, BIASES[0]),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_transforms_of_torch_func_inside_a_graph(name: str) -> None:
    function, _ = compiled(TRANSFORMS[name](glassconv.conv2d))
    assert_close(function(*ARGUMENTS[name]), TRANSFORMS[name](F.conv2d)(*ARGUMENTS[name]))


def test_autocast_and_gradient_modes_are_those_of_the_call() -> None:
    arrays = CALLS["2-D"].arrays(requires_grad=True)
    function, _ = compiled(CALLS["2-D"].ours)
    with torch.no_grad():
        assert not function(*arrays).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert function(*arrays).dtype == torch.bfloat16
    with torch.inference_mode():
        assert function(*arrays).is_inference()
    output = function(*arrays)
    assert output.requires_grad
    assert output.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64])
def test_what_no_kernel_computes_is_pytorchs_in_the_graph(dtype: torch.dtype) -> None:
    input, weight = (torch.ones(shape, dtype=dtype) for shape in ((1, 2, 4, 4), (2, 2, 3, 3)))
    function, counter = compiled(glassconv.conv2d)
    assert torch.equal(function(input, weight), F.conv2d(input, weight))
    assert OURS not in called(counter)


def test_a_module() -> None:
    class Layer(torch.nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            sizes = (self.stride, self.padding, self.dilation, self.groups)
            return glassconv.conv2d(x, self.weight, self.bias, *sizes)

    layer = Layer(4, 8, 3, padding=1, groups=2, dtype=FLOAT64)
    function, counter = compiled(layer)
    input = torch.randn(1, 4, 5, 5, dtype=FLOAT64)
    assert_close(function(input), torch.nn.Conv2d.forward(layer, input))
    assert called(counter) == [OURS]


def test_a_mistake_is_pytorchs_and_an_unknown_name_ours() -> None:
    input, weight, _ = CALLS["2-D"].arrays()
    with pytest.raises(RuntimeError, match="non-positive stride"):
        compiled(lambda x, w: glassconv.conv2d(x, w, stride=0))[0](input, weight)
    with pytest.raises(Exception, match="unknown activation 'rel'"):
        compiled(lambda x, w: glassconv.conv2d(x, w, activation="rel"))[0](input, weight)


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))),
    reason="inductor, PyTorch's default back end, needs a C++ compiler on this machine",
)
def test_the_default_back_end(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    calls = CALLS["2-D"]
    arrays = calls.arrays(FLOAT64, requires_grad=True)
    function = torch.compile(lambda *a: 2 * calls.ours(*a, activation="relu"), fullgraph=True)
    expected = 2 * calls.theirs(*arrays).relu()
    output = function(*arrays)
    assert_close(output, expected)
    assert_close(*(torch.autograd.grad(y.sum(), arrays) for y in (output, expected)))

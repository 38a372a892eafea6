"""PyTorch's own samples (OpInfo), for every element type that it lists and for every algorithm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing._internal import common_utils
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo import core

import glassconv
from glassconv.algorithms import ALGORITHMS, named
from glassconv.dispatch.array_boundary import torch_dtype_name
from glassconv.dispatch.select import AUTO
from glassconv.errors import ConvError, UnsupportedError
from glassconv.problem.arguments import problem_of
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.operands import Operands
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import transposed_of
from glassconv.verification.definition import allowed_error, definition
from glassconv.verification.verify import judge
from support.gradient_bounds import assert_within_bound

FUNCTIONS = [f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)]
OPERATORS: dict[str, Any] = {
    name: next(each for each in op_db if each.name == f"nn.functional.{name}") for name in FUNCTIONS
}
EVERY_TYPE = [
    pytest.param(name, dtype, id=f"{name}-{torch_dtype_name(dtype)}")
    for name, operator in OPERATORS.items()
    for dtype in sorted(operator.supported_dtypes("cpu"), key=str)
]
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

Arrays = tuple[Tensor, Tensor, Tensor | None]


@pytest.fixture(autouse=True)
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare PyTorch's search of the stack, at each sample, for a test of its own suite."""
    for module in (common_utils, core):
        monkeypatch.setattr(module, "extract_test_fn", lambda: None)


def samples(
    name: str, dtype: torch.dtype, gradients: bool
) -> Iterator[tuple[Arrays, dict[str, Any]]]:
    """Yield operands and the other arguments by name, of each of PyTorch's samples."""
    others: tuple[str, ...] = ("stride", "padding", "dilation", "groups")
    if "transpose" in name:
        others = ("stride", "padding", "output_padding", "groups", "dilation")
    torch.manual_seed(0)
    for sample in OPERATORS[name].sample_inputs("cpu", dtype, requires_grad=gradients):
        weight, *rest = sample.args
        given = dict(zip(("bias", *others), rest, strict=False)) | sample.kwargs
        bias = given.pop("bias", None)
        yield (sample.input, weight, bias), given


def outcome(function: Callable[..., Tensor], arrays: Arrays, given: dict[str, Any]) -> Any:
    """Return the output and the gradients of a call, or the error that it raises."""
    try:
        output = function(*arrays, **given)
    except Exception as error:  # whatever PyTorch raises
        return error
    operands = [each for each in arrays if each is not None and each.requires_grad]
    if not operands:
        return output, ()
    return output, torch.autograd.grad(output, operands, torch.ones_like(output))


def assert_gradients(
    function: Callable[..., Tensor],
    found: tuple[Tensor, ...],
    arrays: Arrays,
    given: dict[str, Any],
) -> None:
    """Assert that the gradients of an output's sum are within their bounds."""
    present = [each for each in arrays if each is not None]
    assert len(found) == len(present)

    def theirs(*leaves: Tensor) -> Tensor:
        return function(*leaves, *[None] * (len(arrays) - len(leaves)), **given)

    assert_within_bound(found, theirs, present, torch.ones_like(theirs(*present)))


def problem(name: str, arrays: Arrays, given: dict[str, Any]) -> Problem:
    input, weight, bias = arrays
    of: Any = transposed_of if "transpose" in name else problem_of
    shapes = input.shape, weight.shape, None if bias is None else bias.shape
    made: Problem = of(*shapes, **given, dtype=torch_dtype_name(input.dtype))
    return made


def judged(
    name: str, algorithm: str, output: Tensor, arrays: Arrays, given: dict[str, Any]
) -> None:
    """Assert that an output is within the algorithm's bound of the definition in float64."""
    layer = problem(name, arrays, given)
    input, weight, bias = (None if each is None else each.detach() for each in arrays)
    assert input is not None
    assert weight is not None
    batch = input.reshape(layer.input_shape)
    bound = named("aten" if algorithm == AUTO else algorithm).error_bound(layer)
    values = output.detach().reshape(layer.output_shape).to(torch.float64).numpy()
    assert judge(layer, algorithm, values, Operands(batch, weight, bias), bound).verdict


@pytest.mark.parametrize(("name", "dtype"), EVERY_TYPE)
def test_every_sample_is_answered_as_pytorch_answers(name: str, dtype: torch.dtype) -> None:
    tried = 0
    gradients = (False, True) if dtype.is_floating_point or dtype.is_complex else (False,)
    for arrays, given in (each for wanted in gradients for each in samples(name, dtype, wanted)):
        theirs = outcome(OPERATORS[name].op, arrays, given)
        ours = outcome(getattr(glassconv, name), arrays, given)
        tried += 1
        if isinstance(theirs, Exception):
            assert isinstance(ours, type(theirs)), (arrays, given)
            continue
        output, expected = ours[0], theirs[0]
        assert (output.dtype, output.shape) == (expected.dtype, expected.shape), given
        assert output.stride() == expected.stride(), given
        for own, other in zip(ours[1], theirs[1], strict=True):
            assert own.stride() == other.stride()
        if ours[1] and dtype in (torch.float32, torch.float64):
            assert_gradients(OPERATORS[name].op, ours[1], arrays, given)
        else:
            assert all(map(torch.equal, ours[1], theirs[1]))  # PyTorch's own gradients
        if torch_dtype_name(dtype) in FORMATS:
            judged(name, AUTO, output, arrays, given)
        else:
            assert torch.equal(output, expected)  # PyTorch's own convolution
    assert tried


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str
)
def test_every_sample_that_an_algorithm_supports_is_within_its_bound(dtype: torch.dtype) -> None:
    """The definition of a sample is computed once for all algorithms."""
    tried = Counter[str]()
    for name in FUNCTIONS:
        function = getattr(glassconv, name)
        for arrays, given in samples(name, dtype, gradients=False):
            layer = problem(name, arrays, given)
            input, weight, bias = arrays
            operands = Operands(input.reshape(layer.input_shape), weight, bias)
            truth = definition(layer, operands)
            for algorithm in ALGORITHMS.values():
                try:
                    output = function(*arrays, **given, algorithm=algorithm.name, accuracy="any")
                except UnsupportedError as refusal:
                    assert not algorithm.supports(layer), refusal
                    continue
                tried[algorithm.name] += 1
                values = output.to(torch.float64).numpy().reshape(layer.output_shape)
                bound = algorithm.error_bound(layer)
                allowed = allowed_error(layer, bound, operands, truth.magnitude)
                assert np.all(np.abs(values - truth.output) <= allowed), (algorithm.name, layer)
    assert tried.keys() == ALGORITHMS.keys() or dtype in (torch.bfloat16, torch.float16)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if OPERATORS[name].error_inputs_func])
def test_every_error_is_of_pytorchs_class_and_repeats_the_request(name: str) -> None:
    tried = 0
    for mistake in OPERATORS[name].error_inputs("cpu"):
        sample = mistake.sample_input
        with pytest.raises(mistake.error_type) as caught:
            getattr(glassconv, name)(sample.input, *sample.args, **sample.kwargs)
        assert isinstance(caught.value, ConvError)
        assert name in caught.value.request
        tried += 1
    assert tried

"""The public functions: PyTorch's arguments, any array that lies anyhow, gradients, refusals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassconv import functional
from glassconv.algorithms import Algorithm, named
from glassconv.dispatch.select import ACCURACY, choose
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import problem_of
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.reports.array import Array
from glassconv.verification.verify import judge
from support.cases import CASES
from support.random_problems import problems
from support.references import TORCH, by_torch, whole_numbers
from support.supported_cases import PLAIN_SUMS

OURS: tuple[Callable[..., Any], ...] = (
    functional.conv1d,
    functional.conv2d,
    functional.conv3d,
)
conv2d, torch_conv2d = OURS[1], TORCH[1]
ALGORITHM = pytest.mark.parametrize("algorithm", PLAIN_SUMS.values(), ids=PLAIN_SUMS)
PROBLEM = CASES["everything at once"]


def asked(problem: ConvProblem, given: Operands, **options: str) -> Tensor:
    """Ask the function of as many axes for this problem, in its own arguments."""
    output: Tensor = OURS[problem.ndim - 1](
        *(given.input, given.weight, given.bias),
        stride=problem.stride,
        padding=problem.padding,
        dilation=problem.dilation,
        groups=problem.groups,
        **options,
    )
    return output


# -- right answers ------------------------------------------------------------------------------


@settings(max_examples=300)
@given(problems(), st.sampled_from(sorted(ACCURACY)), st.integers(0, 2**32))
def test_auto_is_within_its_bound(problem: ConvProblem, accuracy: str, seed: int) -> None:
    given = random_operands(problem, seed)
    output = asked(problem, given, accuracy=accuracy)
    bound = named(choose(problem, accuracy=accuracy).algorithm).error_bound(problem)
    checked = judge(problem, "auto", to_numpy(output), given, bound)
    assert checked.verdict, (checked.verdict.reason, checked.worst)


FORMS: list[dict[str, Any]] = [
    {},
    {"stride": 2},
    {"stride": (2,)},
    {"stride": (2, 1)},
    {"stride": [1, 2]},
    {"padding": 1},
    {"padding": (1,)},
    {"padding": (2, 0)},
    {"padding": "same"},
    {"padding": "valid"},
    {"padding": "same", "dilation": (2, 3)},
    {"dilation": 2},
    {"dilation": (2,)},
    {"dilation": [1, 3]},
    {"stride": torch.Size([3, 2]), "padding": [2, 1], "dilation": 2},
]
ONLY_OURS: list[dict[str, Any]] = [
    {"padding": ((1, 2), (0, 3))},
    {"padding": [[1, 2], 3], "stride": 2},
    {"padding": ((1, 2),)},
]


def form_operands() -> tuple[Operands, dict[str, Any]]:
    return whole_numbers(problem_of([2, 4, 9, 8], [6, 2, 3, 2], [6], groups=2)), {"groups": 2}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_pytorchs_forms_mean_what_they_mean_to_pytorch(form: dict[str, Any]) -> None:
    given, groups = form_operands()
    arrays = (given.input, given.weight, given.bias)
    assert torch.equal(conv2d(*arrays, **groups, **form), torch_conv2d(*arrays, **groups, **form))


@pytest.mark.parametrize("form", FORMS + ONLY_OURS, ids=str)
def test_every_form_means_its_problem(form: dict[str, Any]) -> None:
    given, groups = form_operands()
    problem = problem_of([2, 4, 9, 8], [6, 2, 3, 2], [6], **groups, **form)
    output = conv2d(given.input, given.weight, given.bias, **groups, **form)
    assert torch.equal(output, by_torch(problem, given))


@pytest.mark.parametrize("ours", OURS)
def test_arguments_stand_in_pytorchs_order(ours: Callable[..., Any]) -> None:
    order = ["input", "weight", "bias", "stride", "padding", "dilation", "groups"]
    parameters = list(inspect.signature(ours).parameters.values())
    assert [argument.name for argument in parameters[:7]] == order
    assert all(argument.kind is argument.KEYWORD_ONLY for argument in parameters[7:])
    ndim = OURS.index(ours) + 1
    problem = problem_of([4, *[7] * ndim], [2, 2, *[3] * ndim], [2], 2, 1, 1, 2)
    given = whole_numbers(problem)
    output = ours(given.input, given.weight, given.bias, 2, 1, 1, 2)
    assert torch.equal(output, by_torch(problem, given))


@pytest.mark.parametrize("ndim", [1, 2, 3])
@ALGORITHM
def test_one_image_comes_back_without_a_batch(algorithm: Algorithm, ndim: int) -> None:
    given = whole_numbers(problem_of([3, *[5] * ndim], [2, 3, *[3] * ndim]))
    one = OURS[ndim - 1](given.input[0], given.weight, algorithm=algorithm.name)
    assert torch.equal(one, TORCH[ndim - 1](given.input[0], given.weight))
    assert one.dim() == ndim + 1


# -- NumPy in, NumPy out; tensors in, a tensor out ----------------------------------------------


@ALGORITHM
@pytest.mark.parametrize("dtype", FORMATS)
def test_a_tensor_comes_back_in_its_own_type(algorithm: Algorithm, dtype: str) -> None:
    problem = replace(PROBLEM, dtype=dtype)
    given = whole_numbers(problem)
    output = asked(problem, given, algorithm=algorithm.name)
    assert type(output) is Tensor
    assert output.dtype == given.input.dtype
    assert not output.requires_grad


@ALGORITHM
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numpy_comes_back_as_numpy_in_its_own_type(algorithm: Algorithm, dtype: str) -> None:
    problem = replace(CASES["padding"], dtype=dtype)
    given = whole_numbers(problem)
    arrays = [to_numpy(array) for array in vars(given).values()]
    output = conv2d(*arrays, padding=1, algorithm=algorithm.name)
    assert type(output) is np.ndarray
    assert output.dtype == dtype
    np.testing.assert_array_equal(output, to_numpy(by_torch(problem, given)))


def odd_steps(array: Array) -> Array:
    """Return a field of packed records, whose steps are no multiple of the element's size."""
    records = np.zeros(array.shape, np.dtype([("flag", "i1"), ("value", array.dtype)]))
    records["value"] = array
    field: Array = records["value"]
    return field


def read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


NUMPY_LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "read-only": read_only,
    "negative strides": np.flip,
    "every other element": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "transposed": lambda array: array.T.copy().T,
    "broadcast": lambda array: np.broadcast_to(array[:1], array.shape),
    "odd steps": odd_steps,
    "big-endian": lambda array: array.astype(">f8"),
    "little-endian": lambda array: array.astype("<f8"),
    "big-endian, flipped": lambda array: np.flip(array.astype(">f8")),
}
TENSOR_LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "expanded": lambda tensor: tensor[:1].expand(tensor.shape),
    "every other element": lambda tensor: tensor.repeat_interleave(2, dim=-1)[..., ::2],
    "transposed": lambda tensor: tensor.transpose(0, -1).contiguous().transpose(0, -1),
    "channels last": lambda tensor: (
        tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
    ),
    "parameter": lambda tensor: torch.nn.Parameter(tensor, requires_grad=False),
}


@ALGORITHM
@pytest.mark.parametrize("lay", NUMPY_LAYOUTS.values(), ids=NUMPY_LAYOUTS)
def test_numpy_may_lie_anyhow(algorithm: Algorithm, lay: Callable[[Array], Array]) -> None:
    given = whole_numbers(CASES["float64"])
    laid = [lay(to_numpy(array)) for array in vars(given).values()]
    plain = [torch.tensor(array.tolist(), dtype=torch.float64) for array in laid]
    output = conv2d(*laid, padding=1, algorithm=algorithm.name)
    np.testing.assert_array_equal(output, torch_conv2d(*plain, padding=1).numpy())
    assert output.dtype.isnative
    assert [array.tolist() for array in laid] == [tensor.tolist() for tensor in plain]


@ALGORITHM
@pytest.mark.parametrize("lay", TENSOR_LAYOUTS.values(), ids=TENSOR_LAYOUTS)
def test_tensors_may_lie_anyhow(algorithm: Algorithm, lay: Callable[[Tensor], Tensor]) -> None:
    given = whole_numbers(CASES["float32"])
    laid = [lay(array) for array in vars(given).values()]
    plain = [torch.tensor(array.tolist()) for array in laid]
    output = conv2d(*laid, padding=1, algorithm=algorithm.name)
    assert torch.equal(output, torch_conv2d(*plain, padding=1))


# -- gradients ----------------------------------------------------------------------------------

GRADIENT_CASES = [
    "one axis",
    "three axes",
    "uneven padding",
    "dilation",
    "depthwise",
    "no bias",
    "empty batch",
    "everything at once",
]


@ALGORITHM
@pytest.mark.parametrize("name", GRADIENT_CASES)
def test_gradients_are_pytorchs(algorithm: Algorithm, name: str) -> None:
    """In whole numbers both are exact, so they are equal."""
    problem = replace(CASES[name], dtype="float64")
    upstream = torch.arange(float(np.prod(problem.output_shape)), dtype=torch.float64)
    upstream = (upstream % 7 - 3).reshape(problem.output_shape)
    given = whole_numbers(problem)
    leaves = [array for array in vars(given).values() if array is not None]
    for leaf in leaves:
        leaf.requires_grad_()
    theirs = torch.autograd.grad(by_torch(problem, given), leaves, upstream)
    output = asked(problem, given, algorithm=algorithm.name)
    assert all(map(torch.equal, torch.autograd.grad(output, leaves, upstream), theirs))


@pytest.mark.parametrize("requires_grad", [False, True])
def test_windows_that_read_nothing_but_padding_give_the_bias(requires_grad: bool) -> None:
    """PyTorch 2.13 ends the process here: channels last, and no window reads the only column."""
    input, bias = torch.randn(3, 5, 2, 5, 1), torch.randn(1, requires_grad=requires_grad)
    weight = torch.randn(1, 5, 2, 2, 2).contiguous(memory_format=torch.channels_last_3d)
    output = functional.conv3d(input, weight, bias, 4, 3, (1, 1, 2))
    assert torch.equal(output, bias.expand_as(output))
    if requires_grad:
        (gradient,) = torch.autograd.grad(output.sum(), bias)
        assert gradient == output.numel()

"""unfold and fold are PyTorch's; they also take arrays, and one to three spatial axes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing._internal.common_methods_invocations import op_db

from glassconv.columns import fold, unfold
from glassconv.errors import (
    ArgumentError,
    ArgumentTypeError,
    ConvError,
    ShapeError,
    StorageError,
    UnsupportedDtypeError,
)
from glassconv.problem import ConvProblem, im2col_map

gradcheck: Any = partial(torch.autograd.gradcheck, fast_mode=True)
OURS: dict[str, Callable[..., Any]] = {"unfold": unfold, "fold": fold}
THEIRS: dict[str, Callable[..., Tensor]] = {"unfold": F.unfold, "fold": F.fold}
OPINFO: Any
(OPINFO,) = [each for each in op_db if each.name == "nn.functional.unfold"]
FUNCTION = pytest.mark.parametrize("function", OURS)


def same(output: Any, expected: Tensor) -> bool:
    """Return whether the numbers, the shape, the strides and the element type are equal."""
    alike = output.dtype is expected.dtype and output.stride() == expected.stride()
    return alike and torch.equal(output, expected)


def columns_of(input: Tensor, *sizes: Any, **others: Any) -> tuple[Tensor, tuple[int, ...]]:
    return F.unfold(input, *sizes, **others), tuple(input.shape[-2:])


# -- as PyTorch ---------------------------------------------------------------------------------


@FUNCTION
def test_the_arguments_are_pytorchs(function: str) -> None:
    ours, theirs = (
        {name: each.default for name, each in inspect.signature(call).parameters.items()}
        for call in (OURS[function], THEIRS[function])
    )
    assert ours == theirs


@pytest.mark.parametrize("dtype", sorted(OPINFO.dtypes, key=str), ids=str)
def test_pytorchs_samples_give_what_pytorch_gives(dtype: torch.dtype) -> None:
    """Of `unfold`, and their columns for `fold`, which has no samples of its own."""
    tried = 0
    for sample in OPINFO.sample_inputs("cpu", dtype):
        columns = F.unfold(sample.input, *sample.args)
        assert same(unfold(sample.input, *sample.args), columns)
        sizes = (sample.input.shape[2:], *sample.args)
        assert same(fold(columns, *sizes), F.fold(columns, *sizes))
        one = F.unfold(torch.ones(3, 5, 5, dtype=dtype), *sample.args)
        assert same(unfold(torch.ones(3, 5, 5, dtype=dtype), *sample.args), one)
        tried += 1
    assert tried > 100


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of forward-mode AD
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_gradients_of_pytorchs_samples_are_right(dtype: torch.dtype) -> None:
    samples = list(OPINFO.sample_inputs("cpu", dtype, requires_grad=True))
    for sample in samples[:: len(samples) // 5]:
        if not sample.input.numel():
            continue
        args = sample.args
        columns = unfold(sample.input, *args)
        (gradient,) = torch.autograd.grad(columns, sample.input, torch.ones_like(columns))
        size = sample.input.shape[2:]
        assert torch.equal(gradient, F.fold(torch.ones_like(columns), size, *args))
        small = sample.input[:1, :1].detach().requires_grad_()
        gradcheck(unfold, (small, *args), check_forward_ad=True)
        torch.autograd.gradgradcheck(unfold, (small, *args), fast_mode=True)
        leaf = columns[:1].detach().requires_grad_()
        gradcheck(fold, (leaf, size, *args), check_forward_ad=True)


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:DeprecationWarning")
@FUNCTION
def test_vmap_traces_and_other_devices(function: str) -> None:
    images = torch.randn(3, 1, 2, 6, 5)
    sizes: dict[str, Any] = {"kernel_size": (2, 3)}
    input = images
    if function == "fold":
        sizes["output_size"] = (6, 5)
        input = torch.stack([F.unfold(image, (2, 3)) for image in images])

    def ours(x: Tensor) -> Any:
        return OURS[function](x, **sizes)

    expected = torch.stack([THEIRS[function](each, **sizes) for each in input])
    assert torch.equal(torch.func.vmap(ours)(input), expected)
    assert ours(input[0].to("meta")).shape == expected[0].shape
    for trace in TRACES:
        traced = trace(ours, input[0])
        batch = input[:2].flatten(0, 1)  # of another size than the one that was traced
        assert torch.equal(traced(batch), expected[:2].flatten(0, 1))


jit_trace: Any = torch.jit.trace
TRACES: list[Callable[..., Any]] = [
    jit_trace,
    lambda call, input: torch.fx.symbolic_trace(call),
    lambda call, input: make_fx(call, tracing_mode="symbolic")(input),
]


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(2, 3),
    "strided": lambda x: x[:, :, ::2],
    "expanded": lambda x: x[:1].expand(4, -1, -1, -1),
    "one image, narrowed": lambda x: x[1, 1:],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_other_memory_layouts(layout: Callable[[Tensor], Tensor]) -> None:
    input = layout(torch.randn(2, 3, 6, 6))
    columns, size = columns_of(input, 2)
    assert same(unfold(input, 2), columns)
    strided = columns.transpose(-1, -2).contiguous().transpose(-1, -2)
    assert same(fold(strided, size, 2), F.fold(strided, size, 2))


@pytest.mark.parametrize(
    "size", [(2, 3), [2, 3], torch.Size([2, 3]), np.array([2, 3]), np.int64(2)], ids=repr
)
def test_sizes_are_given_in_any_form_that_pytorch_takes(size: Any) -> None:
    input = torch.randn(1, 2, 5, 6)
    expected = F.unfold(input, size)
    assert same(unfold(input, size), expected)
    assert same(fold(expected, (5, 6), size), F.fold(expected, (5, 6), size))


@pytest.mark.parametrize("stride", [2**31, 2**40, 2**62])
def test_a_stride_beyond_the_input_gives_one_window(stride: int) -> None:
    input = torch.randn(1, 2, 5, 6)
    columns = F.unfold(input, 2, stride=stride)
    assert same(unfold(input, 2, stride=stride), columns)
    assert same(fold(columns, (5, 6), 2, stride=stride), F.fold(columns, (5, 6), 2, stride=stride))


# -- NumPy, and one and three axes --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "bool"])
@pytest.mark.parametrize("step", [1, -1])
def test_an_array_gives_an_array(dtype: str, step: int) -> None:
    array = np.random.default_rng(0).integers(0, 5, (2, 3, 5, 6)).astype(dtype)[:, ::step]
    expected = F.unfold(torch.from_numpy(array.copy()), 2, padding=1)
    columns = unfold(array, 2, padding=1)
    assert type(columns) is np.ndarray
    assert columns.dtype == dtype
    np.testing.assert_array_equal(columns, expected.numpy())
    folded = fold(columns, (5, 6), 2, padding=1)
    np.testing.assert_array_equal(folded, F.fold(expected, (5, 6), 2, padding=1).numpy())


PROBLEMS = [
    ConvProblem(2, 3, 1, (9,), (3,), (2,), ((1, 1),), (2,)),
    ConvProblem(0, 3, 1, (9,), (3,), (2,), ((1, 1),), (2,)),
    ConvProblem(2, 3, 1, (4, 5), (2, 3), (1, 2), ((1, 1), (2, 2)), (2, 1)),
    ConvProblem(2, 3, 1, (4, 5, 6), (2, 3, 2), (2, 1, 2), ((1, 1), (0, 0), (2, 2)), (1, 2, 3)),
    ConvProblem(0, 2, 1, (4, 5, 6), (2, 3, 2), (1,) * 3, ((0, 0),) * 3, (1,) * 3),
    ConvProblem(1, 1, 1, (2, 2, 2), (2, 2, 2), (1,) * 3, ((0, 0),) * 3, (1,) * 3),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex64, torch.bool], ids=str)
def test_every_axis_is_as_it_is_written_out(problem: ConvProblem, dtype: torch.dtype) -> None:
    """`im2col_map`, which is read next to the algorithm, has other code."""
    sizes: list[Any] = [
        problem.kernel_size,
        problem.dilation,
        tuple(before for before, _ in problem.padding),
        problem.stride,
    ]
    input = torch.randint(0, 2, problem.input_shape).to(dtype)
    columns = im2col_map.unfold(problem, input)
    folded = im2col_map.fold(problem, columns)
    assert torch.equal(unfold(input, *sizes), columns)
    assert torch.equal(fold(columns, problem.input_size, *sizes), folded)
    if problem.batch:
        assert torch.equal(unfold(input[0], *sizes), columns[0])
        assert torch.equal(fold(columns[0], problem.input_size, *sizes), folded[0])


@pytest.mark.parametrize("problem", [PROBLEMS[0], PROBLEMS[5]], ids=str)
def test_gradients_of_one_and_three_axes(problem: ConvProblem) -> None:
    input = torch.randn(problem.input_shape, dtype=torch.float64, requires_grad=True)
    padding = tuple(before for before, _ in problem.padding)
    sizes = (problem.kernel_size, problem.dilation, padding, problem.stride)
    gradcheck(unfold, (input, *sizes))
    columns = unfold(input, *sizes).detach().requires_grad_()
    gradcheck(fold, (columns, problem.input_size, *sizes))


# -- refusals -----------------------------------------------------------------------------------

IMAGE, COLUMNS = torch.ones(1, 2, 5, 6), torch.ones(1, 8, 20)
BAD: list[tuple[str, dict[str, Any], type[ConvError], str]] = [
    ("unfold", {"kernel_size": 0}, ArgumentError, "kernel_size must be a whole number of at least"),
    ("unfold", {"kernel_size": (2, -1)}, ArgumentError, "at least 1, got -1"),
    ("unfold", {"kernel_size": True}, ArgumentTypeError, "got True of type bool"),
    ("unfold", {"kernel_size": 1.0}, ArgumentTypeError, "got 1.0 of type float"),
    ("unfold", {"kernel_size": "2"}, ArgumentTypeError, "got '2' of type str"),
    ("unfold", {"kernel_size": None}, ArgumentTypeError, "got None of type NoneType"),
    ("unfold", {"kernel_size": ()}, ArgumentError, "an int or 1, 2 or 3 numbers, got 0"),
    ("unfold", {"kernel_size": (1,) * 4}, ArgumentError, "an int or 1, 2 or 3 numbers, got 4"),
    ("unfold", {"kernel_size": 6}, ShapeError, "spans 6 positions of spatial axis 0"),
    ("unfold", {"kernel_size": (2, 7)}, ShapeError, "spans 7 positions of spatial axis 1"),
    ("unfold", {"kernel_size": 2**31}, ArgumentError, "must be at most 2147483647"),
    ("unfold", {"dilation": 0}, ArgumentError, "try: dilation=1, or dilation=2"),
    ("unfold", {"dilation": (2,)}, ArgumentError, "an int or 2 numbers, one per spatial axis"),
    ("unfold", {"dilation": 5}, ShapeError, "spans 6 positions"),
    ("unfold", {"padding": -1}, ArgumentError, "padding must be a whole number of at least 0"),
    ("unfold", {"padding": 10**30}, ArgumentTypeError, "must fit 64 bits"),
    ("unfold", {"stride": 0}, ArgumentError, "stride must be a whole number of at least 1, got 0"),
    ("unfold", {"stride": (1, 1, 1)}, ArgumentError, "got (1, 1, 1)"),
    ("unfold", {"input": torch.ones(5, 6)}, ShapeError, "3 axes, [channels, *size], or 4"),
    ("unfold", {"input": torch.ones(1, 1, 2, 5, 6)}, ShapeError, "but it has 5"),
    ("unfold", {"input": torch.ones(1, 0, 5, 6)}, ShapeError, "no other empty axis"),
    ("unfold", {"input": torch.ones(0, 5, 6)}, ShapeError, "no other empty axis"),
    ("unfold", {"input": torch.ones(1, 2, 5, 0)}, ShapeError, "no other empty axis"),
    ("unfold", {"input": [[1.0]]}, ArgumentTypeError, "not a list"),
    ("unfold", {"input": IMAGE.int()}, UnsupportedDtypeError, "no unfold for int32 on cpu"),
    ("unfold", {"input": IMAGE.to_sparse()}, UnsupportedDtypeError, "sparse_coo on cpu"),
    ("fold", {"input": torch.ones(1, 7, 20)}, ShapeError, "7 rows, no multiple of the kernel's 4"),
    ("fold", {"input": torch.ones(1, 8, 21)}, ShapeError, "21 columns, but the output has 4 × 5 ="),
    ("fold", {"input": torch.ones(1, 8, 0)}, ShapeError, "no other empty axis"),
    ("fold", {"input": torch.ones(8)}, ShapeError, "but it has 1 axes"),
    ("fold", {"input": torch.ones(1, 1, 8, 20)}, ShapeError, "but it has 4 axes"),
    ("fold", {"input": COLUMNS.short()}, UnsupportedDtypeError, "no fold for int16 on cpu"),
    ("fold", {"input": None}, ArgumentTypeError, "not a NoneType"),
    ("fold", {"output_size": 5}, ShapeError, "20 columns, but the output has 4 × 4 = 16 windows"),
    ("fold", {"output_size": (5,)}, ArgumentError, "output_size must be an int or 2 numbers"),
    ("fold", {"output_size": (0, 6)}, ArgumentError, "output_size must be a whole number"),
    ("fold", {"output_size": 1.0}, ArgumentTypeError, "got 1.0 of type float"),
    ("fold", {"padding": 1}, ShapeError, "6 × 7 = 42 windows; try: padding=0"),
    ("fold", {"stride": 0}, ArgumentError, "stride must be a whole number of at least 1, got 0"),
    ("fold", {"dilation": 0}, ArgumentError, "dilation must be a whole number of at least 1"),
    ("fold", {"kernel_size": 7}, ShapeError, "the padded output has 5"),
]


@pytest.mark.parametrize(("function", "change", "error", "cause"), BAD)
def test_what_pytorch_refuses_is_refused_alike_and_better_said(
    function: str, change: dict[str, Any], error: type[ConvError], cause: str
) -> None:
    request: dict[str, Any] = {"input": IMAGE, "kernel_size": 2}
    if function == "fold":
        request = {"input": COLUMNS, "output_size": (5, 6), "kernel_size": 2}
    request |= change
    with pytest.raises((RuntimeError, TypeError, IndexError)) as theirs:
        THEIRS[function](**request)
    with pytest.raises(error) as ours:
        OURS[function](**request)
    assert isinstance(ours.value, theirs.type)
    assert cause in str(ours.value)
    assert ours.value.request.startswith(f"{function}(")
    assert f"kernel_size={request['kernel_size']!r}" in ours.value.request
    if isinstance(request["input"], Tensor):
        assert f"input {list(request['input'].shape)}" in ours.value.request


@pytest.mark.parametrize("name", ["kernel_size", "dilation", "padding", "output_size"])
@pytest.mark.parametrize("value", [2**31, 2**40, 2**62])
@FUNCTION
def test_enormous_sizes_are_refused(function: str, name: str, value: int) -> None:
    """PyTorch 2.13 is not asked: it crashes on some of these."""
    request: dict[str, Any] = {"input": IMAGE, "kernel_size": 2}
    if function == "fold":
        request = {"input": COLUMNS, "output_size": (5, 6), "kernel_size": 2}
    elif name == "output_size":
        return
    with pytest.raises(ArgumentError, match=f"{name} must be at most 2147483647, got {value}"):
        OURS[function](**request | {name: value})


def test_the_nearest_arguments_are_suggested_and_accepted() -> None:
    with pytest.raises(ShapeError, match="try: input_size=6, or kernel_size=5, or padding=1"):
        unfold(IMAGE, 6)
    assert unfold(IMAGE, 5).shape == (1, 50, 2)
    assert unfold(IMAGE, 6, padding=1).shape == (1, 72, 6)


def test_an_element_type_that_pytorch_lacks_is_refused() -> None:
    with pytest.raises(UnsupportedDtypeError, match="PyTorch has no "):
        unfold(np.ones((1, 3, 3), np.longdouble), 2)


def test_a_tensor_whose_memory_was_freed_is_refused() -> None:
    input = torch.ones(1, 2, 5, 6)
    input.untyped_storage().resize_(0)
    with pytest.raises(StorageError, match="memory is not there"):
        unfold(input, 2)

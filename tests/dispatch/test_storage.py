"""Memory that is not there gives an error or zeros, and never numbers from beyond a storage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor

import glassconv
from glassconv import ConvProblem, Operands, parse, random_operands
from glassconv.dispatch.dispatch import run
from glassconv.dispatch.storage import are_stored, bytes_spanned, check_storage
from glassconv.errors import StorageError
from support.call_arrays import FUNCTIONS, NAMES, arrays_of, call

EACH_FUNCTION = pytest.mark.parametrize("function", FUNCTIONS)
EACH_NAME = pytest.mark.parametrize("name", NAMES)


def freed(tensor: Tensor) -> Tensor:
    """Return a tensor whose storage has 0 bytes, as FSDP leaves a weight."""
    tensor.untyped_storage().resize_(0)
    return tensor


def cut(tensor: Tensor) -> Tensor:
    """Return a tensor whose storage lacks its last byte."""
    tensor.untyped_storage().resize_(tensor.nbytes - 1)
    return tensor


def freed_with_offset(tensor: Tensor) -> Tensor:
    view = torch.cat([torch.ones(5), tensor.flatten()])[5:].view(tensor.shape)
    return freed(view)


def cut_by_the_offset(tensor: Tensor) -> Tensor:
    """Return a tensor with as many bytes as its storage, of which its offset skips some."""
    view = torch.cat([torch.ones(5), tensor.flatten()])[5:].view(tensor.shape)
    view.untyped_storage().resize_(tensor.nbytes)
    return view


def cut_by_the_strides(tensor: Tensor) -> Tensor:
    """Return a tensor with as many bytes as its storage, and gaps between its elements."""
    view = torch.stack([tensor, tensor], dim=-1)[..., 0]
    view.untyped_storage().resize_(tensor.nbytes)
    return view


CUTS = [freed, cut, freed_with_offset, cut_by_the_offset, cut_by_the_strides]
EACH_CUT = pytest.mark.parametrize("make", CUTS, ids=lambda make: make.__name__)


@EACH_FUNCTION
@EACH_NAME
@EACH_CUT
def test_elements_outside_the_storage_are_an_error(
    function: str, name: str, make: Callable[[Tensor], Tensor]
) -> None:
    arrays = arrays_of(function)
    call(function, arrays)  # a call that is remembered is checked, too
    arrays[name] = make(arrays[name])
    with pytest.raises(StorageError, match=f"{function}: the {name}'s memory is not there"):
        call(function, arrays)


@EACH_NAME
@EACH_CUT
@pytest.mark.parametrize("algorithm", ["im2col", "winograd4", "aten"])
def test_it_is_an_error_for_named_algorithms(
    name: str, make: Callable[[Tensor], Tensor], algorithm: str
) -> None:
    arrays = arrays_of("conv2d")
    arrays[name] = make(arrays[name])
    with pytest.raises(RuntimeError, match="memory is not there"):
        call("conv2d", arrays, algorithm=algorithm)


@EACH_CUT
def test_it_is_an_error_under_gradients(make: Callable[[Tensor], Tensor]) -> None:
    arrays = arrays_of("conv2d")
    arrays["weight"].requires_grad_()
    arrays["input"] = make(arrays["input"])
    with pytest.raises(StorageError, match="the input's memory"):
        call("conv2d", arrays)


def test_a_parameter_that_is_freed_and_filled_again() -> None:
    """FSDP frees a parameter after its layer has run, and gathers it before the next run."""
    layer = torch.nn.Conv2d(4, 4, 3, bias=False)
    weight, input = layer.weight, torch.ones(1, 4, 8, 8)
    kept = weight.detach().clone()
    with torch.no_grad():
        before = glassconv.conv2d(input, weight)
        storage = weight.untyped_storage()
        storage.resize_(0)
        with pytest.raises(StorageError, match="need 576 bytes, and its storage has 0"):
            glassconv.conv2d(input, weight)
        storage.resize_(kept.nbytes)
        weight.copy_(kept)
        assert torch.equal(glassconv.conv2d(input, weight), before)


def test_operands_of_a_problem_are_checked() -> None:
    problem = parse("4x7x7 4@3x3")
    assert isinstance(problem, ConvProblem)
    operands: Operands = random_operands(problem)
    for algorithm in ("im2col", "implicit_gemm"):
        with pytest.raises(StorageError, match="the weight's memory"):
            run(problem, algorithm, operands.input, freed(operands.weight), operands.bias)


@EACH_FUNCTION
@EACH_NAME
@pytest.mark.parametrize("algorithm", ["auto", "im2col", "direct"])
@pytest.mark.parametrize("mode", [nullcontext, torch.no_grad, torch.inference_mode])
def test_a_zero_tensor_without_memory_is_zeros(
    function: str,
    name: str,
    algorithm: str,
    mode: Callable[[], AbstractContextManager[object]],
) -> None:
    arrays = arrays_of(function)
    with mode():
        expected = call(
            function, arrays | {name: torch.zeros_like(arrays[name])}, algorithm=algorithm
        )
        zeros = torch._efficientzerotensor(arrays[name].shape)
        output = call(function, arrays | {name: zeros}, algorithm=algorithm)
    torch.testing.assert_close(output, expected)


WHOLE: dict[str, Callable[[], Tensor]] = {
    "contiguous": lambda: torch.ones(2, 3),
    "transposed": lambda: torch.ones(2, 3).mT,
    "a view at the end": lambda: torch.ones(4, 3)[2:],
    "a view with gaps": lambda: torch.ones(4, 3)[::3, ::2],
    "expanded": lambda: torch.ones(1, 3).expand(5, 3),
    "overlapping": lambda: torch.ones(6).as_strided((5, 2), (1, 1)),
    "a scalar": lambda: torch.ones(()),
    "without elements": lambda: torch.ones(0, 3),
    "without elements, behind the end": lambda: torch.ones(6)[6:].view(0, 4),
}


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_a_view_of_memory_that_is_there(make: Callable[[], Tensor]) -> None:
    tensor = make()
    assert is_stored(tensor)
    check_storage("conv2d", {"input": tensor})
    storage = tensor.untyped_storage()
    last = int((tensor.storage_offset() + sum(_reach(tensor)) + 1) * tensor.itemsize)
    if tensor.numel():
        storage.resize_(last)
        assert is_stored(tensor)
        storage.resize_(last - 1)
        assert not is_stored(tensor)
    else:
        storage.resize_(0)
        assert is_stored(tensor)


def is_stored(tensor: Tensor) -> bool:
    span = bytes_spanned(tensor.shape, tensor.stride(), tensor.dtype)
    return are_stored([tensor], [span])


def _reach(tensor: Tensor) -> list[int]:
    return [(size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)]


def test_what_has_no_storage_of_its_own_is_left_to_pytorch() -> None:
    weight = torch.ones(2, 1, 3, 3)
    seen = []

    def convolve(input: Tensor) -> Tensor:
        check_storage("conv2d", {"input": input, "weight": weight})
        seen.append(type(input))
        return glassconv.conv2d(input, weight)

    assert torch.vmap(convolve)(torch.ones(2, 1, 1, 5, 5)).shape == (2, 1, 2, 3, 3)
    torch.func.grad(lambda input: convolve(input).sum())(torch.ones(1, 1, 5, 5))
    assert len(seen) == 2
    check_storage(
        "conv2d", {"input": torch.ones(3).to_sparse(), "weight": torch.ones(3).to("meta")}
    )

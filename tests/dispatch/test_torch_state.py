"""Kernels get numbers in memory only; where PyTorch hides whether they are, they get nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv import conv2d
from glassconv.algorithms import named
from glassconv.dispatch import dispatch, torch_state
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.verification.definition import allowed_error, definition
from support.tensor_states import CHANGED, MODES

PROBLEM = parse("8x9x9 8@3x3 p1")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    reload()


def reload() -> None:
    importlib.reload(torch_state)
    dispatch.state_of = torch_state.state_of  # type: ignore[attr-defined]
    dispatch.State = torch_state.State  # type: ignore[attr-defined]
    dispatch.forget()


def operands() -> Operands:
    return random_operands(PROBLEM)


def plain(*arrays: Tensor) -> bool:
    input, weight = arrays
    return torch_state.state_of(input, weight, None, None) is torch_state.State.PLAIN


def right(output: Tensor, given: Operands) -> bool:
    truth = definition(PROBLEM, given)
    bound = named("winograd4").error_bound(PROBLEM)
    allowed = allowed_error(PROBLEM, bound, given, truth.magnitude)
    return bool((np.abs(to_numpy(output) - truth.output) <= allowed).all())


def test_numbers_in_memory_are_plain() -> None:
    given = operands()
    assert plain(given.input, given.weight)
    with torch.no_grad():
        assert plain(given.input, torch.nn.Parameter(given.weight))
    with torch.inference_mode():
        assert plain(torch.ones(2), given.weight)
    assert plain(given.input.mT, given.weight[::2])


@pytest.mark.parametrize("name", torch_state.PRIVATE_NAMES)
def test_without_a_private_function_a_call_takes_the_safe_way(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch itself needs of it is there again when the call runs."""
    given = operands()
    owner, _, last = name.rpartition(".")
    with monkeypatch.context() as patch:
        found = torch_state.find(owner)
        if last in vars(found):
            patch.delattr(found, last)
        else:  # inherited, and cannot be deleted
            patch.setattr(found, last, None)
        reload()
    assert torch_state.PRIVATE[name] is None
    assert not plain(given.input, given.weight)
    assert right(conv2d(given.input, given.weight, given.bias, padding=1), given)


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_what_is_more_than_numbers_in_memory_is_not_plain(
    change: Callable[[Tensor], Tensor],
) -> None:
    given = operands()
    assert not plain(change(given.input), given.weight)
    assert not plain(given.input, change(given.weight))


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_nothing_is_plain_while_operations_are_changed(
    mode: Callable[[], AbstractContextManager[object]],
) -> None:
    given = operands()
    with mode():
        assert not plain(given.input, given.weight)
    assert plain(given.input, given.weight)


@pytest.mark.parametrize("change", ["a negative view", "the imaginary part of a conjugate"])
@pytest.mark.parametrize("mode", [None, "autocast", "a function mode", "a dispatch mode"])
def test_lazy_negation_and_modes_give_right_results(change: str, mode: str | None) -> None:
    given = operands()
    changed = CHANGED[change](given.input)
    resolved = Operands(changed.resolve_neg(), given.weight, given.bias)
    with MODES[mode]() if mode and mode != "autocast" else nullcontext():
        output = conv2d(changed, given.weight, given.bias, padding=1)
    assert right(output, resolved)


def test_zeros_without_memory_give_the_bias() -> None:
    given = operands()
    zeros = torch._efficientzerotensor(given.input.shape)
    output = conv2d(zeros, given.weight, given.bias, padding=1)
    assert given.bias is not None
    assert torch.equal(output, given.bias.reshape(1, -1, 1, 1).expand_as(output))


def test_vmap_sees_every_call() -> None:
    given = operands()
    inputs = torch.stack([given.input, 2 * given.input])
    seen: list[bool] = []

    def call(input: Tensor) -> Tensor:
        seen.append(plain(input, given.weight))
        return conv2d(input, given.weight, given.bias, padding=1)

    outputs = torch.vmap(call)(inputs)
    assert seen == [False]
    assert right(outputs[0], given)
    assert right(outputs[1], Operands(2 * given.input, given.weight, given.bias))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_kernel_computes_what_autocast_has_cast(
    dtype: torch.dtype, activation: str | None
) -> None:
    given = operands()
    assert given.bias is not None
    options: dict[str, Any] = {"padding": 1, "algorithm": "implicit_gemm"}
    alone = conv2d(given.input.to(dtype), given.weight.to(dtype), given.bias.to(dtype), **options)
    options |= {"residual": torch.randn(alone.shape), "activation": activation}
    with torch.autocast("cpu", dtype):
        output = conv2d(given.input, given.weight, given.bias, **options)
        assert torch.is_autocast_enabled("cpu")
    expected = alone + options["residual"]
    assert torch.equal(output, expected.relu() if activation else expected)


def test_autocast_leaves_float64() -> None:
    given = operands()
    with torch.autocast("cpu", torch.bfloat16):
        assert conv2d(given.input.double(), given.weight.double()).dtype == torch.float64


def test_autocast_decides_the_element_type() -> None:
    given = operands()
    with torch.autocast("cpu", torch.bfloat16):
        ours = conv2d(given.input, given.weight, given.bias, padding=1)
        theirs = F.conv2d(given.input, given.weight, given.bias, padding=1)
    assert ours.dtype == theirs.dtype == torch.bfloat16

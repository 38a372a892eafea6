"""A call is recognised where all that decides about it is as it was, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter

from glassconv import conv2d
from glassconv.dispatch import dispatch, recent_calls, torch_state
from glassconv.dispatch.pytorch_call import PyTorchCall
from glassconv.dispatch.recent_calls import recall
from glassconv.dispatch.recorded_call import RecordedCall
from glassconv.problem.problem import Arguments
from support.tensor_states import CHANGED, MODES

ARGUMENTS = Arguments(2, False, 1, 1, 1, 1, 0, "auto", "default", None)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    dispatch.forget()
    yield
    dispatch.forget()


def operands(**kind: Any) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(1, 4, 6, 6, **kind), torch.randn(8, 4, 3, 3, **kind), torch.randn(8, **kind)


def recognised(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    return recall(input, weight, bias, None, ARGUMENTS) is not None


def test_the_second_call_is_recognised_whatever_its_numbers() -> None:
    input, weight, bias = operands()
    assert not recognised(input, weight, bias)
    first = conv2d(input, weight, bias, padding=1)
    assert recognised(input, weight, bias)
    assert recognised(2 * input, weight.clone(), bias + 1)
    torch.testing.assert_close(conv2d(2 * input, 2 * weight, 4 * bias, padding=1), 4 * first)


def test_lists_of_sizes_are_recognised_as_tuples_are() -> None:
    input, weight, bias = operands()
    conv2d(input, weight, bias, stride=[1, 1], padding=[1, 1])
    for sizes in ([1, 1], (1, 1)):
        arguments = ARGUMENTS._replace(stride=sizes, padding=sizes)
        assert recall(input, weight, bias, None, arguments) is not None
    others: list[Any] = [[True, 1], [[1, 1], [1, 1]], [torch.tensor(1), 1]]
    for other in others:
        arguments = ARGUMENTS._replace(stride=(1, 1), padding=other)
        assert recall(input, weight, bias, None, arguments) is None


OTHERS: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor | None]]] = {
    "shape": lambda x, w, b: (x[..., :5].contiguous(), w, b),
    "strides of the input": lambda x, w, b: (x.mT, w, b),
    "strides of the weight": lambda x, w, b: (x, w.to(memory_format=torch.channels_last), b),
    "strides of the bias": lambda x, w, b: (x, w, torch.stack([b, b], 1)[:, 0]),
    "number of filters": lambda x, w, b: (x, w[:4].contiguous(), b[:4]),
    "element type": lambda x, w, b: (x.double(), w.double(), b.double()),
    "no bias": lambda x, w, b: (x, w, None),
    "a parameter": lambda x, w, b: (x, Parameter(w, requires_grad=False), b),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_kind_of_operand_is_another_call(
    other: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor | None]],
) -> None:
    given = operands()
    conv2d(*given, padding=1)
    input, weight, bias = other(*given)
    assert not recognised(input, weight, bias)
    doubled = None if bias is None else bias.double()
    expected = F.conv2d(input.double(), weight.detach().double(), doubled, padding=1)
    for _ in range(2):
        output = conv2d(input, weight, bias, padding=1)
        torch.testing.assert_close(output.double(), expected, rtol=1e-4, atol=1e-5)
    assert recognised(input, weight, bias)


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
@pytest.mark.parametrize("place", range(3))
def test_what_is_more_than_numbers_in_memory_is_not_recognised(
    change: Callable[[Tensor], Tensor], place: int
) -> None:
    given = operands()
    conv2d(*given, padding=1)
    changed = [change(each) if number == place else each for number, each in enumerate(given)]
    assert not recognised(*changed)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_nothing_is_recognised_while_operations_are_changed(
    mode: Callable[[], AbstractContextManager[object]],
) -> None:
    given = operands()
    conv2d(*given, padding=1)
    with mode():
        assert not recognised(*given)
    assert recognised(*given)


@pytest.mark.filterwarnings("ignore:.*jit.trace.*is deprecated")
def test_transforms_and_traces_are_not_recognised() -> None:
    input, weight, bias = operands()
    conv2d(input, weight, bias, padding=1)
    seen: list[bool] = []

    def look(other: Tensor) -> Tensor:
        seen.append(recognised(input, weight, bias))
        return other.sum()

    torch.vmap(look)(torch.ones(2, 2))
    torch.func.grad(look)(torch.ones(2))
    torch.jit.trace(look, torch.ones(2), check_trace=False)  # type: ignore[no-untyped-call]
    assert seen == [False] * 3


def test_gradients_are_another_call() -> None:
    input, weight, bias = operands()
    weight = Parameter(weight)
    with torch.no_grad():
        conv2d(input, weight, bias, padding=1)
        assert recognised(input, weight, bias)
    assert not recognised(input, weight, bias)
    assert conv2d(input, weight, bias, padding=1).requires_grad
    recorded = PyTorchCall, RecordedCall  # whichever is predicted to be faster
    assert isinstance(recall(input, weight, bias, None, ARGUMENTS), recorded)
    assert conv2d(input, weight, bias, padding=1).requires_grad
    with torch.no_grad():
        assert not isinstance(recall(input, weight, bias, None, ARGUMENTS), recorded)
        assert not conv2d(input, weight, bias, padding=1).requires_grad
    weight.requires_grad_(False)
    assert not recognised(input, weight, bias)


@pytest.mark.parametrize("place", range(3))
def test_a_storage_that_was_cut_is_not_recognised(place: int) -> None:
    given = operands()
    conv2d(*given, padding=1)
    storage = given[place].untyped_storage()
    storage.resize_(storage.nbytes() - 1)
    assert not recognised(*given)


def test_what_equals_an_argument_is_not_recognised() -> None:
    given = operands()
    conv2d(*given, padding=1)
    assert recall(*given, None, ARGUMENTS._replace(stride=True)) is None
    assert recall(*given, None, ARGUMENTS._replace(groups=1.0)) is None  # type: ignore[arg-type]


def test_another_number_of_threads_is_another_call() -> None:
    given, before = operands(), torch.get_num_threads()
    conv2d(*given, padding=1)
    try:
        torch.set_num_threads(before + 1)
        assert not recognised(*given)
    finally:
        torch.set_num_threads(before)


def test_the_number_of_remembered_calls_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_calls, "MAX_CALLS", 8)
    weight = torch.ones(1, 1, 1, 1)
    for size in range(1, 30):
        conv2d(torch.ones(1, 1, 1, size), weight)
    assert len(recent_calls._calls) <= 8


def test_without_guards_every_call_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_calls, "_guards_of", None)
    given = operands()
    outputs = [conv2d(*given, padding=1) for _ in range(2)]
    assert not recognised(*given)
    assert torch.equal(*outputs)


def test_without_a_private_function_of_pytorch_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then no state is plain, so no call is remembered."""
    monkeypatch.setattr(recent_calls, "_modes", None)
    monkeypatch.setattr(dispatch, "state_of", lambda *_: torch_state.State.OTHER)
    given = operands()
    outputs = [conv2d(*given, padding=1) for _ in range(2)]
    assert torch.equal(*outputs)

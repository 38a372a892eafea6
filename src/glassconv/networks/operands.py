"""The numbers that the convolutions of a network read, recorded in one call on an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from glassconv.errors import NetworkError
from glassconv.networks.capture import bound_arguments
from glassconv.networks.convolutions import FUNCTIONS, Convolution
from glassconv.nn.shared_copy import shared_copy
from glassconv.problem.operands import Operands


def operands_of(
    model: nn.Module, input: Tensor, convolutions: Sequence[Convolution]
) -> tuple[Operands, ...]:
    """Return the input, weight and bias of each convolution in `model.eval()(input)`.

    convolutions: those of the model's graph on this input, in their order.

    Raises `NetworkError` where the model cannot be run on this input.

    >>> from glassconv.networks.capture import capture
    >>> from glassconv.networks.convolutions import convolutions
    >>> model, x = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3)), -torch.ones(1, 1, 4, 4)
    >>> (found,) = operands_of(model, x, convolutions(capture(model, x)))
    >>> bool((found.input == 0).all())
    True
    """
    request = f"{type(model).__name__} on an input {list(input.shape)}"
    recorder = _Recorder()
    try:
        with torch.inference_mode(), recorder:
            shared_copy(model).eval()(input)
    except Exception as error:  # whatever the model's own code raises
        raise NetworkError(f"{type(error).__name__}: {error}", request=request) from error
    if len(recorder.found) != len(convolutions):
        cause = "it calls other convolutions each time that it is run"
        raise NetworkError(cause, request=request)
    return tuple(
        Operands(found.input.reshape(each.problem.input_shape), found.weight, found.bias)
        for each, found in zip(convolutions, recorder.found, strict=True)
    )


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps what each convolution reads."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[Operands] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if function.overloadpacket.__name__ in FUNCTIONS:
            arguments = bound_arguments(function, args, kwargs or {})
            input = arguments["input"].clone()  # what follows may write over it
            self.found.append(Operands(input, arguments["weight"], arguments["bias"]))
        return function(*args, **(kwargs or {}))

"""The numbers that the convolutions of a network read, recorded in one call on an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.capture import bound_arguments
from glassconv.networks.convolutions import FUNCTIONS, Convolution
from glassconv.networks.operation_mode import OperationMode, evaluated, name_of
from glassconv.nn.shared_copy import shared_copy
from glassconv.problem.operands import Operands


def operands_of(
    model: nn.Module, input: Tensor, convolutions: Sequence[Convolution]
) -> tuple[Operands, ...]:
    """Return the input, weight and bias of each convolution in `model.eval()(input)`.

    convolutions: those of the model's graph on this input, in their order.

    Raises `NetworkError` where the model cannot be run on this input.

    >>> import torch
    >>> from glassconv.networks.capture import capture
    >>> from glassconv.networks.convolutions import convolutions
    >>> model, x = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3)), -torch.ones(1, 1, 4, 4)
    >>> (found,) = operands_of(model, x, convolutions(capture(model, x)))
    >>> bool((found.input == 0).all())
    True
    """
    request = f"{type(model).__name__} on an input {list(input.shape)}"
    recorder = _Recorder()
    evaluated(shared_copy(model), input, request, recorder)
    if len(recorder.found) != len(convolutions):
        cause = "it calls other convolutions each time that it is run"
        raise NetworkError(cause, request=request)
    return tuple(
        Operands(found.input.reshape(each.problem.input_shape), found.weight, found.bias)
        for each, found in zip(convolutions, recorder.found, strict=True)
    )


class _Recorder(OperationMode):
    """Keeps what each convolution reads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Operands] = []

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if name_of(function) in FUNCTIONS:
            arguments = bound_arguments(function, args, kwargs)
            input = arguments["input"].clone()  # what follows may write over it
            self.found.append(Operands(input, arguments["weight"], arguments["bias"]))
        return function(*args, **kwargs)

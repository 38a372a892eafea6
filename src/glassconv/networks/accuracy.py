"""The error of an optimized network, beside PyTorch's own, against the network in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from glassconv.dispatch.select import ACCURACY, STRICT
from glassconv.errors import NetworkError
from glassconv.networks.relative_error import relative_rms_error
from glassconv.networks.tensors import tensors_in
from glassconv.nn.shared_copy import shared_copy

NEAR = 2.0**-8  # how far from the example other inputs are, relative to it
NEIGHBORS = 4


@dataclass(frozen=True)
class Accuracy:
    """Rms errors on the example, over the rms of the outputs; None where float64 failed."""

    error: float | None
    pytorch_error: float | None
    limit: float
    reason: str = ""  # why there are no errors


def measured(
    optimized: Callable[..., Any], model: nn.Module, example: Sequence[Any], accuracy: str
) -> Accuracy:
    """Return the errors of a network on an example, and the limit that the accuracy sets.

    The limit is a multiple of PyTorch's error on the example, or on inputs close to it, and at
    least of the rounding of one output. A network in float64 is its own reference, so it has no
    error. In "strict" the order of the sums is what is asked for, and the limit is only stated.

    Raises `NetworkError` where the error is larger, or where the model cannot be called.
    """
    request = f"optimize({type(model).__name__}, accuracy={accuracy!r})"
    try:
        pytorch = _outputs(shared_copy(model).eval(), example)
    except Exception as error:  # whatever the model's own code raises
        raise NetworkError(f"{type(error).__name__}: {error}", request=request) from error
    if any(each.dtype is torch.float64 for each in tensors_in(pytorch)):
        reason = "its outputs are float64, and nothing more precise is there to compare them with"
        return Accuracy(None, None, ACCURACY[accuracy], reason)
    try:
        precise = deepcopy(model).eval().double()
        truth = _outputs(precise, _in_float64(example))
    except Exception as error:  # a model that takes no numbers in float64
        return Accuracy(None, None, ACCURACY[accuracy], f"{type(error).__name__}: {error}")
    found = relative_rms_error(_outputs(optimized, example), truth)
    theirs = relative_rms_error(pytorch, truth)
    limit = ACCURACY[accuracy] * max(theirs, _roundoff(pytorch))
    if found > limit:  # PyTorch's error may happen to be small for this example
        theirs = max(theirs, _error_near(shared_copy(model).eval(), precise, example))
        limit = ACCURACY[accuracy] * max(theirs, _roundoff(pytorch))
    if found > limit and accuracy != STRICT:
        cause = f"its error is {found:.1e}, and the accuracy allows {limit:.1e}"
        raise NetworkError(cause, request=request)
    return Accuracy(found, theirs, limit)


def _outputs(function: Callable[..., Any], arguments: Sequence[Any]) -> list[Tensor]:
    with torch.inference_mode():
        given = tree_map_only(Tensor, Tensor.clone, tuple(arguments))  # a network may write to it
        return [each.clone() for each in tensors_in(function(*given))]


def _error_near(model: nn.Module, precise: nn.Module, example: Sequence[Any]) -> float:
    """Return PyTorch's largest error on inputs that are close to the example."""
    generator = torch.Generator().manual_seed(0)

    def near(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        factors = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        return (tensor.double() * (1 + NEAR * factors)).to(tensor.dtype)

    errors = [0.0]
    for _ in range(NEIGHBORS):
        inputs = tree_map_only(Tensor, near, tuple(example))
        truth = _outputs(precise, _in_float64(inputs))
        errors.append(relative_rms_error(_outputs(model, inputs), truth))
    return max(errors)


def _in_float64(arguments: Sequence[Any]) -> tuple[Any, ...]:
    def double(tensor: Tensor) -> Tensor:
        return tensor.double() if tensor.is_floating_point() else tensor

    return tuple(tree_map_only(Tensor, double, each) for each in arguments)


def _roundoff(outputs: Sequence[Tensor]) -> float:
    floats = [each.dtype for each in outputs if each.is_floating_point()]
    return max((torch.finfo(each).eps / 2 for each in floats), default=0.0)

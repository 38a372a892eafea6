"""Verify the gradients of a network's convolutions, as a step of training computes them.

Each convolution gets the input that it gets in the network, its own weight, and a random gradient
of its output. What autograd returns for it through glassconv is compared with the definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from glassconv.algorithms.aten import output_layout_of
from glassconv.dispatch.dispatch import compute
from glassconv.dispatch.gradient_choice import choose_gradients, predicted_parts
from glassconv.dispatch.weight_gradient_call import settings_of
from glassconv.errors import UnsupportedError
from glassconv.networks.capture import bound_arguments, capture
from glassconv.networks.convolutions import FUNCTIONS, Convolution, convolutions
from glassconv.networks.operation_mode import OperationMode, evaluated, name_of
from glassconv.nn.shared_copy import shared_copy
from glassconv.problem.operands import Operands, random_grad_output
from glassconv.reports.gradient_verification import GradientCheck, NetworkGradientVerification
from glassconv.verification.gradients import PYTORCH, Gradients
from glassconv.verification.verify import COMPILED


def verify_network_gradients(
    model: nn.Module, input: Tensor, name: str = ""
) -> NetworkGradientVerification:
    """Return how far the gradients of each convolution of a network are from their definitions.

    input: what the network is evaluated on; no gradient of it is asked for. name: what to call the
    network, if not by its class.

    Raises `UnsupportedError` for a network without a convolution, or with one of numbers that no
    algorithm takes, `NetworkError` for one that cannot be run on this input.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    >>> verify_network_gradients(model, torch.rand(1, 3, 9, 9)).verdict.reason
    'the gradients of every convolution are within their bounds'
    """
    name = name or type(model).__name__
    request = f"{name} on an input {list(input.shape)}"
    graph = capture(model, input)
    found = convolutions(graph)
    if not found:
        raise UnsupportedError("it calls no convolution", request=request)
    given = {value.number for value in graph.inputs}
    checks = _Checks(found, given)
    evaluated(shared_copy(model), input, request, checks)
    return NetworkGradientVerification(name, tuple(input.shape), tuple(checks.found))


class _Checks(OperationMode):
    """Computes the gradients of each convolution, and compares them with their definitions."""

    def __init__(self, convolutions: Sequence[Convolution], given: set[int]) -> None:
        super().__init__()
        self.expected, self.given = list(convolutions), given
        self.found: list[GradientCheck] = []

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if name_of(function) in FUNCTIONS:
            arguments = bound_arguments(function, args, kwargs)
            self._check(self.expected[len(self.found)], arguments)
        return function(*args, **kwargs)

    def _check(self, convolution: Convolution, arguments: Mapping[str, Any]) -> None:
        problem = convolution.problem
        operands = Operands(
            arguments["input"].reshape(problem.input_shape), arguments["weight"], arguments["bias"]
        ).copy()
        is_asked = convolution.input.number not in self.given
        gradients = Gradients(problem, operands, random_grad_output(problem))
        computed = _computed(gradients, is_asked)
        by = _computed_by(gradients, is_asked)
        self.found.append(
            GradientCheck(
                convolution.operation.name,
                gradients.judge_input(by[0], computed[0]) if is_asked else None,
                gradients.judge_weight(by[1], computed[1]),
                gradients.judge_bias(by[1], computed[2]) if problem.bias else None,
            )
        )


def _computed(gradients: Gradients, of_input: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradients of input, weight and bias of a recorded call."""
    operands, problem = gradients.operands, gradients.problem
    arrays = (operands.input, operands.weight, operands.bias)
    with torch.inference_mode(False), torch.enable_grad():
        input, weight, bias = (None if each is None else each.clone() for each in arrays)
        assert input is not None, "every call has one"
        assert weight is not None, "every call has one"
        sources = [weight.requires_grad_()]
        sources += [] if bias is None else [bias.requires_grad_()]
        sources += [input.requires_grad_()] if of_input else []
        arguments = settings_of(problem, "default").arguments()
        output = compute(input, weight, bias, None, arguments)
        found = torch.autograd.grad(output, sources, gradients.grad)
    return found[-1] if of_input else input, found[0], None if bias is None else found[1]


def _computed_by(gradients: Gradients, of_input: bool) -> tuple[str, str]:
    """Return what computes the gradients of input and weight."""
    problem, operands = gradients.problem, gradients.operands
    shaped = [(each.shape, each.stride()) for each in (operands.input, operands.weight)]
    layout = output_layout_of(problem, *shaped)
    choice = choose_gradients(problem, "default", layout, of_input=of_input, of_weight=True)
    if not any(choice):
        return PYTORCH, PYTORCH
    _, *parts = predicted_parts(problem, "default", layout)
    by_kernel = choice.of_input, choice.of_weight
    of_input_by, of_weight_by = (
        f"{part.kernel}{COMPILED}" if is_by_kernel else PYTORCH
        for part, is_by_kernel in zip(parts, by_kernel, strict=True)
    )
    return of_input_by, of_weight_by

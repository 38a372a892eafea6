"""Verify a network: each convolution on its own input, and the whole, against float64.

The network is evaluated twice. In float64, PyTorch computes it, and the outputs of its convolutions
are kept. In its own element type, glassconv computes each convolution on the input that it gets
there, by the algorithm that it chooses: each output is compared with the definition, within the
algorithm's bound. That is the error that a convolution makes. How far its output is from the
float64 network's is what errors before it have made of it; no bound holds for that, so it is
printed beside the error of PyTorch's own convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from glassconv.dispatch.dispatch import run
from glassconv.errors import NetworkError, UnsupportedError
from glassconv.networks.capture import bound_arguments, capture
from glassconv.networks.convolutions import FUNCTIONS, Convolution, convolutions
from glassconv.networks.operation_mode import OperationMode, evaluated, name_of
from glassconv.networks.relative_error import relative_error
from glassconv.nn.shared_copy import shared_copy
from glassconv.problem.operands import Operands
from glassconv.reports.network_verification import ConvolutionCheck, NetworkVerification
from glassconv.verification.verify import COMPILED, verify


def verify_network(model: nn.Module, input: Tensor, name: str = "") -> NetworkVerification:
    """Return what `verify` says of each convolution of a network, and of its outputs.

    input: what the network is evaluated on. name: what to call it, if not by its class.

    Raises `UnsupportedError` for a network without a convolution, or with one of numbers that no
    algorithm takes, `NetworkError` for one that cannot be run on this input.

    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    >>> report = verify_network(model, torch.rand(1, 3, 9, 9))
    >>> report.verdict.ok, [each.name for each in report.checks]
    (True, ['0', '2'])
    """
    name = name or type(model).__name__
    request = f"{name} on an input {list(input.shape)}"
    found = convolutions(capture(model, input))
    if not found:
        raise UnsupportedError("it calls no convolution", request=request)
    truth = _Outputs()
    reference = evaluated(deepcopy(model).double(), input.double(), request, truth)
    if len(truth.outputs) != len(found):
        cause = "it calls other convolutions in float64: what it calls depends on numbers"
        raise NetworkError(cause, request=request)
    checks = _Checks(found, truth.outputs)
    ours = evaluated(shared_copy(model), input, request, checks)
    pytorch = evaluated(shared_copy(model), input, request)
    return NetworkVerification(
        model=name,
        input_shape=tuple(input.shape),
        checks=tuple(checks.found),
        error=relative_error(ours, reference),
        pytorch_error=relative_error(pytorch, reference),
        finite=all(bool(each.isfinite().all()) for each in ours if each.is_floating_point()),
    )


class _Outputs(OperationMode):
    """Keeps the output of each convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Tensor] = []

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output = function(*args, **kwargs)
        if name_of(function) in FUNCTIONS:
            self.outputs.append(output.clone())  # what follows may write over it
        return output


class _Checks(OperationMode):
    """Computes each convolution by glassconv, and compares it with the definition."""

    def __init__(self, convolutions: Sequence[Convolution], truth: Sequence[Tensor]) -> None:
        super().__init__()
        self.expected = list(zip(convolutions, truth, strict=True))
        self.found: list[ConvolutionCheck] = []

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if name_of(function) not in FUNCTIONS:
            return function(*args, **kwargs)
        convolution, truth = self.expected[len(self.found)]
        arguments = bound_arguments(function, args, kwargs)
        problem, bias = convolution.problem, arguments["bias"]
        input = arguments["input"].reshape(problem.input_shape)
        operands = Operands(input, arguments["weight"], bias)
        verification = verify(problem, operands=operands)
        algorithm = verification.candidate.removesuffix(COMPILED)
        output = run(problem, algorithm, input, operands.weight, bias).reshape(truth.shape)
        scale = float(output.abs().max()) if output.numel() else 0.0
        made = verification.max_error / scale if scale else verification.max_error
        so_far = relative_error([output], [truth])
        self.found.append(ConvolutionCheck(convolution.operation.name, verification, made, so_far))
        return output

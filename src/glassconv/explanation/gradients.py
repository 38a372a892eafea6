"""Explain gradients: what computes each in training, within which bound, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, prod
from typing import overload

import torch
from torch import Tensor, nn

from glassconv.algorithms import named
from glassconv.dispatch.gradient_choice import (
    PYTORCH,
    GradientChoice,
    Part,
    choose_gradients,
    is_faster_in_float32,
    predicted_parts,
)
from glassconv.errors import ConvError, UnsupportedError
from glassconv.explanation.facts import bound_facts
from glassconv.explanation.torch_layers import (
    Input,
    Layer,
    TransposedLayer,
    input_of_network,
    problem_of_layer,
)
from glassconv.networks.capture import capture
from glassconv.networks.convolutions import convolutions
from glassconv.problem.dtypes import HALF_PRECISION, FloatFormat
from glassconv.problem.gradients import WeightGradient, convolution_of, transpose_of
from glassconv.problem.memory_layout import NCHW
from glassconv.problem.problem import Problem, as_problem
from glassconv.reports.error_bound import ErrorBound, rounded_once, sum_of_products_bound
from glassconv.reports.gradients import (
    GradientExplanation,
    KeptFacts,
    LayerGradients,
    NetworkGradients,
    PartFacts,
)

LITTLE_SAVED = "kernels would save less than a function that autograd records costs"
NO_KERNEL = "no kernel supports it, or its own forward call is faster"


@overload
def explain_gradients(subject: str | Problem, input: None = None) -> GradientExplanation: ...
@overload
def explain_gradients(
    subject: nn.Module, input: Input | None = None
) -> GradientExplanation | NetworkGradients: ...
def explain_gradients(
    subject: str | Problem | nn.Module, input: Input | None = None
) -> GradientExplanation | NetworkGradients:
    """Return what computes the gradients of a convolution, a layer or a network in training.

    Of the output and of each gradient: the convolution that equals it, the kernel or PyTorch, the
    error bound; and the bytes that are kept for the backward pass. Nothing is computed.

    subject, input: as those of `explain`.

    Raises what `explain` raises, and `UnsupportedError` for an empty batch and for a transposed
    convolution whose input's gradient is no convolution.

    >>> report = explain_gradients("8x64x56x56 64@3x3 p1")
    >>> [part.name for part in report.parts], report.kept_bytes
    (['output', 'input', 'weight', 'bias'], 6569984)
    """
    if not isinstance(subject, nn.Module):
        return _explain_problem(as_problem(subject))
    if isinstance(subject, Layer | TransposedLayer) and subject.padding_mode == "zeros":
        request = f"explain_gradients({subject!r})"
        return _explain_problem(problem_of_layer(subject, input, request))
    request = f"explain_gradients({type(subject).__name__})"
    return explain_network_gradients(subject, input_of_network(subject, input, request))


def explain_network_gradients(
    model: nn.Module, input: Tensor | tuple[int, ...], name: str = ""
) -> NetworkGradients:
    """Return what computes the gradients of a network's convolutions, and what is kept for them.

    input: a tensor or a shape. name: what to call the network, if not by its class.

    Raises `UnsupportedError` for a network without a convolution, `NetworkError` for one that
    cannot be run on this input.
    """
    graph, name = capture(model, input), name or type(model).__name__
    found = convolutions(graph)
    if not found:
        request = f"{name} on an input {list(graph.inputs[0].shape)}"
        raise UnsupportedError("it calls no convolution", request=request)
    given = {value.number for value in graph.inputs}
    kept = {
        each.input.number: _as_computed(each.problem, each.input.number not in given)
        for each in found
    }
    return NetworkGradients(
        model=name,
        input_shape=graph.inputs[0].shape,
        layers=tuple(
            LayerGradients(
                each.operation.name,
                each.input.number in given,
                _explain_problem(each.problem, of_input=each.input.number not in given),
            )
            for each in found
        ),
        kept_bytes=sum(each.input_bytes for each in kept.values()),
    )


def _explain_problem(problem: Problem, *, of_input: bool = True) -> GradientExplanation:
    """Return the explanation; of_input: whether the input's gradient is asked for."""
    if not problem.batch:
        cause = "an empty batch has gradients of zero: nothing is computed"
        raise UnsupportedError(cause, request=str(problem))
    shorthand, format = str(problem), problem.format
    problem = _as_computed(problem, of_input)
    transpose = transpose_of(problem)
    choice = choose_gradients(problem, "default", NCHW, of_input=of_input, of_weight=True)
    parts = _predicted(problem)
    of_weight = WeightGradient(convolution_of(problem)).convolution
    kept = tuple(
        KeptFacts(name, shape, prod(shape) * problem.format.bytes)
        for name, shape in (("input", problem.input_shape), ("weight", problem.weight_shape))
    )
    gradients = zip(
        ("output", "input", "weight"), (problem, transpose, of_weight), parts, choice, strict=True
    )
    facts = [
        _part(name, problem, equal, part, is_by_kernel, choice, format)
        for name, equal, part, is_by_kernel in gradients
        if of_input or name != "input"
    ]
    if problem.bias:
        facts.append(_of_bias(problem, facts[-1], format))
    return GradientExplanation(
        shorthand=shorthand,
        layout=NCHW,
        threads=torch.get_num_threads(),
        parts=tuple(facts),
        kept=kept,
        kept_bytes=sum(each.bytes for each in kept),
    )


def _predicted(problem: Problem) -> tuple[Part | None, ...]:
    """Return the predictions of output, input's and weight's gradient, None where there is none."""
    if problem.ndim == 3 or problem.dtype in HALF_PRECISION:
        return None, None, None
    try:
        return predicted_parts(problem, "default", NCHW)
    except ConvError:  # no kernel runs on this processor
        return None, None, None


def _part(
    name: str,
    problem: Problem,
    equal: Problem,
    part: Part | None,
    is_by_kernel: bool,
    choice: GradientChoice,
    format: FloatFormat,
) -> PartFacts:
    """Return what computes a part. format: of the call's arrays, which the part is rounded to."""
    kernel = part.kernel if part is not None and is_by_kernel else None
    if kernel is None:
        bound = named("aten").error_bound(equal)
    elif name == "weight":
        bound = _bound_of_kernel(problem, kernel)
    else:
        bound = named(kernel).error_bound(equal)
    has_seconds = part is not None and isfinite(part.seconds)
    return PartFacts(
        name=name,
        convolution=str(equal),
        kernel=kernel,
        reason=_reason(problem, part, kernel, choice) + _rounding(problem, format),
        seconds=part.seconds if part is not None and has_seconds else None,
        pytorch_seconds=None if part is None else part.pytorch_seconds,
        bound=bound_facts(_rounded(bound, problem, format)),
    )


def _reason(problem: Problem, part: Part | None, kernel: str | None, choice: GradientChoice) -> str:
    if kernel is not None:
        return "predicted to be faster than PyTorch"
    if part is None:
        return _without_kernels(problem)
    if not isfinite(part.seconds):
        return NO_KERNEL
    if choice == PYTORCH and part.is_faster:
        return LITTLE_SAVED
    return f"predicted to be faster than the kernel {part.kernel}"


def _without_kernels(problem: Problem) -> str:
    """Return why no kernel is considered."""
    if problem.ndim == 3:
        return "no kernel computes gradients of three axes"
    if problem.dtype in HALF_PRECISION:
        return f"no kernel computes gradients of {problem.dtype}"
    return "no kernel runs on this processor"


def _rounding(problem: Problem, format: FloatFormat) -> str:
    """Return what follows the reason where a part is rounded."""
    if problem.format == format:
        return ""
    return f"; in {problem.dtype}, and rounded to {format.name} once"


def _rounded(bound: ErrorBound, problem: Problem, format: FloatFormat) -> ErrorBound:
    return bound if problem.format == format else rounded_once(bound, format)


def _as_computed(problem: Problem, of_input: bool) -> Problem:
    """Return the problem in the element type in which a recorded call is computed."""
    asked = {"of_input": of_input, "of_weight": True}
    is_in_float32 = is_faster_in_float32(problem, "default", NCHW, **asked)
    return problem.widened() if is_in_float32 else problem


def _bound_of_kernel(problem: Problem, kernel: str) -> ErrorBound:
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.weight_gradients import KERNELS

    return KERNELS[kernel].error_bound(convolution_of(problem))


def _of_bias(problem: Problem, of_weight: PartFacts, format: FloatFormat) -> PartFacts:
    """Return the bias's gradient, Σ g over batch and pixels."""
    terms = problem.batch * prod(problem.output_size)
    bound = replace(sum_of_products_bound(terms, problem.format), reference="Σ|g|")
    return PartFacts(
        name="bias",
        convolution=f"the sum of {terms:,} output gradients for each filter",
        kernel=of_weight.kernel,
        reason=("a sum" if of_weight.kernel is None else "beside the weight's gradient")
        + _rounding(problem, format),
        seconds=None,
        pytorch_seconds=None,
        bound=bound_facts(_rounded(bound, problem, format)),
    )

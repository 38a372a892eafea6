"""How long PyTorch's gradients take, as multiples of its forward call, timed on small layers.

Each gradient has as many multiply-adds as the output. That of the input mostly takes as long, but
with a stride it may take some times as long; so may that of the weight. How much longer depends on
oneDNN's kernel for the kind of layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.parts import pytorch_cost
from glassconv.algorithms.parts.fastest import fastest
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import transpose_of
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import Problem
from glassconv.problem.shorthand import parse
from glassconv.reports.machine import Machine

ROUNDS = 5  # of all layers; the median ratio of a layer counts
OF_WEIGHT, OF_STRIDED_INPUT = "weight", "strided input"
LAYERS = {
    (OF_WEIGHT, "dense"): "128x28x28 128@3x3 p1 nobias",
    (OF_WEIGHT, "pointwise"): "16x128x14x14 128@1x1 nobias",
    (OF_WEIGHT, "depthwise"): "4x64x56x56 64@3x3 p1 g64 nobias",
    (OF_STRIDED_INPUT, "dense"): "128x28x28 128@3x3 s2 p1 nobias",
    (OF_STRIDED_INPUT, "pointwise"): "16x64x28x28 128@1x1 s2 nobias",
    (OF_STRIDED_INPUT, "depthwise"): "4x64x56x56 64@3x3 s2 p1 g64 nobias",
}
# The names of the ratios, such as "weight, dense nchw".
KINDS = tuple(f"{of}, {kind} {layout}" for of, kind in LAYERS for layout in (NCHW, NHWC))


def of_input(problem: Problem, layout: str, machine: Machine) -> float:
    """Return the predicted seconds of the input's gradient."""
    forward = pytorch_cost.seconds(problem, layout, machine)
    if max(problem.stride) == 1:
        return forward
    ratio = _ratio(OF_STRIDED_INPUT, problem, layout, machine)
    if ratio is None:
        return max(forward, pytorch_cost.seconds(transpose_of(problem), layout, machine))
    return ratio * forward


def of_weight(problem: Problem, layout: str, machine: Machine) -> float:
    """Return the predicted seconds of the weight's gradient, reordered as the weight is."""
    forward = pytorch_cost.seconds(problem, layout, machine)
    ratio = _ratio(OF_WEIGHT, problem, layout, machine)
    if ratio is None:
        return forward
    reordered = pytorch_cost.reorder_seconds(problem, layout, machine)
    return ratio * (forward - reordered) + reordered


def _ratio(of: str, problem: Problem, layout: str, machine: Machine) -> float | None:
    """Return how many times as long as the forward call it takes, None for kinds not timed.

    They are taken to last as long, and with a stride at least as long as a transposed convolution.
    """
    kind = pytorch_cost.kind_of(problem, layout, machine.threads)
    return dict(machine.pytorch.gradients).get(f"{of}, {kind}")


def measure() -> dict[str, float]:
    """Return how many times as long as the forward call the gradients of each kind take."""
    layers = {
        f"{of}, {kind} {layout}": _layer(parse(text), layout, of == OF_WEIGHT)
        for (of, kind), text in LAYERS.items()
        for layout in (NCHW, NHWC)
    }
    # They take turns: another process that comes for some milliseconds slows one round.
    with torch.no_grad():
        rounds = [{kind: layer.ratio() for kind, layer in layers.items()} for _ in range(ROUNDS)]
    return {kind: median(each[kind] for each in rounds) for kind in layers}


@dataclass(frozen=True)
class _Layer:
    """The calls of a layer that is timed."""

    forward: Callable[[], Tensor]
    gradient: Callable[[], object]

    def ratio(self) -> float:
        """Return how many times as long as the forward call the gradient takes."""
        forward = fastest(self.forward, 1)
        return fastest(self.gradient, 1) / forward


def _layer(problem: ConvProblem, layout: str, is_weight: bool) -> _Layer:
    """Return the calls of a layer and of one of its gradients."""
    input, weight = pytorch_cost.ones(problem, layout)
    grad = input.new_ones(problem.output_shape)
    if layout == NHWC:
        weight, grad = (
            each.contiguous(memory_format=torch.channels_last) for each in (weight, grad)
        )
    stride, groups = problem.stride, problem.groups
    padding = [before for before, _ in problem.padding]

    def gradient() -> object:
        return torch.ops.aten.convolution_backward(
            grad, input, weight, None, stride, padding, problem.dilation, False, [0, 0], groups,
            [not is_weight, is_weight, False],
        )  # fmt: skip

    return _Layer(lambda: F.conv2d(input, weight, None, stride, padding, groups=groups), gradient)

"""Which of Winograd's tiles are flat, and whether its outputs keep within their bounds."""

from __future__ import annotations

from torch import Tensor

from glassconv.algorithms.parts.winograd import cut, pad
from glassconv.algorithms.parts.winograd_flatness import flat_tiles, flatness
from glassconv.algorithms.parts.winograd_scale import filter_scales
from glassconv.algorithms.parts.winograd_transforms import transform, transforms_of
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands
from glassconv.verification.verify import verify


def flat(problem: ConvProblem, name: str, operands: Operands) -> Tensor:
    """Return which tiles are flat [batch, groups, *tiles]."""
    outputs = int(name.removeprefix("winograd"))
    transforms = transforms_of(problem, outputs)
    scaled = operands.weight.double() * filter_scales(operands.weight, problem.format)
    filters = transform([each.filter for each in transforms], scaled)
    test = flatness(problem, outputs, operands.weight, filters.to(operands.weight.dtype))
    return flat_tiles(
        problem, test, cut(problem, transforms, pad(problem, transforms, operands.input))
    )


def within_its_bound(problem: ConvProblem, name: str, operands: Operands) -> bool:
    """Return whether every output is within its own bound."""
    return verify(problem, name, operands).verdict.ok

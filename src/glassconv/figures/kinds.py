"""A figure of a problem: every kind by name, its default problem, and the problems it draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from glassconv.errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    UnsupportedError,
    unknown_name,
)
from glassconv.figures import costs, matrices, transforms, windows
from glassconv.figures.request import Request
from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.stack import is_stack, parse_stack
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.worked_example import Tutorial
from glassconv.views.figures.theme import THEMES, Theme


@dataclass(frozen=True)
class Kind:
    """How one kind of figure is drawn, its default problem, and the problems that it has."""

    draw: Callable[[Request], Figure]
    default: str | None = None  # in shorthand; None if the tutorial draws this kind
    dimensions: tuple[int, ...] = (1, 2)  # numbers of spatial axes
    transposed: bool = True  # whether it draws transposed convolutions
    convolutions: bool = True  # whether it draws convolutions


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "image": Kind(matrices.draw_image),
        "window": Kind(windows.draw_window, "1x8x8 1@3x3 s2 p1"),
        "output-size": Kind(windows.draw_output_size, "1x5 1@3 s2 p1", transposed=False),
        "im2col": Kind(matrices.draw_im2col, "1x6x6 1@3x3"),
        "kn2row": Kind(matrices.draw_kn2row, "1x6x6 1@3x3 p1"),
        "phases": Kind(
            matrices.draw_phases, "1x3x3 1@3x3 s2 p1 nobias transposed o1", convolutions=False
        ),
        "toeplitz": Kind(windows.draw_toeplitz, "1x6x6 1@3x3 p1"),
        "worked-example": Kind(matrices.draw_worked_example),
        "matrix-product": Kind(matrices.draw_matrix_product),
        "comparison": Kind(matrices.draw_comparison),
        "error-bound": Kind(costs.draw_error_bound, "1x14x14 8@3x3 p1"),
        "winograd": Kind(transforms.draw_winograd, "1x6x6 1@3x3"),
        "fft": Kind(transforms.draw_fft, "1x64x64 1@7x7 p3"),
        "backward": Kind(windows.draw_backward, "1x5x5 1@3x3 s2 p1", transposed=False),
        "receptive-field": Kind(windows.draw_receptive_field, "3x96x96 8@5x5 s3 d4"),
        "cost": Kind(costs.draw_cost, "64x56x56 64@3x3 p1", (1, 2, 3)),
    }
)


def draw(
    kind: str,
    problem: Problem | str | Sequence[str] | None,
    style: str,
    given: Mapping[str, Any],
    random: bool,
    seed: int,
) -> Figure:
    """Return a figure, as `glassconv.figure` describes it. given: operands by name."""
    if kind not in KINDS:
        raise unknown_name("figure", kind, KINDS, also="animate")
    if style not in THEMES:
        raise unknown_name("style", style, THEMES)
    chosen, theme = KINDS[kind], THEMES[style]
    arrays = {name: _tensor(kind, name, each) for name, each in given.items() if each is not None}
    if problem is None:
        if arrays:
            raise ArgumentError(f"figure({kind!r}) with an array also needs its problem")
        if chosen.default is None:
            return matrices.tutorial_default(kind, theme)
        problem = chosen.default
    if not isinstance(problem, str | ConvProblem | TransposedProblem):
        problem = _joined(kind, problem)
    if isinstance(problem, str) and is_stack(problem):
        stack = parse_stack(problem)
        if kind != "receptive-field":
            cause = f"{kind} draws one layer; receptive-field draws a stack of layers"
            raise UnsupportedError(cause, request=str(stack))
        if arrays:
            raise ArgumentError(f"figure({kind!r}) of a stack of layers takes no arrays")
        return windows.draw_stack(stack, theme)
    asked = parse_problem(problem) if isinstance(problem, str) else problem
    if "input" in arrays and arrays["input"].ndim == asked.ndim + 1:
        arrays["input"] = arrays["input"][None]
    request = Request(asked, theme, tuple(arrays.items()), random, seed)
    _check(kind, request)
    return chosen.draw(request)


def tutorial_figures(facts: Tutorial, theme: Theme) -> Mapping[str, Figure]:
    """Return the four figures of the demo by kind."""
    return MappingProxyType(matrices.of_tutorial(facts, theme))


def _tensor(kind: str, name: str, array: Any) -> Tensor:
    """Return an operand as a tensor of real numbers."""
    request = f"figure({kind!r}, {name}=…)"
    try:
        tensor = torch.as_tensor(array)
    except (TypeError, ValueError, RuntimeError) as error:
        cause = f"{name} is no array of numbers: {error}"
        raise ArgumentTypeError(cause, request=request) from None
    if tensor.is_complex():
        raise DtypeError(f"{name} is complex, and a figure draws real numbers", request=request)
    return tensor


def _joined(kind: str, layers: Any) -> str:
    """Return the layers of a stack as one text."""
    if not isinstance(layers, Sequence) or not all(isinstance(each, str) for each in layers):
        cause = "a problem is a ConvProblem, its shorthand, or a sequence of layers in shorthand"
        raise ArgumentTypeError(cause, request=f"figure({kind!r}, {layers!r})")
    return " ".join(layers)


def _check(kind: str, request: Request) -> None:
    """Raise `UnsupportedError` for a problem that a kind does not draw."""
    problem, chosen = request.asked, KINDS[kind]
    if problem.ndim not in chosen.dimensions:
        needed = " or ".join(f"{number}-D" for number in chosen.dimensions)
        raise request.refusal(f"{kind} needs a {needed} problem; this one is {problem.ndim}-D")
    if isinstance(problem, TransposedProblem) and not chosen.transposed:
        raise request.refusal(f"{kind} does not draw transposed convolutions")
    if isinstance(problem, ConvProblem) and not chosen.convolutions:
        raise request.refusal(f"{kind} draws transposed convolutions only")
    if not problem.batch:
        raise request.refusal(f"{kind} needs at least one image; this batch is empty")

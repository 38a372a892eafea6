"""Every kind of picture by name: which report it draws, and for which problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from matplotlib.figure import Figure

from glassconv.algorithms import named
from glassconv.data import photograph
from glassconv.derive import derive
from glassconv.error_curves import error_curves
from glassconv.errors import UnknownNameError, UnsupportedError
from glassconv.operands import random_operands
from glassconv.problem import ConvProblem
from glassconv.report import Tutorial
from glassconv.shorthand import parse
from glassconv.trace import trace
from glassconv.tutorial import walk, worked_example
from glassconv.verify import compare
from glassconv.views.figures import comparison, cost, error_bound, image, matrix_product
from glassconv.views.figures import worked_example as by_hand
from glassconv.views.figures.style import Theme

MOST_CELLS = 16  # rows or columns of a worked example
MOST_SLICES = 6  # its channels and filters
MOST_OUTPUTS = 20_000  # whose errors are measured


def tutorial_pictures(facts: Tutorial, theme: Theme) -> Mapping[str, Figure]:
    """Return the demo's four pictures by kind."""
    return MappingProxyType(
        {
            "image": image.draw(facts.picture, facts.layer.input[0], facts.source, theme),
            "worked-example": by_hand.draw(facts.worked, theme),
            "matrix-product": matrix_product.draw(facts.four_filters, theme),
            "comparison": comparison.draw(
                facts.conv2d, facts.layer.output, facts.difference, theme
            ),
        }
    )


@dataclass(frozen=True)
class Kind:
    """How one kind of picture is drawn, and of which problem where none is given."""

    draw: Callable[[ConvProblem, Theme], Figure]
    usual: str | None = None  # in shorthand; None where the tutorial draws one of its own


def picture(kind: str, problem: ConvProblem | None, theme: Theme) -> Figure:
    """Return one kind of picture, of a problem with random operands or else of its usual one.

    Raises `UnknownNameError` for a kind there is not, `UnsupportedError` for a problem it cannot
    draw.
    """
    if kind not in KINDS:
        raise UnknownNameError(f"no picture is named {kind!r}; there are: {', '.join(KINDS)}")
    if problem is None:
        usual = KINDS[kind].usual
        if usual is None:
            chelsea = photograph.chelsea()
            return tutorial_pictures(walk(chelsea.pixels, chelsea.source), theme)[kind]
        problem = parse(usual)
    if problem.ndim != 2 or problem.batch == 0:
        cause = f"{kind} draws pictures: two spatial axes and a batch that is not empty"
        raise UnsupportedError(cause, request=str(problem))
    return KINDS[kind].draw(problem, theme)


def _image(problem: ConvProblem, theme: Theme) -> Figure:
    raise UnsupportedError("image draws the tutorial's input, not a problem", request=str(problem))


def _worked_example(problem: ConvProblem, theme: Theme) -> Figure:
    cells = max(axis.padded_size for axis in problem.axes)
    slices = max(problem.in_channels, problem.out_channels)
    if cells > MOST_CELLS or slices > MOST_SLICES:
        raise UnsupportedError(
            f"a worked example is legible up to {MOST_CELLS} padded pixels a side and "
            f"{MOST_SLICES} channels and filters; this has {cells} and {slices}",
            request=str(problem),
        )
    rows, columns = problem.output_size
    return by_hand.draw(worked_example(problem, (0, rows // 2, columns // 2)), theme)


def _matrix_product(problem: ConvProblem, theme: Theme) -> Figure:
    return matrix_product.draw(trace(problem, "im2col"), theme)


def _comparison(problem: ConvProblem, theme: Theme) -> Figure:
    operands = random_operands(problem)
    aten, im2col = (trace(problem, name, operands) for name in ("aten", "im2col"))
    bound = named("im2col").error_bound(problem)
    first, second = ("PyTorch", aten.output, bound), ("im2col", im2col.output, bound)
    difference = compare(problem, operands, first, second)
    return comparison.draw(aten.output, im2col.output, difference, theme)


def _error_bound(problem: ConvProblem, theme: Theme) -> Figure:
    if problem.macs // problem.taps_per_output > MOST_OUTPUTS:
        cause = (
            f"the curves are measured on up to {MOST_OUTPUTS:,} outputs; this has "
            f"{problem.macs // problem.taps_per_output:,}"
        )
        raise UnsupportedError(cause, request=str(problem))
    return error_bound.draw(error_curves(problem), theme)


def _cost(problem: ConvProblem, theme: Theme) -> Figure:
    return cost.draw(derive(problem), theme)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "image": Kind(_image),
        "worked-example": Kind(_worked_example),
        "matrix-product": Kind(_matrix_product),
        "comparison": Kind(_comparison),
        "error-bound": Kind(_error_bound, "1x14x14 8@3x3 p1"),
        "cost": Kind(_cost, "64x56x56 64@3x3 p1"),
    }
)

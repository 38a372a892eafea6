"""Figures of what algorithms cost, and of their errors."""

from __future__ import annotations

from matplotlib.figure import Figure

from glassconv.explanation.facts import derive
from glassconv.figures.request import Request
from glassconv.verification.error_curves import error_curves
from glassconv.views.figures import cost, error_bound

MOST_OUTPUTS = 20_000  # of an error-bound figure


def draw_cost(request: Request) -> Figure:
    """Draw the cost of every algorithm as bars."""
    return cost.draw(derive(request.asked), request.theme)


def draw_error_bound(request: Request) -> Figure:
    """Draw the errors and the bound of every algorithm over the length of the sum."""
    problem = request.problem
    outputs = problem.macs // problem.taps_per_output
    if outputs > MOST_OUTPUTS:
        raise request.refusal(
            f"the curves are measured on up to {MOST_OUTPUTS:,} outputs; this has {outputs:,}"
        )
    return error_bound.draw(error_curves(problem), request.theme)

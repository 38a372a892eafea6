"""Bars of cost and curves of error: legible, in order, and saying what the reports say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.container import BarContainer

from glassconv.errors import UnsupportedError
from glassconv.figures import figure as draw_figure
from glassconv.problem.shorthand import parse
from glassconv.reports.verification import ErrorCurve, ErrorCurves
from glassconv.views.figures import cost, error_bound
from glassconv.views.figures.theme import LIGHT, THEMES, Theme
from support.fixed_reports import fixed_facts
from support.legible_figures import assert_legible, text_of

BOTH_THEMES = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
CURVES = ErrorCurves(
    problem=parse("1x8x8 4@3x3"),
    products=(9, 18, 36),
    curves=tuple(
        ErrorCurve(name, (2e-7, 3e-7, 4e-7), (1e-7, 1e-7, 2e-7), (1e-6, 4e-6, 2e-5), (0.2, 0.1, 0))
        for name in ("first", "second", "third", "fourth", "fifth")
    ),
)


@pytest.mark.parametrize(
    "problem",
    ["64x56x56 64@3x3 p1", "16x20x20 16@5x5 g16", "1x1x1 1@1x1", "3x8x8 2@3x3 s2 float16"],
)
def test_costs_are_drawn_legibly(problem: str) -> None:
    assert_legible(draw_figure("cost", parse(problem)))


@BOTH_THEMES
def test_bars_are_the_algorithms_costs_the_one_that_runs_first(theme: Theme) -> None:
    facts = fixed_facts(parse("64x56x56 64@3x3 p1"))
    figure = cost.draw(facts, theme)
    able = [each for each in facts.algorithms if each.cost and each.prediction]
    able.sort(
        key=lambda each: (
            each.name != facts.chosen,
            each.prediction.seconds if each.prediction else 0,
        )
    )
    bars = [part for axes in figure.axes for part in axes.containers
            if isinstance(part, BarContainer)]  # fmt: skip
    widths = [[patch.get_width() for patch in bar.patches] for bar in bars]
    assert widths[0] == [each.cost.multiplications for each in able if each.cost]
    assert widths[1] == [each.cost.additions for each in able if each.cost]
    assert widths[2] == [each.cost.workspace_bytes for each in able if each.cost]
    times = [sum(parts) for parts in zip(*widths[3:], strict=True)]
    seconds = [each.prediction.seconds for each in able if each.prediction]
    # The parts add up in float64, in another order.
    assert times == pytest.approx(seconds, abs=0, rel=len(widths) * 2.0**-53)
    text = text_of(figure)
    assert "winograd6 needs 3.6 × fewer multiplications; glassconv runs winograd4" in text
    assert "depthwise is not supported: needs one input channel per group, got 64" in text


@BOTH_THEMES
def test_curves_are_drawn_legibly(theme: Theme) -> None:
    figure = error_bound.draw(CURVES, theme)
    assert_legible(figure)
    assert "Every error is within its bound" in text_of(figure)
    assert "uses 20.0%" in text_of(figure)
    panels = figure.axes
    assert len(panels) == 5
    for axes in panels:
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        drawn = [tuple(np.asarray(line.get_ydata()).tolist()) for line in axes.lines]
        assert drawn[1:] == [(1e-6, 4e-6, 2e-5), (2e-7, 3e-7, 4e-7), (1e-7, 1e-7, 2e-7)]


def test_an_error_over_its_bound_is_called_so() -> None:
    over = replace(CURVES.curves[1], share=(0.2, 1.1, 0.3))
    text = text_of(error_bound.draw(replace(CURVES, curves=(CURVES.curves[0], over)), LIGHT))
    assert "An error EXCEEDS its bound" in text
    assert "uses 110.0%" in text


def test_curves_of_a_large_problem_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="up to 20,000 outputs; this has 200,704"):
        draw_figure("error-bound", parse("64x56x56 64@3x3 p1"))

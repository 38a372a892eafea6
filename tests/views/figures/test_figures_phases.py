"""The figure of the phases: every output in the colour of its phase, with the phase's numbers."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

import glassconv
from glassconv.errors import UnsupportedError
from glassconv.figures.request import Request
from glassconv.problem.phases import phases
from glassconv.problem.transposed import parse_transposed
from glassconv.tracing.forward import trace
from glassconv.views.figures.style import group_colour
from glassconv.views.figures.theme import DARK
from support.legible_figures import text_of

TEXT = "1x3x3 1@3x3 s2 p1 nobias transposed o1"


def test_each_output_has_the_colour_of_its_phase() -> None:
    figure = glassconv.figure("phases", TEXT)
    output = figure.axes[-1]
    colours = {}
    for patch in output.patches:
        assert isinstance(patch, Rectangle)
        column, row = (int(at + 0.5) for at in patch.get_xy())
        colours[row, column] = to_hex(patch.get_edgecolor())
    assert colours == {
        (row, column): group_colour(row % 2 * 2 + column % 2)
        for row in range(6)
        for column in range(6)
    }


def test_it_shows_what_the_algorithm_computes() -> None:
    problem = parse_transposed(TEXT)
    request = Request(problem, DARK)
    traced = trace(problem, "phases", request.asked_operands)
    written = text_of(glassconv.figure("phases", TEXT)).split("\n")
    for phase in phases(problem):
        row, column = phase.first_output
        assert f"phase {row}, {column}" in written
    for value in traced.output.ravel():
        assert f"{value:.0f}".replace("-", "−") in written


def test_a_sequence_has_one_number_for_each_phase() -> None:
    written = text_of(glassconv.figure("phases", "1x4 1@2 s3 transposed")).split("\n")
    assert [text for text in written if text.startswith("phase ")] == [
        "phase 0",
        "phase 1",
        "phase 2",
    ]
    assert "no tap, so no product" in written


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("1x6x6 1@3x3", "draws transposed convolutions only"),
        ("1x6x6 1@3x3 s5 transposed", "up to a stride of 4 and 16 outputs or taps per side"),
        ("1x9x9 1@3x3 s2 transposed", "this has 2 and 19"),
        ("1x2x2x2 1@2x2x2 s2 transposed", "this one is 3-D"),
    ],
)
def test_it_says_what_it_does_not_draw(text: str, cause: str) -> None:
    with pytest.raises(UnsupportedError, match=cause):
        glassconv.figure("phases", text)

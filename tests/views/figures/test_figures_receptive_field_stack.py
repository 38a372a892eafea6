"""The receptive field of a stack as a picture: its numbers, its outlines, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Rectangle

import glassconv
from glassconv.errors import ArgumentError, UnsupportedError
from glassconv.problem.receptive_field import paths
from glassconv.problem.stack import parse_stack
from glassconv.views.figures.theme import DARK
from support.legible_figures import assert_legible, text_of

STACK = ["3x32x32 8@3x3 p1", "relu", "maxpool 2", "16@3x3 s2"]


@pytest.mark.parametrize(
    "stack",
    [
        STACK,
        ["1x24 2@3 p1", "maxpool 2", "1@3 d2"],
        ["2x3x40x20 8@5x3 s2x1 p2x1", *["8@3x3 p1 relu"] * 6],
        ["1x8 1@4 s2 p1 transposed", "1@3 p1"],
        ["1x6x6 1@3x3 s2 p1 transposed"],
    ],
)
@pytest.mark.parametrize("style", ["dark", "light"])
def test_a_stack_is_drawn_legibly(stack: list[str], style: str) -> None:
    figure = glassconv.figure("receptive-field", stack, style=style)
    assert_legible(figure)
    said = text_of(figure).split("\n")
    assert [layer.text for layer in parse_stack(stack).layers if layer.text not in said] == []


def test_its_table_has_the_fields_of_all_layers() -> None:
    said = text_of(glassconv.figure("receptive-field", STACK))
    assert "After 4 layers, one output sees 8 × 8 pixels of the input" in said
    lines = said.split("\n")
    row = lines.index("16 × 7 × 7")
    assert lines[row : row + 3] == ["16 × 7 × 7", "8 × 8", "4"]
    assert "6.25%" in said


def test_the_last_field_is_outlined_where_its_output_reads() -> None:
    figure = glassconv.figure("receptive-field", STACK)
    rows, columns = (np.flatnonzero(each) for each in paths(parse_stack(STACK).windows, [3, 3]))
    axes = figure.axes[0]
    [field] = [
        patch
        for patch in axes.patches
        if isinstance(patch, Rectangle) and patch.get_linewidth() == 2.4
    ]
    edges = (columns[0] - 0.5, rows[0] - 0.5, len(columns), len(rows))
    assert field.get_bbox().bounds == edges


def test_a_sequences_cells_are_lit_where_they_are_read() -> None:
    figure = glassconv.figure("receptive-field", ["1x9 1@3", "1@3 s2"])
    colours = [patch.get_facecolor() for patch in figure.axes[0].patches]
    lit = [colour[:3] != DARK_PANEL for colour in colours]
    assert [sum(lit[:9]), sum(lit[9:16]), sum(lit[16:])] == [5, 3, 1]
    assert len(figure.axes[0].lines) == 9 + 3


DARK_PANEL = tuple(int(DARK.panel[place : place + 2], 16) / 255 for place in (1, 3, 5))


def test_the_words_of_the_command_line_are_one_text() -> None:
    one, other = (
        text_of(glassconv.figure("receptive-field", stack)) for stack in (STACK, " ".join(STACK))
    )
    assert one == other


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="window draws one layer; receptive-field draws"):
        glassconv.figure("window", STACK)
    with pytest.raises(UnsupportedError, match="up to 24 layers; this has 25"):
        glassconv.figure("receptive-field", ["1x30 1@1", *["relu"] * 24])
    with pytest.raises(UnsupportedError, match="up to 128 positions per axis; this has 200"):
        glassconv.figure("receptive-field", ["1x200 1@3", "relu"])
    with pytest.raises(UnsupportedError, match="needs a 1-D or 2-D stack; this one is 3-D"):
        glassconv.figure("receptive-field", ["1x5x5x5 1@3x3x3", "relu"])
    with pytest.raises(ArgumentError, match="of a stack of layers takes no arrays"):
        glassconv.figure("receptive-field", STACK, bias=[1.0])

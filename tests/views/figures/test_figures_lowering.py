"""The window, its column, the taps and the Toeplitz row: what is outlined is what is read."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glassconv.errors import UnsupportedError
from glassconv.examples.sample_operands import whole_numbers
from glassconv.figures import figure as draw_figure
from glassconv.problem.shorthand import parse
from glassconv.reports.array import Array
from glassconv.tracing.forward import trace
from glassconv.views.figures import kn2row, lowering, planes, toeplitz, window
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import DARK, LIGHT, THEMES, Theme
from support.legible_figures import assert_legible, text_of

BOTH_THEMES = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
LOWERING = ("window", "im2col", "kn2row", "toeplitz")
STRETCHED = ["1x3x3 1@1x1", "4x6x3 4@3x2 s2x1 p1:0x2 d2x1 g2", "2x5x5 3@3x3 s3", "1x4x5 2@2x3 d2"]
ROUNDED = 2.0**-40  # a length computed in float64, in thousands of operations
LARGE = ["1x40x40 1@5x5 s3 d2", "2x16x16x16 32@3x2 s2x1 p1:0x2:3 d2x1 g2 nobias float64"]


def outlined(axes: Axes, colour: str, *, thin: bool = False) -> list[tuple[int, int, int, int]]:
    """Return the (row, column, rows, columns) that every outline of a colour is around."""
    found = []
    for patch in axes.patches:
        mine = to_hex(patch.get_edgecolor()) == colour and not patch.get_fill()
        if isinstance(patch, Rectangle) and mine and (patch.get_linewidth() < 1) == thin:
            left, top, width, height = patch.get_bbox().bounds
            row, column = math.floor(top + 0.5), math.floor(left + 0.5)
            found.append((row, column, math.ceil(height), math.ceil(width)))
    return found


def shown(axes: Axes) -> Array:
    """Return the values of a map."""
    return np.asarray(axes.images[0].get_array())


def axes_of(figure: Figure, rows: int, columns: int) -> Axes:
    """Return the axes that show a map of this shape."""
    return next(
        axes for axes in figure.axes if axes.images and shown(axes).shape == (rows, columns)
    )


@BOTH_THEMES
@pytest.mark.parametrize("kind", LOWERING)
def test_the_usual_picture_is_legible_and_labelled(kind: str, theme: Theme) -> None:
    figure = draw_figure(kind, style=theme.name)
    assert_legible(figure)
    text = text_of(figure)
    assert all(name in text for name in ("input", "output"))
    assert "kernel" in text or "matrix" in text


@pytest.mark.parametrize("problem", STRETCHED)
@pytest.mark.parametrize("kind", LOWERING)
def test_any_problem_is_drawn_legibly(kind: str, problem: str) -> None:
    assert_legible(draw_figure(kind, parse(problem)))


@pytest.mark.parametrize("problem", LARGE)
@pytest.mark.parametrize("kind", ["window", "im2col"])
def test_a_large_problem_is_drawn_legibly(kind: str, problem: str) -> None:
    assert_legible(draw_figure(kind, parse(problem), style="light"))


def test_the_window_is_what_the_output_reads() -> None:
    problem = parse("2x8x7 2@3x2 s2x3 p1:0 g2")
    traced = trace(problem, "im2col", whole_numbers(problem))
    figure = window.draw(traced, (1, 2, 1), Subject(problem), LIGHT)
    source = axes_of(figure, 9, 7 + 1)
    assert outlined(source, LIGHT.accent) == [(4, 3, 3, 2)]
    assert outlined(axes_of(figure, *problem.output_size), LIGHT.accent) == [(2, 1, 1, 1)]
    assert (shown(source)[1:, 1:] == traced.input[0, 1]).all()  # the second filter reads channel 1
    text = text_of(figure)
    value = traced.output[0, 1, 2, 1]
    assert f"= {value:.0f}".replace("-", "−") in text
    assert "y[1, 2, 1]" in text


def test_the_next_window_is_a_stride_to_the_right() -> None:
    problem = parse("1x6x9 1@2x3 s2x4")
    traced = trace(problem, "im2col", whole_numbers(problem))
    figure = window.draw(traced, (0, 1, 0), Subject(problem), DARK)
    source = axes_of(figure, 6, 9)
    assert outlined(source, DARK.accent) == [(2, 0, 2, 3)]
    assert outlined(source, DARK.accent, thin=True) == [(2, 4, 2, 3)]
    assert "thin: the window of the next output, 4 to the right" in text_of(figure)
    last = window.draw(traced, (0, 1, 1), Subject(problem), DARK)
    assert outlined(axes_of(last, 6, 9), DARK.accent, thin=True) == []
    assert "thin" not in text_of(last)


def test_the_sum_is_written_out_in_the_order_of_the_taps() -> None:
    problem = parse("1x3x3 1@2x2 p1:0")
    operands = whole_numbers(problem)
    operands.input[0, 0] = torch.arange(9.0).reshape(3, 3)
    operands.weight[0, 0] = torch.tensor([[5.0, -1.0], [2.0, 3.0]])
    text = text_of(
        window.draw(trace(problem, "im2col", operands), (0, 1, 2), Subject(problem), DARK)
    )
    assert "Σ x·w = 1·5 + 2·(−1) + 4·2 + 5·3 = 26\n" in text + "\n"
    assert "y[0, 1, 2] = Σ x·w + bias = 26 + 1 = 27" in text
    assert "4 products: a pixel times a weight for each tap" in text


def test_without_a_bias_none_is_added() -> None:
    text = text_of(draw_figure("window", parse("1x3x3 1@2x2 nobias")))
    assert "= Σ x·w = " in text and "+ bias" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "3x3x3 2@2x2",
            [
                "filter 0 reads channels 0–2 of 3",
                "12 products: a pixel times a weight for each tap and each of 3 channels",
                "channel 2: Σ x·w = ",
            ],
        ),
        ("5x3x3 1@2x2", ["channels 0–4 of 5, drawn: 0", "20 products", "4 are written out"]),
        ("3x3x3 3@2x2 g3", ["filter 0 reads channel 0 of 3, that of group 0"]),
        ("4x5 4@2 g2", ["filter 0 reads channels 0–1 of 4, those of group 0", "y[0, 1] = "]),
        ("1x3 1@3 s2 transposed", ["zero-inserted input", "the outputs it is added to"]),
        ("1x3x3 3@2x2", ["drawn: filter 0 of 3"]),
        ("2x1x3x3 1@2x2", ["image 0, 3 × 3"]),
    ],
)
def test_what_else_the_output_reads_is_said(text: str, said: list[str]) -> None:
    everything = text_of(draw_figure("window", text))
    assert [phrase for phrase in said if phrase not in everything] == []


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("window", "1x6x6 1@3x3 s2", "dimmed: 11 pixels that no window reads"),
        ("im2col", "1x8x8 1@3x3 s2 p1", "dimmed: 19 zeros of padding that no window reads"),
        (
            "window",
            "1x7x6 1@3x2 s2 p1:0x2 d2x1",
            "dimmed: 24 pixels and 16 zeros of padding that no",
        ),
    ],
)
def test_what_no_window_reads_is_dimmed_and_said(kind: str, text: str, said: str) -> None:
    problem = parse(text)
    figure = draw_figure(kind, problem)
    assert said in text_of(figure)
    source = axes_of(figure, *(axis.padded_size for axis in problem.axes))
    dimmed = {
        (round(patch.get_y() + 0.5), round(patch.get_x() + 0.5))
        for patch in source.patches
        if isinstance(patch, Rectangle) and patch.get_alpha() == planes.DIMMED
    }
    places = np.pad(np.zeros(problem.input_size), problem.padding)
    for position in np.ndindex(*problem.output_size):
        for tap in problem.taps():
            row, column = (
                at * axis.stride + index * axis.dilation
                for at, index, axis in zip(position, tap, problem.axes, strict=True)
            )
            places[row, column] += 1
    assert dimmed == {(row, column) for row, column in np.argwhere(places == 0).tolist()}


def test_where_every_pixel_is_read_none_is_called_dimmed() -> None:
    assert "dimmed" not in text_of(draw_figure("window", parse("1x5x5 1@3x3 s2 p1")))


def test_the_taps_of_a_dilated_window_are_outlined_one_by_one() -> None:
    problem = parse("1x6x6 1@2x2 d3")
    traced = trace(problem, "im2col", whole_numbers(problem))
    source = axes_of(window.draw(traced, (0, 0, 1), Subject(problem), DARK), 6, 6)
    taps = {(0, 1, 1, 1), (0, 4, 1, 1), (3, 1, 1, 1), (3, 4, 1, 1)}
    assert set(outlined(source, DARK.accent)) == taps | {(0, 1, 4, 4)}


@pytest.mark.parametrize("text", ["1x6x6 1@3x3", "2x5x5 2@2x2 p1 d2", "1x7x6 1@3x2 s2x1 p0:1"])
def test_a_pixels_copies_are_marked_and_only_they(text: str) -> None:
    problem = parse(text)
    operands = whole_numbers(problem)
    operands.input.zero_()
    operands.input[0, 0, 3, 2] = 7
    traced = trace(problem, "im2col", operands)
    figure = lowering.draw(traced, (1, 1), (3, 2), Subject(problem), DARK)
    matrix = traced["columns"][0]
    axes = axes_of(figure, *matrix.shape)
    marked = {(row, column) for row, column, _, _ in outlined(axes, DARK.diverging[0])}
    assert marked == {(row, column) for row, column in np.argwhere(matrix == 7).tolist()}
    assert f"pixel (3, 2) is in {len(marked)} windows: it is copied {len(marked)} times" in text_of(
        figure
    )
    place = problem.output_size[1] + 1
    assert outlined(axes, DARK.accent) == [(0, place, len(matrix), 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "1x6x6 1@3x3",
            [
                "the matrix takes 576 B, 4 × the input's 144 B",
                "approaches 9 × the input's size: 3·3 taps",
            ],
        ),
        ("2x5x5 1@3x2 s2", ["approaches 1.5 × the input's size: 3·2 taps ÷ stride 2·2"]),
        ("2x2x3x3 1@3x3", ["is in 1 window: it is copied once", "image 0, channel 0, 3 × 3"]),
    ],
)
def test_im2col_says_what_it_costs(text: str, said: list[str]) -> None:
    everything = text_of(draw_figure("im2col", parse(text)))
    assert [phrase for phrase in said if phrase not in everything] == []


@pytest.mark.parametrize(
    ("text", "labels", "missing"),
    [
        ("1x4x4 1@3x3", ["0,2,1", "1,1"], "c=0"),
        ("3x12x12 1@3x3", ["c=2", "i=9"], "0,2,1"),  # a hundred columns: too small for each
        ("28x7x7 1@3x3", ["c=27", "i=4"], "0,2,1"),
    ],
)
def test_rows_and_columns_are_labelled(text: str, labels: list[str], missing: str) -> None:
    figure = draw_figure("im2col", parse(text))
    said = text_of(figure).split("\n")
    assert set(labels) <= set(said)
    assert missing not in said
    assert_legible(figure)


def test_the_whole_matrix_is_drawn_inside_the_picture() -> None:
    figure = draw_figure("im2col", parse("4x7x6 4@3x2 s2 p1:0x2 d2x1 g2"))
    bounds = axes_of(figure, 24, 10).get_position()
    lowest = min(text.get_position()[1] for text in figure.texts)
    assert bounds.x1 < 1
    assert lowest < bounds.y0 < 1  # the legend stands under it


@pytest.mark.parametrize("text", ["1x6x6 1@3x3 p1", "1x7x5 1@3x2 s2x1 d1x2"])
def test_the_marked_pixels_of_all_taps_add_up_to_the_output(text: str) -> None:
    problem = parse(text)
    traced = trace(problem, "kn2row", whole_numbers(problem))
    chosen = (1, 2)
    figure = kn2row.draw(traced, chosen, Subject(problem), LIGHT)
    total = 0.0
    for axes in figure.axes[1:-1]:
        values = shown(axes)
        for row, column, _, _ in outlined(axes, LIGHT.accent):
            total += float(values[int(row), int(column)])
    bias = 0.0 if traced.bias is None else float(traced.bias[0])
    assert total + bias == traced.output[0, 0, 1, 2]


@pytest.mark.parametrize(
    ("text", "arrows"),
    [
        ("1x4x4 1@2x2 p1", ["↓1 →1", "↓1", "→1", "stays"]),
        ("1x6x6 1@1x3 d2", ["stays", "←2", "←4"]),
        ("1x6x6 1@3x1 s2 p0:2x0", ["stays", "↑1", "↑2"]),
    ],
)
def test_how_far_a_taps_picture_is_moved_is_said(text: str, arrows: list[str]) -> None:
    problem = parse(text)
    assert [kn2row.say_shift(problem, (u, v)) for u, v in problem.taps()] == arrows
    said = text_of(draw_figure("kn2row", problem)).split("\n")
    assert [line for line in said if line in arrows] == arrows


@pytest.mark.parametrize("text", ["1x5x6 1@3x2 s2x1 p1:0x2 d1x2", "2x5x5 2@2x2 p1"])
def test_a_taps_picture_moved_so_far_lands_on_the_outputs(text: str) -> None:
    problem = parse(text)
    traced = trace(problem, "kn2row", whole_numbers(problem))
    output = np.zeros(problem.output_size)
    for number, (u, v) in enumerate(problem.taps()):
        down, across = kn2row.shift_of(problem, (u, v))
        for row, column in np.ndindex(*problem.input_size):
            lands = (row + down, column + across)
            places = [at // step for at, step in zip(lands, problem.stride, strict=True)]
            whole = all(at % step == 0 for at, step in zip(lands, problem.stride, strict=True))
            inside = all(0 <= at < end for at, end in zip(places, output.shape, strict=True))
            if whole and inside:
                output[tuple(places)] += traced["mixed"][0, 0, number, 0, row, column]
    assert traced.bias is not None
    assert (output + traced.bias[0] == traced.output[0, 0]).all()


def test_what_lands_on_the_output_is_added_up_in_writing() -> None:
    problem = parse("1x2x2 1@2x2 p1")
    operands = whole_numbers(problem)
    operands.input[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    operands.weight[0, 0] = torch.tensor([[5.0, -1.0], [2.0, 3.0]])
    traced = trace(problem, "kn2row", operands)
    text = text_of(kn2row.draw(traced, (1, 1), Subject(problem), DARK))
    assert "y[0, 1, 1] = 5 − 2 + 6 + 12 + 1 = 22" in text
    assert "outlined: the 4 elements added to y[0, 1, 1], then the bias" in text
    text = text_of(
        kn2row.draw(traced, (0, 0), Subject(problem), DARK)
    )  # of its window, three quarters are padding
    assert "y[0, 0, 0] = 3 + 1 = 4" in text
    assert "outlined: the 1 element added to y[0, 0, 0], then the bias" in text


def test_of_many_taps_the_last_are_one_term() -> None:
    problem = parse("1x6x6 1@5x5 p2 nobias")
    text = text_of(draw_figure("kn2row", problem))
    assert "the 25 elements added to y[0, 3, 3]; the last 16 are one term" in text
    assert "bias" not in text.replace("nobias", "")
    assert "−0" not in text.split("\n")  # a negative weight times a black pixel


@pytest.mark.parametrize("text", ["1x9x9 1@3x3 s2 d2", "1x3x3 20@3x3 p1"])
def test_a_matrix_that_would_be_a_thread_is_stretched(text: str) -> None:
    problem = parse(text)
    figure = draw_figure("toeplitz", problem)
    outputs, pixels = problem.gemm.m * problem.gemm.n, 81 if "9x9" in text else 9
    axes = axes_of(figure, outputs, pixels)
    high, wide = axes.bbox.height / outputs, axes.bbox.width / pixels
    assert max(high / wide, wide / high) <= toeplitz.MOST_STRETCHED * (1 + ROUNDED)
    assert min(axes.bbox.height, axes.bbox.width) > 0.7 * figure.dpi
    assert axes.bbox.height == pytest.approx(axes_of(figure, outputs, 1).bbox.height, rel=ROUNDED)
    assert_legible(figure)


@pytest.mark.parametrize(
    ("text", "said", "missing"),
    [
        ("1x4x4 1@3x3", "bias added", "group"),
        ("2x4x4 2@3x3 g2 nobias", "of group 0, [4 outputs, 16 pixels]", "bias added"),
    ],
)
def test_the_toeplitz_matrix_says_what_is_not_in_it(text: str, said: str, missing: str) -> None:
    everything = text_of(draw_figure("toeplitz", parse(text)))
    assert said in everything
    assert missing not in everything


def test_the_toeplitz_rows_pixels_are_marked_in_the_column() -> None:
    problem = parse("1x5x4 1@3x2 nobias")
    traced = trace(problem, "toeplitz", whole_numbers(problem))
    figure = toeplitz.draw(traced, 4, Subject(problem), DARK)
    matrix = traced["matrix"][0]
    assert outlined(axes_of(figure, *matrix.shape), DARK.accent) == [(4, 0, 1, 20)]
    column = axes_of(figure, 20, 1)
    marked = [int(row) for row, *_ in outlined(column, DARK.accent)]
    assert marked == np.flatnonzero(matrix[4]).tolist()
    assert matrix[4] @ shown(column)[:, 0] == traced.output.ravel()[4]
    zeros = f"{np.mean(matrix == 0):.0%} of it zeros"
    assert zeros in text_of(figure)


@pytest.mark.parametrize(
    ("kind", "problem", "cause"),
    [
        ("window", "1x80x8 1@3x3", "up to 64 padded pixels per side; this has 80"),
        ("im2col", "1x8x90 1@3x3", "up to 64 padded pixels per side; this has 90"),
        (
            "im2col",
            "32x8x8 1@3x3",
            "up to 256 rows and 400 columns of the matrix; this has 288 and 36",
        ),
        ("im2col", "1x24x24 1@3x3", "up to 256 rows and 400 columns .* this has 9 and 484"),
        ("kn2row", "1x20x8 1@3x3", "up to 48 cells per side, kernel times input; this has 60"),
        ("toeplitz", "1x21x20 1@3x3", "up to 400 rows and columns of the matrix; this has 342"),
    ],
)
def test_what_is_not_legible_is_refused(kind: str, problem: str, cause: str) -> None:
    with pytest.raises(UnsupportedError, match=cause) as caught:
        draw_figure(kind, parse(problem))
    assert str(parse(problem)) in str(caught.value)

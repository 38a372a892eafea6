"""Both gradients, and what one output sees: legible, and of the right numbers, cells and pixels."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glassconv.data import photograph
from glassconv.errors import UnsupportedError
from glassconv.examples.sample_operands import whole_gradient, whole_numbers
from glassconv.figures import figure as draw_figure
from glassconv.problem.axis import PADDING
from glassconv.problem.shorthand import parse
from glassconv.reports.array import Array
from glassconv.reports.trace import Backward
from glassconv.tracing.backward import backward
from glassconv.views.figures import receptive_field
from glassconv.views.figures.theme import DARK, THEMES, Theme
from support.legible_figures import assert_legible, text_of

BOTH_THEMES = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
USUAL = "1x5x5 1@3x3 s2 p1"
STRETCHED = [
    USUAL,
    "2x3x6x5 4@3x2 s2x3 p1:0x1 d2x1",  # rests, dilation, an asymmetric kernel, a batch
    "1x6x7 1@2x2 s2x3 d2x3",
    "4x5x5 6@3x3 p1 g2",
    "1x2x3 2@1x2 p2",  # padding wider than the kernel: the gradient is cut out of a larger one
    "1x28x28 2@5x5 s2 p2",  # too many cells for numbers
    "1x2x2 1@1x1 s9 p1",  # the only window reads padding
]


@cache
def _drawn(problem: str) -> Figure:
    return draw_figure("backward", parse(problem))


@cache
def _report(problem: str) -> Backward:
    parsed = parse(problem)
    return backward(parsed, "im2col", whole_numbers(parsed), whole_gradient(parsed))


def _outlined(axes: Axes) -> set[tuple[int, int]]:
    """Return the cells (row, column) that lie in an outline."""
    cells = set()
    for patch in axes.patches:
        if isinstance(patch, Rectangle) and not patch.get_fill():
            left, top = round(patch.get_x() + 0.5), round(patch.get_y() + 0.5)
            wide, high = round(patch.get_width()), round(patch.get_height())
            cells |= {(top + row, left + column) for row in range(high) for column in range(wide)}
    return cells


def _shown(axes: Axes) -> Array:
    return np.asarray(axes.images[0].get_array())


@pytest.mark.parametrize("problem", STRETCHED[1:])
def test_gradients_are_drawn_legibly(problem: str) -> None:
    assert_legible(_drawn(problem))


@BOTH_THEMES
def test_the_usual_gradients_are_legible_in_both_themes(theme: Theme) -> None:
    figure = draw_figure("backward", style=theme.name)
    assert_legible(figure)
    text = text_of(figure)
    assert "1x1x5x5 1@3x3 s1 p1 nobias" in text  # the convolution of the zero-inserted gradient
    assert "1x1x5x5 1@3x3 s1 p1 d2 nobias" in text  # and of the input
    assert "fold(Wᵀ · grad_output): (9 × 1) · (1 × 9) = (9 × 9), folded to 5 × 5" in text
    assert "grad_output · columnsᵀ: (1 × 9) · (9 × 9) = (1 × 9)" in text
    assert "drawn:" not in text


@pytest.mark.parametrize("problem", STRETCHED)
def test_what_is_drawn_is_what_is_convolved(problem: str) -> None:
    report = _report(problem)
    zero_inserted, flipped, grad_input, input, _, grad_weight = _drawn(problem).axes
    margins = report.input_convolution.padding
    assert np.array_equal(_shown(zero_inserted), np.pad(report["zero_inserted"][0, 0], margins))
    spread = tuple(slice(None, None, step) for step in report.problem.dilation)
    assert np.array_equal(_shown(flipped)[spread], report["flipped"][0, 0])
    assert np.array_equal(_shown(grad_input), report["folded"][0, 0])
    assert np.array_equal(_shown(input), np.pad(report.input[0, 0], report.problem.padding))
    assert np.array_equal(_shown(grad_weight), report["product"][0, 0])


@pytest.mark.parametrize("problem", [each for each in STRETCHED if "28" not in each])
def test_outlined_cells_make_the_outlined_gradient(problem: str) -> None:
    """By the forward tap map: who read the pixel, and what the tap read."""
    parsed = parse(problem)
    figure = _drawn(problem)
    zero_inserted, _, grad_input, input, _, grad_weight = figure.axes
    maps = [axis.tap_map() for axis in parsed.axes]

    (pixel,) = _outlined(grad_input)
    readers = [
        {before + output * step for output in np.argwhere(taps == place)[:, 0]}
        for taps, place, step, (before, _) in zip(
            maps, pixel, parsed.stride, _margins(problem), strict=True
        )
    ]
    own = {
        (row, column)
        for row, column in _outlined(zero_inserted)
        if row in readers[0] and column in readers[1]
    }
    assert len(own) == parsed.copies()[pixel] == parsed.copies().max()
    assert f"{len(own)} product" in text_of(figure)

    (tap,) = _outlined(grad_weight)
    reads = [
        {before + place for place in taps[:, index] if place != PADDING}
        for taps, index, (before, _) in zip(maps, tap, parsed.padding, strict=True)
    ]
    outlined = _outlined(input)
    assert {(row, column) for row in reads[0] for column in reads[1]} <= outlined
    assert len(outlined) == np.prod(parsed.output_size)


def _margins(problem: str) -> tuple[tuple[int, int], ...]:
    return _report(problem).input_convolution.padding


@pytest.mark.parametrize("problem", [USUAL, "1x3x3 1@1x1", "2x3x6x5 4@3x2 s2x3 p1:0x1 d2x1"])
def test_the_sums_written_out_are_right(problem: str) -> None:
    report = _report(problem)
    text = text_of(_drawn(problem))
    lines = re.findall(r"(grad_\w+)\[([\d, ]+)\] = (.+) = (.+)", text)
    assert [name for name, *_ in lines] == ["grad_input", "grad_weight"]
    for name, place, sum_, value in lines:
        expression = sum_.replace("−", "-").replace("·", "*")
        assert eval(expression) == float(value.replace("−", "-"))
        index = tuple(int(number) for number in place.split(","))
        assert report[name][index] == float(value.replace("−", "-"))


def test_what_is_not_drawn_is_said() -> None:
    text = text_of(_drawn("2x3x6x5 4@3x2 s2x3 p1:0x1 d2x1"))
    assert "drawn: image 0 of 2, channel 0 of 3, filter 0 of 4" in text
    assert "last, the sum over the other 3 filters" in text
    assert "last, the sum over the other image" in text
    assert "3x2x6x5 4@2x2 s2x1 p1:0x1 d2x3 nobias, of which 3 × 2 are kept" in text
    assert "summed over the batch" in text
    grouped = text_of(_drawn("4x5x5 6@3x3 p1 g2"))
    assert "(18 × 3) · (3 × 25) = (18 × 25) in each of 2 groups" in grouped
    assert "25 products of overlapping elements, the first 9 written out" in grouped


def test_gradients_too_large_to_tell_apart_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"up to 40 cells per side.*this has 44"):
        draw_figure("backward", parse("1x40x40 1@3x3 p2"))
    with pytest.raises(UnsupportedError, match="inserted zeros; this has 42"):
        draw_figure("backward", parse("1x40x40 1@3x3"))


@pytest.mark.parametrize(
    "problem",
    [
        "3x512x512 64@3x3 d100",
        "1x20x40 1@3x3 s4 p3:1x0",
        "1x5x60 1@3x3 p1",
        "1x32x32 1@3x2 d1x30",
        "1x2x2 1@1x1 s9 p1",
    ],
)
def test_receptive_fields_are_drawn_legibly(problem: str) -> None:
    assert_legible(draw_figure("receptive-field", parse(problem)))


@BOTH_THEMES
def test_the_usual_receptive_field_is_legible_in_both_themes(theme: Theme) -> None:
    figure = draw_figure("receptive-field", style=theme.name)
    assert_legible(figure)
    text = text_of(figure)
    assert "The window of one output covers 3.1% of the input and reads 25 of its pixels" in text
    assert "receptive field 17 × 17, stride 3, dilation 4" in text
    assert "25 of its 289 pixels are read" in text
    assert "no window reads 1,295 pixels (14.1%), 191 of them left over at the end" in text
    assert "Chelsea" in text


def _white(problem: str) -> Figure:
    parsed = parse(problem)
    pixels = np.full((*parsed.input_size, 3), 255, np.uint8)
    return receptive_field.draw(parsed, pixels, "white", DARK)


@pytest.mark.parametrize(
    "problem",
    ["1x9x9 1@3x3 s2 d2", "1x9x8 1@3x2 s3x2 p1:0x2 d2x1", "1x4x4 1@3x3 s3 p1", "1x2x2 1@1x1 s9 p1"],
)
def test_the_pixels_in_full_light_are_those_the_output_reads(problem: str) -> None:
    parsed = parse(problem)
    rows, columns = (
        axis.tap_map()[size // 2]
        for axis, size in zip(parsed.axes, parsed.output_size, strict=True)
    )
    read = {
        (row + parsed.padding[0][0], column + parsed.padding[1][0])
        for row in rows
        for column in columns
        if PADDING not in (row, column)
    }
    seen, window, _, _ = _white(problem).axes
    for axes in (seen, window):
        lit = np.argwhere((_shown(axes) == 1).all(-1))
        assert {(row, column) for row, column in lit.tolist()} == read
    assert read <= _outlined(seen)
    first, last = window.get_xlim()
    assert last - first == parsed.receptive_field[1]


def test_pixels_are_coloured_by_how_often_they_are_read() -> None:
    parsed = parse("1x9x8 1@3x2 s3x2 p1:0x2 d2x1")
    _, _, often, _ = _white(str(parsed)).axes
    copies = np.pad(parsed.copies(), parsed.padding)
    assert np.array_equal(_shown(often), copies)
    never: Array = np.ma.getmaskarray(np.ma.asarray(often.images[1].get_array()))
    assert np.array_equal(never, copies > 0)


def test_every_pixel_read_is_said_and_all_of_the_picture_seen() -> None:
    text = text_of(_white("1x5x5 1@5x5 p2"))
    assert "The window of one output covers all of the input" in text
    assert "every pixel is read" in text
    assert "reads 25" not in text


def test_a_picture_too_large_for_its_pixels_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="up to 512 padded pixels per side; this has 514"):
        draw_figure("receptive-field", parse("3x512x512 8@3x3 p1"))


def test_the_photograph_is_the_embedded_one() -> None:
    figure = draw_figure("receptive-field", parse("3x32x32 1@32x32"))
    shown = _shown(figure.axes[0])
    assert np.array_equal(np.round(shown * 255), photograph.chelsea().pixels)

"""Winograd's tile and the FFT's spectra: legible, and the numbers drawn are the algorithm's."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glassconv.algorithms.parts.winograd_transforms import transforms_of
from glassconv.errors import UnsupportedError
from glassconv.examples.sample_operands import blurred_photograph, whole_numbers
from glassconv.figures import figure as draw_figure
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.shorthand import parse
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.tracing.forward import trace
from glassconv.views.figures import fft, winograd
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import DARK, LIGHT, THEMES, Theme
from support.legible_figures import assert_legible, text_of

BOTH_THEMES = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
KINDS = ("winograd", "fft")
STRETCHED = [
    ("winograd", "2x5x7 2@3x2 p0:1"),
    ("winograd", "1x9x9 1@5x5 p2 nobias"),
    ("winograd", "4x4x4 4@3x3 p1 g4"),
    ("winograd", "1x3x3 1@3x3"),
    ("fft", "3x40x30 2@5x5 s2 d2"),
    ("fft", "2x20x30 2@5x3"),
    ("fft", "1x3x3 1@1x1"),
    ("fft", "1x200x20 1@9x3 p4"),
]


def maps(figure: Figure, rows: int, columns: int) -> list[Array]:
    """Return the values of every map of this shape, in the order they were drawn."""
    found = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    return [values for values in found if values.shape == (rows, columns)]


def drawn(trace: Trace, theme: Theme) -> Figure:
    """Return the picture of a Winograd trace with tiles of two outputs."""
    matrices = [
        {"Bᵀ": each.input, "G": each.filter, "Aᵀ": each.output}
        for each in transforms_of(trace.problem, 2)
    ]
    return winograd.draw(trace, matrices, Subject(trace.problem), theme)


def accented(axes: Axes, theme: Theme) -> list[tuple[float, float, float, float]]:
    """Return (row, column, rows, columns) of what is outlined in the accent colour."""
    return [
        (box.bounds[1] + 0.5, box.bounds[0] + 0.5, box.bounds[3], box.bounds[2])
        for patch in axes.patches
        if isinstance(patch, Rectangle) and to_hex(patch.get_edgecolor()) == theme.accent
        for box in [patch.get_bbox()]
    ]


@BOTH_THEMES
@pytest.mark.parametrize("kind", KINDS)
def test_the_usual_picture_is_legible_and_labelled(kind: str, theme: Theme) -> None:
    figure = draw_figure(kind, style=theme.name)
    assert_legible(figure)
    assert all(name in text_of(figure) for name in ("input", "filter", "output"))


@pytest.mark.parametrize(("kind", "problem"), STRETCHED)
def test_any_problem_is_drawn_legibly(kind: str, problem: str) -> None:
    assert_legible(draw_figure(kind, parse(problem)))


def test_winograd_counts_its_multiplications() -> None:
    text = text_of(draw_figure("winograd", parse("3x6x6 2@3x3")))
    assert "4 outputs for 16 multiplications instead of 36" in text
    assert "384 multiplications" in text  # 4 tiles · 2 filters · 3 channels · 16
    assert "the definition takes 864" in text  # 32 outputs · 27


def test_the_tile_that_is_drawn_is_transformed_as_it_says() -> None:
    problem = parse("1x6x6 1@3x3 nobias")
    traced = trace(problem, "winograd2", whole_numbers(problem))
    figure = drawn(traced, LIGHT)
    tile, transformed, filters, products = maps(figure, 4, 4)[:4]
    [transforms] = set(transforms_of(problem, 2))
    b, g, a = (np.array(matrix, dtype=float) for matrix in
               (transforms.input, transforms.filter, transforms.output))  # fmt: skip
    assert (tile == traced["padded"][0, 0, 2:6, 2:6]).all()
    # Whole numbers, and halves and quarters of them: nothing is rounded.
    assert (transformed == b @ tile @ b.T).all()
    assert (filters == g @ traced.weight[0, 0] @ g.T).all()
    assert (products == transformed * filters).all()
    [outputs] = maps(figure, 2, 2)
    assert (outputs == a @ products @ a.T).all()
    assert (outputs == traced.output[0, 0, 2:4, 2:4]).all()


def test_the_tile_and_its_outputs_are_outlined() -> None:
    problem = parse("1x6x6 1@3x3")
    figure = drawn(trace(problem, "winograd2", whole_numbers(problem)), DARK)
    outlined = [box for axes in figure.axes for box in accented(axes, DARK)]
    assert (2, 2, 4, 4) in outlined
    assert (2, 2, 2, 2) in outlined


@pytest.mark.parametrize(
    ("problem", "note"),
    [
        ("1x6x6 1@3x3", "6 × 6"),
        ("1x6x6 1@3x3 p1", "8 × 8, with padding"),
        ("1x5x5 1@3x3", "6 × 6, with padding"),  # up to whole tiles
        ("2x6x6 1@3x3", "6 × 6, channel 0"),
    ],
)
def test_padding_is_said_where_there_is_any(problem: str, note: str) -> None:
    assert note in text_of(draw_figure("winograd", parse(problem))).splitlines()


def test_the_windows_that_are_kept_read_the_padded_picture_alone() -> None:
    problem = parse("1x11x9 1@3x2 p2 d2x1 s2")
    rows, columns = fft.kept_places(trace(problem, "fft"))
    for kept, axis in zip((rows, columns), problem.axes, strict=True):
        last = np.arange(axis.padded_size) + axis.extent - 1  # pixel read by each window
        assert kept == (last < axis.padded_size).sum()


def test_the_spectra_are_those_of_the_trace() -> None:
    problem = parse("1x30x20 1@5x5 p2 nobias")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    traced = trace(problem, "fft", blurred_photograph(problem, pixels))
    figure = fft.draw(traced, "a picture", "a blur", Subject(traced.problem), LIGHT)
    rows, columns = traced["product spectrum"].shape[-2:]
    shown = maps(figure, rows, columns)
    assert len(shown) == 3
    for values, name in zip(
        shown, ("input spectrum", "filter spectrum", "product spectrum"), strict=True
    ):
        magnitudes = np.abs(traced[name][0, 0, 0])
        expected = np.fft.fftshift(magnitudes / magnitudes.max(), axes=0)
        assert (values == np.maximum(expected, fft.LEAST)).all()
    text = text_of(figure)
    assert f"{rows * columns:,} complex products" in text
    assert f"the definition takes {problem.macs:,} multiplications" in text


def test_a_photograph_is_grey_for_one_channel_and_coloured_for_three() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    grey = blurred_photograph(parse("1x16x20 2@3x3 nobias"), pixels)
    colour = blurred_photograph(parse("3x16x20 2@3x3"), pixels)
    assert grey.input.shape == (1, 1, 16, 20)
    assert colour.input.shape == (1, 3, 16, 20)
    for operands in (grey, colour):
        assert -1 <= operands.input.min() < operands.input.max() <= 1
        # Each weight is rounded, and each of the sums: n·u of a sum of positive numbers that is 1.
        sums, n = operands.weight.sum((1, 2, 3)), operands.weight[0].numel()
        assert (operands.weight >= 0).all()
        assert ((sums - 1).abs() <= 2 * n * FORMATS["float32"].unit_roundoff).all()
    assert (colour.input[0, 0] != colour.input[0, 1]).any()


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        ("1x40x8 1@3x3", "up to 16 pixels per side, padded to whole tiles; this has 40"),
        ("1x8x8 1@3x3 s2", "needs stride 1"),
    ],
)
def test_what_winograd_cannot_draw_is_refused(problem: str, cause: str) -> None:
    with pytest.raises(UnsupportedError, match=cause) as caught:
        draw_figure("winograd", parse(problem))
    assert str(parse(problem)) in str(caught.value)


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        ("1x512x8 1@3x3 p1", "up to 512 padded pixels per side .* this has 514"),
        ("512x28x28 512@3x3 p1", "up to 1 GB; this has 30 and takes 3.372 GB"),
    ],
)
def test_what_fft_cannot_draw_is_refused(problem: str, cause: str) -> None:
    with pytest.raises(UnsupportedError, match=cause) as caught:
        draw_figure("fft", parse(problem))
    assert str(parse(problem)) in str(caught.value)

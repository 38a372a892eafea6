"""Pictures: legible in both themes, saying the numbers of their reports, the same each time."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from glassconv.data import photograph
from glassconv.errors import ArgumentTypeError, DtypeError, UnknownNameError, UnsupportedError
from glassconv.examples.tutorial import walk
from glassconv.figures import figure as draw_figure
from glassconv.figures.kinds import KINDS, tutorial_figures
from glassconv.figures.names import NAMES
from glassconv.problem.shorthand import parse
from glassconv.reports.verdict import Verdict
from glassconv.reports.worked_example import Tutorial
from glassconv.views.figures import comparison
from glassconv.views.figures.style import FORMATS, to_bytes
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import DARK, THEMES, Theme
from support.legible_figures import assert_legible, text_of

BOTH_THEMES = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)

# Every kind on problems that stretch its layout.
STRETCHED = [
    ("worked-example", "1x3x3 1@1x1 s1"),
    ("worked-example", "4x9x7 6@3x2 p1:0x2 d2x1 g2"),
    ("worked-example", "4x16x16 4@5x5"),
    ("matrix-product", "1x3x3 1@3x3"),
    ("matrix-product", "2x4x4 3@2x2"),
    ("matrix-product", "2x6x5x9 64@3x3 g2 nobias"),
    ("matrix-product", "16x20x20 128@3x3 s2 p1"),
    ("output-size", "1x1 1@1"),
    ("output-size", "1x40 1@3"),
    ("output-size", "1x12x9 1@3x2 s3 p1:2 d2"),
    ("comparison", "1x3x3 1@3x3"),
    ("comparison", "3x8x40 2@3x3 p1 float64"),
    ("comparison", "3x8x8 2@3x3 p1 float16"),
]


@pytest.fixture(scope="module")
def facts() -> Tutorial:
    chelsea = photograph.chelsea()
    return walk(chelsea.pixels, chelsea.source)


@pytest.fixture(scope="module")
def pictures(facts: Tutorial) -> dict[str, Mapping[str, Figure]]:
    """Return the tutorial's pictures by the name of their theme."""
    return {name: tutorial_figures(facts, theme) for name, theme in THEMES.items()}


@BOTH_THEMES
def test_the_tutorials_pictures_are_legible(
    pictures: dict[str, Mapping[str, Figure]], theme: Theme
) -> None:
    figures = pictures[theme.name]
    assert list(figures) == [name for name, kind in KINDS.items() if kind.default is None]
    for figure in figures.values():
        assert_legible(figure)


@pytest.mark.parametrize(("kind", "problem"), STRETCHED)
def test_any_problem_is_drawn_legibly(kind: str, problem: str) -> None:
    assert_legible(draw_figure(kind, parse(problem)))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("image", ["32 × 32 pixels × 3 channels", "Chelsea", "red", "green", "blue"]),
        ("worked-example", ["y[0, 1, 2] = 2 + 0 − 1 + 1 = 2", "3 × 7 × 7", "1·(−1) + 1·(−1)"]),
        ("matrix-product", ["(4 × 75) · (75 × 784)", "235,200", "784 = 28·28", "75 = 3·5·5"]),
        ("comparison", ["Conv2d output", "im2col output", "the same up to rounding", "bound"]),
    ],
)
def test_pictures_say_the_tutorials_numbers(
    pictures: dict[str, Mapping[str, Figure]], kind: str, said: list[str]
) -> None:
    text = text_of(pictures["dark"][kind])
    assert [phrase for phrase in said if phrase not in text] == []


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("1x5 1@3 s2 p1", ["3 windows fit", "5 + 2·1 = 7", "7 − 2 − 1 = 4", "2 + 1 = 3"]),
        ("1x6x6 1@3x3 s2", ["2 windows fit", "both axes", "3 mod 2 = 1"]),
        ("1x9x8 1@3x3 d2 p0:1", ["6 windows fit", "height", "2·(3 − 1) = 4", "9 + 0 + 1 = 10"]),
    ],
)
def test_the_output_size_is_derived(problem: str, said: list[str]) -> None:
    text = text_of(draw_figure("output-size", parse(problem)))
    assert [phrase for phrase in said if phrase not in text] == []


def test_the_worked_example_outlines_the_window_in_every_channel(
    pictures: dict[str, Mapping[str, Figure]],
) -> None:
    figure = pictures["light"]["worked-example"]
    outlines = [
        patch.get_bbox().bounds
        for patch in figure.findobj(Rectangle)
        if not patch.get_fill() and patch.get_linewidth() > 1
    ]
    window = (4 - 0.5, 2 - 0.5, 3, 3)  # left, top, width, height in cells of the padded input
    cell = (2 - 0.5, 1 - 0.5, 1, 1)
    assert outlines.count(window) == 3
    assert outlines.count((-0.5, -0.5, 3, 3)) == 3  # the filter's three slices
    assert outlines.count(cell) == 1


def test_the_worked_sum_stands_below_the_outputs_however_many() -> None:
    figure = draw_figure("worked-example", parse("2x4x4 4@2x2 g2"))
    figure.draw_without_rendering()
    [total] = [text for text in figure.texts if text.get_text().startswith("y[0, 1, 1] = ")]
    box = total.get_window_extent()
    assert all(axes.get_window_extent().y0 >= box.y1 for axes in figure.axes)


@pytest.mark.parametrize(("problem", "said"), [("2x4x4 1@2x2", False), ("2x4x4 1@2x2 p1", True)])
def test_padding_is_named_where_there_is_some(problem: str, said: bool) -> None:
    text = text_of(draw_figure("worked-example", parse(problem)))
    assert ("with its padding" in text) == said


def test_a_difference_that_is_too_large_is_called_so(facts: Tutorial) -> None:
    wrong = replace(facts.difference, verdict=Verdict(False, "too large"), maximum=1.0)
    figure = comparison.draw(
        facts.conv2d, facts.layer.output, wrong, Subject(facts.layer.problem), DARK
    )
    assert "NOT the same" in text_of(figure)


def test_equal_outputs_are_drawn(facts: Tutorial) -> None:
    same = replace(facts.difference, maximum=0.0, array=np.zeros_like(facts.difference.array))
    figure = comparison.draw(facts.conv2d, facts.conv2d, same, Subject(facts.layer.problem), DARK)
    assert "100% of the outputs are bitwise equal" in text_of(figure)
    assert_legible(figure)


@BOTH_THEMES
def test_a_png_has_the_themes_background(
    pictures: dict[str, Mapping[str, Figure]], theme: Theme
) -> None:
    content = to_bytes(pictures[theme.name]["comparison"])
    image = Image.open(io.BytesIO(content)).convert("RGB")
    corner = image.getpixel((0, 0))
    assert isinstance(corner, tuple)
    assert "#{:02x}{:02x}{:02x}".format(*corner) == theme.background
    assert len(image.getcolors(2**24) or []) > 100


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_picture_is_the_same_file(format: str) -> None:
    problem = parse("1x3x3 1@2x2")
    first, second = (to_bytes(draw_figure("matrix-product", problem), format) for _ in "ab")
    assert first == second


@pytest.mark.parametrize(
    ("kind", "problem", "cause"),
    [
        ("image", "3x8x8 1@3x3", "not a problem"),
        ("comparison", "3x8x8x8 1@3x3x3", "needs a 1-D or 2-D problem; this one is 3-D"),
        ("matrix-product", "0x3x8x8 1@3x3", "this batch is empty"),
        ("output-size", "1x41 1@3", "legible up to 40 padded pixels; this has 41"),
        ("worked-example", "3x30x8 1@3x3", "legible up to 16"),
        ("worked-example", "9x8x8 1@3x3", "legible up to 16"),
    ],
)
def test_what_cannot_be_drawn_is_refused(kind: str, problem: str, cause: str) -> None:
    with pytest.raises(UnsupportedError, match=cause) as caught:
        draw_figure(kind, parse(problem))
    assert str(parse(problem)) in str(caught.value)


def test_every_kind_is_named_in_order() -> None:
    assert tuple(KINDS) == NAMES


def test_an_unknown_kind_is_told_all_kinds() -> None:
    with pytest.raises(UnknownNameError, match=", ".join(KINDS)):
        draw_figure("spiral")


def test_what_is_no_operand_or_problem_is_refused_by_name() -> None:
    with pytest.raises(ArgumentTypeError, match="weight is no array of numbers"):
        draw_figure("im2col", "1x6 1@3", weight=[[1, 2], [3]])
    with pytest.raises(DtypeError, match="input is complex"):
        draw_figure("im2col", "1x6 1@3", input=torch.zeros(1, 6, dtype=torch.complex64))
    with pytest.raises(ArgumentTypeError, match="sequence of layers in shorthand"):
        draw_figure("im2col", 5)  # type: ignore[arg-type]

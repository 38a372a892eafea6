"""Every kind of figure on every kind of problem: texts are inside it and do not overlap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import glassconv
from glassconv.errors import ShapeError, UnknownNameError, UnsupportedError
from glassconv.figures.kinds import KINDS
from glassconv.problem.problem import parse_problem
from glassconv.verification import error_curves
from glassconv.views.figures.style import NotebookFigure
from support.legible_figures import text_of

PROBLEMS = {
    "sequence": "1x8 1@3",
    "padded sequence": "2x9 2@3 p1",
    "strided sequence": "1x9 1@3 s2 p1",
    "dilated sequence": "1x11 2@3 d2",
    "grouped sequence": "4x8 4@3 g2",
    "image": "1x6x6 1@3x3",
    "channels": "3x6x6 2@3x3 nobias",
    "padded": "1x5x5 1@3x3 p1",
    "strided": "1x7x7 1@3x3 s2 p1",
    "dilated": "1x7x7 1@2x2 d2",
    "grouped": "4x5x5 4@3x3 g2",
    "depthwise": "3x5x6 3@2x3 g3",
    "transposed sequence": "1x4 1@3 s2 transposed",
    "transposed": "1x4x4 1@3x3 s2 p1 transposed",
    "transposed, phases without taps": "2x3x4 2@2x1 s3x2 transposed o1",
}
# Each kind on half of the problems, and each problem by half of the kinds; the others are slow.
DRAWN = [
    pytest.param(kind, name, marks=[pytest.mark.slow] if (row + column) % 2 else [])
    for row, kind in enumerate(KINDS)
    if kind != "image"
    for column, name in enumerate(PROBLEMS)
]


def boxes(figure: Figure) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Yield each text that was written, with its box in pixels: (x0, y0, x1, y1)."""
    figure.draw_without_rendering()
    written: list[Text] = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    for text in written:
        if text.get_text() and text.get_visible():
            yield text.get_text(), text.get_window_extent().extents


def assert_no_text_collides(figure: Figure) -> None:
    """Check that each text is inside the figure and that no two overlap by half a pixel."""
    names, extents = zip(*boxes(figure), strict=True)
    box = np.array(extents)
    most = np.array(figure.bbox.extents[2:])
    inside = np.all((box[:, :2] >= 0) & (box[:, 2:] <= most), axis=1)
    outside = [names[place] for place in np.flatnonzero(~inside)]
    assert not outside, f"{outside} are cut off"
    for number in range(len(box)):
        others = box[number + 1 :]
        overlaps = (others[:, :2] < box[number, 2:] - 0.5).all(1)
        overlaps &= (others[:, 2:] > box[number, :2] + 0.5).all(1)
        found = [names[number + 1 + place] for place in np.flatnonzero(overlaps)]
        assert not found, f"{names[number]!r} overlaps {found}"


@pytest.mark.parametrize(("kind", "name"), DRAWN)
def test_no_text_collides(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = parse_problem(PROBLEMS[name])
    if problem.ndim == 2:  # seconds for 512 channels; those of sequences draw as many points
        monkeypatch.setattr(error_curves, "CHANNELS", error_curves.CHANNELS[:7])
    try:
        figure = glassconv.figure(kind, problem)
    except UnsupportedError as error:
        assert str(problem) in str(error)
        allowed = "needs a 2-D problem|does not draw transposed|needs stride 1|needs dilation 1"
        allowed += "|draws transposed convolutions only"
        assert any(reason in str(error) for reason in allowed.split("|")), str(error)
        return
    assert_no_text_collides(figure)


@pytest.mark.parametrize("products", [1, 2, 3, 4, 9, 12, 13, 36, 64])
def test_a_matrix_product_names_its_products(products: int) -> None:
    kernel = next(size for size in (4, 3, 2, 1) if products % size == 0)
    figure = glassconv.figure("matrix-product", f"{products // kernel}x6 2@{kernel}")
    assert_no_text_collides(figure)
    [total] = [line for line in joined(figure) if line.startswith("y[")]
    assert {"×", "="} <= set(text_of(figure).splitlines())
    shown = products if products <= 12 else 11
    assert total.count(" + ") + total.count(" − ") == shown  # with the bias


def joined(figure: Figure) -> list[str]:
    """Return the sum of the figure, whose lines were broken, as one."""
    texts = [
        text.get_text() for text in figure.texts if text.get_fontfamily() == ["DejaVu Sans Mono"]
    ]
    return [" ".join(texts)]


def test_long_numbers_do_not_collide() -> None:
    input = np.full((1, 1, 4, 4), -123456.0)
    for kind in ("matrix-product", "worked-example"):
        assert_no_text_collides(glassconv.figure(kind, "1x4x4 2@2x2", input=input))


def test_the_matrix_product_names_its_group() -> None:
    said = text_of(glassconv.figure("matrix-product", "4x5x5 4@3x3 g2"))
    assert "weight of group 0 of 2" in said
    assert "Group 0 is drawn" in said


def test_the_numbers_of_a_reader_are_drawn() -> None:
    weight = [[[3.0, 0.0, -1.0]]]
    figure = glassconv.figure(
        "matrix-product", "1x4 1@3", input=[[1.0, 2.0, 4.0, 7.0]], weight=weight, bias=[5.0]
    )
    assert "y[0, 0] = 3 + 0 − 4 + 5 = 4" in joined(figure)


@pytest.mark.parametrize("kind", ["matrix-product", "im2col", "kn2row", "winograd", "window"])
def test_numbers_are_whole_by_default_and_random_if_asked(kind: str) -> None:
    drawn, random = (
        [text.get_text() for axes in glassconv.figure(kind, "1x6 1@3", random=each).axes
         for text in axes.texts]
        for each in (False, True)
    )  # fmt: skip
    assert not any("0.1" in text for text in drawn)
    assert any("." in text for text in random)


def test_a_wrong_call_says_what_to_do() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'im2col'"):
        glassconv.figure("im2cool", "1x6 1@3")
    with pytest.raises(UnknownNameError, match="available: dark, light"):
        glassconv.figure("im2col", "1x6 1@3", style="black")
    with pytest.raises(UnsupportedError, match="needs a 1-D or 2-D problem; this one is 3-D"):
        glassconv.figure("receptive-field", "1x6x6x6 1@3x3x3")
    with pytest.raises(ShapeError, match="the input must be of shape"):
        glassconv.figure("im2col", "1x6 1@3", input=np.zeros((1, 2, 6)))


def test_a_notebook_displays_a_figure() -> None:
    figure = glassconv.figure("im2col", "1x6 1@3")
    assert isinstance(figure, NotebookFigure)
    assert figure._repr_png_().startswith(b"\x89PNG")

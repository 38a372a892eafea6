"""Every kind of picture against a picture of it that was looked at, in both themes.

A picture may differ from its baseline by a root mean square of 2 of the 256 levels, pytest-mpl's
own tolerance: another release of FreeType moves the edges of letters by less. To draw all anew:

    cd tests/views/figures
    python -m pytest test_reference_images.py --mpl-generate-path=baseline
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from PIL import Image, ImageDraw

from glassconv.figures import figure as draw_figure
from glassconv.figures.kinds import KINDS
from glassconv.problem.shorthand import parse
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Difference, ErrorCurve, ErrorCurves
from glassconv.views.figures import comparison, cost, error_bound
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import THEMES, Theme
from support.fixed_reports import fixed_facts

BASELINE = Path(__file__).parent / "baseline"
TOLERANCE = 2.0
SMALL = {"dpi": 50}  # a few dozen kilobytes each


def _difference(theme: Theme) -> Figure:
    """Draw fixed numbers: those of real outputs differ from processor to processor."""
    places = np.arange(144.0).reshape(1, 1, 12, 12)
    array = np.where(places % 3 == 0, 0.0, 1e-9 * (1 + places))
    largest = (0, 0, 11, 10)
    said = Verdict(True, "the same up to rounding")
    found = Difference("Conv2d", "im2col", said, largest, float(array[largest]), 1e-5, array)
    return comparison.draw(
        np.sin(places), np.sin(places) + array, found, Subject(parse("1x14x14 1@3x3")), theme
    )


def _curves(theme: Theme) -> Figure:
    """Draw fixed curves, for the same reason."""
    products = (9, 36, 144, 576)
    rms = tuple(3e-8 * n**0.5 for n in products)
    curves = tuple(
        ErrorCurve(
            algorithm=name,
            worst=tuple(3 * growth * each for each in rms),
            rms=tuple(growth * each for each in rms),
            bound=tuple(growth * 6e-8 * n * 10 for n in products),
            share=(0.1, 0.05, 0.02, 0.01),
        )
        for name, growth in (("direct", 1), ("winograd4", 4), ("fft", 2))
    )
    return error_bound.draw(ErrorCurves(parse("1x8x8 4@3x3"), products, curves), theme)


def _costs(theme: Theme) -> Figure:
    """Draw the costs of fixed algorithms: the picture of all changes when one is added."""
    return cost.draw(fixed_facts(parse("64x56x56 64@3x3 p1")), theme)


FIXED: dict[str, Callable[[Theme], Figure]] = {
    "comparison": _difference,
    "cost": _costs,
    "error-bound": _curves,
}


def file_of(kind: str, theme: str) -> str:
    return f"{kind}-{theme}.png"


@pytest.mark.parametrize(
    ("kind", "theme"),
    [
        pytest.param(
            kind,
            theme,
            id=f"{kind}-{theme.name}",
            marks=pytest.mark.mpl_image_compare(
                baseline_dir=str(BASELINE),
                filename=file_of(kind, theme.name),
                tolerance=TOLERANCE,
                savefig_kwargs=SMALL,
            ),
        )
        for kind in KINDS
        for theme in THEMES.values()
    ],
)
def test_the_picture_is_the_one_that_was_looked_at(kind: str, theme: Theme) -> Figure:
    return FIXED[kind](theme) if kind in FIXED else draw_figure(kind, style=theme.name)


def test_no_baseline_is_left_of_a_kind_that_is_gone() -> None:
    expected = {file_of(kind, theme) for kind in KINDS for theme in THEMES}
    assert {file.name for file in BASELINE.glob("*.png")} == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_tolerance_is_less_than_one_wrong_cell(kind: str, tmp_path: Path) -> None:
    """A square of a two-hundredth of the picture, painted over, is a difference."""
    right = BASELINE / file_of(kind, "dark")
    painted = Image.open(right).convert("RGB")
    side = (painted.width * painted.height / 200) ** 0.5
    corner = (painted.width * 0.4, painted.height * 0.5)
    box = (*corner, corner[0] + side, corner[1] + side)
    ImageDraw.Draw(painted).rectangle(box, fill="#ff6fae")
    wrong = tmp_path / "wrong.png"
    painted.save(wrong)
    assert compare_images(str(right), str(wrong), TOLERANCE) is not None

"""The pictures of a plan of tiles: borders where tiles end, and what one of them reads."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from torch import nn

import glassconv
from glassconv.views.figures import tiles
from glassconv.views.figures.theme import DARK, LIGHT, Theme


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_a_plan(theme: Theme) -> None:
    layer = nn.Conv2d(3, 8, 15, stride=2, padding=7)
    plan = glassconv.plan_tiles(layer, [1, 3, 400, 600], "800 kB", accuracy="strict")
    (axes,) = tiles.plan(plan, np.zeros((2, 2, 3)), theme).axes
    down, across = (each for each in axes.collections if isinstance(each, LineCollection))
    for lines, lengths, whole in zip((down, across), plan.tiles, (400, 600), strict=True):
        assert len(lines.get_segments()) == len(lengths) - 1
        ends = [segment[0].max() for segment in lines.get_segments()]
        assert max(ends) <= whole
    own, read = (np.asarray(line.get_xydata()) for line in axes.lines)
    for at, (start, stop) in enumerate(plan.example.input):
        assert (read[:, 1 - at].min(), read[:, 1 - at].max()) == (start, stop)
        assert start <= own[:, 1 - at].min() < own[:, 1 - at].max() <= stop


def test_a_profile_of_memory() -> None:
    profiles = {"as a whole": [(0.0, 0.0), (1.0, 2.0**31)], "tile by tile": [(0.0, 2.0**28)]}
    (axes,) = tiles.memory(profiles, 2**29, LIGHT).axes
    drawn = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
    assert list(drawn["as a whole"]) == [0, 2]
    assert list(drawn["tile by tile"]) == [0.25]
    assert list(drawn["the limit"]) == [0.5, 0.5]

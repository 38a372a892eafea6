"""The two themes of figures. Their names are known without matplotlib, which takes long to load."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap


@dataclass(frozen=True)
class Theme:
    """Colours of a figure. Negative is blue and positive is orange, which is colour-blind safe."""

    name: str
    background: str
    panel: str  # zero, and empty cells
    ink: str
    muted: str
    line: str
    accent: str  # the highlighted window, row, column and output
    diverging: tuple[str, ...]
    sequential: tuple[str, ...]

    @cached_property
    def diverging_map(self) -> Colormap:
        """Return the map for signed numbers."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("glassconv", self.diverging)

    @cached_property
    def sequential_map(self) -> Colormap:
        """Return the map for magnitudes."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("glassconv errors", self.sequential)


DARK = Theme(
    name="dark",
    background="#0f1318",
    panel="#1a2028",
    ink="#e8edf2",
    muted="#93a0ae",
    line="#313b47",
    accent="#ff6fae",
    diverging=("#9bd4ff", "#2f78bf", "#1a2028", "#bf5b1d", "#ffbe7d"),
    sequential=("#1a2028", "#2b4a6b", "#3f86a8", "#8cc9b0", "#f4f1c1"),
)
LIGHT = Theme(
    name="light",
    background="#ffffff",
    panel="#f3f3ef",
    ink="#1b2026",
    muted="#66717d",
    line="#d5d8d3",
    accent="#c2185b",
    diverging=("#0b4f92", "#7db7e0", "#f3f3ef", "#f5a962", "#9c3d05"),
    sequential=("#f3f3ef", "#b9d7dc", "#62a3bd", "#2b6793", "#14304f"),
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}

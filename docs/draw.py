"""Draw every picture of the pages anew: `python docs/draw.py`."""

from __future__ import annotations

from pathlib import Path

import glassconv
from glassconv.figures import animations
from glassconv.figures.kinds import KINDS
from glassconv.problem.shorthand import parse
from glassconv.views.figures import animation_file, panels
from glassconv.views.figures.style import to_bytes
from glassconv.views.figures.theme import DARK, LIGHT

IMAGES = Path(__file__).parent / "images"
# Images that are no kind of their own: a kind, and the problem that it is drawn for.
EXAMPLES = {
    "depthwise": ("window", "3x6x6 3@3x3 g3"),
    "lowering": ("im2col", "1x3x3 1@2x2"),
    "pointwise": ("matrix-product", "3x3x3 2@1x1"),
}


def main() -> None:
    """Write each kind of picture with its usual problem, the examples and the animation."""
    stills = {**{kind: (kind, None) for kind in KINDS}, **EXAMPLES}
    for name, (kind, problem) in stills.items():
        (IMAGES / f"{name}.png").write_bytes(to_bytes(glassconv.figure(kind, problem)))
    for name, theme in (("panels", DARK), ("panels-light", LIGHT)):
        (IMAGES / f"{name}.png").write_bytes(to_bytes(panels.draw(theme)))
    frames = list(animations.animation(parse(animations.ANIMATED), DARK))
    (IMAGES / "animate.gif").write_bytes(animation_file.to_bytes(frames, "gif"))


if __name__ == "__main__":
    main()

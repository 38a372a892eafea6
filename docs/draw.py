"""Draw every picture of the pages anew: `python docs/draw.py`."""

from __future__ import annotations

from pathlib import Path

import glassconv
from glassconv.figures import animations
from glassconv.figures.kinds import KINDS
from glassconv.problem.shorthand import parse
from glassconv.views.figures import animation_file, panels
from glassconv.views.figures.style import DARK, LIGHT, to_bytes

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Write each kind of picture with its usual problem, and the animation."""
    for kind in KINDS:
        (IMAGES / f"{kind}.png").write_bytes(to_bytes(glassconv.figure(kind)))
    for name, theme in (("panels", DARK), ("panels-light", LIGHT)):
        (IMAGES / f"{name}.png").write_bytes(to_bytes(panels.draw(theme)))
    frames = list(animations.animation(parse(animations.ANIMATED), DARK))
    (IMAGES / "animate.gif").write_bytes(animation_file.to_bytes(frames, "gif"))


if __name__ == "__main__":
    main()

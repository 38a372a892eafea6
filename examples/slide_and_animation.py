"""A figure for a slide and an animation: `python examples/slide_and_animation.py`.

It writes into the folder `slides` a matrix product as a picture of 1920 pixels and as a vector
file, and an animation of the same convolution. Change PROBLEM, or give arrays of your own.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

import glassconv

PROBLEM = (
    "1x5x5 2@3x3 s2 p1"  # shorthand: one channel of 5 × 5, two 3 × 3 filters, stride 2, padding 1
)
STYLE = "light"  # or "dark"
WIDTH = 1920  # pixels
FOLDER = Path("slides")

INPUT = np.arange(25.0).reshape(1, 5, 5) % 4
SOBEL = np.array(
    [[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]
)  # vertical edges; its transpose: horizontal
WEIGHT = np.stack([SOBEL, SOBEL.T])[:, None]  # [filters, channels, height, width]
BIAS = np.zeros(2)


def main() -> None:
    """Write the picture, the vector file and the animation."""
    FOLDER.mkdir(exist_ok=True)
    figure = glassconv.figure(
        "matrix-product", PROBLEM, input=INPUT, weight=WEIGHT, bias=BIAS, style=STYLE
    )
    picture, vector, animation = (FOLDER / f"convolution.{end}" for end in ("png", "svg", "gif"))
    figure.savefig(picture, dpi=WIDTH / figure.get_figwidth())
    figure.savefig(vector)
    command = ["glassconv", "figure", "animate", PROBLEM, "--style", STYLE, "--out", str(animation)]
    subprocess.run(command, check=True)
    print(f"{picture}\n{vector}\n{animation}")


if __name__ == "__main__":
    main()

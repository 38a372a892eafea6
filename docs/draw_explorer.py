"""Photograph the explorer for the pages: `python docs/draw_explorer.py`, after `npm ci` in web/.

Chromium draws what readers will see; the animation is put together from its frames.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
MILLISECONDS = 550  # of a frame
COLOURS = 64


def main() -> None:
    """Write the pictures, and a matrix product, output by output, as a GIF."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "page.html"
        subprocess.run(["glassconv", "explore", "--out", page], check=True)
        camera = DOCS.parent / "web" / "pictures.mjs"
        subprocess.run(["node", camera, page.as_uri(), folder], check=True)
        for picture in folder.glob("[a-z]*.png"):
            _flat(picture, 256).save(DOCS / "images" / picture.name, optimize=True)
        frames = sorted(folder.glob("[0-9]*.png"))
        palette = _flat(frames[-1], COLOURS)  # of all: a frame then stores its changes alone
        first, *others = (_flat(frame, COLOURS, palette) for frame in frames)
        first.save(
            DOCS / "images" / "explorer.gif",
            save_all=True,
            append_images=others,
            duration=MILLISECONDS,
            loop=0,
            optimize=True,
        )


def _flat(picture: Path, colours: int, palette: Image.Image | None = None) -> Image.Image:
    """Return the picture in a palette, its own by default, which takes a quarter of the bytes."""
    with Image.open(picture) as opened:
        return opened.convert("RGB").quantize(colours, palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main()

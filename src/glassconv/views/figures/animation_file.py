"""An animation as the content of a file: a GIF or an animated PNG that repeats, or an MP4."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from glassconv.errors import MissingExtraError, UnsupportedError
from glassconv.reports.array import Array
from glassconv.views.notation import size

FORMATS = ("gif", "png", "apng", "mp4")
SECONDS = 1.5  # a frame is shown, unless asked otherwise
LAST = 2  # times as long is the last frame shown
MOST_BYTES = 2_000_000  # of a file
COLOURS = (128, 64, 32)  # in the palette; the next is used if the file is too large
DOTS_PER_INCH = 100  # of a film, which only has pixels
FILM_RATE = 10  # pictures per second: players show films of fewer badly


def check_format(format: str) -> None:
    """Raise `MissingExtraError` for a film if the program that writes it is not installed."""
    from matplotlib.animation import FFMpegWriter

    if format == "mp4" and not FFMpegWriter.isAvailable():
        raise MissingExtraError(
            "an .mp4 is written by the program ffmpeg, which is not on the PATH: install it with "
            "`apt install ffmpeg`, `brew install ffmpeg` or `conda install ffmpeg`, or write a .gif"
        )


def to_bytes(drawn: Sequence[Image.Image], format: str, seconds: float = SECONDS) -> bytes:
    """Return an animation as the content of a file in one of `FORMATS`.

    drawn: the frames, all of one size. seconds: how long each is shown; the last one `LAST` times
    as long. GIF and PNG repeat forever.

    Raises `UnsupportedError` if a GIF or PNG takes more than `MOST_BYTES` with the smallest
    palette, and `MissingExtraError` as `check_format` does.
    """
    check_format(format)
    if format == "mp4":
        return _film(drawn, seconds)
    for colours in COLOURS:
        content = _pictures(list(_in_palette(drawn, colours)), format, seconds)
        if len(content) <= MOST_BYTES:
            return content
    raise UnsupportedError(
        f"the animation would take {size(len(content))}, more than the limit of "
        f"{size(MOST_BYTES)}: animate a smaller input, or fewer channels",
        request=f"{len(drawn)} frames of {drawn[0].width} × {drawn[0].height} as .{format}",
    )


def _film(drawn: Sequence[Image.Image], seconds: float) -> bytes:
    """Return the frames as H.264 in the colour format that every player shows."""
    from matplotlib.animation import FFMpegWriter
    from matplotlib.figure import Figure

    width, height = drawn[0].size
    wide, high = width - width % 2, height - height % 2  # H.264 has even sizes only
    figure = Figure(figsize=(wide / DOTS_PER_INCH, high / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    options = ["-pix_fmt", "yuv420p", "-r", str(FILM_RATE), "-movflags", "+faststart"]
    rate: Any = 1 / seconds  # frames per second; Matplotlib's annotation knows whole ones only
    writer = FFMpegWriter(fps=rate, codec="h264", extra_args=options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "film.mp4")
        with writer.saving(figure, str(file), DOTS_PER_INCH):
            for frame in (*drawn, *[drawn[-1]] * (LAST - 1)):
                figure.clear()
                figure.figimage(np.asarray(frame)[:high, :wide])
                writer.grab_frame()
        return file.read_bytes()


def _pictures(drawn: list[Image.Image], format: str, seconds: float) -> bytes:
    buffer = io.BytesIO()
    milliseconds = round(1000 * seconds)
    drawn[0].save(
        buffer,
        format="gif" if format == "gif" else "png",
        save_all=True,
        append_images=drawn[1:],
        duration=[milliseconds] * (len(drawn) - 1) + [LAST * milliseconds],
        loop=0,
        optimize=True,  # of a GIF's later frames, only the pixels that changed
    )
    return buffer.getvalue()


def _in_palette(drawn: Sequence[Image.Image], colours: int) -> Iterator[Image.Image]:
    """Yield the frames in the last one's most frequent colours, each pixel in the nearest."""
    every, counts = np.unique(_packed(drawn[-1]), return_counts=True)
    palette = _unpacked(every[np.argsort(-counts, kind="stable")[:colours]])
    nearest = np.zeros(1 << 24, np.uint8)  # of each colour, by its 24 bits
    known = np.zeros(1 << 24, bool)
    for frame in drawn:
        packed = _packed(frame)
        fresh = np.unique(packed[~known[packed]])
        distances = ((_unpacked(fresh)[:, None] - palette) ** 2).sum(2)
        nearest[fresh], known[fresh] = distances.argmin(1), True
        indexed = Image.fromarray(nearest[packed])
        indexed.putpalette(palette.astype(np.uint8).tobytes())
        yield indexed


def _packed(frame: Image.Image) -> Array:
    """Return a frame's colours [height, width], a number of 24 bits each."""
    red, green, blue = np.asarray(frame).astype(np.int32).transpose(2, 0, 1)
    packed: Array = red << 16 | green << 8 | blue
    return packed


def _unpacked(packed: Array) -> Array:
    """Return red, green and blue of packed colours, along a new last axis."""
    parts: Array = packed[..., None] >> np.array([16, 8, 0]) & 255
    return parts

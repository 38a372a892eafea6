"""Animations as files: small ones that repeat, films where ffmpeg is installed."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glassconv.errors import MissingExtraError, UnsupportedError
from glassconv.figures.animations import ANIMATED, animation, slide_of
from glassconv.problem.problem import parse_problem
from glassconv.problem.shorthand import parse
from glassconv.views.figures import animation as sliding
from glassconv.views.figures import animation_file as file
from glassconv.views.figures.theme import DARK, LIGHT, Theme

PICTURES = ("gif", "png")


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    return list(animation(parse(ANIMATED), DARK))


@pytest.mark.parametrize("format", PICTURES)
def test_the_file_moves_and_loops_and_is_the_same_each_time(
    format: str, drawn: list[Image.Image]
) -> None:
    made = file.to_bytes(drawn, format)
    assert made == file.to_bytes(drawn, format)
    image = Image.open(io.BytesIO(made))
    assert getattr(image, "n_frames", 1) == 9
    assert image.info["loop"] == 0
    assert len(made) < 1_000_000
    times = []
    for place in range(9):
        image.seek(place)
        times.append(image.info["duration"])
    assert times == [1500] * 8 + [3000]


@pytest.mark.parametrize("text", ["4x3x4 1@3x3 s2 transposed"])
def test_large_files_are_bounded(text: str) -> None:
    drawn = list(sliding.frames(slide_of(parse_problem(text)), LIGHT))
    assert len(file.to_bytes(drawn, "gif")) < 900_000


def test_a_file_too_large_has_fewer_colours_and_is_refused_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    drawn = [Image.fromarray(each) for each in noise]
    whole = file.to_bytes(drawn, "gif")
    monkeypatch.setattr(file, "MOST_BYTES", len(whole) - 1)
    smaller = file.to_bytes(drawn, "gif")
    assert len(smaller) < len(whole)
    with Image.open(io.BytesIO(smaller)) as image:
        colours = image.convert("RGB").getcolors()
    assert colours is not None
    assert len(colours) <= file.COLOURS[1]
    monkeypatch.setattr(file, "MOST_BYTES", 500)
    with pytest.raises(
        UnsupportedError, match=r"more than the limit of 500 B: .* fewer channels"
    ) as caught:
        file.to_bytes(drawn, "gif")
    assert "2 frames of 64 × 64 as .gif" in str(caught.value)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_the_file_shows_the_frames_as_drawn(theme: Theme) -> None:
    frames = list(animation(parse("1x4x4 1@2x2 s2"), theme))
    with Image.open(io.BytesIO(file.to_bytes(frames, "gif"))) as image:
        for place, frame in enumerate(frames):
            image.seek(place)
            difference = np.asarray(image.convert("RGB")).astype(int) - np.asarray(frame)
            assert (difference == 0).all(2).mean() > 0.95
            assert np.abs(difference).mean() < 0.5


def test_each_frame_is_shown_as_long_as_asked() -> None:
    pixels = np.zeros((3, 8, 8, 3), np.uint8)
    for place in range(3):
        pixels[place, place] = 255  # the same colours in each frame
    drawn = [Image.fromarray(each) for each in pixels]
    with Image.open(io.BytesIO(file.to_bytes(drawn, "gif", seconds=0.25))) as image:
        times = []
        for place in range(3):
            image.seek(place)
            times.append(image.info["duration"])
    assert times == [250, 250, 500]


def test_a_film_without_ffmpeg_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    drawn = [Image.new("RGB", (8, 8))]
    with pytest.raises(MissingExtraError, match="ffmpeg, which is not on the PATH: install it"):
        file.to_bytes(drawn, "mp4")
    file.check_format("gif")


FFMPEG = """#!/bin/sh
# Writes its arguments and the number of bytes it reads to the file that it is asked for.
for last; do true; done
echo "$@" > "$last"
wc -c >> "$last"
"""


def test_a_films_frames_are_handed_to_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(FFMPEG)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    drawn = [Image.new("RGB", (33, 20), colour) for colour in ("red", "green")]
    arguments, count = file.to_bytes(drawn, "mp4", seconds=2).decode().strip().split("\n")
    assert int(count) == 3 * 32 * 20 * 4  # red, green, green; an even width; four bytes a pixel
    assert "-framerate 0.5" in arguments
    assert "-s 32x20" in arguments
    assert "-pix_fmt yuv420p" in arguments


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffmpeg is not installed")
def test_a_film_lasts_as_long_as_asked(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(file.to_bytes(list(animation(parse("1x4 1@2"), DARK)), "mp4", seconds=0.5))
    asked = [
        "ffprobe",
        "-v",
        "error",
        "-show_entries",
        "format=duration",
        "-of",
        "csv=p=0",
        str(film),
    ]
    said = subprocess.run([*asked, str(film)], capture_output=True, text=True, check=True).stdout
    assert float(said) == pytest.approx(2.0, abs=0.15)

"""Any file in place of a photograph is read to 32 × 32 or refused in a sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import support.torchvision_schemas  # noqa: F401  before torchvision
from glassconv.data.photograph import CHELSEA, FORMATS, chelsea, read, read_crop
from glassconv.errors import DataError
from support.cifar10_batches import Pixels

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a picture may be, its name without the ending that would say its format."""
    return tmp_path_factory.mktemp("photograph") / "picture"


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels_of(file: Path, content: bytes) -> Pixels:
    file.write_bytes(content)
    pixels = read(file).pixels
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    return pixels


def refusal(file: Path, content: bytes) -> str:
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file} ")
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(f"{file} ")


def read_or_refuse(file: Path, content: bytes) -> None:
    try:
        pixels_of(file, content)
    except DataError as error:
        assert str(error).startswith(f"{file} ")


def stripes(mode: str = "RGB") -> Image.Image:
    """Return 96 × 32: a red square, a green one, a blue one."""
    image = Image.new("RGB", (96, 32), GREEN)
    image.paste(RED, (0, 0, 32, 32))
    image.paste(BLUE, (64, 0, 96, 32))
    return image.convert(mode)


def test_chelsea_is_small_and_credited() -> None:
    picture = chelsea()
    assert picture.pixels.shape == (32, 32, 3)
    assert picture.pixels.dtype == np.uint8
    assert len(np.unique(picture.pixels)) > 100
    assert picture.source == "a crop of “Chelsea the cat” by Stéfan van der Walt, CC0, 32 × 32"
    credit = CHELSEA.with_name("CREDITS.md").read_text("utf-8")
    assert all(words in credit for words in (CHELSEA.name, "Stéfan van der Walt", "CC0"))


def test_chelsea_as_a_file_is_the_same_picture() -> None:
    np.testing.assert_array_equal(read(CHELSEA).pixels, chelsea().pixels)


def test_the_source_names_the_file_and_its_size(file: Path) -> None:
    file.write_bytes(encoded(stripes(), "PNG"))
    assert read(file).source == "picture, 96 × 32, its centre square scaled to 32 × 32"


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_reads_to_its_centre_square(file: Path, format: str) -> None:
    pixels = pixels_of(file, encoded(stripes(), format))
    if format in {"JPEG", "WEBP"}:
        assert (
            np.ptp([*pixels[:, 2:30].reshape(-1, 3), GREEN], axis=0).max() < 8
        )  # away from the other colours
    else:
        assert (pixels == GREEN).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV"])
def test_every_mode_reads_to_the_same_colours(file: Path, mode: str) -> None:
    format = "TIFF" if mode in {"CMYK", "YCbCr"} else "PNG"
    image = stripes("RGB" if mode == "HSV" else mode)
    np.testing.assert_allclose(pixels_of(file, encoded(image, format))[16, 16], GREEN, atol=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (33, 31), (640, 480)])
def test_every_size_reads(file: Path, size: tuple[int, int]) -> None:
    pixels = pixels_of(file, encoded(Image.new("RGB", size, RED), "PNG"))
    assert (pixels == RED).all()


def test_grey_of_16_bits_is_scaled_rather_than_clipped(file: Path) -> None:
    grey = np.arange(1024, dtype=np.uint16).reshape(32, 32) // 4
    for format in ("PNG", "TIFF"):
        pixels = pixels_of(file, encoded(Image.fromarray(grey * 257), format))
        np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_of_fewer_bits_reads(file: Path, mode: str) -> None:
    assert (
        pixels_of(file, encoded(Image.new("L", (40, 40), 255).convert(mode), "PNG")) == 255
    ).all()


def test_what_is_seen_through_is_white(file: Path) -> None:
    image = Image.new("RGBA", (32, 32), (*RED, 255))
    image.paste((*RED, 0), (0, 0, 16, 32))
    halves = np.repeat([[WHITE] * 16 + [RED] * 16], 32, axis=0)
    for format in ("PNG", "WEBP", "TIFF", "GIF"):
        options = {"lossless": True} if format == "WEBP" else {}
        pixels = pixels_of(file, encoded(image, format, **options))
        np.testing.assert_array_equal(pixels, halves, err_msg=format)


@pytest.mark.parametrize(
    ("mode", "colour", "transparency"),
    [("L", 0, 0), ("RGB", RED, RED), ("P", 0, 0), ("P", 0, b"\x00"), ("1", 0, 0)],
)
def test_a_colour_that_stands_for_nothing_is_white(
    file: Path, mode: str, colour: int | tuple[int, ...], transparency: object
) -> None:
    image = Image.new(mode, (32, 32), colour)
    pixels = pixels_of(file, encoded(image, "PNG", transparency=transparency))
    assert (pixels == 255).all()


@pytest.mark.parametrize(
    ("orientation", "row", "column"),  # of the file's quarter that belongs at the top left
    [(1, 0, 0), (2, 0, 1), (3, 1, 1), (4, 1, 0), (5, 0, 0), (6, 1, 0), (7, 1, 1), (8, 0, 1)],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_camera_is_turned_back(
    file: Path, format: str, orientation: int, row: int, column: int
) -> None:
    image = Image.new("RGB", (32, 32), WHITE)
    image.paste(RED, (16 * column, 16 * row, 16 * column + 16, 16 * row + 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = pixels_of(file, encoded(image, format, exif=exif))
    np.testing.assert_allclose(pixels[4, 4], RED, atol=40)
    for other in ((4, 27), (27, 4), (27, 27)):
        np.testing.assert_allclose(pixels[other], WHITE, atol=40)


def test_broken_metadata_is_passed_over_in_silence(file: Path) -> None:
    content = encoded(Image.new("RGB", (32, 32)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0")
    with pytest.warns(UserWarning, match="Corrupt EXIF data"):
        Image.open(io.BytesIO(content)).close()
    assert (pixels_of(file, content) == 0).all()


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_no_picture_is_refused(file: Path, content: bytes) -> None:
    assert refusal(file, content) == (
        "is not an image in any of PNG, JPEG, GIF, WEBP, TIFF, BMP, PPM"
    )


def test_a_program_for_ghostscript_is_refused(file: Path) -> None:
    content = encoded(stripes(), "EPS")
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "EPS", "Pillow would run it"
    assert refusal(file, content).startswith("is not an image in any of")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "PPM", "WEBP"])
def test_half_a_picture_is_refused(file: Path, format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), format)
    refusal(file, content[: len(content) // 2])


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing", "cannot be read as an image: No such file or directory"),
        ("", "cannot be read as an image: Is a directory"),
        ("picture/below", "cannot be read as an image: Not a directory"),
        ("\0", "cannot be read as an image: embedded null byte"),
    ],
)
def test_no_file_is_refused(file: Path, name: str, cause: str) -> None:
    file.touch()
    with pytest.raises(DataError) as caught:
        read(file.parent / name)
    assert str(caught.value) == f"{file.parent / name} {cause}"


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that ends before its pixels begin."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + start + struct.pack(">I", 8) + b"IDAT"


@pytest.mark.parametrize(
    "size", [(89_000_001, 1), (9433, 9436), (10_000, 9000), (20_000, 20_000), (2**31 - 1,) * 2]
)
def test_over_89_megapixels_is_refused_by_the_header_alone(
    file: Path, size: tuple[int, int]
) -> None:
    assert refusal(file, png_header(*size)) == "has more than 89 megapixels"


def test_89_megapixels_are_not_too_many(file: Path) -> None:
    assert refusal(file, png_header(89_000_000, 1)).startswith("cannot be read as an image: ")


SMALL = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8))
TURNED = Image.Exif()
TURNED[0x0112] = 6
SEEDS = (
    encoded(SMALL, "PNG", exif=TURNED),
    encoded(SMALL.convert("P"), "PNG", transparency=b"\x00\x7f"),
    encoded(SMALL, "JPEG", exif=TURNED),
    encoded(SMALL, "GIF"),
    encoded(SMALL, "TIFF"),
    encoded(SMALL, "WEBP", exif=TURNED),
)


@given(st.sampled_from([b"", *(seed[:12] for seed in SEEDS), b"BM", b"P6 "]), st.binary())
def test_any_bytes_read_or_are_refused(file: Path, start: bytes, rest: bytes) -> None:
    read_or_refuse(file, start + rest)


@given(st.sampled_from(SEEDS), st.data())
def test_with_any_byte_changed_it_reads_or_is_refused(
    file: Path, seed: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(seed) - 1))
    byte = data.draw(st.integers(0, 255))
    read_or_refuse(file, seed[:place] + bytes([byte]) + seed[place + 1 :])


@given(st.sampled_from(SEEDS), st.data())
def test_truncated_anywhere_it_reads_or_is_refused(
    file: Path, seed: bytes, data: st.DataObject
) -> None:
    read_or_refuse(file, seed[: data.draw(st.integers(0, len(seed) - 1))])


@pytest.mark.parametrize(("width", "height"), [(500, 375), (201, 333), (40, 40), (224, 1000)])
@pytest.mark.parametrize("share", [0.875, 0.95, 1.0])
def test_a_crop_is_that_of_torchvisions_transforms(
    width: int, height: int, share: float, tmp_path: Path
) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    expected = transforms.CenterCrop(224)(transforms.Resize(int(224 / share))(image))
    found = read_crop(tmp_path / "a.png", (224, 224), share, "bilinear")
    assert np.array_equal(found.pixels, np.asarray(expected))

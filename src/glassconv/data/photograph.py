"""Read any image file as the small square image that the tutorial works on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from glassconv.data import Picture
from glassconv.errors import DataError

SIDE = 32  # CIFAR-10's, so that every number is the tutorial's
LARGEST_PIXELS = 89_000_000  # Pillow's own threshold for a decompression bomb
# Named, for among all that Pillow opens is EPS, which it hands to Ghostscript to run.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM")

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

CHELSEA = Path(__file__).with_name("chelsea.png")


def chelsea() -> Picture:
    """Return the built-in image.

    >>> chelsea().pixels.shape
    (32, 32, 3)
    """
    pixels = np.asarray(Image.open(CHELSEA))
    return Picture(pixels, "a crop of “Chelsea the cat” by Stéfan van der Walt, CC0, 32 × 32")


def read(file: Path, size: tuple[int, int] = (SIDE, SIDE)) -> Picture:
    """Return an image file's centre, scaled to (height, width) in red, green and blue.

    Raises `DataError` for a file that is missing, not an image, truncated or over 89 megapixels.
    """

    def fit(image: Image.Image) -> Image.Image:
        return ImageOps.fit(image, size[::-1], Image.Resampling.LANCZOS)

    centre = "centre square" if size[0] == size[1] else "centre"
    return _read(file, fit, f"its {centre} scaled to {size[1]} × {size[0]}")


def read_crop(file: Path, size: tuple[int, int], share: float, interpolation: str) -> Picture:
    """Return (height, width) pixels at the centre of an image that is scaled before.

    It is scaled until they are a share of its shorter side, as networks are evaluated on ImageNet.
    interpolation: of `INTERPOLATIONS`. Raises what `read` does.
    """
    height, width = size

    def crop(image: Image.Image) -> Image.Image:
        factor = max(
            Fraction(floor(width / share), image.width),
            Fraction(floor(height / share), image.height),
        )
        image = image.resize(
            (int(factor * image.width), int(factor * image.height)), INTERPOLATIONS[interpolation]
        )
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))

    about = f"scaled {interpolation}, its centre of {width} × {height} cropped, {share:g} of it"
    return _read(file, crop, about)


def _read(file: Path, change: Callable[[Image.Image], Image.Image], about: str) -> Picture:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, which says nothing about the pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > LARGEST_PIXELS:
                    raise Image.DecompressionBombError
                changed = change(_upright_rgb(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{file} has more than {LARGEST_PIXELS // 10**6} megapixels") from None
    except UnidentifiedImageError:
        raise DataError(f"{file} is not an image in any of {', '.join(FORMATS)}") from None
    except Exception as error:  # a decoder of Pillow's raises anything over a broken file
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{file} cannot be read as an image: {reason}") from None
    return Picture(np.asarray(changed), f"{file.name}, {width} × {height}, {about}")


def _upright_rgb(image: Image.Image) -> Image.Image:
    """Return the image rotated as its EXIF data asks, with transparent parts on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip rather than scale
        values = np.asarray(image, dtype=np.float64)
        image = Image.fromarray((values / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")

"""CIFAR-10 as it is published: batches pickled by Python 2, read without trusting them.

A batch is a dict of 'data', uint8 [images, 3072] with each image's 1024 reds, greens and blues in
rows, and 'labels', a list of ints.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from glassconv.data import Picture
from glassconv.data.unpickle import Call, unpickle
from glassconv.errors import DataError

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-py"
BATCHES = ("test_batch", *(f"data_batch_{number}" for number in range(1, 6)))
SHAPE = (3, 32, 32)
IMAGE_BYTES = 3 * 32 * 32
LARGEST_FILE = 2**26  # a published batch has 31 MB
# What the pickle of a NumPy array asks for.
FUNCTIONS = ("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype")


@dataclass(frozen=True)
class Archive:
    """Where the published archive is, and the MD5 that its page gives."""

    url: str = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    md5: str = "c58f30108f718f92721af3b95e74349a"


class Progress(Protocol):
    """What a download reports to: the interface pooch asks of a progress bar."""

    total: int

    def update(self, amount: int, /) -> object:
        """Count so many more bytes."""

    def reset(self) -> object:
        """Begin again at zero, as pooch does at the end to report the total in one update."""

    def close(self) -> object:
        """Stop: the transfer is over."""


def read(folder: Path, index: int) -> Picture:
    """Return one image: the test batch's come first, then those of the training batches present.

    Raises `DataError` for a folder without batches, an index past the last image, or a file that is
    not a published batch.
    """
    files = [file for name in BATCHES if (file := _find(folder, name))]
    if not files:
        raise DataError(f"{folder} holds no CIFAR-10 batch ({BATCHES[0]}, {BATCHES[1]}, …)")
    held = 0
    for file in files:
        images, labels = _read_batch(file)
        if 0 <= index - held < len(images):
            pixels = images[index - held].reshape(SHAPE).transpose(1, 2, 0)
            name = CLASSES[labels[index - held]]
            return Picture(np.ascontiguousarray(pixels), f"CIFAR-10 {file.name} {index}: {name}")
        held += len(images)
    raise DataError(f"{folder} holds {held} images, numbered from 0; there is no {index}")


def download(folder: Path, archive: Archive, progress: Progress | None = None) -> None:
    """Fetch the published batches into a folder, unless they are there already.

    They appear only when all of them are whole: whatever breaks off leaves nothing behind, and the
    next call starts clean. Raises `DataError` for a transfer that breaks, an archive whose MD5
    differs, or a folder that cannot be written.
    """
    if _find(folder, BATCHES[0]):
        return
    import pooch  # here, for importing it takes longer than reading a batch
    import requests

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            file = Path(scratch, "archive")
            fetch = pooch.HTTPDownloader(progressbar=progress or False, chunk_size=2**16)
            fetch(archive.url, str(file), None)
            md5 = pooch.file_hash(str(file), alg="md5")
            if md5 != archive.md5:
                raise ValueError(f"its MD5 is {md5} rather than {archive.md5}")
            with tarfile.open(file, "r:gz") as archived:
                archived.extractall(scratch, filter="data")
            for name in BATCHES:
                if not Path(scratch, FOLDER, name).is_file():
                    raise tarfile.ReadError(f"it holds no {FOLDER}/{name}")
            (folder / FOLDER).mkdir(exist_ok=True)
            for name in reversed(BATCHES):  # the test batch last: where it is, all are
                Path(scratch, FOLDER, name).replace(folder / FOLDER / name)
    except requests.exceptions.ChunkedEncodingError:
        raise DataError(f"{archive.url} could not be fetched: the transfer broke off") from None
    except (requests.RequestException, ValueError) as error:
        innermost = getattr(error.args[0] if error.args else None, "reason", error)
        reason, _, _ = str(innermost).partition(" for url")
        raise DataError(f"{archive.url} could not be fetched: {reason}") from None
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{archive.url} could not be unpacked: {error}") from None
    except OSError as error:
        raise DataError(f"{folder} cannot hold the batches: {error.strerror}") from None


def _find(folder: Path, name: str) -> Path | None:
    """Return where a batch is: in the folder, or in the one that the archive unpacks to."""
    try:
        return next((f for f in (folder / name, folder / FOLDER / name) if f.is_file()), None)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None


def _read_batch(file: Path) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Return (images [images, 3072], labels) of one batch file."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ValueError("it is too large")
        return _images_and_labels(unpickle(file.read_bytes(), FUNCTIONS))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{file} is not a published CIFAR-10 batch: {error}") from None


def _images_and_labels(batch: object) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Return a batch's arrays, or raise ValueError for whatever is not as published."""
    match batch:
        case {
            "data": Call(
                state=(_, (int(count), int(width)), Call(arguments=("u1", *_)), False, str(content))
            ),
            "labels": list(labels),
        }:
            pass
        case _:
            raise ValueError("it holds no array of uint8 called data and no list called labels")
    if width != IMAGE_BYTES or count < 1 or len(content) != count * IMAGE_BYTES:
        raise ValueError(f"its {len(content)} bytes of data are not rows of {IMAGE_BYTES}")
    if len(labels) != count or not all(
        isinstance(label, int) and 0 <= label < len(CLASSES) for label in labels
    ):
        raise ValueError(f"its labels are not one of {len(CLASSES)} classes for each image")
    images = np.frombuffer(content.encode("latin-1"), np.uint8)
    return images.reshape(count, IMAGE_BYTES), labels

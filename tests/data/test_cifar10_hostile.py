"""A file in place of a batch is read as data or refused in a sentence, and never runs."""

from __future__ import annotations

import pickle
import re
import sys
import tracemalloc
from pathlib import Path
from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glassconv.data import Picture
from glassconv.data.cifar10 import LARGEST_FILE, read
from glassconv.data.unpickle import MOST_OPCODES
from glassconv.errors import DataError
from support.cifar10_batches import DTYPE, batch_bytes, put, random_images, string

IMAGES = random_images(2)
BATCH = batch_bytes(IMAGES, [3, 5])
DATA = BATCH.index(IMAGES.tobytes())
# All but the pixels, of which the first few and the last few stand for all.
STRUCTURE = [*range(DATA + 3), *range(DATA + IMAGES.nbytes - 3, len(BATCH))]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cifar10") / "test_batch"


def read_or_refuse(file: Path, content: bytes) -> Picture | str:
    """Return what becomes of a content: the first picture, or the one sentence of a refusal."""
    file.write_bytes(content)
    modules = set(sys.modules)
    try:
        picture = read(file.parent, 0)
    except DataError as error:
        sentence = str(error)
        assert sentence.startswith(f"{file} is not a published CIFAR-10 batch: ")
        assert sentence.isprintable()
        assert len(sentence) < len(str(file)) + 200
        return sentence
    finally:
        assert list(file.parent.iterdir()) == [file]
        imported = set(sys.modules) - modules
        assert all(name.startswith("encodings.") for name in imported), imported
    assert picture.pixels.shape == (32, 32, 3)
    return picture


def test_the_batch_that_the_others_are_made_from_reads(file: Path) -> None:
    assert isinstance(read_or_refuse(file, BATCH), Picture)


def test_a_command_is_not_run(file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    command = string(f'mkdir "{marker}"'.encode())
    run = b"cos\nsystem\n" + command + b"\x85R"
    pickle.loads(b"\x80\x02" + run + b".")
    assert marker.exists(), "pickle.loads does run it"
    marker.rmdir()
    for content in (b"\x80\x02" + run + b".", BATCH.replace(b"cnumpy\ndtype\n", run + b"0", 1)):
        assert "asks for 'os system'" in str(read_or_refuse(file, content))
        assert not marker.exists()


@pytest.mark.parametrize(
    "function",
    [
        "os system",
        "builtins eval",
        "__builtin__ eval",
        "numpy.core.multiarray scalar",
        "numpy._core.multiarray _reconstruct",
        "numpy dtype.__class__",
        "num\\py dtype",
        "numpy\x1b[2J dtype",
        "a" * 10_000 + " b",
    ],
)
def test_a_function_of_another_name_is_refused(file: Path, function: str) -> None:
    ask = b"c%s\n" % function.encode().replace(b" ", b"\n")
    assert "it asks for '" in str(read_or_refuse(file, b"\x80\x02" + ask + b")R."))


@pytest.mark.parametrize(
    "opcode",
    [
        *(b"0", b"1", b"2"),  # POP, POP_MARK, DUP
        *(b"Q", b"Pname\n", b"oos\nsystem\n", b"ios\nsystem\n", b"\x81"),  # BINPERSID … NEWOBJ
        *(b"\x82\x01", b"\x92", b"\x93", b"\x94", b"\x97"),  # EXT1 … NEXT_BUFFER
        *(b"I1\n", b"L1L\n", b"F1.\n", b"G" + bytes(8), b"\x8a\x01\x01"),  # numbers
        *(b"S'a'\n", b"Va\n", b"X\x01\x00\x00\x00a", b"C\x01a"),  # strings
        *(b"d", b"l", b"p0\n", b"g0\n", b"\x8f", b"\x91"),  # containers, memo
    ],
)
def test_an_opcode_without_use_is_refused(file: Path, opcode: bytes) -> None:
    assert "plain data has no use for" in str(read_or_refuse(file, b"\x80\x02K\x01(" + opcode))


@pytest.mark.parametrize("opcode", [*"aeutRbsq\x85\x86\x87.", "h\x01", "j\x01\x00\x00\x00"])
def test_an_opcode_without_values_is_refused(file: Path, opcode: str) -> None:
    content = b"\x80\x02" + opcode.encode("latin-1") + b"\x01."
    assert "has nothing to work on" in str(read_or_refuse(file, content))


def test_truncated_anywhere_it_is_refused(file: Path) -> None:
    for length in STRUCTURE:
        assert isinstance(read_or_refuse(file, BATCH[:length]), str), length


@given(st.sampled_from(STRUCTURE), st.integers(0, 255))
@example(BATCH.index(b"numpy\ndtype"), ord("\\"))  # an escape that Python deprecates
@example(BATCH.index(b"labels") - 1, 0)
def test_with_any_byte_changed_it_reads_or_is_refused(file: Path, place: int, byte: int) -> None:
    read_or_refuse(file, BATCH[:place] + bytes([byte]) + BATCH[place + 1 :])


@given(st.binary(max_size=200))
def test_any_bytes_read_or_are_refused(file: Path, content: bytes) -> None:
    assert isinstance(read_or_refuse(file, content), str)


LABELS = b"]" + put(5) + b"(K\x03K\x05e"


@pytest.mark.parametrize(
    ("published", "instead", "cause"),
    [
        (b"M\x02\x00M\x00\x0c", b"M\x03\x00M\x00\x08", "not rows of 3072"),  # 3 × 2048
        (b"M\x02\x00M\x00\x0c", b"M\x03\x00M\x00\x0c", "not rows of 3072"),  # more than there are
        (b"M\x02\x00M\x00\x0c", b"J\xfe\xff\xff\xffM\x00\x0c", "not rows of 3072"),  # −2
        (b"M\x02\x00M\x00\x0c\x86", b"M\x00\x18\x85", "no array of uint8"),  # one dimension
        (b"U\x02u1", b"U\x02i1", "no array of uint8"),
        (b"U\x02u1", b"U\x02u2", "no array of uint8"),
        (DTYPE, b"N", "no array of uint8"),
        (DTYPE + b"\x89", DTYPE + b"\x88", "no array of uint8"),  # columns first
        (string(b"data"), string(b"date"), "no array of uint8"),
        (string(b"labels"), string(b"fine_labels"), "no list called labels"),  # CIFAR-100's
        (LABELS, b"K\x03", "no list called labels"),
        (LABELS, b"}(U\x01aK\x03U\x01bK\x05u", "no list called labels"),
        (LABELS, b"](K\x03K\x0ae", "not one of 10 classes"),
        (LABELS, b"](K\x03J\xff\xff\xff\xffe", "not one of 10 classes"),
        (LABELS, b"](K\x03U\x015e", "not one of 10 classes"),
        (LABELS, b"](K\x03K\x05K\x07e", "not one of 10 classes for each"),
        (LABELS, b"](K\x03e", "not one of 10 classes for each"),
        (LABELS, b"]" * 30_000 + b"a" * 29_999, "not one of 10 classes for each"),
    ],
)
def test_other_data_is_refused(file: Path, published: bytes, instead: bytes, cause: str) -> None:
    assert BATCH.count(published) == 1
    assert cause in str(read_or_refuse(file, BATCH.replace(published, instead)))


@pytest.mark.parametrize(
    "key",
    [
        b")" + b"\x85" * 100_000,  # ((((…)))): its hash takes more of C's stack than there is
        b")" + b"q\x01h\x01\x86" * 100,  # (t, t) of (t, t) of …: its hash takes 2^100 steps
    ],
    ids=["deep", "wide"],
)
def test_a_key_that_is_no_string_is_refused(file: Path, key: bytes) -> None:
    refusal = read_or_refuse(file, b"\x80\x02}(U\x01aN" + key + b"Nu.")
    assert "SETITEMS has nothing to work on" in str(refusal)


def test_a_batch_of_no_images_is_refused(file: Path) -> None:
    refusal = read_or_refuse(file, batch_bytes(random_images(0), []))
    assert "its 0 bytes of data are not rows of 3072" in str(refusal)


def test_a_huge_memo_number_takes_no_memory(file: Path) -> None:
    content = BATCH.replace(put(1), put(2**31 - 1), 1)
    assert content != BATCH
    tracemalloc.start()
    picture = read_or_refuse(file, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(picture, Picture)
    assert peak < 2**20


def test_too_many_opcodes_are_refused(file: Path) -> None:
    assert "it has over 131072 opcodes" in str(read_or_refuse(file, b"]" * (MOST_OPCODES + 1)))


def test_too_large_a_file_is_refused_unread(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(LARGEST_FILE + 1)
    tracemalloc.start()
    with pytest.raises(DataError, match=re.escape(f"{file} is not a published")) as refusal:
        read(file.parent, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(refusal.value).endswith("it is too large")
    assert peak < 2**20


def test_a_length_of_two_billion_takes_no_memory(file: Path) -> None:
    assert "but only 0 remain" in str(read_or_refuse(file, b"\x80\x02T" + pack("<i", 2**31 - 1)))

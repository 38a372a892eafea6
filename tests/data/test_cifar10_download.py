"""Batches fetched from a server on this machine: whole, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from glassconv.data.cifar10 import BATCHES, FOLDER, Archive, download, read
from glassconv.errors import DataError
from support.cifar10_batches import batch_bytes, random_images

PATH = "/cifar-10-python.tar.gz"
IMAGES = random_images(len(BATCHES))


def tar_gz(**more: bytes) -> bytes:
    """Return an archive as published, of one image in each batch, and of more members."""
    buffer = io.BytesIO()
    members = {
        f"{FOLDER}/{name}": batch_bytes(IMAGES[i : i + 1], [i]) for i, name in enumerate(BATCHES)
    }
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in {f"{FOLDER}/readme.html": b"<html>", **members, **more}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = tar_gz()


def undeflatable() -> bytes:
    """Return a gzip file whose second block, in the midst of a member, is of no known kind."""
    packer = zlib.compressobj(wbits=31)
    start = packer.compress(gzip.decompress(ARCHIVE)[:15000]) + packer.flush(zlib.Z_SYNC_FLUSH)
    return start + b"\xff" * 8


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "not" / "yet"


def served(server: HTTPServer, content: bytes = ARCHIVE) -> Archive:
    return Archive(server.url_for(PATH), hashlib.md5(content).hexdigest())


def files(folder: Path) -> list[str]:
    """Return all that lies below a folder, folders aside."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def refusal(folder: Path, archive: Archive) -> str:
    """Return the sentence with which a download is refused, once it has left no file."""
    with pytest.raises(DataError) as caught:
        download(folder, archive)
    assert files(folder) == []
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_the_batches_arrive_and_nothing_else(httpserver: HTTPServer, folder: Path) -> None:
    httpserver.expect_request(PATH).respond_with_data(ARCHIVE)
    download(folder, served(httpserver))
    assert files(folder) == sorted(f"{FOLDER}/{name}" for name in BATCHES)
    for index, row in enumerate(IMAGES):
        pixels = read(folder, index).pixels
        np.testing.assert_array_equal(pixels, row.reshape(3, 32, 32).transpose(1, 2, 0))


def test_what_is_there_is_not_fetched_again(httpserver: HTTPServer, folder: Path) -> None:
    httpserver.expect_request(PATH).respond_with_data(ARCHIVE)
    download(folder, served(httpserver))
    download(folder, served(httpserver))
    download(folder / FOLDER, served(httpserver))
    assert len(httpserver.log) == 1


def test_what_is_there_in_part_is_made_whole(httpserver: HTTPServer, folder: Path) -> None:
    httpserver.expect_request(PATH).respond_with_data(ARCHIVE)
    (folder / FOLDER).mkdir(parents=True)
    (folder / FOLDER / BATCHES[1]).write_bytes(b"half")
    download(folder, served(httpserver))
    assert read(folder, len(BATCHES) - 1).source.startswith(f"CIFAR-10 {BATCHES[-1]}")


def test_what_cannot_be_put_in_place_is_fetched_again(httpserver: HTTPServer, folder: Path) -> None:
    httpserver.expect_request(PATH).respond_with_data(ARCHIVE)
    in_the_way = folder / FOLDER / BATCHES[3]
    in_the_way.mkdir(parents=True)
    with pytest.raises(DataError, match="cannot hold the batches: Is a directory"):
        download(folder, served(httpserver))
    assert f"{FOLDER}/test_batch" not in files(folder)
    in_the_way.rmdir()
    download(folder, served(httpserver))
    assert files(folder) == sorted(f"{FOLDER}/{name}" for name in BATCHES)


def test_another_md5_is_refused(httpserver: HTTPServer, folder: Path) -> None:
    httpserver.expect_request(PATH).respond_with_data(ARCHIVE)
    url, md5 = httpserver.url_for(PATH), hashlib.md5(ARCHIVE).hexdigest()
    assert refusal(folder, Archive(url)) == (
        f"{url} could not be fetched: its MD5 is {md5} rather than {Archive.md5}"
    )


@pytest.mark.parametrize("arrived", [0, 1, 1000, len(ARCHIVE) - 1])
def test_after_a_broken_transfer_the_next_starts_clean(
    httpserver: HTTPServer, folder: Path, arrived: int
) -> None:
    def break_off(request: Request) -> Response:
        def content() -> Iterator[bytes]:
            yield ARCHIVE[:arrived]

        return Response(content(), headers={"Content-Length": str(len(ARCHIVE))})

    httpserver.expect_oneshot_request(PATH).respond_with_handler(break_off)
    httpserver.expect_oneshot_request(PATH).respond_with_data(ARCHIVE)
    archive = served(httpserver)
    assert refusal(folder, archive) == f"{archive.url} could not be fetched: the transfer broke off"
    download(folder, archive)
    assert len(files(folder)) == len(BATCHES)


@pytest.mark.parametrize(("status", "answer"), [(404, "404 Client Error"), (500, "500 Server")])
def test_a_servers_refusal_is_passed_on(
    httpserver: HTTPServer, folder: Path, status: int, answer: str
) -> None:
    httpserver.expect_request(PATH).respond_with_data(b"", status)
    sentence = refusal(folder, served(httpserver))
    assert sentence.startswith(f"{httpserver.url_for(PATH)} could not be fetched: {answer}")
    assert sentence.count("http://") == 1


def test_no_server_is_said_once(folder: Path) -> None:
    with socket.socket() as bound:  # and not listening: nobody else can be, either
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/archive.tar.gz"
        sentence = refusal(folder, Archive(url))
    assert sentence.startswith(f"{url} could not be fetched: ")
    assert "refused" in sentence
    assert "Max retries" not in sentence


def test_an_address_that_is_none_is_refused(folder: Path) -> None:
    assert refusal(folder, Archive("cifar")).startswith("cifar could not be fetched: Invalid URL")


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_file_in_place_of_the_folder_is_refused(
    httpserver: HTTPServer, tmp_path: Path, below: str
) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    folder = tmp_path / "file" / below
    with pytest.raises(DataError) as caught:
        download(folder, served(httpserver))
    assert str(caught.value).startswith(f"{folder} cannot hold the batches: ")
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert not httpserver.log


@pytest.mark.parametrize(
    "name", ["../evil", "../../evil", "../../../evil", f"{FOLDER}/../../evil", "/glassconv-evil"]
)
def test_a_member_never_lands_outside(
    httpserver: HTTPServer, tmp_path: Path, folder: Path, name: str
) -> None:
    content = tar_gz(**{name: b"evil"})
    httpserver.expect_request(PATH).respond_with_data(content)
    try:
        download(folder, served(httpserver, content))
    except DataError as error:
        assert str(error).startswith(f"{httpserver.url_for(PATH)} could not be unpacked: ")
        assert files(tmp_path) == []
    else:
        assert name.startswith("/"), "only a name made relative may pass"
        assert not Path(name).exists()
    assert not any("evil" in file for file in files(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        ARCHIVE[: len(ARCHIVE) // 2],
        ARCHIVE[:1000] + bytes(100) + ARCHIVE[1100:],
        undeflatable(),
        b"",
        b"<html>",
    ],
    ids=["half", "corrupt", "undeflatable", "empty", "html"],
)
def test_an_archive_that_is_none_is_refused(
    httpserver: HTTPServer, folder: Path, content: bytes
) -> None:
    httpserver.expect_request(PATH).respond_with_data(content)
    assert "could not be unpacked: " in refusal(folder, served(httpserver, content))


class Bar:
    """What a progress bar keeps: how much there is, how much has come, and whether it is over."""

    total = 0
    come = 0
    closed = False

    def update(self, amount: int, /) -> None:
        self.come += amount

    def reset(self) -> None:
        self.come = 0

    def close(self) -> None:
        self.closed = True


def test_progress_reaches_the_total(httpserver: HTTPServer, folder: Path) -> None:
    httpserver.expect_request(PATH).respond_with_data(ARCHIVE)
    bar = Bar()
    download(folder, served(httpserver), bar)
    assert (bar.total, bar.come, bar.closed) == (len(ARCHIVE), len(ARCHIVE), True)

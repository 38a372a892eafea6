"""A zip file as PyTorch writes it: nothing compressed, one folder, each entry in its own place."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from glassconv.errors import NetworkError
from glassconv.networks.files.bounded_file import BoundedFile
from glassconv.networks.files.quote import first_line, quoted

CHUNK = 1 << 20
LONGEST = 200  # characters of an entry's name
ENCRYPTED = 0x1
# What zipfile raises for a file that is none, or changed.
BROKEN = (BadZipFile, EOFError, NotImplementedError, OSError, ValueError, struct.error)


class Archive:
    """The entries of a zip file, by their paths within its folder. Nothing is written to disk.

    Raises `NetworkError` for a file that is truncated or no zip file, for an entry that is
    compressed (it could be a thousand times as large in memory), encrypted, there twice, outside of
    the folder, or overlaps another.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = BoundedFile(path)
        try:
            self._zip = ZipFile(self._file)
            self._entries = self._checked(self._zip.infolist())
        except NetworkError:
            self._file.close()
            raise
        except BROKEN as error:
            self._file.close()
            raise self.error(f"it is truncated or no zip file: {first_line(str(error))}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._file.close()

    def error(self, cause: str) -> NetworkError:
        """Return the error for this file."""
        return NetworkError(cause, request=str(self.path))

    def names(self) -> list[str]:
        """Return the paths of the entries, in the file's order."""
        return list(self._entries)

    def size(self, name: str) -> int:
        """Return the bytes of an entry."""
        return self._entry(name).file_size

    def read(self, name: str, most: int) -> bytes:
        """Return an entry's bytes; more than `most` are refused."""
        if self.size(name) > most:
            cause = f"{name} has {self.size(name):,} bytes, where at most {most:,} are read"
            raise self.error(cause)
        data = bytearray(self.size(name))
        self.read_into(name, memoryview(data))
        return bytes(data)

    def read_into(self, name: str, memory: memoryview) -> None:
        """Fill memory of an entry's size with its bytes, and compare them with their checksum."""
        try:
            with self._zip.open(self._entry(name)) as entry:
                at = 0
                while chunk := entry.read(CHUNK):
                    memory[at : at + len(chunk)] = chunk
                    at += len(chunk)
        except NetworkError:
            raise
        except BROKEN as error:
            raise self.error(f"{name} cannot be read: {first_line(str(error))}") from None
        if at != len(memory):
            raise self.error(f"{name} has {at:,} bytes, where its directory says {len(memory):,}")

    def _entry(self, name: str) -> ZipInfo:
        """Return the entry of a path."""
        if name not in self._entries:
            raise self.error(f"it has no {quoted(name)}")
        return self._entries[name]

    def _checked(self, infos: list[ZipInfo]) -> dict[str, ZipInfo]:
        """Return entries by their path within the folder, or raise for the first that is wrong."""
        found: dict[str, ZipInfo] = {}
        folders = {info.filename.split("/")[0] for info in infos}
        if len(folders) != 1:
            raise self.error(f"its entries must be in one folder, got {len(folders)}")
        for info in infos:
            name = info.filename
            path = name.split("/")[1:]
            if (
                not path
                or {"", ".", ".."} & set(path)
                or "\\" in name
                or not name.isprintable()
                or len(name) > LONGEST
            ):
                raise self.error(f"its entry {quoted(name)} is no file within its folder")
            if info.compress_type != ZIP_STORED or info.compress_size != info.file_size:
                cause = f"{name} is compressed, from {info.file_size:,} bytes"
                raise self.error(f"{cause}; PyTorch stores what it writes as it is")
            if info.flag_bits & ENCRYPTED:
                raise self.error(f"{name} is encrypted")
            if "/".join(path) in found:
                raise self.error(f"it has {name} twice")
            found["/".join(path)] = info
        self._check_places(sorted(infos, key=lambda info: info.header_offset))
        return found

    def _check_places(self, infos: list[ZipInfo]) -> None:
        """Raise for entries that overlap, and for bytes before the first or after the directory."""
        if infos[0].header_offset != 0 or self._zip.comment:
            raise self.error("it is a zip file within another file")
        ends = [*(info.header_offset for info in infos[1:]), self._zip.start_dir]
        for info, end in zip(infos, ends, strict=True):
            if info.header_offset + info.file_size > end:
                raise self.error(f"{info.filename} overlaps what follows it")

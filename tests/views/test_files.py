"""Files are written whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from glassconv.errors import DataError
from glassconv.views.files import prepare, write_all


def test_files_are_written_into_a_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    paths = write_all(folder, {"a.png": b"a", "b.png": b"b"})
    assert paths == [folder / "a.png", folder / "b.png"]
    assert [path.read_bytes() for path in paths] == [b"a", b"b"]
    assert sorted(folder.iterdir()) == paths


def test_files_that_are_there_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    [path] = write_all(tmp_path, {"a.png": b"new"})
    assert path.read_bytes() == b"new"


def test_a_failure_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    write_bytes = Path.write_bytes

    def full_disk(path: Path, content: bytes) -> int:
        if content == b"b":
            raise OSError(28, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(DataError, match=f"cannot write into {tmp_path}: No space left on device"):
        write_all(tmp_path, {"a.png": b"new", "b.png": b"b"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"old"


@pytest.mark.parametrize("below", [".", "a/b"])
def test_a_file_is_no_folder(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"kept")
    with pytest.raises(DataError, match="cannot write into"):
        prepare(file / below)
    assert file.read_bytes() == b"kept"


@pytest.mark.parametrize("name", ["", "..", "taken"])
def test_a_folder_is_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        write_all(tmp_path, {name: b"a"})
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]

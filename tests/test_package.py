"""What is built for others holds everything that is here."""

from __future__ import annotations

import re
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from hatchling.build import build_wheel

import glassconv

HERE = Path(__file__).parent.parent


def test_the_wheel_holds_every_file_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    wheel = tmp_path / build_wheel(str(tmp_path))
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("glassconv/")}
    sources = {
        str(file.relative_to(HERE / "src"))
        for file in (HERE / "src" / "glassconv").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert packed == sources
    assert {"glassconv/py.typed", "glassconv/data/chelsea.png"} <= packed


def test_the_readmes_pictures_are_there() -> None:
    readme = (HERE / "README.md").read_text()
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", readme)
    assert len(pictures) >= 3
    assert [picture for picture in pictures if not (HERE / picture).is_file()] == []


def test_the_versions_agree() -> None:
    assert glassconv.__version__ == version("glassconv")


def test_the_citation_is_of_this_version() -> None:
    """The four fields that the Citation File Format 1.2.0 requires, and the version."""
    citation = yaml.safe_load((HERE / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert citation["title"].startswith("glassconv")
    assert all(author["name"] for author in citation["authors"])
    assert citation["authors"]
    assert citation["version"] == version("glassconv")

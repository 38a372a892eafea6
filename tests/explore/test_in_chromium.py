"""The page in a real browser: without a network it draws, and asks for nothing."""

from __future__ import annotations

import threading
from pathlib import Path

from browsers import drive
from glassconv.data import photograph
from glassconv.explore.page import cell, page
from glassconv.explore.reports import of_picture
from glassconv.explore.server import Server

REPORT = of_picture(photograph.chelsea()).to_json()


def test_the_file_draws_with_the_network_off(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(REPORT, "the tutorial"), encoding="utf-8")
    seen = drive("open.mjs", file.as_uri(), tmp_path / "page.png", "offline")
    assert seen["requests"] == [file.as_uri()]
    assert seen["messages"] == []
    assert seen["text"].strip()


def test_a_saved_cell_draws_with_the_network_off(tmp_path: Path) -> None:
    file = tmp_path / "notebook.html"
    file.write_text(cell(REPORT, "the tutorial") * 2, encoding="utf-8")
    seen = drive("open.mjs", file.as_uri(), tmp_path / "cell.png", "offline", "frame")
    assert seen["requests"] == [file.as_uri()]
    assert seen["messages"] == []
    assert seen["text"].strip()


def test_the_served_page_asks_only_its_server(tmp_path: Path) -> None:
    with Server(REPORT, "the tutorial") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            seen = drive("open.mjs", server.address, tmp_path / "served.png")
        finally:
            server.shutdown()
            thread.join()
    assert seen["messages"] == []
    assert set(seen["requests"]) <= {server.address, server.address + "message"}
    assert seen["text"].strip()

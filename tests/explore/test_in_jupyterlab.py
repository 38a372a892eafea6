"""`glassconv.show` in a real JupyterLab; then the notebook saved, converted, and read offline."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from glassconv import parse
from glassconv.problem.operands import Operands
from support.browsers import check_first_output, drive

SOURCE = """\
import torch, glassconv
torch.manual_seed(0)
glassconv.show(torch.nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 9, 9))"""
PROBLEM = parse("2x3x9x9 4@3x3 p1")
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "show",
            "metadata": {},
            "outputs": [],
            "source": SOURCE,
        }
    ],
    "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Run JupyterLab on a folder, its settings kept in there too; give the notebook's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = secrets.token_hex()
    kept = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    homes = {name: str(folder / "home" / name) for name in kept}
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": token,
        "LabApp.expose_app_in_browser": True,
        "LabApp.news_url": "None",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with (folder / "lab.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **homes}, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/api?token={token}", process)
            yield f"{address}/lab/tree/notebook.ipynb?token={token}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until JupyterLab answers, or fail when its process ends before it does."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(address).close()
        except OSError:
            time.sleep(0.2)  # between two questions; nothing is decided by it
        else:
            return
    raise AssertionError(f"JupyterLab ended with {process.returncode}")


def test_a_notebook_shows_it_live_and_after_conversion(tmp_path: Path) -> None:
    for needed in ("anywidget", "jupyterlab", "nbconvert"):
        pytest.importorskip(needed)
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_text(json.dumps(NOTEBOOK), encoding="utf-8")
    with jupyterlab(tmp_path) as address:
        live = drive("jupyterlab.mjs", address, tmp_path / "live.png")
    assert live["errors"] == []
    check_first_output(live["text"], PROBLEM, operands())

    (output,) = json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]["outputs"]
    assert {"application/vnd.jupyter.widget-view+json", "text/html"} <= output["data"].keys()

    convert = [sys.executable, "-m", "nbconvert", "--to", "html", str(notebook)]
    subprocess.run(convert, check=True, capture_output=True)
    converted = notebook.with_suffix(".html")
    kept = drive("open.mjs", converted.as_uri(), tmp_path / "kept.png", "offline", "frame")
    check_first_output(kept["text"], PROBLEM, operands())


def test_a_notebook_that_nbconvert_executes_shows_it_offline(tmp_path: Path) -> None:
    for needed in ("anywidget", "nbconvert", "ipykernel"):
        pytest.importorskip(needed)
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_text(json.dumps(NOTEBOOK), encoding="utf-8")
    convert = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", str(notebook)]
    subprocess.run(convert, check=True, capture_output=True)
    exported = notebook.with_suffix(".html")
    kept = drive("open.mjs", exported.as_uri(), tmp_path / "exported.png", "offline", "frame")
    check_first_output(kept["text"], PROBLEM, operands())


def operands() -> Operands:
    """Return the layer and the input of the notebook."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 4, 3, padding=1)
    assert layer.bias is not None
    return Operands(torch.randn(2, 3, 9, 9), layer.weight.detach(), layer.bias.detach())

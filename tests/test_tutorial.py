"""The tutorial's table, its notebook and the examples: fresh, and executed."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from doctest import DocTestParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from PIL import Image

ROOT = Path(__file__).parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| (.+?) \| (.+?) \| (\S+)(?: at \[(\d+), (\d+)\])? \| (?:at least )?(\S+) \|")


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "notebook.py"))


@pytest.fixture(scope="module")
def stored() -> NotebookNode:
    read: NotebookNode = nbformat.read(  # type: ignore[no-untyped-call]
        EXAMPLES / "tutorial.ipynb", as_version=4
    )
    return read


@pytest.fixture(scope="module")
def executed(notebook: dict[str, Any]) -> NotebookNode:
    run: NotebookNode = notebook["executed"](notebook["notebook"]())
    return run


def test_each_difference_of_the_table_is_beside_its_own_bound() -> None:
    if find_spec("foolbox") is None:
        pytest.skip("needs foolbox's pictures: pip install --no-deps foolbox==3.3.4")
    differences = runpy.run_path(str(DOCS / "differences.py"))
    bounds = {
        name: differences["bounds"](picture) for name, picture in differences["pictures"]().items()
    }
    table = differences["TABLE"].search(PAGE)
    assert table
    body = table[0].removeprefix(differences["HEAD"])
    rows = ROW.findall(body)
    assert len(rows) == body.count("\n") > 0
    for picture, processor, largest, row, column, printed in rows:
        assert processor
        bound = bounds[picture][int(row), int(column)] if row else bounds[picture].min()
        assert f"{bound:.1e}" == printed
        assert float(largest) <= float(bound)


def test_the_notebook_is_made_of_the_page(notebook: dict[str, Any], stored: NotebookNode) -> None:
    made = notebook["notebook"]()
    fresh = [(cell.id, cell.cell_type, cell.source) for cell in made.cells]
    kept = [(cell.id, cell.cell_type, cell.source) for cell in stored.cells]
    assert kept == fresh, "stale: run python docs/notebook.py"


def test_the_notebook_prints_what_the_page_shows(executed: NotebookNode) -> None:
    shown = [
        "".join(example.want for example in DocTestParser().get_examples(block))
        for block in re.findall(r"```python\n(>>> .*?)```", PAGE, re.DOTALL)
    ]
    printed = dict(enumerate(map(_printed, _code(executed))))
    cells = [cell.source for cell in _code(executed)]
    places = [cells.index(source) for source in _sources()]
    assert [printed[place].split() for place in places] == [text.split() for text in shown]


def test_what_is_stored_was_executed_in_order(stored: NotebookNode) -> None:
    assert [cell.execution_count for cell in _code(stored)] == [
        *range(1, 1 + len(list(_code(stored))))
    ]
    drawn = sum(
        "image/png" in out.get("data", {}) for cell in _code(stored) for out in cell.outputs
    )
    assert drawn == sum("glassconv.figure(" in cell.source for cell in _code(stored)) > 0
    assert set(stored.metadata) == {"kernelspec", "language_info"}
    assert str(ROOT) not in json.dumps(stored)


@pytest.mark.parametrize(
    ("script", "pictures", "others"),
    [
        ("own_layer.py", ["own-layer/comparison.png"], ["own-layer/explorer.html"]),
        (
            "slide_and_animation.py",
            ["slides/convolution.png", "slides/convolution.gif"],
            ["slides/convolution.svg"],
        ),
    ],
)
def test_an_example_runs(
    script: str, pictures: list[str], others: list[str], tmp_path: Path
) -> None:
    found = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    printed = subprocess.run(
        [sys.executable, EXAMPLES / script],
        cwd=tmp_path,
        env=os.environ | {"PATH": found},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in pictures:
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 300
    for name in (*pictures, *others):
        assert (tmp_path / name).stat().st_size > 10_000
        assert str(Path(name)) in printed


def _code(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Yield the cells of code."""
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def _sources() -> list[str]:
    """Return the code of each block of the page."""
    blocks = re.findall(r"```python\n(>>> .*?)```", PAGE, re.DOTALL)
    examples = [DocTestParser().get_examples(block) for block in blocks]
    return ["".join(example.source for example in each).strip() for each in examples]


def _printed(cell: NotebookNode) -> str:
    """Return what a cell printed."""
    return "".join(out.text for out in cell.outputs if out.get("name") == "stdout")

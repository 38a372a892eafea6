"""Make examples/tutorial.ipynb from docs/tutorial.md, and execute it: `python docs/notebook.py`.

Blocks of Python become cells without their prompts and outputs; a comment `<!--notebook` holds a
cell that only the notebook has. Pictures of the page are left out: cells draw them.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterator
from doctest import DocTestParser
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from nbformat import NotebookNode, v4
from PIL import Image

DOCS = Path(__file__).parent
PAGE = DOCS / "tutorial.md"
NOTEBOOK = DOCS.parent / "examples" / "tutorial.ipynb"
CELL = re.compile(r"<!--notebook\n(.*)-->", re.DOTALL)
COMMENT = re.compile(r"^<!--.*?-->\n?", re.MULTILINE)
PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n\n?", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
COLOURS = 128  # of a stored picture
LIVE = "glassconv.show("  # a cell whose output is a page of some 400 kB


def notebook(page: Path = PAGE) -> NotebookNode:
    """Return the notebook of a page, not executed."""
    cells = list(_cells(page.read_text(encoding="utf-8")))
    for number, cell in enumerate(cells, start=1):
        cell.id = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return v4.new_notebook(cells=cells, metadata=metadata)


def _cells(text: str) -> Iterator[NotebookNode]:
    """Yield a cell for each block of code, and one for the text between two of them."""
    lines = text.splitlines(keepends=True)
    prose = ""
    for token in MarkdownIt().parse(text):
        if token.map is None or token.level or token.nesting < 0:
            continue
        block = "".join(lines[slice(*token.map)])
        code = None
        if token.type == "fence" and token.info == "python":
            examples = DocTestParser().get_examples(token.content)
            code = "".join(example.source for example in examples)
        elif token.type == "html_block" and (hidden := CELL.match(token.content)):
            code = hidden[1]
        elif token.type == "fence" and token.info.startswith("{explorer}"):
            block = f"*In the explorer:* {token.content}"
        if code is None:
            prose += block + "\n"
            continue
        if prose := _prose(prose):
            yield v4.new_markdown_cell(prose)
        yield v4.new_code_cell(code.strip())
        prose = ""
    if prose := _prose(prose):
        yield v4.new_markdown_cell(prose)


def _prose(text: str) -> str:
    """Return text without pictures and comments, its links as seen from the notebook's folder."""

    def relink(link: re.Match[str]) -> str:
        target = (DOCS / link[1]).resolve()
        return "](" + Path(os.path.relpath(target, NOTEBOOK.parent.resolve())).as_posix()

    return LINK.sub(relink, COMMENT.sub("", PICTURE.sub("", text))).strip()


def executed(made: NotebookNode) -> NotebookNode:
    """Run every cell in a fresh kernel, in the notebook's folder; raise where one fails."""
    client = NotebookClient(
        made,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    made.metadata.language_info = {"name": "python"}
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs = [] if LIVE in cell.source else list(_kept(cell.outputs))
    return made


def _kept(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Yield the outputs to store: no warnings, and pictures in a palette, a third of the bytes."""
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if picture := output.get("data", {}).get("image/png"):
            with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
                flat = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            buffer = io.BytesIO()
            flat.save(buffer, format="png", optimize=True)
            output.data["image/png"] = base64.b64encode(buffer.getvalue()).decode()
        yield output


def main() -> None:
    """Write the notebook with its outputs."""
    NOTEBOOK.parent.mkdir(exist_ok=True)
    nbformat.write(executed(notebook()), NOTEBOOK)


if __name__ == "__main__":
    main()

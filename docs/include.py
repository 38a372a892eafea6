"""Write into the pages what they include from the source: `python docs/include.py [--check]`.

A page includes a function between two HTML comments, which GitHub does not show:

    <!--cog source("algorithms.im2col.steps") -->
    <!--end-->

So a page cannot quote code that is no longer there: `tests/test_docs.py` runs this with --check.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from inspect import getsource
from pathlib import Path

from cogapp import Cog

from glassconv.algorithms import ALGORITHMS

DOCS = Path(__file__).parent
MARKERS = "<!--cog --> <!--end-->"
CHECKING = False  # whether pages are only compared, and not written


def source(name: str) -> None:
    """Print a function of glassconv, such as "algorithms.im2col.steps", as a block of Python."""
    module, _, function = name.rpartition(".")
    code = getsource(getattr(import_module(f"glassconv.{module}"), function))
    print(f"```python\n{code}```")  # noqa: T201


def index() -> None:
    """Print the algorithms as a table: name, idea, file; the name leads to the page.

    A check takes those that the page lists already: a new algorithm makes no page stale.
    """
    print("| page | idea | code |\n| --- | --- | --- |")  # noqa: T201
    for name, algorithm in ALGORITHMS.items():
        if algorithm.distribution != "glassconv" or (CHECKING and not _listed(name)):
            continue
        idea = algorithm.idea.removeprefix(f"{name}: ").removesuffix(".")
        file = f"../../src/glassconv/algorithms/{algorithm.file.name}"
        print(f"| {_page(name)} | {idea} | [`{algorithm.file.name}`]({file}) |")  # noqa: T201


def _listed(name: str) -> bool:
    """Return whether the table that cog replaces has a row of this algorithm."""
    return bool(re.search(rf"^\| \[?`{name}`", sys.modules["cog"].previous, flags=re.MULTILINE))


def _page(name: str) -> str:
    """Return a link to an algorithm's page: its own, or its family's, as winograd.md of three."""
    pages = [page.stem for page in (DOCS / "algorithms").glob("*.md") if name.startswith(page.stem)]
    return f"[`{name}`]({max(pages, key=len)}.md)" if pages else f"`{name}`"


def main(*arguments: str) -> int:
    """Write every page anew, or with "--check" only say which are stale; 0 where all is well."""
    including = [page for page in DOCS.rglob("*.md") if "<!--cog" in page.read_text("utf-8")]
    pages = map(str, sorted(including))
    prologue = f"import include; include.CHECKING = {'--check' in arguments}; from include import *"
    settings = [f"--markers={MARKERS}", "-P", "-I", str(DOCS), "-p", prologue]
    status: int = Cog().main(["cog", *settings, "--verbosity=1", *(arguments or ["-r"]), *pages])
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

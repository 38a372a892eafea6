"""The extensions of the site, without building it."""

from __future__ import annotations

import doctest
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import glassconv
from glassconv.errors import ConvError
from glassconv.figures.kinds import KINDS

pytestmark = pytest.mark.site
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module", params=["explorer", "docstrings"])
def extension(request: pytest.FixtureRequest) -> ModuleType:
    return imported(request.param)


def imported(name: str) -> ModuleType:
    """Return an extension, imported as Sphinx does."""
    for folder in (DOCS, DOCS / "_extensions"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return importlib.import_module(name)


def test_examples(extension: ModuleType) -> None:
    failed, tried = doctest.testmod(extension)
    assert tried
    assert not failed


def test_a_state_that_is_no_problem_is_refused() -> None:
    with pytest.raises(ConvError, match="3x5x5"):
        imported("explorer").address("#problem=3x5x5 2@9x9")


def test_a_formula_is_rendered_and_a_mistake_refused() -> None:
    formulas = imported("formulas")
    assert "<math" in formulas.render(r"\sum_k w_k", display=True)
    with pytest.raises(Exception, match="KaTeX"):
        formulas.render(r"\sum_{k", display=True)
    formulas.end(None, None)


def test_signs_in_docstrings_are_no_markup() -> None:
    lines = ["error: |x|, `*a`", "", ">>> 2 * 2", "4", "", "2 * 3"]
    expected = ["`error`", r"    \|x\|, `*a`", "", ">>> 2 * 2", "4", "", r"2 \* 3"]
    assert list(imported("docstrings").to_rst(lines)) == expected


def test_the_gallery_has_every_kind_of_figure() -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\(images/([\w-]+)\.\w+\)", page))
    assert shown == {*KINDS, "animate"}


def test_the_api_has_every_public_name() -> None:
    described: dict[str, set[str]] = {}
    module = ""
    for line in (DOCS / "api.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif line.startswith(".. auto"):
            described.setdefault(module, set()).add(line.split()[-1])
    assert described["glassconv"] == set(glassconv.__all__)
    assert described["glassconv.nn"] == set(glassconv.nn.__all__)

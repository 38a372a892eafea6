"""The numbers that Python writes into the page's sources are the committed ones."""

from __future__ import annotations

import pytest

from glassconv.codegen.target import TARGETS
from glassconv.explore.constants import FILE, TARGET_LABELS, constants, to_json
from glassconv.problem.shorthand import parse


def test_the_committed_file_is_what_python_writes() -> None:
    if not FILE.parent.is_dir():
        pytest.skip("needs web/src: glassconv is not run from its repository")
    assert FILE.read_text(encoding="utf-8") == to_json(), (
        "run python -m glassconv.explore.constants, then npm run build in web/"
    )


def test_every_target_is_offered() -> None:
    assert set(TARGET_LABELS) == set(TARGETS)


def test_examples_are_problems() -> None:
    for example in constants()["examples"].values():
        assert str(parse(example["problem"])) == example["problem"]

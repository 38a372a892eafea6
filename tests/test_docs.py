"""The documentation is run: every block of code in it is executed, included, or refused.

Blocks of Python with >>> are doctests, which pytest finds by itself: see `testpaths`.
"""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from pytest import MonkeyPatch
from typer.testing import CliRunner

from glassconv.benchmarks.suites import read_suite
from glassconv.cli import app, measure
from glassconv.errors import ShorthandError
from glassconv.problem.problem import parse_problem

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What a page may tell its reader to type beside glassconv and make, and why it is not run here.
OTHER_COMMANDS = {
    "python docs/include.py": "writes the pages; that they are fresh is tested below",
    "python -m glassconv.benchmarks.training --suite resnet50 --batch 8 --threads 2": (
        "two minutes; its tests take steps of small layers"
    ),
    "python -m glassconv.kernels.microkernel": "ten seconds; its tests run it with --quick",
    "python -m glassconv.benchmarks.networks --networks resnet50 mobilenet_v2 --threads 2 1": (
        "minutes; its tests run it on a small network"
    ),
    "PYTHONPATH=tests python -m support.random_kernels 100000": "half an hour",
    "PYTHONPATH=tests python -m support.strict_problems 0:50000": "half an hour",
    "PYTHONPATH=tests python -m support.strict_gradients 0:50000": "half an hour",
    "PYTHONPATH=tests python -m support.gradient_problems 0:50000": "ten minutes",
    "PYTHONPATH=tests python -m support.random_tiles 0:300": "a minute; its tests run the same",
}

SPHINX = (
    "{eval-rst}",
    "{include}",
    "{toctree}",
)  # directives that the site's build refuses or runs


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    place: str  # page:line
    language: str
    lines: tuple[str, ...]
    included: bool  # between cog's markers


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    included, start, language, lines = False, 0, None, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        fence = line.lstrip().startswith(("```", "~~~"))
        if fence and language is None:
            start, language, lines = number, line.strip().strip("`~"), []
        elif fence and language is not None:
            yield Block(f"{page}:{start}", language, tuple(lines), included)
            language = None
        elif language is not None:
            lines.append(line)
        elif line.startswith(("<!--cog", "<!--end")):
            included = line.startswith("<!--cog")
    assert language is None, f"{page}:{start}: a block without an end"


def commands_of(block: Block) -> list[list[str]]:
    """Return the commands of a block that names no language, word by word, without comments."""
    words = [shlex.split(line, comments=True) for line in block.lines]
    return [command for command in words if command]


def quick(command: str) -> str:
    """Return the command, or `verify` of a smaller problem: no number in it is above 8.

    It tries every algorithm on seven kinds of operands: half a minute on a page's own layer.
    """
    if not command.startswith("glassconv verify"):
        return command
    return re.sub(r"\d+", lambda number: str(min(int(number[0]), 8)), command)


def refusal(block: Block) -> str | None:
    """Return why a block is none of those that the tests know, or None where it is one."""
    if block.included:
        return None if block.language == "python" else "included, but not Python"
    if block.language == "python":
        example = block.lines and block.lines[0].startswith(">>> ")
        return None if example else "Python that no doctest runs and no source is included from"
    if block.language.startswith("{explorer}"):
        return _refusal_of_explorer(block.language)
    if block.language:  # text: what one machine printed once, which no other run repeats
        return (
            None
            if block.language.startswith(("text", *SPHINX))
            else f"no test runs {block.language!r}"
        )
    for command in commands_of(block):
        if command[0] not in ("glassconv", "make") and shlex.join(command) not in OTHER_COMMANDS:
            return f"no test knows of {shlex.join(command)!r}"
    return None


def _refusal_of_explorer(directive: str) -> str | None:
    """Return why a link into the explorer names no problem or no output of it, or None."""
    words = dict(parse_qsl(directive.removeprefix("{explorer}").strip().removeprefix("#")))
    if not words:
        return None  # the explorer's own beginning
    try:
        problem = parse_problem(words["problem"])
    except (KeyError, ShorthandError) as error:
        return f"the explorer has no such problem: {error}"
    kind, *place = words.get("at", "y,0,0,0").split(",")
    shape = problem.output_shape[1:] if kind == "y" else problem.input_shape[1:]
    inside = len(place) >= len(shape) and all(
        int(at) < size for at, size in zip(place, shape, strict=False)
    )
    return None if inside else f"{words['at']} is outside of {shape}"


BLOCKS = [
    block
    for page in PAGES
    for block in blocks_of(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
]
COMMANDS = {
    shlex.join(command)
    for block in BLOCKS
    if not block.language and not block.included
    for command in commands_of(block)
}


def test_every_block_is_run_or_included() -> None:
    refused = {block.place: refusal(block) for block in BLOCKS}
    assert not {place: reason for place, reason in refused.items() if reason}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("```python\nx = 1\n```", "Python that no doctest runs"),
        ("```\nglassconv demo\nrm -r picture\n```", "no test knows of 'rm -r picture'"),
        ("~~~yaml\na: b\n~~~", "no test runs 'yaml'"),
        ("```{explorer} #problem=3x5x5&mode=window\nA\n```", "no such problem"),
        (
            "```{explorer} #problem=1x5x5 1@3x3&at=y,0,3,0\nA\n```",
            "y,0,3,0 is outside of (1, 3, 3)",
        ),
        ("<!--cog -->\n```yaml\n```\n<!--end-->", "included, but not Python"),
        ("<!--cog -->\n<!--end-->\n```python\nx\n```", "Python that no doctest"),
    ],
)
def test_a_block_that_nothing_runs_is_refused(text: str, reason: str) -> None:
    (block,) = blocks_of(text, "page.md")
    assert reason in str(refusal(block))


@pytest.mark.parametrize(
    "command", sorted({quick(c) for c in COMMANDS if c.startswith("glassconv")})
)
def test_a_command_runs(command: str, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if command.startswith("glassconv tune"):  # its records would change what other tests choose
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # Of a network's layers, the first two are timed; the tests of `bench` and `tune` have others.
    monkeypatch.setattr(measure, "read_suite", lambda *arguments: read_suite(*arguments)[:2])
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.exception or result.output


def test_make_knows_its_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, flags=re.MULTILINE))
    asked = [command.split()[1:] for command in COMMANDS if command.startswith("make")]
    assert asked
    assert {target for each in asked for target in each} <= targets


def test_every_other_command_is_on_some_page() -> None:
    assert set(OTHER_COMMANDS) <= COMMANDS


def test_what_is_included_is_the_source(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    include = runpy.run_path(str(ROOT / "docs" / "include.py"))
    assert any(block.included for block in BLOCKS)
    assert include["main"]("--check") == 0, "stale: run python docs/include.py"


def test_every_page_of_an_algorithm_is_in_the_index() -> None:
    folder = ROOT / "docs" / "algorithms"
    rows = (folder / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"^\| \[`\w+`\]\((\w+\.md)\)", rows, re.MULTILINE))
    assert linked == {page.name for page in folder.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    files = [target for target in targets if "://" not in target]
    assert not [target for target in files if not (page.parent / target).exists()]

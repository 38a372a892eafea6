"""The page and the command line read the same shorthands, and refuse the same ones."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from glassconv.errors import ConvError
from glassconv.explore.tensors import DTYPES
from glassconv.problem.problem import parse_problem
from support.browsers import in_node

VALID = [
    ("3x32x32 4@5x5", "1x3x32x32 4@5x5 s1 p0"),
    ("2×4×6×5 6@3×2 s2x1 p1:0x0:1 g2", "2x4x6x5 6@3x2 s2x1 p1:0x0:1 g2"),
    ("  3x8x8   4@3x3 psame ", "1x3x8x8 4@3x3 s1 p1"),
    ("3x8x8 4@2x2 psame", "1x3x8x8 4@2x2 s1 p0:1"),
    ("3x8x8 4@2x2 pvalid float32", "1x3x8x8 4@2x2 s1 p0"),
    ("8x5 4@3 s2 p1 nobias float64", "1x8x1x5 4@1x3 s1x2 p0x1 nobias float64"),
    ("8x5 4@3 s2 p1 transposed o1", "1x8x1x5 4@1x3 s1x2 p0x1 transposed o0x1"),
    ("1x5x5 1@3x3 o1x0 transposed s2 p1", "1x1x5x5 1@3x3 s2 p1 transposed o1x0"),
    ("4x8x8 4@3x3 d3 transposed o2 g4", "1x4x8x8 4@3x3 s1 p0 d3 g4 transposed o2"),
]
INVALID = [
    "",
    "3x8x8",
    "3x8 4@3x3x3",
    "3x8x8 4@3y3",
    "3X8x8 4@3x3",
    "3x8x8 4@9x9",
    "3x8x8 4@3x3 s0",
    "3x8x8 4@3x3 s1 s2",
    "3x8x8 4@3x3 float32 float64",
    "3x8x8 4@3x3 float16",
    "3x8x8 4@3x3 g2",
    "3x8x8 4@3x3 g1x1",
    "3x8x8 4@3x3 s2 psame",
    "3x8x8 4@3x3 p1x1x1",
    "3x8x8 4@3x3 p-1",
    "3x8x8 4@3x3 s1:2",
    "3x8x8 4@3x3 o0",
    "3x8x8 4@3x3 o1",
    "3x8x8 4@3x3 transposed o1",
    "3x8x8 4@3x3 s2 transposed o2",
    "3x8x8 4@3x3 transposed psame",
    "3x8x8 4@3x3 transposed pvalid",
    "3x8x8 4@3x3 transposed p9",
    "3x8x8 4@3x3 g3 transposed",
    "0x3x8x8 4@3x3",
    "3x0x8 4@3x3",
    "3x8x8x8 4@3x3x3",
]
INPUTS = [
    "1x3x5x5",
    "3x8x8",
    "4x8x8",
    "2x4x6x5",
    "3x8",
    "1x3x8",
    "0x3x5x5",
    "3x0x5",
    "8",
    "01x3x5x5",
]
FILTERS = ["4@3x3", "2@3", "1@5x5", "4@2x2", "6@3x1", "0@3x3", "4@0x3", "@3", "4@3x3x3", "4@9x9"]
OPTIONS = (
    "s1 s2 s2x1 s0 s2x2x2 s p1 p0 p1x0 p0:1 p1:2x0:1 psame pvalid p1x1x1 p-1 d1 d2 d2x1 g1 g2 "
    "g4 g3 g0 g2x2 nobias float32 float64 bfloat16 o1 o1x0 o0 o2 ssame o1:0 s1:2 S2 transposed "
    "transposed transposed o1 nobias s2 p1"
).split()
RANDOM = 300


@dataclass(frozen=True)
class Read:
    """A problem as its shorthand, of pictures, and its output's shape; None where it is refused."""

    written: str | None
    output: list[int] | None


REFUSED = Read(None, None)


def by_python(text: str) -> Read:
    try:
        problem = parse_problem(text)
    except ConvError:
        return REFUSED
    if problem.ndim == 3 or problem.batch == 0 or problem.dtype not in DTYPES:
        return REFUSED  # as `glassconv explore` does: a volume, no image, no number of a browser
    drawn = problem.as_2d()
    return Read(str(drawn), list(drawn.output_shape))


def by_page(texts: list[str], folder: Path) -> list[Read]:
    answers = in_node("shorthand.mjs", texts, folder)
    assert all(("cause" in answer) != ("written" in answer) for answer in answers)
    return [Read(answer.get("written"), answer.get("output")) for answer in answers]


def test_both_read_what_is_valid_alike(tmp_path: Path) -> None:
    texts = [text for text, _ in VALID]
    answers = by_page(texts, tmp_path)
    assert [answer.written for answer in answers] == [written for _, written in VALID]
    assert answers == [by_python(text) for text in texts]


def test_both_refuse_what_is_not(tmp_path: Path) -> None:
    assert by_page(INVALID, tmp_path) == [REFUSED] * len(INVALID)
    for text in INVALID:
        assert by_python(text) == REFUSED, text


def test_both_agree_on_random_texts(tmp_path: Path) -> None:
    draw = random.Random(12)
    texts = [
        " ".join(
            [
                draw.choice(INPUTS[: draw.choice([5, 10])]),
                draw.choice(FILTERS[: draw.choice([5, 10])]),
                *draw.sample(OPTIONS, draw.choice([0, 1, 2, 2, 3])),
            ]
        )
        for _ in range(RANDOM)
    ]
    answers = by_page(texts, tmp_path)
    expected = [by_python(text) for text in texts]
    assert [(text, answer) for text, answer in zip(texts, answers, strict=True)] == list(
        zip(texts, expected, strict=True)
    )
    assert sum(answer != REFUSED for answer in answers) > RANDOM / 10


def test_both_give_the_cause(tmp_path: Path) -> None:
    causes = {
        "3x8x8 4@3x3 o1": "add the word transposed",
        "3x8x8 4@3x3 transposed psame": "takes its padding as numbers, not as 'same'",
        "3x8x8 4@3x3 transposed pvalid": "takes its padding as numbers, not as 'valid'",
        "3x8x8 4@3x3 g3 transposed": "4 is not a multiple of 3",
    }
    answers = in_node("shorthand.mjs", list(causes), tmp_path)
    for (text, cause), answer in zip(causes.items(), answers, strict=True):
        assert cause in answer["cause"]
        with pytest.raises(ConvError, match=cause):
            parse_problem(text)

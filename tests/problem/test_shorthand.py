"""What is written reads back as itself, and a caret stands under what cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassconv.errors import ShorthandError
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import problem_of
from glassconv.problem.shorthand import EXAMPLE, parse
from support.cases import CASES
from support.random_problems import problems


@given(problems())
def test_what_is_written_reads_back(problem: ConvProblem) -> None:
    assert parse(str(problem)) == problem


@pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
def test_cases_read_back(problem: ConvProblem) -> None:
    assert parse(str(problem)) == problem


@pytest.mark.parametrize(
    ("text", "same", "written"),
    [
        (EXAMPLE, problem_of([1, 3, 32, 32], [4, 3, 5, 5], [4]), "1x3x32x32 4@5x5 s1 p0"),
        ("2x3x8 4@3", problem_of([2, 3, 8], [4, 3, 3], [4]), "2x3x8 4@3 s1 p0"),
        (
            "1x4x5x6 2@2x2x2 s2x1x1",
            problem_of([1, 4, 5, 6], [2, 1, 2, 2, 2], [2], (2, 1, 1)),
            "1x1x4x5x6 2@2x2x2 s2x1x1 p0",
        ),
        ("1×8×8 1@3×3", problem_of([1, 8, 8], [1, 1, 3, 3], [1]), "1x1x8x8 1@3x3 s1 p0"),
        (
            "  1x8x8\t1@3x3\n nobias ",
            problem_of([1, 8, 8], [1, 1, 3, 3]),
            "1x1x8x8 1@3x3 s1 p0 nobias",
        ),
        (
            "1x8x8 1@3x3 p0:1x2",
            problem_of([1, 8, 8], [1, 1, 3, 3], [1], padding=((0, 1), (2, 2))),
            "1x1x8x8 1@3x3 s1 p0:1x2",
        ),
        (
            "1x8x8 1@4x3 d2x1 psame",
            problem_of([1, 8, 8], [1, 1, 4, 3], [1], padding="same", dilation=(2, 1)),
            "1x1x8x8 1@4x3 s1 p3x1 d2x1",
        ),
        ("1x8x8 1@3x3 pvalid", problem_of([1, 8, 8], [1, 1, 3, 3], [1]), "1x1x8x8 1@3x3 s1 p0"),
        (
            "4x8x8 4@3x3 float64 g2 s2",
            problem_of([4, 8, 8], [4, 2, 3, 3], [4], 2, groups=2, dtype="float64"),
            "1x4x8x8 4@3x3 s2 p0 g2 float64",
        ),
    ],
)
def test_readings(text: str, same: ConvProblem, written: str) -> None:
    assert parse(text) == same
    assert str(same) == written


REFUSALS = [
    ("", "", "a problem needs an input and filters"),
    ("3x32x32", "3x32x32", "a problem needs an input and filters"),
    ("3x32y32 4@5x5", "3x32y32", "an input is written CxHxW"),
    ("-3x32x32 4@5x5", "-3x32x32", "an input is written CxHxW"),
    ("3x32x32 4x5x5", "4x5x5", "filters are written OUT@KxK"),
    ("3x32x32 4@5x", "4@5x", "filters are written OUT@KxK"),
    ("3x32x32 @5x5", "@5x5", "filters are written OUT@KxK"),
    ("3x32 4@5x5", "3x32", "2 kernel sizes need 3 input sizes, or 4 with the batch"),
    ("1x1x3x32x32 4@5x5", "1x1x3x32x32", "2 kernel sizes need 3 input sizes, or 4"),
    ("1x1x1x1x1 4@1x1x1x1", "4@1x1x1x1", "1, 2 or 3 kernel sizes"),
    ("3x32x32 4@5x5 t2", "t2", "options are s, p, d, g or o with a number"),
    ("3x32x32 4@5x5 s", "s", "options are s, p, d, g or o with a number"),
    ("3x32x32 4@5x5 s-1", "s-1", "options are s, p, d, g or o with a number"),
    ("3x32x32 4@5x5 int8", "int8", "transposed, or one of float16, bfloat16, float32"),
    (
        "3x32x32 4@5x5 s\u0663",
        "s\u0663",
        "options are s, p, d, g or o with a number",
    ),  # an Arabic 3
    ("3x32x32 4@5x5 ssame", "ssame", "stride takes numbers, such as s2 or s2x1"),
    ("3x32x32 4@5x5 d1:2", "d1:2", "dilation takes numbers, such as d2 or d2x1"),
    ("4x32x32 4@5x5 g2x2", "g2x2", "groups is one number"),
    ("3x32x32 4@5x5 s2 p1 s3", "s3", "stride is given twice"),
    ("3x32x32 4@5x5 nobias nobias", "nobias", "bias is given twice"),
    ("3x32x32 4@5x5 float16 float32", "float32", "dtype is given twice"),
    ("3x32x32 4@5x5 g2", "g2", "groups must divide in_channels"),
    ("3x32x32 4@5x5 g0", "g0", "groups must divide in_channels"),
    ("3x32x32 4@5x5 g3", "g3", "groups must divide out_channels"),
    ("3x32x32 4@5x5 s0", "s0", "stride must be a whole number of at least 1, got 0"),
    ("3x32x32 4@5x5 s1x1x1", "s1x1x1", "stride must be one number or 2"),
    ("3x32x32 4@5x5 d0", "d0", "dilation must be a whole number of at least 1, got 0"),
    ("3x32x32 4@5x5 psame s2", "psame", "padding='same' keeps the size only with stride 1"),
    (f"3x32x32 4@5x5 p{2**61}", f"p{2**61}", "padding must be at most 2147483647"),
    (f"3x32x32 4@5x5 d{2**62}", f"d{2**62}", "dilation must be at most 2147483647"),
    ("3x32x32 4@33x5", "4@33x5", "the kernel spans 33 positions of spatial axis 0"),
    ("3x32x32 4@0x5", "4@0x5", "kernel_size must be a whole number of at least 1, got 0"),
    ("3x32x32 0@5x5", "0@5x5", "out_channels must be a whole number of at least 1, got 0"),
    ("0x32x32 4@5x5", "0x32x32", "in_channels must be a whole number of at least 1, got 0"),
    ("3x0x32 4@5x5", "3x0x32", "input_size must be a whole number of at least 1, got 0"),
    (f"{2**62}x3x8x8 4@5x5", f"{2**62}x3x8x8", "the padded input would take"),
    (f"3x8x8 {2**62}@5x5", f"{2**62}@5x5", "the weight would take"),
]


@pytest.mark.parametrize(("text", "wrong", "cause"), REFUSALS)
def test_the_caret_stands_under_what_is_wrong(text: str, wrong: str, cause: str) -> None:
    with pytest.raises(ShorthandError) as caught:
        parse(text)
    said, echo, carets, *_ = str(caught.value).split("\n")
    assert cause in said
    assert echo == f"  {text}"
    assert carets.lstrip(" ") == "^" * max(len(wrong), 1)
    assert carets.index("^") == 2 + text.rindex(wrong)


def test_the_caret_stands_right_however_the_words_are_spaced() -> None:
    with pytest.raises(ShorthandError) as caught:
        parse("3×32×32\n\t4@5y5")
    assert str(caught.value).split("\n")[1:] == ["  3x32x32 4@5y5", "          ^^^^^"]


@given(st.text("0123456789x@:spdgnobiasfloat, ×\n", max_size=30))
def test_any_other_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse(text) == parse(str(parse(text)))
    except ShorthandError as refusal:
        assert "^" in str(refusal)

"""Named convolutions, each of them a special case, shared by all tests."""

from __future__ import annotations

from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import parse_transposed

CASES: dict[str, ConvProblem] = {
    name: parse(text)
    for name, text in {
        "the tutorial's layer": "3x32x32 1@5x5",
        "the tutorial's four filters": "3x32x32 4@5x5",
        "worked example": "3x5x5 2@3x3 s2 p1 float64",
        "one axis": "2x11 3@4 s2 p1",
        "two axes": "2x3x7x6 4@3x2",
        "three axes": "2x4x5x6 3@2x3x2 p1",
        "one channel, one filter": "1x5x5 1@3x3",
        "stride that divides": "2x7x7 3@3x3 s2",
        "stride that leaves a rest": "2x8x8 3@3x3 s2",
        "stride larger than the kernel": "2x9x9 3@2x2 s3",
        "uneven stride": "2x9x8 3@3x3 s2x1",
        "padding": "2x6x6 3@3x3 p1",
        "uneven padding": "2x6x5 3@3x3 p0:2x1:0",
        "same, even kernel": "2x6x6 3@4x2 psame",
        "padding larger than the kernel": "2x3x3 2@2x2 p4",
        "dilation": "2x9x9 3@3x3 d2",
        "uneven dilation": "2x9x12 3@3x3 p1 d1x3",
        "groups": "4x6x6 6@3x3 g2",
        "depthwise": "4x6x6 4@3x3 p1 g4",
        "depthwise multiplier": "3x6x6 6@3x3 g3",
        "pointwise": "8x5x5 4@1x1",
        "pointwise, stride": "3x7x7 2@1x1 s3",
        "kernel as large as the image": "3x4x5 2@4x5",
        "one pixel": "3x1x1 2@1x1",
        "one pixel, padded": "3x1x1 2@3x3 p1",
        "empty batch": "0x3x6x6 2@3x3",
        "batch": "5x3x6x6 2@3x3",
        "no bias": "3x6x6 2@3x3 nobias",
        "everything at once": "2x4x9x11 6@3x2 s2x3 p2:1x0:3 d2x1 g2",
        "float16": "3x8x8 4@3x3 p1 float16",
        "bfloat16": "3x8x8 4@3x3 p1 bfloat16",
        "float32": "3x8x8 4@3x3 p1 float32",
        "float64": "3x8x8 4@3x3 p1 float64",
    }.items()
}

# Transposed convolutions, 1-D to 3-D, as `parse_transposed` reads them.
TRANSPOSED_CASES = [
    "2x4x8x8 4@3x3 s2 p1 g4 transposed o1",
    "2x4x5x6 6@3x2 s2x3 p1x0 transposed",
    "2x3x7x5 4@3x3 p1 transposed",
    "4x9 2@4 s3 d2 transposed o2",
    "2x4x3x4x3 2@2x2x2 s2 transposed",
    "2x5x5 3@1x1 s2 p2 transposed o1",  # the padding is wider than the kernel
    "2x6x6 3@4x4 s2 p1 nobias float64 transposed",
    "2x4 3@9 s4 d6 p3 transposed o5",  # no tap reaches two of the four phases
]

EVERY_CASE: dict[str, Problem] = {
    **CASES,
    **{text: parse_transposed(text) for text in TRANSPOSED_CASES},
}

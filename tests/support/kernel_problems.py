"""Problems that kernels are tried on: what all algorithms share, and what blocks trip over."""

from __future__ import annotations

from dataclasses import replace

from glassconv.codegen.target import ELEMENT_BYTES
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse
from support.cases import CASES

# What a kernel's blocks, masks and tails trip over, beside the cases that all algorithms share.
EDGES = {
    name: parse(text)
    for name, text in {
        "rows of 33": "3x19x33 7@3x3 p1",
        "rows of 16": "5x4x16 9@3x3 p1",
        "many channels": "300x6x7 5@1x1",
        "many channels and taps": "70x7x7 13@3x3 p1",
        "many filters": "4x9x9 67@3x3",
        "many filters in groups": "6x9x20 99@3x3 p1 g3",
        "many planes": "33x10x21 33@3x3 p1 g33",
        "more planes than inputs": "5x10x21 20@5x5 p2 g5",
        "a row of taps": "5x1x70 8@1x7 p0x3",
        "a column of taps": "5x70x1 8@7x1 p3x0",
        "large kernel": "2x24x24 3@19x19 p7",
        "large stride": "3x40x41 4@3x3 s17 p1",
        "stride 2": "9x21x37 6@3x3 s2 p1",
        "stride 3": "9x21x37 6@5x5 s3 p2",
        "wide, stride 3 and dilation 2": "3x12x70 4@3x3 s3 p1 d2",
        "wide, stride 5": "2x9x100 3@3x3 s5 p1",
        "dilation wider than the image": "3x5x5 4@3x3 p7 d7",
        "padding alone": "2x1x1 3@3x3 p20",
        "padding on one side": "2x3x4 3@3x3 p0:40x33:0",
        "one row on padding": "4x1x6 3@1x1 s3x1 p1x0",
        "one column on padding": "4x6x1 3@1x1 s1x3 p0x1",
        "pointwise on padding": "4x6x7 3@1x1 p2",
        "one row": "9x1x37 5@1x1",
        "one pixel of many channels": "130x1x1 37@1x1",
        "one pixel in groups": "2x12x1x1 30@1x1 g3",
        "padding of 2³¹ − 1": "3x1x2 2@1x2 p0x2147483647:0 d1x2147483647",
        "a sequence": "8x100 12@9 p4",
        "a sequence, stride 2": "8x100 12@9 s2 p4",
        "depthwise sequence": "12x50 12@5 p2 g12",
    }.items()
}
# What the kernel of transposed convolutions trips over.
TRANSPOSED_EDGES = [
    "3x7x9 5@4x4 s2 p1 transposed",
    "9x5x6 20@3x3 s2 p1 transposed o1",
    "2x6x5 3@5x2 s3x4 p1x0 transposed",  # phases without taps: gaps
    "5x4x4 7@1x1 s3 transposed o2",
    "4x6x7 6@3x3 s2 g2 transposed",
    "3x6x7 3@4x4 s2 p1 g3 transposed",
    "3x5x5 4@3x3 transposed",  # stride 1: one phase
    "2x5x5 3@1x1 s2 p2 transposed o1",  # the padding is wider than the kernel
    "2x4x5 3@3x4 s4x2 d6x3 p1 transposed",
    "3x6x6 4@4x4 s2 p0:3x2:1 transposed",
    "7x100 12@9 s4 p4 transposed o3",
    "5x40 1@64 s16 transposed",
    "130x3x3 37@2x2 s2 nobias float64 transposed",
    "0x3x4x4 2@2x2 s2 transposed",
    "18x5x18 9@16x16 s8 g9 transposed",  # adjacent outputs are of different phases and groups
    "2x34x3x9 17@9x20 s9x10 p2x3 g17 transposed o1",
    "3x4x19 7@10x12 s10 p1 transposed",
    "20x7x7 40@16x32 s16 p4x0 g20 float64 transposed",
]
# One channel and one filter in a group, and groups for a vector on every processor.
TRANSPOSED_DEPTHWISE = [
    "2x16x7x9 16@3x3 s2 p1 g16 transposed o1",
    "2x21x7x9 21@3x3 s2 p1 g21 transposed",
    "16x9x14 16@5x5 s2 p2 g16 nobias transposed o1",
    "19x5x6 19@7x7 s3x2 p3 g19 float64 transposed o2x1",
    "16x5x6 16@1x1 s2 g16 transposed o1",  # phases without taps
    "17x5x4 17@2x2 s3 p1 g17 transposed o1",
    "40x4x5 40@2x2 s2 g40 transposed",
    "17x9x8 17@5x3 s2x3 p3 d2 g17 transposed o1x2",
    "16x5x6 16@3x3 s2 p4 d2 g16 float64 transposed o1",  # stride and dilation have a factor
    "18x3x2 18@3x3 s5x7 p4x2 d3x2 g18 transposed",
    "16x2x2 16@9x9 s2 p4 g16 transposed",  # no output has all taps of its phase
    "16x1x1 16@3x3 s2 p1 g16 transposed",
    "16x5x4 16@3x3 s2 p0:3x2:1 g16 transposed",
    "16x6x5 16@1x1 s2 p2 g16 transposed o1",  # the padding is wider than the kernel
    "0x16x4x4 16@3x3 s2 p1 g16 transposed",
    "2x17x40 17@7 s3 p3 d2 g17 transposed o2",
    "16x3000 16@9 s4 p4 g16 transposed",  # blocks of columns
    "2x16x33 16@3 s2 p1 g16 float64 transposed o1",
    "700x3x3 700@5x5 s2 p2 g700 transposed",  # blocks of channels
    "16x61x60 16@3x3 s2 p1 g16 transposed o1",  # blocks of rows
    "2x17x3x9 17@9x20 s9x10 p2x3 g17 transposed o1",
    "16x7x7 16@3x3 p1 g16 transposed",  # stride 1: one phase
]
TYPES = tuple(ELEMENT_BYTES)
PROBLEMS: dict[str, ConvProblem] = {}
for _name, _problem in {**CASES, **EDGES}.items():
    for _dtype in TYPES:
        _typed = replace(_problem, dtype=_dtype)
        if _typed not in PROBLEMS.values():
            PROBLEMS[f"{_name}, {_dtype}"] = _typed

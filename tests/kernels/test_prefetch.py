"""Kernels prefetch nothing outside of their arrays, where each prefetch walks the page table."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from support.process import Ended, run_python

# Every prefetch is a load here: outside of an array beside a guard page it ends the process.
LOADED = """
import sys

import torch

from glassconv.codegen.types import BYTE
from glassconv.codegen.values import Pointer

def load(pointer, index=0, *, to_write=False):
    pointer.code.emit(BYTE, f"load volatile {BYTE}, {pointer + index}")

Pointer.prefetch = load

from glassconv.kernels import KERNELS
from glassconv.kernels.runtime.checksum import checksum
from glassconv.problem.memory_layout import layout_of
from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.shorthand import parse
from support.guard_pages import SIDES, call_guarded, guarded
from support.memory_layouts import LAYOUTS

def call(text):
    problem = parse(text)
    drawn = random_operands(problem)
    for layout in ("contiguous", "channels last"):
        operands = Operands(LAYOUTS[layout](drawn.input), drawn.weight, drawn.bias)
        lies = layout_of(operands.input)
        for kernel in KERNELS.values():
            if kernel.supports(problem, lies.name):
                for side in SIDES:
                    call_guarded(kernel.plan(problem, lies), operands, side, 1)

"""
PROBLEMS = (
    "2x24x30x31 40@3x3 p1",
    "3x64x14x14 70@1x1",
    "2x36x29x30 36@3x3 p1 g36",
    "40x3x5 40@5x5 p2 g40",
    "1x3x50x51 20@7x7 s2 p3",
    "2x16x20x21 24@3x3 p1 g2 float64",
    "3x480x1x1 130@1x1",
)


def run_loaded(program: str) -> Ended:
    path = os.pathsep.join(sys.path)
    return run_python(LOADED + program, variables={"PYTHONPATH": path})


def test_every_prefetch_of_a_kernel_is_inside_an_array() -> None:
    calls = "\n".join(f"call({text!r})" for text in PROBLEMS)
    done = run_loaded(calls)
    assert done.code == 0, done.err


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_checksum_prefetches_the_weight_alone(side: str) -> None:
    done = run_loaded(f"checksum(guarded(torch.ones(5000), {side!r}))")
    assert done.code == 0, done.err


def test_a_prefetch_outside_would_be_seen() -> None:
    outside = """
from glassconv.codegen.ir import Code, Pointer, Value
from support.compile_function import run

def body(code: Code, array: Pointer, index: Value) -> None:
    array.prefetch(index)

run(body, guarded(torch.zeros(1), "after"), 1)
"""
    assert run_loaded(outside).code == -signal.SIGSEGV

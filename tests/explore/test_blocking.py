"""The blocks and tiles that the page draws, in JavaScript, are those the kernel computes in."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

from glassconv import parse
from glassconv.algorithms import named
from glassconv.codegen.target import TARGETS
from glassconv.kernels import implicit_gemm
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import contiguous
from support.browsers import in_node
from support.random_problems import problems_for

PROBLEMS = 60
LAYERS = ("64x56x56 64@3x3 p1", "3x224x224 64@7x7 s2 p3", "512x7x7 2048@1x1", "96x14x14 96@5x5 g96")


def test_blocks_are_the_kernels(tmp_path: Path) -> None:
    drawn = (
        replace(problem, batch=1)
        for problem in problems_for(named("implicit_gemm"))
        if isinstance(problem, ConvProblem)
        if problem.ndim == 2 and problem.dtype in ("float32", "float64")
    )
    problems = [*map(parse, LAYERS), *islice(drawn, PROBLEMS)]
    cases = [(problem, target) for problem in problems for target in TARGETS]
    written = [{"problem": str(problem), "target": target} for problem, target in cases]
    found = in_node("blocking.mjs", written, tmp_path)
    for mine in found["targets"]:
        target = TARGETS[mine["name"]]
        assert (mine["vectorBytes"], mine["registers"]) == (target.vector_bytes, target.registers)
        assert (mine["l1"], mine["l2"]) == (target.l1, target.l2)
    for (problem, name), answer in zip(cases, found["answers"], strict=True):
        target = TARGETS[name]
        blocking = implicit_gemm.blocking(problem, contiguous(problem), target, threads=1)
        rows, vectors = target.tile()
        assert answer == {
            "rows": rows,
            "vectors": vectors,
            "lanes": target.lanes(problem.dtype),
            "kBlock": blocking.k_block,
            "pixelBlock": blocking.pixel_block,
        }, f"{problem} for {name}"

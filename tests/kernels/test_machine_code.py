"""The machine code of every kernel, for every target: sums stay in registers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glassconv.codegen.analysis.assembly import spilling
from glassconv.codegen.jit import assembly
from glassconv.codegen.target import named as target_named
from glassconv.kernels import KERNELS, Kernel
from glassconv.problem.memory_layout import layout_of
from glassconv.problem.operands import random_operands
from support.kernel_problems import PROBLEMS
from support.memory_layouts import LAYOUTS

# Each run tries both layouts and both element types of a kernel, the exhaustive one all four pairs.
IN_EACH_RUN = {("float32", "contiguous"), ("float64", "channels last")}
KERNEL = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


@KERNEL
@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["avx2", "avx512", "neon"])
def test_code_for_every_target_keeps_its_sums_in_registers(
    kernel: Kernel, name: str, whole: bool
) -> None:
    # No machine runs code for a target of this name, so a plan compiles none.
    target = replace(target_named(name), name="elsewhere")
    texts: dict[str, dict[tuple[str, str], str]] = {}  # by what they are for
    for problem in PROBLEMS.values():
        for layout in ("contiguous", "channels last"):
            if problem.ndim == 3 or problem.macs > 10**7:
                continue
            lies = layout_of(LAYOUTS[layout](random_operands(problem).input))
            if lies is not None and kernel.supports(problem, lies.name):
                text = kernel.plan_for(problem, lies, target, 2).kernel.text
                texts.setdefault(text, {})[problem.dtype, layout] = f"{problem}, {layout}"
    pairs = set[tuple[str, str]]().union(*texts.values())
    if not whole and pairs > IN_EACH_RUN:
        pairs = IN_EACH_RUN
    assert pairs
    for text, asked in texts.items():
        if pairs.isdisjoint(asked):
            continue
        code = assembly(text, target)
        assert {"avx2": "vfmadd", "avx512": "zmm", "neon": "fmla"}[name] in code, asked
        assert spilling(code) == {}, asked

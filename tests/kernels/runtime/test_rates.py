"""What is measured is a number: how large it is, no test may say."""

from __future__ import annotations

from dataclasses import astuple
from math import inf, isfinite

from glassconv.codegen.ir import Module
from glassconv.codegen.jit import assembly, spills
from glassconv.codegen.parallel import in_parallel
from glassconv.codegen.target import TARGETS, host
from glassconv.kernels.runtime import rates


def test_every_rate_of_this_machine_is_measured() -> None:
    target = host()
    assert target is not None
    measured = astuple(rates.instructions(target, 2))
    assert all(isfinite(each) for each in measured)
    assert all(each > 0 for each in measured[:-1])  # a loop may end as a surprise at no cost
    levels, together = rates.levels(target, 2)
    assert [level.size for level in levels] == sorted(level.size for level in levels)
    assert levels[-1].size == inf
    assert all(0 < level.bytes_per_second < inf for level in levels)
    assert together >= levels[-1].bytes_per_second
    assert rates.call(target) > 0
    assert rates.region(target, 2) >= 0
    assert rates.share_of_cores(target, 2) > 0


def test_probes_keep_their_sums_in_registers() -> None:
    for target in TARGETS.values():
        module = Module("rates", "float32", target)
        in_parallel(module, rates._emit_task(module))
        assert spills(assembly(module.text, target)) == 0

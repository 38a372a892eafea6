"""What the kernel of a pair does is counted, and compared with what two kernels do."""

from __future__ import annotations

from dataclasses import replace

from glassconv.codegen.target import named
from glassconv.kernels.pointwise_depthwise.work import pays, work
from glassconv.problem.shorthand import parse
from glassconv.reports.machine import Level
from support.fixed_machine import with_threads

AVX512 = named("avx512")
WIDE = parse("96x112x112 96@3x3 s2 p1 g96")


def test_work_counts_the_products_of_both() -> None:
    first = parse("16x112x112 96@1x1")
    counted = work(first, WIDE, AVX512, 1)
    done = sum(
        loop.iterations * loop.multiply_adds for phase in counted.phases for loop in phase.loops
    )
    least = (first.macs + WIDE.macs) / 16
    assert least <= done <= 1.3 * least  # additions of the bias, and tiles that are moved back


def test_it_pays_where_memory_is_slow_and_not_where_rows_are_computed_twice() -> None:
    first, machine = parse("16x112x112 96@1x1"), with_threads(1)
    slow = (*machine.levels[:2], Level("memory", float("inf"), 5e9))
    assert pays(first, WIDE, AVX512, replace(machine, levels=slow))
    # Eight threads have a row of outputs each, for which they compute five rows.
    many = parse("240x8x8 16@1x1"), parse("16x8x8 16@5x5 p2 g16")
    assert not pays(*many, AVX512, with_threads(8))

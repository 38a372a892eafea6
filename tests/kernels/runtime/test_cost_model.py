"""Predictions follow from counts and rates: faster rates never slow, more work is never faster."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassconv.codegen.target import TARGETS, named
from glassconv.kernels import KERNELS, TRANSPOSED_KERNELS, Kernel
from glassconv.kernels.runtime import cost_model
from glassconv.kernels.runtime.cost_model import Loop, Phase, Stream, Work, blocks_of, product_loops
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.problem import Problem
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import parse_transposed
from glassconv.reports.machine import Instructions, Level, Machine
from support.fixed_machine import FIXED
from support.random_problems import problems

LAYOUTS = (NCHW, NHWC)
DENSE = parse("64x56x56 64@3x3 p1")
OF_EVERY_KIND = [
    DENSE,
    parse("8x3x64x64 32@7x7 s2 p3"),
    parse("1x2048x1x1 512@1x1"),
    parse("32x40x40 32@5x5 p2 g32"),
    parse("32x40x40 64@3x3 s2 p1 g32 float64"),
    parse("16x200 24@9 p4"),
]


def kernel_work(
    kernel: Kernel, problem: ConvProblem, layout: str, target: str, threads: int = 2
) -> Work | None:
    if not kernel.supports(problem, layout):
        return None
    work = kernel.work(problem, contiguous(problem, layout), named(target), threads)
    assert isinstance(work, Work)
    return work


def works() -> list[tuple[str, Work]]:
    found = [
        (f"{name} {problem} {layout} {target}", work)
        for name, kernel in KERNELS.items()
        for problem in OF_EVERY_KIND
        for layout in LAYOUTS
        for target in TARGETS
        if (work := kernel_work(kernel, problem, layout, target)) is not None
    ]
    assert {name.split()[0] for name, _ in found} == set(KERNELS)
    return found


def multiply_adds(work: Work) -> float:
    return sum(
        loop.iterations * loop.multiply_adds for phase in work.phases for loop in phase.loops
    )


def with_free(machine: Machine, **kept: float) -> Machine:
    """Return a machine on which nothing takes time but some instructions, given in seconds."""
    zero = Instructions(**{field.name: 0.0 for field in fields(Instructions)})
    levels = tuple(replace(level, bytes_per_second=inf) for level in machine.levels)
    return replace(
        machine,
        instructions=replace(zero, **kept),
        levels=levels,
        memory_bytes_per_second=inf,
        dispatch=0.0,
        call=0.0,
        region=0.0,
    )


@pytest.mark.parametrize("field", [field.name for field in fields(Instructions)])
def test_a_faster_instruction_never_slows(field: str) -> None:
    each = FIXED.instructions
    faster = replace(FIXED, instructions=replace(each, **{field: getattr(each, field) / 2}))
    times = [
        (cost_model.seconds(w, faster, NCHW), cost_model.seconds(w, FIXED, NCHW))
        for _, w in works()
    ]
    assert all(fast <= slow for fast, slow in times)
    if field in ("multiply_add", "loop"):
        assert any(fast < slow for fast, slow in times)


@pytest.mark.parametrize("place", range(len(FIXED.levels)))
def test_a_faster_memory_never_slows(place: int) -> None:
    levels = list(FIXED.levels)
    levels[place] = replace(levels[place], bytes_per_second=2 * levels[place].bytes_per_second)
    faster = replace(FIXED, levels=tuple(levels), memory_bytes_per_second=34e9)
    for name, work in works():
        assert cost_model.seconds(work, faster, NCHW) <= cost_model.seconds(work, FIXED, NCHW), name


def test_half_the_peak_doubles_what_is_bound_by_it() -> None:
    for name, work in works():
        peak, half = (with_free(FIXED, multiply_add=each) for each in (1e-9, 2e-9))
        once, twice = cost_model.seconds(work, peak, NCHW), cost_model.seconds(work, half, NCHW)
        assert once > 0, name
        assert twice == pytest.approx(2 * once), name


def test_no_kernel_multiplies_less_than_its_algorithm() -> None:
    """Winograd multiplies less than the definition: F(4,3) a quarter of it, and padding counts."""
    fewest = {"winograd2": 4 / 9, "winograd4": 1 / 4, "winograd_pieces": 25 / 36}
    for name, kernel in KERNELS.items():
        for problem in OF_EVERY_KIND:
            for layout in LAYOUTS:
                work = kernel_work(kernel, problem, layout, "avx2")
                if work is not None:
                    inside = problem.macs / named("avx2").lanes(problem.dtype)
                    assert multiply_adds(work) >= fewest.get(name, 1.0) * inside, (name, problem)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["implicit_gemm", "winograd2", "winograd4"])
def test_more_channels_take_longer(name: str, layout: str) -> None:
    def seconds(in_channels: int, out_channels: int) -> float:
        problem = parse(f"{in_channels}x28x28 {out_channels}@3x3 p1")
        work = kernel_work(KERNELS[name], problem, layout, "avx2", threads=1)
        assert work is not None  # with one thread: more work may be shared by more threads
        return cost_model.seconds(work, FIXED, NCHW)

    sizes = [16, 32, 64, 128, 256, 512]
    for fixed in (16, 128):
        by_input = [seconds(each, fixed) for each in sizes]
        by_output = [seconds(fixed, each) for each in sizes]
        assert by_input == sorted(by_input)
        assert by_output == sorted(by_output)


@given(problems(), st.sampled_from(LAYOUTS), st.integers(1, 8))
def test_every_prediction_is_a_positive_number(
    problem: ConvProblem, layout: str, threads: int
) -> None:
    machine = replace(FIXED, threads=threads)
    for kernel in KERNELS.values():
        if kernel.supports(problem, layout):
            seconds = kernel.seconds(problem, layout, machine)
            assert isfinite(seconds)
            assert seconds >= machine.call


def test_a_transposed_convolution_counts_all_its_phases() -> None:
    problem = parse_transposed("16x14x14 8@4x4 s2 p1")
    (kernel,) = TRANSPOSED_KERNELS.values()
    for layout in LAYOUTS:
        work = kernel.work(problem, contiguous(problem, layout), named("avx2"), 2)
        assert multiply_adds(work) * 8 >= problem.macs
        assert work.launches > 1


def test_a_transposed_depthwise_convolution_counts_its_taps() -> None:
    problem = parse_transposed("2x32x14x14 32@3x3 s2 p1 g32 transposed o1")
    (kernel,) = TRANSPOSED_KERNELS.values()
    for layout in LAYOUTS:
        work = kernel.work(problem, contiguous(problem, layout), named("avx2"), 2)
        taps = sum(
            loop.iterations * loop.multiply_adds
            for phase in work.phases
            for loop in phase.loops
            if loop.chain
        )
        assert taps * 8 == problem.macs
        assert work.launches == 1


def test_the_thread_with_the_most_tasks_ends_last() -> None:
    phases = (Phase((Loop(1e6, multiply_adds=12, chain=1),)),)
    one, two = (Work(phases, 1, 1), Work(phases, 2, 2))
    three, four = (Work(phases, 3, 2), Work(phases, 4, 2))
    busy = [
        cost_model.seconds(each, FIXED, NCHW) - FIXED.dispatch - FIXED.call for each in (one, two)
    ]
    assert busy[0] == pytest.approx(2 * (busy[1] - FIXED.region))
    assert cost_model.seconds(three, FIXED, NCHW) > cost_model.seconds(four, FIXED, NCHW)


def test_a_loop_is_as_slow_as_its_slowest_part() -> None:
    each = FIXED.instructions
    assert cost_model.loop_seconds(Loop(1, multiply_adds=12, loads=8, chain=1), FIXED) == (
        pytest.approx(max(12 * each.multiply_add, each.latency, 8 * each.load))
    )
    assert cost_model.loop_seconds(Loop(1, multiply_adds=1, chain=1), FIXED) == each.latency
    short, long = Loop(8, entries=1), Loop(800, entries=1)
    assert cost_model.loop_seconds(short, FIXED) == each.loop
    assert cost_model.loop_seconds(long, FIXED) == each.loop + each.misprediction


def test_bytes_come_from_the_smallest_memory_that_holds_them() -> None:
    def rate(footprint: float, threads: int = 1) -> float:
        return FIXED.bandwidth(footprint, threads)

    assert [rate(size) for size in (1, 2**15, 2**15 + 1, 2**20, inf)] == [
        70e9, 70e9, 60e9, 40e9, 11e9,
    ]  # fmt: skip
    assert rate(inf, 2) == FIXED.memory_bytes_per_second / 2
    stream = Phase((), (Stream(17e9),))
    assert cost_model.phase_seconds(stream, FIXED, 2) == 2.0


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_tiles_cover_a_product(m: int, n: int, k: int) -> None:
    lanes, tile = 8, (6, 2)
    loops = list(product_loops(m, n, k, 1, tile, lanes))
    done = sum(loop.iterations * loop.multiply_adds * lanes for loop in loops[::2])
    assert m * n * k <= done <= m * (n + lanes - 1) * k
    assert done == m * n * k or n % lanes


@given(st.integers(1, 1000), st.integers(1, 100))
def test_blocks_cover_a_number(total: int, size: int) -> None:
    assert sum(block * count for block, count in blocks_of(total, size)) == total


def test_levels_are_ordered() -> None:
    assert [level.size for level in FIXED.levels] == sorted(level.size for level in FIXED.levels)
    assert FIXED.level(2**30) == Level("memory", inf, 11e9)


def test_a_changed_weight_is_packed() -> None:
    transposed = parse_transposed("64x56x56 64@3x3 p1 transposed")

    def packing(name: str, problem: Problem, layout: str) -> float:
        return KERNELS[name].packing_seconds(problem, layout, FIXED)

    assert packing("implicit_gemm", DENSE, NCHW) == 0  # it is read as it is
    copied = packing("implicit_gemm", transposed, NCHW)  # with its taps in reverse
    assert 0 < copied == packing("implicit_gemm", DENSE, NHWC)
    assert packing("winograd4", DENSE, NCHW) > packing("winograd2", DENSE, NCHW) > copied


def test_a_slowdown_is_that_of_the_memory_layout() -> None:
    phase = cost_model.Phase((cost_model.Loop(1e6, multiply_adds=1),))
    work = cost_model.Work((phase,), tasks=1, threads=1)
    slow = replace(FIXED, slowdowns=((NCHW, 1.0), (NHWC, 1.5)))
    fixed = FIXED.dispatch + FIXED.call
    nchw, nhwc = (cost_model.seconds(work, slow, layout) - fixed for layout in (NCHW, NHWC))
    assert nhwc == pytest.approx(1.5 * nchw)

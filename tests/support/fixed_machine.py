"""A machine with fixed rates: what tests choose by, whatever machine they run on."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import torch

from glassconv.algorithms.parts import pytorch_gradient_cost, spectral_cost
from glassconv.algorithms.parts.pytorch_cost import COPIED, PROBES, SMALLEST_ONEDNN
from glassconv.codegen.target import host
from glassconv.dispatch import machine_store
from glassconv.reports.machine import Instructions, Level, Machine, PyTorch

FIXED = Machine(
    processor="fixed",
    target="avx2",
    vector_bytes=32,
    threads=2,
    instructions=Instructions(
        multiply_add=0.4e-9,
        latency=2e-9,
        load=0.4e-9,
        store=0.8e-9,
        masked_load=4e-9,
        masked_store=5e-9,
        gather=7e-9,
        loop=6e-9,
        misprediction=7e-9,
    ),
    levels=(
        Level("L1", 2**15, 70e9),
        Level("L2", 2**19, 60e9),
        Level("L3", 2**23, 40e9),
        Level("memory", inf, 11e9),
    ),
    memory_bytes_per_second=17e9,
    dispatch=10e-6,
    call=10e-6,
    region=1e-6,
    pytorch=PyTorch(
        call=20e-6,
        onednn_calls=tuple(
            (name, 130e-6 if name.startswith("nhwc") else 160e-6) for name in SMALLEST_ONEDNN
        ),
        macs_per_second=tuple((kind, 35e9) for kind in PROBES),
        lowered_per_second=tuple((kind, 2e9) for kind, probe in PROBES.items() if probe.lowering),
        copied_per_second=(
            *((name, 14e9 if name.startswith("nhwc") else 2.5e9) for name in COPIED),
            ("weights nchw", 1.5e9),
            ("weights nhwc", 0.6e9),
            ("weights native", 0.6e9),
            ("weights pointwise nchw", 1.5e9),
            ("weights pointwise nhwc", 0.6e9),
        ),
        spectra_per_second=tuple(zip(spectral_cost.KINDS, (2e5, 5e9, 2e9, 1e9, 1e8), strict=True)),
        gradients=tuple(
            (kind, 2.5 if kind.startswith("strided input, depthwise") else 1.0)
            for kind in pytorch_gradient_cost.KINDS
        ),
    ),
    seconds=0.15,
    compile_seconds=0.1,
    slowdowns=(("nchw", 1.0), ("nhwc", 1.0)),
)


def fixed_machine() -> Machine:
    """Return it with as many threads as PyTorch uses."""
    return with_threads(torch.get_num_threads())


def with_threads(threads: int) -> Machine:
    """Return it with so many threads, with which PyTorch's rates grow."""
    share = threads / FIXED.threads

    def scaled(rates: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        return tuple((kind, rate * share) for kind, rate in rates)

    pytorch = replace(
        FIXED.pytorch,
        macs_per_second=scaled(FIXED.pytorch.macs_per_second),
        lowered_per_second=scaled(FIXED.pytorch.lowered_per_second),
        copied_per_second=scaled(FIXED.pytorch.copied_per_second),
        spectra_per_second=scaled(FIXED.pytorch.spectra_per_second),
    )
    return replace(FIXED, threads=threads, pytorch=pytorch)


def of_this_machine(threads: int) -> Machine:
    """Return the fixed rates under the name and with the caches of this machine."""
    target = host()
    assert target is not None
    sizes = [size for size in (target.l1, target.l2, target.l3) if size]
    caches = [Level(f"L{n}", size, 1e10 / n) for n, size in enumerate(sizes, start=1)]
    return replace(
        FIXED,
        processor=target.cpu,
        target=target.name,
        threads=threads,
        levels=(*caches, FIXED.levels[-1]),
    )


def keep_for_processes() -> None:
    """Keep the fixed rates in the cache folder, where processes that tests start find them.

    Each would measure the machine otherwise: on a busy one what is measured is not kept, and two
    processes choose differently.
    """
    if host() is None:
        return
    for threads in {1, 2, torch.get_num_threads()}:
        machine_store._keep(of_this_machine(threads))


def with_slow_16_bits() -> Machine:
    """Return it without instructions for 16 bits."""
    machine = fixed_machine()
    rates = tuple(
        (kind, rate / 100 if "float16" in kind else rate)
        for kind, rate in machine.pytorch.macs_per_second
    )
    return replace(machine, pytorch=replace(machine.pytorch, macs_per_second=rates))

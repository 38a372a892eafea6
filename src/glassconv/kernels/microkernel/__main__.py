"""Print the derivation of the microkernel: `python -m glassconv.kernels.microkernel [--quick]`.

Each rung prints its loop nest, its registers, its hot loop read back from the assembly, and its
speed beside the FMA peak, all on one thread. Each result is verified before it is timed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from time import perf_counter

import torch
from rich.console import Console

from glassconv.codegen.analysis import roofline
from glassconv.codegen.analysis.assembly import hot_lines, hot_loop, spilling
from glassconv.codegen.jit import assembly, compiled
from glassconv.codegen.struct import pack
from glassconv.codegen.target import Target, host
from glassconv.errors import UnsupportedError
from glassconv.kernels import UNSUPPORTED_PROCESSOR
from glassconv.kernels.microkernel.derivation import (
    RUNGS,
    Matrices,
    Rung,
    Sizes,
    blocks,
    budget,
    loop_nest,
)

DTYPE = "float32"
SIZES = Sizes(m=384, n=1024, k=512)  # B fills 2 MiB: it fits neither L1 nor L2
QUICK = Sizes(m=50, n=70, k=300)
SECONDS = 1.0  # of runs of each rung, the best of which counts
BAR = 40  # columns at the peak


def main() -> None:
    """Print every rung, then the exercise."""
    parser = argparse.ArgumentParser(prog="python -m glassconv.kernels.microkernel")
    parser.add_argument("--quick", action="store_true", help="small matrices, one run of each rung")
    quick = parser.parse_args().quick
    target = host()
    if target is None:
        raise UnsupportedError(UNSUPPORTED_PROCESSOR)
    torch.set_num_threads(1)
    sizes = QUICK if quick else SIZES
    peak = roofline.measure(DTYPE).flops_per_second
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"C [{sizes.m}, {sizes.n}] += A [{sizes.m}, {sizes.k}] · B [{sizes.k}, {sizes.n}], "
        f"{DTYPE}, {target.name} ({target.cpu}), 1 thread, FMA peak {peak / 1e9:.1f} GFLOP/s"
    )
    speeds = {}
    for place, rung in enumerate(RUNGS, start=1):
        speeds[rung.name] = speed(rung, sizes, target, 0 if quick else SECONDS)
        console.print(f"\n{place}  {rung.name}: {rung.change}\n")
        console.print(describe(rung, sizes, target))
        console.print(f"  {speeds[rung.name] / 1e9:.2f} GFLOP/s")
    small = replace(target, registers=8)
    speeds["8 registers"] = speed(RUNGS[-1], sizes, small, 0 if quick else SECONDS)
    console.print("\nExercise  the last rung for a target with 8 registers\n")
    console.print(describe(RUNGS[-1], sizes, small) + "\n")
    for name, value in speeds.items():
        bar = "█" * max(1, round(BAR * value / peak))
        share = f"{value / peak:.0%}"
        console.print(f"{name:14} {value / 1e9:7.2f} GFLOP/s {share:>4}  {bar}")


def describe(rung: Rung, sizes: Sizes[int], target: Target) -> str:
    """Return the loop nest of a rung, its registers and its hot loop."""
    module = rung.module(target, DTYPE)
    text, function = assembly(module.text, module.target), rung.hot_function(target)
    hot, spills = hot_loop(text, function), spilling(text)
    rows, vectors = rung.tile(target)
    return "\n".join(
        [
            *(f"  {line}" for line in loop_nest(rung, sizes, target, DTYPE)),
            "",
            f"  budget     {rows}·{vectors} + {vectors} + 1 = {budget(rows, vectors)} of "
            f"{target.registers} registers",
            f"  hot loop   {hot.registers} registers, {hot.products} multiply-adds in "
            f"{hot.instructions} instructions, spills: {spills or 'none'}",
            *(f"    {' '.join(line.split())}" for line in hot_lines(text, function)),
        ]
    )


def speed(rung: Rung, sizes: Sizes[int], target: Target, seconds: float) -> float:
    """Return the FLOP/s of the best run, after the first one's answer was right within its bound.

    Raises `ArithmeticError` where it was not.
    """
    kernel, cut = compiled(rung.module(target, DTYPE), "run"), blocks(target, DTYPE)
    chance = torch.Generator().manual_seed(0)
    a = torch.randn(sizes.m, sizes.k, generator=chance)
    b = torch.randn(sizes.k, sizes.n, generator=chance)
    before = torch.randn(sizes.m, sizes.n, generator=chance)
    c, packed = before.clone(), torch.full((cut.kc * cut.nc,), torch.nan)
    arrays = Matrices(*(array.data_ptr() for array in (a, b, c, packed)))
    parameters, addresses = pack(sizes), pack(arrays)
    end, times = perf_counter() + seconds, list[float]()
    while not times or perf_counter() < end:
        start = perf_counter()
        kernel.call(parameters, addresses, 1, 1)
        times.append(perf_counter() - start)
        if len(times) == 1 and not is_right(a, b, before, c):
            raise ArithmeticError(f"{rung.name}: an element of C exceeds its bound")
    return 2 * sizes.m * sizes.n * sizes.k / min(times)


def is_right(a: torch.Tensor, b: torch.Tensor, before: torch.Tensor, c: torch.Tensor) -> bool:
    """Return whether each element of C is a sum of k + 1 terms within (k + 1)·u·Σ|terms|.

    The definition is in float64. Source of the bound: docs/adr/0004.
    """
    wide_a, wide_b, start = a.double(), b.double(), before.double()
    exact = wide_a @ wide_b + start
    magnitude = wide_a.abs() @ wide_b.abs() + start.abs()
    unit_roundoff = torch.finfo(c.dtype).eps / 2
    allowed = (a.shape[1] + 1) * unit_roundoff * magnitude
    return bool(((c.double() - exact).abs() <= allowed).all())


if __name__ == "__main__":
    main()

"""How many times as long as counted kernels take, measured on layers that PyTorch computes, too.

The instructions of the cost model are timed in L1, in runs of microseconds. A kernel waits for
caches besides, and other processes slow a call of milliseconds more. PyTorch's rates, which come
from such calls, have all that in them. So a kernel and PyTorch compute a layer in turn, and the
predictions of kernels are made longer until the predicted ratio is the measured one.
"""

from __future__ import annotations

from statistics import median

import torch

from glassconv.algorithms.parts import pytorch_cost
from glassconv.algorithms.parts.fastest import fastest
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous
from glassconv.problem.shorthand import parse
from glassconv.reports.machine import Machine

ROUNDS = 9  # of both calls; the median ratio counts


def measure(machine: Machine) -> tuple[tuple[str, float], ...]:
    """Return how many times as long as counted kernels take in each layout, at least 1.

    machine: the other rates, without slowdowns.
    """
    return tuple((layout, max(_slowdown(layout, machine), 1.0)) for layout in (NCHW, NHWC))


def _slowdown(layout_name: str, machine: Machine) -> float:
    """Return the measured ratio of a kernel's time and PyTorch's to the predicted one."""
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels import kernel_named

    kernel = kernel_named("implicit_gemm")
    problem = parse(pytorch_cost.PROBES[f"pointwise {layout_name}"].shorthand)
    plan = kernel.plan(problem, contiguous(problem, layout_name))
    input, weight = pytorch_cost.ones(problem, layout_name)
    with torch.no_grad():
        measured = median(
            fastest(lambda: plan(input, weight, None), 1)
            / fastest(lambda: torch.conv2d(input, weight), 1)
            for _ in range(ROUNDS)
        )
    predicted = kernel.seconds(problem, layout_name, machine)
    predicted /= pytorch_cost.seconds(problem, layout_name, machine)
    return measured / predicted

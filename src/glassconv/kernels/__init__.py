"""Compiled kernels: one module per algorithm, with the same name as its readable implementation.

Each module named after an algorithm defines four functions:

    supports(problem, layout) -> Verdict        whether it is supported in this layout, and why
    work(problem, layout, target, threads) -> Work          what it does, counted
    blocking(problem, layout, target, threads) -> Blocking      how the problem is divided
    plan(problem, layout, target, threads, epilogue) -> Plan    the parameters and machine code

Problems in bfloat16 and float16 are given to them in float32 (runtime/half_precision.py).

One whose tasks pack the weight in each call may also define `frozen_plan`, with the parameters of
`plan`, for a weight that does not change and is packed ahead.

A kernel of transposed problems says TRANSPOSED = True and gets the `TransposedProblem`. The others
get a transposed problem as the convolution that it equals.

The folders contain the parts of kernels. Start with microkernel/register_tile.py,
microkernel/matrix_product.py and microkernel/lowering.py. pointwise_depthwise/ is a kernel of two
convolutions, for plans, and weight_gradients/ has those of gradients.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from glassconv.algorithms import ALGORITHMS
from glassconv.codegen.openmp import threads
from glassconv.codegen.target import host
from glassconv.errors import MalformedAlgorithmError, UnsupportedError
from glassconv.kernels.runtime.blocking import Blocking
from glassconv.kernels.runtime.cost_model import Work, copy_of
from glassconv.kernels.runtime.cost_model import packing_seconds as packing_seconds_of
from glassconv.kernels.runtime.cost_model import seconds as seconds_of
from glassconv.kernels.runtime.cropped_filter import crop, cropped_plan
from glassconv.kernels.runtime.half_precision import conversion_seconds, half_precision_plan
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.memory_layout import Layout, contiguous
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.machine import Machine
from glassconv.reports.verdict import Verdict

UNSUPPORTED_PROCESSOR = "compiled kernels require AVX2, AVX-512 or NEON"
REQUIRED_FUNCTIONS = {
    "supports": ["problem", "layout"],
    "work": ["problem", "layout", "target", "threads"],
    "blocking": ["problem", "layout", "target", "threads"],
    "plan": ["problem", "layout", "target", "threads", "epilogue"],
}


@dataclass(frozen=True)
class Kernel:
    """A compiled implementation of an algorithm: the four functions of its module."""

    name: str
    file: Path
    transposed: bool  # whether it takes transposed problems themselves
    supports: Callable[[Any, str], Verdict]
    work: Callable[..., Work]
    blocking: Callable[..., Blocking]
    plan_for: Callable[..., Plan]
    frozen_plan_for: Callable[..., Plan]  # of a weight that does not change

    def plan(
        self,
        problem: Problem,
        layout: Layout,
        epilogue: Epilogue = NOTHING,
        *,
        is_frozen: bool = False,
    ) -> Plan:
        """Plan a supported problem for the host processor and PyTorch's number of threads.

        is_frozen: whether the weight is packed once, and never changes.
        """
        target = host()
        if target is None:
            raise UnsupportedError(UNSUPPORTED_PROCESSOR, request=str(problem))
        is_widened = problem.dtype in HALF_PRECISION
        computed = problem.widened()
        if is_widened:
            layout = contiguous(computed, layout.name)
        cropped = self._cropped(computed, layout.name)
        plan_for = self.frozen_plan_for if is_frozen else self.plan_for
        plan = plan_for(cropped, layout, target, threads(), epilogue)
        if cropped is not computed:
            plan = cropped_plan(equal_convolution(computed), plan)
        return half_precision_plan(problem, plan) if is_widened else plan

    def _cropped(self, problem: Problem, layout: str) -> Problem:
        """Return the problem with its filter cropped, if the kernel supports that."""
        if isinstance(problem, TransposedProblem):
            return problem
        if ALGORITHMS[self.name].published_order:  # in it, products with padding keep their number
            return problem
        cropped = crop(problem)
        return cropped if self.supports(cropped, layout) else problem

    def seconds(self, problem: Problem, layout: str, machine: Machine) -> float:
        """Return the predicted time in seconds, for an input in the layout of this name.

        Of a transposed problem, inserting the zeros is not counted.
        """
        if problem.macs == 0:
            return machine.dispatch + machine.call
        seconds = seconds_of(self._work(problem, layout, machine), machine, layout)
        if problem.dtype in HALF_PRECISION:
            seconds += conversion_seconds(problem, machine)
        return seconds

    def packing_seconds(self, problem: Problem, layout: str, machine: Machine) -> float:
        """Return the predicted time to pack the weight, which a call takes after a change of it."""
        if problem.macs == 0:
            return 0.0
        return packing_seconds_of(self._work(problem, layout, machine), machine, layout)

    def _work(self, problem: Problem, layout: str, machine: Machine) -> Work:
        target = host()
        if target is None:
            raise UnsupportedError(UNSUPPORTED_PROCESSOR, request=str(problem))
        widened = problem.widened() if self.transposed else equal_convolution(problem.widened())
        cropped = self._cropped(widened, layout)
        work = self.work(cropped, contiguous(cropped, layout), target, machine.threads)
        if cropped == problem:
            return work
        # The kernel gets a copy of the weight: some of its taps, flipped, or in float32.
        packing = work.packing or (copy_of(widened.weight_bytes),)
        return replace(work, checked_bytes=problem.weight_bytes, packing=packing)


def kernel_named(name: str) -> Kernel:
    """Return the kernel of this name, of convolutions or of transposed ones."""
    return TRANSPOSED_KERNELS[name] if name in TRANSPOSED_KERNELS else KERNELS[name]


def kernel_verdict(name: str, problem: Problem, layout: str) -> Verdict | None:
    """Return whether the kernel of an algorithm supports the problem, or None without a kernel."""
    if name not in KERNELS and name not in TRANSPOSED_KERNELS:
        return None
    if host() is None:
        return Verdict(False, UNSUPPORTED_PROCESSOR)
    kernel, widened = kernel_named(name), problem.widened()
    if kernel.transposed:
        return kernel.supports(widened, layout)
    verdict = kernel.supports(equal_convolution(widened), layout)
    if verdict and isinstance(problem, TransposedProblem) and problem.is_cut:
        return Verdict(False, "the kernel does not support padding that is wider than the kernel")
    return verdict


def load_kernel(module: ModuleType) -> Kernel:
    """Return the kernel of a module. Raises `MalformedAlgorithmError` if it is incomplete."""
    file = Path(inspect.getfile(module))
    for name, parameters in REQUIRED_FUNCTIONS.items():
        function = getattr(module, name, None)
        if not callable(function):
            raise MalformedAlgorithmError(f"kernels/{file.name}: no function {name}")
        actual = list(inspect.signature(function).parameters)
        if actual != parameters:
            raise MalformedAlgorithmError(
                f"kernels/{file.name}: {name} must have the parameters {parameters}, got {actual}"
            )
    name = module.__name__.rpartition(".")[2]
    transposed = getattr(module, "TRANSPOSED", False)
    supports, work, blocking, plan = (getattr(module, each) for each in REQUIRED_FUNCTIONS)
    frozen_plan = getattr(module, "frozen_plan", plan)
    return Kernel(name, file, transposed, supports, work, blocking, plan, frozen_plan)


_FOUND = [
    load_kernel(importlib.import_module(f"{__name__}.{info.name}"))
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name)
    if info.name in ALGORITHMS
]
KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {kernel.name: kernel for kernel in _FOUND if not kernel.transposed}
)
TRANSPOSED_KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {kernel.name: kernel for kernel in _FOUND if kernel.transposed}
)

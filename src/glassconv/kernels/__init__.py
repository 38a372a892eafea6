"""The kernels: algorithms in machine code, one file each, named as the readable algorithm it is.

A file here whose name is an algorithm's is a kernel, and has these four functions:

    supports(problem, layout) -> Verdict        whether it can in this memory layout, and why not
    seconds(problem, layout) -> float           its predicted time
    blocking(problem, layout, target, threads) -> Blocking      how the problem is cut
    plan(problem, layout, target, threads, epilogue) -> Plan    its parameters and machine code

Below are the parts of kernels. Read microkernel/register_tile.py first, then
microkernel/matrix_product.py and microkernel/lowering.py.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType

from glassconv.algorithms import ALGORITHMS
from glassconv.codegen.parallel import threads
from glassconv.codegen.target import host
from glassconv.errors import MalformedAlgorithmError, UnsupportedError
from glassconv.kernels.runtime.blocking import Blocking
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.activations import NOTHING, Epilogue
from glassconv.problem.memory_layout import Layout
from glassconv.reports.verdict import Verdict

NO_TARGET = "no kernel is generated for this processor: it needs AVX2, AVX-512 or NEON"
FUNCTIONS = {
    "supports": ["problem", "layout"],
    "seconds": ["problem", "layout"],
    "blocking": ["problem", "layout", "target", "threads"],
    "plan": ["problem", "layout", "target", "threads", "epilogue"],
}


@dataclass(frozen=True)
class Kernel:
    """One algorithm in machine code: the four functions of its file."""

    name: str
    file: Path
    supports: Callable[[ConvProblem, str], Verdict]
    seconds: Callable[[ConvProblem, str], float]
    blocking: Callable[..., Blocking]
    plan_for: Callable[..., Plan]

    def plan(self, problem: ConvProblem, layout: Layout, epilogue: Epilogue = NOTHING) -> Plan:
        """Plan a problem that the kernel supports, for this machine and PyTorch's threads."""
        target = host()
        if target is None:
            raise UnsupportedError(NO_TARGET, request=str(problem))
        return self.plan_for(problem, layout, target, threads(), epilogue)


def kernel_verdict(name: str, problem: ConvProblem, layout: str) -> Verdict | None:
    """Return whether an algorithm's kernel can, and why not; None where it has none."""
    if name not in KERNELS:
        return None
    if host() is None:
        return Verdict(False, NO_TARGET)
    return KERNELS[name].supports(problem, layout)


def kernel_for(name: str, problem: ConvProblem, layout: str) -> Kernel | None:
    """Return the kernel of an algorithm, None where there is none for the problem or machine."""
    return KERNELS[name] if kernel_verdict(name, problem, layout) else None


def kernel_of(module: ModuleType) -> Kernel:
    """Return the kernel that a module holds, or raise `MalformedAlgorithmError`."""
    file = Path(inspect.getfile(module))
    for name, parameters in FUNCTIONS.items():
        function = getattr(module, name, None)
        if not callable(function):
            raise MalformedAlgorithmError(f"kernels/{file.name}: no function {name}")
        actual = list(inspect.signature(function).parameters)
        if actual != parameters:
            raise MalformedAlgorithmError(
                f"kernels/{file.name}: {name} takes {parameters}, but this one takes {actual}"
            )
    name = module.__name__.rpartition(".")[2]
    return Kernel(name, file, *(getattr(module, function) for function in FUNCTIONS))


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        info.name: kernel_of(importlib.import_module(f"{__name__}.{info.name}"))
        for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name)
        if info.name in ALGORITHMS
    }
)

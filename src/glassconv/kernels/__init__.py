"""The kernels: algorithms in machine code, one file each, named as the readable algorithm it is.

A file here whose name is an algorithm's is a kernel, and has these two functions:

    supports(problem) -> Verdict            whether it can, and why not
    plan(problem, layout, target) -> Plan   blocks, packed weights and machine code for it

The other files are what kernels are made of: read tile.py first, then product.py and lower.py.
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
from glassconv.codegen.target import Target
from glassconv.errors import MalformedAlgorithmError
from glassconv.kernels.plan import Layout, Plan
from glassconv.problem import ConvProblem
from glassconv.report import Verdict

FUNCTIONS = {"supports": ["problem"], "plan": ["problem", "layout", "target"]}


@dataclass(frozen=True)
class Kernel:
    """One algorithm in machine code: the two functions of its file."""

    name: str
    file: Path
    supports: Callable[[ConvProblem], Verdict]
    plan: Callable[[ConvProblem, Layout, Target], Plan]


def kernel_of(module: ModuleType) -> Kernel:
    """Return the kernel that a module holds, or raise `MalformedAlgorithmError`."""
    file = Path(inspect.getfile(module))
    for name, arguments in FUNCTIONS.items():
        function = getattr(module, name, None)
        if not callable(function):
            raise MalformedAlgorithmError(f"kernels/{file.name}: no function {name}")
        found = list(inspect.signature(function).parameters)
        if found != arguments:
            raise MalformedAlgorithmError(
                f"kernels/{file.name}: {name} takes {arguments}, but this one takes {found}"
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

"""The algorithms: one idea, one file, found by listing this folder.

A file here is an algorithm when it has these four functions, with these arguments:

    supports(problem) -> Verdict       whether it can, and why not
    cost(problem) -> Cost              what it spends
    error_bound(problem) -> ErrorBound how wrong it may be
    steps(problem, input, weight, bias) -> Iterator[Step]

A file that calls compiled code has one or two more, and is a candidate of algorithm="auto":

    seconds(problem, layout, machine) -> float   how long it takes, predicted; ∞: auto skips it
    compile_for(problem) -> Call                 a function of the arrays that keeps no step

machine: this machine's rates, or None where they need not be known.

So is an algorithm that has a kernel for the problem. `auto` considers only compiled algorithms; the
educational ones run when they are named.

Problems in bfloat16 and float16 reach a file in float32 (`parts/half_precision.py`). A file that
computes them itself says HALF_PRECISION = True.

A file's functions get a `ConvProblem`: a transposed convolution reaches them as the convolution it
equals (`parts/transposed.py`). A file that computes both says TRANSPOSED = True.

A file whose sums are in the order of docs/reproducible.md says PUBLISHED_ORDER = True. It is what
accuracy="strict" runs.

Another package's algorithms are found through its entry points of the group `glassconv.algorithms`:
each names an algorithm and the module that has these functions.

`steps` yields each array it makes, and the last is the output. Running an algorithm is running its
steps to the end: the explanation is the program.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from torch import Tensor

from glassconv.algorithms.parts.half_precision import (
    bound_in_float32,
    cost_in_float32,
    in_float32,
    steps_in_float32,
)
from glassconv.algorithms.parts.transposed import (
    cost_of_convolution,
    of_convolution,
    steps_of_convolution,
)
from glassconv.errors import MalformedAlgorithmError, unknown_name
from glassconv.problem.problem import Problem
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.machine import Machine
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict

FUNCTIONS = {
    "supports": ["problem"],
    "cost": ["problem"],
    "error_bound": ["problem"],
    "steps": ["problem", "input", "weight", "bias"],
}


Call = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Algorithm:
    """One way to compute a convolution: the four functions of its file."""

    name: str
    idea: str  # the first line of the file's docstring
    file: Path
    seconds: Callable[[Problem, str, Machine | None], float] | None  # None of steps
    compile_for: Callable[[Problem], Call] | None
    supports: Callable[[Problem], Verdict]
    cost: Callable[[Problem], Cost]
    error_bound: Callable[[Problem], ErrorBound]
    steps: Callable[[Problem, Tensor, Tensor, Tensor | None], Iterator[Step]]
    distribution: str = "glassconv"  # the installed package that holds the file
    published_order: bool = False  # whether outputs have the same bits everywhere

    def run(self, problem: Problem, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the output: the array of the last step."""
        last = None
        for step in self.steps(problem, input, weight, bias):
            last = step
        if last is None:
            raise MalformedAlgorithmError(f"{self.file.name}: steps() yielded nothing")
        output: Tensor = last.array
        return output


def algorithm_of(
    module: ModuleType, name: str | None = None, distribution: str = "glassconv"
) -> Algorithm:
    """Return the algorithm that a module holds, or raise `MalformedAlgorithmError`.

    name: the algorithm's; None for the module's own name.
    """
    file = Path(inspect.getfile(module))
    for needed, arguments in FUNCTIONS.items():
        function = getattr(module, needed, None)
        if not callable(function):
            raise MalformedAlgorithmError(f"{file.name}: no function {needed}")
        found = list(inspect.signature(function).parameters)
        if found != arguments:
            raise MalformedAlgorithmError(
                f"{file.name}: {needed} takes {arguments}, but this one takes {found}"
            )
    idea = (module.__doc__ or _written_docstring(file)).strip()
    if not idea:
        raise MalformedAlgorithmError(f"{file.name}: no docstring to introduce the idea")
    return Algorithm(
        name=name or module.__name__.rpartition(".")[2],
        idea=idea.splitlines()[0],
        file=file,
        distribution=distribution,
        seconds=getattr(module, "seconds", None),
        compile_for=getattr(module, "compile_for", None),
        published_order=getattr(module, "PUBLISHED_ORDER", False),
        **_functions(module),
    )


def _written_docstring(file: Path) -> str:
    """Return the docstring in a module's file: `python -OO` leaves it out of the module."""
    try:
        return ast.get_docstring(ast.parse(file.read_bytes())) or ""
    except (OSError, SyntaxError):  # a compiled file without its source
        return ""


def _functions(module: ModuleType) -> dict[str, Any]:
    """Return a module's four functions, of any problem."""
    functions = {name: getattr(module, name) for name in FUNCTIONS}
    if not getattr(module, "TRANSPOSED", False):
        functions = {
            "supports": of_convolution(functions["supports"]),
            "cost": cost_of_convolution(functions["cost"]),
            "error_bound": of_convolution(functions["error_bound"]),
            "steps": steps_of_convolution(functions["steps"]),
        }
    if not getattr(module, "HALF_PRECISION", False):
        functions = {
            "supports": in_float32(functions["supports"]),
            "cost": cost_in_float32(functions["cost"]),
            "error_bound": bound_in_float32(functions["error_bound"]),
            "steps": steps_in_float32(functions["steps"]),
        }
    return functions


def installed(entry_point: EntryPoint) -> Algorithm:
    """Return the algorithm that an entry point of an installed distribution names.

    Raises `MalformedAlgorithmError` with the distribution's name where there is none.
    """
    distribution = entry_point.dist.name if entry_point.dist else "an unknown distribution"
    place = f"{distribution}: entry point {entry_point.name} = {entry_point.value}"
    try:
        module = entry_point.load()
        if not isinstance(module, ModuleType):
            raise MalformedAlgorithmError(f"names a {type(module).__name__}, not a module")
        return algorithm_of(module, entry_point.name, distribution)
    except (ImportError, AttributeError, MalformedAlgorithmError) as error:
        raise MalformedAlgorithmError(f"{place}: {error}") from error


def register(algorithms: Iterable[Algorithm]) -> Mapping[str, Algorithm]:
    """Return algorithms by name, sorted, or raise `MalformedAlgorithmError` on a clash."""
    found: dict[str, Algorithm] = {}
    for algorithm in sorted(algorithms, key=lambda algorithm: algorithm.name):
        if algorithm.name in found:
            raise MalformedAlgorithmError(
                f"two files are named {algorithm.name}: "
                + " and ".join(
                    f"{each.file} of {each.distribution}"
                    for each in (found[algorithm.name], algorithm)
                )
            )
        found[algorithm.name] = algorithm
    return MappingProxyType(found)


def named(name: str) -> Algorithm:
    """Return the algorithm of this name, or raise `UnknownNameError` with a suggestion.

    >>> named("im2col").idea
    'im2col: copy every window into a column, and the convolution is one matrix product.'
    """
    if name not in ALGORITHMS:
        raise unknown_name("algorithm", name, ["auto", *ALGORITHMS])
    return ALGORITHMS[name]


ALGORITHMS: Mapping[str, Algorithm] = register(
    [
        *(
            algorithm_of(importlib.import_module(f"{__name__}.{info.name}"))
            for info in pkgutil.iter_modules(__path__)
            if not info.ispkg
        ),
        *map(installed, entry_points(group=__name__)),
    ]
)

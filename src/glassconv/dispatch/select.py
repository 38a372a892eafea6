"""Which algorithm runs: the one asked for, or the one predicted fastest, with every reason."""

from __future__ import annotations

import os
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

from glassconv.algorithms import ALGORITHMS, Algorithm, named
from glassconv.dispatch.tuning_store import recorded
from glassconv.errors import UnknownNameError, UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW
from glassconv.reports.choice import Candidate, Choice
from glassconv.reports.cost import Cost
from glassconv.reports.explanation import Prediction
from glassconv.reports.verdict import Verdict

if TYPE_CHECKING:
    from glassconv.kernels import Kernel

AUTO = "auto"

# The rms error an algorithm may have, as a multiple of PyTorch's own; docs/adr/0002 says why.
ACCURACY = {"strict": 1.0, "default": 5.0, "fast": 20.0, "any": inf}

# A nominal core, to rank candidates by; only the order matters.
FLOPS_PER_SECOND = 5e10
BYTES_PER_SECOND = 1e10
SECONDS_PER_OPERATION = 5e-6

SECONDS_PER_KERNEL = 1e-5  # of a call before it computes


def kernel_for(name: str, problem: ConvProblem, layout: str = NCHW) -> Kernel | None:
    """Return the kernel that computes an algorithm, None where the problem has none.

    The generator loads here, at the first question, and not when the package is imported.
    """
    from glassconv import kernels

    return kernels.kernel_for(name, problem, layout)


@lru_cache(maxsize=128)
def choose(
    problem: ConvProblem, algorithm: str = AUTO, accuracy: str = "default", layout: str = NCHW
) -> Choice:
    """Return the algorithm that computes this problem, and how every candidate stands.

    An algorithm asked for by name runs or raises `UnsupportedError` with its reason; "auto" takes
    the fastest predicted of the compiled ones that support the problem in pictures that lie so, fit
    in memory and are accurate enough. An unknown name raises `UnknownNameError`.

    >>> from glassconv import parse
    >>> choose(parse("3x32x32 4@5x5 bfloat16")).algorithm
    'aten'
    """
    candidates = standings(problem, accuracy, layout)
    return Choice(problem, _pick(problem, algorithm, candidates), candidates)


def standings(
    problem: ConvProblem, accuracy: str = "default", layout: str = NCHW
) -> tuple[Candidate, ...]:
    """Return how every algorithm stands, also where none of them can run."""
    if accuracy not in ACCURACY:
        raise UnknownNameError(f"accuracy is one of {', '.join(ACCURACY)}, not {accuracy!r}")
    return tuple(_stand(each, problem, accuracy, layout) for each in ALGORITHMS.values())


def predict(cost: Cost) -> Prediction:
    """Return the nominal time: limited by arithmetic or by memory, and the overhead."""
    arithmetic = (cost.multiplications + cost.additions) / FLOPS_PER_SECOND
    memory = cost.traffic_bytes / BYTES_PER_SECOND
    overhead = cost.operations * SECONDS_PER_OPERATION
    seconds = max(arithmetic, memory) + overhead
    return Prediction(
        seconds,
        arithmetic=arithmetic / seconds if seconds and arithmetic >= memory else 0.0,
        memory=memory / seconds if seconds and memory > arithmetic else 0.0,
        overhead=overhead / seconds if seconds else 0.0,
    )


def _pick(problem: ConvProblem, algorithm: str, candidates: tuple[Candidate, ...]) -> str:
    if algorithm != AUTO:
        (asked,) = (each for each in candidates if each.name == named(algorithm).name)
        if not asked.verdict:
            raise UnsupportedError(f"{asked.name}: {asked.verdict.reason}", request=str(problem))
        return asked.name
    compiled = [each for each in candidates if each.compiled_seconds is not None]
    able = [each for each in compiled if each.verdict]
    if not able:
        reasons = "; ".join(f"{each.name}: {each.verdict.reason}" for each in compiled)
        raise UnsupportedError(reasons, request=str(problem))
    return min(able, key=lambda each: each.compiled_seconds or 0.0).name


def _stand(algorithm: Algorithm, problem: ConvProblem, accuracy: str, layout: str) -> Candidate:
    supported = algorithm.supports(problem)
    if not supported:
        return Candidate(algorithm.name, supported, seconds=inf)
    cost, bound = algorithm.cost(problem), algorithm.error_bound(problem)
    arrays = problem.input_bytes + problem.weight_bytes + problem.output_bytes
    needed, memory = arrays + cost.workspace_bytes, physical_memory()
    if memory is not None and needed > memory:
        said = f"its arrays take {needed / 2**30:,.0f} GiB, this machine has {memory / 2**30:,.0f}"
        supported = Verdict(False, said)
    elif accuracy == "strict" and not bound.local:
        supported = Verdict(False, "accuracy 'strict' lets no NaN or infinity spread over a tile")
    elif bound.growth > ACCURACY[accuracy]:
        said = (
            f"accuracy {accuracy!r} allows {ACCURACY[accuracy]:g} × PyTorch's error, "
            f"this has {bound.growth:g} ×"
        )
        supported = Verdict(False, said)
    from glassconv import kernels

    seconds = _compiled_seconds(algorithm, problem, layout)
    kernel = kernels.stands(algorithm.name, problem, layout)
    return Candidate(algorithm.name, supported, predict(cost).seconds, kernel, seconds)


def _compiled_seconds(algorithm: Algorithm, problem: ConvProblem, layout: str) -> float | None:
    if algorithm.seconds is not None:
        return algorithm.seconds(problem, layout)
    kernel = kernel_for(algorithm.name, problem, layout)
    if kernel is None:
        return None
    ratio = recorded(problem, layout).get(algorithm.name)
    pytorch = _compiled_seconds(named("aten"), problem, layout)
    if ratio and pytorch:
        return pytorch / ratio
    return SECONDS_PER_KERNEL + kernel.seconds(problem, layout)


def physical_memory() -> int | None:
    """Return this machine's memory in bytes, None where the system does not say, as on Windows.

    Then no algorithm is refused for its arrays' size.
    """
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no sysconf, no such name, no answer
        return None

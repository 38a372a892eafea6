"""Choose an algorithm: the one that is named, or the one that is predicted to be the fastest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

import torch

from glassconv.algorithms import ALGORITHMS, Algorithm, named
from glassconv.algorithms.parts import pytorch_cost
from glassconv.dispatch import machine_store
from glassconv.dispatch.devices import CPU, is_cpu
from glassconv.dispatch.memory import memory_limit
from glassconv.dispatch.tuning_store import recorded
from glassconv.errors import UnsupportedError, unknown_name
from glassconv.problem import ConvProblem
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NCHW
from glassconv.problem.problem import Problem, as_problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.choice import Candidate, Choice
from glassconv.reports.cost import Cost
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.explanation import Prediction
from glassconv.reports.machine import Machine
from glassconv.reports.verdict import Verdict

if TYPE_CHECKING:
    from glassconv.kernels import Kernel

AUTO = "auto"

STRICT = "strict"  # the accuracy in which every output has the same bits everywhere

# The largest rms error of an algorithm, as a multiple of PyTorch's; see docs/adr/0002.
ACCURACY = {STRICT: 1.0, "default": 5.0, "fast": 20.0, "any": inf}

# The largest K of |error| ≤ K · n · u · (max|w| · Σ|x| + |bias|); see docs/adr/0014.
WINDOW_FACTOR = {STRICT: 1.0, "default": 20.0, "fast": inf, "any": inf}

# The rates of a nominal core, by which candidates are ranked; only the order matters.
FLOPS_PER_SECOND = 5e10
BYTES_PER_SECOND = 1e10
SECONDS_PER_OPERATION = 5e-6

MAX_ZEROS_BYTES = 2**25  # larger arrays get new pages at each call, which takes longer than zeros


def check_names(algorithm: str, accuracy: str, activation: str | None) -> None:
    """Raise `UnknownNameError` for a name that is not known."""
    if algorithm != AUTO:
        named(algorithm)
    if accuracy not in ACCURACY:
        raise unknown_name("accuracy", accuracy, ACCURACY)
    Epilogue(activation)


def kernel_named(name: str) -> Kernel:
    """Return the kernel of this name.

    The code generator is imported at the first call, not with the package.
    """
    from glassconv import kernels

    return kernels.kernel_named(name)


def kernel_for(name: str, problem: Problem, layout: str = NCHW) -> Kernel | None:
    """Return the kernel of an algorithm for a problem, or None if it has none."""
    return kernel_named(name) if _kernel_verdict(name, problem, layout) else None


def choose(
    problem: str | Problem,
    algorithm: str = AUTO,
    accuracy: str = "default",
    layout: str = NCHW,
    device: str = CPU,
) -> Choice:
    """Return the algorithm that computes this problem, and the verdict on every candidate.

    A named algorithm is chosen, or `UnsupportedError` is raised with the reason. "auto" takes
    the fastest predicted of the compiled algorithms that support the problem in this memory layout
    and on this device, fit in memory and are accurate enough. An unknown name raises
    `UnknownNameError`.

    problem: an object, or shorthand. device: PyTorch's name of where the arrays are; kernels run on
    the CPU only.

    >>> choose("3x8x8x8 4@3x3x3 bfloat16").algorithm
    'aten'
    >>> choose("64x56x56 64@3x3 p1", device="cuda").algorithm
    'aten'
    """
    problem = as_problem(problem)
    return _choose(problem, algorithm, accuracy, layout, str(device), torch.get_num_threads())


@lru_cache(maxsize=1024)
def _choose(
    problem: Problem, algorithm: str, accuracy: str, layout: str, device: str, threads: int
) -> Choice:
    """Choose for this number of threads; predictions and measurements depend on it."""
    verdicts = candidates(problem, accuracy, layout, device)
    taken = _pick(problem, algorithm, verdicts)
    return Choice(problem, taken.name, taken.name if taken.kernel else None, verdicts)


def chosen(
    problem: Problem,
    algorithm: str = AUTO,
    accuracy: str = "default",
    layout: str = NCHW,
    device: str = CPU,
) -> Candidate:
    """Return what `choose` chooses, without the verdicts on algorithms that it cannot choose.

    A call with a new shape waits for this.
    """
    return _chosen(problem, algorithm, accuracy, layout, str(device), torch.get_num_threads())


@lru_cache(maxsize=1024)
def _chosen(
    problem: Problem, algorithm: str, accuracy: str, layout: str, device: str, threads: int
) -> Candidate:
    if algorithm == AUTO:
        names = [name for name in ALGORITHMS if _is_considered(name, problem, accuracy)]
    else:
        names = [named(algorithm).name]
    return _pick(problem, algorithm, candidates(problem, accuracy, layout, device, names))


def plain_sums(problem: Problem, layout: str = NCHW) -> str:
    """Return the name of the fastest algorithm of `auto` that sums plain products."""
    names = [name for name in ALGORITHMS if _is_considered(name, problem, "default")]
    found = candidates(problem, "default", layout, names=names)
    plain = [each for each in found if each.bound and each.bound.plain]
    return _pick(problem, AUTO, tuple(plain)).name


def fastest_kernel(
    problem: Problem, accuracy: str, layout: str, *, is_plain: bool = False
) -> Candidate:
    """Return the compiled kernel that is predicted to be the fastest, whatever PyTorch's takes.

    It computes the problem itself, without zeros inserted into the input of a transposed one.
    is_plain: whether it must sum plain products, which are exact for whole numbers.

    Raises `UnsupportedError` with every kernel's reason where none may run.
    """
    from glassconv import kernels

    is_strided = isinstance(problem, TransposedProblem) and max(problem.stride) > 1
    names = [
        name
        for name, algorithm in ALGORITHMS.items()
        if (algorithm.seconds is None or algorithm.published_order)
        and _is_considered(name, problem, accuracy)
        and not (is_strided and name not in kernels.TRANSPOSED_KERNELS)
    ]
    if not names:
        cause = f"no kernel for accuracy={accuracy!r} computes it without inserting zeros"
        raise UnsupportedError(cause, request=str(problem))
    found = candidates(problem, accuracy, layout, names=names)
    able = (each for each in found if each.kernel)
    if is_plain:
        able = (each for each in able if each.bound and each.bound.plain)
    picked = _pick(problem, AUTO, tuple(able))
    if named(picked.name).published_order:  # `seconds` only keeps it from other accuracies
        seconds = _kernel_seconds(picked.name, problem, layout, machine_store.machine())
        return replace(picked, compiled_seconds=seconds)
    return picked


def forget() -> None:
    """Clear the caches of `choose` and `chosen`."""
    _choose.cache_clear()
    _chosen.cache_clear()


def candidates(
    problem: Problem,
    accuracy: str = "default",
    layout: str = NCHW,
    device: str = CPU,
    names: Iterable[str] | None = None,
) -> tuple[Candidate, ...]:
    """Return the verdict on every algorithm for a problem, even if none of them can run.

    names: those of the algorithms, None for all.
    """
    if accuracy not in ACCURACY:
        raise unknown_name("accuracy", accuracy, ACCURACY)
    considered = tuple(ALGORITHMS if names is None else names)
    machine = _machine_for(problem, layout, device, considered)
    pytorch = pytorch_cost.seconds(problem, layout, machine)
    measured = recorded(problem, layout)
    return tuple(
        _candidate(
            ALGORITHMS[name],
            problem,
            accuracy,
            layout,
            device,
            machine,
            pytorch / measured[name] if name in measured else None,
        )
        for name in considered
    )


def _machine_for(
    problem: Problem, layout: str, device: str, names: Iterable[str]
) -> Machine | None:
    """Return this machine's rates where a kernel is among several candidates, else None."""
    if not is_cpu(device):
        return None
    kernels = [name for name in names if _kernel_verdict(name, problem, layout)]
    return machine_store.machine() if kernels and kernels != list(names) else None


def predict(cost: Cost) -> Prediction:
    """Return the predicted time: the larger of arithmetic and memory time, plus overhead."""
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


def _pick(problem: Problem, algorithm: str, verdicts: tuple[Candidate, ...]) -> Candidate:
    if algorithm != AUTO:
        name = named(algorithm).name
        (asked,) = (candidate for candidate in verdicts if candidate.name == name)
        if not asked.verdict:
            raise UnsupportedError(f"{name}: {asked.verdict.reason}", request=str(problem))
        return asked
    compiled = [candidate for candidate in verdicts if candidate.compiled_seconds is not None]
    able = [candidate for candidate in compiled if candidate.verdict]
    if not able:
        reasons = "; ".join(f"{each.name}: {each.verdict.reason}" for each in compiled)
        raise UnsupportedError(reasons, request=str(problem))
    return min(able, key=lambda candidate: candidate.compiled_seconds or 0.0)


def _candidate(
    algorithm: Algorithm,
    problem: Problem,
    accuracy: str,
    layout: str,
    device: str,
    machine: Machine | None,
    measured_seconds: float | None,
) -> Candidate:
    """Return the verdict, cost, bound and predicted time of one algorithm; each is asked once."""
    supported = algorithm.supports(problem)
    if not supported:
        return Candidate(algorithm.name, supported, supported, None, None, seconds=inf)
    cost, bound = algorithm.cost(problem), algorithm.error_bound(problem)
    kernel = _kernel_verdict(algorithm.name, problem, layout)
    if kernel is not None and not is_cpu(device):
        kernel = Verdict(False, f"compiled kernels run on the CPU, and the arrays are on {device}")
    compiled_seconds = None
    considered = _is_considered(algorithm.name, problem, accuracy)
    if considered and algorithm.seconds is not None:
        compiled_seconds = algorithm.seconds(problem, layout, machine)
        if measured_seconds is not None and compiled_seconds < inf:
            compiled_seconds = measured_seconds
    elif considered and kernel:
        compiled_seconds = measured_seconds
        if compiled_seconds is None:
            compiled_seconds = _kernel_seconds(algorithm.name, problem, layout, machine)
    return Candidate(
        algorithm.name,
        supported,
        _may_run(problem, algorithm, supported, cost, bound, accuracy, device),
        cost,
        bound,
        predict(cost).seconds,
        kernel,
        compiled_seconds,
    )


def _may_run(
    problem: Problem,
    algorithm: Algorithm,
    supported: Verdict,
    cost: Cost,
    bound: ErrorBound,
    accuracy: str,
    device: str,
) -> Verdict:
    """Return `supported`, or why the algorithm may not run: memory or accuracy."""
    arrays = problem.input_bytes + problem.weight_bytes + problem.output_bytes
    needed, memory = arrays + cost.workspace_bytes, memory_limit() if is_cpu(device) else None
    if memory is not None and needed > memory.bytes:
        needed_gib, memory_gib = needed / 2**30, memory.bytes / 2**30
        return Verdict(
            False, f"needs {needed_gib:,.0f} GiB of memory, {memory.owner} has {memory_gib:,.0f}"
        )
    refusal = _too_inaccurate(bound, accuracy)
    if refusal:
        enough = next(each for each in ACCURACY if not _too_inaccurate(bound, each))
        return Verdict(False, f"{refusal}; accuracy={enough!r} runs it")
    if accuracy == STRICT and not algorithm.published_order:
        reason = "accuracy 'strict' sums in the published order; accuracy='default' runs it"
        return Verdict(False, reason)
    if not is_cpu(device):
        return Verdict(True, f"PyTorch runs it on {device}; compiled kernels run on the CPU")
    return supported


def _too_inaccurate(bound: ErrorBound, accuracy: str) -> str:
    """Return why an algorithm is not accurate enough, empty if it is."""
    allowed = WINDOW_FACTOR[accuracy]
    if not bound.local and allowed < inf:
        return f"accuracy {accuracy!r} needs a bound by each output's own window"
    if bound.window_factor > allowed:
        return (
            f"accuracy {accuracy!r} allows up to {allowed:g}·n·u, "
            f"this has {bound.window_factor:g}·n·u"
        )
    if bound.rms_factor > ACCURACY[accuracy]:
        return (
            f"accuracy {accuracy!r} allows {ACCURACY[accuracy]:g} × PyTorch's rms error, "
            f"this has {bound.rms_factor:g} ×"
        )
    return ""


def _kernel_verdict(name: str, problem: Problem, layout: str) -> Verdict | None:
    """Return whether an algorithm's kernel supports a problem, or None if it has no kernel."""
    from glassconv import kernels

    return kernels.kernel_verdict(name, problem, layout)


def _is_considered(name: str, problem: Problem, accuracy: str) -> bool:
    """Return whether auto considers an algorithm: if it is compiled and multiplies no zeros.

    The kernel of a convolution multiplies the zeros that a transposed convolution's stride inserts.
    That of a depthwise convolution has little to multiply, and takes small inputs with zeros.
    "strict" considers what sums in the published order, and nothing else does.
    """
    from glassconv import kernels

    if accuracy == STRICT or ALGORITHMS[name].published_order:
        return accuracy == STRICT and ALGORITHMS[name].published_order
    if ALGORITHMS[name].seconds is not None or name in kernels.TRANSPOSED_KERNELS:
        return True
    if not isinstance(problem, TransposedProblem) or max(problem.stride) == 1:
        return name in kernels.KERNELS
    return name == "depthwise" and problem.convolution.input_bytes <= MAX_ZEROS_BYTES


def _kernel_seconds(name: str, problem: Problem, layout: str, machine: Machine | None) -> float:
    if machine is None:  # no other candidate is there to compare with
        return 0.0
    kernel = kernel_named(name)
    seconds = kernel.seconds(problem, layout, machine)
    if isinstance(problem, ConvProblem) or kernel.transposed or max(problem.stride) == 1:
        return seconds
    written = 2 * problem.convolution.input_bytes  # zeros are inserted
    return seconds + written / machine.bandwidth(written, 1)

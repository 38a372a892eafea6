"""A kernel inspected: its loops, its registers and its speed against the roofline, on one problem.

Everything but the speeds is read from what was built: the loops from the plan, the registers from
the assembly. The speeds come from one run: the roofline is measured, the output verified, then the
kernel and PyTorch are timed in turn.
"""

from __future__ import annotations

from math import inf

from glassconv.algorithms import named
from glassconv.benchmarks.bench import LAYOUTS, REPEATS, bench, plan_for
from glassconv.benchmarks.suites import Layer
from glassconv.codegen.analysis import roofline
from glassconv.codegen.analysis.assembly import hot_loop, spilling
from glassconv.codegen.jit import assembly
from glassconv.codegen.openmp import threads
from glassconv.codegen.target import Target
from glassconv.dispatch.select import AUTO, choose
from glassconv.errors import UnsupportedError, unknown_name
from glassconv.kernels import KERNELS, kernel_named, kernel_verdict
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.dtypes import arithmetic
from glassconv.problem.problem import Problem
from glassconv.reports.kernel import CacheFit, KernelReport


def inspect(
    problem: Problem, algorithm: str = AUTO, layout: str = "nchw", *, repeats: int = REPEATS
) -> KernelReport:
    """Return what an algorithm's kernel is and does for a problem; "auto": the one that auto takes.

    Raises `UnsupportedError` where the algorithm has no kernel, or none for this problem.
    """
    name = kernel_name(problem, algorithm, layout)
    plan = plan_of(problem, name, layout)
    supported = kernel_verdict(name, problem, layout)
    target = plan.main_kernel.target
    written = assembly(plan.main_kernel.text, target)
    measured = roofline.measure(arithmetic(problem.dtype))
    (benchmark,) = bench(
        [Layer(problem, 1)], name, layout=layout, repeats=repeats, roofline=measured
    )
    return KernelReport(
        problem,
        name,
        layout,
        idea=supported.reason if supported else "",
        loops=plan.loops,
        blocking=plan.blocking.items(),
        tasks=plan.tasks,
        threads=min(threads(), plan.max_threads),
        target=target.name,
        caches=(("L1", target.l1), ("L2", target.l2)),
        lanes=target.lanes(arithmetic(problem.dtype)),
        target_registers=target.registers,
        hot=hot_loop(written, plan.hot_function),
        spills=tuple(spilling(written).items()),
        multiplications=named(name).cost(problem).multiplications,
        arrays=_arrays(plan, target),
        predicted=problem.flops / _predicted_seconds(problem, name, layout),
        roofline=measured,
        benchmark=benchmark,
    )


def llvm(problem: Problem, algorithm: str = AUTO, layout: str = "nchw") -> str:
    """Return the kernel as LLVM reads it."""
    return plan_of(problem, kernel_name(problem, algorithm, layout), layout).main_kernel.text


def machine_code(problem: Problem, algorithm: str = AUTO, layout: str = "nchw") -> str:
    """Return the kernel's assembly, with LLVM's comments."""
    kernel = plan_of(problem, kernel_name(problem, algorithm, layout), layout).main_kernel
    return assembly(kernel.text, kernel.target)


def kernel_name(problem: Problem, algorithm: str, layout: str) -> str:
    """Return the name of the kernel for a problem, or raise with the reason there is none."""
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    request = str(problem)
    if problem.macs == 0:
        raise UnsupportedError("there is nothing to compute", request=request)
    accuracy = "default" if algorithm == AUTO else "any"
    choice = choose(problem, algorithm, accuracy, layout)
    if choice.kernel is not None:
        return choice.kernel
    name = choice.algorithm
    verdicts = {candidate.name: candidate.kernel for candidate in choice.candidates}
    verdict = verdicts[name]
    suggestions = tuple(f"--algorithm {kernel}" for kernel in KERNELS if verdicts[kernel])
    if verdict is not None:
        raise UnsupportedError(
            f"{name}: {verdict.reason}", request=request, suggestions=suggestions
        )
    taken = f"auto takes {name}, which" if algorithm == AUTO else name
    raise UnsupportedError(
        f"{taken} has no generated kernel", request=request, suggestions=suggestions
    )


def plan_of(problem: Problem, name: str, layout: str) -> Plan:
    """Return the plan of a kernel that supports the problem, for inputs in a memory layout."""
    return plan_for(problem, kernel_named(name), layout)


def _predicted_seconds(problem: Problem, name: str, layout: str) -> float:
    candidates = choose(problem, name, "any", layout).candidates
    (seconds,) = (each.compiled_seconds for each in candidates if each.name == name)
    return seconds or inf


def _arrays(plan: Plan, target: Target) -> tuple[CacheFit, ...]:
    problem = plan.problem
    sizes = {
        "input": problem.input_bytes,
        "weight": problem.weight_bytes,
        "packed": 0 if plan.pack is None else plan.packed_bytes,
        "output": problem.output_bytes,
        "buffer": plan.workspace_bytes,
    }
    return tuple(CacheFit(name, size, _cache(size, target)) for name, size in sizes.items() if size)


def _cache(size: int, target: Target) -> str:
    return "L1" if size <= target.l1 else "L2" if size <= target.l2 else ""

"""The report of a plan: its passes, its steps with their buffers and times, its memory and errors.

Nothing in it is assumed: steps, the whole and the roofline are timed one after another, and errors
are those of the input that is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from glassconv.codegen.analysis.roofline import measure as measure_roofline
from glassconv.codegen.pages import HUGE_PAGE
from glassconv.errors import NetworkError
from glassconv.networks.accuracy import measured
from glassconv.networks.passes.network import Network
from glassconv.networks.plan.plan import Plan
from glassconv.networks.plan.steps import KernelStep, PlanStep
from glassconv.networks.planning import Planned
from glassconv.networks.report.errors import layer_errors
from glassconv.networks.report.times import seconds_of_plan, seconds_of_steps
from glassconv.nn.shared_copy import tensors_of
from glassconv.problem.problem import Problem
from glassconv.reports.benchmark import Roofline
from glassconv.reports.plan import LayerError, PassFacts, PlanMemory, PlanReport, StepFacts


def report_plan(
    planned: Planned,
    passes: Sequence[tuple[str, Network]],
    model: nn.Module,
    inputs: Sequence[Tensor],
    accuracy: str,
) -> PlanReport:
    """Return what a plan computes and how, on these inputs.

    passes: the network as captured, and after each pass. model: the original.
    """
    plan, captured = planned.plan, passes[0][1]
    whole = measured(plan, model, inputs, accuracy)
    layers, unknown = _layer_errors(plan, captured, model, inputs)
    roofline = measure_roofline()
    seconds, steps = seconds_of_plan(plan, inputs), seconds_of_steps(plan, inputs)
    return PlanReport(
        model=type(model).__name__,
        input_shapes=tuple(each.shape for each in captured.inputs),
        output_shapes=tuple(each.shape for each in captured.outputs),
        accuracy=accuracy,
        layout=planned.layout,
        threads=plan.threads,
        passes=tuple(
            PassFacts(name, len(before.operations), len(after.operations))
            for (_, before), (name, after) in pairwise(passes)
        ),
        steps=tuple(
            _step(plan, each, number, steps[number], roofline, layers.get(number))
            for number, each in enumerate(plan.steps)
        ),
        seconds=seconds,
        roofline=roofline,
        memory=memory_of(plan, model),
        error=whole.error,
        pytorch_error=whole.pytorch_error,
        error_limit=whole.limit,
        unknown_error=whole.reason or unknown,
    )


def memory_of(plan: Plan, model: nn.Module) -> PlanMemory:
    """Return what a call of a plan needs, predicted from its steps and buffers."""
    own = _storages(tensors_of(model))
    held = _storages(each.tensor for each in plan.lowered.roots if each.tensor is not None)
    inputs, outputs = (
        sum(each.bytes for each in plan.lowered.roots if each.memory == kind)
        for kind in ("input", "output")
    )
    return PlanMemory(
        parameters=sum(own.values()),
        packed=sum(size for address, size in held.items() if address not in own),
        arena=plan.arena[1] + HUGE_PAGE,
        inputs=inputs,
        results=outputs + plan.bytes_by_pytorch,
    )


def _storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Return the bytes of each memory that tensors are in, by where it begins."""
    storages = (each.untyped_storage() for each in tensors)
    return {each.data_ptr(): each.nbytes() for each in storages}


def _layer_errors(
    plan: Plan, captured: Network, model: nn.Module, inputs: Sequence[Tensor]
) -> tuple[Mapping[int, LayerError], str]:
    """Return the errors of steps by their numbers, or why there are none."""
    try:
        return layer_errors(plan, captured.operations, model, inputs), ""
    except NetworkError as error:
        return {}, str(error)
    except Exception as error:  # whatever the model's own code raises for numbers in float64
        return {}, f"{type(error).__name__}: {error}"


def _step(
    plan: Plan,
    step: PlanStep,
    number: int,
    seconds: float,
    roofline: Roofline,
    layer: LayerError | None,
) -> StepFacts:
    root = plan.lowered.roots[step.writes[0]]
    start = plan.arena[0].get(root.number)
    offset, size = start, root.bytes
    both: tuple[Problem | None, ...] = ()
    if isinstance(step, KernelStep):
        offset = None if start is None else start + step.output.address.offset
        size, both = step.output.bytes, (step.before, step.problem)
    problems = [each for each in both if each is not None]
    return StepFacts(
        name=step.name,
        kernel=step.kernel if isinstance(step, KernelStep) else str(step.call),
        reason="" if isinstance(step, KernelStep) else step.reason,
        problem=" → ".join(map(str, problems)),
        macs=sum(each.macs for each in problems),
        memory=root.memory,
        offset=offset,
        bytes=size,
        concatenation=root.concatenation,
        predicted_seconds=step.predicted_seconds if isinstance(step, KernelStep) else None,
        seconds=seconds,
        roofline_share=_share(problems, seconds, roofline),
        layer=layer,
    )


def _share(problems: Sequence[Problem], seconds: float, roofline: Roofline) -> float | None:
    """Return the share of the roofline that problems reach together, None where there is none.

    Each reads what the one before computes, which need not leave the caches.
    """
    flops = sum(each.flops for each in problems)
    if not flops:
        return None
    moved = problems[0].input_bytes + problems[-1].output_bytes
    moved += sum(each.weight_bytes for each in problems)
    return flops / seconds / roofline.attainable(flops, moved)

"""glassconv."""

from __future__ import annotations

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.eager import call_of
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.networks.optimize import optimize
from glassconv.networks.plan.steps import PlanStep, PyTorchStep
from glassconv.networks.report.times import seconds_of_steps
from glassconv.reports.network_benchmark import LayerTime


def _prepare(case: Case) -> Call:
    return call_of(optimize(case.network(), case.input()), case.input())


def _profile(case: Case) -> list[LayerTime]:
    """Return the plan's steps; each is run as a program of its own, which takes longer."""
    plan = optimize(case.network(), case.input()).plan(case.input())
    seconds = seconds_of_steps(plan, [case.input()])
    return [_row(step, each) for step, each in zip(plan.steps, seconds, strict=True)]


def _row(step: PlanStep, seconds: float) -> LayerTime:
    if isinstance(step, PyTorchStep):
        return LayerTime(step.name, "PyTorch", str(step.call), step.outputs[0].shape, seconds)
    return LayerTime(step.name, "kernel", step.kernel, (), seconds)


ENGINE = Engine("glassconv", "glassconv", _prepare, _profile)

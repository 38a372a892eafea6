"""Reports of the same are equal and have the same hash; those of anything else are not equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import nan

import numpy as np
import pytest
import torch

import glassconv
from glassconv.dispatch import dispatch
from glassconv.display import VIEWS
from glassconv.examples.tutorial import worked_example
from glassconv.problem.operands import Operands
from glassconv.reports.benchmark import Benchmark, LayerBenchmark, Roofline
from glassconv.reports.kernel import CacheFit, HotLoop, KernelReport
from glassconv.reports.shown import Shown
from glassconv.reports.trace import Step
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import ErrorCurve, ErrorCurves
from glassconv.verification.network import verify_network
from glassconv.verification.network_gradients import verify_network_gradients
from glassconv.verification.running_bounds import running_bounds
from reports import networks
from support.fixed_machine import FIXED

TEXT = "2x6x6 3@3x3 p1"
PROBLEM = glassconv.parse(TEXT)


def layer() -> LayerBenchmark:
    return LayerBenchmark(PROBLEM, 1, "direct", Verdict(True, "within"), 1e-3, 2e-3, nan)


def kernel() -> KernelReport:
    hot = HotLoop("tile", (), (), (), ("zmm0",), 10, 4, 2, 128, 8)
    roofline = Roofline(1e11, 2e10, 2, "float32")
    return KernelReport(
        *(PROBLEM, "direct", "nchw", "idea", ("for",), (("rows", 4),), 1, 2, "x86", (("L1", 1),)),
        *(16, 32, hot, (), 7, (CacheFit("buffer", 9, "L1"),), 1e9, roofline, layer()),
    )


def difference() -> Shown:
    return glassconv.same(TEXT).outputs


def of_nan() -> Shown:
    operands = Operands(torch.full(PROBLEM.input_shape, nan), *_weights())
    return glassconv.verify(TEXT, "im2col", operands)


def _weights() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(PROBLEM.weight_shape), torch.ones(PROBLEM.out_channels)


def curves() -> ErrorCurves:
    return ErrorCurves(PROBLEM, (9,), (ErrorCurve("direct", (nan,), (1.0,), (2.0,), (nan,)),))


def network() -> object:
    return glassconv.explain(torch.nn.Sequential(torch.nn.Conv1d(2, 3, 1)), [1, 2, 3])


def constant_network() -> torch.nn.Module:
    layer = torch.nn.Conv1d(2, 3, 1)
    for each in layer.parameters():
        torch.nn.init.constant_(each, 0.1)
    return torch.nn.Sequential(layer)


def network_verification() -> Shown:
    return verify_network(constant_network(), torch.ones(1, 2, 3))


def gradients_of_network() -> object:
    return glassconv.explain_gradients(torch.nn.Sequential(torch.nn.Conv1d(2, 3, 1)), [1, 2, 3])


def network_gradient_verification() -> Shown:
    return verify_network_gradients(constant_network(), torch.ones(1, 2, 3))


def choice() -> Shown:
    dispatch.forget()  # else it is the same object
    return glassconv.choose(TEXT)


REPORTS: dict[str, Callable[[], object]] = {
    "Trace": lambda: glassconv.trace(TEXT, "winograd4"),
    "Backward": lambda: glassconv.backward(TEXT, "direct"),
    "Verification": lambda: glassconv.verify(TEXT, "im2col"),
    "Verification of NaN": of_nan,
    "Sameness": lambda: glassconv.same(TEXT),
    "Difference": difference,
    "RunningBounds": lambda: running_bounds(TEXT),
    "Choice": choice,
    "LayerBenchmark": layer,
    "Benchmark": lambda: Benchmark("suite", "how", (layer(),)),
    "KernelReport": kernel,
    "Machine": lambda: replace(FIXED, threads=3),
    "Report": lambda: glassconv.explain(TEXT),
    "NetworkReport": network,
    "NetworkVerification": network_verification,
    "Swap": lambda: glassconv.nn.swap(torch.nn.Sequential(torch.nn.Conv1d(2, 3, 1))),
    "Step": lambda: Step("output", np.array([1.0, nan]), ("length",), ""),
    "WorkedExample": worked_example,
    "ErrorCurves": curves,
    "NetworkBenchmark": networks.network_benchmark,
    "NetworkBenchmarks": networks.network_benchmarks,
    "NetworkProfile": networks.network_profile,
    "GradientKernels": networks.gradient_kernels,
    "GradientExplanation": lambda: glassconv.explain_gradients(TEXT),
    "GradientVerification": lambda: glassconv.verify_gradients(TEXT),
    "NetworkGradients": gradients_of_network,
    "NetworkGradientVerification": network_gradient_verification,
    "NetworkTuning": networks.network_tuning,
    "Answer": networks.answer,
    "PlanReport": networks.plan_report,
    "PassReport": networks.pass_report,
    "TilePlan": networks.tile_plan,
}


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_reports_of_the_same_are_equal(make: Callable[[], object]) -> None:
    first, second = make(), make()
    assert first is not second
    assert first == second
    assert hash(first) == hash(second)
    assert len({first, second}) == 1
    assert first != "another type"
    assert [first] == [second]


def test_every_report_with_a_view_is_compared() -> None:
    assert {kind.__name__ for kind in VIEWS} <= set(REPORTS)


def test_another_number_type_or_shape_makes_another_report() -> None:
    step = Step("output", np.array([1.0, nan]), ("length",), "")
    others = [np.array([1.0, 2.0]), np.array([1.0, nan, 0.0]), np.array([1.0, nan], np.float32)]
    assert all(step != replace(step, array=array) for array in others)
    assert step != replace(step, name="input")
    assert layer() != replace(layer(), seconds=None)
    assert glassconv.trace(TEXT, "direct") != glassconv.trace(TEXT, "direct", seed=1)
    assert glassconv.verify(TEXT, "direct") != glassconv.verify(TEXT, "im2col")
    assert glassconv.trace(TEXT, "direct") != glassconv.verify(TEXT, "direct")

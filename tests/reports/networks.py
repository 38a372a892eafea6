"""Reports of networks, made of the same numbers each time."""

from __future__ import annotations

from math import nan

import glassconv
from glassconv.reports.answer import Answer, ClassFacts, OutputFacts
from glassconv.reports.benchmark import Roofline
from glassconv.reports.gradient_kernels import GradientKernel, GradientKernels
from glassconv.reports.network_benchmark import (
    EngineBenchmark,
    LayerTime,
    NetworkBenchmark,
    NetworkBenchmarks,
    NetworkProfile,
    Times,
)
from glassconv.reports.plan import (
    LayerError,
    ListedOperation,
    PassFacts,
    PassReport,
    PlanMemory,
    PlanReport,
    StepFacts,
)
from glassconv.reports.shown import Shown
from glassconv.reports.tuning import NetworkTuning, TunedProblem

SHAPE = (1, 2, 6, 6)


def problem() -> glassconv.ConvProblem:
    return glassconv.parse("2x6x6 3@3x3 p1")


def network_benchmark() -> NetworkBenchmark:
    engine = EngineBenchmark("openvino", "1.0", 1e-7, Times(2e-3, 1e-3, nan))
    return NetworkBenchmark("small", SHAPE, "a processor", 2, 10, 1e-4, (engine,))


def network_benchmarks() -> Shown:
    return NetworkBenchmarks((network_benchmark(),))


def network_profile() -> Shown:
    layer = LayerTime("conv1", "Convolution", "jit", SHAPE, nan)
    return NetworkProfile("small", "openvino", "a processor", 2, (layer,))


def gradient_kernels() -> Shown:
    part = GradientKernel("output", problem(), "direct", 1e-3, 2e-3, ("for each filter",))
    return GradientKernels(problem(), "nchw", 2, (part,))


def network_tuning() -> Shown:
    tuned = TunedProblem(problem(), "nhwc", ("0",), "direct", "im2col", (("direct", 1.5),))
    return NetworkTuning("small", "how", 1, (tuned,))


def answer() -> Shown:
    output = OutputFacts(SHAPE, "float32", nan, 1.0)
    return Answer("small", "cat.png", (ClassFacts(3, "cat", 0.9),), (output,), ("a reason",))


def plan_report() -> Shown:
    step = StepFacts(
        *("0", "direct", "", "2x6x6 3@3x3 p1", 1944, "arena", 0, 432, "", 1e-6, 2e-6, 0.5),
        LayerError(1e-7, nan),
    )
    return PlanReport(
        *("small", (SHAPE,), (SHAPE,), "default", "nhwc", 2, (PassFacts("unused", 2, 1),), (step,)),
        *(
            3e-6,
            Roofline(1e11, 2e10, 2, "float32"),
            PlanMemory(1, 2, 3, 4, 5),
            1e-7,
            2e-7,
            1e-6,
            "",
        ),
    )


def pass_report() -> Shown:
    conv = ListedOperation("0", "conv2d", (("padding", "1"),), ("input",), (SHAPE,))
    return PassReport("small", "unused", "what it does", (conv,), (conv,))


def tile_plan() -> Shown:
    return glassconv.plan_tiles(_convolution(), [1, 2, 64, 64], "100 kB")


def _convolution() -> glassconv.nn.Conv2d:
    return glassconv.nn.Conv2d(2, 3, 3, padding=1)

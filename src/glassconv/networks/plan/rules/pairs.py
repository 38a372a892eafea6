"""A 1 × 1 convolution and the depthwise convolution that reads it, as one step.

The pass `fuse_depthwise` marks such pairs. The step is added where the depthwise convolution is.
"""

from __future__ import annotations

from torch import Tensor

from glassconv.kernels.pointwise_depthwise import plan as kernel
from glassconv.kernels.pointwise_depthwise.work import seconds_together
from glassconv.kernels.runtime.plan import Launch
from glassconv.networks.graph import Operation
from glassconv.networks.passes.fuse_depthwise import Pair, pair_of
from glassconv.networks.passes.sums import BY_ROWS
from glassconv.networks.plan.builder import Builder
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NHWC


def pair_with(builder: Builder, convolution: Operation) -> Pair | None:
    """Return the pair that is one step here and that a convolution is a part of, if there is one.

    It needs channels last, and sums in another order than that of "strict".
    """
    if builder.layout != NHWC or builder.accuracy == "strict":
        return None
    reader = builder.network.only_reader(convolution.outputs[0])
    for each in (convolution, reader):
        if each is not None and each.arguments.get(BY_ROWS):
            pair = pair_of(builder.network, each)
            if pair is not None and convolution in (pair.pointwise, pair.depthwise):
                return pair
    return None


def add_pair(builder: Builder, pair: Pair) -> None:
    """Add the step of a pair."""
    pointwise, depthwise = pair.problems
    first, second = pair.pointwise, pair.depthwise
    epilogues = [Epilogue(each.arguments.get("activation")) for each in (first, second)]
    plan = kernel.plan(pointwise, depthwise, builder.target, builder.threads, *epilogues)
    numbers = (*_numbers(builder, first), *_numbers(builder, second))
    weights = builder.tensor(plan.pack(*numbers))
    given = builder.without_gaps(builder.place(first.arguments["input"]), NHWC)
    (value,) = second.outputs
    output = builder.output(value, builder.strides(value.shape))
    arrays = builder.arrays(input=given, weight=weights, output=output)
    builder.kernel(
        f"{first.name} + {second.name}",
        kernel.NAME,
        [Launch(plan.kernel, plan.parameters, arrays, plan.tasks, plan.max_threads)],
        [given, weights],
        output,
        builder.threads * plan.blocking.workspace_bytes,
        seconds_together(pointwise, depthwise, builder.target, builder.machine),
        depthwise,
        NHWC,
        before=pointwise,
    )


def _numbers(builder: Builder, convolution: Operation) -> tuple[Tensor, Tensor]:
    """Return the weight and the bias, zeros where there is none."""
    arguments = convolution.arguments
    weight = builder.network.tensors[arguments["weight"].number].detach()
    bias = builder.network.constant(arguments["bias"])
    return weight, weight.new_zeros(len(weight)) if bias is None else bias.detach() + 0.0  # no −0

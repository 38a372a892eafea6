"""Compute a 1 × 1 convolution by rows, in the kernel of the depthwise convolution that reads it.

Networks widen the channels in front of a depthwise convolution, so what is between the two is the
largest of their arrays. One kernel computes some rows of it at a time, which stay in L2 until they
are read. It is used where it is predicted to take less time than two kernels.

Source: M. Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018, section 5.1
("memory efficient inference").
"""

from __future__ import annotations

from typing import NamedTuple

from glassconv.codegen.target import host
from glassconv.dispatch import machine_store
from glassconv.kernels.pointwise_depthwise.plan import supports
from glassconv.kernels.pointwise_depthwise.work import pays
from glassconv.networks.convolutions import read
from glassconv.networks.graph import Operation
from glassconv.networks.passes.network import Network, rewritten_by, with_arguments
from glassconv.networks.passes.sums import BY_ROWS, refusal
from glassconv.problem import ConvProblem

NAME = "fuse_depthwise"


class Pair(NamedTuple):
    """A 1 × 1 convolution and the depthwise convolution that alone reads it."""

    pointwise: Operation
    depthwise: Operation
    problems: tuple[ConvProblem, ConvProblem]


def run(network: Network) -> Network:
    """Return the network with pairs marked, where that is predicted to take less time."""
    return rewritten_by(_marked, network)


def _marked(network: Network, depthwise: Operation) -> Network:
    target, pair = host(), pair_of(network, depthwise)
    if pair is None or target is None or not pays(*pair.problems, target, machine_store.machine()):
        return network
    return network.replaced({depthwise.name: with_arguments(depthwise, **{BY_ROWS: True})})


def pair_of(network: Network, depthwise: Operation) -> Pair | None:
    """Return the pair that one kernel computes on this processor, None where there is none."""
    target = host()
    if target is None or not _is_bare(network, depthwise):
        return None
    pointwise = network.producers.get(depthwise.arguments["input"].number)
    if pointwise is None or not _is_bare(network, pointwise):
        return None
    if not network.feeds_only(pointwise.outputs[0], depthwise):
        return None
    first, second = read(pointwise).problem, read(depthwise).problem
    assert isinstance(first, ConvProblem) and isinstance(second, ConvProblem), "of conv2d"
    if not supports(first, second, target):
        return None
    return Pair(pointwise, depthwise, (first, second))


def _is_bare(network: Network, convolution: Operation) -> bool:
    """Return whether nothing but an activation follows a convolution of images in a batch."""
    if convolution.function != "conv2d" or len(convolution.outputs[0].shape) != 4:
        return False
    added = (convolution.arguments.get(name) for name in ("residual", "scale"))
    return refusal(network, convolution) is None and not any(each is not None for each in added)

"""The memory layout of a plan: that in which its convolutions are predicted to take less time."""

from __future__ import annotations

from collections import Counter

from glassconv.dispatch.select import fastest_kernel
from glassconv.errors import UnsupportedError
from glassconv.networks.convolutions import is_convolution, read
from glassconv.networks.passes.network import Network
from glassconv.problem.memory_layout import NCHW, NHWC


def fastest_layout(network: Network, accuracy: str) -> str:
    """Return "nchw" or "nhwc"; one layout for the whole network, since copies cost more."""
    problems = Counter(read(each).problem for each in network.operations if is_convolution(each))
    seconds = {NHWC: 0.0, NCHW: 0.0}
    for problem, count in problems.items():
        for layout in seconds:
            try:
                found = fastest_kernel(problem, accuracy, layout)
            except UnsupportedError:  # PyTorch computes it in either
                continue
            seconds[layout] += count * (found.compiled_seconds or 0.0)
    return min(seconds, key=lambda layout: seconds[layout])

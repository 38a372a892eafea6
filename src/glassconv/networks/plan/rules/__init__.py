"""How each function of ATen becomes kernels of a plan.

A rule takes the builder and an operation. It adds the steps, or returns why PyTorch computes the
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from glassconv.networks.convolutions import FORWARD, TRANSPOSED
from glassconv.networks.graph import Operation
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.rules import sums

Rule = Callable[[Builder, Operation], str | None]

RULES: Mapping[str, Rule] = {
    **dict.fromkeys((*FORWARD, *TRANSPOSED), sums.convolution),
    "linear": sums.linear,
}

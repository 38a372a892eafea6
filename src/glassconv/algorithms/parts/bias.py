"""One number per filter, added at the end."""

from __future__ import annotations

from torch import Tensor

from glassconv.problem import ConvProblem


def add_bias(problem: ConvProblem, output: Tensor, bias: Tensor | None) -> Tensor:
    """Return the output [batch, out_channels, *output_size] plus the bias, if there is one."""
    return output if bias is None else output + bias.reshape(-1, *(1,) * problem.ndim)

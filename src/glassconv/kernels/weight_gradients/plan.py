"""The plan of a weight's gradient: what computes it for one problem, called with the arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from glassconv.problem import ConvProblem


class GradientPlan(ABC):
    """What computes the gradients of weight and bias, from contiguous arrays."""

    problem: ConvProblem
    loops: tuple[str, ...]  # a description of the loop nest, one line per loop

    def __call__(
        self, input: Tensor, grad: Tensor, with_bias: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias; None for the bias where it is not asked for.

        input: [batch, in_channels, *input_size]. grad: [batch, out_channels, *output_size], the
        output's gradient. Both are contiguous.
        """
        weight = self.empty_weight(input)
        bias = input.new_empty(self.problem.out_channels) if with_bias else None
        self.compute(input, grad, weight, bias)
        return weight, bias

    def empty_weight(self, input: Tensor) -> Tensor:
        """Return memory for the weight's gradient, in the layout in which it is written."""
        return input.new_empty(self.problem.weight_shape)

    @abstractmethod
    def compute(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the gradients of weight and, unless it is None, of the bias to these arrays.

        weight: of the strides of `empty_weight`.
        """

    def write(self, input: Tensor, grad: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the same to a weight of any strides."""
        of_weight, of_bias = self(input, grad, bias is not None)
        weight.copy_(of_weight)
        if bias is not None and of_bias is not None:
            bias.copy_(of_bias)

"""What a convolution is: its shapes and steps, before any number is seen."""

from glassconv.problem.conv_problem import ConvProblem, Gemm

__all__ = ["ConvProblem", "Gemm"]

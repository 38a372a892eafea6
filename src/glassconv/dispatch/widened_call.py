"""Recorded calls of arrays of 16 bits that are computed in float32, and rounded once."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from glassconv.dispatch.pytorch_call import check_residual
from glassconv.dispatch.weight_gradient_call import Compute
from glassconv.errors import ConvError
from glassconv.problem.problem import Arguments, Problem


@dataclass(frozen=True)
class WidenedCall:
    """The call of the same numbers in float32, whose output and gradients are rounded once."""

    arguments: Arguments
    problem: Problem
    compute: Compute

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output.

        Raises `DtypeError` for a residual of another element type, and the errors of the call in
        float32, which repeat the problem in 16 bits.
        """
        wide_bias, wide_residual = (
            None if each is None else each.float() for each in (bias, residual)
        )
        wide = input.float(), weight.float(), wide_bias, wide_residual
        try:
            output = self.compute(*wide, self.arguments).to(input.dtype)
        except ConvError as error:
            raise error.asked_as(str(self.problem)) from None
        if residual is not None:
            check_residual(residual, input, output, self.arguments.function)
        return output

"""Recorded calls of arrays of 16 bits that are computed in float32, and rounded once."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from glassconv.dispatch.array_boundary import check_dtypes, torch_dtype_name
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
        arrays = {"input": input, "weight": weight, "bias": bias, "residual": residual}
        given = {name: array for name, array in arrays.items() if array is not None}
        check_dtypes(
            self.arguments.function,
            {name: tuple(array.shape) for name, array in given.items()},
            {name: torch_dtype_name(array.dtype) for name, array in given.items()},
        )
        wide_bias, wide_residual = (
            None if each is None else each.float() for each in (bias, residual)
        )
        wide = input.float(), weight.float(), wide_bias, wide_residual
        try:
            output = self.compute(*wide, self.arguments)
        except ConvError as error:
            raise error.asked_as(str(self.problem)) from None
        return output.to(input.dtype)

"""The three arrays a convolution works on, and random ones to try a problem with."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from glassconv.errors import DtypeError, ShapeError
from glassconv.problem.problem import Problem, as_problem

SEED_OF_GRADIENT = 1  # beside the operands' own, lest the gradient repeat the input's numbers


@dataclass(frozen=True)
class Operands:
    """Input [batch, in_channels, *input_size], weight and bias of one convolution, as tensors."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None

    def copy(self) -> Operands:
        """Return the same values in memory of their own, outside any gradient."""
        bias = None if self.bias is None else self.bias.detach().clone()
        return Operands(self.input.detach().clone(), self.weight.detach().clone(), bias)

    def check(self, problem: Problem) -> None:
        """Raise `ShapeError` or `DtypeError` unless these are a problem's operands."""
        expected = {
            "input": problem.input_shape,
            "weight": problem.weight_shape,
            "bias": (problem.out_channels,) if problem.bias else None,
        }
        for name, shape in expected.items():
            array: Tensor | None = getattr(self, name)
            found = None if array is None else tuple(array.shape)
            if found != shape:
                cause = f"the {name} must be of shape {shape}, but it is of {found}"
                raise ShapeError(cause, request=str(problem))
            if array is not None and array.dtype != getattr(torch, problem.dtype):
                cause = f"the {name} must be {problem.dtype}, but it is {array.dtype}"
                raise DtypeError(cause, request=str(problem))


def random_operands(problem: str | Problem, seed: int = 0) -> Operands:
    """Return normal random operands; the weight is scaled so that outputs are of size 1.

    problem: an object, or shorthand.

    >>> random_operands("3x32x32 4@5x5").weight.shape
    torch.Size([4, 3, 5, 5])
    """
    problem = as_problem(problem)
    generator = torch.Generator().manual_seed(seed)
    dtype = getattr(torch, problem.dtype)

    def normal(shape: tuple[int, ...], scale: float) -> Tensor:
        return (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(dtype)

    return Operands(
        input=normal(problem.input_shape, 1.0),
        weight=normal(problem.weight_shape, 1 / sqrt(problem.products_per_output)),
        bias=normal((problem.out_channels,), 1.0) if problem.bias else None,
    )


def random_grad_output(problem: Problem, seed: int = 0) -> Tensor:
    """Return a normal random gradient of the output's shape."""
    generator = torch.Generator().manual_seed(seed + SEED_OF_GRADIENT)
    drawn = torch.randn(problem.output_shape, generator=generator, dtype=torch.float64)
    return drawn.to(getattr(torch, problem.dtype))


def to_numpy(tensor: Tensor) -> npt.NDArray[Any]:
    """Return a tensor's values as NumPy; bfloat16, which NumPy lacks, as float32."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    values: npt.NDArray[Any] = np.asarray(tensor.numpy())
    return values


def is_finite(weight: Tensor) -> bool:
    """Return whether all numbers are finite, in a twentieth of the time of `torch.isfinite`."""
    if not weight.numel():
        return True
    # In another order than that of memory, it takes several times as long.
    ordered = weight if weight.is_contiguous() else in_memory_order(weight)
    return all(isfinite(each) for each in torch.aminmax(ordered))


def in_memory_order(tensor: Tensor) -> Tensor:
    """Return a view whose axes are in the order of memory, the one with adjacent elements last."""
    return tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True))

"""A call of PyTorch's own convolution, for what no kernel may compute; its errors are explained.

It is right for gradients, transforms, modes, other devices and element types, and each of them sees
one ordinary convolution. What PyTorch accepts is computed, and what it refuses is refused with its
class of error and our explanation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glassconv.dispatch.array_boundary import check_axes, check_dtypes, torch_dtype_name
from glassconv.dispatch.pytorch_convolution import check_names, pytorch_convolution
from glassconv.errors import ConvError
from glassconv.problem.problem import Arguments

PYTORCH_ERRORS = (RuntimeError, TypeError, ValueError, IndexError)


@dataclass(frozen=True)
class PyTorchCall:
    """PyTorch's convolution for operands of any shape, with these settled arguments."""

    arguments: Arguments

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output. Raises what PyTorch raises, with an explanation."""
        with torch._C.DisableTorchFunctionSubclass():  # subclasses see the convolution only
            arguments = self._checked(input, weight, bias)
        try:
            return pytorch_convolution(input, weight, bias, residual, arguments)
        except PYTORCH_ERRORS as error:
            if has_numbers(input) and not isinstance(error, ConvError):
                _explain(error, arguments, input, weight, bias)
            raise

    def _checked(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Arguments:
        """Check what PyTorch does not; return arguments that it computes rightly."""
        arguments = self.arguments
        check_names(arguments)
        mixed = bias is not None and bias.dtype != input.dtype
        if mixed and not torch.is_autocast_enabled(input.device.type):
            # Some of PyTorch's loops read such a bias as if it had the input's type.
            check_dtypes(arguments.function, *_described(input, weight, bias))
        if arguments.is_ordinary() or not has_numbers(input):
            return arguments
        return arguments.reachable(input.shape, weight.shape, None if bias is None else bias.shape)


def has_numbers(input: Tensor) -> bool:
    """Return whether sizes are numbers, not the symbols or tensors that a trace has for them."""
    return all(type(size) is int for size in input.shape)


def _explain(
    error: Exception, arguments: Arguments, input: Tensor, weight: Tensor, bias: Tensor | None
) -> None:
    """Raise the error by which we explain PyTorch's, if it is of PyTorch's class; else add a note.

    It returns where our checks see no fault: PyTorch's own message is all there is.
    """
    shapes, dtypes = _described(input, weight, bias)
    try:
        check_axes(arguments.function, arguments.ndim, shapes)
        arguments.problem(shapes["input"], shapes["weight"], shapes.get("bias"))
        check_dtypes(arguments.function, shapes, dtypes)
    except ConvError as explained:
        if isinstance(explained, type(error)):
            raise explained from error
        error.add_note(str(explained))


def _described(
    input: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Return the shapes and the element types of the operands that there are, by name."""
    given = {"input": input, "weight": weight, "bias": bias}
    present = {name: tensor for name, tensor in given.items() if tensor is not None}
    shapes = {name: tuple(tensor.shape) for name, tensor in present.items()}
    return shapes, {name: torch_dtype_name(tensor.dtype) for name, tensor in present.items()}

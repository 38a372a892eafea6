"""PyTorch's own convolution, for the tensors that no kernel may be given; its errors are explained.

It is right for gradients, transforms, modes, other devices and element types, and each of them sees
one ordinary convolution. Nothing is checked before: what PyTorch accepts is computed, and what it
refuses is refused with its class of error and our explanation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from glassconv.algorithms.aten import Call, convolution, transposed_convolution
from glassconv.dispatch.array_boundary import check_types, torch_dtype_name
from glassconv.errors import ConvError, ShapeError
from glassconv.problem.activations import Epilogue
from glassconv.problem.problem import Arguments

PYTORCH_ERRORS = (RuntimeError, TypeError, ValueError, IndexError)


@dataclass(frozen=True)
class PyTorchCall:
    """A call of PyTorch's convolution for operands of any shape; PyTorch applies the epilogue."""

    arguments: Arguments
    compute: Call
    activation: str | None

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output. Raises what PyTorch raises, with an explanation."""
        try:
            output = self.compute(input, weight, bias)
        except PYTORCH_ERRORS as error:
            explain_error(error, self.arguments, input, weight, bias)
            raise
        if residual is not None and residual.shape != output.shape:
            raise wrong_residual(output.shape, residual.shape, self.arguments.function)
        return Epilogue(self.activation, residual is not None).applied(output, residual)


@lru_cache(maxsize=1024)
def pytorch_call(arguments: Arguments) -> PyTorchCall:
    """Return the call of PyTorch's convolution with these settled arguments."""
    ndim, stride, padding, dilation, groups = (
        arguments.ndim,
        arguments.stride,
        arguments.padding,
        arguments.dilation,
        arguments.groups,
    )
    if arguments.transposed:
        extra = arguments.output_padding
        compute = transposed_convolution(ndim, stride, padding, extra, groups, dilation)
    else:
        compute = convolution(ndim, stride, padding, dilation, groups)
    Epilogue(arguments.activation)  # raises `UnknownNameError`
    return PyTorchCall(arguments, compute, arguments.activation)


def explain_error(
    error: Exception, arguments: Arguments, input: Tensor, weight: Tensor, bias: Tensor | None
) -> None:
    """Raise the error by which we explain PyTorch's, if it is of PyTorch's class; else add a note.

    It returns where our checks see no fault: PyTorch's own message is all there is.
    """
    given = {"input": input, "weight": weight, "bias": bias}
    present = {name: tensor for name, tensor in given.items() if tensor is not None}
    shapes = {name: tuple(tensor.shape) for name, tensor in present.items()}
    dtypes = {name: torch_dtype_name(tensor.dtype) for name, tensor in present.items()}
    try:
        arguments.problem(shapes["input"], shapes["weight"], shapes.get("bias"))
        check_types(arguments.function, arguments.ndim, shapes, dtypes)
    except ConvError as explained:
        if isinstance(explained, type(error)):
            raise explained from error
        error.add_note(str(explained))


def wrong_residual(output: tuple[int, ...], residual: tuple[int, ...], request: str) -> ShapeError:
    """Return the error for a residual whose shape is not the output's."""
    return ShapeError(
        f"the residual must have the output's shape, {list(output)}, not {list(residual)}",
        request=request,
    )

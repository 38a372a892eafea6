"""PyTorch's own convolution, for the tensors that no kernel may be given; its errors are explained.

It is right for gradients, transforms, modes, other devices and element types, and each of them sees
one ordinary convolution. Nothing is checked before: what PyTorch accepts is computed, and what it
refuses is refused with its class of error and our explanation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from glassconv.algorithms.aten import (
    Call,
    convolution,
    reads_every_axis,
    transposed_convolution,
)
from glassconv.dispatch.array_boundary import check_axes, check_dtypes, torch_dtype_name
from glassconv.dispatch.select import check_names
from glassconv.errors import ConvError, DtypeError, ShapeError
from glassconv.problem.activations import Epilogue
from glassconv.problem.problem import Arguments

PYTORCH_ERRORS = (RuntimeError, TypeError, ValueError, IndexError)


@dataclass(frozen=True)
class PyTorchCall:
    """A call of PyTorch's convolution for operands of any shape; PyTorch applies the epilogue."""

    arguments: Arguments
    compute: Call

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output. Raises what PyTorch raises, with an explanation."""
        with torch._C.DisableTorchFunctionSubclass():  # subclasses see the convolution only
            mixed = bias is not None and bias.dtype != input.dtype
            if mixed and not torch.is_autocast_enabled(input.device.type):
                # Some of PyTorch's loops read such a bias as if it had the input's type.
                check_dtypes(self.arguments.function, *_described(input, weight, bias))
        try:
            output = self.compute(input, weight, bias)
        except PYTORCH_ERRORS as error:
            explain_error(error, self.arguments, input, weight, bias)
            raise
        return with_epilogue(output, input, residual, self.arguments)


def pytorch_call(
    arguments: Arguments,
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    bias_shape: tuple[int, ...] | None,
) -> PyTorchCall:
    """Return the call of PyTorch's convolution with these settled arguments.

    Raises `UnknownNameError` for a name that does not exist, and for sizes at which PyTorch's own
    checks cannot be relied on what `Arguments.problem` raises.
    """
    if not arguments.is_ordinary():
        arguments = arguments.reachable(input_shape, weight_shape, bias_shape)
    if arguments.stride != 1 and arguments.padding != 0 and not arguments.transposed:
        return _strided_call(arguments, input_shape, weight_shape)
    return _call(arguments)


@lru_cache(maxsize=1024)
def _call(arguments: Arguments) -> PyTorchCall:
    check_names(arguments.algorithm, arguments.accuracy, arguments.activation)
    return PyTorchCall(arguments, _computation(arguments))


@lru_cache(maxsize=1024)
def _strided_call(
    arguments: Arguments, input_shape: tuple[int, ...], weight_shape: tuple[int, ...]
) -> PyTorchCall:
    """Return a call that also computes windows of which none reads the input along an axis."""
    call = _call(arguments)
    try:
        problem = arguments.problem(input_shape, weight_shape)
    except ConvError:  # PyTorch refuses it too, or computes an empty output
        return call
    if reads_every_axis(problem):
        return call
    sizes = problem.stride, problem.padding, problem.dilation, problem.groups
    return PyTorchCall(arguments, convolution(problem.ndim, *sizes, add_bias=True))


def traced_call(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> Tensor:
    """Return the output of PyTorch's convolution while a graph is traced, with PyTorch's errors.

    Sizes among the arguments may be symbols of the graph, so nothing is looked up by them.
    """
    output = _computation(arguments)(input, weight, bias)
    return with_epilogue(output, input, residual, arguments)


def _computation(arguments: Arguments) -> Call:
    ndim, stride, padding, dilation, groups = (
        arguments.ndim,
        arguments.stride,
        arguments.padding,
        arguments.dilation,
        arguments.groups,
    )
    if arguments.transposed:
        extra = arguments.output_padding
        return transposed_convolution(ndim, stride, padding, extra, groups, dilation)
    return convolution(ndim, stride, padding, dilation, groups)


def with_epilogue(
    output: Tensor, input: Tensor, residual: Tensor | None, arguments: Arguments
) -> Tensor:
    """Return an output with the residual added, if it is of the output's shape, and activated."""
    if residual is None and arguments.activation is None:
        return output
    if residual is not None:
        check_residual(residual, input, output, arguments.function)
    return Epilogue(arguments.activation, residual is not None).applied(output, residual)


def check_residual(residual: Tensor, input: Tensor, output: Tensor, request: str) -> None:
    """Raise `ShapeError` or `DtypeError` for a residual that PyTorch would broadcast or promote.

    Not while `torch.jit.trace` records: it would record that sizes are compared, and warn.
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return
    if residual.shape != output.shape:
        raise wrong_residual(output.shape, residual.shape, request)
    if residual.dtype not in (output.dtype, input.dtype):  # which autocast may tell apart
        kinds = torch_dtype_name(residual.dtype), torch_dtype_name(output.dtype)
        cause = "the residual is {} and the output {}; they must have one element type"
        raise DtypeError(cause.format(*kinds), request=request)


def explain_error(
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


def wrong_residual(output: tuple[int, ...], residual: tuple[int, ...], request: str) -> ShapeError:
    """Return the error for a residual whose shape is not the output's."""
    return ShapeError(
        f"the residual must have the output's shape, {list(output)}, not {list(residual)}",
        request=request,
    )

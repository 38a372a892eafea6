"""`glassconv::convolution`, the operator in the graphs of `torch.compile`: kernels run in them.

PyTorch traces and transforms an operator without running it. For that it needs to know:

    its output      computed by the same dispatch as a call outside a graph
    fake            the output's shape and strides: those of PyTorch's own convolution
    Autograd        the gradients: an operator of their own (`gradient_operator.py`)
    vmap            a batch of inputs is a larger batch; for a batch of weights PyTorch has a rule
    Autocast        the element types, which are those that autocast gives a convolution

`torch.export`, `torch.jit.trace` and the ONNX exporters record PyTorch's convolution instead. What
they save can be loaded where glassconv is not installed.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter
from torch.utils.flop_counter import conv_flop_count, register_flop_formula

from glassconv.algorithms.parts.uneven_padding import sides
from glassconv.dispatch import autocast
from glassconv.dispatch.gradient_operator import operator_gradients
from glassconv.dispatch.operator_settings import SCHEMA, Settings
from glassconv.dispatch.pytorch_call import check_residual, traced_call
from glassconv.dispatch.select import check_names
from glassconv.dispatch.storage import without_base
from glassconv.problem.activations import Epilogue
from glassconv.problem.problem import Arguments

NAME = "glassconv::convolution"
LIBRARY = torch.library.Library("glassconv", "DEF")
LIBRARY.define(
    f"convolution(Tensor input, Tensor weight, Tensor? bias, Tensor? residual, {SCHEMA}) -> Tensor",
    tags=(torch.Tag.pt2_compliant_tag,),
)
convolution = torch.ops.glassconv.convolution.default

KERNEL_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


# -- the call that torch.compile traces ---------------------------------------------------------


def record(input: Any, weight: Any, bias: Any, residual: Any, arguments: Arguments) -> Any:
    """Call the operator, or PyTorch's convolution where no kernel would run or a graph is exported.

    This is traced by `torch.compile`, so sizes may be symbols and tensors have no numbers.
    """
    arrays = [each for each in (input, weight, bias, residual) if each is not None]
    if torch.compiler.is_exporting() or not all(map(_may_be_for_a_kernel, arrays)):
        return traced_call(input, weight, bias, residual, arguments)
    settings = _settings(weight, arguments)
    if settings is None:
        return traced_call(input, weight, bias, residual, arguments)
    return _call(input, weight, bias, residual, settings)


def _may_be_for_a_kernel(array: Tensor) -> bool:
    return (
        type(array) in (Tensor, Parameter)
        and array.device.type == "cpu"
        and array.dtype in KERNEL_DTYPES
    )


def _settings(weight: Tensor, arguments: Arguments) -> Settings | None:
    """Return the operator's arguments, None for a padding that only PyTorch has an answer to."""
    ndim = arguments.ndim
    stride, dilation = _per_axis(arguments.stride, ndim), _per_axis(arguments.dilation, ndim)
    padding = arguments.padding
    pairs = sides(padding, ndim)
    if pairs is not None:
        padding = [size for pair in pairs for size in pair]
    elif padding == "same":
        if any(step != 1 for step in stride):
            return None
        padding = []
        for size, step in zip(weight.shape[2:], dilation, strict=True):
            padding += [(size - 1) * step // 2, (size - 1) * step - (size - 1) * step // 2]
    elif padding == "valid":
        padding = [0] * ndim
    elif isinstance(padding, str):
        return None
    else:
        padding = _per_axis(padding, ndim)
    return Settings(
        stride,
        padding,
        dilation,
        _per_axis(arguments.output_padding, ndim),
        arguments.groups,
        arguments.transposed,
        arguments.algorithm,
        arguments.accuracy,
        arguments.activation,
    )


def _per_axis(size: Any, ndim: int) -> list[Any]:
    sizes = list(size) if isinstance(size, list | tuple) else [size]
    return sizes * ndim if len(sizes) == 1 else sizes


def _call(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    settings: Settings,
) -> Tensor:
    output: Tensor = convolution(input, weight, bias, residual, *settings)
    return output


# -- the operator -------------------------------------------------------------------------------


def _compute(
    input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None, *settings: Any
) -> Tensor:
    from glassconv.dispatch.dispatch import compute  # which imports `record`

    output: Tensor = compute(input, weight, bias, residual, Settings(*settings).arguments())
    return without_base(output)


def _fake(
    input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None, *settings: Any
) -> Tensor:
    arguments = Settings(*settings).arguments()
    check_names(arguments.algorithm, arguments.accuracy, arguments.activation)
    return traced_call(input, weight, bias, residual, arguments)


def _autograd(
    input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None, *settings: Any
) -> Tensor:
    """Return the output and record how it is differentiated.

    The residual and the activation are then applied by PyTorch, which has their gradients. The
    transforms of `torch.func` and forward-mode differentiation need PyTorch's convolution.
    """
    arrays = (input, weight, bias, residual)
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    if transformed or input.is_complex():
        return traced_call(*arrays, Settings(*settings).arguments())
    if torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in arrays):
        given = Settings(*settings)
        output: Tensor = _Convolution.apply(input, weight, bias, given._replace(activation=None))
        if residual is not None:
            check_residual(residual, input, output, given.arguments().function)
        return Epilogue(given.activation).applied(output, residual)
    with torch._C._AutoDispatchBelowAutograd():
        return _call(*arrays, Settings(*settings))


class _Convolution(torch.autograd.Function):
    """The convolution alone, without residual or activation, and its gradients."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, settings: Settings
    ) -> Tensor:
        """Return the output."""
        ctx.save_for_backward(input, weight)
        ctx.set_materialize_grads(False)
        ctx.settings = settings
        with torch._C._AutoDispatchBelowAutograd():
            return _call(input, weight, bias, None, settings)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of input, weight and bias, None for those not asked for."""
        if grad is None:
            return None, None, None, None
        input, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        return *operator_gradients(grad, input, weight, ctx.settings, needed), None


def _vmap(
    info: Any,
    in_dims: Sequence[int | None],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    *settings: Any,
) -> tuple[Tensor, int]:
    """Return the outputs along axis 0; the residual and the activation are applied by PyTorch."""
    given, (of_input, of_weight, of_bias, of_residual) = Settings(*settings), in_dims[:4]
    alone = given._replace(activation=None)
    if of_weight is not None or of_bias is not None:
        output = _convolve_batch_of_weights(
            _along_first(input, of_input, info.batch_size),
            _along_first(weight, of_weight, info.batch_size),
            None if bias is None else _along_first(bias, of_bias, info.batch_size),
            alone,
        )
    elif of_input is not None:
        output = _convolve_batch_of_inputs(input.movedim(of_input, 0), weight, bias, alone)
    else:
        output = _call(input, weight, bias, None, alone)
    if residual is not None and of_residual is not None:
        residual = residual.movedim(of_residual, 0)
    return Epilogue(given.activation).applied(output, residual), 0


def _along_first(array: Tensor, dim: int | None, number: int) -> Tensor:
    """Return an array with its vmapped axis first, or expanded along such an axis."""
    return array.expand(number, *array.shape) if dim is None else array.movedim(dim, 0)


def _convolve_batch_of_inputs(
    inputs: Tensor, weight: Tensor, bias: Tensor | None, settings: Settings
) -> Tensor:
    """Return one output for each input along axis 0: all are images of one call."""
    if inputs.dim() == settings.ndim + 2:  # without a batch axis of their own
        return _call(inputs, weight, bias, None, settings)
    outputs = _call(inputs.flatten(0, 1), weight, bias, None, settings)
    return outputs.reshape(*inputs.shape[:2], *outputs.shape[1:])


def _convolve_batch_of_weights(
    inputs: Tensor, weights: Tensor, biases: Tensor | None, settings: Settings
) -> Tensor:
    """Return one output for each entry along axis 0 of the three: each is a group of one call."""
    number = inputs.shape[0]
    unbatched = inputs.dim() == settings.ndim + 2
    images = inputs.unsqueeze(1) if unbatched else inputs
    outputs = _call(
        images.transpose(0, 1).flatten(1, 2),
        weights.flatten(0, 1),
        None if biases is None else biases.flatten(),
        None,
        settings._replace(groups=number * settings.groups),
    )
    out_channels = outputs.shape[1] // number
    outputs = outputs.reshape(outputs.shape[0], number, out_channels, *outputs.shape[2:]).transpose(
        0, 1
    )
    return outputs.squeeze(1) if unbatched else outputs


def _autocast(
    input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None, *settings: Any
) -> Tensor:
    """Return the output in autocast's element type; the residual is added by PyTorch's rules."""
    given = Settings(*settings)
    with autocast.switched_off():
        alone = given._replace(activation=None)
        output = _call(*autocast.cast(input, weight, bias), None, alone)
        return Epilogue(given.activation).applied(output, residual)


LIBRARY.impl("convolution", _compute, "CompositeExplicitAutograd")
LIBRARY.impl("convolution", _autograd, "Autograd")
LIBRARY.impl("convolution", _autocast, "AutocastCPU")
torch.library.register_fake(NAME, _fake, lib=LIBRARY)
torch.library.register_vmap(NAME, _vmap, lib=LIBRARY)


@register_flop_formula(torch.ops.glassconv.convolution)
def _flops(
    input: Sequence[int],
    weight: Sequence[int],
    bias: object,
    residual: object,
    *settings: Any,
    out_shape: Sequence[int],
    **_: object,
) -> int:
    """Return what PyTorch counts for its own convolution."""
    given = Settings(*settings)
    if len(input) == given.ndim + 1:  # one image, without a batch axis
        input, out_shape = [1, *input], [1, *out_shape]
    return conv_flop_count(list(input), list(weight), list(out_shape), given.transposed)

"""The operators that a program may call: a list. They compute a tensor from tensors, no more.

What reads files, makes random numbers, takes memory that is not written, or has outputs whose size
depends on numbers, such as `nonzero`, is not on it.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch._ops import OpOverload, OpOverloadPacket

from glassconv.errors import NetworkError, ShapeError
from glassconv.networks.exported.sizes import LARGEST
from glassconv.networks.files.quote import quoted
from glassconv.networks.operator_words import wrong_word

# An operator ending in _ , which writes into its first argument, is on the list with the one
# without. `where` has all overloads of `aten::where`.
OPERATORS = frozenset(
    """
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution
    linear matmul mm bmm addmm baddbmm einsum scaled_dot_product_attention
    batch_norm native_batch_norm _native_batch_norm_legit_no_training instance_norm
    layer_norm native_layer_norm group_norm native_group_norm rms_norm linalg_vector_norm norm
    max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_unpool2d
    avg_pool1d avg_pool2d avg_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d
    upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d _upsample_nearest_exact2d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler grid_sampler_2d
    affine_grid_generator pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im
    relu relu6 leaky_relu elu selu celu gelu silu mish hardtanh hardswish hardsigmoid sigmoid tanh
    softplus softshrink hardshrink log_sigmoid prelu _prelu_kernel glu threshold
    softmax log_softmax _softmax _log_softmax
    dropout feature_dropout alpha_dropout
    add sub rsub mul div neg abs sign sqrt rsqrt square pow reciprocal exp exp2 expm1 log log1p log2
    sin cos tan atan atan2 erf floor ceil round trunc fmod remainder floor_divide
    clamp clamp_min clamp_max minimum maximum addcmul addcdiv lerp where masked_fill nan_to_num
    eq ne lt le gt ge logical_and logical_or logical_not bitwise_and bitwise_or bitwise_not
    __and__ __or__ isnan isinf isfinite
    sum mean prod amax amin max min argmax argmin std var std_mean var_mean any all cumsum
    logsumexp topk sort argsort
    view view_as reshape reshape_as flatten unflatten permute transpose t movedim squeeze unsqueeze
    expand expand_as repeat repeat_interleave tile cat concat stack split split_with_sizes chunk
    unbind select slice narrow index index_select gather take_along_dim flip roll unfold diagonal
    tril triu pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d embedding one_hot
    contiguous clone alias detach lift_fresh_copy to _to_copy type_as copy fill
    zeros ones full eye arange linspace scalar_tensor meshgrid
    zeros_like ones_like full_like new_zeros new_ones new_full
    sym_size sym_numel _assert_scalar _assert_tensor_metadata
    sym_constrain_range sym_constrain_range_for_size
    """.split()
)
PREFIX = "torch.ops.aten."


def multiply(one: Any, other: Any) -> Any:
    """Return the product of two sizes; one of more than 64 bits is refused."""
    product = one * other
    if isinstance(product, int) and abs(product) >= LARGEST:
        raise ShapeError(f"the sizes {one} and {other} have a product of more than 64 bits")
    return product


PYTHON: Mapping[str, Callable[..., Any]] = {
    "_operator.add": operator.add,
    "_operator.sub": operator.sub,
    "_operator.mul": multiply,
    "_operator.floordiv": operator.floordiv,
    "_operator.truediv": operator.truediv,
    "_operator.mod": operator.mod,
    "_operator.neg": operator.neg,
    "_operator.eq": operator.eq,
    "_operator.ne": operator.ne,
    "_operator.lt": operator.lt,
    "_operator.le": operator.le,
    "_operator.gt": operator.gt,
    "_operator.ge": operator.ge,
    "torch.sym_float": torch.sym_float,
    "torch.sym_int": torch.sym_int,
    "torch.sym_max": torch.sym_max,
    "torch.sym_min": torch.sym_min,
    "torch.sym_not": torch.sym_not,
}


def find_operator(target: str) -> Callable[..., Any]:
    """Return the operator of a name such as `torch.ops.aten.conv2d.default`.

    Raises `NetworkError` for one that is not on the list.
    """
    if target in PYTHON:
        return PYTHON[target]
    name, _, overload = target.removeprefix(PREFIX).partition(".")
    listed = name in OPERATORS or name.removesuffix("_") in OPERATORS
    if target.startswith(PREFIX) and listed and overload:
        packet = getattr(torch.ops.aten, name, None)
        found = getattr(packet, overload, None) if isinstance(packet, OpOverloadPacket) else None
        if isinstance(found, OpOverload) and not any(
            each.is_out for each in found._schema.arguments
        ):
            return found
    raise NetworkError(f"its graph calls {quoted(target)}, which is not on the list of operators")


def check_arguments(
    function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Raise `NetworkError` for a function of Python that takes other arguments.

    Those of an operator are checked when its shapes are computed, but for words of PyTorch's;
    torch.fx writes `a + b` before.
    """
    if isinstance(function, OpOverload):
        names = (each.name for each in function._schema.arguments)
        cause = wrong_word(function, {**dict(zip(names, arguments, strict=False)), **named})
        if cause:
            raise NetworkError(f"its graph calls {function.__name__}: {cause}")
    if function in PYTHON.values():
        try:
            inspect.signature(function).bind(*arguments, **named)
        except TypeError as error:
            cause = f"its graph calls {function.__name__} with other arguments: {error}"
            raise NetworkError(cause) from None


def writes_first_argument(target: object) -> bool:
    """Return whether an operator writes into its first argument, as `aten::relu_` does."""
    if not isinstance(target, OpOverload) or not target._schema.arguments:
        return False
    alias = target._schema.arguments[0].alias_info
    return alias is not None and alias.is_write

"""How each operation is computed on a tile, and which of them have the same bits on every tile."""

from __future__ import annotations

from collections.abc import Mapping

from glassconv.networks.convolutions import FUNCTIONS
from glassconv.networks.graph import Operation
from glassconv.tiling.call import Rule, as_it_is, not_in_place
from glassconv.tiling.positions import INTERPOLATED
from glassconv.tiling.rules import copies, windows

AS_IT_IS = frozenset(  # beside what PyTorch calls pointwise
    "batch_norm prelu _prelu_kernel log_sigmoid hardswish hardsigmoid "
    "dropout feature_dropout alpha_dropout contiguous clone detach alias to _to_copy float half "
    "double permute transpose movedim moveaxis swapaxes swapdims stack select unbind "
    "softmax log_softmax _softmax _log_softmax layer_norm rms_norm linear "
    "mean sum amax amin argmax argmin var std".split()
)
RULES: Mapping[str, Rule] = {**copies.RULES, **windows.RULES}

# Each output element is a copy, or is rounded once: no order of operations can change it. PyTorch
# computes other functions by vectors and the rest of a row one by one, with other last bits: the
# larger of 0 and −0, too.
ROUNDED_ONCE = frozenset(
    "relu relu6 hardtanh clamp clamp_min clamp_max threshold leaky_relu abs neg sign "
    "add sub mul div eq ne lt le gt ge where nan_to_num isnan isfinite "
    "logical_not logical_and logical_or bitwise_not masked_fill "
    "dropout feature_dropout contiguous clone detach alias to _to_copy float half double permute "
    "transpose movedim moveaxis swapaxes swapdims stack select unbind".split()
)
SAME_BITS = (
    ROUNDED_ONCE
    | frozenset(FUNCTIONS)
    | copies.RULES.keys() - set(INTERPOLATED)
    | {name for name in windows.RULES if name.startswith("max")}
)


def rule_of(operation: Operation) -> Rule | None:
    """Return what computes an operation on a tile; None where nothing does."""
    function = not_in_place(operation.function)
    if function in RULES:
        return RULES[function]
    return as_it_is if operation.pointwise or function in AS_IT_IS else None


def has_same_bits(operation: Operation) -> bool:
    """Return whether an output has the same bits whichever tile it is computed in."""
    is_scaled = operation.arguments.get("alpha", 1) != 1  # a product and a sum: rounded twice
    return not_in_place(operation.function) in SAME_BITS and not is_scaled

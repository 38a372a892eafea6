"""Where PyTorch itself is wrong or crashes, and what glassconv must do there instead.

docs/differences.md describes each of them with a line that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.differential_operands import FLOATING

if TYPE_CHECKING:
    from support.differential import Outcome
    from support.differential_calls import Call


@dataclass(frozen=True)
class Fault:
    """A reason, and whether glassconv must raise, must compute, or (None) may do either.

    What it computes is held to the same bounds as everything.
    """

    reason: str
    must_raise: bool | None = True

    def differences(self, ours: Outcome) -> list[str]:
        """Return what is not as it must be."""
        if self.must_raise and ours.error is None:
            return [f"glassconv must raise: {self.reason}"]
        if ours.error is not None and not isinstance(ours.error, RuntimeError):
            return [f"glassconv raises {ours} instead of a RuntimeError: {self.reason}"]
        if self.must_raise is False and ours.error is not None:
            return [f"glassconv raises {ours}, though PyTorch is wrong: {self.reason}"]
        return []


def fault_of(call: Call, theirs: Outcome | None) -> Fault | None:
    """Return what is wrong with what PyTorch did, None where nothing is. It crashed: None."""
    if theirs is None:
        return Fault("a crash", must_raise=False) if may_crash(call) else None
    if theirs.error is not None:
        if "iteration over a 0-d tensor" in str(theirs.error):
            return Fault("unfold and fold take no tensor of one size", must_raise=None)
        cut = call.kind == "conv_transpose" and _largest(call, "stride") >= 2**31
        return Fault("the stride is cut to 32 bits", must_raise=None) if cut else None
    if call.mistake == "output_padding" and call.operands["input"].shape[0] == 0:
        return Fault("the output padding of an empty batch is not checked", must_raise=None)
    for reason, applies in ACCEPTED.items():
        if applies(call):
            return Fault(reason)
    return None


def may_crash(call: Call) -> bool:
    """Return whether PyTorch is known to crash, or to run for minutes.

    Gradients do, of strides far larger than the input. oneDNN does, of a narrow input.
    """
    operand = call.operands["input"]
    narrow = min(operand.shape[-call.ndim :], default=0) <= 3 and operand.dtype in FLOATING
    return call.kind == "conv" and (narrow or _largest(call, "stride") > 255)


def _mixed_devices(call: Call) -> bool:
    tensors = [each for each in call.operands.values() if each.form == "tensor"]
    return len({each.device for each in tensors}) > 1


def _other_bias(call: Call) -> bool:
    bias = call.operands.get("bias")
    return bias is not None and bias.dtype != call.operands["input"].dtype


def _not_positive(call: Call) -> bool:
    """Return whether a stride or dilation is not positive, which PyTorch accepts on meta."""
    for name in ("stride", "dilation"):
        if min(_numbers(call.arguments.get(name, 1)), default=1) < 1:
            return True
    return min(_numbers(call.arguments.get("padding", 0)), default=0) < 0


def _beyond_31_bits(call: Call) -> bool:
    """Return whether padding or dilation is larger than glassconv takes.

    PyTorch's sizes overflow from 2**61 on: a dilation of 2**62 reads one element three times.
    """
    return max(_largest(call, name) for name in ("padding", "dilation", "output_padding")) >= 2**31


def _largest(call: Call, name: str) -> int:
    return max(_numbers(call.arguments.get(name, 0)), default=0)


def _numbers(value: object) -> list[int]:
    if isinstance(value, (tuple, list)):
        return [each for each in value if isinstance(each, int)]
    return [value] if isinstance(value, int) else []


ACCEPTED: Mapping[str, Callable[[Call], bool]] = {
    "a tensor on meta has no numbers, and PyTorch reads memory that is not its own": _mixed_devices,
    "a bias of another element type is accepted by some of PyTorch's loops": _other_bias,
    "a stride, padding or dilation that is not positive is accepted on meta": _not_positive,
    "padding or dilation beyond 31 bits": _beyond_31_bits,
}

"""Calls in "strict" that record a gradient: the output is the kernel's, gradients are PyTorch's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glassconv.dispatch.compiled_call import CompiledCall


@dataclass(frozen=True)
class WithGradients:
    """A call that autograd cannot see, and PyTorch's of the same convolution to differentiate."""

    call: CompiledCall
    differentiable: CompiledCall

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output, through which gradients flow."""
        output: Tensor = _Function.apply(  # type: ignore[no-untyped-call]
            self, input, weight, bias, residual
        )
        return output


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, calls: WithGradients, *arrays: Tensor | None) -> Tensor:
        ctx.calls = calls
        ctx.save_for_backward(*arrays)
        return calls.call(*arrays)  # type: ignore[arg-type]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        needed, create_graph = ctx.needs_input_grad[1:], torch.is_grad_enabled()
        with torch.enable_grad():
            arrays = [
                each.view_as(each) if is_needed else each
                for each, is_needed in zip(ctx.saved_tensors, needed, strict=True)
            ]
            output = ctx.calls.differentiable(*arrays)
            sources = [each for each, is_needed in zip(arrays, needed, strict=True) if is_needed]
            found = iter(
                torch.autograd.grad(output, sources, grad_outputs, create_graph=create_graph)
            )
        return (None, *(next(found) if is_needed else None for is_needed in needed))

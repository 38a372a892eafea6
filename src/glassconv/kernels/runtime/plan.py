"""Plan: everything about a call that can be settled before its numbers are seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from glassconv.codegen.jit import Compiled
from glassconv.codegen.pages import WORTHWHILE_BYTES, ask_for_huge_pages
from glassconv.codegen.parallel import threads
from glassconv.kernels.runtime.blocking import Blocking
from glassconv.kernels.runtime.packed_weights import packed_once
from glassconv.kernels.runtime.parameters import pack_arrays
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout


@dataclass(frozen=True)
class Plan:
    """A compiled kernel with the parameters of one problem; call it with that problem's arrays."""

    problem: ConvProblem
    layout: Layout  # of the input
    kernel: Compiled
    blocking: Blocking
    parameters: Any  # the kernel's struct, packed
    tasks: int
    workspace_bytes: int  # of each thread
    most_threads: int  # more would wait for each other longer than they work
    pack: Callable[[Tensor], Tensor] | None  # the weight for the kernel, None: as it is
    loops: tuple[str, ...] = ()  # what the kernel does, in words, a line for each loop
    hot: str = ""  # the function that this problem spends most of its time in, where it is known

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None = None
    ) -> Tensor:
        """Return the output, in the input's memory layout; a residual has the output's layout.

        Shapes are the problem's: input [batch, in_channels, *input_size] with the strides of
        `layout`, weight [out_channels, in_channels / groups, *kernel_size], bias [out_channels],
        residual and output [batch, out_channels, *output_size].
        """
        output = torch.empty_strided(self.output_shape, self.output_strides, dtype=input.dtype)
        if self.has_huge_pages:
            ask_for_huge_pages(output.data_ptr(), output.nbytes)
        weight = weight.contiguous() if self.pack is None else packed_once(weight, self.pack)
        bias = self.no_bias if bias is None else bias.contiguous()
        team = 1 if self.most_threads == 1 else min(threads(), self.most_threads)
        address = output.data_ptr()
        arrays = pack_arrays(
            input=input.data_ptr(),
            weight=weight.data_ptr(),
            bias=bias.data_ptr(),
            output=address,
            workspace=workspace(team * self.workspace_bytes).data_ptr(),
            residual=address if residual is None else residual.data_ptr(),
        )
        self.kernel.call(self.parameters, arrays, self.tasks, team)
        return output.squeeze(2) if self.is_sequence else output

    @cached_property
    def output_shape(self) -> tuple[int, ...]:
        """Return [batch, out_channels, output_height, output_width]; a sequence has one row."""
        return self.problem.as_2d().output_shape

    @cached_property
    def output_strides(self) -> tuple[int, ...]:
        """Return the output's strides: in the order of the input's layout, without gaps."""
        _, channels, height, width = self.output_shape
        if self.layout.name == NCHW:
            return (channels * height * width, height * width, width, 1)
        return (height * width * channels, 1, width * channels, channels)

    @cached_property
    def no_bias(self) -> Tensor:
        """Return the bias of a problem without one: [out_channels] zeros."""
        return torch.zeros(self.problem.out_channels, dtype=getattr(torch, self.problem.dtype))

    @cached_property
    def has_huge_pages(self) -> bool:
        """Return whether huge pages are asked for: whether the output fills one."""
        return self.problem.output_bytes >= WORTHWHILE_BYTES

    @cached_property
    def is_sequence(self) -> bool:
        """Return whether the problem has one spatial axis, and is computed as images of one row."""
        return self.problem.ndim == 1

    def to_layout(self, residual: Tensor) -> Tensor:
        """Return a residual in the output's memory layout: itself where it has that."""
        images = residual.unsqueeze(2) if self.is_sequence else residual
        if images.stride() == self.output_strides:
            return residual
        converted = torch.empty_strided(self.output_shape, self.output_strides, dtype=images.dtype)
        return converted.copy_(images)


_local = threading.local()


def workspace(size: int) -> Tensor:
    """Return this Python thread's buffer of at least so many bytes, its content arbitrary."""
    buffer: Tensor | None = getattr(_local, "buffer", None)
    if buffer is None or buffer.numel() < size:
        buffer = _local.buffer = torch.empty(size, dtype=torch.uint8)
    return buffer

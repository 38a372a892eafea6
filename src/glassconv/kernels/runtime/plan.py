"""Plan: everything about a call that can be settled before its numbers are seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from struct import Struct
from typing import Any

import torch
from torch import Tensor

from glassconv.codegen.jit import Compiled
from glassconv.codegen.pages import ENOUGH, ask_for_large_pages
from glassconv.codegen.parallel import threads
from glassconv.kernels.runtime.packed_weights import packed_once
from glassconv.kernels.runtime.parameters import ARRAYS
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, Layout

addresses = Struct(f"{len(ARRAYS)}q").pack  # in the order of ARRAYS


@dataclass(frozen=True)
class Plan:
    """A compiled kernel with the sizes of one problem; call it with arrays of that problem."""

    problem: ConvProblem
    layout: Layout
    kernel: Compiled
    sizes: Any  # what the kernel reads by name
    tasks: int
    workspace_bytes: int  # of each thread
    most_threads: int  # more would wait for each other longer than they work
    pack: Callable[[Tensor], Tensor] | None  # the weight's layout for the kernel, None as it lies
    no_bias: Tensor
    loops: tuple[str, ...] = ()  # what it does, in words, a line for each loop
    hot: str = ""  # the function that this problem spends most of its time in, where it is known

    @cached_property
    def output_shape(self) -> tuple[int, ...]:
        """Return [batch, out_channels, out_h, out_w], with a single row for a sequence."""
        return as_plane(self.problem).output_shape

    @cached_property
    def output_strides(self) -> tuple[int, ...]:
        """Return the output's steps: as the input's layout has them, with nothing between."""
        _, channels, height, width = self.output_shape
        if self.layout.name == NCHW:
            return (channels * height * width, height * width, width, 1)
        return (height * width * channels, 1, width * channels, channels)

    @cached_property
    def large(self) -> bool:
        """Return whether the output holds a large page."""
        return self.problem.output_bytes >= ENOUGH

    @cached_property
    def flat(self) -> bool:
        """Return whether it is of sequences, computed as pictures of a single row."""
        return self.problem.ndim == 1

    def laid_out(self, residual: Tensor) -> Tensor:
        """Return a residual as the output lies, itself where it does."""
        plane = residual if self.problem.ndim == 2 else residual.unsqueeze(2)
        if plane.stride() == self.output_strides:
            return residual
        lying = torch.empty_strided(self.output_shape, self.output_strides, dtype=plane.dtype)
        return lying.copy_(plane)

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None = None
    ) -> Tensor:
        """Return the output, in the input's layout; a residual lies as the output does."""
        output = torch.empty_strided(self.output_shape, self.output_strides, dtype=input.dtype)
        if self.large:  # pages of a larger kind
            ask_for_large_pages(output.data_ptr(), output.nbytes)
        weight = weight.contiguous() if self.pack is None else packed_once(weight, self.pack)
        bias = self.no_bias if bias is None else bias.contiguous()
        team = 1 if self.most_threads == 1 else min(threads(), self.most_threads)
        space = workspace(team * self.workspace_bytes)
        made = output.data_ptr()
        arrays = addresses(
            input.data_ptr(),
            weight.data_ptr(),
            bias.data_ptr(),
            made,
            space.data_ptr(),
            made if residual is None else residual.data_ptr(),
        )
        self.kernel.call(self.sizes, arrays, self.tasks, team)
        return output.squeeze(2) if self.flat else output


_local = threading.local()


def workspace(size: int) -> Tensor:
    """Return this Python thread's buffer of at least so many bytes, its content arbitrary."""
    held: Tensor | None = getattr(_local, "buffer", None)
    if held is None or held.numel() < size:
        held = _local.buffer = torch.empty(size, dtype=torch.uint8)
    return held


def as_plane(problem: ConvProblem) -> ConvProblem:
    """Return a problem of one axis as the problem of two that it is: of a single row.

    >>> from glassconv.problem.shorthand import parse
    >>> print(as_plane(parse("2x11 3@4 s2 p1")))
    1x2x1x11 3@1x4 s1x2 p0x1
    """
    if problem.ndim == 2:
        return problem
    return replace(
        problem,
        input_size=(1, *problem.input_size),
        kernel_size=(1, *problem.kernel_size),
        stride=(1, *problem.stride),
        padding=((0, 0), *problem.padding),
        dilation=(1, *problem.dilation),
    )

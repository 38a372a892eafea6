"""The peak of the memory that activations take in eager inference, predicted from a graph.

It is the largest, over the operations, of the activations that are alive before it and what it
allocates at once. What PyTorch's convolutions allocate beside their output follows from how they
compute: oneDNN copies NCHW arrays into blocks of channels and the output back, PyTorch's own loops
make im2col's matrix. The kinds are those of `algorithms/parts/pytorch_cost.py`.

Numbers in oneDNN's rules were read off the allocations that torch.profiler reports, on processors
with AVX-512; a test compares whole networks. Memory that no allocator of PyTorch sees, such as the
stacks of threads, is not counted.
"""

from __future__ import annotations

from math import prod

import torch

from glassconv.algorithms.aten import is_in_own_loops
from glassconv.algorithms.parts import pytorch_cost
from glassconv.networks.convolutions import is_convolution, read
from glassconv.networks.graph import Graph, Layout, Operation
from glassconv.problem import ConvProblem
from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem

WIDEST_TILE = 28  # outputs in a row of a tile of oneDNN's
MOST_COLUMNS = 2**19  # bytes of im2col's matrix that a thread of oneDNN's makes at once
SCRATCH = 8216  # bytes of oneDNN's for weights in channels last
WIDE = 16  # channels of a block with AVX-512, half as many without


def peak_of_activations(graph: Graph) -> tuple[int, Operation]:
    """Return the largest number of bytes of activations at once, and the operation that runs then.

    The input and the parameters are there before, and are not counted.
    """
    threads = torch.get_num_threads()
    peaks = [(each.live_bytes + _allocated(each, threads), each) for each in graph.operations]
    return max(peaks, key=lambda each: each[0])


def _allocated(operation: Operation, threads: int) -> int:
    """Return the bytes that an operation has allocated at its worst, its output among them."""
    if not is_convolution(operation):
        return operation.peak_bytes
    convolution = read(operation)
    return bytes_of_call(convolution.problem, convolution.input.layout, threads)


def bytes_of_call(problem: Problem, layout: Layout, threads: int) -> int:
    """Return what PyTorch allocates at once for a convolution of an input in any layout."""
    copied = problem.input_bytes if layout == "strided" else 0  # made contiguous first
    return copied + bytes_of_problem(problem, NHWC if layout == "channels_last" else NCHW, threads)


def bytes_of_problem(problem: Problem, layout: str, threads: int) -> int:
    """Return the bytes that PyTorch allocates at once for a convolution, its output among them."""
    kind = pytorch_cost.kind_of(problem, layout, threads)
    if problem.dtype in HALF_PRECISION and is_in_own_loops(problem.dtype):
        kind = pytorch_cost.NATIVE
    if isinstance(problem, TransposedProblem):
        return _transposed(problem, kind)
    if "nhwc" in kind:
        return _channels_last(problem, kind)
    if kind in (pytorch_cost.NATIVE, pytorch_cost.DOUBLE):
        return problem.output_bytes + _columns(problem)
    if kind == pytorch_cost.LOWERED and not _fits_a_row(problem):
        columns = threads * min(_columns(problem), MOST_COLUMNS)
        return problem.output_bytes + max(columns, problem.output_bytes)
    return _blocked(problem, threads)


def _fits_a_row(problem: ConvProblem) -> bool:
    """Return whether oneDNN's kernel with AVX-512 computes it: its padding is within a tile."""
    channels, filters = problem.weight_shape[1], problem.gemm.m
    is_whole = problem.groups == 1 or channels == filters == 1 or (channels % 8 == filters % 8 == 0)
    return is_whole and problem.padding[-1][0] <= min(problem.output_size[-1], WIDEST_TILE)


def _columns(problem: ConvProblem) -> int:
    """Return the bytes of im2col's matrix, which a 1 × 1 convolution has already."""
    if {*problem.kernel_size, *problem.stride} == {1} and not problem.is_padded:
        return 0
    return problem.gemm.k * problem.gemm.n * problem.format.bytes


def _blocked(problem: ConvProblem, threads: int) -> int:
    """Return the bytes of all three arrays in blocks of channels; the output is then put in order.

    A 1 × 1 kernel with a stride has each thread gather what it reads.
    """
    block, element = _block(problem), problem.format.bytes
    filters, channels = _up(problem.out_channels, block), _up(problem.in_channels, block)
    per_group = problem.weight_shape[1]
    if problem.groups == 1:
        per_group = channels
    if problem.groups == 1 and problem.in_channels < WIDE:  # as in a first layer: not copied
        channels, per_group = 0, problem.in_channels
    positions = problem.batch * prod(problem.output_size)
    output_bytes = filters * positions * element
    work = channels * problem.batch * prod(problem.input_size) * element
    work += filters * per_group * prod(problem.kernel_size) * element + output_bytes
    if {*problem.kernel_size} == {1} and max(problem.stride) > 1:
        work += threads * channels * prod(problem.output_size) * element
    return max(work, output_bytes + problem.output_bytes)


def _channels_last(problem: ConvProblem, kind: str) -> int:
    """Return the output's bytes, and the weight's in channels last and then in blocks."""
    if kind.startswith("pointwise"):
        return problem.output_bytes
    if kind.startswith("depthwise"):
        return problem.output_bytes + problem.weight_bytes
    return problem.output_bytes + 2 * problem.weight_bytes + SCRATCH


def _transposed(problem: TransposedProblem, kind: str) -> int:
    """Return the bytes of blocks as a convolution has them, or of the matrix that col2im adds."""
    element = problem.format.bytes
    if kind != pytorch_cost.TRANSPOSED:
        columns = prod(problem.weight_shape[1:]) * problem.batch * prod(problem.input_size)
        return problem.output_bytes + columns * element
    block = _block(problem)
    input_bytes, output_bytes = (
        _up(channels, block) * problem.batch * prod(size) * element
        for channels, size in (
            (problem.in_channels, problem.input_size),
            (problem.out_channels, problem.output_size),
        )
    )
    work = input_bytes + problem.weight_bytes + output_bytes
    if max(problem.stride) > 1:
        return max(work + input_bytes, output_bytes + 2 * problem.output_bytes)
    return max(work, output_bytes + problem.output_bytes)


def _block(problem: Problem) -> int:
    """Return the channels of a block of oneDNN's."""
    is_wide = "AVX512" in torch.backends.cpu.get_cpu_capability()
    per_group = problem.in_channels // problem.groups
    is_split = problem.groups > 1 and per_group > 1 and per_group % WIDE
    return WIDE if is_wide and not is_split else WIDE // 2


def _up(channels: int, block: int) -> int:
    """Return a number of channels in whole blocks."""
    return -(-channels // block) * block

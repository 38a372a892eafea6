"""memory: the peak of the bytes that one tile takes, predicted without any number.

The tile is computed with tensors that have shapes and no memory, by the code that computes it with
numbers, and their bytes are counted. A convolution only makes its output; what it allocates beside
that follows from its problem: a contiguous copy of its input, the workspace of a kernel, the zeros
that a transposed convolution inserts.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from glassconv.dispatch.select import chosen, kernel_named
from glassconv.networks.allocations import Allocations
from glassconv.networks.convolutions import STEPS, is_convolution, read
from glassconv.networks.peak_memory import bytes_of_problem
from glassconv.problem.arguments import problem_of
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.memory_layout import NCHW, contiguous
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem, transposed_of
from glassconv.tiling.call import Call, Step, narrowed
from glassconv.tiling.program import Program
from glassconv.tiling.regions import Region, positions, sizes
from glassconv.tiling.rules.windows import kept_outputs


def peak_bytes(program: Program, wanted: Region, element_bytes: int, limit: int) -> int:
    """Return the largest number of bytes at once while a region of the output is computed.

    element_bytes: of an element of the array that the tile is read from. Weights are counted. What
    a convolution allocates beside its output is not, where the limit is exceeded without it.

    >>> from torch import nn
    >>> from glassconv.tiling.regions import everything
    >>> program = Program(nn.ReLU(), (1, 1, 1024), torch.float32, "strict")
    >>> peak_bytes(program, everything((1, 1, 1024)), 4, 2**20)
    8192
    """
    reads = program.reads(wanted)
    is_converted = element_bytes != program.dtype.itemsize
    held = is_converted * positions(reads) * element_bytes
    held += sum(each.nbytes for each in program.constants.values())
    steps = list(program.steps(wanted))
    peak = 0
    allocations = Allocations()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode(), allocations:
        tiles = {program.input.number: torch.empty(sizes(reads), dtype=program.dtype)}
        for step in steps:
            is_convolved = is_convolution(step.operation)
            live = allocations.live_bytes
            allocations.begin()
            program.compute(step, tiles, _output if is_convolved else None)
            allocated = live + allocations.peak_bytes
            if is_convolved and held + allocated <= limit:
                allocated += _beside(step, program.accuracy)
            peak = max(peak, allocated)
    return held + peak


def _output(call: Call) -> Tensor:
    """Return the output of a convolution without computing it: the part of it that is kept."""
    problem = _problem(call.step)
    whole = torch.empty(problem.output_shape, dtype=call.tensors[0].dtype)
    return narrowed(whole, [0] * problem.ndim, sizes(call.step.wanted)[-problem.ndim :])


def _beside(step: Step, accuracy: str) -> int:
    """Return what a convolution of a tile allocates beside its output."""
    problem = _problem(step)
    candidate = chosen(problem, "auto", accuracy)
    is_cut = step.reads[0].region != step.origins[0]
    copied = problem.input_bytes * is_cut
    if not candidate.kernel:
        is_uneven = any(before != after for before, after in problem.padding)
        taken = bytes_of_problem(problem, NCHW, torch.get_num_threads()) - problem.output_bytes
        return copied + taken + problem.input_bytes * is_uneven
    kernel = kernel_named(candidate.name)
    if isinstance(problem, TransposedProblem) and not kernel.transposed:
        problem = problem.convolution
        copied = problem.input_bytes
    plan = kernel.plan(problem, contiguous(problem, NCHW))
    threads = min(torch.get_num_threads(), plan.max_threads)
    return copied + threads * plan.workspace_bytes + plan.packed_bytes


def _problem(step: Step) -> Problem:
    """Return the problem that a convolution is on a tile."""
    found, given = read(step.operation), step.reads[0]
    problem = found.problem
    steps = {name: step.operation.arguments[name] for name in STEPS}
    shape, bias = sizes(given.region), None if found.bias is None else found.bias.shape
    steps["dtype"] = found.weight.dtype if found.weight.dtype in FORMATS else "float32"
    if isinstance(problem, TransposedProblem):
        output_padding, _ = kept_outputs(step, problem)
        steps |= {"padding": 0, "output_padding": output_padding}
        return transposed_of(shape, found.weight.shape, bias, **steps)
    sides = [
        (max(0, region.start - window.start), max(0, window.stop - region.stop))
        for window, region in zip(given.window, given.region, strict=True)
    ]
    padding = tuple(sides[-problem.ndim :])
    return problem_of(shape, found.weight.shape, bias, **{**steps, "padding": padding})

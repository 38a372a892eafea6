"""What the convolutions of all phases and their interleaving do, counted."""

from __future__ import annotations

from math import prod

from glassconv.codegen.target import Target
from glassconv.kernels import implicit_gemm
from glassconv.kernels.phases_parts import pieces
from glassconv.kernels.runtime.blocking import TASKS_PER_THREAD
from glassconv.kernels.runtime.cost_model import (
    Loop,
    Phase,
    Stream,
    Work,
    activation_bytes,
    copy_of,
)
from glassconv.problem.memory_layout import NCHW, Layout
from glassconv.problem.phases import phase_groups
from glassconv.problem.transposed import TransposedProblem


def work(plane: TransposedProblem, layout: Layout, target: Target, threads: int) -> Work:
    """Return what the convolutions of a 2D problem do, and then their interleaving."""
    piece = pieces.piece_of(plane, layout, target, threads)
    number = (plane.batch // max(piece.batch, 1)) * (plane.groups // max(piece.groups, 1))
    parts = [
        implicit_gemm.work(group.convolution, layout, target, threads)
        for group in phase_groups(plane)
    ]
    elements, lanes = prod(plane.output_shape), target.lanes(plane.dtype)
    channels, stride = plane.out_channels // plane.groups, plane.stride[1]
    # Rows are interleaved by vectors, where there are enough adjacent outputs, phases or groups.
    if layout.name == NCHW:
        is_vector, run = stride <= 2 or stride >= lanes, plane.output_size[1]
    elif channels == 1 and min(plane.groups, stride) >= lanes:
        is_vector, run = True, lanes * stride  # of all phases and as many groups as lanes
    else:
        is_vector, run = channels >= lanes, channels
    copied, runs = elements / (lanes if is_vector else 1), elements / run
    footprint = activation_bytes(plane)
    interleaving = Phase(
        (Loop(copied, multiply_adds=1, loads=1, stores=1, entries=runs),),
        (Stream(plane.output_bytes, footprint), Stream(2 * plane.output_bytes, footprint)),
    )
    phases = tuple(phase for part in parts for phase in part.phases)
    team = min(threads, max(1, elements // pieces.MIN_ELEMENTS_PER_TASK))
    return Work(
        (*phases, interleaving),
        TASKS_PER_THREAD * team,
        team,
        launches=number * (len(parts) + 1),
        checked_bytes=plane.weight_bytes,
        packing=(_packing(plane),),
    )


def _packing(plane: TransposedProblem) -> Phase:
    """Return how the weight is packed: an offset and a number of each element are loaded.

    Two additions make its address of the offset.
    """
    copied = Loop(prod(plane.weight_shape), multiply_adds=2, loads=2, stores=1)
    return Phase((copied,), copy_of(plane.weight_bytes).streams)

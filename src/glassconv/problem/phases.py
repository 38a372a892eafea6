"""The phases of a transposed convolution: each is a small convolution with stride 1.

A transposed convolution adds w[k] · x[i] to output o = i · s + k · d − p. So output o reads tap k
only where o + p − k · d is a multiple of the stride s. Outputs s apart read the same taps; they are
a phase. Within one, the next output reads the next input, so a phase is a convolution of the input
with stride 1 by every (s / gcd(s, d))-th tap, flipped, with dilation d / gcd(s, d). No zero is
inserted. A phase that no tap reaches has no product: its outputs are the bias.

Sources: P. P. Vaidyanathan, Multirate digital filters, filter banks, polyphase networks, and
applications: a tutorial, 1990; W. Shi et al., Is the deconvolution layer the same as a
convolutional layer?, 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import gcd, prod

import numpy as np

from glassconv.problem import ConvProblem
from glassconv.problem.transposed import TransposedProblem


@dataclass(frozen=True)
class AxisPhase:
    """One phase along one axis: which outputs it computes, and from what.

    outputs, inputs, taps: of the transposed convolution. Only taps that meet an input are in it.
    """

    outputs: range
    inputs: range
    taps: range  # ascending; the convolution reads them in reverse
    padding: tuple[int, int]
    dilation: int

    @property
    def lead(self) -> int:
        """Return the input that its first output reads through its last tap, negative before 0."""
        return self.inputs.start - self.padding[0]


@dataclass(frozen=True)
class Phase:
    """One phase: the convolution that computes every stride-th output.

    It convolves the input's part `inputs` by the flipped part `taps` of the weight. Its output is
    the part `outputs` of the transposed convolution's, without the bias.
    """

    outputs: tuple[slice, ...]
    inputs: tuple[slice, ...]
    taps: tuple[slice, ...]
    convolution: ConvProblem

    @property
    def first_output(self) -> tuple[int, ...]:
        """Return the position of its first output, smaller than the stride: its name."""
        return tuple(part.start for part in self.outputs)


def phases(problem: TransposedProblem) -> Iterator[Phase]:
    """Yield the phases that a tap reaches, in the order of their first outputs.

    >>> from glassconv import parse_transposed
    >>> for phase in phases(parse_transposed("1x4 1@3 s2 p1 nobias")):
    ...     print(phase.first_output, phase.taps, phase.convolution)
    (0,) (slice(1, 2, 2),) 1x1x4 1@1 s1 p0 nobias
    (1,) (slice(0, 3, 2),) 1x1x4 1@2 s1 p0 nobias
    """
    for axes in product(*(axis_phases(problem, axis) for axis in range(problem.ndim))):
        yield Phase(
            outputs=tuple(_slice(axis.outputs) for axis in axes),
            inputs=tuple(_slice(axis.inputs) for axis in axes),
            taps=tuple(_slice(axis.taps) for axis in axes),
            convolution=ConvProblem(
                batch=problem.batch,
                in_channels=problem.in_channels,
                out_channels=problem.out_channels,
                input_size=tuple(len(axis.inputs) for axis in axes),
                kernel_size=tuple(len(axis.taps) for axis in axes),
                stride=(1,) * problem.ndim,
                padding=tuple(axis.padding for axis in axes),
                dilation=tuple(axis.dilation for axis in axes),
                groups=problem.groups,
                bias=False,
                dtype=problem.dtype,
            ),
        )


@lru_cache(maxsize=256)
def axis_phases(problem: TransposedProblem, axis: int) -> tuple[AxisPhase, ...]:
    """Return the phases along one axis that a tap reaches, at most stride and at most kernel_size.

    Tap k and the tap stride / gcd(stride, dilation) further are of the same phase.
    """
    stride, dilation = problem.stride[axis], problem.dilation[axis]
    size, padding = problem.input_size[axis], problem.padding[axis][0]
    kernel_size, output_size = problem.kernel_size[axis], problem.output_size[axis]
    common = gcd(stride, dilation)
    cycle, step = stride // common, dilation // common
    found = []
    for tap in range(min(kernel_size, cycle)):
        start = (tap * dilation - padding) % stride
        outputs = range(start, output_size, stride)
        # Output number q reads input q + first − step · t through tap number t of the phase.
        first = (start + padding - tap * dilation) // stride
        low = max(0, -((size - 1 - first) // step))  # the input of q = 0 exists from here on
        high = min(
            len(range(tap, kernel_size, cycle)),
            (first + len(outputs) - 1) // step + 1,  # and of the last q up to here
        )
        if not outputs or high <= low:
            continue
        least, most = first - step * (high - 1), first - step * low + len(outputs) - 1
        found.append(
            AxisPhase(
                outputs=outputs,
                inputs=range(max(0, least), min(size, most + 1)),
                taps=range(tap + low * cycle, tap + (high - 1) * cycle + 1, cycle),
                padding=(max(0, -least), max(0, most + 1 - size)),
                dilation=step,
            )
        )
    return tuple(sorted(found, key=lambda phase: phase.outputs.start))


def products_along(problem: TransposedProblem, axis: int) -> int:
    """Return how many pairs of an input and a tap have an output along one axis."""
    stride, (before, _) = problem.stride[axis], problem.padding[axis]
    size, output_size = problem.input_size[axis], problem.output_size[axis]
    offsets = np.arange(problem.kernel_size[axis]) * problem.dilation[axis] - before
    first = np.clip(-(offsets // stride), 0, size)  # the first input that has an output
    stop = np.clip(-((offsets - output_size) // stride), first, size)
    return int((stop - first).sum())


# -- phases that are one convolution -------------------------------------------------------------


@dataclass(frozen=True)
class AxisGroup:
    """Phases along one axis whose windows are equal up to a shift: one convolution has them all.

    Output q of phase number n is output q + shifts[n] of the convolution.
    """

    phases: tuple[AxisPhase, ...]
    shifts: tuple[int, ...]
    inputs: range
    padding: tuple[int, int]

    @property
    def taps(self) -> int:
        """Return how many taps each of its phases has."""
        return len(self.phases[0].taps)


@dataclass(frozen=True)
class PhaseGroup:
    """Phases of equal windows: a convolution that has each filter once for each phase.

    Its filters are [groups, phases, filters of a group]. phases: in the order of `axes`, the last
    axis fastest.
    """

    axes: tuple[AxisGroup, ...]
    convolution: ConvProblem

    @cached_property
    def phases(self) -> tuple[tuple[AxisPhase, ...], ...]:
        """Return every phase, as one phase along each axis."""
        return tuple(product(*(axis.phases for axis in self.axes)))


@lru_cache(maxsize=256)
def phase_groups(problem: TransposedProblem) -> tuple[PhaseGroup, ...]:
    """Return the groups of phases that are one convolution each, at most 2 for each axis undilated.

    The sub-pixel convolution of Shi et al.: with a kernel of twice the stride, all phases are one.

    >>> from glassconv import parse_transposed
    >>> for group in phase_groups(parse_transposed("1x4 1@3 s2 nobias")):
    ...     print(len(group.phases), group.convolution)
    1 1x1x4 1@2 s1 p1 nobias
    1 1x1x4 1@1 s1 p0 nobias
    >>> for group in phase_groups(parse_transposed("1x4 1@4 s2 nobias")):
    ...     print(len(group.phases), group.convolution)
    2 1x1x4 2@2 s1 p1 nobias
    """
    along = [_axis_groups(problem, axis) for axis in range(problem.ndim)]
    return tuple(_group(problem, axes) for axes in product(*along))


def _group(problem: TransposedProblem, axes: tuple[AxisGroup, ...]) -> PhaseGroup:
    return PhaseGroup(
        axes,
        ConvProblem(
            batch=problem.batch,
            in_channels=problem.in_channels,
            out_channels=problem.out_channels * prod(len(axis.phases) for axis in axes),
            input_size=tuple(len(axis.inputs) for axis in axes),
            kernel_size=tuple(axis.taps for axis in axes),
            stride=(1,) * problem.ndim,
            padding=tuple(axis.padding for axis in axes),
            dilation=tuple(axis.phases[0].dilation for axis in axes),
            groups=problem.groups,
            bias=False,
            dtype=problem.dtype,
        ),
    )


def _axis_groups(problem: TransposedProblem, axis: int) -> list[AxisGroup]:
    """Return the groups along one axis. Undilated phases are at most one input apart."""
    found: dict[tuple[int, int], list[AxisPhase]] = {}
    for phase in axis_phases(problem, axis):
        key = len(phase.taps), 0 if phase.dilation == 1 else phase.lead
        found.setdefault(key, []).append(phase)
    size = problem.input_size[axis]
    groups = []
    for phases in found.values():
        first = min(phase.lead for phase in phases)
        extent = (len(phases[0].taps) - 1) * phases[0].dilation
        stop = max(phase.lead + len(phase.outputs) for phase in phases) + extent
        groups.append(
            AxisGroup(
                phases=tuple(phases),
                shifts=tuple(phase.lead - first for phase in phases),
                inputs=range(max(0, first), min(size, stop)),
                padding=(max(0, -first), max(0, stop - size)),
            )
        )
    return groups


def _slice(numbers: range) -> slice:
    return slice(numbers.start, numbers.stop, numbers.step)

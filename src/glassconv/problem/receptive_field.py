"""The receptive field of a stack of layers: which positions of its input one output depends on.

Through one layer, output o reads the positions o · stride + k · dilation − padding. Followed back
through a stack, with e = dilation · (kernel − 1) + 1 the extent of a layer's window:

    size    r ← (r − 1) · stride + e                      from the last layer to the first, from 1
    jump    j ← j · stride                                from 1
    centre  c ← c · stride − padding + (e − 1) / 2        from 0: the centre of output 0's field

A transposed convolution inverts the steps: o · stride + k · dilation − padding is the output.

Source: A. Araujo, W. Norris and J. Sim, Computing receptive fields of convolutional neural
networks, Distill, 2019, equations 2 to 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from glassconv.problem.axis import PADDING, Axis


@dataclass(frozen=True)
class Layer:
    """A layer whose outputs each read a window: a convolution, pooling, or an activation.

    axes: an activation's axes have kernels of size 1. transposed: whether the layer is a transposed
    convolution, whose axes (as `TransposedProblem.axes`) lead from its output to its input.
    """

    axes: tuple[Axis, ...]
    transposed: bool = False

    @property
    def input_size(self) -> tuple[int, ...]:
        """Return the spatial size that the layer reads."""
        axes = self.axes
        return tuple(axis.output_size if self.transposed else axis.input_size for axis in axes)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Return the spatial size that the layer writes."""
        axes = self.axes
        return tuple(axis.input_size if self.transposed else axis.output_size for axis in axes)


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of the outputs of a layer, in positions of the input of the stack.

    size: the positions that it spans along each axis, holes and padding included; behind a
    transposed convolution, what it spans at most. jump: the positions from one output's field to
    the next one's, also called the cumulative stride. centre: of output 0's field.
    """

    size: tuple[int, ...]
    jump: tuple[Fraction, ...]
    centre: tuple[Fraction, ...]

    def centre_of(self, output: Sequence[int]) -> tuple[Fraction, ...]:
        """Return the centre of the field of one output, in positions of the input."""
        return tuple(
            centre + index * jump
            for centre, index, jump in zip(self.centre, output, self.jump, strict=True)
        )


def receptive_fields(layers: Sequence[Layer]) -> tuple[ReceptiveField, ...]:
    """Return the receptive field of the outputs of each layer.

    >>> from glassconv import parse
    >>> first, second = parse("3x32x32 8@3x3 p1"), parse("8x32x32 8@3x3 s2 p1")
    >>> for field in receptive_fields([Layer(first.axes), Layer(second.axes)]):
    ...     print(field.size, *field.jump, *field.centre)
    (3, 3) 1 1 0 0
    (5, 5) 2 2 0 0
    """
    return tuple(_field(layers[: count + 1]) for count in range(len(layers)))


def paths(layers: Sequence[Layer], output: Sequence[int]) -> tuple[npt.NDArray[np.float64], ...]:
    """Return over how many paths one output of the last layer reads each input position.

    One array [input_size] per axis; a pixel is read over the product of its axes' numbers. It is 0
    for positions that are not read: outside the receptive field, or in the holes of dilation. Paths
    that end in the padding of a layer are not counted.

    >>> from glassconv import parse
    >>> layer = Layer(parse("1x5 1@3 p1").axes)
    >>> paths([layer, layer], [2])[0]
    array([1., 2., 3., 2., 1.])
    """
    return tuple(
        _paths([(layer.axes[place], layer.transposed) for layer in layers], index)
        for place, index in enumerate(output)
    )


def _field(layers: Sequence[Layer]) -> ReceptiveField:
    axes = zip(*(layer.axes for layer in layers), strict=True)
    inverted = [layer.transposed for layer in layers]
    fields = [_along(list(zip(each, inverted, strict=True))) for each in axes]
    size, jump, centre = zip(*fields, strict=True)
    return ReceptiveField(size, jump, centre)


def _along(steps: list[tuple[Axis, bool]]) -> tuple[int, Fraction, Fraction]:
    """Return size, jump and centre along one axis. steps: (axis, whether it is transposed)."""
    size, jump, centre = 1, Fraction(1), Fraction(0)
    for axis, transposed in reversed(steps):
        offset = Fraction(axis.extent - 1, 2) - axis.padding[0]
        if transposed:
            size = (size + axis.extent - 2) // axis.stride + 1
            jump /= axis.stride
            centre = (centre - offset) / axis.stride
        else:
            size = (size - 1) * axis.stride + axis.extent
            jump *= axis.stride
            centre = centre * axis.stride + offset
    return size, jump, centre


def _paths(steps: list[tuple[Axis, bool]], output: int) -> npt.NDArray[np.float64]:
    """Return the number of paths to each input position along one axis."""
    last, transposed = steps[-1]
    counts = np.zeros(last.input_size if transposed else last.output_size)
    counts[output] = 1
    for axis, transposed in reversed(steps):
        taps = axis.tap_map()
        inside = taps != PADDING
        if transposed:
            counts = np.where(inside, counts[taps], 0).sum(axis=1)
        else:
            read = np.zeros(axis.input_size)
            np.add.at(read, taps[inside], np.broadcast_to(counts[:, None], taps.shape)[inside])
            counts = read
    return counts

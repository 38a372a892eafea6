"""A stack of layers in shorthand: `3x32x32 8@3x3 p1 relu maxpool 2 16@3x3 s2`.

8@3x3 s2 p1        a convolution as in `shorthand`; the layer before it gives its input
8@3x3 transposed   a transposed convolution
maxpool 2          pooling over windows of 2 × 2, as far apart as they are large
avgpool 3x3 s2 p1  with a stride and padding of its own
relu               an activation, which keeps the shape
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glassconv.errors import ShorthandError
from glassconv.problem.problem import parse_problem
from glassconv.problem.receptive_field import Layer
from glassconv.problem.shorthand import parse
from glassconv.problem.size_text import by_x
from glassconv.problem.transposed import TransposedProblem

EXAMPLE = "3x32x32 8@3x3 p1 relu maxpool 2 16@3x3 s2"
ACTIVATION = "relu"
POOLINGS = ("maxpool", "avgpool")

_SIZES = re.compile(r"\d{1,19}(x\d{1,19})*", re.ASCII)


@dataclass(frozen=True)
class StackLayer:
    """One layer of a stack. Its shapes are [batch, channels, *size]."""

    text: str  # as it was written, without its input
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    layer: Layer


@dataclass(frozen=True)
class Stack:
    """Layers of which each reads the output of the one before it."""

    text: str
    layers: tuple[StackLayer, ...]

    @property
    def ndim(self) -> int:
        """Return the number of spatial axes."""
        return len(self.layers[0].layer.axes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape that the first layer reads: [batch, channels, *size]."""
        return self.layers[0].input_shape

    @property
    def windows(self) -> tuple[Layer, ...]:
        """Return what each layer reads, as `receptive_fields` takes it."""
        return tuple(layer.layer for layer in self.layers)

    def __str__(self) -> str:
        """Return the shorthand."""
        return self.text


def parse_stack(text: str | Sequence[str]) -> Stack:
    """Return the stack that a shorthand describes, written as one text or as a text per layer.

    Raises `ShorthandError` for a layer that cannot be read or does not fit its input.

    >>> stack = parse_stack(["3x32x32 8@3x3 p1", "relu", "maxpool 2", "16@3x3 s2"])
    >>> [layer.output_shape for layer in stack.layers]
    [(1, 8, 32, 32), (1, 8, 32, 32), (1, 8, 16, 16), (1, 16, 7, 7)]
    """
    joined = text if isinstance(text, str) else " ".join(text)
    input, *words = joined.replace("×", "x").split() or [""]
    written = list(_split(words))
    if not _SIZES.fullmatch(input) or not written:
        cause = f"a stack needs an input and layers, such as {EXAMPLE}"
        raise ShorthandError(cause, request=repr(joined))
    shape = tuple(map(int, input.split("x")))
    ndim = next((_axes_of(layer) for layer in written if "@" in layer), len(shape) - 1)
    if len(shape) == ndim + 1:
        shape = (1, *shape)
    if len(shape) != ndim + 2 or ndim not in (1, 2, 3):
        cause = f"an input with {ndim} spatial axes is written CxHxW, or NxCxHxW with the batch"
        raise ShorthandError(f"{cause}; got {input}", request=repr(joined))
    layers: list[StackLayer] = []
    for layer in written:
        layers.append(_read(layer, layers[-1].output_shape if layers else shape))
    return Stack(" ".join([input, *written]), tuple(layers))


def is_stack(text: str) -> bool:
    """Return whether a shorthand has more than one layer, or one that is no convolution.

    >>> is_stack("3x32x32 8@3x3 p1"), is_stack("3x32x32 8@3x3 p1 relu")
    (False, True)
    """
    words = text.split()
    return sum(map(_begins, words)) > 1 or any(word in (ACTIVATION, *POOLINGS) for word in words)


def _begins(word: str) -> bool:
    """Return whether a layer begins with this word."""
    return "@" in word or word in (ACTIVATION, *POOLINGS)


def _split(words: Sequence[str]) -> Iterator[str]:
    """Yield the text of each layer."""
    layer: list[str] = []
    for word in words:
        if layer and _begins(word):
            yield " ".join(layer)
            layer = []
        layer.append(word)
    if layer:
        yield " ".join(layer)


def _axes_of(layer: str) -> int:
    """Return the number of kernel sizes of a convolution in shorthand."""
    return layer.split(maxsplit=1)[0].count("x") + 1


def _read(text: str, input_shape: tuple[int, ...]) -> StackLayer:
    """Return a layer that reads an input of this shape."""
    name, *options = text.split()
    size = input_shape[2:]
    if name == ACTIVATION:
        if options:
            cause = f"{ACTIVATION} has no options"
            raise ShorthandError(cause, request=repr(text))
        axes = parse(f"{by_x(input_shape)} 1@{by_x([1] * len(size))}").axes
        return StackLayer(text, input_shape, input_shape, Layer(axes))
    if name in POOLINGS:
        return _pooling(text, input_shape)
    problem = parse_problem(f"{by_x(input_shape)} {text}")
    transposed = isinstance(problem, TransposedProblem)
    return StackLayer(text, input_shape, problem.output_shape, Layer(problem.axes, transposed))


def _pooling(text: str, input_shape: tuple[int, ...]) -> StackLayer:
    """Return a pooling layer: it reads, channel by channel, the windows of a convolution."""
    name, *options = text.split()
    ndim = len(input_shape) - 2
    sizes, *steps = options or [""]
    if not _SIZES.fullmatch(sizes) or any(word[0] not in "spd" for word in steps):
        cause = f"pooling is written as a size and the options s, p and d, such as {name} 2"
        raise ShorthandError(cause, request=repr(text))
    kernel = sizes if "x" in sizes or ndim == 1 else by_x([sizes] * ndim)
    stride = [] if any(word[0] == "s" for word in steps) else [f"s{kernel}"]
    problem = parse(" ".join([by_x(input_shape), f"1@{kernel}", *stride, *steps]))
    for axis in problem.axes:
        if max(axis.padding) > axis.kernel_size // 2:
            cause = (
                f"pooling is padded by at most half its window, as in PyTorch; this has padding "
                f"{max(axis.padding)} for a window of {axis.kernel_size}"
            )
            raise ShorthandError(cause, request=repr(text))
    output_shape = (*input_shape[:2], *problem.output_size)
    return StackLayer(text, input_shape, output_shape, Layer(problem.axes))

"""The layers of a strip: convolutions, ReLU and pooling, each of which reads the one before.

The page gets them as the list `layers` of its report. A layer is an object of

    name    for people: "layer 1", or its name in the model, such as "0" or "features.0"
    kind    "conv", "relu", "maxpool" or "avgpool"
    text    a convolution in shorthand, its input included ("1x3x32x32 8@3x3 s1 p1"), or "relu",
            "maxpool 2", "avgpool 3x2 s2 p1": the window, its stride where that is another size,
            its padding, its dilation (d2)
    weight, bias   a convolution's numbers (glassconv.explore.tensors), where there are some

The first layer is a convolution, and reads the report's `input`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from glassconv.errors import UnsupportedError
from glassconv.explore.tensors import to_document
from glassconv.problem.problem import Problem
from glassconv.reports.array import Array

Kind = Literal["conv", "relu", "maxpool", "avgpool"]
Pooling = nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d
Simple = Pooling | nn.ReLU


@dataclass(frozen=True)
class Layer:
    """One layer of a strip; the arrays are a convolution's, where its numbers are known."""

    name: str
    kind: Kind
    text: str
    weight: Array | None = None
    bias: Array | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the layer as the page reads it."""
        document: dict[str, Any] = {"name": self.name, "kind": self.kind, "text": self.text}
        for name in ("weight", "bias"):
            array = getattr(self, name)
            if array is not None:
                document[name] = to_document(array)
        return document


def convolution(
    name: str, problem: Problem, weight: Array | None = None, bias: Array | None = None
) -> Layer:
    """Return a convolution of a strip; the problem's input and kernel have two axes."""
    return Layer(name, "conv", str(problem), weight, bias)


def simple(name: str, layer: Simple, request: str) -> Layer:
    """Return ReLU or a pooling layer of PyTorch as a layer of a strip.

    Raises `UnsupportedError` for pooling that the page does not compute: with ceil_mode
    or another divisor than the window's size.

    >>> simple("1", nn.MaxPool2d(3, stride=2, padding=1), "show").text
    'maxpool 3 s2 p1'
    """
    if isinstance(layer, nn.ReLU):
        return Layer(name, "relu", "relu")
    cause = _refusal(layer)
    if cause is not None:
        raise UnsupportedError(f"layer {name}, {layer!r}, {cause}", request=request)
    kind: Kind = "maxpool" if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d) else "avgpool"
    window, stride, padding = (
        _per_axis(layer, size, alone)
        for size, alone in ((layer.kernel_size, 1), (layer.stride, 1), (layer.padding, 0))
    )
    words = [kind, _once(window)]
    if stride != window:
        words.append(f"s{_once(stride)}")
    if any(padding):
        words.append(f"p{_once(padding)}")
    dilation = _per_axis(layer, getattr(layer, "dilation", 1), 1)
    if dilation != (1, 1):
        words.append(f"d{_once(dilation)}")
    return Layer(name, kind, " ".join(words))


def _refusal(layer: Pooling) -> str | None:
    if layer.ceil_mode:
        return "rounds its output size up (ceil_mode), which the explorer does not draw"
    if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d):
        if layer.return_indices:
            return "returns indices beside its output"
        return None
    if not layer.count_include_pad and any(_per_axis(layer, layer.padding, 0)):
        return "leaves the padding out of its averages (count_include_pad=False)"
    divided = isinstance(layer, nn.AvgPool2d) and layer.divisor_override is not None
    return "divides by divisor_override instead of the window's size" if divided else None


def _per_axis(layer: Pooling, size: int | tuple[int, ...], alone: int) -> tuple[int, int]:
    """Return a size for rows and columns; `alone` is that of the one row of a sequence."""
    if isinstance(layer, nn.MaxPool1d | nn.AvgPool1d):
        (one,) = (size,) if isinstance(size, int) else size
        return alone, one
    rows, columns = (size, size) if isinstance(size, int) else size
    return rows, columns


def _once(sizes: tuple[int, int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else "x".join(map(str, sizes))

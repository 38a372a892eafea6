"""What the explorer is opened on: a convolution, and the numbers in it where there are some."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from glassconv.algorithms import named
from glassconv.data import Picture
from glassconv.data.photograph import chelsea
from glassconv.dispatch.array_boundary import as_tensor
from glassconv.errors import ArgumentError, ConvError, DtypeError, UnsupportedError
from glassconv.examples.sample_operands import photograph_input, whole_numbers
from glassconv.examples.tutorial import normalise, tutorial_layer
from glassconv.explanation.gradients import explain_gradients
from glassconv.explanation.torch_layers import (
    Input,
    Layer,
    TransposedLayer,
    flat,
    problem_of_layer,
)
from glassconv.explore import layers as strips
from glassconv.explore.tensors import DTYPES, to_document
from glassconv.problem.arguments import problem_of
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.array import Array

SCHEMA = "glassconv.explorer/1"
InputKind = Literal["random", "array", "image"]  # "image": its channels are red, green and blue
MOST_READ = 256  # positions of an input whose numbers are read, as in web/src/numerics/arrays.ts
MOST_DRAWN_BYTES = 4_000_000  # of random numbers: a larger problem's the page draws itself
MOST_GIVEN_BYTES = 32_000_000  # of a user's arrays, which a notebook keeps for every output


@dataclass(frozen=True)
class Link:
    """A place beside the page, by its name and its address."""

    label: str
    href: str


@dataclass(frozen=True)
class Guide:
    """The introduction with which a page begins, and what it links to."""

    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Exploration:
    """A convolution to explore; the page fills an array that is None with random numbers."""

    problem: Problem
    layers: tuple[strips.Layer, ...] = ()  # of a strip, this problem the first of them
    input: Array | None = None
    weight: Array | None = None
    bias: Array | None = None
    output: Array | None = None  # PyTorch's
    input_kind: InputKind = "random"
    source: str = ""  # where the numbers come from, for people
    guide: Guide | None = None  # with which the page begins

    @property
    def title(self) -> str:
        """Return what the page is about, in a few words."""
        return str(self.problem) if self.guide is None else "convolution you can see through"

    def to_json(self) -> str:
        """Write the document that the page reads."""
        document: dict[str, Any] = {"schema": SCHEMA, "problem": str(self.problem)}
        if self.layers:
            document["layers"] = [layer.to_document() for layer in self.layers]
        for name in ("input", "weight", "bias", "output"):
            array = getattr(self, name)
            if array is not None:
                document[name] = to_document(array)
        gradients = _gradients(self.problem)
        if gradients is not None:
            document["gradients"] = gradients
        if self.input is not None:
            document["inputKind"] = self.input_kind
        if self.source:
            document["source"] = self.source
        if self.guide is not None:
            document["guide"] = asdict(self.guide)
        return json.dumps(document)


def _gradients(problem: Problem) -> dict[str, Any] | None:
    """Return what computes both gradients in training on this machine, None where they are none."""
    try:
        facts = explain_gradients(problem)
    except UnsupportedError:
        return None
    return {
        part.name: {
            "kernel": part.kernel,
            "reason": part.reason,
            "seconds": part.seconds,
            "pytorchSeconds": part.pytorch_seconds,
        }
        for part in facts.parts
        if part.name in ("input", "weight")
    }


def of_problems(problems: Sequence[Problem]) -> Exploration:
    """Return the first of some problems on drawn numbers, and where there are more, a strip.

    A small problem has whole numbers, which can be read, and a larger one random ones.

    >>> from glassconv import parse
    >>> of_problems([parse("3x8x8 4@3x3")]).output.shape
    (1, 4, 6, 6)
    """
    pictures = tuple(map(_as_picture, problems))
    first, several = pictures[0], len(pictures) > 1
    named = enumerate(pictures if several else (), start=1)
    strip = tuple(strips.convolution(f"layer {place}", problem) for place, problem in named)
    if _bytes(first) > MOST_DRAWN_BYTES:
        return Exploration(first, strip)
    if prod(first.input_size) <= MOST_READ:
        drawn = _run(first, whole_numbers(first), "random", "whole numbers")
    else:
        drawn = _run(first, random_operands(first), "random", "random numbers")
    return replace(drawn, layers=strip)


def of_picture(picture: Picture, problem: Problem | None = None) -> Exploration:
    """Return an image as input of the tutorial's Conv2d(3, 1, 5), or of a problem.

    Raises `ArgumentError` for a problem whose input is not an image: it has neither
    three channels nor one, which is grey.
    """
    if problem is None:
        layer, input = tutorial_layer(), normalise(picture.pixels)
        problem = problem_of(input.shape, layer.weight.shape, [layer.out_channels])
        return _run(problem, Operands(input, layer.weight, layer.bias), "image", picture.source)
    if isinstance(problem, TransposedProblem):
        cause = "an image can be the input of a convolution, not of a transposed one"
        raise ArgumentError(cause, request=str(problem))
    if problem.ndim != 2 or problem.in_channels not in (1, 3):
        shape = list(problem.input_shape)
        cause = f"an image has two axes and 3 channels, or 1 in grey, but the input is {shape}"
        raise ArgumentError(cause, request=str(problem))
    _fitting(problem)
    operands = replace(random_operands(problem), input=photograph_input(problem, picture.pixels))
    return _run(problem, operands, "image", picture.source)


def of_operands(problem: Problem, operands: Operands, source: str) -> Exploration:
    """Return a convolution at work on its operands; of a batch the first image is shown.

    Raises `ArgumentError` where the arrays are more than a page can hold, `UnsupportedError` and
    `DtypeError` for what it does not draw.
    """
    one = _fitting(replace(problem, batch=min(problem.batch, 1)))
    first = replace(operands, input=operands.input.reshape(problem.input_shape)[:1])
    return _run(one, first, "array", source)


def introduction(links: Sequence[Link] = ()) -> Exploration:
    """Return the tutorial's cat and Conv2d(3, 1, 5), with the guide that leads to them.

    links: what the guide links to, such as `glassconv.explore.links.links()` on a page beside
        the documentation's.
    """
    return replace(of_picture(chelsea()), guide=Guide(tuple(links)))


def of_layer(layer: nn.Module, input: Input) -> Exploration:
    """Return a layer of PyTorch at work on an input, or on random numbers of a shape.

    layer: a convolution, or an `nn.Sequential` that begins with one, of convolutions, ReLU and
        max or average pooling: then a strip, whose layers read one another's output.

    Of a batch the first image is shown. Raises what `explain` raises, and `ArgumentError` where
    there is no image, or more than a page can hold.
    """
    request = f"show({layer!r})"
    if isinstance(layer, nn.Sequential):
        return _of_sequential(layer, input, request)
    return _of_one(layer, input, request)


def _of_one(layer: nn.Module, input: Input, request: str) -> Exploration:
    """Return a convolution's layer at work on an input; a refusal repeats the request."""
    problem = problem_of_layer(layer, input, request)
    try:
        one = _fitting(replace(problem, batch=min(problem.batch, 1)))
    except ConvError as error:
        raise error.asked_as(request) from None
    if isinstance(input, np.ndarray | Tensor):
        x = as_tensor(input).reshape(problem.input_shape)[:1]
        kind: InputKind = "array"
        source = f"image 1 of {problem.batch}" if problem.batch > 1 else ""
    else:
        x, kind, source = random_operands(one).input, "random", "random numbers"
    layer = cast(Layer | TransposedLayer, layer)  # or there would be no problem
    return _run(one, Operands(x, layer.weight, layer.bias), kind, source)


def _of_sequential(model: nn.Sequential, input: Input, request: str) -> Exploration:
    """Return the first convolution of a model, and all its layers as a strip."""
    every = list(flat(model))
    if not every or not isinstance(every[0][1], Layer | TransposedLayer):
        cause = "the first layer must be a convolution"
        raise UnsupportedError(cause, request=request)
    name, first = every[0]
    problem = problem_of_layer(first, input, request)
    explored = _of_one(first, input, request)
    strip = [strips.convolution(name, explored.problem, explored.weight, explored.bias)]
    x = torch.from_numpy(explored.input).reshape(1, *problem.input_shape[1:])
    held = _bytes(explored.problem)
    for (_, before), (name, layer) in pairwise(every):
        x = _output(before, x, request)
        if isinstance(layer, Layer | TransposedLayer):
            try:
                problem = _fitting(problem_of_layer(layer, x, request))
            except ConvError as error:
                raise error.asked_as(request) from None
            held += _bytes(problem)
            strip.append(_convolution(name, _as_picture(problem), layer))
        elif isinstance(layer, strips.Simple):
            strip.append(strips.simple(name, layer, request))
        else:
            cause = f"layer {name}, {layer!r}, is not a convolution, ReLU, max or average pooling"
            raise UnsupportedError(cause, request=request)
    _output(every[-1][1], x, request)
    if held > MOST_GIVEN_BYTES:
        raise ArgumentError(_too_large(held), request=request)
    return replace(explored, layers=tuple(strip)) if len(strip) > 1 else explored


def _output(layer: nn.Module, input: Tensor, request: str) -> Tensor:
    """Return a layer's output; what PyTorch refuses is refused with its words."""
    try:
        with torch.no_grad():
            output: Tensor = layer(input)
    except RuntimeError as error:
        cause = f"{layer!r} does not accept an input {list(input.shape)}: {error}"
        raise ArgumentError(cause, request=request) from None
    return output


def _convolution(name: str, drawn: Problem, layer: Layer | TransposedLayer) -> strips.Layer:
    weight = to_numpy(layer.weight.detach()).reshape(drawn.weight_shape)
    bias = None if layer.bias is None else to_numpy(layer.bias.detach())
    return strips.convolution(name, drawn, weight, bias)


def _run(problem: Problem, operands: Operands, input_kind: InputKind, source: str) -> Exploration:
    """Return operands and PyTorch's output, drawn as pictures."""
    given = operands.copy()
    with torch.no_grad():
        output = named("aten").run(problem, given.input, given.weight, given.bias)
    drawn = _as_picture(problem)
    return Exploration(
        drawn,
        input=to_numpy(given.input).reshape(drawn.input_shape),
        weight=to_numpy(given.weight).reshape(drawn.weight_shape),
        bias=None if given.bias is None else to_numpy(given.bias),
        output=to_numpy(output).reshape(drawn.output_shape),
        input_kind=input_kind,
        source=source,
    )


def _as_picture(problem: Problem) -> Problem:
    """Return the problem on pictures: a sequence is a picture of one row.

    Raises `UnsupportedError` for volumes, `ArgumentError` for an empty batch, `DtypeError` for
    elements that a browser does not compute in.
    """
    if problem.dtype not in DTYPES:
        cause = f"the explorer computes in {' or '.join(DTYPES)}, not in {problem.dtype}"
        raise DtypeError(cause, request=str(problem))
    if problem.batch == 0:
        raise ArgumentError("there is no image in an empty batch", request=str(problem))
    if problem.ndim == 3:
        cause = "the explorer draws convolutions of one or two spatial axes, not of three"
        raise UnsupportedError(cause, request=str(problem))
    return problem.as_2d()


def _fitting(problem: Problem) -> Problem:
    """Return a problem that can be drawn and whose arrays a page can hold, or raise."""
    _as_picture(problem)
    if _bytes(problem) > MOST_GIVEN_BYTES:
        raise ArgumentError(_too_large(_bytes(problem)), request=str(problem))
    return problem


def _too_large(size: int) -> str:
    return (
        f"its arrays take {size / 1e6:.0f} MB, and a page holds up to "
        f"{MOST_GIVEN_BYTES / 1e6:.0f}; try a smaller input or fewer channels"
    )


def _bytes(problem: Problem) -> int:
    return problem.input_bytes + problem.weight_bytes + problem.output_bytes

"""The tutorial, end to end: one convolution seen as a matrix multiplication, on a photograph.

Source: "PyTorch Conv2d Under The Hood", Mashaan blog, after the CS231n course notes.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from glassconv.algorithms import named
from glassconv.algorithms.direct import define
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import problem_of
from glassconv.problem.operands import Operands, to_numpy
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.reports.worked_example import Tutorial, WorkedExample
from glassconv.tracing.forward import trace
from glassconv.verification.verify import compare, judge

MEAN, STD = 0.5, 0.5
CS231N = problem_of([3, 5, 5], [2, 3, 3, 3], [2], stride=2, padding=1, dtype="float64")


def walk(pixels: Array, source: str) -> Tutorial:
    """Return every fact of the tutorial, computed on an image.

    pixels: [height, width, 3], uint8. source: a description of the image.

    >>> from glassconv.data.photograph import chelsea
    >>> facts = walk(chelsea().pixels, "Chelsea")
    >>> facts.layer["columns"].shape, facts.conv2d.shape
    ((1, 75, 784), (1, 1, 28, 28))
    """
    input = normalise(pixels)
    layer = tutorial_layer()
    operands = Operands(input, layer.weight, layer.bias)
    with torch.no_grad():
        conv2d = to_numpy(layer(input))
    problem = problem_of(input.shape, layer.weight.shape, [1])
    traced = trace(problem, "im2col", operands)
    bound = named("im2col").error_bound(problem)
    hold = partial(judge, problem, operands=operands, bound=bound)
    return Tutorial(
        source=source,
        picture=pixels,
        layer=traced,
        conv2d=conv2d,
        difference=compare(
            problem, operands, ("Conv2d", conv2d, bound), ("im2col", traced.output, bound)
        ),
        checks=(
            hold("nn.Conv2d", output=conv2d),
            hold("im2col", output=traced.output),
        ),
        four_filters=four_filters(input),
        worked=worked_example(),
    )


def normalise(pixels: Array) -> Tensor:
    """Return pixels [height, width, 3] as the layer's input [1, 3, height, width], −1 to 1."""
    scaled = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    return ((scaled - MEAN) / STD)[None]


def tutorial_layer() -> nn.Conv2d:
    """Return the tutorial's own Conv2d(3, 1, 5), weight for weight.

    The tutorial seeds once and then iterates two data loaders, each of which draws one int64 for
    its workers; the layer's weights come after.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(2):
            torch.empty((), dtype=torch.int64).random_()
        return nn.Conv2d(3, 1, 5)


def four_filters(input: Tensor) -> Trace:
    """Return im2col of four 5×5 filters on the input: (4 × 75) · (75 × 784)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.Conv2d(3, 4, 5)
    problem = problem_of(input.shape, layer.weight.shape, [4])
    return trace(problem, "im2col", Operands(input, layer.weight, layer.bias))


def worked_example(
    problem: ConvProblem = CS231N, chosen: tuple[int, int, int] = (0, 1, 2)
) -> WorkedExample:
    """Return a convolution in whole numbers small enough to check by hand.

    By default the example of the CS231n notes: 5×5×3 padded by 1, two 3×3×3 filters, stride 2,
    output 3×3×2. chosen: (filter, row, column) of the output to write out.
    """
    random = np.random.RandomState(231)  # whose stream, unlike default_rng's, is fixed for ever
    input = random.randint(0, 3, problem.input_shape[1:]).astype(np.float64)
    weight = random.randint(-1, 2, problem.weight_shape).astype(np.float64)
    bias = np.array([1.0, 0.0] * problem.out_channels)[: problem.out_channels] * problem.bias
    output = define(problem, input[None], weight, bias)[0]
    return WorkedExample(problem, input, weight, bias, output, chosen)

"""Training steps, timed beside PyTorch's: output, gradients, and a change of the weight.

    python -m glassconv.benchmarks.training --suite resnet18 --batch 8 --threads 2
    python -m glassconv.benchmarks.training --network torchvision:resnet18 --batch 8 --compile

The first takes a step of each two-dimensional layer of a suite: forward, backward with a random
gradient of the output, and a step of gradient descent that changes the weight, so that it is packed
anew. The second takes whole steps of a network, whose convolutions `glassconv.nn.swap` replaced;
--compile compiles both networks by `torch.compile`, which needs a C++ compiler.

PyTorch's steps and glassconv's take turns in one process, and the ratio of the medians counts. With
one thread its processor time is measured, which busy neighbours do not change.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, thread_time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import glassconv.nn
from glassconv.benchmarks.suites import read_suite
from glassconv.benchmarks.torchvision_schemas import declare
from glassconv.codegen.pages import keep_memory
from glassconv.functional import conv2d
from glassconv.networks.load import load
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.views.terminal.benchmark import geometric_mean

Step = Callable[[], object]
WARM_UP = 6  # steps, after which memory is used again
RATE = 1e-6  # of learning: weights change, and stay as large as they are
FORMATS = {NCHW: torch.contiguous_format, NHWC: torch.channels_last}


def layer_step(
    problem: ConvProblem, layout: str, convolve: Callable[..., Tensor], first: bool
) -> Step:
    """Return the step of a layer, from random arrays in a memory layout.

    convolve: `F.conv2d`, or ours. first: whether its input is the network's, which needs no
    gradient.
    """
    format = FORMATS[layout]
    input = torch.randn(problem.input_shape).to(memory_format=format).requires_grad_(not first)
    weight = nn.Parameter(torch.randn(problem.weight_shape).to(memory_format=format))
    bias = nn.Parameter(torch.randn(problem.out_channels)) if problem.bias else None
    grad = torch.randn(problem.output_shape).to(memory_format=format)
    padding = tuple(before for before, _ in problem.padding)
    sources = [each for each in (input, weight, bias) if each is not None and each.requires_grad]

    def step() -> None:
        output = convolve(
            input, weight, bias, problem.stride, padding, problem.dilation, problem.groups
        )
        found = torch.autograd.grad(output, sources, grad)
        gradients = dict(zip(map(id, sources), found, strict=True))
        with torch.no_grad():
            weight.sub_(gradients[id(weight)], alpha=RATE)

    return step


def network_step(network: nn.Module, input: Tensor) -> Step:
    """Return the step of a network by stochastic gradient descent."""
    optimiser = torch.optim.SGD(network.parameters(), lr=RATE)
    network.train()

    def step() -> None:
        optimiser.zero_grad()
        network(input).square().mean().backward()
        optimiser.step()

    return step


def times(theirs: Step, ours: Step, rounds: int) -> tuple[float, float]:
    """Return the median seconds of each of two steps that take turns."""
    clock = thread_time if torch.get_num_threads() == 1 else perf_counter
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + WARM_UP):
        for step, taken in zip((theirs, ours), seconds, strict=True):
            start = clock()
            step()
            if number >= WARM_UP:
                taken.append(clock() - start)
    return median(seconds[0]), median(seconds[1])


def _print_suite(name: str, batch: int, layout: str, rounds: int) -> None:
    layers = [
        layer
        for layer in read_suite(name, batch)
        if isinstance(layer.problem, ConvProblem) and layer.problem.ndim == 2
    ]
    sys.stdout.write("| layer | count | PyTorch, ms | glassconv, ms | ratio |\n")
    sys.stdout.write("| --- | ---: | ---: | ---: | ---: |\n")
    ratios: list[float] = []
    for number, layer in enumerate(layers):
        problem = layer.problem
        assert isinstance(problem, ConvProblem), "chosen above"
        theirs, ours = times(
            layer_step(problem, layout, F.conv2d, first=number == 0),
            layer_step(problem, layout, conv2d, first=number == 0),
            rounds,
        )
        ratios += [theirs / ours] * layer.count
        cells = f"{theirs * 1e3:.2f} | {ours * 1e3:.2f} | {theirs / ours:.2f}"
        sys.stdout.write(f"| {problem} | {layer.count} | {cells} |\n")
        sys.stdout.flush()
    mean, worst = geometric_mean(ratios), min(ratios)
    sys.stdout.write(f"geometric mean {mean:.2f}, worst {worst:.2f}\n")


def _print_network(
    source: str, size: int, batch: int, layout: str, rounds: int, compiled: bool
) -> None:
    declare()
    input = torch.randn(batch, 3, size, size).to(memory_format=FORMATS[layout])
    network = load(source).to(memory_format=FORMATS[layout])  # type: ignore[call-overload]
    swapped = glassconv.nn.swap(network).model
    if compiled:
        network.compile()
        swapped.compile()
    theirs, ours = times(network_step(network, input), network_step(swapped, input), rounds)
    cells = f"PyTorch {theirs * 1e3:.0f} ms, glassconv {ours * 1e3:.0f} ms"
    what = f"{source}, compiled" if compiled else source
    sys.stdout.write(f"{what}, batch {batch}, {size}²: {cells}, ratio {theirs / ours:.2f}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of layers, or a line of a network."""
    parser = argparse.ArgumentParser(
        prog="python -m glassconv.benchmarks.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suite", default="resnet18", help="whose layers are timed one by one")
    parser.add_argument("--network", help="whole steps of it, instead of a suite's layers")
    parser.add_argument("--compile", action="store_true", help="by torch.compile, both networks")
    parser.add_argument("--size", type=int, default=224, help="of the network's input")
    parser.add_argument("--batch", type=int, default=8, help="images of a step")
    parser.add_argument("--layout", choices=FORMATS, default=NCHW, help="nhwc is channels last")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of both")
    parser.add_argument("--rounds", type=int, default=20, help="steps of each, of which the median")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    keep_memory()  # as a whole network's steps do, which a layer's alone do not
    if asked.network:
        _print_network(
            asked.network, asked.size, asked.batch, asked.layout, asked.rounds, asked.compile
        )
    else:
        _print_suite(asked.suite, asked.batch, asked.layout, asked.rounds)


if __name__ == "__main__":
    main()

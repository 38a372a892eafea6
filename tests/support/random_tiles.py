"""Random small networks of every operation that has the same bits on each tile.

A seed names a network, its input and its tiles: `python -m support.random_tiles 0:300` compares
each network, tile by tile, with the network as a whole.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.nn.swap import swap
from glassconv.tiling.plan import regions_of
from glassconv.tiling.program import Program
from glassconv.tiling.regions import slices

Layers = tuple[Callable[..., nn.Module], ...]  # of one, two and three axes
CONVOLUTIONS: Layers = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: Layers = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
POOLS = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
MODES = ("zeros", "zeros", "reflect", "replicate", "circular")
LARGEST = 4000  # elements of an activation
Step = Callable[[Tensor], Tensor]


class Chain(nn.Module):
    """Steps one after the other; those that are modules are registered."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))
        self.steps = [
            list(self.layers).index(step) if isinstance(step, nn.Module) else step for step in steps
        ]

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = self.layers[step](x) if isinstance(step, int) else step(x)
        return x


class Skip(nn.Module):
    """Two branches of one input, joined."""

    def __init__(self, first: nn.Module, second: nn.Module, join: str) -> None:
        super().__init__()
        self.first, self.second, self.join = first, second, join

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.first(x), self.second(x)
        other = F.interpolate(other, size=one.shape[2:])
        return torch.cat([one, other], 1) if self.join == "cat" else one + other


@dataclass(frozen=True)
class Case:
    """A network, an input, and the sizes of tiles along each axis of the output."""

    network: nn.Module
    input: Tensor
    tiles: tuple[tuple[int, ...], ...]


def case(seed: int) -> Case:
    """Return the case of a seed."""
    chance = random.Random(seed)
    torch.manual_seed(seed)
    ndim = chance.choice((1, 1, 2, 2, 2, 3))
    channels = chance.randint(1, 3)
    sizes = [chance.randint(3, (40, 16, 8)[ndim - 1]) for _ in range(ndim)]
    x = torch.randn(chance.choice((1, 1, 2)), channels, *sizes)
    network = _chain(chance, x, chance.randint(1, 5), nested=False)
    with torch.no_grad():
        shape = network(x).shape
    return Case(network.eval(), x, tuple(_tiles(chance, size) for size in shape[2:]))


def _tiles(chance: random.Random, size: int) -> tuple[int, ...]:
    """Return sizes that sum to one: all of it, ones, or random ones."""
    kind = chance.choice(("whole", "ones", "any", "any", "any"))
    if kind == "whole":
        return (size,)
    found, left = [], size
    while left:
        part = 1 if kind == "ones" else chance.randint(1, left)
        found.append(part)
        left -= part
    return tuple(found)


def _chain(chance: random.Random, x: Tensor, count: int, nested: bool) -> Chain:
    """Return steps that can follow each other from this input on."""
    steps: list[Step] = []
    with torch.no_grad():
        while len(steps) < count:
            step = chance.choice(STEPS[: -2 if nested else None])(chance, x)
            try:
                output = step(x)
            except (RuntimeError, ValueError):  # a window larger than the image, and such
                continue
            if 0 < output.numel() <= LARGEST:
                steps.append(step)
                x = output
    return Chain(steps)


def _convolution(chance: random.Random, x: Tensor) -> Step:
    ndim, groups = x.ndim - 2, chance.choice((1, 1, x.shape[1]))
    stride = _each(chance, ndim, 1, 3)
    kernel = _each(chance, ndim, 1, 4)
    is_odd = all(size % 2 for size in kernel)  # of other sizes PyTorch warns
    padding = "same" if is_odd and set(stride) == {1} else _each(chance, ndim, 0, 4)
    return CONVOLUTIONS[ndim - 1](
        x.shape[1], groups * chance.randint(1, 2), kernel, stride, padding,
        _each(chance, ndim, 1, 3), groups, chance.random() < 0.7, chance.choice(MODES),
    )  # fmt: skip


def _transposed(chance: random.Random, x: Tensor) -> Step:
    ndim, groups = x.ndim - 2, chance.choice((1, 1, x.shape[1]))
    return TRANSPOSED[ndim - 1](
        x.shape[1], groups * chance.randint(1, 2), _each(chance, ndim, 1, 4),
        _each(chance, ndim, 1, 3), _each(chance, ndim, 0, 2), _each(chance, ndim, 0, 2), groups,
        chance.random() < 0.7, _each(chance, ndim, 1, 3),
    )  # fmt: skip


def _pooling(chance: random.Random, x: Tensor) -> Step:
    ndim = x.ndim - 2
    kernel, stride = _each(chance, ndim, 1, 4), _each(chance, ndim, 1, 3)
    padding = tuple(chance.randint(0, size // 2) for size in kernel)
    dilation, ceil_mode = _each(chance, ndim, 1, 2), chance.random() < 0.5
    return lambda y: POOLS[ndim - 1](y, kernel, stride, padding, dilation, ceil_mode)


def _upsampling(chance: random.Random, x: Tensor) -> Step:
    scales = tuple(chance.choice((0.6, 1.0, 1.7, 2.0, 3.0)) for _ in x.shape[2:])
    sizes = tuple(max(1, int(size * chance.uniform(0.5, 2.5))) for size in x.shape[2:])
    mode = chance.choice(("nearest", "nearest-exact"))
    if chance.random() < 0.5:
        return lambda y: F.interpolate(y, scale_factor=scales, mode=mode)
    return lambda y: F.interpolate(y, size=sizes, mode=mode)


def _padding(chance: random.Random, x: Tensor) -> Step:
    sides = [chance.randint(0, 4) for _ in range(2 * (x.ndim - 2))]
    mode = chance.choice(("constant", "reflect", "replicate", "circular"))
    if mode == "constant":
        sides, number = [each - chance.randint(0, 2) for each in sides], chance.random()
        return lambda y: F.pad(y, sides, value=number)
    return lambda y: F.pad(y, sides, mode=mode)


def _slice(chance: random.Random, x: Tensor) -> Step:
    dim = chance.randrange(2, x.ndim)
    first, step = chance.randint(0, 3), chance.randint(1, 2)
    return lambda y: y[(slice(None),) * dim + (slice(first, None, step),)]


def _joined(chance: random.Random, x: Tensor) -> Step:
    """Concatenate an image with a part of itself, along an axis or the channels."""
    dim = chance.randrange(2, x.ndim)
    half = max(1, x.shape[dim] // 2)
    return lambda y: torch.cat([y.narrow(dim, 0, half), y], dim)


def _pointwise(chance: random.Random, x: Tensor) -> Step:
    number = chance.random()
    steps: list[Step] = [
        lambda y: (y + number).relu_(), nn.ReLU6(), nn.LeakyReLU(number),
        lambda y: y * number, lambda y: y + y, lambda y: y.clamp(-number),
        lambda y: y.clone().mul_(2).sub_(1),
    ]  # fmt: skip
    return chance.choice(steps)


def _moved(chance: random.Random, x: Tensor) -> Step:
    if x.ndim == 4 and chance.random() < 0.5:
        return lambda y: F.pixel_shuffle(torch.cat([y] * 4, 1), 2)
    if x.ndim == 4 and chance.random() < 0.5:
        return lambda y: F.pixel_unshuffle(y, 2)[:, : x.shape[1]]
    if x.ndim > 3:
        return lambda y: y.transpose(2, 3)
    return lambda y: torch.cat(y.chunk(2, 1)[::-1], 1)


def _skip(chance: random.Random, x: Tensor) -> Step:
    first = _chain(chance, x, chance.randint(1, 2), nested=True)
    second = _chain(chance, x, chance.randint(1, 2), nested=True)
    same = first(x).shape[1] == second(x).shape[1]
    return Skip(first, second, chance.choice(("cat", "add")) if same else "cat")


def _each(chance: random.Random, ndim: int, least: int, most: int) -> tuple[int, ...]:
    return tuple(chance.randint(least, most) for _ in range(ndim))


STEPS: tuple[Callable[[random.Random, Tensor], Step], ...] = (
    _convolution, _convolution, _convolution, _transposed, _pooling, _upsampling, _padding,
    _slice, _joined, _pointwise, _moved, _skip,
)  # fmt: skip


def tiled(each: Case) -> Tensor:
    """Return the output, computed tile by tile in "strict"."""
    program = Program(each.network, each.input.shape, each.input.dtype, "strict")
    output = torch.full(program.output_shape, float("nan"))
    for region in regions_of(program, each.tiles):
        output[slices(region)] = program(each.input[slices(program.reads(region))], region)
    return output


def whole(each: Case) -> Tensor:
    """Return the output of the network with glassconv's layers, in "strict"."""
    with torch.no_grad():
        output: Tensor = swap(each.network, accuracy="strict").model(each.input)
    return output


def is_same(seed: int) -> bool:
    """Return whether a case has the same bits tile by tile, those of NaN and −0 among them."""
    each = case(seed)
    expected, found = whole(each), tiled(each)
    return torch.equal(expected.view(torch.int32), found.view(torch.int32))


def main() -> None:
    """Compare the cases of a range of seeds, and print those that differ."""
    first, last = map(int, sys.argv[1].split(":"))
    torch.set_num_threads(1)
    wrong = 0
    for seed in range(first, last):
        if not is_same(seed):
            wrong += 1
            print(f"seed {seed} differs: {case(seed)}")  # noqa: T201
    print(f"{last - first - wrong} of {last - first} networks have the same bits")  # noqa: T201


if __name__ == "__main__":
    main()

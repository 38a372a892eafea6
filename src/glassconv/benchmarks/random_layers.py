"""Random layers: shapes that no known network has, the same ones from the same seed.

Half of them are dense, the others are grouped, depthwise (with one or several filters per channel)
and pointwise. Sizes are drawn by their logarithm, so that small ones are as frequent as large ones;
half of the channels are multiples of 8. A layer that is too small or too large to time is drawn
again.
"""

from __future__ import annotations

from math import exp, log
from random import Random

from glassconv.benchmarks.suites import Layer
from glassconv.errors import ConvError
from glassconv.problem import ConvProblem

NUMBER, SEED = 1048, 14
MACS = range(10**5, 2 * 10**9)  # some microseconds to some tens of milliseconds
MAX_BYTES = 2**26  # of all arrays
MAX_CHANNELS, MAX_SIZE = 512, 224
KERNEL_SIZES, KERNEL_WEIGHTS = (1, 2, 3, 4, 5, 7, 9, 11, 15, 31), (2, 2, 10, 1, 4, 3, 1, 1, 1, 1)


def random_layers(number: int = NUMBER, seed: int = SEED) -> list[Layer]:
    """Return so many random layers, each once; a smaller number is the beginning of a larger one.

    >>> [str(layer.problem) for layer in random_layers(2)]
    ['1x58x53x53 8@5x5 s3 p0', '8x3x34x34 64@1x1 s1 p0 nobias']
    """
    random = Random(seed)
    return [Layer(_problem(random), 1) for _ in range(number)]


def _problem(random: Random) -> ConvProblem:
    while True:
        try:
            problem = _draw(random)
        except ConvError:  # a kernel larger than its input
            continue
        moved = problem.input_bytes + problem.weight_bytes + problem.output_bytes
        if problem.macs in MACS and moved <= MAX_BYTES:
            return problem


def _draw(random: Random) -> ConvProblem:
    kind = random.choices(("dense", "grouped", "depthwise", "pointwise"), (4, 2, 2, 2))[0]
    ndim = random.choices((1, 2), (1, 9))[0]
    in_channels, out_channels = _channels(random), _channels(random)
    groups = 1
    if kind == "grouped":
        groups = random.choice((2, 4, 8, 16, 32))
        in_channels, out_channels = (_multiple(n, groups) for n in (in_channels, out_channels))
    elif kind == "depthwise":
        groups, out_channels = in_channels, in_channels * random.choices((1, 2, 8), (6, 1, 1))[0]
    sizes = [_log_uniform(random, 1, MAX_SIZE) for _ in range(ndim)]
    if random.random() < 0.7:  # most images are square
        sizes = sizes[:1] * ndim
    kernel = [random.choices(KERNEL_SIZES, KERNEL_WEIGHTS)[0]] * ndim
    if kind == "pointwise":
        kernel = [1] * ndim
    elif random.random() < 0.1:
        kernel = [random.choices(KERNEL_SIZES, KERNEL_WEIGHTS)[0] for _ in range(ndim)]
    dilation = 1 if kind == "pointwise" else random.choices((1, 2, 3), (8, 1, 1))[0]
    ways = ([0] * ndim, [(taps - 1) * dilation // 2 for taps in kernel], [t - 1 for t in kernel])
    padding = random.choices(ways, (3, 6, 1))[0]
    return ConvProblem(
        batch=random.choices((1, 2, 8), (8, 1, 1))[0],
        in_channels=in_channels,
        out_channels=out_channels,
        input_size=tuple(sizes),
        kernel_size=tuple(kernel),
        stride=(random.choices((1, 2, 3), (7, 2, 1))[0],) * ndim,
        padding=tuple((each, each) for each in padding),
        dilation=(dilation,) * ndim,
        groups=groups,
        bias=random.random() < 0.5,
        dtype=random.choices(("float32", "float64"), (9, 1))[0],
    )


def _log_uniform(random: Random, least: int, most: int) -> int:
    return round(exp(random.uniform(log(least), log(most))))


def _channels(random: Random) -> int:
    number = _log_uniform(random, 1, MAX_CHANNELS)
    return _multiple(number, 8) if random.random() < 0.5 else number


def _multiple(number: int, factor: int) -> int:
    return max(1, round(number / factor)) * factor

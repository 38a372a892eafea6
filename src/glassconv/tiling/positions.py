"""positions: what outputs read where a receptive field is wider than that, or leaves it open.

- Nearest upsampling rounds a position in float32. PyTorch's own operator tells how.
- Linear and cubic upsampling read the two or four positions beside an output's place.
- Padding by the image's own values reads them from inside its borders.
- Where a transposed convolution's stride exceeds its window, outputs between windows read nothing;
  their tile begins at the input before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from glassconv.networks.convolutions import GENERAL, TRANSPOSED, read
from glassconv.networks.graph import Operation
from glassconv.networks.windows import mode_of_padding, sides_of_padding
from glassconv.problem.transposed import TransposedProblem

Window = tuple[int, int]
Positions = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]
NEAREST = ("upsample_nearest", "_upsample_nearest_exact")
CUBIC = "upsample_bicubic2d"
INTERPOLATED = ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", CUBIC)
SHARPNESS = -0.75  # of the cubic kernel, Keys's a, as PyTorch has it
HALF = 2**12  # a position is high · HALF + low, which float32 holds up to 2³⁶


def copied_positions(operation: Operation, dim: int, start: int, stop: int) -> Positions:
    """Return the position of the input that each output from `start` on copies, along a dim."""
    size = operation.inputs[0].shape[dim]
    if operation.function.startswith(NEAREST):
        return _nearest(operation, dim)[start:stop]
    before, _ = sides_of_padding(operation, dim)
    asked = np.arange(start - before, stop - before)
    mode = mode_of_padding(operation)
    if mode == "circular":
        return asked % size
    if mode == "replicate":
        return asked.clip(0, size - 1)
    mirrored = np.abs(asked)
    return np.where(mirrored < size, mirrored, 2 * (size - 1) - mirrored)


def _nearest(operation: Operation, dim: int) -> Positions:
    """Return which position each output of a nearest upsampling copies."""
    value, count = operation.inputs[0], operation.outputs[0].shape[dim]
    if operation.outputs[0].shape == value.shape:
        return np.arange(count)
    is_last = value.layout == "channels_last"
    dtype = torch.float64 if value.dtype == "float64" else torch.float32
    scale = _scale(operation, dim)
    return _copied(operation.function, dim - 2, value.shape[dim], count, scale, dtype, is_last)


def _scale(operation: Operation, dim: int) -> float | None:
    """Return the factor that an upsampling is asked for along a dim, None where it is for sizes."""
    arguments, ndim = operation.arguments, len(operation.inputs[0].shape) - 2
    if "scale_factors" in arguments:
        factors = arguments["scale_factors"]
    else:
        names = ("scales",) if ndim == 1 else ("scales_d", "scales_h", "scales_w")[-ndim:]
        factors = [arguments[name] for name in names]
    return None if factors is None else factors[dim - 2]


@lru_cache(maxsize=16)
def _copied(
    function: str,
    axis: int,
    size: int,
    count: int,
    scale: float | None,
    dtype: torch.dtype,
    channels_last: bool,
) -> Positions:
    """Return what PyTorch's operator copies along one axis of an array that holds positions.

    A position is two numbers, in two channels, since float32 does not hold every large one.
    """
    ndim = int(function[-2])
    sizes, counts = [1] * ndim, [2] * ndim  # an array whose sizes all stay is copied unseen
    sizes[axis], counts[axis] = size, count
    scales: list[float | None] = [None] * ndim
    scales[axis] = scale
    place = torch.arange(size)
    halves = torch.stack([place // HALF, place % HALF]).to(dtype).reshape(1, 2, *sizes)
    if channels_last:
        halves = halves.contiguous(memory_format=torch.channels_last)
    copied = getattr(torch.ops.aten, function).default(halves, counts, *scales)
    high, low = copied.movedim(axis + 2, -1).reshape(2, -1, count)[:, 0].long().numpy()
    found: Positions = high * HALF + low
    return found


def neighbours(operation: Operation, dim: int, start: int, stop: int) -> tuple[Positions, Weights]:
    """Return the positions [taps, outputs] that outputs are interpolated from, and the weights.

    The first tap is the position before an output's place; all weights of an output sum to one.
    R. Keys, Cubic convolution interpolation for digital image processing, 1981.
    """
    size, count = operation.inputs[0].shape[dim], operation.outputs[0].shape[dim]
    is_cubic = operation.function == CUBIC
    outputs = np.arange(start, stop, dtype=np.float64)
    if operation.arguments["align_corners"]:
        place = outputs * ((size - 1) / max(1, count - 1))
    else:
        scale = _scale(operation, dim)
        step = size / count if scale is None else 1 / scale
        place = (outputs + 0.5) * step - 0.5
    if not is_cubic:
        place = place.clip(0)
    low = np.floor(place).astype(np.int64).clip(max=size - 1)
    beyond = (place - low).clip(0, 1)
    taps = (0, -1, 1, 2) if is_cubic else (0, 1)
    weigh = _cubic if is_cubic else _linear
    weights = np.stack([weigh(np.abs(beyond - tap)) for tap in taps])
    return np.stack([(low + tap).clip(0, size - 1) for tap in taps]), weights


def _linear(distance: Weights) -> Weights:
    return 1 - distance


def _cubic(distance: Weights) -> Weights:
    """Return the weight of a position at a distance of at most two from an output's place."""
    a, d = SHARPNESS, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, far)


def _between(operation: Operation, dim: int, start: int, stop: int) -> Window | None:
    found, _ = neighbours(operation, dim, start, stop)
    return int(found.min()), int(found.max()) + 1


def _copies(operation: Operation, dim: int, start: int, stop: int) -> Window | None:
    found = copied_positions(operation, dim, start, stop)
    return int(found.min()), int(found.max()) + 1


def _padding(operation: Operation, dim: int, start: int, stop: int) -> Window | None:
    if mode_of_padding(operation) == "constant":
        return None
    return _copies(operation, dim, start, stop)


def _transposed(operation: Operation, dim: int, start: int, stop: int) -> Window | None:
    problem = read(operation).problem
    if not isinstance(problem, TransposedProblem):
        return None
    axis = problem.axes[dim - len(operation.inputs[0].shape)]
    before, stride = axis.padding[0], axis.stride
    first = -((axis.extent - 1 - start - before) // stride)
    return min(first, (start + before) // stride), (stop - 1 + before) // stride + 1


Exact = Callable[[Operation, int, int, int], Window | None]
EXCEPTIONS: Mapping[str, Exact] = {
    **dict.fromkeys((*TRANSPOSED, *GENERAL), _transposed),
    **{f"{kind}{ndim}d": _copies for kind in NEAREST for ndim in (1, 2, 3)},
    **{
        f"{kind}_pad{ndim}d": _copies
        for kind in ("reflection", "replication")
        for ndim in (1, 2, 3)
    },
    **dict.fromkeys(INTERPOLATED, _between),
    "pad": _padding,
}

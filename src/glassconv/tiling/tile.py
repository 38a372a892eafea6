"""tile: a network over an array, computed tile by tile within a limit of memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn

from glassconv.errors import ArgumentError
from glassconv.networks.byte_size import bytes_in
from glassconv.reports.tiles import TilePlan
from glassconv.tiling.arrays import dtype_of, is_of, output_for, read, write
from glassconv.tiling.dask_graph import lazily
from glassconv.tiling.passes import with_means
from glassconv.tiling.plan import plan_of, regions_of
from glassconv.tiling.program import Program

Array = TypeVar("Array")


def tile(
    model: nn.Module,
    x: Array,
    memory: int | str = "2 GiB",
    *,
    out: Any = None,
    accuracy: str = "default",
    two_pass: bool = False,
) -> Array:
    """Return `model.eval()(x)`, computed tile by tile within a limit of memory.

    Each tile of the output is computed from exactly the part of x that it depends on. Interior
    tiles see none of the padding of the image's borders. The batch and the channels are not
    divided. Integers are converted to the element type of the weights, tile by tile.

    model: a layer or a network with one output.
    x: [batch, channels, *size] with one to three axes: a tensor, a NumPy array or memory map, a
        zarr array or a dask array.
    memory: of the tiles of all activations of one tile, of weights and of what convolutions
        allocate: "2 GiB", "500 MB" or a number of bytes. x and the output are not counted.
    out: the array to write to; needed where x is a memory map or a zarr array.
    accuracy: of the convolutions, as for `glassconv.conv2d`. In "strict" the output has the same
        bits whatever the tiles are.
    two_pass: whether what global means are of is computed once more, before. Without that a
        network with global means, such as adaptive pooling to one position, is refused.

    Returns [batch, out_channels, *output_size] as an array of the same kind as x, or `out`. A dask
    array is lazy: its chunks are the tiles.

    Raises `UnsupportedError` where no tile fits, where a layer reads the whole image, and in
    "strict" where an operation's last bits may depend on the tile; `NetworkError` where the model
    cannot be run on this shape; `ShapeError` or `DtypeError` for an `out` that does not fit.

    >>> import glassconv
    >>> layer = nn.Conv1d(1, 1, 3, stride=2, padding=1, bias=False)
    >>> layer.weight.data.fill_(1)
    tensor([[[1., 1., 1.]]])
    >>> glassconv.tile(layer, torch.arange(11.0)[None, None], memory="3 kB")
    tensor([[[ 1.,  6., 12., 18., 24., 19.]]])
    """
    array: Any = x
    dtype = dtype_of(array)
    program = Program(model, array.shape, dtype, accuracy, two_pass=two_pass)
    plan = plan_of(program, type(model).__name__, bytes_in(memory), dtype.itemsize)
    if is_of("dask", x):
        if out is not None:
            cause = "a dask array gives a dask array: store it where you want it"
            raise ArgumentError(cause, request=program.request)
        lazy: Array = lazily(program, plan, x)
        return lazy
    output: Array = output_for(x, out, program)
    with torch.inference_mode():
        program = with_means(program, plan, partial(read, x))
        for region in regions_of(program, plan.tiles):
            write(output, region, program(read(x, program.reads(region)), region))
    return output


def plan_tiles(
    model: nn.Module,
    shape: Sequence[int],
    memory: int | str = "2 GiB",
    *,
    dtype: torch.dtype = torch.float32,
    accuracy: str = "default",
    two_pass: bool = False,
) -> TilePlan:
    """Return the plan that `glassconv.tile` would follow; nothing is computed.

    shape: [batch, channels, *size] of the array; dtype: its element type. Other arguments and
    errors as for `tile`.

    >>> import glassconv
    >>> plan = glassconv.plan_tiles(nn.Conv2d(3, 8, 3, padding=1), [1, 3, 4096, 4096], "100 MB")
    >>> plan.halo, plan.peak_bytes <= 100e6
    (((1, 1), (1, 1)), True)
    """
    program = Program(model, shape, dtype, accuracy, two_pass=two_pass)
    return plan_of(program, type(model).__name__, bytes_in(memory), dtype.itemsize)

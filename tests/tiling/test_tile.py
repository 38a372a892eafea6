"""`glassconv.tile`: arrays in and out, accuracies, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import zarr
from torch import Tensor, nn

import glassconv
from glassconv.algorithms import named
from glassconv.reports.array import Array
from glassconv.tiling.program import Program
from glassconv.tiling.regions import everything


def test_a_tensor(network: nn.Module, image: Array, expected: Array) -> None:
    x = torch.from_numpy(image)
    plan = glassconv.plan_tiles(network, x.shape, "50 kB", dtype=x.dtype, accuracy="strict")
    assert plan.count > 4
    found = glassconv.tile(network, x, "50 kB", accuracy="strict")
    assert torch.equal(found, torch.from_numpy(expected))


def test_an_array_of_integers(network: nn.Module, image: Array, expected: Array) -> None:
    found = glassconv.tile(network, image, "50 kB", accuracy="strict")
    assert np.array_equal(found, expected)


def test_a_memory_map(network: nn.Module, image: Array, expected: Array, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", image)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.raises(glassconv.ArgumentError, match="give the array to write to as out="):
        glassconv.tile(network, x)
    out = np.lib.format.open_memmap(
        tmp_path / "y.npy", mode="w+", dtype=np.float32, shape=expected.shape
    )
    assert glassconv.tile(network, x, "50 kB", out=out, accuracy="strict") is out
    assert np.array_equal(np.load(tmp_path / "y.npy"), expected)


def test_a_zarr_array(network: nn.Module, image: Array, expected: Array) -> None:
    x = zarr.array(image, chunks=(1, 3, 16, 16))
    with pytest.raises(glassconv.ArgumentError, match="give the array to write to as out="):
        glassconv.tile(network, x)
    out = zarr.zeros(expected.shape, chunks=(1, 2, 7, 9), dtype="float32")
    assert glassconv.tile(network, x, "50 kB", out=out, accuracy="strict") is out
    assert np.array_equal(out[:], expected)


def test_an_array_in_the_other_byte_order(network: nn.Module) -> None:
    x = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    swapped = x.astype(x.dtype.newbyteorder())
    assert np.array_equal(glassconv.tile(network, swapped), glassconv.tile(network, x))


def test_an_out_of_another_shape_or_type(network: nn.Module) -> None:
    x = torch.zeros(1, 3, 8, 8)
    with pytest.raises(glassconv.ShapeError, match=r"shape \[1, 2, 8, 8\], out has \[2, 8, 8\]"):
        glassconv.tile(network, x, out=torch.zeros(2, 8, 8))
    with pytest.raises(glassconv.DtypeError, match=r"type torch\.float32, out has torch\.float64"):
        glassconv.tile(network, x, out=torch.zeros(1, 2, 8, 8, dtype=torch.float64))


def test_what_is_no_array(network: nn.Module) -> None:
    with pytest.raises(TypeError, match="x must be a tensor, a NumPy array"):
        glassconv.tile(network, [1.0])
    with pytest.raises(glassconv.ArgumentError, match="memory is a size such as '2 GiB'"):
        glassconv.tile(network, torch.zeros(1, 3, 8, 8), "2 gigs")


def test_the_output_requires_no_gradient_and_the_network_stays_in_training(
    network: nn.Module,
) -> None:
    network.train()
    assert not glassconv.tile(network, torch.zeros(1, 3, 8, 8)).requires_grad
    assert network.training


@pytest.mark.parametrize("accuracy", ["strict", "default"])
def test_a_convolution_is_within_the_widest_bound_of_its_accuracy(accuracy: str) -> None:
    """Tiles may be computed by other algorithms than the whole; Winograd's bound is the widest."""
    problem = glassconv.parse("16x70x90 24@3x3 p1")
    operands = glassconv.random_operands(problem)
    layer = nn.Conv2d(16, 24, 3, padding=1)
    layer.load_state_dict({"weight": operands.weight, "bias": operands.bias})
    output = glassconv.tile(layer, operands.input, "300 kB", accuracy=accuracy)
    assert glassconv.plan_tiles(layer, problem.input_shape, "300 kB", accuracy=accuracy).count > 4
    bound = named("winograd4" if accuracy == "default" else "ordered").error_bound(problem)
    assert glassconv.judge(problem, "tiles", output.numpy(), operands, bound).verdict


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("divisor", [None, 5])
def test_average_pooling_counts_as_pytorch_does(
    ceil_mode: bool, count_include_pad: bool, divisor: int | None
) -> None:
    """Sums of whole numbers are exact; three roundings follow, and one in PyTorch."""
    layer = nn.AvgPool2d(3, 2, 1, ceil_mode, count_include_pad, divisor)
    x = torch.randint(-9, 9, (1, 2, 14, 11)).double()
    found, expected = glassconv.tile(layer, x, "1 kB"), layer(x)
    assert glassconv.plan_tiles(layer, x.shape, "1 kB", dtype=torch.float64).count > 4
    assert bool(((found - expected).abs() <= 4 * 2.0**-53 * expected.abs()).all())


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("to", [{"scale_factor": 2.0}, {"scale_factor": 1.7}, {"size": (31, 9)}])
@pytest.mark.parametrize(("mode", "taps", "slope"), [("bilinear", 2, 2), ("bicubic", 4, 6)])
def test_interpolation_is_pytorchs(
    mode: str, taps: int, slope: int, to: dict[str, Any], align_corners: bool
) -> None:
    """Numbers are within ±1. An axis rounds a place up to 14, and five operations for each tap.

    slope: more than the weights change together, as an output's place does.
    """
    layer = nn.Upsample(mode=mode, align_corners=align_corners, **to)
    x = torch.rand(1, 2, 14, 11, dtype=torch.float64) * 2 - 1
    assert glassconv.plan_tiles(layer, x.shape, "1.5 kB", dtype=x.dtype).count > 4
    roundings = 2 * (2 * 14 * slope + 5 * taps)
    assert (glassconv.tile(layer, x, "1.5 kB") - layer(x)).abs().max() <= 2 * roundings * 2**-53


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolated_equal_numbers_stay_equal(mode: str) -> None:
    layer = nn.Upsample(scale_factor=1.7, mode=mode)
    assert bool((glassconv.tile(layer, torch.full((1, 1, 9, 7), 0.1), "1 kB") == 0.1).all())


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.AdaptiveAvgPool2d(1), "1: adaptive_avg_pool2d reads all 16 positions of an axis"),
        (nn.InstanceNorm2d(4), "1: instance_norm reads all 16 positions of an axis"),
        (nn.GroupNorm(2, 4), "1: group_norm reads all 16 positions of an axis"),
        (nn.Linear(16, 2), "1: linear reads all 16 positions of an axis"),
        (nn.Softmax(-1), "1: softmax reads all 16 positions of an axis"),
        (nn.Unfold(3), "1: no rule computes im2col on a tile"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_layer_that_reads_the_whole_image_is_refused(layer: nn.Module, reason: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), layer)
    with pytest.raises(glassconv.UnsupportedError, match=reason):
        glassconv.tile(network, torch.zeros(1, 3, 16, 16))


def test_attention_over_positions_is_refused() -> None:
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            return F.scaled_dot_product_attention(tokens, tokens, tokens)

    with pytest.raises(glassconv.UnsupportedError, match="attention reads all 16 positions"):
        glassconv.tile(Attention(), torch.zeros(1, 3, 16, 16))


class Larger(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, -x)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Sigmoid(),
        nn.BatchNorm2d(4),
        nn.AvgPool2d(2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        Larger(),
    ],
    ids=repr,
)
def test_strict_refuses_what_may_have_other_bits(layer: nn.Module) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), layer)
    x = torch.randn(1, 3, 16, 16)
    with pytest.raises(glassconv.UnsupportedError, match="the last bits of PyTorch's"):
        glassconv.tile(network, x, accuracy="strict")
    assert glassconv.tile(network, x).shape == network(x).shape


def test_the_element_type_is_that_of_the_output() -> None:
    class Classes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.argmax(1)

    x = torch.randn(1, 3, 40, 30)
    found = glassconv.tile(Classes(), x.numpy(), "9 kB")
    assert found.dtype == np.int64
    assert np.array_equal(found, x.argmax(1).numpy())


def test_bfloat16_is_for_tensors() -> None:
    layer, x = nn.Conv2d(3, 4, 3).bfloat16(), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    assert glassconv.tile(layer, x).dtype == torch.bfloat16
    with pytest.raises(glassconv.DtypeError, match=r"no torch\.bfloat16.*: give a tensor"):
        glassconv.tile(layer, x.numpy())


@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[:, :, ::-1]], ids=["itself", "a view"])
def test_an_out_that_is_the_input_is_refused(view: Any) -> None:
    layer, x = nn.Conv2d(3, 3, 3, padding=1), np.zeros((1, 3, 16, 16), np.float32)
    with pytest.raises(glassconv.ArgumentError, match="out shares memory with x"):
        glassconv.tile(layer, x, out=view(x))


def test_an_out_that_cannot_be_written_to() -> None:
    out = np.zeros((1, 3, 16, 16), np.float32)
    out.setflags(write=False)
    with pytest.raises(glassconv.ArgumentError, match="out is read-only"):
        glassconv.tile(nn.ReLU(), np.ones_like(out), out=out)


def test_an_output_that_depends_on_no_image() -> None:
    class Constant(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            return torch.ones(1, 2, 4)

    assert torch.equal(glassconv.tile(Constant(), torch.zeros(1, 1, 9)), torch.ones(1, 2, 4))


@pytest.mark.parametrize("shape", [(1, 1, -4), (1, 1, "4"), (1, 1, float("nan"))], ids=str)
def test_sizes_that_are_none(shape: Any) -> None:
    with pytest.raises(glassconv.ShapeError, match="sizes must be known whole numbers"):
        glassconv.plan_tiles(nn.ReLU(), shape)


@pytest.mark.parametrize(
    "x", [torch.zeros(1, 3, 9, device="meta"), torch.zeros(1, 3, 9).to_sparse()], ids=str
)
def test_a_tensor_without_numbers_in_memory(x: Tensor) -> None:
    with pytest.raises(glassconv.ArgumentTypeError, match="x must be dense and on the CPU"):
        glassconv.tile(nn.ReLU(), x)


def test_a_complex_image_is_refused() -> None:
    with pytest.raises(glassconv.DtypeError, match=r"an image of torch\.complex64 has no tiles"):
        glassconv.tile(nn.Conv1d(3, 4, 3), torch.zeros(1, 3, 9, dtype=torch.complex64))


def test_memory_in_which_nothing_fits() -> None:
    with pytest.raises(glassconv.UnsupportedError, match="memory is 10 bytes"):
        glassconv.tile(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 16, 16), 10)


def test_an_empty_image() -> None:
    with pytest.raises(glassconv.UnsupportedError, match="the input is empty"):
        glassconv.tile(nn.ReLU(), torch.zeros(1, 3, 0, 16))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Conv2d(3, 4, 3, padding=1), (3, 16, 16)), (nn.MaxPool2d(3, 1, 1), (3, 16, 16))],
)
def test_an_image_without_a_batch_is_refused(layer: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(glassconv.UnsupportedError, match="along a dimension that is no axis"):
        glassconv.tile(layer, torch.zeros(shape))


def test_an_array_without_axes_is_refused() -> None:
    with pytest.raises(glassconv.ShapeError, match=r"an array \[batch, channels, \*size\]"):
        glassconv.tile(nn.Conv1d(3, 4, 3, padding=1), torch.zeros(3, 16))


def test_dropout_that_draws_random_numbers_is_refused() -> None:
    class Random(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x, 0.5, training=True)

    with pytest.raises(glassconv.UnsupportedError, match="dropout draws random numbers"):
        glassconv.tile(Random(), torch.zeros(1, 3, 16, 16))


def test_a_network_that_decides_by_numbers_is_refused() -> None:
    class Deciding(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu() if x[0, 0, 0, 0] > 0 else x

    with pytest.raises(glassconv.UnsupportedError, match=r"numbers of the whole image: .*Data"):
        glassconv.tile(Deciding(), torch.zeros(1, 3, 16, 16))


def test_a_network_with_two_outputs_is_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x.relu(), -x

    with pytest.raises(glassconv.UnsupportedError, match="it has 2 outputs"):
        glassconv.tile(Two(), torch.zeros(1, 3, 16, 16))


def test_coordinates_that_the_network_makes_are_those_of_the_image() -> None:
    class Coordinates(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Conv2d(4, 2, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            rows = torch.arange(x.shape[2], dtype=x.dtype)[:, None].expand(x.shape[2:])
            shifted = x + torch.linspace(-1, 1, x.shape[3])
            output: Tensor = self.last(torch.cat([shifted, rows[None, None]], 1))
            return output

    network, x = Coordinates(), torch.randn(1, 3, 60, 80)
    found = glassconv.tile(network, x, "60 kB", accuracy="strict")
    assert glassconv.plan_tiles(network, x.shape, "60 kB", accuracy="strict").count > 4
    with torch.no_grad():
        strict = glassconv.nn.swap(network, accuracy="strict").model(x)
    assert torch.equal(found, strict)


def test_weights_that_the_network_computes() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1))
    x = torch.randn(1, 3, 16, 16)
    program = Program(layer, x.shape, x.dtype, "strict")
    with torch.no_grad():
        expected = glassconv.conv2d(x, layer.weight, layer.bias, padding=1, accuracy="strict")
    assert torch.equal(program(x, everything(program.output_shape)), expected)

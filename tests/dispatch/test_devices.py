"""All arrays are on one device, and a device without numbers gives shapes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from glassconv import choose, conv2d, explain, parse
from glassconv.dispatch.memory import MemoryLimit
from glassconv.errors import DeviceError, UnsupportedError
from support.call_arrays import FUNCTIONS, NAMES, arrays_of, call

EACH_FUNCTION = pytest.mark.parametrize("function", FUNCTIONS)
MIXES = [
    mix
    for size in (1, 2, 3)
    for mix in itertools.combinations(NAMES, size)  # those on meta, the others on the CPU
]
TEXT = "64x56x56 64@3x3 p1"


@EACH_FUNCTION
@pytest.mark.parametrize("mix", MIXES, ids="+".join)
def test_arrays_on_two_devices_are_an_error(function: str, mix: tuple[str, ...]) -> None:
    arrays = arrays_of(function)
    for name in mix:
        arrays[name] = arrays[name].to("meta")
    with pytest.raises(DeviceError) as caught:
        call(function, arrays)
    for name, array in arrays.items():
        assert f"{name} {list(array.shape)} on {array.device}" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    assert str(caught.value).endswith(f"a shape and no numbers: {' and '.join(mix)}")


@pytest.mark.parametrize("algorithm", ["im2col", "winograd4", "aten", "auto"])
def test_it_is_an_error_for_named_algorithms_and_gradients(algorithm: str) -> None:
    arrays = arrays_of("conv2d")
    arrays["weight"] = arrays["weight"].to("meta").requires_grad_()
    with pytest.raises(DeviceError, match="all arrays must be on one device"):
        call("conv2d", arrays, algorithm=algorithm)


@EACH_FUNCTION
@pytest.mark.parametrize("layout", ["contiguous", "channels last", "unbatched"])
def test_shapes_on_meta_give_the_shape_and_strides_of_pytorch(function: str, layout: str) -> None:
    arrays = {name: array.to("meta") for name, array in arrays_of(function).items()}
    del arrays["residual"]
    if layout == "channels last":
        arrays["input"] = arrays["input"].movedim(1, -1).contiguous().movedim(-1, 1)
    if layout == "unbatched":
        arrays["input"] = arrays["input"][0]
    output = call(function, arrays, stride=2, padding=1)
    expected: Tensor = getattr(F, function)(*arrays.values(), stride=2, padding=1)
    assert output.device.type == "meta"
    assert (output.shape, output.stride()) == (expected.shape, expected.stride())


def test_an_activation_and_a_residual_on_meta() -> None:
    arrays = {name: array.to("meta") for name, array in arrays_of("conv2d").items()}
    output = call("conv2d", arrays, activation="relu")
    assert (output.device.type, output.shape) == ("meta", (1, 4, 5, 5))


def _meta() -> tuple[Tensor, Tensor]:
    return torch.empty(1, 3, 200_000, 200_000, device="meta"), torch.empty(
        4, 3, 3, 3, device="meta"
    )


def _fake() -> tuple[Tensor, Tensor]:
    with FakeTensorMode():
        return torch.empty(1, 3, 200_000, 200_000), torch.empty(4, 3, 3, 3)


@pytest.mark.parametrize("make", [_meta, _fake])
@pytest.mark.parametrize("algorithm", ["auto", "aten"])
def test_shapes_are_not_charged_against_this_machine(
    make: Callable[[], tuple[Tensor, Tensor]], algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(2**34))
    output = conv2d(*make(), padding=1, algorithm=algorithm)
    assert output.shape == (1, 4, 200_000, 200_000)
    with pytest.raises(UnsupportedError, match="this machine has 16"):
        choose(parse("3x200000x200000 4@3x3 p1"))


def test_a_fake_tensor_inside_its_mode_is_not_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassconv.dispatch.select.memory_limit", lambda: MemoryLimit(2**34))
    with FakeTensorMode():
        output = conv2d(torch.empty(1, 3, 200_000, 200_000), torch.empty(4, 3, 3, 3))
    assert output.shape == (1, 4, 199_998, 199_998)


OTHER_LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "sparse": Tensor.to_sparse,
    "CSR": lambda tensor: tensor.to_sparse_csr(),
    "mkldnn": Tensor.to_mkldnn,
    "quantized": lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor", "ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("name", NAMES[:3])
@pytest.mark.parametrize("change", OTHER_LAYOUTS.values(), ids=OTHER_LAYOUTS)
def test_other_layouts_give_the_result_or_the_error_of_pytorch(
    name: str, change: Callable[[Tensor], Tensor]
) -> None:
    arrays = arrays_of("conv2d")
    del arrays["residual"]
    if name == "bias" and change is OTHER_LAYOUTS["CSR"]:
        pytest.skip("a tensor in CSR has two axes at least")
    arrays[name] = change(arrays[name])
    try:
        expected = F.conv2d(arrays["input"], arrays["weight"], arrays["bias"])
    except RuntimeError:
        with pytest.raises(RuntimeError):
            call("conv2d", arrays)
        return
    output = call("conv2d", arrays)
    assert output.layout == expected.layout
    torch.testing.assert_close(output.to_dense(), expected.to_dense())


def test_arrays_of_numpy_have_no_device() -> None:
    assert conv2d(np.ones((1, 4, 4)), np.ones((1, 1, 2, 2))).tolist() == [[[4.0] * 3] * 3]


def test_two_devices_without_meta() -> None:
    with FakeTensorMode():  # a GPU without a GPU
        input, weight = torch.empty(1, 3, 9, 9), torch.empty(4, 3, 3, 3, device="cuda")
        with pytest.raises(DeviceError) as caught:
            conv2d(input, weight)
    assert str(caught.value) == (
        "conv2d(input [1, 3, 9, 9] on cpu, weight [4, 3, 3, 3] on cuda:0): all arrays must be on "
        "one device"
    )


@pytest.mark.parametrize("algorithm", ["auto", "aten"])
def test_arrays_on_a_gpu_stay_there(algorithm: str) -> None:
    with FakeTensorMode():
        input, weight = (torch.empty(4, 3, 3, 3, device="cuda") for _ in range(2))
        output = conv2d(input, weight, padding=1, algorithm=algorithm, activation="relu")
    assert output.device == torch.device("cuda", 0)
    assert output.shape == (4, 4, 3, 3)


@pytest.mark.parametrize("device", ["meta", "cuda", "cuda:1", "mps"])
def test_pytorch_is_chosen_for_another_device_and_the_reason_is_shown(device: str) -> None:
    choice = choose(parse(TEXT), device=device)
    assert (choice.algorithm, choice.kernel) == ("aten", None)
    for candidate in choice.candidates:
        assert candidate.kernel is None or not candidate.kernel
        if candidate.name in ("aten", "winograd4"):
            assert candidate.verdict
            assert candidate.verdict.reason.startswith(f"PyTorch runs it on {device};")
    (winograd,) = (each for each in choice.candidates if each.name == "winograd4")
    assert winograd.kernel is not None
    assert winograd.kernel.reason == (
        f"compiled kernels run on the CPU, and the arrays are on {device}"
    )


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_the_cpu_has_more_than_one_name(device: str) -> None:
    choice, default = choose(parse(TEXT), device=device), choose(parse(TEXT))
    assert (choice.algorithm, choice.kernel) == (default.algorithm, default.kernel)


def test_a_layer_is_explained_for_its_device() -> None:
    layer = nn.Conv2d(64, 64, 3, padding=1, device="meta")
    assert explain(layer, [1, 64, 56, 56]) == explain(TEXT)  # shapes only
    with FakeTensorMode():
        layer.weight = nn.Parameter(torch.empty(64, 64, 3, 3, device="cuda"))
    report = explain(layer, [1, 64, 56, 56])
    written = io.StringIO()
    Console(file=written, width=100).print(report)
    assert "selects aten: PyTorch runs it on cuda:0; compiled kernels run on the CPU" in (
        " ".join(written.getvalue().split())
    )

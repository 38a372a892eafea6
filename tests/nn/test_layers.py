"""The layers are PyTorch's layers in everything but what computes them."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.parametrize import remove_parametrizations

import glassconv
from glassconv.errors import UnknownNameError, UnsupportedError
from glassconv.functional import conv2d

SIZES = {1: (9,), 2: (9, 8), 3: (5, 6, 7)}
KINDS = [f"{kind}{ndim}d" for kind in ("Conv", "ConvTranspose") for ndim in SIZES]
LAZY = [f"Lazy{kind}" for kind in KINDS]
ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"stride": 2, "padding": 1, "groups": 2},
    {"dilation": 2, "padding": 2},
]
ONLY_CONVOLUTIONS: list[dict[str, Any]] = [
    {"padding": "same", "dilation": 2},
    {"padding": "valid"},
    {"padding": 2, "padding_mode": "reflect"},
    {"padding": 2, "padding_mode": "replicate", "stride": 2},
    {"padding": 1, "padding_mode": "circular"},
    {"padding": "same", "padding_mode": "circular"},
]
ONLY_TRANSPOSED: list[dict[str, Any]] = [
    {"stride": 3, "output_padding": 2},
    {"stride": 2, "output_padding": 1, "padding": 1, "groups": 2},
]
FORMS = [
    (kind, form)
    for kind in KINDS
    for form in ARGUMENTS + (ONLY_TRANSPOSED if "Transpose" in kind else ONLY_CONVOLUTIONS)
]
FORM = pytest.mark.parametrize(("kind", "form"), FORMS, ids=str)


def pair(kind: str, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Return PyTorch's layer and ours, each made from the same random numbers."""
    layers = []
    for module in (nn, glassconv.nn):
        torch.manual_seed(0)
        layers.append(getattr(module, kind)(*arguments, **options))
    return layers[0], layers[1]


def whole(layer: nn.Module) -> None:
    """Give a layer whole numbers, so that every order of additions gives the same sums."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randint(-4, 5, parameter.shape))


def picture(kind: str, channels: int = 4, batch: tuple[int, ...] = (2,)) -> Tensor:
    shape = (*batch, channels, *SIZES[int(kind[-2])])
    return torch.randint(-4, 5, shape).double()


@pytest.mark.parametrize("kind", KINDS + LAZY)
def test_a_layer_is_an_instance_of_pytorchs(kind: str) -> None:
    ours, theirs = getattr(glassconv.nn, kind), getattr(nn, kind)
    assert issubclass(ours, theirs)
    assert ours.__name__ == theirs.__name__


@pytest.mark.parametrize("kind", KINDS)
def test_the_arguments_are_pytorchs_in_their_order_with_their_defaults(kind: str) -> None:
    ours, theirs = (
        {
            name: (each.kind, each.default)
            for name, each in inspect.signature(cls).parameters.items()
        }
        for cls in (getattr(glassconv.nn, kind), getattr(nn, kind))
    )
    added = {name: value for name, value in ours.items() if name not in theirs}
    assert list(theirs.items()) == list(ours.items())[: len(theirs)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    assert added == {
        "algorithm": (keyword, "auto"),
        "accuracy": (keyword, "default"),
        "activation": (keyword, None),
    }


@FORM
def test_a_layer_is_written_and_initialized_as_pytorchs(kind: str, form: dict[str, Any]) -> None:
    theirs, ours = pair(kind, 4, 6, 3, **form)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, parameter in theirs.named_parameters():
        assert torch.equal(parameter, ours.get_parameter(name))


@FORM
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batch", "one"])
def test_outputs_are_pytorchs(kind: str, form: dict[str, Any], batch: tuple[int, ...]) -> None:
    theirs, ours = pair(kind, 4, 6, 3, dtype=torch.float64, **form)
    whole(theirs)
    ours.load_state_dict(theirs.state_dict())
    input = picture(kind, batch=batch)
    with torch.no_grad():
        expected, output = theirs(input), ours(input)
    assert torch.equal(output, expected)
    assert output.stride() == expected.stride()


@FORM
def test_gradients_are_pytorchs_up_to_rounding(kind: str, form: dict[str, Any]) -> None:
    theirs, ours = pair(kind, 4, 6, 3, dtype=torch.float64, **form)
    input = picture(kind)
    gradients = []
    for layer in (theirs, ours):
        leaf = input.clone().requires_grad_()
        layer(leaf).square().sum().backward()
        gradients.append([leaf.grad, *(each.grad for each in layer.parameters())])
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)  # of float64


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "Transpose" in kind])
@pytest.mark.parametrize("with_channels", [False, True])
def test_an_output_size_can_be_asked_for(kind: str, with_channels: bool) -> None:
    theirs, ours = pair(kind, 4, 6, 3, dtype=torch.float64, stride=3, padding=1)
    input = picture(kind)
    smallest = theirs(input).shape
    for added in range(3):
        size = [each + added for each in smallest[2:]]
        asked = [*smallest[:2], *size] if with_channels else size
        expected = theirs(input, asked)
        for found in (ours(input, asked), ours(input, output_size=asked)):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)  # of float64


@pytest.mark.parametrize("size", [[1, 1], [9], [2, 6, 9, 9, 9]])
def test_an_output_size_that_no_padding_gives_is_refused(size: list[int]) -> None:
    for layer in pair("ConvTranspose2d", 4, 6, 3, stride=2):
        with pytest.raises(ValueError, match=r"output[_ ]size"):
            layer(torch.ones(1, 4, 5, 5), size)


BAD: list[dict[str, Any]] = [
    {"groups": 0},
    {"groups": 3},
    {"padding": "full"},
    {"padding": "same", "stride": 2},
    {"padding_mode": "mirror"},
    {"colour": 1},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("kind", ["Conv2d", "LazyConv2d"])
def test_what_pytorch_refuses_is_refused_alike(kind: str, bad: dict[str, Any]) -> None:
    arguments = (6, 3) if "Lazy" in kind else (4, 6, 3)
    refusals = []
    for module in (nn, glassconv.nn):
        with pytest.raises((ValueError, TypeError)) as refused:
            getattr(module, kind)(*arguments, **bad)(torch.ones(1, 4, 9, 9))
        refusals.append(refused)
    assert refusals[0].type is refusals[1].type


def test_a_transposed_layer_pads_with_zeros_only() -> None:
    for layer in pair("ConvTranspose1d", 2, 2, 3):
        layer.padding_mode = "reflect"
        with pytest.raises(ValueError, match="padding mode is supported"):
            layer(torch.ones(1, 2, 5))
    for module in (nn, glassconv.nn):
        with pytest.raises(ValueError, match="padding mode is supported"):
            module.ConvTranspose1d(2, 2, 3, padding_mode="reflect")


# -- options ------------------------------------------------------------------------------------


def test_options_that_are_not_the_default_are_written() -> None:
    layer = glassconv.nn.Conv1d(2, 3, 3, algorithm="im2col", accuracy="any", activation="relu")
    assert repr(layer) == (
        "Conv1d(2, 3, kernel_size=(3,), stride=(1,), "
        "algorithm=im2col, accuracy=any, activation=relu)"
    )
    layer.algorithm = "auto"
    assert "algorithm" not in repr(layer)


@pytest.mark.parametrize("options", [{"algorithm": "im2col"}, {"activation": "silu"}], ids=str)
def test_options_are_those_of_the_functions(options: dict[str, Any]) -> None:
    layer = glassconv.nn.Conv2d(3, 8, 3, padding=1, bias=False, **options)
    input = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = conv2d(input, layer.weight.data, padding=1, **options)
        assert torch.equal(layer(input), expected)


def test_an_algorithm_that_is_named_runs_or_raises() -> None:
    layer = glassconv.nn.Conv2d(3, 8, 3, stride=2, algorithm="winograd4")
    with pytest.raises(UnsupportedError, match="winograd4"):
        layer(torch.ones(1, 3, 9, 9))
    layer.algorithm = "direct"
    assert layer(torch.ones(1, 3, 9, 9)).shape == (1, 8, 4, 4)


@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d", "LazyConv2d"])
@pytest.mark.parametrize("name", ["algorithm", "accuracy", "activation"])
def test_an_unknown_option_is_refused_when_the_layer_is_made(kind: str, name: str) -> None:
    arguments = (6, 3) if "Lazy" in kind else (4, 6, 3)
    with pytest.raises(UnknownNameError, match=f"unknown {name} 'exact'"):
        getattr(glassconv.nn, kind)(*arguments, **{name: "exact"})


# -- state, copies and pickles ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_state_dicts_load_from_and_into_pytorchs(kind: str) -> None:
    theirs, ours = pair(kind, 4, 6, 3)
    for source, target in ((theirs, ours), (ours, theirs)):
        whole(source)
        target.load_state_dict(source.state_dict())
        assert torch.equal(target.weight, source.weight)
        assert torch.equal(target.bias, source.bias)


def saved(layer: nn.Module) -> Any:
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),
    "torch.save": saved,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_the_same_layer(kind: str, copied: Callable[[Any], Any]) -> None:
    layer = getattr(glassconv.nn, kind)(4, 6, 3, activation="relu", accuracy="strict")
    other = copied(layer)
    assert type(other) is type(layer)
    assert repr(other) == repr(layer)
    input = picture(kind).float()
    assert torch.equal(other(input), layer(input))
    assert (other.weight is layer.weight) == (copied is copy.copy)


def test_a_pickle_loads_in_another_process(tmp_path: Path) -> None:
    """Without an import of glassconv there: the pickle names the class.

    Strict, so that the bits are the same whatever either process has measured of its machine.
    """
    layer = glassconv.nn.Conv2d(2, 3, 3, activation="relu", accuracy="strict")
    torch.save((layer, layer(torch.ones(1, 2, 5, 5))), tmp_path / "layer.pt")
    program = (
        "import sys, torch; "
        "layer, expected = torch.load(sys.argv[1], weights_only=False); "
        "assert torch.equal(layer(torch.ones(1, 2, 5, 5)), expected); "
        "print(layer)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "layer.pt")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == repr(layer)


def test_a_layer_moves_between_types_devices_and_memory_formats() -> None:
    layer = glassconv.nn.Conv2d(4, 8, 3, device="meta")
    assert layer(torch.ones(1, 4, 5, 5, device="meta")).shape == (1, 8, 3, 3)
    skip_init: Any = nn.utils.skip_init
    layer = skip_init(glassconv.nn.Conv2d, 4, 8, 3)
    whole(layer)
    input = picture("Conv2d")
    expected = layer.double()(input)
    layer = layer.to(memory_format=torch.channels_last)
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(input), expected, rtol=1e-10, atol=1e-12)
    assert layer.bfloat16()(input.bfloat16()).dtype is torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_layer_of_16_bits_rounds_the_float32_output_once(dtype: torch.dtype) -> None:
    layer = glassconv.nn.Conv2d(8, 16, 3, padding=1, algorithm="implicit_gemm").to(dtype)
    input = torch.randn(2, 8, 9, 10, dtype=dtype)
    with torch.no_grad():
        output = layer(input)
        assert torch.equal(output, layer.float()(input.float()).to(dtype))
        with torch.autocast("cpu", dtype):
            assert torch.equal(layer(input.float()), output)


# -- what changes the weight at each call -------------------------------------------------------

prune_by_size: Any = prune.l1_unstructured
CHANGES: dict[str, Callable[[Any], Any]] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "prune": lambda layer: prune_by_size(layer, "weight", 0.5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
def test_normed_and_pruned_weights_are_used(
    kind: str, change: Callable[[Any], Any], training: bool
) -> None:
    input = picture(kind)
    outputs = []
    for layer in pair(kind, 4, 6, 3, dtype=torch.float64):
        torch.manual_seed(1)
        change(layer.train(training))
        result = layer(input)
        result.sum().backward()
        outputs.append((result, *(each.grad for each in layer.parameters())))
        assert isinstance(layer, getattr(nn, kind))
    for expected, found in zip(*outputs, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_a_parametrization_is_removed_again() -> None:
    layer = parametrizations.weight_norm(glassconv.nn.Conv2d(4, 6, 3))
    input = torch.ones(1, 4, 5, 5)
    expected = layer(input)
    remove_parametrizations(layer, "weight")
    assert type(layer) is glassconv.nn.Conv2d
    torch.testing.assert_close(layer(input), expected)


# -- lazy layers --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAZY)
def test_a_lazy_layer_becomes_ours_at_the_first_input(kind: str) -> None:
    theirs, ours = pair(kind, 6, 3, groups=2)
    assert repr(ours) == repr(theirs)
    input = picture(kind).float()
    outputs = []
    for layer in (theirs, ours):
        torch.manual_seed(1)
        layer(input)  # which makes the parameters
        outputs.append(layer.double()(input.double()))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    assert type(ours) is getattr(glassconv.nn, kind.removeprefix("Lazy"))
    assert repr(ours) == repr(theirs)


def test_a_lazy_layer_keeps_its_options() -> None:
    layer = glassconv.nn.LazyConv2d(6, kernel_size=3, activation="relu")
    assert repr(layer).endswith("activation=relu)")
    copied = copy.deepcopy(layer)
    for each in (layer, copied):
        assert bool((each(torch.randn(1, 4, 9, 9)) >= 0).all())
        assert repr(each).endswith("activation=relu)")


@pytest.mark.parametrize("kind", ["LazyConv2d", "LazyConvTranspose2d"])
def test_a_lazy_layer_loads_a_state_dict_and_knows_its_channels(kind: str) -> None:
    """PyTorch's own leaves `in_channels` at 0."""
    _, source = pair(kind.removeprefix("Lazy"), 4, 6, 3, groups=2)
    layer = getattr(glassconv.nn, kind)(6, 3, groups=2)
    layer.load_state_dict(source.state_dict())
    input = picture(kind).float()
    assert torch.equal(layer(input), source(input))
    assert repr(layer) == repr(source)


def test_explain_reads_our_layers() -> None:
    layer = glassconv.nn.Conv2d(3, 8, 3, padding=1)
    assert repr(glassconv.explain(layer, [1, 3, 9, 9])) == "explain('1x3x9x9 8@3x3 s1 p1')"

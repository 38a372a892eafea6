"""Small networks made of functions, and what an optimized network must equal."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map_only

from glassconv.dispatch.select import ACCURACY
from glassconv.networks.capture import capture_call
from glassconv.networks.optimize import OptimizedNetwork
from glassconv.networks.passes import rewritten
from glassconv.networks.passes.network import Network
from glassconv.networks.planning import network_of
from glassconv.networks.relative_error import relative_rms_error

FACTOR = ACCURACY["default"]  # times PyTorch's own rms error, or the rounding of one number
ROUNDINGS = 16  # of sums in float64


class Calls(nn.Module):
    """A network whose forward call is a function of its layers and the arguments."""

    def __init__(self, function: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns."""
        return self.function(*self.layers, *args, **kwargs)


def with_statistics(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a model in evaluation mode whose batch normalisations do something."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2, generator=generator)
                nn.init.normal_(module.bias, generator=generator)
    return model.eval()


def after_passes(model: nn.Module, *args: Any) -> dict[str, Network]:
    """Return the network of a call as captured, and after each pass, by the pass's name."""
    captured = network_of(capture_call(model, args, {}), model)
    return {"captured": captured, **dict(rewritten(captured))}


def functions(network: Network) -> list[str]:
    """Return the functions of a network's operations."""
    return [each.function for each in network.operations]


def optimized(model: nn.Module, accuracy: str = "default") -> OptimizedNetwork:
    """Return an optimized network that has not been called."""
    return OptimizedNetwork(model.eval(), accuracy)


def kernels(network: OptimizedNetwork, *args: Any, **kwargs: Any) -> list[str]:
    """Return what computes each step of a plan: a kernel, or PyTorch."""
    return [getattr(each, "kernel", "PyTorch") for each in network.plan(*args, **kwargs).steps]


def check(model: nn.Module, *args: Any, **kwargs: Any) -> OptimizedNetwork:
    """Optimize a model, and compare two calls with the model's own, and with float64."""
    fast = optimized(model)
    expected = called(model, args, kwargs)
    truth = called(deepcopy(model).double(), *tree_map_only(Tensor, _precise, (args, kwargs)))
    for _ in range(2):  # the second one finds memory that the first one has used
        agree(called(fast, args, kwargs), expected, truth)
    return fast


def called(model: nn.Module, args: Any, kwargs: Any) -> Any:
    """Return what a model returns for copies of arguments."""
    with torch.no_grad():
        args, kwargs = tree_map_only(Tensor, Tensor.clone, (args, kwargs))
        return tree_map_only(Tensor, Tensor.detach, model(*args, **kwargs))


def agree(found: Any, expected: Any, truth: Any) -> None:
    """Compare what a network returns with what PyTorch does, with float64 as the judge."""
    (found, structure), (expected, same) = tree_flatten(found), tree_flatten(expected)
    truth = tree_flatten(truth)[0]
    assert structure == same
    for one, other, exact in zip(found, expected, truth, strict=True):
        if not isinstance(one, Tensor):
            assert one == other
            continue
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        if not one.dtype.is_floating_point:
            assert torch.equal(one, other)
            continue
        precise = exact.to(torch.float64)
        theirs = relative_rms_error([other], [precise])
        roundoff = torch.finfo(one.dtype).eps / 2
        # Nothing more precise than float64 is there to say how large PyTorch's own error is.
        least = ROUNDINGS * roundoff if one.dtype is torch.float64 else roundoff
        allowed = FACTOR * max(theirs, least)
        assert relative_rms_error([one], [precise]) <= allowed


def _precise(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor

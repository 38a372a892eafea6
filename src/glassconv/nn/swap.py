"""swap: make the convolution layers of a network glassconv's, and `unswap`: PyTorch's again.

A layer is swapped by changing its class, as PyTorch does when a lazy layer gets its parameters. So
it stays the same object, with the same parameters, hooks and state, wherever it is referred to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

from glassconv.dispatch.select import AUTO
from glassconv.errors import ArgumentTypeError
from glassconv.nn import convolution, lazy, transposed
from glassconv.nn.layer import DEFAULTS, Layer, Options, checked, set_options
from glassconv.nn.shared_copy import shared_copy
from glassconv.reports.swap import KeptLayer, Swap, SwappedLayer

OURS: Mapping[type, type[Layer]] = {
    nn.Conv1d: convolution.Conv1d,
    nn.Conv2d: convolution.Conv2d,
    nn.Conv3d: convolution.Conv3d,
    nn.ConvTranspose1d: transposed.ConvTranspose1d,
    nn.ConvTranspose2d: transposed.ConvTranspose2d,
    nn.ConvTranspose3d: transposed.ConvTranspose3d,
    nn.LazyConv1d: lazy.LazyConv1d,
    nn.LazyConv2d: lazy.LazyConv2d,
    nn.LazyConv3d: lazy.LazyConv3d,
    nn.LazyConvTranspose1d: lazy.LazyConvTranspose1d,
    nn.LazyConvTranspose2d: lazy.LazyConvTranspose2d,
    nn.LazyConvTranspose3d: lazy.LazyConvTranspose3d,
}
PYTORCHS: Mapping[type, type[_ConvNd]] = {ours: theirs for theirs, ours in OURS.items()}

M = TypeVar("M", bound=nn.Module)
FORWARD = {"forward", "_conv_forward"}


def swap(model: M, *, inplace: bool = False, accuracy: str = "default") -> Swap[M]:
    """Make the convolution layers of a model glassconv's: `report.model` is the model.

    Layers of PyTorch's own classes are swapped, lazy and parametrized ones, too. Parameters,
    buffers, hooks, names, mode and device stay as they are, and a shared layer stays shared. Layers
    of other classes are kept; the report says why.

    inplace: whether to change this model. If not, it is copied, but its tensors are not: the copy
        has the same parameters and buffers, so that an optimizer and a state dict are of both.
    accuracy: of the layers that are swapped, as for `glassconv.conv2d`.

    Raises `ArgumentTypeError` for what is no module, `UnknownNameError` for an unknown accuracy.

    >>> import torch, glassconv
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    >>> fast = glassconv.nn.swap(model).model
    >>> type(fast[0]), fast[0].weight is model[0].weight
    (<class 'glassconv.nn.convolution.Conv2d'>, True)
    """
    return _change(model, "swap", inplace, OURS, checked(AUTO, accuracy, None))


def unswap(model: M, *, inplace: bool = False) -> Swap[M]:
    """Make the convolution layers of a model PyTorch's again: the inverse of `swap`.

    Their algorithm and accuracy are dropped. A layer with an activation is kept, since PyTorch's
    has none. inplace and errors as for `swap`.

    >>> import torch, glassconv
    >>> model = glassconv.nn.swap(torch.nn.Conv2d(3, 8, 3)).model
    >>> type(glassconv.nn.unswap(model).model)
    <class 'torch.nn.modules.conv.Conv2d'>
    """
    return _change(model, "unswap", inplace, PYTORCHS, DEFAULTS)


def _change(
    model: M,
    function: str,
    inplace: bool,
    classes: Mapping[type, type[_ConvNd]],
    options: Options,
) -> Swap[M]:
    if not isinstance(model, nn.Module):
        cause = f"the model must be a torch.nn.Module, got {model!r} of type {type(model).__name__}"
        raise ArgumentTypeError(cause, request=function)
    if not inplace:
        model = _copy(model)
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    swapped, kept = [], []
    for module, places in names.items():
        before = type_before_parametrizations(module)
        reason = _reason_to_keep(module, before, classes)
        if reason:
            kept.append(KeptLayer(tuple(places), _name(before), reason))
        elif before in classes:
            after = classes[before]
            _become(module, after, options)
            swapped.append(SwappedLayer(tuple(places), _name(before), _name(after)))
    return Swap(model, tuple(swapped), tuple(kept))


def _copy(model: M) -> M:
    """Return a copy that shares every tensor, or raise the error with what needs no copy."""
    try:
        return shared_copy(model)
    except Exception as error:
        error.add_note("the model cannot be copied; inplace=True needs no copy")
        raise


def _become(module: nn.Module, after: type[_ConvNd], options: Options) -> None:
    """Change the class of a layer, and of a parametrized layer the class that its own extends."""
    for name in DEFAULTS:
        vars(module).pop(name, None)
    if is_parametrized(module):  # PyTorch made a class with the parameters as properties
        properties = dict(vars(type(module)))
        for name in ("__dict__", "__weakref__"):
            properties.pop(name, None)
        module.__class__ = type(f"Parametrized{after.__name__}", (after,), properties)
    else:
        module.__class__ = after
    if isinstance(module, Layer):
        set_options(module, options)


def _reason_to_keep(
    module: nn.Module, kind: type, classes: Mapping[type, type[_ConvNd]]
) -> str | None:
    """Return why a layer is kept; None for one to swap, and for what is no convolution."""
    if kind in classes:
        return _reason_of_instance(module)
    return "it is one already" if kind in classes.values() else _reason_of_class(module, kind)


def _reason_of_instance(module: nn.Module) -> str | None:
    """Return why a layer of a class that is swapped is kept itself."""
    if FORWARD & vars(module).keys():
        return "its forward was replaced"
    if not isinstance(module, Layer):
        taken = [name for name in DEFAULTS if hasattr(module, name)]
        return f"it has an attribute {taken[0]!r} already" if taken else None
    if module.activation is not None:
        return f"it ends with {module.activation}, and a layer of PyTorch does not"
    return None


def _reason_of_class(module: nn.Module, kind: type) -> str | None:
    """Return why a convolution of another class is kept."""
    if isinstance(module, torch.jit.ScriptModule):
        return "compiled by TorchScript" if "Conv" in module.original_name else None
    if isinstance(module, _ConvNd):
        defined = {name for each in _subclasses(kind) for name in vars(each)}
        if defined & FORWARD:
            return "a subclass with a forward of its own"
        return "a subclass, and only PyTorch's own classes are swapped"
    if "conv" in kind.__name__.lower() and not module._modules:
        return "quantized" if "quantized" in kind.__module__ else "not a layer of PyTorch's"
    return None


def _subclasses(kind: type) -> Iterator[type]:
    """Yield the classes that a class extends PyTorch's layers with."""
    known = {*OURS, *PYTORCHS, _ConvNd}
    return takewhile(lambda each: each not in known, kind.__mro__)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"

"""The networks of torchvision and of timm, with random weights: nothing is downloaded."""

from __future__ import annotations

import difflib
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import torch
from torch import nn

from glassconv.errors import MissingExtraError, NetworkError, UnknownNameError, unknown_name

MOST_NAMES = 5  # of those that an error lists: timm has more than a thousand


def from_torchvision(name: str) -> nn.Module:
    """Return torchvision's model of a name, with random weights."""
    models = _library("torchvision").models
    names: list[str] = models.list_models()
    if name not in names:
        raise _unknown("torchvision", name, names)
    builder = models.get_model_builder(name)
    # A detector's backbone has weights by default, which torchvision would download.
    detector = "weights_backbone" in inspect.signature(builder).parameters
    backbone = {"weights_backbone": None} if detector else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of inception's initialization
        network: nn.Module = builder(weights=None, **backbone)
    return network


def from_timm(name: str) -> nn.Module:
    """Return timm's model of a name, with random weights."""
    timm = _library("timm")
    names = [*timm.list_models(), *timm.list_pretrained()]  # `resnet18`, `resnet18.a1_in1k`
    if name not in names:
        raise _unknown("timm", name, names)
    network: nn.Module = timm.create_model(name, pretrained=False)
    return network


LIBRARIES: Mapping[str, Callable[[str], nn.Module]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
}


def _library(name: str) -> ModuleType:
    """Return an installed library, or raise `MissingExtraError` with the command to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        cause = f"{error.name} is not installed: pip install {error.name}"
        raise MissingExtraError(cause, request="load") from None
    except (ImportError, OSError, RuntimeError) as error:  # built for another torch
        cause = (
            f"{name} cannot be imported beside torch {torch.__version__} ({error}); "
            f"pip install --upgrade torch {name} installs two that fit"
        )
        raise NetworkError(cause, request="load") from error


def _unknown(library: str, name: str, names: Sequence[str]) -> UnknownNameError:
    """Return the error for an unknown model, with the most similar ones."""
    similar = difflib.get_close_matches(name, names, n=MOST_NAMES) or names[:MOST_NAMES]
    also = f"and {len(names) - len(similar)} others"
    return unknown_name(f"model of {library}", name, similar, also)

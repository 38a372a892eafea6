"""load: a network from its name, from the user's own code or from a file, as a module to evaluate.

A file is untrusted. What is in it is read as numbers and as names of a list; nothing of it is
executed. Only `FILE.py` is executed, since the user names it as code.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import nn

from glassconv.errors import ArgumentTypeError, unknown_name
from glassconv.networks.factory import from_factory
from glassconv.networks.libraries import LIBRARIES
from glassconv.nn.shared_copy import shared_copy

SEED = 0  # of the random weights of a network that has none yet
FORMS = ("torchvision:NAME", "timm:NAME", "FILE.py:FACTORY")
LIBRARY = re.compile(r"(?P<library>\w+):(?P<name>[^+/\\]+)")
FACTORY = re.compile(r"(?P<file>.+?\.py):(?P<name>\w+)")


def load(source: str | nn.Module) -> nn.Module:
    """Load a network, in evaluation mode and on the CPU.

    source: one of
        `torchvision:NAME`, `timm:NAME`: a model of that library. Its weights are random, from seed
            0; nothing is downloaded.
        `FILE.py:FACTORY`: what a function or class without arguments in a Python file returns. The
            file is executed. Random weights are from seed 0, too.
        a module: a copy of it that has the same tensors.

    Raises `UnknownNameError` for a source or a model that is not known, `MissingExtraError` for a
    library that is not installed, `NetworkError` for a file that cannot be loaded, with the reason.

    >>> from torch import nn
    >>> load(nn.Sequential(nn.Conv2d(3, 8, 3))).training
    False
    """
    if isinstance(source, nn.Module):
        return shared_copy(source).eval()  # the caller's may be in training
    if not isinstance(source, str):
        cause = f"the network must be a string or a torch.nn.Module, got {type(source).__name__}"
        raise ArgumentTypeError(cause, request="load")
    with torch.random.fork_rng(devices=()):  # the caller's random numbers stay as they are
        torch.manual_seed(SEED)
        return _named(source).eval()


def _named(source: str) -> nn.Module:
    """Return the network that a string names."""
    if match := FACTORY.fullmatch(source):
        return from_factory(Path(match["file"]), match["name"])
    if match := LIBRARY.fullmatch(source):
        if match["library"] not in LIBRARIES:
            raise unknown_name("library of networks", match["library"], LIBRARIES)
        return LIBRARIES[match["library"]](match["name"])
    raise unknown_name("kind of network", source, FORMS)

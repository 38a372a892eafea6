"""load: a network from its name, from the user's own code or from a file, as a module to evaluate.

A file is untrusted: nothing of it is executed, and sizes are checked before memory is taken. Only
`FILE.py` is executed, since the user names it as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from glassconv.errors import ArgumentTypeError, NetworkError, unknown_name
from glassconv.networks.exported.read import from_exported
from glassconv.networks.factory import from_factory
from glassconv.networks.files.state_dict import READERS as WEIGHTS
from glassconv.networks.libraries import LIBRARIES
from glassconv.networks.onnx import from_onnx
from glassconv.networks.weights import put_weights
from glassconv.nn.shared_copy import shared_copy

SEED = 0  # of the random weights of a network that has none yet
LIBRARY = re.compile(r"(?P<library>\w+):(?P<name>[^+/\\]+)(\+(?P<weights>.+))?")
FACTORY = re.compile(r"(?P<file>.+?\.py):(?P<name>\w+)(\+(?P<weights>.+))?")
FILES: Mapping[str, Callable[[Path], nn.Module]] = {".pt2": from_exported, ".onnx": from_onnx}
FORMS = (
    "torchvision:NAME", "timm:NAME", "FILE.py:FACTORY", "either of these with +WEIGHTS",
    *(f"FILE{suffix}" for suffix in FILES),
)  # fmt: skip


def load(source: str | nn.Module) -> nn.Module:
    """Load a network, in evaluation mode and on the CPU.

    source: a module, of which a copy with the same tensors is returned, or one of these strings.

    - `torchvision:NAME`, `timm:NAME`: a model of that library. Its weights are random, from seed
      0; nothing is downloaded.
    - `FILE.py:FACTORY`: what a function or class without arguments in a Python file returns. The
      file is executed. Random weights are from seed 0, too.
    - Either of these followed by `+WEIGHTS`, as in `torchvision:resnet18+mine.safetensors`: with
      the weights of a `.safetensors` file, or of a state dict in a `.pt` or `.pth` file.
    - `FILE.pt2`: a program that `torch.export.save` wrote.
    - `FILE.onnx`: a network of ONNX, whose operators become PyTorch's.

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


def is_source(text: str) -> bool:
    """Return whether a text names a network: by a colon, or by the ending of its file.

    >>> is_source("timm:resnet18"), is_source("net.onnx"), is_source("cat.png")
    (True, True, False)
    """
    named = FACTORY.fullmatch(text) or LIBRARY.fullmatch(text)
    return named is not None or Path(text).suffix in (*FILES, *WEIGHTS)


def _named(source: str) -> nn.Module:
    """Return the network that a string names."""
    if match := FACTORY.fullmatch(source):
        network = from_factory(Path(match["file"]), match["name"])
    elif match := LIBRARY.fullmatch(source):
        if match["library"] not in LIBRARIES:
            raise unknown_name("library of networks", match["library"], LIBRARIES)
        network = LIBRARIES[match["library"]](match["name"])
    else:
        return _from_file(Path(source))
    if match["weights"]:
        put_weights(network, Path(match["weights"]))
    return network


def _from_file(path: Path) -> nn.Module:
    """Return the network that a file holds by itself."""
    if path.suffix in WEIGHTS:
        cause = f"it has weights and no network: name both, as in FILE.py:FACTORY+{path.name}"
        raise NetworkError(cause, request=str(path))
    if path.suffix not in FILES:
        raise unknown_name("kind of network", str(path), FORMS)
    return FILES[path.suffix](path)

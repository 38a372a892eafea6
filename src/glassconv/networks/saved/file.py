"""Save an optimized network to a `.safetensors` file, and load it as a network of one plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from glassconv.dispatch.select import ACCURACY
from glassconv.errors import MissingExtraError, NetworkError, ShapeError
from glassconv.networks.exported.structure import nest
from glassconv.networks.files.bounded_file import BoundedFile
from glassconv.networks.files.state_dict import read_state_dict
from glassconv.networks.files.strict_json import field, parse_json
from glassconv.networks.graph import TENSOR, Returned
from glassconv.networks.passes.network import Network
from glassconv.networks.plan.layout import fastest_layout
from glassconv.networks.plan.lower import lower
from glassconv.networks.plan.places import dense_strides
from glassconv.networks.plan.plan import Plan
from glassconv.networks.saved.document import from_document, to_document
from glassconv.networks.tensors import dtype_of

KEY = "glassconv"  # of the metadata
SUFFIX = ".safetensors"


def save_network(network: Network, returned: Returned, accuracy: str, path: Path) -> None:
    """Write a network after its passes; what `load_saved` would refuse is refused here.

    Raises `NetworkError` for an operation or an argument that cannot be saved, `MissingExtraError`
    without the package safetensors.
    """
    if path.suffix != SUFFIX:
        raise NetworkError(f"the file must end in {SUFFIX}", request=str(path))
    document = to_document(network, returned)
    numbers = {each["number"] for each in document["tensors"]}
    tensors = {
        str(number): tensor.detach().contiguous().clone()
        for number, tensor in network.tensors.items()
        if number in numbers
    }
    written = json.dumps({**document, "accuracy": accuracy}, allow_nan=False)
    from_document(json.loads(written), tensors)
    _library(path).save_file(tensors, path, metadata={KEY: written})


def load_saved(path: str | Path) -> SavedNetwork:
    """Return the network of a file that `OptimizedNetwork.save` wrote.

    Nothing of the file is executed: it names operators of a list, and shapes that are checked.

    Raises `NetworkError` for a file that is malformed or holds something else.
    """
    path = Path(path)
    tensors = read_state_dict(path)
    with BoundedFile(path) as file:
        header = parse_json(file.read(int.from_bytes(file.read(8), "little")), str(path))
    try:
        metadata = field(header, "__metadata__", dict)
        document = parse_json(field(metadata, KEY, str).encode(), str(path))
        accuracy = field(document, "accuracy", str)
        if accuracy not in ACCURACY:
            raise NetworkError(f"its accuracy is none of {', '.join(ACCURACY)}")
        return SavedNetwork(*from_document(document, tensors), accuracy)
    except NetworkError as error:
        raise error.asked_as(str(path)) from None


class SavedNetwork(nn.Module):
    """A network of one plan, for inputs of the shapes that it was saved with."""

    def __init__(
        self, network: Network, leaves: Sequence[Any], structure: dict[str, Any], accuracy: str
    ) -> None:
        super().__init__()
        self.network, self.accuracy = network, accuracy
        self._leaves, self._structure = leaves, structure
        self._strides = [
            dense_strides(each.shape, channels_last=each.layout == "channels_last")
            for each in network.inputs
        ]
        layout = fastest_layout(network, accuracy)
        self.plan = Plan(lower(network, layout, accuracy, self._strides), torch.get_num_threads())
        self.eval()

    def forward(self, *inputs: Tensor) -> Any:
        """Return what the network returned when it was saved, for inputs of the same shapes.

        Raises `ShapeError` for inputs of other shapes or element types.
        """
        stated = [(each.shape, dtype_of(each)) for each in self.network.inputs]
        given = [(tuple(each.shape), each.dtype) for each in inputs]
        if given != stated:
            raise ShapeError(f"it was saved for inputs {stated}, got {given}", request="saved plan")
        arranged = [
            each
            if each.stride() == strides
            else each.new_empty_strided(each.shape, strides).copy_(each)
            for each, strides in zip(inputs, self._strides, strict=True)
        ]
        with torch.no_grad():
            outputs = iter(self.plan(*arranged))
        leaves = (next(outputs) if each is TENSOR else each for each in self._leaves)
        return nest(self._structure, leaves)


def _library(path: Path) -> Any:
    try:
        return import_module("safetensors.torch")
    except ModuleNotFoundError:
        cause = "safetensors is not installed: pip install 'glassconv[safetensors]'"
        raise MissingExtraError(cause, request=str(path)) from None

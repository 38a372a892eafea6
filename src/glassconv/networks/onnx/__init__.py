"""ONNX files as PyTorch modules: read as numbers and names, checked, built node by node.

    model_file.py     the file, checked before memory is taken     (fields.py, tensors.py)
    build.py          its graph as a module                        (node.py, ranks.py, folding.py)
    operators/        what each operator becomes, one file for a family (window.py, layers.py, …)

Source: the ONNX specification, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from torch import nn

from glassconv.errors import MissingExtraError


def from_onnx(path: Path) -> nn.Module:
    """Return the network of an ONNX file, in evaluation mode: a `torch.fx.GraphModule`.

    Its inputs and outputs are the graph's, in their order; any size that the operators accept may
    be given, whatever size the file declares. Layers whose weights are in the file are PyTorch's
    layers, named as the file's nodes.

    The file is untrusted. Weights outside it must be in its folder. Raises `NetworkError` if the
    file cannot be read as a network, `UnsupportedError` for an operator or an element type that is
    not supported, with the node, and `MissingExtraError` without the package onnx.

    >>> import tempfile
    >>> from onnx import helper
    >>> x, y = (helper.make_tensor_value_info(name, 1, [1, 3, 8, 8]) for name in "xy")
    >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", [x], [y])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "relu.onnx")
    ...     size = file.write_bytes(helper.make_model(graph).SerializeToString())
    ...     from_onnx(file)
    Network(
      (Relu_y): ReLU()
    )
    """
    if find_spec("onnx") is None:
        cause = "the package onnx is not installed: pip install 'glassconv[onnx]'"
        raise MissingExtraError(cause, request=path.name)
    from glassconv.networks.onnx.build import build
    from glassconv.networks.onnx.model_file import read

    return build(read(path))

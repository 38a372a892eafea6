"""Networks of one node, whose weights are in the file or are inputs of the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, fx

from glassconv.networks.onnx import from_onnx


def one_node(
    folder: Path,
    operator: str,
    weights: Mapping[str, Tensor],
    *,
    in_file: bool = True,
    version: int = 17,
    **attributes: object,
) -> fx.GraphModule:
    """Return y = operator(x, *weights) as a network; a weight without a name is missing."""
    names = ["x", *weights]
    node = helper.make_node(operator, names, ["y"], **attributes)  # type: ignore[arg-type]
    inputs = names[:1] if in_file else names
    stored = [numpy_helper.from_array(w.numpy(), n) for n, w in weights.items() if n and in_file]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    file = folder / "one_node.onnx"
    file.write_bytes(model.SerializeToString())
    network = from_onnx(file)
    assert isinstance(network, fx.GraphModule)
    return network

"""A network as a file of ONNX, whose nodes have the names of the modules that they come from.

So what an engine says of its layers can be laid beside what another says.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SCOPES = "pkg.torch.onnx.name_scopes"  # where the exporter says which module a node is of


def export(network: nn.Module, input: Tensor, path: Path) -> None:
    """Write a network in evaluation mode, for inputs of this shape, into one file."""
    program = torch.onnx.export(network, (input,), dynamo=True, verbose=False)
    if program is None:
        raise RuntimeError("PyTorch's exporter returned nothing")
    taken = set[str]()
    for node in program.model.graph:
        module = _module(node)
        if module is None or module in taken:  # a module may be called twice
            node.name = f"{_scope(node)}/{node.name}"
            continue
        taken.add(module)
        node.name = module
        if not node.outputs[0].is_graph_output():
            node.outputs[0].name = module  # ONNX Runtime names a layer by its output
    program.save(path, external_data=False)


def _module(node: Any) -> str | None:
    """Return the module whose weight a node has, None for a node without a weight."""
    for value in node.inputs:
        if value is not None and value.is_initializer() and value.name.endswith(".weight"):
            module: str = value.name.removesuffix(".weight")
            return module
    return None


def _scope(node: Any) -> str:
    """Return the module that a node is of; "" is the network itself."""
    scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))  # outer to inner, its own last
    return "".join(scopes[-2:-1])

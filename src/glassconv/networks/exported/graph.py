"""A program's graph as PyTorch's JSON states it, built anew as a graph of torch.fx.

torch.fx writes Python from a graph and executes it. So every name that it would write comes from
here only if it is an identifier, and every operator is an object that `find_operator` returned.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from typing import Any

from torch import Tensor, fx, nn

from glassconv.errors import NetworkError
from glassconv.networks.exported.arguments import read_argument
from glassconv.networks.exported.inputs import InputCheck, Inputs, read_inputs
from glassconv.networks.exported.operators import (
    check_arguments,
    find_operator,
    writes_first_argument,
)
from glassconv.networks.exported.shape_check import check_shapes
from glassconv.networks.exported.structure import is_flat, nest, read_structure
from glassconv.networks.exported.tensors import Tensors
from glassconv.networks.files.quote import quoted
from glassconv.networks.files.strict_json import field

MOST_NODES = 5000  # more than any network of timm has, and a second to check
NAME = re.compile(r"[\w-]+(\.[\w-]+)*")  # of a weight
MOST_PARTS = 64
WEIGHTS = {  # by the kind of an input that is none of the user's: the key of its name
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
CHECK = "input_check"  # the name of the module
KEYWORD = 2  # an argument's kind in PyTorch's schema, `torch._export.serde.schema.ArgumentKind`


def build(program: Any, tensors: Tensors) -> fx.GraphModule:
    """Return the module of a program whose weights are read from `tensors`.

    Raises `NetworkError` for what is malformed or not supported.
    """
    module = field(program, "graph_module", dict)
    stated = field(module, "graph", dict)
    signature = field(module, "signature", dict)
    takes, returns = _structures(module)
    if not is_flat(takes):
        raise NetworkError(
            "it takes nested inputs, where one tensor for each argument is supported"
        )
    inputs = read_inputs(program, _names_of_inputs(signature))
    graph = _Graph(inputs, signature, tensors)
    nodes = field(stated, "nodes", list)
    if len(nodes) > MOST_NODES:
        raise NetworkError(f"its graph has {len(nodes):,} nodes, where {MOST_NODES:,} are read")
    for node in nodes:
        graph.add(node)
    graph.output(signature, returns)
    network = graph.module()
    check_shapes(network, inputs)
    return network


class _Graph:
    """A graph of torch.fx in the making, and the module that holds its weights."""

    def __init__(self, inputs: Inputs, signature: Any, tensors: Tensors) -> None:
        self._root = nn.Module()
        self._temporary: list[str] = []  # buffers that are not in the state dict
        self._graph = fx.Graph()
        self._values: dict[str, fx.Node] = {}
        for each in inputs.inputs:
            self._define(each.name, self._graph.placeholder(each.name))
        self._root.add_module(CHECK, InputCheck(inputs))
        self._graph.call_module(CHECK, tuple(self._values.values()))
        for kind, spec in _specs(signature, "input_specs"):
            if kind in WEIGHTS:
                name = field(spec, WEIGHTS[kind], str)
                _attach(self._root, name, tensors.read(name, kind == "parameter"))
                if kind == "tensor_constant" or not spec.get("persistent", True):
                    self._temporary.append(name)
                value = field(field(spec, "arg", dict), "name", str)
                self._define(value, self._graph.get_attr(name))

    def add(self, node: Any) -> None:
        """Append a node, which reads what is there already."""
        function = find_operator(field(node, "target", str))
        arguments, named, by_name = [], {}, {}
        for each in field(node, "inputs", list):
            value = read_argument(field(each, "arg", dict), self._values)
            name = field(each, "name", str)
            by_name[name] = value
            if each.get("kind") == KEYWORD:
                named[_identifier(name)] = value
            else:
                arguments.append(value)
        writes_weight = writes_first_argument(function) and _is_weight((*arguments, None)[0])
        if writes_weight or _is_training(by_name):
            cause = "it was exported in training mode: call eval() before torch.export.export"
            raise NetworkError(cause)
        check_arguments(function, arguments, named)
        made = self._graph.call_function(function, tuple(arguments), named)
        self._define_outputs(field(node, "outputs", list), made)

    def output(self, signature: Any, structure: dict[str, Any]) -> None:
        """Append the output, and compare it with its structure."""
        outputs = []
        for kind, spec in _specs(signature, "output_specs"):
            if kind != "user_output":
                raise NetworkError(
                    f"it has an output of kind {quoted(kind)}, which is not supported"
                )
            outputs.append(read_argument(field(spec, "arg", dict), self._values))
        left = iter(outputs)
        self._graph.output(nest(structure, left))
        if list(left):
            raise NetworkError("it has more outputs than their structure")

    def module(self) -> fx.GraphModule:
        """Return the module of the graph."""
        module = fx.GraphModule(self._root, self._graph, "ExportedProgram")
        for name in self._temporary:  # torch.fx makes every buffer one of the state dict
            owner, _, last = name.rpartition(".")
            tensor = module.get_buffer(name)
            module.get_submodule(owner).register_buffer(last, tensor, persistent=False)
        return module

    def _define_outputs(self, outputs: list[Any], made: fx.Node) -> None:
        """Give names to what a node computes: one value, several, or a list."""
        names = list(_names_of_outputs(outputs))
        is_list = any("as_tensors" in each for each in outputs)
        if len(names) == 1 and not is_list:
            self._define(names[0], made)
            return
        for at, name in enumerate(names):
            self._define(name, self._graph.call_function(operator.getitem, (made, at)))

    def _define(self, name: str, node: fx.Node) -> None:
        if name in self._values:
            raise NetworkError(f"its graph has the name {quoted(name)} twice")
        self._values[name] = node


def _structures(module: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the structures of what a program takes and of what it returns."""
    calls = field(module, "module_call_graph", list)
    signature = field(calls[0] if calls else None, "signature", dict)
    return (
        read_structure(field(signature, "in_spec", str)),
        read_structure(field(signature, "out_spec", str)),
    )


def _specs(signature: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the kind and the content of each input or output of a program."""
    for spec in field(signature, key, list):
        kind = next(iter(spec), "") if isinstance(spec, dict) else ""
        yield kind, field(spec, kind, dict)


def _names_of_inputs(signature: Any) -> list[str]:
    """Return the names of the user's inputs; those of other kinds are refused."""
    names = []
    for kind, spec in _specs(signature, "input_specs"):
        if kind == "user_input":
            tensor = field(field(spec, "arg", dict), "as_tensor", dict)
            names.append(_identifier(field(tensor, "name", str)))
        elif kind not in WEIGHTS:
            raise NetworkError(f"it has an input of kind {quoted(kind)}, which is not supported")
    return names


def _names_of_outputs(outputs: list[Any]) -> Iterator[str]:
    """Yield the names of a node's outputs, in order; a list has one for each element."""
    for output in outputs:
        match output:
            case {"as_tensor": tensor}:
                yield field(tensor, "name", str)
            case {"as_tensors": [*tensors]}:
                yield from (field(each, "name", str) for each in tensors)
            case {"as_sym_int": size} | {"as_sym_bool": size} | {"as_sym_float": size}:
                yield field(size, "as_name", str)
            case {"as_none": _}:
                pass
            case _:
                raise NetworkError(f"its graph has a node with the output {quoted(output)}")


def _identifier(name: str) -> str:
    """Return a name that Python can be written with, or raise."""
    if not name.isidentifier() or iskeyword(name):
        raise NetworkError(f"its graph has the name {quoted(name)}, which is no identifier")
    return name


def _attach(root: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a weight where its name says, such as `layer1.0.weight`."""
    *path, last = name.split(".")
    if not NAME.fullmatch(name) or len(path) > MOST_PARTS:
        raise NetworkError(f"it has a weight of the name {quoted(name)}, which is not supported")
    module = root
    try:
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        if isinstance(tensor, nn.Parameter):
            module.register_parameter(last, tensor)
        else:
            module.register_buffer(last, tensor)
    except KeyError:
        raise NetworkError(f"it has a weight of the name {quoted(name)}, which is taken") from None


def _is_weight(argument: object) -> bool:
    return isinstance(argument, fx.Node) and argument.op == "get_attr"


def _is_training(arguments: Mapping[str, Any]) -> bool:
    """Return whether an operator drops numbers at random, or normalizes otherwise than later.

    Batch normalization without running statistics always takes those of its input.
    """
    normalizes = arguments.get("training") is True and arguments.get("running_mean") is not None
    return normalizes or arguments.get("train") is True

"""Build a module from a checked model: a `torch.fx.GraphModule`, one call after another.

`print(network.code)` shows the network as Python. Modules and results have the names of the file's
nodes, with an underscore for what a Python name cannot have: the module's code is made of them, so
no other character of an untrusted file may be in it.
"""

from __future__ import annotations

import keyword
import operator
import re
from collections import Counter
from typing import Any

from torch import Tensor, fx, nn

from glassconv.errors import ConvError, NetworkError
from glassconv.networks.onnx.folding import Folding
from glassconv.networks.onnx.model_file import FileNode, Model
from glassconv.networks.onnx.node import Call, Node, Sizes, SizesCall, Value
from glassconv.networks.onnx.operators import CONVERTERS
from glassconv.networks.onnx.ranks import rank_of_outputs
from glassconv.networks.onnx.sizes import as_tensor, sizes_call

LONGEST_IDENTIFIER = 120
# What PyTorch raises for values that no layer has, such as groups that do not divide the channels.
WRONG_VALUES = (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError)


def build(model: Model) -> fx.GraphModule:
    """Return the model as a module, in evaluation mode."""
    return _Builder(model).module().eval()


class _Builder:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.root = nn.Module()
        self.graph = fx.Graph()
        self.results: dict[str, fx.Node] = {}  # by the name of the value
        self.constants = {name: _parameter(weight) for name, weight in model.weights.items()}
        self.ranks = {name: weight.ndim for name, weight in model.weights.items()}
        self.listed: dict[str, fx.Node] = {}  # the results that are Python's numbers
        self.numbers: Counter[str] = Counter()  # the last one behind each name that several have
        self.folding = Folding(self.constants)

    def module(self) -> fx.GraphModule:
        for each in self.model.inputs:
            result = self.graph.placeholder(_identifier(each.name))
            result.target = result.name  # a name that no keyword and no other input has
            self.results[each.name] = result
            if each.rank is not None:
                self.ranks[each.name] = each.rank
        for file_node in self.model.nodes:
            self._add(file_node)
        outputs = tuple(map(self._result, self.model.outputs))
        self.graph.output(outputs if len(outputs) > 1 else outputs[0])
        return fx.GraphModule(self.root, self.graph, "Network")

    def _add(self, file_node: FileNode) -> None:
        """Add a node's calls to the graph, or its outputs to the constants."""
        node = Node(
            file_node.name,
            file_node.operator,
            self.model.version,
            file_node.inputs,
            file_node.outputs,
            file_node.attributes,
            self.constants,
            self.ranks,
            self.listed.keys(),
        )
        try:
            converted = sizes_call(node) or CONVERTERS[node.operator](node)
            if isinstance(converted, SizesCall):
                self._add_sizes(node, converted)
                return
            folded = self.folding.results(node, converted)
        except ConvError as error:
            raise type(error)(f"{file_node}: {error.cause}", request=self.model.file) from None
        except WRONG_VALUES as error:
            [reason, *_] = [*str(error).splitlines(), type(error).__name__]
            raise NetworkError(f"{file_node}: {reason}", request=self.model.file) from error
        self.constants.update(folded)
        self.ranks.update({name: constant.ndim for name, constant in folded.items()})
        if folded:
            return
        name = _identifier(node.name)
        result = self._emit(converted, name)
        for index, output in enumerate(node.outputs):
            if output:
                is_tuple = len(node.outputs) > 1
                self.results[output] = self._item(result, index) if is_tuple else result
        self.ranks.update(rank_of_outputs(node))

    def _add_sizes(self, node: Node, of_sizes: SizesCall) -> None:
        """Add a node that computes Python's numbers, which other nodes get as they are."""
        [output] = node.outputs
        self.listed[output] = self._emit(of_sizes.call, _identifier(node.name))
        self.ranks[output] = of_sizes.rank

    def _item(self, result: fx.Node, index: int) -> fx.Node:
        return self.graph.call_function(operator.getitem, (result, index))

    def _emit(self, argument: Any, name: str) -> Any:
        """Add calls to the graph, the inner ones first; return what stands for the argument."""
        if isinstance(argument, Sizes):
            return self.listed[argument.name]
        if isinstance(argument, Value):
            return self._result(argument.name)
        if isinstance(argument, tuple):
            return tuple(self._emit(each, name) for each in argument)
        if not isinstance(argument, Call):
            return argument
        arguments = self._emit(argument.arguments, name)
        options = {key: self._emit(each, name) for key, each in argument.options.items()}
        if isinstance(argument.function, nn.Module):
            name = self._free(name)
            self.root.add_module(name, argument.function)
            return self.graph.call_module(name, arguments, options)
        function = argument.function
        return self.graph.create_node("call_function", function, arguments, options, name)

    def _result(self, name: str) -> fx.Node:
        """Return a value's node; a constant becomes a parameter or a buffer at its first use."""
        if name in self.listed and name not in self.results:
            self.results[name] = self.graph.call_function(as_tensor, (self.listed[name],))
        if name not in self.results:
            attribute = self._free(_identifier(name))
            constant = self.constants[name]
            if isinstance(constant, nn.Parameter):
                self.root.register_parameter(attribute, constant)
            else:
                self.root.register_buffer(attribute, constant)
            self.results[name] = self.graph.get_attr(attribute)
        return self.results[name]

    def _free(self, name: str) -> str:
        """Return the name, or one with a number that the module does not have yet."""
        free = name
        while _is_taken(self.root, free):
            self.numbers[name] += 1
            free = f"{name}_{self.numbers[name]}"
        return free


def _is_taken(root: nn.Module, name: str) -> bool:
    return hasattr(root, name) or hasattr(fx.GraphModule, name) or name in ("graph", "code")


def _parameter(weight: Tensor) -> Tensor:
    return nn.Parameter(weight) if weight.is_floating_point() else weight


def _identifier(name: str) -> str:
    """Return a Python name.

    >>> [_identifier(name) for name in ("/layer1/layer1.0/conv1/Conv", "537", "class")]
    ['layer1_layer1_0_conv1_Conv', '_537', '_class']
    """
    words = re.sub(r"[^0-9a-zA-Z]+", "_", name).strip("_")[:LONGEST_IDENTIFIER]
    is_name = words.isidentifier() and not keyword.iskeyword(words) and words != "self"
    return words if is_name else f"_{words}"

"""Read an ONNX file and check it: its size before it is parsed, its graph before it is built.

A file is untrusted. It is refused in one sentence, with the node or the tensor at fault.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    ValueInfoProto,
    checker,
    defs,
    helper,
)
from torch import Tensor

from glassconv.errors import NetworkError, UnsupportedError
from glassconv.networks.onnx.fields import count_fields
from glassconv.networks.onnx.operators import CONVERTERS
from glassconv.networks.onnx.tensors import TensorReader, dtype_of

LARGEST_FILE = 2**31 - 1  # bytes of a Protocol Buffers message; larger weights are outside the file
MOST_FIELDS = 2**18  # twenty times what a network of a hundred layers has
MOST_NODES = 2**13
FIRST_VERSION = 7  # of the operator set: the first that broadcasts as NumPy does
DOMAINS = ("", "ai.onnx")  # two names of the same
LONGEST_NAME = 80  # in messages


@dataclass(frozen=True)
class GraphInput:
    """An input of the graph; rank: its number of axes, None if the file does not say."""

    name: str
    rank: int | None


@dataclass(frozen=True)
class FileNode:
    """A node of the file, its attributes decoded."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        return described(self.name, self.operator)


@dataclass(frozen=True)
class Model:
    """A network as its file has it. version: of the operator set. weights: by name."""

    file: str
    version: int
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    weights: dict[str, Tensor]
    nodes: tuple[FileNode, ...]


def described(name: str, operator: str) -> str:
    """Return how messages call a node.

    >>> described("first", "Conv")
    "node 'first' (Conv)"
    """
    return f"node {_short(name)} ({_short(operator)[1:-1]})"


def read(path: Path) -> Model:
    """Return the network in a file; raises `NetworkError` or `UnsupportedError`, with the cause."""
    try:
        return _checked(_parsed(path), path)
    except OSError as error:
        cause = error.strerror or "it cannot be read"
        raise NetworkError(cause, request=path.name) from None
    except (NetworkError, UnsupportedError) as error:
        raise error.asked_as(path.name) from None


def _parsed(path: Path) -> ModelProto:
    """Return the message in a file, whose fields are counted first."""
    size = path.stat().st_size
    if not path.is_file():
        raise NetworkError("it is not a file")
    if not 0 < size <= LARGEST_FILE:
        raise NetworkError(f"an ONNX file has 1 to {LARGEST_FILE} bytes, it has {size}")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            if count_fields(content, ModelProto.DESCRIPTOR, MOST_FIELDS) > MOST_FIELDS:
                raise NetworkError(f"it has over {MOST_FIELDS} fields")
            model: ModelProto = ModelProto.FromString(content[:])
            return model
        except (ValueError, DecodeError) as error:
            raise NetworkError(f"it is no ONNX file, or is truncated: {error}") from None


def _checked(model: ModelProto, path: Path) -> Model:
    graph = model.graph
    if model.functions:
        raise UnsupportedError(f"the function {_short(model.functions[0].name)} is not supported")
    if graph.sparse_initializer:
        raise UnsupportedError("sparse weights are not supported")
    if len(graph.node) > MOST_NODES:
        raise NetworkError(f"it has {len(graph.node)} nodes, over {MOST_NODES}")
    version = _version(model)
    inputs = tuple(_inputs(graph))
    _require_different([each.name for each in (*inputs, *graph.initializer)])
    names = [_node_name(node) for node in graph.node]
    _check_nodes(graph, names, model.ir_version, version)
    outputs = tuple(_declared(each, "output") for each in graph.output)
    reader = TensorReader(path.parent)
    weights = {w.name: reader.read(w, f"the weight {_short(w.name)}") for w in graph.initializer}
    nodes = tuple(_node(node, name, reader) for node, name in zip(graph.node, names, strict=True))
    return Model(path.name, version, inputs, outputs, weights, nodes)


def _version(model: ModelProto) -> int:
    """Return the version of the operator set, which must be one that is known."""
    versions: list[int] = [each.version for each in model.opset_import if each.domain in DOMAINS]
    last = defs.onnx_opset_version()
    if len(versions) != 1:
        raise NetworkError(
            f"it must import ONNX's operator set once, it does {len(versions)} times"
        )
    if not 1 <= versions[0] <= last:
        cause = f"version {versions[0]} of the operator set is not supported, 1 to {last} are"
        raise UnsupportedError(cause)
    return versions[0]


def _inputs(graph: GraphProto) -> Iterator[GraphInput]:
    """Yield the inputs that are not weights."""
    weights = {each.name for each in graph.initializer}
    for each in graph.input:
        if each.name not in weights:
            name = _declared(each, "input")
            shape = each.type.tensor_type
            yield GraphInput(name, len(shape.shape.dim) if shape.HasField("shape") else None)


def _declared(value: ValueInfoProto, kind: str) -> str:
    """Return the name of an input or output, which must be a tensor of a supported element type."""
    owner = f"the {kind} {_short(value.name)}"
    if value.type.WhichOneof("value") not in ("tensor_type", None):
        raise UnsupportedError(f"{owner} is not a tensor")
    if value.type.tensor_type.elem_type:
        dtype_of(value.type.tensor_type.elem_type, owner)
    return value.name


def _require_different(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen or not name:
            raise NetworkError(f"the name {_short(name)} must name one value")
        seen.add(name)


def _check_nodes(graph: GraphProto, names: list[str], ir_version: int, version: int) -> None:
    """Check each node by itself, and that its inputs come from the graph's or from earlier nodes.

    That refuses cycles. Names of values that two nodes compute are refused, too.
    """
    context = checker.C.CheckerContext()
    context.ir_version = ir_version
    context.opset_imports = dict.fromkeys(DOMAINS, version)
    known = {each.name for each in (*graph.input, *graph.initializer)}
    for node, name in zip(graph.node, names, strict=True):
        request = described(name, node.op_type)
        if node.domain not in DOMAINS or node.op_type not in CONVERTERS:
            domain = f" of {_short(node.domain)}" if node.domain else ""
            raise UnsupportedError(f"{request}: this operator{domain} is not supported")
        for value in node.input:
            if value and value not in known:
                raise NetworkError(
                    f"{request} needs {_short(value)}, which nothing before it computes"
                )
        for value in filter(None, node.output):
            if value in known:
                raise NetworkError(f"{request} computes {_short(value)}, which is there already")
            known.add(value)
        if _is_too_old(node, version):
            cause = f"this operator as of version {version} of the operator set is not supported"
            raise UnsupportedError(f"{request}: {cause}, version {FIRST_VERSION} and later are")
        try:
            checker.check_node(_without_tensors(node), context)
        except checker.ValidationError as error:
            raise NetworkError(f"{request}: {' '.join(str(error).split())}") from None
    for output in graph.output:
        if output.name not in known:
            raise NetworkError(f"nothing computes the output {_short(output.name)}")
    if not graph.output:
        raise NetworkError("it has no output")


def _is_too_old(node: NodeProto, version: int) -> bool:
    """Return whether an operator changed between a version and the first that is supported."""
    if version >= FIRST_VERSION or not defs.has(node.op_type, max_inclusive_version=version):
        return False
    schemas = (defs.get_schema(node.op_type, each) for each in (version, FIRST_VERSION))
    return len({schema.since_version for schema in schemas}) > 1


def _without_tensors(node: NodeProto) -> NodeProto:
    """Return a node for ONNX's checker, which would look for the external data of its tensors."""
    if all(attribute.type != AttributeProto.TENSOR for attribute in node.attribute):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    for attribute in copy.attribute:
        if attribute.type == AttributeProto.TENSOR:
            attribute.t.CopyFrom(helper.make_tensor("", attribute.t.data_type, [0], []))
    return copy


def _node_name(node: NodeProto) -> str:
    """Return a node's name, or one made of its operator and its first output."""
    return node.name or "_".join([node.op_type, *filter(None, node.output[:1])])


def _node(node: NodeProto, name: str, reader: TensorReader) -> FileNode:
    request = described(name, node.op_type)
    attributes = {each.name: _attribute(each, request, reader) for each in node.attribute}
    return FileNode(name, node.op_type, tuple(node.input), tuple(node.output), attributes)


def _attribute(attribute: AttributeProto, request: str, reader: TensorReader) -> Any:
    """Return an attribute as a number, a string, a tuple of numbers or a tensor."""
    owner = f"{request}: the attribute {_short(attribute.name)}"
    match attribute.type:
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.INTS:
            return tuple(attribute.ints)
        case AttributeProto.FLOATS:
            return tuple(attribute.floats)
        case AttributeProto.STRING:
            return attribute.s.decode("utf-8", "replace")
        case AttributeProto.TENSOR:
            return reader.read(attribute.t, owner)
    raise UnsupportedError(f"{owner} is of a kind that is not supported")


def _short(name: str) -> str:
    return repr(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…")

"""ONNX files that a program which reads them carelessly would crash, hang or leak on.

`python -m networks.onnx.hostile_files FOLDER` reads each and prints what it costs.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from onnx import (
    FunctionProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    StringStringEntryProto,
    TensorProto,
    helper,
    numpy_helper,
)

from glassconv.errors import ConvError
from glassconv.networks.onnx import from_onnx
from support.count_calls import count_calls

INPUT = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])
OUTPUT = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
WEIGHT = numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w")
MEGABYTE = 2**20
MOST_MEGABYTES = 256  # beyond what the imports take


def node(operator: str, inputs: str = "x w", outputs: str = "y", **attributes: object) -> NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)  # type: ignore[arg-type]


def model(
    *nodes: NodeProto,
    weights: Sequence[TensorProto] = (WEIGHT,),
    version: int = 17,
) -> ModelProto:
    """Return a model from x to y, by default of one Conv."""
    graph = helper.make_graph([*(nodes or (node("Conv"),))], "g", [INPUT], [OUTPUT], [*weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])


def tensor(
    sizes: Sequence[int], content: bytes = b"", kind: int = TensorProto.FLOAT
) -> TensorProto:
    """Return a weight w that claims sizes."""
    return TensorProto(name="w", dims=sizes, data_type=kind, raw_data=content)


def external(name: str = "w", **entries: str) -> TensorProto:
    """Return a weight outside the file."""
    weight = TensorProto(name=name, dims=[1, 1, 2, 2], data_type=TensorProto.FLOAT)
    weight.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        weight.external_data.append(StringStringEntryProto(key=key, value=value))
    return weight


def changed(change: Callable[[ModelProto], object]) -> ModelProto:
    """Return the model of one Conv, after a change."""
    result = model()
    change(result)
    return result


def doubled(times: int) -> ModelProto:
    """Return a model whose weight would be joined with itself again and again."""
    steps = [node("Concat", f"w{n} w{n}", f"w{n + 1}", axis=0) for n in range(times)]
    weight = numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w0")
    return model(*steps, node("Conv", f"x w{times}"), weights=[weight])


def nested(depth: int) -> bytes:
    """Return graphs inside attributes of nodes inside graphs."""
    content = b""
    for _ in range(depth):
        for key in (b"\x32", b"\x2a", b"\x0a"):  # AttributeProto.g, NodeProto.attribute, Graph.node
            content = key + varint(len(content)) + content
    return b"\x3a" + varint(len(content)) + content


def varint(number: int) -> bytes:
    low = bytes([number & 127 | (128 if number > 127 else 0)])
    return low + varint(number >> 7) if number > 127 else low


def body() -> ModelProto:
    branch = helper.make_graph([], "b", [], [OUTPUT])
    return model(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


WHOLE = model().SerializeToString()
NODES = b"\x0a\x00" * 3_000_000
HUGE = "4611686018427387904"

# A name, the file, and what the error must say.
FILES: dict[str, tuple[bytes | ModelProto, str]] = {
    "empty": (b"", "1 to .* bytes"),
    "text": (b"not a model at all\n" * 9, "no ONNX file"),
    "pickle": (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os", "no ONNX file"),
    "truncated": (WHOLE[:-9], "truncated"),
    "endless number": (b"\x08" + b"\xff" * 99, "no end"),
    "long field": (b"\x3a" + varint(2**40), "longer than its message"),
    "no text": (WHOLE.replace(b"Conv", b"Co\xff\xff"), "utf-8"),
    "three million nodes": (b"\x3a" + varint(len(NODES)) + NODES, "over 262144 fields"),
    "nested graphs": (nested(2000), "no ONNX file"),
    "no graph": (ModelProto(ir_version=8), "operator set once"),
    "negative size": (model(weights=[tensor([-1, 1, 2, 2])]), "impossible sizes"),
    "absurd sizes": (model(weights=[tensor([2**40, 2**40])]), "too large"),
    "overflowing sizes": (model(weights=[tensor([2**62, 4, 0])]), "too large"),
    "many axes": (model(weights=[tensor([1] * 10_000)]), "10000 axes"),
    "claimed terabyte": (model(weights=[tensor([2**38, 1])]), "has 0 bytes"),
    "short weight": (model(weights=[tensor([1, 1, 2, 2], b"1234")]), "has 4 bytes.* need 16"),
    "long weight": (model(weights=[tensor([1, 1, 2, 2], b"1" * 99)]), "has 99 bytes.* need 16"),
    "text weight": (model(weights=[tensor([1], kind=TensorProto.STRING)]), "element type STRING"),
    "unknown type": (model(weights=[tensor([1], kind=1234)]), "element type number 1234"),
    "parent folder": (model(weights=[external(location="../w")]), "outside the model's folder"),
    "absolute path": (
        model(weights=[external(location="/etc/passwd")]),
        "outside the model's folder",
    ),
    "link": (model(weights=[external(location="link")]), "outside the model's folder"),
    "loop of links": (model(weights=[external(location="loop")]), "not there"),
    "absent file": (model(weights=[external(location="absent")]), "not there"),
    "NUL in a name": (model(weights=[external(location="w\0")]), "not there"),
    "long name": (model(weights=[external(location="w" * 99_999)]), "not there"),
    "no location": (model(weights=[external()]), "not there"),
    "offset behind": (model(weights=[external(location="w", offset="60")]), "ends behind its file"),
    "negative offset": (
        model(weights=[external(location="w", offset="-4")]),
        "ends behind its file",
    ),
    "huge offset": (model(weights=[external(location="w", offset=HUGE)]), "ends behind its file"),
    "wrong length": (model(weights=[external(location="w", length=HUGE)]), "needs 16 bytes"),
    "no number": (model(weights=[external(location="w", offset="x")]), "no number"),
    "overlap": (
        model(weights=[external(location="w"), external("v", location="w", offset="8")]),
        "overlaps",
    ),
    "cycle": (model(node("Relu", "b", "a"), node("Relu", "a", "b")), "'b', which nothing before"),
    "self": (model(node("Relu", "y")), "'y', which nothing before"),
    "missing input": (model(node("Conv", "x absent")), "'absent', which nothing before"),
    "output twice": (model(node("Relu", "x"), node("Relu", "x")), "'y', which is there already"),
    "weight twice": (model(weights=[WEIGHT, WEIGHT]), "'w' must name one value"),
    "weight computed": (model(node("Relu", "x", "w"), node("Conv")), "'w', which is there already"),
    "input twice": (changed(lambda m: m.graph.input.append(INPUT)), "'x' must name one value"),
    "output of nothing": (model(node("Relu", "x", "z")), "nothing computes the output 'y'"),
    "no output": (changed(lambda m: m.graph.ClearField("output")), "no output"),
    "too many nodes": (model(*[node("Relu", "x", f"y{n}") for n in range(20_000)]), "20000 nodes"),
    "two versions": (changed(lambda m: m.opset_import.append(m.opset_import[0])), "does 2 times"),
    "no version": (changed(lambda m: m.ClearField("opset_import")), "does 0 times"),
    "future version": (model(version=9999), "version 9999 of the operator set"),
    "version 0": (model(version=0), "version 0 of the operator set"),
    "old version": (model(node("Add"), version=6), r"node 'Add_y' \(Add\): .*version 6"),
    "other domain": (model(node("FusedConv", domain="com.microsoft")), "FusedConv.*com.microsoft"),
    "unknown operator": (model(node("Nonsense")), r"node 'Nonsense_y' \(Nonsense\).*not supported"),
    "control flow": (body(), r"node 'If_y' \(If\).*not supported"),
    "function": (changed(lambda m: m.functions.append(FunctionProto(name="f"))), "function 'f'"),
    "sparse weight": (
        changed(lambda m: m.graph.sparse_initializer.append(SparseTensorProto())),
        "sparse",
    ),
    "sequence": (
        changed(lambda m: m.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent()),
        "input 'x' is not a tensor",
    ),
    "wrong attribute": (model(node("Conv", strides=[1.5, 1.5])), "strides"),
    "unknown attribute": (model(node("Conv", speed=9)), "speed"),
    "too few inputs": (model(node("Conv", "x")), r"node 'Conv_y' \(Conv\)"),
    "no groups": (model(node("Conv", group=0)), r"node 'Conv_y' \(Conv\)"),
    "many groups": (model(node("Conv", group=2**62)), r"node 'Conv_y' \(Conv\)"),
    "stride 0": (model(node("Conv", strides=[0, 0])), "strides must be 2 numbers of at least 1"),
    "huge pads": (model(node("Conv", pads=[2**40] * 4)), "pads must be 4 numbers"),
    "few pads": (model(node("Conv", pads=[1])), "pads must be 4 numbers"),
    "other kernel": (model(node("Conv", kernel_shape=[3, 3])), "kernel_shape must be"),
    "flat weight": (model(weights=[tensor([4], b"1" * 16)]), "3 to 5 axes"),
    "no window": (model(node("MaxPool", "x", kernel_shape=[0, 0])), "kernel_shape must be"),
    "wrong statistics": (
        model(node("BatchNormalization", "x w w w w"), weights=[tensor([2, 2], b"1" * 16)]),
        "must have the shape",
    ),
    "impossible reshape": (
        model(
            node("Reshape", "w s", "v"),
            node("Conv", "x v"),
            weights=[WEIGHT, numpy_helper.from_array(np.array([2**40, 2]), "s")],
        ),
        r"node 'Reshape_v' \(Reshape\)",
    ),
}
CHAIN = [node("Relu", "x", "y0"), *(node("Relu", f"y{n}", f"y{n + 1}") for n in range(8000))]
for each in CHAIN:
    each.name = "same"
# These are networks. What they ask for is computed when they run, or not at all.
HARMLESS: dict[str, ModelProto] = {
    "doubled 60 times": doubled(60),
    "one name for all": model(*CHAIN, node("Relu", "y8000")),
    "a terabyte of zeros": model(
        node("ConstantOfShape", "s", "z"),
        node("Add", "x z"),
        weights=[numpy_helper.from_array(np.array([2**20, 2**20]), "s")],
    ),
    "expanded": model(
        node("Expand", "w s", "z"),
        node("Add", "x z"),
        weights=[WEIGHT, numpy_helper.from_array(np.array([2**20, 2**10, 2, 2]), "s")],
    ),
    "gathered": model(
        node("Gather", "w s", "z"),
        node("Add", "x z"),
        weights=[
            numpy_helper.from_array(np.ones((1, 10_000), np.float32), "w"),
            numpy_helper.from_array(np.zeros(100_000, np.int64), "s"),
        ],
    ),
    "repeated scales": model(
        node("DequantizeLinear", "q s", "z", block_size=2**40, axis=0),
        node("Add", "x z"),
        weights=[
            numpy_helper.from_array(np.ones((4, 4), np.int8), "q"),
            numpy_helper.from_array(np.ones((1, 4), np.float32), "s"),
        ],
        version=21,
    ),
}


def write(folder: Path) -> None:
    """Write every file, and beside them 64 bytes of weights and links out of the folder."""
    inside = folder / "models"
    inside.mkdir()
    (folder / "secret").write_bytes(bytes(64))
    (inside / "w").write_bytes(bytes(64))
    (inside / "link").symlink_to("../secret")
    (inside / "loop").symlink_to("loop")
    for name, content in {**{name: file for name, (file, _) in FILES.items()}, **HARMLESS}.items():
        if not isinstance(content, bytes):
            content = content.SerializeToString()  # noqa: PLW2901
        (inside / f"{name}.onnx").write_bytes(content)


def main(folder: Path) -> None:
    """Read each file with little memory left, and print the number of calls that it takes."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = in_use + MOST_MEGABYTES * MEGABYTE
    from_onnx(folder / "models" / "expanded.onnx")  # what is imported at the first use
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name in (*FILES, *HARMLESS):
        refused = False
        with count_calls() as count:
            try:
                from_onnx(folder / "models" / f"{name}.onnx")
            except ConvError:
                refused = True
        sys.stdout.write(f"{name}\t{int(refused)}\t{count.calls}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Hostile files of exported programs: the honest one of `programs` with one thing changed.

Each is written by a function of a folder, which returns the file's path. One that has a command
would make the folder's `RAN` if it were executed.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from support.hostile_weights import HUGE, RAN, Writer, command, file, saved
from support.programs import CONSTANTS, MODEL, SAMPLES, WEIGHTS, changed, honest_entries, node

Change = Callable[[Any], object]


def program(changes: Callable[[Path], Mapping[str, bytes | None]], **options: Any) -> Writer:
    """Return a writer of the honest program, with changes of its entries."""

    def write(folder: Path) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", **options) as archive:
            for name, content in (honest_entries() | dict(changes(folder))).items():
                if content is not None:
                    archive.writestr(f"honest/{name}", content)
        return buffer.getvalue()

    return file("net.pt2", write)


def model(change: Change) -> Writer:
    """Return a writer of the honest program, its JSON changed in place."""
    return program(lambda folder: changed(MODEL, change))


def evil(folder: Path) -> str:
    """Return Python that makes the folder's `RAN`."""
    return f"__import__('os').mkdir({str(folder / RAN)!r})"


def model_with_evil(change: Callable[[Any, str], object]) -> Writer:
    """Return a writer of the honest program into whose JSON a function puts Python."""
    return program(lambda folder: changed(MODEL, lambda value: change(value, evil(folder))))


def graph(value: Any) -> Any:
    return value["graph_module"]["graph"]


def input_sizes(value: Any) -> Any:
    return graph(value)["tensor_values"]["x"]["sizes"]


def argument(value: Any, target: str, name: str) -> Any:
    """Return an argument of the first node that calls an operator."""
    return next(each for each in node(value, target)["inputs"] if each["name"] == name)


def rename(value: Any, old: str, new: str) -> Any:
    """Rename a value everywhere, in place."""
    text = json.dumps(value).replace(json.dumps(old), json.dumps(new))
    value.clear()
    value.update(json.loads(text))


def weight(change: Change, config: str = WEIGHTS, name: str = "conv.weight") -> Writer:
    """Return a writer of the honest program, with what it states of a weight changed."""
    return program(lambda folder: changed(config, lambda value: change(value["config"][name])))


def squares(value: Any) -> None:
    """Square a size sixty times: a number of 10¹⁸ digits."""
    nodes = graph(value)["nodes"]
    at = next(at for at, each in enumerate(nodes) if each["target"] == "_operator.sub")
    last = nodes[at]["inputs"][0]["arg"]
    for step in range(60):
        name = f"square_{step}"
        inputs = [{"name": each, "arg": last, "kind": 1} for each in ("a", "b")]
        made = {"as_sym_int": {"as_name": name}}
        last = {"as_sym_int": {"as_name": name}}
        nodes.insert(
            at + step,
            {"target": "_operator.mul", "inputs": inputs, "outputs": [made], "metadata": {}},
        )


def doubles(value: Any) -> None:
    """Concatenate a tensor with itself forty times."""
    nodes = graph(value)["nodes"]
    last = "conv2d"
    for step in range(40):
        name = f"double_{step}"
        tensors = {"as_tensors": [{"name": last}, {"name": last}]}
        nodes.append(
            {
                "target": "torch.ops.aten.cat.default",
                "inputs": [{"name": "tensors", "arg": tensors, "kind": 1}],
                "outputs": [{"as_tensor": {"name": name}}],
                "metadata": {},
            }
        )
        last = name


def pieces(value: Any) -> None:
    """Cut an input of a billion rows into rows."""
    input_sizes(value)[0]["as_expr"]["hint"]["as_int"] = 1 << 30
    input_sizes(value)[1:] = [{"as_int": 1}]
    graph(value)["nodes"].insert(
        0,
        {
            "target": "torch.ops.aten.unbind.int",
            "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1}],
            "outputs": [{"as_tensors": [{"name": "row"}]}],
            "metadata": {},
        },
    )


def duplicate_key() -> bytes:
    return honest_entries()[MODEL].replace(b'"as_int": 2', b'"as_int": 3, "as_int": 2', 1)


def calls_itself(value: Any) -> None:
    argument(value, "conv2d.default", "input")["arg"]["as_tensor"]["name"] = "conv2d"


def many_entries() -> bytes:
    """Return a zip file of 300,000 empty entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("honest/a", b"")
    end = buffer.getvalue()
    start = end.index(b"PK\x01\x02")
    finish = end.index(b"PK\x05\x06")
    central = end[start:finish] * 300_000
    last = bytearray(end[finish:])
    last[12:16] = len(central).to_bytes(4, "little")
    return end[:start] + central + bytes(last)


# By name: how it is written, and a pattern of why it is refused.
PROGRAMS: Mapping[str, tuple[Writer, str]] = {
    "a pickled weight": (
        program(
            lambda folder: {
                "data/weights/weight_0": saved(command(folder)),
                **changed(WEIGHTS, lambda v: v["config"]["conv.weight"].update(use_pickle=True)),
            }
        ),
        "its weight 'conv.weight' is a pickle, which is not executed",
    ),
    "a pickled constant": (
        program(
            lambda folder: {
                "data/constants/tensor_0": saved(command(folder)),
                **changed(CONSTANTS, lambda v: v["config"]["shift"].update(use_pickle=True)),
            }
        ),
        "its weight 'shift' is a pickle, which is not executed",
    ),
    "Python for the size of an input": (
        model_with_evil(lambda v, text: input_sizes(v)[0]["as_expr"].update(expr_str=text)),
        "is no arithmetic of sizes; it was not evaluated",
    ),
    "Python for a condition": (
        model_with_evil(lambda v, text: v["guards_code"].append(text)),
        "is no arithmetic of sizes; it was not evaluated",
    ),
    "Python for the name of an input": (
        model_with_evil(lambda v, text: rename(v, "x", f"x={text}")),
        "which is no identifier",
    ),
    "Python for the name of a weight": (
        model_with_evil(lambda v, text: rename(v, "conv.weight", f'conv."+{text}+"')),
        "it has no weight",
    ),
    "Python for the name of an argument": (
        model_with_evil(
            lambda v, text: argument(v, "conv2d.default", "bias").update(name=f"b={text}", kind=2)
        ),
        "which is no identifier",
    ),
    "Python for an operator": (
        model_with_evil(lambda v, text: node(v, "relu.default").update(target=text)),
        "which is not on the list of operators",
    ),
    "an operator that reads files": (
        model(lambda v: node(v, "relu.default").update(target="torch.ops.aten.from_file.default")),
        "calls 'torch.ops.aten.from_file.default', which is not on the list of operators",
    ),
    "a function of os": (
        model(lambda v: node(v, "relu.default").update(target="os.system")),
        "calls 'os.system', which is not on the list of operators",
    ),
    "an output of a type of its own": (
        program(
            lambda folder: {MODEL: honest_entries()[MODEL].replace(b"builtins.dict", b"os.system")}
        ),
        "it returns a 'os.system'",
    ),
    "powers of a condition": (
        model(lambda v: v["guards_code"].append("9**9**9**9 > L['x'].size()[0]")),
        "is no arithmetic of sizes",
    ),
    "products of a condition": (
        model(lambda v: v["guards_code"].append("*".join(["999999999"] * 300))),
        "is no arithmetic of sizes",
    ),
    "a condition that is nested deeply": (
        model(lambda v: v["guards_code"].append("-" * 3000 + "1")),
        "is no arithmetic of sizes",
    ),
    "squares of a size": (model(squares), "product of more than 64 bits"),
    "doubles of a tensor": (model(doubles), "which is more than 64 GiB"),
    "a billion pieces": (model(pieces), "cuts tensors into more than 200,000 pieces"),
    "a thousand long conditions": (
        model(lambda v: v.update(guards_code=["+".join(["1"] * 2000)] * 1000)),
        "it has conditions of 3,999,000 characters",
    ),
    "a cycle": (model(calls_itself), "reads 'conv2d', which is not computed before"),
    "a name twice": (
        model(
            lambda v: node(v, "relu.default").update(outputs=[{"as_tensor": {"name": "conv2d"}}])
        ),
        "has the name 'conv2d' twice",
    ),
    "a key twice": (
        program(lambda folder: {MODEL: duplicate_key()}),
        "has the key 'as_int' twice in one object",
    ),
    "a weight of terabytes": (
        weight(lambda v: v["tensor_meta"]["sizes"].__setitem__(0, {"as_int": HUGE})),
        "has the shape",
    ),
    "a weight of one number": (
        weight(
            lambda v: v["tensor_meta"].update(
                strides=[{"as_int": 0}] * 4, sizes=[{"as_int": 99}] * 4
            )
        ),
        "has the shape",
    ),
    "a weight before its bytes": (
        weight(lambda v: v["tensor_meta"].update(storage_offset={"as_int": -1})),
        "offset -1",
    ),
    "a weight with strides beyond its bytes": (
        weight(lambda v: v["tensor_meta"]["strides"].__setitem__(0, {"as_int": HUGE})),
        "strides",
    ),
    "a weight of no numbers and an absurd shape": (
        weight(
            lambda v: v["tensor_meta"].update(
                sizes=[{"as_int": n} for n in (0, 1 << 62, 1 << 62, 1)]
            )
        ),
        "has a weight of shape",
    ),
    "a weight of an unknown type": (
        weight(lambda v: v["tensor_meta"].update(dtype=99)),
        "element type 99",
    ),
    "a weight in a file of the system": (
        weight(lambda v: v.update(path_name="../../../../etc/passwd")),
        r"it has no 'data/weights/\.\./",
    ),
    "an input of terabytes": (
        model(lambda v: input_sizes(v)[0]["as_expr"]["hint"].update(as_int=HUGE)),
        "it takes x of shape",
    ),
    "an entry above its folder": (
        program(lambda folder: {"../../ran": b""}),
        "is no file within its folder",
    ),
    "a zip bomb": (
        program(
            lambda folder: {"data/weights/weight_0": bytes(1 << 28)},
            compression=zipfile.ZIP_DEFLATED,
            compresslevel=1,
        ),
        "is compressed",
    ),
    "300,000 entries": (file("net.pt2", lambda folder: many_entries()), "states a part of"),
    "JSON that is nested deeply": (
        program(lambda folder: {MODEL: b"[" * 10**5 + b"]" * 10**5}),
        "nested too deeply",
    ),
    "JSON of millions of values": (
        program(lambda folder: {MODEL: b"[" + b"[]," * 5_000_000 + b"[]]"}),
        "its JSON has about 10,000,002 values",
    ),
    "JSON of a long string": (
        program(lambda folder: {MODEL: b'"' + b"\xf0\x9f\x98\x80" * (4 << 20) + b'"'}),
        "has 16,777,218 bytes",
    ),
    "JSON of the longest string": (
        program(lambda folder: {MODEL: b'"' + b"\xf0\x9f\x98\x80" * ((4 << 20) - 1) + b'"'}),
        "its JSON must have",
    ),
    "pickled by an older PyTorch": (
        program(lambda folder: {"serialized_exported_program.json": b"{}"}),
        "an older PyTorch wrote it",
    ),
    "a schema of another version": (
        model(lambda v: v["schema_version"].update(major=9)),
        "its schema has version 9, where 8 is supported",
    ),
    "empty": (file("net.pt2", lambda folder: b""), "truncated or no zip file"),
}


def largest(entry: str, size: int) -> dict[str, bytes]:
    """Return a change of an entry: it also has a string that takes four bytes a character."""
    return changed(entry, lambda v: v.update(unread="\U0001f600" + "a" * size))


# Programs with a pickle or Python where nothing is read: they load, and nothing is executed.
UNREAD: Mapping[str, Writer] = {
    "pickled samples": program(lambda folder: {SAMPLES: saved(command(folder))}),
    "Python for the size of an activation": model_with_evil(
        lambda v, text: graph(v)["tensor_values"]["relu"]["sizes"].__setitem__(
            0, {"as_expr": {"expr_str": text, "hint": {"as_int": 2}}}
        )
    ),
    "Python for a range": model_with_evil(
        lambda v, text: v["range_constraints"].update({text: {"min_val": 0, "max_val": None}})
    ),
    "the largest JSON": program(
        lambda folder: (
            largest(MODEL, 16_700_000) | largest(WEIGHTS, 4_100_000) | largest(CONSTANTS, 4_100_000)
        )
    ),
}

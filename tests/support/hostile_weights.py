"""Hostile files of weights: pickles, `.safetensors` files and zip files made to do harm.

Each is written by a function of a folder, which returns the file's path. One that has a pickle with
a command would make the folder's `RAN` if it were executed.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

RAN = "ran"
HUGE = 1 << 40

Writer = Callable[[Path], Path]


def layer() -> nn.Module:
    """Return the network that the weights are for."""
    return nn.Sequential(nn.Conv2d(3, 4, 3))


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def command(folder: Path) -> Calls:
    """Return an object whose pickle makes the folder's `RAN`."""
    return Calls(Path.mkdir, folder / RAN)


def saved(value: object, zipped: bool = True) -> bytes:
    """Return what `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def honest() -> bytes:
    """Return an honest state dict of `layer`, as `torch.save` writes it."""
    torch.manual_seed(0)
    return saved(layer().state_dict())


def rezipped(
    content: bytes, change: Callable[[str, bytes], bytes] = lambda name, data: data, **options: Any
) -> bytes:
    """Return a zip file's entries in a new one, each changed, and written with some options."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", **options) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


def file(name: str, content: Callable[[Path], bytes]) -> Writer:
    """Return a writer of a file of a name, with what a function of the folder returns."""

    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content(folder))
        return path

    return write


def with_storage_of(numel: int) -> Callable[[bytes], bytes]:
    """Return a change of a pickle: the weight's 108 numbers become more."""
    number = b"\x8a\x06" + numel.to_bytes(6, "little")  # LONG1
    return lambda data: data.replace(b"Klt", number + b"t").replace(b"KlN", number + b"N")


def newer_command(folder: Path) -> Callable[[str, bytes], bytes]:
    """Return a change of an archive: its pickle becomes one of a protocol that names by stack."""
    pickled = pickle.dumps(command(folder), protocol=4)
    return lambda name, data: pickled if name.endswith("data.pkl") else data


def tensor_beyond_its_storage() -> object:
    """Return a state dict whose tensor has more numbers than its storage."""
    storage = torch.storage.TypedStorage(  # type: ignore[no-untyped-call]
        wrap_storage=torch.ones(108).untyped_storage(), dtype=torch.float32, _internal=True
    )
    hooks: OrderedDict[str, object] = OrderedDict()
    call = (storage, 0, (HUGE, 1), (1, HUGE), False, hooks)
    return {"0.weight": Calls(torch._utils._rebuild_tensor_v2, *call)}


def many_lists() -> bytes:
    """Return a pickle of four million empty lists, in place of a state dict."""
    return rezipped(
        honest(),
        lambda name, data: (
            b"\x80\x02(" + b"]" * 4_000_000 + b"l." if name.endswith("data.pkl") else data
        ),
    )


def overlapping() -> bytes:
    """Return a zip file whose second entry is said to be where the first is."""
    content = bytearray(honest())
    central = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", central + 4)
    content[second + 42 : second + 46] = content[central + 42 : central + 46]
    return bytes(content)


def twice() -> bytes:
    """Return a zip file that has an entry twice."""
    content = honest()
    names = [name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if "/data/" in name]
    first, second = names[:2]
    return content.replace(second.encode(), first.encode())


def header(entries: object, data: bytes = b"", size: int | None = None) -> bytes:
    """Return a `.safetensors` file of a header, which says that it has some size."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def entry(shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


def million_weights() -> bytes:
    """Return the header of a million empty weights."""
    empty = json.dumps(entry([0], 0, 0))
    return b"{%s}" % ",".join(f'"{at}":{empty}' for at in range(10**6)).encode()


ONE = json.dumps(entry([2], 0, 8)).encode()

# By name: how it is written, and a pattern of why it is refused.
WEIGHTS: Mapping[str, tuple[Writer, str]] = {
    "a command": (
        file("net.pt", lambda folder: saved({"0.weight": command(folder)})),
        r"its pickle names __builtin__\.getattr, which no state dict needs; nothing was executed",
    ),
    "a command, before PyTorch 1.6": (
        file("net.pth", lambda folder: saved({"0.weight": command(folder)}, zipped=False)),
        "which no state dict needs; nothing was executed",
    ),
    "a command alone": (
        file("net.pt", lambda folder: pickle.dumps(command(folder), protocol=2)),
        "which no state dict needs; nothing was executed",
    ),
    "a command of a newer protocol": (
        file("net.pt", lambda folder: pickle.dumps(command(folder), protocol=5)),
        "its pickle has protocol 5, where torch.save writes 2",
    ),
    "a command of a newer protocol in a zip file": (
        file("net.pt", lambda folder: rezipped(honest(), newer_command(folder))),
        "its pickle has protocol 4, where torch.save writes 2",
    ),
    "a whole network": (
        file("net.pt", lambda folder: saved(layer())),
        r"its pickle names torch\.nn\.modules\.container\.Sequential",
    ),
    "a hundred gigabytes of zeros": (
        file("net.pt", lambda folder: saved({"0.weight": Calls(bytearray, 10**11)})),
        r"its pickle names __builtin__\.bytearray",
    ),
    "four million lists": (
        file("net.pt", lambda folder: many_lists()),
        "its pickle has more than 200,000 instructions",
    ),
    "a tensor beyond its storage": (
        file("net.pt", lambda folder: saved(tensor_beyond_its_storage())),
        "Trying to resize storage",
    ),
    "a tensor of one number in memory": (
        file("net.pt", lambda folder: saved({"0.weight": torch.ones(1).expand(HUGE)})),
        "which its bytes do not hold",
    ),
    "a storage of terabytes": (
        file(
            "net.pt",
            lambda folder: rezipped(honest(), lambda name, data: with_storage_of(HUGE)(data)),
        ),
        "cannot be read",
    ),
    "a storage of terabytes, before PyTorch 1.6": (
        file("net.pth", lambda folder: with_storage_of(HUGE)(saved(layer().state_dict(), False))),
        "cannot be read",
    ),
    "a storage of gigabytes, before PyTorch 1.6": (
        file("net.pth", lambda folder: with_storage_of(10**10)(saved(layer().state_dict(), False))),
        "cannot be read",
    ),
    "a sparse tensor": (
        file("net.pt", lambda folder: saved({"0.weight": torch.eye(3).to_sparse()})),
        "which no state dict needs",
    ),
    "numbers in place of tensors": (
        file("net.pt", lambda folder: saved({"0.weight": 3})),
        "must hold a state dict of tensors, but '0.weight' is int",
    ),
    "compressed": (
        file("net.pt", lambda folder: rezipped(honest(), compression=zipfile.ZIP_DEFLATED)),
        "is compressed, from",
    ),
    "a zip bomb": (
        file(
            "net.pt",
            lambda folder: rezipped(
                honest(),
                lambda name, data: bytes(1 << 28) if "/data/" in name else data,
                compression=zipfile.ZIP_DEFLATED,
                compresslevel=1,
            ),
        ),
        "is compressed, from",
    ),
    "entries that overlap": (file("net.pt", lambda folder: overlapping()), "overlaps"),
    "an entry twice": (file("net.pt", lambda folder: twice()), "twice"),
    "an entry above its folder": (
        file("net.pt", lambda folder: honest().replace(b"archive/data/0", b"archive/../../")),
        "is no file within its folder",
    ),
    "no file of PyTorch": (file("net.pt", lambda folder: b"a sentence"), "cannot be read"),
    "empty": (file("net.pt", lambda folder: b""), "cannot be read"),
    "safetensors: a name twice": (
        file(
            "net.safetensors",
            lambda folder: header(b'{"a":' + ONE + b',"a":' + ONE + b"}", bytes(8)),
        ),
        "has the key 'a' twice",
    ),
    "safetensors: weights that overlap": (
        file(
            "net.safetensors",
            lambda folder: header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
        ),
        "invalid offset",
    ),
    "safetensors: truncated": (
        file("net.safetensors", lambda folder: save(layer().state_dict())[:-1]),
        "not fully covered",
    ),
    "safetensors: a header of exabytes": (
        file("net.safetensors", lambda folder: header({}, size=1 << 60)),
        "states a part of 1,152,921,504,606,846,976 bytes",
    ),
    "safetensors: a million weights": (
        file("net.safetensors", lambda folder: header(million_weights())),
        "states a part of",
    ),
    "safetensors: an absurd shape": (
        file("net.safetensors", lambda folder: header({"a": entry([HUGE], 0, 8)}, bytes(8))),
        "invalid shape",
    ),
    "safetensors: a shape of more than 64 bits": (
        file("net.safetensors", lambda folder: header({"a": entry([HUGE, HUGE], 0, 8)}, bytes(8))),
        "overflow",
    ),
    "safetensors: nested deeply": (
        file("net.safetensors", lambda folder: header(b'{"a":' * 10**5 + b"1" + b"}" * 10**5)),
        "nested too deeply",
    ),
}

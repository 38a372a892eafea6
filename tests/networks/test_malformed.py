"""A file with anything changed loads or is refused in a sentence; no other error is raised."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glassconv.errors import NetworkError
from glassconv.networks.load import load
from support.hostile_weights import honest
from support.programs import CONSTANTS, MODEL, WEIGHTS, honest_entries, write_program

TRIES = 250
JUNK: tuple[object, ...] = (
    None, -1, 0, 1, 1 << 70, 1e308, True, "", "x", "conv2d", "\x1b[2J", [], {}, [[]], {"as_int": 3},
    {"as_name": "x"}, {"as_tensor": {"name": "x"}}, {"as_graph": {}}, "Symbol('s9')",
)  # fmt: skip
Place = tuple[str | int, ...]


def loads_or_is_refused(source: str, path: Path) -> bool:
    """Return whether a file loads, or check the sentence."""
    try:
        load(source)
    except NetworkError as error:
        assert str(error).startswith(f"{path}: ")
        assert str(error).isprintable()
        assert len(str(error)) < len(str(path)) + 400
        return False
    return True


def places(value: object, at: Place = ()) -> Iterator[Place]:
    """Yield where values are within a value of JSON."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*at, index))


def within(value: Any, at: Place) -> Any:
    for key in at:
        value = value[key]
    return value


def mutated(entry: str, generator: random.Random) -> bytes:
    """Return an entry of JSON with a value deleted, or in place of it junk or another."""
    value = json.loads(honest_entries()[entry])
    found = [at for at in places(value) if at and "metadata" not in at]
    *path, last = generator.choice(found)
    holder = within(value, tuple(path))
    match generator.randrange(4):
        case 0:
            del holder[last]
        case 1:
            holder[last] = json.loads(json.dumps(within(value, generator.choice(found))))
        case _:
            holder[last] = generator.choice(JUNK)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "tries", [TRIES, pytest.param(20 * TRIES, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_a_program_with_another_value(tries: int, tmp_path: Path) -> None:
    generator, path = random.Random(0), tmp_path / "net.pt2"
    loaded = 0
    for _ in range(tries):
        entry = generator.choice([MODEL, MODEL, WEIGHTS, CONSTANTS])
        write_program(path, {entry: mutated(entry, generator)})
        loaded += loads_or_is_refused(str(path), path)
    assert 0 < loaded < tries


@pytest.mark.parametrize("name", ["net.pt2", "net.pt"])
def test_a_file_with_other_bytes(name: str, tmp_path: Path) -> None:
    generator, path = random.Random(0), tmp_path / name
    code = tmp_path / "architecture.py"
    code.write_text("from support.hostile_weights import layer\n")
    whole = write_program(path).read_bytes() if name == "net.pt2" else honest()
    source = str(path) if name == "net.pt2" else f"{code}:layer+{path}"
    loaded = 0
    for _ in range(TRIES):
        content = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            content[generator.randrange(len(content))] = generator.randrange(256)
        path.write_bytes(content)
        loaded += loads_or_is_refused(source, path)
    assert loaded < TRIES

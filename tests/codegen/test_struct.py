"""A struct is declared once, and read by the same names on both sides."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from glassconv.codegen.ir import INT, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import compiled
from glassconv.codegen.struct import N, Struct, pack, table_after, words_of
from support.compile_function import this_machine


@dataclass(frozen=True)
class Size(Struct[N]):
    height: N
    width: N


@dataclass(frozen=True)
class Volume(Size[N]):
    depth: N


@dataclass(frozen=True)
class Place(Struct[N]):
    unused: N
    output: N


def test_fields_are_packed_in_the_order_of_their_declaration() -> None:
    assert list(pack(Size(width=3, height=2))) == [2, 3]
    assert list(pack(Volume(depth=7, width=3, height=2), table=(9, 8))) == [2, 3, 7, 9, 8]


def test_generated_code_reads_the_same_names() -> None:
    module = Module("reading", "float32", this_machine())

    @function(module)
    def area(code: Code, size: Size[Value], result: Pointer) -> None:
        result.cast(INT)[0] = size.height * size.width

    @function(module, "reading", public=True)
    def read(
        code: Code, volume: Volume[Value], place: Place[Pointer], tasks: Value, threads: Value
    ) -> None:
        area.call(size=volume, result=place.output)  # a volume begins with a size
        place.output.cast(INT)[1] = volume.depth * 100 + table_after(volume)[1]

    found = np.zeros(2, np.int64)
    parameters = pack(Volume(height=2, width=3, depth=7), table=(5, 6))
    kernel = compiled(module, "reading")
    kernel.call(parameters, words_of(0, found.ctypes.data), 1, 1)
    assert found.tolist() == [6, 706]


@pytest.mark.parametrize("height", [2, -2])
def test_a_field_is_loaded_once_wherever_it_is_read_first(height: int) -> None:
    module = Module("reading", "float32", this_machine())

    @function(module, "reading", public=True)
    def read(
        code: Code, size: Size[Value], place: Place[Pointer], tasks: Value, threads: Value
    ) -> None:
        result = place.output.cast(INT)
        with code.if_(size.height > 0):
            result[0] = size.width
        with code.loop(0, size.width) as index:
            result[1] = index + size.width

    assert module.text.count("load i64") == 2
    found = np.zeros(2, np.int64)
    kernel = compiled(module, "reading")
    kernel.call(pack(Size(height=height, width=7)), words_of(0, found.ctypes.data), 1, 1)
    assert found.tolist() == [7 if height > 0 else 0, 13]


def test_another_struct_is_refused() -> None:
    module = Module("reading", "float32", this_machine())

    @function(module)
    def depth(code: Code, volume: Volume[Value]) -> None: ...

    @function(module)
    def read(code: Code, size: Size[Value]) -> None:
        with pytest.raises(TypeError, match="depth: volume is Volume, not Size"):
            depth.call(volume=size)


def test_a_name_that_is_not_declared_is_refused() -> None:
    with pytest.raises(TypeError, match="heigth"):
        Size(heigth=2, width=3)  # type: ignore[call-arg]

    @function(Module("reading", "float32", this_machine()))
    def read(code: Code, size: Size[Value]) -> None:
        with pytest.raises(AttributeError, match="heigth"):
            size.heigth  # type: ignore[attr-defined]  # noqa: B018
        with pytest.raises(FrozenInstanceError):
            size.height = size.width  # type: ignore[misc]

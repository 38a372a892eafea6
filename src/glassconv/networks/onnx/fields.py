"""How many fields a Protocol Buffers message has, counted before it is parsed.

The parser takes some hundred bytes for a message that is two bytes in the file. Here only the
lengths are read: a field of numbers or bytes, such as a weight's, is stepped over.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from functools import cache
from mmap import mmap

from google.protobuf.descriptor import Descriptor

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
TEXT = "text"
FIXED_SIZE = {FIXED64: 8, FIXED32: 4}


def count_fields(content: bytes | mmap, message: Descriptor, most: int) -> int:
    """Return the number of fields in a message and the messages inside it, at most `most` + 1.

    Raises ValueError where a field ends behind its message or has no known wire type, and where
    text is not UTF-8.

    >>> from onnx import ModelProto
    >>> count_fields(ModelProto(ir_version=10).SerializeToString(), ModelProto.DESCRIPTOR, most=9)
    1
    """
    count, position, end, descriptor = 0, 0, len(content), message
    around: list[tuple[int, int, Descriptor]] = []  # where to go on, behind each inner message
    while position < end or around:
        if position == end:
            position, end, descriptor = around.pop()
            continue
        count += 1
        if count > most:
            break
        key, position = _varint(content, position, end)
        wire_type = key & 7
        if wire_type == VARINT:
            _, position = _varint(content, position, end)
            continue
        size = FIXED_SIZE.get(wire_type)
        if wire_type == BYTES:
            size, position = _varint(content, position, end)
        if size is None:
            raise ValueError(f"no field has the wire type {wire_type}")
        if size > end - position:
            raise ValueError("a field is longer than its message")
        field = _fields(descriptor).get(key >> 3) if wire_type == BYTES else None
        if isinstance(field, Descriptor):
            around.append((position + size, end, descriptor))
            end, descriptor = position + size, field
            continue
        if field is TEXT:
            content[position : position + size].decode()
        position += size
    return count


@cache
def _fields(message: Descriptor) -> dict[int, Descriptor | str]:
    """Return the message inside each field that has one, and TEXT for text, by their numbers."""
    inner = {field.number: field.message_type or TEXT for field in message.fields}
    numbers = [f.number for f in message.fields if f.message_type or f.type == f.TYPE_STRING]
    return {number: inner[number] for number in numbers}


def _varint(content: bytes | mmap, position: int, end: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number has no end")

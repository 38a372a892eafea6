"""How many fields a Protocol Buffers message has, counted before it is parsed.

The parser takes some hundred bytes for a message that is two bytes in the file. Here only the
lengths are read: a field of numbers or bytes, such as a weight's, is stepped over.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from functools import cache
from mmap import mmap

from google.protobuf.descriptor import Descriptor, FieldDescriptor

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
FIXED_SIZE = {FIXED64: 8, FIXED32: 4}


def count_fields(content: bytes | mmap, message: Descriptor, most: int) -> int:
    """Return the number of fields in a message and the messages inside it, at most `most` + 1.

    Raises ValueError where a field ends behind its message, or has no known wire type.

    >>> from onnx import ModelProto
    >>> count_fields(ModelProto(ir_version=10).SerializeToString(), ModelProto.DESCRIPTOR, most=9)
    1
    """
    count = 0
    inside = [(0, len(content), message)]
    while inside:
        position, end, descriptor = inside.pop()
        while position < end:
            count += 1
            if count > most:
                return count
            key, position = _varint(content, position, end)
            wire_type = key & 7
            if wire_type == VARINT:
                _, position = _varint(content, position, end)
                continue
            size = FIXED_SIZE.get(wire_type)
            if wire_type == BYTES:
                size, position = _varint(content, position, end)
                if inner := _inner_messages(descriptor).get(key >> 3):
                    inside.append((position, position + size, inner))
            if size is None:
                raise ValueError(f"no field has the wire type {wire_type}")
            position += size
            if position > end:
                raise ValueError("a field is longer than its message")
    return count


@cache
def _inner_messages(message: Descriptor) -> dict[int, Descriptor]:
    """Return the kinds of messages that a message has, by their field's number."""
    message_type = FieldDescriptor.TYPE_MESSAGE
    inner = [field for field in message.fields if field.type == message_type]
    return {field.number: field.message_type for field in inner}


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

"""How a program takes and returns values: nested tuples, lists and dictionaries of tensors.

PyTorch writes that as JSON in which types have names. Here the names are of a list, and nothing
is imported for one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from glassconv.errors import NetworkError
from glassconv.networks.files.quote import quoted
from glassconv.networks.files.strict_json import field, parse_json

SEQUENCES: dict[str, type] = {"builtins.tuple": tuple, "builtins.list": list}
DICTIONARIES = {"builtins.dict", "collections.OrderedDict"}
VERSION = 1  # of PyTorch's JSON


def read_structure(text: str) -> dict[str, Any]:
    """Return the structure that a text states."""
    content = parse_json(text.encode(), "")
    if not isinstance(content, list) or len(content) != 2 or content[0] != VERSION:
        raise NetworkError("its structure of inputs or outputs is of another version")
    structure: dict[str, Any] = content[1]
    return structure


def is_flat(structure: dict[str, Any]) -> bool:
    """Return whether a structure is that of a call with one tensor for each argument."""
    positional, named = field(structure, "children_spec", list)
    return all(
        field(each, "children_spec", list) == []
        for group in (positional, named)
        for each in field(group, "children_spec", list)
    )


def nest(structure: dict[str, Any], values: Iterator[Any]) -> Any:
    """Return values, one for each leaf, in a structure.

    >>> pair = {"type": "builtins.tuple", "children_spec": [{"type": None}, {"type": None}]}
    >>> nest(pair, iter([1, 2]))
    (1, 2)
    """
    kind = structure.get("type")
    if kind is None:
        try:
            return next(values)
        except StopIteration:
            raise NetworkError("it has fewer outputs than their structure") from None
    children = [nest(each, values) for each in field(structure, "children_spec", list)]
    if kind in SEQUENCES:
        return SEQUENCES[kind](children)
    if kind in DICTIONARIES:
        keys = json.loads(field(structure, "context", str))
        if not isinstance(keys, list) or len(keys) != len(children):
            raise NetworkError("it has a dictionary whose keys and values differ in number")
        return dict(zip(keys, children, strict=True))
    raise NetworkError(
        f"it returns a {quoted(kind)}, where tuples, lists and dictionaries are supported"
    )

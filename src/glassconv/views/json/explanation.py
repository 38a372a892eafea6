"""An explanation as JSON and back, described by reports/explain.schema.json.

Written are the facts' own names, in their own order, with the schema's version in front. What is
read is checked against the facts' types, so that no other document becomes an explanation.
"""

from __future__ import annotations

import json
import sys
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from glassconv.errors import ConvError, DataError
from glassconv.reports.document import json_document
from glassconv.reports.explanation import SCHEMA_VERSION, Explanation
from glassconv.reports.network import SCHEMA_VERSION as NETWORK_VERSION
from glassconv.reports.network import NetworkExplanation


def to_json(facts: Explanation) -> str:
    """Write an explanation as a JSON document, two spaces a level."""
    return json_document(SCHEMA_VERSION, facts)


def from_json(text: str) -> Explanation:
    """Read what `to_json` wrote; raises `DataError` for any other document."""
    facts: Explanation = _from_json(Explanation, SCHEMA_VERSION, text)
    return facts


def network_to_json(facts: NetworkExplanation) -> str:
    """Write the explanation of a stack of layers as a JSON document."""
    return json_document(NETWORK_VERSION, facts)


def network_from_json(text: str) -> NetworkExplanation:
    """Read what `network_to_json` wrote; raises `DataError` for any other document."""
    facts: NetworkExplanation = _from_json(NetworkExplanation, NETWORK_VERSION, text)
    return facts


def _from_json(kind: Any, expected: int, text: str) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is not JSON: {error}") from None
    if not isinstance(document, dict) or "version" not in document:
        raise DataError("this is not an explanation: it has no version")
    version = document.pop("version")
    if type(version) is not int or version != expected:
        raise DataError(
            f"an explanation of version {version} cannot be read, only one of {expected}"
        )
    try:
        return _read(kind, document, "explanation")
    except DataError:
        raise
    except ConvError as error:  # a problem that no convolution has
        raise DataError(error.cause, request=error.request) from None


def _read(kind: Any, value: Any, place: str) -> Any:
    """Return a value of this type, or say at which place the document has another."""
    if is_dataclass(kind):
        return _read_fields(kind, value, place)
    if get_origin(kind) is tuple:
        return _read_tuple(get_args(kind), value, place)
    if isinstance(kind, UnionType):
        [some] = [each for each in get_args(kind) if each is not NoneType]
        return None if value is None else _read(some, value, place)
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise DataError(f"{place} must be of type {kind.__name__}, not {json.dumps(value)}")
    if kind is float and not abs(value) <= sys.float_info.max:
        raise DataError(f"{place} must be finite")
    return kind(value)


def _read_fields(kind: Any, value: Any, place: str) -> Any:
    hints = get_type_hints(kind)
    if not isinstance(value, dict) or value.keys() != hints.keys():
        raise DataError(f"{place} must have the fields {', '.join(hints)}")
    return kind(**{name: _read(hints[name], value[name], f"{place}.{name}") for name in hints})


def _read_tuple(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if not isinstance(value, list):
        raise DataError(f"{place} must be a list, not {json.dumps(value)}")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise DataError(f"{place} must have {len(kinds)} entries, not {len(value)}")
    return tuple(
        _read(kind, entry, f"{place}[{number}]")
        for number, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    )

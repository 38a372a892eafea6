"""The JSON form: described by its schema, read back equal, and nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator

import glassconv
from glassconv.errors import DataError
from glassconv.explanation.facts import derive
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse
from glassconv.reports.explanation import SCHEMA_VERSION, Explanation
from glassconv.views.json.explanation import from_json, to_json
from support.cases import CASES

SCHEMA = json.loads(
    (Path(glassconv.__file__).parent / "reports" / "explain.schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
FACTS = derive(parse("2x4x9x8 6@3x2 s2x1 p1x0 d1x2 g2"))  # some algorithms can, some cannot
CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)


def valid(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(document))


# -- what is written ----------------------------------------------------------------------------


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["version"]["const"] == SCHEMA_VERSION


@CASE
def test_every_explanation_is_of_the_schema_and_comes_back_equal(problem: ConvProblem) -> None:
    facts = derive(problem)
    written = to_json(facts)
    VALIDATOR.validate(json.loads(written))
    assert from_json(written) == facts
    assert to_json(from_json(written)) == written


@pytest.mark.parametrize("text", ["4096x4096x4096 4096@3x3", "64x64x64 2@7x7 bfloat16"])
def test_enormous_numbers_come_back_equal(text: str) -> None:
    facts = derive(parse(text))
    VALIDATOR.validate(json.loads(to_json(facts)))
    assert from_json(to_json(facts)) == facts


def test_a_bound_that_promises_nothing_is_null() -> None:
    [first, *rest] = FACTS.algorithms
    assert first.bound is not None
    careless = replace(first, bound=replace(first.bound, factor=None))
    facts = replace(FACTS, algorithms=(careless, *rest), chosen=None)
    document = json.loads(to_json(facts))
    assert document["algorithms"][0]["bound"]["factor"] is None
    VALIDATOR.validate(document)
    assert from_json(to_json(facts)) == facts


def test_a_number_json_does_not_have_is_never_written() -> None:
    for number in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="JSON compliant"):
            to_json(replace(FACTS, memory=replace(FACTS.memory, intensity=number)))


def test_the_schema_names_every_field_in_order_and_asks_for_it() -> None:
    def dataclasses_of(kind: Any) -> Iterator[Any]:
        if is_dataclass(kind):
            yield kind
            for hint in get_type_hints(kind).values():
                yield from dataclasses_of(hint)
        for part in get_args(kind):
            yield from dataclasses_of(part)

    def objects_of(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            for part in schema.values():
                yield from objects_of(part)

    objects = list(objects_of(SCHEMA))
    described = {tuple(each["properties"]) for each in objects}
    of_facts = {tuple(field.name for field in fields(each)) for each in dataclasses_of(Explanation)}
    top = next(names for names in of_facts if "shorthand" in names)
    assert described == of_facts - {top} | {("version", *top)}
    for each in objects:
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])


# -- what is read -------------------------------------------------------------------------------


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a document, lists by their first entry."""
    if isinstance(document, dict):
        for key in list(document):
            yield document, key
            yield from places(document[key])
    elif isinstance(document, list) and document:
        yield document, 0
        yield from places(document[0])


def wrong(value: Any) -> Any:
    """Return a value of another type, which no field of this one's accepts."""
    return 5 if isinstance(value, str | dict | list | bool) or value is None else "5"


def drop(container: Any, key: Any) -> None:
    del container[key]


def rename(container: Any, key: Any) -> None:
    container[f"{key}_"] = container.pop(key)


def retype(container: Any, key: Any) -> None:
    container[key] = wrong(container[key])


def add(container: Any, key: Any) -> None:
    container["another"] = container[key]


@pytest.mark.parametrize("mutate", [drop, rename, retype, add])
def test_a_mutated_document_is_of_no_schema_and_is_not_read(
    mutate: Callable[[Any, Any], None],
) -> None:
    written = to_json(replace(FACTS, algorithms=FACTS.algorithms[:2]))
    count = len(list(places(json.loads(written))))
    assert count > 100
    for number in range(count):
        document = json.loads(written)
        container, key = list(places(document))[number]
        if isinstance(container, list) and mutate is not retype:
            continue  # a list may be of another length; the next test is of those that may not
        mutate(container, key)
        assert not valid(document), f"{mutate.__name__} {key}"
        with pytest.raises(DataError):
            from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 1),
        (("version",), True),
        (("problem", "batch"), -1),
        (("problem", "groups"), 0),
        (("problem", "dtype"), "complex64"),
        (("problem", "stride"), []),
        (("problem", "padding"), [[1], [0, 0]]),
        (("problem", "padding"), [[1, -1], [0, 0]]),
        (("problem", "bias"), 1),
        (("problem", "kernel_size"), [3.5, 2]),
        (("axes", 0, "same"), [1, 1, 1]),
        (("product", "gemm", "m"), True),
        (("algorithms", 0, "bound", "factor"), "inf"),
        (("chosen",), 5),
    ],
)
def test_a_value_that_cannot_be_is_refused(path: tuple[Any, ...], value: Any) -> None:
    document = json.loads(to_json(FACTS))
    container = document
    for key in path[:-1]:
        container = container[key]
    container[path[-1]] = value
    assert not valid(document)
    with pytest.raises(DataError):
        from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 10_000, "not JSON"),
        ("[]", "no version"),
        ("{}", "no version"),
        ('{"version": 2}', "must have the fields shorthand, problem"),
        ('{"version": 7}', "of version 7 cannot be read, only one of 2"),
    ],
)
def test_what_is_no_explanation_is_refused(text: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        from_json(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_number_that_is_not_finite_is_not_read(number: str) -> None:
    written = to_json(FACTS)
    said = f'"intensity": {json.dumps(FACTS.memory.intensity)}'
    assert said in written
    with pytest.raises(DataError, match=r"explanation\.memory\.intensity must be finite"):
        from_json(written.replace(said, f'"intensity": {number}'))

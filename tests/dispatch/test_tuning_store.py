"""Records: kept whole, read back, and never taken from another machine or another file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from glassconv.dispatch import select, tuning_store
from glassconv.dispatch.select import choose
from glassconv.errors import DataError
from glassconv.problem.shorthand import parse

PROBLEM, OTHER = parse("8x16x16 8@3x3 p1"), parse("8x16x16 16@3x3 p1")


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a folder of its own, and forget what was read elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forget()
    monkeypatch.setattr("glassconv.dispatch.select.recorded", tuning_store.recorded)


def forget() -> None:
    tuning_store._document.cache_clear()
    select.forget()


def test_what_is_kept_is_read_back_beside_what_was_there() -> None:
    tuning_store.keep({(PROBLEM, "nchw"): {"direct": 3.0}})
    tuning_store.keep({(OTHER, "nchw"): {"direct": 0.5}})
    forget()
    assert tuning_store.recorded(PROBLEM, "nchw") == {"direct": 3.0}
    assert tuning_store.recorded(OTHER, "nchw") == {"direct": 0.5}
    assert tuning_store.recorded(PROBLEM, "nhwc") == {}


@pytest.mark.parametrize("key", ["machine", "threads"])
def test_records_of_another_machine_are_not_used(key: str) -> None:
    file = tuning_store.keep({(PROBLEM, "nchw"): {"direct": 3.0}})
    document = json.loads(file.read_text())
    (machine,) = document
    if key == "machine":
        document = {"another": document[machine]}
    else:
        (layers,) = document[machine].values()
        document[machine] = {"999": layers}
    file.write_text(json.dumps(document))
    forget()
    assert tuning_store.recorded(PROBLEM, "nchw") == {}


def test_each_number_of_threads_keeps_its_own_records() -> None:
    ratios = {1: {"direct": 3.0}, 2: {"direct": 0.5}}
    before = torch.get_num_threads()
    try:
        for threads, measured in ratios.items():
            torch.set_num_threads(threads)
            tuning_store.keep({(PROBLEM, "nchw"): measured})
        for threads, measured in ratios.items():
            torch.set_num_threads(threads)
            forget()
            assert tuning_store.recorded(PROBLEM, "nchw") == measured
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"layers": 1}', "\x00", '{"machine": null}'])
def test_a_file_that_is_not_ours_is_no_record(content: str) -> None:
    tuning_store.file().parent.mkdir(parents=True)
    tuning_store.file().write_text(content)
    assert tuning_store.recorded(PROBLEM, "nchw") == {}


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "glassconv").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot write the tuning store"):
        tuning_store.keep({(PROBLEM, "nchw"): {"direct": 3.0}})


def test_auto_takes_what_was_measured_fastest() -> None:
    able = [
        each.name for each in choose(PROBLEM).candidates if each.compiled_seconds and each.verdict
    ]
    kernels = [name for name in able if name != "aten"]
    for fastest in kernels:
        slow = dict.fromkeys(kernels, 0.01)
        tuning_store.keep({(PROBLEM, "nchw"): slow | {fastest: 9.0}})
        forget()
        assert choose(PROBLEM).algorithm == fastest
    tuning_store.keep({(PROBLEM, "nchw"): dict.fromkeys(kernels, 0.9)})
    forget()
    assert choose(PROBLEM).algorithm == "aten"

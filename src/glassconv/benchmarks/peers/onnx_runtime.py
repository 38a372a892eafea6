"""ONNX Runtime."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.reports.array import Array
from glassconv.reports.network_benchmark import LayerTime

CALLS = 20
WARM_UP = 3


def _session(case: Case, profile: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.enable_profiling = profile
    options.profile_file_prefix = str(case.folder / "onnxruntime")
    return onnxruntime.InferenceSession(case.onnx(), options, providers=["CPUExecutionProvider"])


def _call(session: Any, case: Case) -> Call:
    feed = {session.get_inputs()[0].name: case.input().numpy()}

    def call() -> Array:
        output: Array = session.run(None, feed)[0]
        return output

    return call


def _prepare(case: Case) -> Call:
    return _call(_session(case, profile=False), case)


def _profile(case: Case) -> list[LayerTime]:
    session = _session(case, profile=True)
    call = _call(session, case)
    for _ in range(WARM_UP + CALLS):
        call()
    events = json.loads(Path(session.end_profiling()).read_text())
    runs: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            runs[event["name"].removesuffix("_kernel_time")].append(event)
    return [_layer(name, each[WARM_UP:]) for name, each in runs.items()]


def _layer(name: str, events: list[Any]) -> LayerTime:
    facts = events[0]["args"]
    outputs = facts.get("output_type_shape", [])
    shape = tuple(next(iter(outputs[0].values()))) if outputs else ()
    seconds = sum(event["dur"] for event in events) / len(events) / 1e6
    return LayerTime(name, facts["op_name"], "", shape, seconds)


ENGINE = Engine("onnxruntime", "onnxruntime", _prepare, _profile)

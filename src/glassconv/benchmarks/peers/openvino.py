"""OpenVINO, held to float32: it takes bfloat16 by itself where the processor has it."""

from __future__ import annotations

from typing import Any

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.reports.array import Array
from glassconv.reports.network_benchmark import LayerTime

CALLS = 20


def _compiled(case: Case, profile: bool) -> Any:
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": case.threads,
        "PERF_COUNT": profile,
    }
    return core.compile_model(core.read_model(case.onnx()), "CPU", options)


def _call(compiled: Any, case: Case) -> Call:
    import openvino

    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(case.input().numpy()))

    def call() -> Array:
        request.infer()
        output: Array = request.get_output_tensor().data
        return output

    return call


def _prepare(case: Case) -> Call:
    return _call(_compiled(case, profile=False), case)


def _profile(case: Case) -> list[LayerTime]:
    """Return what the compiled graph says of itself, in the order of execution."""
    compiled = _compiled(case, profile=True)
    call = _call(compiled, case)
    for _ in range(CALLS):
        call()
    rows = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        facts = {name: each.astype(str) for name, each in node.get_rt_info().items()}
        if facts["execTimeMcs"] != "not_executed":
            shape = tuple(node.get_output_shape(0)) if node.get_output_size() else ()
            seconds = float(facts["execTimeMcs"]) / 1e6  # the mean of all calls
            name, kind = node.get_friendly_name(), facts["layerType"]
            rows.append(LayerTime(name, kind, facts["primitiveType"], shape, seconds))
    return rows


ENGINE = Engine("openvino", "openvino", _prepare, _profile)

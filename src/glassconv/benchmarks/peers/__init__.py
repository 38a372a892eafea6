"""The engines that run whole networks, a file each, and the process that each is timed in."""

from __future__ import annotations

from glassconv.benchmarks.peers import eager, inductor, mnn, ncnn, onnx_runtime, openvino, ours
from glassconv.benchmarks.peers.engine import Engine

ENGINES: tuple[Engine, ...] = (
    eager.NCHW,
    eager.NHWC,
    inductor.ENGINE,
    onnx_runtime.ENGINE,
    openvino.ENGINE,
    ncnn.ENGINE,
    mnn.ENGINE,
    ours.ENGINE,
)

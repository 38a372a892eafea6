"""MNN, held to float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.reports.array import Array

# By default MNN takes Winograd tiles so large that resnet18's relative error is 2e-4, which is
# wrong here. With smaller ones it is 1e-6, and resnet18 takes 7 % longer (Zen 5, AVX-512).
WINOGRAD_MEMORY_LEVEL, SMALL_TILES = 3, 1


def _convert(case: Case, path: Path) -> None:
    # `MNN.tools.mnnconvert` would install packages with pip and report the use to its maker. This
    # is the compiled function below it, which does neither.
    import _tools

    command = ["mnnconvert", "-f", "ONNX", "--modelFile", str(case.onnx())]
    _tools.mnnconvert([*command, "--MNNModel", str(path), "--bizCode", "glassconv"])


def _prepare(case: Case) -> Call:
    import MNN

    path = case.converted("network.mnn", lambda path: _convert(case, path))
    interpreter = MNN.Interpreter(str(path))
    interpreter.setSessionHint(WINOGRAD_MEMORY_LEVEL, SMALL_TILES)
    options = {"backend": "CPU", "numThread": case.threads, "precision": "high"}
    session = interpreter.createSession(options)
    number, order = MNN.Halide_Type_Float, MNN.Tensor_DimensionType_Caffe
    image = case.input().numpy()
    given = MNN.Tensor(image.shape, number, image, order)
    input = interpreter.getSessionInput(session)
    output = interpreter.getSessionOutput(session)
    shape = output.getShape()
    taken = MNN.Tensor(shape, number, np.zeros(shape, np.float32), order)

    def call() -> Array:
        input.copyFrom(given)
        interpreter.runSession(session)
        output.copyToHostTensor(taken)
        return np.array(taken.getNumpyData())

    return call


ENGINE = Engine("mnn", "MNN", _prepare)

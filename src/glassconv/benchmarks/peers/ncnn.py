"""ncnn, held to float32; pnnx converts the network from ONNX."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.engine import Call, Engine
from glassconv.reports.array import Array


def _convert(case: Case, parameters: Path) -> None:
    import pnnx

    weights = parameters.with_suffix(".bin")
    shape = ",".join(map(str, case.input().shape))
    command = [pnnx.EXEC_PATH, str(case.onnx()), f"inputshape=[{shape}]", "fp16=0"]
    command += [f"ncnnparam={parameters}", f"ncnnbin={weights}"]
    subprocess.run(command, check=True, cwd=case.folder, capture_output=True)


def _prepare(case: Case) -> Call:
    import ncnn

    parameters = case.converted("ncnn.param", lambda path: _convert(case, path))
    network = ncnn.Net()
    options = network.opt
    options.num_threads = case.threads
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_packed = options.use_bf16_storage = False
    if network.load_param(str(parameters)) or network.load_model(
        str(parameters.with_suffix(".bin"))
    ):
        raise RuntimeError("ncnn cannot read what pnnx wrote")
    image = case.input()[0].numpy()  # ncnn has no axis for the batch
    (input_name,), (output_name,) = network.input_names(), network.output_names()

    def call() -> Array:
        extractor = network.create_extractor()
        extractor.input(input_name, ncnn.Mat(image))
        code, output = extractor.extract(output_name)
        if code:
            raise RuntimeError(f"ncnn cannot run the network: code {code}")
        return np.array(output)

    return call


ENGINE = Engine("ncnn", "ncnn", _prepare)

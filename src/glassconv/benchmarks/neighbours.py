"""A network's layers beside busy processes: how long they take when the cores are not theirs.

    python -m glassconv.benchmarks.neighbours --suite resnet18 --busy 0 1 2 4

runs the layers of a suite in a row, a hundred times, by PyTorch, by ONNX Runtime where it is
installed, and by glassconv, call by call and in one plan, each in a process of its own. Beside
them are so many busy processes of as many threads as the engine has. The table has the median, nine
in ten and the worst, each as a multiple of the engine's own median with no busy process. A fair
share of c cores for t threads beside b busy ones is (t + b) / c times that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from time import perf_counter, sleep

import torch
from torch import Tensor, nn

from glassconv.algorithms import aten
from glassconv.benchmarks.suites import read_suite
from glassconv.functional import conv2d
from glassconv.networks.optimize import OptimizedNetwork
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands

Call = Callable[[], object]
Layer = tuple[ConvProblem, Operands]
SETTLE = 1.0  # seconds until the system has spread the busy processes over the cores
WARM_UP = 5  # passes
OPERATORS, OLDEST_FORMAT = 17, 8  # of ONNX, which ONNX Runtime has read for years


class _Layers(nn.Module):
    """The layers of a suite, each on an input of its own."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        return [
            aten.compile_for(problem)(input, operands.weight, operands.bias)
            for input, (problem, operands) in zip(inputs, self.layers, strict=True)
        ]


def _plan(layers: Sequence[Layer]) -> Call:
    inputs = [operands.input for _, operands in layers]
    network = OptimizedNetwork(_Layers(layers), "default")
    return lambda: network(*inputs)


def _glassconv(problem: ConvProblem, operands: Operands) -> Call:
    padding = tuple(before for before, _ in problem.padding)
    return lambda: conv2d(
        operands.input,
        operands.weight,
        operands.bias,
        stride=problem.stride,
        padding=padding,
        dilation=problem.dilation,
        groups=problem.groups,
    )


def _pytorch(problem: ConvProblem, operands: Operands) -> Call:
    convolve = aten.compile_for(problem)

    def call() -> Tensor:
        with torch.inference_mode():
            return convolve(operands.input, operands.weight, operands.bias)

    return call


def _onnxruntime(problem: ConvProblem, operands: Operands) -> Call:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    given = {"w": operands.weight, "b": operands.bias}
    constants = {name: each for name, each in given.items() if each is not None}
    before, after = zip(*problem.padding, strict=True)
    convolution = helper.make_node(
        "Conv",
        ["x", *constants],
        ["y"],
        strides=problem.stride,
        pads=before + after,
        dilations=problem.dilation,
        group=problem.groups,
    )
    graph = helper.make_graph(
        [convolution],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, problem.input_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, problem.output_shape)],
        [numpy_helper.from_array(each.numpy(), name) for name, each in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPERATORS)])
    model.ir_version = OLDEST_FORMAT
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    feed = {"x": operands.input.numpy()}
    return lambda: session.run(None, feed)


def _one_by_one(make: Callable[[ConvProblem, Operands], Call]) -> Callable[[Sequence[Layer]], Call]:
    """Return what makes a call of all layers from what makes a call of one."""

    def passing(layers: Sequence[Layer]) -> Call:
        calls = [make(*layer) for layer in layers]
        return lambda: [call() for call in calls]

    return passing


ENGINES = {
    "pytorch": _one_by_one(_pytorch),
    "onnxruntime": _one_by_one(_onnxruntime),
    "glassconv": _one_by_one(_glassconv),
    "glassconv plan": _plan,
}


def time_passes(engine: str, suite: str, passes: int, threads: int) -> list[float]:
    """Return the seconds of each pass over a suite's two-dimensional layers by an engine."""
    torch.set_num_threads(threads)
    layers = [
        (layer.problem, random_operands(layer.problem))
        for layer in read_suite(suite)
        if isinstance(layer.problem, ConvProblem) and layer.problem.ndim == 2
    ]
    call = ENGINES[engine](layers)
    seconds = []
    for number in range(passes + WARM_UP):
        start = perf_counter()
        call()
        if number >= WARM_UP:
            seconds.append(perf_counter() - start)
    return seconds


@contextmanager
def busy_processes(number: int, threads: int) -> Iterator[None]:
    """Keep so many processes of so many threads busy."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(number * threads)]
    try:
        sleep(SETTLE if processes else 0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _in_a_process(engine: str, suite: str, passes: int, threads: int) -> list[float]:
    command = [sys.executable, "-m", "glassconv.benchmarks.neighbours", "--engine", engine]
    command += ["--suite", suite, "--passes", str(passes), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return sorted(seconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or with --engine the seconds of one engine's passes."""
    parser = argparse.ArgumentParser(
        prog="python -m glassconv.benchmarks.neighbours",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suite", default="resnet18")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--engine", choices=ENGINES)
    asked = parser.parse_args(arguments)
    how = asked.suite, asked.passes, asked.threads
    if asked.engine:
        sys.stdout.write(json.dumps(time_passes(asked.engine, *how)) + "\n")
        return
    engines = [name for name in ENGINES if name != "onnxruntime" or find_spec("onnxruntime")]
    cores = len(os.sched_getaffinity(0))
    sys.stdout.write(f"{asked.suite}, {asked.threads} threads on {cores} cores\n")
    sys.stdout.write("| busy processes | engine | median | nine in ten | worst |\n")
    sys.stdout.write("| ---: | --- | ---: | ---: | ---: |\n")
    quiet = {name: _in_a_process(name, *how)[asked.passes // 2] for name in engines}
    for number in asked.busy:
        for name in engines:
            with busy_processes(number, asked.threads):
                seconds = _in_a_process(name, *how)
            places = asked.passes // 2, asked.passes * 9 // 10, -1
            cells = [f"{seconds[place] / quiet[name]:.2f}" for place in places]
            sys.stdout.write(f"| {number} | {name} | {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

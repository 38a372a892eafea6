"""Run "strict" kernels of another processor by qemu: an object file is linked with a program.

    PYTHONPATH=tests python -m support.emulated 0:300

compares those for NEON with the definition, bit for bit, gradients of weight and bias too. It needs
qemu-aarch64 and aarch64-linux-gnu-gcc (on Debian the packages qemu-user and gcc-aarch64-linux-gnu).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain
from math import prod
from pathlib import Path
from struct import pack
from tempfile import mkdtemp
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms import named
from glassconv.codegen.jit import Compiled, object_code
from glassconv.codegen.target import Target
from glassconv.codegen.target import named as target_named
from glassconv.dispatch.compiled_call import in_layout
from glassconv.kernels import kernel_named
from glassconv.kernels.gemm_parts.panel_packing import PanelPacking
from glassconv.kernels.runtime.plan import Plan
from glassconv.kernels.weight_gradients import ordered
from glassconv.kernels.weight_gradients.gemm_parts import blocking
from glassconv.kernels.weight_gradients.ordered import PRODUCT, OrderedGradientPlan
from glassconv.kernels.weight_gradients.ordered_parts.definition import WeightDefinitionPlan
from glassconv.kernels.weight_gradients.parts_plan import PartsPlan
from glassconv.kernels.weight_gradients.plan import GradientPlan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC, contiguous, layout_of
from support import strict_gradients
from support.strict_problems import random_case, same_bits, ways

OTHER = "other bits"
EMULATOR, COMPILER = "qemu-aarch64", "aarch64-linux-gnu-gcc"

# Reads the sizes of the parameters and the arrays, then these; writes the arrays.
PROGRAM = """
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void KERNEL(void *parameters, void *arrays, int64_t tasks, int64_t threads);

static __thread int number;
struct member { void (*work)(void *); void *shared; int number; pthread_t thread; };

static void *run(void *given) {
    struct member *member = given;
    number = member->number;
    member->work(member->shared);
    return NULL;
}

void GOMP_parallel(void (*work)(void *), void *shared, unsigned count, unsigned flags) {
    struct member team[64];
    for (int i = 0; i < count; i++) {
        team[i] = (struct member){work, shared, i, 0};
        if (pthread_create(&team[i].thread, NULL, run, &team[i])) abort();
    }
    for (int i = 0; i < count; i++) pthread_join(team[i].thread, NULL);
}

int omp_get_thread_num(void) { return number; }

int main(void) {
    /* tasks, threads; bytes of parameters and of five arrays */
    int64_t header[8];
    if (fread(header, 8, 8, stdin) != 8) return 1;
    void *place[6];
    for (int i = 0; i < 6; i++) {
        place[i] = aligned_alloc(4096, (header[2 + i] + 8192) / 4096 * 4096);
        if (fread(place[i], 1, header[2 + i], stdin) != header[2 + i]) return 1;
    }
    /* A convolution's fourth array is its output, in the place of the residual, too. */
    void *arrays[6] = {place[1], place[2], place[3], place[4], place[5], place[4]};
    KERNEL(place[0], arrays, header[0], header[1]);
    for (int i = 1; i < 6; i++) fwrite(place[i], 1, header[2 + i], stdout);
    return 0;
}
"""


def is_installed() -> bool:
    """Return whether the emulator and the compiler are."""
    return shutil.which(EMULATOR) is not None and shutil.which(COMPILER) is not None


@dataclass(frozen=True)
class Emulated:
    """A plan for another processor, which is called as a plan is."""

    plan: Plan
    threads: int

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the output, in the input's memory layout."""
        plan = self.plan
        with mock.patch.object(PanelPacking, "__call__", _packed):
            packed = weight.contiguous() if plan.pack is None else plan.pack(weight)
        if packed is None:
            assert isinstance(plan.otherwise, Plan)
            return Emulated(plan.otherwise, self.threads)(input, weight, bias)
        output = input.new_empty_strided(plan.output_shape, plan.output_strides)
        added = plan.zero_bias if bias is None else bias + 0.0
        workspace = self.threads * plan.workspace_bytes
        arrays = [*map(_bytes, (input, packed, added)), _nan(output.nbytes), _nan(workspace)]
        threads = min(self.threads, plan.max_threads)
        ran = _run(plan.kernel, plan.parameters, arrays, plan.tasks, threads)
        numbers = torch.frombuffer(bytearray(ran[3]), dtype=output.dtype)
        return output.copy_(numbers.as_strided(plan.output_shape, plan.output_strides))


def emulated_gradients(
    plan: OrderedGradientPlan, input: Tensor, grad: Tensor, threads: int
) -> tuple[Tensor, Tensor]:
    """Return the gradients of weight and bias by a plan for another processor."""
    problem = plan.problem
    ones = grad.new_ones(plan.of_bias.problem.input_shape)
    bias = _gradients(plan.of_bias, ones, grad, threads, False)[0].flatten()
    if plan.otherwise is not None and not grad.isfinite().all():
        return _gradients(plan.otherwise, input, grad, threads, False)[0], bias
    weight, fused = _gradients(plan.of_weight, input, grad, threads, plan.way == PRODUCT)
    assert fused is None or same_bits(fused, bias), f"{problem}: two gradients of the bias"
    return weight, bias


def _gradients(
    plan: GradientPlan, input: Tensor, grad: Tensor, threads: int, with_bias: bool
) -> tuple[Tensor, Tensor | None]:
    weight = plan.empty_weight(input)
    bias = input.new_empty(plan.problem.out_channels)
    size, bias_size, given = weight.nbytes, bias.nbytes, [*map(_bytes, (input, grad))]
    if isinstance(plan, WeightDefinitionPlan):
        arrays = [*given, _nan(size), b"", b""]
        ran = _run(plan.kernel, plan.parameters, arrays, plan.problem.out_channels, threads)
        numbers = torch.frombuffer(bytearray(ran[2]), dtype=input.dtype)
        return numbers.reshape(plan.problem.weight_shape), None
    assert isinstance(plan, PartsPlan)
    sums, memory = _nan(plan.sums_elements * input.itemsize), _nan(threads * plan.workspace_bytes)
    found = [_nan(size), _nan(bias_size)]
    for each in plan.rounds[with_bias]:
        arrays = [*given, _bytes(plan.zeros), sums, memory]
        ran = _run(plan.kernel, each.parameters, arrays, each.tasks, threads)
        arrays = [ran[3], *found, b"", b""]
        ran = _run(plan.add_parts, each.sum_parameters, arrays, plan.sum_tasks, threads)
        found = ran[1:3]
    numbers, of_bias = (torch.frombuffer(bytearray(each), dtype=input.dtype) for each in found)
    weight = numbers.as_strided(weight.shape, weight.stride())
    return weight, of_bias if with_bias else None


def _nan(size: int) -> bytes:
    return b"\xff" * size


def _run(
    kernel: Compiled, parameters: Any, arrays: Sequence[bytes], tasks: int, threads: int
) -> list[bytes]:
    """Return the arrays as a kernel leaves them."""
    given = [bytes(parameters), *arrays]
    header = pack("8q", tasks, threads, *map(len, given))
    ran = subprocess.run(
        [EMULATOR, str(_program(kernel.name, kernel.text, kernel.target))],
        input=header + b"".join(given),
        capture_output=True,
        check=True,
    )
    ends = list(accumulate(map(len, arrays)))
    return [ran.stdout[end - len(a) : end] for a, end in zip(arrays, ends, strict=True)]


def _bytes(tensor: Tensor) -> bytes:
    """Return a tensor's elements in the order of its memory, which has no gaps."""
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    return tensor.detach().permute(order).contiguous().numpy().tobytes()


def _packed(packing: PanelPacking, weight: Tensor, _: Tensor | None = None) -> Tensor:
    """Return the weight as [group, panel, tap, channel, filter of the panel], by PyTorch."""
    taps = weight.reshape(packing.groups, -1, weight.shape[1], prod(weight.shape[2:]))
    by_filter = taps.permute(0, 3, 2, 1)
    wide = F.pad(by_filter, (0, -by_filter.shape[-1] % packing.width))
    panels = wide.reshape(*wide.shape[:3], -1, packing.width)
    return panels.permute(0, 3, 1, 2, 4).contiguous()


@cache
def _program(name: str, text: str, target: Target) -> Path:
    """Return the program that runs a kernel."""
    folder = Path(mkdtemp())
    (folder / "kernel.o").write_bytes(object_code(text, target))
    (folder / "main.c").write_text(PROGRAM)
    command = f"{COMPILER} -O1 -static -pthread -DKERNEL={name} main.c kernel.o -o run"
    subprocess.run(command.split(), cwd=folder, check=True)
    return folder / "run"


def compared(seed: int) -> Iterator[str]:
    """Yield the ways to compute the problem of a seed on NEON, and whether bits are the same."""
    problem, given, random = random_case(seed)
    if not isinstance(problem, ConvProblem) or problem.dtype not in ("float32", "float64"):
        return
    expected = named("ordered").run(problem, given.input, given.weight, given.bias)
    if not expected.numel() or not problem.macs:
        return
    for name, part, input, wanted in ways(problem, given.input, expected, random):
        layout = layout_of(input.contiguous() if name.startswith("a tile of") else input)
        if layout is None or not isinstance(part, ConvProblem):
            continue
        threads = random.choice((1, 2, 3))
        plan = kernel_named("ordered").plan_for(part, layout, target_named("neon"), threads)
        output = Emulated(plan, threads)(input, given.weight, given.bias)
        bits = "same" if same_bits(output, wanted) else OTHER
        yield f"{seed}: {part}, {name}, {threads} threads: {bits}"


def compared_gradients(seed: int) -> Iterator[str]:
    """Yield the gradients of the problem of a seed on NEON, and whether bits are the same."""
    problem, input, grad, random = strict_gradients.random_case(seed)
    right = strict_gradients.definition(problem, input, grad)
    layout = random.choice((NCHW, NHWC)) if problem.ndim == 2 else NCHW
    threads, neon = random.choice((1, 2, 3)), target_named("neon")
    with mock.patch.object(blocking, "MIN_MACS_PER_TASK", random.choice((1, 500_000))):
        plan = ordered.plan(problem, contiguous(problem, layout), neon, threads)
    x, g = in_layout(input, layout), in_layout(grad, layout)
    found = emulated_gradients(plan, x, g, threads)
    for name, each, expected in zip(("weight", "bias"), found, right, strict=True):
        bits = "same" if same_bits(each, expected) else OTHER
        yield f"{seed}: {problem}, {name}'s gradient, {layout}, {threads} threads: {bits}"


def main(span: str) -> int:
    """Compare the problems of seeds FIRST:STOP; return 1 if some bits differ."""
    first, stop = map(int, span.split(":"))
    counted: Counter[str] = Counter()
    for seed in range(first, stop):
        for line in chain(compared(seed), compared_gradients(seed)):
            verdict = line.rpartition(": ")[2]
            counted[verdict] += 1
            if verdict == OTHER:
                print(line, flush=True)  # noqa: T201
    print(dict(counted))  # noqa: T201
    return int(counted[OTHER] > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))

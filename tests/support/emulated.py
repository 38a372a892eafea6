"""Run "strict" kernels of another processor by qemu: an object file is linked with a program.

    PYTHONPATH=tests python -m support.emulated 0:300

compares those for NEON with the definition, bit for bit. It needs qemu-aarch64 and
aarch64-linux-gnu-gcc (on Debian the packages qemu-user and gcc-aarch64-linux-gnu).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from struct import pack
from tempfile import mkdtemp
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms import named
from glassconv.codegen.jit import object_code
from glassconv.codegen.target import Target
from glassconv.codegen.target import named as target_named
from glassconv.kernels import kernel_named
from glassconv.kernels.gemm_parts.panel_packing import PanelPacking
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import layout_of
from support.strict_problems import random_case, same_bits, ways

OTHER = "other bits"
EMULATOR, COMPILER = "qemu-aarch64", "aarch64-linux-gnu-gcc"

# Reads the sizes of the parameters and the arrays, then these; writes the output.
PROGRAM = """
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ordered(void *parameters, void *arrays, int64_t tasks, int64_t threads);

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
    /* tasks, threads; bytes of parameters, input, weight, bias, output, workspace */
    int64_t header[8];
    if (fread(header, 8, 8, stdin) != 8) return 1;
    void *place[6];
    for (int i = 0; i < 6; i++) {
        place[i] = aligned_alloc(4096, (header[2 + i] + 8192) / 4096 * 4096);
        memset(place[i], 0xff, header[2 + i]);
        if (i < 4 && fread(place[i], 1, header[2 + i], stdin) != header[2 + i]) return 1;
    }
    void *arrays[6] = {place[1], place[2], place[3], place[4], place[5], place[4]};
    ordered(place[0], arrays, header[0], header[1]);
    fwrite(place[4], 1, header[6], stdout);
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
        arrays = [bytes(plan.parameters), *map(_bytes, (input, packed, added))]
        sizes = [*map(len, arrays), output.nbytes, self.threads * plan.workspace_bytes]
        given = pack("8q", plan.tasks, min(self.threads, plan.max_threads), *sizes)
        ran = subprocess.run(
            [EMULATOR, str(_program(plan.kernel.text, plan.kernel.target))],
            input=given + b"".join(arrays),
            capture_output=True,
            check=True,
        )
        numbers = torch.frombuffer(bytearray(ran.stdout), dtype=output.dtype)
        return output.copy_(numbers.as_strided(plan.output_shape, plan.output_strides))


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
def _program(text: str, target: Target) -> Path:
    """Return the program that runs a kernel."""
    folder = Path(mkdtemp())
    (folder / "kernel.o").write_bytes(object_code(text, target))
    (folder / "main.c").write_text(PROGRAM)
    command = f"{COMPILER} -O1 -static -pthread main.c kernel.o -o run"
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


def main(span: str) -> int:
    """Compare the problems of seeds FIRST:STOP; return 1 if some bits differ."""
    first, stop = map(int, span.split(":"))
    counted: Counter[str] = Counter()
    for seed in range(first, stop):
        for line in compared(seed):
            verdict = line.rpartition(": ")[2]
            counted[verdict] += 1
            if verdict == OTHER:
                print(line, flush=True)  # noqa: T201
    print(dict(counted))  # noqa: T201
    return int(counted[OTHER] > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))

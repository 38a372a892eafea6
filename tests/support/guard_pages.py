"""Arrays beside a guard page: an access out of bounds ends the process.

    PYTHONPATH=tests python -m support.guard_pages "read 1"

reads one element after an array in a child, and says by which signal that was killed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from glassconv.codegen.openmp import threads
from glassconv.codegen.struct import words_of
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem.operands import Operands

PAGE = mmap.PAGESIZE
SIDES = ("before", "after")  # of the array, where the guard page is
NONE = 0  # PROT_NONE
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def guarded(tensor: Tensor, side: str) -> Tensor:
    """Return a copy with the same strides, beside a guard page.

    The gaps between its elements are copied too, so a gap that holds NaN still does.
    """
    if not tensor.numel():
        return tensor
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    span = 1 + sum((size - 1) * stride for size, stride in steps)
    flat = tensor.detach().as_strided((span,), (1,), tensor.storage_offset())
    used = flat.nbytes
    inside = -(-used // PAGE) * PAGE
    pages = mmap.mmap(-1, inside + 2 * PAGE)
    first = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    for closed in (first, first + PAGE + inside):
        if libc.mprotect(closed, PAGE, NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = PAGE if side == "before" else PAGE + inside - used
    beside = torch.frombuffer(pages, dtype=tensor.dtype, count=span, offset=start)
    beside.copy_(flat)
    return beside.as_strided(tensor.shape, tensor.stride())


def call_guarded(
    plan: Plan,
    operands: Operands,
    side: str,
    team: int | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Return a plan's output: every buffer beside a guard page, and full of NaN before."""
    weight = operands.weight.contiguous() if plan.pack is None else plan.pack(operands.weight)
    assert weight is not None, "the kernel refuses this weight"
    bias = plan.zero_bias if operands.bias is None else operands.bias.contiguous()
    dtype = operands.input.dtype
    empty = torch.empty_strided(plan.output_shape, plan.output_strides, dtype=dtype)
    output = guarded(empty.fill_(torch.nan), side)
    team = min(team or threads(), max(plan.tasks, 1))
    space = torch.full((team * plan.workspace_bytes,), 0xFF, dtype=torch.uint8)  # NaN of any type
    arrays = [
        *(guarded(each, side) for each in (operands.input, weight, bias)),
        output,
        guarded(space, side),
        output if residual is None else guarded(plan.to_layout(residual), side),
    ]
    addresses = words_of(*(each.data_ptr() for each in arrays))
    plan.kernel.call(plan.parameters, addresses, plan.tasks, team)
    return output


def step(how: str, place: int) -> None:
    """Read or write in compiled code at an index of a one-element array."""
    from glassconv.codegen.ir import Code, Pointer, Value
    from support.compile_function import run

    def body(code: Code, array: Pointer, result: Pointer, index: Value) -> None:
        if how == "read":
            result[0] = array[index]
        elif how == "vector":
            result[0] = array.vector(index)
        else:
            array[index] = result[0]

    array = guarded(torch.zeros(1), "before" if place < 0 else "after")
    run(body, array, torch.zeros(64), place)


def main(steps: Sequence[str]) -> None:
    """Take each step, as "read 1", in a child of this process, and print how the child ended."""
    for each in steps:
        child = os.fork()
        if not child:
            how, place = each.split()
            step(how, int(place))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{each}: {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

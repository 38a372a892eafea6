"""Threads: PyTorch's while they come in time, our own when a call has waited for one in vain.

PyTorch's threads look for work for a millisecond after each of its operations, with the core on
which a second team would have to start: between operations of PyTorch's, a team of our own makes a
network take 1.6 times as long. But a call waits for each of PyTorch's threads, also for one whose
core another process has, and that comes when no task is left. After such a call the next ones have
our own threads, which nobody waits for (team.py). Then PyTorch's are tried again.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import torch

from glassconv.codegen import atomic, team
from glassconv.codegen.ir import INT, Argument, Code, Module, Pointer, Value, function
from glassconv.codegen.jit import Compiled, compiled
from glassconv.codegen.openmp_region import emit_region
from glassconv.codegen.target import Target, host

ENTRY = "glassconv_run_in_threads"
CALLS = 64  # that have our own threads, before PyTorch's are tried again
CALLS_LEFT = "calls_left"


def threads() -> int:
    """Return how many threads a kernel may use: `torch.get_num_threads()`, or 1 without any."""
    return torch.get_num_threads() if team.is_supported() else 1


def entry() -> int:
    """Return the address of run(region, shared, threads), which calls region(shared, thread)."""
    return _kernel()[0].address


def words() -> tuple[Any, Any]:
    """Return the words of our own team, and how many calls it has yet."""
    return _kernel()[1:]


@cache
def _kernel() -> tuple[Compiled, Any, Any]:
    target = host()
    assert target is not None, "no code is generated where none runs"
    kernel = compiled(build_module(target), ENTRY)
    engine = kernel.call.engine
    address = engine.get_global_value_address
    of_team = (ctypes.c_int64 * team.WORDS).from_address(address(team.VARIABLE))
    calls_left = ctypes.c_int64.from_address(address(CALLS_LEFT))
    engine.detach()  # threads run this code for as long as the process
    team.begin(of_team)
    if hasattr(os, "register_at_fork"):  # a forked child has none of the threads
        os.register_at_fork(after_in_child=lambda: team.begin(of_team))
    return kernel, of_team, calls_left


def build_module(target: Target) -> Module:
    """Return the LLVM module of what starts threads, not yet compiled."""
    module = Module("threads", "float32", target)
    module.define(f"@{CALLS_LEFT} = global {INT} 0")
    in_our_team = team.emit_team(module)
    in_region = emit_region(module, CALLS_LEFT, CALLS)

    @function(module, ENTRY, public=True)
    def run(code: Code, region: Pointer, shared: Pointer, threads: Value) -> None:
        """Call region(shared, thread) in this thread, and in others."""
        job: dict[str, Argument] = {"region": region, "shared": shared, "threads": threads}
        calls_left = Pointer(code, f"@{CALLS_LEFT}", INT)
        with code.if_(threads <= 1):
            team.call_region(code, region, shared, code.value(0))
        with code.else_():
            if in_region is None:
                in_our_team.call(**job)
                return
            with code.if_(atomic.load(calls_left) > 0):
                atomic.add(calls_left, code.value(-1))
                in_our_team.call(**job)
            with code.else_():
                in_region.call(**job)

    return module

"""The machine in the terminal: what its instructions, caches, threads and PyTorch's calls take."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from rich.console import Group, RenderableType
from rich.text import Text

from glassconv.reports.machine import Level, Machine
from glassconv.views.notation import duration, number_of
from glassconv.views.terminal.parts import pairs, section


def machine_report(machine: Machine) -> RenderableType:
    """Return the rates of a machine, 80 columns wide."""
    how = f"measured once in {duration(machine.seconds)}"
    if machine.compile_seconds:
        how += f", after {duration(machine.compile_seconds)} to compile what measures"
    if machine.is_busy:
        how += "; other processes kept the cores, so these rates are not kept"
    return Group(
        Text(f"{machine.processor}, {number_of(machine.threads, 'thread')}", "bold"),
        Text(f"{machine.vector_bytes * 8} bits a vector ({machine.target}); {how}"),
        "",
        *_sections(machine),
    )


def _sections(machine: Machine) -> Iterator[RenderableType]:
    parts = (
        ("A thread while all run, data in L1", pairs(*_instructions(machine))),
        ("Memory", pairs(*_levels(machine))),
        ("Calls", pairs(*_calls(machine), *_slowdowns(machine))),
        ("PyTorch, all threads", pairs(*_pytorch(machine))),
        ("PyTorch's gradients, as multiples of the output", pairs(*_gradients(machine))),
    )
    for place, (title, body) in enumerate(parts, start=1):
        yield from section(place, title, body)


def _instructions(machine: Machine) -> Iterator[tuple[str, str]]:
    each, lanes = machine.instructions, machine.vector_bytes // 4
    flops = 2 * lanes / each.multiply_add / 1e9
    yield "multiply-add", f"{_nanoseconds(each.multiply_add)}: {flops:.3g} GFLOP/s in float32"
    yield "", f"{_nanoseconds(each.latency)} until the next can use it"
    yield "load, store", f"{_nanoseconds(each.load)}, {_nanoseconds(each.store)}"
    yield "with a mask", f"{_nanoseconds(each.masked_load)}, {_nanoseconds(each.masked_store)}"
    yield "gather", _nanoseconds(each.gather)
    surprise = _nanoseconds(each.misprediction)
    yield "short loop", f"{_nanoseconds(each.loop)}, {surprise} more where its end is a surprise"


def _levels(machine: Machine) -> Iterator[tuple[str, str]]:
    for level in machine.levels:
        yield level.name, f"{_gigabytes(level.bytes_per_second)} by one thread{_size(level)}"
    yield "", f"{_gigabytes(machine.memory_bytes_per_second)} by all threads"


def _size(level: Level) -> str:
    return "" if level.size == inf else f", {level.size / 1024:,.0f} KiB"


def _calls(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "dispatch", f"{duration(machine.dispatch)} from a call to a kernel's plan, or PyTorch's"
    yield "plan", f"{duration(machine.call)} from a plan to its first task, and back"
    if machine.threads > 1:
        yield "threads", f"{duration(machine.region)} to start them and to wait for them"


def _slowdowns(machine: Machine) -> Iterator[tuple[str, str]]:
    for layout, times in machine.slowdowns:
        yield f"kernels, {layout}", f"{times:.2f} times as long as counted, beside PyTorch"


def _pytorch(machine: Machine) -> Iterator[tuple[str, str]]:
    pytorch = machine.pytorch
    yield "smallest call", duration(pytorch.call)
    for layout, seconds in pytorch.onednn_calls:
        yield f"oneDNN, {layout}", f"{duration(seconds)} for the smallest call"
    for name, elements in pytorch.copied_per_second:
        yield f"copies, {name}", f"{_giga(elements)} elements/s"
    for kind, number in pytorch.spectra_per_second:
        yield f"spectra {kind}", f"{_giga(number)}/s"
    lowered = dict(pytorch.lowered_per_second)
    for kind, macs in pytorch.macs_per_second:
        yield kind, f"{_giga(macs)} multiply-adds/s"
        if kind in lowered:
            yield "", f"{_giga(lowered[kind])} elements lowered/s"


def _gradients(machine: Machine) -> Iterator[tuple[str, str]]:
    for kind, times in machine.pytorch.gradients:
        yield kind, f"{times:.2f}"


def _nanoseconds(seconds: float) -> str:
    return f"{1e9 * seconds:.3g} ns"


def _gigabytes(rate: float) -> str:
    return f"{rate / 1e9:.3g} GB/s"


def _giga(rate: float) -> str:
    return f"{rate / 1e9:.3g} · 10⁹"

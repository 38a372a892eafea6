"""How long PyTorch's own convolutions take, from one small layer of each kind, timed here.

PyTorch computes float32 by oneDNN, but for single small images, and all else by its own im2col and
a matrix product. oneDNN has a kernel for each kind of layer. Its kernels for NCHW copy input and
output into blocks of channels and back; where it has none for a shape, it makes im2col's matrix.

The kinds are read off PyTorch's rules (aten/src/ATen/native/Convolution.cpp) and oneDNN's list of
kernels; how fast each of them is, is measured. Where a rule changes, the prediction is worse and
nothing else.

bfloat16 and float16 are computed by oneDNN where the processor has instructions for them, by loops
of PyTorch's own where not, tens of times slower than float32. A small layer of each kind tells
which; where it is computed at once, a larger one tells how fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf, prod
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from glassconv.algorithms.parts import spectral_cost
from glassconv.algorithms.parts.fastest import fastest
from glassconv.problem.conv_problem import ConvProblem
from glassconv.problem.dtypes import HALF_PRECISION
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import Problem, parse_problem
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.machine import Machine, PyTorch

SMALL = 20480  # elements of an image up to which PyTorch's own loops take it
BLOCK = 8  # channels of a block of oneDNN's at least
WIDEST_PADDING = 3  # columns, for oneDNN's NCHW kernel: it has as many outputs in a row of a tile
X86 = ("avx2", "avx512")  # targets whose vectors are all that PyTorch has for 32 and 64 bits
# The fastest call of a probe counts, of some in each round: another process that comes for some
# milliseconds slows all of one round.
ROUNDS, RUNS = 3, 2


@dataclass(frozen=True)
class Probe:
    """A layer that is timed, in a memory layout, and a few layers of its kind with one filter."""

    shorthand: str
    layout: str = NCHW
    lowering: str = ""  # the same with few filters, where the kind makes im2col's matrix
    larger: str = ""  # what is timed instead where the layer takes less than its call


def _half_precision(dtype: str) -> dict[str, Probe]:
    """Return the probes of an element type of 16 bits: small, for some take very long."""
    layers = {
        "dense": ("16x14x14 32@3x3 p1 nobias", "64x28x28 64@3x3 p1 nobias"),
        "pointwise": ("64x14x14 32@1x1 nobias", "128x28x28 128@1x1 nobias"),
        "depthwise": ("16x20x20 16@3x3 p1 g16 nobias", "64x56x56 64@3x3 p1 g64 nobias"),
    }
    probes = {
        f"{kind} {layout} {dtype}": Probe(f"{small} {dtype}", layout, larger=f"{large} {dtype}")
        for kind, (small, large) in layers.items()
        for layout in (NCHW, NHWC)
    }
    layer = f"16x7x7 32@4x4 s2 p1 nobias {dtype} transposed"
    return {**probes, f"{TRANSPOSED} {dtype}": Probe(layer)}


# Of 1×1 layers with one thread, oneDNN gets batches of 16 only.
NATIVE, DOUBLE, LOWERED = "native", "float64", "lowered"
TRANSPOSED, COLUMNS, DOUBLE_COLUMNS = "transposed", "col2im", "col2im float64"
PROBES: Mapping[str, Probe] = MappingProxyType(
    {
        NATIVE: Probe("32x24x24 64@3x3 p1 nobias", NCHW, "32x24x24 1@3x3 p1 nobias"),
        DOUBLE: Probe(
            "32x24x24 64@3x3 p1 nobias float64", NCHW, "32x24x24 1@3x3 p1 nobias float64"
        ),
        LOWERED: Probe("60x24x24 124@3x3 p1 g4 nobias", NCHW, "60x24x24 4@3x3 p1 g4 nobias"),
        "dense nchw": Probe("2x128x28x28 128@3x3 p1 nobias"),
        "dense nhwc": Probe("2x128x28x28 128@3x3 p1 nobias", NHWC),
        "pointwise nchw": Probe("16x256x14x14 256@1x1 nobias"),
        "pointwise nhwc": Probe("16x256x14x14 256@1x1 nobias", NHWC),
        "depthwise nchw": Probe("64x56x56 64@5x5 p2 g64 nobias"),
        "depthwise nhwc": Probe("64x56x56 64@5x5 p2 g64 nobias", NHWC),
        TRANSPOSED: Probe("64x14x14 64@4x4 s2 p1 nobias transposed"),
        COLUMNS: Probe(
            "60x14x14 60@4x4 s2 p1 nobias transposed",
            NCHW,
            "1x14x14 60@4x4 s2 p1 nobias transposed",
        ),
        DOUBLE_COLUMNS: Probe(
            "60x14x14 60@4x4 s2 p1 nobias float64 transposed",
            NCHW,
            "1x14x14 60@4x4 s2 p1 nobias float64 transposed",
        ),
        **_half_precision("bfloat16"),
        **_half_precision("float16"),
    }
)
SMALLEST = Probe("8x8x8 8@1x1 nobias")


def _by_layout(shorthand: str) -> dict[str, Probe]:
    """Return a layer in each memory layout and, named "nchw bfloat16", in 16 bits."""
    dtypes = ("", *(f" {dtype}" for dtype in sorted(HALF_PRECISION)))
    return {
        f"{layout}{dtype}": Probe(f"{shorthand}{dtype}", layout)
        for dtype in dtypes
        for layout in (NCHW, NHWC)
    }


SMALLEST_ONEDNN = _by_layout("8x4x4 8@5x5 p2 nobias")
# Layers that do little but copy: input and output into blocks and back, and a weight.
COPIED = _by_layout("16x8x56x56 8@1x1 nobias")
WEIGHTS = {
    "weights nchw": Probe("2x384x2x2 384@3x3 p1 nobias"),
    "weights nhwc": Probe("2x384x2x2 384@3x3 p1 nobias", NHWC),
    "weights native": Probe("256x2x2 256@3x3 p1 nobias", NHWC),  # made channels last
    "weights pointwise nchw": Probe("2x1024x2x2 1024@1x1 nobias"),
    "weights pointwise nhwc": Probe("2x1024x2x2 1024@1x1 nobias", NHWC),
}


def seconds(problem: Problem, layout: str, machine: Machine | None) -> float:
    """Return the predicted time of PyTorch's call; infinity where no rates are known."""
    if machine is None:
        return inf
    rates, name = machine.pytorch, layout if problem.ndim == 2 else NCHW
    moved = prod(problem.input_shape) + prod(problem.output_shape)
    weights, copied_per_second = prod(problem.weight_shape), dict(rates.copied_per_second)
    kind, fetched = kind_of(problem, name, machine.threads), _fetched(problem, machine)
    if problem.dtype in HALF_PRECISION:
        of_dtype = f"{name} {problem.dtype}"
        fixed = dict(rates.onednn_calls)[of_dtype]
        copied = max(moved / copied_per_second[of_dtype], fetched)
    elif kind in (NATIVE, DOUBLE, DOUBLE_COLUMNS):
        fixed = rates.call * problem.groups  # each group is a call of its own
        copied = max(moved * problem.format.bytes / machine.bandwidth(inf, 1), fetched)
        if name == NHWC and max(problem.kernel_size) > 1:
            copied += weights / copied_per_second["weights native"]
    else:
        fixed = dict(rates.onednn_calls)[name]
        copied = max(moved / copied_per_second[NHWC if kind == LOWERED else name], fetched)
        fixed += reorder_seconds(problem, name, machine)
    arithmetic = _macs(problem, kind) / dict(rates.macs_per_second)[kind]
    lowered = _lowered(problem, kind)
    if lowered:
        arithmetic += lowered / dict(rates.lowered_per_second)[kind]
    # With channels last oneDNN copies nothing, and fetches while it multiplies.
    is_overlapped = kind.endswith(f" {NHWC}")
    spent = max(arithmetic, copied) if is_overlapped else arithmetic + copied
    return machine.dispatch + fixed + spent


def reorder_seconds(problem: Problem, layout: str, machine: Machine) -> float:
    """Return how long oneDNN takes to reorder a float32 layer's weight, 0 where it does not."""
    name = layout if problem.ndim == 2 else NCHW
    kind = kind_of(problem, name, machine.threads)
    is_reordered = kind not in (NATIVE, DOUBLE, DOUBLE_COLUMNS, LOWERED)
    if problem.dtype != "float32" or not is_reordered:
        return 0.0
    of_weights = kind if kind.startswith("pointwise") else name
    copied_per_second = dict(machine.pytorch.copied_per_second)
    return prod(problem.weight_shape) / copied_per_second[f"weights {of_weights}"]


def _fetched(problem: Problem, machine: Machine) -> float:
    """Return the seconds to move input and output from and to the memory that holds both.

    The probes are small: what they copy stays in cache.
    """
    input_bytes, output_bytes = problem.input_bytes, problem.output_bytes
    bandwidth = machine.bandwidth(input_bytes + output_bytes, machine.threads)
    # A line of the output is read before it is written.
    return (input_bytes + 2 * output_bytes) / (machine.threads * bandwidth)


def _uses_onednn(problem: ConvProblem, threads: int) -> bool:
    """Return whether PyTorch hands a problem to oneDNN (`use_mkldnn` in its Convolution.cpp)."""
    if problem.dtype != "float32":
        return False
    plain = {*problem.stride, *problem.dilation, *problem.kernel_size} == {1}
    if plain and problem.batch < 16 and threads == 1:
        return False
    return (
        problem.groups > 1
        or min(problem.kernel_size) > 3
        or problem.batch > 1
        or prod(problem.input_shape) > SMALL
    )


def kind_of(problem: Problem, layout: str, threads: int) -> str:
    """Return the kind of PyTorch's or oneDNN's kernel for a problem."""
    if problem.dtype in HALF_PRECISION:
        return f"{_kind_of_half_precision(problem, layout)} {problem.dtype}"
    if isinstance(problem, TransposedProblem):
        return _kind_of_transposed(problem)
    if not _uses_onednn(problem, threads):
        return NATIVE if problem.dtype == "float32" else DOUBLE
    channels, filters = problem.weight_shape[1], problem.gemm.m
    is_wide = problem.padding[-1][0] > WIDEST_PADDING
    if channels == filters == 1 and problem.groups > 1:
        return LOWERED if layout == NCHW and is_wide else f"depthwise {layout}"
    if problem.groups == 1 and {*problem.kernel_size} == {1} and not problem.is_padded:
        return f"pointwise {layout}"
    is_whole = problem.groups == 1 or channels % BLOCK == filters % BLOCK == 0
    return LOWERED if layout == NCHW and (is_wide or not is_whole) else f"dense {layout}"


def _kind_of_half_precision(problem: Problem, layout: str) -> str:
    if isinstance(problem, TransposedProblem):
        return TRANSPOSED
    if problem.groups > 1 and problem.weight_shape[1] == 1:
        return f"depthwise {layout}"
    return f"pointwise {layout}" if {*problem.kernel_size} == {1} else f"dense {layout}"


def _kind_of_transposed(problem: TransposedProblem) -> str:
    if problem.dtype != "float32":
        return DOUBLE_COLUMNS
    per_group = (problem.in_channels // problem.groups, problem.out_channels // problem.groups)
    is_whole = all(channels % BLOCK == 0 for channels in per_group)
    return TRANSPOSED if is_whole and {*problem.dilation} == {1} else COLUMNS


def _macs(problem: Problem, kind: str) -> float:
    """Return the multiply-adds of a kind of kernel: filters in whole blocks, without padding."""
    if isinstance(problem, TransposedProblem):
        return problem.macs
    filters = problem.gemm.m
    if not kind.startswith(("dense", "pointwise")):
        return problem.groups * filters * problem.gemm.n * problem.gemm.k
    whole = -(-filters // BLOCK) * BLOCK
    taps = prod(axis.taps_inside for axis in problem.axes)
    return problem.batch * problem.in_channels * whole * taps


def _lowered(problem: Problem, kind: str) -> int:
    """Return the elements of the matrix of im2col or col2im, 0 where PyTorch makes none."""
    if problem.dtype in HALF_PRECISION:
        return 0
    if isinstance(problem, TransposedProblem):
        channels = problem.in_channels // problem.groups
        return problem.macs // max(channels, 1) if kind != TRANSPOSED else 0
    if kind not in (NATIVE, DOUBLE, LOWERED):
        return 0
    if {*problem.kernel_size, *problem.stride} == {1} and not problem.is_padded:
        return 0
    return problem.groups * problem.gemm.n * problem.gemm.k


# -- probes -----------------------------------------------------------------------------------


def measure(machine: Machine, times: int = 1) -> PyTorch:
    """Time one layer of each kind, less what the prediction counts for it besides.

    machine: the other rates of this machine. times: how many threads as the one that is timed there
    will be; each does its share.
    """
    probes = [SMALLEST]
    for group in (SMALLEST_ONEDNN, COPIED, WEIGHTS, PROBES):
        probes += group.values()
    lowerings = [probe for probe in PROBES.values() if probe.lowering]
    probes += [replace(probe, shorthand=probe.lowering) for probe in lowerings]
    timed = _fastest(probes)
    call = timed[SMALLEST]
    calls = {name: timed[probe] for name, probe in SMALLEST_ONEDNN.items()}
    copied = {}
    for name, probe in COPIED.items():
        problem = parse_problem(probe.shorthand)
        elements = prod(problem.input_shape) + prod(problem.output_shape)
        copied[name] = elements / _beyond(timed[probe], calls[name])
    for name, probe in WEIGHTS.items():
        elements = prod(parse_problem(probe.shorthand).weight_shape)
        known_call = call if name == "weights native" else calls[probe.layout]
        copied[name] = elements / _beyond(timed[probe], known_call)
    known = PyTorch(
        call, tuple(calls.items()), _endless(), _endless(), tuple(copied.items()), (), ()
    )
    rest = replace(machine, dispatch=0.0, pytorch=known)
    macs, lowered = {}, {}
    for kind, probe in PROBES.items():
        problem = parse_problem(probe.shorthand)
        known_seconds = seconds(problem, probe.layout, rest)
        spent = _beyond(timed[probe], known_seconds)
        if probe.larger and spent < known_seconds:
            problem = parse_problem(probe.larger)
            larger = replace(probe, shorthand=probe.larger)
            spent = _beyond(_fastest([larger])[larger], seconds(problem, probe.layout, rest))
        if probe.lowering:
            few, small = parse_problem(probe.lowering), replace(probe, shorthand=probe.lowering)
            less = _beyond(timed[small], seconds(few, probe.layout, rest))
            # Both lower the same: what the one takes longer is for its multiply-adds.
            per_mac = _beyond(spent, less) / (_macs(problem, kind) - _macs(few, kind))
            lowered[kind] = _lowered(few, kind) / _beyond(less, per_mac * _macs(few, kind))
            macs[kind] = 1 / per_mac
        else:
            macs[kind] = _macs(problem, kind) / spent
    return replace(
        known,
        macs_per_second=_scaled(macs, times),
        lowered_per_second=_scaled(lowered, times),
        copied_per_second=_scaled(copied, times),
        spectra_per_second=_scaled(spectral_cost.measure(), times),
    )


def _scaled(rates: Mapping[str, float], times: int) -> tuple[tuple[str, float], ...]:
    return tuple((kind, times * rate) for kind, rate in rates.items())


def within_peak(machine: Machine) -> PyTorch:
    """Return PyTorch's rates, none above the peak of the multiply-adds of all threads.

    A rate is what a probe takes beyond its call and its copies. Where other processes slow these
    down and not the probe, it is above what the processor can do. Rates of other instructions than
    ours stay: those of 16 bits, and on arm64 those of Apple's matrix units. So does that of
    PyTorch's own loops, which may be NNPACK's of Winograd's algorithm.
    """
    if machine.target not in X86:
        return machine.pytorch

    def limited(kind: str, rate: float) -> float:
        problem = parse_problem(PROBES[kind].shorthand)
        if kind == NATIVE or problem.dtype in HALF_PRECISION:
            return rate
        return min(rate, machine.peak(problem.format.bytes))

    rates = machine.pytorch.macs_per_second
    return replace(
        machine.pytorch, macs_per_second=tuple((kind, limited(kind, rate)) for kind, rate in rates)
    )


def is_complete(pytorch: PyTorch) -> bool:
    """Return whether the rates of every kind are there."""
    return (
        [kind for kind, _ in pytorch.macs_per_second] == list(PROBES)
        and [kind for kind, _ in pytorch.lowered_per_second] == [
            kind for kind, probe in PROBES.items() if probe.lowering
        ]
        and [name for name, _ in pytorch.onednn_calls] == list(SMALLEST_ONEDNN)
        and [name for name, _ in pytorch.copied_per_second] == [
            *COPIED, *WEIGHTS
        ]
        and [name for name, _ in pytorch.spectra_per_second] == list(spectral_cost.KINDS)
    )  # fmt: skip


def _endless() -> tuple[tuple[str, float], ...]:
    """Return rates by which nothing takes any time."""
    return tuple((kind, inf) for kind in PROBES)


def _beyond(seconds: float, known: float) -> float:
    """Return what a probe takes beyond what is known; noise leaves a tenth of it at least."""
    return max(seconds - known, 0.1 * seconds)


def _fastest(probes: Iterable[Probe]) -> dict[Probe, float]:
    """Return the seconds of the fastest of some calls of each probe's layer."""
    with torch.no_grad():
        calls = {probe: _call_of(probe) for probe in probes}
        rounds = [
            {probe: fastest(call, RUNS) for probe, call in calls.items()} for _ in range(ROUNDS)
        ]
    return {probe: min(each[probe] for each in rounds) for probe in calls}


def _call_of(probe: Probe) -> Callable[[], Tensor]:
    """Return the call of a probe's layer."""
    problem = parse_problem(probe.shorthand)
    input, weight = ones(problem, probe.layout)
    stride, padding = problem.stride, tuple(before for before, _ in problem.padding)

    def call() -> Tensor:
        if isinstance(problem, TransposedProblem):
            return F.conv_transpose2d(input, weight, None, stride, padding)
        return F.conv2d(input, weight, None, stride, padding, groups=problem.groups)

    return call


def ones(problem: Problem, layout: str) -> tuple[Tensor, Tensor]:
    """Return an input in a memory layout and a weight for a layer that is timed."""
    input, weight = (
        torch.ones(shape, dtype=getattr(torch, problem.dtype))
        for shape in (problem.input_shape, problem.weight_shape)
    )
    if layout == NHWC:
        input = input.contiguous(memory_format=torch.channels_last)
    return input, weight

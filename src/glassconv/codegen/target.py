"""Target: the vectors, registers and caches of a processor, on which a kernel's shape depends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glassconv.errors import unknown_name

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
ELEMENT_BYTES = {"float32": 4, "float64": 8}


@dataclass(frozen=True)
class Target:
    """A processor: its vectors, its registers and its caches; sizes in bytes."""

    name: str
    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int  # of vectors
    l1: int = 32 * 2**10
    l2: int = 512 * 2**10
    l3: int = 0  # of all cores; 0 where there is none or it is not known

    def lanes(self, dtype: str) -> int:
        """Return how many elements a vector holds.

        >>> named("avx2").lanes("float64")
        4
        """
        return self.vector_bytes // ELEMENT_BYTES[dtype]

    def tile(self) -> tuple[int, int]:
        """Return the register tile's (rows, vectors): the most products for each load.

        Beside rows · vectors accumulators there must be registers for a row of vectors and for one
        broadcast element, or accumulators spill to memory.

        >>> named("avx2").tile(), named("avx512").tile()
        ((6, 2), (12, 2))
        """
        vectors = 2  # more would leave too few rows; 12 rows divide well and leave room to spare
        return min((self.registers - vectors - 1) // vectors, 12), vectors

    @property
    def is_x86(self) -> bool:
        """Return whether arithmetic reads operands from memory, such as constants."""
        return self.triple.startswith("x86_64")

    @property
    def has_mask_registers(self) -> bool:
        """Return whether masks are in registers of their own, and take none of vectors: AVX-512."""
        return self.is_x86 and self.vector_bytes == 64

    def has_spare_row(self) -> bool:
        """Return whether a register tile may have one more row than `tile`."""
        rows, vectors = self.tile()
        return (rows + 1) * vectors + vectors + 1 <= self.registers


TARGETS = {
    "avx512": Target(
        "avx512", "x86_64-unknown-linux-gnu", "x86-64-v4", "-prefer-256-bit", 64, 32, l2=2**20
    ),
    "avx2": Target("avx2", "x86_64-unknown-linux-gnu", "x86-64-v3", "", 32, 16),
    "neon": Target("neon", "aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, l1=64 * 2**10),
}


def named(name: str) -> Target:
    """Return a target that code can be generated for anywhere, or raise `UnknownNameError`."""
    if name not in TARGETS:
        raise unknown_name("target", name, TARGETS)
    return TARGETS[name]


# The targets whose code a processor runs.
RUNS = {"avx512": ("avx512", "avx2"), "avx2": ("avx2",), "neon": ("neon",)}


def runs(target: Target) -> bool:
    """Return whether this machine runs code for a target; code for others can only be read."""
    here = host()
    return here is not None and here.triple == target.triple and target.name in RUNS[here.name]


@cache
def host() -> Target | None:
    """Return this machine's target, or None where no kernel can run on it."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    if features.get("avx512f") and features.get("avx512dq"):
        nearest = TARGETS["avx512"]
    elif features.get("avx2") and features.get("fma"):
        nearest = TARGETS["avx2"]
    elif triple.startswith(("aarch64", "arm64")):
        nearest = TARGETS["neon"]
    else:
        return None
    flags = features.flatten() + (",-prefer-256-bit" if nearest.name == "avx512" else "")
    return Target(
        nearest.name,
        triple,
        host_name(),
        flags,
        nearest.vector_bytes,
        nearest.registers,
        l1=_cache_bytes(1, nearest.l1),
        l2=_cache_bytes(2, nearest.l2),
        l3=_cache_bytes(3, nearest.l3),
    )


@cache
def host_name() -> str:
    """Return the processor's name, as LLVM calls it, whether or not a kernel runs on it."""
    import llvmlite.binding as llvm

    name: str = llvm.get_host_cpu_name()
    return name


def _cache_bytes(level: int, default: int) -> int:
    """Return the size of a core's data cache as Linux reports it, elsewhere a default."""
    for index in sorted(CACHES.glob("index*")):
        try:
            actual = int((index / "level").read_text())
            kind = (index / "type").read_text().strip()
            size = (index / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        if actual == level and kind in ("Data", "Unified") and size.endswith("K"):
            return int(size[:-1]) * 2**10
    return default

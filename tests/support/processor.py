"""What the processor has, and which instruction sets PyTorch can be held to on it."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

INTERESTING = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16",
               "amx_bf16", "amx_fp16")  # fmt: skip

# Values of ONEDNN_MAX_CPU_ISA in rising order, each with the flags of a processor that has it.
ONEDNN_ISAS = {
    "SSE41": {"sse4_1"},
    "AVX": {"avx"},
    "AVX2": {"avx2"},
    "AVX2_VNNI": {"avx_vnni"},
    "AVX512_CORE": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "AVX512_CORE_VNNI": {"avx512_vnni"},
    "AVX512_CORE_BF16": {"avx512_bf16"},
    "AVX512_CORE_FP16": {"avx512_fp16"},
    "AVX512_CORE_AMX": {"amx_bf16"},
    "AVX512_CORE_AMX_FP16": {"amx_fp16"},
}

# Values of ATEN_CPU_CAPABILITY.
ATEN_CAPABILITIES = {
    "default": set[str](),
    "avx2": {"avx2", "fma"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"},
}


def flags() -> frozenset[str]:
    """Return the processor's flags as Linux names them, none where it does not tell."""
    line = _cpuinfo("flags") or _cpuinfo("Features")
    return frozenset(line.split())


def environments() -> dict[str, dict[str, str]]:
    """Return the environments that make PyTorch use each instruction set of this processor."""
    here = flags()
    found = {
        f"oneDNN {name}": {"ONEDNN_MAX_CPU_ISA": name}
        for name, needed in ONEDNN_ISAS.items()
        if needed <= here
    }
    for name, needed in ATEN_CAPABILITIES.items():
        if needed <= here:
            found[f"ATen {name}"] = {"ATEN_CPU_CAPABILITY": name}
    return found


def describe() -> list[str]:
    """Return lines about the processor and PyTorch."""
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    here = flags()
    features = " ".join(flag for flag in INTERESTING if flag in here) or "features unknown"
    return [
        f"processor: {name}, {features}",
        f"torch {torch.__version__}, CPU capability {torch.backends.cpu.get_cpu_capability()}, "
        f"{torch.get_num_threads()} threads",
    ]


def _cpuinfo(key: str) -> str:
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return ""
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""

"""Devices: all arrays of a call are on one, and kernels run where it is the CPU.

PyTorch refuses a CPU input with a CUDA weight. With a meta weight or bias it computes with whatever
is in memory (2.13), so the check is made here, before PyTorch is called.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from glassconv.errors import DeviceError

CPU = "cpu"
META = "meta"  # the device of shapes without numbers


def check_devices(function: str, arrays: Mapping[str, Tensor]) -> None:
    """Raise `DeviceError` unless all arrays are on one device."""
    devices = {name: tensor.device for name, tensor in arrays.items()}
    if len(set(devices.values())) == 1:
        return
    described = ", ".join(
        f"{name} {list(arrays[name].shape)} on {device}" for name, device in devices.items()
    )
    meta = [name for name, device in devices.items() if device.type == META]
    cause = "all arrays must be on one device"
    if meta:
        cause += f"; a tensor on meta has a shape and no numbers: {' and '.join(meta)}"
    raise DeviceError(cause, request=f"{function}({described})")


def is_cpu(device: str) -> bool:
    """Return whether PyTorch's name of a device means the CPU.

    >>> is_cpu("cpu:0"), is_cpu("cuda")
    (True, False)
    """
    return device.partition(":")[0] == CPU

"""Function modes: a mode sees a call of glassconv as it sees a call of PyTorch's functions.

A `TorchFunctionMode` gets `glassconv.conv2d` and the call's arguments. The function it calls then
runs without it, as PyTorch's protocol for functions outside of torch says ("Extending PyTorch" in
its documentation). So kernels run under any mode that calls the function, such as that of
`torch.set_default_device("cpu")`. A mode may call `F.conv2d(*args, **kwargs)` instead: options that
PyTorch lacks are passed only where they are given.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from glassconv.dispatch.fx_nodes import FUNCTIONS
from glassconv.dispatch.select import AUTO
from glassconv.problem.problem import Arguments


def is_seen() -> bool:
    """Return whether a function mode is to see the call, which `torch.compile` does not trace."""
    return has_torch_function((None,)) and not torch.compiler.is_compiling()


def call(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    arguments: Arguments,
) -> Any:
    """Return what the innermost mode makes of a call of the public function."""
    options: dict[str, Any] = {
        "stride": arguments.stride,
        "padding": arguments.padding,
        "dilation": arguments.dilation,
        "groups": arguments.groups,
    }
    if arguments.transposed:
        options["output_padding"] = arguments.output_padding
    ours: dict[str, tuple[Any, Any]] = {  # given, and the default
        "algorithm": (arguments.algorithm, AUTO),
        "accuracy": (arguments.accuracy, "default"),
        "activation": (arguments.activation, None),
    }
    options |= {name: given for name, (given, none) in ours.items() if given != none}
    if residual is not None:
        options["residual"] = residual
    function = FUNCTIONS[arguments.function]
    return handle_torch_function(function, (), input, weight, bias, **options)

"""`torch.fx.symbolic_trace`: a call with a Proxy becomes a node that calls the same function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.fx import Proxy

from glassconv.problem.problem import Arguments

# The functions that nodes call, by name. `functional` enters its own: dispatch is below it.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def node_of(input: Any, weight: Any, bias: Any, residual: Any, arguments: Arguments) -> Any:
    """Return the Proxy of a new node that calls `functional`, None where no array is a Proxy."""
    arrays = (input, weight, bias, residual)
    proxy = next((each for each in arrays if isinstance(each, Proxy)), None)
    if proxy is None:
        return None
    options = {
        "algorithm": arguments.algorithm,
        "accuracy": arguments.accuracy,
        "activation": arguments.activation,
        "residual": residual,
    }
    sizes = {
        "stride": arguments.stride,
        "padding": arguments.padding,
        "dilation": arguments.dilation,
        "groups": arguments.groups,
    }
    if arguments.transposed:
        sizes["output_padding"] = arguments.output_padding
    function = FUNCTIONS[arguments.function]
    return proxy.tracer.create_proxy(
        "call_function", function, (input, weight, bias), sizes | options
    )

"""A mode that sees the operations of a model while it runs, and the run itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from glassconv.errors import ConvError, NetworkError
from glassconv.networks.tensors import tensors_in


# PyTorch's class has no annotations, so mypy calls it untyped: here, and nowhere else.
class OperationMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Calls each operation in PyTorch's place, whatever code asks for it, while it is entered."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # type: ignore[no-untyped-call]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.call(function, args, kwargs or {})

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return what an operation returns; a subclass does more than to call it."""
        return function(*args, **kwargs)


def name_of(function: Any) -> str:
    """Return an operation's name in ATen, such as "conv2d"."""
    name: str = function.overloadpacket.__name__
    return name


def evaluated(
    model: nn.Module, input: Tensor, request: str, mode: OperationMode | None = None
) -> list[Tensor]:
    """Return the outputs of `model.eval()(input)`, evaluated under a mode.

    Raises `NetworkError` where the model cannot be run on this input.
    """
    model.eval()
    try:
        with torch.inference_mode(), mode or nullcontext():
            return list(tensors_in(model(input)))
    except ConvError:
        raise
    except Exception as error:  # whatever the model's own code raises
        raise NetworkError(f"{type(error).__name__}: {error}", request=request) from error

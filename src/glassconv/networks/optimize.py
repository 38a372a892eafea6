"""optimize: a network as one plan, for inference on this CPU.

A call is captured as a graph; passes fold and fuse its operations; what is left is lowered to
kernels whose weights are packed and whose buffers share one arena (plan/). The first call with
other shapes, strides or element types makes a plan of its own. What cannot be captured runs as it
was, and `reasons` says why.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.utils._pytree import tree_flatten

from glassconv.dispatch.select import ACCURACY
from glassconv.dispatch.torch_state import State, state_of
from glassconv.errors import ArgumentTypeError, ConvError, NetworkError, unknown_name
from glassconv.networks.accuracy import Accuracy, measured
from glassconv.networks.byte_size import bytes_in
from glassconv.nn.shared_copy import shared_copy, tensors_of

if TYPE_CHECKING:
    from glassconv.networks.passes.network import Network
    from glassconv.networks.plan.plan import Plan
    from glassconv.networks.planning import Planned
    from glassconv.reports.plan import PlanReport

PLAIN = (type(None), bool, int, float, complex, str, torch.dtype, torch.device)
MISSING: Any = object()
MOST_PLANS = 16  # of one network, each with an arena and packed weights of its own


def optimize(
    model: nn.Module,
    example_inputs: Tensor | Sequence[Any],
    accuracy: str = "default",
    *,
    memory: int | str | None = None,
    check_weights: bool = False,
) -> OptimizedNetwork:
    """Return a network that computes what `model.eval()` does, for inference, in one plan.

    example_inputs: a tensor, or a tuple of the arguments of a call. Other shapes may be called
    later; each gets a plan at its first call. accuracy: as `conv2d` has it; the outputs for the
    example must be within so many times PyTorch's own error against float64. In "strict" there is
    no such limit: convolutions and linear layers, with what was folded into their weights, are sums
    in the published order, but for transposed convolutions with a stride, which are PyTorch's.

    memory: what a plan may take for packed weights, buffers and outputs, such as "500 MB"; kernels
    whose weights would not fit are not used.

    Weights are packed into the plan, and frozen: after a change of the model's parameters call
    `refresh()`. With check_weights each call compares their content, and raises `NetworkError` if
    it has changed.

    A model that cannot be captured, because what it does depends on numbers, runs as it was; the
    property `reasons` says why.

    Raises `NetworkError` if the model cannot be called with the example, if the outputs are not
    within the accuracy, or if no plan fits in memory, `UnknownNameError` for an accuracy that is
    not known.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    >>> x = torch.rand(1, 3, 16, 16)
    >>> fast = optimize(model, x)
    >>> torch.allclose(fast(x), model(x), atol=1e-5)
    True
    >>> [step.name for step in fast.plan(x).steps]
    ['0']
    """
    if accuracy not in ACCURACY:
        raise unknown_name("accuracy", accuracy, ACCURACY)
    if not isinstance(model, nn.Module):
        cause = f"the model must be a torch.nn.Module, got {type(model).__name__}"
        raise ArgumentTypeError(cause, request="optimize")
    given = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    limit = None if memory is None else bytes_in(memory)
    network = OptimizedNetwork(model, accuracy, limit, check_weights=check_weights)
    if limit is not None:
        network.plan(*given)
    network.measured = measured(network, model, given, accuracy)
    return network


class OptimizedNetwork(nn.Module):
    """A network for inference, with the modules, parameters and buffers of the original."""

    measured: Accuracy  # on the example

    def __init__(
        self,
        model: nn.Module,
        accuracy: str,
        memory: int | None = None,
        *,
        check_weights: bool = False,
    ) -> None:
        super().__init__()
        self._original = (shared_copy(model).eval(),)  # in a tuple, so that it is no child
        original = self._original[0]
        self._modules, self._parameters = original._modules, original._parameters
        self._buffers = original._buffers
        self._non_persistent_buffers_set = original._non_persistent_buffers_set
        self.accuracy, self.memory, self.check_weights = accuracy, memory, check_weights
        self._plans: OrderedDict[Any, Planned | None] = OrderedDict()
        self._reasons: dict[Any, str] = {}
        self._lock = threading.Lock()
        self._checksums: tuple[bytes, ...] = ()
        self.training = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the original returns, computed by a plan where that is possible."""
        if is_compiling():  # a plan is no code to trace; the back end makes one of the original
            return self._original[0](*args, **kwargs)
        leaves, key = _described(args, kwargs)
        reason = _why_not(leaves)
        if reason:
            self._reasons[key] = reason
            return self._original[0](*args, **kwargs)
        if self.check_weights:
            self._check_weights()
        planned = self._planned(key, args, kwargs)
        if planned is None:
            return self._original[0](*args, **kwargs)
        inputs = [each for each in leaves if isinstance(each, Tensor)]
        with torch.no_grad():  # inference_mode() would return tensors that cannot be written to
            outputs = planned.plan(*inputs)
        return planned.returned.with_tensors(outputs)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """Return the plan of a call; raises `NetworkError` for one that has none."""
        return self._required(args, kwargs).plan

    def passes(self, *args: Any, **kwargs: Any) -> tuple[tuple[str, Network], ...]:
        """Return the network of a call as captured, and after each pass, by the pass's name."""
        from glassconv.networks.planning import passes_of

        return passes_of(self._original[0], args, kwargs)

    def report(self, *inputs: Tensor) -> PlanReport:
        """Return the passes and the plan of a call, with times, memory and errors measured.

        Raises `NetworkError` for a call that has no plan.

        >>> fast = optimize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), torch.rand(1, 3, 16, 16))
        >>> [each.name for each in fast.report(torch.rand(1, 3, 16, 16)).steps]
        ['0']
        """
        from glassconv.networks.report.plan import report_plan

        planned, passes = self._required(inputs, {}), self.passes(*inputs)
        return report_plan(planned, passes, self._original[0], inputs, self.accuracy)

    def save(self, path: str | Path, *inputs: Tensor) -> None:
        """Save the network of a call after its passes; `networks.saved.load_saved` reads it.

        The file ends in `.safetensors`. Plans are made again when it is loaded, for the processor
        and the threads that are there.

        Raises `NetworkError` for a call that has no plan, or an operation that cannot be saved.
        """
        from glassconv.networks.saved.file import save_network

        planned, passes = self._required(inputs, {}), self.passes(*inputs)
        save_network(passes[-1][1], planned.returned, self.accuracy, Path(path))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why calls ran as the original does, each reason once."""
        return tuple(dict.fromkeys(self._reasons.values()))

    def refresh(self) -> None:
        """Forget all plans: the next call packs the parameters as they are now."""
        with self._lock:
            self._plans.clear()
            self._reasons.clear()
            self._checksums = ()

    def _required(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Planned:
        planned = self._planned(_described(args, kwargs)[1], args, kwargs)
        if planned is None:
            raise NetworkError("; ".join(self.reasons))
        return planned

    def _planned(self, key: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Planned | None:
        found: Planned | None = self._plans.get(key, MISSING)  # another thread may forget it now
        if found is not MISSING:
            return found
        # The code generator is imported at the first call, not with the package.
        from glassconv.networks.planning import planned

        with self._lock:
            if key not in self._plans:
                try:
                    self._plans[key] = planned(
                        self._original[0], args, kwargs, self.accuracy, self.memory
                    )
                except ConvError as error:
                    self._plans[key], self._reasons[key] = None, str(error)
                if self.check_weights and not self._checksums:
                    self._checksums = self._content()
                while len(self._plans) > MOST_PLANS:
                    self._plans.popitem(last=False)
            return self._plans[key]

    def _check_weights(self) -> None:
        if self._checksums and self._content() != self._checksums:
            cause = "its weights have changed since they were packed; call refresh()"
            raise NetworkError(cause, request=type(self._original[0]).__name__)

    def _content(self) -> tuple[bytes, ...]:
        from glassconv.kernels.runtime.checksum import checksum

        return tuple(checksum(each.detach()) for each in tensors_of(self._original[0]))

    # -- nn.Module ----------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Raise `NetworkError` for training: a plan has no gradients, and frozen weights."""
        if mode:
            cause = "an optimized network is for inference; train the original, then refresh()"
            raise NetworkError(cause, request="train()")
        return self

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load parameters as the original does, and pack them at the next call."""
        result = super().load_state_dict(*args, **kwargs)
        self.refresh()
        return result

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        self.refresh()
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self

    def extra_repr(self) -> str:
        """Return what is printed beside the modules."""
        return f"accuracy={self.accuracy!r}, plans={sum(map(bool, self._plans.values()))}"


def _described(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Return the leaves of the arguments of a call, and the key of its plan."""
    if not kwargs and all(type(each) is Tensor for each in args):
        leaves, structure = list(args), None  # the usual call
    else:
        leaves, structure = tree_flatten((tuple(args), dict(kwargs)))
    kinds = tuple(
        (each.shape, each.stride(), each.dtype)
        if isinstance(each, Tensor)
        else (type(each), repr(each))  # 1, 1.0 and True are equal, and so are 0.0 and −0.0
        for each in leaves
    )
    return leaves, (torch.get_num_threads(), structure, kinds)


def _why_not(leaves: Sequence[Any]) -> str:
    """Return why no plan may be given these arguments, empty where one may."""
    for each in leaves:
        if not isinstance(each, Tensor):
            if not isinstance(each, PLAIN):
                return f"its arguments hold a {type(each).__name__}, which may change between calls"
            continue
        state = state_of(each, each, None, None)
        if state is State.RECORDED:
            return "its inputs require gradients, which a plan does not compute"
        if state is State.OTHER:
            return "its inputs are more than numbers in this machine's memory, or a mode is active"
    return ""

"""capture: record one forward call of a model as a graph, without computing any number.

The model is copied with fake tensors in place of its parameters: they have shapes, and no memory. A
mode of PyTorch's dispatcher then sees every operation, whatever code called it: a module, a
function inside `forward`, a model made by TorchScript or torch.fx. In inference mode it sees
`conv2d`, `batch_norm` and `pad` as they were called, before PyTorch decomposes them.

Where control flow depends on values, or an operation has no rule for shapes, the model is run with
numbers, and the graph says why.
"""

from __future__ import annotations

import logging
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from glassconv.dispatch.memory import memory_limit
from glassconv.errors import ConvError, NetworkError
from glassconv.networks.allocations import Allocations
from glassconv.networks.graph import TENSOR, Graph, Kind, Operation, Returned, Value
from glassconv.networks.operation_mode import OperationMode, name_of
from glassconv.networks.tensors import layout_of, tensors_in
from glassconv.nn.shared_copy import tensors_of

SEED = 0  # of the numbers that a model is run with where it is given a shape
LARGEST_SHARE = 0.1  # of memory that such an input may take; activations take several times that


def capture(model: nn.Module, input: Tensor | Sequence[int]) -> Graph:
    """Return the graph of `model.eval()(input)`; the model itself is not changed.

    input: a tensor, or a shape [batch, channels, *size]. Numbers matter where the model is run.

    Raises `NetworkError` where the model cannot be run on this input, with what it raised.

    >>> graph = capture(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), [1, 3, 9, 9])
    >>> [(each.name, each.function, each.outputs[0].shape) for each in graph.operations]
    [('0', 'conv2d', (1, 8, 7, 7)), ('1', 'relu', (1, 8, 7, 7))]
    """
    shape = list(input.shape if isinstance(input, Tensor) else input)
    request = f"{type(model).__name__} on an input {shape}"
    if any(map(is_lazy, model.parameters())):
        cause = "it has lazy layers, whose weights have no shape until it has run once"
        raise NetworkError(cause, request=request)
    try:
        return _without_numbers(model, input)
    except Exception as error:  # whatever the model's own code raises at a tensor without numbers
        reason = _first_line(error)
    try:
        return _with_numbers(model, input, reason)
    except ConvError:
        raise
    except Exception as error:  # whatever it raises with numbers
        raise NetworkError(_first_line(error), request=request) from error


def capture_call(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Graph:
    """Return the graph of `model.eval()(*args, **kwargs)`, from shapes and strides alone.

    The tensors in the arguments are the graph's inputs, in order.

    Raises `NetworkError` where what the model does depends on numbers.
    """
    mode, copy = _fake_copy(model)
    args, kwargs = tree_map_only(Tensor, mode.from_tensor, (tuple(args), dict(kwargs)))
    try:
        with mode, _quiet(logging.getLogger("torch._subclasses.fake_tensor")):
            return _record(copy, args, kwargs, "")
    except Exception as error:  # whatever the model's own code raises at a tensor without numbers
        raise NetworkError(_first_line(error), request=type(model).__name__) from error


def _fake_copy(model: nn.Module) -> tuple[FakeTensorMode, nn.Module]:
    """Return a copy of a model whose tensors have no memory."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    copy = deepcopy(model, {id(each): mode.from_tensor(each) for each in tensors_of(model)}).eval()
    copy.requires_grad_(False)  # the counter of FLOPs would follow gradients
    return mode, copy


def _without_numbers(model: nn.Module, input: Tensor | Sequence[int]) -> Graph:
    mode, copy = _fake_copy(model)
    with mode, _quiet(logging.getLogger("torch._subclasses.fake_tensor")):
        return _record(copy, (_like(model, input, torch.empty),), {}, "")


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep a logger from printing what is raised as well."""
    was = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = was


def _with_numbers(model: nn.Module, input: Tensor | Sequence[int], reason: str) -> Graph:
    shape = input.shape if isinstance(input, Tensor) else input
    limit, needed = memory_limit(), prod(shape) * torch.float32.itemsize
    if limit is not None and needed > LARGEST_SHARE * limit.bytes:
        cause = (
            f"{reason}; its input alone takes {needed / 2**30:,.1f} GiB, too much to try numbers"
        )
        raise NetworkError(cause, request=f"{type(model).__name__} on an input {list(shape)}")
    copy = deepcopy(model, {id(each): _kept(each) for each in tensors_of(model)}).eval()
    generator = torch.Generator().manual_seed(SEED)

    def random(*shape: int, **options: Any) -> Tensor:
        return torch.rand(*shape, generator=generator).to(**options)

    given = input if isinstance(input, Tensor) else _like(model, input, random)
    return _record(copy, (given,), {}, reason)


def _kept(tensor: Tensor) -> Tensor:
    """Return a parameter's memory, and a copy of any other tensor: a call may change a buffer."""
    return tensor.detach() if isinstance(tensor, nn.Parameter) else tensor.detach().clone()


def _like(model: nn.Module, input: Tensor | Sequence[int], make: Callable[..., Tensor]) -> Tensor:
    """Return a tensor of the input's shape, in the element type and on the device of the model."""
    if isinstance(input, Tensor):
        return make(*input.shape, dtype=input.dtype, device=input.device)
    floats = (each for each in tensors_of(model) if each.is_floating_point() or each.is_complex())
    first = next(floats, torch.empty(0))
    return make(*input, dtype=first.dtype, device=first.device)


def _record(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], reason: str) -> Graph:
    inputs = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    recorder = _Recorder(model, inputs)
    counter = FlopCounterMode(display=False)
    with ExitStack() as stack:
        for mode in (torch.inference_mode(), counter, recorder.allocations, recorder):
            stack.enter_context(mode)
        stack.enter_context(recorder.names())
        output = model(*args, **kwargs)
    results, structure = tree_flatten(output)
    parameters = {id(each): each for each in model.parameters()}.values()
    held = {id(each): each for each in (*parameters, *model.buffers())}.values()
    counted = counter.get_flop_counts().get("Global", {})
    return Graph(
        operations=tuple(recorder.operations),
        inputs=tuple(recorder.inputs),
        outputs=tuple(recorder.value_of(each) for each in results if isinstance(each, Tensor)),
        parameters=sum(each.numel() for each in parameters),
        parameter_bytes=sum(each.numel() * each.element_size() for each in held),
        executed=reason,
        flops={str(each): count for each, count in counted.items()},
        constants=recorder.constants,
        returned=Returned(
            structure, tuple(TENSOR if isinstance(each, Tensor) else each for each in results)
        ),
    )


class _Recorder(OperationMode):
    """Keeps each operation that it sees; tensors are recognised, and not kept alive."""

    def __init__(self, model: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.model = model
        self.operations: list[Operation] = []
        self.allocations = Allocations()
        self.parameters = {
            id(tensor): name
            for found in (model.named_parameters(), model.named_buffers())
            for name, tensor in found
        }
        self.number = 0
        self.known: dict[int, tuple[weakref.ref[Tensor], Value]] = {}
        self.stack: list[tuple[str, nn.Module]] = [("", model)]
        self.calls: Counter[str] = Counter()
        self.constants: dict[int, Tensor] = {}
        self.inputs = [self.remember(each, "input") for each in inputs]

    @contextmanager
    def names(self) -> Iterator[None]:
        """Know which module's forward is running."""
        handles = []
        for name, module in self.model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):  # takes no hooks
                continue

            def enter(module: nn.Module, _: object, name: str = name) -> None:
                self.stack.append((name, module))

            def leave(*_: object) -> None:
                self.stack.pop()

            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        arguments = bound_arguments(function, args, kwargs)
        read = {name: self.read(argument) for name, argument in arguments.items()}
        live = self.allocations.live_bytes
        self.allocations.begin()
        output = function(*args, **kwargs)
        tensors = list(tensors_in(output))
        if tensors:
            name = self.name(function, read)
            values = tuple(self.remember(each, "result") for each in tensors)
            self.operations.append(
                Operation(
                    name,
                    name_of(function),
                    torch.Tag.pointwise in function.tags,
                    read,
                    values,
                    live,
                    self.allocations.peak_bytes,
                    function,
                )
            )
            self.overwrite(function, arguments, values)
        return output

    def name(self, function: Any, arguments: Mapping[str, Any]) -> str:
        """Return the name of the layer: the module's or its weight's; once each.

        Other operations have the module's name and the function's.
        """
        path, module = self.stack[-1]
        is_layer = not any(module.children()) and type(module).__module__.startswith("torch.nn")
        weight = arguments.get("weight")
        if is_layer and path:
            name = path
        elif isinstance(weight, Value) and weight.name.endswith(".weight"):
            name = weight.name.removesuffix(".weight")  # a program's layers are functions
        else:
            name = f"{path}.{name_of(function)}".lstrip(".")
        self.calls[name] += 1
        return name if self.calls[name] == 1 else f"{name}#{self.calls[name]}"

    def read(self, argument: Any) -> Any:
        """Return an argument with values in place of tensors."""
        if isinstance(argument, Tensor):
            return self.value_of(argument)
        if isinstance(argument, list | tuple):
            return tuple(map(self.read, argument))
        return argument

    def value_of(self, tensor: Tensor) -> Value:
        """Return the value of a tensor: what was written last, a parameter, or a constant."""
        found = self.known.get(id(tensor))
        if found is not None and found[0]() is tensor:
            return found[1]
        name = self.parameters.get(id(tensor), "")
        value = self.remember(tensor, "parameter" if name else "constant", name)
        numbers = tensor.constant if isinstance(tensor, FakeTensor) else tensor
        if not name and numbers is not None:
            self.constants[value.number] = numbers
        return value

    def remember(self, tensor: Tensor, kind: Kind, name: str = "") -> Value:
        """Return a new value, which is the tensor's from now on."""
        self.number += 1
        shape = tuple(map(int, tensor.shape))
        value = Value(self.number, shape, _dtype(tensor), kind, name, layout_of(tensor))
        self.known[id(tensor)] = (weakref.ref(tensor), value)
        return value

    def overwrite(
        self, function: Any, arguments: Mapping[str, Any], values: tuple[Value, ...]
    ) -> None:
        """Give each tensor that shares memory with one that was written a value of its own."""
        for schema in function._schema.arguments:
            written = arguments.get(schema.name)
            is_written = schema.alias_info is not None and schema.alias_info.is_write
            if not is_written or not isinstance(written, Tensor):
                continue
            storage = written.untyped_storage()._cdata
            for reference, value in list(self.known.values()):
                other = reference()
                if other is None or other is written or value in values:
                    continue
                if other.untyped_storage()._cdata == storage:
                    read = {"self": value, "written": self.value_of(written)}
                    after = self.remember(other, "result")
                    live = self.allocations.live_bytes
                    name = f"{self.operations[-1].name} through a view"
                    self.operations.append(
                        Operation(name, "overwrite", False, read, (after,), live, 0)
                    )


def bound_arguments(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments by name, with the defaults of those that are left out."""
    bound = {}
    for place, schema in enumerate(function._schema.arguments):
        if place < len(args):
            bound[schema.name] = args[place]
        elif schema.name in kwargs:
            bound[schema.name] = kwargs[schema.name]
        else:
            bound[schema.name] = schema.default_value
    return bound


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

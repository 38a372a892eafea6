"""A network from the user's own Python file, which is executed as `python FILE.py` would be."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from torch import nn

from glassconv.errors import NetworkError, unknown_name


def from_factory(file: Path, name: str) -> nn.Module:
    """Execute a Python file and return what its function or class of a name returns.

    A module of that name is returned itself. Errors of the file's code are raised as they are.
    """
    request = f"{file}:{name}"
    code = _execute(file)
    factory = getattr(code, name, None)
    if factory is None:
        known = [each for each, value in vars(code).items() if _defined_by(code, value)]
        raise unknown_name(f"function of {file}", name, known)
    if isinstance(factory, nn.Module):
        return factory
    if not callable(factory):
        cause = f"a factory must be a function or a class, got {type(factory).__name__}"
        raise NetworkError(cause, request=request)
    for each in inspect.signature(factory).parameters.values():
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            cause = f"a factory must need no arguments, but {each.name!r} has no default"
            raise NetworkError(cause, request=request)
    network = factory()
    if not isinstance(network, nn.Module):
        cause = f"a factory must return a torch.nn.Module, got {type(network).__name__}"
        raise NetworkError(cause, request=request)
    return network


def _execute(file: Path) -> ModuleType:
    """Return the module that a Python file makes; modules beside it can be imported."""
    file = file.resolve(strict=True)
    name = f"glassconv_{file.stem}"  # hides no module that has the file's own name
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise NetworkError("this is no Python file", request=str(file))
    code = importlib.util.module_from_spec(spec)
    sys.modules[name] = code  # dataclasses and pickles look their module up
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    spec.loader.exec_module(code)
    return code


def _defined_by(code: ModuleType, value: object) -> bool:
    """Return whether a value is a function or a class of a module's own, or a network."""
    own = callable(value) and getattr(value, "__module__", None) == code.__name__
    return own or isinstance(value, nn.Module)

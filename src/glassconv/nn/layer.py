"""What each layer has beside PyTorch's: an algorithm, an accuracy and an activation."""

from __future__ import annotations

from typing import Literal

from torch.nn.modules.conv import _ConvNd

from glassconv.dispatch.select import AUTO, check_names

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
Options = dict[str, str | None]

DEFAULTS: Options = {"algorithm": AUTO, "accuracy": "default", "activation": None}


class Layer(_ConvNd):
    """A convolution layer of PyTorch that glassconv computes.

    The options are attributes of the class, which those of an instance override. So a change of its
    class is all that a layer of PyTorch needs to become one of these.
    """

    algorithm: str = AUTO
    accuracy: str = "default"
    activation: str | None = None

    def extra_repr(self) -> str:
        """Return the arguments as PyTorch writes them, and the options that are not the default."""
        written = [super().extra_repr()]  # type: ignore[no-untyped-call]
        for name, value in options_of(self).items():
            if value != DEFAULTS[name]:
                written.append(f"{name}={value}")
        return ", ".join(written)


def options_of(layer: Layer) -> Options:
    """Return a layer's options as keyword arguments of the functions in `functional`."""
    return {
        "algorithm": layer.algorithm,
        "accuracy": layer.accuracy,
        "activation": layer.activation,
    }


def set_options(layer: _ConvNd, options: Options) -> None:
    """Set a layer's options; only those that are not the default become its own attributes."""
    for name, value in options.items():
        if value != DEFAULTS[name]:
            setattr(layer, name, value)


def checked(algorithm: str, accuracy: str, activation: str | None) -> Options:
    """Return the options by name; raise `UnknownNameError` for a value that is unknown."""
    check_names(algorithm, accuracy, activation)
    return {"algorithm": algorithm, "accuracy": accuracy, "activation": activation}

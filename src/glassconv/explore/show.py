"""A layer of PyTorch in a cell of a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from glassconv.errors import MissingExtraError
from glassconv.explanation.torch_layers import Input

if TYPE_CHECKING:
    from glassconv.explore.widget import Explorer


def show(layer: nn.Module, input: Input) -> Explorer:
    """Return the explorer on a convolution's layer and input, to be shown in a notebook.

    layer: an `nn.Conv1d` or `nn.Conv2d`, in float32 or float64; or an `nn.Sequential` of such
        layers, ReLU and max or average pooling, which are shown as a strip.
    input: an array [batch, in_channels, *input_size], of which the first image is shown, or such a
        shape, for random numbers.

    The cell's output also holds a page that needs no kernel, so a notebook that was saved and
    converted to HTML shows it too. Raises `MissingExtraError` without anywidget, `ArgumentError`
    where the arrays are more than a page can hold, and what `explain` raises.
    """
    try:
        from glassconv.explore.widget import Explorer
    except ModuleNotFoundError as error:
        cause = f"it needs {error.name}, which pip install 'glassconv[notebook]' brings"
        raise MissingExtraError(cause, request="glassconv.show") from None
    from glassconv.explore.reports import of_layer

    return Explorer(of_layer(layer, input))

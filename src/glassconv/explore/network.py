"""The explorer on a network: its strip, and for each convolution a page with its real numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from glassconv.errors import ConvError
from glassconv.explanation.network import explain_graph
from glassconv.explore.page import page
from glassconv.explore.reports import of_operands
from glassconv.networks.capture import capture
from glassconv.networks.convolutions import Convolution, convolutions
from glassconv.networks.operands import operands_of
from glassconv.problem.operands import Operands
from glassconv.views.html.network_index import index, refusal


class NetworkPages(Mapping[str, str]):
    """The pages of a network on an input, as HTML by place; each is written when it is asked for.

    "/" is the strip, "/1" is the first convolution that the network calls, "/2" the second. A
    convolution that the explorer does not draw has a page that says why.

    >>> import torch
    >>> pages = NetworkPages(nn.Sequential(nn.Conv2d(1, 2, 3)), torch.zeros(1, 1, 4, 4), "net", "")
    >>> list(pages), "2@3x3" in pages["/1"]
    (['/', '/1'], True)
    """

    def __init__(self, model: nn.Module, input: Tensor, name: str, source: str) -> None:
        """Run the network once.

        name: what to call it. source: where the input comes from, for people; empty for random
            numbers.
        """
        self.name = name
        self.source = source
        graph = capture(model, input)
        self.facts = explain_graph(graph, name, {}).facts
        found = convolutions(graph)
        calls = zip(found, operands_of(model, input, found), strict=True)
        self.calls = {f"/{at}": call for at, call in enumerate(calls, 1)}

    def __getitem__(self, place: str) -> str:
        if place == "/":
            links = {call.operation.name: at[1:] for at, (call, _) in self.calls.items()}
            return index(self.facts, links, self.source or "random numbers")
        return self._page(*self.calls[place])

    def __iter__(self) -> Iterator[str]:
        yield "/"
        yield from self.calls

    def __len__(self) -> int:
        return 1 + len(self.calls)

    def _page(self, call: Convolution, operands: Operands) -> str:
        """Return the explorer on a convolution, or why there is none."""
        layer = f"{call.operation.name} of {self.name}"
        source = f"{layer}, on {self.source or 'random numbers'}"
        try:
            explored = of_operands(call.problem, operands, source)
        except ConvError as error:
            return refusal(layer, str(error))
        return page(explored.to_json(), f"{layer} · {explored.title}", remote=True)

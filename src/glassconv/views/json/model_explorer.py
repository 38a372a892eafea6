"""A network's convolutions as custom node data of Google's Model Explorer.

Model Explorer draws the graph of a `.pt2` file, and colours its nodes by the data of files that are
loaded beside it. A file maps the graph's name to results by node, with a gradient of colours from
the smallest value to the largest. In a file of `torch.export` the n-th call of a function has the
name of the function, with _n from the second on.

Source: google-ai-edge/model-explorer, node_data_builder.py and
pytorch_exported_program_adater_impl.py.
"""

from __future__ import annotations

import json
from collections import Counter

from glassconv.reports.network import NetworkExplanation

GRAPH = "graph"  # Model Explorer's name of the graph of a .pt2 file
GRADIENT = ({"stop": 0, "bgColor": "#f7f7f7"}, {"stop": 1, "bgColor": "#2a9d8f"})


def node_data(facts: NetworkExplanation) -> str:
    """Return the share of the network's MACs, in percent, of each node that is a convolution."""
    calls: Counter[str] = Counter()
    macs = {each.name: each.macs for each in facts.convolutions}
    results = {}
    for each in facts.operations:
        function = each.function
        node = function if not calls[function] else f"{function}_{calls[function]}"
        calls[function] += 1
        if each.name in macs:
            share = 100 * macs[each.name] / facts.macs if facts.macs else 0.0
            results[node] = {"value": round(share, 3)}
    document = {GRAPH: {"results": results, "gradient": list(GRADIENT)}}
    return json.dumps(document, indent=2)

"""Node data for Model Explorer names the nodes as torch.export does, and follows its format."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from glassconv.explanation.network import explain_network
from glassconv.views.json.model_explorer import node_data
from support.networks import small_network


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (small_network(), [1, 3, 32, 32]),
        (
            nn.Sequential(nn.Conv1d(1, 2, 3), nn.ConvTranspose1d(2, 1, 3), nn.Conv1d(1, 1, 1)),
            [1, 1, 9],
        ),
    ],
)
def test_each_convolution_is_a_node_of_the_exported_graph(
    model: nn.Module, shape: list[int]
) -> None:
    facts = explain_network(model, shape).facts
    document = json.loads(node_data(facts))
    exported = torch.export.export(model.eval(), (torch.zeros(shape),))
    nodes = [
        each.name
        for each in exported.graph.nodes
        if each.op == "call_function" and "conv" in str(each.target)
    ]
    results = document["graph"]["results"]
    assert list(results) == nodes
    assert sum(each["value"] for each in results.values()) == pytest.approx(100, abs=0.01)
    assert [each["stop"] for each in document["graph"]["gradient"]] == [0, 1]

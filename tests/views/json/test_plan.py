"""The JSON of a plan's report: strict JSON with the facts' names, whatever the numbers are."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import torch
from torch import nn

from glassconv.networks.optimize import optimize
from glassconv.networks.report.passes import report_pass
from glassconv.reports.plan import LayerError
from glassconv.views.json.plan import plan_to_json


def test_a_plan_and_a_pass_are_written() -> None:
    x = torch.rand(1, 3, 9, 9)
    fast = optimize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), x)
    report = fast.report(x)
    document = json.loads(plan_to_json(report))
    assert document["version"] == 1
    assert document["steps"][0]["name"] == "0"
    assert document["memory"]["peak"] == report.memory.peak
    assert document["roofline"]["threads"] == report.roofline.threads
    listing = json.loads(plan_to_json(report_pass("net", fast.passes(x), "fuse_epilogue")))
    assert [each["function"] for each in listing["before"]] == ["conv2d", "relu"]
    assert listing["after"][0]["arguments"] == [["activation", "relu"]]
    (step,) = report.steps
    infinite = replace(report, steps=(replace(step, layer=LayerError(inf, 0.0)),))
    assert json.loads(plan_to_json(infinite))["steps"][0]["layer"]["error"] == "inf"

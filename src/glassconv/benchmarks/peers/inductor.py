"""torch.compile with frozen weights, which Inductor folds, packs and lays out."""

from __future__ import annotations

import torch

from glassconv.benchmarks.peers.case import Case
from glassconv.benchmarks.peers.eager import call_of
from glassconv.benchmarks.peers.engine import Call, Engine


def _prepare(case: Case) -> Call:
    import torch._inductor.config as inductor

    inductor.freezing = True
    network, input = case.network(), case.input()
    compiled = torch.compile(network)
    with torch.no_grad():  # it freezes only where no gradient is wanted
        compiled(input)

    return call_of(compiled, input)


ENGINE = Engine("inductor", "torch", _prepare)

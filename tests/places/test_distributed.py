"""Data-parallel training on two processes gives the weights that PyTorch's convolution gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from support.process import Ended, run_python

TRAINING = """
import sys
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
import glassconv

class Network(nn.Module):
    def __init__(self, library):
        super().__init__()
        torch.manual_seed(1)
        self.conv2d = library.conv2d
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)

    def forward(self, images):
        hidden = self.conv2d(images, self.first.weight, self.first.bias, padding=1).relu()
        return self.conv2d(hidden, self.second.weight, self.second.bias, stride=2)

def trained(library, rank):
    "Return the weights after three steps, each rank with images of its own, and an output."
    model = DistributedDataParallel(Network(library))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(rank)
    for _ in range(3):
        images = torch.randn(2, 3, 12, 12, generator=generator)
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        output = model(torch.ones(1, 3, 12, 12))
    return [parameter.detach() for parameter in model.parameters()], output

def work(rank, meeting):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    (ours, output), (theirs, expected) = trained(glassconv, rank), trained(F, rank)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(output, expected)
    everyones = [torch.empty_like(ours[0]) for _ in range(2)]
    dist.all_gather(everyones, ours[0])
    assert torch.equal(*everyones)
    dist.destroy_process_group()

if __name__ == "__main__":
    method = "fork" if "fork" in mp.get_all_start_methods() else "spawn"
    mp.start_processes(work, (sys.argv[1],), nprocs=2, start_method=method)
"""


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="PyTorch has no gloo here",
)
def test_two_ranks_train_to_pytorchs_weights(tmp_path: Path) -> None:
    program = tmp_path / "training.py"
    program.write_text(TRAINING, encoding="utf-8")
    arguments = [str(program), str(tmp_path / "meeting")]
    ended = run_python(
        f"import runpy, sys\nsys.argv = {arguments!r}\n"
        f"runpy.run_path({str(program)!r}, run_name='__main__')"
    )
    assert ended == Ended(0, "", ended.err), ended.err

"""Your own layer on your own picture: `python examples/own_layer.py [PICTURE]`.

Change LAYER and SIZE. The script prints what the layer does to the picture, compares PyTorch's
output with unfold and matmul, and writes two files into the folder `own-layer`: a figure of both
outputs, and a page in which you can step through the layer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

import glassconv
from glassconv.data import photograph
from glassconv.explore.page import page
from glassconv.explore.reports import of_layer

torch.manual_seed(0)
LAYER = nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
SIZE = (64, 64)  # height and width that the picture is scaled to
FOLDER = Path("own-layer")


def main() -> None:
    """Print the facts, then write the figure and the page."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else photograph.CHELSEA
    picture = photograph.read(file, SIZE)
    input = torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1

    report = glassconv.explain(LAYER, input)  # nothing is computed yet
    problem = report.facts.problem
    print(f"{picture.source}\n{LAYER}\n{problem}")
    print(f"output {list(problem.output_shape)}, {problem.macs:,} multiply-adds")
    print(f"the im2col matrix is {problem.gemm.k} × {problem.gemm.n}, "
          f"{problem.expansion:.1f} × the input")  # fmt: skip

    weight, bias = LAYER.weight.detach(), LAYER.bias
    operands = glassconv.Operands(input, weight, None if bias is None else bias.detach())
    outputs = glassconv.same(problem, operands).outputs
    print(f"{outputs.first} and {outputs.second}: {outputs.verdict.reason}")
    print(f"largest difference {outputs.maximum:.1e}, its bound {outputs.bound:.1e}")

    FOLDER.mkdir(exist_ok=True)
    figure = glassconv.figure(
        "comparison", problem, input=input, weight=weight, bias=operands.bias, style="light"
    )
    figure.savefig(FOLDER / "comparison.png")
    exploration = of_layer(LAYER, input)
    explorer = page(exploration.to_json(), str(problem))
    (FOLDER / "explorer.html").write_text(explorer, encoding="utf-8")
    print(f"{FOLDER / 'comparison.png'}\n{FOLDER / 'explorer.html'}")


if __name__ == "__main__":
    main()

"""A network's pages, as the server gives them: the strip, and each convolution's real numbers."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from glassconv.explore import reports
from glassconv.explore.network import NetworkPages
from glassconv.explore.server import Server
from glassconv.explore.tensors import from_document
from glassconv.problem.operands import Operands
from glassconv.problem.shorthand import parse
from support.browsers import check_first_output, drive


class Network(nn.Module):
    """A layer, one without a bias that a function calls, and one that is transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.weight = nn.Parameter(torch.randn(6, 2, 3, 3))
        self.last = nn.ConvTranspose2d(6, 2, 2, stride=2)

    def read_by_second(self, x: Tensor) -> Tensor:
        return torch.relu(self.first(x))

    def read_by_last(self, x: Tensor) -> Tensor:
        return torch.tanh(nn.functional.conv2d(self.read_by_second(x), self.weight, groups=2))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.last(self.read_by_last(x))
        return output


NETWORK = Network().eval()
IMAGE = torch.rand(1, 3, 12, 12)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(NetworkPages(NETWORK, IMAGE, "<the network>", "cat.png")) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server: Server, place: str = "") -> str:
    with urllib.request.urlopen(server.address + place, timeout=30) as response:
        text: str = response.read().decode()
    return text


def report_of(page: str) -> dict[str, Any]:
    found = re.search(r'id="report">(.*?)</script>', page)
    assert found, page
    report: dict[str, Any] = json.loads(found[1])
    return report


def check(report: dict[str, Any], name: str, expected: Tensor) -> None:
    np.testing.assert_array_equal(from_document(report[name], name), expected.detach().numpy())


def test_the_strip_and_the_list_link_to_each_convolution(server: Server) -> None:
    index = get(server)
    assert re.findall(r'href="(\w+)"', index) == ["1", "2", "3"] * 2
    assert re.findall(r">([^<]*)</a>:", index) == ["first", "conv2d", "last"]
    assert "&lt;the network&gt;" in index
    assert "<the network>" not in index
    assert "cat.png" in index
    assert "<script" not in index


def test_the_pages_hold_the_networks_own_numbers(server: Server) -> None:
    x, parameters = IMAGE, NETWORK.state_dict()
    layers = [
        (x, NETWORK.first.weight, NETWORK.first(x)),
        (
            NETWORK.read_by_second(x),
            NETWORK.weight,
            nn.functional.conv2d(NETWORK.read_by_second(x), NETWORK.weight, groups=2),
        ),
        (NETWORK.read_by_last(x), NETWORK.last.weight, NETWORK(x)),
    ]
    found = [report_of(get(server, str(place))) for place in (1, 2, 3)]
    for report, (input, weight, output) in zip(found, layers, strict=True):
        check(report, "input", input)
        check(report, "weight", weight)
        check(report, "output", output)
    check(found[0], "bias", parameters["first.bias"])
    assert "bias" not in found[1]
    check(found[2], "bias", parameters["last.bias"])
    assert found[1]["source"] == "conv2d of <the network>, on cat.png"


@pytest.mark.parametrize("place", ["0", "4", "01", "1/", "x", "message"])
def test_there_is_nothing_else(server: Server, place: str) -> None:
    with pytest.raises(HTTPError) as refused:
        get(server, place)
    assert refused.value.code == 404


def test_a_page_asks_python_where_its_server_listens(server: Server, tmp_path: Path) -> None:
    page = report_of(get(server, "1"))
    seen = drive("open.mjs", server.address + "1", tmp_path / "layer.png")
    assert seen["messages"] == []
    weight, bias = (NETWORK.state_dict()[f"first.{name}"] for name in ("weight", "bias"))
    check_first_output(seen["text"], parse(page["problem"]), Operands(IMAGE, weight, bias))


def test_of_a_batch_the_first_image_is_shown() -> None:
    images = torch.rand(2, 3, 12, 12)
    report = report_of(NetworkPages(NETWORK, images, "net", "")["/1"])
    check(report, "input", images[:1])
    assert report["problem"].startswith("1x3x12x12 ")
    assert report["source"] == "first of net, on random numbers"


def test_what_the_explorer_does_not_draw_has_a_page_that_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    volumes = NetworkPages(nn.Conv3d(1, 1, 2), torch.zeros(1, 1, 4, 4, 4), "volumes", "")
    assert "two spatial axes, not of three" in volumes["/1"]
    assert 'href="1"' in volumes["/"]
    halves = nn.Conv2d(1, 1, 2).to(torch.bfloat16)
    given = torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16)
    assert "not in bfloat16" in NetworkPages(halves, given, "halves", "")["/1"]
    monkeypatch.setattr(reports, "MOST_GIVEN_BYTES", 1_000)
    assert "a page holds up to" in NetworkPages(NETWORK, IMAGE, "large", "")["/1"]

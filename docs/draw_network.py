"""Draw the network strip of the documentation: `python docs/draw_network.py`. Needs torchvision."""

from __future__ import annotations

from pathlib import Path

from glassconv.explanation.network import explain_network
from glassconv.networks.load import load
from glassconv.views.html.network_strip import strip

NETWORK = "torchvision:resnet18"
PICTURE = Path(__file__).parent / "images" / "network-strip.svg"

if __name__ == "__main__":
    facts = explain_network(load(NETWORK), [1, 3, 224, 224], NETWORK).facts
    PICTURE.write_text(strip(facts, {}) + "\n", encoding="utf-8")

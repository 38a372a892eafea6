"""`glassconv.show` gives a notebook a widget, a page for when there is no kernel, and answers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

import glassconv
from glassconv.errors import ArgumentError, MissingExtraError
from glassconv.explore.page import bundle, cell
from glassconv.explore.reports import of_layer

LAYER = nn.Conv2d(3, 2, 3)
INPUT = torch.ones(1, 3, 6, 6)


def test_the_widget_holds_the_report_and_the_bundle() -> None:
    shown = glassconv.show(LAYER, INPUT)
    state = shown.get_state()
    assert state["report"] == json.loads(of_layer(LAYER, INPUT).to_json())
    assert "guide" not in state["report"]  # a notebook's reader asked for this layer
    assert state["_esm"] == bundle()
    assert state["remote"] is True


def test_a_cell_holds_the_widget_and_the_page() -> None:
    shown = glassconv.show(LAYER, INPUT)
    bundled = shown._repr_mimebundle_()
    assert bundled is not None
    data, _ = bundled
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == shown.model_id
    report = of_layer(LAYER, INPUT).to_json()
    assert data["text/html"] == cell(report, "glassconv · 1x3x6x6 2@3x3 s1 p0")
    assert "text/plain" in data


def test_the_kernel_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = glassconv.show(LAYER, INPUT)
    sent: list[Any] = []
    monkeypatch.setattr(shown, "send", sent.append)
    report = json.loads(of_layer(LAYER, INPUT).to_json())
    shown._handle_custom_msg({"type": "convolve", "id": 2, **report}, [])
    (answered,) = sent
    assert answered["id"] == 2
    assert answered["output"] == report["output"]


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^show\(Conv2d\(3, 2.*empty batch"):
        glassconv.show(LAYER, [0, 3, 6, 6])


def test_without_anywidget_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "glassconv.explore.widget", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'glassconv\[notebook\]'"):
        glassconv.show(LAYER, INPUT)


def test_import_glassconv_loads_neither_the_widget_nor_the_server() -> None:
    program = "import sys, glassconv; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "glassconv.explore.show" in loaded
    unwanted = ["anywidget", "ipywidgets", "http.server", "glassconv.explore.reports"]
    assert [name for name in unwanted if name in loaded] == []

"""The explorer as a widget: anywidget carries it, the kernel answers what it asks."""

from __future__ import annotations

import json
from typing import Any

import traitlets
from anywidget import AnyWidget

from glassconv.explore.answers import answer
from glassconv.explore.page import bundle, cell
from glassconv.explore.reports import Exploration


class Explorer(AnyWidget):
    """The explorer on one convolution, for a notebook to display."""

    _esm = bundle()
    report = traitlets.Dict().tag(sync=True)
    remote = traitlets.Bool(True).tag(sync=True)

    def __init__(self, exploration: Exploration) -> None:
        self._exploration = exploration
        super().__init__(report=json.loads(exploration.to_json()))
        self.on_msg(self._answer)

    def _answer(self, _widget: object, message: object, _buffers: object) -> None:
        self.send(answer(message))

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the widget, and for where there is no kernel to talk to, the page in a frame."""
        shown = super()._repr_mimebundle_(**options)
        if shown is None:
            return None
        data, metadata = shown
        html = cell(self._exploration.to_json(), f"glassconv · {self._exploration.problem}")
        return {**data, "text/html": html}, metadata

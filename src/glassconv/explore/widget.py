"""The explorer as a widget: anywidget carries it, the kernel answers what it asks."""

from __future__ import annotations

import json
from typing import Any

import traitlets
from anywidget import AnyWidget
from IPython import get_ipython

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
        if not _is_watched():
            return {"text/plain": data["text/plain"], "text/html": html}, metadata
        return {**data, "text/html": html}, metadata


def _is_watched() -> bool:
    """Return whether a person may be at the notebook: whether its client can answer a question.

    nbconvert and nbclient, which run a notebook to export it, say that they cannot. They would save
    the widget, which a page shows only with scripts from elsewhere.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    request = kernel.get_parent("shell") if kernel is not None else {}
    return bool(request.get("content", {}).get("allow_stdin", True))

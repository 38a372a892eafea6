"""How the receptive field grows through a stack of layers, around one output of the last."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import prod

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from glassconv.problem.axis import PADDING
from glassconv.problem.receptive_field import Layer, ReceptiveField, paths, receptive_fields
from glassconv.problem.stack import Stack
from glassconv.reports.array import Array
from glassconv.views.figures import pipeline, style
from glassconv.views.figures.theme import Theme

LEFT, TOP = 0.75, 1.85  # inches, as all lengths here
SIDE = 4.2  # the longer side of the image
GAP = 0.6
WIDTH = 11.0  # of the rows of a sequence
CELL, ROW = 0.36, 0.86  # of a sequence: the widest cell, and from one layer to the next
LABEL = 2.3  # the width of a layer's name beside its row
LINE = 0.3  # of the table
COLUMNS = (0.0, 0.3, 3.0, 4.9, 6.6, 8.2, 10.2)  # of the table: swatch, layer, output, field, …
HEADINGS = ("", "layer", "output", "receptive field", "jump", "centre", "share of the input")
TABLE = 12.2  # its width
DIM = 0.42  # brightness of the image outside the receptive field
CHARACTER = 0.095  # width in the subtitle


def draw(stack: Stack, photograph: Array | None, source: str, theme: Theme) -> Figure:
    """Draw the field of the output in the middle behind each layer, and a table of all fields.

    photograph: [height, width, 3], uint8, of the stack's input size; None for a sequence. source:
    its origin.
    """
    output = tuple(size // 2 for size in stack.layers[-1].output_shape[2:])
    fields = receptive_fields(stack.windows)
    centre = fields[-1].centre_of(output)
    if photograph is None:
        tall = len(stack.layers) * ROW + CELL
    else:
        height, width = photograph.shape[:2]
        tall = SIDE * height / max(height, width)
    table_top = TOP + tall + 0.5
    bottom = table_top + LINE * (len(fields) + 1)
    subtitle = _subtitle(stack)
    figure = style.new_figure(
        LEFT + max(TABLE, len(subtitle) * CHARACTER) + 0.5, bottom + 0.85, theme
    )
    spans = " × ".join(map(str, fields[-1].size))
    unit = "elements" if photograph is None else "pixels"
    title = f"After {_layers(len(fields))}, one output sees {spans} {unit} of the input"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)
    if photograph is None:
        _draw_rows(figure, stack, fields, output[0], theme)
    else:
        _draw_image(figure, stack, fields, output, photograph, theme)
    _draw_table(figure, table_top, stack, fields, centre, theme)
    notes = [
        "jump: positions from one output's field to the next one's, also called cumulative stride. "
        f"centre: of the field around output {_list(output)} of the last layer",
        f"The image: {source}, scaled to {' × '.join(map(str, stack.input_shape[2:]))}."
        if source
        else "",
    ]
    for line, note in enumerate(filter(None, notes)):
        style.write(figure, LEFT, bottom + 0.2 + 0.24 * line, note, theme, color=theme.muted,
                    fontsize=9)  # fmt: skip
    return figure


def _subtitle(stack: Stack) -> str:
    size, *_ = stack.text.split(" ", 1)
    return " → ".join([size, *(layer.text for layer in stack.layers)])


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count > 1)}"


def _colour(place: int, count: int, theme: Theme) -> str | tuple[float, ...]:
    """Return a layer's colour: the last is the accent."""
    if place == count - 1:
        return theme.accent
    share = 0.45 + 0.5 * place / max(count - 2, 1)
    red, green, blue, _ = theme.sequential_map(share)
    return (red, green, blue)


def _nearest(
    field: ReceptiveField, size: tuple[int, ...], centre: tuple[Fraction, ...]
) -> list[int]:
    """Return the output of a layer whose field is centred nearest to a position of the input."""
    return [
        int(min(max(round((at - first) / jump), 0), count - 1))
        for at, first, jump, count in zip(centre, field.centre, field.jump, size, strict=True)
    ]


def _draw_image(
    figure: Figure,
    stack: Stack,
    fields: tuple[ReceptiveField, ...],
    output: tuple[int, ...],
    photograph: Array,
    theme: Theme,
) -> None:
    """Draw the fields on an image, and over how many paths the last output reads each pixel."""
    height, width = photograph.shape[:2]
    wide, high = (SIDE * size / max(height, width) for size in (width, height))
    counted = np.multiply.outer(*paths(stack.windows, output))
    ground = np.array(to_rgb(theme.background))
    light = photograph / 255
    lit = np.where((counted > 0)[..., None], light, ground + DIM * (light - ground))
    note = "the field behind each layer; bright: read by the last"
    pipeline.head(figure, LEFT, TOP, "input", note, theme)
    axes = style.add_axes(figure, LEFT, TOP, wide, high)
    axes.imshow(lit, interpolation="nearest", aspect="auto")
    _outline_fields(axes, stack, fields, output, theme)

    left = LEFT + max(wide, 4.0) + GAP
    most = counted.max()
    much = f"{most:,.0f}" if most < 1e6 else f"{most:.1e}"
    note = f"through the taps of all layers: up to {much}"
    pipeline.head(figure, left, TOP, "paths from a pixel to the output", note, theme)
    axes = style.add_axes(figure, left, TOP, wide, high)
    axes.imshow(counted, cmap=theme.sequential_map, vmin=0, aspect="auto", interpolation="nearest")
    _outline_fields(axes, stack, fields, output, theme, only_last=True)


def _outline_fields(
    axes: Axes,
    stack: Stack,
    fields: tuple[ReceptiveField, ...],
    output: tuple[int, ...],
    theme: Theme,
    only_last: bool = False,
) -> None:
    """Outline the field behind each layer around the last output's centre."""
    centre = fields[-1].centre_of(output)
    limits = axes.get_xlim(), axes.get_ylim()
    halo = [withStroke(linewidth=4, foreground=theme.background)]
    for place in reversed(range(len(fields))):
        field, size = fields[place], stack.layers[place].output_shape[2:]
        last = place == len(fields) - 1
        if only_last and not last:
            return
        if place and fields[place].size == fields[place - 1].size:
            continue  # an activation
        row, column = field.centre_of(_nearest(field, size, centre))
        high, wide = field.size
        axes.add_patch(
            Rectangle(
                (float(column) - wide / 2, float(row) - high / 2),
                wide,
                high,
                fill=False,
                edgecolor=_colour(place, len(fields), theme),
                linewidth=2.4 if last else 1.8,
                zorder=5,
                path_effects=halo,
            )
        )
    axes.set(xlim=limits[0], ylim=limits[1])


def _draw_rows(
    figure: Figure, stack: Stack, fields: tuple[ReceptiveField, ...], output: int, theme: Theme
) -> None:
    """Draw a sequence: a row of cells per layer, the input last, each cell above its centre."""
    sizes = [stack.input_shape[2], *(layer.output_shape[2] for layer in stack.layers)]
    starts = [Fraction(0), *(field.centre[0] for field in fields)]
    jumps = [Fraction(1), *(field.jump[0] for field in fields)]
    ends = [start + (n - 1) * jump for start, n, jump in zip(starts, sizes, jumps, strict=True)]
    first, last = float(min(starts)), float(max(ends))
    cell = min(CELL, (WIDTH - LABEL) / (last - first + 1))
    tall = len(stack.layers) * ROW + CELL
    axes = style.add_axes(figure, LEFT + LABEL, TOP, (last - first + 1) * cell, tall)
    axes.set(xlim=(first - 0.5, last + 0.5), ylim=(tall, 0))
    layers = stack.windows
    read = [np.eye(sizes[-1])[output]]
    for place in reversed(range(len(layers))):
        read.insert(0, paths(layers[place:], [output])[0])
    for place, (size, start, jump) in enumerate(zip(sizes, starts, jumps, strict=True)):
        top = (len(layers) - place) * ROW
        name = stack.layers[place - 1].text if place else "input"
        colour = _colour(place - 1, len(layers), theme) if place else theme.ink
        style.write(figure, LEFT, TOP + top + CELL / 2, name, theme, va="center", fontsize=11,
                    color=colour)  # fmt: skip
        wide = min(float(jump), 1.0)
        for index in range(size):
            at = float(start + index * jump)
            lit = read[place][index] > 0
            axes.add_patch(
                Rectangle(
                    (at - 0.44 * wide, top),
                    0.88 * wide,
                    CELL,
                    linewidth=0,
                    zorder=3,
                    facecolor=colour if lit else theme.panel,
                )
            )
    for place, (below, above) in enumerate(pairwise(range(len(sizes)))):
        top = (len(layers) - above) * ROW
        for source, target in _taps(layers[place]):
            if read[above][target] and read[below][source]:
                ends_at = (float(starts[above] + target * jumps[above]),
                           float(starts[below] + source * jumps[below]))  # fmt: skip
                axes.plot(ends_at, (top + CELL, top + ROW), linewidth=1.0, zorder=2,
                          color=_colour(place, len(layers), theme), alpha=0.8)  # fmt: skip


def _taps(layer: Layer) -> list[tuple[int, int]]:
    """Return the (input, output) positions that a layer's taps connect along its first axis."""
    (axis,) = layer.axes
    taps = axis.tap_map()
    pairs = [(int(taps[o, k]), int(o)) for o, k in np.argwhere(taps != PADDING)]
    return [(o, i) for i, o in pairs] if layer.transposed else pairs


def _draw_table(
    figure: Figure,
    top: float,
    stack: Stack,
    fields: tuple[ReceptiveField, ...],
    centre: tuple[Fraction, ...],
    theme: Theme,
) -> None:
    """Write a line per layer: its output, field, jump and centre."""
    total = prod(stack.input_shape[2:])
    rows = []
    for layer, field in zip(stack.layers, fields, strict=True):
        size = layer.output_shape[2:]
        middle = field.centre_of(_nearest(field, size, centre))
        share = min(1.0, prod(field.size) / total)
        rows.append(
            (
                layer.text,
                " × ".join(map(str, layer.output_shape[1:])),
                " × ".join(map(str, field.size)),
                _once(field.jump),
                ", ".join(f"{float(at):.4g}" for at in middle),
                "all of it" if share == 1 else f"{share:.2%}" if share < 0.1 else f"{share:.0%}",
            )
        )
    for column, text in zip(COLUMNS, HEADINGS, strict=True):
        if text:
            style.write(figure, LEFT + column, top, text, theme, fontsize=9.5, color=theme.muted)
    for line, row in enumerate(rows):
        at = top + LINE * (line + 1)
        colour = _colour(line, len(rows), theme)
        axes = style.add_axes(figure, LEFT, at - 0.01, 0.17, 0.17)
        axes.add_patch(Rectangle((0, 0), 1, 1, facecolor=colour, linewidth=0))
        for column, text in zip(COLUMNS[1:], row, strict=True):
            style.write(figure, LEFT + column, at, text, theme, fontsize=11, family=style.MONO)


def _once(jumps: tuple[Fraction, ...]) -> str:
    return str(jumps[0]) if len(set(jumps)) == 1 else " × ".join(map(str, jumps))


def _list(values: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, values))})" if len(values) > 1 else str(values[0])

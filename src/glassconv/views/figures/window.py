"""One output and what it reads: its window in each channel, the kernel, and the sum."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glassconv.problem import ConvProblem
from glassconv.reports.array import Array
from glassconv.reports.trace import Trace
from glassconv.views.figures import padding, pipeline, planes, style
from glassconv.views.figures.subject import Subject
from glassconv.views.figures.theme import Theme
from glassconv.views.notation import added, number, products

LEFT, TOP = 0.75, 2.0  # inches, as all lengths here
GAP = 0.7  # between two planes, with the operator
BELOW = 0.42  # between two channels, with the lower one's name
LINE = 0.28  # from one line of the legend to the next
NARROWEST = 8.5
MOST_TERMS = 9  # of a channel's sum that are written out
MOST_CHANNELS = 4  # planes that are drawn below each other
MOST_ROWS = 24  # of all these planes together

Chosen = tuple[int, int, int]  # (filter, row, column) in the output


@dataclass(frozen=True)
class Column:
    """Planes [rows, columns] that are drawn below each other, with a name and a note."""

    name: str
    note: str
    planes: list[Array]
    cell: float

    @property
    def size(self) -> tuple[float, float]:
        """Return its width and height."""
        rows, columns = self.planes[0].shape
        count = len(self.planes)
        return columns * self.cell, count * rows * self.cell + (count - 1) * BELOW

    @property
    def width(self) -> float:
        """Return its width with its heading."""
        return max(self.size[0], pipeline.width_of_head(self.name, self.note))


def draw(trace: Trace, chosen: Chosen, subject: Subject, theme: Theme) -> Figure:
    """Draw what one output reads, from a trace of im2col: the channels of image 0.

    Of many channels or large planes, only the first channel is drawn.
    """
    problem, (filter, row, column) = trace.problem, chosen
    channels = _drawn_channels(problem, filter)
    columns = _columns(trace, chosen, channels, subject)
    lefts = [LEFT]
    for each in columns[:-1]:
        lefts.append(lefts[-1] + each.width + GAP)
    highest = max(each.size[1] for each in columns)
    legend = _legend(problem, chosen, subject)
    total, *sums = _sum(trace, chosen, channels, subject)
    subtitle = _say_drawn(problem, filter, channels, subject)
    widths = [
        lefts[-1] + columns[-1].width - LEFT,
        style.width_of(subtitle, 11),
        style.width_of(total, 14, mono=True),
        *(style.width_of(line, 10.5, mono=True) for line in sums),
        *(style.width_of(line, 10) for line in legend),
        NARROWEST,
    ]
    under = TOP + highest + 0.3
    height = under + LINE * len(legend) + 0.72 + 0.26 * len(sums) + 0.4
    figure = style.new_figure(LEFT + max(widths) + 0.6, height, theme)
    title = "One output reads one window"
    style.write(figure, LEFT, 0.34, title, theme, fontsize=18, weight="bold")
    style.write(figure, LEFT, 0.8, subtitle, theme, color=theme.muted)

    middle, maps = TOP + highest / 2, []
    for left, each in zip(lefts, columns, strict=True):
        maps.append(_draw_column(figure, left, middle, each, problem, channels, theme))
    for left, each, end, sign in zip(lefts, columns, lefts[1:], "∗=", strict=False):
        place = (left + each.size[0] + end) / 2
        pipeline.operator(figure, (place, middle), sign, theme)

    sources, kernels, (output,) = maps
    for source in sources:
        padding.hatch(source, columns[0].planes[0].shape, problem.padding, theme)
        planes.dim(source, planes.unread(problem), theme)
        _outline_next(source, problem, chosen, theme)
        planes.outline_window(source, problem, (row, column), columns[0].cell, theme)
    high, wide = problem.kernel_size
    for kernel in kernels:
        style.outline(kernel, 0, 0, high, wide, theme, 2.4)
    style.outline(output, row, column, 1, 1, theme, 2.4)
    if subject.is_transposed:
        _outline_scatter(sources[0], output, problem, chosen, subject, theme)
    _write_under(figure, under, legend, total, sums, theme)
    return figure


def channels_of(problem: ConvProblem, filter: int) -> range:
    """Return the input channels that a filter reads: those of its group."""
    first = filter // problem.gemm.m * problem.weight_shape[1]
    return range(first, first + problem.weight_shape[1])


def _drawn_channels(problem: ConvProblem, filter: int) -> range:
    """Return the channels that are drawn: all that the filter reads, or the first of them."""
    channels = channels_of(problem, filter)
    rows = max(problem.axes[0].padded_size, problem.kernel_size[0])
    if len(channels) > MOST_CHANNELS or len(channels) * rows > MOST_ROWS:
        return channels[:1]
    return channels


def _columns(trace: Trace, chosen: Chosen, channels: range, subject: Subject) -> list[Column]:
    """Return input, kernel and output as they are drawn."""
    problem, filter = trace.problem, chosen[0]
    first = channels_of(problem, filter)[0]
    sources = [planes.padded(problem, trace.input[0, channel]) for channel in channels]
    kernels = [trace.weight[filter, channel - first] for channel in channels]
    output = trace.output[0, filter]
    image = "image 0, " if problem.batch > 1 else ""
    padded = " with its padding" if problem.is_padded else ""
    names = (subject.input_name, subject.kernel_name, "output")
    one = f", channel {channels[0]}" if problem.weight_shape[1] > 1 else ""
    notes = (
        f"{image}{subject.by(sources[0].shape)}{padded}{one}",
        f"{subject.by(problem.kernel_size)}{one}",
        subject.by(output.shape),
    )
    return [
        Column(name, note, each, planes.cell_size(each[0].shape))
        for name, note, each in zip(names, notes, (sources, kernels, [output]), strict=True)
    ]


def _draw_column(
    figure: Figure,
    left: float,
    middle: float,
    column: Column,
    problem: ConvProblem,
    channels: range,
    theme: Theme,
) -> list[Axes]:
    """Draw the planes of a column; return their axes. Channels are named in their group's colour.

    middle: the height of its middle.
    """
    top = middle - column.size[1] / 2
    pipeline.head(figure, left, top, column.name, column.note, theme)
    norm = style.centred_on_zero(*column.planes)
    high = column.planes[0].shape[0] * column.cell
    drawn = []
    for place, plane in enumerate(column.planes):
        at = top + place * (high + BELOW)
        drawn.append(planes.draw(figure, left, at, plane, norm, theme, column.cell))
        if column.name == "output":
            continue
        channel = channels[place]
        group = channel // problem.weight_shape[1]
        colour = style.group_colour(group) if problem.groups > 1 else theme.muted
        if problem.groups > 1:
            bar = style.add_axes(figure, left - 0.16, at, 0.08, high)
            bar.set_axis_on()
            bar.set_facecolor(colour)
            bar.set(xticks=[], yticks=[])
        if place:
            style.write(figure, left, at - 0.05, f"channel {channel}", theme, color=colour,
                        fontsize=9.5, va="bottom")  # fmt: skip
    return drawn


def _say_drawn(problem: ConvProblem, filter: int, channels: range, subject: Subject) -> str:
    """Return the number of window positions, and which channels and filter are drawn."""
    text = f"{subject}: the window has {subject.by(problem.output_size)} positions"
    read = channels_of(problem, filter)
    group = f", those of group {filter // problem.gemm.m}" if problem.groups > 1 else ""
    if len(read) > 1:
        which = f"channels {read[0]}–{read[-1]} of {problem.in_channels}{group}"
        drawn = f", drawn: {read[0]}" if len(channels) < len(read) else ""
        return f"{text}; filter {filter} reads {which}{drawn}"
    if problem.in_channels > 1:
        which = f"channel {read[0]} of {problem.in_channels}"
        return f"{text}; filter {filter} reads {which}{group.replace('those', 'that')}"
    if problem.out_channels > 1:
        return f"{text}; drawn: filter {filter} of {problem.out_channels}"
    return text


def _outline_next(axes: Axes, problem: ConvProblem, chosen: Chosen, theme: Theme) -> None:
    """Outline the window of the next output in the row with a thin line."""
    _, row, column = chosen
    if column + 1 < problem.output_size[1]:
        rows, columns = planes.window(problem, (row, column + 1))
        high, wide = (axis.extent for axis in problem.axes)
        style.outline(axes, rows[0], columns[0], high, wide, theme, 0.9)


def _outline_scatter(
    source: Axes,
    output: Axes,
    problem: ConvProblem,
    chosen: Chosen,
    subject: Subject,
    theme: Theme,
) -> None:
    """Outline an input of the window and the outputs that it is added to with dashed lines."""
    strides = (1, *subject.problem.stride)[-2:]
    places, outputs = [], []
    for axis, at, stride in zip(problem.axes, chosen[1:], strides, strict=True):
        inputs = range(axis.padding[0], axis.padding[0] + axis.input_size, stride)
        middle = at + (axis.extent - 1) / 2
        place = min(inputs, key=lambda input: abs(input - middle))
        reached = [place - tap * axis.dilation for tap in reversed(range(axis.kernel_size))]
        places.append(place)
        outputs.append([each for each in reached if 0 <= each < axis.output_size])
    _dash(source, (places[0], places[1]), (1, 1), theme)
    rows, columns = outputs
    if set(problem.dilation) == {1}:
        _dash(output, (rows[0], columns[0]), (len(rows), len(columns)), theme)
        return
    for cell in product(rows, columns):
        _dash(output, cell, (1, 1), theme)


def _dash(axes: Axes, cell: tuple[int, int], size: tuple[int, int], theme: Theme) -> None:
    """Outline a block of (rows, columns) cells with a dashed line."""
    (row, column), (high, wide) = cell, size
    axes.add_patch(
        Rectangle((column - 0.5, row - 0.5), wide, high, fill=False, edgecolor=theme.ink,
                  linestyle=(0, (3, 2)), linewidth=1.6, clip_on=False, zorder=6)
    )  # fmt: skip


def _legend(problem: ConvProblem, chosen: Chosen, subject: Subject) -> list[str]:
    """Return the lines of the legend, the window's first."""
    lines = [f"bold: the window of {subject.element(chosen[0], chosen[1:])}"]
    if set(problem.dilation) != {1}:
        lines[0] += ", of which only the marked pixels are read"
    if chosen[2] + 1 < problem.output_size[1]:
        lines.append(f"thin: the window of the next output, {problem.stride[1]} to the right")
    unread = planes.say_unread(problem)
    lines += [f"dimmed: {unread}"] if unread else []
    if subject.is_transposed:
        lines.append(
            "dashed: an input and the outputs it is added to, each time multiplied by a weight of "
            "the kernel that is not flipped"
        )
    return lines


def _sum(trace: Trace, chosen: Chosen, channels: range, subject: Subject) -> list[str]:
    """Return the output as a sum, the products of each drawn channel, and a note about them."""
    problem, (filter, row, column) = trace.problem, chosen
    k, read = problem.taps_per_output, problem.weight_shape[1]
    group, position = filter // problem.gemm.m, row * problem.output_size[1] + column
    columns = trace["columns"][0, group * k : (group + 1) * k, position]
    pixels, weights = columns.reshape(read, -1), trace.weight[filter].reshape(read, -1)
    sums = [float(each) for each in (pixels * weights).sum(axis=1)]
    bias = [] if trace.bias is None else [float(trace.bias[filter])]
    terms = sums if len(channels) == read else [sum(sums)]
    value = number(float(trace.output[0, filter, row, column]))
    name = subject.element(filter, chosen[1:])
    symbols = "Σ x·w + bias" if bias else "Σ x·w"
    middle = [added([*terms, *bias])] if len(terms) + len(bias) > 1 else []
    lines = [" = ".join([name, symbols, *middle, value])]
    taps = min(pixels.shape[1], MOST_TERMS)
    for place, channel in enumerate(channels):
        more = " + …" if pixels.shape[1] > taps else ""
        text = products(pixels[place, :taps], weights[place, :taps]) + more
        start = f"channel {channel}: " if read > 1 else ""
        lines.append(f"{start}Σ x·w = {text} = {number(sums[place])}")
    count = f"{k} product{'s' if k > 1 else ''}: a pixel times a weight for each tap"
    if read > 1:
        count += f" and each of {read} channels"
    written = len(channels) * taps
    lines.append(count + (f"; {written} are written out" if k > written else ""))
    return lines


def _write_under(
    figure: Figure, top: float, legend: list[str], total: str, sums: list[str], theme: Theme
) -> None:
    for place, line in enumerate(legend):
        colour = theme.muted if place else theme.accent
        style.write(figure, LEFT, top + place * LINE, line, theme, color=colour, fontsize=10)
    top += LINE * len(legend) + 0.24
    style.write(figure, LEFT, top, total, theme, color=theme.accent, fontsize=14, family=style.MONO)
    *products_, note = sums
    for place, line in enumerate(products_):
        at = top + 0.42 + 0.26 * place
        style.write(figure, LEFT, at, line, theme, fontsize=10.5, family=style.MONO)
    at = top + 0.46 + 0.26 * len(products_)
    style.write(figure, LEFT, at, note, theme, color=theme.muted, fontsize=9.5)

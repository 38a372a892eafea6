"""A kernel in the terminal: its loops, its register tile, its bytes, its speed and the limits."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from glassconv.reports.kernel import Factor, HotLoop, KernelReport
from glassconv.views.notation import duration, number_of, size
from glassconv.views.terminal.parts import mark, pairs, section

WIDE, NARROW = 9, 7  # columns of a cell of the tile
FEW = 4  # columns of a tile that leaves room for text beside it
BAR = 28  # columns of the longest bar
MOST_LISTED = 12  # registers of a line
FEWER = 1.1  # times fewer multiplications; less than that is skipped padding


def kernel_report(report: KernelReport) -> RenderableType:
    """Return the report about a kernel, 80 columns wide."""
    return Group(
        Text(str(report.problem), "bold"),
        Text(f"{report.algorithm}, compiled for {report.target}, {report.layout}: {report.idea}"),
        "",
        *_sections(report),
    )


def _sections(report: KernelReport) -> Iterator[RenderableType]:
    parts = (
        ("The loops", Group(*_loops(report))),
        ("The register tile", Group(*_tile(report))),
        ("The bytes", Group(*_bytes(report))),
        ("The roofline", Group(*_roofline(report))),
    )
    for place, (title, body) in enumerate(parts, start=1):
        yield from section(place, title, body)


def _loops(report: KernelReport) -> Iterator[RenderableType]:
    for line in report.loops:
        yield Text(line)
    if report.loops:
        yield ""
    blocking = ", ".join(f"{name} {number:,}" for name, number in report.blocking)
    share = number_of(report.threads, "thread") + (", one by one" if report.threads > 1 else "")
    tasks = f"{number_of(report.tasks, 'task')}, taken by {share}"
    yield pairs(("blocking", blocking), ("tasks", tasks))


# -- the tile ---------------------------------------------------------------------------------


def _tile(report: KernelReport) -> Iterator[RenderableType]:
    hot = report.hot
    if hot.cells:
        yield from _drawn(hot, report.lanes, report.problem.widened().dtype)
    elif not hot.products:
        yield Text("its assembly has no multiply-adds")
        return
    else:
        yield Text(f"{hot.products} fused multiply-adds to {len(hot.totals)} accumulators in")
        for start in range(0, len(hot.totals), MOST_LISTED):
            yield Text(f"  {' '.join(hot.totals[start : start + MOST_LISTED])}")
    yield ""
    per_byte = 2 * hot.products * report.lanes / hot.loaded_bytes if hot.loaded_bytes else 0
    spilled = ", ".join(f"{count} in {name}" for name, count in report.spills)
    yield pairs(
        ("function", hot.function),
        ("iteration", f"{hot.instructions} instructions: "
                      f"{number_of(hot.products, 'multiply-add')}, "
                      f"{number_of(hot.loads, 'load')}, {number_of(hot.others, 'other')}"),
        ("", f"{hot.products * report.lanes} products for {hot.loaded_bytes} bytes loaded: "
             f"{per_byte:.3g} FLOPs per byte"),
        ("registers", f"{hot.registers} of {report.target_registers} vector registers, "
                      "in this loop"),
        ("spills", f"{spilled}: values stored to memory for want of a register" if spilled
                   else "none: no function spills a vector register"),
    )  # fmt: skip


def _drawn(hot: HotLoop, lanes: int, dtype: str) -> Iterator[Text]:
    """Yield a table: its cells are accumulators, its rows and columns the registers multiplied."""
    cell = WIDE if len(hot.columns) <= FEW else NARROW
    names = [row.register for row in hot.rows]
    indent = max(map(len, names)) + 3
    margin, line = " " * indent, "┬".join("─" * cell for _ in hot.columns)
    legend = (f"down: {_kinds(hot.rows)}", f"cells: {len(hot.totals)} accumulators,",
              "each one chain of", "fused multiply-adds")  # fmt: skip
    beside = legend if len(hot.columns) <= FEW and len(names) >= len(legend) else ()
    yield Text(f"{margin} {_kinds(hot.columns)}, {lanes} {dtype} each", "dim")
    yield Text(f"{margin} {' '.join(each.register.center(cell) for each in hot.columns)}")
    yield Text(f"{margin}┌{line}┐", "dim")
    for number, (name, cells) in enumerate(zip(names, hot.cells, strict=True)):
        drawn = Text(f"{name:>{indent - 3}} × ")
        for total in cells:
            drawn.append("│", "dim")
            drawn.append(total.center(cell), "green" if total else "dim")
        drawn.append("│", "dim")
        if number < len(beside):
            drawn.append(f"  {beside[number]}", "dim")
        yield drawn
    yield Text(f"{margin}└{line.replace('┬', '┴')}┘", "dim")
    if not beside:
        yield Text(f"{margin} {legend[0]}; {legend[1]}", "dim")
        yield Text(f"{margin} {legend[2]} {legend[3]}", "dim")


def _kinds(factors: tuple[Factor, ...]) -> str:
    """Return how many factors of each kind there are.

    >>> _kinds((Factor("ymm1", "vector"), Factor("ymm2", "vector")))
    '2 vectors loaded'
    """
    words = {
        "vector": ("vector loaded", "vectors loaded"),
        "broadcast": ("element broadcast", "elements broadcast"),
        "before": ("vector kept", "vectors kept"),
        "other": ("vector computed", "vectors computed"),
    }
    counts = {kind: sum(each.kind == kind for each in factors) for kind in words}
    return ", ".join(f"{n} {words[kind][n > 1]}" for kind, n in counts.items() if n)


# -- bytes ------------------------------------------------------------------------------------


def _bytes(report: KernelReport) -> Iterator[RenderableType]:
    problem, hot = report.problem, report.hot
    sizes = dict(report.caches)
    rows = []
    for array in report.arrays:
        where = f"fits {array.cache}" if array.cache else f"larger than {report.caches[-1][0]}"
        if array.name == "buffer" and report.threads > 1:
            where += f", one for each of {report.threads} threads"
        if array.name == "packed":
            where += ", the weight as the kernel reads it"
        rows.append((array.name, f"{size(array.bytes):>9}  {where}"))
    yield pairs(*rows)
    yield ""
    products = max(hot.products * report.lanes, 1)
    loaded = report.multiplications / products * hot.loaded_bytes
    caches = ", ".join(f"{name} {size(count)}" for name, count in sizes.items())
    yield pairs(
        ("loaded", f"{size(loaded):>9}  estimated from the loop above, from L1 and L2"),
        ("memory", f"{size(_moved(report)):>9}  if each number moves once: "
                   f"{problem.arithmetic_intensity:.3g} FLOPs per byte"),
        ("caches", f"{'':>9}  {caches} of each core"),
    )  # fmt: skip


def _moved(report: KernelReport) -> int:
    problem = report.problem
    return problem.input_bytes + problem.weight_bytes + problem.output_bytes


# -- the roofline -----------------------------------------------------------------------------


def _roofline(report: KernelReport) -> Iterator[RenderableType]:
    benchmark, roofline, problem = report.benchmark, report.roofline, report.problem
    under = roofline.over(problem)
    limit = "memory" if under < roofline.flops_per_second else "arithmetic"
    intensity = problem.arithmetic_intensity
    yield pairs(
        ("arithmetic", f"{_giga(roofline.flops_per_second)} GFLOP/s in registers alone, "
                       f"{number_of(roofline.threads, 'thread')}, {roofline.dtype}"),
        ("memory", f"{_giga(roofline.bytes_per_second)} GB/s · {intensity:.3g} FLOPs per byte "
                   f"= {_giga(roofline.bytes_per_second * intensity)} GFLOP/s"),
        ("roofline", f"{_giga(under)} GFLOP/s, the smaller of the two: {limit} is the limit"),
    )  # fmt: skip
    yield ""
    speed, ratio, seconds = benchmark.flops_per_second, benchmark.ratio, benchmark.seconds
    if speed is None or ratio is None or seconds is None or benchmark.roofline_share is None:
        yield Text.assemble(mark(benchmark.verdict), f" no figure: {benchmark.verdict.reason}")
        return
    bars = {"PyTorch": speed / ratio, report.algorithm: speed, "roofline": under}
    longest = max(bars.values())
    width = max(map(len, bars))
    for name, value in bars.items():
        bar = "█" * max(1, round(BAR * value / longest))
        style = "green" if name == report.algorithm else "dim"
        text = f"{_giga(value)} GFLOP/s"
        if name == report.algorithm:
            share = 100 * benchmark.roofline_share
            text += f", {share:.0f} % of" if share >= 1 else f", {share:.2g} % of"
            text += " the roofline"
        yield Text.assemble((f"{name:{width}}  ", "dim"), (bar, style), f" {text}")
    yield ""
    yield pairs(
        ("verified", benchmark.verdict.reason),
        ("time", f"{duration(seconds)}, PyTorch's {duration(seconds * ratio)}: {ratio:.2f} × as "
                 "fast, medians of alternating runs"),
        ("predicted", f"{_giga(report.predicted)} GFLOP/s, by the cost model that auto uses"),
        ("compiled", _compiled(report)),
    )  # fmt: skip
    for note in _notes(report, speed, under):
        yield Padding(Text(note, "dim"), (1, 0, 0, 0))


def _notes(report: KernelReport, speed: float, under: float) -> Iterator[str]:
    if report.roofline.threads < report.threads:
        yield (
            "Other processes used the other cores while the roofline was measured: it is the "
            "roofline of one thread."
        )
    fewer = report.problem.macs / report.multiplications if report.multiplications else 1
    if fewer > FEWER:
        yield (
            f"FLOPs are counted by the definition. {report.algorithm} does {fewer:.3g} × fewer "
            "multiplications, so its speed may exceed the roofline."
        )
    elif speed > under:
        yield (
            "Above the memory limit: the arrays stayed in cache between calls."
            if under < report.roofline.flops_per_second
            else "Above the roofline: another process slowed the machine while that was measured."
        )


def _compiled(report: KernelReport) -> str:
    seconds = report.benchmark.compile_seconds
    text = f"in {1e3 * seconds:.0f} ms, once" if seconds else "earlier, loaded from the disk cache"
    packing = report.benchmark.packing_seconds
    return text + (f"; the weight packed in {duration(packing)}, once" if packing else "")


def _giga(value: float) -> str:
    return f"{value / 1e9:,.3g}" if value < 1e12 else f"{value / 1e9:,.0f}"

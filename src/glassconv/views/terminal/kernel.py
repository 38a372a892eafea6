"""A kernel opened: its loops, its register tile drawn, its bytes, its place under the roof."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from glassconv.reports.kernel import Factor, HotLoop, Look
from glassconv.views.notation import duration, size
from glassconv.views.terminal.parts import mark, pairs, section

WIDE, NARROW = 9, 7  # columns of a cell of the tile
FEW = 4  # columns of the tile that leave room for words beside it
BAR = 28  # columns of the longest bar
MOST_LISTED = 12  # registers in a line
SPARED = 1.1  # times fewer multiplications: less is only padding that is skipped


def looked(report: Look) -> RenderableType:
    """Return everything that was found out about a kernel, 80 columns wide."""
    return Group(
        Text(str(report.problem), "bold"),
        Text(f"{report.algorithm}, compiled for {report.target}, {report.layout}: {report.idea}"),
        "",
        *_sections(report),
    )


def _sections(report: Look) -> Iterator[RenderableType]:
    chapters = (
        ("The loops", Group(*_loops(report))),
        ("The register tile", Group(*_tile(report))),
        ("The bytes", Group(*_bytes(report))),
        ("Under the roof", Group(*_roof(report))),
    )
    for place, (title, body) in enumerate(chapters, start=1):
        yield from section(place, title, body)


def _loops(report: Look) -> Iterator[RenderableType]:
    for line in report.loops:
        yield Text(line)
    if report.loops:
        yield ""
    share = _count(report.threads, "thread") + (", one by one" if report.threads > 1 else "")
    yield Text(f"{_count(report.tasks, 'task')}, taken by {share}.", "dim")


# -- the tile ---------------------------------------------------------------------------------


def _tile(report: Look) -> Iterator[RenderableType]:
    hot = report.hot
    if hot.cells:
        yield from _drawn(hot, report.lanes, report.problem.dtype)
    elif not hot.products:
        yield Text("no multiply-adds were found in its assembly")
        return
    else:
        yield Text(f"{hot.products} fused multiply-adds to {len(hot.totals)} running sums in")
        for start in range(0, len(hot.totals), MOST_LISTED):
            yield Text(f"  {' '.join(hot.totals[start : start + MOST_LISTED])}")
    yield ""
    per_byte = 2 * hot.products * report.lanes / hot.loaded_bytes if hot.loaded_bytes else 0
    spilled = ", ".join(f"{count} in {name}" for name, count in report.spills)
    yield pairs(
        ("function", hot.function),
        ("a turn", f"{hot.instructions} instructions: {_count(hot.products, 'multiply-add')}, "
                   f"{_count(hot.loads, 'load')}, {_count(hot.others, 'other')}"),
        ("", f"{hot.products * report.lanes} products for {hot.loaded_bytes} bytes loaded: "
             f"{per_byte:.3g} FLOPs a byte"),
        ("registers", f"{hot.registers} of {report.target_registers} vectors in this loop"),
        ("spills", f"{spilled}: put in memory for want of room" if spilled
                   else "none: no vector is put in memory for want of room, in any function"),
    )  # fmt: skip


def _drawn(hot: HotLoop, lanes: int, dtype: str) -> Iterator[Text]:
    """Yield a table whose cells are running sums, framed by the registers multiplied."""
    cell = WIDE if len(hot.columns) <= FEW else NARROW
    names = [row.register for row in hot.rows]
    indent = max(map(len, names)) + 3
    margin, line = " " * indent, "┬".join("─" * cell for _ in hot.columns)
    said = (f"down: {_kinds(hot.rows)}", f"cells: {len(hot.totals)} running sums,",
            "each one chain of", "fused multiply-adds")  # fmt: skip
    beside = said if len(hot.columns) <= FEW and len(names) >= len(said) else ()
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
        yield Text(f"{margin} {said[0]}; {said[1]}", "dim")
        yield Text(f"{margin} {said[2]} {said[3]}", "dim")


def _kinds(factors: tuple[Factor, ...]) -> str:
    """Return how many factors of each kind there are.

    >>> _kinds((Factor("ymm1", "vector"), Factor("ymm2", "vector")))
    '2 vectors loaded'
    """
    words = {
        "vector": ("vector loaded", "vectors loaded"),
        "broadcast": ("element broadcast", "elements broadcast"),
        "before": ("vector held", "vectors held"),
        "other": ("vector made", "vectors made"),
    }
    counts = {kind: sum(each.kind == kind for each in factors) for kind in words}
    return ", ".join(f"{n} {words[kind][n > 1]}" for kind, n in counts.items() if n)


# -- bytes ------------------------------------------------------------------------------------


def _bytes(report: Look) -> Iterator[RenderableType]:
    problem, hot = report.problem, report.hot
    sizes = dict(report.caches)
    rows = []
    for held in report.arrays:
        where = f"fits {held.cache}" if held.cache else f"larger than {report.caches[-1][0]}"
        several = held.name == "buffer" and report.threads > 1
        each = f", one for each of {report.threads} threads" if several else ""
        kept = ", the weight as it is read" if held.name == "packed" else ""
        rows.append((held.name, f"{size(held.bytes):>9}  {where}{each}{kept}"))
    yield pairs(*rows)
    yield ""
    products = max(hot.products * report.lanes, 1)
    loaded = report.multiplications / products * hot.loaded_bytes
    caches = ", ".join(f"{name} {size(count)}" for name, count in sizes.items())
    yield pairs(
        ("registers", f"{size(loaded):>9}  about: loaded by the loop above, mostly from L1"),
        ("memory", f"{size(_moved(report)):>9}  at least: every number once, "
                   f"{problem.arithmetic_intensity:.3g} FLOPs a byte"),
        ("caches", f"{'':>9}  {caches} of each core"),
    )  # fmt: skip


def _moved(report: Look) -> int:
    problem = report.problem
    return problem.input_bytes + problem.weight_bytes + problem.output_bytes


# -- the roof ---------------------------------------------------------------------------------


def _roof(report: Look) -> Iterator[RenderableType]:
    benched, roof, problem = report.benched, report.roof, report.problem
    under = roof.over(problem)
    limit = "memory" if under < roof.flops_per_second else "arithmetic"
    intensity = problem.arithmetic_intensity
    yield pairs(
        ("arithmetic", f"{_giga(roof.flops_per_second)} GFLOP/s in registers alone, "
                       f"{_count(roof.threads, 'thread')}, {roof.dtype}"),
        ("memory", f"{_giga(roof.bytes_per_second)} GB/s · {intensity:.3g} FLOPs a byte "
                   f"= {_giga(roof.bytes_per_second * intensity)} GFLOP/s"),
        ("roof", f"{_giga(under)} GFLOP/s: {limit} is the limit"),
    )  # fmt: skip
    yield ""
    speed, ratio, seconds = benched.flops_per_second, benched.ratio, benched.seconds
    if speed is None or ratio is None or seconds is None or benched.of_roof is None:
        yield Text.assemble(mark(benched.verdict), f" no figure: {benched.verdict.reason}")
        return
    bars = {"PyTorch": speed / ratio, report.algorithm: speed, "roof": under}
    longest = max(bars.values())
    width = max(map(len, bars))
    for name, value in bars.items():
        bar = "█" * max(1, round(BAR * value / longest))
        style = "green" if name == report.algorithm else "dim"
        said = f"{_giga(value)} GFLOP/s"
        if name == report.algorithm:
            said += f", {100 * benched.of_roof:.0f} % of the roof"
        yield Text.assemble((f"{name:{width}}  ", "dim"), (bar, style), f" {said}")
    yield ""
    yield pairs(
        ("verified", benched.verdict.reason),
        ("time", f"{duration(seconds)}, PyTorch's {duration(seconds * ratio)}: {ratio:.2f} × as "
                 "fast, in turn"),
        ("predicted", f"{_giga(report.predicted)} GFLOP/s by the model that auto ranks by"),
        ("compiled", _compiled(report)),
    )  # fmt: skip
    for note in _notes(report, speed, under):
        yield Padding(Text(note, "dim"), (1, 0, 0, 0))


def _notes(report: Look, speed: float, under: float) -> Iterator[str]:
    if report.roof.threads < report.threads:
        yield (
            "Other processes kept the other cores while the roof was measured: it is that of one "
            "thread."
        )
    spared = report.problem.macs / report.multiplications if report.multiplications else 1
    if spared > SPARED:
        yield (
            f"FLOPs are the definition's. {report.algorithm} multiplies {spared:.3g} times less "
            "often, so it may stand above the roof of those who do all of it."
        )
    elif speed > under:
        yield (
            "Above the roof of memory, for the arrays stayed in a cache from call to call."
            if under < report.roof.flops_per_second
            else "Above the roof: another process kept the machine while that was measured."
        )


def _compiled(report: Look) -> str:
    seconds = report.benched.compile_seconds
    said = f"in {1e3 * seconds:.0f} ms, once" if seconds else "before: it came from the disk cache"
    packing = report.benched.packing_seconds
    return said + (f"; the weight packed in {duration(packing)}, once" if packing else "")


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def _giga(value: float) -> str:
    return f"{value / 1e9:,.3g}" if value < 1e12 else f"{value / 1e9:,.0f}"

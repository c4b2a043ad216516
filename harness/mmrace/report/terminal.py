# SPDX-License-Identifier: GPL-2.0
"""The terminal's view: a table for people at a terminal, plain lines for everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .cells import Cell
from .honesty import notes
from .verdicts import look, severity

if TYPE_CHECKING:
    from .compare import Change
    from .sqlite_index import Point, RunSummary, Trend

_WIDE = 120
"""Columns that the table needs; a narrower terminal gets one coloured line a cell instead."""


def seconds(value: float | None) -> str:
    """Format VALUE seconds with three significant digits; ``-`` stands for none."""
    if value is None:
        return "-"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s"


def count(value: int | None) -> str:
    """Format VALUE with thousands separated; ``-`` stands for unknown."""
    return "-" if value is None else f"{value:,}"


def exposure(cell: Cell) -> str:
    """Format the exposure, with the minimum where it was missed."""
    seen = cell.exposure
    if seen.enough is False:
        return f"{count(seen.count)} of {count(seen.minimum)}"
    return count(seen.count)


def expected(cell: Cell) -> str:
    """Format whether the verdict is the expected one; an unexpected one is the news of a run."""
    return {True: "yes", False: "NEWS", None: "-"}[cell.expected]


def ordered(records: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """Return the cells in reading order: by theme, race, kernel, architecture, platform, mode."""
    return sorted(
        (Cell(record) for record in records),
        key=lambda c: (c.theme, c.race, c.kernel, c.arch, c.platform, c.mode),
    )


def verdict_counts(cells: Iterable[Cell]) -> list[tuple[str, int]]:
    """Return (verdict, how many) pairs, worst news first."""
    counts = Counter(cell.verdict for cell in cells)
    return sorted(counts.items(), key=lambda item: (severity(item[0]), item[0]))


def summary_table(records: Iterable[Mapping[str, Any]]) -> Table:
    """Return the cells as a rich table for a terminal of at least _WIDE columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("race", "kernel", "arch", "machine", "mode", "verdict", "expected"):
        table.add_column(heading, no_wrap=True)
    for heading in ("first failure", "rounds", "failures", "exposure"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold", ratio=1)
    for cell in ordered(records):
        news = expected(cell)
        table.add_row(
            *(Text(t) for t in (cell.race, cell.kernel, cell.arch, cell.platform, cell.mode)),
            Text(cell.verdict, style=look(cell.verdict).style),
            Text(news, style="bold yellow" if news == "NEWS" else "dim"),
            Text(seconds(cell.first_failure_s)),
            *(Text(t) for t in (count(cell.rounds), count(cell.failures), exposure(cell))),
            Text(cell.reason),
        )
    return table


def plain_line(cell: Cell) -> str:
    """Return CELL as one line of stable fields, for logs and pipes."""
    fields = [
        f"{cell.verdict:<12}",
        f"{cell.race} {cell.mode} {cell.kernel} {cell.arch} {cell.platform}",
        f"expected={expected(cell)}",
        f"first={seconds(cell.first_failure_s).replace(' ', '')}",
        f"rounds={count(cell.rounds)}",
        f"failures={count(cell.failures)}",
        f"exposure={exposure(cell).replace(' ', '')}",
    ]
    line = " ".join(fields)
    return f"{line}  {cell.reason}" if cell.reason else line


def _totals(cells: Sequence[Cell], console: Console) -> Text:
    text = Text(f"{len(cells):,} cells: " if len(cells) != 1 else "1 cell: ")
    for index, (word, many) in enumerate(verdict_counts(cells)):
        text.append(", " if index else "")
        text.append(f"{many:,} {word}", style=look(word).style if console.is_terminal else "")
    news = sum(cell.expected is False for cell in cells)
    if news:
        text.append(f"; {news:,} not as expected", style="bold" if console.is_terminal else "")
    return text


def print_summary(records: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the cells of a run, their totals, and what their platforms cannot show.

    A wide terminal gets a table; a narrow one, a pipe or a CI log one unwrapped line a cell.
    """
    cells = ordered(records)
    if console.is_terminal and console.width >= _WIDE:
        console.print(summary_table(records))
        console.print()
    else:
        for cell in cells:
            line = Text(plain_line(cell))
            if console.is_terminal:
                line.stylize(look(cell.verdict).style, 0, len(cell.verdict))
            console.print(line, soft_wrap=True)
    console.print(_totals(cells, console), soft_wrap=True)
    for note in notes(cells):
        console.print(
            Text(f"note: {note}", style="dim" if console.is_terminal else ""), soft_wrap=True
        )


def print_changes(changes: Iterable[Change], console: Console) -> None:
    """Print what changed between two runs, one line a cell, and how many stayed the same."""
    counts: Counter[str] = Counter()
    for change in changes:
        counts[change.kind] += 1
        if change.kind == "same":
            continue
        line = Text(f"{change.kind:<7} ")
        for side, arrow in ((change.before, " -> "), (change.after, "  ")):
            word = side.verdict if side else "absent"
            style = look(word).style if side and console.is_terminal else ""
            line.append(word, style=style).append(arrow)
        line.append(change.name)
        console.print(line, soft_wrap=True)
    same = counts.pop("same", 0)
    said = ", ".join(f"{many:,} {kind}" for kind, many in counts.items()) or "no change"
    console.print(Text(f"{said}; {same:,} the same"), soft_wrap=True)


def print_runs(summaries: Iterable[RunSummary], console: Console) -> None:
    """Print a list of runs, one line a run."""
    for run in summaries:
        line = Text(f"{run.name}  {run.started or '-'}  {run.cells:,} cells: ")
        for index, (word, many) in enumerate(run.verdicts):
            line.append(", " if index else "")
            line.append(f"{many:,} {word}", style=look(word).style if console.is_terminal else "")
        if run.unexpected:
            line.append(f"; {run.unexpected:,} not as expected")
        line.append(f"  {run.command}")
        console.print(line, soft_wrap=True)


def _rate(point: Point) -> str:
    return "-" if point.per_round is None else f"{point.per_round:.3g}"


def _first(points: Sequence[Point]) -> str:
    times = [point.first_s for point in points if point.first_s is not None]
    if not times:
        return "never failed in its oracle"
    return (f"failed in {len(times):,} of {len(points):,} runs, first after {seconds(min(times))} "
            f"to {seconds(max(times))}, {_rate(points[-1])} failures a round in the last")


def print_trends(trends: Iterable[Trend], console: Console, each_run: bool) -> None:
    """Print one line a cell, the verdicts in the order of the runs; with EACH_RUN, one line more
    for each run."""
    for trend in trends:
        line = Text(f"{trend.name}  {trend.platform}  ")
        for point in trend.points:
            style = look(point.verdict).style if console.is_terminal else ""
            line.append(look(point.verdict).glyph, style=style)
        line.append(f"  {_first(trend.points)}")
        console.print(line, soft_wrap=True)
        for point in trend.points if each_run else ():
            console.print(
                Text(f"    {point.run}  {point.verdict:<12} {count(point.failures)} failures in "
                     f"{count(point.rounds)} rounds, {_rate(point)} a round, first "
                     f"{seconds(point.first_s)}"), soft_wrap=True)

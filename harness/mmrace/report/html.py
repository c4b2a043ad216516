# SPDX-License-Identifier: GPL-2.0
"""report.html: one page that holds a whole run and needs nothing else.

The cells are embedded as JSON and drawn by page/page.js when they come into view, so that a page
with 10,000 cells opens at once.  Nothing is loaded from anywhere.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2

from . import files, runs
from .cells import Cell, integer, listing, mapping, text
from .evidence import Evidence, collect
from .honesty import cell_limits, notes
from .sqlite_index import Index
from .terminal import ordered
from .verdicts import LOOKS

_PAGE = Path(__file__).with_name("page")


class _Table:
    """Strings that many cells share, stored once."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self._index: dict[str, int] = {}

    def index(self, item: str) -> int:
        """The number that stands for ITEM."""
        if item not in self._index:
            self._index[item] = len(self.items)
            self.items.append(item)
        return self._index[item]


def _expectation(cell: Cell) -> str:
    wanted = mapping(cell.record.get("expected"))
    words = "/".join(text(word) for word in listing(wanted.get("verdicts")))
    return ": ".join(filter(None, [words, text(wanted.get("reason"))]))


def _cell(cell: Cell, seen: Evidence, counters: _Table, limits: _Table) -> dict[str, Any]:
    """CELL as the page wants it: only what is there."""
    record = cell.record
    values = {
        "name": cell.name, "theme": cell.theme, "race": cell.race, "mode": cell.mode,
        "arch": cell.arch, "kernel": cell.kernel, "version": cell.kernel_version,
        "machine": cell.platform, "verdict": cell.verdict, "expected": cell.expected,
        "wanted": _expectation(cell), "reason": cell.reason, "rounds": cell.rounds,
        "failures": cell.failures, "first": cell.first_failure_s, "elapsed": cell.elapsed_s,
        "counter": cell.exposure.counter, "exposure": cell.exposure.count,
        "minimum": cell.exposure.minimum, "replay": text(record.get("replay")),
        "seed": text(record.get("seed")), "started": text(record.get("started")),
        "losses": text(record.get("losses")),
        "counters": [[counters.index(name), integer(value)]
                     for name, value in mapping(record.get("counters")).items()
                     if integer(value)],
        "limits": [limits.index(limit) for limit in cell_limits(cell)],
        "findings": [f"{text(item.get('law'))}: {text(item.get('what'))}"
                     for item in map(mapping, listing(record.get("findings"))) if item.get("law")],
        "splats": [text(mapping(item).get("title")) for item in listing(record.get("splats"))],
        "times": seen.failure_times, "histograms": seen.histograms,
        "excerpts": [[one.title, one.lines] for one in seen.excerpts],
    }
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


# How many runs a cell's trend goes back.
_HISTORY = 40


def _history(run: runs.Run) -> dict[str, list[list[Any]]]:
    """What became of RUN's cells in the runs beside it up to RUN, on the same platform.

    Nothing where the index cannot be kept: a page without trends is better than none.
    """
    found: dict[str, list[list[Any]]] = {}
    with suppress(sqlite3.Error), Index(run.home.parent, run.home.parent / "index.sqlite") as index:
        for cell in run.cells:
            points = [point for point in index.trend(cell.name)
                      if point.platform == cell.platform
                      and point.started <= text(run.meta.get("started"))][-_HISTORY:]
            if len(points) > 1:
                found[cell.name] = [[point.run, point.verdict, point.rounds, point.failures,
                                     point.first_s] for point in points]
    return found


def page_data(run: runs.Run) -> dict[str, Any]:
    """RUN as the object that the page is drawn from."""
    counters, limits = _Table(), _Table()
    cells = [_cell(cell, collect(run.cell_dir(cell), cell), counters, limits)
             for cell in ordered(run.records)]
    command = run.meta.get("command")
    host = mapping(run.meta.get("host"))
    return {
        "run": run.name, "started": text(run.meta.get("started")),
        "command": " ".join(map(text, command)) if isinstance(command, list) else text(command),
        "host": " ".join(text(host[key]) for key in ("machine", "release") if host.get(key)),
        "history": _history(run), "notes": notes(run.cells), "damaged": run.damaged,
        "counters": counters.items, "limits": limits.items, "cells": cells,
    }


def _embed(data: object) -> str:
    """DATA as JSON that can stand inside a script element whatever its strings hold."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _sections(home: Path) -> list[str]:
    """What a command left for its run's page beside the cells: whole sections."""
    path = home / "bisect.html"
    return [path.read_text(encoding="utf-8")] if path.is_file() else []


def render(run: runs.Run, before: runs.Run | None = None) -> str:
    """RUN as one page, compared with BEFORE where there is one."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_PAGE), autoescape=True,
                                     undefined=jinja2.StrictUndefined)
    baseline = None if before is None else {
        "run": before.name,
        "cells": [{"name": cell.name, "verdict": cell.verdict, "machine": cell.platform,
                   "first": cell.first_failure_s, "reason": cell.reason} for cell in before.cells],
    }
    return environment.get_template("page.html.j2").render(
        run=run.name,
        sections=_sections(run.home),
        style=(_PAGE / "page.css").read_text(encoding="utf-8"),
        scripts=[(_PAGE / name).read_text(encoding="utf-8")
                 for name in ("data.js", "plots.js", "cells.js", "page.js")],
        data=_embed(page_data(run)),
        baseline=_embed(baseline),
        verdicts=_embed([[one.word, one.family, one.meaning, one.glyph] for one in LOOKS.values()]),
    )


def save(run: runs.Run, before: runs.Run | None = None) -> Path:
    """Write report.html into the directory of RUN, compared with BEFORE, and return its path."""
    return files.write(run.home / "report.html", render(run, before))


def write(run_dir: Path, before: Path | None = None) -> Path:
    """Write RUN_DIR/report.html, compared with the run in BEFORE if given, and return its path."""
    return save(runs.load(run_dir), None if before is None else runs.load(before))

# SPDX-License-Identifier: GPL-2.0
"""results.ktap: the run as KTAP version 1 (Documentation/dev-tools/ktap.rst of the kernel).

One subtest a theme, one result a cell.  KTAP knows no third result beside ok and not ok, so what
proves nothing (SKIP, INCONCLUSIVE) is ``ok ... # SKIP`` with its verdict in the reason: every
reader counts that apart from passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from . import files, runs
from .cells import Cell
from .honesty import notes
from .terminal import exposure, ordered, seconds

_DIRECTIVES = {
    "SKIP": "SKIP", "INCONCLUSIVE": "SKIP", "HANG": "TIMEOUT", "ERROR": "ERROR", "INFRA": "ERROR",
}


def plain(value: str) -> str:
    """VALUE on one line and without ``#``, which starts a directive in a result line."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split()).replace("#", "")


def _result(cell: Cell, number: int) -> str:
    good = "ok" if cell.verdict in ("PASS", "SKIP", "INCONCLUSIVE") else "not ok"
    line = f"{good} {number} {plain(cell.name)}"
    directive = _DIRECTIVES.get(cell.verdict)
    if directive is None:
        return line
    return f"{line} # {directive} {cell.verdict}: {plain(cell.reason)}".rstrip(": ")


def _diagnostics(cell: Cell) -> list[str]:
    said = [
        f"verdict: {cell.verdict} expected: "
        f"{ {True: 'yes', False: 'no', None: 'unknown'}[cell.expected]} platform: {cell.platform}",
        f"rounds: {cell.rounds} failures: {cell.failures} "
        f"first: {seconds(cell.first_failure_s)} exposure: {exposure(cell)}",
    ]
    if cell.reason:
        said.append(f"reason: {cell.reason}")
    if cell.record.get("replay"):
        said.append(f"replay: {cell.record['replay']}")
    return [f"# {plain(line)}" for line in said]


def _theme(theme: str, cells: Sequence[Cell]) -> tuple[list[str], str]:
    """The lines of one subtest, and how its own result line starts and ends."""
    body = ["KTAP version 1", f"# Subtest: {plain(theme)}", f"1..{len(cells)}"]
    for number, cell in enumerate(cells, 1):
        body += [*_diagnostics(cell), _result(cell, number)]
    verdicts = {cell.verdict for cell in cells}
    if verdicts <= {"SKIP", "INCONCLUSIVE"}:
        return body, "skip"
    return body, "ok" if verdicts <= {"PASS", "SKIP", "INCONCLUSIVE"} else "not ok"


def render(records: Iterable[Mapping[str, Any]]) -> str:
    """The cells as one KTAP document."""
    cells = ordered(records)
    themes = [(name, list(group)) for name, group in groupby(cells, lambda cell: cell.theme)]
    out = ["KTAP version 1", f"1..{len(themes)}"]
    out += [f"# {plain(note)}" for note in notes(cells)]
    for number, (name, members) in enumerate(themes, 1):
        body, result = _theme(name, members)
        out += [f"    {line}" for line in body]
        if result == "skip":
            out.append(f"ok {number} {plain(name)} # SKIP no cell of this theme proves anything")
        else:
            out.append(f"{result} {number} {plain(name)}")
    return "\n".join(out) + "\n"


def save(run: runs.Run) -> Path:
    """Write results.ktap into the directory of RUN and return its path."""
    return files.write(run.home / "results.ktap", render(run.records))


def write(run_dir: Path) -> Path:
    """Write RUN_DIR/results.ktap and return its path."""
    return save(runs.load(run_dir))

# SPDX-License-Identifier: GPL-2.0
"""What one cell left in its directory, cut down to what a page can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmrace import splat

from . import runs
from .cells import Cell, integer, number, text
from .verdicts import look

_FAILURES = 5
_TAIL = 30
_LINE = 240
"""Failing rounds shown in full, log lines of an excerpt, and columns of a line."""


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a log and where they stood."""

    title: str
    lines: list[str]


@dataclass(frozen=True)
class Evidence:
    """Times are seconds since the race's start; histogram buckets are (low ns, high ns, count)."""

    failure_times: list[float] = field(default_factory=list)
    excerpts: list[Excerpt] = field(default_factory=list)
    histograms: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)


def _log(where: Path, verdict: str) -> tuple[str, list[str]]:
    """The best log of the kernel's that there is: its name and lines.

    A machine that was lost said its last words on the console; the agent could not relay them.
    """
    lost = verdict in ("PANIC", "HANG", "INFRA")
    for name in ("console.log", "kmsg.log") if lost else ("kmsg.log", "console.log"):
        try:
            content = (where / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if content.strip():
            return name, content.splitlines()
    return "", []


def _cut(lines: list[str] | tuple[str, ...]) -> list[str]:
    return [line if len(line) <= _LINE else line[:_LINE] + "…" for line in lines]


def _excerpts(where: Path, verdict: str) -> Iterator[Excerpt]:
    if look(verdict).family not in ("fail", "broken"):
        return
    name, log = _log(where, verdict)
    found = splat.scan(log, context=_TAIL)
    for one in found[:3]:
        yield Excerpt(f"{name}:{one.line + 1} {one.title}", _cut(one.excerpt))
    if log and not found and verdict not in ("RACE", "FINDING"):
        yield Excerpt(f"{name}, its last lines", _cut(log[-_TAIL:]))


def _histogram(path: Path) -> list[tuple[int, int, int]]:
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    rows = [line.split() for line in content.splitlines() if line[:1].isdigit()]
    return [(int(row[0]), int(row[1]), int(row[2])) for row in rows
            if len(row) == 3 and all(word.isdigit() for word in row)]


def collect(where: Path, cell: Cell) -> Evidence:
    """Read the directory WHERE of CELL; whatever is missing there is empty."""
    times: list[float] = []
    rounds: list[str] = []
    for record in runs.lines(where / "race.ndjson"):
        at = number(record.get("elapsed_s"))
        if record.get("ev") == "failure" and at is not None:
            times.append(round(at, 4))
            if len(rounds) < _FAILURES:
                rounds.append(f"round {integer(record.get('round'))} at {at:.3f} s: "
                              f"{_detail(record.get('detail'))}")
    excerpts = list(_excerpts(where, cell.verdict))
    if rounds:
        excerpts.insert(0, Excerpt("race.ndjson, the first failing rounds", _cut(rounds)))
    histograms = {path.name.removeprefix("module-hist-"): _histogram(path)
                  for path in sorted(where.glob("module-hist-*"))}
    return Evidence(times[:100], excerpts,
                    {name: rows for name, rows in histograms.items() if rows})


def _detail(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {text(item)}" for key, item in value.items())
    return text(value)

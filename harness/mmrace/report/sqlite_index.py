# SPDX-License-Identifier: GPL-2.0
"""An index over many runs, rebuilt from their directories whenever it is asked for.

The run directories are the truth and the database holds nothing else, so it may be deleted at any
time and is never repaired: a run whose results changed is read again, one that is gone is dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from . import compare, runs
from .cells import Cell
from .terminal import verdict_counts

_VERSION = 1
_SCHEMA = """
CREATE TABLE runs (name TEXT PRIMARY KEY, home TEXT, stamp INTEGER, started TEXT, command TEXT);
CREATE TABLE cells (run TEXT REFERENCES runs(name) ON DELETE CASCADE, name TEXT, race TEXT,
    mode TEXT, arch TEXT, kernel TEXT, version TEXT, platform TEXT, verdict TEXT,
    expected INTEGER, rounds INTEGER, failures INTEGER, first_s REAL, exposure INTEGER,
    PRIMARY KEY (run, name));
CREATE INDEX cells_by_name ON cells (name, run);
"""


@dataclass(frozen=True)
class RunSummary:
    """One run in a list of runs; ``verdicts`` are (word, how many) pairs, worst news first."""

    name: str
    started: str
    command: str
    cells: int
    unexpected: int
    verdicts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Point:
    """One cell in one run: a point of its trend.  Times are seconds."""

    run: str
    started: str
    platform: str
    verdict: str
    rounds: int | None
    failures: int | None
    first_s: float | None

    @property
    def per_round(self) -> float | None:
        """Failures a round, above 1 where rounds failed twice; None where none was played."""
        return (self.failures or 0) / self.rounds if self.rounds else None


@dataclass(frozen=True)
class Trend:
    """One cell on one platform over many runs, the oldest first."""

    name: str
    platform: str
    points: tuple[Point, ...]


def _stamp(home: Path) -> int:
    """When the results in HOME last changed, in ns; 0 if there are none."""
    times = [path.stat().st_mtime_ns for path in (home / "results.ndjson", home / "run.json")
             if path.exists()]
    return max(times, default=0)


def _row(run: str, cell: Cell) -> Sequence[str | int | float | None]:
    return (run, cell.name, cell.race, cell.mode, cell.arch, cell.kernel, cell.kernel_version,
            cell.platform, cell.verdict, cell.expected, cell.rounds, cell.failures,
            cell.first_failure_s, cell.exposure.count)


class Index:
    """The index of the run directories below RUNS, in the file DATABASE (default: in memory)."""

    def __init__(self, runs_dir: Path, database: Path | None = None) -> None:
        self._runs_dir = runs_dir
        self._db = sqlite3.connect(database or ":memory:")
        self._db.execute("PRAGMA foreign_keys = ON")
        if self._db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            self._create()

    def __enter__(self) -> Index:
        self.refresh()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._db.close()

    def _create(self) -> None:
        self._db.executescript("DROP TABLE IF EXISTS cells; DROP TABLE IF EXISTS runs;" + _SCHEMA)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.commit()

    def refresh(self) -> None:
        """Make the index say what the directories say."""
        homes = {path.parent.name: path.parent for path in self._runs_dir.glob("*/run.json")}
        known = dict(self._db.execute("SELECT name, stamp FROM runs"))
        with self._db:
            for name in known.keys() - homes.keys():
                self._db.execute("DELETE FROM runs WHERE name = ?", (name,))
            for name, home in homes.items():
                stamp = _stamp(home)
                if known.get(name) != stamp:
                    self._add(home, stamp)

    def _add(self, home: Path, stamp: int) -> None:
        run = runs.load(home)
        command = run.meta.get("command") or ""
        said = " ".join(map(str, command)) if isinstance(command, list) else str(command)
        self._db.execute("DELETE FROM runs WHERE name = ?", (run.name,))
        self._db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?)",
                         (run.name, str(home), stamp, str(run.meta.get("started") or ""), said))
        self._db.executemany(
            "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_row(run.name, cell) for cell in run.cells])

    def list_runs(self) -> list[RunSummary]:
        """Every run, the newest first."""
        found = []
        for name, home, started, command in self._db.execute(
                "SELECT name, home, started, command FROM runs ORDER BY started DESC, name DESC"):
            rows = self._db.execute("SELECT verdict, expected FROM cells WHERE run = ?",
                                    (name,)).fetchall()
            counts = verdict_counts(Cell({"verdict": verdict}) for verdict, _ in rows)
            found.append(RunSummary(name, started, command, len(rows),
                                    sum(expected == 0 for _, expected in rows), tuple(counts)))
        return found

    def trends(self) -> list[Trend]:
        """Every cell's trend, by name and platform."""
        names = self._db.execute("SELECT DISTINCT name FROM cells ORDER BY name").fetchall()
        found: dict[tuple[str, str], list[Point]] = {}
        for name, in names:
            for point in self.trend(name):
                found.setdefault((name, point.platform), []).append(point)
        return [Trend(*key, tuple(points)) for key, points in found.items()]

    def trend(self, cell: str) -> list[Point]:
        """The cell named CELL in every run that has it, the oldest first."""
        return [Point(*row) for row in self._db.execute(
            "SELECT run, started, platform, verdict, rounds, failures, first_s FROM cells "
            "JOIN runs ON runs.name = cells.run WHERE cells.name = ? ORDER BY started, run",
            (cell,))]

    def compare(self, before: str, after: str) -> list[compare.Change]:
        """What changed from the run BEFORE to the run AFTER; KeyError names an unknown run."""
        return compare.compare(self._cells(before), self._cells(after))

    def _cells(self, run: str) -> list[Cell]:
        row = self._db.execute("SELECT home FROM runs WHERE name = ?", (run,)).fetchone()
        if row is None:
            raise KeyError(f"no run named '{run}' below {self._runs_dir}; "
                           "`./mmrace list runs` shows them")
        return runs.load(Path(row[0])).cells

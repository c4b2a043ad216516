# SPDX-License-Identifier: GPL-2.0
"""Reading a run directory back: its meta data, its cells, and what each cell left.

results.ndjson holds every cell at least twice, and its last record counts; cells/NAME/cell.json is
the same record once more.  A run may have died in the middle of a line: what can be read is read,
and what cannot is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .cells import Cell, listing, text


@dataclass(frozen=True)
class Run:
    """A run directory as read; ``damaged`` names the files that could not be read whole."""

    home: Path
    meta: Mapping[str, Any]
    cells: list[Cell]
    damaged: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The run's name: its directory's."""
        return self.home.name

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """The records of the cells."""
        return [cell.record for cell in self.cells]

    def cell_dir(self, cell: Cell) -> Path:
        """Where CELL's evidence is; it need not exist."""
        return self.home / "cells" / cell.name


def _object(content: str) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _objects(path: Path) -> Iterator[dict[str, Any] | None]:
    """One item for each line of an NDJSON file that is not empty: its object, None if broken."""
    return (_object(line) for line in _read(path).splitlines() if line.strip())


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of an NDJSON file; a missing file is empty, a broken line is left out."""
    return (found for found in _objects(path) if found is not None)


def load(run_dir: Path) -> Run:
    """Read RUN_DIR; FileNotFoundError if it is no directory."""
    if not run_dir.is_dir():
        raise FileNotFoundError(f"{run_dir}: no such run directory")
    damaged = []
    meta = _object(_read(run_dir / "run.json"))
    if meta is None:
        damaged.append("run.json")
    records: dict[str, dict[str, Any]] = {}
    for record in _objects(run_dir / "results.ndjson"):
        if record is not None:
            records[Cell(record).name] = record
        elif "results.ndjson" not in damaged:
            damaged.append("results.ndjson")
    for path in sorted(run_dir.glob("cells/*/cell.json")):
        found = _object(_read(path))
        if found is None:
            damaged.append(str(path.relative_to(run_dir)))
        else:
            records.setdefault(_name(found, path), found)
    # A cell that was run again (--resume) counts once, by its last try.
    replaced = {text(name) for record in records.values()
                for name in listing(record.get("replaces"))}
    cells = [Cell(record) for name, record in records.items() if name not in replaced]
    return Run(run_dir, meta or {}, cells, damaged)


def _name(record: Mapping[str, Any], path: Path) -> str:
    """The name of the cell whose RECORD stood at PATH."""
    return Cell(record).name if record.get("cell") else path.parent.name

# SPDX-License-Identifier: GPL-2.0
"""A matrix run that was cut off: what it has, and what is left to run.

A cell is left when it has no record, or when its last one says nothing about the kernel: INFRA
(the pessimistic record of a cell that was cut off, a machine that was lost). Every other record
stands.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrace.cell import Cell
from mmrace.errors import UsageError
from mmrace.report import runs
from mmrace.verdict import Verdict

MATRIX_COPY = "matrix.toml"


@dataclass(frozen=True)
class Rest:
    """What is left of a run: cells, the records that stand, and what a cell's new record
    replaces (directory names by the cell's name)."""

    cells: list[Cell]
    records: list[Mapping[str, Any]]
    replaces: Mapping[str, Sequence[str]]


def remember(home: Path, matrix: Path, seed: int) -> None:
    """Keep in a run directory what --resume needs: the matrix as it is now, and the seed."""
    (home / MATRIX_COPY).write_text(matrix.read_text())
    (home / "matrix.json").write_text(json.dumps({"matrix": str(matrix), "seed": seed}))


def recall(home: Path) -> tuple[Path, int]:
    """The matrix and the seed of a run directory."""
    try:
        seed = int(json.loads((home / "matrix.json").read_text())["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{home} is no run of a matrix that can be resumed: it has no readable "
                         "matrix.json; only `./mmrace matrix` makes one") from None
    return home / MATRIX_COPY, seed


def rest(home: Path, cells: Sequence[Cell]) -> Rest:
    """What is left of these cells in a run directory."""
    tried: dict[str, list[str]] = {}
    stands: dict[str, Mapping[str, Any]] = {}
    for cell in runs.load(home).cells:
        name = str(cell.record.get("name") or cell.name)
        tried.setdefault(name, []).append(cell.name)
        if cell.verdict != Verdict.INFRA:
            stands[name] = cell.record
    return Rest(cells=[cell for cell in cells if cell.name not in stands],
                records=[stands[cell.name] for cell in cells if cell.name in stands],
                replaces={name: dirs for name, dirs in tried.items() if name not in stands})

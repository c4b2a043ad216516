# SPDX-License-Identifier: GPL-2.0
"""results.json: the whole run for programs; the HTML page can load one to compare with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import files, runs
from .honesty import limits, notes
from .terminal import verdict_counts

SCHEMA = 1


def document(run: runs.Run) -> dict[str, Any]:
    """RUN as one object: meta data, totals, what its platforms cannot show, and every record."""
    places = sorted({(cell.arch, cell.accel, cell.platform) for cell in run.cells})
    return {
        "schema": SCHEMA,
        "run": run.name,
        "meta": dict(run.meta),
        "verdicts": dict(verdict_counts(run.cells)),
        "unexpected": sum(cell.expected is False for cell in run.cells),
        "platforms": [{"arch": arch, "platform": platform, "cannot_show": limits(arch, accel)}
                      for arch, accel, platform in places],
        "notes": notes(run.cells),
        "damaged": run.damaged,
        "cells": run.records,
    }


def render(run: runs.Run) -> str:
    """RUN as JSON with one cell a line, so that two files can be compared line by line."""
    head = document(run)
    cells = ",\n".join(json.dumps(record) for record in head.pop("cells"))
    return f'{json.dumps(head)[:-1]}, "cells": [\n{cells}\n]}}\n'


def save(run: runs.Run) -> Path:
    """Write results.json into the directory of RUN and return its path."""
    return files.write(run.home / "results.json", render(run))


def write(run_dir: Path) -> Path:
    """Write RUN_DIR/results.json and return its path."""
    return save(runs.load(run_dir))

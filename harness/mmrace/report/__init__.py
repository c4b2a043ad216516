# SPDX-License-Identifier: GPL-2.0
"""Views over a run directory: terminal, KTAP, JUnit, JSON and one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from .terminal import print_changes, print_runs, print_summary, print_trends

__all__ = ["print_changes", "print_runs", "print_summary", "print_trends", "write_all"]


def write_all(run_dir: Path, before: Path | None = None) -> list[Path]:
    """Write report.html, junit.xml, results.ktap and results.json into RUN_DIR; return their paths.

    The page compares with the run in BEFORE where one is given.  FileNotFoundError if a directory
    is missing.
    """
    # Here, because every command prints a table and only this needs a template engine.
    from . import html, junit, ktap, results_json, runs

    run = runs.load(run_dir)
    baseline = None if before is None else runs.load(before)
    return [html.save(run, baseline), junit.save(run), ktap.save(run), results_json.save(run)]

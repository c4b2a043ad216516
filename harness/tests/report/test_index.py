# SPDX-License-Identifier: GPL-2.0
"""Many runs: the index says what the directories say, and two runs are compared cell by cell."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from mmrace.report import print_changes, print_runs, print_trends
from mmrace.report.cells import Cell
from mmrace.report.compare import compare
from mmrace.report.sqlite_index import Index
from rich.console import Console

from .report_sample import record, write_run


def test_the_index_follows_the_directories(tmp_path: Path) -> None:
    base, database = tmp_path / "runs", tmp_path / "index.db"
    write_run(base / "a", [record(cell="x"), record(cell="y", verdict="PASS")])
    write_run(base / "b", [record(cell="x", verdict="PASS", expected={"met": False})])
    with Index(base, database) as index:
        runs = {run.name: run for run in index.list_runs()}
        assert runs["a"].verdicts == (("RACE", 1), ("PASS", 1)) and runs["a"].cells == 2
        assert runs["b"].unexpected == 1
        assert [(point.run, point.verdict) for point in index.trend("x")] == [
            ("a", "RACE"), ("b", "PASS")]
        assert [change.kind for change in index.compare("a", "b")] == ["gone", "better"]
        with pytest.raises(KeyError, match="no run named 'c'"):
            index.compare("a", "c")
    shutil.rmtree(base / "a")
    results = base / "b" / "results.ndjson"
    results.write_text(results.read_text().replace('"PASS"', '"HANG"'))
    os.utime(results, ns=(2**62, 2**62))
    with Index(base, database) as index:
        assert [(run.name, run.verdicts) for run in index.list_runs()] == [("b", (("HANG", 1),))]


@pytest.mark.parametrize("before, after, kind", [
    ({"verdict": "PASS"}, {"verdict": "PANIC"}, "worse"),
    ({"verdict": "SPLAT"}, {"verdict": "PASS"}, "better"),
    ({"verdict": "RACE"}, {"verdict": "FINDING"}, "other"),
    ({"verdict": "PASS"}, {"verdict": "SKIP"}, "other"),
    ({"verdict": "PASS"}, {"verdict": "PASS"}, "same"),
    ({}, {"machine": {"kind": "qemu", "accel": "kvm"}}, "unlike"),
])
def test_kinds_of_change(before: dict[str, Any], after: dict[str, Any], kind: str) -> None:
    (change,) = compare([Cell(record(**before))], [Cell(record(**after))])
    assert change.kind == kind


def test_printing_runs_and_changes(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [record(cell="x")])
    write_run(tmp_path / "b", [record(cell="x", verdict="PASS"), record(cell="z")])
    out = io.StringIO()
    console = Console(file=out, width=40)
    with Index(tmp_path) as index:
        print_runs(index.list_runs(), console)
        print_changes(index.compare("a", "b"), console)
    text = out.getvalue()
    assert "a  2026-11-21T05:37:34Z  1 cells: 1 RACE  ./mmrace matrix" in text
    assert "better  RACE -> PASS  x" in text and "new     absent -> RACE  z" in text


def test_trends_keep_platforms_apart_and_say_rates(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [record(cell="x", rounds=100, failures=2)])
    write_run(tmp_path / "b", [record(cell="x", verdict="PASS", rounds=50, failures=0,
                                      time_to_first_failure_s=None)])
    write_run(tmp_path / "c", [record(cell="x", machine={"kind": "qemu", "accel": "kvm"})])
    with Index(tmp_path) as index:
        trends = index.trends()
    assert [(trend.name, trend.platform, [point.run for point in trend.points])
            for trend in trends] == [("x", "qemu/tcg", ["a", "b"]), ("x", "qemu/kvm", ["c"])]
    assert [point.per_round for point in trends[0].points] == [0.02, 0]
    out = io.StringIO()
    print_trends(trends, Console(file=out, width=200), each_run=True)
    said = out.getvalue().splitlines()
    assert said[0] == ("x  qemu/tcg  R✓  failed in 1 of 2 runs, first after 156 ms to 156 ms, "
                       "0 failures a round in the last")
    assert " ".join(said[1].split()) == ("a RACE 2 failures in 100 rounds, 0.02 a round, first "
                                         "156 ms")

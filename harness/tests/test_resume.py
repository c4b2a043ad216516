# SPDX-License-Identifier: GPL-2.0
"""A run that was cut off goes on; several places run at once; without a boot."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mmrace import resume
from mmrace.cell import Cell
from mmrace.errors import UsageError
from mmrace.jobs import side_by_side
from mmrace.report import runs
from mmrace.store import Run


def cell(race: str) -> Cell:
    """A cell of that race."""
    return Cell(kernel="debian:trixie", arch="x86_64", race=race, mode="widened", duration=1,
                seed=1)


def record(run: Run, which: Cell, verdict: str, replaces: Sequence[str] = ()) -> str:
    """Store a record as a session does; its directory's name."""
    where = run.cell_dir(which.name)
    entry: dict[str, Any] = {"cell": where.name, "name": which.name, "verdict": verdict,
                             "replaces": list(replaces)}
    run.record(where, entry)
    return where.name


def test_what_is_left_is_what_says_nothing_of_the_kernel(tmp_path: Path) -> None:
    run = Run.create(["test"], tmp_path)
    cells = [cell(name) for name in ("passed", "raced", "cut-off", "skipped", "never")]
    for which, verdict in zip(cells, ("PASS", "RACE", "INFRA", "SKIP")):
        record(run, which, verdict)
    rest = resume.rest(run.home, cells)
    assert [which.race for which in rest.cells] == ["cut-off", "never"]
    assert [one["verdict"] for one in rest.records] == ["PASS", "RACE", "SKIP"]
    assert rest.replaces == {cells[2].name: [cells[2].name]}


def test_a_second_try_replaces_the_first_in_every_view(tmp_path: Path) -> None:
    run = Run.create(["test"], tmp_path)
    which = cell("cut-off")
    first = record(run, which, "INFRA")
    again = Run(run.home)
    second = record(again, which, "INFRA", resume.rest(run.home, [which]).replaces[which.name])
    assert second != first
    record(again, which, "PASS", resume.rest(run.home, [which]).replaces[which.name])
    assert [found.verdict for found in runs.load(run.home).cells] == ["PASS"]
    assert not resume.rest(run.home, [which]).cells


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    run = Run.create(["test"], tmp_path)
    record(run, cell("whole"), "PASS")
    with (run.home / "results.ndjson").open("a") as file:
        file.write('{"cell":"torn","verd')
    record(Run(run.home), cell("after"), "RACE")
    found = runs.load(run.home)
    assert sorted(one.verdict for one in found.cells) == ["PASS", "RACE"]
    assert found.damaged == ["results.ndjson"]


def test_a_run_of_no_matrix_cannot_be_resumed(tmp_path: Path) -> None:
    run = Run.create(["test"], tmp_path)
    with pytest.raises(UsageError, match="no run of a matrix"):
        resume.recall(run.home)
    matrix = tmp_path / "small.toml"
    matrix.write_text("# empty\n")
    resume.remember(run.home, matrix, 42)
    matrix.unlink()
    path, seed = resume.recall(run.home)
    assert seed == 42 and path.read_text() == "# empty\n"


def test_boots_of_a_resumed_run_get_new_directories(tmp_path: Path) -> None:
    run = Run.create(["test"], tmp_path)
    first = run.boot_dir()
    assert Run(run.home).boot_dir() != first


def test_records_of_many_threads_stay_whole(tmp_path: Path) -> None:
    run = Run.create(["test"], tmp_path)

    def work(number: int) -> Iterator[str]:
        for part in range(5):
            where = run.cell_dir(f"{number}.{part}")
            run.record(where, {"cell": where.name, "verdict": "PASS", "big": "x" * 50000})
            yield where.name

    names = list(side_by_side(range(8), work, 4, threading.Event()))
    lines = (run.home / "results.ndjson").read_text().splitlines()
    assert sorted(json.loads(line)["cell"] for line in lines) == sorted(names)
    assert len(names) == 40


def test_places_run_at_once_and_an_error_ends_all() -> None:
    stop = threading.Event()
    met = threading.Barrier(2, timeout=10)

    def work(number: int) -> Iterator[int]:
        met.wait()      # passes only when two work at once
        if number == 0:
            raise ValueError("the disk is full")
        while not stop.is_set():
            time.sleep(0.01)
        yield number

    with pytest.raises(ValueError, match="the disk is full"):
        list(side_by_side([0, 1, 2, 3], work, 2, stop))
    assert stop.is_set()

# SPDX-License-Identifier: GPL-2.0
"""Trials in real guests: two at once on a kernel that has the bug, and their records."""

import json
from pathlib import Path

import pytest

from mmrace.bisect.evidence import parse_signal
from mmrace.bisect.graph import linear
from mmrace.bisect.race import RaceRunner
from mmrace.bisect.search import Search, Work
from mmrace.bisect.settings import Settings
from mmrace.bisect.state import State
from mmrace.cell import Cell

pytestmark = pytest.mark.guest


def cell(name: str, seed: int) -> Cell:
    return Cell(kernel=name, arch="x86_64", race="lost-write", mode="widened", duration=8.0,
                seed=seed)


def test_two_trials_at_once(tmp_path: Path) -> None:
    runner = RaceRunner(cell, parse_signal("race", "lost"), tmp_path, next_seed=40)
    state = State(linear(["before", "debian:bookworm"]), Settings(parallel=2))
    search = Search(state, runner)
    search.work(Work((1, 1)))
    tally = state.tally(1)
    assert (tally.fails, tally.infra, tally.other) == (2, 0, 0)
    assert state.keys and state.built == {1}
    homes = sorted((tmp_path / "cells").iterdir())
    seeds = {json.loads((home / "cell.json").read_text())["seed"] for home in homes}
    assert seeds == {40, 41} and len(list((tmp_path / "boots").iterdir())) == 2

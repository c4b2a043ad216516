# SPDX-License-Identifier: GPL-2.0
"""One bisection from log to answer: what the command and other callers use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrace.bisect import log, report
from mmrace.bisect.graph import FloatArray, Graph
from mmrace.bisect.page import History, remember, section
from mmrace.bisect.runner import Runner
from mmrace.bisect.search import Finish, Search, Step
from mmrace.bisect.settings import Settings
from mmrace.bisect.state import State
from mmrace.report import files

LOG = "bisect.ndjson"


@dataclass(frozen=True)
class Bisection:
    """A finished bisection."""

    state: State
    finish: Finish
    history: History

    @property
    def result(self) -> dict[str, Any]:
        """The answer with its evidence, as JSON."""
        return report.as_json(self.state, self.finish)


def next_seed(directory: Path, first: int, parallel: int) -> int:
    """A seed that no trial of the log of `directory` has, nor one that it does not tell of yet."""
    path = directory / LOG
    used = [int(record["seed"]) for record in log.read(path)
            if record["ev"] == "trial" and "seed" in record] if path.exists() else []
    return max(used) + parallel + 1 if used else first


def bisect(
    graph: Graph,
    runner: Runner,
    settings: Settings,
    directory: Path,
    prior: FloatArray | None = None,
    watch: Callable[[State, Step], None] = lambda state, step: None,
    labels: Callable[[str], str] = str,
) -> Bisection:
    """Search, with everything kept in `directory`, where a log of this bisection is gone on with.

    Writes `bisect.ndjson` (the log), then `bisect.json`, `git-bisect.log` and `bisect.html`, the
    section of the run's page.  `labels` says a candidate's name for people.
    """
    path = directory / LOG
    state = State(graph, settings, prior)
    history: History = []
    if path.exists():
        for event in log.replay(path, graph, settings):
            state.apply(event)
            remember(history, state)
        state.built.clear()

    def follow(now: State, step: Step) -> None:
        remember(history, now)
        watch(now, step)

    with log.Log(path, graph, settings) as written:
        finish = Search(state, runner, written.event, follow).run()
        remember(history, state)
        done = Bisection(state, finish, history)
        written.write({"ev": "answer", **done.result})
    files.write(directory / "bisect.json", json.dumps(done.result, indent=1) + "\n")
    files.write(directory / "git-bisect.log", report.as_git_log(state, finish))
    files.write(directory / "bisect.html", section(done.result, history, labels))
    return done

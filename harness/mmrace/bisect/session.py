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
from mmrace.bisect.runner import Runner
from mmrace.bisect.search import Finish, Search, Step
from mmrace.bisect.settings import Settings
from mmrace.bisect.state import State
from mmrace.errors import UsageError

History = list[tuple[float, float, float]]
"""(cost spent, P(best candidate), P(no change)) after each step."""


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


def bisect(
    graph: Graph,
    runner: Runner,
    settings: Settings,
    directory: Path,
    resume: bool = False,
    prior: FloatArray | None = None,
    watch: Callable[[State, Step], None] = lambda state, step: None,
) -> Bisection:
    """Search, with everything kept in `directory`.

    Writes `bisect.ndjson` (the log), then `bisect.json`, `git-bisect.log` and
    `bisect.html` (a section).  `resume` goes on from the log; without it an
    existing log is refused.
    """
    path = directory / "bisect.ndjson"
    state = State(graph, settings, prior)
    history: History = []
    if path.exists() and not resume:
        raise UsageError(f"{path} exists: go on with --resume, or choose another --out")
    if path.exists():
        for event in log.replay(path, graph, settings):
            state.apply(event)
            _remember(history, state)
        state.built.clear()

    def follow(now: State, step: Step) -> None:
        _remember(history, now)
        watch(now, step)

    with log.Log(path, graph, settings) as written:
        finish = Search(state, runner, written.event, follow).run()
        done = Bisection(state, finish, history)
        written.write({"ev": "answer", **done.result})
    (directory / "bisect.json").write_text(json.dumps(done.result, indent=1) + "\n")
    (directory / "git-bisect.log").write_text(report.as_git_log(state, finish))
    (directory / "bisect.html").write_text(report.as_html(done.result, history))
    return done


def _remember(history: History, state: State) -> None:
    if not history or history[-1][0] != state.spent:
        history.append((state.spent, float(state.probabilities().max()), state.belief().none))

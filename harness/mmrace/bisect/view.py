# SPDX-License-Identifier: GPL-2.0
"""The live view: the posterior as bars, what runs now, what it may still cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mmrace.bisect.choose import choose
from mmrace.bisect.search import Finish, Step, Work
from mmrace.bisect.state import State

Labels = Callable[[str], str]
"""A candidate's name for people."""

BARS = 8
"""Candidates shown."""
WIDTH = 30
LONGEST = 48
"""Characters of a bar, and of a candidate's name."""
RECENT = 0.5
"""Seconds between two lines when there is no terminal, times the trials so far."""


def cost_left(state: State) -> float | None:
    """A rough expectation of what naming a commit still costs.

    Entropy left above what the wanted confidence leaves, divided by what the next
    batch is expected to give for its cost.  It leaves the proof and the
    confirmation out.  None while the ends are tried, or when nothing helps.
    """
    if state.phase != "search":
        return None
    choice = choose(state)
    if choice is None:
        return None
    mass = state.probabilities()
    mass = mass[mass > 0]
    entropy = float(-(mass * np.log(mass)).sum())
    alpha = state.settings.alpha
    floor = -alpha * math.log(alpha) - (1 - alpha) * math.log1p(-alpha)
    return max(0.0, entropy - floor) * choice.cost / choice.gain


def now(state: State, step: Step, labels: Labels) -> str:
    """What runs now."""
    if isinstance(step, Work):
        why = "fresh trials" if step.held_out else "trials"
        nodes = list(dict.fromkeys(step.nodes))
        names = " and ".join(labels(state.graph.names[node]) for node in nodes)
        action = "" if all(node in state.built for node in nodes) else "build, then "
        many = f"up to {len(step.nodes)} {why}" if len(step.nodes) > 1 else why[:-1]
        return f"{action}{many} of {names}"
    return step.reason if isinstance(step, Finish) else f"phase {step.event.phase}"


def render(state: State, step: Step, labels: Labels) -> tuple[str, Group]:
    """What runs now, and the view below it."""
    mass = state.probabilities()
    best = np.argsort(-mass, kind="stable")[:BARS]
    bars = Table.grid(padding=(0, 1))
    for node in best:
        if mass[node] > 0:
            tally = state.tally(int(node))
            bars.add_row(
                Text(labels(state.graph.names[node])[:LONGEST]), bar(float(mass[node])),
                f"{100 * mass[node]:5.1f} %", f"{tally.fails}/{tally.trials} failed",
            )
    none = state.belief().none
    bars.add_row("no change", bar(none), f"{100 * none:5.1f} %", "")
    left = cost_left(state)
    foot = f"{state.trials} trials, {state.builds} builds, {state.spent:.0f} s together"
    if left is not None:
        foot += f", search left about {left:.0f} s"
    return f"{state.phase}: {now(state, step, labels)}", Group(bars, Text(foot, style="dim"))


def bar(share: float) -> Text:
    """A bar of WIDTH cells."""
    full = round(share * WIDTH)
    return Text("█" * full + "·" * (WIDTH - full), style="cyan")


def line(state: State, step: Step, labels: Labels) -> str:
    """The view as one line, where there is no terminal."""
    mass = state.probabilities()
    top = int(mass.argmax())
    return (
        f"{state.phase}: {now(state, step, labels)}; best {labels(state.graph.names[top])} "
        f"{100 * mass[top]:.1f} %, no change {100 * state.belief().none:.1f} %, "
        f"{state.trials} trials, {state.builds} builds, {state.spent:.0f} s together"
    )


class View:
    """Follows a search on a terminal, or as plain lines at growing distances elsewhere."""

    def __init__(self, console: Console, labels: Labels = str,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._labels = labels
        self._clock = clock
        self._next = self._began = clock()
        self._head, self._below = "", Group()
        self._live = None
        if console.is_terminal:
            self._live = Live(console=console, get_renderable=self._render, refresh_per_second=1)

    def _render(self) -> Group:
        """Called by a thread of the display's: it may look at the clock, never at the state."""
        since = self._clock() - self._began
        return Group(Text(f"{self._head} ({since:.0f} s)", style="bold"), self._below)

    def __call__(self, state: State, step: Step) -> None:
        self._began = self._clock()
        if self._live is not None:
            self._head, self._below = render(state, step, self._labels)
        elif self._clock() >= self._next or isinstance(step, Finish):
            self._console.print(line(state, step, self._labels), highlight=False, markup=False,
                                soft_wrap=True)
            self._next = self._clock() + min(60.0, RECENT * (1 + state.trials / 10))

    def __enter__(self) -> View:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

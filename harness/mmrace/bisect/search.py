# SPDX-License-Identifier: GPL-2.0
"""The search: what to do next given the evidence, and the loop that does it.

`plan` is a pure function of the state.  The loop asks it, lets the runner work,
and feeds the events back, so a log that is read again continues where it broke.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import cycle, islice, takewhile

from mmrace.bisect import confirm, stop
from mmrace.bisect.choose import choose
from mmrace.bisect.gate import Gate, gate, next_end
from mmrace.bisect.runner import Runner
from mmrace.bisect.settings import Kind, Outcome
from mmrace.bisect.state import BuildEvent, Event, PhaseEvent, State, TrialEvent

INFRA_IN_ROW = 5
"""Machines lost one after the other before the search gives up: the fault is not the kernel's."""


class Answer(enum.IntEnum):
    """How a bisection ends; the values are its exit codes."""

    NAMED = 0
    SET = 3
    NO_CHANGE = 4
    UNDECIDED = 5


@dataclass(frozen=True)
class Work:
    """Try these nodes, one trial for each time that one is named; stop early after a failure."""

    nodes: tuple[int, ...]
    held_out: bool = False


@dataclass(frozen=True)
class Enter:
    """Enter a phase."""

    event: PhaseEvent


@dataclass(frozen=True)
class Finish:
    """The search is over."""

    answer: Answer
    reason: str
    nodes: tuple[int, ...] = ()
    probability: float = 0.0


Step = Work | Enter | Finish


def plan(state: State) -> Step:
    """The next step."""
    if state.phase == "gate":
        return _plan_gate(state)
    if state.phase == "confirm":
        return _plan_confirm(state)
    return _plan_search(state)


def _plan_gate(state: State) -> Step:
    verdict = gate(state)
    if verdict is Gate.CHANGED:
        return Enter(PhaseEvent("search"))
    if verdict is Gate.SAME:
        return Finish(Answer.NO_CHANGE, "the ends fail alike", (), state.belief().none)
    if verdict is Gate.GIVEN_UP:
        return Finish(Answer.UNDECIDED, "the ends do not differ enough to tell")
    for node in (0, state.graph.new):
        if not state.testable(node):
            return Finish(
                Answer.UNDECIDED, f"{state.graph.names[node]}: {state.untestable[node]}"
            )
    return Work(_ends(state))


def _ends(state: State) -> tuple[int, ...]:
    """The ends to try at once: both in turn, where they can be."""
    width, first = state.settings.parallel, next_end(state)
    if not state.settings.mixes:
        return (first,) * width
    return tuple(islice(cycle((first, state.graph.new - first)), width))


def _plan_search(state: State) -> Step:
    settings = state.settings
    probabilities = state.probabilities()
    group = stop.suspect(state, probabilities)
    sure = group.probability >= settings.confidence and state.belief().none < settings.alpha
    spent = state.spent >= settings.budget
    if state.belief().none >= settings.confidence:
        return Finish(Answer.NO_CHANGE, "the trials between the ends say so", (),
                      state.belief().none)
    if sure:
        owed = stop.missing(state, group)
        if owed is None:
            return _settle(state, group)
        if not spent:
            node, count = owed
            return Work((node,) * max(count, settings.parallel))
    if spent:
        return _leftover(state, "the budget is spent")
    choice = choose(state)
    if choice is None:
        return _leftover(state, "no possible trial tells the rest apart")
    return Work((choice.node,) * max(choice.count, settings.parallel))


def _settle(state: State, group: stop.Suspect) -> Step:
    """The posterior and the direct evidence agree: confirm, then answer."""
    settings = state.settings
    rounds = [c for c in state.confirmations if c.suspect == group.nodes[0]]
    passed = rounds and confirm.result(state, rounds[-1]).p_value <= settings.confirm_level
    if settings.confirm and not passed:
        if len(state.confirmations) >= settings.confirm_rounds:
            return _leftover(state, "fresh trials did not confirm the suspect")
        if state.spent < settings.budget:
            order = confirm.plan(state, group)
            return Enter(PhaseEvent("confirm", group.nodes[0], order))
        return _leftover(state, "the budget is spent before the confirmation")
    if len(group.nodes) > 1:
        return Finish(Answer.SET, "the others of the set cannot be tried",
                      group.nodes, group.probability)
    return Finish(Answer.NAMED, "named", group.nodes, group.probability)


def _leftover(state: State, reason: str) -> Finish:
    """What is known when the search must end without a name."""
    probabilities = state.probabilities()
    nodes, mass = stop.credible_set(state, probabilities)
    if mass >= state.settings.confidence and 2 * len(nodes) <= state.graph.candidates:
        return Finish(Answer.SET, reason, tuple(nodes), mass)
    return Finish(Answer.UNDECIDED, reason, tuple(nodes), mass)


def _plan_confirm(state: State) -> Step:
    current = state.confirmations[-1]
    settings = state.settings
    nodes = current.order[current.done:][:settings.parallel]
    ended = not nodes or state.spent >= settings.budget
    if ended or not all(state.testable(node) for node in nodes):
        return Enter(PhaseEvent("search"))
    if not settings.mixes:
        nodes = tuple(takewhile(lambda node: node == nodes[0], nodes))
    return Work(nodes, held_out=True)


class Search:
    """Drives a runner until the question is answered.  `sink` gets every event first."""

    def __init__(
        self,
        state: State,
        runner: Runner,
        sink: Callable[[Event], None] = lambda event: None,
        watch: Callable[[State, Step], None] = lambda state, step: None,
    ) -> None:
        self.state = state
        self.runner = runner
        self.sink = sink
        self.watch = watch
        self._lost = 0
        width = state.settings.parallel
        self._pool = ThreadPoolExecutor(width) if width > 1 else None

    def run(self) -> Finish:
        """Search until there is an answer."""
        while True:
            step = plan(self.state)
            self.watch(self.state, step)
            if isinstance(step, Finish):
                return step
            if isinstance(step, Enter):
                self._take(step.event)
            else:
                self.work(step)
            if self._lost >= INFRA_IN_ROW:
                return Finish(Answer.UNDECIDED, f"{self._lost} machines lost in a row")

    def _take(self, event: Event) -> None:
        self.sink(event)
        self.state.apply(event)

    def work(self, work: Work) -> None:
        """Build what is not built, and make the trials."""
        state = self.state
        for node in dict.fromkeys(work.nodes):
            if node not in state.built:
                built = self.runner.build(state.graph.names[node])
                self._take(BuildEvent(node, built))
                if not built.ok or node in state.same:
                    return
        width = state.settings.parallel
        for at in range(0, len(work.nodes), width):
            wave = work.nodes[at:at + width]
            failed = False
            for node, outcome in self._trials(wave):
                self._take(TrialEvent(node, outcome, work.held_out))
                self._lost = self._lost + 1 if outcome.kind is Kind.INFRA else 0
                failed |= outcome.kind is Kind.FAIL
            if failed or state.spent >= state.settings.budget or self._lost >= INFRA_IN_ROW:
                break
            if not all(state.testable(node) for node in wave):
                break

    def _trials(self, wave: tuple[int, ...]) -> Iterator[tuple[int, Outcome]]:
        """The trials of a wave as they end, all at once."""
        names = self.state.graph.names
        if self._pool is None:
            for node in wave:
                yield node, self.runner.trial(names[node])
            return
        running = {self._pool.submit(self.runner.trial, names[node]): node for node in wave}
        try:
            for one in as_completed(running):
                yield running[one], one.result()
        except BaseException:
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise

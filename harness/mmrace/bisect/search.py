# SPDX-License-Identifier: GPL-2.0
"""The search: what to do next given the evidence, and the loop that does it.

`plan` is a pure function of the state.  The loop asks it, lets the runner work,
and feeds the events back, so a log that is read again continues where it broke.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from mmrace.bisect import confirm, stop
from mmrace.bisect.choose import choose
from mmrace.bisect.gate import Gate, gate, next_end
from mmrace.bisect.runner import Runner
from mmrace.bisect.settings import Kind
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
    """Try `node` up to `count` times, and stop early after a failure."""

    node: int
    count: int
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
    return Work(next_end(state), 1)


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
            return Work(*owed)
    if spent:
        return _leftover(state, "the budget is spent")
    choice = choose(state)
    if choice is None:
        return _leftover(state, "no possible trial tells the rest apart")
    return Work(choice.node, choice.count)


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
    ended = current.done >= len(current.order) or state.spent >= state.settings.budget
    if ended or not state.testable(current.order[current.done]):
        return Enter(PhaseEvent("search"))
    return Work(current.order[current.done], 1, held_out=True)


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
                self._work(step)
            if self._lost >= INFRA_IN_ROW:
                return Finish(Answer.UNDECIDED, f"{self._lost} machines lost in a row")

    def _take(self, event: Event) -> None:
        self.sink(event)
        self.state.apply(event)

    def _work(self, work: Work) -> None:
        state, name = self.state, self.state.graph.names[work.node]
        if work.node not in state.built:
            built = self.runner.build(name)
            self._take(BuildEvent(work.node, built))
            if not built.ok or work.node in state.same:
                return
        for _ in range(work.count):
            outcome = self.runner.trial(name)
            self._take(TrialEvent(work.node, outcome, work.held_out))
            self._lost = self._lost + 1 if outcome.kind is Kind.INFRA else 0
            if outcome.kind is Kind.FAIL or state.spent >= state.settings.budget:
                break
            if not state.testable(work.node) or self._lost >= INFRA_IN_ROW:
                break

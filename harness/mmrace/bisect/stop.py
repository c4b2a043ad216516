# SPDX-License-Identifier: GPL-2.0
"""When the search may stop, and what evidence is still missing.

A high posterior alone is not enough.  Whoever is told a commit wants to see it
fail and its parents not fail, so both are demanded: at least MIN_FAILS failures
at the suspect, and at every parent so many clean trials that a rate as low as
the suspect's lower bound would have shown itself.  A parent that fails at times
is only sound if the sound end fails as often, so that end is then tried as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mmrace.bisect.graph import OLD, FloatArray
from mmrace.bisect.state import State

MIN_FAILS = 2
RATE_QUANTILE = 0.1
"""The suspect's rate is taken at this quantile of its posterior."""
ALIKE, MOST_ALIKE = 12, 300
"""When a parent failed, the sound end is tried until it would have failed ALIKE times at
the parent's rate, but no more than MOST_ALIKE times."""
LONGEST_PROOF = 64
"""Trials asked for at once while evidence is missing."""


@dataclass(frozen=True)
class Suspect:
    """Candidates that no possible trial can tell apart, normally one."""

    nodes: tuple[int, ...]
    probability: float


def suspect(state: State, probabilities: FloatArray) -> Suspect:
    """The most probable group."""
    if not state.untestable and not state.same:
        best = int(probabilities.argmax())
        return Suspect((best,), float(probabilities[best]))
    group = _groups(state)
    total: dict[int, float] = {}
    for node in group:
        total[group[node]] = total.get(group[node], 0.0) + float(probabilities[node])
    best = int(probabilities.argmax())
    if total:
        leader = max(total, key=lambda key: total[key])
        if total[leader] > probabilities[best]:
            members = [n for n in group if group[n] == leader and probabilities[n] > 0]
            return Suspect(tuple(sorted(members)), total[leader])
    return Suspect((best,), float(probabilities[best]))


def _groups(state: State) -> dict[int, int]:
    """Untestable nodes and those they cannot be told apart from, by representative.

    An untestable node whose children all belong to one group belongs to it too:
    whatever can be tried either descends from all of them or from none.
    """
    group: dict[int, int] = {}
    for node in sorted(state.untestable, reverse=True):
        heads = {group.get(child, child) for child in state.graph.children[node]}
        head = heads.pop() if len(heads) == 1 else node
        group[node] = head
        group[head] = head
    return group


def failing_witnesses(state: State, nodes: tuple[int, ...]) -> list[int]:
    """Testable nodes that are after the change if it is in the group: its own, or the next."""
    own = [node for node in nodes if state.testable(node)]
    return own or _walk(state, nodes, up=False)


def sound_witnesses(state: State, nodes: tuple[int, ...]) -> list[int]:
    """The nearest testable nodes that are before every change of the group."""
    return _walk(state, nodes, up=True)


def _walk(state: State, nodes: tuple[int, ...], up: bool) -> list[int]:
    """The nearest testable nodes outside the group, through untestable ones."""
    graph = state.graph
    seen = set(nodes)
    stack = list(nodes)
    found: set[int] = set()
    while stack:
        node = stack.pop()
        for beside in graph.parents[node] if up else graph.children[node]:
            if beside in seen:
                continue
            seen.add(beside)
            if state.testable(beside) or beside == OLD:
                found.add(beside)
            else:
                stack.append(beside)
    return sorted(found)


def low_rate(state: State, node: int) -> float:
    """A low bound of the failure rate at a node, given that it is on the failing side."""
    tally = state.tally(node)
    weight = (state.belief().mu[:, None] * state.model.failing(tally.fails, tally.passes)[1])
    rates, mass = state.model.rates.ravel(), weight.ravel()
    order = rates.argsort()
    reached = np.cumsum(mass[order])
    at = int(np.searchsorted(reached, RATE_QUANTILE * reached[-1]))
    return float(rates[order[min(at, len(order) - 1)]])


def noise(state: State) -> float:
    """Mean of the sound side's failure rate."""
    return float(state.belief().q @ state.model.q)


def missing(state: State, group: Suspect) -> tuple[int, int] | None:
    """The node that still owes direct evidence and how many trials to make, or None."""
    witnesses = failing_witnesses(state, group.nodes)
    before = sound_witnesses(state, group.nodes)
    if not state.failing_after:
        witnesses, before = before, witnesses
    sound_end = OLD if state.failing_after else state.graph.new
    base = noise(state)
    worst = max((low_rate(state, node) for node in witnesses), default=0.0)
    rate = max(worst, base * 1.5, float(state.model.rates.min()))
    for node in witnesses:
        if state.tally(node).fails < MIN_FAILS:
            return node, max(1, min(LONGEST_PROOF, math.ceil(MIN_FAILS / rate)))
    clean = math.log((1 - base) / (1 - rate))
    dirty = math.log(rate / base)
    for node in before:
        tally = state.tally(node)
        proof = tally.passes * clean - tally.fails * dirty
        want = math.log(2 / state.settings.alpha)
        if tally.fails:
            like = min(MOST_ALIKE, math.ceil(ALIKE * tally.trials / tally.fails))
            tried = state.tally(sound_end).trials
            if tried < like:
                return sound_end, min(LONGEST_PROOF, like - tried)
        if proof < want:
            return node, max(1, min(LONGEST_PROOF, math.ceil((want - proof) / clean)))
    return None


def credible_set(state: State, probabilities: FloatArray) -> tuple[list[int], float]:
    """The fewest candidates that hold the wanted confidence, and what they hold."""
    order = np.argsort(-probabilities, kind="stable")
    reached = np.cumsum(probabilities[order])
    count = int(np.searchsorted(reached, state.settings.confidence)) + 1
    count = min(count, int((probabilities > 0).sum()))
    return [int(node) for node in order[:count]], float(reached[count - 1]) if count else 0.0

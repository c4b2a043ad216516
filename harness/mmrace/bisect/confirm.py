# SPDX-License-Identifier: GPL-2.0
"""Phase 2: a comparison of the suspect with its neighbours on fresh trials.

The search chose its trials because of what it had seen, so its own data cannot
be tested again.  The confirmation makes a fixed number of new trials, mixed in
random order, and compares the two sides by Fisher's exact test (one-sided).
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass

from mmrace.bisect.state import Confirmation, State
from mmrace.bisect.stop import (
    Suspect, failing_witnesses, noise, sound_witnesses,
)

MOST = 400
"""Trials of one side at most."""


def fisher(fails: int, trials: int, other_fails: int, other_trials: int) -> float:
    """P(at least `fails` of the failures fall on the first side | equal rates)."""
    total, all_fails = trials + other_trials, fails + other_fails
    ways = math.comb(total, all_fails)
    top = min(trials, all_fails)
    hits = sum(
        math.comb(trials, k) * math.comb(other_trials, all_fails - k)
        for k in range(fails, top + 1)
    )
    return hits / ways


@functools.lru_cache(maxsize=4096)
def power(rate: float, base: float, size: int, level: float) -> float:
    """P(Fisher's test is significant) with `size` trials on each side."""
    chance = 0.0
    for k in range(size + 1):
        weight = _binomial(size, k, rate)
        if weight < 1e-9:
            continue
        for j in range(k + 1):
            other = _binomial(size, j, base)
            if other < 1e-9 and j > base * size:
                break
            if fisher(k, size, j, size) > level:
                break
            chance += weight * other
    return chance


def _binomial(trials: int, fails: int, rate: float) -> float:
    if rate <= 0.0:
        return 1.0 if fails == 0 else 0.0
    log = math.log(math.comb(trials, fails))
    return math.exp(log + fails * math.log(rate) + (trials - fails) * math.log1p(-rate))


@functools.lru_cache(maxsize=4096)
def size_for(rate: float, base: float, wanted: float, level: float) -> int:
    """Trials of each side for the wanted power, at most MOST."""
    size = 4
    while size < MOST and power(rate, base, size, level) < wanted:
        size = max(size + 1, int(size * 1.15))
    return min(size, MOST)


def expected_rate(state: State, node: int) -> float:
    """Posterior mean of the failure rate of a node on the failing side."""
    tally = state.tally(node)
    weight = state.belief().mu[:, None] * state.model.failing(tally.fails, tally.passes)[1]
    return float((weight * state.model.rates).sum() / weight.sum())


def plan(state: State, group: Suspect) -> tuple[int, ...]:
    """The nodes to try, in random order: equal numbers of each of both sides."""
    failing, sound = _sides(state, group)
    rate = expected_rate(state, failing[0])
    base = min(noise(state), rate / 2)
    wanted = state.settings
    size = size_for(
        round(rate, 2) or 0.005, round(base, 3), wanted.confirm_power, wanted.confirm_level
    )
    order = [node for node in (failing[0], *sound) for _ in range(size)]
    random.Random(f"{wanted.seed} {state.trials}").shuffle(order)
    return tuple(order)


def _sides(state: State, group: Suspect) -> tuple[list[int], list[int]]:
    after = failing_witnesses(state, group.nodes)
    before = sound_witnesses(state, group.nodes)
    return (after, before) if state.failing_after else (before, after)


@dataclass(frozen=True)
class Result:
    """The held-out comparison: failures and trials of both sides, and Fisher's p."""

    suspect: int
    fails: int
    trials: int
    other_fails: int
    other_trials: int
    p_value: float


def result(state: State, confirmation: Confirmation) -> Result:
    """Judge what was tried: each sound neighbour alone, and the weakest contrast counts."""
    failing, sound = _sides(state, Suspect((confirmation.suspect,), 1.0))
    worst: Result | None = None
    mine = confirmation.tallies.get(state.root(failing[0])) if failing else None
    for node in sound:
        theirs = confirmation.tallies.get(state.root(node))
        if mine is None or theirs is None:
            continue
        p_value = fisher(mine.fails, mine.trials, theirs.fails, theirs.trials)
        found = Result(
            confirmation.suspect, mine.fails, mine.trials, theirs.fails, theirs.trials, p_value
        )
        if worst is None or found.p_value > worst.p_value:
            worst = found
    return worst or Result(confirmation.suspect, 0, 0, 0, 0, 1.0)

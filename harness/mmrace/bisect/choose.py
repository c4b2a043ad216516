# SPDX-License-Identifier: GPL-2.0
"""Which commit to try next, and how often: most expected information for its cost.

A batch of m trials at node x tells something about the candidates only through
the side that x is on, so its expected entropy drop is the mutual information of
that side and the number of failures: a channel with two inputs, whose input
probability is P(x is on the failing side).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmrace.bisect.graph import FloatArray
from mmrace.bisect.model import BATCHES
from mmrace.bisect.state import State

GRID = np.concatenate([[0.0], np.linspace(0.0, 1.0, 42)[1:-1], [1.0]])
"""Input probabilities at which the channel is evaluated for untried nodes."""

TINY = 1e-300
"""What an impossible outcome's probability is taken for, so that its terms are 0."""

PREFER_LARGE = 0.9
"""A larger batch is taken when it is at least this good per cost: fewer changes of kernel."""

WORTHLESS = 1e-5
"""Expected information, in nats, below which a trial is not worth its cost."""


@dataclass(frozen=True)
class Choice:
    """Try `node` up to `count` times; `gain` in nats, `cost` in the budget's unit."""

    node: int
    count: int
    gain: float
    cost: float


def information(side: FloatArray, failing: FloatArray, sound: FloatArray) -> FloatArray:
    """Terms of the mutual information; rows are outcomes, columns are nodes."""
    failing, sound = np.maximum(failing, TINY), np.maximum(sound, TINY)
    bad, good = side * failing, (1 - side) * sound
    mixed = np.log(bad + good)
    return np.asarray(bad * (np.log(failing) - mixed) + good * (np.log(sound) - mixed))


def choose(state: State, avoid: frozenset[int] = frozenset()) -> Choice | None:
    """The best next batch, or None when no trial can tell anything any more.

    `avoid` are nodes under trial at this moment (parallel runs).
    """
    model, belief = state.model, state.belief()
    probabilities = state.probabilities()
    side = state.failing_mass(probabilities)
    nodes = state.partition.nodes
    fresh = belief.mu[:, None] * model.weights
    spread = np.array(
        [belief.mu[:, None] * state.rows(column)[1] for column in range(len(nodes))]
    ).reshape(len(nodes), -1)
    failing = model.predict_failing @ np.concatenate([spread, fresh.reshape(1, -1)]).T
    sound = (model.predict_sound @ belief.q)[:, None]
    tested_side = side[nodes]
    column_side = np.concatenate([tested_side, GRID])
    columns = np.concatenate(
        [failing[:, :-1], np.repeat(failing[:, -1:], len(GRID), axis=1)], axis=1
    )
    starts = model.batch_start.astype(np.int64)
    gains = np.add.reduceat(information(column_side, columns, sound), starts, axis=0)
    return _best(state, side, gains[:, : len(nodes)], gains[:, len(nodes):], avoid)


def _best(
    state: State,
    side: FloatArray,
    tested: FloatArray,
    fresh: FloatArray,
    avoid: frozenset[int],
) -> Choice | None:
    """The best of tested nodes (one column each) and untried ones (a curve over GRID)."""
    nodes = state.partition.nodes
    open_node = np.ones(len(side), dtype=np.bool_)
    closed = [*nodes, *state.untestable, *state.same, *avoid]
    open_node[closed] = False
    ready = np.array([node in state.built for node in nodes])
    usable = np.array([state.testable(n) and n not in avoid for n in nodes])
    ahead = [n for n in state.built if open_node[n]]
    found: list[Choice] = []
    for row, count in enumerate(BATCHES):
        run = count * state.trial_cost
        cost = run + np.where(ready, 0.0, state.build_cost)
        rate = np.where(usable, tested[row] / cost, -1.0)
        at = int(rate.argmax())
        options = [Choice(nodes[at], count, float(tested[row, at]), float(cost[at]))]
        if not usable[at]:
            options.clear()
        curve = np.where(open_node, np.interp(side, GRID, fresh[row]), -1.0)
        at = int(curve.argmax())
        if open_node[at]:
            options.append(Choice(at, count, float(curve[at]), run + state.build_cost))
        if ahead:
            at = max(ahead, key=lambda n: float(curve[n]))
            options.append(Choice(at, count, float(curve[at]), run))
        if options:
            found.append(max(options, key=lambda choice: choice.gain / choice.cost))
    if not found or max(choice.gain for choice in found) < WORTHLESS:
        return None
    top = max(choice.gain / choice.cost for choice in found)
    return [c for c in found if c.gain / c.cost >= PREFER_LARGE * top][-1]

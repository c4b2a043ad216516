# SPDX-License-Identifier: GPL-2.0
"""Phase 0: is there a change between the ends at all?

Both ends are tried in turn until the Bayes factor for a change is at least
`Settings.gate_factor`, or at most its inverse.  A bisection that skips this
names a commit also where nothing changed.
"""

from __future__ import annotations

import enum
import math

from mmrace.bisect.graph import OLD
from mmrace.bisect.state import State


class Gate(enum.Enum):
    """What the ends say."""

    OPEN = "undecided"
    CHANGED = "changed"
    SAME = "no change"
    GIVEN_UP = "budget spent"


def gate(state: State) -> Gate:
    """The verdict on the ends so far."""
    limit = math.log(state.settings.gate_factor)
    odds = state.belief().log_odds
    if odds >= limit:
        return Gate.CHANGED
    if odds <= -limit:
        return Gate.SAME
    spent = state.spent >= state.settings.gate_share * state.settings.budget
    if spent or state.trials >= state.settings.gate_trials:
        return Gate.GIVEN_UP
    return Gate.OPEN


def next_end(state: State) -> int:
    """The end to try next: the one tried less, the one that should fail first."""
    suspect, control = (state.graph.new, OLD) if state.failing_after else (OLD, state.graph.new)
    tried = [_tried(state, suspect), _tried(state, control)]
    return control if tried[1] < tried[0] else suspect


def _tried(state: State, node: int) -> int:
    tally = state.tally(node)
    return tally.trials + tally.other + tally.infra

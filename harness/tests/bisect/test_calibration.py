# SPDX-License-Identifier: GPL-2.0
"""The promise: a stated confidence is met, where rates misbehave too, and others miss it."""

from dataclasses import replace

import pytest

from mmrace.bisect.calibrate import BUDGET, Row, measure, meets
from mmrace.bisect.model import Prior
from mmrace.bisect.settings import Settings
from mmrace.bisect.simulate import World

FAST = Settings(budget=BUDGET, confirm=False)

WORLDS = [
    (World("linear", rate=0.5), 60),
    (World("merges", rate=0.5, merges=True), 30),
    (World("linear", rate=0.2), 20),
    (World("linear", rate=0.2, size=8), 20),
    (World("linear", rate=0.2, size=512), 10),
    (World("drift", rate=0.5, drift="third"), 15),
    (World("correlated", rate=0.5, correlation=0.3), 30),
    (World("noise", rate=0.5, noise=0.05), 10),
    (World("untestable", rate=0.5, merges=True, broken=0.2, other=0.05), 20),
    (World("no change", rate=0.5, change=False), 150),
    (World("fix", rate=0.5, find="fix"), 30),
]


@pytest.mark.parametrize(("world", "searches"), WORLDS, ids=lambda value: str(value)[:40])
def test_stated_confidence_is_met(world: World, searches: int) -> None:
    row = measure(world, searches, replace(FAST, find=world.find))
    assert row.meets, row
    if world.change:
        assert row.named + row.sets > 0.6 * searches, row
        assert row.right + row.sets_right > row.plain_right, row
    else:
        assert row.no_change > 0.8 * searches, row


def naive() -> Row:
    """A model that holds the rate to be the same in every commit, and trusts one look."""
    same = (1.0, 1e-9, 1e-9, 1e-9, 1e-9)
    prior = Prior(steady=same, drifting=same, ends=same)
    world = World("naive", rate=0.5, drift="wide")
    return measure(world, 60, replace(FAST, prior=prior))


def test_a_model_without_drift_fails_the_same_judgement() -> None:
    row = naive()
    assert not row.meets, row


def test_the_judgement_itself() -> None:
    change, none = World("x"), World("x", change=False)
    assert meets(change, 100, 100, 95, 0, 0, 0.95)
    assert not meets(change, 100, 100, 80, 0, 0, 0.95)
    assert not meets(change, 100, 50, 50, 50, 20, 0.95)
    assert meets(none, 100, 1, 0, 0, 0, 0.95)
    assert not meets(none, 100, 20, 0, 0, 0, 0.95)

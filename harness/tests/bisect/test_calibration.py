# SPDX-License-Identifier: GPL-2.0
"""The promise: a stated confidence is met, where rates misbehave too, and others miss it.

Thousands of searches; how many of each world is decided by what one costs (2 to 600 ms of CPU), so
that all take about half a minute of it. bench/bisect-calibration makes many of the dear ones.
"""

from dataclasses import replace

import pytest

from mmrace.bisect.calibrate import BUDGET, DOUBT, Row, measure, meets, rows
from mmrace.bisect.model import Prior
from mmrace.bisect.report import wilson
from mmrace.bisect.settings import Settings
from mmrace.bisect.simulate import World, worlds

# Searches by (world, rate, candidates).
SEARCHES = {
    ("linear", 0.5, 64): 240, ("merges", 0.5, 64): 160, ("linear", 0.2, 64): 40,
    ("merges", 0.2, 64): 30, ("linear", 0.1, 64): 15, ("merges", 0.1, 64): 8,
    ("linear", 0.05, 64): 6, ("merges", 0.05, 64): 4, ("linear", 0.2, 8): 50,
    ("merges", 0.2, 8): 25, ("linear", 0.2, 512): 15, ("merges", 0.2, 512): 15,
    ("linear", 0.2, 4096): 10, ("merges", 0.2, 4096): 5, ("drift third", 0.5, 64): 30,
    ("drift wide", 0.5, 64): 30, ("drift step", 0.5, 64): 5, ("correlated 0.3", 0.5, 64): 200,
    ("noise 0.02", 0.5, 64): 50, ("no change", 0.5, 64): 1200, ("drift third", 0.2, 64): 10,
    ("drift wide", 0.2, 64): 10, ("drift step", 0.2, 64): 4, ("correlated 0.3", 0.2, 64): 12,
    ("noise 0.02", 0.2, 64): 8, ("no change", 0.2, 64): 5, ("noise 0.1", 0.5, 64): 4,
    ("noise 0.1", 0.3, 64): 3, ("drift+corr+merges", 0.3, 64): 3, ("no change, drift", 0.2, 64): 6,
    ("untestable 0.2", 0.2, 64): 20, ("fix", 0.2, 64): 25,
}


def key(world: World | Row) -> tuple[str, float, int]:
    """What a world is called in SEARCHES."""
    return (world.world if isinstance(world, Row) else world.name, world.rate, world.size)


@pytest.fixture(scope="module", name="table")
def make_table() -> dict[tuple[str, float, int], Row]:
    """All searches."""
    return {key(row): row for row in rows((world, SEARCHES[key(world)]) for world in worlds())}


Table = dict[tuple[str, float, int], Row]


def test_there_are_thousands(table: Table) -> None:
    assert sum(row.searches for row in table.values()) > 2000
    assert {row.size for row in table.values()} == {8, 64, 512, 4096}


@pytest.mark.parametrize("world", worlds(), ids=lambda world: "-".join(map(str, key(world))))
def test_stated_confidence_is_met(world: World, table: Table) -> None:
    row = table[key(world)]
    assert row.meets, row
    if not world.change:
        assert row.named + row.sets <= 0.05 * row.searches + 1, row
    elif world.noise < 0.1:
        assert row.named + row.sets > 0.6 * row.searches, row
        assert row.right + row.sets_right > max(row.plain_right, row.three_right), row


def test_all_names_together_are_right_as_often_as_they_say(table: Table) -> None:
    named = sum(row.named for row in table.values())
    right = sum(row.right for row in table.values())
    stated = sum(row.stated * row.named for row in table.values()) / named
    assert named > 600 and 0.95 < stated < wilson(right, named, DOUBT)[1], (right, named, stated)


def test_where_nothing_changed_it_says_so(table: Table) -> None:
    row = table["no change", 0.5, 64]
    assert row.no_change > 0.95 * row.searches, row


def naive() -> Row:
    """A model that holds the rate to be the same in every commit, and trusts one look."""
    same = (1.0, 1e-9, 1e-9, 1e-9, 1e-9)
    prior = Prior(steady=same, drifting=same, ends=same)
    world = World("naive", rate=0.5, drift="wide")
    return measure(world, 40, replace(Settings(budget=BUDGET, confirm=False), prior=prior))


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

# SPDX-License-Identifier: GPL-2.0
"""Does the stated confidence hold?  Searches in simulated worlds, counted.

Each row of the table is one world of `simulate.worlds`, searched many times with
different culprits, beside what plain `git bisect` and "bad only if 3 of 3 fail"
name in the same worlds.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

from mmrace.bisect import baselines
from mmrace.bisect.model import Model
from mmrace.bisect.report import wilson
from mmrace.bisect.search import Answer, Finish, Search
from mmrace.bisect.settings import Settings
from mmrace.bisect.simulate import Simulated, World, worlds
from mmrace.bisect.state import State

BUDGET = 6000.0
"""Of one search, in trials; a build costs four."""

DOUBT = 2.58
"""Standard errors by which a row may miss the confidence: 99 % two-sided."""


@dataclass(frozen=True)
class Row:
    """The searches of one world.  Shares are of all searches, `right` of the named."""

    world: str
    rate: float
    size: int
    searches: int
    named: int
    right: int
    stated: float
    sets: int
    sets_right: int
    no_change: int
    undecided: int
    trials: float
    builds: float
    plain_right: int
    three_right: int
    meets: bool
    """Whether named and set answers are right as often as stated, within DOUBT errors."""


def search(world: World, seed: int, settings: Settings, model: Model) -> tuple[Simulated, State,
                                                                               Finish]:
    """One search in one world drawn from the recipe."""
    simulated = Simulated(world, random.Random(f"{world.name} {seed}"))
    state = State(simulated.graph, settings, model=model)
    return simulated, state, Search(state, simulated).run()


def measure(world: World, searches: int, settings: Settings | None = None, first: int = 0) -> Row:
    """All searches of one world; deterministic for a seed range."""
    settings = settings or Settings(budget=BUDGET, find=world.find)
    model = Model(settings.prior)
    answers = {answer: 0 for answer in Answer}
    right = sets_right = plain = three = trials = builds = 0
    stated = 0.0
    for seed in range(first, first + searches):
        simulated, state, finish = search(world, seed, settings, model)
        answers[finish.answer] += 1
        trials, builds = trials + state.trials, builds + state.builds
        if finish.answer is Answer.NAMED:
            right += finish.nodes[0] == simulated.culprit
            stated += finish.probability
        elif finish.answer is Answer.SET:
            sets_right += simulated.culprit in finish.nodes
        plain += baseline(simulated, seed, 1) == simulated.culprit
        three += baseline(simulated, seed, 3) == simulated.culprit
    named, sets = answers[Answer.NAMED], answers[Answer.SET]
    if not world.change:
        plain = three = 0
    return Row(
        world=world.name, rate=world.rate, size=world.size, searches=searches,
        named=named, right=right, stated=stated / named if named else 0.0,
        sets=sets, sets_right=sets_right,
        no_change=answers[Answer.NO_CHANGE], undecided=answers[Answer.UNDECIDED],
        trials=trials / searches, builds=builds / searches,
        plain_right=plain, three_right=three,
        meets=meets(world, searches, named, right, sets, sets_right, settings.confidence),
    )


def meets(world: World, searches: int, named: int, right: int, sets: int, sets_right: int,
          confidence: float) -> bool:
    """Whether the answers are right as often as stated.

    With a change: of the answers that name a commit or a set.  Without one any
    name is wrong, and the promise is about all searches.
    """
    if world.change:
        hits, count = right + sets_right, named + sets
    else:
        hits, count = searches - named - sets, searches
    return count == 0 or wilson(hits, count, DOUBT)[1] >= confidence


def baseline(simulated: Simulated, seed: int, need: int) -> int:
    """What a deterministic bisection names in the same world, with draws of its own."""
    simulated.rng = random.Random(f"{simulated.world.name} {seed} {need} of {need}")
    return baselines.bisect(simulated.graph, simulated, need, need, simulated.world.find)[0]


def _job(job: tuple[World, int]) -> Row:
    return measure(*job)


def rows(jobs: Iterable[tuple[World, int]]) -> Iterator[Row]:
    """A row for each world and number of searches, in order, on all processors."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(_job, jobs)


def table(searches: int) -> Iterator[Row]:
    """All rows, with as many searches each."""
    yield from rows((world, searches) for world in worlds())


def as_dict(row: Row) -> dict[str, object]:
    """A row as JSON."""
    return asdict(row)


HEAD = (
    "| world | rate | candidates | named | right of named | stated | set (right) | no change "
    "| undecided | trials | builds | plain bisect right | 3 of 3 right | met |"
)


def markdown(row: Row) -> str:
    """A row of the table."""
    share = f"{100 * row.right / row.named:.1f} %" if row.named else "-"
    stated = f"{100 * row.stated:.1f} %" if row.named else "-"
    cells = [
        row.world, f"{row.rate:g}", str(row.size), percent(row.named, row.searches), share, stated,
        f"{row.sets} ({row.sets_right})", str(row.no_change), str(row.undecided),
        f"{row.trials:.0f}", f"{row.builds:.1f}", percent(row.plain_right, row.searches),
        percent(row.three_right, row.searches), "yes" if row.meets else "**no**",
    ]
    return "| " + " | ".join(cells) + " |"


def percent(part: int, whole: int) -> str:
    """A share for people."""
    return f"{100 * part / whole:.0f} %"

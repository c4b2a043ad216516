# SPDX-License-Identifier: GPL-2.0
"""Simulated worlds: a history with a known culprit and failure rates that misbehave.

The search sees a world only through the `Runner` protocol, exactly as it sees a
real tree.  Worlds differ from the model on purpose (`World.drift`, `cluster`,
`noise`): the calibration must hold there too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from mmrace.bisect.graph import OLD, Graph, linear
from mmrace.bisect.settings import Built, Kind, Outcome

CLUSTER = 8
"""Consecutive trials of one commit that share a failure rate in a clustered world."""


@dataclass(frozen=True)
class World:
    """A recipe for worlds.  Rates are probabilities for each trial.

    `drift`: "none"; "third": each failing commit keeps its rate or a third of it;
    "wide": each has a factor drawn evenly in log between 1/10 and 1; "step": all
    failing commits before a second, random commit have a third of the rate.
    `correlation`: intra-class correlation of CLUSTER consecutive trials (beta-binomial).
    `noise`: the true rate of the sound side.  `broken`: share of commits that do
    not build; `other`: rate of trials that end in another failure.
    """

    name: str
    rate: float = 0.2
    size: int = 64
    merges: bool = False
    change: bool = True
    drift: str = "none"
    correlation: float = 0.0
    noise: float = 0.002
    broken: float = 0.0
    other: float = 0.0
    find: str = "regression"


def merge_graph(size: int, rng: random.Random) -> Graph:
    """A history of `size` candidates in which about half of the commits are on side branches."""
    parents: list[tuple[int, ...]] = [()]
    main = [OLD]
    while len(parents) <= size:
        left = size + 1 - len(parents)
        if left < 4 or rng.random() < 0.5:
            parents.append((main[-1],))
            main.append(len(parents) - 1)
            continue
        fork = rng.choice(main[-6:])
        tip = fork
        for _ in range(min(left - 2, rng.randint(1, 6))):
            parents.append((tip,))
            tip = len(parents) - 1
        if fork == main[-1]:
            parents.append((main[-1],))
            main.append(len(parents) - 1)
        parents.append((main[-1], tip))
        main.append(len(parents) - 1)
    return Graph([str(node) for node in range(len(parents))], parents)


@dataclass
class Simulated:
    """One world drawn from a recipe; a `Runner`."""

    world: World
    rng: random.Random
    graph: Graph = field(init=False)
    culprit: int | None = field(init=False)
    rates: list[float] = field(init=False)

    def __post_init__(self) -> None:
        world, rng = self.world, self.rng
        if world.merges:
            self.graph = merge_graph(world.size, rng)
        else:
            self.graph = line(world.size)
        self.culprit = rng.randint(1, self.graph.new) if world.change else None
        self.rates = self._rates()
        ends = (OLD, self.graph.new)
        self._broken = {
            node
            for node in range(len(self.graph))
            if node not in ends and rng.random() < world.broken
        }
        self._cluster: tuple[int, int, float] = (-1, 0, 0.0)

    def _after(self, change: int | None) -> list[bool]:
        """Which nodes descend from `change` or are it."""
        after = [False] * len(self.graph)
        for node, above in enumerate(self.graph.parents):
            after[node] = node == change or any(after[parent] for parent in above)
        return after

    def _rates(self) -> list[float]:
        world, rng = self.world, self.rng
        after = self._after(self.culprit)
        if world.change:
            failing = after if world.find == "regression" else [not a for a in after]
        else:
            failing = [True] * len(after)
        later = self._after(rng.randint(1, self.graph.new))
        rates = []
        for node, fails in enumerate(failing):
            factor = 1.0
            if world.drift == "third":
                factor = rng.choice((1.0, 1 / 3))
            elif world.drift == "wide":
                factor = 10.0 ** -rng.random()
            elif world.drift == "step" and not later[node]:
                factor = 1 / 3
            if node == (self.graph.new if world.find == "regression" else OLD):
                factor = 1.0
            rates.append(world.rate * factor if fails else world.noise)
        return rates

    keeps_builds = mixes = True

    def build(self, commit: str) -> Built:
        """Costs four trials."""
        return Built(int(commit) not in self._broken, cost=4.0)

    def trial(self, commit: str) -> Outcome:
        """One Bernoulli trial, with the world's correlation and other failures."""
        node, rng = int(commit), self.rng
        rate = self.rates[node]
        if self.world.correlation:
            rate = self._clustered(node, rate)
        if self.world.other and rng.random() < self.world.other:
            return OTHER
        return FAIL if rng.random() < rate else PASS

    def _clustered(self, node: int, rate: float) -> float:
        where, left, current = self._cluster
        if where != node or left == 0:
            strength = 1 / self.world.correlation - 1
            current = self.rng.betavariate(rate * strength, (1 - rate) * strength)
            left = CLUSTER
        self._cluster = (node, left - 1, current)
        return current


FAIL, PASS = Outcome(Kind.FAIL), Outcome(Kind.PASS)
OTHER = Outcome(Kind.OTHER, exposure=0.0)

_LINES: dict[int, Graph] = {}


def line(size: int) -> Graph:
    """A linear history; made once for each size."""
    if size not in _LINES:
        _LINES[size] = linear([str(node) for node in range(size + 1)])
    return _LINES[size]


BASE = World("plain")


def worlds() -> list[World]:
    """The worlds of the calibration: what issue and users meet, each a row of the table."""
    found = []
    for rate in (0.5, 0.2, 0.1, 0.05):
        found.append(replace(BASE, name="linear", rate=rate))
        found.append(replace(BASE, name="merges", rate=rate, merges=True))
    for size in (8, 512, 4096):
        found.append(replace(BASE, name="linear", size=size))
        found.append(replace(BASE, name="merges", size=size, merges=True))
    for rate in (0.5, 0.2):
        for drift in ("third", "wide", "step"):
            found.append(replace(BASE, name=f"drift {drift}", rate=rate, drift=drift))
        found.append(replace(BASE, name="correlated 0.3", rate=rate, correlation=0.3))
        found.append(replace(BASE, name="noise 0.02", rate=rate, noise=0.02))
        found.append(replace(BASE, name="no change", rate=rate, change=False))
    found.append(replace(BASE, name="noise 0.1", rate=0.5, noise=0.1))
    found.append(replace(BASE, name="noise 0.1", rate=0.3, noise=0.1))
    found.append(
        replace(BASE, name="drift+corr+merges", rate=0.3, drift="wide", correlation=0.2,
                merges=True, noise=0.01)
    )
    found.append(replace(BASE, name="no change, drift", change=False, drift="third"))
    found.append(replace(BASE, name="untestable 0.2", broken=0.2, other=0.05, merges=True))
    found.append(replace(BASE, name="fix", find="fix"))
    return found

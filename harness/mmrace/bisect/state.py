# SPDX-License-Identifier: GPL-2.0
"""Everything that a bisection knows: a fold over its events, and nothing else.

`State.apply` is the only way to change it, so reading a log again gives the same
state, and the next choice is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mmrace.bisect.graph import OLD, FloatArray, Graph, Partition
from mmrace.bisect.model import Belief, Model, believe, binned
from mmrace.bisect.settings import Built, Kind, Outcome, Settings

MASKED_SHARE = 1 / 3
"""A commit with more than this share of trials that cannot tell is masked..."""
MASKED_TRIALS = 4
"""...once this many trials were made."""
DEAD_TRIALS = 2
"""Boots of a commit that never came up, without one that did, before it counts as unbootable."""


@dataclass(frozen=True)
class BuildEvent:
    """A commit was built, or was not."""

    node: int
    built: Built


@dataclass(frozen=True)
class TrialEvent:
    """A trial ended; `held_out` when it belongs to a confirmation under way."""

    node: int
    outcome: Outcome
    held_out: bool = False


@dataclass(frozen=True)
class PhaseEvent:
    """The search entered a phase: gate, search or confirm."""

    phase: str
    suspect: int | None = None
    """The node that a confirmation is about."""
    order: tuple[int, ...] = ()
    """The nodes that a confirmation tries, in this order."""


Event = BuildEvent | TrialEvent | PhaseEvent


@dataclass
class Tally:
    """The trials of one commit."""

    fails: int = 0
    passes: float = 0.0
    """Clean exposure, in full trials."""
    clean: int = 0
    """Full clean trials."""
    other: int = 0
    infra: int = 0
    dead: int = 0
    """Those of `other` in which the kernel never came up."""

    @property
    def trials(self) -> int:
        """Trials that told something."""
        return self.fails + self.clean

    def add(self, outcome: Outcome) -> None:
        """Count one trial."""
        if outcome.kind is Kind.FAIL:
            self.fails += 1
        elif outcome.kind is Kind.PASS:
            self.clean += 1
            self.passes += outcome.exposure
        elif outcome.kind is Kind.OTHER:
            self.other += 1
            self.dead += outcome.dead
        else:
            self.infra += 1

    @property
    def masked(self) -> bool:
        """Too many trials could not tell."""
        lost = self.other + self.infra
        total = lost + self.trials
        return total >= MASKED_TRIALS and lost > MASKED_SHARE * total

    @property
    def unbootable(self) -> bool:
        """It never came up."""
        return self.dead >= DEAD_TRIALS and self.dead == self.other and not self.trials


@dataclass
class Confirmation:
    """One held-out comparison of a suspect with its parents."""

    suspect: int
    order: tuple[int, ...]
    tallies: dict[int, Tally] = field(default_factory=dict)
    done: int = 0


class State:
    """The evidence so far.  `prior` is a weight for each node, old end included (ignored)."""

    def __init__(
        self,
        graph: Graph,
        settings: Settings | None = None,
        prior: FloatArray | None = None,
        model: Model | None = None,
    ) -> None:
        self.graph = graph
        self.settings = settings or Settings()
        self.model = model or Model(self.settings.prior)
        weight = np.ones(len(graph)) if prior is None else np.array(prior, dtype=np.float64)
        weight[OLD] = 0.0
        self.prior = weight / weight.sum()
        self.partition = Partition(graph)
        self.tallies: dict[int, Tally] = {}
        self.untestable: dict[int, str] = {}
        self.built: set[int] = set()
        self.keys: dict[str, int] = {}
        self.same: dict[int, int] = {}
        self.phase = "gate"
        self.confirmations: list[Confirmation] = []
        self.spent = 0.0
        self.builds = 0
        self.trials = 0
        self._build_cost = [0.0, 0.0]
        self._trial_cost = [0.0, 0.0]
        self._rows: dict[int, tuple[FloatArray, FloatArray]] = {}
        self._class_prior: FloatArray | None = None
        self._belief: Belief | None = None
        for node in (OLD, graph.new):
            self._mark(node)

    def apply(self, event: Event) -> None:
        """Take one event in."""
        if isinstance(event, TrialEvent):
            self._apply_trial(event)
        elif isinstance(event, BuildEvent):
            self._apply_build(event)
        else:
            self.phase = event.phase
            if event.phase == "confirm" and event.suspect is not None:
                self.confirmations.append(Confirmation(event.suspect, event.order))

    def _mark(self, node: int) -> None:
        if node not in self.tallies:
            self.tallies[node] = Tally()
            self.partition.mark(node)
            self._class_prior = None

    def _apply_trial(self, event: TrialEvent) -> None:
        node, outcome = self.root(event.node), event.outcome
        self._mark(node)
        tally = self.tallies[node]
        tally.add(outcome)
        if outcome.kind is Kind.OTHER and outcome.exposure < 1.0:
            tally.passes += outcome.exposure
        if tally.unbootable:
            self.untestable[node] = f"does not boot: {outcome.detail}"
        elif tally.masked and node not in (OLD, self.graph.new):
            self.untestable[node] = "masked by other failures"
        if event.held_out:
            confirmation = self.confirmations[-1]
            confirmation.tallies.setdefault(node, Tally()).add(outcome)
            confirmation.done += 1
        self.trials += 1
        self.spent += outcome.cost
        self._trial_cost[0] += 1
        self._trial_cost[1] += outcome.cost
        self._rows.pop(node, None)
        self._belief = None

    def _apply_build(self, event: BuildEvent) -> None:
        node, built = event.node, event.built
        self.builds += 1
        self.spent += built.cost
        self._build_cost[0] += 1
        self._build_cost[1] += built.cost
        if not built.ok:
            self.untestable[node] = built.detail or "does not build"
            return
        if not self.settings.keeps_builds:
            self.built.clear()
        self.built.add(node)
        if built.key is None:
            return
        twin = self.keys.setdefault(built.key, node)
        if twin != node and node not in self.same:
            self._join(node, twin)

    def _join(self, node: int, twin: int) -> None:
        """Equal binaries are on the same side: no change lies between them."""
        between = self.graph.ancestors(node) ^ self.graph.ancestors(twin)
        weight = np.where(between, 0.0, self.prior)
        if weight.sum() > 0:
            self.prior = weight / weight.sum()
        else:
            self.prior = weight
        self.same[node] = twin
        self._class_prior = None
        self._belief = None

    def root(self, node: int) -> int:
        """The node that stands for all commits with this one's binary."""
        return self.same.get(node, node)

    def tally(self, node: int) -> Tally:
        """The trials of a commit (or of its twin)."""
        return self.tallies.get(self.root(node), Tally())

    @property
    def build_cost(self) -> float:
        """Mean cost of a build, measured ones once there are any."""
        count, total = self._build_cost
        return total / count if count else self.settings.build_cost

    @property
    def trial_cost(self) -> float:
        """Mean cost of a trial, measured ones once there are any."""
        count, total = self._trial_cost
        return total / count if count and total > 0 else self.settings.trial_cost

    def testable(self, node: int) -> bool:
        """Whether a trial of this commit can tell anything, as far as is known."""
        return node not in self.untestable

    @property
    def failing_after(self) -> bool:
        """Whether the failing side is the one after the change."""
        return self.settings.find == "regression"

    def rows(self, column: int) -> tuple[FloatArray, FloatArray]:
        """Of the marked node in `column`: log likelihood by mu, P(multiplier | mu)."""
        node = self.partition.nodes[column]
        found = self._rows.get(node)
        if found is None:
            tally = self.tallies[node]
            found = self.model.failing(tally.fails, tally.passes)
            self._rows[node] = found
        return found

    def belief(self) -> Belief:
        """The posterior; computed once after each change."""
        if self._belief is None:
            nodes = self.partition.nodes
            failing = self.partition.after
            if not self.failing_after:
                failing = ~failing
            tallies = [self.tallies[node] for node in nodes]
            self._belief = believe(
                self.model,
                failing,
                np.array([self.rows(column)[0] for column in range(len(nodes))]),
                np.array([self.model.sound(tally.fails, tally.passes) for tally in tallies]),
                np.array([self.model.end(tally.fails, tally.passes) for tally in tallies[:2]]),
                self.class_prior(),
            )
        return self._belief

    def class_prior(self) -> FloatArray:
        """Prior mass of each class of candidates."""
        if self._class_prior is None:
            self._class_prior = binned(
                self.partition.class_of, self.prior, len(self.partition.after)
            )
        return self._class_prior

    def probabilities(self) -> FloatArray:
        """P(node is the first changed one) for every node; the rest is `belief().none`."""
        prior = self.class_prior()
        scale = np.divide(
            self.belief().classes, prior, out=np.zeros_like(prior), where=prior > 0
        )
        return np.asarray(self.prior * scale[self.partition.class_of])

    def failing_mass(self, probabilities: FloatArray) -> FloatArray:
        """P(node is on the failing side) for every node."""
        changed = float(probabilities.sum())
        after = self.graph.ancestor_mass(probabilities) * changed
        side = after if self.failing_after else changed - after
        return np.asarray(side + self.belief().always)

# SPDX-License-Identifier: GPL-2.0
"""What a bisection is asked to do, and the words for what a trial can say."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from mmrace.bisect.model import Prior


class Kind(enum.Enum):
    """The outcome of one trial, which is one fresh boot."""

    FAIL = "F"
    """The failure that is bisected (the signature matched)."""
    PASS = "P"
    """The full exposure without any failure."""
    OTHER = "X"
    """Cannot tell: another failure came first."""
    INFRA = "I"
    """The machine or the harness was lost."""


@dataclass(frozen=True)
class Outcome:
    """One trial's result.

    `exposure` is the share of the full exposure that was run without the failure;
    it counts as that share of a clean trial (also for OTHER, whose default is 0).
    `cost` is in the unit of the budget, normally seconds.
    """

    kind: Kind
    cost: float = 1.0
    exposure: float = 1.0
    detail: str = ""
    dead: bool = False
    """The kernel never came up, so that nothing was tried."""
    seed: int | None = None
    """What repeats the trial, where there is such a thing."""


@dataclass(frozen=True)
class Built:
    """The result of building one commit; `key` is equal for equal binaries."""

    ok: bool
    cost: float = 0.0
    key: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Settings:
    """How to search.  Costs and the budget are in one unit, normally seconds."""

    find: str = "regression"
    """"regression": the new side fails.  "fix": the old side fails."""
    confidence: float = 0.95
    budget: float = float("inf")
    build_cost: float = 4.0
    """A first guess of what one build costs; measured builds replace it."""
    trial_cost: float = 1.0
    """A first guess of what one trial costs; measured trials replace it."""
    keeps_builds: bool = True
    """Whether a commit built earlier can be tried again without a build."""
    mixes: bool = True
    """Whether trials of different commits can run at once."""
    parallel: int = 1
    """Trials that run at once."""
    gate_factor: float = 20.0
    """Bayes factor that the gate wants for or against a change."""
    gate_share: float = 0.5
    """The gate may spend this share of the budget."""
    gate_trials: int = 1200
    confirm: bool = True
    confirm_power: float = 0.8
    confirm_level: float = 0.05
    confirm_rounds: int = 3
    seed: int = 1
    prior: Prior = field(default_factory=Prior)

    @property
    def alpha(self) -> float:
        """The allowed probability of naming a wrong commit."""
        return 1.0 - self.confidence

# SPDX-License-Identifier: GPL-2.0
"""What a trial says about a commit: the likelihood, integrated over unknown rates.

A commit on the failing side fails a trial with probability mu * m.  mu is common
to all commits and unknown (a grid, even in log mu); m is drawn once for each
commit, because a bug's rate drifts as the code around it changes.  Whether rates
drift at all is one more unknown: every mu of the grid comes twice, with the
weights `Prior.steady` and `Prior.drifting` for m.  A commit on
the sound side fails with the common probability q (a grid): the noise that looks
like the bug.  q is at most half of mu: a change must at least double the rate.

Trials of one commit share its m, so a commit's evidence saturates: a hundred
clean boots of one commit prove little more than the weight of a small m.  That
is what keeps the posterior honest when trials are correlated or rates drift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mmrace.bisect.graph import BoolArray, FloatArray, IntArray

BATCHES = (1, 2, 8, 32)
"""Numbers of trials that a choice considers."""


@dataclass(frozen=True)
class Prior:
    """Beliefs before any trial; the defaults are the calibrated ones (docs/bisect.md)."""

    none: float = 0.2
    """Probability that nothing changed between the ends."""
    multipliers: tuple[float, ...] = (1.0, 0.5, 0.25, 0.12, 0.03)
    steady: tuple[float, ...] = (0.93, 0.03, 0.02, 0.015, 0.005)
    drifting: tuple[float, ...] = (0.26, 0.27, 0.24, 0.20, 0.03)
    """The multipliers' weights where rates hardly drift and where they do; which of the
    two it is holds for all commits and is learned from them."""
    drift: float = 0.5
    """Probability of `drifting`."""
    ends: tuple[float, ...] = (0.60, 0.25, 0.15, 0.0, 0.0)
    """The multipliers' weights at the two ends when nothing changed between them: a rate
    that falls below a quarter from one end to the other is a change, whatever its cause."""
    mu_low: float = 0.012
    mu_high: float = 0.95
    mu_points: int = 16
    q_points: tuple[float, ...] = (
        0.0003, 0.001, 0.003, 0.006, 0.009, 0.013, 0.018, 0.025, 0.034, 0.044, 0.055, 0.067,
        0.08, 0.095, 0.11, 0.13, 0.15, 0.18, 0.22, 0.27, 0.4,
    )
    q_beta: tuple[float, float] = (0.5, 20.0)
    q_wide: tuple[float, float] = (0.5, 3.0)
    q_wide_weight: float = 0.1
    """The good side's noise: mostly Beta(q_beta), with a broad part for a wrong guess."""


def beta_cells(points: FloatArray, a: float, b: float) -> FloatArray:
    """Mass of Beta(a, b) near each of `points` (ascending), normalised."""
    width = np.gradient(np.log(points))
    density = a * np.log(points) + (b - 1) * np.log1p(-points)
    mass = np.exp(density - density.max()) * width
    return np.asarray(mass / mass.sum())


class Model:
    """Likelihood tables over the grids.  Immutable; rows are cached by (failures, passes)."""

    def __init__(self, prior: Prior | None = None) -> None:
        self.prior = prior = prior or Prior()
        points = np.linspace(math.log(prior.mu_low), math.log(prior.mu_high), prior.mu_points)
        self.mu = np.exp(np.concatenate([points, points]))
        self.weights = np.repeat(
            np.array([prior.steady, prior.drifting]), prior.mu_points, axis=0
        )
        self.q = np.array(prior.q_points)
        q_mass = (1 - prior.q_wide_weight) * beta_cells(self.q, *prior.q_beta)
        q_mass += prior.q_wide_weight * beta_cells(self.q, *prior.q_wide)
        cell_q, cell_mu = np.nonzero(self.q[:, None] <= self.mu[None, :] / 2)
        self.cell_q, self.cell_mu = cell_q, cell_mu
        regime = np.where(cell_mu < prior.mu_points, 1 - prior.drift, prior.drift)
        mass = q_mass[cell_q] * regime
        self.log_cell = np.log(mass / mass.sum())
        rates = self.mu[:, None] * np.array(prior.multipliers)[None, :]
        self.rates = rates
        self._log_rate, self._log_clean = np.log(rates), np.log1p(-rates)
        self._log_weight = np.log(self.weights)
        with np.errstate(divide="ignore"):
            self._log_end_weight = np.log(np.array(prior.ends))
        self._log_q, self._log_q_clean = np.log(self.q), np.log1p(-self.q)
        self._failing: dict[tuple[float, float], tuple[FloatArray, FloatArray]] = {}
        self._sound: dict[tuple[float, float], FloatArray] = {}
        self._end: dict[tuple[float, float], FloatArray] = {}
        self.outcomes, self.batch_start, self.trials = outcome_table()
        fails, clean = self.outcomes, self.trials - self.outcomes
        choose = np.array(
            [math.log(math.comb(int(n), int(k))) for n, k in zip(self.trials, fails)]
        )
        self.predict_failing = np.exp(
            choose[:, None]
            + fails[:, None] * self._log_rate.ravel()
            + clean[:, None] * self._log_clean.ravel()
        )
        self.predict_sound = np.exp(
            choose[:, None]
            + fails[:, None] * self._log_q
            + clean[:, None] * self._log_q_clean
        )

    def failing(self, fails: float, passes: float) -> tuple[FloatArray, FloatArray]:
        """Of a failing-side commit: log likelihood by mu, and P(multiplier | mu, data)."""
        key = (fails, passes)
        found = self._failing.get(key)
        if found is None:
            cells = self._log_weight + fails * self._log_rate + passes * self._log_clean
            top = cells.max(axis=1)
            part = np.exp(cells - top[:, None])
            total = part.sum(axis=1)
            found = (top + np.log(total), part / total[:, None])
            if len(self._failing) < 200_000:
                self._failing[key] = found
        return found

    def end(self, fails: float, passes: float) -> FloatArray:
        """Of an end, when nothing changed and the failure is on both: log likelihood by mu."""
        key = (fails, passes)
        found = self._end.get(key)
        if found is None:
            cells = self._log_end_weight + fails * self._log_rate + passes * self._log_clean
            top = cells.max(axis=1)
            found = np.asarray(top + np.log(np.exp(cells - top[:, None]).sum(axis=1)))
            if len(self._end) < 200_000:
                self._end[key] = found
        return found

    def sound(self, fails: float, passes: float) -> FloatArray:
        """Of a sound-side commit: log likelihood by q."""
        key = (fails, passes)
        found = self._sound.get(key)
        if found is None:
            found = fails * self._log_q + passes * self._log_q_clean
            if len(self._sound) < 200_000:
                self._sound[key] = found
        return found


def outcome_table() -> tuple[FloatArray, FloatArray, FloatArray]:
    """All (failures, of trials) results of all BATCHES: failures, start of each batch, trials."""
    fails: list[int] = []
    start: list[int] = []
    trials: list[int] = []
    for size in BATCHES:
        start.append(len(fails))
        fails += range(size + 1)
        trials += [size] * (size + 1)
    return (
        np.array(fails, dtype=np.float64),
        np.array(start, dtype=np.float64),
        np.array(trials, dtype=np.float64),
    )


@dataclass(frozen=True)
class Belief:
    """The posterior over classes of candidates, "nothing changed", and the rates."""

    classes: FloatArray
    """P(the change is in this class); together with `always` and `never` the sum is 1."""
    always: float
    """P(no change, and the failure is on both ends)."""
    never: float
    """P(no change, and the failure is on neither end)."""
    mu: FloatArray
    q: FloatArray
    log_odds: float
    """ln of P(data | a change) / P(data | no change): the gate's Bayes factor."""

    @property
    def none(self) -> float:
        """P(nothing changed between the ends)."""
        return self.always + self.never


def believe(
    model: Model,
    failing: BoolArray,
    log_failing: FloatArray,
    log_sound: FloatArray,
    log_ends: FloatArray,
    class_prior: FloatArray,
) -> Belief:
    """Posterior of the classes.

    `failing[k, t]`: tested node t is on the failing side when the change is in
    class k; `log_failing[t, mu]`, `log_sound[t, q]` are the nodes' likelihoods, and
    `log_ends[2, mu]` those of the first two nodes, the ends, if nothing changed;
    `class_prior` sums to 1 over the classes.  All in log space: 10^5 candidates
    and thousands of trials neither under- nor overflow.
    """
    none = model.prior.none
    tested = failing.shape[1]
    side = np.concatenate(
        [failing, np.ones((1, tested)), np.zeros((1, tested))], axis=0, dtype=np.float64
    )
    by_mu = side @ log_failing
    by_mu[len(failing)] += log_ends.sum(axis=0) - log_failing[:2].sum(axis=0)
    by_q = log_sound.sum(axis=0) - side @ log_sound
    joint = by_q[:, model.cell_q] + by_mu[:, model.cell_mu] + model.log_cell
    top = joint.max(axis=1)
    part = np.exp(joint - top[:, None])
    total = part.sum(axis=1)
    with np.errstate(divide="ignore"):
        log_prior = np.log(np.concatenate([class_prior * (1 - none), [none / 2, none / 2]]))
    log_post = top + np.log(total) + log_prior
    weight = np.exp(log_post - log_post.max())
    weight /= weight.sum()
    cell = (weight / total) @ part
    changed, same = log_sum(log_post[:-2]), log_sum(log_post[-2:])
    return Belief(
        classes=weight[:-2],
        always=float(weight[-2]),
        never=float(weight[-1]),
        mu=binned(model.cell_mu, cell, len(model.mu)),
        q=binned(model.cell_q, cell, len(model.q)),
        log_odds=changed - same - math.log((1 - none) / none),
    )


def binned(index: IntArray, weight: FloatArray, size: int) -> FloatArray:
    """Sum of `weight` for each value of `index`."""
    return np.bincount(index, weight, size).astype(np.float64)


def log_sum(values: FloatArray) -> float:
    """ln of the sum of exp(values); -inf for none."""
    top = float(values.max(initial=-math.inf))
    if top == -math.inf:
        return -math.inf
    return top + math.log(float(np.exp(values - top).sum()))

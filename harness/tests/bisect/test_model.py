# SPDX-License-Identifier: GPL-2.0
"""The likelihood: against the formula, and where floating point ends."""

import math
import random
import time
from dataclasses import replace

import numpy as np
import pytest

from mmrace.bisect.choose import choose
from mmrace.bisect.graph import FloatArray, Graph, linear
from mmrace.bisect.model import Model, Prior
from mmrace.bisect.settings import Kind, Outcome, Settings
from mmrace.bisect.simulate import merge_graph
from mmrace.bisect.state import State, TrialEvent

FAIL, PASS = Outcome(Kind.FAIL), Outcome(Kind.PASS)


def feed(state: State, node: int, fails: int, passes: int) -> None:
    for outcome in [FAIL] * fails + [PASS] * passes:
        state.apply(TrialEvent(node, outcome))


def brute(state: State) -> tuple[FloatArray, float]:
    """P(candidate), P(no change) by direct sums of products: no logs, no classes."""
    model, graph = state.model, state.graph
    cells = np.exp(model.log_cell)
    tested = [(node, tally.fails, tally.passes) for node, tally in state.tallies.items()]

    def failing(mu: int, fails: float, passes: float, weights: FloatArray) -> float:
        rates = model.rates[mu]
        return float((weights * rates ** fails * (1 - rates) ** passes).sum())

    def likelihood(side: dict[int, bool], none: bool) -> float:
        total = 0.0
        for q, mu, weight in zip(model.cell_q, model.cell_mu, cells):
            for node, fails, passes in tested:
                if not side[node]:
                    weight *= model.q[q] ** fails * (1 - model.q[q]) ** passes
                else:
                    ends = none and node in (0, graph.new)
                    table = np.array(model.prior.ends) if ends else model.weights[mu]
                    weight *= failing(mu, fails, passes, table)
            total += weight
        return total

    nodes = [node for node, _, _ in tested]
    joint = np.zeros(len(graph) + 2)
    flip = not state.failing_after
    for c in range(1, len(graph)):
        side = {node: bool(graph.ancestors(node)[c]) != flip for node in nodes}
        joint[c] = likelihood(side, False) * (1 - model.prior.none) / graph.candidates
    joint[-2] = likelihood(dict.fromkeys(nodes, True), True) * model.prior.none / 2
    joint[-1] = likelihood(dict.fromkeys(nodes, False), True) * model.prior.none / 2
    joint /= joint.sum()
    return joint[:-2], float(joint[-2:].sum())


@pytest.mark.parametrize("find", ["regression", "fix"])
def test_posterior_is_the_formula(find: str) -> None:
    graph = merge_graph(14, random.Random(2))
    state = State(graph, Settings(find=find))
    rng = random.Random(5)
    for node in (0, graph.new, 4, 7, 9):
        feed(state, node, rng.randint(0, 2), rng.randint(0, 5))
    want, none = brute(state)
    assert np.allclose(state.probabilities(), want, atol=1e-9)
    assert state.belief().none == pytest.approx(none, abs=1e-9)


def test_fix_is_the_mirror_of_a_regression() -> None:
    one = State(linear(list("abcde")))
    two = State(linear(list("abcde")), Settings(find="fix"))
    for node, fails, passes in ((4, 4, 4), (0, 0, 9), (2, 0, 3)):
        feed(one, node, fails, passes)
        feed(two, 4 - node, fails, passes)
    assert np.allclose(one.probabilities()[1:], two.probabilities()[:0:-1])


def test_other_and_infra_say_nothing_about_the_failure() -> None:
    state = State(linear(list("abcdefgh")))
    feed(state, 7, 5, 5)
    feed(state, 0, 0, 9)
    before = state.probabilities()
    state.apply(TrialEvent(4, Outcome(Kind.INFRA)))
    state.apply(TrialEvent(4, Outcome(Kind.OTHER, exposure=0.0)))
    assert np.allclose(state.probabilities(), before)
    state.apply(TrialEvent(4, PASS))
    assert not np.allclose(state.probabilities(), before)


def test_half_an_exposure_is_half_a_clean_trial() -> None:
    one, two = State(linear(list("abcd"))), State(linear(list("abcd")))
    for state in (one, two):
        feed(state, 3, 5, 5)
    one.apply(TrialEvent(2, PASS))
    for _ in range(2):
        two.apply(TrialEvent(2, replace(PASS, exposure=0.5)))
    assert np.allclose(one.probabilities(), two.probabilities())


def test_a_failure_at_the_old_end_speaks_for_no_change() -> None:
    state = State(linear(list("abcd")))
    feed(state, 3, 20, 20)
    feed(state, 0, 0, 40)
    assert state.belief().log_odds > math.log(20)
    feed(state, 0, 25, 10)
    assert state.belief().log_odds < -math.log(20)
    assert state.belief().always > state.belief().never


def huge(merges: bool) -> Graph:
    if merges:
        return merge_graph(100_000, random.Random(1))
    return linear([str(node) for node in range(100_001)])


@pytest.mark.parametrize("merges", [False, True])
def test_a_hundred_thousand_commits(merges: bool) -> None:
    """Sound after thousands of trials, and the choice stays below a second."""
    graph = huge(merges)
    state = State(graph)
    culprit = 77_000
    feed(state, graph.new, 2000, 8000)
    feed(state, 0, 0, 10_000)
    slowest = 0.0
    for _ in range(25):
        start = time.process_time()
        choice = choose(state)
        slowest = max(slowest, time.process_time() - start)
        if choice is None:
            break
        bad = bool(graph.ancestors(choice.node)[culprit])
        feed(state, choice.node, 400 if bad else 0, 1600 if bad else 2000)
    mass = state.probabilities()
    assert np.isfinite(mass).all() and mass.sum() + state.belief().none == pytest.approx(1)
    assert mass.argmax() == culprit
    assert slowest < 1.0


def test_tables_are_probabilities() -> None:
    model = Model(Prior())
    assert np.exp(model.log_cell).sum() == pytest.approx(1)
    assert (model.q[model.cell_q] <= model.mu[model.cell_mu] / 2).all()
    starts = model.batch_start.astype(int)
    assert np.allclose(np.add.reduceat(model.predict_failing, starts, axis=0), 1)
    assert np.allclose(np.add.reduceat(model.predict_sound, starts, axis=0), 1)
    for prior in (Prior().steady, Prior().drifting, Prior().ends):
        assert sum(prior) == pytest.approx(1)

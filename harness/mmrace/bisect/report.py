# SPDX-License-Identifier: GPL-2.0
"""What a bisection found: one JSON object, lines of text, and git's own log format."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mmrace.bisect import confirm
from mmrace.bisect.git import bisect_log
from mmrace.bisect.graph import OLD
from mmrace.bisect.search import Answer, Finish
from mmrace.bisect.state import State

SCHEMA = 1


def wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a rate (z = 1.96: 95 %); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, square = hits / trials, z * z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    reach = z * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    reach /= 1 + square / trials
    return max(0.0, middle - reach), min(1.0, middle + reach)


def as_json(state: State, finish: Finish) -> dict[str, Any]:
    """The answer with its evidence.  Rates have 95 % intervals; costs are in the budget's unit."""
    names = state.graph.names
    probabilities = state.probabilities()
    best = np.argsort(-probabilities, kind="stable")[:20].tolist()
    return {
        "schema": SCHEMA,
        "answer": finish.answer.name.lower(),
        "reason": finish.reason,
        "find": state.settings.find,
        "culprit": names[finish.nodes[0]] if finish.answer is Answer.NAMED else None,
        "set": [names[node] for node in finish.nodes],
        "probability": finish.probability,
        "no_change": state.belief().none,
        "confidence": state.settings.confidence,
        "candidates": state.graph.candidates,
        "order": [names[node] for node in sorted({*state.tallies, *state.untestable, *best})],
        "posterior": {
            names[node]: float(probabilities[node]) for node in best if probabilities[node] > 0
        },
        "ends": {names[node]: _rate(state, node) for node in (OLD, state.graph.new)},
        "tried": {names[node]: _rate(state, node) for node in sorted(state.tallies)},
        "untestable": {names[node]: why for node, why in state.untestable.items()},
        "confirmations": [
            {**vars(confirm.result(state, one)), "suspect": names[one.suspect]}
            for one in state.confirmations
        ],
        "cost": {"spent": state.spent, "trials": state.trials, "builds": state.builds},
    }


def _rate(state: State, node: int) -> dict[str, Any]:
    tally = state.tally(node)
    low, high = wilson(tally.fails, tally.trials)
    return {"fails": tally.fails, "trials": tally.trials, "low": low, "high": high,
            "other": tally.other, "infra": tally.infra}


def as_git_log(state: State, finish: Finish) -> str:
    """`git bisect log` of what is known: sides that are at least as sure as the confidence."""
    side = state.failing_mass(state.probabilities())
    regression = state.failing_after
    terms = ("good", "bad") if regression else ("unfixed", "fixed")
    names, marks = state.graph.names, []
    for node in sorted(state.tallies.keys() | state.untestable.keys()):
        after = side[node] if regression else 1 - side[node]
        if node in state.untestable:
            marks.append((names[node], "skip"))
        elif after >= state.settings.confidence:
            marks.append((names[node], terms[1]))
        elif after <= state.settings.alpha:
            marks.append((names[node], terms[0]))
    named = names[finish.nodes[0]] if finish.answer is Answer.NAMED else None
    return bisect_log(names[OLD], names[state.graph.new], marks, named, terms)


def as_text(result: dict[str, Any], labels: Callable[[str], str] = str) -> str:
    """The answer in a few lines; `labels` says a candidate's name for people."""
    what = "first fixed" if result["find"] == "fix" else "first failing"
    cost = result["cost"]
    sure = f"{100 * result['probability']:.1f} %"
    if result["answer"] == "named":
        text = [f"{labels(result['culprit'])} is the {what} one, with {sure} probability"]
    elif result["answer"] == "set":
        text = [f"the {what} one is among {len(result['set'])}, with {sure} probability "
                f"({result['reason']}):"]
        text += [f"  {labels(name)}" for name in result["set"]]
    elif result["answer"] == "no_change":
        text = [f"no change between the ends, with {100 * result['no_change']:.1f} % probability: "
                f"{result['reason']}"]
    else:
        text = [f"undecided: {result['reason']}"]
    for name, rate in result["ends"].items():
        text.append(
            f"  end {labels(name)}: {rate['fails']} of {rate['trials']} trials failed "
            f"({100 * rate['low']:.1f} to {100 * rate['high']:.1f} %)"
        )
    for one in result["confirmations"]:
        text.append(
            f"  fresh trials at {labels(one['suspect'])}: {one['fails']} of {one['trials']} failed "
            f"on the failing side of it, {one['other_fails']} of {one['other_trials']} on the "
            f"sound side; Fisher's p = {one['p_value']:.2g}"
        )
    for name, why in result["untestable"].items():
        text.append(f"  not testable: {labels(name)}: {why.splitlines()[0]}")
    text.append(
        f"  {cost['trials']} trials, {cost['builds']} builds, {cost['spent']:.0f} s together"
    )
    return "\n".join(text)

# SPDX-License-Identifier: GPL-2.0
"""What a bisection found: one JSON object, lines of text, and a section of the HTML page."""

from __future__ import annotations

import html
import math
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


def as_text(result: dict[str, Any]) -> str:
    """The answer in a few lines."""
    what = "first fixed" if result["find"] == "fix" else "first failing"
    cost = result["cost"]
    sure = f"{100 * result['probability']:.1f} %"
    lines = {
        "named": f"{result['culprit']} is the {what} one, with {sure} probability",
        "set": f"the {what} one is among {len(result['set'])}, with {sure} probability: "
               + " ".join(result["set"]),
        "no_change": f"no change between the ends ({100 * result['no_change']:.1f} %)",
        "undecided": "undecided",
    }
    text = [lines[result["answer"]] + f" ({result['reason']})"]
    for name, rate in result["ends"].items():
        text.append(
            f"  end {name}: {rate['fails']} of {rate['trials']} trials failed "
            f"({100 * rate['low']:.1f} to {100 * rate['high']:.1f} %)"
        )
    for one in result["confirmations"]:
        text.append(
            f"  fresh trials of {one['suspect']}: {one['fails']}/{one['trials']} failed, beside it "
            f"{one['other_fails']}/{one['other_trials']}; Fisher's p = {one['p_value']:.2g}"
        )
    for name, why in result["untestable"].items():
        text.append(f"  not testable: {name}: {why}")
    text.append(
        f"  {cost['trials']} trials, {cost['builds']} builds, cost {cost['spent']:.0f}"
    )
    return "\n".join(text)


def as_html(result: dict[str, Any], history: list[tuple[float, float, float]]) -> str:
    """A section for the HTML page: the answer, and the posterior's history as a drawing.

    `history` holds (cost spent, P(best candidate), P(no change)) after each step.
    """
    width, height = 640, 160
    most = max((point[0] for point in history), default=1.0) or 1.0

    def curve(which: int) -> str:
        return " ".join(
            f"{width * point[0] / most:.1f},{height * (1 - point[which]):.1f}"
            for point in history
        )

    line = height * (1 - result["confidence"])
    return (
        '<section class="bisect"><h2>Bisection</h2><pre>'
        f"{html.escape(as_text(result))}</pre>"
        f'<svg viewBox="0 -4 {width} {height + 8}" width="{width}" role="img" '
        'aria-label="probability of the best candidate and of no change over the cost">'
        f'<path d="M0 {line:.1f}H{width}" stroke="#999" stroke-dasharray="4"/>'
        f'<polyline points="{curve(1)}" fill="none" stroke="#06c" stroke-width="2"/>'
        f'<polyline points="{curve(2)}" fill="none" stroke="#c60" stroke-width="2"/>'
        "</svg></section>"
    )

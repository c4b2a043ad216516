# SPDX-License-Identifier: GPL-2.0
"""The section of a run's page: the answer, the posterior's history, and what every candidate said.

It brings its own few rules of style and uses the page's colours; alone it is readable too.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmrace.bisect.report import as_text
from mmrace.bisect.state import State

LEAST = 0.02
"""Probability from which a candidate is remembered at a point of the history."""
CURVES = 6
"""Candidates that get a curve: those that were once likeliest."""
ROWS = 60
"""Candidates of the table: all that were tried, then the likeliest."""
WIDTH, HEIGHT, LEFT = 1100.0, 230.0, 46.0
HUES = ("#3b82f6", "#e8590c", "#1f9d55", "#b5359c", "#e0a800", "#0e9aa7")

STYLE = """
#bisect .b-plot { width: 100%; height: auto; font: 11px var(--mono, monospace); }
#bisect .b-plot text { fill: var(--dim, #667085); }
#bisect .b-plot path { fill: none; stroke-width: 2; stroke-linejoin: round; }
#bisect pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12.5px; }
#bisect .b-key { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 12px; }
#bisect .b-key i { display: inline-block; width: 18px; height: 3px; margin: 0 6px 3px 0; }
#bisect table { border-collapse: collapse; font-size: 12.5px; margin-top: 12px; width: 100%; }
#bisect th { text-align: left; font-weight: 500; color: var(--dim, #667085); }
#bisect td, #bisect th { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line, #ddd); }
#bisect .b-bar { display: inline-block; height: 10px; background: var(--accent, #3056d3);
  border-radius: 2px; }
#bisect .b-name { font-family: var(--mono, monospace); overflow-wrap: anywhere; }
#bisect tr.b-found td { font-weight: 650; }
"""


@dataclass(frozen=True)
class Point:
    """The posterior after a step; `spent` is the cost until then."""

    spent: float
    phase: str
    likely: dict[str, float]
    """The candidates of at least LEAST."""
    none: float
    """P(no change)."""


History = list[Point]


def remember(history: History, state: State) -> None:
    """Add a point where something was learned since the last."""
    if history and history[-1].spent == state.spent:
        return
    mass = state.probabilities()
    likely = {state.graph.names[node]: float(mass[node])
              for node in (mass >= LEAST).nonzero()[0].tolist()}
    history.append(Point(state.spent, state.phase, likely, state.belief().none))


def section(result: dict[str, Any], history: History, labels: Callable[[str], str] = str) -> str:
    """The section; `labels` says a candidate's name for people."""
    return (
        f'<section class="card" id="bisect" aria-labelledby="h-bisect"><style>{STYLE}</style>'
        '<h2 id="h-bisect">Bisection</h2>'
        f"<pre>{html.escape(as_text(result, labels))}</pre>"
        f"{_plot(result, history, labels)}{_table(result, labels)}</section>\n"
    )


def _curves(result: dict[str, Any], history: History) -> list[str]:
    """The candidates that get a curve, the likeliest at the end first."""
    most: dict[str, float] = {}
    for point in history:
        for name, share in point.likely.items():
            most[name] = max(most.get(name, 0.0), share)
    final = result["posterior"]
    order = sorted(most, key=lambda name: (-final.get(name, 0.0), -most[name]))
    return order[:CURVES]


def _plot(result: dict[str, Any], history: History, labels: Callable[[str], str]) -> str:
    """Probability over cost: the likeliest candidates, and "no change"."""
    end = max((point.spent for point in history), default=0.0) or 1.0

    def across(spent: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * spent / end

    def down(share: float) -> float:
        return 10 + (HEIGHT - 40) * (1 - share)

    def curve(values: list[float]) -> str:
        return "M" + "L".join(f"{across(point.spent):.1f} {down(value):.1f}"
                              for point, value in zip(history, values))

    parts = []
    for share in (0.0, 0.5, result["confidence"]):
        dash = ' stroke-dasharray="4"' if share == result["confidence"] else ""
        parts.append(f'<path d="M{LEFT} {down(share):.1f}H{WIDTH - 10}" stroke="var(--line,#ddd)"'
                     f'{dash}/><text x="{LEFT - 6}" y="{down(share) + 4:.1f}" '
                     f'text-anchor="end">{100 * share:.0f} %</text>')
    for at in range(5):
        parts.append(f'<text x="{across(end * at / 4):.1f}" y="{HEIGHT - 8}" text-anchor="'
                     f'{"start" if not at else "end" if at == 4 else "middle"}">'
                     f"{end * at / 4:.3g}{' s' if at == 4 else ''}</text>")
    before = ""
    for point in history:
        if point.phase != before and before:
            parts.append(f'<path d="M{across(point.spent):.1f} 10V{down(0):.1f}" '
                         'stroke="var(--line,#ddd)"/>'
                         f'<text x="{across(point.spent) + 3:.1f}" y="9">{point.phase}</text>')
        before = point.phase
    key = []
    for hue, name in zip(HUES, _curves(result, history)):
        values = [point.likely.get(name, 0.0) for point in history]
        parts.append(f'<path d="{curve(values)}" stroke="{hue}"><title>'
                     f"{html.escape(labels(name))}</title></path>")
        key.append(f'<span><i style="background:{hue}"></i>{html.escape(labels(name))}</span>')
    parts.append(f'<path d="{curve([point.none for point in history])}" '
                 'stroke="var(--dim,#667085)" stroke-dasharray="2 3"/>')
    key.append('<span><i style="background:var(--dim,#667085)"></i>no change</span>')
    return (f'<svg class="b-plot" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label='
            f'"Probability of the likeliest candidates over the cost">{"".join(parts)}</svg>'
            f'<div class="b-key">{"".join(key)}</div>')


def _table(result: dict[str, Any], labels: Callable[[str], str]) -> str:
    """What was tried, in the history's order, and what each candidate's probability is."""
    posterior, tried, untestable = result["posterior"], result["tried"], result["untestable"]
    names = list(dict.fromkeys([*tried, *untestable, *posterior]))[:ROWS]
    order = {name: at for at, name in enumerate(result["order"])}
    rows = []
    for name in sorted(names, key=lambda one: order.get(one, len(order))):
        share, rate = posterior.get(name, 0.0), tried.get(name)
        said = "" if rate is None else (
            f"{rate['fails']} of {rate['trials']} failed"
            + (f", {rate['other']} could not tell" if rate["other"] else ""))
        found = ' class="b-found"' if name in result["set"] else ""
        rows.append(
            f'<tr{found}><td class="b-name">{html.escape(labels(name))}</td>'
            f'<td><span class="b-bar" style="width:{120 * share:.0f}px"></span> '
            f"{100 * share:.1f} %</td><td>{said}</td>"
            f"<td>{html.escape(untestable.get(name, ''))}</td></tr>")
    return ("<table><thead><tr><th>oldest first</th><th>probability</th><th>trials</th>"
            f"<th>not testable</th></tr></thead><tbody>{''.join(rows)}</tbody></table>")

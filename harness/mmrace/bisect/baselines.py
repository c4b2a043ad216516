# SPDX-License-Identifier: GPL-2.0
"""What others do, for comparison: bisections that trust a fixed number of trials.

Plain `git bisect` calls a commit bad after one failing trial and good after one
clean one; "n of n" calls it bad when all n fail.  Neither knows "no change".
"""

from __future__ import annotations

import numpy as np

from mmrace.bisect.graph import OLD, Graph
from mmrace.bisect.runner import Runner
from mmrace.bisect.settings import Kind


def bisect(graph: Graph, runner: Runner, trials: int, need: int, find: str) -> tuple[int, int]:
    """Deterministic bisection as git does it; returns (named node, trials made).

    A commit is failing when at least `need` of `trials` trials fail.  A commit
    that does not build or cannot tell is left out, as `git bisect skip` does.
    """
    left = np.ones(len(graph), dtype=np.bool_)
    left[OLD] = False
    skipped: set[int] = set()
    made = 0
    while left.sum() > 1:
        share = graph.ancestor_mass(left.astype(np.float64))
        distance = np.abs(share - 0.5)
        inside = left.copy()
        inside[list(skipped)] = False
        inside &= share < 1 - 0.5 / left.sum()
        if not inside.any():
            break
        node = int(np.where(inside, distance, 9.0).argmin())
        name = graph.names[node]
        if not runner.build(name).ok:
            skipped.add(node)
            continue
        kinds = [runner.trial(name).kind for _ in range(trials)]
        made += trials
        if Kind.OTHER in kinds or Kind.INFRA in kinds:
            skipped.add(node)
            continue
        failing = kinds.count(Kind.FAIL) >= need
        above = graph.ancestors(node)
        left &= above if failing == (find == "regression") else ~above
    return int(np.flatnonzero(left)[0]), made

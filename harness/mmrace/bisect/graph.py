# SPDX-License-Identifier: GPL-2.0
"""The candidates: a linear list, or a commit graph with merges.

Node 0 is the old endpoint, the last node is the new one, and parents always
come before their children.  Every node but 0 may be the first changed one.  A
node is on the *after* side of a candidate c when c is the node itself or one
of its ancestors: that is what "descends from the change" means in a graph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mmrace.errors import UsageError

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OLD = 0
"""The node of the old endpoint."""

SAMPLES = 2048
"""Candidates drawn for `Graph.ancestor_mass`; its error is about 1/SAMPLES per line of history."""


class GraphError(UsageError):
    """The candidates do not form a history from old to new."""


@dataclass(frozen=True)
class Graph:
    """An acyclic history of `names`, oldest first, with the parents of each node."""

    names: Sequence[str]
    parents: Sequence[tuple[int, ...]]
    children: list[list[int]] = field(init=False, repr=False)
    linear: bool = field(init=False)
    index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(self.names) != len(self.parents):
            raise GraphError("a history needs an old and a new end")
        children: list[list[int]] = [[] for _ in self.names]
        for node, above in enumerate(self.parents):
            if node and not above:
                raise GraphError(f"{self.names[node]} does not descend from {self.names[OLD]}")
            for parent in above:
                if not 0 <= parent < node:
                    raise GraphError(f"{self.names[node]} comes before its parent")
                children[parent].append(node)
        index = {name: node for node, name in enumerate(self.names)}
        if len(index) != len(self.names):
            raise GraphError("a name occurs twice")
        linear = all(above == (node - 1,) for node, above in enumerate(self.parents) if node)
        object.__setattr__(self, "children", children)
        object.__setattr__(self, "linear", linear)
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def new(self) -> int:
        """The node of the new endpoint."""
        return len(self.names) - 1

    @property
    def candidates(self) -> int:
        """How many nodes may be the first changed one."""
        return len(self.names) - 1

    def ancestors(self, node: int) -> BoolArray:
        """Which nodes are `node` or an ancestor of it."""
        mark = np.zeros(len(self), dtype=np.bool_)
        if self.linear:
            mark[: node + 1] = True
            return mark
        seen = bytearray(len(self))
        seen[node] = 1
        stack = [node]
        while stack:
            for parent in self.parents[stack.pop()]:
                if not seen[parent]:
                    seen[parent] = 1
                    stack.append(parent)
        return np.frombuffer(bytes(seen), dtype=np.bool_)

    def ancestor_mass(self, weight: FloatArray) -> FloatArray:
        """For every node, the share of `weight` (>= 0) that lies on it and its ancestors.

        Exact for a line.  In a graph the sum over all pairs would be quadratic, so
        SAMPLES candidates are drawn, evenly spaced in the cumulated weight, and each
        node collects the draws of its parents as a bit set.
        """
        total = np.cumsum(weight)
        if total[-1] <= 0:
            return np.zeros(len(self))
        if self.linear:
            return np.asarray(total / total[-1])
        points = (np.arange(SAMPLES) + 0.5) * (total[-1] / SAMPLES)
        nodes, first, count = np.unique(
            np.searchsorted(total, points), return_index=True, return_counts=True
        )
        bits = [0] * len(self)
        for node, low, width in zip(nodes.tolist(), first.tolist(), count.tolist()):
            bits[min(node, self.new)] |= ((1 << width) - 1) << low
        mass = np.zeros(len(self))
        for node, above in enumerate(self.parents):
            own = bits[node]
            for parent in above:
                own |= bits[parent]
            bits[node] = own
            mass[node] = own.bit_count()
        return mass / SAMPLES

    def digest(self) -> str:
        """A fingerprint of names and edges, so that a log is never replayed on another history."""
        text = "\n".join(
            f"{name} {' '.join(map(str, above))}"
            for name, above in zip(self.names, self.parents)
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def linear(names: Sequence[str]) -> Graph:
    """An ordered list, oldest first: packages, or first-parent history."""
    return Graph(list(names), [(node - 1,) if node else () for node in range(len(names))])


class Partition:
    """Candidates grouped by which of the marked nodes descend from them.

    Candidates of one class have the same likelihood, so 100,000 of them cost
    what a few hundred classes cost.  Columns are marked nodes in the order in
    which they were marked.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[int] = []
        self.column: dict[int, int] = {}
        self.class_of: IntArray = np.zeros(len(graph), dtype=np.int64)
        self.after: BoolArray = np.zeros((1, 0), dtype=np.bool_)

    def mark(self, node: int) -> int:
        """Split the classes by `node`; returns the node's column."""
        if node in self.column:
            return self.column[node]
        above = self.graph.ancestors(node)
        split, inverse = np.unique(self.class_of * 2 + above, return_inverse=True)
        self.class_of = inverse.astype(np.int64)
        self.after = np.column_stack([self.after[split // 2], (split % 2).astype(np.bool_)])
        self.column[node] = len(self.nodes)
        self.nodes.append(node)
        return self.column[node]

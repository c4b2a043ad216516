# SPDX-License-Identifier: GPL-2.0
"""Histories: sides, masses and classes against brute force."""

import random
from pathlib import Path

import numpy as np
import pytest

from mmrace.bisect.graph import BoolArray, Graph, GraphError, Partition, linear
from mmrace.bisect.simulate import merge_graph


def closure(graph: Graph) -> BoolArray:
    """after[c, x]: x is c or descends from it; by definition, edge by edge."""
    after = np.eye(len(graph), dtype=bool)
    for node, above in enumerate(graph.parents):
        for parent in above:
            after[:, node] |= after[:, parent]
    return after


@pytest.mark.parametrize("seed", range(5))
def test_sides_match_the_definition(seed: int) -> None:
    graph = merge_graph(70, random.Random(seed))
    assert not graph.linear
    after = closure(graph)
    for node in range(len(graph)):
        assert (graph.ancestors(node) == after[:, node]).all()


def test_ancestor_mass_is_the_mass_of_both_sides_of_a_merge() -> None:
    graph = merge_graph(300, random.Random(3))
    weight = np.random.default_rng(1).random(len(graph)) ** 4
    exact = weight @ closure(graph) / weight.sum()
    assert np.abs(graph.ancestor_mass(weight) - exact).max() < 0.02


def test_line_mass_is_exact_and_zero_weight_is_no_division() -> None:
    graph = linear(list("abcd"))
    assert graph.ancestor_mass(np.array([0.0, 1.0, 1.0, 2.0])).tolist() == [0, 0.25, 0.5, 1]
    assert graph.ancestor_mass(np.zeros(4)).tolist() == [0, 0, 0, 0]


def test_classes_are_exactly_the_sets_of_marked_descendants() -> None:
    graph = merge_graph(90, random.Random(9))
    after = closure(graph)
    partition = Partition(graph)
    marked = random.Random(1).sample(range(len(graph)), 12)
    for node in marked:
        partition.mark(node)
    want = {tuple(after[c, marked]) for c in range(len(graph))}
    assert len(partition.after) == len(want)
    for c in range(len(graph)):
        assert (partition.after[partition.class_of[c]] == after[c, marked]).all()


@pytest.mark.parametrize(
    ("names", "parents"),
    [(["a"], [()]), (["a", "b"], [(), ()]), (["a", "b", "c"], [(), (2,), (1,)]),
     (["a", "a"], [(), (0,)])],
)
def test_no_history(names: list[str], parents: list[tuple[int, ...]]) -> None:
    with pytest.raises(GraphError):
        Graph(names, parents)


def test_another_history_has_another_digest() -> None:
    one = Graph(["a", "b", "c", "d"], [(), (0,), (0,), (1, 2)])
    two = Graph(["a", "b", "c", "d"], [(), (0,), (1,), (1, 2)])
    assert one.digest() != two.digest()
    assert Path(one.digest()).name == one.digest()

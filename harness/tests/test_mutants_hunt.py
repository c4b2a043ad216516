# SPDX-License-Identifier: GPL-2.0
"""The hunt: the order of the races, and when it is over."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from mmrace import build, mutants
from mmrace.cell import Cell
from mmrace.mutants import Mutant, Plan, Trial
from mmrace.mutants_hunt import QUICK_S, Hunt, places, ranked
from mmrace.session import Session

FIRST, SECOND = Trial("lost-write"), Trial("one-memory")
PATCH = mutants.MUTANTS / "mremap-pmd-unflushed.patch"


class FakeSession:
    """Answers a cell with what `answer` says of it; counts the machines that were left running."""

    def __init__(self, answer: Callable[[Cell], dict[str, Any]]) -> None:
        self.answer = answer
        self.seen: list[Cell] = []
        self.running = 0

    def cells(self, cells: Sequence[Cell]) -> Iterator[dict[str, Any]]:
        """Records of the shape that a session yields."""
        self.running += 1
        try:
            for cell in cells:
                self.seen.append(cell)
                yield {"verdict": "INCONCLUSIVE", "failures": 0, "findings": [], "splats": [],
                       "replay": "", "theme": "a-theme", "kernel": {"version": "1"},
                       "time_to_first_failure_s": None, "reason": "because", **self.answer(cell)}
        finally:
            self.running -= 1


def hunt(answer: Callable[[Cell], dict[str, Any]], boots: int = 1,
         budget: float | None = None) -> tuple[list[dict[str, Any]], list[Cell]]:
    """The rows of a hunt with two races, and what was run for them."""
    session = FakeSession(answer)
    mutant = Mutant(name="m", source="tree:linux", patch=PATCH, arches=("x86_64",),
                    trials=(FIRST, SECOND))
    plan = Plan(duration=20.0, boots=boots, seed=1, budget=budget)
    rows = Hunt(cast(Session, session), plan, print, mutant, "x86_64").run()
    assert not session.running
    return rows, session.seen


def fails(cell: Cell, race: str, plain: bool = False) -> dict[str, Any]:
    """What a race answers that fails where the patch is, or on the plain kernel, too."""
    hit = cell.race == race and ("," in cell.kernel or plain)
    return {"failures": 1, "time_to_first_failure_s": 0.25} if hit else {}


def test_a_find_is_held_against_the_plain_kernel_and_ends_the_hunt() -> None:
    (plain, row), seen = hunt(lambda cell: fails(cell, "lost-write"))
    assert row["found"] and row["found_by"] == ["data"] and row["median_s"] == 0.25
    assert plain["mutant"] is None and not plain["found"] and plain["cells"] == 2
    assert [(cell.race, cell.duration, "," in cell.kernel) for cell in seen] == [
        ("lost-write", QUICK_S, True), ("lost-write", 20.0, False), ("lost-write", 20.0, False)]


def test_what_fails_without_the_patch_too_does_not_end_it() -> None:
    (plain, row), seen = hunt(lambda cell: {**fails(cell, "lost-write", plain=True),
                                            **fails(cell, "one-memory")})
    assert plain["found"] and row["found"]
    assert {score["race"]: score["hits"] for score in row["races"]} == {
        "lost-write": 0, "one-memory": 1}
    assert seen[-1].race == "one-memory"


def test_a_second_sweep_is_longer_and_widened() -> None:
    (row,), seen = hunt(lambda cell: {})
    assert not row["found"] and row["judged"] == row["cells"] == 6
    assert [(cell.mode, cell.duration) for cell in seen[4:]] == [("widened", 20.0)] * 2


def test_boots_are_counted_on_both_kernels() -> None:
    (plain, row), _ = hunt(lambda cell: fails(cell, "lost-write"), boots=3)
    assert plain["cells"] == 6 and row["cells"] == row["races"][0]["hits"] == 3


@pytest.mark.parametrize("answer", [
    {"verdict": "SKIP", "theme": None, "kernel": {"version": None}},
    {"verdict": "PANIC", "theme": None}])
def test_a_kernel_that_does_not_come_up_is_not_judged(answer: dict[str, Any]) -> None:
    (row,), seen = hunt(lambda cell: answer)
    assert not row["found"] and not row["judged"] and row["reason"] == "because"
    assert len(seen) == 2, "nor is it booted for every race"


def test_the_budget_ends_it() -> None:
    (row,), seen = hunt(lambda cell: {}, budget=1e-9)
    assert len(seen) == row["cells"] == 1


def test_races_of_near_bugs_come_first() -> None:
    assert ("mm/mremap.c", "") in places(PATCH.read_text())
    order = ranked(PATCH)
    own, = mutants.mutants()[PATCH.stem].trials
    assert own in order[:3]
    assert {trial.race for trial in order} >= set(build.race_names())
    assert len(set(order)) == len(order)


def test_a_patch_near_to_nothing_has_every_race_as_it_is_first(tmp_path: Path) -> None:
    patch = tmp_path / "p.patch"
    patch.write_text("--- old/mm/new.c\n+++ new/mm/new.c\n"
                     "@@ -1,2 +1,2 @@ int f(void)\n x\n-y\n+z\n")
    assert places(patch.read_text()) == {("mm/new.c", ""), ("mm/new.c", "f")}
    races = build.race_names()
    assert ranked(patch)[:len(races)] == tuple(Trial(race) for race in races)

# SPDX-License-Identifier: GPL-2.0
"""Two runs beside each other: which cells changed their verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .cells import Cell
from .verdicts import look, severity


@dataclass(frozen=True)
class Change:
    """One cell in both runs; a side is None where that run has no such cell."""

    name: str
    before: Cell | None
    after: Cell | None

    @property
    def kind(self) -> str:
        """``same``, ``worse``, ``better``, ``other``, ``new``, ``gone`` or ``unlike``.

        ``unlike`` are two cells of one name on different platforms: their difference means nothing.
        """
        if self.before is None or self.after is None:
            return "new" if self.before is None else "gone"
        if self.before.platform != self.after.platform:
            return "unlike"
        if self.before.verdict == self.after.verdict:
            return "same"
        failed = [look(cell.verdict).family == "fail" for cell in (self.before, self.after)]
        if failed[0] != failed[1]:
            return "worse" if failed[1] else "better"
        return "other"


def compare(before: Iterable[Cell], after: Iterable[Cell]) -> list[Change]:
    """Every cell of either run, the worst news first."""
    old = {cell.name: cell for cell in before}
    new = {cell.name: cell for cell in after}
    changes = [Change(name, old.get(name), new.get(name)) for name in old.keys() | new.keys()]
    rank = ("worse", "other", "new", "gone", "unlike", "better", "same")

    def key(change: Change) -> tuple[int, int, str]:
        cell = change.after or change.before
        return rank.index(change.kind), severity(cell.verdict) if cell else 0, change.name

    return sorted(changes, key=key)

# SPDX-License-Identifier: GPL-2.0
"""The hunt: which race, if any, finds a bug that nobody has told us about.

A patch from outside names no race. All are tried: first those of the corpus's mutants that change
the same functions or files, then every race as it is by default, then what is left of the corpus.
A quick sweep goes before a long one, since most bugs that are found at all are found in seconds.
What was found is a find only if the kernel without the patch, run longer, is silent; then the hunt
is over.
"""

import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from mmrace import build
from mmrace.cell import Cell
from mmrace.mutants import Mutant, Plan, Score, Trial, mutants, seers, started, summary
from mmrace.session import Session

QUICK_S = 5.0
# How near two patches are; what one of them changes and the other does not settles ties.
SAME_FUNCTION, SAME_FILE, OTHER = 1000, 100, -1
# So often in a row a kernel may fail to come up; one that does not build fails at once.
UNSTARTED_MAX = 2

Key = tuple[Trial, str]
Records = dict[Key, list[dict[str, Any]]]


def places(patch: str) -> set[tuple[str, str]]:
    """The files that a patch changes, and the functions as its hunks name them: (FILE, FUNCTION),
    and (FILE, "") for each file."""
    found = set()
    file = ""
    for line in patch.splitlines():
        if match := re.match(r"\+\+\+ [^/\s]+/(\S+)", line):
            file = match.group(1)
            found.add((file, ""))
        elif match := re.match(r"@@ .* @@.*?(\w+)\s*\(", line):
            found.add((file, match.group(1)))
    return found


def ranked(patch: Path) -> tuple[Trial, ...]:
    """Every trial worth making for a patch, the most likely one first."""
    own = places(patch.read_text())
    likely: dict[Trial, int] = {}
    for mutant in mutants().values():
        assert mutant.patch
        theirs = places(mutant.patch.read_text())
        near = (sum(SAME_FUNCTION if function else SAME_FILE for _, function in own & theirs)
                + OTHER * len(own ^ theirs))
        for trial in mutant.trials:
            likely[trial] = max(near, likely.get(trial, near))
    first = [trial for trial in sorted(likely, key=lambda trial: -likely[trial])
             if likely[trial] > 0]
    default = [Trial(race) for race in build.race_names()]
    return tuple(dict.fromkeys([*first, *default, *likely]))


class Hunt:
    """The hunt for one patch's bug on one architecture."""

    def __init__(self, session: Session, plan: Plan, tell: Callable[[str], None],
                 mutant: Mutant, arch: str) -> None:
        """`mutant`'s trials are made in their order, or the plan's if it has some."""
        self._session = session
        self._plan = plan
        self._mutant = mutant
        self._arch = arch
        self._tell = tell
        self._trials = plan.trials or mutant.trials
        self._deadline = (None if plan.budget is None else time.monotonic() + plan.budget)
        self._over = False
        self._unstarted = 0
        self._plain: Records = {}
        self._patched: Records = {}

    def run(self) -> list[dict[str, Any]]:
        """The row of the kernel without the patch, if it was run, and the patch's."""
        quick = min(QUICK_S, self._plan.duration)
        found = self._sweep(quick, self._plan.modes, 0)
        if not found and not self._over and quick < self._plan.duration:
            self._tell(f"nothing in {quick:g} s a race; once more, {self._plan.duration:g} s")
            self._sweep(self._plan.duration, self._plan.modes[-1:], 1)
        plain = replace(self._mutant, name="unmutated", patch=None, description="")
        rows = [summary(plain, self._arch, self._scores(self._plain, {}))] if self._plain else []
        return [*rows, summary(self._mutant, self._arch, self._scores(self._patched,
                                                                      self._noise()))]

    def _noise(self) -> dict[Trial, set[str]]:
        noise: dict[Trial, set[str]] = {}
        for (trial, _), records in self._plain.items():
            for record in records:
                noise.setdefault(trial, set()).update(seers(record))
        return noise

    @staticmethod
    def _scores(ran: Records, noise: dict[Trial, set[str]]) -> list[Score]:
        scores = []
        for (trial, mode), records in ran.items():
            scores.append(Score(trial, mode, noise.get(trial, set())))
            for record in records:
                scores[-1].add(record)
        return scores

    def _cells(self, kernel: str, keys: Sequence[Key], seconds: float, boot: int,
               ran: Records) -> Generator[tuple[Key, dict[str, Any]], None, None]:
        """Run and note; closing it ends the machine."""
        cells = [Cell(kernel=kernel, arch=self._arch, race=trial.race, mode=mode,
                      duration=seconds, seed=self._plan.seed + boot,
                      variant=self._mutant.machine, options=trial.options, checkers=True)
                 for trial, mode in keys]
        with closing(cast(Generator[dict[str, Any], None, None],
                          self._session.cells(cells))) as records:
            for key, record in zip(keys, records):
                ran.setdefault(key, []).append(record)
                yield key, record

    def _sweep(self, seconds: float, modes: Sequence[str], boot: int) -> bool:
        """Try all trials, until one finds something that the plain kernel has not."""
        waiting = [(trial, mode) for trial in self._trials for mode in modes]
        while waiting:
            suspect = None
            with closing(self._cells(self._mutant.kernel, tuple(waiting), seconds, boot,
                                     self._patched)) as running:
                for key, record in running:
                    waiting.remove(key)
                    if seers(record) - self._noise().get(key[0], set()):
                        suspect = key
                        break
                    if self._is_over(record):
                        return False
            if suspect and self._confirmed(suspect):
                return True
        return False

    def _is_over(self, record: dict[str, Any]) -> bool:
        """Whether there is no point, or no time, in going on after this record."""
        self._unstarted = 0 if started(record) else self._unstarted + 1
        if self._unstarted >= UNSTARTED_MAX:
            self._over = True
        elif self._deadline is not None and time.monotonic() > self._deadline:
            self._tell("the time budget is spent")
            self._over = True
        return self._over

    def _confirmed(self, key: Key) -> bool:
        """Whether the kernel without the patch is silent; both kernels in as many boots."""
        for boot in range(self._plan.boots):
            list(self._cells(self._mutant.plain_kernel,
                             [(key[0], mode) for mode in self._plan.modes], self._plan.duration,
                             boot, self._plain))
            if boot:
                list(self._cells(self._mutant.kernel, [key], self._plan.duration, boot,
                                 self._patched))
        noise = self._noise().get(key[0], set())
        return any(seers(record) - noise for record in self._patched[key])

# SPDX-License-Identifier: GPL-2.0
"""The runner that boots kernels: one race, one fresh guest a trial.

All records, logs and counters of the trials are cells of one run directory, like those of any
other run; the bisection's log names each trial's seed.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mmrace.bisect.evidence import Signal, outcome
from mmrace.bisect.settings import Built, Kind, Outcome
from mmrace.boots import Preparation
from mmrace.cell import Cell
from mmrace.errors import BuildError, TreeBuildError
from mmrace.kernels import Kernel
from mmrace.progress import Progress
from mmrace.session import Session
from mmrace.store import Run


class TrialsRun(Run):
    """A run directory in which cells of one name run at once."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._naming = threading.Lock()

    def cell_dir(self, name: str) -> Path:
        """The directory of a cell, new for every time that a cell of that name is run."""
        with self._naming:
            return super().cell_dir(name)


@dataclass
class RaceRunner:
    """Runs `cell` on the kernels that `kernel_id` makes of the candidates' names."""

    cell: Callable[[str, int], Cell]
    """The cell of a candidate and a seed."""
    signal: Signal
    home: Path
    next_seed: int

    keeps_builds = mixes = True
    """Kernels that were fetched or built once are in the cache, each trial has its own guest."""

    def __post_init__(self) -> None:
        self._quiet = Progress(Console(quiet=True))
        self._run = TrialsRun(self.home)
        self._prepared = Preparation(self._quiet)
        self._lock = threading.Lock()

    def build(self, commit: str) -> Built:
        """Fetch or build the kernel, the module and the races; seconds."""
        started = time.monotonic()
        place = self.cell(commit, 0).place
        try:
            self._prepared.image(place)
        except (TreeBuildError, BuildError) as error:
            return Built(False, time.monotonic() - started, None, f"does not build: {error}")
        key = image_key(self._prepared.kernel(place))
        return Built(True, time.monotonic() - started, key)

    def trial(self, commit: str) -> Outcome:
        """One boot, with a seed that no other trial has; seconds."""
        with self._lock:
            seed, self.next_seed = self.next_seed, self.next_seed + 1
        session = Session(self._run, self._quiet, fresh_boots=True)
        session.prepared = self._prepared
        started = time.monotonic()
        records = list(session.cells([self.cell(commit, seed)]))
        cost = time.monotonic() - started
        if not records:
            return Outcome(Kind.INFRA, cost, 0.0, "the trial left no record", seed=seed)
        return outcome(records[0], self.signal, cost)


def image_key(kernel: Kernel) -> str:
    """A hash over the image and all modules: equal for kernels that cannot differ."""
    total = hashlib.sha256()
    for path in [kernel.image, *sorted(kernel.modules_root.rglob("*.ko*"))]:
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]

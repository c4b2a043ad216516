# SPDX-License-Identifier: GPL-2.0
"""Mutants: kernels with one known bug put back, to measure what the suite finds.

A mutant is a record configs/mutants/NAME.toml and a patch beside it, applied to the kernel sources
of a Debian suite; where those of another suite (`also`) differ, NAME.SUITE.patch is for them. Its
races run natural and widened, in fresh boots, with all checkers on; so do they on the same kernel
without the patch, which is the control: what is found there as well is no find. A mutant counts as
found when anything that can see a failure has seen one.
"""

import signal
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from mmrace import config, kconfig
from mmrace.cell import Cell
from mmrace.errors import UsageError
from mmrace.kernels import DEFAULT_SCENARIO
from mmrace.paths import CONFIGS, TREE
from mmrace.record import Record
from mmrace.record import load as load_record
from mmrace.session import Session
from mmrace.verdict import Verdict

MUTANTS = CONFIGS / "mutants"
MODES = ("natural", "widened")
SEERS = ("data", "checker", "splat", "crash")
# A program that dies of one of these did so by its own hand, or by its memory's.
FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP, signal.SIGFPE)

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Trial:
    """A race and its options."""

    race: str
    options: Options = ()

    @property
    def name(self) -> str:
        """How tables call it."""
        return " ".join([self.race, *(f"{key}={value}" for key, value in self.options)])


@dataclass(frozen=True)
class Mutant:
    """One bug put back, or with no patch the kernel as it is.

    `source` is a kernel id without scenario; `seen_by` what should see the bug, `fix` the commit
    that mended it where it was a bug of Linux.
    """

    name: str
    source: str
    patch: Path | None = None
    description: str = ""
    fix: str = ""
    theme: str = ""
    arches: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()
    scenario: str = DEFAULT_SCENARIO
    machine: str = "default"
    machines: tuple[tuple[str, str], ...] = ()
    """Machine variants where an architecture needs another one than `machine`."""
    also: tuple[str, ...] = ()
    """Other suites that it can be put into."""
    unseen: tuple[tuple[str, str], ...] = ()
    """Architectures on which nothing can see it under emulation, and why."""
    trials: tuple[Trial, ...] = ()

    def on(self, arch: str) -> "Mutant":
        """The mutant as it runs on an architecture."""
        return replace(self, machine=dict(self.machines).get(arch, self.machine))

    def is_for(self, source: str) -> bool:
        """Whether its record names that suite's kernel; a tree is nobody's, so it may be."""
        kind, _, suite = source.partition(":")
        return kind != "source" or source == self.source or suite in self.also

    def based_on(self, suite: str) -> "Mutant":
        """The mutant in another suite's kernel."""
        assert self.patch
        own = self.patch.with_name(f"{self.name}.{suite}.patch")
        return replace(self, source=f"source:{suite}", patch=own if own.exists() else self.patch)

    @property
    def kernel(self) -> str:
        """The id of its kernel, as a replay line has it."""
        if self.patch is None:
            return self.plain_kernel
        patch = (self.patch.relative_to(TREE) if self.patch.is_relative_to(TREE)
                 and Path.cwd() == TREE else self.patch)
        return f"{self.plain_kernel},{patch}"

    @property
    def plain_kernel(self) -> str:
        """The id of the kernel without the patch."""
        return f"{self.source}+{self.scenario}"

    def record(self) -> dict[str, Any]:
        """What `list mutants` prints."""
        return {"name": self.name, "description": self.description, "fix": self.fix or None,
                "theme": self.theme, "arches": list(self.arches), "base": self.source,
                "also": list(self.also),
                "scenario": self.scenario, "machine": self.machine,
                "seen_by": list(self.seen_by), "races": [trial.name for trial in self.trials],
                "unseen": dict(self.unseen), "patch": str(self.patch)}


def parse_options(pairs: Iterable[str]) -> Options:
    """`KEY=VALUE` words as options of a race."""
    return tuple((key, value) for key, _, value in (pair.partition("=") for pair in pairs))


def _by_arch(record: Record, key: str) -> tuple[tuple[str, str], ...]:
    """The texts of a table whose keys are architectures; no such table has none."""
    if key not in record.data:
        return ()
    table = record.table(key)
    return tuple((config.arch(arch).name, table.text(arch)) for arch in table.data)


def _trial(record: Record) -> Trial:
    trial = Trial(record.text("race"), parse_options(record.texts("options", [])))
    record.done()
    return trial


def load(path: Path) -> Mutant:
    """The mutant of a record, whose patch lies beside it."""
    record = load_record(path)
    seen_by = tuple(record.texts("seen_by"))
    if not seen_by or not set(seen_by) <= set(SEERS):
        raise UsageError(f"{record.where}: 'seen_by' takes {', '.join(SEERS)}")
    patch = path.with_suffix(".patch")
    if not patch.exists():
        raise UsageError(f"{record.where}: no {patch.name} beside it")
    machine = record.text("machine", "default")
    arches = tuple(record.texts("arches"))
    machines = _by_arch(record, "machines")
    for arch in arches:
        config.variant(dict(machines).get(arch, machine), arch)
    unseen = _by_arch(record, "unseen")
    for arch, _ in unseen:
        if arch in arches:
            raise UsageError(f"{record.where}: {arch} is in 'arches' and in 'unseen'")
    mutant = Mutant(
        name=path.stem, source=f"source:{record.text('base')}", patch=patch,
        description=record.text("description"), fix=record.text("fix", ""),
        theme=record.text("theme"), arches=arches, seen_by=seen_by,
        scenario=kconfig.check_scenario(record.text("scenario", DEFAULT_SCENARIO)),
        machine=machine, machines=machines, unseen=unseen,
        also=tuple(record.texts("also", [])),
        trials=tuple(_trial(trial) for trial in record.records("races")))
    record.done()
    return mutant


@cache
def mutants() -> dict[str, Mutant]:
    """Every mutant by name."""
    return {path.stem: load(path) for path in sorted(MUTANTS.glob("*.toml"))}


def find(names: Sequence[str], suite: str | None = None) -> list[Mutant]:
    """The mutants of those names, all without a name; in a suite's kernel, if one is named."""
    known = mutants()
    for name in names:
        if name not in known:
            raise UsageError(f"unknown mutant '{name}'; configs/mutants/ has: "
                             f"{', '.join(known)}")
    found = [known[name] for name in names] if names else list(known.values())
    if suite is None:
        return found
    for mutant in found:
        if names and suite not in (mutant.source.partition(":")[2], *mutant.also):
            raise UsageError(f"mutant '{mutant.name}' has no patch for {suite}; it is for: "
                             f"{', '.join([mutant.source.partition(':')[2], *mutant.also])}")
    chosen = [mutant if mutant.source == f"source:{suite}" else mutant.based_on(suite)
              for mutant in found if suite in (mutant.source.partition(":")[2], *mutant.also)]
    if not chosen:
        suites = {one for mutant in found for one in (mutant.source.partition(":")[2],
                                                      *mutant.also)}
        raise UsageError(f"no mutant has a patch for '{suite}'; --base takes: "
                         f"{', '.join(sorted(suites))}")
    return chosen


@dataclass
class Score:
    """What one race in one mode saw of one kernel; times in seconds, of the data oracle alone.

    `noise` is who saw something on the unmutated kernel, too: that is no find. `news` are the hits
    that configs/expectations.toml does not know of the kernel.
    """

    trial: Trial
    mode: str
    noise: set[str] = field(default_factory=set)
    boots: int = 0
    hits: int = 0
    news: int = 0
    seers: set[str] = field(default_factory=set)
    first_s: list[float] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    judged: int = 0
    reason: str = ""
    replay: str = ""

    def add(self, record: dict[str, Any]) -> None:
        """Count one cell's record."""
        self.boots += 1
        self.verdicts.append(record["verdict"])
        self.judged += crashed(record) or (
            started(record) and record["verdict"] not in ("SKIP", "ERROR", "INFRA"))
        self.reason = record.get("reason") or ""
        seen = seers(record) - self.noise
        if seen:
            self.hits += 1
            self.news += not (record.get("expected") or {}).get("met", False)
            self.replay = record["replay"]
        self.seers |= seen
        if "data" in seen and record["time_to_first_failure_s"] is not None:
            self.first_s.append(float(record["time_to_first_failure_s"]))

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        return {"race": self.trial.race, "options": dict(self.trial.options), "mode": self.mode,
                "boots": self.boots, "hits": self.hits, "news": self.news,
                "found_by": sorted(self.seers),
                "median_s": statistics.median(self.first_s) if self.first_s else None,
                "verdicts": self.verdicts, "replay": self.replay}


def started(record: dict[str, Any]) -> bool:
    """Whether the cell's race was begun: not where the kernel does not build or boot."""
    return record.get("theme") is not None or crashed(record)


def crashed(record: dict[str, Any]) -> bool:
    """Whether the race's program died of a fault, be it before it could say what it is."""
    return record.get("exit_signal") in FAULTS


def seers(record: dict[str, Any]) -> set[str]:
    """Who saw a failure in a cell; a checker with its law. A kernel that panics before a race
    was begun shows a bug, but none that this suite has found."""
    if not started(record):
        return set()
    found = {f"checker {finding['law']}" for finding in record.get("findings", [])
             if "law" in finding}
    if record["failures"]:
        found.add("data")
    if crashed(record):
        found.add("crash")
    if record.get("splats") or record["verdict"] in (Verdict.SPLAT, Verdict.PANIC, Verdict.HANG):
        found.add("splat")
    return found


@dataclass(frozen=True)
class Plan:
    """How long and how often; durations in seconds."""

    duration: float
    boots: int
    seed: int
    modes: tuple[str, ...] = MODES
    budget: float | None = None
    trials: tuple[Trial, ...] = ()
    """What to run instead of each mutant's own races."""


class Campaign:
    """Runs mutants and their controls on one architecture."""

    def __init__(self, session: Session, plan: Plan, tell: Callable[[str], None],
                 done: Sequence[dict[str, Any]] = ()) -> None:
        """`done` are rows of earlier runs: what could be judged there is not run again."""
        self._session = session
        self._plan = plan
        self._tell = tell
        self._deadline = (None if plan.budget is None else time.monotonic() + plan.budget)
        self._noise: dict[tuple[str, str, str, Trial], set[str]] = {}
        judged = [row for row in done if row["judged"]]
        self._done = {(row["kernel"], row["machine"], row["arch"]) for row in judged
                      if row["mutant"] is not None}
        for row in judged:
            if row["mutant"] is None:
                self._learn(row)

    def run(self, wanted: Sequence[Mutant], arch: str) -> Iterator[dict[str, Any]]:
        """One row for each control and each mutant, as they end."""
        chosen = [mutant for mutant in (one.on(arch) for one in wanted if arch in one.arches)
                  if (mutant.kernel, mutant.machine, arch) not in self._done]
        for control in _controls(chosen, self._plan.trials):
            fresh = tuple(trial for trial in control.trials
                          if (control.kernel, control.machine, arch, trial) not in self._noise)
            if fresh:
                row = self._row(replace(control, trials=fresh), arch)
                self._learn(row)
                yield row
        for mutant in chosen:
            yield self._row(mutant, arch)

    def _learn(self, row: dict[str, Any]) -> None:
        """Note who saw something on an unmutated kernel."""
        for score in row["races"]:
            place = (row["kernel"], row["machine"], row["arch"],
                     Trial(score["race"], tuple(score["options"].items())))
            self._noise.setdefault(place, set()).update(score["found_by"])

    def _row(self, mutant: Mutant, arch: str) -> dict[str, Any]:
        trials = mutant.trials
        if mutant.patch is not None:
            trials = self._plan.trials or trials
        scores = {(trial, mode): Score(trial, mode, set())
                  for trial in trials for mode in self._plan.modes}
        if mutant.patch is not None:
            for (trial, _), score in scores.items():
                score.noise = self._noise.get(
                    (mutant.plain_kernel, mutant.machine, arch, trial), set())
        for boot in range(self._plan.boots):
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._tell(f"{mutant.name} {arch}: the time budget is spent")
                break
            cells = [Cell(kernel=mutant.kernel, arch=arch, race=trial.race, mode=mode,
                          duration=self._plan.duration, seed=self._plan.seed + boot,
                          variant=mutant.machine, options=trial.options, checkers=True)
                     for trial, mode in scores]
            for key, record in zip(scores, self._session.cells(cells)):
                scores[key].add(record)
        return summary(mutant, arch, list(scores.values()))


def _controls(chosen: Sequence[Mutant], trials: tuple[Trial, ...]) -> list[Mutant]:
    """For each kernel and machine that is mutated the kernel as it is, with all races of those."""
    wanted: dict[tuple[str, str, str], dict[Trial, None]] = {}
    for mutant in chosen:
        wanted.setdefault((mutant.source, mutant.scenario, mutant.machine), {}).update(
            dict.fromkeys(trials or mutant.trials))
    return [Mutant(name="unmutated", source=source, scenario=scenario, machine=machine,
                   trials=tuple(races))
            for (source, scenario, machine), races in wanted.items()]


def _name_of(patch: str) -> str:
    """The mutant whose patch it is: NAME.patch or NAME.SUITE.patch."""
    stem = Path(patch).stem
    name = stem.partition(".")[0]
    return name if name in mutants() else stem


def rows_of(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that the cells of earlier runs make; unmutated kernels first, as noise is theirs.

    A mutant that is no longer one of its architecture, machine or suite is left out.
    """
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for record in records:
        kernel = record["kernel"]["id"]
        place = (kernel, record["arch"], record["machine"].get("variant") or "default")
        cells.setdefault(place, []).append(record)
    rows = []
    noise: dict[tuple[str, str, str, Trial], set[str]] = {}
    for (kernel, arch, machine), own in sorted(cells.items(), key=lambda item: "," in item[0][0]):
        plain, patch = kernel.rsplit(",", 1) if "," in kernel else (kernel, "")
        source, scenario = plain.rsplit("+", 1) if "+" in plain else (plain, "")
        mutant = mutants().get(_name_of(patch)) if patch else None
        if mutant and (arch not in mutant.arches or machine != mutant.on(arch).machine
                       or not mutant.is_for(source)):
            continue
        mutant = replace(mutant or Mutant(name=_name_of(patch) or "unmutated", source=source),
                         source=source, patch=Path(patch) if patch else None,
                         scenario=scenario or DEFAULT_SCENARIO, machine=machine)
        scores: dict[tuple[Trial, str], Score] = {}
        for record in own:
            trial = Trial(record["race"], tuple(record.get("options", {}).items()))
            seen = noise.setdefault((plain, arch, machine, trial), set())
            score = scores.setdefault((trial, record["mode"]), Score(trial, record["mode"]))
            score.noise = seen if patch else set()
            score.add(record)
            if not patch:
                seen.update(score.seers)
        rows.append(summary(mutant, arch, list(scores.values())))
    return rows


def summary(mutant: Mutant, arch: str, scores: list[Score]) -> dict[str, Any]:
    """A row of the detection matrix."""
    found_by = sorted(set().union(*(score.seers for score in scores))) if scores else []
    times = [second for score in scores for second in score.first_s]
    judged = sum(score.judged for score in scores)
    return {
        "mutant": None if mutant.patch is None else mutant.name, "arch": arch,
        "kernel": mutant.kernel, "scenario": mutant.scenario, "machine": mutant.machine,
        "theme": mutant.theme or None, "fix": mutant.fix or None,
        "description": mutant.description, "expected_by": list(mutant.seen_by),
        "found": bool(found_by), "found_by": found_by,
        "median_s": statistics.median(times) if times else None,
        "judged": judged, "cells": sum(score.boots for score in scores),
        "reason": None if judged or not scores else scores[-1].reason,
        "races": [score.as_record() for score in scores]}

# SPDX-License-Identifier: GPL-2.0
"""Running cells: boots are shared where that is sound, and every cell ends in a stored record."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrace import build, canary, config, controls, expectations, jobs, splat
from mmrace.boots import Boot, Preparation, open_boot
from mmrace.cell import SCHEMA, Cell, Observation
from mmrace.errors import (BuildError, MissingError, MmraceError, StoreError, TreeBuildError,
                           UsageError)
from mmrace.machines.base import MachineLost, Message
from mmrace.machines.qemu import QemuMachine
from mmrace.progress import Progress
from mmrace.store import Run
from mmrace.verdict import Verdict, exposure_of, judge, losses, taint_record

# What a race may take beyond its duration: setup, the last round, teardown.
RACE_GRACE_S = 60.0

# What a cell is that never had a machine. A kernel that does not build is missing, and no fault
# of anybody's: `git bisect run` is to skip such a commit.
GIVEN_UP = {BuildError: Verdict.ERROR, TreeBuildError: Verdict.SKIP, MissingError: Verdict.SKIP}

# Ends of an emulated machine that are its own doing: worth a second boot before anything ran.
# QEMU 10.0 was seen failing msix_table_mmio_write()'s assertion once in hundreds of boots.
EMULATOR_FAULTS = ("abort", "emulator")


def _tells_nothing(boot: Boot, lost: MachineLost) -> bool:
    """Whether a guest was lost before anything ran that a cell is about: worth a second boot.

    A kernel that hangs before its init says a word does so without us: 7.2 on x86_64 does at
    times (docs/stock-kernels.md). One that always does hangs in the second boot, too.
    """
    return lost.kind in EMULATOR_FAULTS or (
        lost.kind == "hang" and boot.machine.kind == "qemu" and boot.agent.hello is None)


def _taint(boot: Boot) -> int | None:
    """The kernel's taint now; None where it cannot be read."""
    text = (boot.agent.read("/proc/sys/kernel/tainted") or "").strip()
    return int(text) if text.isdigit() else None


class Session:
    """Runs cells in order and stores their records."""

    def __init__(self, run: Run, progress: Progress, scratch: str | None = None,
                 fresh_boots: bool = False, vmcore: str = "") -> None:
        """With `vmcore`, the memory of a guest that panics or hangs is kept."""
        self.run = run
        self.progress = progress
        self._unclean: set[str] = set()
        self._first_boots: dict[Cell, str] = {}     # that were lost, and how
        self.prepared = Preparation(progress, vmcore)
        self._replaces: Mapping[str, Sequence[str]] = {}
        self._stop = threading.Event()
        self._scratch = scratch
        self._fresh_boots = fresh_boots

    def cells(self, cells: Sequence[Cell], at_once: int = 1,
              replaces: Mapping[str, Sequence[str]] | None = None) -> Iterator[dict[str, Any]]:
        """Run the cells; yields each record once it is stored.

        Neighbours of one place share a boot until one of them fails or plants a bug; controls
        come first, so that what they prove holds for the others. Places are run `at_once` side
        by side. `replaces` names the records of earlier tries of a cell, which its own replaces.
        """
        self._replaces = replaces or {}
        places = [sorted(group, key=lambda cell: cell.mode != "control")
                  for _, group in itertools.groupby(cells, key=lambda cell: cell.place)]
        if at_once > 1:
            yield from jobs.side_by_side(places, self._one_place, at_once, self._stop)
        else:
            for place in places:
                yield from self._one_place(place)

    def _one_place(self, waiting: list[Cell]) -> Iterator[dict[str, Any]]:
        while waiting and not self._stop.is_set():
            yield from self._one_boot(waiting)

    def _one_boot(self, waiting: list[Cell]) -> Iterator[dict[str, Any]]:
        """Take cells from the front of `waiting` until the boot is spent or none is left."""
        cell = waiting[0]
        unclean = cell.on in self._unclean
        self._unclean.discard(cell.on)
        try:
            with open_boot(self.prepared, cell.place, self.run.boot_dir(), unclean,
                           self._stop) as boot:
                yield from self._on_boot(boot, waiting)
                if boot.spent:
                    self._unclean.add(cell.on)
        except (StoreError, UsageError):
            raise
        except MmraceError as error:
            verdict = GIVEN_UP.get(type(error), Verdict.INFRA)
            # What does not build fails for all; an emulator that did not start may start again.
            for _ in range(1 if verdict == Verdict.INFRA else len(waiting)):
                yield self._give_up(waiting.pop(0), verdict, str(error))

    def _on_boot(self, boot: Boot, waiting: list[Cell]) -> Iterator[dict[str, Any]]:
        cell = waiting[0]
        plants = cell.mode == "control"
        lost: MachineLost | None = None
        with self.progress.step(f"booting {boot.kernel.release} {cell.arch}"):
            try:
                boot.start("allow_plants=1" if plants else "")
            except MachineLost as error:
                lost = error
                boot.lost = True
        # The cell's record tells of it, and its boot directory stays.
        if lost and cell not in self._first_boots and _tells_nothing(boot, lost):
            self._first_boots[cell] = f"boots/{boot.home.name}: {lost.detail}"
            self._examine(boot, lost)
            self.progress.say(f"{lost.detail}; booting once more")
            return
        while (waiting and not boot.spent and (waiting[0].mode == "control") == plants
               and not self._stop.is_set()):
            # A cell that cannot be run to its record is still waiting, for _one_boot to give up.
            record = self._one_cell(boot, waiting[0], lost)
            waiting.pop(0)
            yield record

    def _give_up(self, cell: Cell, verdict: Verdict, reason: str) -> dict[str, Any]:
        """The record of a cell whose machine could not even be made."""
        where = self.run.cell_dir(cell.name)
        record = {"schema": SCHEMA, "race": cell.race, "mode": cell.mode, "arch": cell.arch,
                  "kernel": {"id": cell.kernel, "version": None},
                  "machine": {"kind": cell.on, "accel": None, "vcpus": None},
                  "verdict": str(verdict), "reason": reason, "expected": None, "rounds": 0,
                  "failures": 0, "time_to_first_failure_s": None, "exposure": None,
                  "counters": {}, "seed": cell.seed, "replay": cell.replay(self._scratch),
                  "run_dir": str(self.run.home), **self._names(cell, where)}
        self.run.record(where, record)
        self.progress.cell_done(record)
        return record

    def _one_cell(self, boot: Boot, cell: Cell, lost: MachineLost | None) -> dict[str, Any]:
        where = self.run.cell_dir(cell.name)
        seen = Observation(module_error=boot.module_error)
        started = time.time()
        self.run.record(where, self._record(boot, cell, where, seen, started, pending=True))
        self.progress.cell_started(cell, boot.kernel)
        log_from = len(boot.agent.kmsg)
        evidence: dict[str, str] = {}
        slowdown = canary.slowdown()
        try:
            if lost:
                raise lost
            seen.slowdown = slowdown
            seen.taint_before = _taint(boot)
            self._drive(boot, cell, where, seen, evidence)
            seen.taint_after = _taint(boot)
        except MachineLost as error:
            boot.spent = boot.lost = True
            seen.lost_kind, seen.lost_detail = error.kind, error.detail
            self._examine(boot, error)
        except OSError as error:
            boot.spent = True
            seen.lost_kind = "lost"
            seen.lost_detail = f"cannot write below {self.run.home}: {error.strerror}"
        except KeyboardInterrupt:
            seen.interrupted = True
            self._finish(boot, cell, where, seen, started, log_from, evidence)
            raise
        return self._finish(boot, cell, where, seen, started, log_from, evidence)

    def _examine(self, boot: Boot, lost: MachineLost) -> None:
        """Keep what a silent machine can still tell."""
        if lost.kind == "hang":
            boot.machine.autopsy()
            if self.prepared.vmcore and isinstance(boot.machine, QemuMachine):
                boot.machine.dump()

    def _drive(self, boot: Boot, cell: Cell, where: Path, seen: Observation,
               evidence: dict[str, str]) -> None:
        """Describe, run, and read the module before and after."""
        binary = f"{boot.races_dir}/{cell.race}"
        self._describe(boot, binary, seen)
        if cell.on == "qemu" and boot.boot_failures and "dir" in seen.describe.get("needs", []):
            seen.machine_fault = "; ".join(boot.boot_failures)
        if boot.module_error is None:
            boot.module.write("reset", "1")
            boot.module.write("checkers", f"{'enable' if cell.checkers else 'disable'} all")
        argv = [binary, "--mode", cell.mode, "--duration", f"{cell.duration:g}", "--seed",
                str(cell.seed), "--report-fd", "@REPORT"]
        scratch = self._scratch or boot.scratch
        if scratch:
            argv += ["--dir", scratch]
        for key, value in cell.options:
            argv += [f"--{key}", value]
        watch = canary.Stopwatch(boot.machine.use)
        with ((where / "race.ndjson").open("w", buffering=1) as log,
              (where / "race.out").open("w", buffering=1) as out):
            try:
                end = boot.agent.run(argv, cell.duration + RACE_GRACE_S * seen.slowdown,
                                     lambda record: self._hear(record, cell, seen, log.write,
                                                               out.write))
            finally:
                seen.slowdown = max(seen.slowdown, watch.slowdown())
        if end["t"] == "reply":
            seen.exit_status, seen.complaint = 127, str(end["error"])
        else:
            seen.exit_status, seen.exit_signal = end["status"], end["signal"]
            seen.timed_out = bool(end["timed_out"])
        if boot.module_error is None:
            evidence.update(boot.module.everything())
            seen.counters = boot.module.counters()
            seen.counters_read = bool(seen.counters)
            seen.missed = {probe.name: probe.missed for probe in boot.module.probes()
                           if probe.missed}
            seen.findings = boot.module.findings()

    @staticmethod
    def _describe(boot: Boot, binary: str, seen: Observation) -> None:
        lines: list[str] = []
        boot.agent.run([binary, "--describe"], 30.0,
                       lambda record: lines.append(record["text"])
                       if record["t"] == "out" and record["fd"] == 1 else None)
        try:
            seen.describe = json.loads("".join(lines))
        except json.JSONDecodeError:
            seen.complaint = f"{binary} --describe printed no JSON"

    def _hear(self, record: Message, cell: Cell, seen: Observation,
              log: Callable[[str], int], out: Callable[[str], int]) -> None:
        if record["t"] == "out":
            out(record["text"] + "\n")
            if record["fd"] == 2 and record["text"]:
                seen.complaint = record["text"]
            return
        if record["t"] != "race":
            return
        said = record["r"]
        log(json.dumps(said) + "\n")
        try:
            self._note(said, cell, seen)
        except (KeyError, TypeError, ValueError) as error:
            seen.complaint = f"a record of the race is malformed ({error!r}): {json.dumps(said)}"

    def _note(self, said: dict[str, Any], cell: Cell, seen: Observation) -> None:
        """Take in one record of the race's own; its fields are the race's word."""
        kind = said.get("ev")
        if kind == "end":
            seen.end = said
        if kind == "failure":
            seen.failures = max(seen.failures, 1)
            if seen.first_failure_s is None:
                seen.first_failure_s = float(said["elapsed_s"])
        if kind in ("progress", "end"):
            seen.rounds = int(said["rounds"])
            seen.failures = max(seen.failures, int(said["failures"]))
            if kind == "end" and said.get("time_to_first_failure_s") is not None:
                seen.first_failure_s = float(said["time_to_first_failure_s"])
            self.progress.cell_progress(cell, seen.rounds, seen.failures,
                                        float(said["elapsed_s"]))

    def _finish(self, boot: Boot, cell: Cell, where: Path, seen: Observation, started: float,
                log_from: int, evidence: dict[str, str]) -> dict[str, Any]:
        kernel_log = [record["text"] for record in boot.agent.kmsg[log_from:]]
        files = {"kmsg.log": "\n".join(kernel_log) + "\n",
                 **{f"module-{name}": text for name, text in evidence.items()}}
        self.run.keep(where, files, boot.home.name if boot.machine.console() else None)
        logs = [kernel_log]
        if seen.lost_kind:
            # It has the end, which the agent could not send; not every kernel has a console.
            logs.insert(0, boot.machine.console().splitlines())
        seen.splats = [{"kind": found.kind, "verdict": found.verdict, "title": found.title,
                        "signature": found.signature} for found in splat.scan_first(*logs)]
        seen.oom_killed = splat.killed_by_oom(itertools.chain(*logs),
                                              ("mmrace-agent", cell.race))
        if seen.lost_kind == "emulator":
            del seen.splats[-1:]  # The oops that the emulator made ended the log.
        record = self._record(boot, cell, where, seen, started, pending=False)
        verdict = Verdict(record["verdict"])
        if verdict.is_failure or cell.mode == "control" or self._fresh_boots:
            boot.spent = True
        if cell.mode == "control" and verdict == Verdict.PASS:
            controls.remember(self._proof(boot, cell), dict(cell.options), str(self.run.home),
                              seen.first_failure_s)
        self.run.record(where, record)
        self.progress.cell_done(record)
        return record

    def _proof(self, boot: Boot, cell: Cell) -> str:
        binary = build.races(config.arch(cell.arch)) / cell.race
        return controls.key(cell.race, f"{boot.kernel.release} {boot.kernel.version}",
                            boot.module_build,
                            build.file_id(binary) if binary.exists() else "unknown",
                            f"{cell.on}/{cell.variant}")

    def _record(self, boot: Boot, cell: Cell, where: Path, seen: Observation, started: float,
                pending: bool) -> dict[str, Any]:
        """The cell's record; a pending one says what is true if nothing follows it."""
        proof = controls.proof(self._proof(boot, cell), dict(cell.options))
        verdict, reason = judge(cell, seen, None if proof is None else proof["options"],
                                expectations.own_failures(cell, boot.kernel.upstream))
        if pending:
            verdict, reason = Verdict.INFRA, "the harness ended before the cell did"
        if cell in self._first_boots:
            reason = f"{reason}; its first boot was lost ({self._first_boots[cell]})"
        counter, need, got = exposure_of(seen)
        wanted = expectations.expectation(cell, boot.kernel.upstream)
        return {
            "schema": SCHEMA, "race": cell.race, "theme": seen.describe.get("theme"),
            "mode": cell.mode, "arch": cell.arch,
            "kernel": {**boot.kernel.record(), "newest": boot.kernel.fresh},
            "machine": boot.machine_record(),
            "verdict": str(verdict), "reason": reason, "expected": wanted.record(verdict),
            "rounds": seen.rounds, "failures": seen.failures,
            "time_to_first_failure_s": seen.first_failure_s,
            "exposure": None if not seen.counters_read else {
                "counter": counter, "count": got, "min": need,
                "all": {name: value for name, value in seen.counters.items()
                        if name.startswith("exposure.")}},
            "counters": seen.counters, "missed": seen.missed, "losses": losses(seen),
            "findings": seen.findings, "splats": seen.splats, "taint": taint_record(seen),
            "exit_signal": seen.exit_signal,
            "slowdown": round(seen.slowdown, 2), "pending": pending,
            "control": proof, "module": {"build_id": boot.module_build,
                                         "error": boot.module_error},
            "windows": (seen.end or {}).get("windows"), "extra": (seen.end or {}).get("extra"),
            "checkers": cell.checkers,
            "duration_s": cell.duration, "elapsed_s": (seen.end or {}).get("elapsed_s"),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seed": cell.seed, "options": dict(cell.options), "replay": cell.replay(self._scratch),
            "run_dir": str(self.run.home), **self._names(cell, where),
        }

    def _names(self, cell: Cell, where: Path) -> dict[str, Any]:
        """The names of a cell's record: its directory's, the cell's, those that it replaces."""
        return {"cell": where.name, "name": cell.name,
                "replaces": list(self._replaces.get(cell.name, ()))}

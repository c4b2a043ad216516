#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Hours of all races in a guest with every checker on and stress-ng beside them: who cries wolf?

On a kernel that keeps a law, a finding is a false one, and so is a splat that nothing but the
module can have caused. The races run in turn, natural and widened, until the time is over; Debian's
stress-ng runs beside them all the while, a target like the races, so that its changes of memory are
judged (and counted as exposure) as theirs are. A guest that a failure has spent is booted anew.
Printed: a line a cell, and at the end what was found, for each race and law. The run directory has
the rest; Ctrl-C ends the soak with the same result.

usage: PYTHONPATH=harness /usr/bin/python3 bench/soak.py [--kernel K] [--arch A] [--hours H]
"""

import argparse
import itertools
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mmrace import build, config, initramfs, package_disk, tools
from mmrace.boots import Boot, Preparation
from mmrace.cell import Cell, Place
from mmrace.commands.common import default_seed, positive
from mmrace.errors import MmraceError
from mmrace.machines.base import MachineLost, Message
from mmrace.paths import BUILD, TREE
from mmrace.progress import Progress
from mmrace.session import Session
from mmrace.store import Run

SUITE, DISK = "trixie", "3G"
# Of stress-ng's, those that change page tables: each for some seconds, in any order.
STRESSORS = ("vm mmap mmapaddr mmapfork mmapmany mprotect mremap madvise munmap msync mlock "
             "tlb-shootdown userfaultfd fork vfork clone shm pagemove pageswap fault brk stack "
             "vma malloc prefetch mincore memfd exit-group memthrash vm-splice")
# Memory that one of them may take, and what the guest has more for it, in MiB.
BYTES_MIB, MORE_MIB = 96, 768
COMMAND = (f"while :; do for s in $(shuf -e {STRESSORS}); do stress-ng --quiet --verify --oomable "
           f"--$s 2 --timeout 4 --vm-bytes {BYTES_MIB}m --mmap-bytes {BYTES_MIB}m "
           f"--mremap-bytes {BYTES_MIB}m --temp-path /tmp; echo turn $?; done; done")
LOG = "/beside/tmp/beside.log"
VARIANT = "soak"


def with_stress_ng(plain: config.Variant, arch: config.Arch) -> config.Variant:
    """A machine variant with stress-ng's disk, and memory for it."""
    disk = package_disk.image(SUITE, arch, ["stress-ng"], DISK)
    return replace(package_disk.with_disk(plain, arch, disk),
                   memory_mib=plain.memory_mib + MORE_MIB)


def compile_beside(arch: config.Arch) -> Path:
    """The program that starts stress-ng, where the initramfs takes its races from."""
    out = BUILD / "bench" / arch.name / "beside"
    out.parent.mkdir(parents=True, exist_ok=True)
    tools.run([f"{build.cross_prefix(arch)}gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra",
               "-Werror", "-static", "-o", out, TREE / "bench/soak/beside.c"])
    return out


class Prepared(Preparation):
    """What a soak's guests need: the program that starts stress-ng, too."""

    def image(self, place: Place) -> Path:
        """The initramfs."""
        arch = config.arch(place.arch)
        return initramfs.make(self.kernel(place), self.module(place).path,
                              config.variant(place.variant, place.arch).modules,
                              (compile_beside(arch),))


class Soak(Session):
    """A session whose guests have stress-ng running from each cell's begin."""

    def __init__(self, run: Run, progress: Progress) -> None:
        super().__init__(run, progress)
        self.prepared = Prepared(progress)
        self.starts = 0
        self.turns: Counter[str] = Counter()
        self.said: Counter[str] = Counter()
        self._pid = ""
        self._heard = 0
        self._guest: Boot | None = None

    def _one_cell(self, boot: Boot, cell: Cell, lost: MachineLost | None) -> dict[str, Any]:
        try:
            if not lost:
                self._stress(boot)
        except MachineLost as error:
            boot.lost, lost = True, error
        record = super()._one_cell(boot, cell, lost)
        if not boot.lost:
            self._listen(boot)
        return record

    def _stress(self, boot: Boot) -> None:
        """Start stress-ng in a guest that has it not, or no longer."""
        if self._guest is not boot:
            self._guest, self._pid, self._heard = boot, "", 0
        if self._pid and boot.agent.read(f"/proc/{self._pid}/stat"):
            return
        said: list[Message] = []
        end = boot.agent.run(["/mmrace/races/beside", "/dev/vda", COMMAND], 60, said.append)
        lines = [record["text"] for record in said if record["t"] == "out"]
        if end.get("status") != 0 or not lines:
            raise SystemExit(f"stress-ng cannot be started in the guest: {lines or end}")
        self._pid = lines[0]
        self.starts += 1

    def _listen(self, boot: Boot) -> None:
        """Take in what stress-ng has said since the last cell."""
        try:
            lines = (boot.agent.read(LOG) or "").splitlines()
        except MachineLost:
            return
        for line in lines[self._heard:]:
            if line.startswith("turn "):
                self.turns[line.removeprefix("turn ")] += 1
            else:
                self.said[re.sub(r"\[\d+\] ", "", line)] += 1
        self._heard = len(lines)


def passes(kernel: str, arch: str, seconds: float, seed: int) -> Iterator[list[Cell]]:
    """Every race in both modes, again and again with another seed."""
    for number in itertools.count():
        yield [Cell(kernel=kernel, arch=arch, race=race, mode=mode, duration=seconds,
                    seed=seed + number, variant=VARIANT, checkers=True)
               for race in build.race_names() for mode in ("natural", "widened")]


def soak(session: Soak, cells: Iterator[list[Cell]], until: float) -> list[dict[str, Any]]:
    """Run passes until the time (monotonic seconds) or Ctrl-C; the records."""
    records = []
    try:
        for one in cells:
            for record in session.cells(one):
                records.append(record)
                if time.monotonic() >= until:
                    return records
    except KeyboardInterrupt:
        session.progress.say("interrupted")
    return records


def summary(records: list[dict[str, Any]]) -> Iterator[str]:
    """A line a race, and whatever was found."""
    races: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        races[record["race"]].append(record)
    for race, ran in sorted(races.items()):
        verdicts = Counter(record["verdict"] for record in ran)
        exposed = sum((record["exposure"] or {}).get("count") or 0 for record in ran)
        yield (f"{race:18} {sum(record['rounds'] for record in ran):7} rounds, exposed "
               f"{exposed:8} times (stress-ng's among them), "
               + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
    bad = [record for record in records
           if record["verdict"] in ("RACE", "FINDING", "SPLAT", "PANIC", "HANG", "ERROR", "INFRA")]
    for record in bad:
        yield f"{record['verdict']}  {record['cell']}: {record['reason']}"
    laws = Counter(finding.get("law", "?") for record in records
                   for finding in record.get("findings") or [])
    yield "findings: " + (", ".join(f"{law} {count}" for law, count in laws.items()) or "none")
    splats = Counter(found["title"] for record in records for found in record.get("splats") or [])
    yield "splats: " + (", ".join(f"{title} {count}" for title, count in splats.items())
                        or "none")


def judged(home: Path) -> Iterator[str]:
    """For each law, in how many cells it was judged to the end: a missed hit ends that."""
    caps = [path.read_text().splitlines() for path in home.glob("cells/*/module-caps")]
    laws = Counter(line for lines in caps for line in lines if line.startswith("checker."))
    for line, cells in sorted(laws.items()):
        yield f"{line.removeprefix('checker.')}: {cells} of {len(caps)} cells"


def main() -> int:
    """Soak, print, and fail if anything was found or nothing was run."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="debian:trixie")
    parser.add_argument("--arch", default="x86_64")
    parser.add_argument("--machine", default="default", metavar="VARIANT")
    parser.add_argument("--hours", type=positive(float), default=1.0)
    parser.add_argument("--seconds", type=positive(float), default=15.0, help="of one cell")
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()

    arch, plain = config.arch(args.arch), config.variant(args.machine, args.arch)
    config.variants()[VARIANT] = replace(with_stress_ng(plain, arch), name=VARIANT)
    run = Run.create(sys.argv)
    progress = Progress(Console(stderr=True))
    session = Soak(run, progress)
    started = time.monotonic()
    records = soak(session, passes(args.kernel, args.arch, args.seconds,
                                   default_seed() if args.seed is None else args.seed),
                   started + args.hours * 3600)
    progress.close()
    minutes = (time.monotonic() - started) / 60
    kernel = records[-1]["kernel"]["version"] if records else args.kernel
    print(f"{kernel} {args.arch}: {len(records)} cells in {minutes:.0f} min with every checker; "
          f"stress-ng started {session.starts} times, "
          f"{sum(session.turns.values())} turns (by exit code: {dict(session.turns)})")
    for line in (*summary(records), *judged(run.home)):
        print(line)
    for line, times in session.said.items():
        print(f"{line} ({times} times)")
    print(f"records: {run.home}")
    found = [record for record in records if record.get("findings") or record.get("splats")]
    return 1 if found or not records else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MmraceError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)

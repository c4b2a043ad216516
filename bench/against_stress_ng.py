#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What stress-ng --verify finds, and what a race finds, in the same time in the same guest.

A row is a kernel with a bug: its own, or one that the module plants for both sides alike. The
closest stressors of Debian's stress-ng run first, then the race, untouched (natural), on the same
file system. stress-ng's failures are those that it reports itself; a side that finds nothing counts
with its whole time, so a ratio against it is a lower bound, and is printed as one.

usage: PYTHONPATH=harness /usr/bin/python3 bench/against_stress_ng.py [--seconds S] [--turns N]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from soak import LOG, compile_beside, with_stress_ng

from mmrace import build, config, initramfs, kernels
from mmrace.errors import MmraceError
from mmrace.kernels import Kernel
from mmrace.machines.base import Agent
from mmrace.machines.qemu import QemuMachine
from mmrace.module_view import ModuleView
from mmrace.progress import Progress

ARCH = "x86_64"
DIR = "/beside/tmp"     # of stress-ng's root file system: ext4
FILES = "--mmap 2 --mmap-file --msync 2 --madvise 1 --munmap 1 --tlb-shootdown 1 --sync-file 1"
SWAPPED = "--swap 1 --pageswap 2 --madvise 1 --vm 2 --vm-bytes 64m --fork 1"
COPIED = "--fork 2 --mmapfork 1 --vm 2 --vm-bytes 64m --madvise 1 --vm-splice 1"
WATCHED = "--userfaultfd 2 --mprotect 2 --vm 1 --vm-bytes 64m"


@dataclass(frozen=True)
class Row:
    """A kernel with a bug, and who should see it."""

    kernel: str
    plant: str | None
    race: str
    options: tuple[str, ...]
    stressors: str


ROWS = (
    Row("debian:bookworm", None, "lost-write", (), FILES),
    Row("debian:trixie", "skip.tlb.zap", "lost-write", (), FILES),
    Row("debian:trixie", "skip.tlb.batch", "reclaim-write", ("--swap", "zram"), SWAPPED),
    Row("debian:trixie", "skip.tlb.pte", "one-memory", ("--change", "fork"), COPIED),
    Row("debian:trixie", "skip.tlb.protect", "write-watch", ("--how", "uffd"), WATCHED),
)


@dataclass
class Turn:
    """What one side found: how often, when first (seconds); how often the plant acted on it."""

    failures: int
    first_s: float | None
    hits: int = 0


def stress_ng(agent: Agent, row: Row, seconds: float) -> Turn:
    """The row's stressors; raises SystemExit if they did not run."""
    command = (f"rm -f /tmp/beside.log; exec > /tmp/beside.log 2>&1; stress-ng --verify --oomable "
               f"{row.stressors} --timeout {seconds:.0f} --temp-path /tmp; echo ended $?")
    said: list[dict[str, Any]] = []
    started = time.monotonic()
    end = agent.run(["/mmrace/races/beside", "/dev/vda", command], 60, said.append)
    if end.get("status") != 0:
        raise SystemExit(f"stress-ng cannot be started: {said or end}")
    first, lines = None, []
    while time.monotonic() - started < 3 * seconds + 60:
        lines = (agent.read(LOG) or "").splitlines()
        if first is None and any(" fail:" in line for line in lines):
            first = time.monotonic() - started
        if lines and lines[-1].startswith("ended "):
            break
        time.sleep(0.5)
    else:
        raise SystemExit(f"stress-ng did not end: {lines[-3:]}")
    if not any("successful run" in line or " fail:" in line for line in lines):
        raise SystemExit(f"stress-ng did not work: {lines[-5:]}")
    return Turn(sum(" fail:" in line for line in lines), first)


def race(agent: Agent, row: Row, seconds: float, seed: int) -> Turn:
    """The row's race, natural."""
    found: list[float] = []
    ended: list[dict[str, Any]] = []

    def hear(record: dict[str, Any]) -> None:
        if record["t"] == "race" and record["r"].get("ev") == "failure":
            found.append(float(record["r"]["elapsed_s"]))
        if record["t"] == "race" and record["r"].get("ev") == "end":
            ended.append(record["r"])

    agent.run([f"/mmrace/races/{row.race}", *row.options, "--mode", "natural", "--dir", DIR,
               "--duration", f"{seconds:g}", "--seed", str(seed), "--report-fd", "@REPORT"],
              3 * seconds + 60, hear)
    # A plant may end the race itself, too, once it was seen.
    if not ended or not (found or ended[0]["status"] == "pass"):
        raise SystemExit(f"{row.race}: {ended}")
    return Turn(ended[0]["failures"], found[0] if found else None)


def plant_hits(module: ModuleView, row: Row) -> int:
    """How often the row's plant has acted."""
    return sum(int(plant["hits"]) for plant in module.table("plants")
               if plant["name"] == row.plant)


def compare(row: Row, kernel: Kernel, seconds: float, turns: int) -> str:
    """One guest, both sides in turns; the row of the result."""
    arch = config.arch(ARCH)
    variant = with_stress_ng(config.variant("default", ARCH), arch)
    variant = replace(variant, modules=(*variant.modules, "zram? num_devices=0"))
    image = initramfs.make(kernel, build.module(kernel).path, variant.modules,
                           (compile_beside(arch), build.races(arch) / row.race))
    sides: dict[str, list[Turn]] = {"stress-ng": [], row.race: []}
    with tempfile.TemporaryDirectory() as home, \
            QemuMachine(kernel, variant, image, Path(home)) as machine:
        agent = Agent(machine)
        agent.wait_ready(180)
        module = ModuleView(agent)
        refused = module.insert("allow_plants=1")
        if not refused and row.plant:
            refused = module.write("plants", f"{row.plant} on")
        if refused:
            raise SystemExit(refused)
        for turn in range(turns):
            for side in sides:
                before = plant_hits(module, row)
                ran = (stress_ng(agent, row, seconds) if side == "stress-ng" else
                       race(agent, row, seconds, turn + 1))
                ran.hits = plant_hits(module, row) - before
                sides[side].append(ran)
                print(json.dumps({"kernel": kernel.version, "plant": row.plant, "side": side,
                                  "turn": turn + 1, "failures": ran.failures,
                                  "first_s": ran.first_s, "limit_s": seconds,
                                  "plant_hits": ran.hits}), flush=True)
        machine.power_off()
    cells = []
    for ran_turns in sides.values():
        found = [ran for ran in ran_turns if ran.failures]
        firsts = [ran.first_s for ran in found if ran.first_s is not None]
        cells.append(f"{len(found)} of {len(ran_turns)}"
                     + (f", first {statistics.median(firsts):.2f} s" if firsts else "")
                     + (f" (plant met {sum(ran.hits for ran in ran_turns)} times)"
                        if row.plant else ""))
    times = [statistics.median([seconds if ran.first_s is None else ran.first_s
                                for ran in ran_turns]) for ran_turns in sides.values()]
    bound = "" if any(ran.failures for ran in sides["stress-ng"]) else "at least "
    bug = f"`{row.plant}`" if row.plant else "its own"
    return (f"| {kernel.version} | {bug} | {cells[0]} | `{row.race}` {cells[1]} | "
            f"{bound}{int(10 * times[0] / times[1]) / 10:g} |")    # rounded down


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="of one side in one turn")
    parser.add_argument("--row", type=int, action="append", choices=range(len(ROWS)),
                        help="only this one; may be given again")
    args = parser.parse_args()

    progress = Progress(Console(stderr=True))
    results = []
    for number, row in enumerate(ROWS):
        if args.row and number not in args.row:
            continue
        progress.say(f"row {number}: {row.kernel}, {row.plant or 'its own bug'}, {row.race}")
        results.append(compare(row, kernels.resolve(row.kernel, config.arch(ARCH)), args.seconds,
                               args.turns))
    progress.close()
    print(f"{ARCH}, QEMU TCG, {os.cpu_count()} host CPUs, turns of "
          f"{args.seconds:g} s for each side: {args.turns}")
    print("| kernel | bug | stress-ng found it in | the race found it in | faster by |")
    print("| --- | --- | --- | --- | --- |")
    print("\n".join(results))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MmraceError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)

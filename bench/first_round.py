#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How long from the command to the first round, and where the time goes, on each architecture.

Warm: everything is fetched and built (the first turn sees to that and is not counted). With --cold
one turn starts from an empty cache: emulator, kernel, headers and tools come from the archive (the
compilers from apt have to be there), module, races and agent are built. The times are this
machine's now; the slowdown (1 on an idle machine) says how busy it was.

With --cell SECONDS: what the harness adds to a cell of that length on a machine that is up: the
time between the ends of two cells, less what the agent says that the race's process took.

    PYTHONPATH=harness /usr/bin/python3 bench/first_round.py [--turns 3] [--kernel debian:trixie]
    PYTHONPATH=harness /usr/bin/python3 bench/first_round.py --cold
    PYTHONPATH=harness /usr/bin/python3 bench/first_round.py --cell 30 --arch x86_64
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from mmrace import canary, config
from mmrace.paths import TREE

RACE = "stale-translation"


def turn(kernel: str, arch: str, tree: Path = TREE, **env: str) -> dict[str, float]:
    """One run of one second; seconds from the command to each step."""
    with tempfile.TemporaryDirectory(prefix="mmrace-bench-") as runs:
        started = time.time()
        with subprocess.Popen(
                [str(tree / "mmrace"), "run", "--kernel", kernel, "--arch", arch, "--race", RACE,
                 "--duration", "1"], env={**os.environ, "MMRACE_RUNS": runs, **env},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            seen: dict[str, float] = {}
            steps = {"emulator": "*/boots/1/qemu.cmd", "agent": "*/cells/*/cell.json",
                     "round": "*/cells/*/race.ndjson"}
            while run.poll() is None and len(seen) < len(steps):
                for step, pattern in steps.items():
                    if step not in seen and any(path.stat().st_size
                                                for path in Path(runs).glob(pattern)):
                        seen[step] = time.time() - started
                time.sleep(0.02)
        seen["end"] = time.time() - started
        return seen


def overhead(kernel: str, arch: str, seconds: float) -> float:
    """Seconds between the end of one cell and the end of the next, less the race's own."""
    with tempfile.TemporaryDirectory(prefix="mmrace-bench-") as runs:
        subprocess.run([str(TREE / "mmrace"), "run", "--kernel", kernel, "--arch", arch,
                        "--race", RACE, "--race", "lost-write", "--duration", f"{seconds:g}"],
                       env={**os.environ, "MMRACE_RUNS": runs}, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        ends = sorted(path.stat().st_mtime for path in Path(runs).glob("*/cells/*/cell.json"))
        [events] = Path(runs).glob("*/boots/1/events.ndjson")
        races = [record["elapsed_s"] for record in map(json.loads, events.open())
                 if record["t"] == "exit"]
    return ends[1] - ends[0] - float(races[-1])


def cold_turn(kernel: str, arch: str) -> dict[str, float]:
    """A turn in a fresh clone with an empty cache."""
    with tempfile.TemporaryDirectory(prefix="mmrace-bench-") as work:
        clone = Path(work) / "mmrace"
        subprocess.run(["git", "clone", "-q", str(TREE), str(clone)], check=True)
        return turn(kernel, arch, clone, MMRACE_CACHE=str(Path(work) / "cache"))


def main() -> None:
    """Print one line an architecture, and all turns as JSON."""
    parser = argparse.ArgumentParser(description="time from command to first round, warm")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--kernel", default="debian:trixie")
    parser.add_argument("--arch", action="append")
    parser.add_argument("--cell", type=float, metavar="SECONDS")
    parser.add_argument("--cold", action="store_true")
    args = parser.parse_args()
    for arch in args.arch or config.arch_names():
        if args.cell:
            slowdown = canary.slowdown()
            added = overhead(args.kernel, arch, args.cell)
            print(f"{args.kernel} {arch}: {added:.2f} s added to a cell of {args.cell:g} s, "
                  f"{100 * added / args.cell:.1f} % (slowdown {slowdown:.1f})", flush=True)
            continue
        if not args.cold:
            turn(args.kernel, arch)
        slowdown = canary.slowdown()
        turns = ([cold_turn(args.kernel, arch)] if args.cold
                 else [turn(args.kernel, arch) for _ in range(args.turns)])
        middle = {step: statistics.median(one[step] for one in turns if step in one)
                  for step in turns[0]}
        steps = ", ".join(f"{step} {at:.1f} s" for step, at in middle.items())
        print(f"{args.kernel} {arch}, {'cold' if args.cold else 'warm'}: {steps} "
              f"(slowdown {slowdown:.1f})")
        print(json.dumps({"kernel": args.kernel, "arch": arch, "slowdown": round(slowdown, 2),
                          "turns": turns}), flush=True)


if __name__ == "__main__":
    main()

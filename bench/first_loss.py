#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Time to first lost write, side by side in one guest: lost-write against the public reproducer.

The programs take turns on the same stock 6.1 kernel, module loaded in all turns, so that load on
the host and state of the guest are the same for all. A turn that finds nothing counts with its
whole duration, so a ratio against it is a lower bound, and is printed as one. Printed: a line a
turn, and the ratios of medians.

usage: PYTHONPATH=harness /usr/bin/python3 bench/first_loss.py [--turns N] [--seconds S]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from mmrace import build, config, initramfs, tools
from mmrace.boots import Preparation
from mmrace.cell import Place
from mmrace.machines.base import Agent, Message
from mmrace.machines.qemu import QemuMachine
from mmrace.module_view import ModuleView
from mmrace.paths import BUILD, TREE
from mmrace.progress import Progress

DIR = "/scratch/ext4-brd"
PLACE = Place("qemu", "debian:bookworm", "x86_64", "default")


def first_loss(agent: Agent, argv: list[str], seconds: float) -> float | None:
    """Run a program in the guest; seconds to its first loss, or None."""
    found: list[float] = []

    def hear(record: Message) -> None:
        if record["t"] == "race" and record["r"].get("ev") == "failure":
            found.append(float(record["r"]["elapsed_s"]))

    agent.run([*argv, "--dir", DIR, "--duration", f"{seconds:g}", "--report-fd", "@REPORT"],
              seconds + 60, hear)
    return found[0] if found else None


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="limit of one turn")
    args = parser.parse_args()

    out = BUILD / "bench" / "x86_64"
    tools.run(["make", "-C", TREE / "bench/public-reproducer", f"O={out}"])
    prepared = Preparation(Progress(Console(stderr=True)))
    kernel, module = prepared.kernel(PLACE), prepared.module(PLACE)
    image = initramfs.make(kernel, module.path, programs=(out / "public-reproducer",))
    ours = "/mmrace/races/lost-write"
    sides = {
        "public reproducer, MAP_FIXED": ["/mmrace/races/public-reproducer"],
        "lost-write natural": [ours, "--mode", "natural"],
        "lost-write widened": [ours, "--mode", "widened"],
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as home, QemuMachine(
            kernel, config.variant("default", "x86_64"), image, Path(home)) as machine:
        agent = Agent(machine)
        agent.wait_ready(180)
        refused = ModuleView(agent).insert()
        if refused:
            raise SystemExit(refused)
        for turn in range(args.turns):
            for name, argv in sides.items():
                seed = [] if "reproducer" in name else ["--seed", str(turn + 1)]
                found = first_loss(agent, [*argv, *seed], args.seconds)
                times[name].append(args.seconds if found is None else found)
                print(json.dumps({"turn": turn + 1, "program": name, "first_loss_s": found,
                                  "limit_s": args.seconds}), flush=True)
    base = statistics.median(times["public reproducer, MAP_FIXED"])
    print(f"{kernel.id} {kernel.version} x86_64, QEMU TCG, {os.cpu_count()} host CPUs, "
          f"races {build.file_id(build.races(config.arch('x86_64')) / 'lost-write')}")
    for name, values in times.items():
        missed = sum(value >= args.seconds for value in values)
        ratio = base / statistics.median(values)
        # A reproducer that mostly ran into the limit would have taken longer.
        bound = "at least " if base >= args.seconds else ""
        print(f"{name:30} median {statistics.median(values):7.2f} s, "
              f"found in {len(values) - missed} of {len(values)} turns, "
              f"{bound}{ratio:.1f} x the reproducer's speed")
    return 0


if __name__ == "__main__":
    sys.exit(main())

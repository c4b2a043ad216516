#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A kprobe of the kernel's own tracing that breaks a preemptible ppc64 kernel; no module of ours.

Each turn boots two guests: one with a kprobe event on vfs_read(), one without, the same readers
moved about in both (bench/kprobe-paca/kprobe-paca.c has the law and the interleaving). Printed: a
line a guest.

usage: PYTHONPATH=harness /usr/bin/python3 bench/kprobe_paca.py [--kernel K] [--turns N]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from mmrace import config, initramfs, kernels, tools
from mmrace.kernels import Kernel
from mmrace.machines.base import Agent, MachineLost, Message
from mmrace.machines.qemu import QemuMachine
from mmrace.paths import BUILD, TREE

ARCH = "ppc64le"


def turn(kernel: Kernel, image: Path, what: str, seconds: int) -> str:
    """One guest; what became of it."""
    said: list[str] = []

    def hear(record: Message) -> None:
        if record["t"] == "out":
            said.append(record["text"])

    with tempfile.TemporaryDirectory() as home, QemuMachine(
            kernel, config.variant("default", ARCH), image, Path(home)) as machine:
        agent = Agent(machine)
        agent.wait_ready(180)
        started = time.monotonic()
        try:
            agent.run(["/mmrace/races/kprobe-paca", what, str(seconds)], seconds + 60, hear)
        except MachineLost as lost:
            return (f"lost within {time.monotonic() - started:.0f} s: {lost.kind}: "
                    f"{lost.detail.splitlines()[-1].strip()}")
    return "; ".join(said)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="debian:sid")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20, help="limit of one guest")
    args = parser.parse_args()

    arch = config.arch(ARCH)
    out = BUILD / "bench" / ARCH
    tools.run(["make", "-C", TREE / "bench/kprobe-paca", f"O={out}",
               f"CROSS_COMPILE={arch.gnu}-"])
    kernel = kernels.resolve(args.kernel, arch)
    image = initramfs.make(kernel, None, programs=(out / "kprobe-paca",))
    for number in range(args.turns):
        for what in ("probed", "plain"):
            print(f"{kernel.id} {kernel.version} {ARCH}, turn {number + 1}, {what}: "
                  f"{turn(kernel, image, what, args.seconds)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Cost of a probe's hit, side by side in one guest: ours, tracefs kprobe events, bpftrace.

All count hits of unmap_page_range(), which one madvise() enters once. The ways take turns, so that
load on the host is the same for all; of each the fastest turn counts, as what disturbs only adds.
Ours is measured for tasks that are no target and for targets, and with every group disabled, when
the kernel must have no kprobe at all. "Nothing" is measured twice: what its two figures differ by
is chance. bpftrace is Debian's, on a disk of the guest's.

usage: PYTHONPATH=harness /usr/bin/python3 bench/probe_cost.py [--turns N] [--arch ARCH]
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mmrace import build, config, initramfs, package_disk, tools
from mmrace.boots import Preparation
from mmrace.cell import Place
from mmrace.machines.base import Agent, Message
from mmrace.machines.qemu import QemuMachine
from mmrace.module_view import ModuleView
from mmrace.paths import BUILD, TREE
from mmrace.progress import Progress
from tests.guest_programs import compile_program

TRACING = "/sys/kernel/debug/tracing"
EVENT = f"{TRACING}/events/kprobes/mmrace_cost"
KPROBES = "/sys/kernel/debug/kprobes/list"
HIST = "hist:keys=common_pid"
SUITE, DISK = "trixie", "2G"
BPF = "bpftrace -q -e 'kprobe:unmap_page_range { @[pid] = count(); }' -c /mmrace/races/cost"


class Bench:
    """The guest, and what is switched on in it for one turn."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.module = ModuleView(agent)

    def must(self, error: str | None) -> None:
        """A setting that failed makes every figure wrong."""
        if error:
            raise SystemExit(f"the guest refused a setting: {error}")

    @contextmanager
    def loaded(self, *requests: str) -> Iterator[None]:
        """The module, with every probe disarmed but those that are asked for."""
        self.must(self.module.insert())
        self.must(self.module.write("probes", "disable all"))
        for request in requests:
            self.must(self.module.write("probes", request))
        yield
        if not self.agent.request("rmmod", "mmrace")["ok"]:
            raise SystemExit("the module does not go away")

    @contextmanager
    def traced(self) -> Iterator[None]:
        """A kprobe event with a hist trigger, and nothing of ours."""
        self.must(self.agent.write(f"{TRACING}/kprobe_events",
                                   "p:mmrace_cost unmap_page_range"))
        self.must(self.agent.write(f"{EVENT}/trigger", HIST))
        yield
        if "hitcount" not in (self.agent.read(f"{EVENT}/hist") or ""):
            raise SystemExit("the hist trigger has counted nothing")
        self.must(self.agent.write(f"{EVENT}/trigger", f"!{HIST}"))
        self.must(self.agent.write(f"{TRACING}/kprobe_events", "-:mmrace_cost"))

    def output(self, *argv: str) -> list[str]:
        """What a program of the guest's prints, as lines."""
        said: list[str] = []

        def hear(record: Message) -> None:
            if record["t"] == "out" and record["text"]:
                said.append(record["text"])

        end = self.agent.run([f"/mmrace/races/{argv[0]}", *argv[1:]], 120, hear)
        if end.get("status") != 0:
            raise SystemExit(f"{' '.join(argv)} failed: {said}")
        return said

    def cost(self, *args: str) -> float:
        """ns of one call in a turn."""
        return float(self.output("cost", *args)[0])

    def plain(self) -> float:
        """Nothing loaded."""
        return self.cost()

    def idle(self) -> float:
        """The module, with all groups disabled."""
        with self.loaded():
            if armed := self.agent.read(KPROBES):
                raise SystemExit(f"every group is disabled, but the kernel has:\n{armed}")
            return self.cost()

    def other(self) -> float:
        """One probe of ours, hit by a task that is no target."""
        with self.loaded("enable zap.range"):
            ns = self.cost()
            if not self.module.counters()["probe.zap.range.others"]:
                raise SystemExit("our probe has counted nothing")
            return ns

    def target(self) -> float:
        """One probe of ours, hit by a target."""
        with self.loaded("enable zap.range"):
            ns = self.cost("tag")
            if not self.module.counters()["probe.zap.range"]:
                raise SystemExit("our probe has counted nothing")
            return ns

    def tracefs(self) -> float:
        """The same with tracefs."""
        with self.traced():
            return self.cost()

    def bpftrace(self) -> float:
        """The same with bpftrace."""
        ns, *counted = self.output("inside", "/dev/vda", BPF)
        if not any(line.startswith("@[") for line in counted):
            raise SystemExit(f"bpftrace has counted nothing: {counted}")
        return float(ns)


def compile_cost(arch: config.Arch) -> Path:
    """The program, static."""
    out = BUILD / "bench" / arch.name
    out.mkdir(parents=True, exist_ok=True)
    tools.run([f"{build.cross_prefix(arch)}gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra",
               "-Werror", "-static", "-o", out / "cost", TREE / "bench/probe-cost/cost.c"])
    return out / "cost"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--kernel", default="debian:trixie")
    parser.add_argument("--arch", default="x86_64")
    args = parser.parse_args()

    place = Place("qemu", args.kernel, args.arch, "default")
    arch = config.arch(args.arch)
    prepared = Preparation(Progress(Console(stderr=True)))
    kernel, module = prepared.kernel(place), prepared.module(place)
    variant = package_disk.with_disk(
        config.variant("default", args.arch), arch,
        package_disk.image(SUITE, arch, ["bpftrace"], DISK))
    image = initramfs.make(kernel, module.path, variant.modules, (
        compile_cost(arch), compile_program("inside", arch, BUILD / "bench" / arch.name)))
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as home, QemuMachine(
            kernel, variant, image, Path(home)) as machine:
        agent = Agent(machine)
        agent.wait_ready(180)
        bench = Bench(agent)
        ways: dict[str, Callable[[], float]] = {
            "nothing loaded": bench.plain, "nothing, once more": bench.plain,
            "module, all disabled": bench.idle,
            "our probe, no target": bench.other, "our probe, target": bench.target,
            "tracefs kprobe + hist": bench.tracefs, "bpftrace count()": bench.bpftrace}
        for turn in range(args.turns):
            for name, way in ways.items():
                ns = way()
                best[name] = min(ns, best.get(name, ns))
                print(json.dumps({"turn": turn + 1, "way": name, "call_ns": ns}), flush=True)
    print(f"{kernel.id} {kernel.version} {args.arch}, QEMU TCG, {os.cpu_count()} host CPUs, "
          f"module {module.build_id}, best of {args.turns} turns")
    base = best["nothing loaded"]
    reference = best["tracefs kprobe + hist"] - base
    for name, ns in best.items():
        print(f"{name:24} {ns:9.1f} ns a call, {ns - base:+9.1f} ns, "
              f"{(ns - base) / reference:6.2f} of tracefs")
    return 0


if __name__ == "__main__":
    sys.exit(main())

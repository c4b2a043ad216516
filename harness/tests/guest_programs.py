# SPDX-License-Identifier: GPL-2.0
"""A guest with the module and programs of the tests' own (programs/NAME.c)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmrace import build, config, initramfs, kernels, package_disk, splat, tools
from mmrace.config import Arch
from mmrace.machines.base import Agent, MachineLost
from mmrace.machines.qemu import QemuMachine
from mmrace.module_matrix import places
from mmrace.module_view import ModuleView
from mmrace.paths import TREE

PROGRAMS = TREE / "harness/tests/programs"
CONSOLE_TAIL = 8000     # characters: what a blocked kernel says to sysrq, and before

# Kernel, architecture and machine variant. MMRACE_GUESTS=all is the long form; it may name some,
# too, as in MMRACE_GUESTS="source:trixie+debug x86_64 default; debian:sid ppc64le ppc64-hash".
SHORT = [("debian:trixie", "x86_64", "default")]
ALL = [(place.kernel, place.arch, place.variant) for place in places()]


def _guests(wanted: str) -> list[tuple[str, str, str]]:
    if wanted in ("", "all"):
        return ALL if wanted else SHORT
    named = []
    for words in wanted.split(";"):
        kernel, arch, variant = words.split()
        named.append((kernel, arch, variant))
    return named


GUESTS = _guests(os.environ.get("MMRACE_GUESTS", ""))


def compile_program(name: str, arch: Arch, where: Path) -> Path:
    """One static program for an architecture."""
    where.mkdir(parents=True, exist_ok=True)
    tools.run([f"{build.cross_prefix(arch)}gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra",
               "-Werror", "-static", "-pthread", "-o", where / name, PROGRAMS / f"{name}.c"],
              what=f"compiling {name}.c for {arch.name}")
    return where / name


class Guest:
    """A machine with the module loaded."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.module = ModuleView(agent)

    def run(self, argv: list[str], timeout_s: float) -> tuple[int | None, list[str]]:
        """Run a program of /mmrace/races; its exit status (None: killed) and output lines."""
        seen: list[dict[str, Any]] = []
        end = self.agent.run([f"/mmrace/races/{argv[0]}", *argv[1:]], timeout_s, seen.append)
        lines = [record["text"] for record in seen if record["t"] == "out"]
        return end.get("status"), lines

    def splats(self) -> list[str]:
        """What the kernel has complained about."""
        return [found.title for found in
                splat.scan([record["text"] for record in self.agent.kmsg])]


def _tell(machine: QemuMachine, home: Path) -> None:
    """Print where a lost guest was, for pytest to show: its directory may not outlive the test."""
    machine.autopsy()
    registers = home / "registers.txt"
    if registers.exists():
        print(registers.read_text())
    print(machine.console()[-CONSOLE_TAIL:])


@contextmanager
def guest(kernel_id: str, arch_name: str, programs: list[str], home: Path, *,
          params: str = "allow_plants=1", variant: str = "default",
          disk: Path | None = None, races: tuple[str, ...] = (),
          modules: tuple[str, ...] = ()) -> Iterator[Guest]:
    """A guest with some programs and races in /mmrace/races, the module loaded with `params`.

    A `disk` is an image that it has as /dev/vda; `modules` are more of the kernel's own.
    """
    arch = config.arch(arch_name)
    kernel = kernels.resolve(kernel_id, arch)
    chosen = config.variant(variant, arch_name)
    chosen = replace(chosen, modules=(*chosen.modules, *modules))
    if disk:
        chosen = package_disk.with_disk(chosen, arch, disk)
    binaries = (*(compile_program(name, arch, home / "bin") for name in programs),
                *(build.races(arch) / name for name in races))
    image = initramfs.make(kernel, build.module(kernel).path, chosen.modules, binaries)
    with QemuMachine(kernel, chosen, image, home / "run") as machine:
        try:
            agent = Agent(machine)
            agent.wait_ready(180)
            ready = Guest(agent)
            assert ready.module.insert(params) is None
            yield ready
            machine.power_off()
        except MachineLost:
            _tell(machine, home / "run")
            raise

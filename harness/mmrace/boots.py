# SPDX-License-Identifier: GPL-2.0
"""Machines that are up, with the module loaded, and all that must be built for that."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmrace import build, config, hosts, initramfs, kernels
from mmrace.cell import Place
from mmrace.kernels import Kernel
from mmrace.machines.base import Agent
from mmrace.machines.local import LocalMachine
from mmrace.machines.qemu import QemuMachine
from mmrace.machines.ssh import SshMachine
from mmrace.module_view import KO, ModuleView
from mmrace.parts import Parts, for_host
from mmrace.progress import Progress

# A guest under emulation takes 3 to 15 s from start to agent on a quiet host.
BOOT_TIMEOUT_S = 180.0
Machine = QemuMachine | LocalMachine | SshMachine


class Boot:
    """A machine that is up, and what is known of it."""

    def __init__(self, machine: Machine, agent: Agent, kernel: Kernel, parts: Parts,
                 home: Path) -> None:
        self.machine = machine
        self.agent = agent
        self.kernel = kernel
        self.module = ModuleView(agent)
        self.module_build = parts.module_build
        self.module_error = parts.module_error
        self.boot_failures: list[str] = []
        self.races_dir = parts.races_dir
        self.scratch = parts.scratch
        self._ko = parts.ko
        self.home = home
        self.spent = False
        self.lost = False
        self._machine_record = machine.record()

    def machine_record(self) -> dict[str, Any]:
        """The part of a cell's record that names the machine."""
        return {**self._machine_record,
                "page_size": (self.agent.hello or {}).get("page_size")}

    def start(self, params: str) -> None:
        """Wait for the agent and load the module."""
        self.agent.wait_ready(BOOT_TIMEOUT_S)
        if self._ko:
            if self.machine.kind != "qemu":
                self.module.remove()    # a run that was cut off may have left one
            self.module_error = self.module.insert(params, self._ko)
        elif not self.module_error and not self.module.present():
            self.module_error = ("mmrace.ko is not loaded (or debugfs is closed to us); as root: "
                                 "make module && insmod build/module/mmrace.ko")
        self.boot_failures = [f"{record['step']}: {record['detail']}"
                              for record in self.agent.boot if not record["ok"]]


class Preparation:
    """Kernels, modules and initramfs images that the cells of a run need, made once each."""

    def __init__(self, progress: Progress, vmcore: str = "") -> None:
        self.vmcore = vmcore
        self.lock = threading.Lock()
        self._progress = progress
        self._kernels: dict[tuple[str, str], Kernel] = {}
        self._modules: dict[tuple[str, str], build.Module] = {}
        self._images: dict[tuple[str, str, bool, tuple[str, ...]], Path] = {}

    def kernel(self, place: Place) -> Kernel:
        """The place's kernel."""
        key = (place.kernel, place.arch)
        if key not in self._kernels:
            with self._progress.step(f"kernel {place.kernel} {place.arch}"):
                self._kernels[key] = kernels.resolve(place.kernel, config.arch(place.arch))
            for note in self._kernels[key].notes:
                self._progress.say(f"{place.kernel}: {note}")
        return self._kernels[key]

    def module(self, place: Place) -> build.Module:
        """mmrace.ko for the place's kernel."""
        key = (place.kernel, place.arch)
        if key not in self._modules:
            kernel = self.kernel(place)
            with self._progress.step(f"mmrace.ko for {kernel.release} {place.arch}"):
                self._modules[key] = build.module(kernel)
        return self._modules[key]

    def image(self, place: Place) -> Path:
        """The initramfs for the place's kernel, with the modules that its variant loads."""
        more = config.variant(place.variant, place.arch).modules
        if self.vmcore:
            more += config.arch(place.arch).vmcore_modules
        key = (place.kernel, place.arch, place.module, more)
        if key not in self._images:
            kernel, ko = self.kernel(place), self.module(place).path if place.module else None
            with self._progress.step(f"races and initramfs for {kernel.release} {place.arch}"):
                self._images[key] = initramfs.make(kernel, ko, more)
        return self._images[key]


def _local(home: Path) -> tuple[Machine, Kernel, Parts]:
    arch = config.arch(os.uname().machine)
    return (LocalMachine(build.agent(arch), home), kernels.running(),
            Parts(str(build.races(arch))))


def _guest(prepared: Preparation, place: Place, home: Path) -> tuple[Machine, Kernel, Parts]:
    with prepared.lock:
        kernel = prepared.kernel(place)
        build_id = prepared.module(place).build_id if place.module else "none"
        image = prepared.image(place)
    machine = QemuMachine(kernel, config.variant(place.variant, place.arch), image, home,
                          prepared.vmcore)
    return machine, kernel, Parts("/mmrace/races", KO if place.module else None, build_id,
                                  f"/scratch/{next(iter(config.scratches()))}",
                                  None if place.module else "there is no module (--no-module)")


def _host(host: hosts.Host, home: Path, unclean: bool) -> tuple[Machine, Kernel, Parts]:
    stage, parts = for_host(host, unclean)
    return SshMachine(stage, home), stage.facts.kernel(), parts


@contextmanager
def open_boot(prepared: Preparation, place: Place, home: Path, unclean: bool = False,
              stop: threading.Event | None = None) -> Iterator[Boot]:
    """A machine for the place, started; Boot.start() has yet to be called.

    It is powered off at the end of the block, or ended if it no longer answers. `unclean` says
    that the place's last boot saw a failure or a plant: a host is rebooted first, if it may be.
    `stop` ends every wait for it, as Ctrl-C does.
    """
    host = hosts.of_machine(place.on)
    if host:
        machine, kernel, parts = _host(host, home, unclean)
    elif place.on == "local":
        machine, kernel, parts = _local(home)
    else:
        machine, kernel, parts = _guest(prepared, place, home)
    with machine:
        boot = Boot(machine, Agent(machine, stop=stop), kernel, parts, home)
        yield boot
        if machine.alive() and not boot.lost:
            machine.power_off()

# SPDX-License-Identifier: GPL-2.0
"""Machines that are reached by ssh, by name: configs/hosts.toml, or the file in MMRACE_HOSTS."""

import os
from dataclasses import dataclass
from pathlib import Path

from mmrace import config
from mmrace.errors import UsageError
from mmrace.paths import CONFIGS
from mmrace.record import load

PREFIX = "ssh:"
MODULE_PLACES = ("auto", "here", "host", "none")


@dataclass(frozen=True)
class Host:
    """One host; wait_s is how long it may take to answer, in seconds."""

    name: str
    ssh: str
    arch: str
    labels: tuple[str, ...]
    ssh_args: tuple[str, ...]
    sudo: str
    place: str
    scratch: str
    module: str
    console: tuple[str, ...]
    reboot: str
    wait_s: int


def hosts_file() -> Path:
    """The file that names the hosts."""
    return Path(os.environ.get("MMRACE_HOSTS") or CONFIGS / "hosts.toml")


def hosts() -> dict[str, Host]:
    """Every host by name."""
    found = {}
    for name, record in load(hosts_file()).tables().items():
        if record.text("arch") not in config.arch_names():
            raise UsageError(f"{record.where}: 'arch' must be one of "
                             f"{', '.join(config.arch_names())}, it is '{record.text('arch')}'")
        found[name] = Host(
            name=name, ssh=record.text("ssh"), arch=record.text("arch"),
            labels=tuple(record.texts("labels", [])),
            ssh_args=tuple(record.texts("ssh_args", [])), sudo=record.text("sudo", ""),
            place=record.text("place", "/var/tmp"), scratch=record.text("scratch", ""),
            module=record.text("module", "auto"), console=tuple(record.texts("console", [])),
            reboot=record.text("reboot", ""), wait_s=record.integer("wait_s", 300))
        if found[name].module not in MODULE_PLACES:
            raise UsageError(f"{record.where}: 'module' must be one of "
                             f"{', '.join(MODULE_PLACES)}, it is '{found[name].module}'")
        record.done()
    return found


def host(name: str) -> Host:
    """The host of that name."""
    known = hosts()
    if name not in known:
        raise UsageError(f"unknown host '{name}'; {hosts_file()} has: "
                         f"{', '.join(known) or 'none'}")
    return known[name]


def of_machine(machine: str) -> Host | None:
    """The host that `ssh:NAME` names; None for the other kinds of machine."""
    return host(machine.removeprefix(PREFIX)) if machine.startswith(PREFIX) else None

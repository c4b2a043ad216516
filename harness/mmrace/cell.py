# SPDX-License-Identifier: GPL-2.0
"""A cell: one race, in one mode, on one kernel and machine. What is run, and its replay line."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1
MODES = ("natural", "widened", "control")


@dataclass(frozen=True)
class Place:
    """A kernel on a kind of machine, with the module or without: what a boot is made of."""

    on: str
    kernel: str
    arch: str
    variant: str
    module: bool = True


@dataclass(frozen=True)
class Cell:
    """Everything that decides what a cell does; duration in seconds.

    With `checkers` every law of the module's is judged while the race runs; without `module` there
    is none: what fails then, fails without us.
    """

    kernel: str
    arch: str
    race: str
    mode: str
    duration: float
    seed: int
    on: str = "qemu"
    variant: str = "default"
    options: tuple[tuple[str, str], ...] = ()
    checkers: bool = False
    module: bool = True

    @property
    def name(self) -> str:
        """A stable name, good as a directory and as a test id."""
        parts = [re.sub(r"[:/,]+", "-", self.kernel), self.arch]
        if self.on != "qemu":
            parts.insert(0, self.on.replace(":", "-"))
        if self.variant != "default":
            parts.append(self.variant)
        parts += [self.race, self.mode]
        parts += [f"{key}={value}" for key, value in self.options]
        if self.checkers:
            parts.append("checkers")
        if not self.module:
            parts.append("no-module")
        return ".".join(parts)

    @property
    def place(self) -> Place:
        """Where it runs; cells with the same place can share a boot."""
        return Place(self.on, self.kernel, self.arch, self.variant, self.module)

    def replay(self, scratch: str | None = None) -> str:
        """The command that runs this cell again, with the scratch directory that was named."""
        words = ["./mmrace", "run"]
        if self.on != "qemu":
            words += ["--on", self.on]
        words += ["--kernel", self.kernel, "--arch", self.arch]
        if self.variant != "default":
            words += ["--machine", self.variant]
        words += ["--race", self.race, "--mode", self.mode, "--duration", f"{self.duration:g}",
                  "--seed", str(self.seed)]
        for key, value in self.options:
            words += ["--option", f"{key}={value}"]
        if self.checkers:
            words.append("--checkers")
        if not self.module:
            words.append("--no-module")
        if scratch:
            words += ["--dir", scratch]
        if self.on != "qemu" and self.mode == "control":
            words.append("--allow-plants")
        return shlex.join(words)


@dataclass
class Observation:
    """What was seen of one cell, before anybody judges it."""

    describe: Mapping[str, Any] = field(default_factory=dict)
    module_error: str | None = None
    end: Mapping[str, Any] | None = None
    rounds: int = 0
    failures: int = 0
    first_failure_s: float | None = None
    exit_status: int | None = None
    exit_signal: int | None = None
    timed_out: bool = False
    complaint: str = ""
    machine_fault: str = ""
    lost_kind: str | None = None
    lost_detail: str = ""
    splats: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    counters_read: bool = False
    missed: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
    taint_before: int | None = None
    taint_after: int | None = None
    oom_killed: str | None = None
    slowdown: float = 1.0

# SPDX-License-Identifier: GPL-2.0
"""Guests that nobody talks to: kernel and initramfs that run cells by themselves.

Everything that such a guest has to say are the agent's records on its console: for each cell an
`exit` record whose id is cell_id(), with the race's exit code (docs/contracts.md, sections
2 and 3), and the module's counters and findings after it. What is reported is therefore the
race's own word, pass or fail; the verdicts of a matrix run take more than that.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mmrace import config, initramfs
from mmrace.boots import Preparation
from mmrace.cell import Cell, Place
from mmrace.config import Arch, Variant
from mmrace.machines.qemu import kernel_append
from mmrace.module_view import DEBUGFS, KO
from mmrace.session import RACE_GRACE_S

FIRST_WORD = '"t":"hello"'
BEGIN = "begin"
END = "end"
BEGUN = f'"t":"reply","id":"{BEGIN}"'
LAST_WORD = f'"t":"reply","id":"{END}"'

# The exit code that is wanted of a race (docs/contracts.md, section 2), and of one that must detect
# a planted bug.
GOOD = {False: "0", True: "1"}

# What the guest may take to boot and to load everything, on a slow emulator, in seconds.
BOOT_S = 300
# Between two cells: reading the module's files.
BETWEEN_S = 20


@dataclass(frozen=True)
class Guest:
    """One boot of a place and the cells it runs; the files are below the output directory."""

    name: str
    place: Place
    cells: tuple[Cell, ...]
    kernel: str
    initrd: str
    append: str

    @property
    def arch(self) -> Arch:
        """Its architecture's record."""
        return config.arch(self.place.arch)

    @property
    def variant(self) -> Variant:
        """Its machine's record."""
        return config.variant(self.place.variant, self.place.arch)

    @property
    def controls(self) -> bool:
        """Whether its cells are controls, which must see the planted bug."""
        return self.cells[0].mode == "control"

    @property
    def seconds(self) -> int:
        """The longest that all of it may take."""
        return BOOT_S + sum(map(cell_seconds, self.cells))

    def machine(self) -> dict[str, str]:
        """The emulator's machine and processor, by the option's name without its dash."""
        words = self.arch.qemu_args
        return {"machine" if key == "-M" else key.lstrip("-"): value
                for key, value in zip(words[::2], words[1::2], strict=True)}

    def options(self) -> list[list[str]]:
        """The emulator's options beyond machine, memory, kernel and console."""
        more = self.variant.qemu_args
        return [["-smp", str(self.variant.vcpus)], ["-accel", self.variant.accel], ["-no-reboot"],
                *(list(pair) for pair in zip(more[::2], more[1::2], strict=True)),
                *([f"-{key}", value] for key, value in self.machine().items()
                  if key not in ("machine", "cpu"))]


def cell_id(cell: Cell) -> str:
    """What the cell is called in its guest, where its place goes without saying."""
    return ".".join([cell.race, cell.mode, *(f"{key}={value}" for key, value in cell.options)])


def cell_seconds(cell: Cell) -> int:
    """The longest that a cell may take."""
    return int(cell.duration + RACE_GRACE_S + BETWEEN_S)


def script(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The agent's commands that run the cells, their fields separated by TAB."""
    plants = any(cell.mode == "control" for cell in cells)
    lines = [["insmod", "module", KO, "allow_plants=1" if plants else ""], ["ping", BEGIN]]
    scratch = f"/scratch/{next(iter(config.scratches()))}"
    for cell in cells:
        options = [word for key, value in cell.options for word in (f"--{key}", value)]
        lines += [["write", f"{cell_id(cell)}.reset", f"{DEBUGFS}/reset", "1"],
                  ["run", cell_id(cell), f"{cell.duration + RACE_GRACE_S:g}",
                   f"/mmrace/races/{cell.race}", "--mode", cell.mode, "--duration",
                   f"{cell.duration:g}", "--seed", str(cell.seed), "--dir", scratch,
                   "--report-fd", "@REPORT", *options],
                  *(["read", f"{cell_id(cell)}.{file}", f"{DEBUGFS}/{file}"]
                    for file in ("counters", "findings"))]
    return tuple("\t".join(line) for line in [*lines, ["ping", END], ["poweroff"]])


def _boots(cells: Sequence[Cell]) -> Iterator[tuple[Place, bool, tuple[Cell, ...]]]:
    """Cells that share a boot: one place, and no plant near a cell without."""
    def key(cell: Cell) -> tuple[Place, bool]:
        return cell.place, cell.mode == "control"

    order = {place: index for index, place in reversed(list(enumerate(
        cell.place for cell in cells)))}
    ordered = sorted(cells, key=lambda cell: (order[cell.place], cell.mode != "control"))
    for (place, plants), group in groupby(ordered, key):
        yield place, plants, tuple(group)


def make(cells: Sequence[Cell], output: Path, prepared: Preparation) -> Iterator[Guest]:
    """Build every guest of the cells and put its files below `output`."""
    for place, plants, group in _boots(cells):
        kernel = prepared.kernel(place)
        more = config.variant(place.variant, place.arch).modules
        image = initramfs.make(kernel, prepared.module(place).path, more, script=script(group))
        words = [place.kernel, place.arch, place.variant, "controls" if plants else "cells"]
        name = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words))
        home = output / name
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(kernel.image, home / "kernel")
        shutil.copy(image, home / "initrd")
        variant = config.variant(place.variant, place.arch)
        yield Guest(name, place, group, f"{name}/kernel", f"{name}/initrd",
                    kernel_append(config.arch(place.arch), variant, kernel))

# SPDX-License-Identifier: GPL-2.0
"""What several commands share: checking names, and running cells to a summary."""

import argparse
import difflib
import json
import math
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mmrace import build, config, expectations, hosts
from mmrace.cell import Cell
from mmrace.errors import UsageError
from mmrace.kernels import parse_id
from mmrace.progress import Progress
from mmrace.report import print_summary, write_all
from mmrace.resume import rest
from mmrace.session import Session
from mmrace.splat.patterns import patterns
from mmrace.store import Run

EXIT_INTERRUPTED = 130


def console_for(json_output: bool) -> Console:
    """The console for people; stderr when stdout carries JSON."""
    return Console(stderr=json_output)


def check_race(name: str) -> str:
    """The race's name, if the tree has it."""
    known = build.race_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise UsageError(f"unknown race '{name}'{hint}; stress/races/ has: {', '.join(known)}")
    return name


def check_options(race: str, options: Sequence[tuple[str, str]]) -> None:
    """Refuse options that the race does not have, and values that it does not take."""
    known = {option["name"]: option for option in build.described()[race]["options"]}
    for name, value in options:
        if name not in known:
            raise UsageError(f"race {race} has no option '{name}'; it has: "
                             f"{', '.join(known) or 'none'}")
        values = known[name]["values"]
        if values is None and not (value.isascii() and value.isdigit()):
            raise UsageError(f"option {name} of race {race} takes a whole number, not '{value}'")
        if values is not None and value not in values:
            raise UsageError(f"option {name} of race {race} is one of {', '.join(values)}, "
                             f"not '{value}'")


def check_cell(cell: Cell, allow_plants: bool = False) -> Cell:
    """Refuse a cell that names something unknown, before anything is fetched or booted."""
    check_race(cell.race)
    if cell.options:
        check_options(cell.race, cell.options)
    arch = config.arch(cell.arch)
    if cell.on == "qemu":
        parse_id(cell.kernel, arch)
        config.variant(cell.variant, cell.arch)
    else:
        _check_real(cell)
    if cell.on != "qemu" and cell.mode == "control" and not allow_plants:
        raise UsageError(f"mode control plants a bug into the running kernel of {cell.on}, which "
                         "can corrupt its files; give --allow-plants if that may be")
    return cell


def _check_real(cell: Cell) -> None:
    """Refuse what a real machine cannot be told: it is what it is, and runs what it runs."""
    host = hosts.of_machine(cell.on)
    if cell.on != "local" and host is None:
        raise UsageError(f"unknown machine '{cell.on}'; it is qemu, local, or "
                         f"{hosts.PREFIX}NAME with a host of {hosts.hosts_file()}")
    own = host.arch if host else os.uname().machine
    for given, has, option in ((cell.arch, own, "--arch"), (cell.kernel, "running", "--kernel"),
                               (cell.variant, "default", "--machine")):
        if given != has:
            raise UsageError(f"{option} {given} is for guests; {cell.on} is {own} and runs its "
                             f"own kernel: leave {option} out")


def add_plants_option(parser: argparse.ArgumentParser) -> None:
    """Declare --allow-plants."""
    parser.add_argument("--allow-plants", action="store_true",
                        help="let mode control plant its bug into the kernel of a real machine "
                             "(--on local, ssh); it can corrupt that machine's files")


def parse_options(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`KEY=VALUE` words for the race's own options."""
    parsed = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"--option takes KEY=VALUE, not '{pair}'")
        parsed.append((key.lstrip("-"), value))
    if len(dict(parsed)) < len(parsed):
        raise UsageError(f"each option of a race is given once, not {' '.join(pairs)}")
    return tuple(parsed)


def default_seed() -> int:
    """A seed that is new each time and fits in 32 bits; results and replay lines name it."""
    return random.SystemRandom().randrange(1, 1 << 32)


def seed(text: str) -> int:
    """An argparse type: a seed, which fits in 64 bits even when it is counted up."""
    value = int(text)
    if not 0 <= value < 1 << 63:
        raise argparse.ArgumentTypeError(f"must be from 0 to {(1 << 63) - 1}, not {text}")
    return value


def positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argparse type: a finite number of that kind above zero."""
    def parse(text: str) -> Any:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
        return value
    parse.__name__ = kind.__name__
    return parse


def run_cells(cells: Sequence[Cell], *, json_output: bool,
              scratch: str | None = None, fresh_boots: bool = False,
              allow_plants: bool = False, vmcore: str = "", at_once: int = 1,
              resumed: Path | None = None, begun: Callable[[Path], None] | None = None
              ) -> tuple[list[dict[str, Any]], Path, bool]:
    """Run cells with progress and a summary; the records, the run directory, and whether all ran.

    With fresh_boots no two cells share a boot. `at_once` places are run side by side. `resumed`
    is a run directory of the same cells: only what is left is run, but all of it is returned.
    `begun` is told the run directory before the first cell.
    Ctrl-C ends the guests, keeps what was stored, and still prints the summary.
    """
    console = console_for(json_output)
    for cell in cells:
        check_cell(cell, allow_plants)
    # What judges the cells is read before anything is booted: a mistake there costs no run.
    expectations.rules()
    patterns()
    run = Run(resumed) if resumed else Run.create(["./mmrace", *sys.argv[1:]])
    if begun:
        begun(run.home)
    left = rest(run.home, cells)
    progress = Progress(console)
    session = Session(run, progress, scratch, fresh_boots, vmcore=vmcore)
    records = [dict(record) for record in left.records]
    complete = True
    try:
        for record in session.cells(left.cells, at_once, left.replaces):
            records.append(record)
            if json_output:
                print(json.dumps(record), flush=True)
    except KeyboardInterrupt:
        complete = False
    finally:
        progress.close()
    if not complete:
        console.print(f"interrupted; {len(records)} of {len(cells)} cells are complete, their "
                      f"records are in {run.home}", highlight=False, soft_wrap=True)
    if records and not json_output:
        print_summary(records, console)
    if records:
        write_all(run.home)
    console.print(f"records, logs, counters, report.html: {run.home}", highlight=False,
                  soft_wrap=True)
    return records, run.home, complete

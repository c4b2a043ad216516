# SPDX-License-Identifier: GPL-2.0
"""./mmrace matrix: many cells from one file, compared with what is expected."""

import argparse
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmrace import build, config, hosts
from mmrace.cell import MODES, Cell, Place
from mmrace.commands import common
from mmrace.commands.report import run_directory
from mmrace.errors import UsageError
from mmrace.expectations import as_expected
from mmrace.paths import CONFIGS
from mmrace.record import Record, load
from mmrace.resume import recall, remember
from mmrace.verdict import Verdict

HELP = "run a matrix of cells and compare it with the expectations"
EPILOG = """\
exit codes: 0 everything is as configs/expectations.toml says; 1 something is not (the reason is
printed); 2 usage; 128 and up infrastructure; 130 interrupted.

A run that was cut off goes on with --resume; cells whose machine was lost (INFRA) are run again.

examples:
  ./mmrace matrix configs/matrix/first.toml
  ./mmrace matrix quick -n 2
  ./mmrace matrix --resume runs/20260101-120000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("matrix", nargs="?",
                        help="a file of configs/matrix/, by path or by name")
    parser.add_argument("--resume", metavar="RUN_DIR",
                        help="go on with a matrix run that was cut off, with its matrix and seed")
    parser.add_argument("-n", "--jobs", type=common.positive(int), default=1,
                        help="machines at once (default: %(default)s); each cell's time limits "
                             "grow with how slow that makes this machine")
    parser.add_argument("--seed", type=common.seed, default=None,
                        help="the plan's seed (default: a new one, printed)")
    common.add_plants_option(parser)
    parser.add_argument("--json", action="store_true",
                        help="one JSON object a cell on stdout, everything else on stderr")


def find(name: str) -> Path:
    """A matrix file by path or by its name in configs/matrix/."""
    for path in (Path(name), CONFIGS / "matrix" / name, CONFIGS / "matrix" / f"{name}.toml"):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in (CONFIGS / "matrix").glob("*.toml")))
    raise UsageError(f"no matrix '{name}'; configs/matrix/ has: {known}")


def _all(record: Record, key: str, known: Iterable[str]) -> list[str]:
    """The names under a key; `*` stands for all that are known."""
    names = record.texts(key)
    return list(known) if names == ["*"] else names


def _races(record: Record) -> list[str]:
    """The races under `races`, or those of the `themes`."""
    if "themes" not in record.data:
        return _all(record, "races", build.race_names())
    if "races" in record.data:
        raise UsageError(f"{record.where}: name 'races' or 'themes', not both")
    themes = build.themes()
    for theme in record.texts("themes"):
        if theme not in themes:
            raise UsageError(f"{record.where}: no race has the theme '{theme}'; there are: "
                             f"{', '.join(sorted(themes))}")
    return [race for theme in record.texts("themes") for race in themes[theme]]


def _guests(record: Record) -> list[Place]:
    """Kernels x architectures x variants, without those that do not exist together."""
    for name in record.texts("variants", []):
        config.check_variant(name)
    known = {f"debian:{name}": kernel.arches for name, kernel in config.debian_kernels().items()}
    return [Place("qemu", kernel, arch, variant)
            for kernel, arch, variant in itertools.product(
                _all(record, "kernels", known), _all(record, "arches", config.arch_names()),
                record.texts("variants", ["default"]))
            if config.arch(arch).name in known.get(kernel, (arch,))
            and arch in config.variants()[variant].arches]


def _hosts(record: Record) -> list[Place]:
    """The real machines under `on`: local, ssh:NAME, or label:WORD for every host with it."""
    places = []
    for word in record.texts("on"):
        label = word.removeprefix("label:") if word.startswith("label:") else None
        chosen = [host for host in hosts.hosts().values()
                  if (label in host.labels if label else word == hosts.PREFIX + host.name)]
        if word == "local":
            places.append(Place("local", "running", os.uname().machine, "default"))
        elif not chosen:
            raise UsageError(f"{record.where}: no host is '{word}' in {hosts.hosts_file()}")
        places += [Place(hosts.PREFIX + host.name, "running", host.arch, "default")
                   for host in chosen]
    return places


def _group(record: Record, seed: int, allow_plants: bool) -> list[Cell]:
    """The cells of one group; UsageError where there are none, or one that cannot be run."""
    durations = record.table("duration")
    seconds = {mode: durations.seconds(mode) for mode in record.texts("modes", list(MODES[:2]))}
    for mode in durations.data:
        if mode not in MODES:
            raise UsageError(f"{durations.where}: unknown mode '{mode}'; modes are "
                             f"{', '.join(MODES)}")
    places = _hosts(record) if "on" in record.data else _guests(record)
    races = _races(record)
    options = common.parse_options(record.texts("options", []))
    checkers = record.flag("checkers", False)
    record.done()
    cells = [Cell(on=place.on, kernel=place.kernel, arch=place.arch, race=race, mode=mode,
                  duration=seconds[mode], seed=seed, variant=place.variant, options=options,
                  checkers=checkers)
             for place, race, mode in itertools.product(places, races, seconds)]
    if not cells:
        raise UsageError(f"{record.where}: there is no cell in it: a list is empty, or none of "
                         "its kernels exists for its architectures and machine variants")
    return [common.check_cell(cell, allow_plants) for cell in cells]


@contextmanager
def _named(where: str) -> Iterator[None]:
    """A usage error of the block names the place in the file."""
    try:
        yield
    except UsageError as error:
        text = str(error)
        raise UsageError(text if text.startswith(where) else f"{where}: {text}") from None


def cells_of(path: Path, seed: int, allow_plants: bool = False) -> list[Cell]:
    """Every cell of a matrix file, in the file's order; UsageError names what is wrong in it."""
    data = load(path)
    groups = data.records("cells")
    data.done()
    if not groups:
        raise UsageError(f"{data.where}: no [[cells]]")
    cells: list[Cell] = []
    for group in groups:
        with _named(group.where):
            cells += _group(group, seed, allow_plants)
    names: set[str] = set()
    for cell in cells:
        if cell.name in names:
            raise UsageError(f"{data.where}: two of its cells are {cell.name}; each must be there "
                             "once")
        names.add(cell.name)
    return cells


def _unexpected(record: dict[str, Any]) -> str | None:
    if as_expected(record):
        return None
    expected = record["expected"]
    name = f"{record['race']} {record['mode']} on {record['kernel']['id']} {record['arch']}"
    if not expected:
        return f"{name}: {record['verdict']}: {record['reason']}"
    return (f"{name}: {record['verdict']} where {' or '.join(expected['verdicts'])} is expected "
            f"({expected['reason']}): {record['reason']}")


def main(args: argparse.Namespace) -> int:
    """Run the matrix; 0 when every cell is as expected."""
    if bool(args.matrix) == bool(args.resume):
        raise UsageError("name a matrix of configs/matrix/, or a run with --resume (not both)")
    resumed = run_directory(args.resume) if args.resume else None
    if resumed and args.seed is not None:
        raise UsageError("--resume goes on with the run's own seed; leave --seed out")
    if resumed:
        path, seed = recall(resumed)
    else:
        path = find(args.matrix)
        seed = common.default_seed() if args.seed is None else args.seed
    cells = cells_of(path, seed, args.allow_plants)
    records, _, complete = common.run_cells(
        cells, json_output=args.json, allow_plants=args.allow_plants, at_once=args.jobs,
        resumed=resumed, begun=None if resumed else lambda home: remember(home, path, seed))
    if not complete:
        return common.EXIT_INTERRUPTED
    console = common.console_for(args.json)
    surprises = [text for text in map(_unexpected, records) if text]
    for text in surprises:
        console.print(f"not as expected: {text}", highlight=False, soft_wrap=True, markup=False)
    if not surprises:
        console.print(f"all {len(records)} cells are as configs/expectations.toml expects",
                      highlight=False)
    verdicts = {Verdict(record["verdict"]) for record in records}
    if Verdict.INFRA in verdicts:
        return 128
    return 1 if surprises else 0

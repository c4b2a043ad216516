# SPDX-License-Identifier: GPL-2.0
"""./mmrace matrix: many cells from one file, compared with what is expected."""

import argparse
import itertools
from pathlib import Path
from typing import Any

from mmrace import config
from mmrace.cell import MODES, Cell
from mmrace.commands import common
from mmrace.config import Record
from mmrace.errors import UsageError
from mmrace.paths import CONFIGS
from mmrace.verdict import Verdict

HELP = "run a matrix of cells and compare it with the expectations"
EPILOG = """\
exit codes: 0 everything is as configs/expectations.toml says; 1 something is not (the reason is
printed); 2 usage; 128 and up infrastructure; 130 interrupted.

example:
  ./mmrace matrix configs/matrix/first.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("matrix", help="a file of configs/matrix/, by path or by name")
    parser.add_argument("--seed", type=int, default=None,
                        help="the plan's seed (default: a new one, printed)")
    parser.add_argument("--json", action="store_true",
                        help="one JSON object a cell on stdout, everything else on stderr")


def find(name: str) -> Path:
    """A matrix file by path or by its name in configs/matrix/."""
    for path in (Path(name), CONFIGS / "matrix" / name, CONFIGS / "matrix" / f"{name}.toml"):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in (CONFIGS / "matrix").glob("*.toml")))
    raise UsageError(f"no matrix '{name}'; configs/matrix/ has: {known}")


def _group(record: Record, seed: int) -> list[Cell]:
    durations = record.table("duration")
    cells = []
    for kernel, arch, variant, race, mode in itertools.product(
            record.texts("kernels"), record.texts("arches"), record.texts("variants", ["default"]),
            record.texts("races"), record.texts("modes", list(MODES[:2]))):
        if variant in config.variants() and arch not in config.variants()[variant].arches:
            continue
        seconds = durations.data.get(mode)
        if not isinstance(seconds, (int, float)):
            raise UsageError(f"{durations.where}: no duration in seconds for mode '{mode}'")
        cells.append(Cell(kernel=kernel, arch=arch, race=race, mode=mode, duration=seconds,
                          seed=seed, variant=variant,
                          options=common.parse_options(record.texts("options", []))))
    return cells


def cells_of(path: Path, seed: int) -> list[Cell]:
    """Every cell of a matrix file, in the file's order."""
    data = config.load(path)
    groups = data.data.get("cells")
    if not isinstance(groups, list) or not groups:
        raise UsageError(f"{data.where}: no [[cells]]")
    return [common.check_cell(cell)
            for index, group in enumerate(groups)
            for cell in _group(Record(f"{data.where}: cells {index + 1}", group), seed)]


def _unexpected(record: dict[str, Any]) -> str | None:
    expected = record["expected"]
    if expected and expected["met"]:
        return None
    name = f"{record['race']} {record['mode']} on {record['kernel']['id']} {record['arch']}"
    if not expected:
        return f"{name}: {record['verdict']}: {record['reason']}"
    return (f"{name}: {record['verdict']} where {' or '.join(expected['verdicts'])} is expected "
            f"({expected['reason']}): {record['reason']}")


def main(args: argparse.Namespace) -> int:
    """Run the matrix; 0 when every cell is as expected."""
    seed = common.default_seed() if args.seed is None else args.seed
    cells = cells_of(find(args.matrix), seed)
    records, _, complete = common.run_cells(cells, json_output=args.json)
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

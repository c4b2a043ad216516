# SPDX-License-Identifier: GPL-2.0
"""./mmrace replay: run the command of a result's replay line again, and say k of n."""

import argparse
import shlex

from mmrace.commands import common, run
from mmrace.errors import UsageError
from mmrace.verdict import Verdict, exit_code

HELP = "run a replay line again, and say how often it failed"
EPILOG = """\
example:
  ./mmrace replay './mmrace run --kernel debian:bookworm --race lost-write --seed 7' --times 5
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("line", nargs="+", help="the `replay` of a record, quoted or not")
    parser.add_argument("--times", type=common.positive(int), default=1,
                        help="how many fresh boots (default: %(default)s)")


def parse(words: list[str]) -> argparse.Namespace:
    """The options of a replay line."""
    line = shlex.split(words[0]) if len(words) == 1 else words
    if line[:2] != ["./mmrace", "run"]:
        raise UsageError("a replay line begins with './mmrace run'; take it from a record's "
                         "`replay`")
    parser = argparse.ArgumentParser(prog="mmrace replay LINE")
    run.add_arguments(parser)
    return parser.parse_args(line[2:])


def main(args: argparse.Namespace) -> int:
    """Run it; the same seed each time, a fresh boot each time."""
    options = parse(args.line)
    cells = [cell for _ in range(args.times) for cell in run.cells_of(options)]
    records, _, complete = common.run_cells(cells, json_output=False, scratch=options.dir,
                                            fresh_boots=True, allow_plants=options.allow_plants)
    verdicts = [Verdict(record["verdict"]) for record in records]
    failed = sum(verdict.is_failure for verdict in verdicts)
    print(f"failed in {failed} of {len(records)} runs")
    return exit_code(verdicts) if complete else common.EXIT_INTERRUPTED

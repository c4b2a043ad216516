# SPDX-License-Identifier: GPL-2.0
"""./mmrace replay: run the command of a result's replay line again, and say k of n."""

import argparse
import shlex

from mmrace.commands import common, run
from mmrace.errors import UsageError
from mmrace.verdict import Verdict, exit_code

HELP = "run a replay line again, and say how often it failed"
EPILOG = """\
exit codes: 0 PASS in every run; 1 a failure was seen; 2 usage; 125 could not tell (INCONCLUSIVE,
SKIP); 128 and up infrastructure; 130 interrupted.

examples:
  ./mmrace replay './mmrace run --kernel debian:bookworm --race lost-write --seed 7' --times 5
  ./mmrace replay --times 5 ./mmrace run --kernel debian:bookworm --race lost-write --seed 7
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    _add_times(parser)
    parser.add_argument("line", nargs=argparse.REMAINDER,
                        help="the `replay` of a record, quoted or not")


def _add_times(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=common.positive(int), default=1,
                        help="how many fresh boots (default: %(default)s)")


def parse(words: list[str], times: int = 1) -> argparse.Namespace:
    """The options of a replay line, its words quoted as one or not; `times` unless they say it."""
    try:
        line = shlex.split(words[0]) + words[1:] if words else []
    except ValueError as error:
        raise UsageError(f"the replay line is cut off ({error}): {words[0]}") from None
    if line[:2] != ["./mmrace", "run"]:
        raise UsageError("a replay line begins with './mmrace run'; take it from a record's "
                         "`replay`")
    parser = argparse.ArgumentParser(prog="mmrace replay LINE")
    _add_times(parser)
    parser.set_defaults(times=times)
    run.add_arguments(parser)
    return parser.parse_args(line[2:])


def main(args: argparse.Namespace) -> int:
    """Run it; the same seed each time, a fresh boot each time."""
    options = parse(args.line, args.times)
    run.check_machine(options)
    cells = [cell for _ in range(options.times) for cell in run.cells_of(options)]
    records, _, complete = common.run_cells(cells, json_output=options.json, scratch=options.dir,
                                            fresh_boots=True, allow_plants=options.allow_plants,
                                            vmcore=options.vmcore)
    verdicts = [Verdict(record["verdict"]) for record in records]
    failed = sum(verdict.is_failure for verdict in verdicts)
    common.console_for(options.json).print(f"failed in {failed} of {len(records)} runs",
                                           highlight=False)
    return exit_code(verdicts) if complete else common.EXIT_INTERRUPTED

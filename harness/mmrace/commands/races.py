# SPDX-License-Identifier: GPL-2.0
"""./mmrace races: what every race did on every kernel, from runs."""

import argparse
import sys

from mmrace.commands.report import newest, run_directory
from mmrace.paths import TREE
from mmrace.race_matrix import markdown
from mmrace.report.runs import load

HELP = "what every race did on every kernel: rates, exposure and controls of one or more runs"
EPILOG = """\
examples:
  ./mmrace races                                          # of the newest run, as Markdown
  ./mmrace races --write                                  # into docs/race-matrix.md
  ./mmrace races runs/20260101-120000 runs/20260102-120000
"""
PAGE = TREE / "docs/race-matrix.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("runs", nargs="*", metavar="RUN",
                        help="run directories, whose cells are added up (default: the newest)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(TREE)}")


def main(args: argparse.Namespace) -> int:
    """Print or write the page."""
    homes = [run_directory(name) for name in args.runs] or [newest()]
    page = markdown(record for home in homes for record in load(home).records)
    if args.write:
        PAGE.write_text(page)
    else:
        sys.stdout.write(page)
    return 0

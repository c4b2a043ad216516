# SPDX-License-Identifier: GPL-2.0
"""./mmrace compare: what changed from one run to another."""

import argparse

from rich.console import Console

from mmrace.commands.report import run_directory
from mmrace.report import print_changes
from mmrace.report.cells import Cell
from mmrace.report.compare import compare
from mmrace.report.runs import load

HELP = "compare two runs"
EPILOG = """\
example:
  ./mmrace compare runs/20251231-120000 runs/20260101-120000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("before", help="a run directory, or its name below runs/")
    parser.add_argument("after", help="another")


def main(args: argparse.Namespace) -> int:
    """Print the changes."""
    before, after = (load(run_directory(name)) for name in (args.before, args.after))
    print_changes(compare(map(Cell, before.records), map(Cell, after.records)), Console())
    return 0

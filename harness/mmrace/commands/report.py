# SPDX-License-Identifier: GPL-2.0
"""./mmrace report: make the views of a run directory anew, or compare two runs in one page."""

import argparse
from pathlib import Path

from rich.console import Console

from mmrace.errors import UsageError
from mmrace.paths import runs_dir
from mmrace.report import print_summary, write_all
from mmrace.report.runs import load

HELP = "make report.html, junit.xml, results.ktap and results.json of a run"
EPILOG = """\
examples:
  ./mmrace report                     # the newest run
  ./mmrace report runs/20260101-120000 --before runs/20251231-120000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("run", nargs="?", help="a run directory (default: the newest)")
    parser.add_argument("--before", help="an older run that the page compares with")


def run_directory(name: str) -> Path:
    """A run directory by path, or by its name below runs/."""
    for path in (Path(name), runs_dir() / name):
        if (path / "run.json").is_file():
            return path
    raise UsageError(f"no run '{name}': it must be a directory with a run.json; `./mmrace list "
                     "runs` shows what there is")


def newest() -> Path:
    """The newest run directory."""
    homes = sorted(path.parent for path in runs_dir().glob("*/run.json"))
    if not homes:
        raise UsageError(f"there is no run below {runs_dir()} yet; make one with ./mmrace run")
    return homes[-1]


def main(args: argparse.Namespace) -> int:
    """Write the views and print the table."""
    home = run_directory(args.run) if args.run else newest()
    before = run_directory(args.before) if args.before else None
    console = Console()
    run = load(home)
    print_summary(run.records, console)
    if run.damaged:
        console.print(f"damaged, so that something may be missing: {', '.join(run.damaged)}",
                      highlight=False, soft_wrap=True)
    for path in write_all(home, before):
        console.print(str(path), highlight=False, soft_wrap=True)
    return 0

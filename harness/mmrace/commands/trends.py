# SPDX-License-Identifier: GPL-2.0
"""./mmrace trends: how cells came out over many runs."""

import argparse
import json
from dataclasses import asdict

from rich.console import Console

from mmrace.errors import UsageError
from mmrace.paths import runs_dir
from mmrace.report import print_trends
from mmrace.report.sqlite_index import Index, Trend

HELP = "how cells came out, how often they failed and how soon, over all runs"
EPILOG = """\
A cell on two platforms has two trends, since results of unlike machines say nothing of each other.
The runs of one trend are in their order in time, each with its own kernel, module and race builds.

examples:
  ./mmrace trends
  ./mmrace trends lost-write widened ppc64le
  ./mmrace trends debian-bookworm.x86_64.lost-write.widened --runs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("words", nargs="*", metavar="WORD",
                        help="only cells whose name has every word (default: all)")
    parser.add_argument("--runs", action="store_true", help="a line for each run of each cell")
    parser.add_argument("--json", action="store_true", help="one JSON object a cell")


def _chosen(words: list[str]) -> list[Trend]:
    if not runs_dir().is_dir():
        raise UsageError(f"there is no run below {runs_dir()} yet; make one with ./mmrace run")
    with Index(runs_dir()) as index:
        found = [trend for trend in index.trends()
                 if all(word in trend.name for word in words)]
    if not found:
        raise UsageError(f"no cell of any run below {runs_dir()} has '{' '.join(words)}' in its "
                         "name; ./mmrace trends shows all")
    return found


def main(args: argparse.Namespace) -> int:
    """Print the trends."""
    found = _chosen(args.words)
    if args.json:
        for trend in found:
            print(json.dumps(asdict(trend)))
    else:
        print_trends(found, Console(), args.runs)
    return 0
